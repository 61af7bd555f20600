/* Key-value: sessions, cursors and their like. A value is stored with its version in front; whoever writes
 * says which version it means to replace, and the log thread compares inside the transaction. */
#include "storage/engine.h"

static bool is_key(struct rj_span key)
{
    return key.len > 0 && key.len <= RJ_STORE_KEY_MAX;
}

/* Queues an operation on `key` with `value` behind it. */
static void queue(struct rj_store *store, enum rj_op_kind kind, enum rj_store_table table, struct rj_span key,
                  struct rj_span value, uint64_t number, rj_store_written *done, void *ctx)
{
    struct rj_op *op;
    uint8_t *bytes = rj_engine_queue(store, kind, key.len + value.len, &op);
    if (key.len)
        memcpy(bytes, key.data, key.len);
    if (value.len)
        memcpy(bytes + key.len, value.data, value.len);
    op->table = table;
    op->key_len = (uint32_t)key.len;
    op->number = number;
    op->done.written = done;
    op->ctx = ctx;
}

static void refuse(struct rj_store *store, rj_store_written *done, void *ctx)
{
    struct rj_op *op;
    rj_engine_queue(store, RJ_OP_REFUSED, 0, &op);
    op->status = RJ_BAD_NAME;
    op->done.written = done;
    op->ctx = ctx;
}

void rj_store_put(struct rj_store *store, enum rj_store_table table, struct rj_span key, struct rj_span value,
                  uint64_t expect, rj_store_written *done, void *ctx)
{
    if (is_key(key))
        queue(store, RJ_OP_PUT, table, key, value, expect, done, ctx);
    else
        refuse(store, done, ctx);
}

void rj_store_delete(struct rj_store *store, enum rj_store_table table, struct rj_span key,
                     rj_store_written *done, void *ctx)
{
    if (is_key(key))
        queue(store, RJ_OP_DELETE, table, key, (struct rj_span){0}, 0, done, ctx);
    else
        refuse(store, done, ctx);
}

void rj_store_delete_prefix(struct rj_store *store, enum rj_store_table table, struct rj_span prefix,
                            rj_store_written *done, void *ctx)
{
    if (prefix.len <= RJ_STORE_KEY_MAX)
        queue(store, RJ_OP_DELETE_PREFIX, table, prefix, (struct rj_span){0}, 0, done, ctx);
    else
        refuse(store, done, ctx);
}

void rj_store_barrier(struct rj_store *store, rj_store_written *done, void *ctx)
{
    struct rj_op *op;
    rj_engine_queue(store, RJ_OP_BARRIER, 0, &op);
    op->done.written = done;
    op->ctx = ctx;
}

enum { VERSION_BYTES = 8 };

enum rj_status rj_store_get(struct rj_store *store, enum rj_store_table table, struct rj_span key,
                            struct rj_buf *value, uint64_t *version)
{
    if (!is_key(key))
        return RJ_NOT_FOUND;
    struct rj_reader reader = rj_env_read(&store->env);
    MDB_val name = rj_val(key.data, key.len), found;
    enum rj_status status = rj_env_status(mdb_get(reader.txn, store->env.kv[table], &name, &found));
    if (status == RJ_OK && found.mv_size < VERSION_BYTES)
        status = RJ_CORRUPT;
    if (status == RJ_OK) {
        rj_buf_put_span(value, rj_span_from(rj_val_span(found), VERSION_BYTES));
        if (version)
            *version = rj_get_u64(found.mv_data);
    }
    rj_env_read_done(&store->env, &reader);
    return status;
}

/* The order of keys: bytes, then length. */
static int compare(struct rj_span a, struct rj_span b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static bool has_prefix(struct rj_span key, struct rj_span prefix)
{
    return key.len >= prefix.len && rj_span_eq(rj_span_of(key.data, prefix.len), prefix);
}

static int walk(MDB_cursor *cursor, struct rj_span prefix, struct rj_span after, size_t limit,
                rj_store_visit_pair *visit, void *ctx)
{
    struct rj_span from = compare(after, prefix) >= 0 ? after : prefix;
    MDB_val key = rj_val(from.data, from.len), value;
    int rc = mdb_cursor_get(cursor, &key, &value, from.len ? MDB_SET_RANGE : MDB_FIRST);
    if (rc == 0 && after.len && rj_span_eq(rj_val_span(key), after))
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    for (; rc == 0 && limit > 0 && has_prefix(rj_val_span(key), prefix); limit--) {
        if (value.mv_size < VERSION_BYTES)
            return MDB_CORRUPTED;
        if (!visit(ctx, rj_val_span(key), rj_span_from(rj_val_span(value), VERSION_BYTES)))
            break;
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

enum rj_status rj_store_scan(struct rj_store *store, enum rj_store_table table, struct rj_span prefix,
                             struct rj_span after, size_t limit, rj_store_visit_pair *visit, void *ctx)
{
    if (prefix.len > RJ_STORE_KEY_MAX || after.len > RJ_STORE_KEY_MAX)
        return RJ_BAD_NAME;
    struct rj_reader reader = rj_env_read(&store->env);
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(reader.txn, store->env.kv[table], &cursor);
    if (rc == 0) {
        rc = walk(cursor, prefix, after, limit, visit, ctx);
        mdb_cursor_close(cursor);
    }
    rj_env_read_done(&store->env, &reader);
    return rj_env_status(rc);
}
