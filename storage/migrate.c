#include "storage/migrate.h"

#include "proto/base/log.h"
#include "storage/layout.h"

/* names says backwards what rooms says. */
static int write_names(const struct rj_env *env, MDB_txn *txn)
{
    MDB_cursor *rooms;
    MDB_val name, value;
    int rc = mdb_cursor_open(txn, env->rooms, &rooms);
    if (rc)
        return rc;
    while ((rc = mdb_cursor_get(rooms, &name, &value, MDB_NEXT)) == 0) {
        uint8_t id[RJ_ROOM_KEY];
        if (value.mv_size != sizeof(uint32_t)) {
            rc = MDB_CORRUPTED;
            break;
        }
        rj_layout_room_key(id, rj_get_u32(value.mv_data));
        MDB_val key = rj_val(id, sizeof id);
        rc = mdb_put(txn, env->names, &key, &name, 0);
        if (rc)
            break;
    }
    mdb_cursor_close(rooms);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int rj_migrate(const struct rj_env *env, MDB_txn *txn, uint64_t from)
{
    int rc = from < 2 ? write_names(env, txn) : 0;
    if (rc == 0)
        rc = rj_env_meta_put(env, txn, RJ_META_FORMAT, RJ_FORMAT);
    if (rc == 0)
        rj_log(RJ_LOG_INFO, "store_migrated", RJ_KV_U64("from", from), RJ_KV_U64("to", RJ_FORMAT));
    return rc;
}
