/* A word to the other backends. */
#include "args.h"
#include "box.h"
#include "handle.h"

static struct rejoin_reply reply_of(const Rejoin__SendResult__One *one, struct rj_arena *arena)
{
    return (struct rejoin_reply){
        .from = one->from,
        .instance = one->instance,
        .args = rj_sdk_args_of(&one->args, one->n_attachments, one->attachments, arena),
        .error = one->error ? one->error->code : "",
        .error_message = one->error ? one->error->message : "",
    };
}

static struct rejoin_replies *replies_of(const Rejoin__SendResult *result)
{
    struct rj_arena *arena;
    struct rejoin_replies *replies = rj_sdk_box_new(sizeof *replies, &arena);
    const Rejoin__SendResult *copy = (const Rejoin__SendResult *)rj_sdk_box_copy(&result->base, arena);
    struct rejoin_reply *list = rj_arena_alloc(arena, copy->n_answers * sizeof *list);
    for (size_t i = 0; i < copy->n_answers; i++)
        list[i] = reply_of(copy->answers[i], arena);
    replies->sent = copy->sent;
    replies->replies = list;
    replies->count = copy->n_answers;
    replies->missing = (struct rejoin_names){(const char *const *)copy->missing, copy->n_missing};
    replies->is_truncated = copy->truncated;
    return replies;
}

void rejoin_replies_free(struct rejoin_replies **replies)
{
    rj_sdk_box_free(*replies);
    *replies = NULL;
}

static void finish_send(struct rejoin *handle, struct rj_sdk_call *call, enum rejoin_status status,
                        const Rejoin__Reply *reply)
{
    status = rj_sdk_check_result(handle, status, reply, REJOIN__REPLY__RESULT_SEND);
    if (call->end.callback.replies)
        call->end.callback.replies(call->end.arg, status,
                                   status == REJOIN_OK ? replies_of(reply->send) : NULL);
}

static bool is_given(const char *text)
{
    return text && *text;
}

static enum rejoin_status start_send(struct rejoin *handle, const struct rejoin_send *send,
                                     rejoin_on_replies *callback, void *arg, uint64_t *id)
{
    struct rj_sdk_args args;
    if (!send || !is_given(send->name) || !(is_given(send->nsp) || is_given(send->group)))
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "a name, and a namespace or a group, are wanted");
    enum rejoin_status status = rj_sdk_args_lend(handle, &send->args, &args);
    if (status != REJOIN_OK)
        return status;
    Rejoin__Send body = REJOIN__SEND__INIT;
    body.namespace_ = rj_sdk_text(send->nsp, "");
    body.group = rj_sdk_text(send->group, "");
    body.name = rj_sdk_text(send->name, "");
    body.args = args.json;
    body.n_attachments = args.attachment_count;
    body.attachments = args.attachments;
    body.wants_answers = send->wants_answers;
    body.timeout_ms = send->timeout_ms;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_SEND;
    command.send = &body;
    const struct rj_sdk_end end = {
        .finish = finish_send, .callback.replies = callback, .arg = arg, .is_said_once = true};
    return rj_sdk_call_start(handle, &command, &end, id);
}

enum rejoin_status rejoin_send(struct rejoin *handle, const struct rejoin_send *send,
                               rejoin_on_replies *callback, void *arg)
{
    uint64_t id;
    return start_send(handle, send, callback, arg, &id);
}

static void on_waited(void *arg, enum rejoin_status status, struct rejoin_replies *replies)
{
    rj_sdk_waited(arg, status, replies);
}

static enum rejoin_status begin(struct rejoin *handle, const void *request, struct rj_sdk_waiting *waiting,
                                uint64_t *id)
{
    return start_send(handle, request, on_waited, waiting, id);
}

enum rejoin_status rejoin_send_wait(struct rejoin *handle, const struct rejoin_send *send, int timeout_ms,
                                    struct rejoin_replies **out)
{
    struct rj_sdk_waiting waiting;
    enum rejoin_status status = rj_sdk_wait(handle, begin, send, &waiting, timeout_ms);
    if (status != REJOIN_OK)
        return status;
    struct rejoin_replies *replies = waiting.result;
    if (out)
        *out = replies;
    else
        rejoin_replies_free(&replies);
    return REJOIN_OK;
}
