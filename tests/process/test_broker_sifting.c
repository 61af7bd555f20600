/* A gateway that comes back on a fresh stream without most of its clients, of which there are more than a
 * turn has time to detach: none of them is there for anybody from then on, and each can come back to its
 * session, whatever happens in the midst of it.
 */
#include "tests/process/rejoin_support.h"

enum { CLIENTS = 2500, STEP = 5, STAYING = CLIENTS / STEP };

/* Gateway b answers no Ping while the test is busy with a. */
static void open_patient_world(struct world *world)
{
    open_world(world, (const char *[]){"--lease", "60000", NULL});
}

static double metric(struct world *world, const char *name)
{
    return rj_test_peer_metric(&world->b, name);
}

static bool has_sessions(struct world *world, double n)
{
    return rj_eventually(RJ_TEST_DEADLINE_MS, metric(world, "rejoin_broker_sessions") == n);
}

/* Gateway a has had CLIENTS clients in the room when its connection ended, with all up to what is returned;
 * client 1 of gateway b has said "1" there since. */
static uint64_t lose_a(struct world *world, struct who *who)
{
    enter_many(&world->a, who, CLIENTS, "tea");
    enter(&world->b, 1, "tea");
    uint64_t upto = say(&world->b, 1, "tea", "0")->pos;
    rj_test_peer_close(&world->a);
    say(&world->b, 1, "tea", "1");
    return upto;
}

/* It is back with every STEPth of them, and says Ready, with what else is to stand in the same frame. */
static void come_back(struct world *world, struct who *who, uint64_t upto, Rejoin__Item *more)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Ready ready = REJOIN__READY__INIT;
    reopen_a(world, upto);
    for (uint64_t client = STEP; client <= CLIENTS; client += STEP)
        add_attach(&world->a, client, &who[client]);
    item.kind_case = REJOIN__ITEM__KIND_READY;
    item.ready = &ready;
    rj_test_peer_put(&world->a, &item);
    if (more)
        rj_test_peer_put(&world->a, more);
    rj_test_peer_flush(&world->a);
}

static void assert_comes_back(struct world *world, uint64_t client, const struct who *who)
{
    rejoin(&world->b, client, who, NULL);
    Rejoin__CaughtUp *caught_up = rj_test_peer_caught_up(&world->b, client);
    assert_true(caught_up && !caught_up->gap);
}

static size_t count(const struct rj_test_peer *peer, Rejoin__Item__KindCase kind)
{
    size_t n = 0;
    for (size_t i = 0; i < peer->n_items; i++)
        n += peer->items[i] && peer->items[i]->kind_case == kind;
    return n;
}

static void whom_a_gateway_does_not_name_is_gone_and_the_others_miss_nothing(void **state)
{
    (void)state;
    static struct who who[CLIENTS + 1];
    struct world world;
    open_patient_world(&world);
    come_back(&world, who, lose_a(&world, who), NULL);
    assert_true(has_sessions(&world, STAYING + 1));
    say(&world.b, 1, "tea", "2");
    for (uint8_t text = '1'; text <= '2'; text++) {
        const Rejoin__Deliver *deliver = rj_test_peer_deliver(&world.a, 0, RJ_TEST_DEADLINE_MS);
        assert_true(deliver && deliver->message->data.len == 1 && deliver->message->data.data[0] == text);
    }
    assert_int_equal(connected(rj_test_connect(&world.a, CLIENTS + 1, NULL, NULL))->recovered, false);
    const Rejoin__Reply *joined = rj_test_join(&world.a, CLIENTS + 1, "tea");
    assert_int_equal(joined->joined->members, STAYING + 2);
    assert_int_equal(count(&world.a, REJOIN__ITEM__KIND_KICK), 0);
    rejoin(&world.b, 2, &who[1], NULL);
    assert_replay(&world.b, 2, (const char *[]){"0", "1", "2", NULL});
    close_world(&world);
}

/* Its Connect is read before anybody has been detached. */
static void who_comes_back_before_his_turn_finds_his_session_without_a_connection(void **state)
{
    (void)state;
    static struct who who[CLIENTS + 1];
    struct world world;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    Rejoin__Connect connect = REJOIN__CONNECT__INIT;
    open_patient_world(&world);
    uint64_t upto = lose_a(&world, who);
    connect.namespace_ = "/";
    connect.pid = who[CLIENTS - 1].pid;
    command.kind_case = REJOIN__COMMAND__KIND_CONNECT;
    command.connect = &connect;
    command.client = CLIENTS + 1;
    command.id = CLIENTS + 1000; /* not one of the Attaches' */
    item.kind_case = REJOIN__ITEM__KIND_COMMAND;
    item.command = &command;
    come_back(&world, who, upto, &item);
    const Rejoin__Connected *answer = connected(rj_test_peer_reply(&world.a, command.id));
    assert_true(answer->recovered);
    assert_string_equal(answer->sid, who[CLIENTS - 1].sid);
    assert_replay(&world.a, CLIENTS + 1, (const char *[]){"0", "1", NULL});
    assert_true(has_sessions(&world, STAYING + 2));
    const char *detached = "rejoin_broker_recoveries_total{result=\"recovered\",reason=\"detached\"}";
    const char *taken_over = "rejoin_broker_recoveries_total{result=\"recovered\",reason=\"taken over\"}";
    assert_int_equal(metric(&world, detached), 1);
    assert_int_equal(metric(&world, taken_over), 0);
    assert_int_equal(count(&world.a, REJOIN__ITEM__KIND_KICK), 0);
    close_world(&world);
}

/* With however many of them detached by then. */
static void a_gateway_that_says_hello_again_in_the_midst_has_whom_it_names(void **state)
{
    (void)state;
    static struct who who[CLIENTS + 1];
    struct world world;
    open_patient_world(&world);
    uint64_t upto = lose_a(&world, who);
    come_back(&world, who, upto, NULL);
    metric(&world, "rejoin_broker_sessions");
    rj_test_peer_close(&world.a);
    reopen_a(&world, upto);
    for (uint64_t client = 1; client <= CLIENTS; client++)
        add_attach(&world.a, client, &who[client]);
    rj_test_peer_ready(&world.a);
    assert_true(has_sessions(&world, CLIENTS + 1));
    const Rejoin__Deliver *deliver = rj_test_peer_deliver(&world.a, 0, RJ_TEST_DEADLINE_MS);
    assert_true(deliver && deliver->message->data.data[0] == '1');
    for (size_t i = 0; i < world.a.n_items; i++)
        assert_false(world.a.items[i] && world.a.items[i]->kind_case == REJOIN__ITEM__KIND_REPLY &&
                     world.a.items[i]->reply->error);
    close_world(&world);
}

static void a_gateway_that_ends_in_the_midst_leaves_nobody_behind(void **state)
{
    (void)state;
    static struct who who[CLIENTS + 1];
    struct world world;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Bye bye = REJOIN__BYE__INIT;
    open_patient_world(&world);
    come_back(&world, who, lose_a(&world, who), NULL);
    metric(&world, "rejoin_broker_sessions");
    item.kind_case = REJOIN__ITEM__KIND_BYE;
    item.bye = &bye;
    rj_test_peer_put(&world.a, &item);
    rj_test_peer_flush(&world.a);
    assert_true(has_sessions(&world, 1));
    assert_comes_back(&world, 2, &who[1]);
    assert_comes_back(&world, 3, &who[CLIENTS]);
    close_world(&world);
}

static void a_broker_killed_in_the_midst_has_all_their_sessions(void **state)
{
    (void)state;
    static struct who who[CLIENTS + 1];
    struct world world;
    open_patient_world(&world);
    come_back(&world, who, lose_a(&world, who), NULL);
    metric(&world, "rejoin_broker_sessions");
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);
    rj_test_peer_close(&world.b);
    open_gateway(&world.broker, &world.b, "gateway-b");
    uint64_t some[] = {1, 2, STEP, CLIENTS / 2, CLIENTS - 1, CLIENTS};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        rejoin(&world.b, 2 + i, &who[some[i]], NULL);
        assert_replay(&world.b, 2 + i, (const char *[]){"0", "1", NULL});
    }
    close_world(&world);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(whom_a_gateway_does_not_name_is_gone_and_the_others_miss_nothing),
    cmocka_unit_test(who_comes_back_before_his_turn_finds_his_session_without_a_connection),
    cmocka_unit_test(a_gateway_that_says_hello_again_in_the_midst_has_whom_it_names),
    cmocka_unit_test(a_gateway_that_ends_in_the_midst_leaves_nobody_behind),
    cmocka_unit_test(a_broker_killed_in_the_midst_has_all_their_sessions),
};

RJ_TEST_MAIN(tests)
