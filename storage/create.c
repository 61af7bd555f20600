#include "storage/create.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "proto/base/fault.h"
#include "storage/folder.h"

enum { MAP_BYTES = 1 << 20 };

/* The commit syncs the file. */
static int write_tables(struct rj_env *env)
{
    MDB_txn *txn;
    uint64_t format = 0;
    int rc = mdb_txn_begin(env->mdb, NULL, 0, &txn);
    if (rc)
        return rc;
    rc = rj_env_open_tables(env, txn, true, &format);
    if (rc) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

static int write_draft(const char *file)
{
    struct rj_env env = {.lock_fd = -1};
    int rc = mdb_env_create(&env.mdb);
    if (rc)
        return rc;
    rc = mdb_env_set_maxdbs(env.mdb, RJ_ENV_TABLES_MAX);
    if (rc == 0)
        rc = mdb_env_set_mapsize(env.mdb, MAP_BYTES);
    if (rc == 0)
        rc = mdb_env_open(env.mdb, file, MDB_NOSUBDIR | MDB_NOLOCK, 0600);
    if (rc == 0)
        rc = write_tables(&env);
    mdb_env_close(env.mdb);
    return rc;
}

int rj_env_create(const char *path)
{
    char file[PATH_MAX], draft[PATH_MAX];
    if (snprintf(file, sizeof file, "%s/" RJ_DATA_FILE, path) >= (int)sizeof file ||
        snprintf(draft, sizeof draft, "%s/" RJ_DATA_FILE ".new", path) >= (int)sizeof draft)
        return ENAMETOOLONG;
    if (access(file, F_OK) == 0)
        return 0;
    if (errno != ENOENT)
        return errno;
    if (unlink(draft) < 0 && errno != ENOENT) /* of a birth that did not come to its end */
        return errno;
    int rc = write_draft(draft);
    if (rc == 0 && RJ_FAULT(STORE_CREATE))
        rc = EIO;
    if (rc == 0 && rename(draft, file) < 0)
        rc = errno;
    return rc ? rc : rj_folder_sync(path);
}
