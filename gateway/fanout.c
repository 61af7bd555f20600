#include "gateway/fanout.h"

#include <stdlib.h>

#include "gateway/gateway.h"
#include "gateway/link.h"
#include "gateway/translate.h"
#include "proto/base/mem.h"
#include "proto/offset.h"

/* Front ends whose encodings are kept while one message goes out. */
enum { FRONTENDS_MAX = 4 };

struct encodings {
    struct {
        const struct rj_frontend_ops *ops;
        struct rj_frame *frame;
    } of[FRONTENDS_MAX];
    size_t n;
};

struct fanout;
typedef void give(struct fanout *out, struct rj_client *client, uint64_t since_pos);

/* One message on its way. */
struct fanout {
    struct rj_gateway *gateway;
    const Rejoin__Deliver *deliver;
    give *give;
    uint64_t offset_pos;

    /* The target that is being worked off. */
    const struct rj_mirror_room *room; /* NULL: it is no room */
    uint64_t seq;
    struct encodings of_room;
    struct encodings of_all; /* what is the same for every target */

    /* A question. */
    uint64_t ack_id;
    size_t may_ask; /* so many further clients */
    struct rj_client **asked;
    size_t n_asked, cap_asked;
};

/* ------------------------------------------------------------------------------------------ encoding */

static void put_args(const struct fanout *out, struct rj_buf *args)
{
    const Rejoin__Message *message = out->deliver->message;
    rj_buf_clear(args);
    if (message->plain)
        rj_buf_put_span(args, rj_translate_plain(message));
    else
        rj_translate_envelope(out->deliver, out->room ? rj_mirror_room_name(out->room) : NULL, out->seq,
                              args);
}

static struct rj_frame *encode(const struct fanout *out, const struct rj_frontend_ops *ops)
{
    struct rj_gateway *gateway = out->gateway;
    const Rejoin__Message *message = out->deliver->message;
    char offset[RJ_OFFSET_MAX + 1];
    struct rj_span *attachments =
        rj_arena_alloc(&gateway->arena, (message->n_attachments + 1) * sizeof *attachments);
    for (size_t i = 0; i < message->n_attachments; i++)
        attachments[i] = rj_span_of(message->attachments[i].data, message->attachments[i].len);
    put_args(out, &gateway->scratch);
    struct rj_event event = {
        .nsp = rj_span_str(message->namespace_),
        .name = rj_span_str(message->event),
        .args = rj_buf_span(&gateway->scratch),
        .attachments = attachments,
        .n_attachments = message->n_attachments,
        .wants_ack = out->deliver->ask > 0,
        .ack_id = out->ack_id,
    };
    if (gateway->conf->recovery && !event.wants_ack) {
        struct rj_offset at = {rj_link_epoch(gateway->link), out->offset_pos};
        event.offset = rj_span_of(offset, rj_offset_format(at, offset));
    }
    return ops->encode_event(&event);
}

/* The message in this front end's encoding, made when the first of its clients is met. */
static struct rj_frame *frame_for(struct fanout *out, const struct rj_frontend_ops *ops)
{
    struct encodings *made = out->room && !out->deliver->message->plain ? &out->of_room : &out->of_all;
    for (size_t i = 0; i < made->n; i++)
        if (made->of[i].ops == ops)
            return made->of[i].frame;
    if (made->n == FRONTENDS_MAX)
        abort(); /* there are not so many front ends in the program */
    struct rj_frame *frame = encode(out, ops);
    made->of[made->n].ops = ops;
    made->of[made->n++].frame = frame;
    return frame;
}

static void drop_frames(struct encodings *made)
{
    while (made->n)
        rj_frame_unref(made->of[--made->n].frame);
}

/* ------------------------------------------------------------------------------------------ giving */

/* False for a client that stood in a target before. */
static bool is_first_time(const struct fanout *out, struct rj_client *client)
{
    if (client->seen_in == out->gateway->fanouts)
        return false;
    client->seen_in = out->gateway->fanouts;
    return true;
}

/* No need to look whether it stood in a target before: last_pos tells. */
static void give_logged(struct fanout *out, struct rj_client *client, uint64_t since_pos)
{
    uint64_t pos = out->deliver->pos;
    if (client->state == RJ_CLIENT_LIVE && pos > client->last_pos && pos > since_pos)
        rj_client_send_logged(client, frame_for(out, client->ops), pos);
}

static void give_volatile(struct fanout *out, struct rj_client *client, uint64_t since_pos)
{
    (void)since_pos;
    if (!is_first_time(out, client) || !rj_client_is_connected(client))
        return;
    if (client->state != RJ_CLIENT_LIVE || !client->ops->is_writable(client->conn)) {
        out->gateway->stats.volatile_skipped++;
        return;
    }
    client->ops->send(client->conn, client, frame_for(out, client->ops));
}

static void note_asked(struct fanout *out, struct rj_client *client)
{
    if (out->n_asked == out->cap_asked) {
        out->cap_asked = out->cap_asked ? out->cap_asked * 2 : 16;
        out->asked = rj_realloc(out->asked, out->cap_asked, sizeof(struct rj_client *));
    }
    out->asked[out->n_asked++] = client;
}

static void give_ask(struct fanout *out, struct rj_client *client, uint64_t since_pos)
{
    (void)since_pos;
    if (!is_first_time(out, client) || !rj_client_is_connected(client))
        return;
    if (out->n_asked < out->may_ask && rj_client_send_ask(client, frame_for(out, client->ops)))
        note_asked(out, client);
    else
        out->gateway->stats.asks_skipped++;
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

static void offer(struct fanout *out, struct rj_client *client, uint64_t since_pos)
{
    if (client->excluded_in != out->gateway->fanouts)
        out->give(out, client, since_pos);
}

static void to_room(struct fanout *out)
{
    for (uint32_t i = 0; i < out->room->n_members; i++)
        offer(out, out->room->members[i].client, out->room->members[i].since_pos);
    drop_frames(&out->of_room);
}

static void to_cohort(struct fanout *out, enum rj_cohort_kind kind, const char *nsp, const char *user)
{
    struct rj_client *client = rj_cohort_first(&out->gateway->cohorts, kind, nsp, user);
    for (; client; client = rj_cohort_next(client, kind))
        offer(out, client, 0); /* a member since its session began: its positions say the rest */
}

/* The client with this sid, if it is in the message's namespace. */
static struct rj_client *find_socket(const struct rj_gateway *gateway, const char *nsp, const char *sid)
{
    struct rj_client *client = rj_clients_find_sid(&gateway->clients, sid);
    return client && strcmp(client->nsp, nsp) == 0 ? client : NULL;
}

static void enter_target(struct fanout *out, size_t i)
{
    const Rejoin__Message *message = out->deliver->message;
    const Rejoin__Target *target = message->targets[i];
    bool is_room = target->kind == REJOIN__TARGET__KIND__ROOM;
    out->room = is_room ? rj_mirror_find(&out->gateway->mirror, message->namespace_, target->name) : NULL;
    out->seq = is_room && i < out->deliver->n_seqs ? out->deliver->seqs[i] : 0;
}

static void to_target(struct fanout *out, const Rejoin__Target *target)
{
    const char *nsp = out->deliver->message->namespace_;
    struct rj_client *client;
    switch (target->kind) {
    case REJOIN__TARGET__KIND__ROOM:
        if (out->room)
            to_room(out);
        return;
    case REJOIN__TARGET__KIND__NAMESPACE: to_cohort(out, RJ_COHORT_NAMESPACE, nsp, NULL); return;
    case REJOIN__TARGET__KIND__USER:
        if (*target->name) /* nobody is called so: those without a name are no one user */
            to_cohort(out, RJ_COHORT_USER, nsp, target->name);
        return;
    case REJOIN__TARGET__KIND__SOCKET:
        client = find_socket(out->gateway, nsp, target->name);
        if (client)
            offer(out, client, 0);
        return;
    default: return; /* a kind of a later version: not for this one */
    }
}

static void to_targets(struct fanout *out)
{
    struct rj_gateway *gateway = out->gateway;
    const Rejoin__Message *message = out->deliver->message;
    gateway->fanouts++;
    gateway->stats.messages_in++;
    exclude(gateway, message, gateway->fanouts);
    for (size_t i = 0; i < message->n_targets; i++) {
        enter_target(out, i);
        to_target(out, message->targets[i]);
    }
    drop_frames(&out->of_all);
}

void rj_fanout_logged(struct rj_gateway *gateway, const Rejoin__Deliver *deliver)
{
    to_targets(&(struct fanout){
        .gateway = gateway, .deliver = deliver, .give = give_logged, .offset_pos = deliver->pos});
}

void rj_fanout_volatile(struct rj_gateway *gateway, const Rejoin__Deliver *deliver)
{
    to_targets(&(struct fanout){.gateway = gateway,
                                .deliver = deliver,
                                .give = give_volatile,
                                .offset_pos = rj_link_stream_pos(gateway->link)});
}

void rj_fanout_ask(struct rj_gateway *gateway, const Rejoin__Deliver *deliver)
{
    struct fanout out = {.gateway = gateway,
                         .deliver = deliver,
                         .give = give_ask,
                         .ack_id = rj_asks_next_id(&gateway->asks),
                         .may_ask = rj_asks_room(gateway)};
    to_targets(&out);
    rj_asks_open(gateway, deliver, out.asked, out.n_asked);
    free(out.asked);
}

/* ------------------------------------------------------------------------------------------ replay */

/* Whether the client is in the target that was entered, and was when the message was logged. */
static bool is_for(const struct fanout *out, const Rejoin__Target *target, const struct rj_client *client)
{
    const struct rj_member *member;
    switch (target->kind) {
    case REJOIN__TARGET__KIND__ROOM:
        member = out->room ? rj_mirror_member(out->room, client) : NULL;
        return member && out->deliver->pos > member->since_pos;
    case REJOIN__TARGET__KIND__NAMESPACE: return true;
    case REJOIN__TARGET__KIND__USER: return *client->user && strcmp(target->name, client->user) == 0;
    case REJOIN__TARGET__KIND__SOCKET: return strcmp(target->name, client->sid) == 0;
    default: return false;
    }
}

void rj_fanout_replay(struct rj_gateway *gateway, const Rejoin__Deliver *deliver)
{
    const Rejoin__Message *message = deliver->message;
    struct rj_client *client = rj_clients_find(&gateway->clients, deliver->client);
    if (!client || client->state != RJ_CLIENT_REPLAYING || deliver->pos <= client->last_pos ||
        strcmp(client->nsp, message->namespace_) != 0)
        return;
    struct fanout out = {.gateway = gateway, .deliver = deliver, .offset_pos = deliver->pos};
    for (size_t i = 0; i < message->n_targets; i++) {
        enter_target(&out, i);
        if (!is_for(&out, message->targets[i], client))
            continue;
        rj_client_send_logged(client, frame_for(&out, client->ops), deliver->pos);
        gateway->stats.replayed++;
        break;
    }
    drop_frames(&out.of_room);
    drop_frames(&out.of_all);
}
