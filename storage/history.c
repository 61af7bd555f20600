/* Reading: what some rooms missed, a stretch of the log, a page of one room. Positions come from the index
 * and records from the log; the floors are checked before anything is shown. */
#include "storage/engine.h"

#include <stdlib.h>

#include "proto/base/log.h"
#include "proto/base/mem.h"

enum {
    DEFAULT_RECORDS = 1000,
    DEFAULT_BYTES = 1 << 20,
    LANE = 32, /* positions of a room that are looked up at once */
    PAGE = 64, /* the same, for a history page */
    /* Looking one room up in the index costs as much as passing so many records of the log. */
    SCAN_PER_ROOM = 40,
    SCAN_BASE = 60,
};

/* ------------------------------------------------------------------------------------------ records */

enum rj_status rj_engine_decode(struct rj_store *store, struct rj_span bytes, uint64_t pos,
                                struct rj_record *record)
{
    enum rj_status status = rj_record_decode(bytes, pos, record);
    if (status) {
        store->stats.corrupt++;
        rj_log(RJ_LOG_ERROR, "store_corrupt_record", RJ_KV_U64("pos", pos), RJ_KV_U64("bytes", bytes.len));
    }
    return status;
}

enum rj_status rj_engine_fetch(struct rj_store *store, const struct rj_reader *reader, uint64_t pos,
                               struct rj_record *record)
{
    MDB_val key = rj_val(&pos, sizeof pos), value;
    enum rj_status status = rj_env_status(mdb_cursor_get(reader->log, &key, &value, MDB_SET));
    return status ? status : rj_engine_decode(store, rj_val_span(value), pos, record);
}

/* One call of the reading functions. */
struct reading {
    struct rj_store *store;
    const struct rj_reader *reader;
    size_t records, bytes; /* what the budget still allows */
    rj_store_visit *visit;
    void *ctx;
    uint64_t reached;
    bool is_over;
};

static struct reading begin(struct rj_store *store, const struct rj_reader *reader,
                            struct rj_store_budget budget, rj_store_visit *visit, void *ctx)
{
    return (struct reading){
        .store = store,
        .reader = reader,
        .records = budget.records ? budget.records : DEFAULT_RECORDS,
        .bytes = budget.bytes ? budget.bytes : DEFAULT_BYTES,
        .visit = visit,
        .ctx = ctx,
    };
}

static void show(struct reading *reading, const struct rj_record *record)
{
    size_t len = record->fields.payload.len;
    reading->reached = record->fields.pos;
    reading->is_over =
        !reading->visit(reading->ctx, &record->fields) || reading->records == 1 || reading->bytes <= len;
    reading->records--;
    reading->bytes -= len < reading->bytes ? len : reading->bytes;
}

/* Fetches and shows the record that the index names. One that is missing is as bad as a damaged one. */
static enum rj_status show_at(struct reading *reading, uint64_t pos)
{
    struct rj_record record;
    enum rj_status status = rj_engine_fetch(reading->store, reading->reader, pos, &record);
    if (status == RJ_OK) {
        show(reading, &record);
        return RJ_OK;
    }
    reading->reached = pos;
    return status == RJ_NOT_FOUND ? RJ_CORRUPT : status;
}

/* ------------------------------------------------------------------------------------------ by the log */

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static int compare_reach(const void *a, const void *b)
{
    rj_room_id left = ((const struct rj_store_reach *)a)->room,
               right = ((const struct rj_store_reach *)b)->room;
    return (left > right) - (left < right);
}

static bool is_reached(const struct rj_record *record, const struct rj_store_reach *sorted, size_t n)
{
    for (size_t i = 0; i < record->fields.n_rooms; i++) {
        struct rj_store_reach wanted = {.room = record->rooms[i]};
        const struct rj_store_reach *found = bsearch(&wanted, sorted, n, sizeof *sorted, compare_reach);
        if (found && record->fields.pos > found->after_pos)
            return true;
    }
    return false;
}

/* Visits the records of the log in (after, upto] that `reaches` (sorted by room) selects; NULL: all.
 * RJ_CORRUPT leaves `reached` below the damaged record. */
static enum rj_status scan_log(struct reading *reading, const struct rj_store_reach *reaches, size_t n,
                               uint64_t after, uint64_t upto)
{
    struct rj_record record;
    uint64_t pos = after + 1;
    MDB_val key = rj_val(&pos, sizeof pos), value;
    int rc = mdb_cursor_get(reading->reader->log, &key, &value, MDB_SET_RANGE);
    reading->reached = after;
    while (rc == 0 && !reading->is_over) {
        memcpy(&pos, key.mv_data, sizeof pos);
        if (pos > upto)
            break;
        if (rj_record_decode(rj_val_span(value), pos, &record))
            return RJ_CORRUPT;
        if (!reaches || is_reached(&record, reaches, n))
            show(reading, &record);
        else
            reading->reached = pos;
        rc = mdb_cursor_get(reading->reader->log, &key, &value, MDB_NEXT);
    }
    if (rc && rc != MDB_NOTFOUND)
        return rj_env_status(rc);
    if (!reading->is_over)
        reading->reached = upto;
    return RJ_OK;
}

enum rj_status rj_store_read_log(struct rj_store *store, uint64_t after, uint64_t upto,
                                 struct rj_store_budget budget, rj_store_visit *visit, void *ctx,
                                 uint64_t *reached)
{
    if (upto > store->completed)
        upto = store->completed;
    if (after >= upto) {
        *reached = after;
        return RJ_OK;
    }
    if (after < store->rooms.trim_pos)
        return RJ_GAP;
    struct rj_reader reader = rj_env_read(&store->env);
    struct reading reading = begin(store, &reader, budget, visit, ctx);
    enum rj_status status = scan_log(&reading, NULL, 0, after, upto);
    if (status == RJ_CORRUPT)
        status = show_at(&reading, reading.reached + 1); /* says so in the log and counts it */
    rj_env_read_done(&store->env, &reader);
    *reached = reading.reached;
    return status;
}

/* ------------------------------------------------------------------------------------------ by the index */

/* The rest of one room, a few positions ahead. */
struct lane {
    const struct rj_store_room *room;
    uint64_t next_seq;
    size_t at, n;
    uint64_t positions[LANE];
};

/* A heap of lanes, the one with the lowest next position on top. */
struct lanes {
    struct lane *all;
    struct lane **heap;
    size_t n;
};

static uint64_t lane_pos(const struct lane *lane)
{
    return lane->positions[lane->at];
}

static void sift_down(struct lanes *lanes, size_t at)
{
    struct lane *moving = lanes->heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= lanes->n)
            break;
        if (child + 1 < lanes->n && lane_pos(lanes->heap[child + 1]) < lane_pos(lanes->heap[child]))
            child++;
        if (lane_pos(moving) <= lane_pos(lanes->heap[child]))
            break;
        lanes->heap[at] = lanes->heap[child];
        at = child;
    }
    lanes->heap[at] = moving;
}

/* Looks further positions up. *n is 0 when the room has no more. */
static enum rj_status refill(const struct rj_reader *reader, struct lane *lane)
{
    enum rj_status status =
        rj_index_positions(reader, lane->room, lane->next_seq, LANE, lane->positions, &lane->n);
    lane->at = 0;
    lane->next_seq += lane->n;
    return status;
}

/* Leaves the top lane's position; the lane leaves the heap at its end. */
static enum rj_status advance(const struct rj_reader *reader, struct lanes *lanes, uint64_t upto)
{
    struct lane *lane = lanes->heap[0];
    if (++lane->at == lane->n) {
        enum rj_status status = refill(reader, lane);
        if (status)
            return status;
    }
    if (lane->n == 0 || lane_pos(lane) > upto)
        lanes->heap[0] = lanes->heap[--lanes->n];
    if (lanes->n)
        sift_down(lanes, 0);
    return RJ_OK;
}

static enum rj_status fill_lanes(struct reading *reading, struct lanes *lanes,
                                 const struct rj_store_reach *reaches, size_t n, uint64_t upto)
{
    for (size_t i = 0; i < n; i++) {
        const struct rj_store_room *room = rj_store_rooms_get(&reading->store->rooms, reaches[i].room);
        struct lane *lane = &lanes->all[lanes->n];
        if (room->head_pos <= reaches[i].after_pos)
            continue;
        lane->room = room;
        enum rj_status status =
            rj_index_first_above(reading->reader, room, reaches[i].after_pos, &lane->next_seq);
        if (status == RJ_OK)
            status = refill(reading->reader, lane);
        if (status)
            return status;
        if (lane->n && lane_pos(lane) <= upto)
            lanes->heap[lanes->n++] = lane;
    }
    for (size_t i = lanes->n / 2; i-- > 0;)
        sift_down(lanes, i);
    return RJ_OK;
}

static enum rj_status merge_lanes(struct reading *reading, struct lanes *lanes, uint64_t upto)
{
    while (lanes->n && !reading->is_over) {
        uint64_t pos = lane_pos(lanes->heap[0]);
        enum rj_status status = show_at(reading, pos);
        /* A record of several rooms is met once in each. */
        while (status == RJ_OK && lanes->n && lane_pos(lanes->heap[0]) == pos)
            status = advance(reading->reader, lanes, upto);
        if (status)
            return status;
    }
    if (!reading->is_over)
        reading->reached = upto;
    return RJ_OK;
}

static enum rj_status read_index(struct reading *reading, const struct rj_store_reach *reaches, size_t n,
                                 uint64_t upto)
{
    struct lanes lanes = {rj_alloc(n * sizeof *lanes.all), rj_alloc(n * sizeof *lanes.heap), 0};
    enum rj_status status = fill_lanes(reading, &lanes, reaches, n, upto);
    if (status == RJ_OK)
        status = merge_lanes(reading, &lanes, upto);
    else
        rj_log(RJ_LOG_ERROR, "store_corrupt_index", RJ_KV_STR("error", rj_status_text(status)));
    free(lanes.all);
    free(lanes.heap);
    return status;
}

/* The rooms that have something above both positions, sorted; their after_pos becomes the higher of the two.
 * RJ_GAP when a floor has passed one. */
static enum rj_status choose(struct rj_store *store, const struct rj_store_reach *rooms, size_t n_rooms,
                             uint64_t after, uint64_t upto, struct rj_store_reach *chosen, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < n_rooms; i++) {
        const struct rj_store_room *room = rj_store_rooms_get(&store->rooms, rooms[i].room);
        uint64_t from = larger(after, rooms[i].after_pos);
        if (from >= upto)
            continue;
        if (from < room->floor_pos)
            return RJ_GAP;
        if (room->head_pos > from)
            chosen[(*n)++] = (struct rj_store_reach){rooms[i].room, from};
    }
    qsort(chosen, *n, sizeof *chosen, compare_reach);
    return RJ_OK;
}

static uint64_t lowest_after(const struct rj_store_reach *chosen, size_t n, uint64_t upto)
{
    uint64_t lowest = upto;
    for (size_t i = 0; i < n; i++)
        lowest = chosen[i].after_pos < lowest ? chosen[i].after_pos : lowest;
    return lowest;
}

static enum rj_status read_chosen(struct reading *reading, struct rj_store_reach *chosen, size_t n,
                                  uint64_t upto)
{
    uint64_t after = lowest_after(chosen, n, upto);
    if (upto - after <= SCAN_BASE + SCAN_PER_ROOM * n) {
        enum rj_status status = scan_log(reading, chosen, n, after, upto);
        if (status != RJ_CORRUPT)
            return status;
        /* The damaged record may concern none of these rooms; the index tells. */
        for (size_t i = 0; i < n; i++)
            chosen[i].after_pos = larger(chosen[i].after_pos, reading->reached);
    }
    return read_index(reading, chosen, n, upto);
}

enum rj_status rj_store_read(struct rj_store *store, const struct rj_store_reach *rooms, size_t n_rooms,
                             uint64_t after, uint64_t upto, struct rj_store_budget budget,
                             rj_store_visit *visit, void *ctx, uint64_t *reached)
{
    if (upto > store->completed)
        upto = store->completed;
    if (after >= upto) {
        *reached = after;
        return RJ_OK;
    }
    size_t n;
    struct rj_store_reach *chosen = rj_alloc((n_rooms + 1) * sizeof *chosen);
    enum rj_status status = choose(store, rooms, n_rooms, after, upto, chosen, &n);
    if (status == RJ_OK && n == 0)
        *reached = upto;
    if (status == RJ_OK && n > 0) {
        struct rj_reader reader = rj_env_read(&store->env);
        struct reading reading = begin(store, &reader, budget, visit, ctx);
        status = read_chosen(&reading, chosen, n, upto);
        rj_env_read_done(&store->env, &reader);
        *reached = reading.reached;
    }
    free(chosen);
    return status;
}

/* ------------------------------------------------------------------------------------------ history */

static enum rj_status page_forward(struct reading *reading, const struct rj_store_room *room, uint64_t seq)
{
    uint64_t positions[PAGE];
    size_t n;
    do {
        enum rj_status status = rj_index_positions(reading->reader, room, seq, PAGE, positions, &n);
        for (size_t i = 0; status == RJ_OK && i < n && !reading->is_over; i++)
            status = show_at(reading, positions[i]);
        if (status)
            return status;
        seq += n;
    } while (n && !reading->is_over);
    return RJ_OK;
}

/* `end` is the seq behind the first one that is shown. */
static enum rj_status page_backward(struct reading *reading, const struct rj_store_room *room, uint64_t end)
{
    uint64_t positions[PAGE];
    while (end > room->floor_seq && !reading->is_over) {
        size_t n = end - room->floor_seq < PAGE ? (size_t)(end - room->floor_seq) : PAGE;
        if (n > reading->records)
            n = reading->records;
        enum rj_status status = rj_index_positions(reading->reader, room, end - n, n, positions, &n);
        for (size_t i = n; status == RJ_OK && i-- > 0 && !reading->is_over;)
            status = show_at(reading, positions[i]);
        if (status)
            return status;
        end -= n;
    }
    return RJ_OK;
}

enum rj_status rj_store_history(struct rj_store *store, rj_room_id id, enum rj_history_order order,
                                uint64_t seq, struct rj_store_budget budget, rj_store_visit *visit, void *ctx)
{
    const struct rj_store_room *room = rj_store_rooms_get(&store->rooms, id);
    struct rj_reader reader = rj_env_read(&store->env);
    struct reading reading = begin(store, &reader, budget, visit, ctx);
    enum rj_status status = RJ_OK;
    if (order == RJ_HISTORY_BACKWARD)
        status = page_backward(&reading, room, seq > room->head_seq ? room->head_seq + 1 : seq);
    else if (seq < room->head_seq)
        status = page_forward(&reading, room, larger(seq + 1, room->floor_seq));
    rj_env_read_done(&store->env, &reader);
    return status;
}
