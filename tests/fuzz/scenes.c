#include "tests/fuzz/scenes.h"

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_store.h"

enum { CROWD_MAX = 40, NAME_SIZE = 8 };

static const ProtobufCBinaryData ann = {14, (uint8_t *)(uintptr_t) "{\"user\":\"ann\"}"};

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

/* Up to `seq`; UINT64_MAX: instead, it is forgotten. */
static void read_up_to(struct fuzz_world *world, struct fuzz_peer *peer, uint64_t client, uint64_t seq)
{
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    Rejoin__Read read = REJOIN__READ__INIT;
    read.namespace_ = "/";
    read.user = "ann";
    read.room = "a";
    read.seq = seq;
    read.forget = seq == UINT64_MAX;
    command.client = client;
    command.kind_case = REJOIN__COMMAND__KIND_READ;
    command.read = &read;
    say(world, peer, &command);
}

/* A backend's message to the youngest socket, its room, its user or its namespace, by the flags with
 * exceptions, volatile, plain, or as a question. */
enum {
    HAS_TWO = 1,
    IS_VOLATILE = 2,
    IS_PLAIN = 4,
    SPARES_SID = 8,
    SPARES_B = 16,
    SPARES_A = 32,
    IS_ASK = 64
};

static void say_message(struct fuzz_world *world, struct fuzz_peer *backend, unsigned kind, int flags)
{
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    Rejoin__Publish publish = REJOIN__PUBLISH__INIT;
    Rejoin__Ask ask = REJOIN__ASK__INIT;
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    Rejoin__Target first = REJOIN__TARGET__INIT, second = REJOIN__TARGET__INIT,
                   *targets[] = {&first, &second};
    char *sid = world->seen.sids.list[0], *names[] = {"a", "", sid, "ann"}, *rooms[2];
    first.kind = (Rejoin__Target__Kind)kind;
    first.name = names[kind];
    second.name = "b";
    message.namespace_ = "/";
    message.event = "msg";
    message.targets = targets;
    message.n_targets = flags & HAS_TWO ? 2 : 1;
    message.volatile_ = (flags & IS_VOLATILE) != 0;
    message.plain = (flags & IS_PLAIN) != 0;
    message.data = (ProtobufCBinaryData){3, (uint8_t *)(uintptr_t) "[1]"};
    message.except_sids = &sid;
    message.n_except_sids = flags & SPARES_SID && sid[0];
    message.except_rooms = rooms;
    if (flags & SPARES_B)
        rooms[message.n_except_rooms++] = "b";
    if (flags & SPARES_A)
        rooms[message.n_except_rooms++] = "a";
    publish.message = ask.message = &message;
    command.kind_case = flags & IS_ASK ? REJOIN__COMMAND__KIND_ASK : REJOIN__COMMAND__KIND_PUBLISH;
    if (flags & IS_ASK)
        command.ask = &ask;
    else
        command.publish = &publish;
    say(world, backend, &command);
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

/* A client is taken into so many rooms at once, or out of them. */
static void play_rooms(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    enum { MOST = 65 }; /* one too many */
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    Rejoin__JoinSockets joined = REJOIN__JOIN_SOCKETS__INIT;
    Rejoin__LeaveSockets left = REJOIN__LEAVE_SOCKETS__INIT;
    Rejoin__SocketFilter filter = REJOIN__SOCKET_FILTER__INIT;
    char names[MOST][NAME_SIZE], *rooms[MOST], *sid = world->seen.sids.list[fuzz_below(how, FUZZ_SEEN)];
    unsigned first = fuzz_below(how, 4) * MOST;
    size_t n = 1 + fuzz_below(how, MOST);
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "m%zu", first + i);
        rooms[i] = names[i];
    }
    filter.namespace_ = "/";
    filter.sids = &sid;
    filter.n_sids = sid[0] != '\0';
    joined.filter = left.filter = &filter;
    joined.rooms = left.rooms = rooms;
    joined.n_rooms = left.n_rooms = n;
    if (fuzz_seldom(how, 4)) {
        command.kind_case = REJOIN__COMMAND__KIND_LEAVE_SOCKETS;
        command.leave_sockets = &left;
    } else {
        command.kind_case = REJOIN__COMMAND__KIND_JOIN_SOCKETS;
        command.join_sockets = &joined;
    }
    say(world, backend_of(world, peer), &command);
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
        read_up_to(world, present(world, other), 0, fuzz_seldom(how, 2) ? UINT64_MAX : n);
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

/* A client loses its connection, misses what was meant for it in one way or another, and comes back. */
static void play_return(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    struct fuzz_peer *gateway = gateway_of(world, peer), *backend = backend_of(world, peer);
    Rejoin__Command gone = REJOIN__COMMAND__INIT, back = REJOIN__COMMAND__INIT;
    Rejoin__Disconnect disconnect = REJOIN__DISCONNECT__INIT;
    Rejoin__Connect connect_again = REJOIN__CONNECT__INIT;
    uint64_t client = connect(world, gateway, "ann", true);
    join(world, gateway, client, "a");
    say_ready(world, gateway);
    publish(world, backend, 0, "a"); /* whose offset the client has */
    world_turn(world, 0);
    world_turn(world, 0);
    char offset[FUZZ_TEXT];
    memcpy(offset, world->seen.offsets.list[0], sizeof offset);
    disconnect.reason = "transport close";
    gone.client = client;
    gone.kind_case = REJOIN__COMMAND__KIND_DISCONNECT;
    gone.disconnect = &disconnect;
    say(world, gateway, &gone);
    for (unsigned i = 0, n = 1 + fuzz_below(how, 6); i < n; i++)
        say_message(world, backend, fuzz_below(how, 4), fuzz_u8(how) & ~IS_ASK);
    world_turn(world, 0);
    if (fuzz_seldom(how, 4))
        memory_store_damage(fuzz_below(how, 4));
    connect_again.namespace_ = "/";
    connect_again.pid = world->seen.pids.list[0];
    connect_again.offset = offset;
    connect_again.auth = ann;
    back.client = gateway->last_handle + 1;
    back.kind_case = REJOIN__COMMAND__KIND_CONNECT;
    back.connect = &connect_again;
    say(world, gateway, &back);
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
    again.auth = ann;
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

/* What is asked with a small limit, so that there are pages. */
static void ask_for_rooms(struct fuzz_world *world, struct fuzz_peer *backend, unsigned limit,
                          struct fuzz_bytes *how)
{
    static char *const patterns[] = {"", "m1*", "*", "**", "**********"};
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    Rejoin__ListRooms rooms = REJOIN__LIST_ROOMS__INIT;
    rooms.namespace_ = "/";
    rooms.limit = limit;
    rooms.pattern = patterns[fuzz_below(how, 5)];
    rooms.after = fuzz_seldom(how, 2) ? "m1" : "";
    command.kind_case = REJOIN__COMMAND__KIND_LIST_ROOMS;
    command.list_rooms = &rooms;
    say(world, backend, &command);
}

static void ask_for_users(struct fuzz_world *world, struct fuzz_peer *backend, unsigned limit,
                          struct fuzz_bytes *how)
{
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    Rejoin__Presence presence = REJOIN__PRESENCE__INIT;
    presence.namespace_ = "/";
    presence.limit = limit;
    presence.room = fuzz_seldom(how, 2) ? "a" : "";
    presence.after = fuzz_seldom(how, 2) ? "u1" : "";
    presence.count_only = fuzz_seldom(how, 4);
    command.kind_case = REJOIN__COMMAND__KIND_PRESENCE;
    command.presence = &presence;
    say(world, backend, &command);
}

static void ask_for_sockets(struct fuzz_world *world, struct fuzz_peer *backend, unsigned limit,
                            struct fuzz_bytes *how)
{
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    Rejoin__ListSockets sockets = REJOIN__LIST_SOCKETS__INIT;
    Rejoin__SocketFilter filter = REJOIN__SOCKET_FILTER__INIT;
    char *rooms[] = {"a", "m1", "m2"}, *users[] = {"u0", "ann", "u1"};
    filter.namespace_ = "/";
    filter.rooms = rooms;
    filter.n_rooms = fuzz_below(how, 4);
    filter.users = users;
    filter.n_users = fuzz_below(how, 4);
    filter.except_rooms = rooms + 1;
    filter.n_except_rooms = fuzz_seldom(how, 4) ? 1 : 0;
    sockets.filter = &filter;
    sockets.limit = limit;
    sockets.count_only = fuzz_seldom(how, 4);
    sockets.handshake = fuzz_seldom(how, 2);
    sockets.after = fuzz_seldom(how, 2) ? world->seen.pages.list[0] : 0;
    command.kind_case = REJOIN__COMMAND__KIND_LIST_SOCKETS;
    command.list_sockets = &sockets;
    say(world, backend, &command);
}

static void play_pages(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    struct fuzz_peer *backend = backend_of(world, peer);
    unsigned what = fuzz_below(how, 3), limit = fuzz_below(how, 4);
    switch (what) {
    case 0: ask_for_rooms(world, backend, limit, how); break;
    case 1: ask_for_users(world, backend, limit, how); break;
    case 2: ask_for_sockets(world, backend, limit, how); break;
    }
}

static void play_message(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    unsigned kind = fuzz_below(how, 4);
    say_message(world, backend_of(world, peer), kind, fuzz_u8(how));
}

/* A backend watches the door: a client waits before it until the backend has answered. */
static void play_door(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    struct fuzz_peer *gateway = gateway_of(world, peer), *backend = backend_of(world, peer);
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    Rejoin__Serve serve = REJOIN__SERVE__INIT;
    Rejoin__Answer answer = REJOIN__ANSWER__INIT;
    Rejoin__Error refusal = REJOIN__ERROR__INIT;
    char *all[] = {"*"}, *rooms[] = {"a", "b", ""};
    uint8_t flags = fuzz_u8(how);
    serve.group = flags & 1 ? "h" : "g";
    serve.namespaces = all;
    serve.n_namespaces = 1;
    serve.admits = true;
    serve.all_events = !!(flags & 2);
    command.kind_case = REJOIN__COMMAND__KIND_SERVE;
    command.serve = &serve;
    say(world, backend, &command);
    world_turn(world, 0);
    backend->n_jobs = 0;
    connect(world, gateway, "ann", !(flags & 4));
    world_turn(world, 0);
    if (!backend->n_jobs)
        return;
    answer.job = backend->jobs[--backend->n_jobs];
    answer.refusal = flags & 8 ? &refusal : NULL;
    answer.user_set = !!(flags & 16);
    answer.user = flags & 32 ? "bob" : "";
    answer.data = (ProtobufCBinaryData){flags & 64 ? 2 : 0, (uint8_t *)(uintptr_t) "{}"};
    answer.rooms = rooms;
    answer.n_rooms = fuzz_below(how, 4);
    command.kind_case = REJOIN__COMMAND__KIND_ANSWER;
    command.answer = &answer;
    say(world, backend, &command);
}

void scene_play(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how)
{
    static scene *const scenes[] = {play_crowd, play_rooms,   play_reading, play_absence, play_contest,
                                    play_pages, play_message, play_door,    play_return};
    scenes[fuzz_below(how, sizeof scenes / sizeof *scenes)](world, peer, how);
}
