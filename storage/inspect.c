#include "storage/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/layout.h"

enum {
    /* Of one call of rj_inspect_read. */
    READ_RECORDS = 2000,
    READ_BYTES = 8 << 20,
};

static enum rj_status say(struct rj_buf *why, enum rj_status status, const char *path, int rc)
{
    rj_buf_printf(why, "cannot open the log in %s: %s", path, mdb_strerror(rc));
    return status;
}

static enum rj_status find_log(const char *path, struct rj_buf *why)
{
    char file[PATH_MAX];
    struct stat info;
    if (snprintf(file, sizeof file, "%s/data.mdb", path) >= (int)sizeof file)
        return say(why, RJ_IO, path, ENAMETOOLONG);
    if (stat(file, &info) == 0)
        return RJ_OK;
    if (errno != ENOENT && errno != ENOTDIR)
        return say(why, RJ_IO, path, errno);
    rj_buf_printf(why, "there is no log in %s", path);
    return RJ_NOT_FOUND;
}

/* Holds brokers off. Where the lock file is missing and cannot be made, no broker can open the store either.
 */
static enum rj_status take_folder(struct rj_env *env, const char *path, struct rj_buf *why)
{
    char file[PATH_MAX];
    if (snprintf(file, sizeof file, "%s/owner.lock", path) >= (int)sizeof file)
        return say(why, RJ_IO, path, ENAMETOOLONG);
    env->lock_fd = open(file, O_RDONLY | O_CLOEXEC);
    if (env->lock_fd < 0 && errno == ENOENT) {
        env->lock_fd = open(file, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
        if (env->lock_fd < 0 && (errno == EROFS || errno == EACCES))
            return RJ_OK;
    }
    if (env->lock_fd < 0)
        return say(why, RJ_IO, path, errno);
    if (flock(env->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return RJ_OK;
    rj_buf_printf(why, "a broker has %s open: stop it first, or look at a backup", path);
    return RJ_CONFLICT;
}

/* Without LMDB's locks nothing is written at all, which is right for who is alone. */
static int try_map(struct rj_env *env, const char *path, enum rj_inspect_mode mode)
{
    unsigned flags = MDB_RDONLY | MDB_NOTLS | (mode == RJ_INSPECT_ALONE ? MDB_NOLOCK : 0);
    int rc = mdb_env_create(&env->mdb);
    if (rc == 0)
        rc = mdb_env_set_maxdbs(env->mdb, RJ_ENV_TABLES_MAX);
    if (rc == 0 && env->map_bytes) /* else as large as its owner's */
        rc = mdb_env_set_mapsize(env->mdb, env->map_bytes);
    if (rc == 0)
        rc = mdb_env_open(env->mdb, path, flags, 0600);
    if (rc == 0 && mode == RJ_INSPECT_BESIDE)
        rc = mdb_reader_check(env->mdb, NULL);
    return rc;
}

static int open_map(struct rj_env *env, const char *path, enum rj_inspect_mode mode)
{
    int rc;
    while (rj_env_try_smaller(rc = try_map(env, path, mode), &env->map_bytes)) {
        mdb_env_close(env->mdb);
        env->mdb = NULL;
    }
    return rc;
}

int rj_inspect_begin(struct rj_inspect *inspect, MDB_txn **out)
{
    int rc = mdb_txn_begin(inspect->env.mdb, NULL, MDB_RDONLY, out);
    if (rc != MDB_MAP_RESIZED)
        return rc;
    rc = mdb_env_set_mapsize(inspect->env.mdb, 0); /* the broker's map has grown: take its size */
    return rc ? rc : mdb_txn_begin(inspect->env.mdb, NULL, MDB_RDONLY, out);
}

static int open_tables(struct rj_inspect *inspect)
{
    MDB_txn *txn;
    int rc = rj_inspect_begin(inspect, &txn);
    if (rc)
        return rc;
    rc = rj_env_open_tables(&inspect->env, txn, false, &inspect->format);
    if (rc) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

static enum rj_status open_log(struct rj_inspect *inspect, const char *path, enum rj_inspect_mode mode,
                               struct rj_buf *why)
{
    enum rj_status status = find_log(path, why);
    if (status == RJ_OK && mode == RJ_INSPECT_ALONE)
        status = take_folder(&inspect->env, path, why);
    if (status)
        return status;
    int rc = open_map(&inspect->env, path, mode);
    if (rc == 0)
        rc = open_tables(inspect);
    if (rc == MDB_VERSION_MISMATCH && inspect->format > RJ_FORMAT) {
        rj_env_say_newer(path, inspect->format, why);
        return RJ_VERSION;
    }
    if (rc == MDB_NOTFOUND) {
        rj_buf_printf(why, "%s holds an LMDB file that lacks tables of a Rejoin log", path);
        return RJ_CORRUPT;
    }
    return rc ? say(why, rj_env_status(rc), path, rc) : RJ_OK;
}

enum rj_status rj_inspect_open(struct rj_inspect *inspect, const char *path, enum rj_inspect_mode mode,
                               struct rj_buf *why)
{
    *inspect = (struct rj_inspect){.env = {.lock_fd = -1}};
    pthread_rwlock_init(&inspect->env.map_lock, NULL);
    enum rj_status status = open_log(inspect, path, mode, why);
    if (status)
        rj_inspect_close(inspect);
    return status;
}

void rj_inspect_close(struct rj_inspect *inspect)
{
    rj_env_close(&inspect->env);
}

/* ------------------------------------------------------------------------------------------ reading */

static int read_on(MDB_cursor *log, uint64_t from, uint64_t trim_pos, rj_inspect_visit *visit, void *ctx,
                   uint64_t *next)
{
    struct rj_record record;
    size_t records = 0, bytes = 0;
    MDB_val key = rj_val(&from, sizeof from), value;
    int rc = mdb_cursor_get(log, &key, &value, MDB_SET_RANGE);
    for (; rc == 0; rc = mdb_cursor_get(log, &key, &value, MDB_NEXT)) {
        struct rj_inspected seen = {0};
        if (key.mv_size != sizeof seen.pos)
            return MDB_CORRUPTED;
        memcpy(&seen.pos, key.mv_data, sizeof seen.pos);
        if (records++ == READ_RECORDS || bytes >= READ_BYTES) {
            *next = seen.pos;
            return 0;
        }
        bytes += value.mv_size;
        seen.is_trimmed = seen.pos <= trim_pos;
        if (rj_record_decode(rj_val_span(value), seen.pos, &record) == RJ_OK)
            seen.record = &record.fields;
        if (!visit(ctx, &seen))
            break;
    }
    *next = 0;
    return rc == MDB_NOTFOUND ? 0 : rc;
}

enum rj_status rj_inspect_read(struct rj_inspect *inspect, uint64_t from, rj_inspect_visit *visit, void *ctx,
                               uint64_t *next)
{
    MDB_txn *txn;
    MDB_cursor *log;
    uint64_t trim_pos = 0;
    int rc = rj_inspect_begin(inspect, &txn);
    if (rc)
        return rj_env_status(rc);
    rj_env_meta_get(&inspect->env, txn, RJ_META_TRIM_POS, &trim_pos);
    rc = mdb_cursor_open(txn, inspect->env.log, &log);
    if (rc == 0) {
        rc = read_on(log, from, trim_pos, visit, ctx, next);
        mdb_cursor_close(log);
    }
    mdb_txn_abort(txn);
    return rj_env_status(rc);
}

enum rj_status rj_inspect_last_pos(struct rj_inspect *inspect, uint64_t *pos)
{
    MDB_txn *txn;
    MDB_cursor *log;
    MDB_val key, value;
    uint64_t last = 0, trim_pos = 0, last_pos = 0;
    int rc = rj_inspect_begin(inspect, &txn);
    if (rc)
        return rj_env_status(rc);
    rj_env_meta_get(&inspect->env, txn, RJ_META_TRIM_POS, &trim_pos);
    rj_env_meta_get(&inspect->env, txn, RJ_META_LAST_POS, &last_pos);
    rc = mdb_cursor_open(txn, inspect->env.log, &log);
    if (rc == 0) {
        rc = mdb_cursor_get(log, &key, &value, MDB_LAST);
        if (rc == 0)
            memcpy(&last, key.mv_data, sizeof last);
        mdb_cursor_close(log);
    }
    mdb_txn_abort(txn);
    if (rc && rc != MDB_NOTFOUND)
        return rj_env_status(rc);
    last = last > trim_pos ? last : trim_pos;
    *pos = last > last_pos ? last : last_pos;
    return RJ_OK;
}
