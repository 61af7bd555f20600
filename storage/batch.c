#include "storage/batch.h"

#include <stdlib.h>

#include "proto/base/mem.h"

enum { KEEP_OPS = 16384, KEEP_BYTES = RJ_BATCH_BYTES + (1 << 20), KEEP_SWEEP = 65536 };

/* Room for `more` elements behind `n`; the array may move. */
static void *grown(void *array, size_t n, size_t more, size_t *cap, size_t size)
{
    if (n + more <= *cap)
        return array;
    size_t want = *cap ? *cap * 2 : 16;
    *cap = want < n + more ? n + more : want;
    return rj_realloc(array, *cap, size);
}

static void *shrunk(void *array, size_t *cap, size_t keep)
{
    if (*cap <= keep)
        return array;
    free(array);
    *cap = 0;
    return NULL;
}

struct rj_store_batch *rj_store_batch_new(void)
{
    return rj_calloc(1, sizeof(struct rj_store_batch));
}

void rj_store_batch_free(struct rj_store_batch *batch)
{
    free(batch->ops);
    free(batch->sweep.items);
    free(batch->sweep.entries);
    free(batch->trim.rooms);
    free(batch->receipts.drop);
    free(batch->receipts.kept);
    free(batch->floors);
    rj_buf_free(&batch->bytes);
    free(batch);
}

void rj_store_batch_reset(struct rj_store_batch *batch)
{
    struct rj_store_batch kept = {0};
    kept.ops = shrunk(batch->ops, &batch->cap_ops, KEEP_OPS);
    kept.cap_ops = batch->cap_ops;
    kept.bytes = batch->bytes;
    if (kept.bytes.cap > KEEP_BYTES)
        rj_buf_free(&kept.bytes);
    rj_buf_clear(&kept.bytes);
    kept.sweep.items = shrunk(batch->sweep.items, &batch->sweep.cap_items, KEEP_SWEEP);
    kept.sweep.cap_items = batch->sweep.cap_items;
    kept.sweep.entries = shrunk(batch->sweep.entries, &batch->sweep.cap_entries, KEEP_SWEEP);
    kept.sweep.cap_entries = batch->sweep.cap_entries;
    kept.trim.rooms = shrunk(batch->trim.rooms, &batch->trim.cap_rooms, KEEP_SWEEP);
    kept.trim.cap_rooms = batch->trim.cap_rooms;
    kept.receipts.drop = shrunk(batch->receipts.drop, &batch->receipts.cap_drop, KEEP_SWEEP);
    kept.receipts.cap_drop = batch->receipts.cap_drop;
    kept.receipts.kept = shrunk(batch->receipts.kept, &batch->receipts.cap_kept, KEEP_SWEEP);
    kept.receipts.cap_kept = batch->receipts.cap_kept;
    kept.floors = shrunk(batch->floors, &batch->cap_floors, KEEP_SWEEP);
    kept.cap_floors = batch->cap_floors;
    *batch = kept;
}

uint8_t *rj_store_batch_add(struct rj_store_batch *batch, enum rj_op_kind kind, size_t len, struct rj_op **op)
{
    batch->ops = grown(batch->ops, batch->n_ops, 1, &batch->cap_ops, sizeof *batch->ops);
    *op = &batch->ops[batch->n_ops++];
    **op = (struct rj_op){.kind = kind, .at = batch->bytes.len, .len = len};
    batch->n_counted += kind != RJ_OP_ROOM;
    batch->n_appends += kind == RJ_OP_APPEND;
    batch->n_writes +=
        kind != RJ_OP_DUPLICATE && kind != RJ_OP_BARRIER && kind != RJ_OP_PURGE && kind != RJ_OP_REFUSED;
    uint8_t *bytes = rj_buf_reserve(&batch->bytes, len);
    batch->bytes.len += len;
    return bytes;
}

bool rj_store_batch_writes(const struct rj_store_batch *batch)
{
    return batch->n_writes || batch->sweep.n_items || batch->sweep.floors_upto || batch->sweep.scan_from ||
           batch->trim.quota || batch->trim.purge_quota || batch->n_floors || batch->is_reviewed ||
           batch->receipts.n_drop;
}

bool rj_store_batch_is_empty(const struct rj_store_batch *batch)
{
    return batch->n_ops == 0 && !rj_store_batch_writes(batch);
}

struct rj_span rj_store_batch_bytes(const struct rj_store_batch *batch, const struct rj_op *op)
{
    return rj_span_of(batch->bytes.data + op->at, op->len);
}

/* The pos of the operations never falls, and an append's own is one above those before it. */
const struct rj_op *rj_store_batch_find_append(const struct rj_store_batch *batch, uint64_t pos)
{
    size_t low = 0, high = batch->n_ops;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (batch->ops[mid].pos < pos)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < batch->n_ops && batch->ops[low].pos == pos; low++) {
        if (batch->ops[low].kind == RJ_OP_APPEND)
            return &batch->ops[low];
    }
    return NULL;
}

struct rj_sweep_item *rj_sweep_add(struct rj_sweep *sweep)
{
    sweep->items = grown(sweep->items, sweep->n_items, 1, &sweep->cap_items, sizeof *sweep->items);
    struct rj_sweep_item *item = &sweep->items[sweep->n_items++];
    *item = (struct rj_sweep_item){.at = sweep->n_entries};
    return item;
}

void rj_sweep_add_entries(struct rj_sweep *sweep, const struct rj_index_entry *entries, size_t n)
{
    if (n == 0)
        return;
    sweep->entries = grown(sweep->entries, sweep->n_entries, n, &sweep->cap_entries, sizeof *sweep->entries);
    memcpy(sweep->entries + sweep->n_entries, entries, n * sizeof *entries);
    sweep->n_entries += n;
}

void rj_trim_add(struct rj_trim *trim, struct rj_trimmed trimmed)
{
    trim->rooms = grown(trim->rooms, trim->n_rooms, 1, &trim->cap_rooms, sizeof *trim->rooms);
    trim->rooms[trim->n_rooms++] = trimmed;
}

void rj_store_batch_add_floor(struct rj_store_batch *batch, struct rj_floor floor)
{
    batch->floors = grown(batch->floors, batch->n_floors, 1, &batch->cap_floors, sizeof *batch->floors);
    batch->floors[batch->n_floors++] = floor;
}

void rj_store_batch_drop_receipt(struct rj_store_batch *batch, uint64_t pos)
{
    struct rj_receipts *receipts = &batch->receipts;
    receipts->drop = grown(receipts->drop, receipts->n_drop, 1, &receipts->cap_drop, sizeof *receipts->drop);
    receipts->drop[receipts->n_drop++] = pos;
}
