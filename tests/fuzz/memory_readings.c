#include <stdlib.h>
#include <utlist.h>

#include "proto/base/mem.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_disk.h"

enum { DEFAULT_RECORDS = 1000, DEFAULT_BYTES = 1 << 20 };

enum reading_kind { ROOMS, LOG, FORWARD, BACKWARD, WARM };

struct rj_store_reading {
    struct rj_store *store;
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

static bool show(const struct rj_store_reading *reading, uint64_t pos)
{
    const struct memory_record *record = reading->store->records[pos - 1];
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
    const struct memory_record *record = reading->store->records[pos - 1];
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
        if (from < reading->upto &&
            from < reading->store->rooms[reading->reaches[i].room - 1].state.floor_pos)
            return true;
    }
    return reading->kind == LOG && reading->after < reading->store->trimmed;
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
        if (reading->store->records[pos - 1]->is_damaged)
            return RJ_CORRUPT;
        bytes += reading->store->records[pos - 1]->payload.len;
        if (!show(reading, pos) || --records == 0 || bytes >= reading->budget.bytes)
            return RJ_OK;
    }
    if (reading->upto > *reached)
        *reached = reading->upto;
    return RJ_OK;
}

/* The pos of a room's seq; 0: it is trimmed, or there is none. */
static uint64_t pos_of(const struct rj_store *store, rj_room_id room, uint64_t seq)
{
    for (uint64_t pos = store->trimmed + 1; pos <= store->completed; pos++)
        for (size_t i = 0; i < store->records[pos - 1]->n_rooms; i++)
            if (store->records[pos - 1]->rooms[i] == room && store->records[pos - 1]->seqs[i] == seq)
                return pos;
    return 0;
}

static enum rj_status read_page(const struct rj_store_reading *reading, uint64_t *reached)
{
    size_t records = reading->budget.records, bytes = 0;
    const struct rj_room_state *state = &reading->store->rooms[reading->reaches[0].room - 1].state;
    bool is_forward = reading->kind == FORWARD;
    uint64_t above = state->head_seq + 1, seq = is_forward ? reading->seq + 1 : reading->seq - 1;
    *reached = 0;
    if (is_forward && (reading->seq == UINT64_MAX || seq < state->floor_seq))
        seq = reading->seq == UINT64_MAX ? above : state->floor_seq;
    if (!is_forward && (reading->seq == 0 || reading->seq > above))
        seq = reading->seq == 0 ? 0 : above - 1;
    for (; seq >= state->floor_seq && seq < above && seq > 0; seq = is_forward ? seq + 1 : seq - 1) {
        uint64_t pos = pos_of(reading->store, reading->reaches[0].room, seq);
        if (!pos)
            continue;
        if (reading->store->records[pos - 1]->is_damaged)
            return *reached = pos, RJ_CORRUPT;
        bytes += reading->store->records[pos - 1]->payload.len;
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

static bool run(struct rj_store_reading *reading)
{
    uint64_t reached = 0;
    if (reading->is_cancelled)
        return false;
    enum rj_status status = reading->kind == WARM ? RJ_OK : carry_out(reading, &reached);
    reading->done(reading->ctx, status, reached);
    return true;
}

size_t memory_readings_run(struct rj_store *store)
{
    struct rj_store_reading *reading, *next;
    size_t n = 0;
    DL_FOREACH_SAFE (store->readings, reading, next) {
        if (!reading->is_cancelled && !memory_may_pass(store))
            continue;
        DL_DELETE(store->readings, reading);
        n += run(reading);
        free(reading);
    }
    return n;
}

void memory_readings_close(struct rj_store *store)
{
    struct rj_store_reading *reading, *next;
    DL_FOREACH_SAFE (store->readings, reading, next) {
        DL_DELETE(store->readings, reading);
        if (!reading->is_cancelled)
            reading->done(reading->ctx, RJ_CLOSED, reading->after);
        free(reading);
    }
}

/* ------------------------------------------------------------------------------------------------ store.h */

static void plan(struct rj_store_reading *reading, enum reading_kind kind, const struct rj_store_reach *rooms,
                 size_t n_rooms, struct rj_store_budget budget)
{
    HOLDS(n_rooms <= REACHES_MAX);
    reading->kind = kind;
    reading->n_reaches = n_rooms;
    for (size_t i = 0; i < n_rooms; i++) {
        HOLDS(rooms[i].room >= 1 && rooms[i].room <= reading->store->n_rooms);
        reading->reaches[i] = rooms[i];
    }
    reading->budget.records = budget.records ? budget.records : DEFAULT_RECORDS;
    reading->budget.bytes = budget.bytes ? budget.bytes : DEFAULT_BYTES;
}

static void set_range(struct rj_store_reading *reading, uint64_t after, uint64_t upto, rj_store_visit *visit,
                      void *ctx)
{
    reading->after = after;
    reading->upto = upto < reading->store->completed ? upto : reading->store->completed;
    reading->visit = visit;
    reading->ctx = ctx;
}

enum rj_status rj_store_read(struct rj_store *store, const struct rj_store_reach *rooms, size_t n_rooms,
                             uint64_t after, uint64_t upto, struct rj_store_budget budget,
                             rj_store_visit *visit, void *ctx, uint64_t *reached)
{
    struct rj_store_reading reading = {.store = store};
    plan(&reading, ROOMS, rooms, n_rooms, budget);
    set_range(&reading, after, upto, visit, ctx);
    return carry_out(&reading, reached);
}

enum rj_status rj_store_read_log(struct rj_store *store, uint64_t after, uint64_t upto,
                                 struct rj_store_budget budget, rj_store_visit *visit, void *ctx,
                                 uint64_t *reached)
{
    struct rj_store_reading reading = {.store = store};
    plan(&reading, LOG, NULL, 0, budget);
    set_range(&reading, after, upto, visit, ctx);
    return carry_out(&reading, reached);
}

enum rj_status rj_store_check_kept(struct rj_store *store, const struct rj_store_reach *rooms, size_t n_rooms,
                                   uint64_t after)
{
    for (size_t i = 0; i < n_rooms; i++) {
        uint64_t from = rooms[i].after_pos > after ? rooms[i].after_pos : after;
        if (from < store->rooms[rooms[i].room - 1].state.floor_pos)
            return RJ_GAP;
    }
    return RJ_OK;
}

/* Without a memory for when they rose: all of them, each time. */
bool rj_store_visit_raised(struct rj_store *store, uint64_t after, uint64_t *since,
                           rj_store_raised_visit *visit, void *ctx)
{
    *since = 1;
    for (uint32_t i = 0; i < store->n_rooms; i++) {
        uint64_t floor_pos = store->rooms[i].state.floor_pos;
        if (floor_pos > after && !visit(ctx, i + 1, floor_pos))
            return true;
    }
    return true;
}

enum rj_status rj_store_history(struct rj_store *store, rj_room_id room, enum rj_history_order order,
                                uint64_t seq, struct rj_store_budget budget, rj_store_visit *visit, void *ctx)
{
    uint64_t reached;
    struct rj_store_reading reading = {.store = store, .seq = seq, .visit = visit, .ctx = ctx};
    plan(&reading, order == RJ_HISTORY_FORWARD ? FORWARD : BACKWARD, &(struct rj_store_reach){.room = room},
         1, budget);
    return carry_out(&reading, &reached);
}

static struct rj_store_reading *later(struct rj_store *store, rj_store_read_done *done)
{
    struct rj_store_reading *reading = rj_calloc(1, sizeof *reading);
    reading->store = store;
    reading->done = done;
    DL_APPEND(store->readings, reading);
    return reading;
}

struct rj_store_reading *rj_store_read_later(struct rj_store *store, const struct rj_store_reach *rooms,
                                             size_t n_rooms, uint64_t after, uint64_t upto,
                                             struct rj_store_budget budget, rj_store_visit *visit,
                                             rj_store_read_done *done, void *ctx)
{
    struct rj_store_reading *reading = later(store, done);
    plan(reading, ROOMS, rooms, n_rooms, budget);
    set_range(reading, after, upto, visit, ctx);
    return reading;
}

struct rj_store_reading *rj_store_read_log_later(struct rj_store *store, uint64_t after, uint64_t upto,
                                                 struct rj_store_budget budget, rj_store_visit *visit,
                                                 rj_store_read_done *done, void *ctx)
{
    struct rj_store_reading *reading = later(store, done);
    plan(reading, LOG, NULL, 0, budget);
    set_range(reading, after, upto, visit, ctx);
    return reading;
}

struct rj_store_reading *rj_store_history_later(struct rj_store *store, rj_room_id room,
                                                enum rj_history_order order, uint64_t seq,
                                                struct rj_store_budget budget, rj_store_visit *visit,
                                                rj_store_read_done *done, void *ctx)
{
    struct rj_store_reading *reading = later(store, done);
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
    (void)what;
    struct rj_store_reading *reading = later(store, done);
    reading->kind = WARM;
    reading->ctx = ctx;
    return reading;
}

void rj_store_read_cancel(struct rj_store_reading *reading)
{
    reading->is_cancelled = true;
}
