/* Instances of a group on a real broker: how they share its sockets, and what becomes of sockets and events
 * when instances, gateways or the broker end.
 */
#include "tests/process/serve_support.h"

static const char *const quick[] = {"--lease", "3000", "--ping", "200", NULL};
static const struct serve_as everything = {.all_events = true};

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

static void attach(struct rj_test_peer *gateway, uint64_t client, const struct who *who)
{
    Rejoin__Reply *reply =
        rj_test_peer_reply(gateway, say_attach(gateway, client, who->pid, who->sid, who->incarnation));
    assert_true(reply && !reply->error);
}

/* ------------------------------------------------------------------------------------------ sockets */

static void instances_share_the_sockets_evenly(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    serve(&world.one, &everything);
    serve(&world.two, &everything);
    for (uint64_t client = 1; client <= 6; client++)
        enter(&world.gateway, client);
    for (int i = 0; i < 3; i++) {
        get_opened(&world.one);
        get_opened(&world.two);
    }
    assert_none(&world.one, REJOIN__ITEM__KIND_OPENED);
    assert_none(&world.two, REJOIN__ITEM__KIND_OPENED);
    close_world(&world);
}

static void the_end_of_a_socket_is_told_with_its_reason_and_rooms(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    serve(&world.one, &(struct serve_as){.sockets = true});
    const struct {
        const char *reason, *heard;
        bool left;
    } cases[] = {
        {"transport close", "transport close", false},
        {"ping timeout", "ping timeout", false},
        {"client namespace disconnect", "client namespace disconnect", true},
        {"nonsense", "transport close", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct who who = enter(&world.gateway, i + 1);
        rj_test_join(&world.gateway, i + 1, "tea");
        say_disconnect(&world.gateway, i + 1, cases[i].reason, cases[i].left);
        Rejoin__Closed *closed = get_closed(&world.one);
        assert_string_equal(closed->sid, who.sid);
        assert_string_equal(closed->namespace_, "/");
        assert_string_equal(closed->group, "workers");
        assert_string_equal(closed->reason, cases[i].heard);
        assert_int_equal(closed->n_rooms, 1);
        assert_string_equal(closed->rooms[0], "tea");
        assert_string_equal(get_opened(&world.one)->socket->sid, who.sid);
    }
    close_world(&world);
}

static void sockets_that_were_there_before_are_adopted_then_the_serve_is_answered(void **state)
{
    (void)state;
    enum { N = 300 };
    struct world world;
    open_world(&world, NULL);
    for (uint64_t client = 1; client <= N; client++)
        enter(&world.gateway, client);
    assert_int_equal(serve(&world.one, &everything)->sockets, N);
    for (int i = 0; i < N; i++) {
        Rejoin__Item *item =
            rj_test_peer_expect(&world.one, REJOIN__ITEM__KIND_OPENED, 0); /* before Served */
        assert_true(item && item->opened->adopted);
    }
    assert_int_equal(serve(&world.two, &everything)->sockets, 0);
    /* Those of one that leaves go to the other. */
    assert_null(unserve(&world.one, "workers", false)->error);
    for (int i = 0; i < N; i++)
        assert_true(get_opened(&world.two)->adopted);
    assert_none(&world.one, REJOIN__ITEM__KIND_CLOSED);
    close_world(&world);
}

static void a_socket_that_comes_back_is_closed_before_it_is_opened_again(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    serve(&world.one, &(struct serve_as){.all_events = true, .window = 1});
    serve(&world.two, &(struct serve_as){.all_events = true, .window = 1});
    struct who who = enter(&world.gateway, 1);
    get_opened(&world.one);
    uint64_t first = say_event(&world.gateway, 1, "first", "[]", 0, false);
    Rejoin__Job *job = get_event(&world.one, "first");
    say_event(&world.gateway, 1, "second", "[]", 0, false);
    /* Taken over while an event waits: that is given, then the end, then the new connection. */
    Rejoin__Reply *reply = rj_test_connect(&world.gateway, 2, who.pid, NULL);
    assert_true(reply && !reply->error && reply->connected->recovered);
    assert_non_null(rj_test_peer_kick(&world.gateway, 1));
    say_event(&world.gateway, 2, "third", "[]", 0, false);
    assert_none(&world.one, REJOIN__ITEM__KIND_OPENED);
    assert_none(&world.one, REJOIN__ITEM__KIND_CLOSED);
    answer(&world.one, job->id, "[]");
    assert_acked(&world.gateway, first, "[]"); /* the gateway knows that client 1 is gone */
    job = get_event(&world.one, "second");
    assert_string_equal(get_closed(&world.one)->sid, who.sid);
    Rejoin__Opened *opened = get_opened(&world.one);
    assert_string_equal(opened->socket->sid, who.sid);
    assert_true(opened->recovered && !opened->adopted);
    assert_none(&world.one, REJOIN__ITEM__KIND_JOB);
    answer(&world.one, job->id, "[]");
    get_event(&world.one, "third");
    assert_none(&world.two, REJOIN__ITEM__KIND_OPENED);
    close_world(&world);
}

static void events_that_wait_when_their_socket_goes_are_still_given(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    serve(&world.one, &(struct serve_as){.all_events = true, .window = 1});
    enter(&world.gateway, 1);
    say_event(&world.gateway, 1, "a", "[]", 0, false);
    say_event(&world.gateway, 1, "b", "[]", 0, false);
    say_event(&world.gateway, 1, "c", "[]", 0, false);
    say_disconnect(&world.gateway, 1, "transport close", false);
    answer(&world.one, get_event(&world.one, "a")->id, NULL);
    Rejoin__Job *job = get_event(&world.one, "b");
    assert_none(&world.one, REJOIN__ITEM__KIND_CLOSED);
    answer(&world.one, job->id, NULL);
    job = get_event(&world.one, "c");
    get_closed(&world.one);
    answer(&world.one, job->id, NULL);
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_jobs") == 0);
    close_world(&world);
}

static void a_gateway_that_is_lost_closes_its_sockets(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, quick);
    serve(&world.one, &everything);
    struct who who = enter(&world.gateway, 1);
    Rejoin__Item *item = wait_for(&world.one, REJOIN__ITEM__KIND_CLOSED, PEERS(&world.two));
    assert_string_equal(item->closed->sid, who.sid);
    assert_string_equal(item->closed->reason, "transport error");
    close_world(&world);
}

static void a_pattern_names_the_namespaces_of_a_group(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, quick);
    serve(&world.one,
          &(struct serve_as){.namespaces = (const char *[]){"/shop-*", NULL}, .all_events = true});
    Rejoin__Reply *reply =
        rj_test_peer_reply(&world.gateway, say_connect(&world.gateway, 1, "/shop-7", NULL, NULL));
    assert_true(reply && !reply->error);
    assert_string_equal(get_opened(&world.one)->socket->namespace_, "/shop-7");
    enter(&world.gateway, 2);
    assert_failed(&world.gateway, say_event(&world.gateway, 2, "order", "[]", 0, false), "no_handler");
    /* An unknown one waits for a moment after the start: a backend may be on its way. */
    uint64_t early = say_connect(&world.gateway, 3, "/cafe", NULL, NULL);
    uint64_t unknown = say_connect(&world.gateway, 4, "/bar", NULL, NULL);
    say_connect(&world.gateway, 5, "bar", NULL, NULL);
    assert_true(rj_test_peer_metric(&world.gateway, "rejoin_broker_admissions_waiting") == 2);
    serve(&world.two, &(struct serve_as){
                          .group = "cafe", .namespaces = (const char *[]){"/cafe", NULL}, .sockets = true});
    reply = rj_test_peer_reply(&world.gateway, early);
    assert_true(reply && !reply->error);
    assert_failed(&world.gateway, unknown, "invalid_namespace");
    close_world(&world);
}

static void every_serve_gets_its_answer_when_all_sockets_are_told(void **state)
{
    enum { SERVES = 6, SOCKETS = 20 };
    (void)state;
    struct world world;
    uint64_t serves[SERVES];
    open_world(&world, NULL);
    for (uint64_t client = 1; client <= SOCKETS; client++)
        enter(&world.gateway, client);
    for (int i = 0; i < SERVES; i++)
        serves[i] = say_serve(&world.one, i % 2 ? &everything : &(struct serve_as){.sockets = true});
    for (int i = 0; i < SERVES; i++) {
        const Rejoin__Reply *reply = rj_test_peer_reply(&world.one, serves[i]);
        assert_true(reply && !reply->error);
        assert_int_equal(reply->result_case, REJOIN__REPLY__RESULT_SERVED);
        assert_int_equal(reply->served->sockets, SOCKETS);
    }
    close_world(&world);
}

static void serves_beyond_a_bound_are_refused_while_earlier_ones_wait(void **state)
{
    enum { SERVES = 40 };
    (void)state;
    struct world world;
    uint64_t serves[SERVES];
    unsigned n_served = 0, n_busy = 0;
    open_world(&world, NULL);
    for (int i = 0; i < SERVES; i++)
        serves[i] = say_serve(&world.one, i % 2 ? &everything : &(struct serve_as){.sockets = true});
    for (int i = 0; i < SERVES; i++) {
        const Rejoin__Reply *reply = rj_test_peer_reply(&world.one, serves[i]);
        assert_non_null(reply);
        n_served += !reply->error && reply->result_case == REJOIN__REPLY__RESULT_SERVED;
        n_busy += rj_test_failed_with(reply, "busy");
    }
    assert_true(n_served > 0); /* how many are refused is a matter of turns */
    assert_int_equal(n_served + n_busy, SERVES);
    close_world(&world);
}

static void a_namespace_that_a_group_drops_ends_its_sockets_for_all_instances(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    static const char *const both[] = {"/", "/chat", NULL};
    const struct serve_as wide = {.namespaces = both, .all_events = true};
    serve(&world.one, &wide);
    uint64_t connect = say_connect(&world.gateway, 1, "/chat", NULL, NULL);
    const Rejoin__Reply *reply = rj_test_peer_reply(&world.gateway, connect);
    assert_true(reply && !reply->error);
    char sid[32];
    snprintf(sid, sizeof sid, "%s", reply->connected->sid);
    assert_string_equal(get_opened(&world.one)->socket->sid, sid);
    uint64_t event = say_event(&world.gateway, 1, "order", "[]", 0, false);
    uint64_t job = get_event(&world.one, "order")->id;
    enter(&world.gateway, 2); /* in "/": stays */
    get_opened(&world.one);

    serve(&world.two, &everything); /* of the same group, without /chat */
    assert_failed(&world.gateway, event, "unavailable");
    const Rejoin__Closed *closed = get_closed(&world.one);
    assert_string_equal(closed->sid, sid);
    assert_string_equal(closed->namespace_, "/chat");
    assert_none(&world.one, REJOIN__ITEM__KIND_CLOSED);
    assert_none(&world.two, REJOIN__ITEM__KIND_OPENED);
    assert_true(rj_test_failed_with(answer(&world.one, job, "[]"), "unavailable"));
    event = say_event(&world.gateway, 1, "order", "[]", 0, false);
    assert_failed(&world.gateway, event, "no_handler");

    /* And back: to the one with the fewest. */
    serve(&world.one, &wide);
    const Rejoin__Opened *opened = get_opened(&world.two);
    assert_string_equal(opened->socket->sid, sid);
    assert_true(opened->adopted);
    close_world(&world);
}

static void an_unknown_namespace_is_refused_soon_after_backends_have_come(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){"--lease", "3600000", "--ping", "100", NULL});
    /* Nobody has come yet: the client waits … */
    uint64_t early = say_connect(&world.gateway, 1, "/bar", NULL, NULL);
    assert_true(rj_test_peer_metric(&world.gateway, "rejoin_broker_admissions_waiting") == 1);
    /* … but not for the hour when those that have do not serve it. */
    serve(&world.one, &everything);
    assert_failed(&world.gateway, early, "invalid_namespace");
    assert_failed(&world.gateway, say_connect(&world.gateway, 2, "/bar", NULL, NULL), "invalid_namespace");
    close_world(&world);
}

/* ------------------------------------------------------------------------------------------ lost instances
 */

static void sockets_and_events_of_a_silent_instance_go_to_another_after_its_lease(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, quick);
    serve(&world.one, &(struct serve_as){.all_events = true, .window = 1});
    struct who who = enter(&world.gateway, 1);
    uint64_t given = say_event(&world.gateway, 1, "given", "[]", 0, false);
    uint64_t waits = say_event(&world.gateway, 1, "waits", "[]", 0, false);
    Rejoin__Job *job = get_event(&world.one, "given");
    uint64_t id = job->id;
    serve(&world.two, &everything);
    Rejoin__Item *item = wait_for(&world.two, REJOIN__ITEM__KIND_OPENED, PEERS(&world.gateway));
    assert_string_equal(item->opened->socket->sid, who.sid);
    assert_true(item->opened->adopted);
    job = get_event(&world.two, "given");
    assert_true(job->repeated);
    assert_int_equal(job->id, id);
    answer(&world.two, job->id, "[2]");
    assert_acked(&world.gateway, given, "[2]");
    job = get_event(&world.two, "waits");
    assert_false(job->repeated);
    answer(&world.two, job->id, "[3]");
    assert_acked(&world.gateway, waits, "[3]");
    assert_true(rj_test_peer_metric(&world.two, "rejoin_broker_instances_lost_total") == 1);
    assert_true(rj_test_peer_metric(&world.two, "rejoin_broker_instances") == 1);

    /* It wakes up: nothing is its own any more, and it is told so. */
    keep_alive(&world.one);
    rj_test_peer_close(&world.one);
    open_backend(&world.broker, &world.one, "one");
    assert_true(rj_test_failed_with(answer(&world.one, id, "[1]"), "conflict"));
    assert_null(answer(&world.two, id, "[2]")->error);
    assert_int_equal(serve(&world.one, &everything)->sockets, 0);
    close_world(&world);
}

static void an_instance_that_is_back_within_its_lease_keeps_its_sockets_and_events(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    serve(&world.one, &everything);
    serve(&world.two, &everything);
    struct who who = enter(&world.gateway, 1);
    get_opened(&world.one);
    uint64_t event = say_event(&world.gateway, 1, "order", "[]", 0, false);
    uint64_t answered = say_event(&world.gateway, 1, "pay", "[]", 0, false);
    Rejoin__Job *job = get_event(&world.one, "order");
    uint64_t order = job->id, pay = get_event(&world.one, "pay")->id;
    rj_test_peer_close(&world.one);
    open_backend(&world.broker, &world.one, "one");
    /* What it has to say comes first: an answer that was lost with the stream. */
    answer(&world.one, pay, "[\"paid\"]");
    assert_acked(&world.gateway, answered, "[\"paid\"]");
    assert_int_equal(serve(&world.one, &everything)->sockets, 1);
    Rejoin__Opened *opened = get_opened(&world.one);
    assert_string_equal(opened->socket->sid, who.sid);
    assert_true(opened->adopted);
    job = get_event(&world.one, "order");
    assert_int_equal(job->id, order);
    assert_true(job->repeated);
    answer(&world.one, order, "[]");
    assert_acked(&world.gateway, event, "[]");
    assert_none(&world.one, REJOIN__ITEM__KIND_JOB);
    assert_none(&world.two, REJOIN__ITEM__KIND_OPENED);
    close_world(&world);
}

static void a_backend_that_says_hello_but_serves_no_more_is_replaced(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, quick);
    serve(&world.one, &everything);
    enter(&world.gateway, 1);
    serve(&world.two, &everything);
    rj_test_peer_close(&world.one);
    open_backend(&world.broker, &world.one, "one");
    wait_for(&world.two, REJOIN__ITEM__KIND_OPENED, PEERS(&world.gateway, &world.one));
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_backends") == 2);
    close_world(&world);
}

static void a_group_may_want_lost_events_to_fail(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, quick);
    serve(&world.one, &(struct serve_as){.all_events = true, .fails_lost = true, .window = 1});
    enter(&world.gateway, 1);
    uint64_t given = say_event(&world.gateway, 1, "given", "[]", 0, false);
    uint64_t waits = say_event(&world.gateway, 1, "waits", "[]", 0, false);
    get_event(&world.one, "given");
    serve(&world.two, &(struct serve_as){.all_events = true, .fails_lost = true});
    wait_for(&world.two, REJOIN__ITEM__KIND_OPENED, PEERS(&world.gateway));
    assert_failed(&world.gateway, given, "unavailable");
    answer(&world.two, get_event(&world.two, "waits")->id, "[]");
    assert_acked(&world.gateway, waits, "[]");
    close_world(&world);
}

static void events_of_a_group_without_instances_wait_for_one_then_fail(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    serve(&world.one, &(struct serve_as){.all_events = true, .timeout_ms = 1500});
    assert_null(unserve(&world.one, "workers", false)->error);
    enter(&world.gateway, 1);
    uint64_t first = say_event(&world.gateway, 1, "first", "[]", 0, false);
    assert_failed(&world.gateway, first, "unavailable");
    uint64_t second = say_event(&world.gateway, 1, "second", "[]", 0, false);
    serve(&world.two, &everything);
    assert_true(get_opened(&world.two)->adopted == false);
    Rejoin__Job *job = get_event(&world.two, "second");
    assert_false(job->repeated);
    answer(&world.two, job->id, "[]");
    assert_acked(&world.gateway, second, "[]");
    close_world(&world);
}

static void the_end_of_a_socket_reaches_the_next_instance_when_its_own_is_lost(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, quick);
    serve(&world.one, &everything);
    struct who who = enter(&world.gateway, 1);
    get_opened(&world.one);
    rj_test_peer_close(&world.one);
    assert_true(rj_eventually(
        RJ_TEST_DEADLINE_MS,
        (keep_alive(&world.two), rj_test_peer_metric(&world.gateway, "rejoin_broker_instances") == 0)));
    say_disconnect(&world.gateway, 1, "ping timeout", false);
    serve(&world.two, &everything);
    Rejoin__Opened *opened = get_opened(&world.two);
    assert_string_equal(opened->socket->sid, who.sid);
    assert_true(opened->adopted);
    Rejoin__Closed *closed = get_closed(&world.two);
    assert_string_equal(closed->sid, who.sid);
    assert_string_equal(closed->reason, "ping timeout");
    close_world(&world);
}

/* ------------------------------------------------------------------------------------------ repetitions */

static void an_event_repeated_on_a_new_stream_finds_its_job(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    serve(&world.one, &everything);
    struct who who = enter(&world.gateway, 1);
    uint64_t order = say_event(&world.gateway, 1, "order", "[]", 0, false);
    uint64_t pay = say_event(&world.gateway, 1, "pay", "[]", 0, false);
    uint64_t job = get_event(&world.one, "order")->id;
    answer(&world.one, get_event(&world.one, "pay")->id, "[\"paid\"]");
    rj_test_peer_close(&world.gateway); /* the answer may have been lost with it */
    rj_test_peer_open(&world.gateway, world.broker.gateways);
    assert_non_null(rj_test_peer_hello_gateway(&world.gateway, "gateway-a", 0, 0));
    world.gateway.last_command = 1000;
    attach(&world.gateway, 1, &who);
    say_event(&world.gateway, 1, "order", "[]", order, true);
    say_event(&world.gateway, 1, "pay", "[]", pay, true);
    rj_test_peer_ready(&world.gateway);
    assert_acked(&world.gateway, pay, "[\"paid\"]");
    answer(&world.one, job, "[\"made\"]");
    assert_acked(&world.gateway, order, "[\"made\"]");
    assert_none(&world.one, REJOIN__ITEM__KIND_JOB);
    get_opened(&world.one);
    assert_none(&world.one, REJOIN__ITEM__KIND_OPENED);
    close_world(&world);
}

static void after_a_broker_crash_groups_are_remembered_and_repeated_events_say_so(void **state)
{
    (void)state;
    struct world world;
    static const char *const shop[] = {"/", "/shop", NULL};
    open_world(&world, (const char *[]){"--lease", "5000", "--ping", "200", NULL});
    serve(&world.one, &(struct serve_as){.namespaces = shop, .all_events = true});
    struct who who = enter(&world.gateway, 1);
    uint64_t order = say_event(&world.gateway, 1, "order", "[]", 0, false);
    uint64_t job = get_event(&world.one, "order")->id;
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);
    rj_test_peer_close(&world.gateway);
    rj_test_peer_close(&world.one);
    open_backend(&world.broker, &world.one, "one");
    answer(&world.one, job, "[\"lost\"]"); /* of a job that this broker does not know */
    uint64_t served = say_serve(&world.one, &(struct serve_as){.namespaces = shop, .all_events = true});
    rj_test_peer_open(&world.gateway, world.broker.gateways);
    assert_non_null(rj_test_peer_hello_gateway(&world.gateway, "gateway-a", 0, 0));
    world.gateway.last_command = 1000;
    attach(&world.gateway, 1, &who);
    say_event(&world.gateway, 1, "order", "[]", order, true);
    rj_test_peer_ready(&world.gateway);
    Rejoin__Opened *opened = get_opened(&world.one);
    assert_string_equal(opened->socket->sid, who.sid);
    assert_true(opened->adopted);
    Rejoin__Job *again = get_event(&world.one, "order");
    assert_true(again->repeated);
    assert_int_not_equal(again->id, job);
    /* Gateways had a lease to come back before the instance is told that this is all. */
    assert_null(rj_test_peer_expect(&world.one, REJOIN__ITEM__KIND_REPLY, 0));
    answer(&world.one, again->id, "[]");
    assert_acked(&world.gateway, order, "[]");
    Rejoin__Item *item = wait_for(&world.one, REJOIN__ITEM__KIND_REPLY, PEERS(&world.gateway));
    assert_int_equal(item->reply->id, served);
    assert_int_equal(item->reply->served->sockets, 1);

    /* The namespace is known without anybody serving it. */
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);
    rj_test_peer_close(&world.gateway);
    open_gateway(&world.broker, &world.gateway, "gateway-b");
    Rejoin__Reply *reply =
        rj_test_peer_reply(&world.gateway, say_connect(&world.gateway, 1, "/shop", NULL, NULL));
    assert_true(reply && !reply->error);
    assert_true(rj_test_peer_metric(&world.gateway, "rejoin_broker_groups") == 1);
    close_world(&world);
}

static void a_group_is_forgotten_when_its_last_instance_says_so_or_after_a_sessions_lifetime(void **state)
{
    (void)state;
    struct world world;
    static const char *const shop[] = {"/shop", NULL};
    open_world(&world,
               (const char *[]){"--session-lifetime", "3000", "--lease", "3000", "--ping", "200", NULL});
    struct serve_as as = {.namespaces = shop, .all_events = true};
    serve(&world.one, &as);
    serve(&world.two, &as);
    assert_null(unserve(&world.one, "workers", true)->error);
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_groups") == 1);
    Rejoin__Reply *reply =
        rj_test_peer_reply(&world.gateway, say_connect(&world.gateway, 1, "/shop", NULL, NULL));
    assert_true(reply && !reply->error);
    uint64_t event = say_event(&world.gateway, 1, "order", "[]", 0, false);
    get_event(&world.two, "order");
    assert_null(unserve(&world.two, "workers", true)->error);
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_groups") == 0);
    assert_failed(&world.gateway, event, "unavailable");
    assert_failed(&world.gateway, say_event(&world.gateway, 1, "order", "[]", 0, false), "no_handler");

    serve(&world.one, &as);
    assert_null(unserve(&world.one, "workers", false)->error);
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_groups") == 1);
    assert_true(
        rj_eventually(RJ_TEST_DEADLINE_MS, (keep_alive(&world.gateway), keep_alive(&world.two),
                                            rj_test_peer_metric(&world.one, "rejoin_broker_groups") == 0)));
    assert_failed(&world.gateway, say_connect(&world.gateway, 2, "/shop", NULL, NULL), "invalid_namespace");
    close_world(&world);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(instances_share_the_sockets_evenly),
    cmocka_unit_test(the_end_of_a_socket_is_told_with_its_reason_and_rooms),
    cmocka_unit_test(sockets_that_were_there_before_are_adopted_then_the_serve_is_answered),
    cmocka_unit_test(a_socket_that_comes_back_is_closed_before_it_is_opened_again),
    cmocka_unit_test(events_that_wait_when_their_socket_goes_are_still_given),
    cmocka_unit_test(a_gateway_that_is_lost_closes_its_sockets),
    cmocka_unit_test(a_pattern_names_the_namespaces_of_a_group),
    cmocka_unit_test(an_unknown_namespace_is_refused_soon_after_backends_have_come),
    cmocka_unit_test(every_serve_gets_its_answer_when_all_sockets_are_told),
    cmocka_unit_test(serves_beyond_a_bound_are_refused_while_earlier_ones_wait),
    cmocka_unit_test(a_namespace_that_a_group_drops_ends_its_sockets_for_all_instances),
    cmocka_unit_test(sockets_and_events_of_a_silent_instance_go_to_another_after_its_lease),
    cmocka_unit_test(an_instance_that_is_back_within_its_lease_keeps_its_sockets_and_events),
    cmocka_unit_test(a_backend_that_says_hello_but_serves_no_more_is_replaced),
    cmocka_unit_test(a_group_may_want_lost_events_to_fail),
    cmocka_unit_test(events_of_a_group_without_instances_wait_for_one_then_fail),
    cmocka_unit_test(the_end_of_a_socket_reaches_the_next_instance_when_its_own_is_lost),
    cmocka_unit_test(an_event_repeated_on_a_new_stream_finds_its_job),
    cmocka_unit_test(after_a_broker_crash_groups_are_remembered_and_repeated_events_say_so),
    cmocka_unit_test(a_group_is_forgotten_when_its_last_instance_says_so_or_after_a_sessions_lifetime),
};

RJ_TEST_MAIN(tests)
