/* The log thread: takes the batches that the owner has submitted, writes all that wait as one transaction,
 * commits, and hands them back. No timer gathers batches: what arrives while a commit runs is the next group.
 *
 *   owner:       fill ─► rj_writer_submit ─┐                 ┌─► rj_writer_take_done ─► callbacks
 *   log thread:                            └► group ► COMMIT ┘   (event_fd is readable)
 *
 * Order is kept all the way. A commit that fails ends the process, except that a full map grows and the same
 * group is written again.
 */
#ifndef RJ_WRITER_H
#define RJ_WRITER_H

#include "storage/batch.h"
#include "storage/env.h"

struct rj_store_batches {
    struct rj_store_batch *first, *last;
};

struct rj_writer {
    struct rj_env *env;
    int event_fd;
    bool is_running;
    pthread_t thread;
    pthread_mutex_t lock; /* over what follows */
    pthread_cond_t wake;
    struct rj_store_batches submitted;
    struct rj_store_batches done;
    bool is_stopping;
};

void rj_store_batches_add(struct rj_store_batches *list, struct rj_store_batch *batch);

enum rj_status rj_writer_start(struct rj_writer *writer, struct rj_env *env);

/* Takes the batches of the list and leaves it empty. */
void rj_writer_submit(struct rj_writer *writer, struct rj_store_batches *batches);

/* The batches committed since the last call, oldest first; the caller owns them. Clears the event. */
struct rj_store_batches rj_writer_take_done(struct rj_writer *writer);

/* Writes what was submitted, then ends the thread. What is done can still be taken. */
void rj_writer_stop(struct rj_writer *writer);

/* After rj_writer_stop, or when it was never started. */
void rj_writer_free(struct rj_writer *writer);

#endif
