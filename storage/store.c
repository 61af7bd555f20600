/* Opening and closing, the turn, positions and rooms. */
#include "storage/store.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "storage/engine.h"
#include "storage/floors.h"

enum {
    SPARE_BATCHES = 4,
    SMALL_BYTES = 256 << 10,
    QUIET_BATCHES = 16,
    DEFAULT_INDEX_PENDING = 200000,
    DEFAULT_READERS = 4,
    DEFAULT_ROOM_IDLE_MS = 60000,
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

/* What a flood has filled is not kept once there have been only small batches for a while. */
static void slim_spares(struct rj_store *store)
{
    for (struct rj_store_batch *batch = store->spare; batch; batch = batch->next) {
        if (batch->bytes.cap > SMALL_BYTES)
            rj_buf_free(&batch->bytes);
    }
}

static void give_spare(struct rj_store *store, struct rj_store_batch *batch)
{
    if (store->n_spare == SPARE_BATCHES) {
        rj_store_batch_free(batch);
        return;
    }
    store->n_small = batch->bytes.len < SMALL_BYTES ? store->n_small + 1 : 0;
    rj_store_batch_reset(batch);
    batch->next = store->spare;
    store->spare = batch;
    store->n_spare++;
    if (store->n_small >= QUIET_BATCHES)
        slim_spares(store);
}

/* The open batch goes to the end of `to`; an empty one takes its place. */
static void move_open(struct rj_store *store, struct rj_store_batches *to)
{
    struct rj_store_batch *batch = store->open;
    if (batch->n_floors)
        batch->floors_number = ++store->index.floors_last;
    rj_known_fill(store, batch);
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
    rj_dedupe_expire(&store->known.dedupe, rj_clock_wall_ms());
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
        const struct rj_index_entry entry = {op->pos, (uint32_t)op->len};
        outcome = RJ_APPEND_STORED;
        for (size_t i = 0; i < record.fields.n_rooms; i++)
            rj_index_complete(&store->index, rj_store_rooms_get(&store->rooms, record.rooms[i]), entry);
        store->completed = op->pos;
        store->index.log_records++;
    }
    if (op->done.appended)
        op->done.appended(op->ctx, outcome, &receipt, record.fields.payload);
}

static void complete_op(struct rj_store *store, const struct rj_store_batch *batch, const struct rj_op *op)
{
    if (op->kind == RJ_OP_ROOM) {
        rj_store_rooms_get(&store->rooms, (rj_room_id)op->number)->is_stored = true;
        return;
    }
    store->in_flight--;
    if (op->kind == RJ_OP_PURGE || op->kind == RJ_OP_FORGET)
        rj_floors_raise(store, (struct rj_floor){op->room, RJ_TRIM_PURGE, op->number});
    if (op->kind == RJ_OP_APPEND || op->kind == RJ_OP_DUPLICATE)
        complete_append(store, batch, op);
    else if (op->done.written)
        op->done.written(op->ctx, op->status);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void complete_trim(struct rj_store *store, const struct rj_trim *trim)
{
    if (!trim->quota && !trim->purge_quota)
        return;
    rj_retain_done(&store->retain, trim);
    store->index.log_records -= least(store->index.log_records, trim->purged);
    if (!trim->quota)
        return;
    if (trim->age_ms) {
        rj_floors_found_old(store, trim);
        return;
    }
    uint64_t n = 0;
    store->rooms.trim_pos = trim->reached;
    for (size_t i = 0; i < trim->n_rooms; i++)
        n += rj_index_trimmed(&store->index, &trim->rooms[i]);
    store->stats.trimmed += n;
    store->stats.trimmed_by[RJ_TRIM_AGE] += n;
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
    rj_floors_raised(store, batch);
    rj_index_swept(&store->index, &batch->sweep);
    complete_trim(store, &batch->trim);
    rj_known_done(store, batch);
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
    /* After the writes: what a reading's callback does next starts from what is completed. */
    before += rj_engine_complete_reads(store);
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
    store->index.target = options->index_pending ? options->index_pending : DEFAULT_INDEX_PENDING;
    store->room_idle_ms = options->room_idle_ms ? options->room_idle_ms : DEFAULT_ROOM_IDLE_MS;
    rj_limits_init(&store->limits, options);
    rj_retain_init(&store->retain, &store->limits);
    rj_known_init(store, options);
}

static unsigned n_readers(const struct rj_store_options *options)
{
    unsigned n = options->readers ? options->readers : DEFAULT_READERS;
    return n < RJ_READERS_MAX ? n : RJ_READERS_MAX;
}

static void free_store(struct rj_store *store)
{
    rj_readers_stop(&store->readers);
    rj_readers_free(&store->readers);
    rj_writer_free(&store->writer);
    rj_epochs_free(&store->epochs);
    rj_known_free(&store->known);
    rj_store_rooms_free(&store->rooms);
    rj_retain_free(&store->retain);
    rj_limits_free(&store->limits);
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
        status = rj_floors_begin_review(store);
    if (status == RJ_OK)
        status = rj_epochs_open(&store->epochs, &store->env, store->next_pos);
    if (status == RJ_OK)
        status = rj_writer_start(&store->writer, &store->env);
    if (status == RJ_OK)
        status = rj_readers_start(&store->readers, &store->env, n_readers(options), store->writer.event_fd);
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
    /* Callbacks may still queue, through the caller's pointer; of readings, too. */
    do {
        rj_floors_apply_limits(store);
        submit(store);
        drain(store);
        rj_readers_stop(&store->readers);
        rj_engine_complete_reads(store);
    } while (!rj_store_batch_is_empty(store->open) || store->full.first || store->reads_under_way);
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
        .restored = store->epochs.restored,
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

bool rj_store_room_is_loaded(struct rj_store *store, struct rj_span key)
{
    return rj_store_rooms_knows(&store->rooms, key);
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
    stats.reads_under_way = store->reads_under_way;
    stats.rooms_loaded = store->rooms.n_loaded;
    stats.dedupe_known = store->known.dedupe.n;
    stats.dedupe_sources = store->known.dedupe.n_sources;
    stats.dedupe_receipts = store->known.n_receipts;
    stats.file_bytes = rj_env_used_bytes(&store->env);
    return stats;
}
