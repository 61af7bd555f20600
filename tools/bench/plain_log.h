/* A file that grows, and the thread that writes it: whatever batches have come meanwhile are written one
 * after the other and synced together. The least that a durable log can do.
 *
 * A batch belongs to the owner while it is filled and once it is done, to the log thread in between.
 */
#ifndef RJ_BENCH_PLAIN_LOG_H
#define RJ_BENCH_PLAIN_LOG_H

#include <pthread.h>

#include "storage/store.h"

enum plain_op_kind { PLAIN_APPEND, PLAIN_WRITTEN };

#define PLAIN_LOG_NAME "plain.log" /* in the broker's data folder */

/* A callback that is due once the batch is on disk. */
struct plain_op {
    enum plain_op_kind kind;
    union {
        rj_store_appended *appended;
        rj_store_written *written;
    } done; /* may be NULL */
    void *ctx;
    uint64_t pos, ts_ms;
    size_t payload_at, payload_len; /* in the batch's bytes */
    size_t rooms_at, n_rooms;       /* in the batch's lists */
};

struct plain_batch {
    struct plain_batch *next;
    struct plain_op *ops;
    size_t n_ops, cap_ops;
    rj_room_id *rooms; /* of all appends, one after the other */
    uint64_t *seqs;
    size_t n_rooms, cap_rooms;
    struct rj_buf bytes; /* of all records */
};

struct plain_batches {
    struct plain_batch *first, *last;
};

struct plain_batch *plain_batch_new(void);
void plain_batch_free(struct plain_batch *batch);

/* Empties it and keeps its memory. */
void plain_batch_reset(struct plain_batch *batch);

/* The next operation, zeroed. Valid until the one after it. */
struct plain_op *plain_batch_add(struct plain_batch *batch);

/* Room for `n` more rooms and seqs, which the caller fills in; where they start. */
size_t plain_batch_add_rooms(struct plain_batch *batch, size_t n);

void plain_batches_add(struct plain_batches *list, struct plain_batch *batch);
struct plain_batch *plain_batches_take(struct plain_batches *list); /* the oldest one; NULL: none */

struct plain_log {
    int fd;
    int event_fd; /* readable: something is done */
    pthread_t thread;
    bool is_running;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t wake;
    bool is_stopping;
    struct plain_batches submitted, done;
    uint64_t commits, us_total, us_most;
};

/* Starts a new file at `path`, and the thread. A write that fails ends the process, as the store does. */
enum rj_status plain_log_open(struct plain_log *log, const char *path);

/* Waits until all is written. */
void plain_log_close(struct plain_log *log);

void plain_log_submit(struct plain_log *log, struct plain_batch *batch);
struct plain_batches plain_log_take_done(struct plain_log *log);

#endif
