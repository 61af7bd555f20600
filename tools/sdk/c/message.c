#include "message.h"

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

static const struct rejoin_bytes *attachments_of(const Rejoin__Message *message, struct rj_arena *arena)
{
    struct rejoin_bytes *list = rj_arena_alloc(arena, message->n_attachments * sizeof *list);
    for (size_t i = 0; i < message->n_attachments; i++)
        list[i] = (struct rejoin_bytes){message->attachments[i].data, message->attachments[i].len};
    return list;
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
        .attachments = attachments_of(message, arena),
        .attachment_count = message->n_attachments,
        .id = message->id,
        .from_user = message->from_user,
        .from_sid = message->from_sid,
        .source = message->source,
    };
    return true;
}
