#include "broker/router.h"

#include "broker/connect.h"
#include "broker/publish.h"
#include "broker/rooms.h"
#include "broker/tail.h"

enum { STRANGER_PAUSE_MS = 100 };

/* ------------------------------------------------------------------------------------------ commands */

enum {
    FROM_GATEWAY = 1,
    FROM_BACKEND = 2,
    OF_CLIENT = 4, /* from a gateway: the client must be attached there */
};

static enum rj_status on_event(struct rj_request *request)
{
    (void)request;
    return RJ_NO_HANDLER; /* backends that serve events come later */
}

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
    [REJOIN__COMMAND__KIND_EVENT] = {on_event, FROM_GATEWAY | OF_CLIENT},
    [REJOIN__COMMAND__KIND_TAIL] = {rj_cmd_tail, FROM_BACKEND},
    [REJOIN__COMMAND__KIND_UNTAIL] = {rj_cmd_untail, FROM_BACKEND},
    [REJOIN__COMMAND__KIND_STATS] = {on_stats, FROM_GATEWAY | FROM_BACKEND},
};

static enum rj_status run(struct rj_request *request)
{
    size_t kind = (size_t)request->command->kind_case;
    unsigned side = request->gateway ? FROM_GATEWAY : FROM_BACKEND;
    const struct entry *entry = kind < sizeof table / sizeof *table ? &table[kind] : NULL;
    if (!entry || !entry->handler || !(entry->rules & side))
        return request->why = "no such command here", RJ_BAD_REQUEST;
    if (request->gateway)
        request->session = rj_gateway_client(request->gateway, request->command->client);
    if (request->gateway && entry->rules & OF_CLIENT && !request->session)
        return request->why = "the client is not connected here", RJ_CLOSED;
    return entry->handler(request);
}

static void on_command(struct rj_broker *broker, struct rj_peer *peer, Rejoin__Command *command)
{
    bool is_gateway = peer->side == RJ_BUS_GATEWAYS;
    struct rj_request request = {
        .broker = broker,
        .peer = peer,
        .gateway = is_gateway ? (struct rj_gateway *)peer : NULL,
        .backend = is_gateway ? NULL : (struct rj_backend *)peer,
        .command = command,
        .to = {rj_peer_ref(peer), command->id, command->client},
    };
    broker->stats.commands++;
    enum rj_status status = run(&request);
    if (status == RJ_OK)
        return;
    broker->stats.refused++;
    rj_reply_error(broker, request.to, status, request.why);
}

/* ------------------------------------------------------------------------------------------ items */

/* False: the rest of the frame belongs to no stream. */
static bool on_item(struct rj_broker *broker, struct rj_peer *peer, Rejoin__Item *item)
{
    bool is_gateway = peer->side == RJ_BUS_GATEWAYS;
    switch (item->kind_case) {
    case REJOIN__ITEM__KIND_PING: rj_peer_put_pong(peer, item->ping->nonce); break;
    case REJOIN__ITEM__KIND_PONG: rj_peer_prove_bulk(peer, item->pong->nonce); break;
    case REJOIN__ITEM__KIND_COMMAND: on_command(broker, peer, item->command); break;
    case REJOIN__ITEM__KIND_READY:
        if (is_gateway)
            rj_gateways_ready(broker, (struct rj_gateway *)peer);
        break;
    case REJOIN__ITEM__KIND_CURSORS:
        if (is_gateway)
            rj_connect_cursors(broker, (struct rj_gateway *)peer, item->cursors);
        break;
    case REJOIN__ITEM__KIND_CREDIT:
        if (!is_gateway)
            rj_tail_credit((struct rj_backend *)peer, item->credit->tail, item->credit->more);
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

static void on_batch(struct rj_broker *broker, enum rj_bus_side side, uint32_t route,
                     const Rejoin__Batch *batch)
{
    struct rj_peer *peer = rj_broker_route(broker, side, route);
    for (size_t i = 0; i < batch->n_items; i++) {
        Rejoin__Item *item = batch->items[i];
        if (item->kind_case == REJOIN__ITEM__KIND_HELLO) {
            if (side == RJ_BUS_GATEWAYS)
                rj_gateways_hello(broker, route, item->hello);
            else
                rj_backends_hello(broker, route, item->hello);
            peer = rj_broker_route(broker, side, route);
            if (!peer)
                return; /* refused, and told so */
        } else if (!peer || !peer->stream) {
            on_stranger(broker, side, route);
            return;
        } else if (!on_item(broker, peer, item)) {
            return;
        }
    }
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
    Rejoin__Batch *batch;
    enum rj_status status = RJ_BAD_REQUEST;
    broker->stats.frames_in++;
    struct rj_peer *peer = frame->is_malformed ? NULL : rj_broker_route(broker, side, frame->route);
    if (peer)
        peer->heard_ms = broker->now_ms;
    if (!frame->is_malformed && frame->data.len == 0)
        return; /* a peer's own ZMQ_PROBE_ROUTER */
    if (!frame->is_malformed)
        status = rj_wire_unpack(frame->data, broker->conf->max_frame_bytes, &broker->arena, &batch);
    if (status == RJ_OK)
        on_batch(broker, side, frame->route, batch);
    else
        on_garbage(broker, side, frame, status);
    rj_arena_reset(&broker->arena);
}
