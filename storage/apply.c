#include "storage/apply.h"

#include <errno.h>

#include "proto/base/fault.h"
#include "proto/base/log.h"

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

static int apply_room(struct rj_apply *apply, struct rj_store_batch *batch, struct rj_op *op)
{
    uint8_t id[4];
    struct pair pair = pair_of(batch, op);
    MDB_val value = rj_val(id, sizeof id);
    rj_put_u32(id, (uint32_t)op->number);
    int rc = mdb_put(apply->txn, apply->env->rooms, &pair.key, &value, 0);
    return rc ? rc : rj_env_meta_put(apply->env, apply->txn, RJ_META_NEXT_ROOM, op->number + 1);
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
    case RJ_OP_DUPLICATE:
    case RJ_OP_BARRIER:
    case RJ_OP_REFUSED: return 0;
    }
    return EINVAL;
}

/* ------------------------------------------------------------------------------------------ sweep */

static int sweep_delete(struct rj_apply *apply, const struct rj_sweep_item *item)
{
    uint8_t from[RJ_INDEX_KEY];
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
        rc = mdb_cursor_del(apply->index, 0);
        if (rc == 0)
            rc = mdb_cursor_get(apply->index, &key, &value, MDB_NEXT);
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int sweep_insert(struct rj_apply *apply, const struct rj_sweep *sweep,
                        const struct rj_sweep_item *item)
{
    for (uint32_t i = 0; i < item->n_insert; i++) {
        uint8_t name[RJ_INDEX_KEY], pos[8];
        rj_layout_index_key(name, item->room, item->insert_seq + i);
        rj_put_u64(pos, sweep->positions[item->at + i]);
        MDB_val key = rj_val(name, sizeof name), value = rj_val(pos, sizeof pos);
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

static int apply_sweep(struct rj_apply *apply, const struct rj_sweep *sweep)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sweep->n_items; i++) {
        const struct rj_sweep_item *item = &sweep->items[i];
        if (item->delete_from < item->delete_to)
            rc = sweep_delete(apply, item);
        if (rc == 0)
            rc = sweep_insert(apply, sweep, item);
        if (rc == 0 && item->is_saved)
            rc = save_room(apply, item);
        if (rc == 0 && RJ_FAULT(STORE_SWEEP))
            rc = EIO;
    }
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

/* Whether the record at the cursor is trimmed; if not, what stopped it is noted. A record that fails its
 * checksum is trimmed with its neighbours: neither its time nor its rooms can be believed. */
static bool is_trimmed(struct rj_trim *trim, uint64_t pos, struct rj_span bytes)
{
    struct rj_record record;
    bool is_corrupt = rj_record_decode(bytes, pos, &record) != RJ_OK;
    bool is_old = is_corrupt || record.fields.ts_ms < trim->before_ts_ms;
    if (!is_old || pos > trim->upto || trim->n_records == trim->quota) {
        trim->next_ts_ms = is_corrupt ? 0 : record.fields.ts_ms;
        trim->is_blocked = is_old && pos > trim->upto;
        return false;
    }
    if (is_corrupt)
        rj_log(RJ_LOG_ERROR, "store_corrupt_record", RJ_KV_U64("pos", pos), RJ_KV_STR("found", "trimming"));
    else
        trim_record(trim, &record);
    return true;
}

static int raise_floor(struct rj_apply *apply, struct rj_trim *trim)
{
    uint64_t pos = trim->after + 1;
    MDB_val key = rj_val(&pos, sizeof pos), value;
    int rc = mdb_cursor_get(apply->log, &key, &value, MDB_SET_RANGE);
    while (rc == 0) {
        memcpy(&pos, key.mv_data, sizeof pos);
        if (!is_trimmed(trim, pos, rj_val_span(value)))
            break;
        trim->trim_pos = pos;
        trim->n_records++;
        rc = mdb_cursor_get(apply->log, &key, &value, MDB_NEXT);
    }
    if (rc && rc != MDB_NOTFOUND)
        return rc;
    return trim->n_records ? rj_env_meta_put(apply->env, apply->txn, RJ_META_TRIM_POS, trim->trim_pos) : 0;
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
        rc = mdb_cursor_del(apply->log, 0);
        trim->purged++;
        if (rc == 0)
            rc = mdb_cursor_get(apply->log, &key, &value, MDB_NEXT);
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int apply_trim(struct rj_apply *apply, struct rj_trim *trim)
{
    int rc = 0;
    trim->trim_pos = trim->after;
    trim->next_ts_ms = 0;
    trim->is_blocked = false;
    trim->n_records = trim->n_rooms = trim->purged = 0;
    if (trim->quota)
        rc = raise_floor(apply, trim);
    if (rc == 0 && trim->purge_quota)
        rc = purge(apply, trim);
    return rc;
}

int rj_apply_batch(struct rj_apply *apply, struct rj_store_batch *batch)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < batch->n_ops; i++)
        rc = apply_op(apply, batch, &batch->ops[i]);
    if (rc == 0)
        rc = apply_sweep(apply, &batch->sweep);
    if (rc == 0)
        rc = apply_trim(apply, &batch->trim);
    return rc;
}
