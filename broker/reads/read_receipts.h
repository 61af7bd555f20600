/* Read receipts: the members of a room are told up to where a user has read,
 *
 *     room:read {room, user, seq}
 *
 * as a volatile message: whoever is away asks for nothing of it, the next one says more. Of one user in one
 * room at most one leaves in `receipt-interval`, the newest; rooms with more sockets than `receipt-members`
 * get none, since there every message that all read would cost the square of the members.
 */
#ifndef RJ_READ_RECEIPTS_H
#define RJ_READ_RECEIPTS_H

#include "broker/base/room_pattern.h"
#include "broker/reads/read_cursors.h"

struct rj_broker;

struct rj_read_receipts {
    struct rj_room_patterns rooms; /* that have receipts */
    struct rj_read_receipt *by_key;
    struct rj_read_receipt *latest; /* the same, told within the interval; utlist, longest ago first */
};

void rj_read_receipts_init(struct rj_read_receipts *receipts, char *const *rooms);

/* The cursor has moved to `seq`, and that is committed: tells the members, now or after the interval. */
void rj_read_receipts_note(struct rj_broker *broker, struct rj_reader_name reader, struct rj_span room_key,
                           rj_room_id room, uint64_t seq);

/* Tells what the interval has held back. */
void rj_read_receipts_tick(struct rj_broker *broker);

void rj_read_receipts_fini(struct rj_read_receipts *receipts);

#endif
