#include "tests/process/sockets_support.h"

#include <string.h>

static char *text(const char *borrowed)
{
    return (char *)(uintptr_t)borrowed;
}

static size_t count_of(const char *const *list)
{
    size_t n = 0;
    while (list && list[n])
        n++;
    return n;
}

static char **words(const char *const *list)
{
    return (char **)(uintptr_t)list;
}

static ProtobufCBinaryData bytes(const char *borrowed)
{
    return (ProtobufCBinaryData){strlen(borrowed), (uint8_t *)text(borrowed)};
}

static Rejoin__Reply *ask(struct rj_test_peer *peer, uint64_t client, Rejoin__Command *command)
{
    Rejoin__Reply *reply = rj_test_peer_reply(peer, rj_test_peer_command(peer, client, command));
    assert_non_null(reply);
    return reply;
}

/* ------------------------------------------------------------------------------------------ the world */

void open_world(struct world *world, const char *const args[])
{
    const char *all[16] = {"--identity", "claimed"};
    for (size_t i = 0; args && args[i]; i++)
        all[2 + i] = args[i];
    *world = (struct world){0};
    rj_test_broker_start(&world->broker, all);
    open_gateway(&world->broker, &world->gateway, "gateway-a");
    open_gateway(&world->broker, &world->other, "gateway-b");
    open_backend(&world->broker, &world->backend, "backend-1");
}

void close_world(struct world *world)
{
    rj_test_peer_close(&world->gateway);
    rj_test_peer_close(&world->other);
    rj_test_peer_close(&world->backend);
    assert_true(rj_test_broker_end(&world->broker));
    rj_test_broker_remove(&world->broker);
}

Rejoin__Reply *come_again(struct rj_test_peer *gateway, uint64_t client, const char *user, const char *pid,
                          const char *offset)
{
    char auth[64] = "";
    Rejoin__Connect connect = REJOIN__CONNECT__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    if (user)
        snprintf(auth, sizeof auth, "{\"user\":\"%s\"}", user);
    connect.namespace_ = "/";
    connect.pid = text(pid ? pid : "");
    connect.offset = text(offset ? offset : "");
    connect.auth = bytes(auth);
    command.kind_case = REJOIN__COMMAND__KIND_CONNECT;
    command.connect = &connect;
    Rejoin__Reply *reply = ask(gateway, client, &command);
    assert_null(reply->error);
    return reply;
}

struct who come(struct rj_test_peer *gateway, uint64_t client, const char *user, const char *pid)
{
    struct who who = {0};
    Rejoin__Connected *connected = come_again(gateway, client, user, pid, NULL)->connected;
    snprintf(who.sid, sizeof who.sid, "%s", connected->sid);
    snprintf(who.pid, sizeof who.pid, "%s", connected->pid);
    who.incarnation = connected->incarnation;
    return who;
}

void join(struct rj_test_peer *gateway, uint64_t client, const char *room)
{
    Rejoin__Reply *reply = rj_test_join(gateway, client, room);
    assert_true(reply && !reply->error);
}

Rejoin__Reply *attach(struct rj_test_peer *gateway, uint64_t client, const struct who *who)
{
    Rejoin__Attach asked = REJOIN__ATTACH__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    asked.pid = text(who->pid);
    asked.sid = text(who->sid);
    asked.incarnation = who->incarnation;
    asked.namespace_ = "/";
    command.kind_case = REJOIN__COMMAND__KIND_ATTACH;
    command.attach = &asked;
    return ask(gateway, client, &command);
}

/* ------------------------------------------------------------------------------------------ targets */

static void parse_target(const char *word, Rejoin__Target *target)
{
    const char *colon = strchr(word, ':');
    rejoin__target__init(target);
    target->name = text(colon ? colon + 1 : "");
    if (strncmp(word, "room:", 5) == 0)
        target->kind = REJOIN__TARGET__KIND__ROOM;
    else if (strncmp(word, "user:", 5) == 0)
        target->kind = REJOIN__TARGET__KIND__USER;
    else if (strncmp(word, "socket:", 7) == 0)
        target->kind = REJOIN__TARGET__KIND__SOCKET;
    else
        target->kind = REJOIN__TARGET__KIND__NAMESPACE;
}

Rejoin__Reply *emit(struct rj_test_peer *peer, const struct emit *emit)
{
    Rejoin__Target targets[TARGETS_MAX], *list[TARGETS_MAX];
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    Rejoin__Publish publish = REJOIN__PUBLISH__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    message.n_targets = count_of(emit->to);
    for (size_t i = 0; i < message.n_targets; i++) {
        parse_target(emit->to[i], &targets[i]);
        list[i] = &targets[i];
    }
    message.targets = list;
    message.namespace_ = "/";
    message.event = "news";
    message.data = bytes(emit->data ? emit->data : "{}");
    message.id = text(emit->id ? emit->id : "");
    message.except_sids = words(emit->except_sids);
    message.n_except_sids = count_of(emit->except_sids);
    message.except_rooms = words(emit->except_rooms);
    message.n_except_rooms = count_of(emit->except_rooms);
    message.volatile_ = emit->is_volatile;
    message.plain = emit->is_plain;
    publish.message = &message;
    command.kind_case = REJOIN__COMMAND__KIND_PUBLISH;
    command.publish = &publish;
    return ask(peer, 0, &command);
}

Rejoin__Reply *emit_to(struct rj_test_peer *backend, const char *target, const char *data)
{
    return emit(backend, &(struct emit){.to = LIST(target), .data = data});
}

void assert_delivered(struct rj_test_peer *gateway, uint64_t client, const char *data)
{
    Rejoin__Deliver *deliver = rj_test_peer_deliver(gateway, client, RJ_TEST_DEADLINE_MS);
    assert_non_null(deliver);
    assert_int_equal(deliver->message->data.len, strlen(data));
    assert_memory_equal(deliver->message->data.data, data, strlen(data));
}

void assert_nothing(struct rj_test_peer *gateway, uint64_t client)
{
    assert_true(rj_test_peer_metric(gateway, "rejoin_broker_commands_total") > 0);
    assert_null(rj_test_peer_deliver(gateway, client, 0));
}

/* ------------------------------------------------------------------------------------------ commands */

static Rejoin__SocketFilter filter_of(const struct meant *meant)
{
    Rejoin__SocketFilter filter = REJOIN__SOCKET_FILTER__INIT;
    filter.namespace_ = text(meant->nsp ? meant->nsp : "/");
    filter.rooms = words(meant->rooms);
    filter.n_rooms = count_of(meant->rooms);
    filter.users = words(meant->users);
    filter.n_users = count_of(meant->users);
    filter.sids = words(meant->sids);
    filter.n_sids = count_of(meant->sids);
    filter.except_rooms = words(meant->except_rooms);
    filter.n_except_rooms = count_of(meant->except_rooms);
    filter.except_sids = words(meant->except_sids);
    filter.n_except_sids = count_of(meant->except_sids);
    return filter;
}

uint64_t say_move(struct rj_test_peer *backend, const struct meant *meant, const char *const *rooms,
                  bool is_leave)
{
    Rejoin__SocketFilter filter = filter_of(meant);
    Rejoin__JoinSockets asked = REJOIN__JOIN_SOCKETS__INIT;
    Rejoin__LeaveSockets leave = REJOIN__LEAVE_SOCKETS__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    asked.filter = leave.filter = &filter;
    asked.rooms = leave.rooms = words(rooms);
    asked.n_rooms = leave.n_rooms = count_of(rooms);
    if (is_leave) {
        command.kind_case = REJOIN__COMMAND__KIND_LEAVE_SOCKETS;
        command.leave_sockets = &leave;
    } else {
        command.kind_case = REJOIN__COMMAND__KIND_JOIN_SOCKETS;
        command.join_sockets = &asked;
    }
    return rj_test_peer_command(backend, 0, &command);
}

static Rejoin__Reply *move(struct rj_test_peer *backend, const struct meant *meant, const char *const *rooms,
                           bool is_leave)
{
    Rejoin__Reply *reply = rj_test_peer_reply(backend, say_move(backend, meant, rooms, is_leave));
    assert_non_null(reply);
    return reply;
}

Rejoin__Reply *join_sockets(struct rj_test_peer *backend, const struct meant *meant, const char *const *rooms)
{
    return move(backend, meant, rooms, false);
}

Rejoin__Reply *leave_sockets(struct rj_test_peer *backend, const struct meant *meant,
                             const char *const *rooms)
{
    return move(backend, meant, rooms, true);
}

Rejoin__Reply *disconnect_sockets(struct rj_test_peer *backend, const struct meant *meant, bool close)
{
    Rejoin__SocketFilter filter = filter_of(meant);
    Rejoin__DisconnectSockets asked = REJOIN__DISCONNECT_SOCKETS__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    asked.filter = &filter;
    asked.close = close;
    command.kind_case = REJOIN__COMMAND__KIND_DISCONNECT_SOCKETS;
    command.disconnect_sockets = &asked;
    return ask(backend, 0, &command);
}

static Rejoin__Reply *list_sockets(struct rj_test_peer *backend, const struct meant *meant,
                                   Rejoin__ListSockets *asked)
{
    Rejoin__SocketFilter filter = filter_of(meant);
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    asked->filter = &filter;
    asked->handshake = true;
    command.kind_case = REJOIN__COMMAND__KIND_LIST_SOCKETS;
    command.list_sockets = asked;
    return ask(backend, 0, &command);
}

Rejoin__Reply *list_page(struct rj_test_peer *backend, const struct meant *meant, uint64_t after,
                         uint32_t limit)
{
    Rejoin__ListSockets asked = REJOIN__LIST_SOCKETS__INIT;
    asked.after = after;
    asked.limit = limit;
    return list_sockets(backend, meant, &asked);
}

Rejoin__Reply *count_sockets(struct rj_test_peer *backend, const struct meant *meant)
{
    Rejoin__ListSockets asked = REJOIN__LIST_SOCKETS__INIT;
    asked.count_only = true;
    return list_sockets(backend, meant, &asked);
}

Rejoin__Reply *list_rooms(struct rj_test_peer *backend, const char *after, uint32_t limit,
                          const char *pattern)
{
    Rejoin__ListRooms asked = REJOIN__LIST_ROOMS__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    asked.namespace_ = "/";
    asked.after = text(after);
    asked.limit = limit;
    asked.pattern = text(pattern);
    command.kind_case = REJOIN__COMMAND__KIND_LIST_ROOMS;
    command.list_rooms = &asked;
    return ask(backend, 0, &command);
}

Rejoin__Reply *set_data(struct rj_test_peer *backend, const char *sid, const char *json)
{
    Rejoin__SetData asked = REJOIN__SET_DATA__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    asked.namespace_ = "/";
    asked.sid = text(sid);
    asked.data = bytes(json);
    command.kind_case = REJOIN__COMMAND__KIND_SET_DATA;
    command.set_data = &asked;
    return ask(backend, 0, &command);
}

uint64_t affected(const Rejoin__Reply *reply)
{
    assert_null(reply->error);
    if (reply->result_case == REJOIN__REPLY__RESULT_AFFECTED)
        return reply->affected->sockets;
    assert_int_equal(reply->result_case, REJOIN__REPLY__RESULT_SOCKETS);
    return reply->sockets->count;
}

Rejoin__Socket *look_at(struct rj_test_peer *backend, const char *sid)
{
    Rejoin__Reply *reply = list_page(backend, &(struct meant){.sids = LIST(sid)}, 0, 0);
    assert_null(reply->error);
    assert_true(reply->sockets->n_sockets <= 1);
    return reply->sockets->n_sockets ? reply->sockets->sockets[0] : NULL;
}

void assert_moved(struct rj_test_peer *gateway, uint64_t client, const char *room, bool has_left)
{
    Rejoin__Item *item = rj_test_peer_expect(gateway, REJOIN__ITEM__KIND_MOVED, RJ_TEST_DEADLINE_MS);
    assert_non_null(item);
    assert_int_equal(item->moved->client, client);
    assert_string_equal(item->moved->room, room);
    assert_int_equal(item->moved->left, has_left);
}
