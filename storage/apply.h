/* What a batch does to the tables, inside a write transaction of the log thread. Everything can be repeated
 * from the same batch after an abort: the answers that a batch carries back are set anew each time.
 */
#ifndef RJ_APPLY_H
#define RJ_APPLY_H

#include "storage/batch.h"
#include "storage/env.h"

struct rj_apply {
    const struct rj_env *env;
    MDB_txn *txn;
    MDB_cursor *log;
    MDB_cursor *index;
    struct rj_receipts *receipts; /* of the batch */
};

/* Both return 0 or an LMDB code, with which the transaction is to be aborted. Cursors end with it. */
int rj_apply_begin(struct rj_apply *apply, const struct rj_env *env, MDB_txn *txn);
int rj_apply_batch(struct rj_apply *apply, struct rj_store_batch *batch);

#endif
