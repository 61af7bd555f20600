#include "gateway/link.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <utlist.h>
#include <zmq.h>

#include "gateway/asks.h"
#include "gateway/commands.h"
#include "gateway/fanout.h"
#include "gateway/gateway.h"
#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "proto/base/random.h"
#include "proto/wire.h"

enum {
    BUDGET_FRAMES = 512,
    HIGH_WATER = 10000,            /* frames each way */
    FRAME_MAX = 256 * 1024 * 1024, /* the broker is trusted, but not to that */
    FRAME_FULL = 4 * 1024 * 1024,  /* our own frames are sent when they pass this, not only once a turn */
    FRAME_LEAST = 1024 * 1024,     /* what any broker takes, until the Welcome says how much */
    FIRST_PING_MS = 1000,          /* until the Welcome says otherwise */
    FIRST_LEASE_MS = 6000,
    LAST_WORDS_MS = 200, /* for what was said right before the end */
    RECONNECT_MS = 50,
    RECONNECT_MAX_MS = 500,
};

enum link_state { DOWN, GREETING, UP };

struct rj_link {
    struct rj_gateway *gateway;
    void *context;
    void *socket; /* NULL when DOWN */
    enum link_state state;
    char id[RJ_ID_LEN + 1]; /* of this process */

    struct rj_wire_out out;
    bool is_blocked;      /* `out` is sealed and did not fit into the pipe */
    bool was_probed;      /* the broker's first empty frame on this socket has come */
    uint64_t next_number; /* of the broker's next batch */
    uint64_t epoch;
    uint64_t stream_pos;
    bool knows_pos; /* stream_pos means something: there was a Welcome before */
    uint64_t ping_ms, lease_ms;
    uint64_t heard_ms, sent_ms, opened_ms;
    size_t frame_limit; /* what the broker takes */
    struct rj_log_limit garbage_log;
};

/* ------------------------------------------------------------------------------------------ sockets */

static void set_option(void *socket, int option, int value)
{
    if (zmq_setsockopt(socket, option, &value, sizeof value))
        rj_log(RJ_LOG_ERROR, "link_option", RJ_KV_U64("option", option),
               RJ_KV_STR("why", zmq_strerror(errno)));
}

static void put_hello(struct rj_link *link)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Hello hello = REJOIN__HELLO__INIT;
    hello.role = REJOIN__HELLO__ROLE__GATEWAY;
    hello.id = link->id;
    hello.epoch = link->knows_pos ? link->epoch : 0;
    hello.upto = link->knows_pos ? link->stream_pos : 0;
    hello.software = "rejoin-gateway " REJOIN_VERSION;
    item.kind_case = REJOIN__ITEM__KIND_HELLO;
    item.hello = &hello;
    rj_wire_put(&link->out, &item);
}

static void shut(struct rj_link *link)
{
    if (link->socket) {
        rj_gateway_watch_broker(link->gateway, -1);
        zmq_close(link->socket);
    }
    link->socket = NULL;
    link->state = DOWN;
    link->is_blocked = false;
    rj_wire_clear(&link->out);
}

/* A fresh socket, so that nothing of the old stream can still arrive; Hello goes out as soon as it connects.
 */
static bool greet(struct rj_link *link)
{
    struct rj_gateway *gateway = link->gateway;
    shut(link);
    void *socket = zmq_socket(link->context, ZMQ_DEALER);
    if (!socket) {
        rj_log(RJ_LOG_ERROR, "link_socket", RJ_KV_STR("why", zmq_strerror(errno)));
        return false;
    }
    set_option(socket, ZMQ_LINGER, 0);
    set_option(socket, ZMQ_SNDHWM, HIGH_WATER);
    set_option(socket, ZMQ_RCVHWM, HIGH_WATER);
    set_option(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    set_option(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
    int fd;
    size_t size = sizeof fd;
    if (zmq_connect(socket, gateway->conf->broker) || zmq_getsockopt(socket, ZMQ_FD, &fd, &size)) {
        rj_log(RJ_LOG_ERROR, "link_connect", RJ_KV_STR("broker", gateway->conf->broker),
               RJ_KV_STR("why", zmq_strerror(errno)));
        zmq_close(socket);
        return false;
    }
    link->socket = socket;
    link->state = GREETING;
    link->was_probed = false;
    link->next_number = 1;
    link->opened_ms = link->heard_ms = rj_clock_mono_ms();
    rj_gateway_watch_broker(gateway, fd);
    put_hello(link);
    rj_gateway_dirty(gateway);
    return true;
}

/* The stream is of no more use. */
static void start_over(struct rj_link *link, const char *why)
{
    if (link->state == UP)
        rj_log(RJ_LOG_WARN, "broker_lost", RJ_KV_STR("why", why));
    greet(link);
}

/* ------------------------------------------------------------------------------------------ sending */

static bool send_out(struct rj_link *link)
{
    if (!link->is_blocked)
        rj_wire_seal(&link->out, 0, 0);
    if (zmq_send(link->socket, link->out.frame.data, link->out.frame.len, ZMQ_DONTWAIT) < 0) {
        link->is_blocked = true;
        return false;
    }
    link->is_blocked = false;
    link->sent_ms = rj_clock_mono_ms();
    rj_wire_clear(&link->out);
    return true;
}

bool rj_link_flush(struct rj_link *link)
{
    if (!link->socket || link->out.items == 0)
        return false;
    return send_out(link);
}

/* Room for another item in the frame. False: the pipe is full, which only a broker that does not read can
 * cause; what is lost is healed by the next stream. */
static bool make_room(struct rj_link *link)
{
    size_t full = rj_link_item_limit(link) < FRAME_FULL ? rj_link_item_limit(link) : FRAME_FULL;
    if (!link->is_blocked && link->out.frame.len >= full)
        send_out(link);
    if (link->is_blocked && !send_out(link)) {
        link->next_number = 0; /* whatever comes next is a gap: a fresh stream repeats all */
        return false;
    }
    return true;
}

void rj_link_send(struct rj_link *link, struct rj_pending_command *command)
{
    if (link->state != UP || !make_room(link))
        return;
    rj_wire_put_packed(&link->out, rj_buf_span(&command->item));
    command->was_said = true;
}

void rj_link_notify(struct rj_link *link, const Rejoin__Item *item)
{
    if (rj_link_is_up(link) && make_room(link))
        rj_wire_put(&link->out, item);
}

/* ------------------------------------------------------------------------------------------ a fresh stream
 */

/* What was asked for clients that are gone is of no interest, except what they published, and how they went.
 */
static bool is_obsolete(struct rj_gateway *gateway, const struct rj_pending_command *command)
{
    return command->kind != REJOIN__COMMAND__KIND_PUBLISH && command->attach.len == 0 &&
           !rj_clients_find(&gateway->clients, command->client);
}

/* Everybody whom the broker is to hear of: those who are here, and those who went while it did not listen. */
static void state_clients(struct rj_link *link)
{
    struct rj_gateway *gateway = link->gateway;
    struct rj_client *client, *next;
    struct rj_pending_command *command;
    DL_FOREACH (gateway->pending.list, command) {
        if (command->attach.len && make_room(link))
            rj_wire_put_packed(&link->out, rj_buf_span(&command->attach));
    }
    HASH_ITER (by_handle, gateway->clients.by_handle, client, next)
        if (client->state != RJ_CLIENT_CONNECTING && client->state != RJ_CLIENT_ENDED)
            rj_command_attach(client);
}

/* The order matters: the broker must know a client before it gets a command of it, and have all of them
 * before it decides (at Ready) who is gone and what to send. */
static void state_all(struct rj_link *link)
{
    struct rj_gateway *gateway = link->gateway;
    struct rj_client *client, *next;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Ready ready = REJOIN__READY__INIT;
    struct rj_pending_command *command, *after;
    uint64_t last_unanswered = gateway->pending.last_id;
    state_clients(link);
    DL_FOREACH_SAFE (gateway->pending.list, command, after) {
        if (command->id > last_unanswered)
            break; /* the attaches of just now */
        if (is_obsolete(gateway, command)) {
            rj_pending_free_command(rj_pending_take(&gateway->pending, command->id));
            continue;
        }
        gateway->stats.repeated++;
        rj_pending_mark_repeated(command);
        rj_link_send(link, command);
    }
    HASH_ITER (by_handle, gateway->clients.by_handle, client, next)
        if (rj_client_on_fresh_stream(client))
            rj_command_catch_up(client);
    item.kind_case = REJOIN__ITEM__KIND_READY;
    item.ready = &ready;
    rj_wire_put(&link->out, &item);
}

static void drop_all_clients(struct rj_gateway *gateway)
{
    struct rj_client *client, *next;
    HASH_ITER (by_handle, gateway->clients.by_handle, client, next)
        if (client->state != RJ_CLIENT_CONNECTING && client->state != RJ_CLIENT_ENDED)
            rj_client_kick(client, RJ_END_TRANSPORT, "broker store replaced");
}

static void on_welcome(struct rj_link *link, const Rejoin__Welcome *welcome)
{
    struct rj_gateway *gateway = link->gateway;
    if (link->state != GREETING)
        return;
    link->state = UP;
    gateway->stats.streams++;
    if (welcome->reset) {
        gateway->stats.resets++;
        rj_log(RJ_LOG_WARN, "broker_reset", RJ_KV_U64("clients", rj_clients_count(&gateway->clients)));
        drop_all_clients(gateway);
        rj_optimistic_clear(&gateway->optimistic);
    }
    if (welcome->epoch != link->epoch)
        rj_asks_forget(&gateway->asks); /* the broker that asked is gone, and with it its ids */
    if (!link->knows_pos || welcome->reset)
        link->stream_pos = welcome->head;
    link->knows_pos = true;
    link->epoch = welcome->epoch;
    link->ping_ms = welcome->ping_ms ? welcome->ping_ms : FIRST_PING_MS;
    link->lease_ms = welcome->lease_ms ? welcome->lease_ms : FIRST_LEASE_MS;
    link->frame_limit = welcome->max_frame_bytes ? welcome->max_frame_bytes : FRAME_FULL;
    rj_optimistic_begin(&gateway->optimistic, welcome->epoch, welcome->head,
                        rj_clock_mono_ms() + link->lease_ms);
    rj_log(RJ_LOG_INFO, "broker_linked", RJ_KV_U64("epoch", welcome->epoch), RJ_KV_U64("head", welcome->head),
           RJ_KV_U64("clients", rj_clients_count(&gateway->clients)),
           RJ_KV_U64("unanswered", gateway->pending.n));
    rj_pending_drop_stream(&gateway->pending);
    state_all(link);
}

/* ------------------------------------------------------------------------------------------ receiving */

static void on_garbage(struct rj_link *link, const char *what)
{
    unsigned held;
    link->gateway->stats.link_garbage++;
    if (rj_log_allowed(&link->garbage_log, &held))
        rj_log(RJ_LOG_WARN, "broker_garbage", RJ_KV_STR("what", what), RJ_KV_U64("held_back", held));
}

static void on_deliver(struct rj_link *link, const Rejoin__Deliver *deliver)
{
    struct rj_gateway *gateway = link->gateway;
    if (!deliver->message)
        return on_garbage(link, "a delivery without a message");
    if (deliver->client) {
        rj_fanout_replay(gateway, deliver);
        return;
    }
    if (deliver->ask)
        rj_fanout_ask(gateway, deliver);
    else if (deliver->pos == 0)
        rj_fanout_volatile(gateway, deliver);
    else
        rj_fanout_logged(gateway, deliver);
    if (deliver->pos > link->stream_pos)
        link->stream_pos = deliver->pos;
}

static void on_pending(struct rj_link *link, const Rejoin__Deliver *deliver)
{
    const Rejoin__Message *message = deliver->message;
    if (message && deliver->pos && message->id[0] && message->n_targets == 1 &&
        message->targets[0]->kind == REJOIN__TARGET__KIND__ROOM && !message->plain)
        rj_fanout_pending(link->gateway, deliver);
    else
        on_garbage(link, "a pending message that is none");
}

static enum rj_client_end end_of(Rejoin__Kick__How how)
{
    switch (how) {
    case REJOIN__KICK__HOW__NAMESPACE: return RJ_END_NAMESPACE;
    case REJOIN__KICK__HOW__CLOSE: return RJ_END_CLOSE;
    default: return RJ_END_TRANSPORT;
    }
}

static void on_kick(struct rj_gateway *gateway, const Rejoin__Kick *kick)
{
    struct rj_client *client = rj_clients_find(&gateway->clients, kick->client);
    if (!client)
        return;
    gateway->stats.clients_kicked++;
    rj_client_kick(client, end_of(kick->how), kick->reason);
}

static void on_moved(struct rj_gateway *gateway, const Rejoin__Moved *moved)
{
    struct rj_client *client = rj_clients_find(&gateway->clients, moved->client);
    if (!client || !rj_client_is_connected(client))
        return;
    if (moved->left)
        rj_mirror_leave(&gateway->mirror, client, moved->room);
    else
        rj_mirror_join(&gateway->mirror, client, moved->room, moved->since_pos);
}

static void on_ping(struct rj_link *link, const Rejoin__Ping *ping)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Pong pong = REJOIN__PONG__INIT;
    pong.nonce = ping->nonce;
    item.kind_case = REJOIN__ITEM__KIND_PONG;
    item.pong = &pong;
    rj_wire_put(&link->out, &item);
}

static void on_probe_client(struct rj_gateway *gateway, const Rejoin__Probe *probe)
{
    struct rj_client *client = rj_clients_find(&gateway->clients, probe->client);
    if (client)
        rj_client_on_probe(client);
}

static void on_caught_up(struct rj_gateway *gateway, const Rejoin__CaughtUp *caught_up)
{
    struct rj_client *client = rj_clients_find(&gateway->clients, caught_up->client);
    if (client)
        rj_client_on_caught_up(client, caught_up);
}

/* False: the stream is over, the rest of the batch means nothing. */
static bool on_item(struct rj_link *link, const Rejoin__Item *item)
{
    struct rj_gateway *gateway = link->gateway;
    switch (item->kind_case) {
    case REJOIN__ITEM__KIND_WELCOME: on_welcome(link, item->welcome); return true;
    case REJOIN__ITEM__KIND_NEED_HELLO:
        /* To a Hello under way it may be the answer to something sent before: the Welcome follows. */
        if (link->state == UP)
            start_over(link, "the broker does not know this gateway");
        return link->state == UP;
    case REJOIN__ITEM__KIND_PING: on_ping(link, item->ping); return true;
    case REJOIN__ITEM__KIND_PONG: return true;
    case REJOIN__ITEM__KIND_ERROR:
        rj_log(RJ_LOG_ERROR, "broker_error", RJ_KV_STR("code", item->error->code),
               RJ_KV_STR("why", item->error->message));
        return true;
    default: break;
    }
    if (link->state != UP)
        return true;
    switch (item->kind_case) {
    case REJOIN__ITEM__KIND_REPLY: rj_command_replied(gateway, item->reply); return true;
    case REJOIN__ITEM__KIND_DELIVER: on_deliver(link, item->deliver); return true;
    case REJOIN__ITEM__KIND_PENDING: on_pending(link, item->pending); return true;
    case REJOIN__ITEM__KIND_CAUGHT_UP: on_caught_up(gateway, item->caught_up); return true;
    case REJOIN__ITEM__KIND_KICK: on_kick(gateway, item->kick); return true;
    case REJOIN__ITEM__KIND_MOVED: on_moved(gateway, item->moved); return true;
    case REJOIN__ITEM__KIND_PROBE: on_probe_client(gateway, item->probe); return true;
    default: on_garbage(link, "an item that is not for a gateway"); return true;
    }
}

static void on_batch(struct rj_link *link, const Rejoin__Batch *batch)
{
    if (batch->number) {
        if (batch->number != link->next_number) {
            link->gateway->stats.link_gaps++;
            start_over(link, "a batch is missing");
            return;
        }
        link->next_number++;
    }
    for (size_t i = 0; i < batch->n_items; i++)
        if (!on_item(link, batch->items[i]))
            return;
    if (link->state == UP && batch->upto > link->stream_pos)
        link->stream_pos = batch->upto;
}

/* The broker's end of a connection says so with an empty frame: the first one is the connection that the
 * Hello goes to, a second one means that the broker has been restarted. */
static void on_probe(struct rj_link *link)
{
    if (link->was_probed)
        start_over(link, "the broker was restarted");
    else
        link->was_probed = true;
}

static void on_frame(struct rj_link *link, struct rj_span frame)
{
    struct rj_gateway *gateway = link->gateway;
    Rejoin__Batch *batch;
    link->heard_ms = rj_clock_mono_ms();
    if (frame.len == 0) {
        on_probe(link);
        return;
    }
    enum rj_status status = rj_wire_unpack(frame, FRAME_MAX, &gateway->arena, &batch);
    if (status)
        on_garbage(link, rj_status_text(status));
    else
        on_batch(link, batch);
}

bool rj_link_receive(struct rj_link *link)
{
    for (unsigned i = 0; i < BUDGET_FRAMES; i++) {
        zmq_msg_t frame;
        if (!link->socket)
            return false;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, link->socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&frame);
            return errno == EINTR;
        }
        on_frame(link, rj_span_of(zmq_msg_data(&frame), zmq_msg_size(&frame)));
        zmq_msg_close(&frame);
    }
    return true;
}

/* ------------------------------------------------------------------------------------------ time */

static void put_ping(struct rj_link *link)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Ping ping = REJOIN__PING__INIT;
    item.kind_case = REJOIN__ITEM__KIND_PING;
    item.ping = &ping;
    rj_link_notify(link, &item);
}

void rj_link_tick(struct rj_link *link, uint64_t now_ms)
{
    if (link->state == DOWN) {
        greet(link);
        return;
    }
    if (now_ms - link->heard_ms > link->lease_ms) {
        if (link->state == UP)
            link->gateway->stats.link_silences++;
        start_over(link, "silence");
        return;
    }
    if (link->state == UP && now_ms - link->sent_ms >= link->ping_ms)
        put_ping(link);
}

/* ------------------------------------------------------------------------------------------ life */

struct rj_link *rj_link_open(struct rj_gateway *gateway)
{
    struct rj_link *link = rj_calloc(1, sizeof *link);
    link->gateway = gateway;
    link->context = zmq_ctx_new();
    link->ping_ms = FIRST_PING_MS;
    link->lease_ms = FIRST_LEASE_MS;
    rj_random_id(link->id);
    if (!link->context || !greet(link)) {
        rj_link_close(&link);
        return NULL;
    }
    return link;
}

static void say_bye(struct rj_link *link)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Bye bye = REJOIN__BYE__INIT;
    item.kind_case = REJOIN__ITEM__KIND_BYE;
    item.bye = &bye;
    rj_link_notify(link, &item);
    rj_link_flush(link);
}

void rj_link_close(struct rj_link **link_)
{
    struct rj_link *link = *link_;
    *link_ = NULL;
    if (!link)
        return;
    if (link->state == UP) {
        set_option(link->socket, ZMQ_LINGER, LAST_WORDS_MS);
        say_bye(link);
    }
    shut(link);
    if (link->context)
        zmq_ctx_term(link->context);
    rj_wire_free(&link->out);
    free(link);
}

/* A frame goes out when it is half full, so half of the limit is left for the next item. */
size_t rj_link_item_limit(const struct rj_link *link)
{
    return (link && link->frame_limit ? link->frame_limit : FRAME_LEAST) / 2;
}

bool rj_link_is_up(const struct rj_link *link)
{
    return link && link->state == UP;
}

uint64_t rj_link_epoch(const struct rj_link *link)
{
    return link->epoch;
}

uint64_t rj_link_stream_pos(const struct rj_link *link)
{
    return link->stream_pos;
}
