/* Appending: positions and sequence numbers are given out here, and a publish that is known already becomes a
 * repetition of the first one's receipt. */
#include <stdlib.h>

#include "proto/base/clock.h"
#include "storage/engine.h"

/* Queues what repeats `known`, behind it in the order of completions. */
static void queue_duplicate(struct rj_store *store, const struct rj_store_record *known,
                            rj_store_appended *done, void *ctx)
{
    struct rj_op *op;
    uint8_t *bytes = rj_engine_queue(store, RJ_OP_DUPLICATE, rj_record_size(known), &op);
    rj_record_encode(bytes, known);
    op->number = known->pos;
    op->done.appended = done;
    op->ctx = ctx;
    store->stats.dedupe_hits++;
}

static size_t record_size(const struct rj_store_append *append)
{
    const struct rj_store_record record = {
        .n_rooms = append->n_rooms, .source = append->source, .id = append->id, .payload = append->payload};
    return rj_record_size(&record);
}

static bool repeat(struct rj_store *store, const struct rj_store_append *append, struct rj_dedupe_key key,
                   uint64_t now_ms, rj_store_appended *done, void *ctx)
{
    struct rj_record known;
    bool is_known = rj_known_find(store, append, key, now_ms, &known);
    if (is_known)
        queue_duplicate(store, &known.fields, done, ctx);
    return is_known;
}

bool rj_store_repeat(struct rj_store *store, const struct rj_store_append *append, rj_store_appended *done,
                     void *ctx)
{
    return append->id.len &&
           repeat(store, append, rj_known_key(store, append), rj_clock_wall_ms(), done, ctx);
}

void rj_store_append(struct rj_store *store, const struct rj_store_append *append, rj_store_appended *done,
                     void *ctx)
{
    uint64_t ts_ms = rj_clock_wall_ms(), seqs[RJ_STORE_ROOMS_MAX];
    struct rj_dedupe_key key = append->id.len ? rj_known_key(store, append) : (struct rj_dedupe_key){0};
    if (append->n_rooms == 0 || append->n_rooms > RJ_STORE_ROOMS_MAX)
        abort();
    if (append->id.len && repeat(store, append, key, ts_ms, done, ctx))
        return;

    uint64_t pos = store->next_pos;
    struct rj_index_entry entry = {pos, (uint32_t)record_size(append)};
    for (size_t i = 0; i < append->n_rooms; i++) {
        struct rj_store_room *room = rj_store_rooms_get(&store->rooms, append->rooms[i]);
        if (room->is_forgotten)
            abort();
        seqs[i] = rj_index_accept(&store->rooms, room, entry);
    }
    struct rj_store_record record = {
        .pos = pos,
        .epoch = rj_epochs_current(&store->epochs),
        .ts_ms = ts_ms,
        .rooms = append->rooms,
        .seqs = seqs,
        .n_rooms = append->n_rooms,
        .source = append->source,
        .id = append->id,
        .payload = append->payload,
        .is_brief = append->is_brief,
    };
    struct rj_op *op;
    uint8_t *bytes = rj_engine_queue(store, RJ_OP_APPEND, rj_record_size(&record), &op);
    rj_record_encode(bytes, &record);
    op->number = pos;
    op->done.appended = done;
    op->ctx = ctx;
    store->next_pos++;
    store->open->payload_bytes += append->payload.len;
    store->appended++;
    if (append->id.len)
        rj_known_add(store, append, key, pos, ts_ms);
}
