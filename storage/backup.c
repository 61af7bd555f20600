#include "storage/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/folder.h"
#include "storage/inspect.h"
#include "storage/layout.h"

enum { MARK_BYTES = 1 << 20 }; /* room for the pages that the mark takes, in whole pages of any size */

/* Where a copy grows. */
struct draft {
    char dest[PATH_MAX];        /* without trailing slashes */
    char folder[PATH_MAX + 16]; /* its sibling, on the same file system: so it can be renamed */
    char file[PATH_MAX + 32];
};

static enum rj_status failed(struct rj_buf *why, const char *doing, const char *path, int rc)
{
    rj_buf_printf(why, "cannot %s %s: %s", doing, path, mdb_strerror(rc));
    return rj_env_status(rc);
}

static enum rj_status not_empty(struct rj_buf *why, const char *path)
{
    rj_buf_printf(why, "%s is there already and not an empty folder", path);
    return RJ_CONFLICT;
}

/* Only to say so before the work; the rename at its end is what holds. */
static enum rj_status check_dest(const char *path, struct rj_buf *why)
{
    DIR *folder = opendir(path);
    if (!folder && errno == ENOENT)
        return RJ_OK;
    if (!folder)
        return errno == ENOTDIR ? not_empty(why, path) : failed(why, "read", path, errno);
    size_t n = 0;
    for (const struct dirent *entry; (entry = readdir(folder));)
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(folder);
    return n ? not_empty(why, path) : RJ_OK;
}

static enum rj_status begin(struct draft *draft, const char *dest, struct rj_buf *why)
{
    size_t len = strlen(dest);
    while (len > 1 && dest[len - 1] == '/')
        len--;
    if (len >= sizeof draft->dest - 16)
        return failed(why, "use", dest, ENAMETOOLONG);
    memcpy(draft->dest, dest, len);
    draft->dest[len] = '\0';
    enum rj_status status = check_dest(draft->dest, why);
    if (status)
        return status;
    snprintf(draft->folder, sizeof draft->folder, "%s.part-XXXXXX", draft->dest);
    if (!mkdtemp(draft->folder))
        return failed(why, "create", draft->folder, errno);
    snprintf(draft->file, sizeof draft->file, "%s/data.mdb", draft->folder);
    return RJ_OK;
}

static int copy(struct rj_inspect *source, const struct draft *draft, bool compact)
{
    int fd = open(draft->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    int rc = mdb_env_copyfd2(source->env.mdb, fd, compact ? MDB_CP_COMPACT : 0);
    if (rc == 0 && fsync(fd) < 0)
        rc = errno;
    if (close(fd) < 0 && rc == 0)
        rc = errno;
    return rc ? rc : rj_folder_sync(draft->folder);
}

static int put_mark(struct rj_env *env)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(env->mdb, NULL, 0, &txn);
    if (rc)
        return rc;
    rc = mdb_dbi_open(txn, "meta", 0, &env->meta);
    if (rc == 0)
        rc = rj_env_meta_put(env, txn, RJ_META_COPY, 1);
    if (rc) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

/* Whoever opens the copy one day must know that it is one: the store that it was taken from went on. */
static int mark(const struct draft *draft)
{
    struct stat info;
    struct rj_env env = {.lock_fd = -1};
    if (stat(draft->file, &info) < 0)
        return errno;
    int rc = mdb_env_create(&env.mdb);
    if (rc)
        return rc;
    rc = mdb_env_set_maxdbs(env.mdb, RJ_ENV_TABLES_MAX);
    if (rc == 0)
        rc = mdb_env_set_mapsize(env.mdb, (size_t)info.st_size + MARK_BYTES);
    if (rc == 0)
        rc = mdb_env_open(env.mdb, draft->file, MDB_NOSUBDIR | MDB_NOLOCK, 0600);
    if (rc == 0)
        rc = put_mark(&env);
    mdb_env_close(env.mdb);
    return rc;
}

/* Opens what was written, as a later restore would. */
static enum rj_status look(const struct draft *draft, struct rj_backup *out, struct rj_buf *why)
{
    struct rj_inspect written;
    struct stat info;
    char lock[PATH_MAX + 32];
    enum rj_status status = rj_inspect_open(&written, draft->folder, RJ_INSPECT_ALONE, why);
    if (status)
        return status;
    status = rj_inspect_last_pos(&written, &out->last_pos);
    rj_inspect_close(&written);
    snprintf(lock, sizeof lock, "%s/owner.lock", draft->folder);
    unlink(lock);
    if (status) {
        rj_buf_printf(why, "the copy cannot be read: %s", rj_status_text(status));
        return status;
    }
    if (stat(draft->file, &info) < 0)
        return failed(why, "read", draft->file, errno);
    out->bytes = (uint64_t)info.st_size;
    return RJ_OK;
}

static enum rj_status publish(const struct draft *draft, struct rj_buf *why)
{
    if (rename(draft->folder, draft->dest) < 0)
        return errno == ENOTEMPTY || errno == EEXIST ? not_empty(why, draft->dest)
                                                     : failed(why, "name the copy", draft->dest, errno);
    int rc = rj_folder_sync_parent(draft->dest);
    return rc ? failed(why, "sync the folder of", draft->dest, rc) : RJ_OK;
}

static void discard(const struct draft *draft)
{
    char lock[PATH_MAX + 32];
    snprintf(lock, sizeof lock, "%s/owner.lock", draft->folder);
    unlink(lock);
    unlink(draft->file);
    rmdir(draft->folder);
}

enum rj_status rj_backup_take(const char *path, const char *dest, bool compact, struct rj_backup *out,
                              struct rj_buf *why)
{
    struct rj_inspect source;
    struct draft draft;
    struct rj_backup backup = {0};
    enum rj_status status = rj_inspect_open(&source, path, RJ_INSPECT_BESIDE, why);
    if (status)
        return status;
    status = begin(&draft, dest, why);
    if (status) {
        rj_inspect_close(&source);
        return status;
    }
    int rc = copy(&source, &draft, compact);
    if (rc == 0)
        rc = mark(&draft);
    rj_inspect_close(&source);
    if (rc)
        status = failed(why, "write", draft.file, rc);
    if (status == RJ_OK)
        status = look(&draft, &backup, why);
    if (status == RJ_OK)
        status = publish(&draft, why);
    if (status)
        discard(&draft);
    else
        *out = backup;
    return status;
}
