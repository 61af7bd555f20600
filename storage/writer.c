#include "storage/writer.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/fault.h"
#include "storage/apply.h"

enum {
    PAGE_BYTES = 4096,
    DELETE_BYTES = 32768, /* what deleting a record on its own counts as: 1,000 of them take some ms */
    GROUP_BYTES = 4 * RJ_BATCH_BYTES, /* of one transaction; LMDB holds at most 512 MiB of dirty pages */
    READER_CHECK_MS = 60000,          /* how often slots of dead readers (tools) are freed */
};

void rj_store_batches_add(struct rj_store_batches *list, struct rj_store_batch *batch)
{
    batch->next = NULL;
    if (list->last)
        list->last->next = batch;
    else
        list->first = batch;
    list->last = batch;
}

static void list_join(struct rj_store_batches *list, struct rj_store_batches *more)
{
    if (list->last)
        list->last->next = more->first;
    else
        list->first = more->first;
    if (more->last)
        list->last = more->last;
    *more = (struct rj_store_batches){0};
}

/* ------------------------------------------------------------------------------------------ log thread */

/* About what it dirties: an index entry may well be alone on its page. */
static size_t weight(const struct rj_store_batch *batch)
{
    return batch->bytes.len + batch->sweep.n_entries * PAGE_BYTES + batch->sweep.n_deletes * DELETE_BYTES;
}

/* Takes from the front what fits into one transaction. */
static struct rj_store_batches take_group(struct rj_store_batches *submitted)
{
    struct rj_store_batches group = {submitted->first, submitted->first};
    size_t bytes = weight(group.first);
    while (group.last->next && (bytes += weight(group.last->next)) <= GROUP_BYTES)
        group.last = group.last->next;
    submitted->first = group.last->next;
    if (!submitted->first)
        submitted->last = NULL;
    group.last->next = NULL;
    return group;
}

static int write_once(struct rj_env *env, const struct rj_store_batches *group)
{
    MDB_txn *txn;
    struct rj_apply apply;
    int rc = RJ_FAULT(STORE_BEGIN) ? ENOMEM : mdb_txn_begin(env->mdb, NULL, 0, &txn);
    if (rc)
        return rc;
    rc = rj_apply_begin(&apply, env, txn);
    for (struct rj_store_batch *batch = group->first; batch && rc == 0; batch = batch->next)
        rc = rj_apply_batch(&apply, batch);
    if (rc == 0 && (RJ_FAULT(STORE_BEFORE_COMMIT) || RJ_FAULT(STORE_COMMIT)))
        rc = EIO;
    if (rc) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

static bool group_writes(const struct rj_store_batches *group, bool *ends_pass)
{
    bool writes = false;
    *ends_pass = false;
    for (const struct rj_store_batch *batch = group->first; batch; batch = batch->next) {
        writes |= rj_store_batch_writes(batch);
        *ends_pass |= batch->sweep.scan_from != 0;
    }
    return writes;
}

static void write_group(struct rj_env *env, const struct rj_store_batches *group)
{
    bool ends_pass;
    if (!group_writes(group, &ends_pass))
        return;
    uint64_t began_us = rj_clock_mono_us();
    int rc;
    while ((rc = write_once(env, group)) == MDB_MAP_FULL) {
        rc = rj_env_grow(env);
        if (rc)
            rj_env_fail("growing the map", rc);
    }
    if (rc)
        rj_env_fail("committing to the log", rj_env_disk_error(env, rc));
    group->last->ends_commit = true;
    group->last->commit_us = rj_clock_mono_us() - began_us;
    if (RJ_FAULT(STORE_AFTER_COMMIT) || (ends_pass && RJ_FAULT(STORE_WRAP)))
        rj_env_fail("acknowledging a commit", EIO);
}

static void ring(struct rj_writer *writer)
{
    uint64_t one = 1;
    while (write(writer->event_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void *log_thread(void *arg)
{
    struct rj_writer *writer = arg;
    uint64_t checked_ms = rj_clock_mono_ms();
    pthread_mutex_lock(&writer->lock);
    for (;;) {
        while (!writer->submitted.first && !writer->is_stopping)
            pthread_cond_wait(&writer->wake, &writer->lock);
        if (!writer->submitted.first)
            break;
        struct rj_store_batches group = take_group(&writer->submitted);
        pthread_mutex_unlock(&writer->lock);

        write_group(writer->env, &group);

        pthread_mutex_lock(&writer->lock);
        list_join(&writer->done, &group);
        ring(writer);
        if (rj_clock_mono_ms() - checked_ms > READER_CHECK_MS) {
            checked_ms = rj_clock_mono_ms();
            mdb_reader_check(writer->env->mdb, NULL);
        }
    }
    pthread_mutex_unlock(&writer->lock);
    return NULL;
}

/* ------------------------------------------------------------------------------------------ owner */

enum rj_status rj_writer_start(struct rj_writer *writer, struct rj_env *env)
{
    *writer = (struct rj_writer){.env = env};
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->wake, NULL);
    writer->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (writer->event_fd < 0)
        return RJ_IO;
    /* Signals are the owner's affair. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    writer->is_running = pthread_create(&writer->thread, NULL, log_thread, writer) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return writer->is_running ? RJ_OK : RJ_IO;
}

void rj_writer_submit(struct rj_writer *writer, struct rj_store_batches *batches)
{
    pthread_mutex_lock(&writer->lock);
    list_join(&writer->submitted, batches);
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->lock);
}

struct rj_store_batches rj_writer_take_done(struct rj_writer *writer)
{
    uint64_t count;
    /* Cleared before the list is taken: what is done meanwhile rings again. */
    if (read(writer->event_fd, &count, sizeof count) < 0)
        count = 0;
    pthread_mutex_lock(&writer->lock);
    struct rj_store_batches done = writer->done;
    writer->done = (struct rj_store_batches){0};
    pthread_mutex_unlock(&writer->lock);
    return done;
}

void rj_writer_stop(struct rj_writer *writer)
{
    if (!writer->is_running)
        return;
    pthread_mutex_lock(&writer->lock);
    writer->is_stopping = true;
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
    writer->is_running = false;
}

void rj_writer_free(struct rj_writer *writer)
{
    if (!writer->env)
        return;
    pthread_mutex_destroy(&writer->lock);
    pthread_cond_destroy(&writer->wake);
    if (writer->event_fd >= 0)
        close(writer->event_fd);
    writer->env = NULL;
}
