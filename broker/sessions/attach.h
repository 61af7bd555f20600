/* Attaching sessions to gateways' clients, detaching and ending them: RAM at once, the store behind it. */
#ifndef RJ_ATTACH_H
#define RJ_ATTACH_H

#include "broker/broker.h"
#include "proto/reason.h"

/* The session becomes the gateway's client `handle`. It must be detached. Writes nothing; backends are told
 * when its seats are opened (seat.h). `admitted`: seats that its admission has left, or NULL. */
void rj_attach(struct rj_broker *broker, struct rj_session *session, struct rj_gateway *gateway,
               uint64_t handle, struct rj_seat *admitted);

/* What follows takes the reason that backends get with Closed. When it is the broker that has a client's
 * transport dropped, this one, which is also what the gateway counts it under: */
#define RJ_REASON_DROPPED RJ_REASON_FORCED_CLOSE

/* Takes it from its gateway in RAM alone, because it goes to another one. */
void rj_attach_undo(struct rj_broker *broker, struct rj_session *session, enum rj_reason reason);

/* The client is gone; the session can be restored. It leaves RAM with the commit (without recovery: now). */
void rj_detach(struct rj_broker *broker, struct rj_session *session, enum rj_reason reason);

/* The session is over, here and in the store. */
void rj_end_session(struct rj_broker *broker, struct rj_session *session, enum rj_reason reason);

#endif
