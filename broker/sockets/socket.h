/* A socket as backends see it. */
#ifndef RJ_SOCKET_H
#define RJ_SOCKET_H

#include "broker/sessions/session.h"
#include "proto/base/arena.h"
#include "rejoin.pb-c.h"

/* Fills in what is known of an attached session. What it points to is the session's own memory, or lives in
 * `arena`. */
void rj_socket_fill(const struct rj_session *session, bool with_handshake, struct rj_arena *arena,
                    Rejoin__Socket *out);

/* What a session keeps of its CONNECT, appended to `out`: a packed Socket with these two fields alone.
 * `handshake` may be NULL, `auth` empty. */
void rj_socket_pack_handshake(Rejoin__Handshake *handshake, struct rj_span auth, struct rj_buf *out);

#endif
