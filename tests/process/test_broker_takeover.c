/* Sessions that are presented while they still have a connection, or that cannot be restored: who gets what,
 * and that it is counted.
 */
#include <stdlib.h>

#include "tests/process/rejoin_support.h"

static double recoveries(struct world *world, const char *result, const char *reason)
{
    char name[160];
    snprintf(name, sizeof name, "rejoin_broker_recoveries_total{result=\"%s\",reason=\"%s\"}", result,
             reason);
    return rj_test_peer_metric(&world->b, name);
}

static void assert_refused(struct rj_test_peer *peer, uint64_t client, const struct who *who,
                           const char *offset)
{
    const Rejoin__Connected *answer = connected(rj_test_connect(peer, client, who->pid, offset));
    assert_false(answer->recovered);
    assert_string_not_equal(answer->pid, who->pid);
    assert_string_not_equal(answer->sid, who->sid);
    assert_int_equal(answer->n_rooms, 0);
}

static void every_recovery_is_counted_with_its_reason(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){"--retention-rules", "tea count=1", NULL});
    struct who who = enter(&world.a, 1, "tea"), gone = enter(&world.a, 2, NULL);
    rj_test_disconnect(&world.a, 2, true);
    assert_refused(&world.b, 2, &gone, NULL);
    assert_int_equal(recoveries(&world, "fresh", "left"), 1);
    assert_refused(&world.b, 3, &who, "zz9.5");
    assert_int_equal(recoveries(&world, "fresh", "offset"), 1);
    rejoin(&world.b, 4, &who, NULL);
    assert_int_equal(recoveries(&world, "recovered", "taken over"), 1);
    rj_test_disconnect(&world.b, 4, false);
    rejoin(&world.a, 5, &who, NULL);
    assert_int_equal(recoveries(&world, "recovered", "detached"), 1);
    rj_test_disconnect(&world.a, 5, false);
    enter(&world.b, 6, "tea");
    for (unsigned i = 0; i < 3; i++)
        say(&world.b, 6, "tea", "1"); /* of which the store keeps one */
    assert_refused(&world.a, 6, &who, NULL);
    assert_int_equal(recoveries(&world, "fresh", "gap"), 1);
    close_world(&world);
}

/* A copy of the data folder that nobody has marked as one: only what a gateway has seen tells. */
static void a_store_that_went_back_restores_nobody_from_before(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who old = enter(&world.a, 1, "tea"), live = enter(&world.a, 2, NULL);
    rj_test_disconnect(&world.a, 1, false);
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);
    struct rj_test_peer c = {0}, d = {0};
    rj_test_peer_open(&c, world.broker.gateways);
    assert_true(rj_test_peer_hello_gateway(&c, "gateway-c", world.epoch, 1000)->reset);
    rj_test_peer_ready(&c);
    assert_refused(&c, 1, &old, NULL);
    assert_true(rj_test_failed_with(attach(&c, 2, &live, live.incarnation), "not_found"));
    assert_int_equal(
        rj_test_peer_metric(&c, "rejoin_broker_recoveries_total{result=\"fresh\",reason=\"restored\"}"), 1);
    struct who fresh = enter(&c, 3, "tea");
    rj_test_disconnect(&c, 3, false);
    rejoin(&c, 4, &fresh, NULL);

    /* It is kept. */
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);
    open_gateway(&world.broker, &d, "gateway-d");
    assert_refused(&d, 1, &live, NULL);
    rejoin(&d, 2, &fresh, NULL);
    rj_test_peer_close(&c);
    rj_test_peer_close(&d);
    close_world(&world);
}

/* ------------------------------------------------------------------------------------------ contests */

static const char *const patient[] = {"--contest-timeout", "60000", NULL};
static const char *const quick[] = {"--contest-timeout", "100", NULL};

static uint64_t present(struct rj_test_peer *peer, uint64_t client, const struct who *who)
{
    Rejoin__Connect connect = REJOIN__CONNECT__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    connect.namespace_ = (char *)(uintptr_t) "/";
    connect.pid = (char *)(uintptr_t)who->pid;
    command.kind_case = REJOIN__COMMAND__KIND_CONNECT;
    command.connect = &connect;
    return rj_test_peer_command(peer, client, &command);
}

static void expect_probe(struct rj_test_peer *peer, uint64_t client)
{
    Rejoin__Item *item = rj_test_peer_expect(peer, REJOIN__ITEM__KIND_PROBE, RJ_TEST_DEADLINE_MS);
    assert_non_null(item);
    assert_int_equal(item->probe->client, client);
}

static void say_alive(struct rj_test_peer *peer, uint64_t client)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Alive alive = REJOIN__ALIVE__INIT;
    alive.client = client;
    item.kind_case = REJOIN__ITEM__KIND_ALIVE;
    item.alive = &alive;
    rj_test_peer_put(peer, &item);
    rj_test_peer_flush(peer);
}

static const Rejoin__Connected *answer_to(struct rj_test_peer *peer, uint64_t command)
{
    return connected(rj_test_peer_reply(peer, command));
}

/* Everything that was sent before has been dealt with, and the command was not answered. */
static void assert_waits(struct rj_test_peer *peer, uint64_t command)
{
    Rejoin__Item *item;
    rj_test_peer_metric(peer, "rejoin_broker_uptime_ms");
    while ((item = rj_test_peer_expect(peer, REJOIN__ITEM__KIND_REPLY, 0)))
        assert_int_not_equal(item->reply->id, command);
}

/* Client 5 at gateway b has just taken the session over from client 1 at gateway a. */
static struct who begin_contested(struct world *world, const char *const args[])
{
    open_world(world, args);
    struct who who = enter(&world->a, 1, "tea");
    rejoin(&world->b, 5, &who, NULL);
    assert_non_null(rj_test_peer_kick(&world->a, 1));
    return who;
}

static void who_has_just_taken_over_keeps_the_session_while_it_lives(void **state)
{
    (void)state;
    struct world world;
    struct who who = begin_contested(&world, patient);
    uint64_t rival = present(&world.a, 2, &who);
    expect_probe(&world.b, 5);
    assert_waits(&world.a, rival);
    say_alive(&world.b, 5);
    const Rejoin__Connected *answer = answer_to(&world.a, rival);
    assert_false(answer->recovered);
    assert_string_not_equal(answer->pid, who.pid);
    assert_string_not_equal(answer->sid, who.sid);
    assert_int_equal(recoveries(&world, "fresh", "contested"), 1);
    say(&world.b, 5, "tea", "1"); /* the session is as it was */
    assert_null(rj_test_peer_expect(&world.b, REJOIN__ITEM__KIND_KICK, 0));
    close_world(&world);
}

static void who_gives_no_sign_of_life_loses_the_session(void **state)
{
    (void)state;
    struct world world;
    struct who who = begin_contested(&world, quick);
    const Rejoin__Connected *answer = answer_to(&world.a, present(&world.a, 2, &who));
    assert_true(answer->recovered);
    assert_string_equal(answer->sid, who.sid);
    assert_int_equal(answer->incarnation, who.incarnation + 2);
    assert_non_null(rj_test_peer_kick(&world.b, 5));
    say_alive(&world.b, 5); /* too late */
    say(&world.a, 2, "tea", "1");
    close_world(&world);
}

static void of_several_rivals_the_last_one_gets_it_and_nobody_waits_for_another(void **state)
{
    (void)state;
    enum { RIVALS = 30, TIMEOUT_MS = 1000 };
    struct world world;
    struct who who = begin_contested(&world, (const char *[]){"--contest-timeout", "1000", NULL});
    uint64_t commands[RIVALS], began_ms = rj_test_now_ms();
    for (unsigned i = 0; i < RIVALS; i++)
        commands[i] = present(&world.a, 10 + i, &who);
    for (unsigned i = 0; i < RIVALS; i++)
        assert_int_equal(answer_to(&world.a, commands[i])->recovered, i == RIVALS - 1);
    assert_true(rj_test_now_ms() - began_ms < RIVALS / 2 * TIMEOUT_MS);
    assert_int_equal(recoveries(&world, "fresh", "contested"), RIVALS - 1);
    assert_non_null(rj_test_peer_kick(&world.b, 5));
    say(&world.a, 10 + RIVALS - 1, "tea", "1");
    close_world(&world);
}

static void when_the_holder_goes_the_rival_need_not_wait(void **state)
{
    (void)state;
    struct world world;
    struct who who = begin_contested(&world, patient);
    uint64_t rival = present(&world.a, 2, &who);
    expect_probe(&world.b, 5);
    rj_test_disconnect(&world.b, 5, false);
    const Rejoin__Connected *answer = answer_to(&world.a, rival);
    assert_true(answer->recovered);
    assert_string_equal(answer->sid, who.sid);
    close_world(&world);
}

static void a_rival_that_goes_leaves_nothing_behind(void **state)
{
    (void)state;
    struct world world;
    struct who who = begin_contested(&world, quick);
    uint64_t rival = present(&world.a, 2, &who);
    uint64_t gone = present(&world.a, 3, &who);
    assert_null(rj_test_disconnect(&world.a, 3, false)->error);
    assert_true(rj_test_failed_with(rj_test_peer_reply(&world.a, gone), "closed"));
    assert_true(answer_to(&world.a, rival)->recovered);
    say(&world.a, 2, "tea", "1");
    close_world(&world);
}

static void another_connect_of_a_rival_is_refused(void **state)
{
    (void)state;
    struct world world;
    struct who who = begin_contested(&world, patient);
    uint64_t first = present(&world.a, 2, &who);
    expect_probe(&world.b, 5);
    uint64_t second = present(&world.a, 2, &who);
    assert_true(rj_test_failed_with(rj_test_peer_reply(&world.a, second), "conflict"));
    say_alive(&world.b, 5);
    assert_false(answer_to(&world.a, first)->recovered);
    close_world(&world);
}

static void a_contest_outlives_the_rivals_stream(void **state)
{
    (void)state;
    struct world world;
    struct who who = begin_contested(&world, patient);
    uint64_t rival = present(&world.a, 2, &who);
    uint64_t lost = present(&world.a, 3, &who);
    expect_probe(&world.b, 5);
    assert_waits(&world.a, rival);
    assert_non_null(rj_test_peer_hello_gateway(&world.a, "gateway-a", world.epoch, 0));
    world.a.last_command = rival - 1;
    assert_int_equal(present(&world.a, 2, &who), rival); /* said again; the other one is not */
    world.a.last_command = lost;
    rj_test_peer_ready(&world.a);
    assert_waits(&world.a, rival);
    say_alive(&world.b, 5);
    assert_false(answer_to(&world.a, rival)->recovered);
    assert_waits(&world.a, lost);
    close_world(&world);
}

static void without_a_window_the_last_one_wins(void **state)
{
    (void)state;
    struct world world;
    struct who who = begin_contested(&world, (const char *[]){"--contest-window", "0", NULL});
    rejoin(&world.a, 2, &who, NULL);
    assert_non_null(rj_test_peer_kick(&world.b, 5));
    close_world(&world);
}

/* Devices that all have the same session, at two gateways, and come back as often as they are dropped, as the
 * stock client does. */
struct device {
    struct rj_test_peer *peer;
    uint64_t client, command; /* 0: answered */
    char pid[32];
};

enum { DEVICES = 12 };

struct crowd {
    struct device list[DEVICES];
    uint64_t last_client;
    unsigned waiting; /* whose Connect is not answered */
    bool is_moving;   /* somebody was dropped in this round */
};

static void come(struct crowd *crowd, struct device *device)
{
    struct who who = {0};
    strcpy(who.pid, device->pid);
    device->client = ++crowd->last_client;
    device->command = present(device->peer, device->client, &who);
    crowd->waiting++;
}

/* Answers and drops take their device out of the crowd by what they name. */
static void take_items(struct crowd *crowd, struct rj_test_peer *peer)
{
    Rejoin__Item *item;
    rj_test_peer_metric(peer, "rejoin_broker_uptime_ms");
    while ((item = rj_test_peer_expect(peer, REJOIN__ITEM__KIND_REPLY, 0)))
        for (struct device *device = crowd->list; device < crowd->list + DEVICES; device++)
            if (device->peer == peer && device->command == item->reply->id) {
                strcpy(device->pid, connected(item->reply)->pid);
                device->command = 0;
                crowd->waiting--;
            }
    while ((item = rj_test_peer_expect(peer, REJOIN__ITEM__KIND_PROBE, 0)))
        say_alive(peer, item->probe->client);
    while ((item = rj_test_peer_expect(peer, REJOIN__ITEM__KIND_KICK, 0)))
        for (struct device *device = crowd->list; device < crowd->list + DEVICES; device++)
            if (device->peer == peer && device->client == item->kick->client) {
                come(crowd, device);
                crowd->is_moving = true;
            }
}

static void rivals_for_one_session_come_to_rest_with_one_winner(void **state)
{
    (void)state;
    struct world world;
    struct crowd crowd = {.last_client = 100};
    open_world(&world, patient);
    struct who who = enter(&world.a, 1, "tea");
    for (unsigned i = 0; i < DEVICES; i++) {
        crowd.list[i].peer = i % 2 ? &world.b : &world.a;
        strcpy(crowd.list[i].pid, who.pid);
        come(&crowd, &crowd.list[i]);
    }
    unsigned quiet = 0;
    for (uint64_t end_ms = rj_test_now_ms() + RJ_TEST_DEADLINE_MS; quiet < 3 && rj_test_now_ms() < end_ms;) {
        crowd.is_moving = false;
        take_items(&crowd, &world.a);
        take_items(&crowd, &world.b);
        quiet = crowd.is_moving || crowd.waiting ? 0 : quiet + 1;
    }
    assert_int_equal(quiet, 3);
    unsigned winners = 0;
    for (unsigned i = 0; i < DEVICES; i++)
        winners += strcmp(crowd.list[i].pid, who.pid) == 0;
    assert_int_equal(winners, 1);
    close_world(&world);
}

/* ------------------------------------------------------------------------------------------ old words */

static void a_restore_can_be_repeated_any_number_of_times(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){"--contest-window", "0", NULL});
    struct who who = enter(&world.a, 1, "tea");
    enter(&world.b, 1, "tea");
    char offset[64];
    strcpy(offset, say(&world.b, 1, "tea", "1")->offset);
    say(&world.b, 1, "tea", "2");
    say(&world.b, 1, "tea", "3");
    for (uint64_t i = 2; i < 22; i++) {
        struct rj_test_peer *peer = i % 3 ? &world.a : &world.b;
        const Rejoin__Connected *answer = rejoin(peer, i, &who, offset);
        assert_int_equal(answer->incarnation, who.incarnation + i - 1);
        assert_replay(peer, i, (const char *[]){"2", "3", NULL});
        if (i % 2)
            rj_test_disconnect(peer, i, false);
    }
    close_world(&world);
}

/* The old connection's gateway was stopped: what it says when it goes on is of an older incarnation. */
static void late_words_of_an_older_incarnation_count_for_nothing(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who who = enter(&world.a, 1, "tea");
    enter(&world.b, 1, "tea");
    uint64_t first = say(&world.b, 1, "tea", "1")->pos;
    rejoin(&world.b, 5, &who, NULL);
    assert_replay(&world.b, 5, (const char *[]){"1", NULL});

    assert_true(rj_test_failed_with(rj_test_publish(&world.a, 1, "tea", "late", "id"), "closed"));
    assert_true(rj_test_failed_with(rj_test_join(&world.a, 1, "milk"), "closed"));
    assert_true(rj_test_failed_with(rj_test_leave(&world.a, 1, "tea"), "closed"));
    assert_true(rj_test_failed_with(rj_test_history(&world.a, 1, "tea"), "closed"));
    Rejoin__Cursors__Cursor cursor = REJOIN__CURSORS__CURSOR__INIT;
    Rejoin__Cursors__Cursor *list[] = {&cursor};
    Rejoin__Cursors cursors = REJOIN__CURSORS__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    cursor.client = 1;
    cursor.pos = first;
    cursors.cursors = list;
    cursors.n_cursors = 1;
    item.kind_case = REJOIN__ITEM__KIND_CURSORS;
    item.cursors = &cursors;
    rj_test_peer_put(&world.a, &item);
    rj_test_peer_flush(&world.a);
    say_alive(&world.a, 1);
    assert_null(rj_test_disconnect(&world.a, 1, true)->error); /* "it left": the old one did */

    rj_test_disconnect(&world.b, 5, false);
    const Rejoin__Connected *answer = rejoin(&world.b, 6, &who, NULL);
    assert_int_equal(answer->n_rooms, 1);
    assert_string_equal(answer->rooms[0]->room, "tea");
    assert_replay(&world.b, 6, (const char *[]){"1", NULL}); /* its cursor has not moved */
    assert_int_equal(rj_test_history(&world.b, 6, "tea")->history->n_messages, 1);
    close_world(&world);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_recovery_is_counted_with_its_reason),
    cmocka_unit_test(a_store_that_went_back_restores_nobody_from_before),
    cmocka_unit_test(who_has_just_taken_over_keeps_the_session_while_it_lives),
    cmocka_unit_test(who_gives_no_sign_of_life_loses_the_session),
    cmocka_unit_test(of_several_rivals_the_last_one_gets_it_and_nobody_waits_for_another),
    cmocka_unit_test(when_the_holder_goes_the_rival_need_not_wait),
    cmocka_unit_test(a_rival_that_goes_leaves_nothing_behind),
    cmocka_unit_test(another_connect_of_a_rival_is_refused),
    cmocka_unit_test(a_contest_outlives_the_rivals_stream),
    cmocka_unit_test(without_a_window_the_last_one_wins),
    cmocka_unit_test(rivals_for_one_session_come_to_rest_with_one_winner),
    cmocka_unit_test(a_restore_can_be_repeated_any_number_of_times),
    cmocka_unit_test(late_words_of_an_older_incarnation_count_for_nothing),
};

RJ_TEST_MAIN(tests)
