/* Reading: what some rooms missed, a stretch of the log, a page of one room. Here the owner makes the plan,
 * with the floors checked before anything is shown, and either carries it out at once or hands it, with
 * copies of what it needs, to a reader thread. */
#include "storage/engine.h"

#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"

enum { DEFAULT_RECORDS = 1000, DEFAULT_BYTES = 1 << 20 };

/* ------------------------------------------------------------------------------------------ records */

static void log_damaged(struct rj_store *store, uint64_t pos, const char *found)
{
    store->stats.corrupt++;
    rj_log(RJ_LOG_ERROR, "store_corrupt_record", RJ_KV_U64("pos", pos), RJ_KV_STR("found", found));
}

enum rj_status rj_engine_decode(struct rj_store *store, struct rj_span bytes, uint64_t pos,
                                struct rj_record *record)
{
    enum rj_status status = rj_record_decode(bytes, pos, record);
    if (status)
        log_damaged(store, pos, "damaged");
    return status;
}

enum rj_status rj_engine_fetch(struct rj_store *store, const struct rj_reader *reader, uint64_t pos,
                               struct rj_record *record)
{
    MDB_val key = rj_val(&pos, sizeof pos), value;
    enum rj_status status = rj_env_status(mdb_cursor_get(reader->log, &key, &value, MDB_SET));
    return status ? status : rj_engine_decode(store, rj_val_span(value), pos, record);
}

static void log_damage(struct rj_store *store, const struct rj_reading *plan)
{
    switch (plan->damage) {
    case RJ_DAMAGE_NONE: break;
    case RJ_DAMAGE_RECORD: log_damaged(store, plan->damaged_pos, "damaged"); break;
    case RJ_DAMAGE_MISSING: log_damaged(store, plan->damaged_pos, "missing"); break;
    case RJ_DAMAGE_INDEX:
        rj_log(RJ_LOG_ERROR, "store_corrupt_index", RJ_KV_U64("pos", plan->damaged_pos));
        break;
    }
}

/* ------------------------------------------------------------------------------------------ plans */

static struct rj_reading plan_of(enum rj_reading_kind kind, struct rj_store_budget budget)
{
    return (struct rj_reading){
        .kind = kind,
        .records = budget.records ? budget.records : DEFAULT_RECORDS,
        .bytes = budget.bytes ? budget.bytes : DEFAULT_BYTES,
    };
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static int compare_reach(const void *a, const void *b)
{
    rj_room_id left = ((const struct rj_reading_reach *)a)->room->id,
               right = ((const struct rj_reading_reach *)b)->room->id;
    return (left > right) - (left < right);
}

/* A plan is settled when there is nothing to be looked at: the status and `reached` are its outcome. */
static bool settle_plan(struct rj_reading *plan, enum rj_status status, uint64_t reached)
{
    plan->status = status;
    plan->reached = reached;
    return true;
}

/* The rooms that have something above both positions, sorted. Its reaches are the caller's to free. True:
 * settled; RJ_GAP when a floor has passed a position that is read from. */
static bool plan_rooms(struct rj_store *store, struct rj_reading *plan, const struct rj_store_reach *rooms,
                       size_t n_rooms, uint64_t after, uint64_t upto)
{
    plan->after = after;
    plan->upto = upto < store->completed ? upto : store->completed;
    if (after >= plan->upto)
        return settle_plan(plan, RJ_OK, after);
    plan->reaches = rj_alloc((n_rooms + 1) * sizeof *plan->reaches);
    for (size_t i = 0; i < n_rooms; i++) {
        const struct rj_store_room *room = rj_store_rooms_get(&store->rooms, rooms[i].room);
        uint64_t from = larger(after, rooms[i].after_pos);
        if (from >= plan->upto)
            continue;
        if (from < room->floor_pos)
            return settle_plan(plan, RJ_GAP, after);
        if (room->head_pos > from)
            plan->reaches[plan->n_reaches++] = (struct rj_reading_reach){room, from};
    }
    if (plan->n_reaches == 0)
        return settle_plan(plan, RJ_OK, plan->upto);
    qsort(plan->reaches, plan->n_reaches, sizeof *plan->reaches, compare_reach);
    return false;
}

static bool plan_log(struct rj_store *store, struct rj_reading *plan, uint64_t after, uint64_t upto)
{
    plan->after = after;
    plan->upto = upto < store->completed ? upto : store->completed;
    if (after >= plan->upto)
        return settle_plan(plan, RJ_OK, after);
    return after < store->rooms.trim_pos && settle_plan(plan, RJ_GAP, after);
}

/* Its one reach is the caller's to free. */
static bool plan_page(struct rj_store *store, struct rj_reading *plan, rj_room_id id, uint64_t seq)
{
    const struct rj_store_room *room = rj_store_rooms_get(&store->rooms, id);
    plan->reaches = rj_alloc(sizeof *plan->reaches);
    plan->reaches[0] = (struct rj_reading_reach){.room = room};
    plan->n_reaches = 1;
    if (plan->kind == RJ_READING_BACKWARD) {
        plan->seq = seq > room->head_seq ? room->head_seq + 1 : seq;
        return plan->seq <= room->floor_seq && settle_plan(plan, RJ_OK, 0);
    }
    if (seq >= room->head_seq)
        return settle_plan(plan, RJ_OK, 0);
    plan->seq = larger(seq + 1, room->floor_seq);
    return false;
}

static enum rj_reading_kind page_kind(enum rj_history_order order)
{
    return order == RJ_HISTORY_BACKWARD ? RJ_READING_BACKWARD : RJ_READING_FORWARD;
}

/* ------------------------------------------------------------------------------------------ at once */

struct showing {
    rj_store_visit *visit;
    void *ctx;
};

static bool show_fields(void *ctx, const struct rj_record *record, struct rj_span bytes)
{
    const struct showing *showing = ctx;
    (void)bytes;
    return showing->visit(showing->ctx, &record->fields);
}

static enum rj_status read_now(struct rj_store *store, struct rj_reading *plan, bool is_settled,
                               rj_store_visit *visit, void *ctx)
{
    if (!is_settled) {
        struct showing showing = {visit, ctx};
        plan->visit = show_fields;
        plan->ctx = &showing;
        struct rj_reader reader = rj_env_read(&store->env);
        rj_reading_run(plan, &reader);
        rj_env_read_done(&store->env, &reader);
        if (plan->status == RJ_CORRUPT)
            log_damage(store, plan);
    }
    free(plan->reaches);
    return plan->status;
}

enum rj_status rj_store_read(struct rj_store *store, const struct rj_store_reach *rooms, size_t n_rooms,
                             uint64_t after, uint64_t upto, struct rj_store_budget budget,
                             rj_store_visit *visit, void *ctx, uint64_t *reached)
{
    struct rj_reading plan = plan_of(RJ_READING_ROOMS, budget);
    bool is_settled = plan_rooms(store, &plan, rooms, n_rooms, after, upto);
    enum rj_status status = read_now(store, &plan, is_settled, visit, ctx);
    if (status != RJ_GAP)
        *reached = plan.reached;
    return status;
}

enum rj_status rj_store_read_log(struct rj_store *store, uint64_t after, uint64_t upto,
                                 struct rj_store_budget budget, rj_store_visit *visit, void *ctx,
                                 uint64_t *reached)
{
    struct rj_reading plan = plan_of(RJ_READING_LOG, budget);
    bool is_settled = plan_log(store, &plan, after, upto);
    enum rj_status status = read_now(store, &plan, is_settled, visit, ctx);
    if (status != RJ_GAP)
        *reached = plan.reached;
    return status;
}

enum rj_status rj_store_history(struct rj_store *store, rj_room_id room, enum rj_history_order order,
                                uint64_t seq, struct rj_store_budget budget, rj_store_visit *visit, void *ctx)
{
    struct rj_reading plan = plan_of(page_kind(order), budget);
    bool is_settled = plan_page(store, &plan, room, seq);
    return read_now(store, &plan, is_settled, visit, ctx);
}

/* Whether everything of these rooms above their positions can still be read. */
enum rj_status rj_store_check_kept(struct rj_store *store, const struct rj_store_reach *rooms, size_t n_rooms,
                                   uint64_t after)
{
    for (size_t i = 0; i < n_rooms; i++) {
        const struct rj_store_room *room = rj_store_rooms_get(&store->rooms, rooms[i].room);
        if (larger(after, rooms[i].after_pos) < room->floor_pos)
            return RJ_GAP;
    }
    return RJ_OK;
}

/* ------------------------------------------------------------------------------------------ later */

/* From now on the plan points to rooms that nobody changes. What waits in memory of each is copied as far as
 * this reading can come to need it. */
static void copy_rooms(struct rj_store_reading *reading)
{
    struct rj_reading *plan = &reading->plan;
    reading->rooms = rj_calloc(plan->n_reaches + 1, sizeof *reading->rooms);
    for (size_t i = 0; i < plan->n_reaches; i++) {
        struct rj_reading_reach *reach = &plan->reaches[i];
        if (plan->kind == RJ_READING_ROOMS)
            rj_index_copy_above(&reading->rooms[i], reach->room, reach->after_pos, plan->records);
        else if (plan->kind == RJ_READING_FORWARD)
            rj_index_copy_from(&reading->rooms[i], reach->room, plan->seq, plan->records);
        else
            rj_index_copy_below(&reading->rooms[i], reach->room, plan->seq, plan->records);
        reach->room = &reading->rooms[i];
    }
}

static void free_copies(struct rj_store_reading *reading)
{
    for (size_t i = 0; reading->rooms && i < reading->plan.n_reaches; i++)
        free(reading->rooms[i].pending);
    free(reading->rooms);
    reading->rooms = NULL;
    free(reading->plan.reaches);
    reading->plan.reaches = NULL;
}

static struct rj_store_reading *new_reading(struct rj_store *store, enum rj_reading_kind kind,
                                            struct rj_store_budget budget, rj_store_visit *visit,
                                            rj_store_read_done *done, void *ctx)
{
    struct rj_store_reading *reading = rj_calloc(1, sizeof *reading);
    reading->plan = plan_of(kind, budget);
    reading->budget = (struct rj_store_budget){reading->plan.records, reading->plan.bytes};
    reading->visit = visit;
    reading->done = done;
    reading->ctx = ctx;
    reading->asked_us = rj_clock_mono_us();
    store->reads_under_way++;
    return reading;
}

static struct rj_store_reading *hand_over(struct rj_store *store, struct rj_store_reading *reading,
                                          bool is_settled)
{
    if (is_settled) {
        rj_readers_add_done(&store->readers, reading);
        return reading;
    }
    copy_rooms(reading);
    rj_readers_add(&store->readers, reading);
    return reading;
}

struct rj_store_reading *rj_store_read_later(struct rj_store *store, const struct rj_store_reach *rooms,
                                             size_t n_rooms, uint64_t after, uint64_t upto,
                                             struct rj_store_budget budget, rj_store_visit *visit,
                                             rj_store_read_done *done, void *ctx)
{
    struct rj_store_reading *reading = new_reading(store, RJ_READING_ROOMS, budget, visit, done, ctx);
    return hand_over(store, reading, plan_rooms(store, &reading->plan, rooms, n_rooms, after, upto));
}

struct rj_store_reading *rj_store_read_log_later(struct rj_store *store, uint64_t after, uint64_t upto,
                                                 struct rj_store_budget budget, rj_store_visit *visit,
                                                 rj_store_read_done *done, void *ctx)
{
    struct rj_store_reading *reading = new_reading(store, RJ_READING_LOG, budget, visit, done, ctx);
    return hand_over(store, reading, plan_log(store, &reading->plan, after, upto));
}

struct rj_store_reading *rj_store_history_later(struct rj_store *store, rj_room_id room,
                                                enum rj_history_order order, uint64_t seq,
                                                struct rj_store_budget budget, rj_store_visit *visit,
                                                rj_store_read_done *done, void *ctx)
{
    struct rj_store_reading *reading = new_reading(store, page_kind(order), budget, visit, done, ctx);
    reading->page_room = room;
    reading->page_seq = seq;
    return hand_over(store, reading, plan_page(store, &reading->plan, room, seq));
}

struct rj_store_reading *rj_store_warm_later(struct rj_store *store, const struct rj_store_warm *what,
                                             rj_store_read_done *done, void *ctx)
{
    struct rj_store_reading *reading =
        new_reading(store, RJ_READING_LOG, (struct rj_store_budget){0}, NULL, done, ctx);
    reading->warm = rj_warm_new(what);
    rj_readers_add(&store->readers, reading);
    return reading;
}

void rj_store_read_cancel(struct rj_store_reading *reading)
{
    reading->is_cancelled = true;
}

/* ------------------------------------------------------------------------------------------ completion */

static bool is_page(const struct rj_reading *plan)
{
    return plan->kind == RJ_READING_FORWARD || plan->kind == RJ_READING_BACKWARD;
}

/* A floor may have passed the reading on its way; then what it found, or missed, is no more to be shown. */
static bool was_overtaken(struct rj_store *store, const struct rj_reading *plan)
{
    if (plan->kind == RJ_READING_LOG)
        return plan->after < store->rooms.trim_pos;
    for (size_t i = 0; i < plan->n_reaches; i++) {
        const struct rj_store_room *copy = plan->reaches[i].room;
        const struct rj_store_room *room = rj_store_rooms_get(&store->rooms, copy->id);
        if (is_page(plan) ? room->floor_seq > copy->floor_seq : room->floor_pos > plan->reaches[i].after_pos)
            return true;
    }
    return false;
}

/* A page begins anew above the floor that has overtaken it. */
static void read_again(struct rj_store *store, struct rj_store_reading *reading)
{
    free_copies(reading);
    rj_buf_clear(&reading->bytes);
    reading->n_found = 0;
    reading->plan = plan_of(reading->plan.kind, reading->budget);
    hand_over(store, reading, plan_page(store, &reading->plan, reading->page_room, reading->page_seq));
}

static void show_found(struct rj_store_reading *reading)
{
    struct rj_record record;
    for (size_t i = 0; i < reading->n_found && !reading->is_cancelled; i++) {
        const struct rj_found *found = &reading->found[i];
        struct rj_span bytes = rj_span_of(reading->bytes.data + found->at, found->len);
        if (rj_record_decode_open(bytes, found->pos, &record))
            abort(); /* it was whole in the reader thread */
        if (reading->visit(reading->ctx, &record.fields))
            continue;
        /* What lies behind, a damage too, was not asked for. */
        reading->plan.status = RJ_OK;
        reading->plan.reached = found->pos;
        return;
    }
}

static void count(struct rj_store *store, const struct rj_store_reading *reading)
{
    uint64_t waited_us = reading->started_us - reading->asked_us;
    uint64_t read_us = reading->ended_us - reading->started_us;
    store->stats.reads++;
    store->stats.reads_wait_us_total += waited_us;
    store->stats.reads_us_total += read_us;
    if (waited_us > store->stats.reads_wait_us_max)
        store->stats.reads_wait_us_max = waited_us;
    if (read_us > store->stats.reads_us_max)
        store->stats.reads_us_max = read_us;
}

static void tell(struct rj_store *store, struct rj_store_reading *reading)
{
    struct rj_reading *plan = &reading->plan;
    if (plan->status == RJ_CORRUPT)
        log_damage(store, plan);
    if (!reading->is_cancelled && plan->status != RJ_GAP && plan->status != RJ_CLOSED)
        show_found(reading);
    if (!reading->is_cancelled)
        reading->done(reading->ctx, plan->status, plan->reached);
}

static void complete_one(struct rj_store *store, struct rj_store_reading *reading)
{
    bool was_read = reading->plan.status == RJ_OK || reading->plan.status == RJ_CORRUPT;
    if (!reading->is_cancelled && was_read && reading->rooms && was_overtaken(store, &reading->plan)) {
        if (is_page(&reading->plan)) {
            read_again(store, reading);
            return;
        }
        reading->plan.status = RJ_GAP;
    }
    count(store, reading);
    tell(store, reading);
    free_copies(reading);
    free(reading->warm);
    free(reading->found);
    rj_buf_free(&reading->bytes);
    free(reading);
    store->reads_under_way--;
}

size_t rj_engine_complete_reads(struct rj_store *store)
{
    struct rj_store_readings done = rj_readers_take_done(&store->readers);
    size_t n = 0;
    while (done.first) {
        struct rj_store_reading *reading = done.first;
        done.first = reading->next;
        complete_one(store, reading);
        n++;
    }
    return n;
}
