/* A gateway that has its stream and does not read: nothing piles up for it, and when it reads it gets all. */
#include "tests/process/rejoin_support.h"

enum { LIMIT = 65536, MESSAGE = 10000, MESSAGES = 100, LEAST_SENT = LIMIT / MESSAGE };

static const char *const limited[] = {"--gateway-bytes", "65536", "--room-policy", "open", NULL};

/* MESSAGES of them, numbered, by somebody at the other gateway who is no member. */
static void say_all(struct world *world, const char *room)
{
    static char data[MESSAGE + 1];
    for (unsigned i = 0; i < MESSAGES; i++) {
        snprintf(data, sizeof data, "\"%0*u\"", MESSAGE - 2, i);
        say(&world->b, 1, room, data);
    }
}

static void assert_gets_all(struct rj_test_peer *peer)
{
    for (unsigned i = 0; i < MESSAGES; i++) {
        const Rejoin__Deliver *deliver = rj_test_peer_deliver(peer, 0, RJ_TEST_DEADLINE_MS);
        assert_non_null(deliver);
        assert_int_equal(deliver->n_seqs, 1);
        assert_int_equal(deliver->seqs[0], i + 1);
    }
}

/* b's own answers are small. */
static void what_a_gateway_does_not_read_is_not_sent_but_filled_in(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, limited);
    enter(&world.a, 1, "tea");
    enter(&world.b, 1, NULL);
    double before = rj_test_peer_metric(&world.b, "rejoin_broker_bytes_out_total");
    say_all(&world, "tea");
    assert_true(rj_test_peer_metric(&world.b, "rejoin_broker_gateways_behind_total") == 1);
    double delivers = rj_test_peer_metric(&world.b, "rejoin_broker_delivers_total");
    assert_true(delivers >= LEAST_SENT && delivers <= LEAST_SENT + 2);
    double sent = rj_test_peer_metric(&world.b, "rejoin_broker_bytes_out_total") - before;
    assert_true(sent < 2.0 * LIMIT + 1000.0 * MESSAGES);
    assert_gets_all(&world.a);
    close_world(&world);
}

/* Afterwards it is as live as before: what is said next comes once. */
static void a_gateway_that_reads_again_is_live_again(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, limited);
    enter(&world.a, 1, "tea");
    enter(&world.b, 1, NULL);
    say_all(&world, "tea");
    assert_gets_all(&world.a);
    double refilled = rj_test_peer_metric(&world.a, "rejoin_broker_refilled_messages_total");
    assert_true(refilled > 0);
    uint64_t pos = say(&world.b, 1, "tea", "\"live\"")->pos;
    const Rejoin__Deliver *deliver = rj_test_peer_deliver(&world.a, 0, RJ_TEST_DEADLINE_MS);
    assert_true(deliver && deliver->pos == pos);
    assert_true(rj_test_peer_metric(&world.a, "rejoin_broker_refilled_messages_total") == refilled);
    close_world(&world);
}

static void a_gateway_that_reads_is_never_behind(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, limited);
    enter(&world.a, 1, "tea");
    enter(&world.b, 1, NULL);
    static char data[MESSAGE + 1];
    for (unsigned i = 0; i < MESSAGES; i++) {
        snprintf(data, sizeof data, "\"%0*u\"", MESSAGE - 2, i);
        say(&world.b, 1, "tea", data);
        assert_non_null(rj_test_peer_deliver(&world.a, 0, RJ_TEST_DEADLINE_MS));
        rj_test_peer_metric(&world.a, "rejoin_broker_sessions"); /* the Pong is there */
    }
    assert_true(rj_test_peer_metric(&world.a, "rejoin_broker_gateways_behind_total") == 0);
    close_world(&world);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_a_gateway_does_not_read_is_not_sent_but_filled_in),
    cmocka_unit_test(a_gateway_that_reads_again_is_live_again),
    cmocka_unit_test(a_gateway_that_reads_is_never_behind),
};

RJ_TEST_MAIN(tests)
