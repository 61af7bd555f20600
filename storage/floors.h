/* Raising the floors of single rooms: by their limits of count and bytes, by an age of their own, by a purge.
 *
 * A floor is decided on when its reason arises, on the owner's thread: for count and bytes in the hand-over
 * that takes the appends which exceed them. It is written in that same transaction, as a line of the table
 * floors, and holds for readers from the completion on. So whoever is told of a gap is told the same after
 * a crash, whatever the limits are then. The sweep saves it with the room later, when it deletes what lies
 * below; then the line is dropped.
 */
#ifndef RJ_FLOORS_H
#define RJ_FLOORS_H

#include "storage/batch.h"

struct rj_store;

/* Applies their limits to the rooms that were touched; floors go into the open batch. */
void rj_floors_apply_limits(struct rj_store *store);

/* The floors of a committed batch hold now. */
void rj_floors_raised(struct rj_store *store, const struct rj_store_batch *batch);
void rj_floors_raise(struct rj_store *store, struct rj_floor floor);

/* A walk has found records of that age: the floors of the rooms that keep no older ones are to rise. */
void rj_floors_found_old(struct rj_store *store, const struct rj_trim *trim);

/* When the limits are not those that the store was open with before, all rooms are gone through, some in each
 * hand-over. rj_floors_begin_review finds out, before anything else is written; RJ_IO or RJ_FULL. */
enum rj_status rj_floors_begin_review(struct rj_store *store);
bool rj_floors_review(struct rj_store *store); /* some more; false when there is nothing to do */

#endif
