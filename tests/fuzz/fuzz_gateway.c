/* The gateway without sockets: clients say Socket.IO messages into the real front end (sessions as in
 * fake_sessions.h), the broker says what the input makes it say (fake_zmq.h), links break, clients do not
 * read. Everything that clients get must be packets; each ack comes at most once, and once when its time is
 * over; what the gateway keeps of clients must be consistent, and nothing when they have gone.
 *
 * Two bytes choose the settings; steps follow (steps.h).
 */
#include <signal.h>

#include "gateway/commands.h"
#include "gateway/fanout.h"
#include "gateway/frontends/socketio.h"
#include "gateway/frontends/socketio_conn.h"
#include "gateway/gateway.h"
#include "gateway/link.h"
#include "proto/base/clock.h"
#include "tests/fuzz/fake_clock.h"
#include "tests/fuzz/fake_zmq.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/gateway_world.h"
#include "tests/fuzz/steps.h"

enum { HEAD = 2, STEPS_MAX = 200, LAST_EPOCH = 1000000 /* which none had before: epochs do not come back */ };

static struct rj_gateway_conf defaults; /* read once, before the first input */

/* -------------------------------------------------------------------- gateway/gateway.h,
 * frontends/socketio.h */

static struct world *world_of(const struct rj_socketio *front)
{
    return (struct world *)(uintptr_t)front;
}

void rj_gateway_dirty(struct rj_gateway *gateway)
{
    (void)gateway;
}

void rj_gateway_watch_broker(struct rj_gateway *gateway, int fd)
{
    (void)gateway, (void)fd;
}

void rj_socketio_drain(struct rj_socketio *front)
{
    (void)front; /* do_open looks */
}

size_t rj_socketio_drop(struct rj_socketio *front, size_t most, enum rj_reason reason)
{
    struct rj_eio_session *sessions = world_of(front)->sessions;
    size_t n = 0;
    for (size_t i = 0; i < SESSIONS && n < most; i++)
        if (sessions[i].conn && !sessions[i].is_closing) {
            rj_eio_close(&sessions[i], reason, "");
            n++;
        }
    return n;
}

size_t rj_socketio_connections(const struct rj_socketio *front)
{
    size_t n = 0;
    for (size_t i = 0; i < SESSIONS; i++)
        n += world_of(front)->sessions[i].conn != NULL;
    return n;
}

/* -------------------------------------------------------------------------------------------------- steps */

typedef void step_action(struct world *world, struct rj_eio_session *session, struct fuzz_bytes *how);

static void hear(struct rj_eio_session *session, bool is_binary, struct rj_span data)
{
    if (session->conn && !session->is_closing)
        session->callbacks->message(session->conn, is_binary, data);
}

static void do_nothing(struct world *world, struct rj_eio_session *session, struct fuzz_bytes *how)
{
    static const uint64_t passes[] = {0, 50, 1000, 2000, 5100, 6100, 20000, 70000};
    (void)world, (void)session;
    fake_clock_pass(passes[fuzz_below(how, 8)]);
}

static void do_open(struct world *world, struct rj_eio_session *session, struct fuzz_bytes *how)
{
    static const char *const packets[] = {
        "0",
        "0{\"user\":\"ann\"}",
        "0/chat,",
        "0{\"pid\":\"p\",\"offset\":\"1.2\",\"a\":1}",
        "0/chat,{\"a\":[]}",
    };
    if (!session->conn && !world->gateway.drain.is_on)
        fake_session_open(session, &rj_sio_callbacks, &world->shared);
    hear(session, false, rj_span_str(packets[fuzz_below(how, 5)]));
}

static const char *const events[] = {
    "\"room:join\",{\"room\":\"a\"}",
    "\"room:join\",\"b\"",
    "\"room:publish\",{\"room\":\"a\",\"data\":{\"x\":1}}",
    "\"room:publish\",{\"room\":\"a\",\"data\":1,\"volatile\":true,\"echo\":false}",
    "\"room:leave\",\"a\"",
    "\"room:history\",{\"room\":\"a\",\"limit\":3}",
    "\"room:join\",{\"room\":\"a\",\"last\":2}",
    "\"room:presence\",{\"room\":\"a\"}",
    "\"room:read\",{\"room\":\"a\",\"seq\":2}",
    "\"room:unread\"",
    "\"msg\",1,{\"a\":null}",
    "\"room:none\",{}",
    "7",
};
enum { EVENTS = sizeof events / sizeof *events };

/* An event, with an ack of its own or without. */
static void do_event(struct world *world, struct rj_eio_session *session, struct fuzz_bytes *how)
{
    char text[600];
    (void)world;
    const char *nsp = fuzz_seldom(how, 4) ? "/chat," : "", *event = events[fuzz_below(how, EVENTS)];
    if (!session->conn || session->is_closing || session->n_acks == ACKS_MAX)
        return;
    if (fuzz_seldom(how, 4)) {
        snprintf(text, sizeof text, "2%s[%s]", nsp, event);
    } else {
        session->acks[session->n_acks++] = (struct awaited_ack){.id = ++session->last_ack_id};
        snprintf(text, sizeof text, "2%s%llu[%s]", nsp, (unsigned long long)session->last_ack_id, event);
    }
    hear(session, false, rj_span_str(text));
}

static void do_binary(struct world *world, struct rj_eio_session *session, struct fuzz_bytes *how)
{
    (void)world;
    hear(session, false,
         rj_span_str(fuzz_seldom(how, 2)
                         ? "51-[\"room:publish\",{\"room\":\"a\",\"data\":{\"_placeholder\":true,\"num\":0}}]"
                         : "51-[\"msg\",{\"_placeholder\":true,\"num\":0}]"));
    hear(session, true, rj_span_of(how->at, fuzz_left(how)));
}

static void do_raw(struct world *world, struct rj_eio_session *session, struct fuzz_bytes *how)
{
    bool is_binary = fuzz_seldom(how, 8);
    (void)world;
    hear(session, is_binary, rj_span_of(how->at, fuzz_left(how)));
}

static void do_ack(struct world *world, struct rj_eio_session *session, struct fuzz_bytes *how)
{
    char text[64];
    (void)world;
    snprintf(text, sizeof text, "3%llu[1]",
             (unsigned long long)(session->asked_id - (fuzz_seldom(how, 4) ? 1 : 0)));
    hear(session, false, rj_span_str(text));
}

static void do_transport(struct world *world, struct rj_eio_session *session, struct fuzz_bytes *how)
{
    (void)world;
    if (!session->conn || session->is_closing)
        return;
    switch (fuzz_below(how, 6)) {
    case 0: session->is_stuck = true; break;
    case 1:
        session->is_stuck = false;
        session->queued_bytes = 0;
        session->callbacks->drained(session->conn);
        break;
    case 2: session->callbacks->mark(session->conn); break;
    case 3: session->callbacks->proved(session->conn); break;
    case 4: session->callbacks->alive(session->conn); break;
    case 5: fake_session_leave(session, (enum rj_reason)fuzz_below(how, RJ_REASON_COUNT)); break;
    }
}

static void do_welcome(struct world *world, struct rj_eio_session *session, struct fuzz_bytes *how)
{
    (void)session;
    world_welcome(world, 1 + fuzz_below(how, 3), how);
}

static void do_answer(struct world *world, struct rj_eio_session *session, struct fuzz_bytes *how)
{
    (void)session;
    for (unsigned n = 1 + fuzz_below(how, 4); n > 0 && world->n_todos; n--)
        world_answer(world, 0, how);
}

static void do_deliver(struct world *world, struct rj_eio_session *session, struct fuzz_bytes *how)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    (void)session;
    item.deliver = (Rejoin__Deliver *)(void *)fuzz_grow(&rejoin__deliver__descriptor, 0, how, &world->seen,
                                                        &world->arena);
    item.kind_case = REJOIN__ITEM__KIND_DELIVER;
    unsigned way = fuzz_below(how, 6);
    if (way != 3)
        item.deliver->client = item.deliver->pos = item.deliver->ask = 0;
    if (way == 0 || way > 3)
        item.deliver->pos = ++world->pos;
    if (way == 0 || way == 4)
        world->committed = world->pos;
    if (way == 2)
        item.deliver->ask = ++world->last_ask;
    if (way > 3) {
        item.kind_case = REJOIN__ITEM__KIND_PENDING;
        world_say(world, &item, true);
        item.kind_case = REJOIN__ITEM__KIND_DELIVER;
    }
    if (way != 5) /* else the broker dies before the commit, or says it later */
        world_say(world, &item, true);
}

static void do_item(struct world *world, struct rj_eio_session *session, struct fuzz_bytes *how)
{
    static const uint32_t kinds[] = {
        REJOIN__ITEM__KIND_CAUGHT_UP,
        REJOIN__ITEM__KIND_KICK,
        REJOIN__ITEM__KIND_MOVED,
        REJOIN__ITEM__KIND_PING,
    };
    uint8_t choice = fuzz_u8(how);
    uint32_t kind = choice % 8 < 6 ? kinds[choice % 8 % 4] : fuzz_pick_kind(&rejoin__item__descriptor, how);
    (void)session;
    world_say(
        world,
        (Rejoin__Item *)(void *)fuzz_grow(&rejoin__item__descriptor, kind, how, &world->seen, &world->arena),
        !fuzz_seldom(how, 16));
}

static void do_link(struct world *world, struct rj_eio_session *session, struct fuzz_bytes *how)
{
    (void)world, (void)session;
    switch (fuzz_below(how, 8)) {
    case 0: fake_zmq_block(fuzz_u8(how) % 2 == 0); break;
    case 1:
        if (!world->gateway.drain.is_on) /* a second one ends the process */
            rj_drain_on_signal(&world->gateway, SIGTERM);
        break;
    default: fake_zmq_push(rj_span_of(how->at, fuzz_left(how))); break;
    }
}

static step_action *const actions[] = {
    do_nothing,   do_open,    do_event,  do_event,  gateway_scene_play, do_binary,  do_raw,  do_ack,
    do_transport, do_welcome, do_answer, do_answer, do_deliver,         do_deliver, do_item, do_link,
};
enum { ACTIONS = sizeof actions / sizeof *actions };

/* --------------------------------------------------------------------------------------------- the turn */

static bool is_event(const struct rj_pending_command *command)
{
    return command->kind != REJOIN__COMMAND__KIND_CONNECT && command->kind != REJOIN__COMMAND__KIND_ATTACH &&
           command->kind != REJOIN__COMMAND__KIND_CATCH_UP &&
           command->kind != REJOIN__COMMAND__KIND_DISCONNECT;
}

static void check_client(const struct rj_gateway *gateway, const struct rj_client *client)
{
    size_t n_pending = 0, bytes = 0;
    for (const struct rj_pending_command *one = gateway->pending.list; one; one = one->next) {
        if (one->client != client->handle || !is_event(one) || one->is_answered)
            continue;
        n_pending++;
        bytes += one->bytes;
    }
    HOLDS(client->n_pending == n_pending && client->pending_bytes == bytes);
    bytes = 0;
    for (size_t i = 0; i < client->n_held; i++)
        bytes += client->held[i]->bytes;
    HOLDS(client->held_bytes == bytes);
    HOLDS(client->state != RJ_CLIENT_ENDED);
    HOLDS((client->sid != NULL) == (client->state != RJ_CLIENT_CONNECTING));
    for (uint32_t i = 0; i < client->n_rooms; i++) {
        const struct rj_membership *place = &client->rooms[i];
        HOLDS(place->at < place->room->n_members);
        HOLDS(place->room->members[place->at].client == client && place->room->members[place->at].back == i);
    }
}

/* What waits for the broker, in number and in bytes: by these it is bounded. */
static void check_pending(const struct rj_pending *pending)
{
    size_t n = 0, n_asked = 0, bytes = 0;
    for (const struct rj_pending_command *one = pending->list; one; one = one->next) {
        n++;
        n_asked += one->bytes > 0;
        bytes += one->bytes;
        HOLDS(one->bytes <= one->item.len); /* an Event that is repeated says so, and is longer by that */
    }
    HOLDS(pending->n == n && HASH_COUNT(pending->by_id) == n);
    HOLDS(pending->n_asked == n_asked && pending->bytes == bytes);
}

static void check(const struct world *world)
{
    const struct rj_gateway *gateway = &world->gateway;
    size_t members = 0, rooms = 0;
    for (const struct rj_client *client = gateway->clients.by_handle; client;
         client = client->by_handle.next) {
        check_client(gateway, client);
        rooms += client->n_rooms;
    }
    for (const struct rj_mirror_room *room = gateway->mirror.rooms; room; room = room->hh.next) {
        HOLDS(room->n_members > 0);
        members += room->n_members;
    }
    HOLDS(members == rooms);
    HOLDS(!gateway->clients.ended);
    check_pending(&gateway->pending);
}

/* As on_tick() and on_prepare() in gateway.c, with a tick of its timer. */
void world_turn(struct world *world)
{
    struct rj_gateway *gateway = &world->gateway;
    uint64_t now_ms = rj_clock_mono_ms();
    rj_link_tick(gateway->link, now_ms);
    rj_commands_tick(gateway, now_ms);
    rj_clients_tick(gateway, now_ms);
    rj_asks_tick(gateway, now_ms);
    rj_fanout_tick(gateway, now_ms);
    rj_drain_tick(gateway, now_ms);
    rj_sio_tick(&world->shared, now_ms);
    rj_link_receive(gateway->link);
    for (size_t i = 0; i < SESSIONS; i++)
        fake_session_flush(&world->sessions[i]);
    rj_sio_free_dead(&world->shared);
    rj_link_flush(gateway->link);
    rj_clients_reap(&gateway->clients);
    rj_arena_reset(&gateway->arena);
    check(world);
}

/* ------------------------------------------------------------------------------------------------ life */

static void open_world(struct world *world, uint8_t a, uint8_t b)
{
    memset(world, 0, sizeof *world);
    world_listen(world);
    fake_clock_reset();
    world->conf = defaults;
    world->conf.recovery = !(a & 1);
    world->conf.max_payload_bytes = 100000; /* kept by the transport, which is not here */
    world->conf.max_packet_bytes = a & 64 ? 80 : 0;
    world->conf.max_attachments = a & 32 ? 0 : 3;
    world->conf.queue_bytes = a & 2 ? 50 : 100000;
    world->conf.stuck_timeout_ms = 10000;
    world->conf.attachments_timeout_ms = a & 128 ? 50 : 30000;
    world->conf.connect_timeout_ms = a & 128 ? 1000 : 45000;
    world->conf.max_pending = a & 4 ? 3 : 1000;
    world->conf.max_pending_client = a & 8 ? 1 : 100;
    world->has_small_frames = a & 16;
    world->conf.max_asks = b & 1 ? 1 : 100;
    world->conf.max_clients_per_connection = b & 2 ? 1 : 10;
    world->conf.max_events = b & 4 ? 2 : 0;
    world->conf.max_pending_bytes = b & 8 ? 5000 : 1000000;
    world->conf.max_pending_client_bytes = b & 16 ? 3000 : 1000000;
    world->conf.max_connects = b & 32 ? 2 : 0;
    world->conf.drain_spread_ms = b & 64 ? 0 : 10000;
    world->conf.command_timeout_ms = b & 128 ? 500 : COMMAND_TIMEOUT_MS;
    world->gateway.conf = &world->conf;
    world->gateway.loop = &world->loop;
    world->gateway.socketio = (struct rj_socketio *)(void *)world;
    rj_sio_init(&world->shared, &world->gateway);
    world->gateway.link = rj_link_open(&world->gateway);
    HOLDS(world->gateway.link);
}

/* The link stays down until everything has taken too long: whoever is connected and owed an ack has it. */
static void settle(struct world *world)
{
    for (int i = 0; i < 3; i++) {
        fake_clock_pass(COMMAND_TIMEOUT_MS + LEASE_MS + 1000);
        world_turn(world);
    }
    for (const struct rj_client *client = world->gateway.clients.by_handle; client;
         client = client->by_handle.next)
        HOLDS(client->n_pending == 0);
    HOLDS(!world->gateway.drain.is_on || rj_socketio_connections(world->gateway.socketio) == 0);
}

static void leave(struct world *world)
{
    struct rj_gateway *gateway = &world->gateway;
    struct fuzz_bytes nothing = fuzz_bytes(NULL, 0);
    for (size_t i = 0; i < SESSIONS; i++)
        if (world->sessions[i].conn)
            fake_session_leave(&world->sessions[i], RJ_REASON_TRANSPORT_CLOSE);
    world_turn(world);
    HOLDS(rj_clients_count(&gateway->clients) == 0 && !gateway->clients.by_sid);
    HOLDS(!gateway->mirror.rooms && gateway->asks.n_awaited == 0);
    for (int kind = 0; kind < RJ_COHORT_KINDS; kind++)
        HOLDS(!gateway->cohorts.by_key[kind]);

    /* A fresh stream forgets what was asked for those that have gone, but for what they published; what the
     * broker's predecessor had shown and this one does not know has failed a lease later. */
    fake_zmq_block(false);
    world_welcome(world, LAST_EPOCH, &nothing);
    world_turn(world);
    bool is_fresh = rj_link_is_up(gateway->link) && rj_link_epoch(gateway->link) == world->epoch;
    fake_clock_pass(LEASE_MS);
    world_turn(world);
    HOLDS(!is_fresh || (!gateway->optimistic.open && gateway->optimistic.n_shown == 0));
    for (int i = 0; i < 3 && world->n_todos; i++) {
        while (world->n_todos)
            world_answer(world, 0, &nothing);
        world_turn(world);
    }
    HOLDS(!rj_link_is_up(gateway->link) || gateway->pending.n == 0 || world->has_missed);
}

static void close_world(struct world *world)
{
    struct rj_gateway *gateway = &world->gateway;
    rj_link_close(&gateway->link);
    rj_clients_free(&gateway->clients);
    rj_asks_forget(&gateway->asks);
    rj_optimistic_clear(&gateway->optimistic);
    rj_pending_free(&gateway->pending);
    rj_mirror_free(&gateway->mirror);
    rj_cohorts_free(&gateway->cohorts);
    rj_arena_free(&gateway->arena);
    rj_buf_free(&gateway->scratch);
    rj_sio_fini(&world->shared);
    rj_arena_free(&world->arena);
    fake_zmq_reset();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char *args[] = {"fuzz", "--listen", "192.0.2.1:1", "--broker", "fuzz", NULL}, *env[] = {NULL};
    (void)argc, (void)argv;
    HOLDS(rj_gateway_conf_load(5, args, env, &defaults) == RJ_SETTINGS_RUN);
    /* Peers can make the gateway log at will; FUZZ_LOG=1 shows it. */
    rj_log_setup(getenv("FUZZ_LOG") ? RJ_LOG_DEBUG : RJ_LOG_ERROR + 1, RJ_LOG_TEXT, "fuzz");
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    return fuzz_mutate_steps(data, size, max_size, seed, HEAD);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                                 uint8_t *out, size_t max_size, unsigned seed)
{
    return fuzz_cross_steps(fuzz_bytes(a, a_size), fuzz_bytes(b, b_size), out, max_size, seed, HEAD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    struct fuzz_bytes input = fuzz_bytes(data, size);
    struct fuzz_step step;
    uint8_t a = fuzz_u8(&input), b = fuzz_u8(&input);
    open_world(&world, a, b);
    world_turn(&world);
    for (int i = 0; i < STEPS_MAX && fuzz_next_step(&input, &step); i++) {
        actions[step.what % ACTIONS](&world, &world.sessions[step.what / ACTIONS % SESSIONS], &step.how);
        if (!(step.what & 0x80))
            world_turn(&world);
        rj_arena_reset(&world.arena);
    }
    world_turn(&world);
    settle(&world);
    leave(&world);
    close_world(&world);
    return 0;
}
