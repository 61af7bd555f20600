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
#include "storage/checking.h"

/* ------------------------------------------------------------------------------------------ records */

/* ENTRY_SIZED: one that says how large the record is, as those of format 1 do not. */
enum entry { ENTRY_NONE, ENTRY_MALFORMED, ENTRY_FOUND, ENTRY_SIZED };

static enum entry find_entry(const struct rj_check *check, rj_room_id id, uint64_t seq,
                             struct rj_index_entry *entry)
{
    uint8_t name[RJ_INDEX_KEY];
    rj_layout_index_key(name, id, seq);
    MDB_val key = rj_val(name, sizeof name), value;
    if (mdb_get(check->txn, check->env->index, &key, &value))
        return ENTRY_NONE;
    if (!rj_layout_entry_decode(rj_val_span(value), entry))
        return ENTRY_MALFORMED;
    return value.mv_size == RJ_INDEX_VALUE ? ENTRY_SIZED : ENTRY_FOUND;
}

enum there { RECORD_NONE, RECORD_DAMAGED, RECORD_WHOLE };

static enum there find_record(const struct rj_check *check, uint64_t pos, struct rj_record *record)
{
    MDB_val key = rj_val(&pos, sizeof pos), value;
    if (mdb_get(check->txn, check->env->log, &key, &value))
        return RECORD_NONE;
    return rj_record_decode(rj_val_span(value), pos, record) ? RECORD_DAMAGED : RECORD_WHOLE;
}

bool rj_checking_is_explained(const struct rj_check *check, rj_room_id id, uint64_t from, uint64_t to)
{
    struct rj_record record;
    struct rj_index_entry entry;
    if (from > to || to - from > check->damaged)
        return false;
    while (from < to && find_entry(check, id, from, &entry) >= ENTRY_FOUND &&
           find_record(check, entry.pos, &record) == RECORD_DAMAGED)
        from++;
    return from == to;
}

/* Above the floor the seqs have no holes; below it they ascend. */
static void check_seq(struct rj_check *check, rj_room_id id, struct rj_check_room *room, uint64_t pos,
                      uint64_t seq)
{
    bool is_first = room->next_seq <= room->floor;
    uint64_t expected = is_first ? room->floor : room->next_seq;
    bool is_right = seq < room->floor ? seq >= room->next_seq && seq > 0 : seq == expected;
    if (!is_right && !rj_checking_is_explained(check, id, expected, seq))
        rj_checking_room_fault(check, id, "record %llu has seq %llu; %s is %llu", (ull)pos, (ull)seq,
                               is_first ? "the room's floor" : "the next one", (ull)expected);
    room->next_seq = seq + 1;
}

/* floor_pos is that of the last record below the floor. */
static void check_floor(struct rj_check *check, rj_room_id id, const struct rj_check_room *room, uint64_t pos,
                        uint64_t seq)
{
    const struct rj_room_saved *saved = &room->saved;
    bool is_below = seq < saved->floor_seq, is_last = seq + 1 == saved->floor_seq;
    if (!room->has_state)
        return;
    if (is_last && pos != saved->floor_pos)
        rj_checking_room_fault(check, id, "its floor lies above record %llu; saved is %llu", (ull)pos,
                               (ull)saved->floor_pos);
    else if (is_below != (pos <= saved->floor_pos))
        rj_checking_room_fault(check, id,
                               "its floor is saved as record %llu, but record %llu has its seq %llu",
                               (ull)saved->floor_pos, (ull)pos, (ull)seq);
}

static void check_entry(struct rj_check *check, rj_room_id id, struct rj_check_room *room, uint64_t pos,
                        uint64_t seq, size_t size)
{
    struct rj_index_entry entry = {.pos = pos};
    enum entry found = find_entry(check, id, seq, &entry);
    if (found != ENTRY_NONE) {
        room->asked++;
        if (entry.pos != pos)
            rj_checking_room_fault(check, id, "the index has record %llu as seq %llu, which is record %llu",
                                   (ull)entry.pos, (ull)seq, (ull)pos);
        else if (found == ENTRY_SIZED && entry.size != size)
            rj_checking_room_fault(check, id,
                                   "the index says that seq %llu has %u bytes, but record %llu has %zu",
                                   (ull)seq, entry.size, (ull)pos, size);
    } else if (seq < room->floor) {
        return; /* the sweep was there */
    } else if (pos >= check->scan_from && seq >= room->saved.indexed_seq) {
        check->report.unindexed++;
    } else if (pos > check->trim_pos) {
        room->missing++;
        rj_checking_room_fault(check, id, "the index lacks seq %llu (record %llu)", (ull)seq, (ull)pos);
    }
}

static void check_place(struct rj_check *check, uint64_t pos)
{
    uint64_t expected = check->report.records ? check->report.last_pos + 1 : check->trim_pos + 1;
    uint64_t lost = expected > check->floors_top ? expected : check->floors_top + 1;
    if (check->report.records == 0)
        check->report.first_pos = pos;
    if (pos > lost)
        rj_checking_fault(check, "records %llu to %llu are missing", (ull)lost, (ull)(pos - 1));
    else if (pos == 0 || (check->report.records && pos < expected))
        rj_checking_fault(check, "record %llu stands behind record %llu", (ull)pos,
                          (ull)check->report.last_pos);
}

static void check_rooms_of(struct rj_check *check, const struct rj_record *record, uint64_t pos, size_t size)
{
    bool is_trimmed = true;
    for (size_t i = 0; i < record->fields.n_rooms; i++) {
        struct rj_check_room *room = rj_checking_room(check, record->rooms[i]);
        if (!room || !room->is_named) {
            if (!rj_checking_may_be_forgotten(check, record->rooms[i]))
                rj_checking_fault(check, "record %llu names room %u, which does not exist", (ull)pos,
                                  record->rooms[i]);
            continue;
        }
        check_seq(check, record->rooms[i], room, pos, record->seqs[i]);
        check_floor(check, record->rooms[i], room, pos, record->seqs[i]);
        check_entry(check, record->rooms[i], room, pos, record->seqs[i], size);
        is_trimmed &= record->seqs[i] < room->floor;
    }
    check->report.trimmed += is_trimmed || pos <= check->trim_pos;
}

static void visit_record(struct rj_check *check, struct rj_span key, struct rj_span value)
{
    uint64_t pos;
    struct rj_record record;
    if (key.len != sizeof pos) {
        rj_checking_fault(check, "the log has a key of %zu bytes", key.len);
        return;
    }
    memcpy(&pos, key.data, sizeof pos);
    check_place(check, pos);
    check->report.last_pos = pos;
    check->report.records++;
    check->report.record_bytes += value.len;
    if (rj_record_decode(value, pos, &record)) {
        check->damaged++;
        rj_checking_fault(check, "record %llu fails its checksum or has no valid shape", (ull)pos);
        return;
    }
    rj_checking_epoch(check, &record.fields);
    check_rooms_of(check, &record, pos, value.len);
}

/* Of a record that is gone, without its payload; runs after the log was read. */
static void visit_receipt(struct rj_check *check, struct rj_span key, struct rj_span value)
{
    struct rj_record receipt, record;
    uint64_t pos = 0;
    if (key.len == sizeof pos)
        memcpy(&pos, key.data, sizeof pos);
    if (pos == 0 || pos > check->report.last_pos || rj_record_decode(value, pos, &receipt))
        rj_checking_fault(check, "the receipt of record %llu is malformed or fails its checksum", (ull)pos);
    else if (receipt.fields.id.len == 0 || receipt.fields.payload.len)
        rj_checking_fault(check, "the receipt of record %llu has no id, or a payload", (ull)pos);
    else if (find_record(check, pos, &record) != RECORD_NONE)
        rj_checking_fault(check, "record %llu is in the log, and has a receipt", (ull)pos);
}

/* ------------------------------------------------------------------------------------------ index */

static void check_order(struct rj_check *check, rj_room_id id, struct rj_check_room *room, uint64_t seq,
                        uint64_t pos)
{
    if (room->entry_seq && seq != room->entry_seq + 1) {
        uint64_t hole = seq - room->entry_seq - 1;
        if (hole > room->missing)
            rj_checking_room_fault(check, id, "the index goes from seq %llu to %llu", (ull)room->entry_seq,
                                   (ull)seq);
        room->missing -= hole < room->missing ? hole : room->missing;
    }
    if (room->entry_seq == 0 && seq < room->floor && !room->is_raised && pos > check->trim_pos)
        rj_checking_room_fault(
            check, id, "the index has seq %llu, below the floor %llu, and nothing tells the sweep of it",
            (ull)seq, (ull)room->floor);
    if (room->entry_seq && pos <= room->entry_pos)
        rj_checking_room_fault(check, id, "the index has record %llu as seq %llu, behind record %llu",
                               (ull)pos, (ull)seq, (ull)room->entry_pos);
    room->entry_seq = seq;
    room->entry_pos = pos;
}

static void visit_entry(struct rj_check *check, struct rj_span key, struct rj_span value)
{
    rj_room_id id = 0;
    uint64_t seq = 0;
    struct rj_index_entry entry;
    check->report.index_entries++;
    bool is_key = rj_layout_index_key_parse(key, &id, &seq);
    struct rj_check_room *room = rj_checking_room(check, id);
    if (!is_key || seq == 0) {
        rj_checking_fault(check, "index entry %llu has a malformed key", (ull)check->report.index_entries);
    } else if (!room || (!room->is_named && !room->is_raised)) {
        rj_checking_fault(check, "the index has seq %llu of room %u, which %s", (ull)seq, id,
                          rj_checking_may_be_forgotten(check, id)
                              ? "was forgotten, and nothing tells the sweep of it"
                              : "does not exist");
    } else if (!rj_layout_entry_decode(value, &entry)) {
        room->entries++;
        rj_checking_room_fault(check, id, "the index entry of seq %llu is malformed", (ull)seq);
    } else if (room->is_named) {
        room->entries++;
        check_order(check, id, room, seq, entry.pos);
    }
}

/* An entry of a room that has more of them than its records have asked for. */
static void visit_suspect(struct rj_check *check, struct rj_span key, struct rj_span value)
{
    struct rj_record record;
    rj_room_id id = 0;
    uint64_t seq = 0;
    struct rj_index_entry entry;
    bool is_key = rj_layout_index_key_parse(key, &id, &seq);
    struct rj_check_room *room = rj_checking_room(check, id);
    if (!is_key || seq == 0 || !room || !room->is_named || room->entries == room->asked ||
        !rj_layout_entry_decode(value, &entry))
        return;
    uint64_t pos = entry.pos;
    enum there there = find_record(check, pos, &record);
    if (there == RECORD_NONE && seq >= room->saved.floor_seq)
        rj_checking_room_fault(check, id, "the index has seq %llu at record %llu, which is not in the log",
                               (ull)seq, (ull)pos);
    if (there != RECORD_WHOLE)
        return;
    for (size_t i = 0; i < record.fields.n_rooms; i++)
        if (record.rooms[i] == id && record.seqs[i] == seq)
            return;
    /* One that only points to a wrong record was told with its own record, unless there is none. */
    if (seq >= room->next_seq || pos < check->report.first_pos)
        rj_checking_room_fault(check, id, "the index has seq %llu at record %llu, which is another one",
                               (ull)seq, (ull)pos);
}

/* ------------------------------------------------------------------------------------------ walking */

void rj_checking_records(struct rj_check *check)
{
    struct rj_check_report *report = &check->report;
    rj_checking_walk(check, check->env->log, "log", visit_record);
    if (report->last_pos < check->trim_pos)
        report->last_pos = check->trim_pos;
    if (report->last_pos < check->end_pos)
        report->last_pos = check->end_pos;
}

void rj_checking_receipts(struct rj_check *check)
{
    if (check->env->receipts != RJ_ENV_NO_TABLE)
        rj_checking_walk(check, check->env->receipts, "receipts", visit_receipt);
}

void rj_checking_index(struct rj_check *check)
{
    rj_checking_walk(check, check->env->index, "ridx", visit_entry);
}

void rj_checking_suspects(struct rj_check *check)
{
    rj_checking_walk(check, check->env->index, "ridx", visit_suspect);
}
