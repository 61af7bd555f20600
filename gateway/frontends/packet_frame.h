/* A frame of the Engine.IO front ends: one text packet and the binary packets that belong to it, encoded
 * once.
 *
 * It holds the WebSocket bytes (RFC 6455, unmasked, one frame a packet), ready to be written as they are; the
 * polling bytes are made from them when the first polling client needs them. Shared by reference (frame.h).
 */
#ifndef RJ_PACKET_FRAME_H
#define RJ_PACKET_FRAME_H

#include "gateway/frame.h"
#include "proto/base/buf.h"

/* Starts a frame: append the text packet to `out` (zero-initialised) … */
void rj_packet_frame_begin(struct rj_buf *out);

/* … and finish it, with the binary packets behind. Takes the buffer's memory and leaves it empty. The caller
 * owns the reference. */
struct rj_frame *rj_packet_frame_end(struct rj_buf *out, const struct rj_span *attachments,
                                     size_t n_attachments);

/* A frame of one packet, text or binary. */
struct rj_frame *rj_packet_frame_text(struct rj_span packet);
struct rj_frame *rj_packet_frame_binary(struct rj_span data);

/* The bytes for a WebSocket, for RAW writing. */
struct rj_span rj_packet_frame_ws(struct rj_frame *frame);

/* The bytes for a polling payload: the packets, joined by 0x1e. */
struct rj_span rj_packet_frame_polling(struct rj_frame *frame);

#endif
