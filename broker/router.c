#include "broker/router.h"

#include "broker/held.h"
#include "broker/messages/publish.h"
#include "broker/messages/tail.h"
#include "broker/presence/presence_query.h"
#include "broker/reads/reads.h"
#include "broker/reads/unread.h"
#include "broker/rooms/room_list.h"
#include "broker/rooms/rooms.h"
#include "broker/serving/ask.h"
#include "broker/serving/event.h"
#include "broker/serving/send.h"
#include "broker/serving/serve.h"
#include "broker/sessions/connect.h"
#include "broker/sessions/contest.h"
#include "broker/sockets/sockets.h"

enum { STRANGER_PAUSE_MS = 100 };

/* ------------------------------------------------------------------------------------------ commands */

enum {
    FROM_GATEWAY = 1,
    FROM_BACKEND = 2,
    OF_CLIENT = 4, /* from a gateway: the client must be attached there */
    HEAVY = 8,     /* may walk all sockets, or talk to all backends: a turn handles few of them */
};

enum { HEAVY_WEIGHT = 250 }; /* what such a command counts for among a turn's items */

static enum rj_status on_stats(struct rj_request *request)
{
    rj_stats_answer(request->broker, request->to);
    return RJ_OK;
}

struct entry {
    rj_handler *handler;
    unsigned rules;
};

static const struct entry table[] = {
    [REJOIN__COMMAND__KIND_CONNECT] = {rj_cmd_connect, FROM_GATEWAY},
    [REJOIN__COMMAND__KIND_DISCONNECT] = {rj_cmd_disconnect, FROM_GATEWAY},
    [REJOIN__COMMAND__KIND_ATTACH] = {rj_cmd_attach, FROM_GATEWAY},
    [REJOIN__COMMAND__KIND_CATCH_UP] = {rj_cmd_catch_up, FROM_GATEWAY | OF_CLIENT},
    [REJOIN__COMMAND__KIND_JOIN] = {rj_cmd_join, FROM_GATEWAY | OF_CLIENT},
    [REJOIN__COMMAND__KIND_LEAVE] = {rj_cmd_leave, FROM_GATEWAY | OF_CLIENT},
    [REJOIN__COMMAND__KIND_PUBLISH] = {rj_cmd_publish, FROM_GATEWAY | FROM_BACKEND | OF_CLIENT},
    [REJOIN__COMMAND__KIND_HISTORY] = {rj_cmd_history, FROM_GATEWAY | FROM_BACKEND | OF_CLIENT},
    [REJOIN__COMMAND__KIND_PRESENCE] = {rj_cmd_presence, FROM_GATEWAY | FROM_BACKEND | OF_CLIENT | HEAVY},
    [REJOIN__COMMAND__KIND_PRESENCE_USER] = {rj_cmd_presence_user, FROM_BACKEND | HEAVY},
    [REJOIN__COMMAND__KIND_EVENT] = {rj_cmd_event, FROM_GATEWAY | OF_CLIENT},
    [REJOIN__COMMAND__KIND_READ] = {rj_cmd_read, FROM_GATEWAY | FROM_BACKEND | OF_CLIENT},
    [REJOIN__COMMAND__KIND_UNREAD] = {rj_cmd_unread, FROM_GATEWAY | FROM_BACKEND | OF_CLIENT | HEAVY},
    [REJOIN__COMMAND__KIND_TAIL] = {rj_cmd_tail, FROM_BACKEND},
    [REJOIN__COMMAND__KIND_UNTAIL] = {rj_cmd_untail, FROM_BACKEND},
    [REJOIN__COMMAND__KIND_STATS] = {on_stats, FROM_GATEWAY | FROM_BACKEND},
    [REJOIN__COMMAND__KIND_SERVE] = {rj_cmd_serve, FROM_BACKEND | HEAVY},
    [REJOIN__COMMAND__KIND_UNSERVE] = {rj_cmd_unserve, FROM_BACKEND | HEAVY},
    [REJOIN__COMMAND__KIND_ANSWER] = {rj_cmd_answer, FROM_BACKEND},
    [REJOIN__COMMAND__KIND_JOIN_SOCKETS] = {rj_cmd_join_sockets, FROM_BACKEND},
    [REJOIN__COMMAND__KIND_LEAVE_SOCKETS] = {rj_cmd_leave_sockets, FROM_BACKEND},
    [REJOIN__COMMAND__KIND_DISCONNECT_SOCKETS] = {rj_cmd_disconnect_sockets, FROM_BACKEND},
    [REJOIN__COMMAND__KIND_LIST_SOCKETS] = {rj_cmd_list_sockets, FROM_BACKEND | HEAVY},
    [REJOIN__COMMAND__KIND_LIST_ROOMS] = {rj_cmd_list_rooms, FROM_BACKEND | HEAVY},
    [REJOIN__COMMAND__KIND_SET_DATA] = {rj_cmd_set_data, FROM_BACKEND},
    [REJOIN__COMMAND__KIND_ASK] = {rj_cmd_ask, FROM_BACKEND},
    [REJOIN__COMMAND__KIND_SEND] = {rj_cmd_send, FROM_BACKEND | HEAVY},
};

/* NULL: a command that we do not know. */
static const struct entry *entry_of(const Rejoin__Command *command)
{
    size_t kind = (size_t)command->kind_case;
    return kind < sizeof table / sizeof *table ? &table[kind] : NULL;
}

static enum rj_status run(struct rj_request *request)
{
    unsigned side = request->gateway ? FROM_GATEWAY : FROM_BACKEND;
    const struct entry *entry = entry_of(request->command);
    if (!entry || !entry->handler || !(entry->rules & side))
        return request->why = "no such command here", RJ_BAD_REQUEST;
    if (request->gateway)
        request->session = rj_gateway_client(request->gateway, request->command->client);
    if (request->gateway && entry->rules & OF_CLIENT && !request->session)
        return request->why = "the client is not connected here", RJ_CLOSED;
    return entry->handler(request);
}

static struct rj_request request_of(struct rj_broker *broker, struct rj_peer *peer, Rejoin__Command *command)
{
    bool is_gateway = peer->side == RJ_BUS_GATEWAYS;
    return (struct rj_request){
        .broker = broker,
        .peer = peer,
        .gateway = is_gateway ? (struct rj_gateway *)peer : NULL,
        .backend = is_gateway ? NULL : (struct rj_backend *)peer,
        .command = command,
        .to = {rj_peer_ref(peer), command->id, command->client},
    };
}

static void run_and_tell(struct rj_request *request)
{
    enum rj_status status = run(request);
    if (status == RJ_OK)
        return;
    request->broker->stats.refused++;
    rj_reply_error(request->broker, request->to, status, request->why);
}

void rj_router_command(struct rj_broker *broker, struct rj_peer *peer, Rejoin__Command *command)
{
    struct rj_request request = request_of(broker, peer, command);
    run_and_tell(&request);
}

static void on_command(struct rj_broker *broker, struct rj_peer *peer, Rejoin__Command *command)
{
    struct rj_request request = request_of(broker, peer, command);
    broker->stats.commands++;
    if (!rj_hold(&request))
        run_and_tell(&request);
}

/* ------------------------------------------------------------------------------------------ items */

/* False: the rest of the frame belongs to no stream. */
static bool on_item(struct rj_broker *broker, struct rj_peer *peer, Rejoin__Item *item)
{
    bool is_gateway = peer->side == RJ_BUS_GATEWAYS;
    switch (item->kind_case) {
    case REJOIN__ITEM__KIND_PING: rj_peer_put_pong(peer, item->ping->nonce); break;
    case REJOIN__ITEM__KIND_PONG: rj_peer_prove(peer, item->pong->nonce); break;
    case REJOIN__ITEM__KIND_COMMAND: on_command(broker, peer, item->command); break;
    case REJOIN__ITEM__KIND_READY:
        if (is_gateway)
            rj_gateways_ready(broker, (struct rj_gateway *)peer);
        break;
    case REJOIN__ITEM__KIND_CURSORS:
        if (is_gateway)
            rj_connect_cursors(broker, (struct rj_gateway *)peer, item->cursors);
        break;
    case REJOIN__ITEM__KIND_ALIVE:
        if (is_gateway)
            rj_contest_alive(broker, (struct rj_gateway *)peer, item->alive->client);
        break;
    case REJOIN__ITEM__KIND_BYE: rj_peer_leave(peer); break;
    case REJOIN__ITEM__KIND_CREDIT:
        if (!is_gateway)
            rj_tail_credit((struct rj_backend *)peer, item->credit->tail, item->credit->more);
        break;
    case REJOIN__ITEM__KIND_ASKED:
        if (is_gateway)
            rj_ask_asked(broker, (struct rj_gateway *)peer, item->asked);
        break;
    case REJOIN__ITEM__KIND_ASK_ANSWER:
        if (is_gateway)
            rj_ask_answered(broker, (struct rj_gateway *)peer, item->ask_answer);
        break;
    default: break; /* an item of a later version, or one that only we send: ignored */
    }
    return peer->stream != 0;
}

/* Somebody who has said no Hello, or whose stream has ended. Told at most every STRANGER_PAUSE_MS: it may
 * have sent much before it learns of that. */
static void on_stranger(struct rj_broker *broker, enum rj_bus_side side, uint32_t route)
{
    broker->stats.strangers++;
    if (broker->stranger == route && broker->now_ms - broker->stranger_ms < STRANGER_PAUSE_MS)
        return;
    broker->stranger = route;
    broker->stranger_ms = broker->now_ms;
    rj_stranger_need_hello(broker->bus, side, route);
}

/* The next item of a frame from `route`. False: the rest means nothing. */
static bool on_next(struct rj_broker *broker, enum rj_bus_side side, uint32_t route, Rejoin__Item *item)
{
    struct rj_peer *peer = rj_broker_route(broker, side, route);
    if (item->kind_case == REJOIN__ITEM__KIND_HELLO) {
        if (side == RJ_BUS_GATEWAYS)
            rj_gateways_hello(broker, route, item->hello);
        else
            rj_backends_hello(broker, route, item->hello);
        return rj_broker_route(broker, side, route) != NULL; /* else it was refused, and told so */
    }
    if (!peer || !peer->stream) {
        on_stranger(broker, side, route);
        return false;
    }
    return on_item(broker, peer, item);
}

static size_t weight_of(const Rejoin__Item *item)
{
    const struct entry *entry =
        item->kind_case == REJOIN__ITEM__KIND_COMMAND ? entry_of(item->command) : NULL;
    return entry && entry->rules & HEAVY ? HEAVY_WEIGHT : 1;
}

bool rj_router_read(struct rj_broker *broker, enum rj_bus_side side, size_t *items)
{
    struct rj_reading *reading = &broker->reading[side];
    bool goes_on = reading->batch != NULL;
    while (goes_on && reading->next < reading->batch->n_items) {
        if (*items == 0) {
            rj_arena_reset(&broker->arena);
            return false;
        }
        Rejoin__Item *item = reading->batch->items[reading->next++];
        size_t weight = weight_of(item);
        *items -= weight < *items ? weight : *items;
        goes_on = on_next(broker, side, reading->route, item);
    }
    reading->batch = NULL;
    rj_arena_reset(&reading->arena);
    rj_arena_reset(&broker->arena);
    return true;
}

static void on_garbage(struct rj_broker *broker, enum rj_bus_side side, const struct rj_bus_frame *frame,
                       enum rj_status status)
{
    unsigned held;
    broker->stats.garbage++;
    if (!frame->is_malformed)
        rj_stranger_error(broker->bus, side, frame->route, status, NULL);
    if (rj_log_allowed(&broker->garbage_log, &held))
        rj_log(RJ_LOG_WARN, "garbage_frame",
               RJ_KV_STR("side", side == RJ_BUS_GATEWAYS ? "gateway" : "backend"),
               RJ_KV_STR("reason", rj_status_code(status)), RJ_KV_U64("bytes", frame->data.len),
               RJ_KV_U64("held_back", held));
}

void rj_router_frame(struct rj_broker *broker, enum rj_bus_side side, const struct rj_bus_frame *frame)
{
    struct rj_reading *reading = &broker->reading[side];
    Rejoin__Batch *batch = NULL;
    enum rj_status status = RJ_BAD_REQUEST;
    broker->stats.frames_in++;
    struct rj_peer *peer = frame->is_malformed ? NULL : rj_broker_route(broker, side, frame->route);
    if (peer)
        peer->heard_ms = broker->now_ms;
    if (!frame->is_malformed && frame->data.len == 0)
        return; /* a peer's own ZMQ_PROBE_ROUTER */
    if (!frame->is_malformed)
        status = rj_wire_unpack(frame->data, broker->conf->max_frame_bytes, &reading->arena, &batch);
    if (status == RJ_OK) {
        reading->batch = batch;
        reading->next = 0;
        reading->route = frame->route;
    } else {
        on_garbage(broker, side, frame, status);
        rj_arena_reset(&reading->arena);
    }
}
