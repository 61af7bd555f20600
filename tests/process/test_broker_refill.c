/* A gateway that was without a stream for longer than its rooms keep messages, with more clients than a turn
 * has time to cut: each of them goes before anything later comes, and whoever comes meanwhile misses nothing.
 */
#include "tests/process/rejoin_support.h"

enum { CLIENTS = 2500, MISSED = 20 };

/* The gateway comes back on a fresh stream, with what it had up to `upto` and all its clients, and nothing
 * else is said. */
static void come_back(struct world *world, struct who *who, uint64_t upto)
{
    reopen_a(world, upto);
    for (uint64_t client = 1; client <= CLIENTS; client++)
        add_attach(&world->a, client, &who[client]);
    rj_test_peer_ready(&world->a);
}

/* In what has come, each client is cut once; nothing of the room stands before. */
static void assert_all_are_cut(struct rj_test_peer *peer, uint64_t upto)
{
    static bool is_cut[CLIENTS + 1];
    size_t n_cut = 0;
    memset(is_cut, 0, sizeof is_cut);
    for (size_t i = 0; i < peer->n_items && n_cut < CLIENTS; i++) {
        const Rejoin__Item *item = peer->items[i];
        if (!item)
            continue;
        assert_false(item->kind_case == REJOIN__ITEM__KIND_DELIVER && item->deliver->pos > upto);
        if (item->kind_case != REJOIN__ITEM__KIND_KICK)
            continue;
        assert_false(is_cut[item->kick->client]);
        is_cut[item->kick->client] = true;
        n_cut++;
    }
    assert_int_equal(n_cut, CLIENTS);
}

/* A new client of the gateway is served: it joins, and gets what is said then and nothing else. */
static void assert_serves(struct world *world, char *room)
{
    enter(&world->a, CLIENTS + 1, room);
    uint64_t pos = say(&world->b, 1, room, "2")->pos;
    const Rejoin__Deliver *deliver = rj_test_peer_deliver(&world->a, 0, RJ_TEST_DEADLINE_MS);
    assert_true(deliver && deliver->pos == pos);
}

static void more_clients_than_a_turn_cuts_go_before_what_follows_a_gap(void **state)
{
    (void)state;
    static struct who who[CLIENTS + 1];
    struct world world;
    open_world(&world, (const char *[]){"--lease", "60000", "--retention-rules", "tea count=5", NULL});
    enter_many(&world.a, who, CLIENTS, "tea");
    enter(&world.b, 1, "tea");
    uint64_t upto = say(&world.b, 1, "tea", "0")->pos;
    rj_test_peer_close(&world.a);
    for (unsigned i = 0; i < MISSED; i++)
        say(&world.b, 1, "tea", "1");
    come_back(&world, who, upto);
    assert_true(
        rj_eventually(RJ_TEST_DEADLINE_MS, rj_test_peer_metric(&world.a, "rejoin_broker_sessions") == 1));
    assert_all_are_cut(&world.a, upto);
    assert_serves(&world, "tea");
    close_world(&world);
}

/* The whole log has let go of what the gateway missed. */
static void more_clients_than_a_turn_cuts_go_when_a_refill_fails(void **state)
{
    (void)state;
    static struct who who[CLIENTS + 1];
    struct world world;
    open_world(&world, (const char *[]){"--lease", "60000", "--retention", "1000", NULL});
    enter_many(&world.a, who, CLIENTS, "tea");
    enter(&world.b, 1, "tea");
    uint64_t upto = say(&world.b, 1, "tea", "0")->pos;
    rj_test_peer_close(&world.a);
    say(&world.b, 1, "tea", "1");
    double trimmed = rj_test_peer_metric(&world.b, "rejoin_store_trimmed_total");
    assert_true(rj_eventually(RJ_TEST_DEADLINE_MS,
                              rj_test_peer_metric(&world.b, "rejoin_store_trimmed_total") >= trimmed + 2));
    come_back(&world, who, upto);
    assert_true(
        rj_eventually(RJ_TEST_DEADLINE_MS, rj_test_peer_metric(&world.a, "rejoin_broker_sessions") == 1));
    assert_all_are_cut(&world.a, upto);
    assert_serves(&world, "tea");
    close_world(&world);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(more_clients_than_a_turn_cuts_go_before_what_follows_a_gap),
    cmocka_unit_test(more_clients_than_a_turn_cuts_go_when_a_refill_fails),
};

RJ_TEST_MAIN(tests)
