/* Engine.IO sessions as gateway/frontends/eio.h describes them, without any transport: what the gateway sends
 * is taken apart and checked here, and the target plays the client.
 */
#ifndef RJ_FUZZ_SESSIONS_H
#define RJ_FUZZ_SESSIONS_H

#include "gateway/frontends/eio.h"
#include "tests/fuzz/shown.h"

enum { SESSIONS = 4, ACKS_MAX = 64 };

/* An ack that the client has asked for. */
struct awaited_ack {
    uint64_t id;
    unsigned n; /* that came */
};

struct rj_eio_session {
    const struct rj_eio_callbacks *callbacks;
    void *conn; /* NULL: there is no session */
    bool is_closing;
    enum rj_reason reason;
    bool is_stuck; /* it does not read: what is sent stays queued */
    size_t queued_bytes;
    bool is_probed;
    uint64_t last_ack_id;
    struct awaited_ack acks[ACKS_MAX];
    size_t n_acks;
    uint64_t asked_id;        /* of the last question of the server's */
    unsigned attachments_due; /* of the packet that is being sent */
    struct fuzz_shown shown;
};

void fake_session_open(struct rj_eio_session *session, const struct rj_eio_callbacks *callbacks,
                       void *context);

/* The client has gone. */
void fake_session_leave(struct rj_eio_session *session, enum rj_reason reason);

/* The end of the turn: sessions that were closed are. */
void fake_session_flush(struct rj_eio_session *session);

#endif
