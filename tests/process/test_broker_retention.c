/* Retention by rule, as clients meet it: what a room still shows, who is told of a gap, and what a restart
 * with other rules changes. */
#include "tests/process/rejoin_support.h"

enum { MESSAGES = 10 };

/* Publishes 1 to MESSAGES to the room and returns the last offset but `n`. */
static char *say_all(struct rj_test_peer *peer, uint64_t client, const char *room, unsigned n,
                     char offset[64])
{
    for (unsigned i = 1; i <= MESSAGES; i++) {
        char text[16];
        snprintf(text, sizeof text, "%u", i);
        const Rejoin__Published *published = say(peer, client, room, text);
        assert_int_equal(published->seqs[0], i);
        if (i == MESSAGES - n)
            snprintf(offset, 64, "%s", published->offset);
    }
    return offset;
}

/* The messages that the room shows are those from `first` to `last`. */
static bool shows(struct rj_test_peer *peer, uint64_t client, const char *room, uint64_t first, uint64_t last)
{
    const Rejoin__Reply *reply = rj_test_history(peer, client, room);
    assert_true(reply && !reply->error);
    const Rejoin__HistoryPage *page = reply->history;
    bool is_so = page->n_messages == last + 1 - first;
    for (size_t i = 0; is_so && i < page->n_messages; i++)
        is_so = page->messages[i]->seqs[0] == first + i;
    return is_so;
}

static void a_rule_by_count_keeps_the_youngest_and_other_rooms_all(void **state)
{
    (void)state;
    struct world world;
    char offset[64];
    open_world(&world, (const char *[]){"--retention-rules", "few:* count=3, other count=1000", NULL});
    enter(&world.a, 1, "few:a");
    enter(&world.b, 1, "many:a");
    say_all(&world.a, 1, "few:a", 0, offset);
    say_all(&world.b, 1, "many:a", 0, offset);
    assert_true(shows(&world.a, 1, "few:a", 8, 10));
    assert_true(shows(&world.b, 1, "many:a", 1, 10));
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);
    struct rj_test_peer c = {0};
    open_gateway(&world.broker, &c, "gateway-c");
    enter(&c, 1, "few:a");
    enter(&c, 2, "many:a");
    assert_true(shows(&c, 1, "few:a", 8, 10));
    assert_true(shows(&c, 2, "many:a", 1, 10));
    assert_int_equal(say(&c, 1, "few:a", "11")->seqs[0], 11);
    assert_true(shows(&c, 1, "few:a", 9, 11));
    rj_test_peer_close(&c);
    close_world(&world);
}

/* Three are kept: who has missed three comes back, who has missed four is told. */
static void the_gap_is_told_exactly_at_its_edge(void **state)
{
    (void)state;
    struct world world;
    char has_all_but_three[64], has_all_but_four[64];
    open_world(&world, (const char *[]){"--retention-rules", "few:* count=3", NULL});
    enter(&world.b, 1, "few:a");
    enter(&world.b, 2, "few:b");
    struct who three = enter(&world.a, 1, "few:a"), four = enter(&world.a, 2, "few:b");
    rj_test_disconnect(&world.a, 1, false);
    rj_test_disconnect(&world.a, 2, false);
    say_all(&world.b, 1, "few:a", 3, has_all_but_three);
    say_all(&world.b, 2, "few:b", 4, has_all_but_four);
    rejoin(&world.a, 3, &three, has_all_but_three);
    assert_replay(&world.a, 3, (const char *[]){"8", "9", "10", NULL});
    const Rejoin__Connected *answer = connected(rj_test_connect(&world.a, 4, four.pid, has_all_but_four));
    assert_false(answer->recovered);
    assert_string_not_equal(answer->pid, four.pid);
    close_world(&world);
}

static void tighter_rules_reach_old_rooms_after_a_restart(void **state)
{
    (void)state;
    struct world world;
    char offset[64];
    open_world(&world, (const char *[]){"--retention-rules", "few:* count=8", NULL});
    enter(&world.a, 1, "few:a");
    say_all(&world.a, 1, "few:a", 0, offset);
    assert_true(shows(&world.a, 1, "few:a", 3, 10));
    rj_test_broker_kill(&world.broker);
    world.broker.args[1] = "few:* count=2";
    rj_test_broker_restart(&world.broker, NULL);
    struct rj_test_peer c = {0};
    open_gateway(&world.broker, &c, "gateway-c");
    enter(&c, 1, "few:a");
    assert_true(rj_eventually(RJ_TEST_DEADLINE_MS, shows(&c, 1, "few:a", 9, 10)));
    rj_test_peer_close(&c);
    close_world(&world);
}

static void a_room_that_grew_old_is_empty_and_its_numbers_go_on(void **state)
{
    (void)state;
    struct world world;
    char offset[64];
    open_world(&world, (const char *[]){"--retention-rules", "brief:* age=200ms", NULL});
    enter(&world.a, 1, "brief:a");
    say_all(&world.a, 1, "brief:a", 0, offset);
    assert_true(rj_eventually(RJ_TEST_DEADLINE_MS, shows(&world.a, 1, "brief:a", 11, 10)));
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);
    struct rj_test_peer c = {0};
    open_gateway(&world.broker, &c, "gateway-c");
    enter(&c, 1, "brief:a");
    assert_int_equal(say(&c, 1, "brief:a", "11")->seqs[0], 11);
    rj_test_peer_close(&c);
    close_world(&world);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_rule_by_count_keeps_the_youngest_and_other_rooms_all),
    cmocka_unit_test(the_gap_is_told_exactly_at_its_edge),
    cmocka_unit_test(tighter_rules_reach_old_rooms_after_a_restart),
    cmocka_unit_test(a_room_that_grew_old_is_empty_and_its_numbers_go_on),
};

RJ_TEST_MAIN(tests)
