#include "storage/apply.h"

#include <errno.h>
#include <stdio.h>

#include "proto/base/fault.h"
#include "proto/base/log.h"

enum { FORGET_MOST = 10000 }; /* a batch's; they stand together */

int rj_apply_begin(struct rj_apply *apply, const struct rj_env *env, MDB_txn *txn)
{
    *apply = (struct rj_apply){.env = env, .txn = txn};
    int rc = mdb_cursor_open(txn, env->log, &apply->log);
    return rc ? rc : mdb_cursor_open(txn, env->index, &apply->index);
}

/* ------------------------------------------------------------------------------------------ operations */

struct pair {
    MDB_val key;
    struct rj_span value;
};

static struct pair pair_of(const struct rj_store_batch *batch, const struct rj_op *op)
{
    struct rj_span bytes = rj_store_batch_bytes(batch, op);
    return (struct pair){rj_val(bytes.data, op->key_len), rj_span_from(bytes, op->key_len)};
}

static int apply_append(struct rj_apply *apply, struct rj_store_batch *batch, struct rj_op *op)
{
    uint8_t *record = batch->bytes.data + op->at;
    rj_record_seal(record, op->len, op->pos);
    if (RJ_FAULT(STORE_PUT))
        return EIO;
    MDB_val key = rj_val(&op->pos, sizeof op->pos), value = rj_val(record, op->len);
    return mdb_cursor_put(apply->log, &key, &value, MDB_APPEND);
}

static int put_name(struct rj_apply *apply, rj_room_id room, MDB_val name)
{
    uint8_t id[RJ_ROOM_KEY];
    rj_layout_room_key(id, room);
    MDB_val key = rj_val(id, sizeof id);
    return mdb_put(apply->txn, apply->env->names, &key, &name, 0);
}

static int apply_room(struct rj_apply *apply, struct rj_store_batch *batch, struct rj_op *op)
{
    uint8_t id[4];
    struct pair pair = pair_of(batch, op);
    MDB_val value = rj_val(id, sizeof id);
    rj_put_u32(id, (uint32_t)op->number);
    int rc = mdb_put(apply->txn, apply->env->rooms, &pair.key, &value, 0);
    if (rc == 0)
        rc = put_name(apply, (rj_room_id)op->number, pair.key);
    return rc ? rc : rj_env_meta_put(apply->env, apply->txn, RJ_META_NEXT_ROOM, op->number + 1);
}

static int delete_room_of(struct rj_apply *apply, MDB_dbi table, rj_room_id room)
{
    uint8_t id[RJ_ROOM_KEY];
    rj_layout_room_key(id, room);
    MDB_val key = rj_val(id, sizeof id);
    int rc = mdb_del(apply->txn, table, &key, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Until everything of it is gone the room has a state: this is what tells it from one that was erased. */
static int make_state(struct rj_apply *apply, rj_room_id room)
{
    static const struct rj_room_saved nothing = {.indexed_seq = 1, .floor_seq = 1};
    uint8_t name[RJ_ROOM_KEY], state[RJ_ROOM_STATE];
    rj_layout_room_key(name, room);
    rj_layout_saved_encode(state, &nothing);
    MDB_val key = rj_val(name, sizeof name), value = rj_val(state, sizeof state);
    int rc = mdb_put(apply->txn, apply->env->room_states, &key, &value, MDB_NOOVERWRITE);
    return rc == MDB_KEYEXIST ? 0 : rc;
}

static int apply_forget(struct rj_apply *apply, struct rj_store_batch *batch, struct rj_op *op)
{
    struct pair pair = pair_of(batch, op);
    int rc = mdb_del(apply->txn, apply->env->rooms, &pair.key, NULL);
    if (rc == 0 && RJ_FAULT(STORE_FORGET))
        rc = EIO;
    if (rc == 0)
        rc = delete_room_of(apply, apply->env->names, op->room);
    return rc ? rc : make_state(apply, op->room);
}

static int stored_version(struct rj_apply *apply, MDB_dbi table, MDB_val *key, uint64_t *version)
{
    MDB_val old;
    int rc = mdb_get(apply->txn, table, key, &old);
    if (rc == MDB_NOTFOUND) {
        *version = 0;
        return 0;
    }
    if (rc == 0 && old.mv_size < sizeof *version)
        return MDB_CORRUPTED;
    if (rc == 0)
        *version = rj_get_u64(old.mv_data);
    return rc;
}

static int apply_put(struct rj_apply *apply, struct rj_store_batch *batch, struct rj_op *op)
{
    MDB_dbi table = apply->env->kv[op->table];
    struct pair pair = pair_of(batch, op);
    uint64_t version;
    int rc = stored_version(apply, table, &pair.key, &version);
    if (rc)
        return rc;
    op->status = RJ_OK;
    if (op->number != RJ_ANY_VERSION && op->number != (version ? version : UINT64_MAX)) {
        op->status = RJ_CONFLICT;
        return 0;
    }
    MDB_val place = rj_val(NULL, sizeof version + pair.value.len);
    rc = mdb_put(apply->txn, table, &pair.key, &place, MDB_RESERVE);
    if (rc)
        return rc;
    rj_put_u64(place.mv_data, version + 1);
    if (pair.value.len)
        memcpy((uint8_t *)place.mv_data + sizeof version, pair.value.data, pair.value.len);
    return 0;
}

static int apply_delete(struct rj_apply *apply, struct rj_store_batch *batch, struct rj_op *op)
{
    struct pair pair = pair_of(batch, op);
    int rc = mdb_del(apply->txn, apply->env->kv[op->table], &pair.key, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static bool has_prefix(MDB_val key, struct rj_span prefix)
{
    return key.mv_size >= prefix.len &&
           (prefix.len == 0 || memcmp(key.mv_data, prefix.data, prefix.len) == 0);
}

static int apply_delete_prefix(struct rj_apply *apply, struct rj_store_batch *batch, struct rj_op *op)
{
    struct rj_span prefix = rj_store_batch_bytes(batch, op);
    MDB_cursor *cursor;
    MDB_val key = rj_val(prefix.data, prefix.len), value;
    int rc = mdb_cursor_open(apply->txn, apply->env->kv[op->table], &cursor);
    if (rc)
        return rc;
    rc = mdb_cursor_get(cursor, &key, &value, prefix.len ? MDB_SET_RANGE : MDB_FIRST);
    while (rc == 0 && has_prefix(key, prefix)) {
        rc = mdb_cursor_del(cursor, 0);
        if (rc == 0)
            rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int apply_op(struct rj_apply *apply, struct rj_store_batch *batch, struct rj_op *op)
{
    switch (op->kind) {
    case RJ_OP_APPEND: return apply_append(apply, batch, op);
    case RJ_OP_ROOM: return apply_room(apply, batch, op);
    case RJ_OP_PUT: return apply_put(apply, batch, op);
    case RJ_OP_DELETE: return apply_delete(apply, batch, op);
    case RJ_OP_DELETE_PREFIX: return apply_delete_prefix(apply, batch, op);
    case RJ_OP_FORGET: return apply_forget(apply, batch, op);
    case RJ_OP_DUPLICATE:
    case RJ_OP_BARRIER:
    case RJ_OP_PURGE:
    case RJ_OP_REFUSED: return 0;
    }
    return EINVAL;
}

/* ------------------------------------------------------------------------------------------ floors */

static int apply_floors(struct rj_apply *apply, const struct rj_store_batch *batch)
{
    uint64_t number = batch->floors_number;
    MDB_val key = rj_val(&number, sizeof number), place = rj_val(NULL, batch->n_floors * RJ_FLOOR);
    if (batch->n_floors == 0)
        return 0;
    int rc = mdb_put(apply->txn, apply->env->floors, &key, &place, MDB_RESERVE | MDB_APPEND);
    for (size_t i = 0; rc == 0 && i < batch->n_floors; i++)
        rj_layout_floor_encode((uint8_t *)place.mv_data + i * RJ_FLOOR, batch->floors[i]);
    return rc;
}

/* Deletes floors that stand in roomst now. */
static int forget_floors(struct rj_apply *apply, struct rj_sweep *sweep)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int rc = mdb_cursor_open(apply->txn, apply->env->floors, &cursor);
    if (rc)
        return rc;
    sweep->floors_gone = sweep->floors_upto;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    for (size_t n = 0; rc == 0; n++) {
        uint64_t number;
        memcpy(&number, key.mv_data, sizeof number);
        if (number > sweep->floors_upto)
            break;
        if (n == FORGET_MOST) {
            sweep->floors_gone = number - 1;
            break;
        }
        rc = mdb_cursor_del(cursor, 0);
        if (rc == 0)
            rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* ------------------------------------------------------------------------------------------ letting go */

static int has_no_name(const struct rj_apply *apply, rj_room_id room, bool *out)
{
    uint8_t name[RJ_ROOM_KEY];
    rj_layout_room_key(name, room);
    MDB_val key = rj_val(name, sizeof name), value;
    int rc = mdb_get(apply->txn, apply->env->names, &key, &value);
    if (rc == 0 || rc == MDB_NOTFOUND)
        *out = rc != 0;
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Whether the room has let go of that seq, as far as it is saved. A room saves its floor in the transaction
 * in which it deletes its entries, so the last of a record's rooms sees this of all the others. One that was
 * forgotten has no name, and at its end no state. */
static int has_let_go(const struct rj_apply *apply, rj_room_id room, uint64_t seq, bool *out)
{
    uint8_t name[RJ_ROOM_KEY];
    struct rj_room_saved saved;
    rj_layout_room_key(name, room);
    MDB_val key = rj_val(name, sizeof name), value;
    int rc = mdb_get(apply->txn, apply->env->room_states, &key, &value);
    *out = false;
    if (rc)
        return rc == MDB_NOTFOUND ? has_no_name(apply, room, out) : rc;
    if (rj_layout_saved_decode(rj_val_span(value), &saved))
        return MDB_CORRUPTED;
    *out = seq < saved.floor_seq;
    return 0;
}

/* A room lets go of its record `seq`, which is the one at `pos`: it is deleted when all others have. One that
 * is damaged has no rooms that can be believed; it goes with the first that let it go. One that has another
 * place in the room is not what was meant: the index is damaged. */
static int let_go(struct rj_apply *apply, struct rj_sweep *sweep, rj_room_id room, uint64_t seq, uint64_t pos)
{
    struct rj_record record;
    bool is_free = true;
    MDB_val key = rj_val(&pos, sizeof pos), value;
    if (pos <= sweep->trim_pos)
        return 0;
    int rc = mdb_cursor_get(apply->log, &key, &value, MDB_SET);
    if (rc)
        return rc == MDB_NOTFOUND ? 0 : rc;
    if (rj_record_decode(rj_val_span(value), pos, &record))
        record.fields.n_rooms = 0;
    for (size_t i = 0; rc == 0 && is_free && i < record.fields.n_rooms; i++)
        if (record.rooms[i] != room)
            rc = has_let_go(apply, record.rooms[i], record.seqs[i], &is_free);
        else
            is_free = record.seqs[i] == seq;
    if (rc || !is_free)
        return rc;
    if (record.fields.n_rooms)
        rc = rj_receipts_keep(apply->receipts, apply->env, apply->txn, &record);
    if (rc)
        return rc;
    sweep->deleted++;
    if (pos > sweep->deleted_pos)
        sweep->deleted_pos = pos;
    return mdb_cursor_del(apply->log, 0);
}

/* ------------------------------------------------------------------------------------------ sweep */

static int sweep_delete(struct rj_apply *apply, struct rj_sweep *sweep, const struct rj_sweep_item *item)
{
    uint8_t from[RJ_INDEX_KEY];
    struct rj_index_entry entry;
    rj_layout_index_key(from, item->room, item->delete_from);
    MDB_val key = rj_val(from, sizeof from), value;
    int rc = mdb_cursor_get(apply->index, &key, &value, MDB_SET_RANGE);
    while (rc == 0) {
        rj_room_id room;
        uint64_t seq;
        if (!rj_layout_index_key_parse(rj_val_span(key), &room, &seq))
            return MDB_CORRUPTED;
        if (room != item->room || seq >= item->delete_to)
            break;
        /* One that names nothing goes alone. */
        if (rj_layout_entry_decode(rj_val_span(value), &entry))
            rc = let_go(apply, sweep, room, seq, entry.pos);
        if (rc == 0)
            rc = mdb_cursor_del(apply->index, 0);
        if (rc == 0)
            rc = mdb_cursor_get(apply->index, &key, &value, MDB_NEXT);
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int sweep_drop(struct rj_apply *apply, struct rj_sweep *sweep, const struct rj_sweep_item *item)
{
    int rc = 0;
    uint64_t first = item->insert_seq - item->n_drop;
    for (uint32_t i = 0; rc == 0 && i < item->n_drop; i++)
        rc = let_go(apply, sweep, item->room, first + i, sweep->entries[item->at + i].pos);
    return rc;
}

static int sweep_insert(struct rj_apply *apply, const struct rj_sweep *sweep,
                        const struct rj_sweep_item *item)
{
    for (uint32_t i = 0; i < item->n_insert; i++) {
        uint8_t name[RJ_INDEX_KEY], entry[RJ_INDEX_VALUE];
        rj_layout_index_key(name, item->room, item->insert_seq + i);
        rj_layout_entry_encode(entry, sweep->entries[item->at + item->n_drop + i]);
        MDB_val key = rj_val(name, sizeof name), value = rj_val(entry, sizeof entry);
        int rc = mdb_cursor_put(apply->index, &key, &value, 0);
        if (rc)
            return rc;
    }
    return 0;
}

static int save_room(struct rj_apply *apply, const struct rj_sweep_item *item)
{
    uint8_t name[RJ_ROOM_KEY], state[RJ_ROOM_STATE];
    rj_layout_room_key(name, item->room);
    rj_layout_saved_encode(state, &item->saved);
    MDB_val key = rj_val(name, sizeof name), value = rj_val(state, sizeof state);
    return mdb_put(apply->txn, apply->env->room_states, &key, &value, 0);
}

/* The last of a forgotten room goes: its state; with a note of how far its records may have reached. */
static int erase_room(struct rj_apply *apply, const struct rj_sweep_item *item)
{
    uint64_t erased_pos = 0;
    rj_env_meta_get(apply->env, apply->txn, RJ_META_ERASED_POS, &erased_pos);
    int rc = delete_room_of(apply, apply->env->room_states, item->room);
    if (rc || item->saved.floor_pos <= erased_pos)
        return rc;
    return rj_env_meta_put(apply->env, apply->txn, RJ_META_ERASED_POS, item->saved.floor_pos);
}

/* A pos is never given out twice: when the log's last record was deleted, its pos is kept. */
static int keep_end(struct rj_apply *apply, const struct rj_sweep *sweep)
{
    uint64_t last = 0;
    MDB_val key, value;
    int rc = mdb_cursor_get(apply->log, &key, &value, MDB_LAST);
    if (rc && rc != MDB_NOTFOUND)
        return rc;
    if (rc == 0)
        memcpy(&last, key.mv_data, sizeof last);
    uint64_t kept = 0;
    rj_env_meta_get(apply->env, apply->txn, RJ_META_LAST_POS, &kept);
    if (sweep->deleted_pos < last || sweep->deleted_pos < kept)
        return 0;
    return rj_env_meta_put(apply->env, apply->txn, RJ_META_LAST_POS, sweep->deleted_pos);
}

static int apply_sweep(struct rj_apply *apply, struct rj_sweep *sweep)
{
    int rc = 0;
    sweep->deleted = 0;
    sweep->deleted_pos = 0;
    sweep->floors_gone = 0;
    for (size_t i = 0; rc == 0 && i < sweep->n_items; i++) {
        const struct rj_sweep_item *item = &sweep->items[i];
        if (item->delete_from < item->delete_to)
            rc = sweep_delete(apply, sweep, item);
        if (rc == 0)
            rc = sweep_drop(apply, sweep, item);
        if (rc == 0)
            rc = sweep_insert(apply, sweep, item);
        if (rc == 0 && item->is_erased)
            rc = erase_room(apply, item);
        else if (rc == 0 && item->is_saved)
            rc = save_room(apply, item);
        if (rc == 0 && RJ_FAULT(STORE_SWEEP))
            rc = EIO;
    }
    if (rc == 0 && sweep->deleted)
        rc = keep_end(apply, sweep);
    if (rc == 0 && sweep->floors_upto)
        rc = forget_floors(apply, sweep);
    if (rc == 0 && sweep->scan_from)
        rc = rj_env_meta_put(apply->env, apply->txn, RJ_META_SCAN_FROM, sweep->scan_from);
    return rc;
}

/* ------------------------------------------------------------------------------------------ trim */

static void trim_record(struct rj_trim *trim, const struct rj_record *record)
{
    for (size_t i = 0; i < record->fields.n_rooms; i++)
        rj_trim_add(trim, (struct rj_trimmed){record->rooms[i], record->seqs[i], record->fields.pos});
}

/* Whether the record at the cursor is too old; if not, what stopped it is noted. A record that fails its
 * checksum goes with its neighbours: neither its time nor its rooms can be believed. */
static bool is_old(struct rj_trim *trim, uint64_t pos, struct rj_span bytes)
{
    struct rj_record record;
    bool is_corrupt = rj_record_decode(bytes, pos, &record) != RJ_OK;
    bool has_age = is_corrupt || record.fields.ts_ms < trim->before_ts_ms;
    if (!has_age || pos > trim->upto || trim->n_records == trim->quota) {
        trim->next_ts_ms = is_corrupt ? 0 : record.fields.ts_ms;
        trim->is_blocked = has_age && pos > trim->upto;
        return false;
    }
    if (!is_corrupt)
        trim_record(trim, &record);
    else if (!trim->age_ms)
        rj_log(RJ_LOG_ERROR, "store_corrupt_record", RJ_KV_U64("pos", pos), RJ_KV_STR("found", "trimming"));
    return true;
}

/* Goes over records until one is young enough. */
static int walk_old(struct rj_apply *apply, struct rj_trim *trim)
{
    uint64_t pos = trim->after + 1;
    MDB_val key = rj_val(&pos, sizeof pos), value;
    int rc = mdb_cursor_get(apply->log, &key, &value, MDB_SET_RANGE);
    while (rc == 0) {
        memcpy(&pos, key.mv_data, sizeof pos);
        if (!is_old(trim, pos, rj_val_span(value)))
            break;
        trim->reached = pos;
        trim->n_records++;
        if (RJ_FAULT(STORE_TRIM))
            return EIO;
        rc = mdb_cursor_get(apply->log, &key, &value, MDB_NEXT);
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* The log's own floor is raised with what was found. The place of another walk is kept only when the floors
 * of what it found are: they came with this batch or one before, so up to where it began now. */
static int keep_place(struct rj_apply *apply, const struct rj_trim *trim)
{
    char name[32];
    if (!trim->age_ms)
        return trim->n_records ? rj_env_meta_put(apply->env, apply->txn, RJ_META_TRIM_POS, trim->reached) : 0;
    snprintf(name, sizeof name, RJ_META_AGE "%llu", (unsigned long long)trim->age_ms);
    return rj_env_meta_put(apply->env, apply->txn, name, trim->after);
}

static int purge(struct rj_apply *apply, struct rj_trim *trim)
{
    MDB_val key, value;
    int rc = mdb_cursor_get(apply->log, &key, &value, MDB_FIRST);
    while (rc == 0 && trim->purged < trim->purge_quota) {
        uint64_t pos;
        memcpy(&pos, key.mv_data, sizeof pos);
        if (pos > trim->purge_upto)
            break;
        rc = rj_receipts_keep_bytes(apply->receipts, apply->env, apply->txn, pos, rj_val_span(value));
        if (rc == 0)
            rc = mdb_cursor_del(apply->log, 0);
        trim->purged++;
        if (RJ_FAULT(STORE_PURGE))
            return EIO;
        if (rc == 0)
            rc = mdb_cursor_get(apply->log, &key, &value, MDB_NEXT);
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int apply_trim(struct rj_apply *apply, struct rj_trim *trim)
{
    int rc = 0;
    trim->reached = trim->after;
    trim->next_ts_ms = 0;
    trim->is_blocked = false;
    trim->n_records = trim->n_rooms = trim->purged = 0;
    if (trim->quota)
        rc = walk_old(apply, trim);
    if (rc == 0 && trim->quota)
        rc = keep_place(apply, trim);
    if (rc == 0 && trim->purge_quota)
        rc = purge(apply, trim);
    return rc;
}

int rj_apply_batch(struct rj_apply *apply, struct rj_store_batch *batch)
{
    apply->receipts = &batch->receipts;
    int rc = rj_receipts_drop(apply->receipts, apply->env, apply->txn);
    for (size_t i = 0; rc == 0 && i < batch->n_ops; i++)
        rc = apply_op(apply, batch, &batch->ops[i]);
    if (rc == 0)
        rc = apply_floors(apply, batch);
    if (rc == 0)
        rc = apply_sweep(apply, &batch->sweep);
    if (rc == 0)
        rc = apply_trim(apply, &batch->trim);
    if (rc == 0 && batch->is_reviewed)
        rc = rj_env_meta_put(apply->env, apply->txn, RJ_META_LIMITS, batch->limits_id);
    return rc;
}
