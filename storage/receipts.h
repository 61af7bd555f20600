/* Receipts: what is kept of a record that retention has deleted while its publish id is still known, so that
 * a repeated publish gets the first answer, also after a crash. A receipt is the record without its payload.
 * It is written in the very transaction that deletes the record, and dropped when the owner has forgotten the
 * id.
 *
 * This is the log thread's part; known.h is the owner's.
 */
#ifndef RJ_RECEIPTS_H
#define RJ_RECEIPTS_H

#include "storage/dedupe.h"
#include "storage/env.h"
#include "storage/layout.h"

struct rj_receipt {
    uint64_t pos;
    uint64_t id; /* its hash, as rj_dedupe_key */
};

/* A batch's share. */
struct rj_receipts {
    /* asked by the owner */
    uint64_t keep_from[RJ_DEDUPE_CLASSES]; /* no id of a record below is known */
    uint64_t seed;                         /* of the hashes */
    uint64_t *drop;                        /* receipts of these positions go, as far as there are any */
    size_t n_drop, cap_drop;
    /* answered by the log thread */
    struct rj_receipt *kept;
    size_t n_kept, cap_kept;
    size_t n_dropped;
};

/* All return 0 or an LMDB code. */
int rj_receipts_drop(struct rj_receipts *receipts, const struct rj_env *env, MDB_txn *txn);

/* The record is about to be deleted. */
int rj_receipts_keep(struct rj_receipts *receipts, const struct rj_env *env, MDB_txn *txn,
                     const struct rj_record *record);

/* The same for one that is not decoded yet. */
int rj_receipts_keep_bytes(struct rj_receipts *receipts, const struct rj_env *env, MDB_txn *txn, uint64_t pos,
                           struct rj_span bytes);

#endif
