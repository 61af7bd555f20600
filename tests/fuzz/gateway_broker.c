#include "gateway/link.h"
#include "proto/wire.h"
#include "tests/fuzz/fake_zmq.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/gateway_world.h"

enum { FRAME_LIMIT = 1 << 30 };

static struct world *the_world;

void world_listen(struct world *world)
{
    the_world = world;
}

static void on_command(struct world *world, const Rejoin__Command *command)
{
    HOLDS(command->id && command->kind_case);
    if (world->n_todos < TODO_MAX)
        world->todos[world->n_todos++] = (struct todo){command->id, command->client, command->kind_case};
    else
        world->has_missed = true;
}

void on_fake_zmq_frame(struct rj_span frame)
{
    struct world *world = the_world;
    struct rj_arena arena = {0};
    Rejoin__Batch *batch;
    HOLDS(rj_wire_unpack(frame, FRAME_LIMIT, &arena, &batch) == RJ_OK);
    for (size_t i = 0; i < batch->n_items; i++) {
        const Rejoin__Item *item = batch->items[i];
        HOLDS(item->kind_case);
        if (item->kind_case == REJOIN__ITEM__KIND_COMMAND)
            on_command(world, item->command);
        if (item->kind_case == REJOIN__ITEM__KIND_HELLO) { /* a fresh stream */
            world->n_todos = world->number = 0;
            world->has_missed = false;
        }
    }
    rj_arena_free(&arena);
}

void world_say(struct world *world, Rejoin__Item *item, bool is_numbered)
{
    struct rj_wire_out out = {0};
    fuzz_tidy(&item->base);
    rj_wire_put(&out, item);
    rj_wire_seal(&out, is_numbered ? ++world->number : 0, world->committed);
    fake_zmq_push(rj_buf_span(&out.frame));
    rj_wire_free(&out);
}

void world_welcome(struct world *world, uint64_t epoch, struct fuzz_bytes *how)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Welcome welcome = REJOIN__WELCOME__INIT;
    welcome.epoch = world->epoch = epoch;
    welcome.head = world->committed;
    welcome.ping_ms = 1000;
    welcome.lease_ms = LEASE_MS;
    welcome.reset = fuzz_seldom(how, 16);
    welcome.max_frame_bytes = world->has_small_frames || fuzz_seldom(how, 8) ? 4096 : 1 << 20;
    item.kind_case = REJOIN__ITEM__KIND_WELCOME;
    item.welcome = &welcome;
    fake_zmq_push((struct rj_span){NULL, 0}); /* ZMQ_PROBE_ROUTER */
    world_say(world, &item, true);
}

/* The kind of result that says that such a command went well; 0: none. */
static uint32_t result_of(uint32_t kind)
{
    static const struct {
        uint32_t command, result;
    } table[] = {
        {REJOIN__COMMAND__KIND_CONNECT, REJOIN__REPLY__RESULT_CONNECTED},
        {REJOIN__COMMAND__KIND_ATTACH, REJOIN__REPLY__RESULT_CONNECTED},
        {REJOIN__COMMAND__KIND_JOIN, REJOIN__REPLY__RESULT_JOINED},
        {REJOIN__COMMAND__KIND_PUBLISH, REJOIN__REPLY__RESULT_PUBLISHED},
        {REJOIN__COMMAND__KIND_HISTORY, REJOIN__REPLY__RESULT_HISTORY},
        {REJOIN__COMMAND__KIND_EVENT, REJOIN__REPLY__RESULT_EVENT},
        {REJOIN__COMMAND__KIND_PRESENCE, REJOIN__REPLY__RESULT_PRESENCE},
        {REJOIN__COMMAND__KIND_READ, REJOIN__REPLY__RESULT_READ},
        {REJOIN__COMMAND__KIND_UNREAD, REJOIN__REPLY__RESULT_UNREAD},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].command == kind)
            return table[i].result;
    return 0;
}

void world_answer(struct world *world, size_t which, struct fuzz_bytes *how)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    struct todo todo = world->todos[which];
    uint32_t kind =
        fuzz_seldom(how, 16) ? fuzz_pick_kind(&rejoin__reply__descriptor, how) : result_of(todo.kind);
    world->todos[which] = world->todos[--world->n_todos];
    Rejoin__Reply *reply = (Rejoin__Reply *)(void *)fuzz_grow(
        &rejoin__reply__descriptor, kind ? kind : UINT32_MAX, how, &world->seen, &world->arena);
    reply->id = todo.id;
    reply->client = todo.client;
    if (!fuzz_seldom(how, 8))
        reply->error = NULL;
    if (reply->result_case == REJOIN__REPLY__RESULT_CONNECTED && !fuzz_seldom(how, 32)) {
        static char sid[32];
        snprintf(sid, sizeof sid, "sid-of-%llu", (unsigned long long)todo.client);
        reply->connected->sid = sid;
        fuzz_see_text(&world->seen.sids, sid);
    }
    item.kind_case = REJOIN__ITEM__KIND_REPLY;
    item.reply = reply;
    world_say(world, &item, true);
}

struct rj_client *world_client(const struct world *world, uint64_t back)
{
    return rj_clients_find(&world->gateway.clients, world->gateway.clients.last_handle - back);
}
