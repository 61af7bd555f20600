#include "storage/known.h"

#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "storage/engine.h"

enum {
    DEFAULT_WINDOW_MS = 600000,
    DEFAULT_BRIEF_MS = 120000,
    DEFAULT_MAX = 1000000,
    DEFAULT_MAX_SOURCE = 100000,
    WALK_PER_ID = 4, /* the rebuilding looks at so many records for each id that it may find */
};

/* ------------------------------------------------------------------------------------------ life */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* An id has gone from the table: its receipt, if there is one, may go too. */
static void on_forgot(void *ctx, uint64_t pos)
{
    struct rj_store *store = ctx;
    if (store->known.n_receipts)
        rj_store_batch_drop_receipt(store->open, pos);
}

void rj_known_init(struct rj_store *store, const struct rj_store_options *options)
{
    uint64_t window_ms = options->dedupe_window_ms ? options->dedupe_window_ms : DEFAULT_WINDOW_MS;
    uint64_t brief_ms = options->dedupe_brief_ms ? options->dedupe_brief_ms : DEFAULT_BRIEF_MS;
    size_t max = options->dedupe_window_max ? options->dedupe_window_max : DEFAULT_MAX;
    size_t max_source = options->dedupe_source_max ? options->dedupe_source_max : DEFAULT_MAX_SOURCE;
    const struct rj_dedupe_options dedupe = {
        .window_ms = {[RJ_DEDUPE_LASTING] = window_ms, [RJ_DEDUPE_BRIEF] = least(brief_ms, window_ms)},
        .max = max,
        .max_source = least(max_source, max),
        .forgot = on_forgot,
        .ctx = store,
    };
    rj_dedupe_init(&store->known.dedupe, &dedupe);
}

void rj_known_free(struct rj_known *known)
{
    rj_dedupe_free(&known->dedupe);
    free(known->shifts);
    *known = (struct rj_known){0};
}

/* ------------------------------------------------------------------------------------------ time */

static int64_t shift_of(const struct rj_known *known, uint64_t epoch)
{
    size_t low = 0, high = known->n_shifts;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (known->shifts[mid].epoch > epoch)
            low = mid + 1;
        else
            high = mid;
    }
    return low < known->n_shifts && known->shifts[low].epoch == epoch ? known->shifts[low].ms : 0;
}

static uint64_t shifted(uint64_t ts_ms, int64_t shift_ms)
{
    if (shift_ms < 0 && ts_ms < (uint64_t)-shift_ms)
        return 0;
    return ts_ms + (uint64_t)shift_ms;
}

static bool is_over(const struct rj_known *known, const struct rj_store_record *record, int64_t shift_ms,
                    uint64_t now_ms)
{
    return shifted(record->ts_ms, shift_ms) + known->dedupe.options.window_ms[rj_dedupe_class(record)] <
           now_ms;
}

/* ------------------------------------------------------------------------------------------ finding */

struct rj_dedupe_key rj_known_key(const struct rj_store *store, const struct rj_store_append *append)
{
    return rj_dedupe_key(store->known.dedupe.seed, append->is_brief ? RJ_DEDUPE_BRIEF : RJ_DEDUPE_LASTING,
                         append->source, append->id);
}

void rj_known_add(struct rj_store *store, const struct rj_store_append *append, struct rj_dedupe_key key,
                  uint64_t pos, uint64_t ts_ms)
{
    rj_dedupe_add(&store->known.dedupe, key, append->is_brief ? RJ_DEDUPE_BRIEF : RJ_DEDUPE_LASTING, pos,
                  ts_ms);
}

static bool is_same(const struct rj_record *record, const struct rj_store_append *append)
{
    return record->fields.is_brief == append->is_brief && rj_span_eq(record->fields.id, append->id) &&
           rj_span_eq(record->fields.source, append->source);
}

static bool find_queued(const struct rj_store *store, uint64_t pos, struct rj_record *record)
{
    for (const struct rj_store_batch *batch = store->oldest; batch; batch = batch->later) {
        const struct rj_op *op = rj_store_batch_find_append(batch, pos);
        if (op)
            return rj_record_decode_open(rj_store_batch_bytes(batch, op), pos, record) == RJ_OK;
    }
    return false;
}

static bool find_receipt(struct rj_store *store, const struct rj_reader *reader, uint64_t pos,
                         struct rj_record *record)
{
    MDB_val key = rj_val(&pos, sizeof pos), value;
    return mdb_get(reader->txn, store->env.receipts, &key, &value) == 0 &&
           rj_engine_decode(store, rj_val_span(value), pos, record) == RJ_OK;
}

/* The numbers outlive the snapshot, the spans do not. */
static void keep_numbers(struct rj_record *out, const struct rj_record *record)
{
    *out = *record;
    out->fields.rooms = out->rooms;
    out->fields.seqs = out->seqs;
    out->fields.source = out->fields.id = out->fields.payload = (struct rj_span){0};
}

static bool repeats(struct rj_store *store, const struct rj_store_append *append, uint64_t pos,
                    uint64_t now_ms, struct rj_record *receipt)
{
    struct rj_record record;
    struct rj_reader reader;
    bool is_stored = pos <= store->completed, is_found;
    if (is_stored) {
        reader = rj_env_read(&store->env);
        enum rj_status status = rj_engine_fetch(store, &reader, pos, &record);
        is_found = status == RJ_OK || (status == RJ_NOT_FOUND && find_receipt(store, &reader, pos, &record));
    } else {
        is_found = find_queued(store, pos, &record);
    }
    is_found = is_found && is_same(&record, append) &&
               !is_over(&store->known, &record.fields, shift_of(&store->known, record.fields.epoch), now_ms);
    if (is_found)
        keep_numbers(receipt, &record);
    if (is_stored)
        rj_env_read_done(&store->env, &reader);
    return is_found;
}

bool rj_known_find(struct rj_store *store, const struct rj_store_append *append, struct rj_dedupe_key key,
                   uint64_t now_ms, struct rj_record *receipt)
{
    uint32_t cursor = 0;
    uint64_t pos;
    while ((pos = rj_dedupe_next(&store->known.dedupe, key, &cursor)))
        if (repeats(store, append, pos, now_ms, receipt))
            return true;
    return false;
}

/* ------------------------------------------------------------------------------------------ rebuilding */

/* A walk down two tables at once, by pos. */
struct walk {
    MDB_cursor *cursors[2]; /* log, receipts */
    uint64_t pos[2];        /* where each stands; 0 = at its end */
    struct rj_span bytes[2];
};

static void step_down(struct walk *walk, int i, MDB_cursor_op op)
{
    MDB_val key, value;
    int rc = mdb_cursor_get(walk->cursors[i], &key, &value, op);
    if (rc && rc != MDB_NOTFOUND)
        rj_env_fail("reading the log", rc);
    walk->pos[i] = 0;
    if (rc)
        return;
    memcpy(&walk->pos[i], key.mv_data, sizeof walk->pos[i]);
    walk->bytes[i] = rj_val_span(value);
}

/* The running answer of the rebuilding: the time of the record before, by which the next one's is judged. */
struct rebuilding {
    struct rj_store *store;
    uint64_t now_ms;
    uint64_t epoch, ts_ms; /* of the youngest record so far that is whole */
    int64_t shift_ms;
    size_t cap_shifts;
};

static void enter_epoch(struct rebuilding *rebuilding, const struct rj_store_record *record)
{
    struct rj_known *known = &rebuilding->store->known;
    /* Between the last record of an epoch and the first one of the next, or the start now. */
    uint64_t until_ms = known->n_shifts ? rebuilding->ts_ms : rebuilding->now_ms;
    if (until_ms > record->ts_ms || known->n_shifts == 0)
        rebuilding->shift_ms += (int64_t)(until_ms - record->ts_ms);
    if (known->n_shifts == rebuilding->cap_shifts) {
        rebuilding->cap_shifts = rebuilding->cap_shifts ? rebuilding->cap_shifts * 2 : 8;
        known->shifts = rj_realloc(known->shifts, rebuilding->cap_shifts, sizeof *known->shifts);
    }
    known->shifts[known->n_shifts++] = (struct rj_epoch_shift){record->epoch, rebuilding->shift_ms};
    rebuilding->epoch = record->epoch;
}

/* False: the windows reach no further back. */
static bool take_in(struct rebuilding *rebuilding, const struct rj_store_record *record)
{
    struct rj_known *known = &rebuilding->store->known;
    if (known->n_shifts == 0 || record->epoch != rebuilding->epoch)
        enter_epoch(rebuilding, record);
    rebuilding->ts_ms = record->ts_ms;
    uint64_t ts_ms = shifted(record->ts_ms, rebuilding->shift_ms);
    if (ts_ms + known->dedupe.options.window_ms[RJ_DEDUPE_LASTING] < rebuilding->now_ms)
        return false;
    if (record->id.len && !is_over(known, record, rebuilding->shift_ms, rebuilding->now_ms)) {
        enum rj_dedupe_class class = rj_dedupe_class(record);
        struct rj_dedupe_key key = rj_dedupe_key(known->dedupe.seed, class, record->source, record->id);
        rj_dedupe_add_older(&known->dedupe, key, class, record->pos, ts_ms);
    }
    return !rj_dedupe_is_full(&known->dedupe);
}

static void walk_down(struct rj_store *store, struct walk *walk)
{
    struct rebuilding rebuilding = {.store = store, .now_ms = rj_clock_wall_ms()};
    uint64_t left = (uint64_t)store->known.dedupe.options.max * WALK_PER_ID, last = store->next_pos;
    bool goes_on = true;
    for (int i = 0; i < 2; i++)
        step_down(walk, i, MDB_LAST);
    while (goes_on && left-- > 0 && (walk->pos[0] || walk->pos[1])) {
        struct rj_record record;
        int i = walk->pos[0] >= walk->pos[1] ? 0 : 1;
        last = walk->pos[i];
        if (rj_engine_decode(store, walk->bytes[i], last, &record) == RJ_OK)
            goes_on = take_in(&rebuilding, &record.fields);
        step_down(walk, i, MDB_PREV);
    }
    store->known.from = last;
}

static bool is_known(struct rj_store *store, uint64_t pos, uint64_t id)
{
    uint32_t cursor = 0;
    uint64_t found;
    while ((found = rj_dedupe_next(&store->known.dedupe, (struct rj_dedupe_key){.id = id}, &cursor)))
        if (found == pos)
            return true;
    return false;
}

static void drop_unknown(struct rj_store *store, MDB_cursor *receipts)
{
    MDB_val key, value;
    int rc = mdb_cursor_get(receipts, &key, &value, MDB_FIRST);
    for (; rc == 0; rc = mdb_cursor_get(receipts, &key, &value, MDB_NEXT)) {
        struct rj_record record;
        uint64_t pos, id = 0;
        memcpy(&pos, key.mv_data, sizeof pos);
        store->known.n_receipts++;
        if (rj_record_decode(rj_val_span(value), pos, &record) == RJ_OK)
            id = rj_dedupe_key(store->known.dedupe.seed, rj_dedupe_class(&record.fields),
                               record.fields.source, record.fields.id)
                     .id;
        if (!id || !is_known(store, pos, id))
            rj_store_batch_drop_receipt(store->open, pos);
    }
}

enum rj_status rj_known_rebuild(struct rj_store *store, const struct rj_reader *reader)
{
    struct walk walk = {0};
    int rc = mdb_cursor_open(reader->txn, store->env.log, &walk.cursors[0]);
    if (rc == 0)
        rc = mdb_cursor_open(reader->txn, store->env.receipts, &walk.cursors[1]);
    if (rc == 0) {
        walk_down(store, &walk);
        drop_unknown(store, walk.cursors[1]);
    }
    for (int i = 0; i < 2; i++)
        if (walk.cursors[i])
            mdb_cursor_close(walk.cursors[i]);
    return rj_env_status(rc);
}

/* ------------------------------------------------------------------------------------------ batches */

void rj_known_fill(struct rj_store *store, struct rj_store_batch *batch)
{
    uint64_t now_ms = rj_clock_wall_ms();
    batch->receipts.seed = store->known.dedupe.seed;
    for (int class = 0; class < RJ_DEDUPE_CLASSES; class ++) {
        uint64_t from = rj_dedupe_known_from(&store->known.dedupe, (enum rj_dedupe_class) class, now_ms);
        batch->receipts.keep_from[class] = from > store->known.from ? from : store->known.from;
    }
}

void rj_known_done(struct rj_store *store, const struct rj_store_batch *batch)
{
    const struct rj_receipts *receipts = &batch->receipts;
    store->known.n_receipts -= receipts->n_dropped;
    store->known.n_receipts += receipts->n_kept;
    for (size_t i = 0; i < receipts->n_kept; i++)
        if (!is_known(store, receipts->kept[i].pos, receipts->kept[i].id))
            rj_store_batch_drop_receipt(store->open, receipts->kept[i].pos);
}
