/* The LMDB environment: the folder and its lock, the tables, read transactions and the growth of the map.
 *
 * The owner thread reads through rj_env_read; each reader thread has a reader of its own; the log thread
 * begins its own write transactions. A reader is a snapshot: it lives inside one call of store.h, or a few
 * dozen milliseconds in a reader thread, never longer, because the pages that it sees cannot be reused
 * meanwhile. The owner's reads nest (a visitor may read): the map cannot move while any is open.
 */
#ifndef RJ_ENV_H
#define RJ_ENV_H

#include <limits.h>
#include <lmdb.h>
#include <pthread.h>

#include "storage/store.h"

enum { RJ_ENV_SPARE_READERS = 4, RJ_ENV_TABLES_MAX = 16 };

struct rj_reader {
    MDB_txn *txn;
    MDB_cursor *log; /* one cursor on each of the tables that are walked */
    MDB_cursor *index;
};

struct rj_env {
    MDB_env *mdb;
    MDB_dbi log, index, rooms, names, receipts, room_states, floors, epochs, meta;
    MDB_dbi kv[RJ_TABLE_COUNT];
    int lock_fd;
    uint64_t map_bytes;
    /* Shared by those who read, held alone by the log thread while it grows the map: LMDB moves the map then,
     * which no transaction of this process may see. Who waits to grow goes first, so a thread takes it once,
     * however its reads nest. */
    pthread_rwlock_t map_lock;
    unsigned reading; /* nested reads of the owner */
    struct rj_reader spare[RJ_ENV_SPARE_READERS];
    unsigned n_spare;
};

/* Opens or creates; errors as rj_store_open. Whatever it answers, end with rj_env_close. */
enum rj_status rj_env_open(struct rj_env *env, const char *path, uint64_t map_bytes, struct rj_buf *why);

/* A table that this store, last opened by an older program, does not have. */
#define RJ_ENV_NO_TABLE UINT_MAX

/* Opens the tables inside `txn`, which is to be committed then; `create` makes those that are missing, else
 * they are MDB_NOTFOUND (but those that older programs did not make are RJ_ENV_NO_TABLE then).
 * MDB_VERSION_MISMATCH: *format is above RJ_FORMAT, and no table but meta was opened.
 */
int rj_env_open_tables(struct rj_env *env, MDB_txn *txn, bool create, uint64_t *format);

/* The sentence for it. */
void rj_env_say_newer(const char *path, uint64_t format, struct rj_buf *why);

/* No transaction may be open. */
void rj_env_close(struct rj_env *env);

/* What an LMDB or errno code means to a caller of store.h. */
enum rj_status rj_env_status(int rc);

/* A write that a full disk cuts short comes out of LMDB as EIO: ENOSPC then, else `rc`. */
int rj_env_disk_error(const struct rj_env *env, int rc);

/* A snapshot of what is committed. Ends the process when LMDB cannot give one. */
struct rj_reader rj_env_read(struct rj_env *env);
void rj_env_read_done(struct rj_env *env, struct rj_reader *reader);

/* The same for another thread: its own reader, zeroed before its first use, is begun, ended and begun again;
 * and freed at last, while it is not begun. */
void rj_env_reader_begin(struct rj_env *env, struct rj_reader *reader);
void rj_env_reader_end(struct rj_env *env, struct rj_reader *reader);
void rj_env_reader_free(struct rj_reader *reader);

/* Doubles the map. Called by the log thread with no transaction of its own; waits for all readers. */
int rj_env_grow(struct rj_env *env);

/* Address space may be short (a limit of the process, a sanitizer's shadow), and a map grows when it must.
 * Whether an open that has failed with `rc` is to be tried once more, with a map of `*map_bytes` (0: as large
 * as by default), halved here.
 */
bool rj_env_try_smaller(int rc, uint64_t *map_bytes);

uint64_t rj_env_used_bytes(const struct rj_env *env);

/* A number in the meta table. False when it was never written. */
bool rj_env_meta_get(const struct rj_env *env, MDB_txn *txn, const char *name, uint64_t *value);
int rj_env_meta_put(const struct rj_env *env, MDB_txn *txn, const char *name, uint64_t value);

/* The disk or the store is beyond use: one line in the log, exit code RJ_STORE_FAILED_EXIT. */
_Noreturn void rj_env_fail(const char *doing, int rc);

static inline MDB_val rj_val(const void *data, size_t len)
{
    return (MDB_val){.mv_size = len, .mv_data = (void *)(uintptr_t)data};
}

static inline struct rj_span rj_val_span(MDB_val val)
{
    return rj_span_of(val.mv_data, val.mv_size);
}

#endif
