#include "storage/env.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "proto/base/log.h"
#include "storage/create.h"
#include "storage/folder.h"
#include "storage/layout.h"
#include "storage/migrate.h"

static const uint64_t default_map_bytes = (uint64_t)1 << 40, least_map_bytes = (uint64_t)1 << 26;

enum rj_status rj_env_status(int rc)
{
    switch (rc) {
    case MDB_SUCCESS: return RJ_OK;
    case MDB_NOTFOUND: return RJ_NOT_FOUND;
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return RJ_FULL;
    case MDB_VERSION_MISMATCH: return RJ_VERSION;
    case MDB_INVALID:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND: return RJ_CORRUPT;
    default: return RJ_IO;
    }
}

/* A disk that fails under the log thread may fail under the owner, too: the first one speaks. */
void rj_env_fail(const char *doing, int rc)
{
    static atomic_flag is_ending = ATOMIC_FLAG_INIT;
    while (atomic_flag_test_and_set(&is_ending))
        pause();
    rj_log(RJ_LOG_ERROR, "store_failed", RJ_KV_STR("doing", doing), RJ_KV_STR("error", mdb_strerror(rc)));
    _exit(RJ_STORE_FAILED_EXIT);
}

/* The map shows what the disk gives: a page that cannot be read, or that lies behind the end of a file cut
 * short, is no error code but this signal, in the thread that looks at it. One that was sent is not ours. In
 * a handler the log's own functions are out of reach. */
static void on_bus_error(int number, siginfo_t *info, void *context)
{
    static const char line[] = "level=error event=store_failed doing=\"reading a page of the log\" "
                               "error=\"the disk failed, or the file is cut short\"\n";
    (void)context;
    if (info->si_code > 0) {
        ssize_t written = write(STDERR_FILENO, line, sizeof line - 1);
        (void)written;
        _exit(RJ_STORE_FAILED_EXIT);
    }
    signal(number, SIG_DFL);
    raise(number);
}

static void take_signals(void)
{
    const struct {
        int number;
        struct sigaction action;
    } ours[] = {
        {SIGBUS, {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO}},
        {SIGXFSZ, {.sa_handler = SIG_IGN}}, /* so that a limit of the file size is the error EFBIG */
    };
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        struct sigaction before;
        sigaction(ours[i].number, NULL, &before);
        if (!(before.sa_flags & SA_SIGINFO) && before.sa_handler == SIG_DFL)
            sigaction(ours[i].number, &ours[i].action, NULL);
    }
}

/* LMDB found its own pages impossible. */
static void on_lmdb_assert(MDB_env *mdb, const char *text)
{
    (void)mdb, (void)text;
    rj_env_fail("walking the pages of the log", MDB_CORRUPTED);
}

int rj_env_disk_error(const struct rj_env *env, int rc)
{
    struct statvfs disk;
    if (rc == EIO && fstatvfs(env->lock_fd, &disk) == 0 && disk.f_bavail == 0)
        return ENOSPC;
    return rc;
}

static enum rj_status take_folder(struct rj_env *env, const char *path, struct rj_buf *why)
{
    char lock_path[PATH_MAX];
    bool is_new = mkdir(path, 0700) == 0;
    int rc = is_new ? rj_folder_sync_parent(path) : errno;
    if (rc && rc != EEXIST) {
        rj_buf_printf(why, "cannot create %s: %s", path, strerror(rc));
        return rj_env_status(rc);
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
        uint64_t since;   /* format */
        bool is_optional; /* one that was added without a new format: a store that was not open since lacks it
                           */
    } tables[] = {
        {"log", MDB_INTEGERKEY, &env->log, 1, false},
        {"ridx", 0, &env->index, 1, false},
        {"rooms", 0, &env->rooms, 1, false},
        {"names", 0, &env->names, 2, false},
        {"roomst", 0, &env->room_states, 1, false},
        {"floors", MDB_INTEGERKEY, &env->floors, 2, false},
        {"receipts", MDB_INTEGERKEY, &env->receipts, 2, false},
        {"epochs", MDB_INTEGERKEY, &env->epochs, 1, false},
        {"session", 0, &env->kv[RJ_TABLE_SESSION], 1, false},
        {"cursor", 0, &env->kv[RJ_TABLE_CURSOR], 1, false},
        {"service", 0, &env->kv[RJ_TABLE_SERVICE], 2, false},
        {"presence", 0, &env->kv[RJ_TABLE_PRESENCE], 2, true},
    };
    int rc = check_format(env, txn, create, format);
    for (size_t i = 0; rc == 0 && i < sizeof tables / sizeof tables[0]; i++) {
        rc = mdb_dbi_open(txn, tables[i].name, tables[i].flags | (create ? MDB_CREATE : 0), tables[i].dbi);
        if (rc == MDB_NOTFOUND && (*format < tables[i].since || tables[i].is_optional)) {
            *tables[i].dbi = RJ_ENV_NO_TABLE;
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
    if (rc == 0 && *format < RJ_FORMAT)
        rc = rj_migrate(env, txn, *format);
    if (rc) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

bool rj_env_try_smaller(int rc, uint64_t *map_bytes)
{
    uint64_t bytes = *map_bytes ? *map_bytes : default_map_bytes;
    if (rc != ENOMEM || bytes <= least_map_bytes)
        return false;
    *map_bytes = bytes / 2;
    return true;
}

static int try_map(struct rj_env *env, const char *path)
{
    int rc = mdb_env_create(&env->mdb);
    if (rc == 0)
        rc = mdb_env_set_assert(env->mdb, on_lmdb_assert);
    if (rc == 0)
        rc = mdb_env_set_maxdbs(env->mdb, RJ_ENV_TABLES_MAX);
    if (rc == 0)
        rc = mdb_env_set_mapsize(env->mdb, env->map_bytes);
    if (rc == 0)
        rc = mdb_env_open(env->mdb, path, MDB_NORDAHEAD | MDB_NOTLS, 0600);
    if (rc == 0)
        rc = mdb_reader_check(env->mdb, NULL);
    return rc;
}

static int open_map(struct rj_env *env, const char *path)
{
    uint64_t wanted = env->map_bytes;
    int rc;
    while (rj_env_try_smaller(rc = try_map(env, path), &env->map_bytes)) {
        mdb_env_close(env->mdb);
        env->mdb = NULL;
    }
    if (rc == 0 && env->map_bytes < wanted)
        rj_log(RJ_LOG_INFO, "store_map_smaller", RJ_KV_U64("bytes", env->map_bytes));
    return rc;
}

void rj_env_say_newer(const char *path, uint64_t format, struct rj_buf *why)
{
    rj_buf_printf(why, "%s has format %llu; this program knows up to %d", path, (unsigned long long)format,
                  RJ_FORMAT);
}

static void init_map_lock(struct rj_env *env)
{
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&env->map_lock, &attr);
    pthread_rwlockattr_destroy(&attr);
}

enum rj_status rj_env_open(struct rj_env *env, const char *path, uint64_t map_bytes, struct rj_buf *why)
{
    uint64_t format = 0;
    *env = (struct rj_env){.lock_fd = -1, .map_bytes = map_bytes ? map_bytes : default_map_bytes};
    init_map_lock(env);
    enum rj_status status = take_folder(env, path, why);
    if (status)
        return status;
    take_signals();
    int rc = rj_env_create(path);
    if (rc == 0)
        rc = open_map(env, path);
    while (rc == 0 && (rc = open_tables(env, &format)) == MDB_MAP_FULL)
        rc = rj_env_grow(env);
    if (rc == 0)
        return RJ_OK;
    rc = rj_env_disk_error(env, rc);
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
    pthread_rwlock_destroy(&env->map_lock);
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
        pthread_rwlock_rdlock(&env->map_lock);
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
        pthread_rwlock_unlock(&env->map_lock);
}

void rj_env_reader_begin(struct rj_env *env, struct rj_reader *reader)
{
    pthread_rwlock_rdlock(&env->map_lock);
    int rc = reader->txn ? renew_reader(reader) : new_reader(env, reader);
    if (rc)
        rj_env_fail("beginning a read", rc);
}

void rj_env_reader_end(struct rj_env *env, struct rj_reader *reader)
{
    mdb_txn_reset(reader->txn);
    pthread_rwlock_unlock(&env->map_lock);
}

void rj_env_reader_free(struct rj_reader *reader)
{
    if (reader->txn)
        free_reader(reader);
    *reader = (struct rj_reader){0};
}

int rj_env_grow(struct rj_env *env)
{
    pthread_rwlock_wrlock(&env->map_lock);
    env->map_bytes *= 2;
    int rc = mdb_env_set_mapsize(env->mdb, env->map_bytes);
    pthread_rwlock_unlock(&env->map_lock);
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
