/* Rejoining: which session a client that presents a pid gets back, and why not. Every such attempt is counted
 * once (rejoin_broker_recoveries_total{result,reason}), and what is not restored is a line in the log.
 */
#ifndef RJ_REJOIN_H
#define RJ_REJOIN_H

#include "broker/broker.h"

/* The session that the client asks for, detached (a connection that it still had is closed) and raised to its
 * next incarnation; `user` NULL: whoever it belongs to. NULL: the client is to get a new one instead. */
struct rj_session *rj_rejoin(struct rj_broker *broker, const Rejoin__Connect *connect, const char *user);

/* The session is new, and its client came with that offset: should it be none of this store, then the
 * client's library presents it again and again until an event has brought another one, and that is no sign of
 * a loss. */
void rj_rejoin_keep_foreign(struct rj_broker *broker, struct rj_session *session, const char *offset);

/* Says why a session that was asked for is not restored, and counts it. */
void rj_rejoin_refused(struct rj_broker *broker, const char *reason, uint64_t *counter);

#endif
