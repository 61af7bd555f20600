/* Admission on a real broker: who is asked before a client is let in, and what becomes of the client. */
#include "tests/process/serve_support.h"

static const struct serve_as doorman = {.admits = true, .sockets = true};

struct world {
    struct rj_test_broker broker;
    struct rj_test_peer gateway, one, two; /* backends */
};

#define PEERS(...) ((struct rj_test_peer *const[]){__VA_ARGS__, NULL})

static void open_world(struct world *world, const char *const args[])
{
    *world = (struct world){0};
    rj_test_broker_start(&world->broker, args);
    open_gateway(&world->broker, &world->gateway, "gateway-a");
    open_backend(&world->broker, &world->one, "one");
    open_backend(&world->broker, &world->two, "two");
}

static void close_world(struct world *world)
{
    rj_test_peer_close(&world->gateway);
    rj_test_peer_close(&world->one);
    rj_test_peer_close(&world->two);
    assert_true(rj_test_broker_end(&world->broker));
    rj_test_broker_remove(&world->broker);
}

/* Accepts; `user` NULL: says nothing of it. */
static void let_in_with(struct rj_test_peer *backend, const Rejoin__Job *job, const char *user,
                        const char *room, const char *data)
{
    Rejoin__Answer answer = REJOIN__ANSWER__INIT;
    answer.data = (ProtobufCBinaryData){data ? strlen(data) : 0, (uint8_t *)(uintptr_t)data};
    char *rooms[] = {(char *)(uintptr_t)room};
    answer.job = job->id;
    answer.user_set = user != NULL;
    answer.user = (char *)(uintptr_t)(user ? user : "");
    answer.rooms = rooms;
    answer.n_rooms = room != NULL;
    assert_null(send_answer(backend, &answer)->error);
}

static void let_in(struct rj_test_peer *backend, const Rejoin__Job *job, const char *user, const char *room)
{
    let_in_with(backend, job, user, room, NULL);
}

static Rejoin__Connected *connected(struct rj_test_peer *gateway, uint64_t command)
{
    Rejoin__Reply *reply = rj_test_peer_reply(gateway, command);
    assert_non_null(reply);
    assert_null(reply->error);
    assert_int_equal(reply->result_case, REJOIN__REPLY__RESULT_CONNECTED);
    return reply->connected;
}

static void a_client_is_let_in_when_the_backend_accepts_it(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    serve(&world.one, &doorman);
    uint64_t connect = say_connect(&world.gateway, 1, "/", NULL, "{\"token\":\"t\"}");
    Rejoin__Job *job = get_admission(&world.one);
    Rejoin__Socket *socket = job->connect->socket;
    assert_string_equal(socket->namespace_, "/");
    assert_string_equal(socket->sid, job->sid);
    assert_string_equal(socket->handshake->address, "192.0.2.7");
    assert_memory_equal(socket->auth.data, "{\"token\":\"t\"}", socket->auth.len);
    assert_false(job->connect->rejoining);
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_admissions_waiting") == 1);
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_sessions") == 0);
    assert_none(&world.one, REJOIN__ITEM__KIND_OPENED);
    let_in(&world.one, job, "ann", "tea");
    Rejoin__Connected *answer = connected(&world.gateway, connect);
    assert_string_equal(answer->sid, job->sid);
    assert_string_equal(answer->user, "ann");
    assert_int_equal(answer->n_rooms, 1);
    assert_string_equal(answer->rooms[0]->room, "tea");
    Rejoin__Opened *opened = get_opened(&world.one);
    assert_string_equal(opened->socket->sid, job->sid);
    assert_string_equal(opened->socket->user, "ann");
    assert_int_equal(opened->socket->n_rooms, 1);
    /* It is a member. */
    Rejoin__Reply *reply = rj_test_publish(&world.gateway, 1, "tea", "1", NULL);
    assert_true(reply && !reply->error);
    assert_non_null(rj_test_peer_deliver(&world.gateway, 0, RJ_TEST_DEADLINE_MS));
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_admissions_waiting") == 0);
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_admissions_accepted_total") == 1);
    close_world(&world);
}

static void a_refusal_carries_message_and_data(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    serve(&world.one, &doorman);
    uint64_t connect = say_connect(&world.gateway, 1, "/", NULL, NULL);
    Rejoin__Job *job = get_admission(&world.one);
    assert_null(refuse(&world.one, job->id, "", "not you", "{\"code\":7}")->error);
    Rejoin__Reply *reply = rj_test_peer_reply(&world.gateway, connect);
    assert_true(rj_test_failed_with(reply, "forbidden"));
    assert_string_equal(reply->error->message, "not you");
    assert_memory_equal(reply->error->data.data, "{\"code\":7}", 10);
    assert_none(&world.one, REJOIN__ITEM__KIND_OPENED);
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_sessions") == 0);
    close_world(&world);
}

static void all_groups_that_admit_are_asked_by_name_and_the_later_user_wins(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    serve(&world.two, &(struct serve_as){.group = "b", .admits = true, .sockets = true});
    serve(&world.one, &(struct serve_as){.group = "a", .admits = true});
    uint64_t connect = say_connect(&world.gateway, 1, "/", NULL, NULL);
    Rejoin__Job *job = get_admission(&world.one);
    assert_none(&world.two, REJOIN__ITEM__KIND_JOB);
    let_in(&world.one, job, "ann", "tea");
    job = get_admission(&world.two);
    assert_string_equal(job->connect->socket->user, "ann");
    let_in(&world.two, job, "bob", "coffee");
    Rejoin__Connected *answer = connected(&world.gateway, connect);
    assert_string_equal(answer->user, "bob");
    assert_int_equal(answer->n_rooms, 2);
    get_opened(&world.two);
    assert_none(&world.one, REJOIN__ITEM__KIND_OPENED);
    /* One that refuses is enough. */
    connect = say_connect(&world.gateway, 2, "/", NULL, NULL);
    let_in(&world.one, get_admission(&world.one), NULL, NULL);
    refuse(&world.two, get_admission(&world.two)->id, "", "no", NULL);
    assert_failed(&world.gateway, connect, "forbidden");
    close_world(&world);
}

static void without_an_instance_a_client_waits_and_is_not_let_in(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct serve_as as = doorman;
    as.timeout_ms = 1500;
    serve(&world.one, &as);
    assert_null(unserve(&world.one, "workers", false)->error);
    uint64_t first = say_connect(&world.gateway, 1, "/", NULL, NULL);
    assert_failed(&world.gateway, first, "unavailable");
    uint64_t second = say_connect(&world.gateway, 2, "/", NULL, NULL);
    assert_none(&world.gateway, REJOIN__ITEM__KIND_REPLY);
    serve(&world.two, &as);
    let_in(&world.two, get_admission(&world.two), NULL, NULL);
    connected(&world.gateway, second);
    get_opened(&world.two);
    /* And one that does not answer. */
    uint64_t third = say_connect(&world.gateway, 3, "/", NULL, NULL);
    uint64_t job = get_admission(&world.two)->id;
    assert_failed(&world.gateway, third, "timeout");
    assert_true(rj_test_failed_with(answer(&world.two, job, NULL), "timeout"));
    assert_true(rj_test_peer_metric(&world.two, "rejoin_broker_sessions") == 1);
    close_world(&world);
}

static void a_client_that_goes_meanwhile_leaves_nothing_behind(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    serve(&world.one, &doorman);
    uint64_t connect = say_connect(&world.gateway, 1, "/", NULL, NULL);
    uint64_t job = get_admission(&world.one)->id;
    assert_null(rj_test_disconnect(&world.gateway, 1, false)->error);
    assert_failed(&world.gateway, connect, "closed");
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_admissions_waiting") == 0);
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_jobs") == 0);
    assert_null(answer(&world.one, job, NULL)->error);
    assert_none(&world.one, REJOIN__ITEM__KIND_OPENED);
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_sessions") == 0);
    close_world(&world);
}

/* On a fresh stream the gateway repeats the Connects of clients that still wait, and only those. */
static void a_connect_repeated_on_a_fresh_stream_joins_its_admission(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    serve(&world.one, &doorman);
    say_connect(&world.gateway, 1, "/", NULL, NULL);
    say_connect(&world.gateway, 2, "/", NULL, NULL);
    say_connect(&world.gateway, 3, "/", NULL, NULL);
    Rejoin__Job *first = get_admission(&world.one), *second = get_admission(&world.one);
    get_admission(&world.one);
    rj_test_peer_close(&world.gateway);
    rj_test_peer_open(&world.gateway, world.broker.gateways);
    assert_non_null(rj_test_peer_hello_gateway(&world.gateway, "gateway-a", 0, 0));
    let_in(&world.one, first, "ann", NULL); /* while nobody is there to hear of it */
    uint64_t again_first = say_connect(&world.gateway, 1, "/", NULL, NULL);
    uint64_t again_second = say_connect(&world.gateway, 2, "/", NULL, NULL);
    rj_test_peer_ready(&world.gateway);
    assert_string_equal(connected(&world.gateway, again_first)->user, "ann");
    let_in(&world.one, second, "bob", NULL);
    assert_string_equal(connected(&world.gateway, again_second)->user, "bob");
    assert_none(&world.one, REJOIN__ITEM__KIND_JOB);
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_admissions_waiting") == 0);
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_jobs") == 0);
    close_world(&world);
}

static void the_number_of_those_that_wait_is_bounded(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){"--max-admissions", "2", NULL});
    serve(&world.one, &doorman);
    for (uint64_t client = 1; client <= 2; client++)
        say_connect(&world.gateway, client, "/", NULL, NULL);
    assert_failed(&world.gateway, say_connect(&world.gateway, 3, "/", NULL, NULL), "unavailable");
    let_in(&world.one, get_admission(&world.one), NULL, NULL);
    get_opened(&world.one);
    uint64_t fourth = say_connect(&world.gateway, 4, "/", NULL, NULL);
    get_admission(&world.one);
    let_in(&world.one, get_admission(&world.one), NULL, NULL);
    connected(&world.gateway, fourth);
    close_world(&world);
}

static void nothing_of_a_session_moves_before_its_client_is_let_in_again(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    serve(&world.one, &doorman);
    uint64_t connect = say_connect(&world.gateway, 1, "/", NULL, NULL);
    let_in(&world.one, get_admission(&world.one), "ann", "tea");
    Rejoin__Connected *who = connected(&world.gateway, connect);
    /* Somebody else presents its pid, and is refused: the first one stays. */
    connect = say_connect(&world.gateway, 2, "/", who->pid, NULL);
    Rejoin__Job *job = get_admission(&world.one);
    assert_true(job->connect->rejoining);
    assert_string_equal(job->connect->socket->sid, who->sid);
    assert_string_equal(job->connect->socket->user, "ann");
    assert_int_equal(job->connect->socket->n_rooms, 1);
    refuse(&world.one, job->id, "", "no", NULL);
    assert_failed(&world.gateway, connect, "forbidden");
    assert_null(rj_test_peer_expect(&world.gateway, REJOIN__ITEM__KIND_KICK, 0));
    rj_test_publish(&world.gateway, 1, "tea", "1", NULL);
    /* Another user gets a session of its own. */
    connect = say_connect(&world.gateway, 3, "/", who->pid, NULL);
    let_in(&world.one, get_admission(&world.one), "bob", NULL);
    Rejoin__Connected *other = connected(&world.gateway, connect);
    assert_false(other->recovered);
    assert_string_not_equal(other->sid, who->sid);
    /* The same one is restored, from the store, too: with a word about its user or without one. */
    const char *const users[] = {"ann", NULL};
    for (size_t i = 0; i < 2; i++) {
        assert_null(rj_test_disconnect(&world.gateway, i ? 4 : 1, false)->error);
        connect = say_connect(&world.gateway, 4 + i, "/", who->pid, NULL);
        job = get_admission(&world.one);
        assert_true(job->connect->rejoining);
        assert_string_equal(job->connect->socket->sid, who->sid);
        let_in(&world.one, job, users[i], "coffee");
        Rejoin__Connected *again = connected(&world.gateway, connect);
        assert_true(again->recovered);
        assert_string_equal(again->sid, who->sid);
        assert_string_equal(again->user, "ann");
        assert_int_equal(again->n_rooms, 2);
        assert_non_null(rj_test_peer_caught_up(&world.gateway, 4 + i));
    }
    close_world(&world);
}

static void assert_bytes(ProtobufCBinaryData bytes, const char *text)
{
    assert_int_equal(bytes.len, strlen(text));
    assert_memory_equal(bytes.data, text, bytes.len);
}

static void data_and_handshake_stay_with_the_session_across_a_broker_crash(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    serve(&world.one, &doorman);
    uint64_t connect = say_connect(&world.gateway, 1, "/", NULL, "{\"a\":1}");
    let_in_with(&world.one, get_admission(&world.one), "ann", NULL, "{\"color\":\"red\"}");
    char pid[32];
    snprintf(pid, sizeof pid, "%s", connected(&world.gateway, connect)->pid);
    Rejoin__Socket *socket = get_opened(&world.one)->socket;
    assert_bytes(socket->data, "{\"color\":\"red\"}");
    assert_bytes(socket->auth, "{\"a\":1}");
    assert_string_equal(socket->handshake->address, "192.0.2.7");
    assert_true(socket->connected_ms > 0);
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);
    rj_test_peer_close(&world.gateway);
    rj_test_peer_close(&world.one);
    open_backend(&world.broker, &world.one, "one-again");
    say_serve(&world.one, &doorman);
    open_gateway(&world.broker, &world.gateway, "gateway-a");
    connect = say_connect(&world.gateway, 1, "/", pid, "{\"a\":2}");
    Rejoin__Job *job = get_admission(&world.one);
    assert_bytes(job->connect->socket->data, "{\"color\":\"red\"}"); /* as it was */
    assert_bytes(job->connect->socket->auth, "{\"a\":2}");
    let_in_with(&world.one, job, "ann", NULL, NULL);
    assert_true(connected(&world.gateway, connect)->recovered);
    socket = get_opened(&world.one)->socket;
    assert_bytes(socket->data, "{\"color\":\"red\"}");
    assert_bytes(socket->auth, "{\"a\":2}");
    close_world(&world);
}

static void when_the_instance_is_lost_another_is_asked(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){"--lease", "3000", "--ping", "200", NULL});
    serve(&world.one, &doorman);
    uint64_t connect = say_connect(&world.gateway, 1, "/", NULL, NULL);
    get_admission(&world.one);
    serve(&world.two, &doorman);
    Rejoin__Item *item = wait_for(&world.two, REJOIN__ITEM__KIND_JOB, PEERS(&world.gateway));
    assert_true(item->job->repeated);
    let_in(&world.two, item->job, "ann", NULL);
    assert_string_equal(connected(&world.gateway, connect)->user, "ann");
    get_opened(&world.two);
    close_world(&world);
}

static void clients_of_a_lost_gateway_are_not_waited_for(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){"--lease", "3000", "--ping", "200", NULL});
    serve(&world.one, &doorman);
    say_connect(&world.gateway, 1, "/", NULL, NULL);
    uint64_t job = get_admission(&world.one)->id;
    assert_true(rj_eventually(
        RJ_TEST_DEADLINE_MS,
        (keep_alive(&world.two), rj_test_peer_metric(&world.one, "rejoin_broker_admissions_waiting") == 0)));
    assert_null(answer(&world.one, job, NULL)->error);
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_jobs") == 0);
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_sessions") == 0);
    close_world(&world);
}

static void when_a_group_is_forgotten_those_that_wait_for_it_come_again(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    serve(&world.one, &(struct serve_as){.group = "a", .admits = true, .sockets = true});
    serve(&world.two, &(struct serve_as){.group = "b", .admits = true, .sockets = true});
    uint64_t first = say_connect(&world.gateway, 1, "/", NULL, NULL);
    uint64_t second = say_connect(&world.gateway, 2, "/", NULL, NULL);
    let_in(&world.one, get_admission(&world.one), NULL, NULL);
    get_admission(&world.two);
    get_admission(&world.one);
    assert_null(unserve(&world.one, "a", true)->error);
    assert_failed(&world.gateway, first, "unavailable"); /* its place in the group went, too */
    assert_failed(&world.gateway, second, "unavailable");
    uint64_t third = say_connect(&world.gateway, 3, "/", NULL, NULL);
    let_in(&world.two, get_admission(&world.two), NULL, NULL);
    connected(&world.gateway, third);
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_jobs") == 0);
    close_world(&world);
}

static void answers_that_break_the_rules_are_refused_and_may_be_put_right(void **state)
{
    (void)state;
    struct world world;
    static char long_name[400];
    open_world(&world, NULL);
    memset(long_name, 'x', sizeof long_name - 1);
    serve(&world.one, &doorman);
    uint64_t connect = say_connect(&world.gateway, 1, "/", NULL, NULL);
    uint64_t job = get_admission(&world.one)->id;
    char *rooms[] = {long_name};
    Rejoin__Answer bad[4];
    for (size_t i = 0; i < 4; i++) {
        rejoin__answer__init(&bad[i]);
        bad[i].job = job;
    }
    bad[0].user_set = true;
    bad[0].user = long_name;
    bad[1].user_set = true;
    bad[1].user = "\xff";
    bad[2].rooms = rooms;
    bad[2].n_rooms = 1;
    bad[3].data = (ProtobufCBinaryData){1, (uint8_t *)(uintptr_t) "{"};
    for (size_t i = 0; i < 4; i++)
        assert_non_null(send_answer(&world.one, &bad[i])->error);
    assert_null(answer(&world.one, job, NULL)->error);
    connected(&world.gateway, connect);
    close_world(&world);
}

static void another_connect_of_a_client_that_waits_is_refused(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    serve(&world.one, &doorman);
    uint64_t first = say_connect(&world.gateway, 1, "/", NULL, NULL);
    Rejoin__Job *job = get_admission(&world.one);
    uint64_t second = say_connect(&world.gateway, 1, "/", NULL, NULL);
    assert_failed(&world.gateway, second, "conflict");
    let_in(&world.one, job, NULL, NULL);
    connected(&world.gateway, first);
    close_world(&world);
}

static void a_session_of_another_namespace_is_none_to_who_is_asked(void **state)
{
    (void)state;
    struct world world;
    const char *const args[] = {"--namespaces", "/,/other", NULL};
    open_world(&world, args);
    struct who who = enter(&world.gateway, 1);
    rj_test_peer_reply(&world.gateway, say_disconnect(&world.gateway, 1, "transport close", false));
    serve(&world.one, &(struct serve_as){.namespaces = (const char *const[]){"/other", NULL},
                                         .admits = true,
                                         .sockets = true});
    uint64_t connect = say_connect(&world.gateway, 2, "/other", who.pid, NULL);
    Rejoin__Job *job = get_admission(&world.one);
    assert_false(job->connect->rejoining);
    assert_string_not_equal(job->sid, who.sid);
    let_in(&world.one, job, NULL, NULL);
    assert_false(connected(&world.gateway, connect)->recovered);
    close_world(&world);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_client_is_let_in_when_the_backend_accepts_it),
    cmocka_unit_test(a_refusal_carries_message_and_data),
    cmocka_unit_test(all_groups_that_admit_are_asked_by_name_and_the_later_user_wins),
    cmocka_unit_test(without_an_instance_a_client_waits_and_is_not_let_in),
    cmocka_unit_test(a_client_that_goes_meanwhile_leaves_nothing_behind),
    cmocka_unit_test(a_connect_repeated_on_a_fresh_stream_joins_its_admission),
    cmocka_unit_test(another_connect_of_a_client_that_waits_is_refused),
    cmocka_unit_test(a_session_of_another_namespace_is_none_to_who_is_asked),
    cmocka_unit_test(the_number_of_those_that_wait_is_bounded),
    cmocka_unit_test(nothing_of_a_session_moves_before_its_client_is_let_in_again),
    cmocka_unit_test(data_and_handshake_stay_with_the_session_across_a_broker_crash),
    cmocka_unit_test(when_the_instance_is_lost_another_is_asked),
    cmocka_unit_test(clients_of_a_lost_gateway_are_not_waited_for),
    cmocka_unit_test(when_a_group_is_forgotten_those_that_wait_for_it_come_again),
    cmocka_unit_test(answers_that_break_the_rules_are_refused_and_may_be_put_right),
};

RJ_TEST_MAIN(tests)
