/* The order in which answers stand among deliveries: what a gateway does with a delivery depends on the
 * answers before it.
 */
#include "tests/process/rejoin_support.h"

/* The place of an item among those that have come and were not taken; n_items when it is not there. */
static size_t place_of(const struct rj_test_peer *peer,
                       bool (*is_it)(const Rejoin__Item *item, uint64_t what), uint64_t what)
{
    size_t i = 0;
    while (i < peer->n_items && !(peer->items[i] && is_it(peer->items[i], what)))
        i++;
    return i;
}

static bool is_reply_to(const Rejoin__Item *item, uint64_t id)
{
    return item->kind_case == REJOIN__ITEM__KIND_REPLY && item->reply->id == id;
}

static bool is_caught_up(const Rejoin__Item *item, uint64_t client)
{
    return item->kind_case == REJOIN__ITEM__KIND_CAUGHT_UP && item->caught_up->client == client;
}

static bool is_kick_of(const Rejoin__Item *item, uint64_t client)
{
    return item->kind_case == REJOIN__ITEM__KIND_KICK && item->kick->client == client;
}

static bool is_message_at(const Rejoin__Item *item, uint64_t pos)
{
    return item->kind_case == REJOIN__ITEM__KIND_DELIVER && item->deliver->pos == pos;
}

/* Waits until it has come, without taking it. */
static size_t await(struct rj_test_peer *peer, bool (*is_it)(const Rejoin__Item *item, uint64_t what),
                    uint64_t what)
{
    /* A question takes in what has come. */
    assert_true(rj_eventually(RJ_TEST_DEADLINE_MS, (rj_test_peer_metric(peer, "rejoin_broker_sessions"),
                                                    place_of(peer, is_it, what) < peer->n_items)));
    return place_of(peer, is_it, what);
}

static uint64_t add_catch_up(struct rj_test_peer *peer, uint64_t client, uint64_t after_pos)
{
    Rejoin__CatchUp catch_up = REJOIN__CATCH_UP__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    catch_up.after_pos = after_pos;
    command.kind_case = REJOIN__COMMAND__KIND_CATCH_UP;
    command.catch_up = &catch_up;
    return rj_test_peer_add_command(peer, client, &command);
}

/* So many that the log thread is busy with them for a while. */
static void publish_many(struct rj_test_peer *peer, uint64_t client, char *room)
{
    enum { MANY = 3000 };
    Rejoin__Target target = REJOIN__TARGET__INIT;
    Rejoin__Target *targets[] = {&target};
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    Rejoin__Publish publish = REJOIN__PUBLISH__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    target.name = room;
    message.namespace_ = "/";
    message.targets = targets;
    message.n_targets = 1;
    message.data = (ProtobufCBinaryData){1, (uint8_t *)"1"};
    publish.message = &message;
    command.kind_case = REJOIN__COMMAND__KIND_PUBLISH;
    command.publish = &publish;
    for (unsigned i = 0; i < MANY; i++) {
        command.id = 0;
        rj_test_peer_add_command(peer, client, &command);
    }
    rj_test_peer_flush(peer);
}

/* A live message that comes in between would be shown without those before it, which are not replayed any
 * more. */
static void a_replay_ends_behind_the_answer_to_a_leave_before_it(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    enter(&world.a, 1, "tea");
    uint64_t before = say(&world.a, 1, "tea", "1")->pos;
    say(&world.a, 1, "tea", "2");
    for (unsigned i = 0; i < 20; i++) {
        uint64_t left = rj_test_add_leave(&world.a, 1, "tea");
        add_catch_up(&world.a, 1, before);
        rj_test_peer_flush(&world.a);
        size_t end = await(&world.a, is_caught_up, 1);
        assert_true(place_of(&world.a, is_reply_to, left) < end);
        assert_non_null(rj_test_peer_caught_up(&world.a, 1));
        assert_null(rj_test_join(&world.a, 1, "tea")->error);
    }
    close_world(&world);
}

/* The answer says up to where the room has got: what it counts must not come behind it. */
static void a_member_who_joins_again_is_answered_behind_the_refill(void **state)
{
    (void)state;
    enum { MISSED = 20, ROUNDS = 5 };
    struct world world;
    open_world(&world, NULL);
    struct who who = enter(&world.a, 1, "tea");
    enter(&world.b, 1, "tea");
    uint64_t last = say(&world.b, 1, "tea", "0")->pos;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t upto = last;
        rj_test_peer_close(&world.a);
        for (unsigned i = 0; i < MISSED; i++)
            last = say(&world.b, 1, "tea", "1")->pos;
        reopen_a(&world, upto);
        add_attach(&world.a, 1, &who);
        uint64_t joined = add_join(&world.a, 1, "tea", 0);
        rj_test_peer_ready(&world.a);
        size_t answer = await(&world.a, is_reply_to, joined);
        assert_true(place_of(&world.a, is_message_at, last) < answer);
        assert_int_equal(world.a.items[answer]->reply->joined->seq, 1 + (round + 1) * MISSED);
    }
    close_world(&world);
}

/* Otherwise the gateway could not tell whom the messages are for: what it was told of joins at the end of the
 * old stream may be lost. */
static void what_a_gateway_missed_comes_behind_the_answers_to_its_attaches(void **state)
{
    (void)state;
    enum { ROUNDS = 5 };
    struct world world;
    open_world(&world, NULL);
    struct who who = enter(&world.a, 1, "tea");
    enter(&world.b, 1, "tea");
    uint64_t last = say(&world.b, 1, "tea", "0")->pos;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t upto = last;
        rj_test_peer_close(&world.a);
        last = say(&world.b, 1, "tea", "1")->pos;
        reopen_a(&world, upto);
        publish_many(&world.b, 1, "tea");
        uint64_t attached = add_attach(&world.a, 1, &who);
        rj_test_peer_ready(&world.a);
        size_t message = await(&world.a, is_message_at, last);
        size_t answer = place_of(&world.a, is_reply_to, attached);
        assert_true(answer < message);
        const Rejoin__Connected *connected = world.a.items[answer]->reply->connected;
        assert_int_equal(connected->n_rooms, 1);
        assert_string_equal(connected->rooms[0]->room, "tea");
        last = say(&world.b, 1, "tea", "2")->pos;
        await(&world.a, is_message_at, last);
    }
    close_world(&world);
}

/* What a room keeps too few of to refill a gateway: who missed some comes back, and is told. */
static void a_client_is_cut_before_it_is_shown_what_follows_trimmed_messages(void **state)
{
    (void)state;
    enum { MISSED = 20, ROUNDS = 5 };
    struct world world;
    open_world(&world, (const char *[]){"--retention-rules", "tea count=5", NULL});
    struct who who = enter(&world.a, 1, "tea");
    struct who other = enter(&world.a, 2, "cocoa");
    enter(&world.b, 1, "tea");
    uint64_t last = say(&world.b, 1, "tea", "0")->pos;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t upto = last;
        rj_test_peer_close(&world.a);
        for (unsigned i = 0; i < MISSED; i++)
            last = say(&world.b, 1, "tea", "1")->pos;
        reopen_a(&world, upto);
        add_attach(&world.a, 1, &who);
        add_attach(&world.a, 2, &other);
        rj_test_peer_ready(&world.a);
        await(&world.a, is_kick_of, 1);
        /* It is nobody's member any more, so nothing of the room comes. */
        assert_int_equal(rj_test_join(&world.b, 1, "tea")->joined->members, 1);
        rj_test_peer_metric(&world.a, "rejoin_broker_sessions");
        assert_int_equal(place_of(&world.a, is_message_at, last), world.a.n_items);
        assert_int_equal(place_of(&world.a, is_kick_of, 2), world.a.n_items);
    }
    close_world(&world);
}

/* A gateway that goes away meanwhile says the join again on its next stream. */
static void a_join_that_waits_for_the_refill_ends_with_the_stream(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who who = enter(&world.a, 1, "tea");
    uint64_t upto = say(&world.a, 1, "tea", "0")->pos;
    for (unsigned round = 0; round < 10; round++) {
        rj_test_peer_close(&world.a);
        reopen_a(&world, upto);
        add_attach(&world.a, 1, &who);
        add_join(&world.a, 1, "tea", 0);
        rj_test_peer_flush(&world.a); /* and no Ready: it stays without a live stream */
    }
    uint64_t joined = add_join(&world.a, 1, "tea", 0);
    rj_test_peer_ready(&world.a);
    assert_non_null(rj_test_peer_reply(&world.a, joined));
    close_world(&world);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_replay_ends_behind_the_answer_to_a_leave_before_it),
    cmocka_unit_test(a_member_who_joins_again_is_answered_behind_the_refill),
    cmocka_unit_test(what_a_gateway_missed_comes_behind_the_answers_to_its_attaches),
    cmocka_unit_test(a_client_is_cut_before_it_is_shown_what_follows_trimmed_messages),
    cmocka_unit_test(a_join_that_waits_for_the_refill_ends_with_the_stream),
};

RJ_TEST_MAIN(tests)
