/* The tables beside the log and its index: each pair alone, and against what else is known. */
#include "storage/checking.h"

/* ------------------------------------------------------------------------------------------ tables */

static void visit_meta(struct rj_check *check, struct rj_span key, struct rj_span value)
{
    if (value.len != 8)
        rj_checking_fault(check, "the meta value %.*s has %zu bytes instead of 8", (int)key.len,
                          (const char *)key.data, value.len);
}

static void visit_room(struct rj_check *check, struct rj_span key, struct rj_span value)
{
    struct rj_buf name = {0};
    rj_room_id id = value.len == 4 ? rj_get_u32(value.data) : 0;
    struct rj_check_room *room = rj_checking_room(check, id);
    rj_checking_put_key(&name, key);
    check->report.rooms++;
    if (id >= check->named_end)
        check->named_end = (uint64_t)id + 1;
    if (key.len == 0 || key.len > RJ_STORE_KEY_MAX)
        rj_checking_fault(check, "the room \"%s\" has a name of %zu bytes", rj_buf_cstr(&name), key.len);
    if (!room || rj_checking_is_impossible(check, id))
        rj_checking_fault(check, "the room \"%s\" has the impossible id %u", rj_buf_cstr(&name), id);
    else if (room->is_named)
        rj_checking_fault(check, "the room \"%s\" has the id %u, which another room has too",
                          rj_buf_cstr(&name), id);
    else
        room->is_named = true;
    rj_buf_free(&name);
}

static void visit_state(struct rj_check *check, struct rj_span key, struct rj_span value)
{
    rj_room_id id = 0;
    struct rj_check_room *room = rj_layout_room_key_parse(key, &id) ? rj_checking_room(check, id) : NULL;
    if (!room || rj_checking_is_impossible(check, id)) {
        rj_checking_fault(check, "a room state stands under the impossible id %u", id);
        return;
    }
    if (rj_layout_saved_decode(value, &room->saved)) {
        rj_checking_room_fault(check, id, "its saved state is malformed");
        return;
    }
    room->has_state = true;
    room->floor = room->saved.floor_seq;
    if (room->saved.floor_pos > check->floors_top)
        check->floors_top = room->saved.floor_pos;
}

static void visit_name(struct rj_check *check, struct rj_span key, struct rj_span value)
{
    rj_room_id id = 0;
    MDB_val name = rj_val(value.data, value.len), found;
    check->names++;
    if (!rj_layout_room_key_parse(key, &id) || !rj_checking_room(check, id) ||
        rj_checking_is_impossible(check, id))
        rj_checking_fault(check, "a name stands under the impossible id %u", id);
    else if (mdb_get(check->txn, check->env->rooms, &name, &found) || found.mv_size != 4 ||
             rj_get_u32(found.mv_data) != id)
        rj_checking_room_fault(check, id, "another name stands under its id");
}

static void visit_floors(struct rj_check *check, struct rj_span key, struct rj_span value)
{
    if (key.len != 8 || value.len == 0 || value.len % RJ_FLOOR) {
        rj_checking_fault(check, "an entry of the table floors is malformed");
        return;
    }
    for (size_t at = 0; at < value.len; at += RJ_FLOOR) {
        struct rj_floor floor = rj_layout_floor_decode(value.data + at);
        struct rj_check_room *room = rj_checking_room(check, floor.room);
        if (!room || rj_checking_is_impossible(check, floor.room) || floor.seq == 0) {
            rj_checking_fault(check, "a floor was raised to seq %llu of room %u, which cannot be",
                              (ull)floor.seq, floor.room);
            continue;
        }
        room->is_raised = true;
        room->floor = floor.seq > room->floor ? floor.seq : room->floor;
    }
}

static void visit_pair_of(struct rj_check *check, const char *table, uint64_t *n, struct rj_span key,
                          struct rj_span value)
{
    ++*n;
    if (key.len == 0 || key.len > RJ_STORE_KEY_MAX)
        rj_checking_fault(check, "entry %llu of the table %s has a key of %zu bytes", (ull)*n, table,
                          key.len);
    if (value.len < 8 || rj_get_u64(value.data) == 0)
        rj_checking_fault(check, "entry %llu of the table %s has no version", (ull)*n, table);
}

static void visit_session(struct rj_check *check, struct rj_span key, struct rj_span value)
{
    visit_pair_of(check, "session", &check->report.pairs[RJ_TABLE_SESSION], key, value);
}

static void visit_cursor(struct rj_check *check, struct rj_span key, struct rj_span value)
{
    visit_pair_of(check, "cursor", &check->report.pairs[RJ_TABLE_CURSOR], key, value);
}

static void visit_service(struct rj_check *check, struct rj_span key, struct rj_span value)
{
    visit_pair_of(check, "service", &check->report.pairs[RJ_TABLE_SERVICE], key, value);
}

static void visit_presence(struct rj_check *check, struct rj_span key, struct rj_span value)
{
    visit_pair_of(check, "presence", &check->report.pairs[RJ_TABLE_PRESENCE], key, value);
}

void rj_checking_names(struct rj_check *check)
{
    const struct rj_env *env = check->env;
    rj_checking_walk(check, env->meta, "meta", visit_meta);
    rj_checking_walk(check, env->rooms, "rooms", visit_room);
    if (env->names != RJ_ENV_NO_TABLE)
        rj_checking_walk(check, env->names, "names", visit_name);
    rj_checking_walk(check, env->room_states, "roomst", visit_state);
    if (env->floors != RJ_ENV_NO_TABLE)
        rj_checking_walk(check, env->floors, "floors", visit_floors);
}

void rj_checking_pairs(struct rj_check *check)
{
    const MDB_dbi *kv = check->env->kv;
    rj_checking_walk(check, kv[RJ_TABLE_SESSION], "session", visit_session);
    rj_checking_walk(check, kv[RJ_TABLE_CURSOR], "cursor", visit_cursor);
    if (kv[RJ_TABLE_SERVICE] != RJ_ENV_NO_TABLE)
        rj_checking_walk(check, kv[RJ_TABLE_SERVICE], "service", visit_service);
    if (kv[RJ_TABLE_PRESENCE] != RJ_ENV_NO_TABLE)
        rj_checking_walk(check, kv[RJ_TABLE_PRESENCE], "presence", visit_presence);
}

/* ------------------------------------------------------------------------------------------ epochs */

static struct rj_check_epoch epoch_of(struct rj_span key, struct rj_span value)
{
    struct rj_check_epoch epoch = {.is_there = key.len == 8 && value.len == 8};
    if (epoch.is_there) {
        memcpy(&epoch.number, key.data, sizeof epoch.number);
        epoch.first_pos = rj_get_u64(value.data);
    }
    return epoch;
}

static void visit_epoch(struct rj_check *check, struct rj_span key, struct rj_span value)
{
    struct rj_check_epoch epoch = epoch_of(key, value), before = check->last_epoch;
    check->report.epochs++;
    if (!epoch.is_there) {
        rj_checking_fault(check, "epoch entry %llu is malformed", (ull)check->report.epochs);
        return;
    }
    if (epoch.number >> 32 == 0 || (before.is_there && epoch.number >> 32 <= before.number >> 32))
        rj_checking_fault(check, "epoch %llx does not count up from the one before", (ull)epoch.number);
    if (before.is_there && epoch.first_pos < before.first_pos)
        rj_checking_fault(check, "epoch %llx begins at record %llu, before the one that it follows (%llu)",
                          (ull)epoch.number, (ull)epoch.first_pos, (ull)before.first_pos);
    if (epoch.first_pos == 0 || epoch.first_pos > check->report.last_pos + 1)
        rj_checking_fault(check, "epoch %llx begins at record %llu, but the log ends at %llu",
                          (ull)epoch.number, (ull)epoch.first_pos, (ull)check->report.last_pos);
    check->last_epoch = epoch;
}

static void read_next_epoch(struct rj_check *check)
{
    MDB_val key, value;
    check->next_epoch.is_there = false;
    while (!check->next_epoch.is_there && mdb_cursor_get(check->epochs, &key, &value, MDB_NEXT) == 0)
        check->next_epoch = epoch_of(rj_val_span(key), rj_val_span(value));
}

void rj_checking_epoch(struct rj_check *check, const struct rj_store_record *record)
{
    while (check->next_epoch.is_there && check->next_epoch.first_pos <= record->pos) {
        check->epoch = check->next_epoch;
        read_next_epoch(check);
    }
    if (!check->epoch.is_there)
        rj_checking_fault(check, "record %llu lies before the first epoch", (ull)record->pos);
    else if (record->epoch != check->epoch.number)
        rj_checking_fault(check, "record %llu says epoch %llx, but it lies in epoch %llx", (ull)record->pos,
                          (ull)record->epoch, (ull)check->epoch.number);
}

int rj_checking_begin_epochs(struct rj_check *check)
{
    int rc = mdb_cursor_open(check->txn, check->env->epochs, &check->epochs);
    if (rc == 0)
        read_next_epoch(check);
    return rc;
}

void rj_checking_epochs(struct rj_check *check)
{
    rj_checking_walk(check, check->env->epochs, "epochs", visit_epoch);
}

/* ------------------------------------------------------------------------------------------ rooms, meta */

static void check_room(struct rj_check *check, const struct rj_check_room *room)
{
    rj_room_id id = room->id;
    const struct rj_room_saved *saved = &room->saved;
    uint64_t next = room->next_seq > saved->floor_seq ? room->next_seq : saved->floor_seq;
    if (!room->is_named) {
        if (!rj_checking_may_be_forgotten(check, id) && !rj_checking_is_impossible(check, id))
            rj_checking_fault(check, "no room has the id %u", id);
        else if (room->has_state && !room->is_raised)
            rj_checking_fault(
                check, "room %u was forgotten, but its state is there and nothing tells the sweep of it", id);
        return;
    }
    if (saved->indexed_seq > next && !rj_checking_is_explained(check, id, next, saved->indexed_seq))
        rj_checking_room_fault(check, id,
                               "its state says that seq %llu was indexed, but the log ends at seq %llu",
                               (ull)(saved->indexed_seq - 1), (ull)(next - 1));
    if (room->floor > next && !check->damaged)
        rj_checking_room_fault(check, id, "its floor was raised to seq %llu, but the log ends at seq %llu",
                               (ull)room->floor, (ull)(next - 1));
}

bool rj_checking_rooms(struct rj_check *check)
{
    bool has_suspects = false;
    for (size_t i = 0; i < check->n_rooms; i++) {
        const struct rj_check_room *room = &check->rooms[i];
        has_suspects |= room->is_named && room->entries != room->asked;
        check_room(check, room);
    }
    return has_suspects;
}

void rj_checking_read_meta(struct rj_check *check)
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

void rj_checking_meta(struct rj_check *check)
{
    uint64_t last = check->report.last_pos;
    if (check->scan_from == 0 || check->scan_from > last + 1)
        rj_checking_fault(check, "the index is said to reach up to record %llu, but the log ends at %llu",
                          (ull)(check->scan_from - 1), (ull)last);
    if (check->trim_pos >= check->scan_from)
        rj_checking_fault(check, "the log is trimmed up to record %llu, but indexed only below %llu",
                          (ull)check->trim_pos, (ull)check->scan_from);
    if (check->env->names != RJ_ENV_NO_TABLE && check->names != check->report.rooms)
        rj_checking_fault(check, "there are %llu rooms, but %llu names by id", (ull)check->report.rooms,
                          (ull)check->names);
    if (check->next_room < check->named_end ||
        (check->report.format < RJ_CHECK_FORGETTING_FORMAT && check->next_room != check->report.rooms + 1))
        rj_checking_fault(check,
                          "the next room is to get the id %llu, but there are %llu rooms, up to the id %llu",
                          (ull)check->next_room, (ull)check->report.rooms, (ull)check->named_end - 1);
}
