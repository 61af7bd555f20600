#include "tests/fuzz/memory_store.h"

#include <stdlib.h>
#include <utlist.h>

#include "proto/base/mem.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_disk.h"

enum op_kind { APPEND, PUT, DELETE, DELETE_PREFIX, FORGET, BARRIER, REFUSED };

struct memory_op {
    enum op_kind kind;
    enum rj_store_table table;
    struct rj_buf key, value;
    uint64_t expect;
    uint64_t pos;    /* APPEND: of its record, or of the one that it repeats */
    rj_room_id room; /* FORGET */
    bool is_duplicate;
    bool is_done; /* committed, its callback has not run */
    enum rj_status status;
    rj_store_written *written;
    rj_store_appended *appended;
    void *ctx;
    struct memory_op *prev, *next;
};

struct rj_store *memory_disk(void)
{
    static struct rj_store disk;
    return &disk;
}

struct rj_buf memory_copy(struct rj_span span)
{
    struct rj_buf buf = {0};
    rj_buf_put_span(&buf, span);
    return buf;
}

/* ------------------------------------------------------------------------------------------- the target's */

void memory_store_reset(void)
{
    struct rj_store *store = memory_disk();
    HOLDS(!store->ops && !store->readings);
    memory_log_free(store);
    memory_pairs_free(&store->tables);
    store->n_epochs = 0;
    store->openings = store->restored = 0;
    store->is_copy = store->is_held = store->is_failing = false;
}

void memory_store_hold(bool is_held)
{
    struct rj_store *store = memory_disk();
    store->is_held = is_held;
    store->released = 0;
}

void memory_store_release(size_t n)
{
    memory_disk()->released += n;
}

void memory_store_fail(void)
{
    memory_disk()->is_failing = true;
}

uint64_t memory_store_committed(void)
{
    return memory_disk()->committed;
}

bool memory_may_pass(struct rj_store *store)
{
    if (!store->is_held)
        return true;
    if (store->released == 0)
        return false;
    store->released--;
    return true;
}

/* --------------------------------------------------------------------------------------------- committing */

static void commit(struct rj_store *store, struct memory_op *op)
{
    struct rj_span key = rj_buf_span(&op->key);
    op->is_done = true;
    switch (op->kind) {
    case APPEND: store->committed = op->is_duplicate ? store->committed : op->pos; break;
    case PUT:
        op->status = memory_pairs_put(&store->tables, op->table, key, rj_buf_span(&op->value), op->expect);
        break;
    case DELETE: memory_pairs_delete(&store->tables, op->table, key); break;
    case DELETE_PREFIX: memory_pairs_delete_prefix(&store->tables, op->table, key); break;
    case FORGET: rj_buf_clear(&store->rooms[op->room - 1].key); break;
    case BARRIER:
    case REFUSED: break;
    }
}

static void complete_append(struct rj_store *store, const struct memory_op *op)
{
    const struct memory_record *record = store->records[op->pos - 1];
    struct rj_store_receipt receipt = {op->pos, record->epoch, record->ts_ms, record->seqs, record->n_rooms};
    if (!op->is_duplicate)
        memory_log_complete(store, op->pos);
    if (op->appended)
        op->appended(op->ctx, op->is_duplicate ? RJ_APPEND_DUPLICATE : RJ_APPEND_STORED, &receipt,
                     op->is_duplicate ? (struct rj_span){NULL, 0} : rj_buf_span(&record->payload));
}

/* Tells of the oldest operation and frees it. */
static void complete(struct rj_store *store)
{
    struct memory_op *op = store->ops;
    DL_DELETE(store->ops, op);
    if (op->kind == APPEND)
        complete_append(store, op);
    else if (op->written)
        op->written(op->ctx, op->status);
    store->n_ops--;
    rj_buf_free(&op->key);
    rj_buf_free(&op->value);
    free(op);
}

static struct memory_op *queue(struct rj_store *store, enum op_kind kind)
{
    struct memory_op *op = rj_calloc(1, sizeof *op);
    op->kind = kind;
    DL_APPEND(store->ops, op);
    store->n_ops++;
    return op;
}

/* ----------------------------------------------------------------------------------------- life, the turn */

enum rj_status rj_store_open(const struct rj_store_options *options, struct rj_store **out,
                             struct rj_buf *why)
{
    struct rj_store *store = memory_disk();
    (void)why;
    HOLDS(store->n_epochs < EPOCHS_MAX);
    uint64_t counter = store->n_epochs ? store->epochs[store->n_epochs - 1].number >> 32 : 0;
    uint64_t epoch = (counter + 1) << 32 | ++store->openings; /* no two have the same, nor after a backup */
    store->epochs[store->n_epochs].number = epoch;
    store->epochs[store->n_epochs++].first_pos = store->n_records + 1;
    if (store->is_copy)
        store->restored = epoch;
    store->is_copy = false;
    store->completed = store->committed;
    store->pick = options->pick;
    store->pick_ctx = options->pick_ctx;
    *out = store;
    return RJ_OK;
}

void rj_store_close(struct rj_store **store_)
{
    struct rj_store *store = *store_;
    while (store->ops) {
        if (!store->ops->is_done && !store->is_failing)
            commit(store, store->ops);
        complete(store);
    }
    memory_readings_close(store);
    while (store->ops)
        complete(store);
    if (store->is_failing)
        memory_log_lose_uncommitted(store);
    store->completed = store->committed;
    store->is_failing = false;
    *store_ = NULL;
}

int rj_store_event_fd(const struct rj_store *store)
{
    (void)store;
    return -1;
}

void rj_store_submit(struct rj_store *store)
{
    struct memory_op *op;
    DL_FOREACH (store->ops, op) {
        if (op->is_done)
            continue;
        if (!memory_may_pass(store))
            break;
        commit(store, op);
    }
}

size_t rj_store_complete(struct rj_store *store)
{
    struct memory_op *op;
    size_t n = 0, most = 0;
    DL_FOREACH (store->ops, op)
        most += op->is_done;
    for (; n < most; n++)
        complete(store);
    return n + memory_readings_run(store);
}

size_t rj_store_in_flight(const struct rj_store *store)
{
    return store->n_ops;
}

struct rj_store_head rj_store_head(const struct rj_store *store)
{
    return (struct rj_store_head){
        .epoch = store->epochs[store->n_epochs - 1].number,
        .next = store->n_records + 1,
        .completed = store->completed,
        .restored = store->restored,
        .oldest = store->trimmed + 1,
    };
}

enum rj_status rj_store_clamp(struct rj_store *store, uint64_t epoch, uint64_t pos, uint64_t *out,
                              bool *was_clamped)
{
    for (size_t i = 0; i < store->n_epochs; i++) {
        bool is_current = i + 1 == store->n_epochs;
        uint64_t last = is_current ? store->completed : store->epochs[i + 1].first_pos - 1;
        if (store->epochs[i].number != epoch)
            continue;
        if (is_current && pos > last)
            return RJ_NOT_FOUND;
        *was_clamped = pos > last;
        *out = pos > last ? last : pos;
        return RJ_OK;
    }
    return RJ_NOT_FOUND;
}

struct rj_store_stats rj_store_stats(struct rj_store *store)
{
    return (struct rj_store_stats){.records = store->committed, .rooms = store->n_rooms};
}

/* ------------------------------------------------------------------------------------------------ writing */

static void queue_append(struct rj_store *store, uint64_t pos, bool is_duplicate, rj_store_appended *done,
                         void *ctx)
{
    struct memory_op *op = queue(store, APPEND);
    op->pos = pos;
    op->is_duplicate = is_duplicate;
    op->appended = done;
    op->ctx = ctx;
}

void rj_store_append(struct rj_store *store, const struct rj_store_append *append, rj_store_appended *done,
                     void *ctx)
{
    HOLDS(append->source.len <= RJ_STORE_DEDUPE_MAX && append->id.len <= RJ_STORE_DEDUPE_MAX);
    uint64_t same = memory_log_find_same(store, append);
    queue_append(store, same ? same : memory_log_accept(store, append), same != 0, done, ctx);
}

bool rj_store_repeat(struct rj_store *store, const struct rj_store_append *append, rj_store_appended *done,
                     void *ctx)
{
    uint64_t same = memory_log_find_same(store, append);
    if (same)
        queue_append(store, same, true, done, ctx);
    return same != 0;
}

void rj_store_forget_room(struct rj_store *store, struct rj_span key, rj_store_written *done, void *ctx)
{
    rj_room_id room = 0;
    bool is_there = rj_store_room(store, key, false, &room) == RJ_OK;
    struct memory_op *op = queue(store, is_there ? FORGET : BARRIER);
    op->room = room;
    op->written = done;
    op->ctx = ctx;
    if (is_there)
        store->rooms[room - 1].is_forgotten = true;
}

static struct memory_op *queue_pair(struct rj_store *store, enum op_kind kind, enum rj_store_table table,
                                    struct rj_span key, size_t least)
{
    bool is_key = key.len >= least && key.len <= RJ_STORE_KEY_MAX;
    struct memory_op *op = queue(store, is_key ? kind : REFUSED);
    op->status = is_key ? RJ_OK : RJ_BAD_NAME;
    op->table = table;
    op->key = memory_copy(key);
    return op;
}

void rj_store_put(struct rj_store *store, enum rj_store_table table, struct rj_span key, struct rj_span value,
                  uint64_t expect, rj_store_written *done, void *ctx)
{
    struct memory_op *op = queue_pair(store, PUT, table, key, 1);
    op->value = memory_copy(value);
    op->expect = expect;
    op->written = done;
    op->ctx = ctx;
}

void rj_store_delete(struct rj_store *store, enum rj_store_table table, struct rj_span key,
                     rj_store_written *done, void *ctx)
{
    struct memory_op *op = queue_pair(store, DELETE, table, key, 1);
    op->written = done;
    op->ctx = ctx;
}

void rj_store_delete_prefix(struct rj_store *store, enum rj_store_table table, struct rj_span prefix,
                            rj_store_written *done, void *ctx)
{
    struct memory_op *op = queue_pair(store, DELETE_PREFIX, table, prefix, 0);
    op->written = done;
    op->ctx = ctx;
}

void rj_store_barrier(struct rj_store *store, rj_store_written *done, void *ctx)
{
    struct memory_op *op = queue(store, BARRIER);
    op->written = done;
    op->ctx = ctx;
}
