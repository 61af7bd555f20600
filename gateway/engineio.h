/* The Engine.IO v4 codec: bytes to packets and back. Pure: no I/O, no state beyond what the caller holds.
 *
 * Over WebSocket one message is one packet: text with a leading type digit, or binary, which is a message
 * without a digit. Over long-polling a body is a payload: packets joined by 0x1e, binary as `b` + base64.
 */
#ifndef RJ_ENGINEIO_H
#define RJ_ENGINEIO_H

#include "proto/base/buf.h"
#include "proto/base/status.h"

enum rj_eio_type {
    RJ_EIO_OPEN,
    RJ_EIO_CLOSE,
    RJ_EIO_PING,
    RJ_EIO_PONG,
    RJ_EIO_MESSAGE,
    RJ_EIO_UPGRADE,
    RJ_EIO_NOOP,
};

enum { RJ_EIO_SEPARATOR = 0x1e };

struct rj_eio_packet {
    enum rj_eio_type type;
    bool is_binary;      /* only messages are */
    struct rj_span data; /* without the type digit; borrowed */
};

/* What the server says when it opens a session. */
struct rj_eio_open {
    struct rj_span sid;
    bool can_upgrade; /* offer "websocket" */
    uint64_t ping_interval_ms;
    uint64_t ping_timeout_ms;
    uint64_t max_payload_bytes;
};

/* Reads one packet that came as text; a binary message may, as `b` + base64, over WebSocket too (the stock
 * client's forceBase64). It is decoded into `scratch` (cleared first) and valid until that changes.
 * RJ_BAD_REQUEST when the text is empty, its type unknown, or the base64 none. Other data is not checked. */
enum rj_status rj_eio_parse(struct rj_span text, struct rj_buf *scratch, struct rj_eio_packet *out);

/* Walks a polling payload. Start with `rest` = the body, which must be valid UTF-8 for the text packets to
 * be. */
struct rj_eio_payload {
    struct rj_span rest;
    bool is_done;
};

struct rj_eio_payload rj_eio_payload(struct rj_span body);

/* The next packet. RJ_OK with *out filled; RJ_NOT_FOUND after the last one; RJ_BAD_REQUEST for what is no
 * packet (an empty body is none either). A binary packet is decoded into `scratch` (cleared first) and valid
 * until the next call. */
enum rj_status rj_eio_payload_next(struct rj_eio_payload *payload, struct rj_buf *scratch,
                                   struct rj_eio_packet *out);

/* Appends the open packet, with exactly the keys and the order of the reference. */
void rj_eio_put_open(struct rj_buf *out, const struct rj_eio_open *open);

/* Appends a binary message as it stands in a polling payload. */
void rj_eio_put_base64(struct rj_buf *out, struct rj_span data);

/* The length that rj_eio_put_base64 appends for `len` bytes. */
size_t rj_eio_base64_len(size_t len);

#endif
