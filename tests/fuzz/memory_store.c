#include "tests/fuzz/memory_store.h"

#include <stdlib.h>
#include <utlist.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "tests/fuzz/fuzz.h"

enum {
    RECORDS_MAX = 4096,
    ROOMS_MAX = 1024,
    REACHES_MAX = 512,
    EPOCHS_MAX = 512,
    DEFAULT_RECORDS = 1000,
    DEFAULT_BYTES = 1 << 20
};

struct record {
    uint64_t epoch, ts_ms;
    rj_room_id rooms[RJ_STORE_ROOMS_MAX];
    uint64_t seqs[RJ_STORE_ROOMS_MAX];
    size_t n_rooms;
    struct rj_buf source, id, payload;
    bool is_brief;
};

struct room {
    struct rj_buf key;
    struct rj_room_state state;
    bool is_forgotten; /* nobody may use it any more; once that is committed it has no key */
};

struct pair {
    struct rj_buf key, value;
    uint64_t version;
    struct pair *prev, *next; /* ascending */
};

enum op_kind { APPEND, PUT, DELETE, DELETE_PREFIX, FORGET, BARRIER, REFUSED };

struct op {
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
    struct op *prev, *next;
};

enum reading_kind { ROOMS, LOG, FORWARD, BACKWARD, WARM };

struct rj_store_reading {
    enum reading_kind kind;
    struct rj_store_reach reaches[REACHES_MAX];
    size_t n_reaches;
    uint64_t after, upto, seq;
    struct rj_store_budget budget;
    rj_store_visit *visit;
    rj_store_read_done *done;
    void *ctx;
    bool is_cancelled;
    struct rj_store_reading *prev, *next;
};

/* The disk, and beside it what the open store has on its way. store.h names it by a path alone. */
struct rj_store {
    struct record *records[RECORDS_MAX]; /* of pos 1, 2, 3 …; those above `committed` are accepted only */
    uint64_t n_records, committed, completed, trimmed;
    struct room rooms[ROOMS_MAX]; /* of id 1, 2, 3 … */
    uint32_t n_rooms;
    struct pair *tables[RJ_TABLE_COUNT];
    struct {
        uint64_t number, first_pos;
    } epochs[EPOCHS_MAX];
    size_t n_epochs;

    struct op *ops;
    size_t n_ops;
    struct rj_store_reading *readings;
    bool is_held, is_failing;
    size_t released;
};

static struct rj_store disk;

static struct rj_buf copy(struct rj_span span)
{
    struct rj_buf buf = {0};
    rj_buf_put_span(&buf, span);
    return buf;
}

/* -------------------------------------------------------------------------------------------- the target's
 */

static void free_record(struct record *record)
{
    rj_buf_free(&record->source);
    rj_buf_free(&record->id);
    rj_buf_free(&record->payload);
    free(record);
}

static void free_pair(enum rj_store_table table, struct pair *pair)
{
    DL_DELETE(disk.tables[table], pair);
    rj_buf_free(&pair->key);
    rj_buf_free(&pair->value);
    free(pair);
}

void memory_store_reset(void)
{
    HOLDS(!disk.ops && !disk.readings);
    for (uint64_t i = 0; i < disk.n_records; i++)
        free_record(disk.records[i]);
    for (uint32_t i = 0; i < disk.n_rooms; i++)
        rj_buf_free(&disk.rooms[i].key);
    for (unsigned table = 0; table < RJ_TABLE_COUNT; table++)
        while (disk.tables[table])
            free_pair(table, disk.tables[table]);
    memset(disk.rooms, 0, disk.n_rooms * sizeof *disk.rooms);
    disk.n_records = disk.committed = disk.completed = disk.trimmed = 0;
    disk.n_rooms = 0;
    disk.n_epochs = 0;
    disk.is_held = disk.is_failing = false;
}

void memory_store_hold(bool is_held)
{
    disk.is_held = is_held;
    disk.released = 0;
}

void memory_store_release(size_t n)
{
    disk.released += n;
}

void memory_store_fail(void)
{
    disk.is_failing = true;
}

uint64_t memory_store_committed(void)
{
    return disk.committed;
}

void memory_store_trim(uint64_t pos)
{
    pos = pos < disk.completed ? pos : disk.completed;
    for (; disk.trimmed < pos; disk.trimmed++) {
        const struct record *record = disk.records[disk.trimmed];
        for (size_t i = 0; i < record->n_rooms; i++) {
            struct rj_room_state *state = &disk.rooms[record->rooms[i] - 1].state;
            state->floor_seq = record->seqs[i] + 1;
            state->floor_pos = disk.trimmed + 1;
        }
    }
}

/* Whether something may happen now. */
static bool may_pass(void)
{
    if (!disk.is_held)
        return true;
    if (disk.released == 0)
        return false;
    disk.released--;
    return true;
}

/* -------------------------------------------------------------------------------------------- committing */

static int compare(struct rj_span a, struct rj_span b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static bool has_prefix(struct rj_span key, struct rj_span prefix)
{
    return key.len >= prefix.len && rj_span_eq(rj_span_of(key.data, prefix.len), prefix);
}

/* The first pair whose key is not below `key`. */
static struct pair *seek(enum rj_store_table table, struct rj_span key)
{
    struct pair *pair = disk.tables[table];
    while (pair && compare(rj_buf_span(&pair->key), key) < 0)
        pair = pair->next;
    return pair;
}

static struct pair *find(enum rj_store_table table, struct rj_span key)
{
    struct pair *pair = seek(table, key);
    return pair && rj_span_eq(rj_buf_span(&pair->key), key) ? pair : NULL;
}

static enum rj_status put(struct op *op)
{
    struct pair *pair = find(op->table, rj_buf_span(&op->key));
    bool matches = op->expect == RJ_ANY_VERSION ||
                   (op->expect == UINT64_MAX ? !pair : pair && pair->version == op->expect);
    if (!matches)
        return RJ_CONFLICT;
    if (!pair) {
        struct pair *after = seek(op->table, rj_buf_span(&op->key));
        pair = rj_calloc(1, sizeof *pair);
        pair->key = copy(rj_buf_span(&op->key));
        if (after)
            DL_PREPEND_ELEM(disk.tables[op->table], after, pair);
        else
            DL_APPEND(disk.tables[op->table], pair);
    }
    rj_buf_free(&pair->value);
    pair->value = copy(rj_buf_span(&op->value));
    pair->version++;
    return RJ_OK;
}

static void delete_prefix(struct op *op)
{
    struct pair *pair = seek(op->table, rj_buf_span(&op->key)), *next;
    for (; pair && has_prefix(rj_buf_span(&pair->key), rj_buf_span(&op->key)); pair = next) {
        next = pair->next;
        free_pair(op->table, pair);
    }
}

static void commit(struct op *op)
{
    struct pair *pair;
    op->is_done = true;
    switch (op->kind) {
    case APPEND: disk.committed = op->is_duplicate ? disk.committed : op->pos; break;
    case PUT: op->status = put(op); break;
    case DELETE:
        pair = find(op->table, rj_buf_span(&op->key));
        if (pair)
            free_pair(op->table, pair);
        break;
    case DELETE_PREFIX: delete_prefix(op); break;
    case FORGET: rj_buf_clear(&disk.rooms[op->room - 1].key); break;
    case BARRIER:
    case REFUSED: break;
    }
}

static void complete_append(const struct op *op)
{
    const struct record *record = disk.records[op->pos - 1];
    struct rj_store_receipt receipt = {op->pos, record->epoch, record->ts_ms, record->seqs, record->n_rooms};
    if (!op->is_duplicate) {
        HOLDS(disk.completed == op->pos - 1);
        disk.completed = op->pos;
        for (size_t i = 0; i < record->n_rooms; i++) {
            struct rj_room_state *state = &disk.rooms[record->rooms[i] - 1].state;
            state->head_seq = record->seqs[i];
            state->head_pos = op->pos;
        }
    }
    if (op->appended)
        op->appended(op->ctx, op->is_duplicate ? RJ_APPEND_DUPLICATE : RJ_APPEND_STORED, &receipt,
                     op->is_duplicate ? (struct rj_span){NULL, 0} : rj_buf_span(&record->payload));
}

/* Tells of the oldest operation and frees it. */
static void complete(struct op *op)
{
    DL_DELETE(disk.ops, op);
    if (op->kind == APPEND)
        complete_append(op);
    else if (op->written)
        op->written(op->ctx, op->status);
    disk.n_ops--;
    rj_buf_free(&op->key);
    rj_buf_free(&op->value);
    free(op);
}

static struct op *queue(enum op_kind kind)
{
    struct op *op = rj_calloc(1, sizeof *op);
    op->kind = kind;
    DL_APPEND(disk.ops, op);
    disk.n_ops++;
    return op;
}

/* -------------------------------------------------------------------------------------------- life, the turn
 */

enum rj_status rj_store_open(const struct rj_store_options *options, struct rj_store **out,
                             struct rj_buf *why)
{
    (void)options, (void)why;
    HOLDS(disk.n_epochs < EPOCHS_MAX);
    disk.epochs[disk.n_epochs].number = (uint64_t)(disk.n_epochs + 1) << 32 | 77;
    disk.epochs[disk.n_epochs++].first_pos = disk.n_records + 1;
    disk.completed = disk.committed;
    *out = &disk;
    return RJ_OK;
}

/* The power has failed: what was accepted and not committed never was. */
static void lose_uncommitted(void)
{
    while (disk.n_records > disk.committed)
        free_record(disk.records[--disk.n_records]);
    for (uint32_t i = 0; i < disk.n_rooms; i++)
        disk.rooms[i].state.accepted_seq = disk.rooms[i].state.head_seq = disk.rooms[i].state.head_pos = 0;
    for (uint32_t i = 0; i < disk.n_rooms; i++)
        disk.rooms[i].is_forgotten = disk.rooms[i].key.len == 0;
    for (uint64_t pos = 1; pos <= disk.n_records; pos++) {
        const struct record *record = disk.records[pos - 1];
        for (size_t i = 0; i < record->n_rooms; i++) {
            struct rj_room_state *state = &disk.rooms[record->rooms[i] - 1].state;
            state->accepted_seq = state->head_seq = record->seqs[i];
            state->head_pos = pos;
        }
    }
}

void rj_store_close(struct rj_store **store)
{
    struct rj_store_reading *reading, *next;
    while (disk.ops) {
        if (!disk.ops->is_done && !disk.is_failing)
            commit(disk.ops);
        complete(disk.ops);
    }
    DL_FOREACH_SAFE (disk.readings, reading, next) {
        DL_DELETE(disk.readings, reading);
        if (!reading->is_cancelled)
            reading->done(reading->ctx, RJ_CLOSED, reading->after);
        free(reading);
    }
    while (disk.ops)
        complete(disk.ops);
    if (disk.is_failing)
        lose_uncommitted();
    disk.completed = disk.committed;
    disk.is_failing = false;
    *store = NULL;
}

int rj_store_event_fd(const struct rj_store *store)
{
    (void)store;
    return -1;
}

void rj_store_submit(struct rj_store *store)
{
    struct op *op;
    DL_FOREACH (store->ops, op) {
        if (op->is_done)
            continue;
        if (!may_pass())
            break;
        commit(op);
    }
}

static bool run_reading(struct rj_store_reading *reading);

size_t rj_store_complete(struct rj_store *store)
{
    struct rj_store_reading *reading, *next;
    size_t n = 0, most = 0;
    struct op *op;
    DL_FOREACH (store->ops, op)
        most += op->is_done;
    for (; n < most; n++)
        complete(store->ops);
    DL_FOREACH_SAFE (store->readings, reading, next) {
        if (!reading->is_cancelled && !may_pass())
            continue;
        DL_DELETE(store->readings, reading);
        n += run_reading(reading);
        free(reading);
    }
    return n;
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

/* -------------------------------------------------------------------------------------------- writing */

enum rj_status rj_store_room(struct rj_store *store, struct rj_span key, bool create, rj_room_id *out)
{
    if (key.len == 0 || key.len > RJ_STORE_KEY_MAX)
        return RJ_BAD_NAME;
    for (uint32_t i = 0; i < store->n_rooms; i++)
        if (!store->rooms[i].is_forgotten && rj_span_eq(rj_buf_span(&store->rooms[i].key), key))
            return *out = i + 1, RJ_OK;
    if (!create)
        return RJ_NOT_FOUND;
    HOLDS(store->n_rooms < ROOMS_MAX);
    store->rooms[store->n_rooms] = (struct room){.key = copy(key), .state = {.floor_seq = 1}};
    *out = ++store->n_rooms;
    return RJ_OK;
}

struct rj_room_state rj_store_room_state(struct rj_store *store, rj_room_id room)
{
    HOLDS(room >= 1 && room <= store->n_rooms);
    return store->rooms[room - 1].state;
}

static uint64_t find_same(const struct rj_store_append *append)
{
    for (uint64_t i = 0; append->id.len && i < disk.n_records; i++) {
        const struct record *record = disk.records[i];
        if (record->is_brief == append->is_brief && rj_span_eq(rj_buf_span(&record->id), append->id) &&
            rj_span_eq(rj_buf_span(&record->source), append->source))
            return i + 1;
    }
    return 0;
}

static uint64_t accept(const struct rj_store_append *append)
{
    struct record *record = rj_calloc(1, sizeof *record);
    HOLDS(disk.n_records < RECORDS_MAX);
    HOLDS(append->n_rooms >= 1 && append->n_rooms <= RJ_STORE_ROOMS_MAX);
    record->epoch = disk.epochs[disk.n_epochs - 1].number;
    record->ts_ms = rj_clock_wall_ms();
    record->n_rooms = append->n_rooms;
    record->is_brief = append->is_brief;
    record->source = copy(append->source);
    record->id = copy(append->id);
    record->payload = copy(append->payload);
    for (size_t i = 0; i < append->n_rooms; i++) {
        HOLDS(append->rooms[i] >= 1 && append->rooms[i] <= disk.n_rooms);
        HOLDS(!disk.rooms[append->rooms[i] - 1].is_forgotten);
        for (size_t k = 0; k < i; k++)
            HOLDS(record->rooms[k] != append->rooms[i]);
        record->rooms[i] = append->rooms[i];
        record->seqs[i] = ++disk.rooms[append->rooms[i] - 1].state.accepted_seq;
    }
    disk.records[disk.n_records++] = record;
    return disk.n_records;
}

void rj_store_append(struct rj_store *store, const struct rj_store_append *append, rj_store_appended *done,
                     void *ctx)
{
    (void)store;
    HOLDS(append->source.len <= RJ_STORE_DEDUPE_MAX && append->id.len <= RJ_STORE_DEDUPE_MAX);
    struct op *op = queue(APPEND);
    op->pos = find_same(append);
    op->is_duplicate = op->pos != 0;
    if (!op->pos)
        op->pos = accept(append);
    op->appended = done;
    op->ctx = ctx;
}

bool rj_store_repeat(struct rj_store *store, const struct rj_store_append *append, rj_store_appended *done,
                     void *ctx)
{
    (void)store;
    uint64_t pos = find_same(append);
    if (!pos)
        return false;
    struct op *op = queue(APPEND);
    op->pos = pos;
    op->is_duplicate = true;
    op->appended = done;
    op->ctx = ctx;
    return true;
}

void rj_store_forget_room(struct rj_store *store, struct rj_span key, rj_store_written *done, void *ctx)
{
    rj_room_id room = 0;
    bool is_there = rj_store_room(store, key, false, &room) == RJ_OK;
    struct op *op = queue(is_there ? FORGET : BARRIER);
    op->room = room;
    op->written = done;
    op->ctx = ctx;
    if (is_there)
        disk.rooms[room - 1].is_forgotten = true;
}

static struct op *queue_pair(enum op_kind kind, enum rj_store_table table, struct rj_span key, size_t least,
                             rj_store_written *done, void *ctx)
{
    bool is_key = key.len >= least && key.len <= RJ_STORE_KEY_MAX;
    struct op *op = queue(is_key ? kind : REFUSED);
    op->status = is_key ? RJ_OK : RJ_BAD_NAME;
    op->table = table;
    op->key = copy(key);
    op->written = done;
    op->ctx = ctx;
    return op;
}

void rj_store_put(struct rj_store *store, enum rj_store_table table, struct rj_span key, struct rj_span value,
                  uint64_t expect, rj_store_written *done, void *ctx)
{
    (void)store;
    struct op *op = queue_pair(PUT, table, key, 1, done, ctx);
    op->value = copy(value);
    op->expect = expect;
}

void rj_store_delete(struct rj_store *store, enum rj_store_table table, struct rj_span key,
                     rj_store_written *done, void *ctx)
{
    (void)store;
    queue_pair(DELETE, table, key, 1, done, ctx);
}

void rj_store_delete_prefix(struct rj_store *store, enum rj_store_table table, struct rj_span prefix,
                            rj_store_written *done, void *ctx)
{
    (void)store;
    queue_pair(DELETE_PREFIX, table, prefix, 0, done, ctx);
}

void rj_store_barrier(struct rj_store *store, rj_store_written *done, void *ctx)
{
    (void)store;
    struct op *op = queue(BARRIER);
    op->written = done;
    op->ctx = ctx;
}

/* -------------------------------------------------------------------------------------------- reading */

enum rj_status rj_store_get(struct rj_store *store, enum rj_store_table table, struct rj_span key,
                            struct rj_buf *value, uint64_t *version)
{
    (void)store;
    const struct pair *pair = find(table, key);
    if (!pair)
        return RJ_NOT_FOUND;
    rj_buf_put_span(value, rj_buf_span(&pair->value));
    if (version)
        *version = pair->version;
    return RJ_OK;
}

enum rj_status rj_store_scan(struct rj_store *store, enum rj_store_table table, struct rj_span prefix,
                             struct rj_span after, size_t limit, rj_store_visit_pair *visit, void *ctx)
{
    (void)store;
    if (prefix.len > RJ_STORE_KEY_MAX || after.len > RJ_STORE_KEY_MAX)
        return RJ_BAD_NAME;
    struct pair *pair = seek(table, compare(after, prefix) >= 0 ? after : prefix);
    if (pair && after.len && rj_span_eq(rj_buf_span(&pair->key), after))
        pair = pair->next;
    for (; pair && limit && has_prefix(rj_buf_span(&pair->key), prefix); pair = pair->next, limit--)
        if (!visit(ctx, rj_buf_span(&pair->key), rj_buf_span(&pair->value)))
            break;
    return RJ_OK;
}

static bool show(const struct rj_store_reading *reading, uint64_t pos)
{
    const struct record *record = disk.records[pos - 1];
    struct rj_store_record shown = {
        .pos = pos,
        .epoch = record->epoch,
        .ts_ms = record->ts_ms,
        .rooms = record->rooms,
        .seqs = record->seqs,
        .n_rooms = record->n_rooms,
        .source = rj_buf_span(&record->source),
        .id = rj_buf_span(&record->id),
        .payload = rj_buf_span(&record->payload),
        .is_brief = record->is_brief,
    };
    return reading->visit(reading->ctx, &shown);
}

static bool concerns(const struct rj_store_reading *reading, uint64_t pos)
{
    const struct record *record = disk.records[pos - 1];
    for (size_t i = 0; i < reading->n_reaches; i++)
        for (size_t k = 0; k < record->n_rooms; k++)
            if (record->rooms[k] == reading->reaches[i].room && pos > reading->reaches[i].after_pos)
                return true;
    return reading->kind == LOG;
}

static bool is_trimmed(const struct rj_store_reading *reading)
{
    if (reading->after >= reading->upto)
        return false;
    for (size_t i = 0; i < reading->n_reaches; i++) {
        uint64_t own = reading->reaches[i].after_pos, from = own > reading->after ? own : reading->after;
        if (from < reading->upto && from < disk.rooms[reading->reaches[i].room - 1].state.floor_pos)
            return true;
    }
    return reading->kind == LOG && reading->after < disk.trimmed;
}

static enum rj_status read_range(const struct rj_store_reading *reading, uint64_t *reached)
{
    size_t records = reading->budget.records, bytes = 0;
    *reached = reading->after;
    if (is_trimmed(reading))
        return RJ_GAP;
    for (uint64_t pos = reading->after + 1; pos <= reading->upto; pos++) {
        if (!concerns(reading, pos))
            continue;
        *reached = pos;
        bytes += disk.records[pos - 1]->payload.len;
        if (!show(reading, pos) || --records == 0 || bytes >= reading->budget.bytes)
            return RJ_OK;
    }
    if (reading->upto > *reached)
        *reached = reading->upto;
    return RJ_OK;
}

/* The pos of a room's seq; 0: it is trimmed, or there is none. */
static uint64_t pos_of(rj_room_id room, uint64_t seq)
{
    for (uint64_t pos = disk.trimmed + 1; pos <= disk.completed; pos++)
        for (size_t i = 0; i < disk.records[pos - 1]->n_rooms; i++)
            if (disk.records[pos - 1]->rooms[i] == room && disk.records[pos - 1]->seqs[i] == seq)
                return pos;
    return 0;
}

static enum rj_status read_page(const struct rj_store_reading *reading, uint64_t *reached)
{
    size_t records = reading->budget.records, bytes = 0;
    const struct rj_room_state *state = &disk.rooms[reading->reaches[0].room - 1].state;
    bool is_forward = reading->kind == FORWARD;
    uint64_t above = state->head_seq + 1, seq = is_forward ? reading->seq + 1 : reading->seq - 1;
    *reached = 0;
    if (is_forward && (reading->seq == UINT64_MAX || seq < state->floor_seq))
        seq = reading->seq == UINT64_MAX ? above : state->floor_seq;
    if (!is_forward && (reading->seq == 0 || reading->seq > above))
        seq = reading->seq == 0 ? 0 : above - 1;
    for (; seq >= state->floor_seq && seq < above && seq > 0; seq = is_forward ? seq + 1 : seq - 1) {
        uint64_t pos = pos_of(reading->reaches[0].room, seq);
        if (!pos)
            continue;
        bytes += disk.records[pos - 1]->payload.len;
        if (!show(reading, pos) || --records == 0 || bytes >= reading->budget.bytes)
            break;
    }
    return RJ_OK;
}

static enum rj_status carry_out(const struct rj_store_reading *reading, uint64_t *reached)
{
    return reading->kind == ROOMS || reading->kind == LOG ? read_range(reading, reached)
                                                          : read_page(reading, reached);
}

static bool run_reading(struct rj_store_reading *reading)
{
    uint64_t reached = 0;
    if (reading->is_cancelled)
        return false;
    enum rj_status status = reading->kind == WARM ? RJ_OK : carry_out(reading, &reached);
    reading->done(reading->ctx, status, reached);
    return true;
}

static void plan(struct rj_store_reading *reading, enum reading_kind kind, const struct rj_store_reach *rooms,
                 size_t n_rooms, struct rj_store_budget budget)
{
    HOLDS(n_rooms <= REACHES_MAX);
    reading->kind = kind;
    reading->n_reaches = n_rooms;
    for (size_t i = 0; i < n_rooms; i++) {
        HOLDS(rooms[i].room >= 1 && rooms[i].room <= disk.n_rooms);
        reading->reaches[i] = rooms[i];
    }
    reading->budget.records = budget.records ? budget.records : DEFAULT_RECORDS;
    reading->budget.bytes = budget.bytes ? budget.bytes : DEFAULT_BYTES;
}

static void set_range(struct rj_store_reading *reading, uint64_t after, uint64_t upto, rj_store_visit *visit,
                      void *ctx)
{
    reading->after = after;
    reading->upto = upto < disk.completed ? upto : disk.completed;
    reading->visit = visit;
    reading->ctx = ctx;
}

enum rj_status rj_store_read(struct rj_store *store, const struct rj_store_reach *rooms, size_t n_rooms,
                             uint64_t after, uint64_t upto, struct rj_store_budget budget,
                             rj_store_visit *visit, void *ctx, uint64_t *reached)
{
    (void)store;
    struct rj_store_reading reading = {0};
    plan(&reading, ROOMS, rooms, n_rooms, budget);
    set_range(&reading, after, upto, visit, ctx);
    return carry_out(&reading, reached);
}

enum rj_status rj_store_read_log(struct rj_store *store, uint64_t after, uint64_t upto,
                                 struct rj_store_budget budget, rj_store_visit *visit, void *ctx,
                                 uint64_t *reached)
{
    (void)store;
    struct rj_store_reading reading = {0};
    plan(&reading, LOG, NULL, 0, budget);
    set_range(&reading, after, upto, visit, ctx);
    return carry_out(&reading, reached);
}

enum rj_status rj_store_check_kept(struct rj_store *store, const struct rj_store_reach *rooms, size_t n_rooms,
                                   uint64_t after)
{
    (void)store;
    for (size_t i = 0; i < n_rooms; i++) {
        uint64_t from = rooms[i].after_pos > after ? rooms[i].after_pos : after;
        if (from < disk.rooms[rooms[i].room - 1].state.floor_pos)
            return RJ_GAP;
    }
    return RJ_OK;
}

enum rj_status rj_store_history(struct rj_store *store, rj_room_id room, enum rj_history_order order,
                                uint64_t seq, struct rj_store_budget budget, rj_store_visit *visit, void *ctx)
{
    (void)store;
    uint64_t reached;
    struct rj_store_reading reading = {.seq = seq, .visit = visit, .ctx = ctx};
    plan(&reading, order == RJ_HISTORY_FORWARD ? FORWARD : BACKWARD, &(struct rj_store_reach){.room = room},
         1, budget);
    return carry_out(&reading, &reached);
}

static struct rj_store_reading *later(rj_store_read_done *done)
{
    struct rj_store_reading *reading = rj_calloc(1, sizeof *reading);
    reading->done = done;
    DL_APPEND(disk.readings, reading);
    return reading;
}

struct rj_store_reading *rj_store_read_later(struct rj_store *store, const struct rj_store_reach *rooms,
                                             size_t n_rooms, uint64_t after, uint64_t upto,
                                             struct rj_store_budget budget, rj_store_visit *visit,
                                             rj_store_read_done *done, void *ctx)
{
    (void)store;
    struct rj_store_reading *reading = later(done);
    plan(reading, ROOMS, rooms, n_rooms, budget);
    set_range(reading, after, upto, visit, ctx);
    return reading;
}

struct rj_store_reading *rj_store_read_log_later(struct rj_store *store, uint64_t after, uint64_t upto,
                                                 struct rj_store_budget budget, rj_store_visit *visit,
                                                 rj_store_read_done *done, void *ctx)
{
    (void)store;
    struct rj_store_reading *reading = later(done);
    plan(reading, LOG, NULL, 0, budget);
    set_range(reading, after, upto, visit, ctx);
    return reading;
}

struct rj_store_reading *rj_store_history_later(struct rj_store *store, rj_room_id room,
                                                enum rj_history_order order, uint64_t seq,
                                                struct rj_store_budget budget, rj_store_visit *visit,
                                                rj_store_read_done *done, void *ctx)
{
    (void)store;
    struct rj_store_reading *reading = later(done);
    plan(reading, order == RJ_HISTORY_FORWARD ? FORWARD : BACKWARD, &(struct rj_store_reach){.room = room}, 1,
         budget);
    reading->seq = seq;
    reading->visit = visit;
    reading->ctx = ctx;
    return reading;
}

struct rj_store_reading *rj_store_warm_later(struct rj_store *store, const struct rj_store_warm *what,
                                             rj_store_read_done *done, void *ctx)
{
    (void)store, (void)what;
    struct rj_store_reading *reading = later(done);
    reading->kind = WARM;
    reading->ctx = ctx;
    return reading;
}

/* While the disk is held it is a slow one. */
bool rj_store_room_is_loaded(struct rj_store *store, struct rj_span key)
{
    (void)key;
    return !store->is_held;
}

void rj_store_read_cancel(struct rj_store_reading *reading)
{
    reading->is_cancelled = true;
}
