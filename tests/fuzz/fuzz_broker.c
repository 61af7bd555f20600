/* The broker as a whole, without ZeroMQ, disk and time: gateways and backends say what the input makes them
 * say (peers.h), links break, commits wait, the power fails. At the end everybody must have been answered,
 * and when all peers have gone nothing may be left of them.
 *
 * The first three bytes choose the settings; steps follow (steps.h).
 */
#include "tests/fuzz/fake_bus.h"
#include "tests/fuzz/fake_clock.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_store.h"
#include "tests/fuzz/peers.h"
#include "tests/fuzz/scenes.h"
#include "tests/fuzz/steps.h"

enum {
    HEAD = 3,
    STEPS_MAX = 200,
    LEASE_MS = 6000,
    LONGEST_LIFE_MS = 60000, /* of a session */
    ASK_LONGEST_MS = 600000, /* nothing waits longer for an answer */
    NO_TURN = 0x80,          /* in a step's first byte: the broker does not get its turn yet */
};

static struct rj_conf defaults; /* read once, before the first input */

/* Which lengths of names are low; some names of grow.c are above those, and all below the others. */
enum { LOW_ROOMS_AND_USERS = 16, LOW_OTHERS = 32, CHANGE_AT_RESTART = 64 };

static void limit_names(struct rj_conf *conf, uint8_t c)
{
    conf->max_room_name = c & LOW_ROOMS_AND_USERS ? 3 : defaults.max_room_name;
    conf->max_user_name = c & LOW_ROOMS_AND_USERS ? 2 : defaults.max_user_name;
    conf->max_namespace_name = c & LOW_OTHERS ? 5 : defaults.max_namespace_name;
    conf->max_event_name = c & LOW_OTHERS ? 16 : defaults.max_event_name;
    conf->max_message_id = c & LOW_OTHERS ? 48 : defaults.max_message_id;
}

/* As a broker has it, with every feature on in some room, and small limits, so that they are met. */
static void set_up(struct rj_conf *conf, uint8_t a, uint8_t b, uint8_t c)
{
    *conf = defaults;
    conf->identity = a & 1 ? RJ_IDENTITY_NONE : RJ_IDENTITY_CLAIMED;
    conf->room_policy = a & 2 ? RJ_ROOMS_OPEN : RJ_ROOMS_MEMBERS;
    conf->session_lifetime_ms = a & 4 ? 1000 : LONGEST_LIFE_MS;
    conf->lease_ms = LEASE_MS;
    conf->max_frame_bytes = c & 2 ? 1 << 16 : 1 << 20;
    conf->max_data_bytes = a & 8 ? 64 : 100000;
    conf->rooms_per_client = a & 16 ? 2 : 100;
    conf->history_default = 2;
    conf->history_max = 5;
    conf->max_in_flight = a & 32 ? 3 : 10000;
    conf->read_cursors = a & 64 ? 2 : 100;
    conf->receipt_members = a & 128 ? 1 : 100;
    conf->receipt_interval_ms = !(b & 64) != !(c & 1) ? 250 : 0;
    conf->optimistic_rooms = b & 64 ? defaults.optimistic_rooms : NULL;
    conf->handler_queue = b & 1 ? 2 : 1000;
    conf->handler_queue_bytes = b & 2 ? 1000 : 1000000;
    conf->max_admissions = b & 4 ? 1 : 100;
    conf->max_admission_bytes = b & 8 ? 1000 : 1000000;
    conf->max_asks = b & 16 ? 1 : 100;
    conf->max_ask_bytes = b & 32 ? 1000 : 1000000;
    conf->presence_rules = b & 64 ? NULL : defaults.presence_rules;
    conf->presence_grace_ms = b & 128 ? 0 : 5000;
    conf->presence_burst = 2;
    conf->last_seen_lifetime_ms = 60000;
    conf->contest_window_ms = b & 4 ? 0 : 30000;
    conf->gateway_bytes = c & 8 ? 200 : 1 << 24;
    conf->max_socket_data_bytes = c & 128 ? 8 : 1 << 16;
    conf->max_tails = c & 128 ? 1 : 64;
    conf->max_groups = c & 128 ? 1 : 1000;
    limit_names(conf, c);
}

/* -------------------------------------------------------------------------------------------- steps */

typedef void step_action(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how);

static void do_nothing(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    static const uint64_t passes[] = {0, 1, 50, 1000, 2900, 6100, 20000, 70000};
    (void)world, (void)peer;
    fake_clock_pass(passes[fuzz_below(how, 8)]);
}

/* Who asks for a namespace is new, everybody else is one of the youngest; the highest of those that are grown
 * stands for a mistake. */
static void choose_client(const struct fuzz_peer *peer, Rejoin__Command *command)
{
    bool is_new = command->kind_case == REJOIN__COMMAND__KIND_CONNECT;
    if (peer->side == RJ_BUS_BACKENDS || command->client > 5)
        return;
    uint64_t back = is_new ? 0 : command->client - 1;
    command->client = is_new ? peer->last_handle + 1 : peer->last_handle - back % (peer->last_handle + 1);
}

static void say_command(struct fuzz_world *world, struct fuzz_peer *peer, uint32_t kind,
                        struct fuzz_bytes *how)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    if (!peer->route)
        peer_hello(world, peer, NULL);
    item.command = (Rejoin__Command *)(void *)fuzz_grow(&rejoin__command__descriptor, kind, how, &world->seen,
                                                        &world->arena);
    item.kind_case = REJOIN__ITEM__KIND_COMMAND;
    if (!item.command)
        return;
    choose_client(peer, item.command);
    if (item.command->kind_case == REJOIN__COMMAND__KIND_EVENT && !fuzz_seldom(how, 8))
        item.command->event->name = "msg"; /* which groups usually ask for */
    peer_put(world, peer, &item, fuzz_seldom(how, 32));
}

static void do_command(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    say_command(world, peer, fuzz_pick_kind(&rejoin__command__descriptor, how), how);
}

/* What much else depends on, from a peer that may say it. */
static void do_often(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    static const struct {
        uint32_t kind;
        bool is_of_backends;
    } often[] = {
        {REJOIN__COMMAND__KIND_SERVE, true},    {REJOIN__COMMAND__KIND_EVENT, false},
        {REJOIN__COMMAND__KIND_PUBLISH, false}, {REJOIN__COMMAND__KIND_ASK, true},
        {REJOIN__COMMAND__KIND_SEND, true},     {REJOIN__COMMAND__KIND_JOIN, false},
        {REJOIN__COMMAND__KIND_TAIL, true},     {REJOIN__COMMAND__KIND_JOIN_SOCKETS, true},
        {REJOIN__COMMAND__KIND_READ, false},    {REJOIN__COMMAND__KIND_PRESENCE, false},
        {REJOIN__COMMAND__KIND_UNREAD, true},   {REJOIN__COMMAND__KIND_PRESENCE_USER, true},
        {REJOIN__COMMAND__KIND_HISTORY, true},  {REJOIN__COMMAND__KIND_LIST_ROOMS, true},
        {REJOIN__COMMAND__KIND_SET_DATA, true}, {REJOIN__COMMAND__KIND_LIST_SOCKETS, true},
    };
    size_t at = (size_t)(peer - world->peers), which = fuzz_below(how, sizeof often / sizeof *often);
    peer = &world->peers[often[which].is_of_backends ? GATEWAYS + at % BACKENDS : at % GATEWAYS];
    say_command(world, peer, often[which].kind, how);
}

/* Several steps of a life that is often needed: a client connects and joins. */
static void do_client(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    const uint32_t kinds[] = {REJOIN__COMMAND__KIND_CONNECT, REJOIN__COMMAND__KIND_JOIN};
    peer = &world->peers[(size_t)(peer - world->peers) % GATEWAYS];
    if (!peer->route)
        peer_hello(world, peer, NULL);
    for (size_t i = 0; i < 2; i++) {
        Rejoin__Item item = REJOIN__ITEM__INIT;
        item.command = (Rejoin__Command *)(void *)fuzz_grow(&rejoin__command__descriptor, kinds[i], how,
                                                            &world->seen, &world->arena);
        item.kind_case = REJOIN__ITEM__KIND_COMMAND;
        if (!item.command)
            continue;
        item.command->client = peer->last_handle + (i == 0);
        peer_put(world, peer, &item, false);
        world_turn(world, 0);
    }
}

static void do_item(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    if (!peer->route)
        return;
    uint32_t kind = fuzz_pick_kind(&rejoin__item__descriptor, how);
    Rejoin__Item *item =
        (Rejoin__Item *)(void *)fuzz_grow(&rejoin__item__descriptor, kind, how, &world->seen, &world->arena);
    if (item)
        peer_put(world, peer, item, false);
}

static void do_ready(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Ready ready = REJOIN__READY__INIT;
    (void)how;
    if (!peer->route)
        return;
    item.kind_case = REJOIN__ITEM__KIND_READY;
    item.ready = &ready;
    peer_put(world, peer, &item, false);
}

static void do_hello(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    Rejoin__Hello *hello = NULL;
    if (fuzz_seldom(how, 2))
        hello = (Rejoin__Hello *)(void *)fuzz_grow(&rejoin__hello__descriptor, 0, how, &world->seen,
                                                   &world->arena);
    if (hello && !fuzz_seldom(how, 4))
        hello->id = peer->id;
    peer_hello(world, peer, hello);
    uint8_t choice = fuzz_u8(how);
    if (peer->side == RJ_BUS_BACKENDS)
        return;
    if (choice % 4)
        peer_attach_all(world, peer);
    if (choice % 8)
        do_ready(world, peer, how);
}

static void do_behave(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    if (peer->route)
        peer_behave(world, peer, how);
}

static void do_repeat(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    (void)how;
    if (peer->route)
        peer_repeat(world, peer);
}

static void do_cut(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    (void)world, (void)how;
    peer_cut(peer);
}

static void do_block(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    (void)world;
    if (peer->route)
        fake_bus_block(peer->route, fuzz_u8(how) % 2 == 0);
}

static void do_garbage(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    struct rj_buf frame = {0};
    (void)world;
    if (!peer->route)
        return;
    bool is_malformed = fuzz_seldom(how, 8);
    if (!fuzz_seldom(how, 4))
        rj_buf_put(&frame, "RJ\1\0", 4);
    rj_buf_put(&frame, how->at, fuzz_left(how));
    peer_put_raw(peer, rj_buf_span(&frame), is_malformed);
    rj_buf_free(&frame);
}

static void do_store(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    (void)world, (void)peer;
    switch (fuzz_below(how, 6)) {
    case 0: memory_store_hold(true); break;
    case 1: memory_store_hold(false); break;
    case 2: memory_store_release(1 + fuzz_below(how, 16)); break;
    case 3: memory_store_trim(fuzz_u8(how)); break;
    case 4: memory_store_back_up(); break;
    case 5: memory_store_damage(fuzz_below(how, 8)); break;
    }
}

static void do_restart(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    static const enum restart ways[] = {RESTART_CLOSED, RESTART_KILLED, RESTART_STOPPED, RESTART_RESTORED};
    unsigned choice = fuzz_u8(how);
    (void)peer;
    /* What is known by a longer name than a later life takes must stay of use. */
    if (world->changes_limits)
        limit_names(&world->conf, (uint8_t)(choice / 4));
    world_restart(world, ways[choice % 4]);
}

static step_action *const actions[] = {
    do_nothing, do_command, do_often,  scene_play, do_client, do_item,    do_ready, do_hello,
    do_behave,  do_behave,  do_repeat, do_cut,     do_block,  do_garbage, do_store, do_restart,
};
enum { ACTIONS = sizeof actions / sizeof *actions };

/* -------------------------------------------------------------------------------------------- the end */

/* Everybody does what he is asked for, gateways are ready, and the broker gets some turns. */
static void go_on(struct fuzz_world *world, uint64_t pass_ms)
{
    enum { LEAST_TURNS = 4, MOST_TURNS = 1000 };
    bool has_work = true;
    struct fuzz_bytes nothing = fuzz_bytes(NULL, 0);
    for (size_t i = 0; i < PEERS; i++)
        if (world->peers[i].route) {
            fake_bus_block(world->peers[i].route, false);
            do_ready(world, &world->peers[i], &nothing);
            peer_behave(world, &world->peers[i], &nothing);
        }
    for (int i = 0; i < LEAST_TURNS || has_work; i++) {
        HOLDS(i < MOST_TURNS); /* it comes to rest */
        has_work = world_turn(world, i == 0 ? pass_ms : 0);
    }
}

/* Who is there is known in the same way wherever it is noted. */
static void check_sessions(const struct rj_broker *broker)
{
    size_t n = 0, memberships = 0, members = 0;
    for (size_t slot = 0; slot < RJ_GATEWAYS_MAX; slot++) {
        const struct rj_gateway *gateway = broker->gateways.slots[slot];
        const struct rj_session *session = gateway ? gateway->clients : NULL;
        for (; session; session = session->by_handle.next, n++) {
            HOLDS(session->gateway == gateway);
            memberships += session->n_rooms;
            for (size_t i = 0; i < session->n_rooms; i++) {
                const struct rj_members *list = &session->rooms[i].room->members;
                HOLDS(session->rooms[i].place < list->n);
                HOLDS(list->list[session->rooms[i].place].session == session);
                HOLDS(list->gateways >> slot & 1);
            }
        }
    }
    for (uint32_t i = 0; i < broker->rooms.n; i++) {
        const struct rj_room *room = broker->rooms.list[i];
        HOLDS(room->refs == room->members.n);
        members += room->members.n;
    }
    HOLDS(broker->sessions.n == n && broker->directory.sockets.n == n);
    HOLDS(members == memberships);
}

/* Nothing is under way: whatever waited for the disk, for an answer or for time has come to its end. */
static void check_rest(const struct rj_broker *broker)
{
    const struct rj_serving *serving = &broker->serving;
    HOLDS(rj_store_in_flight(broker->store) == 0);
    HOLDS(broker->n_rounds == 0 && broker->n_replays_read == 0);
    HOLDS(!broker->histories.waiting && broker->histories.n_read == 0);
    HOLDS(!broker->read_cursors.moving);
    HOLDS(broker->attendance.surveys.n_unfinished == 0);
    HOLDS(!broker->contests && broker->contest_bytes == 0);
    HOLDS(!serving->admissions && serving->admission_bytes == 0);
    HOLDS(!serving->asks && serving->n_sends == 0 && serving->ask_bytes == 0);
    HOLDS(!serving->calls && !serving->jobs);
    check_sessions(broker);
}

/* Everybody stays and time goes on, until nothing can be on its way any more. */
static void settle(struct fuzz_world *world)
{
    enum { JUMP_MS = 50000 /* so long a pause that no lease ends in it */, LAPSE_MS = LEASE_MS / 3 };
    const struct rj_deadlines *deadlines = &world->broker->serving.deadlines;
    memory_store_hold(false);
    world_drain(world);
    go_on(world, 0);
    for (size_t i = 0; i < PEERS; i++)
        if (!peer_has_stream(world, &world->peers[i]))
            peer_cut(&world->peers[i]); /* a real one would greet again */
    for (int i = 0; i < 5; i++)         /* whose connection has ended, and whose stream, are gone */
        go_on(world, LAPSE_MS);
    for (uint64_t passed = 0; deadlines->n && passed < ASK_LONGEST_MS + 2 * JUMP_MS; passed += JUMP_MS)
        go_on(world, JUMP_MS);
    go_on(world, JUMP_MS);
    for (size_t i = 0; i < PEERS; i++)
        peer_check_answered(world, &world->peers[i]);
    check_rest(world->broker);
}

static void leave(struct fuzz_world *world)
{
    const struct rj_broker *broker = world->broker;
    for (size_t i = 0; i < PEERS; i++)
        peer_cut(&world->peers[i]);
    for (int i = 0; i < 12; i++)
        world_turn(world, LEASE_MS / 3);
    for (int i = 0; i < 4; i++)
        world_turn(world,
                   LONGEST_LIFE_MS); /* groups, and the farewells to sockets that they hold, last so long */
    HOLDS(broker->gateways.n == 0 && broker->backends.n == 0);
    HOLDS(!broker->routes[RJ_BUS_GATEWAYS] && !broker->routes[RJ_BUS_BACKENDS]);
    HOLDS(broker->sessions.n == 0 && !broker->sessions.dirty && !broker->sessions.by_pid);
    HOLDS(broker->rooms.n == 0);
    HOLDS(broker->directory.sockets.n == 0 && broker->directory.people.n == 0);
    HOLDS(broker->n_rounds == 0 && !broker->rounds);
    HOLDS(broker->n_replays_read == 0);
    HOLDS(!broker->histories.waiting && broker->histories.n_waiting == 0 && broker->histories.n_read == 0);
    HOLDS(rj_store_in_flight(broker->store) == 0);
    HOLDS(!broker->read_cursors.moving && !broker->receipts.latest && !broker->receipts.by_key);

    const struct rj_attendance *attendance = &broker->attendance;
    HOLDS(attendance->presence.n_users == 0 && !attendance->presence.rosters);
    HOLDS(attendance->presence.deadlines.n == 0 && !attendance->presence.ready);
    HOLDS(attendance->surveys.n == 0 && attendance->surveys.n_unfinished == 0);
    HOLDS(attendance->seen.online == 0 && !attendance->seen.changes);

    const struct rj_serving *serving = &broker->serving;
    HOLDS(serving->groups.n == 0);
    HOLDS(!serving->jobs && !serving->farewells && serving->deadlines.n == 0);
    HOLDS(!serving->admissions && serving->admission_bytes == 0);
    HOLDS(!serving->asks && !serving->sends && serving->n_sends == 0 && serving->ask_bytes == 0);
    HOLDS(!serving->calls && !serving->answered && serving->n_answered == 0 && serving->answered_bytes == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char *args[] =
        {
            "fuzz",
            "--data",
            "fuzz",
            "--gateways",
            "fuzz",
            "--backends",
            "fuzz",
            "--namespaces",
            "/,/chat",
            "--optimistic-rooms",
            "*",
            "--presence-rules",
            "b* events=off,*",
            "--retention-rules",
            "b* count=5,m* age=1d bytes=1k",
            NULL,
        },
         *env[] = {NULL};
    int exit_code;
    (void)argc, (void)argv;
    HOLDS(rj_conf_load(&defaults, (int)(sizeof args / sizeof *args) - 1, args, env, &exit_code) ==
          RJ_SETTINGS_RUN);
    /* Peers can make the broker log at will; FUZZ_LOG=1 shows it. */
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
    static struct fuzz_world world;
    struct fuzz_bytes input = fuzz_bytes(data, size);
    struct fuzz_step step;
    memset(&world, 0, sizeof world);
    uint8_t a = fuzz_u8(&input), b = fuzz_u8(&input), c = fuzz_u8(&input);
    set_up(&world.conf, a, b, c);
    world.changes_limits = c & CHANGE_AT_RESTART;
    world_open(&world);
    fake_clock_falter(c & 4);
    for (int i = 0; i < STEPS_MAX && fuzz_next_step(&input, &step); i++) {
        struct fuzz_peer *peer = &world.peers[step.what / ACTIONS % PEERS];
        actions[step.what % ACTIONS](&world, peer, &step.how);
        if (!(step.what & NO_TURN))
            world_turn(&world, 0);
        rj_arena_reset(&world.arena);
    }
    settle(&world);
    leave(&world);
    world_free(&world);
    return 0;
}
