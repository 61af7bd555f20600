#include "tests/support/broker_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include "proto/base/mem.h"

enum { FRAME_MAX = 64 << 20 };

void rj_test_broker_start(struct rj_test_broker *broker, const char *const args[])
{
    *broker = (struct rj_test_broker){0};
    if (!rj_temp_dir(broker->folder, sizeof broker->folder))
        abort();
    snprintf(broker->gateways, sizeof broker->gateways, "ipc://%s/gateways", broker->folder);
    snprintf(broker->backends, sizeof broker->backends, "ipc://%s/backends", broker->folder);
    for (size_t i = 0; args && args[i] && i + 1 < sizeof broker->args / sizeof *broker->args; i++)
        broker->args[i] = args[i];
    rj_test_broker_restart(broker, NULL);
}

/* A raw peer answers pings only while somebody reads from it: unless a test is about leases and says how long
 * one is, none ends because a busy machine keeps the test elsewhere for long. */
#define LONG_LEASE "REJOIN_LEASE=60000"

void rj_test_broker_restart(struct rj_test_broker *broker, const char *const env[])
{
    enum { ENV_MAX = 8 };
    const char *all[ENV_MAX + 2] = {LONG_LEASE};
    char program[512], data[320];
    const char *argv[32] = {rj_process_program("rejoin-broker", program, sizeof program),
                            "--data",
                            data,
                            "--gateways",
                            broker->gateways,
                            "--backends",
                            broker->backends};
    snprintf(data, sizeof data, "%s/data", broker->folder);
    for (size_t i = 0; broker->args[i]; i++)
        argv[7 + i] = broker->args[i];
    char log[320];
    snprintf(log, sizeof log, "%s/broker.log", broker->folder);
    for (size_t i = 0; env && env[i] && i < ENV_MAX; i++)
        all[1 + i] = env[i];
    if (!rj_process_start(&broker->process, argv, all, log) ||
        !rj_process_wait_ready(&broker->process, RJ_TEST_DEADLINE_MS))
        abort();
}

void rj_test_broker_kill(struct rj_test_broker *broker)
{
    rj_process_kill(&broker->process);
}

bool rj_test_broker_end(struct rj_test_broker *broker)
{
    int status;
    return rj_process_signal(&broker->process, SIGTERM) &&
           rj_process_wait_end(&broker->process, RJ_TEST_DEADLINE_MS, &status) && status == 0;
}

void rj_test_broker_remove(struct rj_test_broker *broker)
{
    rj_process_kill(&broker->process);
    rj_temp_dir_remove(broker->folder);
}

void rj_test_peer_open(struct rj_test_peer *peer, const char *endpoint)
{
    *peer = (struct rj_test_peer){.context = zmq_ctx_new()};
    peer->socket = zmq_socket(peer->context, ZMQ_DEALER);
    int none = 0, often = 20;
    zmq_setsockopt(peer->socket, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(peer->socket, ZMQ_RECONNECT_IVL, &often, sizeof often);
    if (zmq_connect(peer->socket, endpoint) != 0) {
        fprintf(stderr, "cannot connect to %s: %s\n", endpoint, zmq_strerror(zmq_errno()));
        abort();
    }
}

void rj_test_peer_close(struct rj_test_peer *peer)
{
    if (!peer->context)
        return;
    zmq_close(peer->socket);
    zmq_ctx_term(peer->context);
    rj_wire_free(&peer->out);
    rj_arena_free(&peer->arena);
    free(peer->items);
    *peer = (struct rj_test_peer){0};
}

void rj_test_peer_send_raw(struct rj_test_peer *peer, const void *bytes, size_t len)
{
    zmq_send(peer->socket, bytes, len, 0);
}

void rj_test_peer_put(struct rj_test_peer *peer, Rejoin__Item *item)
{
    rj_wire_put(&peer->out, item);
}

void rj_test_peer_flush(struct rj_test_peer *peer)
{
    if (!peer->out.items)
        return;
    rj_wire_seal(&peer->out, 0, 0);
    rj_test_peer_send_raw(peer, peer->out.frame.data, peer->out.frame.len);
    rj_wire_clear(&peer->out);
}

uint64_t rj_test_peer_add_command(struct rj_test_peer *peer, uint64_t client, Rejoin__Command *command)
{
    if (!command->id)
        command->id = ++peer->last_command;
    command->client = client;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    item.kind_case = REJOIN__ITEM__KIND_COMMAND;
    item.command = command;
    rj_test_peer_put(peer, &item);
    return command->id;
}

uint64_t rj_test_peer_command(struct rj_test_peer *peer, uint64_t client, Rejoin__Command *command)
{
    uint64_t id = rj_test_peer_add_command(peer, client, command);
    rj_test_peer_flush(peer);
    return id;
}

static void keep(struct rj_test_peer *peer, Rejoin__Item *item)
{
    if (peer->n_items == peer->cap_items) {
        peer->cap_items = peer->cap_items ? 2 * peer->cap_items : 64;
        peer->items = rj_realloc(peer->items, peer->cap_items, sizeof(Rejoin__Item *));
    }
    peer->items[peer->n_items++] = item;
}

static void answer_ping(struct rj_test_peer *peer, const Rejoin__Ping *ping)
{
    if (peer->is_mute)
        return;
    Rejoin__Pong pong = REJOIN__PONG__INIT;
    pong.nonce = ping->nonce;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    item.kind_case = REJOIN__ITEM__KIND_PONG;
    item.pong = &pong;
    rj_test_peer_put(peer, &item);
    rj_test_peer_flush(peer);
}

static void take_frame(struct rj_test_peer *peer, struct rj_span frame)
{
    if (frame.len == 0) {
        peer->probes++;
        return;
    }
    Rejoin__Batch *batch;
    if (rj_wire_unpack(frame, FRAME_MAX, &peer->arena, &batch) != RJ_OK) {
        fprintf(stderr, "the broker sent a frame that is none\n");
        abort();
    }
    if (batch->number && batch->number != ++peer->number) {
        peer->gaps++;
        peer->number = batch->number;
    }
    if (batch->upto > peer->upto)
        peer->upto = batch->upto;
    for (size_t i = 0; i < batch->n_items; i++) {
        if (batch->items[i]->kind_case == REJOIN__ITEM__KIND_PING)
            answer_ping(peer, batch->items[i]->ping);
        else if (batch->items[i]->kind_case != REJOIN__ITEM__KIND_PONG)
            keep(peer, batch->items[i]);
    }
}

/* Receives one frame; false when there was none before `end_ms`. */
static bool receive(struct rj_test_peer *peer, uint64_t end_ms)
{
    uint64_t now = rj_test_now_ms();
    zmq_pollitem_t item = {.socket = peer->socket, .events = ZMQ_POLLIN};
    if (zmq_poll(&item, 1, now < end_ms ? (long)(end_ms - now) : 0) <= 0)
        return false;
    zmq_msg_t message;
    zmq_msg_init(&message);
    bool got = zmq_msg_recv(&message, peer->socket, ZMQ_DONTWAIT) >= 0;
    if (got)
        take_frame(peer, rj_span_of(zmq_msg_data(&message), zmq_msg_size(&message)));
    zmq_msg_close(&message);
    return got;
}

typedef bool matches(const Rejoin__Item *item, uint64_t key);

static Rejoin__Item *take(struct rj_test_peer *peer, matches *is_wanted, uint64_t key, unsigned deadline_ms)
{
    uint64_t end_ms = rj_test_now_ms() + deadline_ms;
    size_t seen = 0;
    for (;;) {
        for (; seen < peer->n_items; seen++) {
            Rejoin__Item *item = peer->items[seen];
            if (!item || !is_wanted(item, key))
                continue;
            peer->items[seen] = NULL;
            return item;
        }
        if (!receive(peer, end_ms))
            return NULL;
    }
}

static bool is_kind(const Rejoin__Item *item, uint64_t kind)
{
    return (uint64_t)item->kind_case == kind;
}

static bool is_reply(const Rejoin__Item *item, uint64_t id)
{
    return item->kind_case == REJOIN__ITEM__KIND_REPLY && item->reply->id == id;
}

static bool is_deliver(const Rejoin__Item *item, uint64_t client)
{
    return item->kind_case == REJOIN__ITEM__KIND_DELIVER && item->deliver->client == client;
}

static bool is_caught_up(const Rejoin__Item *item, uint64_t client)
{
    return item->kind_case == REJOIN__ITEM__KIND_CAUGHT_UP && item->caught_up->client == client;
}

static bool is_kick(const Rejoin__Item *item, uint64_t client)
{
    return item->kind_case == REJOIN__ITEM__KIND_KICK && item->kick->client == client;
}

Rejoin__Item *rj_test_peer_expect(struct rj_test_peer *peer, Rejoin__Item__KindCase kind,
                                  unsigned deadline_ms)
{
    return take(peer, is_kind, (uint64_t)kind, deadline_ms);
}

Rejoin__Reply *rj_test_peer_reply(struct rj_test_peer *peer, uint64_t id)
{
    Rejoin__Item *item = take(peer, is_reply, id, RJ_TEST_DEADLINE_MS);
    return item ? item->reply : NULL;
}

Rejoin__Deliver *rj_test_peer_deliver(struct rj_test_peer *peer, uint64_t client, unsigned deadline_ms)
{
    Rejoin__Item *item = take(peer, is_deliver, client, deadline_ms);
    return item ? item->deliver : NULL;
}

Rejoin__CaughtUp *rj_test_peer_caught_up(struct rj_test_peer *peer, uint64_t client)
{
    Rejoin__Item *item = take(peer, is_caught_up, client, RJ_TEST_DEADLINE_MS);
    return item ? item->caught_up : NULL;
}

Rejoin__Kick *rj_test_peer_kick(struct rj_test_peer *peer, uint64_t client)
{
    Rejoin__Item *item = take(peer, is_kick, client, RJ_TEST_DEADLINE_MS);
    return item ? item->kick : NULL;
}

double rj_test_peer_metric(struct rj_test_peer *peer, const char *name)
{
    Rejoin__StatsQuery query = REJOIN__STATS_QUERY__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_STATS;
    command.stats = &query;
    Rejoin__Reply *reply = rj_test_peer_reply(peer, rj_test_peer_command(peer, 0, &command));
    if (!reply || reply->result_case != REJOIN__REPLY__RESULT_STATS)
        return -1;
    for (size_t i = 0; i < reply->stats->n_metrics; i++)
        if (strcmp(reply->stats->metrics[i]->name, name) == 0)
            return reply->stats->metrics[i]->value;
    return -1;
}

static Rejoin__Welcome *say_hello(struct rj_test_peer *peer, Rejoin__Hello *hello)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    item.kind_case = REJOIN__ITEM__KIND_HELLO;
    item.hello = hello;
    peer->number = 0;
    rj_test_peer_put(peer, &item);
    rj_test_peer_flush(peer);
    Rejoin__Item *answer = rj_test_peer_expect(peer, REJOIN__ITEM__KIND_WELCOME, RJ_TEST_DEADLINE_MS);
    return answer ? answer->welcome : NULL;
}

Rejoin__Welcome *rj_test_peer_hello_gateway(struct rj_test_peer *peer, const char *id, uint64_t epoch,
                                            uint64_t upto)
{
    Rejoin__Hello hello = REJOIN__HELLO__INIT;
    hello.role = REJOIN__HELLO__ROLE__GATEWAY;
    hello.id = (char *)(uintptr_t)id;
    hello.epoch = epoch;
    hello.upto = upto;
    return say_hello(peer, &hello);
}

Rejoin__Welcome *rj_test_peer_hello_backend(struct rj_test_peer *peer, const char *id, const char *name)
{
    Rejoin__Hello hello = REJOIN__HELLO__INIT;
    hello.role = REJOIN__HELLO__ROLE__BACKEND;
    hello.id = (char *)(uintptr_t)id;
    hello.name = (char *)(uintptr_t)name;
    return say_hello(peer, &hello);
}

void rj_test_peer_ready(struct rj_test_peer *peer)
{
    Rejoin__Ready ready = REJOIN__READY__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    item.kind_case = REJOIN__ITEM__KIND_READY;
    item.ready = &ready;
    rj_test_peer_put(peer, &item);
    rj_test_peer_flush(peer);
}

static Rejoin__Reply *ask(struct rj_test_peer *peer, uint64_t client, Rejoin__Command *command)
{
    return rj_test_peer_reply(peer, rj_test_peer_command(peer, client, command));
}

/* The reply to what was added. */
static Rejoin__Reply *ask_now(struct rj_test_peer *peer, uint64_t id)
{
    rj_test_peer_flush(peer);
    return rj_test_peer_reply(peer, id);
}

Rejoin__Reply *rj_test_connect(struct rj_test_peer *peer, uint64_t client, const char *pid,
                               const char *offset)
{
    Rejoin__Connect connect = REJOIN__CONNECT__INIT;
    connect.namespace_ = "/";
    if (pid)
        connect.pid = (char *)(uintptr_t)pid;
    if (offset)
        connect.offset = (char *)(uintptr_t)offset;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_CONNECT;
    command.connect = &connect;
    return ask(peer, client, &command);
}

Rejoin__Reply *rj_test_join(struct rj_test_peer *peer, uint64_t client, const char *room)
{
    Rejoin__Join join = REJOIN__JOIN__INIT;
    join.room = (char *)(uintptr_t)room;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_JOIN;
    command.join = &join;
    return ask(peer, client, &command);
}

uint64_t rj_test_add_leave(struct rj_test_peer *peer, uint64_t client, const char *room)
{
    Rejoin__Leave leave = REJOIN__LEAVE__INIT;
    leave.room = (char *)(uintptr_t)room;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_LEAVE;
    command.leave = &leave;
    return rj_test_peer_add_command(peer, client, &command);
}

Rejoin__Reply *rj_test_leave(struct rj_test_peer *peer, uint64_t client, const char *room)
{
    return ask_now(peer, rj_test_add_leave(peer, client, room));
}

uint64_t rj_test_add_publish(struct rj_test_peer *peer, uint64_t client, const char *room, const char *data,
                             const char *id)
{
    Rejoin__Target target = REJOIN__TARGET__INIT;
    target.name = (char *)(uintptr_t)room;
    Rejoin__Target *targets[] = {&target};
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    message.namespace_ = "/";
    message.targets = targets;
    message.n_targets = 1;
    message.data = (ProtobufCBinaryData){strlen(data), (uint8_t *)(uintptr_t)data};
    if (id)
        message.id = (char *)(uintptr_t)id;
    Rejoin__Publish publish = REJOIN__PUBLISH__INIT;
    publish.message = &message;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_PUBLISH;
    command.publish = &publish;
    return rj_test_peer_add_command(peer, client, &command);
}

Rejoin__Reply *rj_test_publish(struct rj_test_peer *peer, uint64_t client, const char *room, const char *data,
                               const char *id)
{
    return ask_now(peer, rj_test_add_publish(peer, client, room, data, id));
}

Rejoin__Reply *rj_test_disconnect(struct rj_test_peer *peer, uint64_t client, bool left)
{
    Rejoin__Disconnect disconnect = REJOIN__DISCONNECT__INIT;
    disconnect.reason = left ? "client namespace disconnect" : "transport close";
    disconnect.left = left;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_DISCONNECT;
    command.disconnect = &disconnect;
    return ask(peer, client, &command);
}

Rejoin__Reply *rj_test_history(struct rj_test_peer *peer, uint64_t client, const char *room)
{
    Rejoin__History history = REJOIN__HISTORY__INIT;
    history.namespace_ = "/";
    history.room = (char *)(uintptr_t)room;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_HISTORY;
    command.history = &history;
    return ask(peer, client, &command);
}

bool rj_test_failed_with(const Rejoin__Reply *reply, const char *code)
{
    return reply && reply->error && strcmp(reply->error->code, code) == 0;
}
