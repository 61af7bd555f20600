#include "box.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#include "proto/base/mem.h"
#include "proto/wire.h"

struct box {
    struct rj_arena arena;
    alignas(max_align_t) uint8_t content[];
};

void *rj_sdk_box_new(size_t size, struct rj_arena **arena)
{
    struct box *box = rj_calloc(1, sizeof *box + size);
    *arena = &box->arena;
    return box->content;
}

void rj_sdk_box_free(void *content)
{
    if (!content)
        return;
    struct box *box = (struct box *)(void *)((uint8_t *)content - offsetof(struct box, content));
    rj_arena_free(&box->arena);
    free(box);
}

const ProtobufCMessage *rj_sdk_box_copy(const ProtobufCMessage *message, struct rj_arena *arena)
{
    struct rj_buf packed = {0};
    rj_wire_pack(message, &packed);
    const ProtobufCMessage *copy = rj_wire_unpack_message(message->descriptor, rj_buf_span(&packed), arena);
    rj_buf_free(&packed);
    if (!copy) /* what was valid a moment ago */
        rj_oom(packed.len);
    return copy;
}
