#include "gateway/fanout.h"

#include <stdlib.h>

#include "gateway/gateway.h"
#include "gateway/link.h"
#include "gateway/translate.h"
#include "proto/offset.h"

/* Front ends whose encodings are kept while one message goes out. */
enum { FRONTENDS_MAX = 4 };

/* One message on its way to the members of one room. */
struct fanout {
    struct rj_gateway *gateway;
    const Rejoin__Deliver *deliver;
    const struct rj_mirror_room *room;
    uint64_t seq;
    uint64_t offset_pos;
    struct {
        const struct rj_frontend_ops *ops;
        struct rj_frame *frame;
    } frames[FRONTENDS_MAX];
    size_t n_frames;
};

static struct rj_frame *encode(struct fanout *out, const struct rj_frontend_ops *ops)
{
    struct rj_gateway *gateway = out->gateway;
    const Rejoin__Message *message = out->deliver->message;
    char offset[RJ_OFFSET_MAX + 1];
    struct rj_span *attachments =
        rj_arena_alloc(&gateway->arena, (message->n_attachments + 1) * sizeof *attachments);
    for (size_t i = 0; i < message->n_attachments; i++)
        attachments[i] = rj_span_of(message->attachments[i].data, message->attachments[i].len);
    rj_buf_clear(&gateway->scratch);
    rj_translate_envelope(out->deliver, rj_mirror_room_name(out->room), out->seq, &gateway->scratch);
    struct rj_event event = {
        .nsp = rj_span_str(message->namespace_),
        .name = rj_span_str(message->event),
        .args = rj_buf_span(&gateway->scratch),
        .attachments = attachments,
        .n_attachments = message->n_attachments,
    };
    if (gateway->conf->recovery) {
        struct rj_offset at = {rj_link_epoch(gateway->link), out->offset_pos};
        event.offset = rj_span_of(offset, rj_offset_format(at, offset));
    }
    return ops->encode_event(&event);
}

/* The message in this front end's encoding, made when the first of its clients is met. */
static struct rj_frame *frame_for(struct fanout *out, const struct rj_frontend_ops *ops)
{
    for (size_t i = 0; i < out->n_frames; i++)
        if (out->frames[i].ops == ops)
            return out->frames[i].frame;
    if (out->n_frames == FRONTENDS_MAX)
        abort(); /* there are not so many front ends in the program */
    struct rj_frame *frame = encode(out, ops);
    out->frames[out->n_frames].ops = ops;
    out->frames[out->n_frames++].frame = frame;
    return frame;
}

static void drop_frames(struct fanout *out)
{
    while (out->n_frames)
        rj_frame_unref(out->frames[--out->n_frames].frame);
}

/* ------------------------------------------------------------------------------------------ who gets it */

static void exclude(struct rj_gateway *gateway, const Rejoin__Message *message, uint64_t fanout)
{
    for (size_t i = 0; i < message->n_except_sids; i++) {
        struct rj_client *client = rj_clients_find_sid(&gateway->clients, message->except_sids[i]);
        if (client)
            client->excluded_in = fanout;
    }
    for (size_t i = 0; i < message->n_except_rooms; i++) {
        struct rj_mirror_room *room =
            rj_mirror_find(&gateway->mirror, message->namespace_, message->except_rooms[i]);
        for (uint32_t m = 0; room && m < room->n_members; m++)
            room->members[m].client->excluded_in = fanout;
    }
}

typedef void give(struct fanout *out, const struct rj_member *member);

static void give_logged(struct fanout *out, const struct rj_member *member)
{
    struct rj_client *client = member->client;
    uint64_t pos = out->deliver->pos;
    if (client->state == RJ_CLIENT_LIVE && pos > client->last_pos && pos > member->since_pos)
        rj_client_send_logged(client, frame_for(out, client->ops), pos);
}

static void give_volatile(struct fanout *out, const struct rj_member *member)
{
    struct rj_client *client = member->client;
    if (client->state != RJ_CLIENT_LIVE || !client->ops->is_writable(client->conn)) {
        out->gateway->stats.volatile_skipped++;
        return;
    }
    if (client->seen_in == out->gateway->fanouts)
        return; /* had it through another target */
    client->seen_in = out->gateway->fanouts;
    client->ops->send(client->conn, client, frame_for(out, client->ops));
}

static void to_room(struct fanout *out, give *give)
{
    const struct rj_mirror_room *room = out->room;
    for (uint32_t i = 0; i < room->n_members; i++)
        if (room->members[i].client->excluded_in != out->gateway->fanouts)
            give(out, &room->members[i]);
    drop_frames(out);
}

static void to_targets(struct rj_gateway *gateway, const Rejoin__Deliver *deliver, uint64_t offset_pos,
                       give *give)
{
    const Rejoin__Message *message = deliver->message;
    struct fanout out = {.gateway = gateway, .deliver = deliver, .offset_pos = offset_pos};
    gateway->fanouts++;
    gateway->stats.messages_in++;
    exclude(gateway, message, gateway->fanouts);
    for (size_t i = 0; i < message->n_targets; i++) {
        const Rejoin__Target *target = message->targets[i];
        if (target->kind != REJOIN__TARGET__KIND__ROOM)
            continue;
        out.room = rj_mirror_find(&gateway->mirror, message->namespace_, target->name);
        out.seq = i < deliver->n_seqs ? deliver->seqs[i] : 0;
        if (out.room)
            to_room(&out, give);
    }
}

void rj_fanout_logged(struct rj_gateway *gateway, const Rejoin__Deliver *deliver)
{
    to_targets(gateway, deliver, deliver->pos, give_logged);
}

void rj_fanout_volatile(struct rj_gateway *gateway, const Rejoin__Deliver *deliver)
{
    to_targets(gateway, deliver, rj_link_stream_pos(gateway->link), give_volatile);
}

void rj_fanout_replay(struct rj_gateway *gateway, const Rejoin__Deliver *deliver)
{
    const Rejoin__Message *message = deliver->message;
    struct rj_client *client = rj_clients_find(&gateway->clients, deliver->client);
    if (!client || client->state != RJ_CLIENT_REPLAYING || deliver->pos <= client->last_pos)
        return;
    struct fanout out = {.gateway = gateway, .deliver = deliver, .offset_pos = deliver->pos};
    for (size_t i = 0; i < message->n_targets; i++) {
        const Rejoin__Target *target = message->targets[i];
        if (target->kind != REJOIN__TARGET__KIND__ROOM)
            continue;
        out.room = rj_mirror_find(&gateway->mirror, message->namespace_, target->name);
        const struct rj_member *member = out.room ? rj_mirror_member(out.room, client) : NULL;
        if (!member || deliver->pos <= member->since_pos)
            continue;
        out.seq = i < deliver->n_seqs ? deliver->seqs[i] : 0;
        rj_client_send_logged(client, frame_for(&out, client->ops), deliver->pos);
        gateway->stats.replayed++;
        drop_frames(&out);
        return;
    }
}
