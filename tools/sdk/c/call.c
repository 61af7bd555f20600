#include "call.h"

#include <stdlib.h>

#include "handle.h"
#include "proto/base/mem.h"

enum { FRAME_OVERHEAD = 64 }; /* header, Batch fields and the item's own key and length, with room to spare */

static void add(struct rejoin *handle, const Rejoin__Item *item, const struct rj_sdk_end *end)
{
    struct rj_sdk_calls *calls = &handle->calls;
    struct rj_sdk_call *call = rj_calloc(1, sizeof *call);
    call->id = item->command->id;
    call->end = *end;
    rj_wire_pack(&item->base, &call->item);
    HASH_ADD(hh, calls->all, id, sizeof call->id, call);
    if (!calls->next)
        calls->next = call;
    calls->bytes += call->item.len;
    handle->last_id = call->id;
    rj_sdk_wake_now(&handle->wake);
}

static Rejoin__Item item_of(struct rejoin *handle, Rejoin__Command *command)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    command->id = handle->last_id + 1;
    item.kind_case = REJOIN__ITEM__KIND_COMMAND;
    item.command = command;
    return item;
}

enum rejoin_status rj_sdk_call_start(struct rejoin *handle, Rejoin__Command *command,
                                     const struct rj_sdk_end *end, uint64_t *id)
{
    struct rj_sdk_calls *calls = &handle->calls;
    if (handle->link.state == RJ_SDK_LINK_REFUSED)
        return rj_sdk_fail(handle, handle->link.refusal, NULL);
    Rejoin__Item item = item_of(handle, command);
    size_t size = rejoin__item__get_packed_size(&item);
    if (size > calls->most_bytes)
        return rj_sdk_fail(handle, REJOIN_TOO_LARGE, "larger than max_unanswered_bytes");
    if (HASH_COUNT(calls->all) >= calls->most || calls->bytes > calls->most_bytes - size)
        return rj_sdk_fail(handle, REJOIN_BUSY, "too many calls wait for their answer");
    add(handle, &item, end);
    *id = command->id;
    return REJOIN_OK;
}

void rj_sdk_call_start_answer(struct rejoin *handle, Rejoin__Command *command, const struct rj_sdk_end *end)
{
    Rejoin__Item item = item_of(handle, command);
    add(handle, &item, end);
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
    call->end.finish(handle, call, status, reply);
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
        if (call->end.is_said_once) {
            rj_sdk_fail(handle, REJOIN_UNAVAILABLE, "the broker went away; this is not repeated");
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

enum rejoin_status rj_sdk_check_result(struct rejoin *handle, enum rejoin_status status,
                                       const Rejoin__Reply *reply, Rejoin__Reply__ResultCase expected)
{
    if (status == REJOIN_OK && reply->result_case != expected)
        return rj_sdk_fail(handle, REJOIN_INTERNAL, "the broker's answer is not one to this call");
    return status;
}

void rj_sdk_waited(void *waiting, enum rejoin_status status, void *result)
{
    struct rj_sdk_waiting *done = waiting;
    *done = (struct rj_sdk_waiting){.is_done = true, .status = status, .result = result};
}

enum rejoin_status rj_sdk_wait(struct rejoin *handle, rj_sdk_begin *begin, const void *request,
                               struct rj_sdk_waiting *waiting, int timeout_ms)
{
    uint64_t id = 0, deadline_ms = rj_sdk_deadline(timeout_ms);
    enum rejoin_status status;
    if (handle->is_in_turn)
        return rj_sdk_fail(handle, REJOIN_MISUSE, "a waiting call inside a callback");
    *waiting = (struct rj_sdk_waiting){0};
    while ((status = begin(handle, request, waiting, &id)) == REJOIN_BUSY)
        if ((status = rj_sdk_turn_until(handle, deadline_ms)) != REJOIN_OK)
            return status;
    if (status == REJOIN_OK)
        status = rj_sdk_await(handle, id, &waiting->is_done, deadline_ms);
    return status == REJOIN_OK ? waiting->status : status;
}
