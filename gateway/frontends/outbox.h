/* What waits to be written to one connection: a queue of references to shared frames, counted in bytes.
 *
 * Owned by a session. Pushing allocates only when the ring grows; several frames are joined into one write
 * ("coalescing"), which is what makes fan-out cheap. Pure: it never writes.
 */
#ifndef RJ_OUTBOX_H
#define RJ_OUTBOX_H

#include "gateway/frame.h"
#include "proto/base/buf.h"

/* Zero-initialise; end with rj_outbox_clear. */
struct rj_outbox {
    struct rj_frame **ring; /* `cap` places, a power of two; NULL while nothing was ever queued */
    uint32_t head;          /* the place of the first frame */
    uint32_t count;
    uint32_t cap;
    size_t bytes; /* sum of the frames' `bytes` */
};

/* Queues the frame behind the others; takes a reference of its own. */
void rj_outbox_push(struct rj_outbox *outbox, struct rj_frame *frame);

/* The `i`-th frame from the front, i < count. Borrowed. */
static inline struct rj_frame *rj_outbox_at(const struct rj_outbox *outbox, size_t i)
{
    return outbox->ring[(outbox->head + i) & (outbox->cap - 1)];
}

/* Drops the first `n` frames. A ring that was large gives its memory back when it is empty. */
void rj_outbox_pop(struct rj_outbox *outbox, size_t n);

/* The encoded bytes of a frame, as one transport wants them. Valid as long as the frame. */
typedef struct rj_span rj_outbox_bytes(struct rj_frame *frame);

/* The next bytes to write, out of a non-empty outbox: the first frame's own, when it is alone or no other
 * fits beside it; else as many as fit into `limit_bytes`, joined in `scratch` (cleared first). *n is how many
 * frames that is: pop them once the bytes are written. */
struct rj_span rj_outbox_gather(const struct rj_outbox *outbox, rj_outbox_bytes *bytes_of, size_t limit_bytes,
                                struct rj_buf *scratch, size_t *n);

/* Drops everything and frees the ring. */
void rj_outbox_clear(struct rj_outbox *outbox);

#endif
