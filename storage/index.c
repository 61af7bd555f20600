#include "storage/index.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/base/mem.h"

void rj_index_init(struct rj_index *index, struct rj_store_rooms *rooms, uint32_t target, uint64_t scan_from)
{
    *index = (struct rj_index){
        .rooms = rooms,
        .target = target,
        .at = 1,
        .scan_from = scan_from,
        .planned_scan_from = scan_from,
    };
}

/* ------------------------------------------------------------------------------------------ entries in
 * memory */

static uint64_t *entries(const struct rj_store_room *room)
{
    return room->pending + room->pending_at;
}

static void make_place(struct rj_store_room *room)
{
    if (room->pending_at + room->n_pending < room->cap_pending)
        return;
    if (room->pending_at > room->cap_pending / 2) {
        memmove(room->pending, entries(room), room->n_pending * sizeof *room->pending);
        room->pending_at = 0;
        return;
    }
    room->cap_pending = room->cap_pending ? room->cap_pending * 2 : 4;
    room->pending = rj_realloc(room->pending, room->cap_pending, sizeof *room->pending);
}

void rj_index_add(struct rj_index *index, struct rj_store_room *room, uint64_t pos)
{
    make_place(room);
    entries(room)[room->n_pending++] = pos;
    room->head_seq++;
    room->head_pos = pos;
    index->pending++;
    rj_store_rooms_mark(index->rooms, room->id);
}

static void drop_entries(struct rj_store_room *room, uint32_t n)
{
    room->indexed_seq += n;
    room->n_sweeping -= n;
    room->n_pending -= n;
    room->pending_at += n;
    if (room->n_pending)
        return;
    free(room->pending);
    room->pending = NULL;
    room->pending_at = room->cap_pending = 0;
}

void rj_index_trimmed(struct rj_index *index, const struct rj_trimmed *trimmed)
{
    struct rj_store_room *room = rj_store_rooms_loaded(index->rooms, trimmed->room);
    if (room)
        rj_store_room_raise_floor(room, trimmed->seq, trimmed->pos);
    rj_store_rooms_mark(index->rooms, trimmed->room);
    index->stale++;
}

/* ------------------------------------------------------------------------------------------ sweep */

uint64_t rj_index_debt(const struct rj_index *index)
{
    return index->pending - index->sweeping + index->stale;
}

bool rj_index_is_settled(const struct rj_index *index, uint64_t completed)
{
    return index->planned_scan_from > completed && index->planned_purge >= index->rooms->trim_pos;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Hands over up to `quota` entries of the room and returns how many. */
static size_t plan_room(struct rj_index *index, struct rj_sweep *sweep, struct rj_store_room *room,
                        size_t quota)
{
    struct rj_sweep_item *item = rj_sweep_add(sweep);
    uint64_t to_delete = room->floor_seq > room->first_seq ? room->floor_seq - room->first_seq : 0;
    to_delete = least(to_delete, quota);
    item->room = room->id;
    item->delete_from = room->first_seq;
    item->delete_to = room->first_seq += to_delete;
    index->stale -= least(index->stale, to_delete);

    item->insert_seq = room->indexed_seq + room->n_sweeping;
    item->n_insert = (uint32_t)least(room->n_pending - room->n_sweeping, quota - to_delete);
    rj_sweep_add_positions(sweep, entries(room) + room->n_sweeping, item->n_insert);
    room->n_sweeping += item->n_insert;
    index->sweeping += item->n_insert;

    item->is_saved = room->saved_floor_seq != room->floor_seq;
    item->saved = (struct rj_room_saved){
        .indexed_seq = item->insert_seq + item->n_insert,
        .floor_seq = room->floor_seq,
        .floor_pos = room->floor_pos,
    };
    room->saved_floor_seq = room->floor_seq;
    assert(room->floor_seq <= item->saved.indexed_seq);
    size_t n = to_delete + item->n_insert;
    if (n == 0 && !item->is_saved)
        sweep->n_items--;
    return n;
}

/* Whether the running pass has to come back to the room before it may go on. */
static bool is_unfinished(const struct rj_index *index, const struct rj_store_room *room)
{
    return room->first_seq < room->floor_seq ||
           (room->n_sweeping < room->n_pending && entries(room)[room->n_sweeping] <= index->pass_completed);
}

static void end_pass(struct rj_index *index, struct rj_sweep *sweep, uint64_t completed)
{
    if (index->pass_completed + 1 > index->planned_scan_from || index->pass_trim > index->planned_purge) {
        sweep->scan_from = index->planned_scan_from = index->pass_completed + 1;
        sweep->purge_upto = index->planned_purge = index->pass_trim;
    }
    if (rj_store_rooms_next_marked(index->rooms, 1) == 0)
        index->stale = 0;
    index->at = 1;
    index->pass_completed = completed;
    index->pass_trim = index->rooms->trim_pos;
}

void rj_index_plan(struct rj_index *index, struct rj_sweep *sweep, size_t quota, uint64_t completed)
{
    while (quota > 0) {
        rj_room_id id = rj_store_rooms_next_marked(index->rooms, index->at);
        if (!id) {
            end_pass(index, sweep, completed);
            return;
        }
        struct rj_store_room *room = rj_store_rooms_get(index->rooms, id);
        size_t n = plan_room(index, sweep, room, quota);
        quota -= least(quota, n ? n : 1);
        index->at = is_unfinished(index, room) ? id : id + 1;
        if (room->first_seq >= room->floor_seq && room->n_sweeping == room->n_pending)
            rj_store_rooms_unmark(index->rooms, id);
    }
}

void rj_index_swept(struct rj_index *index, const struct rj_sweep *sweep)
{
    for (size_t i = 0; i < sweep->n_items; i++) {
        const struct rj_sweep_item *item = &sweep->items[i];
        drop_entries(rj_store_rooms_get(index->rooms, item->room), item->n_insert);
        index->pending -= item->n_insert;
        index->sweeping -= item->n_insert;
    }
    if (sweep->scan_from) {
        index->scan_from = sweep->scan_from;
        index->purge_upto = sweep->purge_upto;
    }
}

/* ------------------------------------------------------------------------------------------ reading */

bool rj_index_lookup(const struct rj_reader *reader, rj_room_id room, uint64_t seq, uint64_t *pos)
{
    uint8_t name[RJ_INDEX_KEY];
    rj_layout_index_key(name, room, seq);
    MDB_val key = rj_val(name, sizeof name), value;
    if (mdb_cursor_get(reader->index, &key, &value, MDB_SET) || value.mv_size != sizeof *pos)
        return false;
    *pos = rj_get_u64(value.mv_data);
    return true;
}

static bool entry_of(MDB_val key, MDB_val value, rj_room_id room, uint64_t *seq, uint64_t *pos)
{
    rj_room_id found;
    if (!rj_layout_index_key_parse(rj_val_span(key), &found, seq) || found != room ||
        value.mv_size != sizeof *pos)
        return false;
    *pos = rj_get_u64(value.mv_data);
    return true;
}

bool rj_index_range(const struct rj_reader *reader, rj_room_id room, struct rj_index_range *out)
{
    uint8_t name[RJ_INDEX_KEY];
    struct rj_index_range range;
    rj_layout_index_key(name, room, 0);
    MDB_val key = rj_val(name, sizeof name), value;
    if (mdb_cursor_get(reader->index, &key, &value, MDB_SET_RANGE) ||
        !entry_of(key, value, room, &range.first_seq, &range.first_pos))
        return false;
    rj_layout_index_key(name, room, UINT64_MAX);
    key = rj_val(name, sizeof name);
    MDB_cursor_op back = mdb_cursor_get(reader->index, &key, &value, MDB_SET_RANGE) ? MDB_LAST : MDB_PREV;
    if (mdb_cursor_get(reader->index, &key, &value, back) ||
        !entry_of(key, value, room, &range.last_seq, &range.last_pos))
        return false;
    *out = range;
    return true;
}

/* How many of the entries in memory lie at or below `pos`. */
static uint32_t count_upto(const struct rj_store_room *room, uint64_t pos)
{
    uint32_t low = 0, high = room->n_pending;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (entries(room)[mid] <= pos)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

enum rj_status rj_index_first_above(const struct rj_reader *reader, const struct rj_store_room *room,
                                    uint64_t pos, uint64_t *seq)
{
    uint32_t in_memory = count_upto(room, pos);
    uint64_t high = room->indexed_seq, low = high, step = 1, found;
    if (in_memory > 0 || room->floor_seq >= high) {
        *seq = room->indexed_seq + in_memory;
        return RJ_OK;
    }
    /* Gallop back from the newest entry of the table: what a client missed is mostly recent. `high` is always
     * above `pos`; the loop ends with `low` at or below it, or just under the floor. */
    for (; low > room->floor_seq; step *= 2) {
        low = low - room->floor_seq > step ? low - step : room->floor_seq;
        if (!rj_index_lookup(reader, room->id, low, &found))
            return RJ_CORRUPT;
        if (found <= pos)
            break;
        high = low;
    }
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        if (!rj_index_lookup(reader, room->id, mid, &found))
            return RJ_CORRUPT;
        if (found <= pos)
            low = mid + 1;
        else
            high = mid;
    }
    *seq = high;
    return RJ_OK;
}

static enum rj_status read_table(const struct rj_reader *reader, const struct rj_store_room *room,
                                 uint64_t seq, size_t n, uint64_t *positions)
{
    uint8_t name[RJ_INDEX_KEY];
    rj_layout_index_key(name, room->id, seq);
    MDB_val key = rj_val(name, sizeof name), value;
    MDB_cursor_op op = MDB_SET_RANGE;
    for (size_t i = 0; i < n; i++, op = MDB_NEXT) {
        uint64_t found;
        if (mdb_cursor_get(reader->index, &key, &value, op) ||
            !entry_of(key, value, room->id, &found, &positions[i]) || found != seq + i)
            return RJ_CORRUPT;
    }
    return RJ_OK;
}

enum rj_status rj_index_positions(const struct rj_reader *reader, const struct rj_store_room *room,
                                  uint64_t seq, size_t n, uint64_t *positions, size_t *n_out)
{
    size_t from_table = 0, from_memory = 0;
    if (seq <= room->head_seq)
        n = least(n, room->head_seq - seq + 1);
    else
        n = 0;
    if (n && seq < room->indexed_seq)
        from_table = least(n, room->indexed_seq - seq);
    enum rj_status status = read_table(reader, room, seq, from_table, positions);
    if (status)
        return status;
    from_memory = n - from_table;
    if (from_memory)
        memcpy(positions + from_table, entries(room) + (seq + from_table - room->indexed_seq),
               from_memory * sizeof *positions);
    *n_out = n;
    return RJ_OK;
}
