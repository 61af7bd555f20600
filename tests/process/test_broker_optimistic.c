/* Optimistic rooms on a real broker: what is said before the commit, and what a crash in between leaves. */
#include <string.h>

#include "tests/process/sockets_support.h"

static const char *const flags[] = {"--optimistic-rooms", "fast-*", NULL};

/* Sent, not awaited. `id` 0: the next command. */
static uint64_t say_publish(struct rj_test_peer *peer, uint64_t client, uint64_t id, const char *room,
                            const char *message_id)
{
    Rejoin__Target target = REJOIN__TARGET__INIT;
    Rejoin__Target *targets[] = {&target};
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    Rejoin__Publish publish = REJOIN__PUBLISH__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    target.name = (char *)(uintptr_t)room;
    message.namespace_ = "/";
    message.targets = targets;
    message.n_targets = 1;
    message.data = (ProtobufCBinaryData){1, (uint8_t *)"1"};
    message.id = (char *)(uintptr_t)message_id;
    publish.message = &message;
    command.id = id;
    command.kind_case = REJOIN__COMMAND__KIND_PUBLISH;
    command.publish = &publish;
    return rj_test_peer_command(peer, client, &command);
}

static const Rejoin__Deliver *get_pending(struct rj_test_peer *peer)
{
    Rejoin__Item *item = rj_test_peer_expect(peer, REJOIN__ITEM__KIND_PENDING, RJ_TEST_DEADLINE_MS);
    assert_non_null(item);
    assert_true(item->pending->pos > 0);
    assert_int_equal(item->pending->n_seqs, 0);
    return item->pending;
}

static const Rejoin__Deliver *get_logged(struct rj_test_peer *peer)
{
    Rejoin__Deliver *deliver = rj_test_peer_deliver(peer, 0, RJ_TEST_DEADLINE_MS);
    assert_non_null(deliver);
    return deliver;
}

static const Rejoin__Published *published(const Rejoin__Reply *reply)
{
    assert_non_null(reply);
    assert_null(reply->error);
    assert_int_equal(reply->result_case, REJOIN__REPLY__RESULT_PUBLISHED);
    return reply->published;
}

static void both_enter(struct world *world, const char *room)
{
    come(&world->gateway, 1, "ann", NULL);
    come(&world->other, 1, "bob", NULL);
    join(&world->gateway, 1, room);
    join(&world->other, 1, room);
}

static void members_hear_of_a_message_before_and_after_its_commit(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, flags);
    both_enter(&world, "fast-1");
    uint64_t id = say_publish(&world.gateway, 1, 0, "fast-1", "mine");
    struct rj_test_peer *both[] = {&world.gateway, &world.other};
    for (int i = 0; i < 2; i++) {
        const Rejoin__Deliver *pending = get_pending(both[i]);
        assert_string_equal(pending->message->id, "mine");
        assert_string_equal(pending->message->from_user, "ann");
        const Rejoin__Deliver *logged = get_logged(both[i]);
        assert_int_equal(logged->pos, pending->pos);
        assert_int_equal(logged->seqs[0], 1);
        assert_string_equal(logged->message->id, "mine");
    }
    assert_int_equal(published(rj_test_peer_reply(&world.gateway, id))->seqs[0], 1);
    /* Of a backend's message, too, and of one without an id, which gets one. */
    published(rj_test_peer_reply(&world.backend, say_publish(&world.backend, 0, 0, "fast-1", "")));
    const Rejoin__Deliver *pending = get_pending(&world.other);
    assert_true(strlen(pending->message->id) > 0);
    assert_string_equal(get_logged(&world.other)->message->id, pending->message->id);
    close_world(&world);
}

static void what_is_known_or_not_meant_is_not_shown(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, flags);
    both_enter(&world, "fast-1");
    join(&world.gateway, 1, "slow");
    published(rj_test_peer_reply(&world.gateway, say_publish(&world.gateway, 1, 0, "fast-1", "once")));
    get_pending(&world.gateway);
    assert_true(
        published(rj_test_peer_reply(&world.gateway, say_publish(&world.gateway, 1, 0, "fast-1", "once")))
            ->duplicate);
    published(rj_test_peer_reply(&world.gateway, say_publish(&world.gateway, 1, 0, "slow", "2")));
    const struct emit others[] = {
        {.to = LIST("room:fast-1", "room:slow")},
        {.to = LIST("room:fast-1"), .is_volatile = true},
        {.to = LIST("room:fast-1"), .is_plain = true, .data = "[1]"},
        {.to = LIST("user:ann")},
        {.to = LIST("all")},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_null(emit(&world.backend, &others[i])->error);
    assert_true(rj_test_peer_metric(&world.gateway, "rejoin_broker_pendings_total") == 2);
    assert_null(rj_test_peer_expect(&world.gateway, REJOIN__ITEM__KIND_PENDING, 0));
    close_world(&world);
}

/* ------------------------------------------------------------------------------------------ a crash between
 */

static void reopen(struct world *world, const char *const env[])
{
    rj_test_broker_kill(&world->broker);
    rj_test_peer_close(&world->gateway);
    rj_test_peer_close(&world->other);
    rj_test_peer_close(&world->backend);
    rj_test_broker_restart(&world->broker, env);
    open_gateway(&world->broker, &world->gateway, "gateway-a");
    open_gateway(&world->broker, &world->other, "gateway-b");
    open_backend(&world->broker, &world->backend, "backend-1");
}

static void come_back(struct world *world, const struct who *ann, const struct who *bob)
{
    come(&world->gateway, 1, "ann", ann->pid);
    come(&world->other, 1, "bob", bob->pid);
}

static void assert_history(struct world *world, size_t n)
{
    Rejoin__Reply *reply = rj_test_history(&world->gateway, 1, "fast-1");
    assert_non_null(reply);
    assert_null(reply->error);
    assert_int_equal(reply->history->n_messages, n);
}

static void a_message_that_was_shown_and_lost_comes_back_only_if_it_is_repeated(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, flags);
    struct who ann = come(&world.gateway, 1, "ann", NULL), bob = come(&world.other, 1, "bob", NULL);
    join(&world.gateway, 1, "fast-1");
    join(&world.other, 1, "fast-1");
    published(rj_test_peer_reply(&world.gateway, say_publish(&world.gateway, 1, 0, "fast-1", "first")));

    reopen(&world, (const char *const[]){"REJOIN_FAULT=optimistic.shown=fail", NULL});
    come_back(&world, &ann, &bob);
    uint64_t id = say_publish(&world.gateway, 1, 1000, "fast-1", "");
    uint64_t pos = get_pending(&world.gateway)->pos;
    char given[64];
    snprintf(given, sizeof given, "%s", get_pending(&world.other)->message->id);
    /* It stays at that: no answer, no delivery. */
    assert_int_equal(id, 1000);
    assert_null(rj_test_peer_deliver(&world.other, 0, 200));
    assert_null(rj_test_peer_expect(&world.gateway, REJOIN__ITEM__KIND_REPLY, 0));

    reopen(&world, NULL);
    come_back(&world, &ann, &bob);
    assert_history(&world, 1);
    /* Another message gets the place that was promised to the lost one. */
    published(rj_test_peer_reply(&world.other, say_publish(&world.other, 1, 0, "fast-1", "other")));
    assert_int_equal(get_pending(&world.gateway)->pos, pos);
    assert_string_equal(get_logged(&world.gateway)->message->id, "other");
    /* The publisher's gateway repeats its command: a new attempt under the same id. */
    say_publish(&world.gateway, 1, 1000, "fast-1", "");
    const Rejoin__Deliver *pending = get_pending(&world.gateway);
    assert_string_equal(pending->message->id, given);
    assert_true(pending->pos > pos);
    const Rejoin__Published *receipt = published(rj_test_peer_reply(&world.gateway, 1000));
    assert_int_equal(receipt->seqs[0], 3);
    assert_false(receipt->duplicate);
    assert_string_equal(get_logged(&world.gateway)->message->id, given);
    assert_history(&world, 3);
    close_world(&world);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(members_hear_of_a_message_before_and_after_its_commit),
    cmocka_unit_test(what_is_known_or_not_meant_is_not_shown),
    cmocka_unit_test(a_message_that_was_shown_and_lost_comes_back_only_if_it_is_repeated),
};

RJ_TEST_MAIN(tests)
