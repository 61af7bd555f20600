#include "gateway/clients.h"

#include <stdlib.h>

#include "gateway/asks.h"
#include "gateway/commands.h"
#include "gateway/gateway.h"
#include "gateway/link.h"
#include "gateway/translate.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"

/* Acks are answers to what the client asked, and questions are not in the log, so both may pile up beyond
 * queue-bytes, but not beyond this multiple. */
enum { ACKS_FACTOR = 8 };

/* ------------------------------------------------------------------------------------------ the table */

struct rj_client *rj_clients_find(const struct rj_clients *clients, uint64_t handle)
{
    struct rj_client *client;
    HASH_FIND(by_handle, clients->by_handle, &handle, sizeof handle, client);
    return client;
}

struct rj_client *rj_clients_find_sid(const struct rj_clients *clients, const char *sid)
{
    struct rj_client *client;
    HASH_FIND(by_sid, clients->by_sid, sid, strlen(sid), client);
    return client;
}

size_t rj_clients_count(const struct rj_clients *clients)
{
    return HASH_CNT(by_handle, clients->by_handle);
}

static char *copy(struct rj_span text)
{
    return rj_strndup((const char *)text.data, text.len);
}

static void free_client(struct rj_client *client)
{
    rj_cohorts_leave(&client->gateway->cohorts, client);
    for (size_t i = 0; i < client->n_held; i++)
        rj_frame_unref(client->held[i]);
    free(client->held);
    free(client->sid);
    free(client->pid);
    free(client);
}

/* It is out of every table now; its memory, and its place in the cohorts that own its names, last until the
 * turn ends. */
static void retire(struct rj_client *client)
{
    struct rj_clients *clients = &client->gateway->clients;
    rj_asks_client_gone(client);
    rj_mirror_leave_all(&client->gateway->mirror, client);
    HASH_DELETE(by_handle, clients->by_handle, client);
    if (client->sid)
        HASH_DELETE(by_sid, clients->by_sid, client);
    client->state = RJ_CLIENT_ENDED;
    client->next_ended = clients->ended;
    clients->ended = client;
}

void rj_clients_reap(struct rj_clients *clients)
{
    while (clients->ended) {
        struct rj_client *client = clients->ended;
        clients->ended = client->next_ended;
        free_client(client);
    }
}

void rj_clients_free(struct rj_clients *clients)
{
    struct rj_client *client, *next;
    HASH_ITER (by_handle, clients->by_handle, client, next)
        retire(client);
    rj_clients_reap(clients);
}

/* ------------------------------------------------------------------------------------------ what leaves */

static size_t waiting_bytes(const struct rj_client *client)
{
    return client->held_bytes + client->ops->queued_bytes(client->conn);
}

bool rj_client_is_connected(const struct rj_client *client)
{
    return client->state != RJ_CLIENT_CONNECTING && client->state != RJ_CLIENT_ENDED;
}

bool rj_client_is_full(const struct rj_client *client)
{
    return waiting_bytes(client) > client->gateway->conf->queue_bytes;
}

static bool is_overfull(const struct rj_client *client)
{
    return waiting_bytes(client) > ACKS_FACTOR * client->gateway->conf->queue_bytes;
}

static void hold(struct rj_client *client, struct rj_frame *frame)
{
    if (client->n_held == client->cap_held) {
        client->cap_held = client->cap_held ? client->cap_held * 2 : 4;
        client->held = rj_realloc(client->held, client->cap_held, sizeof *client->held);
    }
    client->held[client->n_held++] = rj_frame_ref(frame);
    client->held_bytes += frame->bytes;
}

/* Sends what stands in no log: at once to a client that is LIVE, else behind the replay. */
static void send_behind(struct rj_client *client, struct rj_frame *frame)
{
    if (client->state == RJ_CLIENT_LIVE)
        client->ops->send(client->conn, client, frame);
    else if (client->state != RJ_CLIENT_ENDED)
        hold(client, frame);
}

/* Ends a client that does not read: to the broker it is as if its connection were closed from here. */
static void end_stuck(struct rj_client *client)
{
    client->gateway->stats.clients_stuck++;
    rj_command_disconnect(client, RJ_REASON_FORCED_CLOSE);
    rj_client_kick(client, RJ_END_TRANSPORT, "slow reader");
}

void rj_client_send_notice(struct rj_client *client, struct rj_frame *frame)
{
    if (client->state != RJ_CLIENT_ENDED && is_overfull(client))
        end_stuck(client);
    send_behind(client, frame);
}

void rj_client_send_ack(struct rj_client *client, struct rj_frame *frame)
{
    client->gateway->stats.acks_out++;
    rj_client_send_notice(client, frame);
    rj_frame_unref(frame);
}

bool rj_client_send_ask(struct rj_client *client, struct rj_frame *frame)
{
    if (!rj_client_is_connected(client) || is_overfull(client))
        return false;
    send_behind(client, frame);
    return true;
}

static void release_held(struct rj_client *client)
{
    for (size_t i = 0; i < client->n_held; i++) {
        client->ops->send(client->conn, client, client->held[i]);
        rj_frame_unref(client->held[i]);
    }
    free(client->held);
    client->held = NULL;
    client->n_held = client->cap_held = client->held_bytes = 0;
}

void rj_client_fail(struct rj_client *client, uint64_t ack_id, const char *code, const char *message)
{
    struct rj_buf args = {0};
    rj_translate_error(code, message, &args);
    rj_client_send_ack(
        client, client->ops->encode_ack(rj_span_str(client->nsp), ack_id, rj_buf_span(&args), NULL, 0));
    rj_buf_free(&args);
}

static void fall_behind(struct rj_client *client)
{
    client->state = RJ_CLIENT_BEHIND;
    client->is_drained = false;
    client->behind_since_ms = rj_clock_mono_ms();
    client->gateway->stats.fell_behind++;
}

void rj_client_send_logged(struct rj_client *client, struct rj_frame *frame, uint64_t pos)
{
    if (client->ops->queued_bytes(client->conn) > client->gateway->conf->queue_bytes) {
        fall_behind(client);
        return;
    }
    client->ops->send(client->conn, client, frame);
    client->last_pos = pos;
    client->gateway->stats.deliveries++;
}

/* ------------------------------------------------------------------------------------------ replay */

/* Asks for what it missed, unless a replay that it can no longer use is still coming: positions of the two
 * would mix, and what the first one skipped would be lost. */
static void catch_up(struct rj_client *client)
{
    if (client->expects_caught_up || !rj_link_is_up(client->gateway->link))
        return;
    client->state = RJ_CLIENT_REPLAYING;
    client->expects_caught_up = true;
    rj_command_catch_up(client);
}

void rj_client_drained(struct rj_client *client)
{
    if (client->state != RJ_CLIENT_BEHIND)
        return;
    client->is_drained = true;
    catch_up(client);
}

void rj_client_on_caught_up(struct rj_client *client, const Rejoin__CaughtUp *caught_up)
{
    client->expects_caught_up = false;
    if (caught_up->gap) {
        rj_client_kick(client, RJ_END_TRANSPORT, "missed messages are no longer kept");
        return;
    }
    if (client->state == RJ_CLIENT_BEHIND && client->is_drained) {
        catch_up(client);
        return;
    }
    if (client->state != RJ_CLIENT_REPLAYING)
        return;
    if (caught_up->upto > client->last_pos)
        client->last_pos = caught_up->upto;
    client->state = RJ_CLIENT_LIVE;
    release_held(client);
}

bool rj_client_on_fresh_stream(struct rj_client *client)
{
    bool is_waiting =
        client->state == RJ_CLIENT_REPLAYING || (client->state == RJ_CLIENT_BEHIND && client->is_drained);
    client->expects_caught_up = is_waiting;
    client->told_pos = 0; /* the broker may have died before it wrote that */
    if (is_waiting)
        client->state = RJ_CLIENT_REPLAYING;
    return is_waiting;
}

/* ------------------------------------------------------------------------------------------ connecting */

void rj_client_on_connected(struct rj_client *client, const Rejoin__Connected *connected)
{
    struct rj_gateway *gateway = client->gateway;
    client->sid = copy(rj_span_str(connected->sid));
    client->pid = copy(rj_span_str(connected->pid));
    if (*connected->user)
        client->user = rj_cohort_enter(&gateway->cohorts, RJ_COHORT_USER, client, rj_span_str(client->nsp),
                                       rj_span_str(connected->user));
    client->incarnation = connected->incarnation;
    client->last_pos = client->marked_pos = client->proved_pos = client->told_pos = connected->from_pos;
    HASH_ADD_KEYPTR(by_sid, gateway->clients.by_sid, client->sid, strlen(client->sid), client);
    for (size_t i = 0; i < connected->n_rooms; i++)
        rj_mirror_join(&gateway->mirror, client, connected->rooms[i]->room, connected->rooms[i]->since_pos);
    client->state = connected->recovered ? RJ_CLIENT_REPLAYING : RJ_CLIENT_LIVE;
    client->expects_caught_up = connected->recovered;
    gateway->stats.clients_recovered += connected->recovered ? 1 : 0;
    client->ops->accept(client->conn, client, rj_span_str(client->sid), rj_span_str(client->pid));
}

static bool is_listed(const Rejoin__Connected *connected, const char *room)
{
    for (size_t i = 0; i < connected->n_rooms; i++)
        if (strcmp(connected->rooms[i]->room, room) == 0)
            return true;
    return false;
}

void rj_client_on_attached(struct rj_client *client, const Rejoin__Connected *connected)
{
    struct rj_mirror *mirror = &client->gateway->mirror;
    for (size_t i = 0; i < connected->n_rooms; i++)
        rj_mirror_join(mirror, client, connected->rooms[i]->room, connected->rooms[i]->since_pos);
    for (uint32_t i = client->n_rooms; client->n_rooms > connected->n_rooms && i-- > 0;) {
        const char *room = rj_mirror_room_name(client->rooms[i].room);
        if (!is_listed(connected, room))
            rj_mirror_leave(mirror, client, room);
    }
}

/* A CONNECT_ERROR ends the stock client's attempts for good, so it is for verdicts alone: not for what is
 * wrong with the broker just now, nor with this one connection. */
static bool is_worth_a_retry(const char *code)
{
    static const enum rj_status passing[] = {RJ_UNAVAILABLE, RJ_TIMEOUT, RJ_BUSY, RJ_CLOSED, RJ_CONFLICT};
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        if (strcmp(code, rj_status_code(passing[i])) == 0)
            return true;
    return false;
}

void rj_client_on_refused(struct rj_client *client, const Rejoin__Error *error)
{
    if (is_worth_a_retry(error->code)) {
        client->gateway->stats.clients_put_off++;
        rj_client_kick(client, RJ_END_TRANSPORT, error->code);
        return;
    }
    client->gateway->stats.clients_refused++;
    client->ops->refuse(client->conn, client, rj_span_str(error->message),
                        rj_span_of(error->data.data, error->data.len));
    retire(client);
}

struct rj_client *rj_client_open(struct rj_gateway *gateway, const struct rj_frontend_ops *ops, void *conn,
                                 const struct rj_client_request *request)
{
    struct rj_client *client = rj_calloc(1, sizeof *client);
    client->handle = ++gateway->clients.last_handle;
    client->gateway = gateway;
    client->ops = ops;
    client->conn = conn;
    client->nsp =
        rj_cohort_enter(&gateway->cohorts, RJ_COHORT_NAMESPACE, client, request->nsp, (struct rj_span){0});
    client->user = "";
    HASH_ADD(by_handle, gateway->clients.by_handle, handle, sizeof client->handle, client);
    gateway->stats.clients_opened++;
    if (rj_commands_have_room(gateway))
        rj_command_connect(client, request);
    else
        client->is_unwanted =
            true; /* dropped without a CONNECT_ERROR, so that the stock client tries again */
    return client;
}

/* ------------------------------------------------------------------------------------------ events */

void rj_client_event(struct rj_client *client, const struct rj_client_event *event)
{
    if (rj_client_is_connected(client))
        rj_command_event(client, event);
}

void rj_client_ack(struct rj_client *client, uint64_t ack_id, struct rj_span args,
                   const struct rj_span *attachments, size_t n_attachments)
{
    if (rj_client_is_connected(client))
        rj_asks_answer(client, ack_id, args, attachments, n_attachments);
}

void rj_client_mark(struct rj_client *client)
{
    client->marked_pos = client->last_pos;
}

void rj_client_proved(struct rj_client *client)
{
    if (client->marked_pos > client->proved_pos)
        client->proved_pos = client->marked_pos;
}

void rj_client_alive(struct rj_client *client)
{
    Rejoin__Alive alive = REJOIN__ALIVE__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    if (!client->is_probed)
        return;
    client->is_probed = false;
    alive.client = client->handle;
    item.kind_case = REJOIN__ITEM__KIND_ALIVE;
    item.alive = &alive;
    rj_link_notify(client->gateway->link, &item);
}

void rj_client_on_probe(struct rj_client *client)
{
    if (!rj_client_is_connected(client))
        return;
    client->is_probed = true;
    client->ops->probe(client->conn);
}

/* ------------------------------------------------------------------------------------------ the end */

static void count_end(const struct rj_client *client, enum rj_reason reason)
{
    if (client->state != RJ_CLIENT_CONNECTING)
        client->gateway->stats.ended[reason]++;
}

/* One that leaves its connection open; for all others the front end logs the connection's end. */
static void note_end(struct rj_client *client, enum rj_reason reason, const char *why)
{
    unsigned held;
    if (rj_log_allowed(&client->gateway->ended_log, &held))
        rj_log(RJ_LOG_INFO, "client_disconnected", RJ_KV_STR("sid", client->sid ? client->sid : ""),
               RJ_KV_STR("nsp", client->nsp), RJ_KV_STR("reason", rj_reason_text(reason)),
               RJ_KV_STR("why", why), RJ_KV_U64("held", held));
}

/* The last word about what it has: the gateway's rounds (gateway.c) come too late for it. */
static void tell_cursor(struct rj_client *client)
{
    Rejoin__Cursors__Cursor cursor = REJOIN__CURSORS__CURSOR__INIT;
    Rejoin__Cursors__Cursor *list[] = {&cursor};
    Rejoin__Cursors cursors = REJOIN__CURSORS__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    if (client->proved_pos <= client->told_pos)
        return;
    cursor.client = client->handle;
    cursor.pos = client->told_pos = client->proved_pos;
    cursors.cursors = list;
    cursors.n_cursors = 1;
    item.kind_case = REJOIN__ITEM__KIND_CURSORS;
    item.cursors = &cursors;
    rj_link_notify(client->gateway->link, &item);
}

/* While the link is down a client that the broker knows is told of on the next stream. */
static void tell_end(struct rj_client *client, enum rj_reason reason)
{
    tell_cursor(client);
    if (rj_client_is_connected(client) || rj_link_is_up(client->gateway->link))
        rj_command_disconnect(client, reason);
}

void rj_client_gone(struct rj_client *client, enum rj_reason reason)
{
    if (client->state == RJ_CLIENT_ENDED)
        return;
    count_end(client, reason);
    tell_end(client, reason);
    retire(client);
}

void rj_client_kick(struct rj_client *client, enum rj_client_end how, const char *why)
{
    if (client->state == RJ_CLIENT_ENDED)
        return;
    enum rj_reason reason = how == RJ_END_TRANSPORT ? RJ_REASON_FORCED_CLOSE : RJ_REASON_SERVER_NAMESPACE;
    count_end(client, reason);
    if (how == RJ_END_NAMESPACE)
        note_end(client, reason, why);
    client->ops->end(client->conn, client, how, why);
    retire(client);
}

void rj_clients_tick(struct rj_gateway *gateway, uint64_t now_ms)
{
    struct rj_client *client, *next;
    HASH_ITER (by_handle, gateway->clients.by_handle, client, next) {
        bool is_behind = client->state == RJ_CLIENT_BEHIND && !client->is_drained &&
                         now_ms - client->behind_since_ms >= gateway->conf->stuck_timeout_ms;
        if (!is_behind && !client->is_unwanted)
            continue;
        if (is_behind)
            end_stuck(client);
        else
            rj_client_kick(client, RJ_END_TRANSPORT, "overload");
    }
}
