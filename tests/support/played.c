#include "tests/support/played.h"

#include <zmq.h>

#include "proto/base/clock.h"
#include "tests/support/process.h"

void played_open(struct played *peer)
{
    const int none = 0;
    *peer = (struct played){.context = zmq_ctx_new()};
    assert_true(rj_temp_dir(peer->folder, sizeof peer->folder));
    snprintf(peer->endpoint, sizeof peer->endpoint, "ipc://%s/s", peer->folder);
    peer->router = zmq_socket(peer->context, ZMQ_ROUTER);
    zmq_setsockopt(peer->router, ZMQ_LINGER, &none, sizeof none);
    assert_int_equal(zmq_bind(peer->router, peer->endpoint), 0);
    struct rejoin_options options = {.endpoint = peer->endpoint, .name = "test"};
    assert_int_equal(rejoin_open(&options, &peer->handle), REJOIN_OK);
}

void played_close(struct played *peer)
{
    rejoin_close(&peer->handle);
    rj_arena_free(&peer->arena);
    zmq_close(peer->router);
    zmq_ctx_term(peer->context);
    rj_temp_dir_remove(peer->folder);
}

const Rejoin__Batch *played_hear(struct played *peer)
{
    uint64_t deadline = rj_clock_mono_ms() + PATIENCE_MS;
    int len;
    while ((len = zmq_recv(peer->router, peer->route, sizeof peer->route, ZMQ_DONTWAIT)) < 0) {
        assert_true(rj_clock_mono_ms() < deadline);
        rejoin_run_once(peer->handle, 5);
    }
    peer->route_len = (size_t)len;
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    len = zmq_msg_recv(&frame, peer->router, 0);
    assert_true(len > 0);
    Rejoin__Batch *batch;
    rj_arena_reset(&peer->arena);
    assert_int_equal(
        rj_wire_unpack(rj_span_of(zmq_msg_data(&frame), (size_t)len), (size_t)len, &peer->arena, &batch),
        RJ_OK);
    zmq_msg_close(&frame);
    peer->batch = batch;
    peer->looked_at = batch->n_items;
    return batch;
}

/* The next item, of the batch that was heard last or of a new one. */
static const Rejoin__Item *next_item(struct played *peer)
{
    while (!peer->batch || peer->looked_at == peer->batch->n_items) {
        played_hear(peer);
        peer->looked_at = 0;
    }
    return peer->batch->items[peer->looked_at++];
}

const Rejoin__Item *played_hear_kind(struct played *peer, Rejoin__Item__KindCase kind)
{
    const Rejoin__Item *item;
    do
        item = next_item(peer);
    while (item->kind_case != kind);
    return item;
}

const Rejoin__Command *played_hear_command(struct played *peer, Rejoin__Command__KindCase kind)
{
    const Rejoin__Command *command;
    do
        command = played_hear_kind(peer, REJOIN__ITEM__KIND_COMMAND)->command;
    while (command->kind_case != kind);
    return command;
}

void played_say_bytes(struct played *peer, const void *data, size_t len)
{
    assert_true(zmq_send(peer->router, peer->route, peer->route_len, ZMQ_SNDMORE) >= 0);
    assert_true(zmq_send(peer->router, data, len, 0) >= 0);
}

void played_say_numbered(struct played *peer, Rejoin__Item__KindCase kind, void *body, uint64_t number)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    item.kind_case = kind;
    item.ping = body; /* whichever member it is: all are pointers */
    struct rj_wire_out out = {0};
    rj_wire_put(&out, &item);
    rj_wire_seal(&out, number, 0);
    played_say_bytes(peer, out.frame.data, out.frame.len);
    rj_wire_free(&out);
}

void played_say(struct played *peer, Rejoin__Item__KindCase kind, void *body)
{
    played_say_numbered(peer, kind, body, 0);
}

void played_welcome(struct played *peer)
{
    Rejoin__Welcome welcome = REJOIN__WELCOME__INIT;
    welcome.epoch = EPOCH;
    welcome.ping_ms = 50;
    welcome.lease_ms = peer->lease_ms ? peer->lease_ms : PATIENCE_MS;
    welcome.max_frame_bytes = peer->max_frame_bytes;
    played_say(peer, REJOIN__ITEM__KIND_WELCOME, &welcome);
}

void played_greet(struct played *peer, char id[64])
{
    const Rejoin__Hello *hello = played_hear_kind(peer, REJOIN__ITEM__KIND_HELLO)->hello;
    assert_int_equal(hello->role, REJOIN__HELLO__ROLE__BACKEND);
    assert_string_equal(hello->name, "test");
    snprintf(id, 64, "%s", hello->id);
    played_welcome(peer);
}

void played_say_error(struct played *peer, const char *code)
{
    Rejoin__Error error = REJOIN__ERROR__INIT;
    error.code = (char *)(uintptr_t)code;
    error.message = (char *)(uintptr_t) "because";
    played_say(peer, REJOIN__ITEM__KIND_ERROR, &error);
}

void played_reply(struct played *peer, uint64_t id, Rejoin__Reply__ResultCase result, void *body)
{
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    reply.id = id;
    reply.result_case = result;
    reply.published = body; /* whichever member it is: all are pointers */
    played_say(peer, REJOIN__ITEM__KIND_REPLY, &reply);
}

void played_refuse(struct played *peer, uint64_t id, const char *code)
{
    Rejoin__Error error = REJOIN__ERROR__INIT;
    error.code = (char *)(uintptr_t)code;
    error.message = (char *)(uintptr_t) "because";
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    reply.id = id;
    reply.error = &error;
    played_say(peer, REJOIN__ITEM__KIND_REPLY, &reply);
}

void played_break(struct played *peer)
{
    char id[64];
    Rejoin__NeedHello need = REJOIN__NEED_HELLO__INIT;
    played_say(peer, REJOIN__ITEM__KIND_NEED_HELLO, &need);
    played_greet(peer, id);
}

void played_run_until(struct played *peer, const unsigned *count, unsigned wanted)
{
    uint64_t deadline = rj_clock_mono_ms() + PATIENCE_MS;
    while (*count < wanted && rj_clock_mono_ms() < deadline)
        rejoin_run_once(peer->handle, 5);
    assert_int_equal(*count, wanted);
}
