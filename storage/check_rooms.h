/* Which rooms a store says anything of. The tables decide, not the numbers that records and meta claim: these
 * may be mad, and must cost no memory.
 */
#ifndef RJ_CHECK_ROOMS_H
#define RJ_CHECK_ROOMS_H

#include "storage/env.h"

/* The ids that stand in rooms, names, roomst or floors, each once, ascending; the caller frees the list. A
 * table that cannot be read to its end is no error here. 0 or an LMDB code. */
int rj_check_room_ids(const struct rj_env *env, MDB_txn *txn, rj_room_id **out, size_t *n);

#endif
