/* Optimistic rooms: members get a message as soon as it is accepted, marked as pending, and learn after the
 * commit that it stands, or after a crash that it does not.
 *
 * The broker's part is small. To the gateways with members it says the message twice: at once, by the item
 * `pending`, with the place that it will have if the broker lives; and after the commit, by `deliver`, as any
 * other. Whom a gateway showed the first one, and what it tells them of the second or of its absence, is the
 * gateway's (gateway/optimistic.h). All else is as ever: the publisher's answer comes after the commit, and
 * nobody is ever given an offset that is not committed.
 *
 * A pending message always has an id, since that is how a member knows it again: one without gets it here,
 * the same whenever its command is repeated.
 */
#ifndef RJ_OPTIMISTIC_H
#define RJ_OPTIMISTIC_H

#include "broker/reply.h"

/* Whether the message, which was checked, is to be shown before its commit: it is a logged envelope for one
 * room, which is an optimistic one. */
bool rj_optimistic_is_meant(const struct rj_broker *broker, const Rejoin__Message *message);

/* The id of a message whose publisher gave none; in the arena of the request. */
char *rj_optimistic_id(const struct rj_request *request);

/* Says to the live gateways with members of the room that it is accepted. */
void rj_optimistic_show(struct rj_broker *broker, rj_room_id room, uint64_t pos, struct rj_span message);

#endif
