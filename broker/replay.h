/* Sending from the log what a stream has not carried: to one client what it missed (a replay), to a gateway
 * what its rooms got while it had no live stream (a refill). Both read bounded chunks a turn, pace themselves
 * by the peer's Pongs, and end in the very turn in which they have read all that was delivered to others, so
 * that nothing lies between them and what comes live.
 */
#ifndef RJ_REPLAY_H
#define RJ_REPLAY_H

#include "broker/session.h"

struct rj_broker;

/* Sends the session what came after `after`, then CaughtUp; begins anew when a replay is under way. The
 * session is attached. */
void rj_replay_start(struct rj_session *session, uint64_t after);

/* Harmless when there is none. */
void rj_replay_stop(struct rj_session *session);

/* RJ_OK when everything after `after` that is for the session can still be read; RJ_GAP when not. */
enum rj_status rj_replay_check(struct rj_broker *broker, const struct rj_session *session, uint64_t after);

/* One turn's share. True: there is more to do that waits for nobody. */
bool rj_replay_step(struct rj_broker *broker);
bool rj_refill_step(struct rj_broker *broker);

#endif
