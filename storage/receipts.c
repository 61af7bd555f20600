#include "storage/receipts.h"

#include <stdlib.h>

#include "proto/base/mem.h"

int rj_receipts_drop(struct rj_receipts *receipts, const struct rj_env *env, MDB_txn *txn)
{
    receipts->n_kept = receipts->n_dropped = 0;
    for (size_t i = 0; i < receipts->n_drop; i++) {
        MDB_val key = rj_val(&receipts->drop[i], sizeof receipts->drop[i]);
        int rc = mdb_del(txn, env->receipts, &key, NULL);
        if (rc && rc != MDB_NOTFOUND)
            return rc;
        receipts->n_dropped += rc == 0;
    }
    return 0;
}

static void note(struct rj_receipts *receipts, const struct rj_store_record *fields)
{
    if (receipts->n_kept == receipts->cap_kept) {
        receipts->cap_kept = receipts->cap_kept ? receipts->cap_kept * 2 : 64;
        receipts->kept = rj_realloc(receipts->kept, receipts->cap_kept, sizeof *receipts->kept);
    }
    struct rj_dedupe_key key =
        rj_dedupe_key(receipts->seed, rj_dedupe_class(fields), fields->source, fields->id);
    receipts->kept[receipts->n_kept++] = (struct rj_receipt){fields->pos, key.id};
}

int rj_receipts_keep(struct rj_receipts *receipts, const struct rj_env *env, MDB_txn *txn,
                     const struct rj_record *record)
{
    struct rj_store_record receipt = record->fields;
    if (receipt.id.len == 0 || receipt.pos < receipts->keep_from[rj_dedupe_class(&receipt)])
        return 0;
    receipt.payload = (struct rj_span){0};
    size_t size = rj_record_size(&receipt);
    /* The source and the id lie in a page that the next put may change: so they are copied first. */
    uint8_t *bytes = rj_alloc(size);
    rj_record_encode(bytes, &receipt);
    rj_record_seal(bytes, size, receipt.pos);
    MDB_val key = rj_val(&receipt.pos, sizeof receipt.pos), value = rj_val(bytes, size);
    int rc = mdb_put(txn, env->receipts, &key, &value, 0);
    free(bytes);
    if (rc == 0)
        note(receipts, &receipt);
    return rc;
}

int rj_receipts_keep_bytes(struct rj_receipts *receipts, const struct rj_env *env, MDB_txn *txn, uint64_t pos,
                           struct rj_span bytes)
{
    struct rj_record record;
    bool may_be_known = false;
    for (int class = 0; class < RJ_DEDUPE_CLASSES; class ++)
        may_be_known |= pos >= receipts->keep_from[class];
    if (!may_be_known || rj_record_decode(bytes, pos, &record))
        return 0;
    return rj_receipts_keep(receipts, env, txn, &record);
}
