#include "storage/env.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/log.h"
#include "storage/layout.h"

enum { TABLES_MAX = 16 };

static const uint64_t default_map_bytes = (uint64_t)1 << 40;

enum rj_status rj_env_status(int rc)
{
    switch (rc) {
    case MDB_SUCCESS: return RJ_OK;
    case MDB_NOTFOUND: return RJ_NOT_FOUND;
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT: return RJ_FULL;
    case MDB_VERSION_MISMATCH: return RJ_VERSION;
    case MDB_INVALID:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND: return RJ_CORRUPT;
    default: return RJ_IO;
    }
}

void rj_env_fail(const char *doing, int rc)
{
    rj_log(RJ_LOG_ERROR, "store_failed", RJ_KV_STR("doing", doing), RJ_KV_STR("error", mdb_strerror(rc)));
    _exit(RJ_STORE_FAILED_EXIT);
}

static enum rj_status take_folder(struct rj_env *env, const char *path, struct rj_buf *why)
{
    char lock_path[PATH_MAX];
    if (mkdir(path, 0700) < 0 && errno != EEXIST) {
        rj_buf_printf(why, "cannot create %s: %s", path, strerror(errno));
        return rj_env_status(errno);
    }
    if (snprintf(lock_path, sizeof lock_path, "%s/owner.lock", path) >= (int)sizeof lock_path) {
        rj_buf_printf(why, "the path is too long: %s", path);
        return RJ_IO;
    }
    env->lock_fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (env->lock_fd < 0) {
        rj_buf_printf(why, "cannot open %s: %s", lock_path, strerror(errno));
        return rj_env_status(errno);
    }
    if (flock(env->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        rj_buf_printf(why, "another process has %s open", path);
        return RJ_CONFLICT;
    }
    return RJ_OK;
}

bool rj_env_meta_get(const struct rj_env *env, MDB_txn *txn, const char *name, uint64_t *value)
{
    MDB_val key = rj_val(name, strlen(name)), val;
    if (mdb_get(txn, env->meta, &key, &val) || val.mv_size != sizeof *value)
        return false;
    *value = rj_get_u64(val.mv_data);
    return true;
}

int rj_env_meta_put(const struct rj_env *env, MDB_txn *txn, const char *name, uint64_t value)
{
    uint8_t bytes[8];
    rj_put_u64(bytes, value);
    MDB_val key = rj_val(name, strlen(name)), val = rj_val(bytes, sizeof bytes);
    return mdb_put(txn, env->meta, &key, &val, 0);
}

/* Says which format it is before anything of a newer one is touched. */
static int check_format(struct rj_env *env, MDB_txn *txn, bool create, uint64_t *format)
{
    int rc = mdb_dbi_open(txn, "meta", create ? MDB_CREATE : 0, &env->meta);
    if (rc)
        return rc;
    if (rj_env_meta_get(env, txn, RJ_META_FORMAT, format))
        return *format > RJ_FORMAT ? MDB_VERSION_MISMATCH : 0;
    if (!create)
        return MDB_NOTFOUND;
    *format = RJ_FORMAT;
    return rj_env_meta_put(env, txn, RJ_META_FORMAT, RJ_FORMAT);
}

int rj_env_open_tables(struct rj_env *env, MDB_txn *txn, bool create, uint64_t *format)
{
    const struct {
        const char *name;
        unsigned flags;
        MDB_dbi *dbi;
        bool may_lack; /* the first stores had none, and are whole without it */
    } tables[] = {
        {"log", MDB_INTEGERKEY, &env->log, false},
        {"ridx", 0, &env->index, false},
        {"rooms", 0, &env->rooms, false},
        {"roomst", 0, &env->room_states, false},
        {"epochs", MDB_INTEGERKEY, &env->epochs, false},
        {"session", 0, &env->kv[RJ_TABLE_SESSION], false},
        {"cursor", 0, &env->kv[RJ_TABLE_CURSOR], false},
        {"service", 0, &env->kv[RJ_TABLE_SERVICE], true},
    };
    int rc = check_format(env, txn, create, format);
    for (size_t i = 0; rc == 0 && i < sizeof tables / sizeof tables[0]; i++) {
        rc = mdb_dbi_open(txn, tables[i].name, tables[i].flags | (create ? MDB_CREATE : 0), tables[i].dbi);
        if (rc == MDB_NOTFOUND && tables[i].may_lack) {
            *tables[i].dbi = 0;
            rc = 0;
        }
    }
    return rc;
}

static int open_tables(struct rj_env *env, uint64_t *format)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(env->mdb, NULL, 0, &txn);
    if (rc)
        return rc;
    rc = rj_env_open_tables(env, txn, true, format);
    if (rc) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

static int open_map(struct rj_env *env, const char *path)
{
    int rc = mdb_env_create(&env->mdb);
    if (rc == 0)
        rc = mdb_env_set_maxdbs(env->mdb, TABLES_MAX);
    if (rc == 0)
        rc = mdb_env_set_mapsize(env->mdb, env->map_bytes);
    if (rc == 0)
        rc = mdb_env_open(env->mdb, path, MDB_NORDAHEAD | MDB_NOTLS, 0600);
    if (rc == 0)
        rc = mdb_reader_check(env->mdb, NULL);
    return rc;
}

void rj_env_say_newer(const char *path, uint64_t format, struct rj_buf *why)
{
    rj_buf_printf(why, "%s has format %llu; this program knows up to %d", path, (unsigned long long)format,
                  RJ_FORMAT);
}

enum rj_status rj_env_open(struct rj_env *env, const char *path, uint64_t map_bytes, struct rj_buf *why)
{
    uint64_t format = 0;
    *env = (struct rj_env){.lock_fd = -1, .map_bytes = map_bytes ? map_bytes : default_map_bytes};
    pthread_mutex_init(&env->map_lock, NULL);
    enum rj_status status = take_folder(env, path, why);
    if (status)
        return status;
    int rc = open_map(env, path);
    while (rc == 0 && (rc = open_tables(env, &format)) == MDB_MAP_FULL)
        rc = rj_env_grow(env);
    if (rc == 0)
        return RJ_OK;
    if (rc == MDB_VERSION_MISMATCH && format > RJ_FORMAT)
        rj_env_say_newer(path, format, why);
    else
        rj_buf_printf(why, "cannot open the log in %s: %s", path, mdb_strerror(rc));
    return rj_env_status(rc);
}

static void free_reader(struct rj_reader *reader)
{
    mdb_cursor_close(reader->log);
    mdb_cursor_close(reader->index);
    mdb_txn_abort(reader->txn);
}

void rj_env_close(struct rj_env *env)
{
    while (env->n_spare)
        free_reader(&env->spare[--env->n_spare]);
    if (env->mdb) {
        mdb_env_close(env->mdb);
        env->mdb = NULL;
    }
    if (env->lock_fd >= 0)
        close(env->lock_fd);
    env->lock_fd = -1;
    pthread_mutex_destroy(&env->map_lock);
}

static int new_reader(struct rj_env *env, struct rj_reader *reader)
{
    int rc = mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, &reader->txn);
    if (rc == 0)
        rc = mdb_cursor_open(reader->txn, env->log, &reader->log);
    if (rc == 0)
        rc = mdb_cursor_open(reader->txn, env->index, &reader->index);
    return rc;
}

static int renew_reader(struct rj_reader *reader)
{
    int rc = mdb_txn_renew(reader->txn);
    if (rc == 0)
        rc = mdb_cursor_renew(reader->txn, reader->log);
    if (rc == 0)
        rc = mdb_cursor_renew(reader->txn, reader->index);
    return rc;
}

struct rj_reader rj_env_read(struct rj_env *env)
{
    struct rj_reader reader;
    int rc;
    if (env->reading++ == 0)
        pthread_mutex_lock(&env->map_lock);
    if (env->n_spare) {
        reader = env->spare[--env->n_spare];
        rc = renew_reader(&reader);
    } else {
        rc = new_reader(env, &reader);
    }
    if (rc)
        rj_env_fail("beginning a read", rc);
    return reader;
}

void rj_env_read_done(struct rj_env *env, struct rj_reader *reader)
{
    if (env->n_spare < RJ_ENV_SPARE_READERS) {
        mdb_txn_reset(reader->txn);
        env->spare[env->n_spare++] = *reader;
    } else {
        free_reader(reader);
    }
    if (--env->reading == 0)
        pthread_mutex_unlock(&env->map_lock);
}

int rj_env_grow(struct rj_env *env)
{
    pthread_mutex_lock(&env->map_lock);
    env->map_bytes *= 2;
    int rc = mdb_env_set_mapsize(env->mdb, env->map_bytes);
    pthread_mutex_unlock(&env->map_lock);
    return rc;
}

uint64_t rj_env_used_bytes(const struct rj_env *env)
{
    MDB_envinfo info;
    MDB_stat stat;
    if (mdb_env_info(env->mdb, &info) || mdb_env_stat(env->mdb, &stat))
        return 0;
    return (uint64_t)(info.me_last_pgno + 1) * stat.ms_psize;
}
