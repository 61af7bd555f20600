#include "message.h"

#include <string.h>

#include "handle.h"
#include "proto/offset.h"

static const struct rejoin_target *targets_of(const Rejoin__Deliver *deliver, struct rj_arena *arena)
{
    const Rejoin__Message *message = deliver->message;
    struct rejoin_target *targets = rj_arena_alloc(arena, message->n_targets * sizeof *targets);
    for (size_t i = 0; i < message->n_targets; i++)
        targets[i] = (struct rejoin_target){.kind = (enum rejoin_target_kind)message->targets[i]->kind,
                                            .name = message->targets[i]->name,
                                            .seq = i < deliver->n_seqs ? deliver->seqs[i] : 0};
    return targets;
}

static const char *offset_of(uint64_t epoch, uint64_t pos, struct rj_arena *arena)
{
    char *offset = rj_arena_alloc(arena, RJ_OFFSET_MAX + 1);
    offset[0] = '\0';
    if (pos)
        rj_offset_format((struct rj_offset){epoch, pos}, offset);
    return offset;
}

bool rj_sdk_message_of(const Rejoin__Deliver *deliver, uint64_t epoch, struct rj_arena *arena,
                       struct rejoin_message *out)
{
    const Rejoin__Message *message = deliver->message;
    if (!message || message->n_targets == 0)
        return false;
    *out = (struct rejoin_message){
        .offset = offset_of(epoch, deliver->pos, arena),
        .ts_ms = deliver->ts_ms,
        .nsp = message->namespace_,
        .targets = targets_of(deliver, arena),
        .target_count = message->n_targets,
        .event = message->event,
        .data = rj_arena_copy(arena, message->data.data, message->data.len),
        .data_len = message->data.len,
        .attachments = rj_sdk_attachments_of(message->n_attachments, message->attachments, arena),
        .attachment_count = message->n_attachments,
        .id = message->id,
        .from_user = message->from_user,
        .from_sid = message->from_sid,
        .source = message->source,
        .is_plain = message->plain,
    };
    return true;
}

static enum rejoin_status draft_targets(struct rejoin *handle, const struct rejoin_publish *publish,
                                        struct rj_sdk_draft *draft)
{
    const struct rejoin_target room = {.kind = REJOIN_ROOM, .name = publish->room};
    const struct rejoin_target *targets = publish->room ? &room : publish->targets;
    size_t count = publish->room ? 1 : publish->target_count;
    if (count == 0 || !targets)
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "a message needs a room or targets");
    if (count > REJOIN_TARGETS_MAX)
        return rj_sdk_fail(handle, REJOIN_TOO_MANY, "a message has at most 64 targets");
    for (size_t i = 0; i < count; i++) {
        if (!targets[i].name && targets[i].kind != REJOIN_NAMESPACE)
            return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "a target needs a name");
        rejoin__target__init(&draft->targets[i]);
        draft->targets[i].kind = (Rejoin__Target__Kind)targets[i].kind;
        draft->targets[i].name = rj_sdk_text(targets[i].name, "");
        draft->target_list[i] = &draft->targets[i];
    }
    draft->message.n_targets = count;
    draft->message.targets = draft->target_list;
    return REJOIN_OK;
}

enum rejoin_status rj_sdk_draft(struct rejoin *handle, const struct rejoin_publish *publish,
                                struct rj_sdk_draft *draft)
{
    Rejoin__Message *message = &draft->message;
    rejoin__message__init(message);
    if (!publish || !publish->data)
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "a message needs data");
    enum rejoin_status status = draft_targets(handle, publish, draft);
    if (status == REJOIN_OK)
        status = rj_sdk_attachments_lend(handle, publish->attachments, publish->attachment_count,
                                         draft->attachments);
    if (status == REJOIN_OK)
        status = rj_sdk_names_lend(handle, &publish->except_rooms, &message->n_except_rooms,
                                   &message->except_rooms);
    if (status == REJOIN_OK)
        status =
            rj_sdk_names_lend(handle, &publish->except_sids, &message->n_except_sids, &message->except_sids);
    if (status != REJOIN_OK)
        return status;
    if (publish->is_plain && !publish->event)
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "plain arguments need an event's name");
    message->namespace_ = rj_sdk_text(publish->nsp, "/");
    message->event = rj_sdk_text(publish->event, "room:message");
    message->data =
        rj_sdk_bytes(publish->data, publish->data_len ? publish->data_len : strlen(publish->data));
    message->n_attachments = publish->attachment_count;
    message->attachments = draft->attachments;
    message->volatile_ = publish->is_volatile;
    message->plain = publish->is_plain;
    return REJOIN_OK;
}
