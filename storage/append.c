/* Appending: positions and sequence numbers are given out here, and a publish that is known already becomes a
 * repetition of the first one's receipt. */
#include <stdlib.h>

#include "proto/base/clock.h"
#include "storage/engine.h"

/* Queues what repeats `known`, behind it in the order of completions. */
static void queue_duplicate(struct rj_store *store, const struct rj_record *known, rj_store_appended *done,
                            void *ctx)
{
    struct rj_store_record receipt = known->fields;
    struct rj_op *op;
    receipt.source = receipt.id = receipt.payload = (struct rj_span){0};
    uint8_t *bytes = rj_engine_queue(store, RJ_OP_DUPLICATE, rj_record_size(&receipt), &op);
    rj_record_encode(bytes, &receipt);
    op->number = known->fields.pos;
    op->done.appended = done;
    op->ctx = ctx;
    store->stats.dedupe_hits++;
}

static bool is_same(const struct rj_record *record, const struct rj_store_append *append)
{
    return rj_span_eq(record->fields.id, append->id) && rj_span_eq(record->fields.source, append->source);
}

static const struct rj_op *find_queued(const struct rj_store *store, uint64_t pos,
                                       const struct rj_store_batch **in)
{
    for (const struct rj_store_batch *batch = store->oldest; batch; batch = batch->later) {
        const struct rj_op *op = rj_store_batch_find_append(batch, pos);
        if (op) {
            *in = batch;
            return op;
        }
    }
    return NULL;
}

static bool repeats_queued(struct rj_store *store, const struct rj_store_append *append, uint64_t pos,
                           rj_store_appended *done, void *ctx)
{
    const struct rj_store_batch *batch;
    struct rj_record record;
    const struct rj_op *op = find_queued(store, pos, &batch);
    if (!op || rj_record_decode_open(rj_store_batch_bytes(batch, op), pos, &record) ||
        !is_same(&record, append))
        return false;
    queue_duplicate(store, &record, done, ctx);
    return true;
}

static bool repeats_stored(struct rj_store *store, const struct rj_store_append *append, uint64_t pos,
                           rj_store_appended *done, void *ctx)
{
    struct rj_record record;
    if (pos <= store->rooms.trim_pos)
        return false;
    struct rj_reader reader = rj_env_read(&store->env);
    bool repeats = rj_engine_fetch(store, &reader, pos, &record) == RJ_OK && is_same(&record, append);
    if (repeats)
        queue_duplicate(store, &record, done, ctx);
    rj_env_read_done(&store->env, &reader);
    return repeats;
}

static bool repeats_known(struct rj_store *store, const struct rj_store_append *append, uint64_t hash,
                          rj_store_appended *done, void *ctx)
{
    size_t cursor = 0;
    uint64_t pos;
    while ((pos = rj_hash_next(&store->dedupe.table, hash, &cursor))) {
        bool repeats = pos > store->completed ? repeats_queued(store, append, pos, done, ctx)
                                              : repeats_stored(store, append, pos, done, ctx);
        if (repeats)
            return true;
    }
    return false;
}

void rj_store_append(struct rj_store *store, const struct rj_store_append *append, rj_store_appended *done,
                     void *ctx)
{
    uint64_t ts_ms = rj_clock_wall_ms(), seqs[RJ_STORE_ROOMS_MAX], hash = 0;
    if (append->n_rooms == 0 || append->n_rooms > RJ_STORE_ROOMS_MAX)
        abort();
    if (append->id.len) {
        hash = rj_dedupe_hash(&store->dedupe, append->source, append->id);
        rj_dedupe_expire(&store->dedupe, ts_ms);
        if (repeats_known(store, append, hash, done, ctx))
            return;
    }

    uint64_t pos = store->next_pos;
    for (size_t i = 0; i < append->n_rooms; i++)
        seqs[i] = ++rj_store_rooms_get(&store->rooms, append->rooms[i])->accepted_seq;
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
        rj_dedupe_add(&store->dedupe, hash, pos, ts_ms);
}
