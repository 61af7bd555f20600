/* Contests: a session is presented while the connection that has it took it over a moment ago. Either that
 * connection is dead once more (a network that comes and goes), or two devices hold the same session, and
 * would take it from each other for ever. So the present connection is asked for a sign of life. If it gives
 * one in time, it keeps the session and the rival gets a fresh one; if not, the rival takes it over. Of
 * several rivals the one that came last takes it, and the others get fresh ones: all are answered within one
 * timeout.
 *
 * A rival's Connect waits here, answered by neither, before anything else is done about it. The number of
 * those that wait, and their bytes, are bounded as admissions are; a client that goes meanwhile leaves
 * nothing behind.
 */
#ifndef RJ_CONTEST_H
#define RJ_CONTEST_H

#include "broker/reply.h"

/* A Connect that waits already, repeated on a fresh stream; another one of that client is refused. True: it
 * is dealt with. */
bool rj_contest_resume(const struct rj_request *request);

/* Whether the session that is presented must be contested for. */
bool rj_contest_is_due(const struct rj_broker *broker, const Rejoin__Connect *connect);

/* Lets a Connect that is due wait for the outcome. RJ_UNAVAILABLE: too many wait. */
enum rj_status rj_contest_begin(struct rj_request *request);

/* The gateway's client has given a sign of life. */
void rj_contest_alive(struct rj_broker *broker, const struct rj_gateway *gateway, uint64_t handle);

/* The session is being taken from its connection: nobody keeps it from those who wait. */
void rj_contests_holder_gone(struct rj_broker *broker, const struct rj_session *session);

/* The rival has gone. Harmless when it does not wait. */
void rj_contest_cancel(struct rj_broker *broker, const struct rj_gateway *gateway, uint64_t handle);

/* The gateway has said on its present stream which of its clients still wait; or it is gone itself. */
void rj_contests_ready(struct rj_broker *broker, const struct rj_gateway *gateway);
void rj_contests_drop_gateway(struct rj_broker *broker, const struct rj_gateway *gateway);

void rj_contests_fini(struct rj_broker *broker);

#endif
