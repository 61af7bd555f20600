/* Reads the frames of a WebSocket client, to the letter of RFC 6455: bytes as they come from the socket,
 * whole messages and control frames out.
 *
 * Owned by a peer. Pure: no I/O, no clock. It keeps bytes only of a frame or message that is not complete,
 * and never more than the limit of a message beside one control frame: what a header announces is not
 * believed until it has come.
 */
#ifndef RJ_WS_READER_H
#define RJ_WS_READER_H

#include "proto/base/buf.h"

struct rj_ws_limits {
    size_t message_bytes;
    uint64_t fragments; /* frames that one message may come in */
};

/* Zero-initialise; end with rj_ws_reader_free. */
struct rj_ws_reader {
    uint8_t head[14]; /* of the frame that is being read: 2 to 14 bytes */
    uint8_t head_len; /* so many of them are there */
    bool in_payload;  /* the header is complete */
    bool in_message;  /* a fragment was not the last */
    bool is_binary;   /* the message */
    uint8_t mask[4];
    size_t length; /* of the frame's payload */
    size_t got;    /* of it */
    uint64_t fragments;
    struct rj_buf message, control; /* so far */
};

enum rj_ws_kind {
    RJ_WS_MORE,        /* nothing complete: all bytes are used */
    RJ_WS_MESSAGE,     /* is_binary, data */
    RJ_WS_PINGED,      /* data: what the pong must carry */
    RJ_WS_PONGED,      /* nothing to do */
    RJ_WS_SAID_CLOSE,  /* code: the peer's, 1005 for none; nothing may follow */
    RJ_WS_BROKE_RULES, /* code: to close with; why */
};

struct rj_ws_item {
    bool is_binary;
    struct rj_span data; /* valid until the next call */
    unsigned code;
    const char *why; /* a few words for the log; a literal */
};

/* Takes the next item from the *len bytes at *bytes, and advances both past what it used. The bytes are
 * unmasked in place. Call it until it answers RJ_WS_MORE; after RJ_WS_SAID_CLOSE and RJ_WS_BROKE_RULES not
 * again. */
enum rj_ws_kind rj_ws_reader_next(struct rj_ws_reader *reader, const struct rj_ws_limits *limits,
                                  uint8_t **bytes, size_t *len, struct rj_ws_item *item);

/* Whether it waits for the rest of a frame or message. */
static inline bool rj_ws_reader_waits(const struct rj_ws_reader *reader)
{
    return reader->head_len > 0 || reader->in_message;
}

void rj_ws_reader_free(struct rj_ws_reader *reader);

#endif
