/* Opening and closing, the turn, positions and rooms. */
#include "storage/store.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "storage/engine.h"

enum {
    SPARE_BATCHES = 4,
    DEFAULT_INDEX_PENDING = 200000,
    DEFAULT_DEDUPE_WINDOW_MS = 600000,
    DEFAULT_DEDUPE_MAX = 1000000,
};

/* ------------------------------------------------------------------------------------------ batches */

static struct rj_store_batch *take_spare(struct rj_store *store)
{
    struct rj_store_batch *batch = store->spare;
    if (!batch)
        return rj_store_batch_new();
    store->spare = batch->next;
    store->n_spare--;
    batch->next = NULL;
    return batch;
}

static void give_spare(struct rj_store *store, struct rj_store_batch *batch)
{
    if (store->n_spare == SPARE_BATCHES) {
        rj_store_batch_free(batch);
        return;
    }
    rj_store_batch_reset(batch);
    batch->next = store->spare;
    store->spare = batch;
    store->n_spare++;
}

/* The open batch goes to the end of `to`; an empty one takes its place. */
static void move_open(struct rj_store *store, struct rj_store_batches *to)
{
    struct rj_store_batch *batch = store->open;
    rj_store_batches_add(to, batch);
    store->open = batch->later = take_spare(store);
}

uint8_t *rj_engine_queue(struct rj_store *store, enum rj_op_kind kind, size_t len, struct rj_op **op)
{
    if (store->open->bytes.len >= RJ_BATCH_BYTES)
        move_open(store, &store->full);
    uint8_t *bytes = rj_store_batch_add(store->open, kind, len, op);
    (*op)->pos = store->next_pos;
    store->in_flight += kind != RJ_OP_ROOM;
    return bytes;
}

static void submit(struct rj_store *store)
{
    struct rj_store_batches batches = store->full;
    store->full = (struct rj_store_batches){0};
    if (!rj_store_batch_is_empty(store->open))
        move_open(store, &batches);
    if (!batches.first)
        return;
    for (const struct rj_store_batch *batch = batches.first; batch; batch = batch->next)
        store->n_submitted++;
    rj_writer_submit(&store->writer, &batches);
}

void rj_store_submit(struct rj_store *store)
{
    rj_engine_upkeep(store);
    submit(store);
}

/* ------------------------------------------------------------------------------------------ completion */

static void complete_append(struct rj_store *store, const struct rj_store_batch *batch,
                            const struct rj_op *op)
{
    struct rj_record record;
    if (rj_record_decode_open(rj_store_batch_bytes(batch, op), op->number, &record))
        abort();
    const struct rj_store_receipt receipt = {
        .pos = op->number,
        .epoch = record.fields.epoch,
        .ts_ms = record.fields.ts_ms,
        .seqs = record.seqs,
        .n_seqs = record.fields.n_rooms,
    };
    enum rj_append_outcome outcome = RJ_APPEND_DUPLICATE;
    if (op->kind == RJ_OP_APPEND) {
        outcome = RJ_APPEND_STORED;
        for (size_t i = 0; i < record.fields.n_rooms; i++)
            rj_index_add(&store->index, rj_store_rooms_get(&store->rooms, record.rooms[i]), op->pos);
        store->completed = op->pos;
    }
    if (op->done.appended)
        op->done.appended(op->ctx, outcome, &receipt, record.fields.payload);
}

static void complete_op(struct rj_store *store, const struct rj_store_batch *batch, const struct rj_op *op)
{
    if (op->kind == RJ_OP_ROOM)
        return;
    store->in_flight--;
    if (op->kind == RJ_OP_APPEND || op->kind == RJ_OP_DUPLICATE)
        complete_append(store, batch, op);
    else if (op->done.written)
        op->done.written(op->ctx, op->status);
}

static void complete_trim(struct rj_store *store, const struct rj_trim *trim)
{
    if (!trim->quota && !trim->purge_quota)
        return;
    rj_retain_done(&store->retain, trim);
    if (!trim->quota)
        return;
    store->rooms.trim_pos = trim->trim_pos;
    store->stats.trimmed += trim->n_records;
    for (size_t i = 0; i < trim->n_rooms; i++)
        rj_index_trimmed(&store->index, &trim->rooms[i]);
}

static void count(struct rj_store *store, const struct rj_store_batch *batch)
{
    store->stats.records += batch->n_appends;
    store->stats.bytes += batch->payload_bytes;
    if (!batch->ends_commit)
        return;
    store->stats.commits++;
    store->stats.commit_us_total += batch->commit_us;
    if (batch->commit_us > store->stats.commit_us_max)
        store->stats.commit_us_max = batch->commit_us;
}

static void complete_batch(struct rj_store *store, struct rj_store_batch *batch)
{
    for (size_t i = 0; i < batch->n_ops; i++)
        complete_op(store, batch, &batch->ops[i]);
    rj_index_swept(&store->index, &batch->sweep);
    complete_trim(store, &batch->trim);
    count(store, batch);
    store->oldest = batch->later;
    store->n_submitted--;
    give_spare(store, batch);
}

size_t rj_store_complete(struct rj_store *store)
{
    size_t before = 0;
    if (store->is_completing)
        abort(); /* a callback must not complete others out of their order */
    store->is_completing = true;
    struct rj_store_batches done = rj_writer_take_done(&store->writer);
    while (done.first) {
        struct rj_store_batch *batch = done.first;
        done.first = batch->next;
        before += batch->n_counted;
        complete_batch(store, batch);
    }
    store->is_completing = false;
    return before;
}

int rj_store_event_fd(const struct rj_store *store)
{
    return store->writer.event_fd;
}

size_t rj_store_in_flight(const struct rj_store *store)
{
    return store->in_flight;
}

/* ------------------------------------------------------------------------------------------ open and close
 */

static void fill_options(struct rj_store *store, const struct rj_store_options *options)
{
    uint64_t window_ms = options->dedupe_window_ms ? options->dedupe_window_ms : DEFAULT_DEDUPE_WINDOW_MS;
    size_t max = options->dedupe_window_max ? options->dedupe_window_max : DEFAULT_DEDUPE_MAX;
    store->index.target = options->index_pending ? options->index_pending : DEFAULT_INDEX_PENDING;
    store->retain.keep_ms = options->retention_ms;
    rj_dedupe_init(&store->dedupe, window_ms, max);
}

static void free_store(struct rj_store *store)
{
    rj_writer_free(&store->writer);
    rj_epochs_free(&store->epochs);
    rj_dedupe_free(&store->dedupe);
    rj_store_rooms_free(&store->rooms);
    rj_env_close(&store->env);
    rj_store_batch_free(store->open);
    while (store->spare) {
        struct rj_store_batch *batch = store->spare;
        store->spare = batch->next;
        rj_store_batch_free(batch);
    }
    free(store);
}

enum rj_status rj_store_open(const struct rj_store_options *options, struct rj_store **out,
                             struct rj_buf *why)
{
    struct rj_store *store = rj_calloc(1, sizeof *store);
    store->open = store->oldest = rj_store_batch_new();
    fill_options(store, options);
    size_t said = why->len;
    enum rj_status status = rj_env_open(&store->env, options->path, options->map_bytes, why);
    if (status == RJ_OK)
        status = rj_engine_recover(store, why);
    if (status == RJ_OK)
        status = rj_epochs_open(&store->epochs, &store->env, store->next_pos);
    if (status == RJ_OK)
        status = rj_writer_start(&store->writer, &store->env);
    if (status) {
        if (why->len == said)
            rj_buf_printf(why, "cannot open the store in %s: %s", options->path, rj_status_text(status));
        free_store(store);
        return status;
    }
    *out = store;
    return RJ_OK;
}

/* Runs until everything submitted has been completed. */
static void drain(struct rj_store *store)
{
    while (store->n_submitted) {
        struct pollfd event = {.fd = rj_store_event_fd(store), .events = POLLIN};
        if (poll(&event, 1, -1) < 0 && errno != EINTR)
            abort();
        rj_store_complete(store);
    }
}

void rj_store_close(struct rj_store **store_)
{
    struct rj_store *store = *store_;
    if (!store)
        return;
    /* Callbacks may still queue, through the caller's pointer. */
    do {
        submit(store);
        drain(store);
    } while (store->open->n_ops || store->full.first);
    while (rj_engine_settle(store)) {
        submit(store);
        drain(store);
    }
    rj_writer_stop(&store->writer);
    free_store(store);
    *store_ = NULL;
}

/* ------------------------------------------------------------------------------------------ positions, rooms
 */

struct rj_store_head rj_store_head(const struct rj_store *store)
{
    return (struct rj_store_head){
        .epoch = rj_epochs_current(&store->epochs),
        .next = store->next_pos,
        .completed = store->completed,
        .oldest = store->rooms.trim_pos + 1,
    };
}

enum rj_status rj_store_clamp(struct rj_store *store, uint64_t epoch, uint64_t pos, uint64_t *out,
                              bool *was_clamped)
{
    return rj_epochs_clamp(&store->epochs, epoch, pos, store->completed, out, was_clamped);
}

enum rj_status rj_store_room(struct rj_store *store, struct rj_span key, bool create, rj_room_id *out)
{
    if (key.len == 0 || key.len > RJ_STORE_KEY_MAX)
        return RJ_BAD_NAME;
    struct rj_store_room *room = rj_store_rooms_find(&store->rooms, key);
    if (!room && !create)
        return RJ_NOT_FOUND;
    if (!room) {
        struct rj_op *op;
        room = rj_store_rooms_add(&store->rooms, key);
        memcpy(rj_engine_queue(store, RJ_OP_ROOM, key.len, &op), key.data, key.len);
        op->key_len = (uint32_t)key.len;
        op->number = room->id;
    }
    *out = room->id;
    return RJ_OK;
}

struct rj_room_state rj_store_room_state(struct rj_store *store, rj_room_id id)
{
    const struct rj_store_room *room = rj_store_rooms_get(&store->rooms, id);
    return (struct rj_room_state){
        .accepted_seq = room->accepted_seq,
        .head_seq = room->head_seq,
        .head_pos = room->head_pos,
        .floor_seq = room->floor_seq,
        .floor_pos = room->floor_pos,
    };
}

struct rj_store_stats rj_store_stats(struct rj_store *store)
{
    struct rj_store_stats stats = store->stats;
    stats.index_pending = store->index.pending;
    stats.rooms = store->rooms.next_id - 1;
    stats.dedupe_known = store->dedupe.n;
    stats.file_bytes = rj_env_used_bytes(&store->env);
    return stats;
}
