#include "tests/fuzz/peers.h"

#include <signal.h>
#include <stdlib.h>

#include "proto/base/clock.h"
#include "tests/fuzz/fake_bus.h"
#include "tests/fuzz/fake_clock.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_store.h"

enum { FRAME_LIMIT = 1 << 30, TURNS_MAX = 10000 };

/* on_fake_bus_frame has no context. */
static struct fuzz_world *the_world;

/* -------------------------------------------------------------------------------------------- commands */

/* The broker's stream with the peer; 0: none. */
static uint64_t stream_of(const struct fuzz_world *world, const struct fuzz_peer *peer)
{
    const struct rj_peer *found =
        peer->route ? rj_broker_route(world->broker, peer->side, peer->route) : NULL;
    return found ? found->stream : 0;
}

bool peer_has_stream(const struct fuzz_world *world, const struct fuzz_peer *peer)
{
    return stream_of(world, peer) != 0;
}

/* All frames have been read: those that were sent since belong to the stream that is there now. */
static void note_streams(struct fuzz_world *world)
{
    for (size_t i = 0; i < PEERS; i++) {
        struct fuzz_peer *peer = &world->peers[i];
        for (size_t k = peer->n_commands; k-- > 0;) {
            struct sent_command *command = &peer->commands[k];
            if (command->stream)
                continue;
            command->stream = stream_of(world, peer);
            command->is_loose |= command->stream == 0;
        }
    }
}

static struct sent_command *find_command(struct fuzz_peer *peer, uint64_t id)
{
    for (size_t i = 0; i < peer->n_commands; i++)
        if (peer->commands[i].id == id)
            return &peer->commands[i];
    return NULL;
}

static void forget_commands(struct fuzz_peer *peer)
{
    for (size_t i = 0; i < peer->n_commands; i++)
        rj_buf_free(&peer->commands[i].item);
    peer->n_commands = 0;
}

void peer_check_answered(const struct fuzz_world *world, const struct fuzz_peer *peer)
{
    uint64_t stream = stream_of(world, peer);
    for (size_t i = 0; stream && !peer->is_wild && i < peer->n_commands; i++) {
        const struct sent_command *command = &peer->commands[i];
        if (command->is_loose || command->stream != stream || command->replies == 1)
            continue;
        fprintf(stderr, "%s: command %llu of kind %u has %u replies\n", peer->id,
                (unsigned long long)command->id, command->kind, command->replies);
        HOLDS(command->replies == 1);
    }
}

/* -------------------------------------------------------------------------------------------- hearing */

static void add(uint64_t *list, size_t *n, uint64_t value)
{
    if (*n < TODO_MAX)
        list[(*n)++] = value;
}

static struct fuzz_client *find_client(struct fuzz_peer *peer, uint64_t handle)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        if (peer->clients[i].handle == handle)
            return &peer->clients[i];
    return NULL;
}

static void forget_client(struct fuzz_peer *peer, uint64_t handle)
{
    struct fuzz_client *client = find_client(peer, handle);
    if (client)
        *client = (struct fuzz_client){0};
}

static void note_client(struct fuzz_peer *peer, uint64_t handle, const Rejoin__Connected *connected,
                        bool is_in_chat)
{
    struct fuzz_client *client = find_client(peer, handle);
    if (!client && !(client = find_client(peer, 0)))
        return;
    client->handle = handle;
    client->incarnation = connected->incarnation;
    client->is_in_chat = is_in_chat;
    snprintf(client->user, sizeof client->user, "%s", connected->user);
    snprintf(client->sid, sizeof client->sid, "%s", connected->sid);
    snprintf(client->pid, sizeof client->pid, "%s", connected->pid);
}

static void on_connected(struct fuzz_world *world, struct fuzz_peer *peer, const struct sent_command *command,
                         const Rejoin__Connected *connected)
{
    HOLDS(connected->sid[0]);
    HOLDS(peer->reuses || connected->from_pos <= memory_store_committed());
    if (command)
        note_client(peer, command->client, connected, command->is_in_chat);
    fuzz_see_text(&world->seen.sids, connected->sid);
    if (connected->pid[0])
        fuzz_see_text(&world->seen.pids, connected->pid);
}

static void on_reply(struct fuzz_world *world, struct fuzz_peer *peer, const Rejoin__Reply *reply)
{
    struct sent_command *command = find_command(peer, reply->id);
    if (!peer->is_wild) {
        HOLDS(command);
        command->replies++;
        HOLDS(command->is_loose || command->replies == 1);
    }
    switch (reply->result_case) {
    case REJOIN__REPLY__RESULT_CONNECTED: on_connected(world, peer, command, reply->connected); break;
    case REJOIN__REPLY__RESULT_PUBLISHED:
        HOLDS(reply->published->pos <= memory_store_committed());
        fuzz_see_text(&world->seen.offsets, reply->published->offset);
        break;
    case REJOIN__REPLY__RESULT_TAILING: fuzz_see_number(&world->seen.tails, reply->id); break;
    case REJOIN__REPLY__RESULT_SOCKETS: fuzz_see_number(&world->seen.pages, reply->sockets->next); break;
    default: break;
    }
}

static void on_deliver(struct fuzz_world *world, struct fuzz_peer *peer, const Rejoin__Deliver *deliver)
{
    HOLDS(deliver->message && deliver->message->n_targets >= 1);
    HOLDS(deliver->pos <= memory_store_committed());
    HOLDS(deliver->pos == 0 || deliver->n_seqs == deliver->message->n_targets);
    if (deliver->ask) {
        add(peer->asks, &peer->n_asks, deliver->ask);
        fuzz_see_number(&world->seen.asks, deliver->ask);
    }
    if (peer->side == RJ_BUS_GATEWAYS && !deliver->client && deliver->pos) {
        HOLDS(deliver->pos > peer->last_pos);
        peer->last_pos = deliver->pos;
    }
}

static void on_item(struct fuzz_world *world, struct fuzz_peer *peer, const Rejoin__Item *item)
{
    switch (item->kind_case) {
    case REJOIN__ITEM__KIND_PING:
        add(peer->pings, &peer->n_pings, item->ping->nonce);
        fuzz_see_number(&world->seen.nonces, item->ping->nonce);
        break;
    case REJOIN__ITEM__KIND_WELCOME:
        fuzz_see_number(&world->seen.epochs, item->welcome->epoch);
        fuzz_see_number(&world->seen.positions, item->welcome->head);
        break;
    case REJOIN__ITEM__KIND_REPLY: on_reply(world, peer, item->reply); break;
    case REJOIN__ITEM__KIND_DELIVER: on_deliver(world, peer, item->deliver); break;
    case REJOIN__ITEM__KIND_PROBE: add(peer->probes, &peer->n_probes, item->probe->client); break;
    case REJOIN__ITEM__KIND_KICK: forget_client(peer, item->kick->client); break;
    case REJOIN__ITEM__KIND_CAUGHT_UP: HOLDS(item->caught_up->upto <= memory_store_committed()); break;
    case REJOIN__ITEM__KIND_JOB:
        HOLDS(peer->side == RJ_BUS_BACKENDS && item->job->id);
        add(peer->jobs, &peer->n_jobs, item->job->id);
        fuzz_see_number(&world->seen.jobs, item->job->id);
        break;
    case REJOIN__ITEM__KIND_OPENED: fuzz_see_text(&world->seen.sids, item->opened->socket->sid); break;
    default: break;
    }
}

static void check_number(struct fuzz_peer *peer, const Rejoin__Batch *batch)
{
    if (peer->side == RJ_BUS_BACKENDS) {
        HOLDS(batch->number == 0);
        return;
    }
    if (batch->number == 0) {
        /* Said to a connection that has no stream. */
        HOLDS(batch->n_items == 1 && (batch->items[0]->kind_case == REJOIN__ITEM__KIND_NEED_HELLO ||
                                      batch->items[0]->kind_case == REJOIN__ITEM__KIND_ERROR));
        return;
    }
    HOLDS(batch->number == 1 || batch->number == peer->number + 1);
    if (batch->number == 1)
        peer->last_pos = 0;
    peer->number = batch->number;
}

void on_fake_bus_frame(uint32_t route, struct rj_span frame)
{
    struct fuzz_world *world = the_world;
    struct rj_arena arena = {0};
    Rejoin__Batch *batch;
    for (size_t i = 0; i < PEERS && !world->is_deaf && frame.len; i++) {
        struct fuzz_peer *peer = &world->peers[i];
        if (peer->route != route)
            continue;
        HOLDS(rj_wire_unpack(frame, FRAME_LIMIT, &arena, &batch) == RJ_OK);
        HOLDS(batch->upto <= memory_store_committed());
        check_number(peer, batch);
        for (size_t k = 0; k < batch->n_items; k++)
            on_item(world, peer, batch->items[k]);
    }
    rj_arena_free(&arena);
}

/* -------------------------------------------------------------------------------------------- speaking */

static void push(struct fuzz_peer *peer, const Rejoin__Item *item)
{
    struct rj_wire_out out = {0};
    rj_wire_put(&out, item);
    rj_wire_seal(&out, 0, 0);
    fake_bus_push(peer->route, rj_buf_span(&out.frame), false);
    rj_wire_free(&out);
}

static bool is_in_chat(const Rejoin__Command *command)
{
    const char *nsp = command->kind_case == REJOIN__COMMAND__KIND_CONNECT  ? command->connect->namespace_
                      : command->kind_case == REJOIN__COMMAND__KIND_ATTACH ? command->attach->namespace_
                                                                           : "";
    return strcmp(nsp, "/chat") == 0;
}

/* The command is remembered until the end. */
static void remember(struct fuzz_peer *peer, const Rejoin__Item *item, bool is_loose)
{
    struct sent_command *command = &peer->commands[peer->n_commands++];
    *command = (struct sent_command){.id = item->command->id,
                                     .client = item->command->client,
                                     .kind = item->command->kind_case,
                                     .is_in_chat = is_in_chat(item->command),
                                     .is_loose = is_loose};
    rj_wire_pack(&item->base, &command->item);
}

/* A gateway never gives a handle twice. */
static void note_handle(struct fuzz_peer *peer, const Rejoin__Command *command)
{
    bool is_first = command->kind_case == REJOIN__COMMAND__KIND_CONNECT ||
                    command->kind_case == REJOIN__COMMAND__KIND_ATTACH;
    if (command->kind_case == REJOIN__COMMAND__KIND_DISCONNECT)
        forget_client(peer, command->client);
    if (!is_first)
        return;
    if (command->client > peer->last_handle && command->client < UINT32_MAX)
        peer->last_handle = command->client;
    else
        peer->reuses = true;
}

void peer_put(struct fuzz_world *world, struct fuzz_peer *peer, Rejoin__Item *item, bool repeats)
{
    (void)world;
    if (item->kind_case == REJOIN__ITEM__KIND_HELLO)
        peer->is_wild = true; /* amid its commands: nobody can say which stream they come to */
    if (item->kind_case != REJOIN__ITEM__KIND_COMMAND || !item->command) {
        push(peer, item);
        return;
    }
    note_handle(peer, item->command);
    if (repeats && peer->n_commands) {
        struct sent_command *old = &peer->commands[peer->n_commands - 1];
        item->command->id = old->id;
        old->is_loose = true;
    } else if (peer->n_commands < COMMANDS_MAX) {
        item->command->id = ++peer->last_id;
        remember(peer, item, false);
    } else {
        return;
    }
    push(peer, item);
}

void peer_put_raw(struct fuzz_peer *peer, struct rj_span frame, bool is_malformed)
{
    peer->is_wild = true;
    fake_bus_push(peer->route, frame, is_malformed);
}

void peer_cut(struct fuzz_peer *peer)
{
    if (peer->route)
        fake_bus_cut(peer->route);
    peer->route = 0;
    peer->n_pings = peer->n_jobs = peer->n_asks = peer->n_probes = 0;
}

void peer_hello(struct fuzz_world *world, struct fuzz_peer *peer, Rejoin__Hello *given)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Hello hello = REJOIN__HELLO__INIT;
    bool is_gateway = peer->side == RJ_BUS_GATEWAYS;
    world_drain(world); /* what was sent before belongs to the old stream */
    peer_cut(peer);
    peer->route = fake_bus_connect(peer->side);
    hello.role = is_gateway ? REJOIN__HELLO__ROLE__GATEWAY : REJOIN__HELLO__ROLE__BACKEND;
    hello.id = peer->id;
    hello.name = is_gateway ? "" : "shop";
    item.kind_case = REJOIN__ITEM__KIND_HELLO;
    item.hello = given ? given : &hello;
    if (given && is_gateway)
        given->role = hello.role;
    peer->is_wild = false;
    push(peer, &item);
    for (size_t i = 0; i < peer->n_commands; i++)
        peer->commands[i].is_loose = true; /* of an older stream, whose replies may yet be on their way */
    world_turn(world, 0);
}

void peer_repeat(struct fuzz_world *world, struct fuzz_peer *peer)
{
    (void)world;
    for (size_t i = 0; i < peer->n_commands; i++) {
        struct sent_command *command = &peer->commands[i];
        struct rj_wire_out out = {0};
        if (command->replies || !command->item.len)
            continue;
        command->is_loose = true;
        rj_wire_put_packed(&out, rj_buf_span(&command->item));
        rj_wire_seal(&out, 0, 0);
        fake_bus_push(peer->route, rj_buf_span(&out.frame), false);
        rj_wire_free(&out);
    }
}

void peer_attach_all(struct fuzz_world *world, struct fuzz_peer *peer)
{
    bool reuses = peer->reuses;
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        struct fuzz_client *client = &peer->clients[i];
        Rejoin__Item item = REJOIN__ITEM__INIT;
        Rejoin__Command command = REJOIN__COMMAND__INIT;
        Rejoin__Attach attach = REJOIN__ATTACH__INIT;
        if (!client->handle)
            continue;
        attach.pid = client->pid;
        attach.sid = client->sid;
        attach.incarnation = client->incarnation;
        attach.no_recovery = !client->pid[0];
        attach.namespace_ = client->is_in_chat ? "/chat" : "/";
        attach.user = client->user;
        command.client = client->handle;
        command.kind_case = REJOIN__COMMAND__KIND_ATTACH;
        command.attach = &attach;
        item.kind_case = REJOIN__ITEM__KIND_COMMAND;
        item.command = &command;
        peer_put(world, peer, &item, false);
    }
    peer->reuses = reuses; /* these are the same clients */
}

static void answer_job(struct fuzz_world *world, struct fuzz_peer *peer, uint64_t job, struct fuzz_bytes *how)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    Rejoin__Answer *answer =
        (Rejoin__Answer *)(void *)fuzz_grow(&rejoin__answer__descriptor, 0, how, &world->seen, &world->arena);
    answer->job = job;
    if (!fuzz_seldom(how, 4))
        answer->refusal = NULL;
    command.kind_case = REJOIN__COMMAND__KIND_ANSWER;
    command.answer = answer;
    item.kind_case = REJOIN__ITEM__KIND_COMMAND;
    item.command = &command;
    peer_put(world, peer, &item, false);
}

static void answer_ask(struct fuzz_world *world, struct fuzz_peer *peer, uint64_t ask, struct fuzz_bytes *how)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Asked asked = REJOIN__ASKED__INIT;
    char *sids[FUZZ_SEEN];
    size_t most = fuzz_below(how, FUZZ_SEEN + 1);
    asked.ask = ask;
    asked.sids = sids;
    for (size_t i = 0; i < most; i++)
        if (world->seen.sids.list[i][0])
            sids[asked.n_sids++] = world->seen.sids.list[i];
    item.kind_case = REJOIN__ITEM__KIND_ASKED;
    item.asked = &asked;
    push(peer, &item);
    for (size_t i = 0; i < asked.n_sids; i++) {
        item.kind_case = REJOIN__ITEM__KIND_ASK_ANSWER;
        item.ask_answer = (Rejoin__AskAnswer *)(void *)fuzz_grow(&rejoin__ask_answer__descriptor, 0, how,
                                                                 &world->seen, &world->arena);
        item.ask_answer->ask = ask;
        push(peer, &item);
    }
}

void peer_behave(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Pong pong = REJOIN__PONG__INIT;
    Rejoin__Alive alive = REJOIN__ALIVE__INIT;
    size_t n_pings = peer->n_pings, n_jobs = peer->n_jobs, n_asks = peer->n_asks, n_probes = peer->n_probes;
    peer->n_pings = peer->n_jobs = peer->n_asks = peer->n_probes = 0;
    item.kind_case = REJOIN__ITEM__KIND_PONG;
    item.pong = &pong;
    for (size_t i = 0; i < n_pings; i++) {
        pong.nonce = peer->pings[i];
        push(peer, &item);
    }
    item.kind_case = REJOIN__ITEM__KIND_ALIVE;
    item.alive = &alive;
    for (size_t i = 0; i < n_probes; i++) {
        alive.client = peer->probes[i];
        push(peer, &item);
    }
    for (size_t i = 0; i < n_jobs; i++)
        answer_job(world, peer, peer->jobs[i], how);
    for (size_t i = 0; i < n_asks; i++)
        answer_ask(world, peer, peer->asks[i], how);
}

/* -------------------------------------------------------------------------------------------- the broker */

static void start(struct fuzz_world *world)
{
    sigset_t signals;
    HOLDS(rj_broker_open(&world->conf, &world->broker) == RJ_OK);
    sigemptyset(&signals); /* the broker waits for these by other means; libFuzzer does not */
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_UNBLOCK, &signals, NULL);
}

void world_open(struct fuzz_world *world)
{
    the_world = world;
    fake_clock_reset();
    for (size_t i = 0; i < PEERS; i++) {
        struct fuzz_peer *peer = &world->peers[i];
        peer->side = i < GATEWAYS ? RJ_BUS_GATEWAYS : RJ_BUS_BACKENDS;
        snprintf(peer->id, sizeof peer->id, "peer%zu", i);
    }
    start(world);
}

void world_free(struct fuzz_world *world)
{
    rj_broker_close(&world->broker);
    for (size_t i = 0; i < PEERS; i++)
        forget_commands(&world->peers[i]);
    rj_arena_free(&world->arena);
    fake_bus_reset();
    memory_store_reset();
}

/* The signal is blocked in the process, as rj_broker_open has left it there, so that the broker reads it. */
static void stop(struct fuzz_world *world)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    raise(SIGTERM);
    rj_broker_run(world->broker);
}

void world_restart(struct fuzz_world *world, enum restart how)
{
    if (how == RESTART_KILLED)
        memory_store_fail();
    if (how == RESTART_STOPPED)
        stop(world);
    world->is_deaf = how == RESTART_KILLED;
    rj_broker_close(&world->broker);
    if (how == RESTART_RESTORED)
        memory_store_restore();
    world->is_deaf = false;
    for (size_t i = 0; i < PEERS; i++) {
        struct fuzz_peer *peer = &world->peers[i];
        peer_cut(peer);
        for (size_t k = 0; k < peer->n_commands; k++)
            peer->commands[k].is_loose = true;
    }
    fake_bus_reset();
    start(world);
}

bool world_turn(struct fuzz_world *world, uint64_t pass_ms)
{
    fake_clock_pass(pass_ms);
    bool has_work = rj_broker_turn(world->broker);
    if (fake_bus_waiting() == 0)
        note_streams(world);
    return has_work || rj_store_in_flight(world->broker->store) > 0;
}

static bool is_reading(const struct fuzz_world *world)
{
    return fake_bus_waiting() > 0 || world->broker->reading[0].batch || world->broker->reading[1].batch;
}

void world_drain(struct fuzz_world *world)
{
    for (int turns = 0; is_reading(world); turns++) {
        HOLDS(turns < TURNS_MAX);
        memory_store_release(8);
        world_turn(world, 0);
    }
}
