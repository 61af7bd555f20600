/* Bringing a store of an older format to the present one, when it is opened for writing.
 *
 *   1   the first
 *   2   the tables names, floors and receipts; the size of the record in an index entry. A store of format 1
 * gets its names at the first opening; its index entries stay as they are until their records are trimmed.
 *   3   rooms may be forgotten: an id without a name is no damage. A store of format 2 has none, and stays as
 * it is.
 *
 * The way back is a backup taken before: an older program refuses the store from then on.
 */
#ifndef RJ_MIGRATE_H
#define RJ_MIGRATE_H

#include "storage/env.h"

/* Inside the transaction that has created the tables; writes the new format, too. 0 or an LMDB code. */
int rj_migrate(const struct rj_env *env, MDB_txn *txn, uint64_t from);

#endif
