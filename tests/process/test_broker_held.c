/* Commands that wait for the disk: a session or a room that is not in memory is read before them. */
#include "tests/process/rejoin_support.h"

enum { ROOMS = 12 };

/* A session in some rooms, with a message in each, of a broker that was started afresh since. */
static struct who cold_session(struct world *world)
{
    open_world(world, (const char *[]){"--lease", "2000", "--ping", "100", NULL});
    struct who who = enter(&world->a, 1, NULL);
    enter(&world->b, 1, NULL);
    for (int i = 0; i < ROOMS; i++) {
        char room[32];
        snprintf(room, sizeof room, "room %d", i);
        rj_test_join(&world->a, 1, room);
        rj_test_join(&world->b, 1, room);
    }
    assert_null(rj_test_disconnect(&world->a, 1, false)->error);
    for (int i = 0; i < ROOMS; i++) {
        char room[32];
        snprintf(room, sizeof room, "room %d", i);
        say(&world->b, 1, room, room + 5);
    }
    rj_test_broker_kill(&world->broker);
    rj_test_broker_restart(&world->broker, NULL);
    return who;
}

static uint64_t add_connect(struct rj_test_peer *peer, uint64_t client, const struct who *who)
{
    Rejoin__Connect connect = REJOIN__CONNECT__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    connect.namespace_ = "/";
    connect.pid = (char *)(uintptr_t)who->pid;
    connect.offset = "";
    command.kind_case = REJOIN__COMMAND__KIND_CONNECT;
    command.connect = &connect;
    return rj_test_peer_add_command(peer, client, &command);
}

static uint64_t add_history(struct rj_test_peer *peer, uint64_t client, const char *room)
{
    Rejoin__History history = REJOIN__HISTORY__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    history.namespace_ = "/";
    history.room = (char *)(uintptr_t)room;
    command.kind_case = REJOIN__COMMAND__KIND_HISTORY;
    command.history = &history;
    return rj_test_peer_add_command(peer, client, &command);
}

static bool has_arrived(const struct rj_test_peer *peer, uint64_t id)
{
    for (size_t i = 0; i < peer->n_items; i++)
        if (peer->items[i] && peer->items[i]->kind_case == REJOIN__ITEM__KIND_REPLY &&
            peer->items[i]->reply->id == id)
            return true;
    return false;
}

/* The answer to a command that was to wait for another one. */
static const Rejoin__Reply *reply_behind(struct rj_test_peer *peer, uint64_t id, uint64_t first)
{
    const Rejoin__Reply *reply = rj_test_peer_reply(peer, id);
    assert_true(reply && !reply->error);
    assert_true(has_arrived(peer, first));
    return reply;
}

/* A gateway never sends so much before it is let in; but were what waits overtaken, a client would lose it.
 */
static void what_comes_behind_a_command_that_waits_waits_too(void **state)
{
    (void)state;
    struct world world;
    struct rj_test_peer gateway = {0};
    struct who who = cold_session(&world);
    open_gateway(&world.broker, &gateway, "gateway-c");
    uint64_t connect = add_connect(&gateway, 9, &who);
    uint64_t again = add_join(&gateway, 9, "room 3", 1), fresh = add_join(&gateway, 9, "never seen", 5);
    uint64_t history = add_history(&gateway, 9, "room 4");
    rj_test_peer_flush(&gateway);

    const Rejoin__Joined *joined = reply_behind(&gateway, again, connect)->joined;
    assert_int_equal(joined->n_messages, 1);
    assert_int_equal(joined->seq, 1);
    assert_int_equal(reply_behind(&gateway, fresh, connect)->joined->seq, 0);
    assert_int_equal(reply_behind(&gateway, history, connect)->history->n_messages, 1);
    const Rejoin__Connected *answer = connected(rj_test_peer_reply(&gateway, connect));
    assert_true(answer->recovered);
    assert_true(answer->n_rooms >= ROOMS); /* the new one may be among them already */
    rj_test_peer_close(&gateway);
    close_world(&world);
}

/* On a new stream the gateway repeats what was not answered; what waited of the old one must not run as well.
 */
static void a_new_stream_forgets_what_waits(void **state)
{
    (void)state;
    struct world world;
    struct rj_test_peer gateway = {0};
    struct who who = cold_session(&world);
    open_gateway(&world.broker, &gateway, "gateway-c");
    add_connect(&gateway, 9, &who);
    Rejoin__Item hello_item = REJOIN__ITEM__INIT;
    Rejoin__Hello hello = REJOIN__HELLO__INIT;
    hello.role = REJOIN__HELLO__ROLE__GATEWAY;
    hello.id = "gateway-c";
    hello_item.kind_case = REJOIN__ITEM__KIND_HELLO;
    hello_item.hello = &hello;
    rj_test_peer_put(&gateway, &hello_item);
    rj_test_peer_flush(&gateway);
    assert_non_null(rj_test_peer_expect(&gateway, REJOIN__ITEM__KIND_WELCOME, RJ_TEST_DEADLINE_MS));
    rj_test_peer_ready(&gateway);

    /* Whether it had run before the new stream came or was forgotten by it: the session is whole. */
    const Rejoin__Connected *answer = connected(rj_test_connect(&gateway, 10, who.pid, ""));
    assert_true(answer->recovered);
    assert_true(answer->incarnation == who.incarnation + 1 || answer->incarnation == who.incarnation + 2);
    assert_replay(&gateway, 10,
                  (const char *[]){"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", NULL});
    assert_true(rj_test_peer_metric(&gateway, "rejoin_broker_sockets") <= 1);
    rj_test_peer_close(&gateway);
    close_world(&world);
}

/* Many at once, each of them cold: each gets all that is its own. */
static void many_that_wait_get_each_its_own(void **state)
{
    (void)state;
    enum { MANY = 60 };
    struct world world;
    struct who who[MANY];
    uint64_t connects[MANY];
    struct rj_test_peer gateway = {0};
    open_world(&world, (const char *[]){"--lease", "2000", "--ping", "100", NULL});
    for (uint64_t i = 0; i < MANY; i++) {
        char room[32];
        snprintf(room, sizeof room, "of %u", (unsigned)i);
        who[i] = enter(&world.a, i + 1, room);
        assert_null(rj_test_disconnect(&world.a, i + 1, false)->error);
        enter(&world.b, i + 1, room);
        say(&world.b, i + 1, room, room + 3);
    }
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);
    open_gateway(&world.broker, &gateway, "gateway-c");
    for (uint64_t i = 0; i < MANY; i++)
        connects[i] = add_connect(&gateway, i + 1, &who[i]);
    rj_test_peer_flush(&gateway);
    for (uint64_t i = 0; i < MANY; i++) {
        char text[32];
        snprintf(text, sizeof text, "%u", (unsigned)i);
        const Rejoin__Connected *answer = connected(rj_test_peer_reply(&gateway, connects[i]));
        assert_true(answer->recovered);
        assert_string_equal(answer->sid, who[i].sid);
        assert_int_equal(answer->n_rooms, 1);
        assert_replay(&gateway, i + 1, (const char *[]){text, NULL});
    }
    rj_test_peer_close(&gateway);
    close_world(&world);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_comes_behind_a_command_that_waits_waits_too),
    cmocka_unit_test(a_new_stream_forgets_what_waits),
    cmocka_unit_test(many_that_wait_get_each_its_own),
};

RJ_TEST_MAIN(tests)
