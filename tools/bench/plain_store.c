/* storage/store.h over a plain file: what the broker would reach with a log that only writes and syncs.
 * Records have the size of the real store's. There is no index, no dedupe, no retention and nothing is read:
 * a range is a gap, a key is absent, a put is forgotten. Enough for publishing, and for nothing else; every
 * function of store.h is here, so that no part of the real store can come into the program.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <uthash.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "proto/base/random.h"
#include "storage/layout.h"
#include "tools/bench/plain_log.h"

struct room {
    rj_room_id id;
    uint64_t accepted_seq, head_seq, head_pos;
    UT_hash_handle hh;
    size_t key_len;
    uint8_t key[];
};

struct rj_store {
    struct plain_log log;
    struct room *by_key;
    struct room **by_id;
    rj_room_id n_rooms, cap_rooms;
    uint64_t epoch, next, completed;
    struct plain_batch *open; /* being filled; never NULL */
    struct plain_batches spare;
    size_t in_flight;
    struct rj_store_stats stats;
};

/* ------------------------------------------------------------------------------------------- life */

enum rj_status rj_store_open(const struct rj_store_options *options, struct rj_store **out,
                             struct rj_buf *why)
{
    char path[PATH_MAX];
    struct rj_store *store = rj_calloc(1, sizeof *store);
    snprintf(path, sizeof path, "%s/" PLAIN_LOG_NAME, options->path);
    store->open = plain_batch_new();
    store->epoch = rj_random_u64() | 1;
    store->next = 1;
    bool is_there = mkdir(options->path, 0700) == 0 || errno == EEXIST;
    if (is_there && plain_log_open(&store->log, path) == RJ_OK) {
        *out = store;
        return RJ_OK;
    }
    rj_buf_printf(why, "%s: %s", options->path, strerror(errno));
    if (is_there)
        plain_log_close(&store->log);
    plain_batch_free(store->open);
    free(store);
    return RJ_IO;
}

static void free_spare(struct rj_store *store)
{
    struct plain_batch *batch;
    while ((batch = plain_batches_take(&store->spare)))
        plain_batch_free(batch);
}

void rj_store_close(struct rj_store **store_)
{
    struct rj_store *store = *store_;
    if (!store)
        return;
    while (store->in_flight) {
        struct pollfd event = {.fd = store->log.event_fd, .events = POLLIN};
        rj_store_submit(store);
        poll(&event, 1, -1);
        rj_store_complete(store);
    }
    *store_ = NULL;
    plain_log_close(&store->log);
    HASH_CLEAR(hh, store->by_key);
    for (rj_room_id i = 0; i < store->n_rooms; i++)
        free(store->by_id[i]);
    free(store->by_id);
    plain_batch_free(store->open);
    free_spare(store);
    free(store);
}

/* ------------------------------------------------------------------------------------------- the turn */

int rj_store_event_fd(const struct rj_store *store)
{
    return store->log.event_fd;
}

void rj_store_submit(struct rj_store *store)
{
    if (store->open->n_ops == 0)
        return;
    plain_log_submit(&store->log, store->open);
    store->open = plain_batches_take(&store->spare);
    if (!store->open)
        store->open = plain_batch_new();
}

static struct room *room_of(const struct rj_store *store, rj_room_id id)
{
    if (id < 1 || id > store->n_rooms)
        abort();
    return store->by_id[id - 1];
}

static void complete_append(struct rj_store *store, const struct plain_batch *batch,
                            const struct plain_op *op)
{
    const uint64_t *seqs = batch->seqs + op->rooms_at;
    for (size_t i = 0; i < op->n_rooms; i++) {
        struct room *room = room_of(store, batch->rooms[op->rooms_at + i]);
        room->head_seq = seqs[i];
        room->head_pos = op->pos;
    }
    store->completed = op->pos;
    store->stats.records++;
    store->stats.bytes += op->payload_len;
    struct rj_store_receipt receipt = {
        .pos = op->pos, .epoch = store->epoch, .ts_ms = op->ts_ms, .seqs = seqs, .n_seqs = op->n_rooms};
    if (op->done.appended)
        op->done.appended(op->ctx, RJ_APPEND_STORED, &receipt,
                          rj_span_of(batch->bytes.data + op->payload_at, op->payload_len));
}

static void complete_batch(struct rj_store *store, struct plain_batch *batch)
{
    for (size_t i = 0; i < batch->n_ops; i++) {
        const struct plain_op *op = &batch->ops[i];
        store->in_flight--;
        if (op->kind == PLAIN_APPEND)
            complete_append(store, batch, op);
        else if (op->done.written)
            op->done.written(op->ctx, RJ_OK);
    }
}

size_t rj_store_complete(struct rj_store *store)
{
    struct plain_batches done = plain_log_take_done(&store->log);
    struct plain_batch *batch;
    size_t n = 0;
    while ((batch = plain_batches_take(&done))) {
        complete_batch(store, batch);
        n += batch->n_ops;
        plain_batch_reset(batch);
        plain_batches_add(&store->spare, batch);
    }
    return n;
}

size_t rj_store_in_flight(const struct rj_store *store)
{
    return store->in_flight;
}

/* ------------------------------------------------------------------------------------------- positions */

struct rj_store_head rj_store_head(const struct rj_store *store)
{
    return (struct rj_store_head){.epoch = store->epoch,
                                  .next = store->next,
                                  .completed = store->completed,
                                  .oldest = store->completed + 1};
}

enum rj_status rj_store_clamp(struct rj_store *store, uint64_t epoch, uint64_t pos, uint64_t *out,
                              bool *was_clamped)
{
    if (epoch != store->epoch || pos > store->completed)
        return RJ_NOT_FOUND;
    *out = pos;
    *was_clamped = false;
    return RJ_OK;
}

/* ------------------------------------------------------------------------------------------- rooms */

static struct room *add_room(struct rj_store *store, struct rj_span key)
{
    struct room *room = rj_calloc(1, sizeof *room + key.len);
    if (store->n_rooms == store->cap_rooms) {
        store->cap_rooms = store->cap_rooms ? store->cap_rooms * 2 : 1024;
        store->by_id = rj_realloc(store->by_id, store->cap_rooms, sizeof(struct room *));
    }
    store->by_id[store->n_rooms++] = room;
    room->id = store->n_rooms;
    room->key_len = key.len;
    memcpy(room->key, key.data, key.len);
    HASH_ADD_KEYPTR(hh, store->by_key, room->key, (unsigned)key.len, room);
    return room;
}

enum rj_status rj_store_room(struct rj_store *store, struct rj_span key, bool create, rj_room_id *out)
{
    struct room *room = NULL;
    if (key.len == 0 || key.len > RJ_STORE_KEY_MAX)
        return RJ_BAD_NAME;
    HASH_FIND(hh, store->by_key, key.data, (unsigned)key.len, room);
    if (!room && !create)
        return RJ_NOT_FOUND;
    *out = room ? room->id : add_room(store, key)->id;
    return RJ_OK;
}

struct rj_room_state rj_store_room_state(struct rj_store *store, rj_room_id id)
{
    const struct room *room = room_of(store, id);
    return (struct rj_room_state){.accepted_seq = room->accepted_seq,
                                  .head_seq = room->head_seq,
                                  .head_pos = room->head_pos,
                                  .floor_seq = room->head_seq + 1,
                                  .floor_pos = room->head_pos};
}

/* ------------------------------------------------------------------------------------------- writing */

void rj_store_append(struct rj_store *store, const struct rj_store_append *append, rj_store_appended *done,
                     void *ctx)
{
    struct plain_batch *batch = store->open;
    struct plain_op *op = plain_batch_add(batch);
    size_t head = RJ_RECORD_HEAD + append->n_rooms * RJ_RECORD_ROOM;
    *op = (struct plain_op){.kind = PLAIN_APPEND,
                            .done.appended = done,
                            .ctx = ctx,
                            .pos = store->next++,
                            .ts_ms = rj_clock_wall_ms(),
                            .n_rooms = append->n_rooms,
                            .rooms_at = plain_batch_add_rooms(batch, append->n_rooms)};
    for (size_t i = 0; i < append->n_rooms; i++) {
        batch->rooms[op->rooms_at + i] = append->rooms[i];
        batch->seqs[op->rooms_at + i] = ++room_of(store, append->rooms[i])->accepted_seq;
    }
    memset(rj_buf_reserve(&batch->bytes, head), 0, head);
    batch->bytes.len += head;
    rj_buf_put_span(&batch->bytes, append->source);
    rj_buf_put_span(&batch->bytes, append->id);
    op->payload_at = batch->bytes.len;
    op->payload_len = append->payload.len;
    rj_buf_put_span(&batch->bytes, append->payload);
    store->in_flight++;
}

void rj_store_barrier(struct rj_store *store, rj_store_written *done, void *ctx)
{
    struct plain_op *op = plain_batch_add(store->open);
    op->kind = PLAIN_WRITTEN;
    op->done.written = done;
    op->ctx = ctx;
    store->in_flight++;
}

void rj_store_put(struct rj_store *store, enum rj_store_table table, struct rj_span key, struct rj_span value,
                  uint64_t expect, rj_store_written *done, void *ctx)
{
    (void)table;
    (void)key;
    (void)value;
    (void)expect;
    rj_store_barrier(store, done, ctx);
}

void rj_store_delete(struct rj_store *store, enum rj_store_table table, struct rj_span key,
                     rj_store_written *done, void *ctx)
{
    (void)table;
    (void)key;
    rj_store_barrier(store, done, ctx);
}

void rj_store_delete_prefix(struct rj_store *store, enum rj_store_table table, struct rj_span prefix,
                            rj_store_written *done, void *ctx)
{
    rj_store_delete(store, table, prefix, done, ctx);
}

/* Nothing is kept, so there is nothing to trim. */
void rj_store_purge(struct rj_store *store, rj_room_id room, uint64_t seq, rj_store_written *done, void *ctx)
{
    (void)room;
    (void)seq;
    rj_store_barrier(store, done, ctx);
}

/* Nothing is known: it repeats nothing. */
bool rj_store_repeat(struct rj_store *store, const struct rj_store_append *append, rj_store_appended *done,
                     void *ctx)
{
    (void)store;
    (void)append;
    (void)done;
    (void)ctx;
    return false;
}

void rj_store_forget_room(struct rj_store *store, struct rj_span key, rj_store_written *done, void *ctx)
{
    (void)key;
    rj_store_barrier(store, done, ctx);
}

/* ------------------------------------------------------------------------------------------- reading */

enum rj_status rj_store_get(struct rj_store *store, enum rj_store_table table, struct rj_span key,
                            struct rj_buf *value, uint64_t *version)
{
    (void)store;
    (void)table;
    (void)key;
    (void)value;
    (void)version;
    return RJ_NOT_FOUND;
}

enum rj_status rj_store_scan(struct rj_store *store, enum rj_store_table table, struct rj_span prefix,
                             struct rj_span after, size_t limit, rj_store_visit_pair *visit, void *ctx)
{
    (void)store;
    (void)table;
    (void)prefix;
    (void)after;
    (void)limit;
    (void)visit;
    (void)ctx;
    return RJ_OK;
}

enum rj_status rj_store_read(struct rj_store *store, const struct rj_store_reach *rooms, size_t n_rooms,
                             uint64_t after, uint64_t upto, struct rj_store_budget budget,
                             rj_store_visit *visit, void *ctx, uint64_t *reached)
{
    (void)rooms;
    (void)n_rooms;
    return rj_store_read_log(store, after, upto, budget, visit, ctx, reached);
}

enum rj_status rj_store_read_log(struct rj_store *store, uint64_t after, uint64_t upto,
                                 struct rj_store_budget budget, rj_store_visit *visit, void *ctx,
                                 uint64_t *reached)
{
    uint64_t end = upto < store->completed ? upto : store->completed;
    (void)budget;
    (void)visit;
    (void)ctx;
    if (after < end)
        return RJ_GAP;
    *reached = upto;
    return RJ_OK;
}

enum rj_status rj_store_history(struct rj_store *store, rj_room_id room, enum rj_history_order order,
                                uint64_t seq, struct rj_store_budget budget, rj_store_visit *visit, void *ctx)
{
    (void)store;
    (void)room;
    (void)order;
    (void)seq;
    (void)budget;
    (void)visit;
    (void)ctx;
    return RJ_OK;
}

enum rj_status rj_store_check_kept(struct rj_store *store, const struct rj_store_reach *rooms, size_t n_rooms,
                                   uint64_t after)
{
    (void)store;
    (void)rooms;
    (void)n_rooms;
    (void)after;
    return RJ_OK;
}

bool rj_store_visit_raised(struct rj_store *store, uint64_t after, uint64_t *since,
                           rj_store_raised_visit *visit, void *ctx)
{
    (void)store;
    (void)after;
    (void)since;
    (void)visit;
    (void)ctx;
    return true;
}

/* Sessions and pages ask for these; a bench of publishes has neither. */
struct rj_store_reading *rj_store_read_later(struct rj_store *store, const struct rj_store_reach *rooms,
                                             size_t n_rooms, uint64_t after, uint64_t upto,
                                             struct rj_store_budget budget, rj_store_visit *visit,
                                             rj_store_read_done *done, void *ctx)
{
    (void)store, (void)rooms, (void)n_rooms, (void)after, (void)upto, (void)budget, (void)visit, (void)done,
        (void)ctx;
    abort();
}

struct rj_store_reading *rj_store_read_log_later(struct rj_store *store, uint64_t after, uint64_t upto,
                                                 struct rj_store_budget budget, rj_store_visit *visit,
                                                 rj_store_read_done *done, void *ctx)
{
    (void)store, (void)after, (void)upto, (void)budget, (void)visit, (void)done, (void)ctx;
    abort();
}

struct rj_store_reading *rj_store_history_later(struct rj_store *store, rj_room_id room,
                                                enum rj_history_order order, uint64_t seq,
                                                struct rj_store_budget budget, rj_store_visit *visit,
                                                rj_store_read_done *done, void *ctx)
{
    (void)store, (void)room, (void)order, (void)seq, (void)budget, (void)visit, (void)done, (void)ctx;
    abort();
}

struct rj_store_reading *rj_store_warm_later(struct rj_store *store, const struct rj_store_warm *what,
                                             rj_store_read_done *done, void *ctx)
{
    (void)store, (void)what, (void)done, (void)ctx;
    abort();
}

bool rj_store_room_is_loaded(struct rj_store *store, struct rj_span key)
{
    (void)store, (void)key;
    return true;
}

void rj_store_read_cancel(struct rj_store_reading *reading)
{
    (void)reading;
}

/* ------------------------------------------------------------------------------------------- figures */

struct rj_store_stats rj_store_stats(struct rj_store *store)
{
    struct rj_store_stats stats = store->stats;
    pthread_mutex_lock(&store->log.lock);
    stats.commits = store->log.commits;
    stats.commit_us_total = store->log.us_total;
    stats.commit_us_max = store->log.us_most;
    pthread_mutex_unlock(&store->log.lock);
    stats.rooms = store->n_rooms;
    return stats;
}
