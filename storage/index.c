#include "storage/index.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/base/log.h"
#include "proto/base/mem.h"

void rj_index_init(struct rj_index *index, struct rj_store_rooms *rooms, uint32_t target, uint64_t scan_from)
{
    *index = (struct rj_index){
        .rooms = rooms,
        .target = target,
        .deletes_most = RJ_INDEX_DELETES,
        .at = 1,
        .scan_from = scan_from,
        .planned_scan_from = scan_from,
    };
}

/* ------------------------------------------------------------------------------------------ entries in
 * memory */

static struct rj_index_entry *entries(const struct rj_store_room *room)
{
    return room->pending + room->pending_at;
}

static void make_place(struct rj_store_room *room)
{
    uint32_t n = room->n_pending + room->n_accepted;
    if (room->pending_at + n < room->cap_pending)
        return;
    if (room->pending_at > room->cap_pending / 2) {
        memmove(room->pending, entries(room), n * sizeof *room->pending);
        room->pending_at = 0;
        return;
    }
    room->cap_pending = room->cap_pending ? room->cap_pending * 2 : 4;
    room->pending = rj_realloc(room->pending, room->cap_pending, sizeof *room->pending);
}

static void put_entry(struct rj_store_room *room, struct rj_index_entry entry)
{
    make_place(room);
    entries(room)[room->n_pending + room->n_accepted] = entry;
}

uint64_t rj_index_accept(struct rj_store_rooms *rooms, struct rj_store_room *room,
                         struct rj_index_entry entry)
{
    /* To find the floor for a limit of bytes takes the sizes of what is not completed, too. */
    if (rj_store_room_limits(rooms, room)->bytes) {
        put_entry(room, entry);
        room->n_accepted++;
        room->bytes += entry.size;
    }
    rj_store_rooms_touch(rooms, room);
    return ++room->accepted_seq;
}

void rj_index_complete(struct rj_index *index, struct rj_store_room *room, struct rj_index_entry entry)
{
    if (room->n_accepted > 0)
        room->n_accepted--;
    else
        put_entry(room, entry);
    assert(entries(room)[room->n_pending].pos == entry.pos);
    room->n_pending++;
    room->head_pos = entry.pos;
    room->head_seq++;
    index->pending++;
    rj_store_rooms_mark(index->rooms, room->id);
}

struct rj_index_entry *rj_index_pending(struct rj_store_room *room, uint64_t seq)
{
    bool is_pending = seq >= room->indexed_seq && seq < room->indexed_seq + room->n_pending;
    return is_pending ? &entries(room)[seq - room->indexed_seq] : NULL;
}

static void drop_entries(struct rj_store_room *room, uint32_t n)
{
    room->indexed_seq += n;
    room->n_sweeping -= n;
    room->n_pending -= n;
    room->pending_at += n;
    if (room->n_pending || room->n_accepted)
        return;
    free(room->pending);
    room->pending = NULL;
    room->pending_at = room->cap_pending = 0;
}

/* ------------------------------------------------------------------------------------------ floors */

void rj_index_log_damaged(rj_room_id room, uint64_t seq)
{
    rj_log(RJ_LOG_ERROR, "store_corrupt_index", RJ_KV_U64("room", room), RJ_KV_U64("seq", seq));
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void rj_index_plan_floor(struct rj_store_rooms *rooms, struct rj_store_room *room, uint64_t seq)
{
    if (seq <= room->planned_floor)
        return;
    assert(seq <= room->accepted_seq + 1);
    if (rj_store_room_limits(rooms, room)->bytes) {
        struct rj_reader reader = rj_env_read(rooms->env);
        room->bytes -= least(room->bytes, rj_index_bytes(&reader, room, room->planned_floor, seq));
        rj_env_read_done(rooms->env, &reader);
    }
    room->planned_floor = seq;
}

static void set_floor(struct rj_index *index, struct rj_store_room *room, uint64_t seq, uint64_t pos)
{
    rj_index_plan_floor(index->rooms, room, seq);
    room->floor_seq = seq;
    room->floor_pos = pos;
    rj_store_rooms_mark(index->rooms, room->id);
}

bool rj_index_trimmed(struct rj_index *index, const struct rj_trimmed *trimmed)
{
    struct rj_store_room *room = rj_store_rooms_loaded(index->rooms, trimmed->room);
    if (room && room->is_forgotten)
        return false; /* it lets go of everything anyway */
    bool is_new = !room || trimmed->seq >= room->floor_seq;
    if (room && is_new)
        set_floor(index, room, trimmed->seq + 1, trimmed->pos);
    rj_store_rooms_mark(index->rooms, trimmed->room);
    index->stale += is_new;
    return is_new;
}

/* The entry, in memory or in the table. */
static bool find_pos(const struct rj_reader *reader, struct rj_store_room *room, uint64_t seq, uint64_t *pos)
{
    const struct rj_index_entry *entry = rj_index_pending(room, seq);
    if (entry)
        *pos = entry->pos;
    return entry || rj_index_lookup(reader, room->id, seq, pos);
}

/* The pos of the record below the new floor `seq`: readers who have seen less of the room have a gap. An
 * entry that is missing, or does not lie between those beside it, is not believed; then all up to the next
 * one have a gap, rather than none who has. The log could tell for certain, but it may have to come from the
 * disk, and a limit of number asks this with each append. */
static uint64_t pos_below(struct rj_store_rooms *rooms, struct rj_store_room *room, uint64_t seq)
{
    uint64_t pos, before = room->floor_pos, next = room->head_pos + 1;
    struct rj_reader reader = rj_env_read(rooms->env);
    bool is_known = find_pos(&reader, room, seq - 1, &pos);
    if (seq - 1 > room->floor_seq)
        is_known &= find_pos(&reader, room, seq - 2, &before);
    bool is_next_known = seq > room->head_seq || find_pos(&reader, room, seq, &next);
    rj_env_read_done(rooms->env, &reader);
    if (!is_next_known || next <= room->floor_pos + 1 || next > room->head_pos + 1)
        next = room->head_pos + 1;
    if (is_known && pos > before && pos < next)
        return pos;
    rj_index_log_damaged(room->id, seq - 1);
    return next - 1;
}

uint64_t rj_index_raise_floor(struct rj_index *index, struct rj_store_room *room, uint64_t seq)
{
    if (seq > room->head_seq + 1)
        seq = room->head_seq + 1;
    if (seq <= room->floor_seq)
        return 0;
    uint64_t n = seq - room->floor_seq;
    set_floor(index, room, seq, pos_below(index->rooms, room, seq));
    index->dead += n;
    return n;
}

/* ------------------------------------------------------------------------------------------ sweep */

enum {
    DEAD_LEAST = 1000,
    DEAD_SHARE = 4, /* one in so many records of the log may be dead */
};

static uint64_t above(uint64_t n, uint64_t most)
{
    return n > most ? n - most : 0;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Dead records wait for company, too: the more of them a room has when the sweep comes by, the better. But
 * they must stay few beside the living ones. */
static uint64_t dead_target(const struct rj_index *index)
{
    uint64_t target = index->log_records / DEAD_SHARE;
    if (target < DEAD_LEAST)
        target = DEAD_LEAST;
    return least(target, index->target);
}

uint64_t rj_index_overdue(const struct rj_index *index)
{
    uint64_t pending = above(index->pending - index->sweeping, index->target);
    uint64_t stale = above(index->stale, index->target);
    uint64_t dead = above(index->dead, dead_target(index));
    return most(pending, most(stale, dead));
}

bool rj_index_is_settled(const struct rj_index *index, uint64_t completed)
{
    return index->planned_scan_from > completed && index->planned_purge >= index->rooms->trim_pos &&
           index->floors_upto >= index->floors_done;
}

/* Where the entries that are written, or handed over to be, end. */
static uint64_t swept_seq(const struct rj_store_room *room)
{
    return room->indexed_seq + room->n_sweeping;
}

/* Hands over the next `n` pending entries. */
static void take_pending(struct rj_index *index, struct rj_sweep *sweep, struct rj_store_room *room, size_t n)
{
    const struct rj_index_entry *first = entries(room) + room->n_sweeping;
    if (n == 0)
        return;
    rj_sweep_add_entries(sweep, first, n);
    room->swept_pos = first[n - 1].pos;
    room->n_sweeping += (uint32_t)n;
    index->sweeping += n;
}

/* The entries of the table below the floor. */
static size_t plan_deletes(struct rj_index *index, struct rj_sweep *sweep, struct rj_store_room *room,
                           struct rj_sweep_item *item, size_t quota)
{
    uint64_t end = least(room->floor_seq, swept_seq(room));
    uint64_t n = least(above(end, room->first_seq), quota);
    bool one_by_one = room->floor_pos > sweep->trim_pos;
    if (one_by_one)
        n = least(n, index->deletes_most - sweep->n_deletes);
    item->delete_from = room->first_seq;
    item->delete_to = room->first_seq += n;
    if (one_by_one) {
        sweep->n_deletes += n;
        index->dead -= least(index->dead, n);
    } else {
        index->stale -= least(index->stale, n);
    }
    return n;
}

/* What lies below the floor and never was in the table, once the table has nothing below it any more. */
static size_t plan_drops(struct rj_index *index, struct rj_sweep *sweep, struct rj_store_room *room,
                         struct rj_sweep_item *item, size_t quota)
{
    uint64_t n = 0;
    if (room->first_seq == swept_seq(room) && room->floor_seq > room->first_seq)
        n = least(room->floor_seq - room->first_seq, least(quota, index->deletes_most - sweep->n_deletes));
    item->n_drop = (uint32_t)n;
    take_pending(index, sweep, room, n);
    room->first_seq += n;
    sweep->n_deletes += n;
    index->dead -= least(index->dead, n);
    return n;
}

static size_t plan_inserts(struct rj_index *index, struct rj_sweep *sweep, struct rj_store_room *room,
                           struct rj_sweep_item *item, size_t quota)
{
    uint64_t n = least(room->n_pending - room->n_sweeping, quota);
    item->insert_seq = swept_seq(room);
    if (room->floor_seq > item->insert_seq)
        n = 0; /* they are to be dropped, later */
    item->n_insert = (uint32_t)n;
    take_pending(index, sweep, room, n);
    return n;
}

/* The state that goes with the item. It must not speak of entries that nobody has written, so the floor is
 * cut to those. */
static void plan_state(struct rj_store_room *room, struct rj_sweep_item *item)
{
    uint64_t end = swept_seq(room);
    bool is_cut = room->floor_seq > end;
    item->saved = (struct rj_room_saved){
        .indexed_seq = end,
        .floor_seq = is_cut ? end : room->floor_seq,
        .floor_pos = is_cut ? room->swept_pos : room->floor_pos,
    };
    item->is_saved = room->saved_floor_seq != item->saved.floor_seq;
    room->saved_floor_seq = item->saved.floor_seq;
}

static bool is_done(const struct rj_store_room *room)
{
    return room->first_seq >= room->floor_seq && room->n_sweeping == room->n_pending;
}

/* Whether the room was forgotten and everything of it is gone, or handed over to go. */
static bool is_to_be_erased(const struct rj_store_room *room)
{
    return room->is_forgotten && !room->is_erased && is_done(room) &&
           room->floor_seq == room->accepted_seq + 1;
}

/* Hands over up to `quota` entries of the room and returns how many. */
static size_t plan_room(struct rj_index *index, struct rj_sweep *sweep, struct rj_store_room *room,
                        size_t quota)
{
    struct rj_sweep_item item = {.room = room->id, .at = sweep->n_entries};
    size_t n = plan_deletes(index, sweep, room, &item, quota);
    n += plan_drops(index, sweep, room, &item, quota - n);
    n += plan_inserts(index, sweep, room, &item, quota - n);
    plan_state(room, &item);
    item.is_erased = is_to_be_erased(room);
    if (n || item.is_saved || item.is_erased)
        *rj_sweep_add(sweep) = item;
    return n;
}

/* Whether the running pass has to come back to the room before it may go on. What is trimmed or completed
 * behind its back is the next one's. */
static bool is_unfinished(const struct rj_index *index, const struct rj_store_room *room)
{
    return room->first_seq < index->at_floor ||
           (room->n_sweeping < room->n_pending &&
            entries(room)[room->n_sweeping].pos <= index->pass_completed);
}

static void end_pass(struct rj_index *index, struct rj_sweep *sweep, uint64_t completed)
{
    if (index->pass_completed + 1 > index->planned_scan_from || index->pass_trim > index->planned_purge) {
        sweep->scan_from = index->planned_scan_from = index->pass_completed + 1;
        sweep->purge_upto = index->planned_purge = index->pass_trim;
    }
    if (rj_store_rooms_next_marked(index->rooms, 1) == 0)
        index->stale = index->dead = 0;
    index->at = 1;
    index->at_floor = 0;
    index->floors_upto = index->pass_floors;
    index->pass_completed = completed;
    index->pass_trim = index->rooms->trim_pos;
    index->pass_floors = index->floors_done;
}

void rj_index_plan(struct rj_index *index, struct rj_sweep *sweep, size_t quota, uint64_t completed)
{
    sweep->trim_pos = index->rooms->trim_pos;
    while (quota > 0 && sweep->n_deletes < index->deletes_most) {
        rj_room_id id = rj_store_rooms_next_marked(index->rooms, index->at);
        if (!id) {
            end_pass(index, sweep, completed);
            break;
        }
        struct rj_store_room *room = rj_store_rooms_get(index->rooms, id);
        if (id != index->at || !index->at_floor)
            index->at_floor = room->floor_seq;
        size_t n = plan_room(index, sweep, room, quota);
        quota -= least(quota, n ? n : 1);
        bool goes_on = !is_unfinished(index, room);
        index->at = goes_on ? id + 1 : id;
        if (goes_on)
            index->at_floor = 0;
        if (is_done(room))
            rj_store_rooms_unmark(index->rooms, id);
    }
    if (index->floors_upto > index->floors_gone)
        sweep->floors_upto = index->floors_upto;
}

void rj_index_swept(struct rj_index *index, const struct rj_sweep *sweep)
{
    for (size_t i = 0; i < sweep->n_items; i++) {
        const struct rj_sweep_item *item = &sweep->items[i];
        uint32_t n = item->n_drop + item->n_insert;
        if (n)
            drop_entries(rj_store_rooms_get(index->rooms, item->room), n);
        if (item->is_erased)
            rj_store_rooms_get(index->rooms, item->room)->is_erased = true;
        index->pending -= n;
        index->sweeping -= n;
    }
    index->log_records -= least(index->log_records, sweep->deleted);
    if (sweep->floors_gone > index->floors_gone)
        index->floors_gone = sweep->floors_gone;
    if (sweep->scan_from) {
        index->scan_from = sweep->scan_from;
        index->purge_upto = sweep->purge_upto;
    }
}
