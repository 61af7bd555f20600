/* Sessions in the store: their records, memberships and cursors, and when they expire.
 *
 *   table    key                      value
 *   session  pid (22 bytes)           record, see rj_session_record_encode; after its end, for another
 *                                     lifetime, but an hour at least: u8 0x80, u8 why (enum rj_session_end),
 *                                     u64 LE since when
 *   session  pid, 0x01, room key      since_pos u64 LE
 *   session  pid, 0x02                data: JSON that backends have set
 *   session  pid, 0x03                handshake and auth of the last CONNECT, packed (socket.h); only where
 *                                     backends serve the namespace
 *   session  pid, 0x04                the foreign offset that it began with
 *   session  0x02                     u64 LE: the epoch in which the store was found to have gone back
 *   session  0x03, sid                u64 LE since when, namespace: a socket without recovery to which
 *                                     something was said that is logged; deleted with it, or by the sweep
 *                                     when the broker died before
 *   session  0x01, sid                pid: how a session that is away is found by its sid. Written behind the
 *                                     record and deleted before it, so that it never outlives the session
 *   cursor   pid                      pos u64 LE
 *
 * A join writes one small pair, not the session; ending a session is deleting the prefix `pid`, and leaving
 * why there: who presents it later is told apart from somebody who makes pids up.
 */
#ifndef RJ_SESSION_STORE_H
#define RJ_SESSION_STORE_H

#include "broker/sessions/session.h"

/* What follows the pid in a key. */
enum {
    RJ_SESSION_ROOM = 0x01,
    RJ_SESSION_DATA = 0x02,
    RJ_SESSION_HANDSHAKE = 0x03,
    RJ_SESSION_FOREIGN = 0x04
};

enum {
    RJ_SESSION_SID = 0x01,
    RJ_SESSION_WHOLE = 0x02,
    RJ_SESSION_BRIEF = 0x03,
}; /* what these keys begin with: sorts before all pids */

/* What a session's record says. The texts are borrowed. */
struct rj_session_record {
    bool is_connected; /* written at CONNECT; a crash leaves it so */
    uint64_t seen_ms;  /* wall clock of that, or of the end of its last connection */
    uint64_t incarnation;
    uint64_t start_pos;
    uint64_t epoch; /* of the store when this was written; 0 = not known */
    struct rj_span sid, nsp, user;
};

/*   u8 format (2), u8 is_connected, u64 LE seen_ms, incarnation, start_pos, epoch,
 *   u8 length and bytes each: sid, namespace, user
 * Format 1 has no epoch, and is read, too. */
void rj_session_record_encode(const struct rj_session_record *record, struct rj_buf *out);

/* RJ_VERSION for another format, RJ_CORRUPT for a wrong shape. */
enum rj_status rj_session_record_decode(struct rj_span bytes, struct rj_session_record *out);

/* Whether a session may no longer be restored. One that was connected when the broker crashed counts from the
 * broker's start: its client had no way to come back before. */
bool rj_session_record_is_expired(const struct rj_session_record *record, uint64_t now_ms, uint64_t uptime_ms,
                                  uint64_t lifetime_ms);

/* Queue writes; `done` may be NULL. The session has a pid. `_begin` writes a new one: its record, and how it
 * is found by its sid. */
void rj_session_store_begin(struct rj_store *store, const struct rj_session *session, rj_store_written *done,
                            void *ctx);
void rj_session_store_save(struct rj_store *store, const struct rj_session *session, bool is_connected,
                           rj_store_written *done, void *ctx);
void rj_session_store_save_cursor(struct rj_store *store, const struct rj_session *session);
void rj_session_store_join(struct rj_store *store, const struct rj_session *session,
                           const struct rj_membership *membership, rj_store_written *done, void *ctx);
void rj_session_store_leave(struct rj_store *store, const struct rj_session *session, struct rj_span room_key,
                            rj_store_written *done, void *ctx);
/* Why a session is over. On disk: numbers stay. */
enum rj_session_end { RJ_SESSION_LEFT = 1, RJ_SESSION_EXPIRED = 2, RJ_SESSION_VOID = 3 };

/* Deletes all of the session with that pid, and what was said to its socket; why it is over is kept. */
void rj_session_store_end(struct rj_store *store, struct rj_span pid, const char *nsp, const char *sid,
                          enum rj_session_end why, rj_store_written *done, void *ctx);
/* A session without recovery: something is about to be said to its socket; it is over. */
void rj_session_store_begin_brief(struct rj_store *store, const char *nsp, const char *sid);
void rj_session_store_end_brief(struct rj_store *store, const char *nsp, const char *sid);
/* Whether that was begun, and did not end. */
bool rj_session_store_knows_brief(struct rj_store *store, const char *sid);

/* The foreign offset that it began with. */
void rj_session_store_save_foreign(struct rj_store *store, const struct rj_session *session);

/* What the session has of it now; nothing: none is kept any more. */
void rj_session_store_save_handshake(struct rj_store *store, const struct rj_session *session,
                                     rj_store_written *done, void *ctx);
/* The session may be one that is not in RAM. */
void rj_session_store_save_data(struct rj_store *store, const char *pid, struct rj_span json,
                                rj_store_written *done, void *ctx);

/* When a session may be restored: what rj_session_record_is_expired needs to know; and the epoch since which
 * the store knows all that happened: what was written before may lack its end (rj_session_store_void). */
struct rj_session_clock {
    uint64_t now_ms, uptime_ms, lifetime_ms;
    uint64_t whole_since;
};

/* The store has gone back behind what somebody has seen of it: from now on no session is restored that was
 * last written before `epoch`. Kept in the store. */
void rj_session_store_void(struct rj_store *store, uint64_t epoch);

/* The epoch of the last time that this was said, or that the store was restored from a backup; 0 = never. */
uint64_t rj_session_store_whole_since(struct rj_store *store);

/* The pid of the session with that sid in that namespace, when it is in the store and may be restored; else
 * RJ_NOT_FOUND. `sessions` are those in RAM, which know better which ones have ended. */
enum rj_status rj_session_store_find(struct rj_store *store, const char *nsp, const char *sid,
                                     struct rj_session_clock clock, const struct rj_sessions *sessions,
                                     char pid[static RJ_ID_LEN + 1]);

/* Brings a session that is not in RAM back, detached, with all that is kept of it. RJ_NOT_FOUND: there is
 * none, and was none lately; RJ_CLOSED: its client has ended it; RJ_TIMEOUT: it has expired; RJ_GAP: the
 * store has gone back since; RJ_CORRUPT, RJ_VERSION, RJ_IO: it cannot be read. */
enum rj_status rj_session_store_load(struct rj_store *store, const char *pid, struct rj_session_clock clock,
                                     struct rj_sessions *sessions, struct rj_rooms *rooms,
                                     struct rj_session **out);

/* The sweep: looks at the next `limit` pairs and queues the end of sessions that have expired and are not in
 * RAM, and the deletion of what is left of those that ended long ago, or were never told to have ended.
 * Returns how many have expired. */
struct rj_session_sweep {
    struct rj_buf after; /* where to go on; empty: at the first */
    /* Whether that socket without recovery is attached. */
    bool (*is_here)(const void *ctx, const char *nsp, const char *sid);
    const void *ctx;
};
size_t rj_session_store_sweep(struct rj_session_sweep *sweep, struct rj_store *store,
                              struct rj_session_clock clock, const struct rj_sessions *sessions,
                              size_t limit);

#endif
