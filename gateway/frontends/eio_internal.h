/* The inside of Engine.IO, for eio.c (the service), eio_session.c (the state machine), eio_polling.c and
 * eio_websocket.c (the two transports).
 *
 *     POLLING ──WebSocket with sid──► UPGRADING ──"5"──► WEBSOCKET
 *        ▲  │                             │                  │
 *        │  │ server closes, no poll      │ candidate lost   │
 *        └──┼─────────────────────────────┘                  │
 *           ▼                                                ▼
 *        CLOSING ──next poll gets "1", or time──────────► CLOSED (freed when the turn ends)
 */
#ifndef RJ_EIO_INTERNAL_H
#define RJ_EIO_INTERNAL_H

#include <uthash.h>

#include "gateway/engineio.h"
#include "gateway/frontends/eio.h"
#include "gateway/frontends/outbox.h"
#include "gateway/frontends/timeq.h"
#include "proto/base/log.h"
#include "proto/base/random.h"

enum rj_eio_state { EIO_POLLING, EIO_UPGRADING, EIO_WEBSOCKET, EIO_CLOSING, EIO_CLOSED };

/* The reference's error codes, answered as {"code","message"}. */
enum rj_eio_error {
    EIO_UNKNOWN_TRANSPORT,
    EIO_UNKNOWN_SID,
    EIO_BAD_HANDSHAKE_METHOD,
    EIO_BAD_REQUEST,
    EIO_FORBIDDEN,
    EIO_UNSUPPORTED_VERSION,
    EIO_OK,
};

struct rj_eio_session {
    struct rj_eio *eio;
    char sid[RJ_ID_LEN + 1]; /* secret */
    UT_hash_handle hh;
    enum rj_eio_state state;
    bool is_dirty;           /* in eio->dirty */
    bool is_ending;          /* closes when the turn ends, for end_reason */
    bool has_sent;           /* something was queued since `drained` was last told */
    bool has_mark;           /* `mark` was told, `proved` not yet */
    bool is_probed_for_life; /* `alive` is to be told */
    uint8_t pongs_due;       /* pings that are not answered */
    bool is_probed;          /* UPGRADING: the candidate has asked "2probe" */
    enum rj_reason end_reason;

    struct rj_peer *poll;      /* the held GET */
    struct rj_peer *post;      /* the POST whose body is on its way */
    struct rj_peer *websocket; /* WEBSOCKET: the transport; UPGRADING: the candidate */
    struct rj_outbox outbox;
    struct rj_timeq_entry beat;    /* next ping, missing pong, or the wait in CLOSING */
    struct rj_timeq_entry upgrade; /* UPGRADING */

    void *conn; /* the user's; NULL once it was told `closed` */
    struct rj_eio_handshake *handshake;
    struct rj_eio_session *next_dead;
};

struct rj_eio {
    struct rj_eio_options options;
    struct rj_eio_session *sessions; /* by sid */
    struct rj_eio_session **dirty;   /* to be flushed this turn */
    size_t n_dirty, cap_dirty;
    struct rj_eio_session *dead; /* to be freed when the turn ends */
    struct rj_timeq pings, pongs, upgrades, closes;
    struct rj_frame *ping;  /* "2" */
    struct rj_frame *probe; /* "3probe" */
    struct rj_buf scratch;  /* one write */
    struct rj_buf decoded;  /* one binary packet that came as base64 */
    bool refuses;
    struct rj_log_limit refusal_log, close_log;
    struct rj_eio_counters counters;
};

/* ---- eio.c */

void rj_eio_mark_dirty(struct rj_eio_session *session);

/* Whether requests for `path` are ours: those below options.path, and itself without its last slash (the
 * stock client's addTrailingSlash: false). */
bool rj_eio_is_asked(const struct rj_eio *eio, struct rj_span path);

/* Checks a request in the reference's order. *session is set when it names a live one. */
enum rj_eio_error rj_eio_check(struct rj_eio *eio, const struct rj_request *request, bool is_websocket,
                               struct rj_eio_session **session);

/* The status with which a handshake of this peer is to be refused for want of room; 0: it is welcome. */
unsigned rj_eio_refusal(const struct rj_eio *eio, const struct rj_peer *peer);
const char *rj_eio_refusal_text(unsigned status);

/* Counts a request that is refused, and logs it. */
void rj_eio_note_refusal(struct rj_eio *eio, struct rj_peer *peer, const char *why);

/* Answers with the error and notes it. */
void rj_eio_reply_error(struct rj_eio *eio, struct rj_peer *peer, enum rj_eio_error error);

/* The text of an error, such as "Session ID unknown". */
const char *rj_eio_error_text(enum rj_eio_error error);

/* A copy in one block; free with free(). */
struct rj_eio_handshake *rj_eio_handshake_new(struct rj_eio *eio, struct rj_peer *peer,
                                              const struct rj_request *request, const char *transport);

/* NULL is fine. */
void rj_eio_handshake_free(struct rj_eio_handshake *handshake);

/* ---- eio_session.c */

/* Opens a session. Takes the handshake. */
struct rj_eio_session *rj_eio_session_open(struct rj_eio *eio, struct rj_eio_handshake *handshake,
                                           enum rj_eio_state state);

/* Tells the user; once the open packet is on its way, so that nothing overtakes it. */
void rj_eio_session_tell_open(struct rj_eio_session *session);

/* Appends the session's open packet. */
void rj_eio_session_put_open(const struct rj_eio_session *session, struct rj_buf *out);

/* Ends it now: a held poll gets `poll_answer`, the user is told the reason. */
void rj_eio_session_end(struct rj_eio_session *session, enum rj_reason reason, const char *poll_answer);

/* Logs that the session is closed from here. */
void rj_eio_session_note_close(struct rj_eio_session *session, enum rj_reason reason, const char *why);

/* Ends it because its peer broke the protocol: counted and logged. */
void rj_eio_session_fault(struct rj_eio_session *session, enum rj_reason reason, const char *why);

/* Whether it still takes packets. */
bool rj_eio_session_listens(const struct rj_eio_session *session);

void rj_eio_session_packet(struct rj_eio_session *session, const struct rj_eio_packet *packet);
/* Sends a ping. */
void rj_eio_session_ping(struct rj_eio_session *session);

void rj_eio_session_mark(struct rj_eio_session *session);
void rj_eio_session_proved(struct rj_eio_session *session);
void rj_eio_session_flush(struct rj_eio_session *session);
void rj_eio_session_free(struct rj_eio_session *session);

/* ---- eio_polling.c */

/* Answers the held GET with what is queued, or with a noop. */
void rj_eio_poll_answer(struct rj_eio_session *session);

/* Answers the held GET with one packet. */
void rj_eio_poll_answer_with(struct rj_eio_session *session, const char *packet);

/* ---- eio_websocket.c */

/* Writes what is queued, as far as the socket takes it. */
void rj_eio_ws_write(struct rj_eio_session *session);

/* Gives a candidate up: the session stays on polling. Counted and logged as a request that is refused. */
void rj_eio_ws_drop_candidate(struct rj_eio_session *session, const char *why);

#endif
