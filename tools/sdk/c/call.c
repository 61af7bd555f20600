#include "call.h"

#include <stdlib.h>

#include "handle.h"
#include "proto/base/mem.h"

enum { FRAME_OVERHEAD = 64 }; /* header, Batch fields and the item's own key and length, with room to spare */

enum rejoin_status rj_sdk_call_start(struct rejoin *handle, Rejoin__Command *command, rj_sdk_finish *finish,
                                     struct rj_sdk_call **out)
{
    struct rj_sdk_calls *calls = &handle->calls;
    if (handle->link.state == RJ_SDK_LINK_REFUSED)
        return rj_sdk_fail(handle, handle->link.refusal, NULL);
    command->id = handle->last_id + 1;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    item.kind_case = REJOIN__ITEM__KIND_COMMAND;
    item.command = command;
    size_t size = rejoin__item__get_packed_size(&item);
    if (size > calls->most_bytes)
        return rj_sdk_fail(handle, REJOIN_TOO_LARGE, "larger than max_unanswered_bytes");
    if (HASH_COUNT(calls->all) >= calls->most || size > calls->most_bytes - calls->bytes)
        return rj_sdk_fail(handle, REJOIN_BUSY, "too many calls wait for their answer");

    struct rj_sdk_call *call = rj_calloc(1, sizeof *call);
    call->id = command->id;
    call->finish = finish;
    rj_wire_pack(&item.base, &call->item);
    HASH_ADD(hh, calls->all, id, sizeof call->id, call);
    if (!calls->next)
        calls->next = call;
    calls->bytes += size;
    handle->last_id = call->id;
    rj_sdk_wake_now(&handle->wake);
    *out = call;
    return REJOIN_OK;
}

/* Takes the call out of the table; the caller frees it. */
static void take(struct rj_sdk_calls *calls, struct rj_sdk_call *call)
{
    if (calls->next == call)
        calls->next = call->hh.next;
    HASH_DEL(calls->all, call);
    calls->bytes -= call->item.len;
}

static void free_call(struct rj_sdk_call *call)
{
    rj_buf_free(&call->item);
    free(call);
}

static void end_call(struct rejoin *handle, struct rj_sdk_call *call, enum rejoin_status status,
                     const Rejoin__Reply *reply)
{
    take(&handle->calls, call);
    call->finish(handle, call, status, reply);
    free_call(call);
}

void rj_sdk_calls_put(struct rejoin *handle)
{
    struct rj_sdk_calls *calls = &handle->calls;
    struct rj_wire_out *out = &handle->link.out;
    while (calls->next) {
        struct rj_sdk_call *call = calls->next;
        size_t size = call->item.len + FRAME_OVERHEAD;
        if (size > handle->link.max_frame_bytes) {
            rj_sdk_fail(handle, REJOIN_TOO_LARGE, "larger than the largest frame that the broker takes");
            end_call(handle, call, REJOIN_TOO_LARGE, NULL);
            continue;
        }
        if (out->items && out->frame.len + size > rj_sdk_link_frame_target(&handle->link))
            return;
        rj_wire_put_packed(out, rj_buf_span(&call->item));
        calls->next = call->hh.next;
    }
}

void rj_sdk_calls_rewind(struct rejoin *handle)
{
    struct rj_sdk_calls *calls = &handle->calls;
    struct rj_sdk_call *call = calls->all;
    uint64_t first_unsaid = calls->next ? calls->next->id : handle->last_id + 1;
    while (call && call->id < first_unsaid) { /* callbacks may append further ones */
        struct rj_sdk_call *following = call->hh.next;
        if (call->is_volatile) {
            rj_sdk_fail(handle, REJOIN_UNAVAILABLE,
                        "the broker went away; a volatile message is not repeated");
            end_call(handle, call, REJOIN_UNAVAILABLE, NULL);
        }
        call = following;
    }
    calls->next = calls->all;
}

static struct rj_sdk_call *find(struct rejoin *handle, uint64_t id)
{
    struct rj_sdk_call *call;
    HASH_FIND(hh, handle->calls.all, &id, sizeof id, call);
    return call;
}

bool rj_sdk_calls_answer(struct rejoin *handle, const Rejoin__Reply *reply)
{
    struct rj_sdk_call *call = find(handle, reply->id);
    if (!call)
        return false;
    end_call(handle, call, rj_sdk_reply_status(handle, reply), reply);
    return true;
}

void rj_sdk_call_abandon(struct rejoin *handle, uint64_t id)
{
    struct rj_sdk_call *call = find(handle, id);
    if (!call)
        return;
    take(&handle->calls, call);
    free_call(call);
}

void rj_sdk_calls_end(struct rejoin *handle, enum rejoin_status status)
{
    while (handle->calls.all)
        end_call(handle, handle->calls.all, status, NULL);
}
