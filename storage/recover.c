/* What a start does with what the last process left: the log is the truth, everything else follows from it.
 *
 *   first key … trim_pos     trimmed, not yet deleted: the sweep is told which rooms to visit
 *   scan_from … last key     maybe not in the index: the entries that ridx lacks wait in memory again
 *   the table floors         floors of single rooms, which the sweep may not have saved yet
 *   the youngest records     the dedupe table, as far as its window reaches
 *
 * A record that fails its checksum costs itself, not the store. Where it is indexed already, its readers are
 * told. Where it is not, it must keep its place in its rooms, or their next numbers would be given out twice:
 *
 *   - What it still says of its rooms is believed where it fits: the room exists and expects that very seq.
 *   - A room's next whole record that leaves numbers out tells that damaged ones before it had them.
 *   - A whole record is right against any such guess.
 *
 * A room that was forgotten is no matter: what a record says of it is taken up only so far as the sweep has
 * to delete it.
 *
 * Only a room whose last record was hit in its very head can lose a number that way; that is logged.
 */
#include <errno.h>
#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/base/fault.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"
#include "storage/engine.h"

static bool log_key(MDB_cursor *cursor, MDB_cursor_op op, uint64_t *pos)
{
    MDB_val key, value;
    int rc = mdb_cursor_get(cursor, &key, &value, op);
    if (rc && rc != MDB_NOTFOUND)
        rj_env_fail("reading the log", rc);
    if (rc == 0)
        memcpy(pos, key.mv_data, sizeof *pos);
    return rc == 0;
}

static uint64_t count_records(const struct rj_store *store, const struct rj_reader *reader)
{
    MDB_stat stat;
    int rc = mdb_stat(reader->txn, store->env.log, &stat);
    if (rc)
        rj_env_fail("reading the log", rc);
    return stat.ms_entries;
}

/* A record that fails its checksum and is not indexed yet. */
struct damaged {
    uint64_t pos;
    bool has_room; /* some room has it in its order */
};

struct recovery {
    struct rj_store *store;
    const struct rj_reader *reader;
    struct rj_buf *why;
    struct damaged *damaged; /* in the order of the log */
    size_t n_damaged, cap_damaged;
};

/* Visits the records of the log from `from` to `upto`. Of one that is not whole, `record` is what its bytes
 * seem to say, or NULL. */
typedef enum rj_status visit_log(struct recovery *recovery, uint64_t pos, const struct rj_record *record,
                                 bool is_whole);

static bool is_room(const struct rj_store *store, rj_room_id id)
{
    return id != 0 && id < store->rooms.next_id;
}

static enum rj_status walk(struct recovery *recovery, uint64_t from, uint64_t upto, visit_log *visit)
{
    struct rj_store *store = recovery->store;
    MDB_cursor *log = recovery->reader->log;
    struct rj_record record;
    MDB_val key = rj_val(&from, sizeof from), value;
    enum rj_status status = RJ_OK;
    int rc = mdb_cursor_get(log, &key, &value, MDB_SET_RANGE);
    while (rc == 0 && status == RJ_OK) {
        uint64_t pos;
        memcpy(&pos, key.mv_data, sizeof pos);
        if (pos > upto)
            break;
        bool is_whole = rj_engine_decode(store, rj_val_span(value), pos, &record) == RJ_OK;
        bool has_shape = is_whole || rj_record_decode_open(rj_val_span(value), pos, &record) == RJ_OK;
        for (size_t i = 0; is_whole && i < record.fields.n_rooms; i++)
            is_whole = is_room(store, record.rooms[i]);
        status = visit(recovery, pos, has_shape ? &record : NULL, is_whole);
        rc = RJ_FAULT(STORE_RECOVER) ? EIO : mdb_cursor_get(log, &key, &value, MDB_NEXT);
    }
    return rc && rc != MDB_NOTFOUND ? rj_env_status(rc) : status;
}

static enum rj_status on_trimmed(struct recovery *recovery, uint64_t pos, const struct rj_record *record,
                                 bool is_whole)
{
    for (size_t i = 0; is_whole && i < record->fields.n_rooms; i++) {
        struct rj_trimmed trimmed = {record->rooms[i], record->seqs[i], pos};
        rj_index_trimmed(&recovery->store->index, &trimmed);
    }
    return RJ_OK;
}

static struct rj_store_room *room_of(struct recovery *recovery, rj_room_id id)
{
    return rj_store_rooms_get(&recovery->store->rooms, id);
}

static void add_entry(struct recovery *recovery, struct rj_store_room *room, struct rj_index_entry entry)
{
    rj_index_accept(&recovery->store->rooms, room, entry);
    rj_index_complete(&recovery->store->index, room, entry);
}

static struct rj_index_entry entry_of(const struct rj_record *record)
{
    return (struct rj_index_entry){record->fields.pos, (uint32_t)rj_record_size(&record->fields)};
}

/* Whether the damaged record has, or now gets, the place that it claims. */
static bool keeps_place(struct recovery *recovery, const struct rj_record *record, rj_room_id id,
                        uint64_t seq)
{
    uint64_t indexed, pos = record->fields.pos;
    if (!is_room(recovery->store, id))
        return false;
    struct rj_store_room *room = room_of(recovery, id);
    if (room->is_erased)
        return false;
    if (seq <= room->head_seq)
        return rj_index_lookup(recovery->reader, id, seq, &indexed) && indexed == pos;
    if (seq != room->head_seq + 1 || room->head_pos >= pos)
        return false;
    add_entry(recovery, room, entry_of(record));
    return true;
}

static void note_damaged(struct recovery *recovery, uint64_t pos, const struct rj_record *record)
{
    struct damaged damaged = {.pos = pos};
    for (size_t i = 0; record && i < record->fields.n_rooms; i++)
        damaged.has_room |= keeps_place(recovery, record, record->rooms[i], record->seqs[i]);
    if (recovery->n_damaged == recovery->cap_damaged) {
        recovery->cap_damaged = recovery->cap_damaged ? recovery->cap_damaged * 2 : 16;
        recovery->damaged = rj_realloc(recovery->damaged, recovery->cap_damaged, sizeof *recovery->damaged);
    }
    recovery->damaged[recovery->n_damaged++] = damaged;
}

/* The first damaged record above `pos`. */
static size_t damaged_above(const struct recovery *recovery, uint64_t pos)
{
    size_t low = 0, high = recovery->n_damaged;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (recovery->damaged[mid].pos <= pos)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool is_damaged(const struct recovery *recovery, uint64_t pos)
{
    size_t i = damaged_above(recovery, pos - 1);
    return i < recovery->n_damaged && recovery->damaged[i].pos == pos;
}

/* Gives the numbers below `seq` that the room lacks to damaged records behind its head, in their order. False
 * when there are too few. */
static bool fill_gap(struct recovery *recovery, struct rj_store_room *room, uint64_t seq)
{
    size_t i = damaged_above(recovery, room->head_pos);
    for (; i < recovery->n_damaged && room->head_seq + 1 < seq; i++) {
        add_entry(recovery, room, (struct rj_index_entry){.pos = recovery->damaged[i].pos});
        recovery->damaged[i].has_room = true;
    }
    return room->head_seq + 1 == seq;
}

static enum rj_status place(struct recovery *recovery, const struct rj_record *record, rj_room_id id,
                            uint64_t seq)
{
    struct rj_store_room *room = room_of(recovery, id);
    struct rj_index_entry *known = rj_index_pending(room, seq), entry = entry_of(record);
    if (room->is_erased)
        return RJ_OK; /* the record is there for other rooms */
    if (seq > room->head_seq + 1 && !fill_gap(recovery, room, seq)) {
        rj_buf_printf(recovery->why, "record %llu of the log has number %llu in room %u, which ends at %llu",
                      (unsigned long long)entry.pos, (unsigned long long)seq, id,
                      (unsigned long long)room->head_seq);
        return RJ_CORRUPT;
    }
    if (seq > room->head_seq) {
        add_entry(recovery, room, entry);
    } else if (known && is_damaged(recovery, known->pos)) {
        room->bytes += (uint64_t)entry.size - known->size;
        *known = entry;
        room->head_pos = seq == room->head_seq ? entry.pos : room->head_pos;
    }
    return RJ_OK;
}

static enum rj_status on_tail(struct recovery *recovery, uint64_t pos, const struct rj_record *record,
                              bool is_whole)
{
    enum rj_status status = RJ_OK;
    recovery->store->stats.recovered_records++;
    if (!is_whole)
        note_damaged(recovery, pos, record);
    for (size_t i = 0; is_whole && status == RJ_OK && i < record->fields.n_rooms; i++)
        status = place(recovery, record, record->rooms[i], record->seqs[i]);
    return status;
}

static void raise_floor(struct recovery *recovery, struct rj_floor floor)
{
    struct rj_store_room *room = room_of(recovery, floor.room);
    room->is_forgotten |= !rj_store_rooms_has_name(&recovery->store->rooms, recovery->reader, floor.room);
    rj_index_raise_floor(&recovery->store->index, room, floor.seq);
    if (room->is_forgotten && !room->is_erased)
        rj_store_rooms_mark(&recovery->store->rooms, floor.room);
}

/* The floors that were raised and may not have been saved with their rooms. */
static enum rj_status raise_floors(struct recovery *recovery)
{
    struct rj_store *store = recovery->store;
    MDB_cursor *floors;
    MDB_val key, value;
    int rc = mdb_cursor_open(recovery->reader->txn, store->env.floors, &floors);
    if (rc)
        return rj_env_status(rc);
    while ((rc = mdb_cursor_get(floors, &key, &value, MDB_NEXT)) == 0) {
        memcpy(&store->index.floors_last, key.mv_data, sizeof store->index.floors_last);
        for (size_t at = 0; at + RJ_FLOOR <= value.mv_size; at += RJ_FLOOR) {
            struct rj_floor floor = rj_layout_floor_decode((const uint8_t *)value.mv_data + at);
            if (is_room(store, floor.room))
                raise_floor(recovery, floor);
        }
    }
    mdb_cursor_close(floors);
    store->index.floors_done = store->index.floors_last;
    return rc == MDB_NOTFOUND ? RJ_OK : rj_env_status(rc);
}

/* A reader of the log as a whole is told of such a record; the readers of its rooms are not. */
static void log_placeless(const struct recovery *recovery)
{
    for (size_t i = 0; i < recovery->n_damaged; i++)
        if (!recovery->damaged[i].has_room)
            rj_log(RJ_LOG_ERROR, "store_corrupt_record_of_unknown_room",
                   RJ_KV_U64("pos", recovery->damaged[i].pos));
}

enum rj_status rj_engine_recover(struct rj_store *store, struct rj_buf *why)
{
    uint64_t scan_from = 1, trim_pos = 0, last_pos = 0, first, last;
    uint32_t target = (uint32_t)store->index.target;
    struct rj_reader reader = rj_env_read(&store->env);
    rj_env_meta_get(&store->env, reader.txn, RJ_META_SCAN_FROM, &scan_from);
    rj_env_meta_get(&store->env, reader.txn, RJ_META_TRIM_POS, &trim_pos);
    rj_env_meta_get(&store->env, reader.txn, RJ_META_LAST_POS, &last_pos);
    bool has_records = log_key(reader.log, MDB_FIRST, &first) && log_key(reader.log, MDB_LAST, &last);
    if (!has_records)
        first = (last = trim_pos) + 1;

    /* The end of the log may have been trimmed: then these alone remember how far it went. */
    store->completed = last > trim_pos ? last : trim_pos;
    if (last_pos > store->completed)
        store->completed = last_pos;
    store->next_pos = store->completed + 1;
    store->retain.purged_upto = first - 1;
    rj_store_rooms_init(&store->rooms, &store->env, &store->limits, trim_pos);
    rj_index_init(&store->index, &store->rooms, target, scan_from);
    store->index.log_records = count_records(store, &reader);

    struct recovery recovery = {.store = store, .reader = &reader, .why = why};
    enum rj_status status = walk(&recovery, first, trim_pos, on_trimmed);
    if (status == RJ_OK)
        status = walk(&recovery, scan_from, last, on_tail);
    if (status == RJ_OK)
        status = raise_floors(&recovery);
    if (status == RJ_OK)
        log_placeless(&recovery);
    free(recovery.damaged);
    if (status == RJ_OK)
        status = rj_known_rebuild(store, &reader);
    rj_env_read_done(&store->env, &reader);
    rj_raised_init(&store->rooms.raised, store->completed);
    return status;
}
