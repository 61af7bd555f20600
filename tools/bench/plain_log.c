#include "tools/bench/plain_log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"

/* ------------------------------------------------------------------------------------------- batches */

struct plain_batch *plain_batch_new(void)
{
    return rj_calloc(1, sizeof(struct plain_batch));
}

void plain_batch_free(struct plain_batch *batch)
{
    free(batch->ops);
    free(batch->rooms);
    free(batch->seqs);
    rj_buf_free(&batch->bytes);
    free(batch);
}

void plain_batch_reset(struct plain_batch *batch)
{
    batch->n_ops = batch->n_rooms = 0;
    rj_buf_clear(&batch->bytes);
}

struct plain_op *plain_batch_add(struct plain_batch *batch)
{
    if (batch->n_ops == batch->cap_ops) {
        batch->cap_ops = batch->cap_ops ? batch->cap_ops * 2 : 64;
        batch->ops = rj_realloc(batch->ops, batch->cap_ops, sizeof *batch->ops);
    }
    struct plain_op *op = &batch->ops[batch->n_ops++];
    *op = (struct plain_op){0};
    return op;
}

size_t plain_batch_add_rooms(struct plain_batch *batch, size_t n)
{
    size_t at = batch->n_rooms;
    if (at + n > batch->cap_rooms) {
        batch->cap_rooms = (at + n) * 2;
        batch->rooms = rj_realloc(batch->rooms, batch->cap_rooms, sizeof *batch->rooms);
        batch->seqs = rj_realloc(batch->seqs, batch->cap_rooms, sizeof *batch->seqs);
    }
    batch->n_rooms += n;
    return at;
}

void plain_batches_add(struct plain_batches *list, struct plain_batch *batch)
{
    batch->next = NULL;
    if (list->last)
        list->last->next = batch;
    else
        list->first = batch;
    list->last = batch;
}

struct plain_batch *plain_batches_take(struct plain_batches *list)
{
    struct plain_batch *batch = list->first;
    if (!batch)
        return NULL;
    list->first = batch->next;
    if (!list->first)
        list->last = NULL;
    return batch;
}

/* ------------------------------------------------------------------------------------------- the thread */

static _Noreturn void fail(void)
{
    fprintf(stderr, "plain log: %s\n", strerror(errno));
    _exit(RJ_STORE_FAILED_EXIT);
}

static void write_all(int fd, struct rj_span bytes)
{
    while (bytes.len) {
        ssize_t n = write(fd, bytes.data, bytes.len);
        if (n < 0 && errno != EINTR)
            fail();
        bytes = rj_span_from(bytes, n > 0 ? (size_t)n : 0);
    }
}

/* How long it took; 0 when there was nothing to write. */
static uint64_t write_group(int fd, const struct plain_batches *group)
{
    uint64_t began_us = rj_clock_mono_us();
    size_t bytes = 0;
    for (const struct plain_batch *batch = group->first; batch; batch = batch->next) {
        write_all(fd, rj_buf_span(&batch->bytes));
        bytes += batch->bytes.len;
    }
    if (bytes == 0)
        return 0;
    if (fdatasync(fd))
        fail();
    return rj_clock_mono_us() - began_us;
}

static void ring(int event_fd)
{
    uint64_t one = 1;
    while (write(event_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void *log_thread(void *arg)
{
    struct plain_log *log = arg;
    struct plain_batch *batch;
    pthread_mutex_lock(&log->lock);
    for (;;) {
        while (!log->submitted.first && !log->is_stopping)
            pthread_cond_wait(&log->wake, &log->lock);
        if (!log->submitted.first)
            break;
        struct plain_batches group = log->submitted;
        log->submitted = (struct plain_batches){0};
        pthread_mutex_unlock(&log->lock);

        uint64_t took_us = write_group(log->fd, &group);

        pthread_mutex_lock(&log->lock);
        log->commits += took_us > 0;
        log->us_total += took_us;
        log->us_most = took_us > log->us_most ? took_us : log->us_most;
        while ((batch = plain_batches_take(&group)))
            plain_batches_add(&log->done, batch);
        ring(log->event_fd);
    }
    pthread_mutex_unlock(&log->lock);
    return NULL;
}

/* ------------------------------------------------------------------------------------------- owner */

enum rj_status plain_log_open(struct plain_log *log, const char *path)
{
    sigset_t all, before;
    *log = (struct plain_log){.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    log->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->wake, NULL);
    if (log->fd < 0 || log->event_fd < 0)
        return RJ_IO;
    sigfillset(&all); /* signals are the owner's affair */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    log->is_running = pthread_create(&log->thread, NULL, log_thread, log) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return log->is_running ? RJ_OK : RJ_IO;
}

void plain_log_close(struct plain_log *log)
{
    if (log->is_running) {
        pthread_mutex_lock(&log->lock);
        log->is_stopping = true;
        pthread_cond_signal(&log->wake);
        pthread_mutex_unlock(&log->lock);
        pthread_join(log->thread, NULL);
    }
    pthread_mutex_destroy(&log->lock);
    pthread_cond_destroy(&log->wake);
    if (log->fd >= 0)
        close(log->fd);
    if (log->event_fd >= 0)
        close(log->event_fd);
}

void plain_log_submit(struct plain_log *log, struct plain_batch *batch)
{
    pthread_mutex_lock(&log->lock);
    plain_batches_add(&log->submitted, batch);
    pthread_cond_signal(&log->wake);
    pthread_mutex_unlock(&log->lock);
}

struct plain_batches plain_log_take_done(struct plain_log *log)
{
    uint64_t count;
    /* Cleared before the list is taken: what is done meanwhile rings again. */
    if (read(log->event_fd, &count, sizeof count) < 0)
        count = 0;
    pthread_mutex_lock(&log->lock);
    struct plain_batches done = log->done;
    log->done = (struct plain_batches){0};
    pthread_mutex_unlock(&log->lock);
    return done;
}
