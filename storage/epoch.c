#include "storage/epoch.h"

#include <stdlib.h>

#include "proto/base/fault.h"
#include "proto/base/mem.h"
#include "proto/base/random.h"
#include "storage/layout.h"

static void add(struct rj_epochs *epochs, struct rj_epoch epoch)
{
    /* Grown at each power of two. */
    if ((epochs->n & (epochs->n - 1)) == 0)
        epochs->list = rj_realloc(epochs->list, epochs->n ? epochs->n * 2 : 1, sizeof *epochs->list);
    epochs->list[epochs->n++] = epoch;
}

static int read_all(struct rj_epochs *epochs, struct rj_env *env, MDB_txn *txn)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int rc = mdb_cursor_open(txn, env->epochs, &cursor);
    if (rc)
        return rc;
    while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        struct rj_epoch epoch;
        if (value.mv_size != sizeof epoch.first_pos) {
            rc = MDB_CORRUPTED;
            break;
        }
        memcpy(&epoch.number, key.mv_data, sizeof epoch.number);
        epoch.first_pos = rj_get_u64(value.mv_data);
        add(epochs, epoch);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static uint64_t next_number(const struct rj_epochs *epochs)
{
    uint64_t counter = epochs->n ? epochs->list[epochs->n - 1].number >> 32 : 0;
    return (counter + 1) << 32 | (rj_random_u64() & UINT32_MAX);
}

static int put(struct rj_env *env, MDB_txn *txn, struct rj_epoch epoch)
{
    uint8_t first_pos[8];
    rj_put_u64(first_pos, epoch.first_pos);
    MDB_val key = rj_val(&epoch.number, sizeof epoch.number), value = rj_val(first_pos, sizeof first_pos);
    return mdb_put(txn, env->epochs, &key, &value, MDB_APPEND);
}

/* With the epoch's own commit: a restored backup is one only once. */
static int note_restore(struct rj_epochs *epochs, struct rj_env *env, MDB_txn *txn, uint64_t epoch)
{
    uint64_t is_copy = 0;
    epochs->restored = 0;
    rj_env_meta_get(env, txn, RJ_META_RESTORED, &epochs->restored);
    rj_env_meta_get(env, txn, RJ_META_COPY, &is_copy);
    if (!is_copy)
        return 0;
    epochs->restored = epoch;
    int rc = rj_env_meta_put(env, txn, RJ_META_COPY, 0);
    return rc ? rc : rj_env_meta_put(env, txn, RJ_META_RESTORED, epoch);
}

static int begin_new(struct rj_epochs *epochs, struct rj_env *env, uint64_t first_pos)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(env->mdb, NULL, 0, &txn);
    if (rc)
        return rc;
    epochs->n = 0;
    rc = read_all(epochs, env, txn);
    struct rj_epoch epoch = {next_number(epochs), first_pos};
    if (rc == 0)
        rc = put(env, txn, epoch);
    if (rc == 0)
        rc = note_restore(epochs, env, txn, epoch.number);
    if (rc) {
        mdb_txn_abort(txn);
        return rc;
    }
    add(epochs, epoch);
    return mdb_txn_commit(txn);
}

enum rj_status rj_epochs_open(struct rj_epochs *epochs, struct rj_env *env, uint64_t first_pos)
{
    int rc;
    *epochs = (struct rj_epochs){0};
    while ((rc = begin_new(epochs, env, first_pos)) == MDB_MAP_FULL && (rc = rj_env_grow(env)) == 0)
        ;
    if (rc == 0 && RJ_FAULT(STORE_EPOCH))
        return RJ_IO;
    return rj_env_status(rc);
}

void rj_epochs_free(struct rj_epochs *epochs)
{
    free(epochs->list);
    *epochs = (struct rj_epochs){0};
}

uint64_t rj_epochs_current(const struct rj_epochs *epochs)
{
    return epochs->list[epochs->n - 1].number;
}

static const struct rj_epoch *find(const struct rj_epochs *epochs, uint64_t number)
{
    size_t low = 0, high = epochs->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (epochs->list[mid].number < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low < epochs->n && epochs->list[low].number == number ? &epochs->list[low] : NULL;
}

enum rj_status rj_epochs_clamp(const struct rj_epochs *epochs, uint64_t epoch, uint64_t pos,
                               uint64_t completed, uint64_t *out, bool *was_clamped)
{
    const struct rj_epoch *found = find(epochs, epoch);
    bool is_current = found == &epochs->list[epochs->n - 1];
    if (!found || (is_current && pos > completed))
        return RJ_NOT_FOUND;
    uint64_t last = is_current ? completed : found[1].first_pos - 1;
    *was_clamped = pos > last;
    *out = pos > last ? last : pos;
    return RJ_OK;
}
