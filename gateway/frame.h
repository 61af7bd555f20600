/* The bytes of one packet, encoded once and shared by every client that gets it.
 *
 * A front end embeds this as the first member of its own struct, which holds the encodings it needs (a
 * WebSocket frame, a polling payload). The rest of the gateway only counts and passes references. Single
 * thread: the count is plain.
 */
#ifndef RJ_FRAME_H
#define RJ_FRAME_H

#include <stddef.h>
#include <stdint.h>

struct rj_frame {
    uint32_t refs;
    size_t bytes; /* what it counts for in a client's queue: the memory that it takes, about */
    void (*free)(struct rj_frame *frame);
};

static inline struct rj_frame *rj_frame_ref(struct rj_frame *frame)
{
    frame->refs++;
    return frame;
}

/* Drops one reference; frees with the last. NULL is fine. */
static inline void rj_frame_unref(struct rj_frame *frame)
{
    if (frame && --frame->refs == 0)
        frame->free(frame);
}

#endif
