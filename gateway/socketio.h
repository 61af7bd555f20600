/* The Socket.IO v5 codec (the default parser): text and binary messages to packets and back. Pure: no I/O, no
 * globals; the only state is that of a packet whose attachments are still to come, and it is bounded.
 *
 *     type [attachments "-"] [namespace ","] [ack id] [JSON]
 *
 * The reader is as strict as socket.io-parser 4.2: whatever it answers with other than RJ_OK closes the
 * connection ("forced close": Socket.IO keeps "parse error" for what is no Engine.IO packet).
 */
#ifndef RJ_SOCKETIO_H
#define RJ_SOCKETIO_H

#include "proto/base/buf.h"
#include "proto/base/status.h"

enum rj_sio_type {
    RJ_SIO_CONNECT,
    RJ_SIO_DISCONNECT,
    RJ_SIO_EVENT,
    RJ_SIO_ACK,
    RJ_SIO_CONNECT_ERROR,
    RJ_SIO_BINARY_EVENT,
    RJ_SIO_BINARY_ACK,
};

/* A packet as it came. Spans are borrowed from what was fed. */
struct rj_sio_packet {
    enum rj_sio_type type; /* EVENT and ACK for the binary ones too, once complete */
    struct rj_span nsp;    /* "/" when none is named */
    struct rj_span data;   /* the JSON text, checked; empty when there is none */
    bool has_id;
    uint64_t id;
    const struct rj_span *attachments;
    size_t n_attachments;
};

/* An event's or an ack's array, taken apart. */
struct rj_sio_args {
    struct rj_span name; /* JSON text of the event's name: a string or a number. Empty for an ack */
    struct rj_span args; /* what follows, comma-separated, without brackets */
};

struct rj_sio_limits {
    size_t attachments; /* of one packet */
    size_t held_bytes;  /* kept while attachments are still to come: the text and all that came */
};

/* Reads the text of one packet. For the binary types `n_attachments` is the announced number (never 0) and
 * `attachments` is NULL. RJ_BAD_REQUEST, or RJ_TOO_MANY above `limits->attachments`. */
enum rj_status rj_sio_parse(struct rj_span text, const struct rj_sio_limits *limits,
                            struct rj_sio_packet *out);

/* Takes the array of an EVENT or an ACK packet apart; cannot fail on a packet that rj_sio_parse has passed.
 */
struct rj_sio_args rj_sio_args(const struct rj_sio_packet *packet);

/* Puts packets together with their attachments. Zero-initialise; end with rj_sio_decoder_free. */
struct rj_sio_decoder {
    struct rj_buf text;          /* the waiting packet's text */
    struct rj_buf bytes;         /* the attachments so far, one after the other */
    struct rj_span *attachments; /* `expected` of them; while incomplete, only their `len` is set */
    size_t expected;
    size_t received;
};

/* Feeds one message. RJ_OK: *out is a whole packet, valid until the next call. RJ_NOT_FOUND: more is to come.
 * Everything else is the peer's fault, and the decoder is empty again: text between attachments and binary
 * without announcement are RJ_BAD_REQUEST, too much held is RJ_TOO_LARGE. */
enum rj_status rj_sio_decoder_text(struct rj_sio_decoder *decoder, struct rj_span text,
                                   const struct rj_sio_limits *limits, struct rj_sio_packet *out);
enum rj_status rj_sio_decoder_binary(struct rj_sio_decoder *decoder, struct rj_span data,
                                     const struct rj_sio_limits *limits, struct rj_sio_packet *out);

/* Frees what a whole packet held, once it is worked off; a waiting one stays. */
void rj_sio_decoder_release(struct rj_sio_decoder *decoder);

/* Whether a packet waits for attachments. */
static inline bool rj_sio_decoder_is_waiting(const struct rj_sio_decoder *decoder)
{
    return decoder->received < decoder->expected;
}

void rj_sio_decoder_free(struct rj_sio_decoder *decoder);

/* Writers: each appends the text of one packet (attachments follow as messages of their own). */

/* 0: `pid` may be empty: without recovery the answer carries only the sid. */
void rj_sio_put_connect(struct rj_buf *out, struct rj_span nsp, struct rj_span sid, struct rj_span pid);
/* 4: `data` is JSON or empty. */
void rj_sio_put_connect_error(struct rj_buf *out, struct rj_span nsp, struct rj_span message,
                              struct rj_span data);
/* 1 */
void rj_sio_put_disconnect(struct rj_buf *out, struct rj_span nsp);
/* 2 or 51-: `name` is UTF-8, `args` JSON texts with commas, `offset` the trailing string unless empty. */
void rj_sio_put_event(struct rj_buf *out, struct rj_span nsp, struct rj_span name, struct rj_span args,
                      struct rj_span offset, size_t n_attachments);
/* 2 or 51- with an ack id. */
void rj_sio_put_asking_event(struct rj_buf *out, struct rj_span nsp, uint64_t id, struct rj_span name,
                             struct rj_span args, size_t n_attachments);
/* 3 or 61- */
void rj_sio_put_ack(struct rj_buf *out, struct rj_span nsp, uint64_t id, struct rj_span args,
                    size_t n_attachments);

#endif
