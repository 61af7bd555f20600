/* A replay: sending from the log to one client what it missed, and then CaughtUp.
 *
 *   waiting ─ the gateway is live and has bulk room ─► being read ─► waiting … ─► what is left is fresh ─►
 * over
 *
 * The log is read in chunks by the store's reader threads: a page that has to come from the disk holds up
 * this client alone. Meanwhile the log grows, and what grew in the meantime, a few records that have just
 * been written, is read in the turn itself: so a replay ends in the very turn in which it has read all that
 * was delivered to others, and nothing lies between it and what comes live. Replays pace themselves by the
 * peer's Pongs.
 *
 * What the session leaves meanwhile is not read any more, while its gateway takes it for a member until the
 * leave is answered. So CaughtUp, which lets live messages through, follows that answer: else the client
 * would get a later message of that room without the earlier ones.
 */
#ifndef RJ_REPLAY_H
#define RJ_REPLAY_H

#include "broker/sessions/session.h"

struct rj_broker;

/* Sends the session what came after `after`, then CaughtUp; begins anew when a replay is under way. The
 * session is attached. */
void rj_replay_start(struct rj_session *session, uint64_t after);

/* Harmless when there is none. */
void rj_replay_stop(struct rj_session *session);
void rj_replay_stop_all(struct rj_gateway *gateway);

/* RJ_OK when everything after `after` that is for the session is still kept; RJ_GAP when not. */
enum rj_status rj_replay_check(struct rj_broker *broker, const struct rj_session *session, uint64_t after);

/* One turn's share. True: there is more to do that waits for nobody. */
bool rj_replay_step(struct rj_broker *broker);

#endif
