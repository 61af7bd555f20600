#include "storage/check_rooms.h"

#include <stdlib.h>

#include "storage/layout.h"

typedef void add_ids(struct rj_buf *ids, struct rj_span key, struct rj_span value);

static void add_id(struct rj_buf *ids, rj_room_id id)
{
    rj_buf_put(ids, &id, sizeof id);
}

static void add_key(struct rj_buf *ids, struct rj_span key, struct rj_span value)
{
    rj_room_id id = 0;
    (void)value;
    if (rj_layout_room_key_parse(key, &id))
        add_id(ids, id);
}

static void add_value(struct rj_buf *ids, struct rj_span key, struct rj_span value)
{
    (void)key;
    if (value.len == sizeof(uint32_t))
        add_id(ids, rj_get_u32(value.data));
}

static void add_floors(struct rj_buf *ids, struct rj_span key, struct rj_span value)
{
    (void)key;
    for (size_t at = 0; at + RJ_FLOOR <= value.len; at += RJ_FLOOR)
        add_id(ids, rj_layout_floor_decode(value.data + at).room);
}

static int add_table(MDB_txn *txn, MDB_dbi table, struct rj_buf *ids, add_ids *add)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    if (table == RJ_ENV_NO_TABLE)
        return 0;
    int rc = mdb_cursor_open(txn, table, &cursor);
    if (rc)
        return rc;
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0)
        add(ids, rj_val_span(key), rj_val_span(value));
    mdb_cursor_close(cursor);
    return 0;
}

static int compare(const void *a, const void *b)
{
    rj_room_id x = *(const rj_room_id *)a, y = *(const rj_room_id *)b;
    return x < y ? -1 : x > y;
}

static size_t make_unique(rj_room_id *ids, size_t n)
{
    size_t n_out = 0;
    qsort(ids, n, sizeof *ids, compare);
    for (size_t i = 0; i < n; i++)
        if (n_out == 0 || ids[n_out - 1] != ids[i])
            ids[n_out++] = ids[i];
    return n_out;
}

int rj_check_room_ids(const struct rj_env *env, MDB_txn *txn, rj_room_id **out, size_t *n)
{
    struct rj_buf ids = {0};
    rj_buf_reserve(&ids, sizeof(rj_room_id)); /* so that there is a list when it is empty */
    int rc = add_table(txn, env->rooms, &ids, add_value);
    if (rc == 0)
        rc = add_table(txn, env->names, &ids, add_key);
    if (rc == 0)
        rc = add_table(txn, env->room_states, &ids, add_key);
    if (rc == 0)
        rc = add_table(txn, env->floors, &ids, add_floors);
    if (rc) {
        rj_buf_free(&ids);
        return rc;
    }
    *out = (rj_room_id *)(void *)ids.data;
    *n = make_unique(*out, ids.len / sizeof **out);
    return 0;
}
