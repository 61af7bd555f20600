#include "storage/warm.h"

#include "proto/base/mem.h"
#include "storage/layout.h"

enum { PAGE_BYTES = 4096 };

struct rj_warm *rj_warm_new(const struct rj_store_warm *what)
{
    struct rj_warm *warm = rj_alloc(sizeof *warm + what->prefix.len + what->room.len);
    warm->what = *what;
    if (what->prefix.len)
        memcpy(warm->keys, what->prefix.data, what->prefix.len);
    if (what->room.len)
        memcpy(warm->keys + what->prefix.len, what->room.data, what->room.len);
    warm->what.prefix.data = warm->keys;
    warm->what.room.data = warm->keys + what->prefix.len;
    return warm;
}

struct warming {
    const struct rj_warm *warm;
    const struct rj_env *env;
    struct rj_reader *reader;
    void (*rest)(void *ctx, struct rj_reader *reader);
    void *ctx;
};

static void touch(MDB_val value)
{
    const volatile uint8_t *bytes = value.mv_data;
    for (size_t at = 0; at < value.mv_size; at += PAGE_BYTES)
        (void)bytes[at];
    if (value.mv_size)
        (void)bytes[value.mv_size - 1];
}

static void touch_key(const struct warming *warming, MDB_dbi table, const void *key, size_t len)
{
    MDB_val name = rj_val(key, len), value;
    if (table != RJ_ENV_NO_TABLE && mdb_get(warming->reader->txn, table, &name, &value) == 0)
        touch(value);
}

/* The records that the index names from the cursor on, in its direction. */
static void touch_records(const struct warming *warming, rj_room_id room, MDB_cursor_op op, uint64_t seq)
{
    uint8_t name[RJ_INDEX_KEY];
    rj_layout_index_key(name, room, seq);
    MDB_val key = rj_val(name, sizeof name), value;
    int rc = mdb_cursor_get(warming->reader->index, &key, &value, MDB_SET_RANGE);
    if (op == MDB_PREV)
        rc = mdb_cursor_get(warming->reader->index, &key, &value, rc ? MDB_LAST : MDB_PREV);
    for (size_t i = 0; rc == 0 && i < warming->warm->what.records; i++) {
        struct rj_index_entry entry;
        rj_room_id found;
        if (!rj_layout_index_key_parse(rj_val_span(key), &found, &seq) || found != room ||
            !rj_layout_entry_decode(rj_val_span(value), &entry))
            return;
        touch_key(warming, warming->env->log, &entry.pos, sizeof entry.pos);
        rc = mdb_cursor_get(warming->reader->index, &key, &value, op);
    }
}

/* The first and the last entry of its index are what loading it looks at. */
static void touch_index(const struct warming *warming, rj_room_id room)
{
    uint8_t name[RJ_INDEX_KEY];
    MDB_val key = rj_val(name, sizeof name), value;
    rj_layout_index_key(name, room, 0);
    mdb_cursor_get(warming->reader->index, &key, &value, MDB_SET_RANGE);
    rj_layout_index_key(name, room, UINT64_MAX);
    key = rj_val(name, sizeof name);
    MDB_cursor_op back =
        mdb_cursor_get(warming->reader->index, &key, &value, MDB_SET_RANGE) ? MDB_LAST : MDB_PREV;
    mdb_cursor_get(warming->reader->index, &key, &value, back);
}

static void touch_room_id(const struct warming *warming, rj_room_id room)
{
    uint8_t name[RJ_ROOM_KEY];
    rj_layout_room_key(name, room);
    touch_key(warming, warming->env->room_states, name, sizeof name);
    touch_key(warming, warming->env->names, name, sizeof name);
    touch_index(warming, room);
}

static rj_room_id touch_room(const struct warming *warming, struct rj_span room_key)
{
    MDB_val key = rj_val(room_key.data, room_key.len), value;
    if (room_key.len == 0 || room_key.len > RJ_STORE_KEY_MAX ||
        mdb_get(warming->reader->txn, warming->env->rooms, &key, &value) || value.mv_size != sizeof(uint32_t))
        return 0;
    rj_room_id room = rj_get_u32(value.mv_data);
    touch_room_id(warming, room);
    return room;
}

static rj_room_id id_at_end(struct rj_span key)
{
    rj_room_id id = 0;
    for (size_t i = key.len - 4; i < key.len; i++)
        id = id << 8 | key.data[i];
    return id;
}

/* The pairs under the prefix, and the rooms that their keys name. The keys are copied: a snapshot may rest
 * between two of them. */
static void touch_pairs(const struct warming *warming, MDB_dbi table)
{
    const struct rj_store_warm *what = &warming->warm->what;
    struct rj_buf at = {0};
    rj_buf_put_span(&at, what->prefix);
    for (size_t i = 0; i < what->pairs; i++) {
        MDB_cursor *cursor;
        MDB_val key = rj_val(at.data, at.len), value;
        if (mdb_cursor_open(warming->reader->txn, table, &cursor))
            break;
        int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
        if (rc == 0 && i > 0 && rj_span_eq(rj_val_span(key), rj_buf_span(&at)))
            rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
        bool is_under = rc == 0 && key.mv_size >= what->prefix.len &&
                        memcmp(key.mv_data, what->prefix.data, what->prefix.len) == 0;
        if (is_under) {
            touch(value);
            rj_buf_clear(&at);
            rj_buf_put(&at, key.mv_data, key.mv_size);
        }
        mdb_cursor_close(cursor);
        if (!is_under)
            break;
        if (what->room_at && at.len > what->room_at)
            touch_room(warming, rj_span_from(rj_buf_span(&at), what->room_at));
        if (what->has_room_ids && at.len > what->prefix.len + 3)
            touch_room_id(warming, id_at_end(rj_buf_span(&at)));
        warming->rest(warming->ctx, warming->reader);
    }
    rj_buf_free(&at);
}

void rj_warm_run(const struct rj_warm *warm, const struct rj_env *env, struct rj_reader *reader,
                 void (*rest)(void *ctx, struct rj_reader *reader), void *ctx)
{
    const struct warming warming = {warm, env, reader, rest, ctx};
    const struct rj_store_warm *what = &warm->what;
    for (int table = 0; what->prefix.len && table < RJ_TABLE_COUNT; table++)
        touch_pairs(&warming, env->kv[table]);
    rj_room_id room = touch_room(&warming, what->room);
    if (room && what->records && what->order == RJ_HISTORY_FORWARD && what->seq < UINT64_MAX)
        touch_records(&warming, room, MDB_NEXT, what->seq + 1);
    else if (room && what->records)
        touch_records(&warming, room, MDB_PREV, what->seq);
}
