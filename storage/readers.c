#include "storage/readers.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"

enum { SNAPSHOT_US = 20000 }; /* looked at between records and rooms, each of which may take a few pages */

static void list_add(struct rj_store_readings *list, struct rj_store_reading *reading)
{
    reading->next = NULL;
    if (list->last)
        list->last->next = reading;
    else
        list->first = reading;
    list->last = reading;
}

static struct rj_store_reading *list_take(struct rj_store_readings *list)
{
    struct rj_store_reading *reading = list->first;
    list->first = reading->next;
    if (!list->first)
        list->last = NULL;
    return reading;
}

/* ------------------------------------------------------------------------------------------ reader thread */

static bool keep(void *ctx, const struct rj_record *record, struct rj_span bytes)
{
    struct rj_store_reading *reading = ctx;
    if (reading->n_found == reading->cap_found) {
        reading->cap_found = reading->cap_found ? reading->cap_found * 2 : 16;
        reading->found = rj_realloc(reading->found, reading->cap_found, sizeof *reading->found);
    }
    reading->found[reading->n_found++] = (struct rj_found){record->fields.pos, reading->bytes.len, bytes.len};
    rj_buf_put_span(&reading->bytes, bytes);
    return true;
}

static void rest(void *ctx, struct rj_reader *reader)
{
    struct rj_store_reading *reading = ctx;
    uint64_t now_us = rj_clock_mono_us();
    if (now_us - reading->rested_us < SNAPSHOT_US)
        return;
    rj_env_reader_end(reading->readers->env, reader);
    rj_env_reader_begin(reading->readers->env, reader);
    reading->rested_us = rj_clock_mono_us();
}

static void carry_out(struct rj_store_reading *reading, struct rj_reader *reader)
{
    reading->started_us = rj_clock_mono_us();
    reading->plan.visit = keep;
    reading->plan.rest = rest;
    reading->plan.ctx = reading;
    rj_env_reader_begin(reading->readers->env, reader);
    reading->rested_us = rj_clock_mono_us();
    if (reading->warm)
        rj_warm_run(reading->warm, reading->readers->env, reader, rest, reading);
    else
        rj_reading_run(&reading->plan, reader);
    rj_env_reader_end(reading->readers->env, reader);
    reading->ended_us = rj_clock_mono_us();
}

static void ring(const struct rj_readers *readers)
{
    uint64_t one = 1;
    while (write(readers->event_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void *reader_thread(void *arg)
{
    struct rj_readers *readers = arg;
    struct rj_reader reader = {0};
    pthread_mutex_lock(&readers->lock);
    for (;;) {
        while (!readers->asked.first && !readers->is_stopping)
            pthread_cond_wait(&readers->wake, &readers->lock);
        if (readers->is_stopping)
            break;
        struct rj_store_reading *reading = list_take(&readers->asked);
        pthread_mutex_unlock(&readers->lock);

        carry_out(reading, &reader);

        pthread_mutex_lock(&readers->lock);
        list_add(&readers->done, reading);
        ring(readers);
    }
    pthread_mutex_unlock(&readers->lock);
    rj_env_reader_free(&reader);
    return NULL;
}

/* ------------------------------------------------------------------------------------------ owner */

enum rj_status rj_readers_start(struct rj_readers *readers, struct rj_env *env, unsigned n_threads,
                                int event_fd)
{
    sigset_t all, before;
    *readers = (struct rj_readers){.env = env, .event_fd = event_fd};
    pthread_mutex_init(&readers->lock, NULL);
    pthread_cond_init(&readers->wake, NULL);
    /* Signals are the owner's affair. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (readers->n_threads < n_threads &&
           pthread_create(&readers->threads[readers->n_threads], NULL, reader_thread, readers) == 0)
        readers->n_threads++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return readers->n_threads == n_threads ? RJ_OK : RJ_IO;
}

void rj_readers_add(struct rj_readers *readers, struct rj_store_reading *reading)
{
    reading->readers = readers;
    pthread_mutex_lock(&readers->lock);
    list_add(&readers->asked, reading);
    pthread_cond_signal(&readers->wake);
    pthread_mutex_unlock(&readers->lock);
}

void rj_readers_add_done(struct rj_readers *readers, struct rj_store_reading *reading)
{
    reading->readers = readers;
    reading->started_us = reading->ended_us = reading->asked_us;
    pthread_mutex_lock(&readers->lock);
    list_add(&readers->done, reading);
    ring(readers);
    pthread_mutex_unlock(&readers->lock);
}

struct rj_store_readings rj_readers_take_done(struct rj_readers *readers)
{
    pthread_mutex_lock(&readers->lock);
    struct rj_store_readings done = readers->done;
    readers->done = (struct rj_store_readings){0};
    pthread_mutex_unlock(&readers->lock);
    return done;
}

void rj_readers_stop(struct rj_readers *readers)
{
    if (!readers->env)
        return;
    pthread_mutex_lock(&readers->lock);
    readers->is_stopping = true;
    pthread_cond_broadcast(&readers->wake);
    pthread_mutex_unlock(&readers->lock);
    while (readers->n_threads)
        pthread_join(readers->threads[--readers->n_threads], NULL);
    while (readers->asked.first) {
        struct rj_store_reading *reading = list_take(&readers->asked);
        reading->plan.status = RJ_CLOSED;
        reading->plan.reached = reading->plan.after;
        list_add(&readers->done, reading);
    }
}

void rj_readers_free(struct rj_readers *readers)
{
    if (!readers->env)
        return;
    pthread_mutex_destroy(&readers->lock);
    pthread_cond_destroy(&readers->wake);
    readers->env = NULL;
}
