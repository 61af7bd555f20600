#include "gateway/frontends/outbox.h"

#include <stdlib.h>

#include "proto/base/mem.h"

enum { FIRST_CAP = 8, KEPT_CAP = 64 };

static void grow(struct rj_outbox *outbox)
{
    uint32_t cap = outbox->cap ? outbox->cap * 2 : FIRST_CAP;
    struct rj_frame **ring = rj_calloc(cap, sizeof *ring);
    for (uint32_t i = 0; i < outbox->count; i++)
        ring[i] = rj_outbox_at(outbox, i);
    free(outbox->ring);
    outbox->ring = ring;
    outbox->cap = cap;
    outbox->head = 0;
}

void rj_outbox_push(struct rj_outbox *outbox, struct rj_frame *frame)
{
    if (outbox->count == outbox->cap)
        grow(outbox);
    outbox->ring[(outbox->head + outbox->count) & (outbox->cap - 1)] = rj_frame_ref(frame);
    outbox->count++;
    outbox->bytes += frame->bytes;
}

void rj_outbox_pop(struct rj_outbox *outbox, size_t n)
{
    for (; n > 0 && outbox->count > 0; n--) {
        struct rj_frame *frame = rj_outbox_at(outbox, 0);
        outbox->head = (outbox->head + 1) & (outbox->cap - 1);
        outbox->count--;
        outbox->bytes -= frame->bytes;
        rj_frame_unref(frame);
    }
    if (outbox->count == 0 && outbox->cap > KEPT_CAP)
        rj_outbox_clear(outbox);
}

struct rj_span rj_outbox_gather(const struct rj_outbox *outbox, rj_outbox_bytes *bytes_of, size_t limit_bytes,
                                struct rj_buf *scratch, size_t *n)
{
    struct rj_span bytes = bytes_of(rj_outbox_at(outbox, 0));
    *n = 1;
    if (outbox->count == 1 || bytes.len >= limit_bytes)
        return bytes;
    struct rj_span next = bytes_of(rj_outbox_at(outbox, 1));
    if (next.len > limit_bytes - bytes.len)
        return bytes;

    rj_buf_reuse(scratch);
    rj_buf_put_span(scratch, bytes);
    do {
        rj_buf_put_span(scratch, next);
        if (++*n == outbox->count)
            break;
        next = bytes_of(rj_outbox_at(outbox, *n));
    } while (next.len <= limit_bytes - scratch->len);
    return rj_buf_span(scratch);
}

void rj_outbox_clear(struct rj_outbox *outbox)
{
    for (uint32_t i = 0; i < outbox->count; i++)
        rj_frame_unref(rj_outbox_at(outbox, i));
    free(outbox->ring);
    *outbox = (struct rj_outbox){0};
}
