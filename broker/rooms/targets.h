/* Targets: whom a message is meant for (a room, a namespace, a socket, a user), which rooms of the store it
 * is logged under, and which gateways have somebody of them.
 *
 * Each target that a message was ever logged for has a room of the store under its key (rj_target_key). RAM
 * keeps such an id for rooms alone; the others are found by their names, which cost nothing while nobody uses
 * them.
 */
#ifndef RJ_TARGETS_H
#define RJ_TARGETS_H

#include "broker/messages/publish.h"

enum { RJ_IMPLICIT_TARGETS = 3 };

/* Whether the publisher may name these targets, and all are well formed, distinct, and, where they are
 * sockets, of sessions that are there or may be restored (else RJ_NOT_FOUND). `message->namespace_` is set.
 */
enum rj_status rj_targets_check(struct rj_request *request, const Rejoin__Message *message);

/* The store's rooms of checked targets, in their order; made where they are missing. */
enum rj_status rj_targets_rooms(struct rj_broker *broker, const Rejoin__Message *message,
                                rj_room_id rooms[static RJ_TARGETS_MAX]);

/* The gateways, as a mask of slots, with members of any target. Makes nothing. */
uint64_t rj_targets_gateways(const struct rj_broker *broker, const Rejoin__Message *message);

/* Check and gateways in one, for what is not logged. */
enum rj_status rj_targets_mask(struct rj_request *request, const Rejoin__Message *message, uint64_t *mask);

/* The same for a record that is in the log: `ids` are its rooms. Resets page_arena. */
uint64_t rj_targets_logged_mask(struct rj_broker *broker, const rj_room_id *ids, size_t n,
                                struct rj_span payload);

/* What of the log is for the session: its rooms since it has joined them, and since its beginning what was
 * meant for its namespace, for itself and for its user. `out` has room for RJ_IMPLICIT_TARGETS more than its
 * rooms; returns how many it got. */
size_t rj_targets_reach(struct rj_broker *broker, const struct rj_session *session,
                        struct rj_store_reach *out);

/* Whether a record of the log was meant for the session's namespace, for itself or for its user, since its
 * beginning. */
bool rj_targets_are_implicit(struct rj_broker *broker, const struct rj_session *session,
                             const struct rj_store_record *record);

#endif
