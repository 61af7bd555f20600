/* Whose floors have risen last: the rooms in memory whose limits have trimmed something since the store was
 * opened, the latest first. So whoever follows the log as a whole learns which rooms it does not show all of,
 * at the cost of what has changed. Owned by the owner thread, with the rooms.
 *
 * Each entry has the highest floor_pos that any room had when it was raised: so that of all behind it lies no
 * higher.
 */
#ifndef RJ_RAISED_H
#define RJ_RAISED_H

#include "storage/store.h"

/* A room's entry; the room holds it. */
struct rj_raised {
    rj_room_id room;
    uint64_t number; /* of its last raise */
    uint64_t top;
    struct rj_raised *prev, *next;
};

struct rj_raised_list {
    struct rj_raised *latest;
    uint64_t n; /* raises so far; the first one's number is 2 */
    uint64_t top;
    uint64_t lost_number, lost_pos; /* raises up to this number of floors up to this pos may not be listed */
};

/* `completed`: floors up to here may have risen before. */
void rj_raised_init(struct rj_raised_list *list, uint64_t completed);

/* The room's floor has risen; `*raised` is its entry, or NULL. */
void rj_raised_note(struct rj_raised_list *list, struct rj_raised **raised, rj_room_id room,
                    uint64_t floor_pos);

/* The room leaves memory. */
void rj_raised_forget(struct rj_raised_list *list, struct rj_raised **raised);

#endif
