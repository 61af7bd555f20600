/* Rejoining: what a client gets that comes back, whatever was killed meanwhile. */
#include <stdlib.h>

#include "tests/process/rejoin_support.h"

static void a_client_gets_what_came_after_its_offset(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who who = enter(&world.a, 1, "tea");
    enter(&world.b, 1, "tea");
    const char *offset = say(&world.b, 1, "tea", "1")->offset;
    assert_null(rj_test_disconnect(&world.a, 1, false)->error);
    say(&world.b, 1, "tea", "2");
    say(&world.b, 1, "tea", "3");
    const Rejoin__Connected *answer = rejoin(&world.b, 2, &who, offset);
    assert_int_equal(answer->incarnation, who.incarnation + 1);
    assert_int_equal(answer->n_rooms, 1);
    assert_string_equal(answer->rooms[0]->room, "tea");
    assert_replay(&world.b, 2, (const char *[]){"2", "3", NULL});

    /* And again with the same offset: nothing is consumed by a restore. */
    rejoin(&world.a, 7, &who, offset);
    assert_replay(&world.a, 7, (const char *[]){"2", "3", NULL});
    close_world(&world);
}

static void an_idle_session_without_offset_is_restored(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who who = enter(&world.a, 1, NULL);
    rj_test_disconnect(&world.a, 1, false);
    rejoin(&world.b, 1, &who, NULL);
    assert_replay(&world.b, 1, (const char *[]){NULL});
    close_world(&world);
}

static void a_garbled_or_missing_offset_falls_back_to_the_cursor_then_to_the_start(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who who = enter(&world.a, 1, "tea");
    enter(&world.b, 1, "tea");
    uint64_t first = say(&world.b, 1, "tea", "1")->pos;
    say(&world.b, 1, "tea", "2");
    rj_test_disconnect(&world.a, 1, false);
    rejoin(&world.a, 2, &who, NULL);
    assert_replay(&world.a, 2, (const char *[]){"1", "2", NULL});
    rejoin(&world.a, 3, &who, "no offset at all");
    assert_replay(&world.a, 3, (const char *[]){"1", "2", NULL});

    Rejoin__Cursors__Cursor cursor = REJOIN__CURSORS__CURSOR__INIT;
    Rejoin__Cursors__Cursor *list[] = {&cursor};
    Rejoin__Cursors cursors = REJOIN__CURSORS__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    cursor.client = 3;
    cursor.pos = first;
    cursors.cursors = list;
    cursors.n_cursors = 1;
    item.kind_case = REJOIN__ITEM__KIND_CURSORS;
    item.cursors = &cursors;
    rj_test_peer_put(&world.a, &item);
    rj_test_peer_flush(&world.a);
    rejoin(&world.a, 4, &who, NULL);
    assert_replay(&world.a, 4, (const char *[]){"2", NULL});

    /* The cursor is in the store with the end of the connection. */
    rj_test_disconnect(&world.a, 4, false);
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);
    struct rj_test_peer c = {0};
    open_gateway(&world.broker, &c, "gateway-c");
    rejoin(&c, 1, &who, "");
    assert_replay(&c, 1, (const char *[]){"2", NULL});
    rj_test_peer_close(&c);
    close_world(&world);
}

static void a_second_connection_takes_the_session_over(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who who = enter(&world.a, 1, "tea");
    const Rejoin__Connected *answer = rejoin(&world.b, 5, &who, NULL);
    assert_int_equal(answer->incarnation, who.incarnation + 1);
    Rejoin__Kick *kick = rj_test_peer_kick(&world.a, 1);
    assert_non_null(kick);
    assert_int_equal(kick->how, REJOIN__KICK__HOW__TRANSPORT);
    /* What the old connection still says is not heard, and its end takes nothing away. */
    assert_true(rj_test_failed_with(rj_test_publish(&world.a, 1, "tea", "1", NULL), "closed"));
    assert_null(rj_test_disconnect(&world.a, 1, true)->error);
    say(&world.b, 5, "tea", "2");
    assert_int_equal(rj_test_join(&world.b, 5, "tea")->joined->members, 1);
    close_world(&world);
}

static void a_session_that_was_left_is_over(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who who = enter(&world.a, 1, "tea");
    rj_test_disconnect(&world.a, 1, true);
    const Rejoin__Connected *answer = connected(rj_test_connect(&world.a, 2, who.pid, NULL));
    assert_false(answer->recovered);
    assert_string_not_equal(answer->pid, who.pid);
    assert_string_not_equal(answer->sid, who.sid);
    assert_int_equal(answer->n_rooms, 0);
    close_world(&world);
}

static void a_session_that_nobody_knows_gives_a_fresh_one(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    static const char *const pids[] = {"AAAAAAAAAAAAAAAAAAAAAA", "x", "../../../etc/passwd",
                                       "AAAAAAAAAAAAAAAAAAAAA\x01"};
    for (size_t i = 0; i < sizeof pids / sizeof *pids; i++) {
        const Rejoin__Connected *answer = connected(rj_test_connect(&world.a, i + 1, pids[i], "1.1"));
        assert_false(answer->recovered);
        assert_int_equal(strlen(answer->pid), 22);
    }
    close_world(&world);
}

static void an_offset_of_another_store_gives_a_fresh_session(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who who = enter(&world.a, 1, "tea");
    rj_test_disconnect(&world.a, 1, false);
    assert_false(connected(rj_test_connect(&world.a, 2, who.pid, "zz9.5"))->recovered);
    rejoin(&world.a, 3, &who, NULL); /* the session itself is as it was */
    close_world(&world);
}

static void an_expired_session_is_not_restored_and_is_swept(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){"--session-lifetime", "3000", NULL});
    struct who who = enter(&world.a, 1, "tea");
    rj_test_disconnect(&world.a, 1, false);
    assert_true(rj_eventually(RJ_TEST_DEADLINE_MS,
                              rj_test_peer_metric(&world.a, "rejoin_broker_sessions_expired_total") == 1));
    assert_false(connected(rj_test_connect(&world.a, 2, who.pid, NULL))->recovered);
    close_world(&world);
}

static void a_live_session_outlasts_its_lifetime(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){"--session-lifetime", "3000", NULL});
    struct who who = enter(&world.a, 1, "tea");
    struct who other = enter(&world.a, 2, NULL);
    rj_test_disconnect(&world.a, 2, false);
    /* The other one, of the same age but gone, has expired meanwhile. */
    assert_true(rj_eventually(RJ_TEST_DEADLINE_MS,
                              rj_test_peer_metric(&world.a, "rejoin_broker_sessions_expired_total") == 1));
    (void)other;
    rejoin(&world.a, 3, &who, NULL);
    close_world(&world);
}

static void a_killed_broker_loses_nothing(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who who = enter(&world.a, 1, "tea");
    enter(&world.b, 1, "tea");
    char offset[64];
    strcpy(offset, say(&world.b, 1, "tea", "1")->offset);
    say(&world.b, 1, "tea", "2");
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);
    struct rj_test_peer c = {0};
    uint64_t epoch = open_gateway(&world.broker, &c, "gateway-c");
    assert_int_not_equal(epoch, world.epoch);
    rejoin(&c, 1, &who, offset);
    assert_replay(&c, 1, (const char *[]){"2", NULL});
    say(&c, 1, "tea", "3");
    Rejoin__HistoryPage *page = rj_test_history(&c, 1, "tea")->history;
    assert_int_equal(page->n_messages, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(page->messages[i]->seqs[0], i + 1);
    rj_test_peer_close(&c);
    close_world(&world);
}

/* A gateway that lives through a broker's death says what it has and gets the difference. */
static void a_returning_gateway_attaches_its_clients_and_gets_the_difference(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who one = enter(&world.a, 1, "tea"), two = enter(&world.a, 2, "tea");
    enter(&world.b, 1, "tea");
    uint64_t seen = say(&world.b, 1, "tea", "1")->pos;
    say(&world.b, 1, "tea", "2");
    say(&world.b, 1, "tea", "3");
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);

    struct rj_test_peer again = {0};
    rj_test_peer_open(&again, world.broker.gateways);
    Rejoin__Welcome *welcome = rj_test_peer_hello_gateway(&again, "gateway-a", world.epoch, seen);
    assert_non_null(welcome);
    assert_false(welcome->reset);
    assert_null(attach(&again, 1, &one, one.incarnation)->error);
    assert_null(attach(&again, 2, &two, two.incarnation)->error);
    assert_null(rj_test_peer_deliver(&again, 0, 0)); /* nothing before Ready */
    rj_test_peer_ready(&again);
    Rejoin__Deliver *deliver = rj_test_peer_deliver(&again, 0, RJ_TEST_DEADLINE_MS);
    assert_non_null(deliver);
    assert_memory_equal(deliver->message->data.data, "2", 1);
    deliver = rj_test_peer_deliver(&again, 0, RJ_TEST_DEADLINE_MS);
    assert_memory_equal(deliver->message->data.data, "3", 1);
    say(&again, 1, "tea", "4"); /* its clients are members as before */
    assert_memory_equal(rj_test_peer_deliver(&again, 0, RJ_TEST_DEADLINE_MS)->message->data.data, "4", 1);
    assert_null(rj_test_peer_deliver(&again, 0, 0));
    assert_int_equal(rj_test_join(&again, 2, "tea")->joined->members, 2);
    rj_test_peer_close(&again);
    close_world(&world);
}

static void an_attach_is_refused_when_the_broker_knows_better(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who taken = enter(&world.a, 1, NULL), left = enter(&world.a, 2, NULL),
               good = enter(&world.a, 3, NULL);
    rejoin(&world.b, 1, &taken, NULL);
    rj_test_disconnect(&world.a, 2, true);
    assert_non_null(rj_test_peer_hello_gateway(&world.a, "gateway-a", world.epoch, 0));
    assert_true(rj_test_failed_with(attach(&world.a, 1, &taken, taken.incarnation), "conflict"));
    assert_true(rj_test_failed_with(attach(&world.a, 2, &left, left.incarnation), "not_found"));
    assert_true(rj_test_failed_with(attach(&world.a, 3, &good, good.incarnation + 1), "conflict"));
    assert_null(attach(&world.a, 3, &good, good.incarnation)->error);
    rj_test_peer_ready(&world.a);
    rejoin(&world.b, 4, &good, NULL);
    assert_non_null(rj_test_peer_kick(&world.a, 3));
    close_world(&world);
}

static void clients_that_a_fresh_stream_does_not_attach_are_gone(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who kept = enter(&world.a, 1, "tea"), lost = enter(&world.a, 2, "tea");
    assert_int_equal(rj_test_join(&world.a, 1, "tea")->joined->members, 2);
    assert_non_null(rj_test_peer_hello_gateway(&world.a, "gateway-a", world.epoch, 0));
    attach(&world.a, 1, &kept, kept.incarnation);
    rj_test_peer_ready(&world.a);
    assert_int_equal(rj_test_join(&world.a, 1, "tea")->joined->members, 1);
    rejoin(&world.b, 1, &lost, NULL); /* but can be rejoined */
    assert_null(rj_test_peer_expect(&world.a, REJOIN__ITEM__KIND_KICK, 0));
    close_world(&world);
}

static void what_a_gateway_has_seen_of_another_store_resets_it(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct rj_test_peer c = {0};
    rj_test_peer_open(&c, world.broker.gateways);
    assert_true(rj_test_peer_hello_gateway(&c, "gateway-c", 12345, 6)->reset);
    assert_true(rj_test_peer_hello_gateway(&c, "gateway-c", world.epoch, 1000)->reset);
    assert_false(rj_test_peer_hello_gateway(&c, "gateway-c", world.epoch, 0)->reset);
    rj_test_peer_close(&c);
    close_world(&world);
}

static void a_client_that_fell_behind_catches_up(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    enter(&world.a, 1, "tea");
    uint64_t first = say(&world.a, 1, "tea", "1")->pos;
    say(&world.a, 1, "tea", "2");
    Rejoin__CatchUp catch_up = REJOIN__CATCH_UP__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    catch_up.after_pos = first;
    command.kind_case = REJOIN__COMMAND__KIND_CATCH_UP;
    command.catch_up = &catch_up;
    assert_null(rj_test_peer_reply(&world.a, rj_test_peer_command(&world.a, 1, &command))->error);
    assert_replay(&world.a, 1, (const char *[]){"2", NULL});
    close_world(&world);
}

static void rooms_that_were_left_are_not_replayed(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who who = enter(&world.a, 1, "tea");
    enter(&world.b, 1, "tea");
    rj_test_join(&world.b, 1, "coffee");
    say(&world.b, 1, "coffee", "0"); /* before the join: not for the client */
    rj_test_join(&world.a, 1, "coffee");
    rj_test_leave(&world.a, 1, "tea");
    rj_test_disconnect(&world.a, 1, false);
    say(&world.b, 1, "tea", "1");
    say(&world.b, 1, "coffee", "2");
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);
    struct rj_test_peer c = {0};
    open_gateway(&world.broker, &c, "gateway-c");
    assert_int_equal(rejoin(&c, 1, &who, NULL)->n_rooms, 1);
    assert_replay(&c, 1, (const char *[]){"2", NULL});
    rj_test_peer_close(&c);
    close_world(&world);
}

static void a_long_replay_comes_whole_and_in_order(void **state)
{
    (void)state;
    enum { N = 3000 };
    struct world world;
    open_world(&world, NULL);
    struct who who = enter(&world.a, 1, "tea");
    enter(&world.b, 1, "tea");
    rj_test_disconnect(&world.a, 1, false);
    static char data[4000];
    memset(data, '7', sizeof data - 1);
    Rejoin__Target target = REJOIN__TARGET__INIT;
    Rejoin__Target *targets[] = {&target};
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    Rejoin__Publish publish = REJOIN__PUBLISH__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    target.name = "tea";
    message.targets = targets;
    message.n_targets = 1;
    message.data = (ProtobufCBinaryData){sizeof data - 1, (uint8_t *)data};
    publish.message = &message;
    command.kind_case = REJOIN__COMMAND__KIND_PUBLISH;
    command.publish = &publish;
    for (int i = 0; i < N; i++) {
        command.id = 0;
        rj_test_peer_add_command(&world.b, 1, &command);
        if (i % 10 == 9)
            rj_test_peer_flush(&world.b);
    }
    assert_true(
        rj_eventually(3 * RJ_TEST_DEADLINE_MS, rj_test_peer_reply(&world.b, world.b.last_command) != NULL));
    rejoin(&world.a, 2, &who, NULL);
    for (uint64_t i = 1; i <= N; i++) {
        Rejoin__Deliver *deliver = rj_test_peer_deliver(&world.a, 2, RJ_TEST_DEADLINE_MS);
        assert_non_null(deliver);
        assert_int_equal(deliver->seqs[0], i);
    }
    assert_non_null(rj_test_peer_caught_up(&world.a, 2));
    assert_int_equal(world.a.gaps, 0);
    close_world(&world);
}

static void a_session_belongs_to_its_namespace_and_user(void **state)
{
    (void)state;
    struct world world;
    /* For a lease after its start the broker waits for a backend that might serve an unknown namespace. */
    open_world(&world, (const char *[]){"--identity", "claimed", "--namespaces", "/,/admin", "--lease",
                                        "3000", "--ping", "200", NULL});
    Rejoin__Connect connect = REJOIN__CONNECT__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    static const char ann[] = "{\"user\":\"ann\"}", bob[] = "{\"user\":\"bob\"}";
    command.kind_case = REJOIN__COMMAND__KIND_CONNECT;
    command.connect = &connect;
    connect.namespace_ = "/";
    connect.auth = (ProtobufCBinaryData){sizeof ann - 1, (uint8_t *)(uintptr_t)ann};
    const Rejoin__Connected *first =
        connected(rj_test_peer_reply(&world.a, rj_test_peer_command(&world.a, 1, &command)));
    assert_string_equal(first->user, "ann");
    char pid[32];
    strcpy(pid, first->pid);
    rj_test_disconnect(&world.a, 1, false);

    connect.pid = pid;
    connect.auth = (ProtobufCBinaryData){sizeof bob - 1, (uint8_t *)(uintptr_t)bob};
    command.id = 0;
    const Rejoin__Connected *other =
        connected(rj_test_peer_reply(&world.a, rj_test_peer_command(&world.a, 2, &command)));
    assert_false(other->recovered);
    assert_string_equal(other->user, "bob");

    connect.namespace_ = "/admin";
    connect.auth = (ProtobufCBinaryData){sizeof ann - 1, (uint8_t *)(uintptr_t)ann};
    command.id = 0;
    assert_false(
        connected(rj_test_peer_reply(&world.a, rj_test_peer_command(&world.a, 3, &command)))->recovered);

    connect.namespace_ = "/nowhere";
    command.id = 0;
    assert_true(rj_test_failed_with(rj_test_peer_reply(&world.a, rj_test_peer_command(&world.a, 4, &command)),
                                    "invalid_namespace"));

    connect.namespace_ = "/";
    command.id = 0;
    assert_true(
        connected(rj_test_peer_reply(&world.a, rj_test_peer_command(&world.a, 5, &command)))->recovered);
    close_world(&world);
}

static void without_recovery_no_pid_is_handed_out_and_attach_restores_the_rooms(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    Rejoin__Connect connect = REJOIN__CONNECT__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    connect.namespace_ = "/";
    connect.no_recovery = true;
    command.kind_case = REJOIN__COMMAND__KIND_CONNECT;
    command.connect = &connect;
    const Rejoin__Connected *answer =
        connected(rj_test_peer_reply(&world.a, rj_test_peer_command(&world.a, 1, &command)));
    assert_string_equal(answer->pid, "");
    char sid[32];
    strcpy(sid, answer->sid);
    rj_test_join(&world.a, 1, "tea");
    say(&world.a, 1, "tea", "1");
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);

    struct rj_test_peer again = {0};
    rj_test_peer_open(&again, world.broker.gateways);
    rj_test_peer_hello_gateway(&again, "gateway-a", 0, 0);
    Rejoin__RoomState room = REJOIN__ROOM_STATE__INIT;
    Rejoin__RoomState *rooms[] = {&room};
    Rejoin__Attach attach = REJOIN__ATTACH__INIT;
    room.room = "tea";
    attach.sid = sid;
    attach.incarnation = 1;
    attach.no_recovery = true;
    attach.namespace_ = "/";
    attach.rooms = rooms;
    attach.n_rooms = 1;
    Rejoin__Command again_command = REJOIN__COMMAND__INIT;
    again_command.kind_case = REJOIN__COMMAND__KIND_ATTACH;
    again_command.attach = &attach;
    assert_null(rj_test_peer_reply(&again, rj_test_peer_command(&again, 1, &again_command))->error);
    rj_test_peer_ready(&again);
    say(&again, 1, "tea", "2");
    assert_int_equal(rj_test_peer_deliver(&again, 0, RJ_TEST_DEADLINE_MS)->seqs[0], 2);
    rj_test_disconnect(&again, 1, false);
    assert_true(rj_test_peer_metric(&again, "rejoin_broker_sessions") == 0);
    rj_test_peer_close(&again);
    close_world(&world);
}

static void pids_stay_out_of_the_log(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){"--log-level", "debug", NULL});
    struct who who = enter(&world.a, 1, "tea");
    rejoin(&world.b, 1, &who, NULL);
    rj_test_disconnect(&world.b, 1, true);
    connected(rj_test_connect(&world.b, 2, who.pid, NULL));
    char path[400], *text = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, "%s/broker.log", world.broker.folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(getdelim(&text, &size, 0, file) > 0);
    assert_null(strstr(text, who.pid));
    assert_non_null(strstr(text, "session_not_recovered"));
    free(text);
    fclose(file);
    close_world(&world);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_client_gets_what_came_after_its_offset),
    cmocka_unit_test(an_idle_session_without_offset_is_restored),
    cmocka_unit_test(a_garbled_or_missing_offset_falls_back_to_the_cursor_then_to_the_start),
    cmocka_unit_test(a_second_connection_takes_the_session_over),
    cmocka_unit_test(a_session_that_was_left_is_over),
    cmocka_unit_test(a_session_that_nobody_knows_gives_a_fresh_one),
    cmocka_unit_test(an_offset_of_another_store_gives_a_fresh_session),
    cmocka_unit_test(an_expired_session_is_not_restored_and_is_swept),
    cmocka_unit_test(a_live_session_outlasts_its_lifetime),
    cmocka_unit_test(a_killed_broker_loses_nothing),
    cmocka_unit_test(a_returning_gateway_attaches_its_clients_and_gets_the_difference),
    cmocka_unit_test(an_attach_is_refused_when_the_broker_knows_better),
    cmocka_unit_test(clients_that_a_fresh_stream_does_not_attach_are_gone),
    cmocka_unit_test(what_a_gateway_has_seen_of_another_store_resets_it),
    cmocka_unit_test(a_client_that_fell_behind_catches_up),
    cmocka_unit_test(rooms_that_were_left_are_not_replayed),
    cmocka_unit_test(a_long_replay_comes_whole_and_in_order),
    cmocka_unit_test(a_session_belongs_to_its_namespace_and_user),
    cmocka_unit_test(without_recovery_no_pid_is_handed_out_and_attach_restores_the_rooms),
    cmocka_unit_test(pids_stay_out_of_the_log),
};

RJ_TEST_MAIN(tests)
