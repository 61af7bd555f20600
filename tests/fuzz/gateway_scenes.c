#include "gateway/link.h"
#include "tests/fuzz/fake_clock.h"
#include "tests/fuzz/fake_zmq.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/gateway_world.h"

/* -------------------------------------------------------------------------------------------- the players */

static void hear(struct rj_eio_session *session, bool is_binary, struct rj_span data)
{
    if (session->conn && !session->is_closing)
        session->callbacks->message(session->conn, is_binary, data);
}

static void link_up(struct world *world)
{
    struct fuzz_bytes nothing = fuzz_bytes(NULL, 0);
    if (rj_link_is_up(world->gateway.link))
        return;
    world_turn(world);
    world_welcome(world, world->epoch ? world->epoch : 1, &nothing);
    world_turn(world);
}

/* The broker has died, and another one knows what was committed; its first words are not said yet. */
static void break_link(struct world *world)
{
    struct fuzz_bytes nothing = fuzz_bytes(NULL, 0);
    fake_zmq_push((struct rj_span){NULL, 0}); /* ZMQ_PROBE_ROUTER of a new connection */
    world_turn(world);
    world_turn(world);
    world->pos = world->committed;
    world_welcome(world, world->epoch + 1, &nothing);
    world_turn(world);
}

static struct todo *todo_of(struct world *world, uint64_t client)
{
    for (size_t i = world->n_todos; i-- > 0;)
        if (world->todos[i].client == client)
            return &world->todos[i];
    return NULL;
}

static void answer_connect(struct world *world, uint64_t client, bool is_recovered)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    Rejoin__Connected connected = REJOIN__CONNECTED__INIT;
    Rejoin__RoomState room = REJOIN__ROOM_STATE__INIT, *rooms[] = {&room};
    struct todo *todo = todo_of(world, client);
    char sid[32];
    if (!todo)
        return;
    snprintf(sid, sizeof sid, "sid-of-%llu", (unsigned long long)client);
    room.room = "a";
    connected.sid = sid;
    connected.pid = world->conf.recovery ? "AAAAAAAAAAAAAAAAAAAAAA" : "";
    connected.user = "ann";
    connected.recovered = is_recovered;
    connected.from_pos = is_recovered ? 0 : world->committed;
    connected.rooms = rooms;
    connected.n_rooms = 1;
    reply.id = todo->id;
    reply.client = client;
    reply.result_case = REJOIN__REPLY__RESULT_CONNECTED;
    reply.connected = &connected;
    item.kind_case = REJOIN__ITEM__KIND_REPLY;
    item.reply = &reply;
    *todo = world->todos[--world->n_todos];
    world_say(world, &item, true);
    world_turn(world);
}

/* A client of that session that is in room a, as its youngest one, or NULL. */
static struct rj_client *enter(struct world *world, struct rj_eio_session *session, bool is_recovered)
{
    link_up(world);
    if (!session->conn && !world->gateway.drain.is_on)
        fake_session_open(session, &rj_sio_callbacks, &world->shared);
    uint64_t last = world->gateway.clients.last_handle;
    hear(session, false, rj_span_str("0{\"user\":\"ann\"}"));
    world_turn(world);
    if (world->gateway.clients.last_handle > last)
        answer_connect(world, last + 1, is_recovered);
    return world_client(world, 0);
}

/* A message as the broker says it; what it points to lives as long as the step. */
static Rejoin__Deliver *message_to(struct world *world, Rejoin__Target__Kind kind, const char *name,
                                   const char *from_sid)
{
    struct rj_arena *arena = &world->arena;
    Rejoin__Deliver *deliver = rj_arena_alloc(arena, sizeof *deliver);
    Rejoin__Message *message = rj_arena_alloc(arena, sizeof *message);
    Rejoin__Target *target = rj_arena_alloc(arena, sizeof *target);
    rejoin__deliver__init(deliver);
    rejoin__message__init(message);
    rejoin__target__init(target);
    target->kind = kind;
    target->name = rj_arena_copy(arena, name, strlen(name));
    message->namespace_ = "/";
    message->event = "room:message";
    message->id = "i";
    message->data = (ProtobufCBinaryData){1, (uint8_t *)(uintptr_t) "1"};
    message->from_sid = rj_arena_copy(arena, from_sid, strlen(from_sid));
    message->targets = rj_arena_alloc(arena, sizeof target);
    message->targets[0] = target;
    message->n_targets = 1;
    deliver->message = message;
    deliver->seqs = rj_arena_alloc(arena, sizeof *deliver->seqs);
    deliver->seqs[0] = world->pos + 1;
    deliver->n_seqs = 1;
    return deliver;
}

static void deliver(struct world *world, Rejoin__Deliver *what, uint32_t kind)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    item.kind_case = (Rejoin__Item__KindCase)kind;
    item.deliver = what; /* `pending` is in the same place */
    if (kind == REJOIN__ITEM__KIND_DELIVER && what->pos > world->committed && !what->client)
        world->committed = what->pos;
    world_say(world, &item, true);
    world_turn(world);
}

/* A lease passes in which the broker is there, and takes back whom it is told of. */
static void live_on(struct world *world)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Ping ping = REJOIN__PING__INIT;
    item.kind_case = REJOIN__ITEM__KIND_PING;
    item.ping = &ping;
    for (size_t i = world->n_todos; i-- > 0;)
        if (world->todos[i].kind == REJOIN__COMMAND__KIND_ATTACH)
            answer_connect(world, world->todos[i].client, false);
    for (int i = 0; i < 2; i++) {
        fake_clock_pass(LEASE_MS / 2);
        world_say(world, &item, true);
        world_turn(world);
        world_turn(world);
    }
}

/* ------------------------------------------------------------------------------------------------- scenes */

/* A message is shown before it is stored, and then anything may become of it and of who has seen it. */
static void play_pending(struct world *world, struct rj_eio_session *session, struct fuzz_bytes *how)
{
    struct rj_client *client = enter(world, session, false);
    if (!client || !client->sid)
        return;
    Rejoin__Deliver *shown =
        message_to(world, REJOIN__TARGET__KIND__ROOM, "a", fuzz_seldom(how, 4) ? "" : client->sid);
    shown->pos = ++world->pos;
    deliver(world, shown, REJOIN__ITEM__KIND_PENDING);
    switch (fuzz_below(how, 8)) {
    case 1: break_link(world); break;
    case 2: /* the publisher repeats it, to a new broker */
        break_link(world);
        shown->pos = ++world->pos;
        deliver(world, shown, REJOIN__ITEM__KIND_PENDING);
        break;
    case 3: hear(session, false, rj_span_str("2[\"room:leave\",\"a\"]")); break;
    case 4: hear(session, false, rj_span_str("1")); break;
    case 5: session->is_stuck = true; break;
    case 6:
        if (session->conn)
            fake_session_leave(session, RJ_REASON_TRANSPORT_CLOSE);
        break;
    default: break;
    }
    world_turn(world);
    switch (fuzz_below(how, 4)) {
    case 0: deliver(world, shown, REJOIN__ITEM__KIND_DELIVER); break;
    case 1: live_on(world); break;
    case 2: break_link(world); break;
    default: break;
    }
    world_turn(world);
}

/* A client comes back and is told what it has missed. */
static void play_replay(struct world *world, struct rj_eio_session *session, struct fuzz_bytes *how)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__CaughtUp caught_up = REJOIN__CAUGHT_UP__INIT;
    static const struct {
        Rejoin__Target__Kind kind;
        const char *name;
    } targets[] = {
        {REJOIN__TARGET__KIND__ROOM, "a"},    {REJOIN__TARGET__KIND__NAMESPACE, ""},
        {REJOIN__TARGET__KIND__USER, "ann"},  {REJOIN__TARGET__KIND__SOCKET, "sid-of-1"},
        {REJOIN__TARGET__KIND__USER, "none"}, {(Rejoin__Target__Kind)7, "x"},
    };
    struct rj_client *client = enter(world, session, true);
    if (!client)
        return;
    uint64_t handle = client->handle;
    for (unsigned i = 0, n = 1 + fuzz_below(how, 6); i < n; i++) {
        unsigned which = fuzz_below(how, 6);
        Rejoin__Deliver *missed = message_to(world, targets[which].kind, targets[which].name, "");
        missed->pos = ++world->pos;
        missed->client = handle;
        deliver(world, missed, REJOIN__ITEM__KIND_DELIVER);
    }
    caught_up.client = handle;
    caught_up.upto = world->committed = world->pos;
    caught_up.gap = fuzz_seldom(how, 4);
    item.kind_case = REJOIN__ITEM__KIND_CAUGHT_UP;
    item.caught_up = &caught_up;
    world_say(world, &item, true);
    world_turn(world);
}

/* A question to all, and what a client may say to it. */
static void play_question(struct world *world, struct rj_eio_session *session, struct fuzz_bytes *how)
{
    static char text[6000];
    struct rj_client *client = enter(world, session, false);
    if (!client)
        return;
    Rejoin__Deliver *question = message_to(world, REJOIN__TARGET__KIND__NAMESPACE, "", "");
    question->ask = ++world->last_ask;
    deliver(world, question, REJOIN__ITEM__KIND_DELIVER);
    unsigned long long id = session->asked_id;
    switch (fuzz_below(how, 4)) {
    case 0: snprintf(text, sizeof text, "3%llu[1,{}]", id); break;
    case 1: snprintf(text, sizeof text, "61-%llu[{\"_placeholder\":true,\"num\":0}]", id); break;
    case 2: snprintf(text, sizeof text, "3%llu[\"%5000d\"]", id, 1); break;
    case 3: snprintf(text, sizeof text, "1"); break;
    }
    hear(session, false, rj_span_str(text));
    if (text[0] == '6')
        hear(session, true, rj_span_str("bytes"));
    world_turn(world);
}

/* Somebody else presents the client's session: it is asked for a sign of life, and gives one or does not. */
static void play_probe(struct world *world, struct rj_eio_session *session, struct fuzz_bytes *how)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Probe probe = REJOIN__PROBE__INIT;
    struct rj_client *client = enter(world, session, false);
    if (!client)
        return;
    probe.client = client->handle;
    item.kind_case = REJOIN__ITEM__KIND_PROBE;
    item.probe = &probe;
    world_say(world, &item, true);
    world_turn(world);
    if (session->conn && !session->is_closing && session->is_probed && !fuzz_seldom(how, 4)) {
        session->is_probed = false;
        session->callbacks->alive(session->conn);
    }
    world_turn(world);
}

/* A client that does not read falls behind the log, and reads again. */
static void play_behind(struct world *world, struct rj_eio_session *session, struct fuzz_bytes *how)
{
    if (!enter(world, session, false))
        return;
    session->is_stuck = true;
    for (unsigned i = 0, n = 1 + fuzz_below(how, 8); i < n; i++) {
        Rejoin__Deliver *one = message_to(world, REJOIN__TARGET__KIND__ROOM, "a", "");
        one->pos = ++world->pos;
        deliver(world, one, REJOIN__ITEM__KIND_DELIVER);
    }
    if (session->conn && !session->is_closing && !fuzz_seldom(how, 4)) {
        session->is_stuck = false;
        session->queued_bytes = 0;
        session->callbacks->drained(session->conn);
    }
    world_turn(world);
}

void gateway_scene_play(struct world *world, struct rj_eio_session *session, struct fuzz_bytes *how)
{
    switch (fuzz_below(how, 5)) {
    case 0: play_pending(world, session, how); break;
    case 1: play_replay(world, session, how); break;
    case 2: play_question(world, session, how); break;
    case 3: play_probe(world, session, how); break;
    case 4: play_behind(world, session, how); break;
    }
}
