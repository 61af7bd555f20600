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
    bool is_pending;
    const struct rj_shown *shown; /* the message was shown as pending to these; NULL: to nobody */
    struct encodings of_shown;    /* what they get of it now */

    /* The target that is being worked off. */
    const struct rj_mirror_room *room; /* NULL: it is no room */
    uint64_t seq;
    struct encodings of_room;
    struct encodings of_all; /* what is the same for every target */

    uint64_t ack_id; /* of a question */

    /* Whom a question or a pending message went to, which has a bound. */
    size_t most;
    struct rj_client **given;
    size_t n_given, cap_given;
};

/* ------------------------------------------------------------------------------------------ encoding */

static void put_args(const struct fanout *out, struct rj_buf *args)
{
    const Rejoin__Message *message = out->deliver->message;
    rj_buf_reuse(args);
    if (message->plain)
        rj_buf_put_span(args, rj_translate_plain(message));
    else if (out->is_pending)
        rj_translate_pending(out->deliver, rj_mirror_room_name(out->room), args);
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

/* That the message is stored, for those who were shown it. */
static struct rj_frame *encode_confirmed(const struct fanout *out, const struct rj_frontend_ops *ops)
{
    struct rj_gateway *gateway = out->gateway;
    char offset[RJ_OFFSET_MAX + 1];
    size_t len = rj_offset_format((struct rj_offset){rj_link_epoch(gateway->link), out->offset_pos}, offset);
    rj_buf_reuse(&gateway->scratch);
    rj_translate_confirmed(out->deliver, out->shown->room, out->seq, offset, &gateway->scratch);
    struct rj_event event = {
        .nsp = rj_span_str(out->shown->nsp),
        .name = rj_span_str("room:confirmed"),
        .args = rj_buf_span(&gateway->scratch),
        .offset = gateway->conf->recovery ? rj_span_of(offset, len) : (struct rj_span){NULL, 0},
    };
    return ops->encode_event(&event);
}

typedef struct rj_frame *encode_as(const struct fanout *out, const struct rj_frontend_ops *ops);

static struct rj_frame *made_for(struct fanout *out, struct encodings *made,
                                 const struct rj_frontend_ops *ops, encode_as *encode_it)
{
    for (size_t i = 0; i < made->n; i++)
        if (made->of[i].ops == ops)
            return made->of[i].frame;
    if (made->n == FRONTENDS_MAX)
        abort(); /* there are not so many front ends in the program */
    struct rj_frame *frame = encode_it(out, ops);
    made->of[made->n].ops = ops;
    made->of[made->n++].frame = frame;
    return frame;
}

/* The message in this front end's encoding, made when the first of its clients is met. */
static struct rj_frame *frame_for(struct fanout *out, const struct rj_frontend_ops *ops)
{
    struct encodings *made = out->room && !out->deliver->message->plain ? &out->of_room : &out->of_all;
    return made_for(out, made, ops, encode);
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

static void note_given(struct fanout *out, struct rj_client *client)
{
    if (out->n_given == out->cap_given) {
        out->cap_given = out->cap_given ? out->cap_given * 2 : 16;
        out->given = rj_realloc(out->given, out->cap_given, sizeof(struct rj_client *));
    }
    out->given[out->n_given++] = client;
}

/* No need to look whether it stood in a target before: last_pos tells. Who was shown the message gets its
 * confirmation, even when it has left the room and come back meanwhile. */
static void give_logged(struct fanout *out, struct rj_client *client, uint64_t since_pos)
{
    uint64_t pos = out->deliver->pos;
    bool was_shown = out->shown && client->shown_in == out->gateway->fanouts;
    if (client->state != RJ_CLIENT_LIVE || pos <= client->last_pos || (pos <= since_pos && !was_shown))
        return;
    struct rj_frame *frame = was_shown ? made_for(out, &out->of_shown, client->ops, encode_confirmed)
                                       : frame_for(out, client->ops);
    rj_client_send_logged(client, frame, pos);
}

/* Whoever cannot take it now gets the message when it is logged. */
static void give_pending(struct fanout *out, struct rj_client *client, uint64_t since_pos)
{
    (void)since_pos;
    if (!is_first_time(out, client) || client->state != RJ_CLIENT_LIVE || rj_client_is_full(client) ||
        out->n_given == out->most)
        return;
    client->ops->send(client->conn, client, frame_for(out, client->ops));
    note_given(out, client);
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

static void give_ask(struct fanout *out, struct rj_client *client, uint64_t since_pos)
{
    (void)since_pos;
    if (!is_first_time(out, client) || !rj_client_is_connected(client))
        return;
    if (out->n_given < out->most && rj_client_send_ask(client, frame_for(out, client->ops)))
        note_given(out, client);
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

static void mark_shown(struct rj_gateway *gateway, const struct rj_shown *shown, uint64_t fanout)
{
    for (size_t i = 0; i < shown->n; i++) {
        struct rj_client *client = rj_clients_find(&gateway->clients, shown->clients[i]);
        if (client)
            client->shown_in = fanout;
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
    if (out->shown)
        mark_shown(gateway, out->shown, gateway->fanouts);
    for (size_t i = 0; i < message->n_targets; i++) {
        enter_target(out, i);
        to_target(out, message->targets[i]);
    }
    drop_frames(&out->of_all);
}

void rj_fanout_logged(struct rj_gateway *gateway, const Rejoin__Deliver *deliver)
{
    struct rj_shown *shown = rj_optimistic_logged(&gateway->optimistic, deliver->message);
    struct fanout out = {.gateway = gateway,
                         .deliver = deliver,
                         .give = give_logged,
                         .offset_pos = deliver->pos,
                         .shown = shown};
    to_targets(&out);
    if (!shown)
        return;
    drop_frames(&out.of_shown);
    rj_shown_free(shown);
    gateway->stats.confirmed++;
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
                         .most = rj_asks_room(gateway)};
    to_targets(&out);
    rj_asks_open(gateway, deliver, out.given, out.n_given);
    free(out.given);
}

/* ------------------------------------------------------------------------------------------ pending */

void rj_fanout_pending(struct rj_gateway *gateway, const Rejoin__Deliver *deliver)
{
    struct fanout out = {.gateway = gateway,
                         .deliver = deliver,
                         .give = give_pending,
                         .offset_pos = rj_link_stream_pos(gateway->link),
                         .is_pending = true};
    if (!rj_optimistic_accept(&gateway->optimistic, deliver->message, deliver->pos, &out.most))
        return;
    to_targets(&out);
    uint64_t *handles = rj_arena_alloc(&gateway->arena, (out.n_given + 1) * sizeof *handles);
    for (size_t i = 0; i < out.n_given; i++)
        handles[i] = out.given[i]->handle;
    rj_optimistic_add(&gateway->optimistic, deliver->message, deliver->pos, handles, out.n_given);
    gateway->stats.pendings += out.n_given ? 1 : 0;
    free(out.given);
}

/* Without an offset: what stands in no log must not move a client's offset back, and those who are behind get
 * this after their replay. */
static struct rj_frame *encode_failed(const struct fanout *out, const struct rj_frontend_ops *ops)
{
    struct rj_buf *args = &out->gateway->scratch;
    rj_buf_reuse(args);
    rj_translate_failed(out->shown, args);
    struct rj_event event = {
        .nsp = rj_span_str(out->shown->nsp), .name = rj_span_str("room:failed"), .args = rj_buf_span(args)};
    return ops->encode_event(&event);
}

static void tell_failed(struct rj_gateway *gateway, const struct rj_shown *shown)
{
    struct fanout out = {.gateway = gateway, .shown = shown};
    const struct rj_mirror_room *room = rj_mirror_find(&gateway->mirror, shown->nsp, shown->room);
    for (size_t i = 0; room && i < shown->n; i++) {
        struct rj_client *client = rj_clients_find(&gateway->clients, shown->clients[i]);
        if (client && rj_mirror_member(room, client))
            rj_client_send_notice(client, made_for(&out, &out.of_shown, client->ops, encode_failed));
    }
    drop_frames(&out.of_shown);
    gateway->stats.failed++;
}

void rj_fanout_tick(struct rj_gateway *gateway, uint64_t now_ms)
{
    uint64_t stream_pos = rj_link_stream_pos(gateway->link);
    struct rj_shown *shown;
    if (!gateway->optimistic.open || !rj_link_is_up(gateway->link))
        return;
    while ((shown = rj_optimistic_failed(&gateway->optimistic, stream_pos, now_ms))) {
        tell_failed(gateway, shown);
        rj_shown_free(shown);
    }
    rj_optimistic_sweep(&gateway->optimistic, stream_pos);
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
