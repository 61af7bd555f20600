/* How long names may be, by the broker's settings: each from below and from above, whoever says it, and what
 * becomes of longer ones of a time when they were allowed.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/process/sockets_support.h"

/* The settings of the tests. */
enum { ROOM = 20, NAMESPACE = 10, EVENT = 30, USER = 12, ID = 50, DATA = 100 };

static const char *const limits[] = {
    "--max-room-name",
    "20",
    "--max-namespace-name",
    "10",
    "--max-event-name",
    "30",
    "--max-user-name",
    "12",
    "--max-message-id",
    "50",
    "--max-socket-data",
    "100",
    NULL,
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    open_world(world, limits);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    close_world(*state);
    free(*state);
    return 0;
}

/* A name of `len` bytes that starts so; static memory, of the last eight calls. */
static const char *long_name(const char *start, size_t len)
{
    static char names[8][512];
    static unsigned next;
    char *name = names[next++ % 8];
    memset(name, 'x', len);
    memcpy(name, start, strlen(start));
    name[len] = '\0';
    return name;
}

static void assert_passes(const Rejoin__Reply *reply)
{
    assert_non_null(reply);
    assert_null(reply->error);
}

static void assert_refused(const Rejoin__Reply *reply, const char *code, const char *setting)
{
    assert_true(rj_test_failed_with(reply, code));
    assert_non_null(strstr(reply->error->message, setting));
}

/* ---- rooms */

static void a_clients_room_has_at_most_so_long_a_name(void **state)
{
    struct world *world = *state;
    come(&world->gateway, 1, NULL, NULL);
    assert_passes(rj_test_join(&world->gateway, 1, long_name("r", ROOM)));
    assert_true(rj_test_failed_with(rj_test_join(&world->gateway, 1, long_name("r", ROOM + 1)), "bad_name"));
}

static void a_backends_target_has_at_most_so_long_a_name(void **state)
{
    struct world *world = *state;
    const char *good = long_name("room:", 5 + ROOM), *bad = long_name("room:", 5 + ROOM + 1);
    struct rj_test_peer *backend = &world->backend;
    assert_passes(emit_to(backend, good, "1"));
    assert_refused(emit_to(backend, bad, "1"), "bad_name", "max-room-name");
    assert_passes(emit(backend, &(struct emit){.to = LIST(good), .is_volatile = true}));
    assert_refused(emit(backend, &(struct emit){.to = LIST(bad), .is_volatile = true}), "bad_name",
                   "max-room-name");
    assert_passes(emit_to(backend, long_name("user:", 5 + USER), "1"));
    assert_refused(emit_to(backend, long_name("user:", 5 + USER + 1), "1"), "bad_name", "max-user-name");
}

static void sockets_are_made_to_join_rooms_with_at_most_so_long_a_name(void **state)
{
    struct world *world = *state;
    come(&world->gateway, 1, NULL, NULL);
    const struct meant all = {0};
    assert_int_equal(affected(join_sockets(&world->backend, &all, LIST(long_name("r", ROOM)))), 1);
    assert_refused(join_sockets(&world->backend, &all, LIST(long_name("r", ROOM + 1))), "bad_name",
                   "max-room-name");
    /* To leave one that nobody is in is no fault. */
    assert_passes(leave_sockets(&world->backend, &all, LIST(long_name("r", ROOM + 1))));
}

/* ---- users, and what a backend says when it lets one in */

static Rejoin__Reply *let_in(struct world *world, uint64_t client, const char *user, const char *room,
                             const char *data)
{
    Rejoin__Answer answer = REJOIN__ANSWER__INIT;
    char *rooms[] = {(char *)(uintptr_t)room};
    say_connect(&world->gateway, client, "/", NULL, NULL);
    answer.job = get_admission(&world->backend)->id;
    answer.user_set = true;
    answer.user = (char *)(uintptr_t)user;
    answer.rooms = rooms;
    answer.n_rooms = 1;
    answer.data = (ProtobufCBinaryData){strlen(data), (uint8_t *)(uintptr_t)data};
    return send_answer(&world->backend, &answer);
}

static void who_lets_a_client_in_keeps_to_the_lengths(void **state)
{
    struct world *world = *state;
    char data[DATA + 2];
    memset(data, '1', sizeof data);
    data[DATA] = data[DATA + 1] = '\0';
    const char *user = long_name("u", USER), *room = long_name("r", ROOM);
    serve(&world->backend, &(struct serve_as){.admits = true});
    assert_passes(let_in(world, 1, user, room, data));
    assert_refused(let_in(world, 2, long_name("u", USER + 1), room, data), "bad_name", "max-user-name");
    assert_refused(let_in(world, 3, user, long_name("r", ROOM + 1), data), "bad_name", "max-room-name");
    data[DATA] = '1';
    assert_refused(let_in(world, 4, user, room, data), "too_large", "max-socket-data");
}

static uint64_t say_claim(struct world *world, uint64_t client, size_t len)
{
    char auth[128];
    snprintf(auth, sizeof auth, "{\"user\":\"%s\"}", long_name("u", len));
    return say_connect(&world->gateway, client, "/", NULL, auth);
}

static void a_client_claims_at_most_so_long_a_name(void **state)
{
    struct world *world = *state;
    assert_passes(rj_test_peer_reply(&world->gateway, say_claim(world, 1, USER)));
    assert_failed(&world->gateway, say_claim(world, 2, USER + 1), "bad_name");
}

static Rejoin__Reply *read_for(struct rj_test_peer *backend, const char *user, const char *room)
{
    Rejoin__Read read = REJOIN__READ__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    read.namespace_ = "/";
    read.user = (char *)(uintptr_t)user;
    read.room = (char *)(uintptr_t)room;
    read.all = true;
    command.kind_case = REJOIN__COMMAND__KIND_READ;
    command.read = &read;
    return rj_test_peer_reply(backend, rj_test_peer_command(backend, 0, &command));
}

static void a_cursor_is_kept_of_users_with_at_most_so_long_a_name(void **state)
{
    struct world *world = *state;
    assert_passes(emit_to(&world->backend, "room:tea", "1"));
    assert_passes(read_for(&world->backend, long_name("u", USER), "tea"));
    assert_refused(read_for(&world->backend, long_name("u", USER + 1), "tea"), "bad_name", "max-user-name");
}

static void a_sockets_data_has_at_most_so_many_bytes(void **state)
{
    struct world *world = *state;
    struct who who = come(&world->gateway, 1, NULL, NULL);
    char data[DATA + 2];
    memset(data, '1', sizeof data);
    data[DATA] = data[DATA + 1] = '\0';
    assert_passes(set_data(&world->backend, who.sid, data));
    data[DATA] = '1';
    assert_refused(set_data(&world->backend, who.sid, data), "too_large", "max-socket-data");
}

/* ---- namespaces */

static void a_namespace_has_at_most_so_long_a_name(void **state)
{
    struct world *world = *state;
    const char *good = long_name("/", NAMESPACE), *bad = long_name("/", NAMESPACE + 1);
    serve(&world->backend, &(struct serve_as){.namespaces = LIST("/*"), .sockets = true});
    assert_passes(rj_test_peer_reply(&world->gateway, say_connect(&world->gateway, 1, good, NULL, NULL)));
    assert_failed(&world->gateway, say_connect(&world->gateway, 2, bad, NULL, NULL), "invalid_namespace");
    assert_passes(count_sockets(&world->backend, &(struct meant){.nsp = good}));
    assert_true(rj_test_failed_with(count_sockets(&world->backend, &(struct meant){.nsp = bad}),
                                    "invalid_namespace"));
}

static void who_would_serve_names_that_cannot_be_is_told(void **state)
{
    struct world *world = *state;
    struct rj_test_peer *backend = &world->backend;
    const struct {
        struct serve_as as;
        const char *setting; /* NULL: it may */
    } cases[] = {
        {{.namespaces = LIST(long_name("/", NAMESPACE)), .sockets = true}, NULL},
        {{.namespaces = LIST(long_name("/*", NAMESPACE + 1)), .sockets = true}, NULL},
        {{.namespaces = LIST(long_name("/", NAMESPACE + 1)), .sockets = true}, "max-namespace-name"},
        {{.events = LIST("e", long_name("*", EVENT + 1))}, NULL},
        {{.events = LIST("e", long_name("*", EVENT + 2))}, "max-event-name"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Rejoin__Reply *reply = rj_test_peer_reply(backend, say_serve(backend, &cases[i].as));
        if (cases[i].setting)
            assert_refused(reply, "bad_name", cases[i].setting);
        else
            assert_passes(reply);
    }
}

/* ---- events, and messages' ids */

static Rejoin__Reply *say_message(struct rj_test_peer *backend, const char *event, const char *id, bool asks)
{
    Rejoin__Target all = REJOIN__TARGET__INIT, *targets[] = {&all};
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    Rejoin__Publish publish = REJOIN__PUBLISH__INIT;
    Rejoin__Ask ask = REJOIN__ASK__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    all.kind = REJOIN__TARGET__KIND__NAMESPACE;
    message.namespace_ = "/";
    message.targets = targets;
    message.n_targets = 1;
    message.event = (char *)(uintptr_t)event;
    message.id = (char *)(uintptr_t)id;
    message.data = (ProtobufCBinaryData){2, (uint8_t *)(uintptr_t) "[]"};
    publish.message = ask.message = &message;
    if (asks) {
        command.kind_case = REJOIN__COMMAND__KIND_ASK;
        command.ask = &ask;
    } else {
        command.kind_case = REJOIN__COMMAND__KIND_PUBLISH;
        command.publish = &publish;
    }
    return rj_test_peer_reply(backend, rj_test_peer_command(backend, 0, &command));
}

static Rejoin__Reply *tell_backends(struct rj_test_peer *backend, const char *name)
{
    Rejoin__Send send = REJOIN__SEND__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    send.namespace_ = "/";
    send.name = (char *)(uintptr_t)name;
    send.args = (ProtobufCBinaryData){2, (uint8_t *)(uintptr_t) "[]"};
    command.kind_case = REJOIN__COMMAND__KIND_SEND;
    command.send = &send;
    return rj_test_peer_reply(backend, rj_test_peer_command(backend, 0, &command));
}

static void an_event_has_at_most_so_long_a_name(void **state)
{
    struct world *world = *state;
    struct rj_test_peer *backend = &world->backend;
    const char *good = long_name("e", EVENT), *bad = long_name("e", EVENT + 1);
    for (int asks = 0; asks < 2; asks++) {
        assert_passes(say_message(backend, good, "", asks));
        assert_refused(say_message(backend, bad, "", asks), "bad_request", "max-event-name");
    }
    assert_passes(tell_backends(backend, good));
    assert_refused(tell_backends(backend, bad), "bad_request", "max-event-name");

    come(&world->gateway, 1, NULL, NULL);
    assert_failed(&world->gateway, say_event(&world->gateway, 1, good, "[]", 0, false), "no_handler");
    assert_failed(&world->gateway, say_event(&world->gateway, 1, bad, "[]", 0, false), "bad_request");
}

static void a_message_has_at_most_so_long_an_id(void **state)
{
    struct world *world = *state;
    const char *good = long_name("i", ID), *bad = long_name("i", ID + 1);
    assert_passes(say_message(&world->backend, "e", good, false));
    assert_refused(say_message(&world->backend, "e", bad, false), "bad_request", "max-message-id");
    come(&world->gateway, 1, NULL, NULL);
    join(&world->gateway, 1, "tea");
    assert_passes(rj_test_publish(&world->gateway, 1, "tea", "1", good));
    assert_refused(rj_test_publish(&world->gateway, 1, "tea", "1", bad), "bad_request", "max-message-id");
}

/* ---- a limit that was lowered */

static void start_again(struct world *world, const char *most)
{
    static const char *args[] = {"--identity", "claimed", "--max-room-name", NULL, NULL};
    args[3] = most;
    assert_true(rj_test_broker_end(&world->broker));
    memcpy(world->broker.args, args, sizeof args);
    rj_test_broker_restart(&world->broker, NULL);
    rj_test_peer_close(&world->gateway);
    rj_test_peer_close(&world->backend);
    open_gateway(&world->broker, &world->gateway, "gateway-a");
    open_backend(&world->broker, &world->backend, "backend-1");
}

static void a_room_stays_of_use_when_its_name_would_be_too_long_now(void **state)
{
    struct world *world = *state;
    struct rj_test_peer *gateway = &world->gateway;
    char room[ROOM + 1], target[ROOM + 6];
    strcpy(room, long_name("r", ROOM));
    snprintf(target, sizeof target, "room:%s", room);
    struct who who = come(gateway, 1, NULL, NULL);
    join(gateway, 1, room);
    assert_passes(rj_test_publish(gateway, 1, room, "1", NULL));
    start_again(world, "10");

    come_again(gateway, 1, NULL, who.pid, NULL);
    assert_passes(rj_test_publish(gateway, 1, room, "2", NULL));
    assert_int_equal(rj_test_history(gateway, 1, room)->history->n_messages, 2);
    assert_passes(rj_test_leave(gateway, 1, room));
    assert_passes(rj_test_join(gateway, 1, room));
    assert_passes(emit_to(&world->backend, target, "3"));
    assert_true(rj_test_failed_with(rj_test_join(gateway, 1, long_name("s", ROOM)), "bad_name"));
    serve(&world->backend, &(struct serve_as){.admits = true});
    assert_passes(let_in(world, 2, "ann", room, ""));
    assert_true(rj_test_failed_with(let_in(world, 3, "ann", long_name("s", ROOM), ""), "bad_name"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_clients_room_has_at_most_so_long_a_name, setup, teardown),
    cmocka_unit_test_setup_teardown(a_backends_target_has_at_most_so_long_a_name, setup, teardown),
    cmocka_unit_test_setup_teardown(sockets_are_made_to_join_rooms_with_at_most_so_long_a_name, setup,
                                    teardown),
    cmocka_unit_test_setup_teardown(who_lets_a_client_in_keeps_to_the_lengths, setup, teardown),
    cmocka_unit_test_setup_teardown(a_client_claims_at_most_so_long_a_name, setup, teardown),
    cmocka_unit_test_setup_teardown(a_cursor_is_kept_of_users_with_at_most_so_long_a_name, setup, teardown),
    cmocka_unit_test_setup_teardown(a_sockets_data_has_at_most_so_many_bytes, setup, teardown),
    cmocka_unit_test_setup_teardown(a_namespace_has_at_most_so_long_a_name, setup, teardown),
    cmocka_unit_test_setup_teardown(who_would_serve_names_that_cannot_be_is_told, setup, teardown),
    cmocka_unit_test_setup_teardown(an_event_has_at_most_so_long_a_name, setup, teardown),
    cmocka_unit_test_setup_teardown(a_message_has_at_most_so_long_an_id, setup, teardown),
    cmocka_unit_test_setup_teardown(a_room_stays_of_use_when_its_name_would_be_too_long_now, setup, teardown),
};

RJ_TEST_MAIN(tests)
