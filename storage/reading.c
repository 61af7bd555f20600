#include "storage/reading.h"

#include <stdlib.h>

#include "proto/base/mem.h"
#include "storage/index.h"

enum {
    LANE = 32,  /* positions of a room that are looked up at once */
    AHEAD = 16, /* records that are on their way into the cache while the one before them is checked */
    CACHE_LINE = 64,
    FETCH_MOST = 512, /* bytes of each that are fetched; the processor sees for itself how it goes on */
    /* Looking one room up in the index costs as much as passing so many records of the log. */
    SCAN_PER_ROOM = 40,
    SCAN_BASE = 60,
};

/* ------------------------------------------------------------------------------------------ records */

static enum rj_status damaged(struct rj_reading *reading, enum rj_damage damage, uint64_t pos)
{
    reading->damage = damage;
    reading->damaged_pos = pos;
    return RJ_CORRUPT;
}

static void show(struct rj_reading *reading, const struct rj_record *record, struct rj_span bytes)
{
    size_t len = record->fields.payload.len;
    reading->reached = record->fields.pos;
    reading->is_over =
        !reading->visit(reading->ctx, record, bytes) || reading->records == 1 || reading->bytes <= len;
    reading->records--;
    reading->bytes -= len < reading->bytes ? len : reading->bytes;
}

static void fetch_into_cache(struct rj_span bytes)
{
    for (size_t at = 0; at < bytes.len && at < FETCH_MOST; at += CACHE_LINE)
        __builtin_prefetch(bytes.data + at);
}

/* What the index names as the record `seq` of a room. */
struct named {
    uint64_t pos;
    rj_room_id room;
    uint64_t seq;
};

/* A damaged index must not show a room what was said in another. */
static bool is_named(const struct rj_record *record, const struct named *named)
{
    for (size_t i = 0; i < record->fields.n_rooms; i++)
        if (record->rooms[i] == named->room && record->seqs[i] == named->seq)
            return true;
    return false;
}

/* Where the record at `pos` stands; `last` is where the cursor is (0: nowhere). A record that is missing is
 * as bad as a damaged one: the index names none that the log has dropped. */
static enum rj_status locate(struct rj_reading *reading, const struct rj_reader *reader, uint64_t last,
                             uint64_t pos, struct rj_span *bytes)
{
    MDB_val key, value;
    int rc = MDB_NOTFOUND;
    uint64_t found = 0;
    if (last && pos == last + 1) {
        rc = mdb_cursor_get(reader->log, &key, &value, MDB_NEXT);
        if (rc == 0)
            memcpy(&found, key.mv_data, sizeof found);
    }
    if (rc || found != pos) {
        key = rj_val(&pos, sizeof pos);
        rc = mdb_cursor_get(reader->log, &key, &value, MDB_SET);
    }
    if (rc == MDB_NOTFOUND)
        return damaged(reading, RJ_DAMAGE_MISSING, pos);
    if (rc)
        return rj_env_status(rc);
    *bytes = rj_val_span(value);
    return RJ_OK;
}

/* Records on their way to be shown: AHEAD of them, each named by up to all of its rooms. */
struct window {
    struct named named[AHEAD + RJ_STORE_ROOMS_MAX];
    struct rj_span bytes[AHEAD + RJ_STORE_ROOMS_MAX];
    size_t n;
};

/* The same record under another name. */
static bool is_again(const struct window *window, size_t i)
{
    return i > 0 && window->named[i].pos == window->named[i - 1].pos;
}

/* Answers how many were located; the status says why not all. */
static size_t locate_all(struct rj_reading *reading, const struct rj_reader *reader, struct window *window,
                         enum rj_status *status)
{
    for (size_t i = 0; i < window->n; i++) {
        uint64_t last = i > 0 ? window->named[i - 1].pos : 0;
        if (is_again(window, i))
            continue;
        *status = locate(reading, reader, last, window->named[i].pos, &window->bytes[i]);
        if (*status)
            return i;
        fetch_into_cache(window->bytes[i]);
    }
    return window->n;
}

static enum rj_status show_located(struct rj_reading *reading, const struct window *window, size_t n)
{
    struct rj_record record;
    for (size_t i = 0, end; i < n && !reading->is_over; i = end) {
        const struct named *first = &window->named[i];
        if (rj_record_decode(window->bytes[i], first->pos, &record)) {
            reading->reached = first->pos;
            return damaged(reading, RJ_DAMAGE_RECORD, first->pos);
        }
        for (end = i; end == i || (end < n && is_again(window, end)); end++) {
            if (is_named(&record, &window->named[end]))
                continue;
            reading->reached = first->pos;
            return damaged(reading, RJ_DAMAGE_INDEX, first->pos);
        }
        show(reading, &record, window->bytes[i]);
    }
    return RJ_OK;
}

/* Shows the records of the window. First all are located: what costs time then is memory, and it works on
 * many at once. */
static enum rj_status show_window(struct rj_reading *reading, struct rj_reader *reader, struct window *window)
{
    enum rj_status status = RJ_OK;
    if (reading->rest)
        reading->rest(reading->ctx, reader);
    size_t located = locate_all(reading, reader, window, &status);
    enum rj_status shown = show_located(reading, window, located);
    if (reading->is_over || shown) {
        reading->damage = shown ? reading->damage : RJ_DAMAGE_NONE;
        return shown;
    }
    if (status)
        reading->reached = window->named[located].pos;
    return status;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ------------------------------------------------------------------------------------------ by the log */

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static int compare_room(const void *id, const void *reach)
{
    rj_room_id left = *(const rj_room_id *)id, right = ((const struct rj_reading_reach *)reach)->room->id;
    return (left > right) - (left < right);
}

static bool is_reached(const struct rj_reading *reading, const struct rj_record *record)
{
    if (reading->kind == RJ_READING_LOG)
        return true;
    for (size_t i = 0; i < record->fields.n_rooms; i++) {
        const struct rj_reading_reach *found =
            bsearch(&record->rooms[i], reading->reaches, reading->n_reaches, sizeof *found, compare_room);
        if (found && record->fields.pos > found->after_pos)
            return true;
    }
    return false;
}

/* Visits the records of the log in (after, upto] that are meant. A damaged one ends it, `reached` is the pos
 * below: it may concern any room. */
static enum rj_status scan_log(struct rj_reading *reading, struct rj_reader *reader, uint64_t after)
{
    struct rj_record record;
    uint64_t pos = after + 1;
    MDB_val key = rj_val(&pos, sizeof pos), value;
    int rc = mdb_cursor_get(reader->log, &key, &value, MDB_SET_RANGE);
    reading->reached = after;
    while (rc == 0 && !reading->is_over) {
        memcpy(&pos, key.mv_data, sizeof pos);
        if (pos > reading->upto)
            break;
        if (rj_record_decode(rj_val_span(value), pos, &record))
            return damaged(reading, RJ_DAMAGE_RECORD, pos);
        if (is_reached(reading, &record))
            show(reading, &record, rj_val_span(value));
        else
            reading->reached = pos;
        rc = mdb_cursor_get(reader->log, &key, &value, MDB_NEXT);
    }
    if (rc && rc != MDB_NOTFOUND)
        return rj_env_status(rc);
    if (!reading->is_over)
        reading->reached = reading->upto;
    return RJ_OK;
}

/* The same in stretches between which the snapshot may rest. */
static enum rj_status scan_stretches(struct rj_reading *reading, struct rj_reader *reader)
{
    enum { STRETCH = 256 };
    uint64_t upto = reading->upto, after = reading->after;
    enum rj_status status;
    do {
        if (reading->rest)
            reading->rest(reading->ctx, reader);
        reading->upto = upto - after > STRETCH ? after + STRETCH : upto;
        status = scan_log(reading, reader, after);
        after = reading->reached;
    } while (status == RJ_OK && !reading->is_over && after < upto);
    reading->upto = upto;
    if (status == RJ_CORRUPT)
        reading->reached = reading->damaged_pos;
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

/* Looks further positions up. n is 0 when the room has no more. */
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

static enum rj_status fill_lanes(struct rj_reading *reading, struct rj_reader *reader, struct lanes *lanes)
{
    for (size_t i = 0; i < reading->n_reaches; i++) {
        const struct rj_reading_reach *reach = &reading->reaches[i];
        struct lane *lane = &lanes->all[lanes->n];
        if (reach->room->head_pos <= reach->after_pos)
            continue;
        if (reading->rest)
            reading->rest(reading->ctx, reader);
        lane->room = reach->room;
        enum rj_status status = rj_index_first_above(reader, reach->room, reach->after_pos, &lane->next_seq);
        if (status == RJ_OK)
            status = refill(reader, lane);
        if (status)
            return status;
        if (lane->n && lane_pos(lane) <= reading->upto)
            lanes->heap[lanes->n++] = lane;
    }
    for (size_t i = lanes->n / 2; i-- > 0;)
        sift_down(lanes, i);
    return RJ_OK;
}

/* Takes the next record out of the lanes, under the names that its rooms have for it. */
static enum rj_status take_record(const struct rj_reading *reading, const struct rj_reader *reader,
                                  struct lanes *lanes, struct window *window)
{
    uint64_t pos = lane_pos(lanes->heap[0]);
    enum rj_status status = RJ_OK;
    for (size_t i = 0; status == RJ_OK && lanes->n && lane_pos(lanes->heap[0]) == pos; i++) {
        const struct lane *lane = lanes->heap[0];
        if (i == RJ_STORE_ROOMS_MAX)
            return RJ_CORRUPT;
        window->named[window->n++] = (struct named){pos, lane->room->id, lane->next_seq - lane->n + lane->at};
        status = advance(reader, lanes, reading->upto);
    }
    return status;
}

static enum rj_status merge_lanes(struct rj_reading *reading, struct rj_reader *reader, struct lanes *lanes)
{
    enum rj_status status = RJ_OK, shown = RJ_OK;
    while (lanes->n && status == RJ_OK && shown == RJ_OK && !reading->is_over) {
        struct window window;
        window.n = 0;
        for (size_t i = 0; i < reading->records && window.n < AHEAD && lanes->n && status == RJ_OK; i++)
            status = take_record(reading, reader, lanes, &window);
        /* What was found before an index that makes no sense is good. */
        shown = show_window(reading, reader, &window);
    }
    if (shown || reading->is_over)
        return shown;
    if (status == RJ_OK)
        reading->reached = reading->upto;
    return status;
}

static enum rj_status read_index(struct rj_reading *reading, struct rj_reader *reader)
{
    size_t n = reading->n_reaches;
    struct lanes lanes = {rj_alloc(n * sizeof *lanes.all), rj_alloc(n * sizeof *lanes.heap), 0};
    enum rj_status status = fill_lanes(reading, reader, &lanes);
    if (status == RJ_OK)
        status = merge_lanes(reading, reader, &lanes);
    if (status == RJ_CORRUPT && !reading->damage)
        reading->damage = RJ_DAMAGE_INDEX;
    free(lanes.all);
    free(lanes.heap);
    return status;
}

static uint64_t lowest_after(const struct rj_reading *reading)
{
    uint64_t lowest = reading->upto;
    for (size_t i = 0; i < reading->n_reaches; i++)
        lowest = reading->reaches[i].after_pos < lowest ? reading->reaches[i].after_pos : lowest;
    return lowest;
}

static enum rj_status read_rooms(struct rj_reading *reading, struct rj_reader *reader)
{
    uint64_t after = lowest_after(reading);
    if (reading->upto - after <= SCAN_BASE + SCAN_PER_ROOM * reading->n_reaches) {
        enum rj_status status = scan_log(reading, reader, after);
        if (status != RJ_CORRUPT)
            return status;
        /* The damaged record may concern none of these rooms; the index tells. */
        reading->damage = RJ_DAMAGE_NONE;
        reading->damaged_pos = 0;
        for (size_t i = 0; i < reading->n_reaches; i++)
            reading->reaches[i].after_pos = larger(reading->reaches[i].after_pos, reading->reached);
    }
    return read_index(reading, reader);
}

/* ------------------------------------------------------------------------------------------ pages */

/* Names the seqs from `seq` on, at most `n` of them; fewer where the room ends. */
static enum rj_status name_seqs(const struct rj_reader *reader, const struct rj_store_room *room,
                                uint64_t seq, size_t n, struct window *window)
{
    uint64_t positions[AHEAD];
    enum rj_status status = rj_index_positions(reader, room, seq, least(n, AHEAD), positions, &window->n);
    for (size_t i = 0; status == RJ_OK && i < window->n; i++)
        window->named[i] = (struct named){positions[i], room->id, seq + i};
    return status;
}

static enum rj_status page_forward(struct rj_reading *reading, struct rj_reader *reader)
{
    const struct rj_store_room *room = reading->reaches[0].room;
    struct window window;
    uint64_t seq = reading->seq;
    do {
        enum rj_status status = name_seqs(reader, room, seq, reading->records, &window);
        if (status == RJ_OK)
            status = show_window(reading, reader, &window);
        if (status)
            return status;
        seq += window.n;
    } while (window.n && !reading->is_over);
    return RJ_OK;
}

static void reverse(struct window *window)
{
    for (size_t i = 0, j = window->n; i + 1 < j; i++) {
        struct named swapped = window->named[--j];
        window->named[j] = window->named[i];
        window->named[i] = swapped;
    }
}

static enum rj_status page_backward(struct rj_reading *reading, struct rj_reader *reader)
{
    const struct rj_store_room *room = reading->reaches[0].room;
    struct window window;
    uint64_t end = reading->seq;
    while (end > room->floor_seq && !reading->is_over) {
        uint64_t left = end - room->floor_seq;
        size_t n = least(least(reading->records, AHEAD), left < AHEAD ? (size_t)left : AHEAD);
        enum rj_status status = name_seqs(reader, room, end - n, n, &window);
        if (status == RJ_OK) {
            reverse(&window);
            status = show_window(reading, reader, &window);
        }
        if (status)
            return status;
        end -= n;
    }
    return RJ_OK;
}

void rj_reading_run(struct rj_reading *reading, struct rj_reader *reader)
{
    reading->reached = reading->after;
    reading->damage = RJ_DAMAGE_NONE;
    reading->damaged_pos = 0;
    reading->is_over = false;
    switch (reading->kind) {
    case RJ_READING_ROOMS: reading->status = read_rooms(reading, reader); break;
    case RJ_READING_LOG: reading->status = scan_stretches(reading, reader); break;
    case RJ_READING_FORWARD: reading->status = page_forward(reading, reader); break;
    case RJ_READING_BACKWARD: reading->status = page_backward(reading, reader); break;
    }
    if (reading->status == RJ_CORRUPT && !reading->damage)
        reading->damage = RJ_DAMAGE_INDEX;
}
