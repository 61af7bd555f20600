#include <stdio.h>
#include <string.h>

#include "handle.h"
#include "proto/base/mem.h"

enum { MAX_ATTACHMENTS = 10 };

void rejoin_make_id(struct rejoin *handle, char out[REJOIN_ID_SIZE])
{
    snprintf(out, REJOIN_ID_SIZE, "%s-%llu", handle->link.id, (unsigned long long)++handle->made_ids);
}

static enum rejoin_status check(struct rejoin *handle, const struct rejoin_publish *publish)
{
    if (!publish || !publish->room || !publish->data)
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "a publish needs a room and data");
    if (publish->attachment_count > MAX_ATTACHMENTS)
        return rj_sdk_fail(handle, REJOIN_TOO_MANY, "a message carries at most 10 attachments");
    return REJOIN_OK;
}

static ProtobufCBinaryData bytes_of(const void *data, size_t len)
{
    return (ProtobufCBinaryData){.len = len, .data = (uint8_t *)(uintptr_t)data};
}

static void finish_publish(struct rejoin *handle, struct rj_sdk_call *call, enum rejoin_status status,
                           const Rejoin__Reply *reply)
{
    struct rejoin_published result = {0};
    if (status == REJOIN_OK && reply->result_case != REJOIN__REPLY__RESULT_PUBLISHED)
        status = rj_sdk_fail(handle, REJOIN_INTERNAL, "the broker's answer is not one to a publish");
    if (status == REJOIN_OK) {
        const Rejoin__Published *published = reply->published;
        snprintf(result.offset, sizeof result.offset, "%s", published->offset);
        result.seq = published->n_seqs ? published->seqs[0] : 0;
        result.ts_ms = published->ts_ms;
        result.is_duplicate = published->duplicate;
    }
    if (call->callback.published)
        call->callback.published(call->arg, status, status == REJOIN_OK ? &result : NULL);
}

/* Strings of protobuf-c are not const; packing only reads them. */
static char *text(const char *given, const char *otherwise)
{
    return (char *)(uintptr_t)(given ? given : otherwise);
}

static enum rejoin_status start_publish(struct rejoin *handle, const struct rejoin_publish *publish,
                                        rejoin_on_published *callback, void *arg, uint64_t *id)
{
    enum rejoin_status status = check(handle, publish);
    if (status != REJOIN_OK)
        return status;
    char made[REJOIN_ID_SIZE] = "";
    bool has_id = publish->id && *publish->id;
    if (!has_id && !publish->is_volatile)
        rejoin_make_id(handle, made);

    Rejoin__Target target = REJOIN__TARGET__INIT, *targets[] = {&target};
    target.kind = REJOIN__TARGET__KIND__ROOM;
    target.name = text(publish->room, "");
    ProtobufCBinaryData attachments[MAX_ATTACHMENTS];
    for (size_t i = 0; i < publish->attachment_count; i++)
        attachments[i] = bytes_of(publish->attachments[i].data, publish->attachments[i].len);

    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    message.namespace_ = text(publish->nsp, "/");
    message.n_targets = 1;
    message.targets = targets;
    message.event = text(publish->event, "room:message");
    message.data = bytes_of(publish->data, publish->data_len ? publish->data_len : strlen(publish->data));
    message.n_attachments = publish->attachment_count;
    message.attachments = attachments;
    message.id = text(has_id ? publish->id : NULL, made);
    message.volatile_ = publish->is_volatile;
    Rejoin__Publish body = REJOIN__PUBLISH__INIT;
    body.message = &message;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_PUBLISH;
    command.publish = &body;

    struct rj_sdk_call *call;
    status = rj_sdk_call_start(handle, &command, finish_publish, &call);
    if (status != REJOIN_OK)
        return status;
    call->is_volatile = publish->is_volatile;
    call->callback.published = callback;
    call->arg = arg;
    *id = call->id;
    return REJOIN_OK;
}

enum rejoin_status rejoin_publish(struct rejoin *handle, const struct rejoin_publish *publish,
                                  rejoin_on_published *callback, void *arg)
{
    uint64_t id;
    return start_publish(handle, publish, callback, arg, &id);
}

struct waiting {
    bool is_done;
    enum rejoin_status status;
    struct rejoin_published result;
};

static void on_waited(void *arg, enum rejoin_status status, const struct rejoin_published *result)
{
    struct waiting *waiting = arg;
    waiting->is_done = true;
    waiting->status = status;
    if (result)
        waiting->result = *result;
}

enum rejoin_status rejoin_publish_wait(struct rejoin *handle, const struct rejoin_publish *publish,
                                       int timeout_ms, struct rejoin_published *out)
{
    struct waiting waiting = {0};
    uint64_t id = 0, deadline_ms = rj_sdk_deadline(timeout_ms);
    enum rejoin_status status;
    if (handle->is_in_turn)
        return rj_sdk_fail(handle, REJOIN_MISUSE, "rejoin_publish_wait inside a callback");
    while ((status = start_publish(handle, publish, on_waited, &waiting, &id)) == REJOIN_BUSY)
        if ((status = rj_sdk_turn_until(handle, deadline_ms)) != REJOIN_OK)
            return status;
    if (status == REJOIN_OK)
        status = rj_sdk_await(handle, id, &waiting.is_done, deadline_ms);
    if (status == REJOIN_OK)
        status = waiting.status;
    if (status == REJOIN_OK && out)
        *out = waiting.result;
    return status;
}
