/* The log is read once from its beginning; each record is compared with its epoch, with the place that its
 * rooms expect next, and with its index entries. Then the index is read, for entries that no record has asked
 * for. What is legal between two crashes (retain.h, index.h):
 *
 *     first … trim_pos      records may stand here without an index entry, never the other way round
 *     trim_pos … scan_from  each record has its entries
 *     scan_from … last      a room's entries may end early, not before its saved indexed_seq
 *
 * That is said of what stands above the floors of its rooms. Below a room's own floor records and entries may
 * be there or not, each without the other; but entries only as long as something tells the sweep of them.
 * A room that was forgotten has no name; whatever else there is of it is there on the same condition.
 */
#include "storage/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/mem.h"
#include "storage/check_rooms.h"
#include "storage/layout.h"

typedef unsigned long long ull;

enum { FORGETTING_FORMAT = 3 }; /* rooms may be forgotten from this one on */

/* What is known of one room. */
struct facts {
    rj_room_id id;
    struct rj_room_saved saved;    /* of a room without a state: 1, 1, 0 */
    uint64_t floor;                /* saved, or one that was raised since */
    uint64_t next_seq;             /* behind its last record; 0 = none was seen */
    uint64_t asked;                /* index entries found by their records */
    uint64_t entries;              /* index entries there are */
    uint64_t missing;              /* told as missing, and not yet met as a hole of the index */
    uint64_t entry_seq, entry_pos; /* of its last index entry read */
    bool is_named, has_state;
    bool is_raised; /* stands in the table floors */
};

struct epoch {
    uint64_t number, first_pos;
    bool is_there;
};

struct check {
    const struct rj_env *env;
    MDB_txn *txn;
    struct facts *rooms; /* of each that something is known of, by id */
    size_t n_rooms;
    uint64_t names; /* entries of that table */
    uint64_t trim_pos, scan_from, next_room, end_pos;
    uint64_t named_end;  /* above the highest id of the table rooms */
    uint64_t floors_top; /* the highest saved floor_pos, also of a room that was erased: up to here records
                            may have been deleted one by one */
    uint64_t damaged;    /* records that fail their checksum: gaps may come from them */
    MDB_cursor *epochs;
    struct epoch epoch, next_epoch; /* around the record that is being read */
    struct epoch last_epoch;        /* of the walk over the epochs themselves */
    struct rj_check_report report;
    uint64_t max_told;
    rj_check_fault *tell;
    void *ctx;
};

/* ------------------------------------------------------------------------------------------ telling */

enum { SENTENCE = 4096 };

static void tell(struct check *check, const char *before, const char *format, va_list args)
{
    char text[SENTENCE];
    int len = snprintf(text, sizeof text, "%s", before);
    vsnprintf(text + len, sizeof text - (size_t)len, format, args);
    check->tell(check->ctx, text);
}

static void __attribute__((format(printf, 2, 3))) fault(struct check *check, const char *format, ...)
{
    va_list args;
    if (check->report.faults++ >= check->max_told)
        return;
    va_start(args, format);
    tell(check, "", format, args);
    va_end(args);
}

static void put_key(struct rj_buf *out, struct rj_span key)
{
    for (size_t i = 0; i < key.len; i++) {
        bool is_plain = key.data[i] >= ' ' && key.data[i] < 0x7f && key.data[i] != '\\' && key.data[i] != '"';
        rj_buf_printf(out, is_plain ? "%c" : "\\x%02x", key.data[i]);
    }
}

/* Names are looked for only when there is something to tell: they are not kept. */
static void put_room(struct check *check, struct rj_buf *out, rj_room_id id)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    rj_buf_printf(out, "room %u", id);
    if (mdb_cursor_open(check->txn, check->env->rooms, &cursor))
        return;
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        if (value.mv_size != 4 || rj_get_u32(value.mv_data) != id)
            continue;
        rj_buf_put_str(out, " \"");
        put_key(out, rj_val_span(key));
        rj_buf_put_str(out, "\"");
        break;
    }
    mdb_cursor_close(cursor);
    rj_buf_put_str(out, ": ");
}

static void __attribute__((format(printf, 3, 4)))
room_fault(struct check *check, rj_room_id id, const char *format, ...)
{
    struct rj_buf room = {0};
    va_list args;
    if (check->report.faults++ >= check->max_told)
        return;
    put_room(check, &room, id);
    va_start(args, format);
    tell(check, rj_buf_cstr(&room), format, args);
    va_end(args);
    rj_buf_free(&room);
}

static int compare_rooms(const void *a, const void *b)
{
    rj_room_id x = ((const struct facts *)a)->id, y = ((const struct facts *)b)->id;
    return x < y ? -1 : x > y;
}

static struct facts *room_of(struct check *check, rj_room_id id)
{
    const struct facts wanted = {.id = id};
    return bsearch(&wanted, check->rooms, check->n_rooms, sizeof wanted, compare_rooms);
}

static bool is_impossible(const struct check *check, rj_room_id id)
{
    return id == 0 || (id >= check->next_room && id >= check->named_end);
}

/* Whether a room may have had the id that has no name. */
static bool can_be_forgotten(const struct check *check, rj_room_id id)
{
    return check->report.format >= FORGETTING_FORMAT && !is_impossible(check, id);
}

typedef void visit_pair(struct check *check, struct rj_span key, struct rj_span value);

/* A tree that is broken costs the rest of its table, not the check. */
static void walk(struct check *check, MDB_dbi table, const char *name, visit_pair *visit)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int rc = mdb_cursor_open(check->txn, table, &cursor);
    if (rc) {
        fault(check, "the table %s cannot be read: %s", name, mdb_strerror(rc));
        return;
    }
    while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
        visit(check, rj_val_span(key), rj_val_span(value));
    if (rc != MDB_NOTFOUND)
        fault(check, "the table %s cannot be read to its end: %s", name, mdb_strerror(rc));
    mdb_cursor_close(cursor);
}

/* ------------------------------------------------------------------------------------------ tables */

static void visit_meta(struct check *check, struct rj_span key, struct rj_span value)
{
    if (value.len != 8)
        fault(check, "the meta value %.*s has %zu bytes instead of 8", (int)key.len, (const char *)key.data,
              value.len);
}

static void visit_room(struct check *check, struct rj_span key, struct rj_span value)
{
    struct rj_buf name = {0};
    rj_room_id id = value.len == 4 ? rj_get_u32(value.data) : 0;
    struct facts *room = room_of(check, id);
    put_key(&name, key);
    check->report.rooms++;
    if (id >= check->named_end)
        check->named_end = (uint64_t)id + 1;
    if (key.len == 0 || key.len > RJ_STORE_KEY_MAX)
        fault(check, "the room \"%s\" has a name of %zu bytes", rj_buf_cstr(&name), key.len);
    if (!room || is_impossible(check, id))
        fault(check, "the room \"%s\" has the impossible id %u", rj_buf_cstr(&name), id);
    else if (room->is_named)
        fault(check, "the room \"%s\" has the id %u, which another room has too", rj_buf_cstr(&name), id);
    else
        room->is_named = true;
    rj_buf_free(&name);
}

static void visit_state(struct check *check, struct rj_span key, struct rj_span value)
{
    rj_room_id id = 0;
    struct facts *room = rj_layout_room_key_parse(key, &id) ? room_of(check, id) : NULL;
    if (!room || is_impossible(check, id)) {
        fault(check, "a room state stands under the impossible id %u", id);
        return;
    }
    if (rj_layout_saved_decode(value, &room->saved)) {
        room_fault(check, id, "its saved state is malformed");
        return;
    }
    room->has_state = true;
    room->floor = room->saved.floor_seq;
    if (room->saved.floor_pos > check->floors_top)
        check->floors_top = room->saved.floor_pos;
}

static void visit_name(struct check *check, struct rj_span key, struct rj_span value)
{
    rj_room_id id = 0;
    MDB_val name = rj_val(value.data, value.len), found;
    check->names++;
    if (!rj_layout_room_key_parse(key, &id) || !room_of(check, id) || is_impossible(check, id))
        fault(check, "a name stands under the impossible id %u", id);
    else if (mdb_get(check->txn, check->env->rooms, &name, &found) || found.mv_size != 4 ||
             rj_get_u32(found.mv_data) != id)
        room_fault(check, id, "another name stands under its id");
}

static void visit_floors(struct check *check, struct rj_span key, struct rj_span value)
{
    if (key.len != 8 || value.len == 0 || value.len % RJ_FLOOR) {
        fault(check, "an entry of the table floors is malformed");
        return;
    }
    for (size_t at = 0; at < value.len; at += RJ_FLOOR) {
        struct rj_floor floor = rj_layout_floor_decode(value.data + at);
        struct facts *room = room_of(check, floor.room);
        if (!room || is_impossible(check, floor.room) || floor.seq == 0) {
            fault(check, "a floor was raised to seq %llu of room %u, which cannot be", (ull)floor.seq,
                  floor.room);
            continue;
        }
        room->is_raised = true;
        room->floor = floor.seq > room->floor ? floor.seq : room->floor;
    }
}

static void visit_pair_of(struct check *check, const char *table, uint64_t *n, struct rj_span key,
                          struct rj_span value)
{
    ++*n;
    if (key.len == 0 || key.len > RJ_STORE_KEY_MAX)
        fault(check, "entry %llu of the table %s has a key of %zu bytes", (ull)*n, table, key.len);
    if (value.len < 8 || rj_get_u64(value.data) == 0)
        fault(check, "entry %llu of the table %s has no version", (ull)*n, table);
}

static void visit_session(struct check *check, struct rj_span key, struct rj_span value)
{
    visit_pair_of(check, "session", &check->report.pairs[RJ_TABLE_SESSION], key, value);
}

static void visit_cursor(struct check *check, struct rj_span key, struct rj_span value)
{
    visit_pair_of(check, "cursor", &check->report.pairs[RJ_TABLE_CURSOR], key, value);
}

static void visit_service(struct check *check, struct rj_span key, struct rj_span value)
{
    visit_pair_of(check, "service", &check->report.pairs[RJ_TABLE_SERVICE], key, value);
}

static void visit_presence(struct check *check, struct rj_span key, struct rj_span value)
{
    visit_pair_of(check, "presence", &check->report.pairs[RJ_TABLE_PRESENCE], key, value);
}

/* ------------------------------------------------------------------------------------------ epochs */

static struct epoch epoch_of(struct rj_span key, struct rj_span value)
{
    struct epoch epoch = {.is_there = key.len == 8 && value.len == 8};
    if (epoch.is_there) {
        memcpy(&epoch.number, key.data, sizeof epoch.number);
        epoch.first_pos = rj_get_u64(value.data);
    }
    return epoch;
}

/* Runs after the log was read: report.last_pos is known. */
static void visit_epoch(struct check *check, struct rj_span key, struct rj_span value)
{
    struct epoch epoch = epoch_of(key, value), before = check->last_epoch;
    check->report.epochs++;
    if (!epoch.is_there) {
        fault(check, "epoch entry %llu is malformed", (ull)check->report.epochs);
        return;
    }
    if (epoch.number >> 32 == 0 || (before.is_there && epoch.number >> 32 <= before.number >> 32))
        fault(check, "epoch %llx does not count up from the one before", (ull)epoch.number);
    if (before.is_there && epoch.first_pos < before.first_pos)
        fault(check, "epoch %llx begins at record %llu, before the one that it follows (%llu)",
              (ull)epoch.number, (ull)epoch.first_pos, (ull)before.first_pos);
    if (epoch.first_pos == 0 || epoch.first_pos > check->report.last_pos + 1)
        fault(check, "epoch %llx begins at record %llu, but the log ends at %llu", (ull)epoch.number,
              (ull)epoch.first_pos, (ull)check->report.last_pos);
    check->last_epoch = epoch;
}

static void read_next_epoch(struct check *check)
{
    MDB_val key, value;
    check->next_epoch.is_there = false;
    while (!check->next_epoch.is_there && mdb_cursor_get(check->epochs, &key, &value, MDB_NEXT) == 0)
        check->next_epoch = epoch_of(rj_val_span(key), rj_val_span(value));
}

static void check_epoch(struct check *check, const struct rj_store_record *record)
{
    while (check->next_epoch.is_there && check->next_epoch.first_pos <= record->pos) {
        check->epoch = check->next_epoch;
        read_next_epoch(check);
    }
    if (!check->epoch.is_there)
        fault(check, "record %llu lies before the first epoch", (ull)record->pos);
    else if (record->epoch != check->epoch.number)
        fault(check, "record %llu says epoch %llx, but it lies in epoch %llx", (ull)record->pos,
              (ull)record->epoch, (ull)check->epoch.number);
}

/* ------------------------------------------------------------------------------------------ records */

enum entry { ENTRY_NONE, ENTRY_FOUND, ENTRY_MALFORMED };

static enum entry find_entry(const struct check *check, rj_room_id id, uint64_t seq,
                             struct rj_index_entry *entry)
{
    uint8_t name[RJ_INDEX_KEY];
    rj_layout_index_key(name, id, seq);
    MDB_val key = rj_val(name, sizeof name), value;
    if (mdb_get(check->txn, check->env->index, &key, &value))
        return ENTRY_NONE;
    return rj_layout_entry_decode(rj_val_span(value), entry) ? ENTRY_FOUND : ENTRY_MALFORMED;
}

enum there { RECORD_NONE, RECORD_DAMAGED, RECORD_WHOLE };

static enum there find_record(const struct check *check, uint64_t pos, struct rj_record *record)
{
    MDB_val key = rj_val(&pos, sizeof pos), value;
    if (mdb_get(check->txn, check->env->log, &key, &value))
        return RECORD_NONE;
    return rj_record_decode(rj_val_span(value), pos, record) ? RECORD_DAMAGED : RECORD_WHOLE;
}

/* Whether the seqs [from, to) of the room are those of damaged records, which are told already. */
static bool is_explained(const struct check *check, rj_room_id id, uint64_t from, uint64_t to)
{
    struct rj_record record;
    struct rj_index_entry entry;
    if (from > to || to - from > check->damaged)
        return false;
    while (from < to && find_entry(check, id, from, &entry) == ENTRY_FOUND &&
           find_record(check, entry.pos, &record) == RECORD_DAMAGED)
        from++;
    return from == to;
}

/* Above the floor the seqs have no holes; below it they ascend. */
static void check_seq(struct check *check, rj_room_id id, struct facts *room, uint64_t pos, uint64_t seq)
{
    bool is_first = room->next_seq <= room->floor;
    uint64_t expected = is_first ? room->floor : room->next_seq;
    bool is_right = seq < room->floor ? seq >= room->next_seq && seq > 0 : seq == expected;
    if (!is_right && !is_explained(check, id, expected, seq))
        room_fault(check, id, "record %llu has seq %llu; %s is %llu", (ull)pos, (ull)seq,
                   is_first ? "the room's floor" : "the next one", (ull)expected);
    room->next_seq = seq + 1;
}

/* floor_pos is that of the last record below the floor. */
static void check_floor(struct check *check, rj_room_id id, const struct facts *room, uint64_t pos,
                        uint64_t seq)
{
    const struct rj_room_saved *saved = &room->saved;
    bool is_below = seq < saved->floor_seq, is_last = seq + 1 == saved->floor_seq;
    if (!room->has_state)
        return;
    if (is_last && pos != saved->floor_pos)
        room_fault(check, id, "its floor lies above record %llu; saved is %llu", (ull)pos,
                   (ull)saved->floor_pos);
    else if (is_below != (pos <= saved->floor_pos))
        room_fault(check, id, "its floor is saved as record %llu, but record %llu has its seq %llu",
                   (ull)saved->floor_pos, (ull)pos, (ull)seq);
}

static void check_entry(struct check *check, rj_room_id id, struct facts *room, uint64_t pos, uint64_t seq,
                        size_t size)
{
    struct rj_index_entry entry = {.pos = pos};
    enum entry found = find_entry(check, id, seq, &entry);
    if (found != ENTRY_NONE) {
        room->asked++;
        if (entry.pos != pos)
            room_fault(check, id, "the index has record %llu as seq %llu, which is record %llu",
                       (ull)entry.pos, (ull)seq, (ull)pos);
        else if (entry.size && entry.size != size)
            room_fault(check, id, "the index says that seq %llu has %u bytes, but record %llu has %zu",
                       (ull)seq, entry.size, (ull)pos, size);
    } else if (seq < room->floor) {
        return; /* the sweep was there */
    } else if (pos >= check->scan_from && seq >= room->saved.indexed_seq) {
        check->report.unindexed++;
    } else if (pos > check->trim_pos) {
        room->missing++;
        room_fault(check, id, "the index lacks seq %llu (record %llu)", (ull)seq, (ull)pos);
    }
}

static void check_place(struct check *check, uint64_t pos)
{
    uint64_t expected = check->report.records ? check->report.last_pos + 1 : check->trim_pos + 1;
    uint64_t lost = expected > check->floors_top ? expected : check->floors_top + 1;
    if (check->report.records == 0)
        check->report.first_pos = pos;
    if (pos > lost)
        fault(check, "records %llu to %llu are missing", (ull)lost, (ull)(pos - 1));
    else if (pos == 0 || (check->report.records && pos < expected))
        fault(check, "record %llu stands behind record %llu", (ull)pos, (ull)check->report.last_pos);
}

static void check_rooms_of(struct check *check, const struct rj_record *record, uint64_t pos, size_t size)
{
    bool is_trimmed = true;
    for (size_t i = 0; i < record->fields.n_rooms; i++) {
        struct facts *room = room_of(check, record->rooms[i]);
        if (!room || !room->is_named) {
            if (!can_be_forgotten(check, record->rooms[i]))
                fault(check, "record %llu names room %u, which does not exist", (ull)pos, record->rooms[i]);
            continue;
        }
        check_seq(check, record->rooms[i], room, pos, record->seqs[i]);
        check_floor(check, record->rooms[i], room, pos, record->seqs[i]);
        check_entry(check, record->rooms[i], room, pos, record->seqs[i], size);
        is_trimmed &= record->seqs[i] < room->floor;
    }
    check->report.trimmed += is_trimmed || pos <= check->trim_pos;
}

static void visit_record(struct check *check, struct rj_span key, struct rj_span value)
{
    uint64_t pos;
    struct rj_record record;
    if (key.len != sizeof pos) {
        fault(check, "the log has a key of %zu bytes", key.len);
        return;
    }
    memcpy(&pos, key.data, sizeof pos);
    check_place(check, pos);
    check->report.last_pos = pos;
    check->report.records++;
    check->report.record_bytes += value.len;
    if (rj_record_decode(value, pos, &record)) {
        check->damaged++;
        fault(check, "record %llu fails its checksum or has no valid shape", (ull)pos);
        return;
    }
    check_epoch(check, &record.fields);
    check_rooms_of(check, &record, pos, value.len);
}

/* Of a record that is gone, without its payload; runs after the log was read. */
static void visit_receipt(struct check *check, struct rj_span key, struct rj_span value)
{
    struct rj_record receipt, record;
    uint64_t pos = 0;
    if (key.len == sizeof pos)
        memcpy(&pos, key.data, sizeof pos);
    if (pos == 0 || pos > check->report.last_pos || rj_record_decode(value, pos, &receipt))
        fault(check, "the receipt of record %llu is malformed or fails its checksum", (ull)pos);
    else if (receipt.fields.id.len == 0 || receipt.fields.payload.len)
        fault(check, "the receipt of record %llu has no id, or a payload", (ull)pos);
    else if (find_record(check, pos, &record) != RECORD_NONE)
        fault(check, "record %llu is in the log, and has a receipt", (ull)pos);
}

/* ------------------------------------------------------------------------------------------ index */

static void check_order(struct check *check, rj_room_id id, struct facts *room, uint64_t seq, uint64_t pos)
{
    if (room->entry_seq && seq != room->entry_seq + 1) {
        uint64_t hole = seq - room->entry_seq - 1;
        if (hole > room->missing)
            room_fault(check, id, "the index goes from seq %llu to %llu", (ull)room->entry_seq, (ull)seq);
        room->missing -= hole < room->missing ? hole : room->missing;
    }
    if (room->entry_seq == 0 && seq < room->floor && !room->is_raised && pos > check->trim_pos)
        room_fault(check, id,
                   "the index has seq %llu, below the floor %llu, and nothing tells the sweep of it",
                   (ull)seq, (ull)room->floor);
    if (room->entry_seq && pos <= room->entry_pos)
        room_fault(check, id, "the index has record %llu as seq %llu, behind record %llu", (ull)pos, (ull)seq,
                   (ull)room->entry_pos);
    room->entry_seq = seq;
    room->entry_pos = pos;
}

static void visit_entry(struct check *check, struct rj_span key, struct rj_span value)
{
    rj_room_id id = 0;
    uint64_t seq = 0;
    struct rj_index_entry entry;
    check->report.index_entries++;
    bool is_key = rj_layout_index_key_parse(key, &id, &seq);
    struct facts *room = room_of(check, id);
    if (!is_key || seq == 0) {
        fault(check, "index entry %llu has a malformed key", (ull)check->report.index_entries);
    } else if (!room || (!room->is_named && !room->is_raised)) {
        fault(check, "the index has seq %llu of room %u, which %s", (ull)seq, id,
              can_be_forgotten(check, id) ? "was forgotten, and nothing tells the sweep of it"
                                          : "does not exist");
    } else if (!rj_layout_entry_decode(value, &entry)) {
        room->entries++;
        room_fault(check, id, "the index entry of seq %llu is malformed", (ull)seq);
    } else if (room->is_named) {
        room->entries++;
        check_order(check, id, room, seq, entry.pos);
    }
}

/* An entry of a room that has more of them than its records have asked for. */
static void visit_suspect(struct check *check, struct rj_span key, struct rj_span value)
{
    struct rj_record record;
    rj_room_id id = 0;
    uint64_t seq = 0;
    struct rj_index_entry entry;
    bool is_key = rj_layout_index_key_parse(key, &id, &seq);
    struct facts *room = room_of(check, id);
    if (!is_key || seq == 0 || !room || !room->is_named || room->entries == room->asked ||
        !rj_layout_entry_decode(value, &entry))
        return;
    uint64_t pos = entry.pos;
    enum there there = find_record(check, pos, &record);
    if (there == RECORD_NONE && seq >= room->saved.floor_seq)
        room_fault(check, id, "the index has seq %llu at record %llu, which is not in the log", (ull)seq,
                   (ull)pos);
    if (there != RECORD_WHOLE)
        return;
    for (size_t i = 0; i < record.fields.n_rooms; i++)
        if (record.rooms[i] == id && record.seqs[i] == seq)
            return;
    /* One that only points to a wrong record was told with its own record, unless there is none. */
    if (seq >= room->next_seq || pos < check->report.first_pos)
        room_fault(check, id, "the index has seq %llu at record %llu, which is another one", (ull)seq,
                   (ull)pos);
}

/* ------------------------------------------------------------------------------------------ rooms, meta */

static void check_room(struct check *check, const struct facts *room)
{
    rj_room_id id = room->id;
    const struct rj_room_saved *saved = &room->saved;
    uint64_t next = room->next_seq > saved->floor_seq ? room->next_seq : saved->floor_seq;
    if (!room->is_named) {
        if (!can_be_forgotten(check, id) && !is_impossible(check, id))
            fault(check, "no room has the id %u", id);
        else if (room->has_state && !room->is_raised)
            fault(check, "room %u was forgotten, but its state is there and nothing tells the sweep of it",
                  id);
        return;
    }
    if (saved->indexed_seq > next && !is_explained(check, id, next, saved->indexed_seq))
        room_fault(check, id, "its state says that seq %llu was indexed, but the log ends at seq %llu",
                   (ull)(saved->indexed_seq - 1), (ull)(next - 1));
    if (room->floor > next && !check->damaged)
        room_fault(check, id, "its floor was raised to seq %llu, but the log ends at seq %llu",
                   (ull)room->floor, (ull)(next - 1));
}

static void read_meta(struct check *check)
{
    uint64_t scan_from = 1, trim_pos = 0, next_room = 1;
    check->named_end = 1;
    rj_env_meta_get(check->env, check->txn, RJ_META_SCAN_FROM, &scan_from);
    rj_env_meta_get(check->env, check->txn, RJ_META_TRIM_POS, &trim_pos);
    rj_env_meta_get(check->env, check->txn, RJ_META_NEXT_ROOM, &next_room);
    rj_env_meta_get(check->env, check->txn, RJ_META_LAST_POS, &check->end_pos);
    rj_env_meta_get(check->env, check->txn, RJ_META_ERASED_POS, &check->floors_top);
    check->scan_from = scan_from;
    check->trim_pos = trim_pos;
    check->next_room = next_room;
}

static void check_meta(struct check *check)
{
    uint64_t last = check->report.last_pos;
    if (check->scan_from == 0 || check->scan_from > last + 1)
        fault(check, "the index is said to reach up to record %llu, but the log ends at %llu",
              (ull)(check->scan_from - 1), (ull)last);
    if (check->trim_pos >= check->scan_from)
        fault(check, "the log is trimmed up to record %llu, but indexed only below %llu",
              (ull)check->trim_pos, (ull)check->scan_from);
    if (check->env->names != RJ_ENV_NO_TABLE && check->names != check->report.rooms)
        fault(check, "there are %llu rooms, but %llu names by id", (ull)check->report.rooms,
              (ull)check->names);
    if (check->next_room < check->named_end ||
        (check->report.format < FORGETTING_FORMAT && check->next_room != check->report.rooms + 1))
        fault(check, "the next room is to get the id %llu, but there are %llu rooms, up to the id %llu",
              (ull)check->next_room, (ull)check->report.rooms, (ull)check->named_end - 1);
}

/* ------------------------------------------------------------------------------------------ the whole */

static int find_rooms(struct check *check)
{
    rj_room_id *ids;
    int rc = rj_check_room_ids(check->env, check->txn, &ids, &check->n_rooms);
    if (rc)
        return rc;
    check->rooms = rj_calloc(check->n_rooms + 1, sizeof *check->rooms);
    for (size_t i = 0; i < check->n_rooms; i++)
        check->rooms[i] =
            (struct facts){.id = ids[i], .saved = {.indexed_seq = 1, .floor_seq = 1}, .floor = 1};
    free(ids);
    return 0;
}

static void run(struct check *check)
{
    const struct rj_env *env = check->env;
    walk(check, env->meta, "meta", visit_meta);
    walk(check, env->rooms, "rooms", visit_room);
    if (env->names != RJ_ENV_NO_TABLE)
        walk(check, env->names, "names", visit_name);
    walk(check, env->room_states, "roomst", visit_state);
    if (env->floors != RJ_ENV_NO_TABLE)
        walk(check, env->floors, "floors", visit_floors);
    read_next_epoch(check);
    walk(check, env->log, "log", visit_record);
    if (check->report.last_pos < check->trim_pos)
        check->report.last_pos = check->trim_pos;
    if (check->report.last_pos < check->end_pos)
        check->report.last_pos = check->end_pos;
    walk(check, env->epochs, "epochs", visit_epoch);
    if (env->receipts != RJ_ENV_NO_TABLE)
        walk(check, env->receipts, "receipts", visit_receipt);
    walk(check, env->index, "ridx", visit_entry);
    bool has_suspects = false;
    for (size_t i = 0; i < check->n_rooms; i++) {
        has_suspects |= check->rooms[i].is_named && check->rooms[i].entries != check->rooms[i].asked;
        check_room(check, &check->rooms[i]);
    }
    if (has_suspects)
        walk(check, env->index, "ridx", visit_suspect);
    check_meta(check);
    walk(check, env->kv[RJ_TABLE_SESSION], "session", visit_session);
    walk(check, env->kv[RJ_TABLE_CURSOR], "cursor", visit_cursor);
    if (env->kv[RJ_TABLE_SERVICE] != RJ_ENV_NO_TABLE)
        walk(check, env->kv[RJ_TABLE_SERVICE], "service", visit_service);
    if (env->kv[RJ_TABLE_PRESENCE] != RJ_ENV_NO_TABLE)
        walk(check, env->kv[RJ_TABLE_PRESENCE], "presence", visit_presence);
}

enum rj_status rj_check_run(struct rj_inspect *inspect, uint64_t max_told, rj_check_fault *tell_fault,
                            void *ctx, struct rj_check_report *out)
{
    struct check check = {
        .env = &inspect->env,
        .report.format = inspect->format,
        .max_told = max_told,
        .tell = tell_fault,
        .ctx = ctx,
    };
    int rc = rj_inspect_begin(inspect, &check.txn);
    if (rc)
        return rj_env_status(rc);
    read_meta(&check);
    rc = find_rooms(&check);
    if (rc == 0)
        rc = mdb_cursor_open(check.txn, check.env->epochs, &check.epochs);
    if (rc == 0) {
        run(&check);
        mdb_cursor_close(check.epochs);
        *out = check.report;
    }
    free(check.rooms);
    mdb_txn_abort(check.txn);
    return rj_env_status(rc);
}
