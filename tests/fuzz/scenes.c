#include "tests/fuzz/scenes.h"

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_store.h"

enum { CROWD_MAX = 40, NAME_SIZE = 8 };

/* -------------------------------------------------------------------------------------------- the players */

static struct fuzz_peer *present(struct fuzz_world *world, struct fuzz_peer *peer)
{
    if (!peer->route)
        peer_hello(world, peer, NULL);
    return peer;
}

static struct fuzz_peer *gateway_of(struct fuzz_world *world, const struct fuzz_peer *peer)
{
    return present(world, &world->peers[(size_t)(peer - world->peers) % GATEWAYS]);
}

static struct fuzz_peer *backend_of(struct fuzz_world *world, const struct fuzz_peer *peer)
{
    return present(world, &world->peers[GATEWAYS + (size_t)(peer - world->peers) % BACKENDS]);
}

static void say(struct fuzz_world *world, struct fuzz_peer *peer, Rejoin__Command *command)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    item.kind_case = REJOIN__ITEM__KIND_COMMAND;
    item.command = command;
    peer_put(world, peer, &item, false);
}

static void say_ready(struct fuzz_world *world, struct fuzz_peer *peer)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Ready ready = REJOIN__READY__INIT;
    item.kind_case = REJOIN__ITEM__KIND_READY;
    item.ready = &ready;
    peer_put(world, peer, &item, false);
}

/* ------------------------------------------------------------------------------------------------ commands
 */

/* A new client with that user (NULL: anonymous). Returns its handle. */
static uint64_t connect(struct fuzz_world *world, struct fuzz_peer *gateway, const char *user,
                        bool has_recovery)
{
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    Rejoin__Connect connect = REJOIN__CONNECT__INIT;
    char auth[32] = "{}";
    if (user)
        snprintf(auth, sizeof auth, "{\"user\":\"%s\"}", user);
    connect.namespace_ = "/";
    connect.auth = (ProtobufCBinaryData){strlen(auth), (uint8_t *)auth};
    connect.no_recovery = !has_recovery;
    command.client = gateway->last_handle + 1;
    command.kind_case = REJOIN__COMMAND__KIND_CONNECT;
    command.connect = &connect;
    say(world, gateway, &command);
    return command.client;
}

static void join(struct fuzz_world *world, struct fuzz_peer *gateway, uint64_t client, const char *room)
{
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    Rejoin__Join join = REJOIN__JOIN__INIT;
    join.room = (char *)(uintptr_t)room;
    command.client = client;
    command.kind_case = REJOIN__COMMAND__KIND_JOIN;
    command.join = &join;
    say(world, gateway, &command);
}

static void publish(struct fuzz_world *world, struct fuzz_peer *peer, uint64_t client, const char *room)
{
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    Rejoin__Publish publish = REJOIN__PUBLISH__INIT;
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    Rejoin__Target target = REJOIN__TARGET__INIT, *targets[] = {&target};
    target.name = (char *)(uintptr_t)room;
    message.namespace_ = "/";
    message.event = "room:message";
    message.targets = targets;
    message.n_targets = 1;
    message.data = (ProtobufCBinaryData){1, (uint8_t *)(uintptr_t) "1"};
    publish.message = &message;
    command.client = client;
    command.kind_case = REJOIN__COMMAND__KIND_PUBLISH;
    command.publish = &publish;
    say(world, peer, &command);
}

static void read_up_to(struct fuzz_world *world, struct fuzz_peer *peer, uint64_t client, uint64_t seq)
{
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    Rejoin__Read read = REJOIN__READ__INIT;
    read.namespace_ = "/";
    read.user = "ann";
    read.room = "a";
    read.seq = seq;
    command.client = client;
    command.kind_case = REJOIN__COMMAND__KIND_READ;
    command.read = &read;
    say(world, peer, &command);
}

/* ------------------------------------------------------------------------------------------------- scenes */

typedef void scene(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how);

/* Many clients come at once, of few users or of many, and into one room. */
static void play_crowd(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    struct fuzz_peer *gateway = gateway_of(world, peer);
    unsigned n = 2 + fuzz_below(how, CROWD_MAX), users = 1 + fuzz_below(how, CROWD_MAX);
    bool has_recovery = !fuzz_seldom(how, 4), has_users = !fuzz_seldom(how, 8);
    for (unsigned i = 0; i < n; i++) {
        char user[NAME_SIZE];
        snprintf(user, sizeof user, "u%u", i % users);
        uint64_t client = connect(world, gateway, has_users ? user : NULL, has_recovery);
        join(world, gateway, client, "a");
    }
}

/* A client is taken into so many rooms at once. */
static void play_rooms(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    enum { MOST = 100 };
    struct fuzz_peer *backend = backend_of(world, peer);
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    Rejoin__JoinSockets change = REJOIN__JOIN_SOCKETS__INIT;
    Rejoin__SocketFilter filter = REJOIN__SOCKET_FILTER__INIT;
    char names[MOST][NAME_SIZE], *rooms[MOST], *sid = world->seen.sids.list[fuzz_below(how, FUZZ_SEEN)];
    unsigned first = fuzz_below(how, 4) * MOST;
    change.n_rooms = 1 + fuzz_below(how, MOST);
    for (size_t i = 0; i < change.n_rooms; i++) {
        snprintf(names[i], sizeof names[i], "m%zu", first + i);
        rooms[i] = names[i];
    }
    filter.namespace_ = "/";
    filter.sids = &sid;
    filter.n_sids = sid[0] != '\0';
    change.filter = &filter;
    change.rooms = rooms;
    command.kind_case =
        fuzz_seldom(how, 4) ? REJOIN__COMMAND__KIND_LEAVE_SOCKETS : REJOIN__COMMAND__KIND_JOIN_SOCKETS;
    command.join_sockets = &change; /* the other one has the same fields, but is of its own type */
    Rejoin__LeaveSockets leave = REJOIN__LEAVE_SOCKETS__INIT;
    leave.filter = &filter;
    leave.rooms = rooms;
    leave.n_rooms = change.n_rooms;
    if (command.kind_case == REJOIN__COMMAND__KIND_LEAVE_SOCKETS)
        command.leave_sockets = &leave;
    say(world, backend, &command);
}

/* A user reads what is said in a room, here and on another device. */
static void play_reading(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    struct fuzz_peer *gateway = gateway_of(world, peer), *other = peer;
    unsigned n = 1 + fuzz_below(how, 4);
    uint64_t client = connect(world, gateway, "ann", true);
    join(world, gateway, client, "a");
    world_turn(world, 0);
    for (unsigned i = 0; i < n; i++)
        publish(world, gateway, client, "a");
    if (!fuzz_seldom(how, 4))
        world_turn(world, 0);
    for (unsigned i = fuzz_below(how, 4); i <= n; i++)
        read_up_to(world, gateway, client, i);
    if (fuzz_seldom(how, 2) && other->side == RJ_BUS_BACKENDS)
        read_up_to(world, present(world, other), 0, n);
    if (fuzz_seldom(how, 2))
        world_turn(world, 0);
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    Rejoin__Unread unread = REJOIN__UNREAD__INIT;
    command.client = client;
    command.kind_case = REJOIN__COMMAND__KIND_UNREAD;
    command.unread = &unread;
    say(world, gateway, &command);
}

/* The gateway is away while its clients' room goes on, and comes back to a log that may have suffered. */
static void play_absence(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    struct fuzz_peer *gateway = gateway_of(world, peer), *backend = backend_of(world, peer);
    uint64_t client = connect(world, gateway, "ann", !fuzz_seldom(how, 4));
    join(world, gateway, client, "a");
    say_ready(world, gateway);
    world_turn(world, 0);
    unsigned n = 1 + fuzz_below(how, 6);
    peer_cut(gateway);
    for (unsigned i = 0; i < n; i++)
        publish(world, backend, 0, "a");
    world_turn(world, fuzz_seldom(how, 4) ? 7000 : 0);
    switch (fuzz_below(how, 4)) {
    case 1: memory_store_damage(fuzz_below(how, n)); break;
    case 2: memory_store_trim(memory_store_committed()); break;
    default: break;
    }
    peer_hello(world, gateway, NULL);
    peer_attach_all(world, gateway);
    say_ready(world, gateway);
}

/* A client comes back at another gateway, while the first one still has it. */
static void play_contest(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    struct fuzz_peer *first = gateway_of(world, peer), *second = gateway_of(world, first + 1);
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    Rejoin__Connect again = REJOIN__CONNECT__INIT;
    connect(world, first, "ann", true);
    world_turn(world, 0);
    again.namespace_ = "/";
    again.pid = world->seen.pids.list[0];
    again.offset = world->seen.offsets.list[fuzz_below(how, FUZZ_SEEN)];
    again.auth = (ProtobufCBinaryData){14, (uint8_t *)(uintptr_t) "{\"user\":\"ann\"}"};
    command.kind_case = REJOIN__COMMAND__KIND_CONNECT;
    command.connect = &again;
    for (unsigned i = 0, n = 1 + fuzz_below(how, 3); i < n; i++) {
        struct fuzz_peer *gateway = i % 2 ? first : second;
        command.client = gateway->last_handle + 1;
        say(world, gateway, &command);
        world_turn(world, 0);
        if (fuzz_seldom(how, 2))
            peer_behave(world, first, how);
    }
}

void scene_play(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    static scene *const scenes[] = {play_crowd, play_rooms, play_reading, play_absence, play_contest};
    scenes[fuzz_below(how, sizeof scenes / sizeof *scenes)](world, peer, how);
}
