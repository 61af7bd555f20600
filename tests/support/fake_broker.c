#include "tests/support/fake_broker.h"

#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include "proto/base/mem.h"
#include "tests/support/process.h"

enum { FRAME_MAX = 16 << 20, PING_MS = 200, LEASE_MS = 20000 };

void rj_fake_broker_open(struct rj_fake_broker *broker, const char *folder)
{
    int probe = 1, linger = 0;
    *broker = (struct rj_fake_broker){0};
    snprintf(broker->endpoint, sizeof broker->endpoint, "ipc://%s/gateways", folder);
    broker->context = zmq_ctx_new();
    broker->socket = zmq_socket(broker->context, ZMQ_ROUTER);
    zmq_setsockopt(broker->socket, ZMQ_PROBE_ROUTER, &probe, sizeof probe);
    zmq_setsockopt(broker->socket, ZMQ_LINGER, &linger, sizeof linger);
    if (zmq_bind(broker->socket, broker->endpoint)) {
        perror(broker->endpoint);
        abort();
    }
}

void rj_fake_broker_close(struct rj_fake_broker *broker)
{
    zmq_close(broker->socket);
    zmq_ctx_term(broker->context);
    rj_arena_free(&broker->arena);
    free(broker->items);
}

void rj_fake_broker_send_raw(struct rj_fake_broker *broker, const void *bytes, size_t len)
{
    zmq_send(broker->socket, broker->peer, broker->peer_len, ZMQ_SNDMORE);
    zmq_send(broker->socket, bytes, len, 0);
}

void rj_fake_broker_send(struct rj_fake_broker *broker, Rejoin__Item__KindCase kind, void *content)
{
    struct rj_wire_out out = {0};
    Rejoin__Item item = REJOIN__ITEM__INIT;
    item.kind_case = kind;
    item.hello = content; /* any member of the union */
    rj_wire_put(&out, &item);
    rj_wire_seal(&out, ++broker->number, 0);
    rj_fake_broker_send_raw(broker, out.frame.data, out.frame.len);
    rj_wire_free(&out);
}

static void keep(struct rj_fake_broker *broker, Rejoin__Item *item)
{
    if (broker->n_items == broker->cap_items) {
        broker->cap_items = broker->cap_items ? broker->cap_items * 2 : 16;
        broker->items = rj_realloc(broker->items, broker->cap_items, sizeof *broker->items);
    }
    broker->items[broker->n_items++] = item;
}

static void on_item(struct rj_fake_broker *broker, Rejoin__Item *item, const void *peer, size_t peer_len)
{
    bool is_hello = item->kind_case == REJOIN__ITEM__KIND_HELLO;
    if (is_hello && peer_len <= sizeof broker->peer) {
        memcpy(broker->peer, peer, peer_len);
        broker->peer_len = peer_len;
        broker->number = 0;
    }
    if (!is_hello && (peer_len != broker->peer_len || memcmp(peer, broker->peer, peer_len) != 0))
        return; /* of a stream before */
    if (item->kind_case == REJOIN__ITEM__KIND_PING) {
        Rejoin__Pong pong = REJOIN__PONG__INIT;
        pong.nonce = item->ping->nonce;
        if (!broker->is_mute)
            rj_fake_broker_send(broker, REJOIN__ITEM__KIND_PONG, &pong);
        return;
    }
    keep(broker, item);
}

static void receive(struct rj_fake_broker *broker)
{
    zmq_msg_t id, frame;
    Rejoin__Batch *batch;
    zmq_msg_init(&id);
    zmq_msg_init(&frame);
    if (zmq_msg_recv(&id, broker->socket, 0) >= 0 && zmq_msg_recv(&frame, broker->socket, 0) >= 0 &&
        rj_wire_unpack(rj_span_of(zmq_msg_data(&frame), zmq_msg_size(&frame)), FRAME_MAX, &broker->arena,
                       &batch) == RJ_OK)
        for (size_t i = 0; i < batch->n_items; i++)
            on_item(broker, batch->items[i], zmq_msg_data(&id), zmq_msg_size(&id));
    zmq_msg_close(&id);
    zmq_msg_close(&frame);
}

static Rejoin__Item *take(struct rj_fake_broker *broker, Rejoin__Item__KindCase kind)
{
    for (size_t i = 0; i < broker->n_items; i++) {
        Rejoin__Item *item = broker->items[i];
        if (item->kind_case != kind)
            continue;
        memmove(&broker->items[i], &broker->items[i + 1], (--broker->n_items - i) * sizeof *broker->items);
        return item;
    }
    return NULL;
}

Rejoin__Item *rj_fake_broker_expect(struct rj_fake_broker *broker, Rejoin__Item__KindCase kind,
                                    unsigned deadline_ms)
{
    uint64_t end_ms = rj_test_now_ms() + deadline_ms, now_ms;
    Rejoin__Item *item;
    while (!(item = take(broker, kind)) && (now_ms = rj_test_now_ms()) < end_ms) {
        zmq_pollitem_t wait = {.socket = broker->socket, .events = ZMQ_POLLIN};
        if (zmq_poll(&wait, 1, (long)(end_ms - now_ms)) > 0)
            receive(broker);
    }
    return item;
}

Rejoin__Command *rj_fake_broker_command(struct rj_fake_broker *broker, Rejoin__Command__KindCase kind,
                                        unsigned deadline_ms)
{
    Rejoin__Item *item;
    do
        item = rj_fake_broker_expect(broker, REJOIN__ITEM__KIND_COMMAND, deadline_ms);
    while (item && item->command->kind_case != kind);
    return item ? item->command : NULL;
}

Rejoin__Hello *rj_fake_broker_welcome(struct rj_fake_broker *broker, uint64_t epoch, uint64_t head,
                                      bool reset, unsigned deadline_ms)
{
    Rejoin__Welcome welcome = REJOIN__WELCOME__INIT;
    Rejoin__Item *item = rj_fake_broker_expect(broker, REJOIN__ITEM__KIND_HELLO, deadline_ms);
    if (!item)
        return NULL;
    welcome.epoch = epoch;
    welcome.head = head;
    welcome.reset = reset;
    welcome.ping_ms = PING_MS;
    welcome.lease_ms = broker->lease_ms ? broker->lease_ms : LEASE_MS;
    rj_fake_broker_send(broker, REJOIN__ITEM__KIND_WELCOME, &welcome);
    return item->hello;
}

void rj_fake_broker_reply_ok(struct rj_fake_broker *broker, const Rejoin__Command *command)
{
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    reply.id = command->id;
    reply.client = command->client;
    rj_fake_broker_send(broker, REJOIN__ITEM__KIND_REPLY, &reply);
}
