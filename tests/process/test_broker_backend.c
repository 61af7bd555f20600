/* Backends on a real broker: publishing, reading, following the log. */
#include "tests/support/broker_peer.h"
#include "tests/support/test.h"

struct world {
    struct rj_test_broker broker;
    struct rj_test_peer gateway, backend;
};

static void open_world(struct world *world, const char *const args[])
{
    *world = (struct world){0};
    rj_test_broker_start(&world->broker, args);
    rj_test_peer_open(&world->gateway, world->broker.gateways);
    assert_non_null(rj_test_peer_hello_gateway(&world->gateway, "gateway-a", 0, 0));
    rj_test_peer_ready(&world->gateway);
    rj_test_peer_open(&world->backend, world->broker.backends);
    assert_non_null(rj_test_peer_hello_backend(&world->backend, "backend-1", "billing"));
}

static void close_world(struct world *world)
{
    rj_test_peer_close(&world->gateway);
    rj_test_peer_close(&world->backend);
    assert_true(rj_test_broker_end(&world->broker));
    rj_test_broker_remove(&world->broker);
}

static void enter(struct rj_test_peer *peer, uint64_t client, const char *room)
{
    Rejoin__Reply *reply = rj_test_connect(peer, client, NULL, NULL);
    assert_true(reply && !reply->error);
    reply = rj_test_join(peer, client, room);
    assert_true(reply && !reply->error);
}

static Rejoin__Reply *publish_to(struct rj_test_peer *peer, const char *const rooms[], const char *id)
{
    static const char data[] = "{\"n\":1}";
    Rejoin__Target targets[70], *list[70];
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    Rejoin__Publish publish = REJOIN__PUBLISH__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    for (size_t i = 0; rooms[i]; i++) {
        rejoin__target__init(&targets[i]);
        targets[i].name = (char *)(uintptr_t)rooms[i];
        list[i] = &targets[i];
        message.n_targets = i + 1;
    }
    message.targets = list;
    message.namespace_ = "/";
    message.event = "invoice";
    message.id = (char *)(uintptr_t)id;
    message.data = (ProtobufCBinaryData){sizeof data - 1, (uint8_t *)(uintptr_t)data};
    publish.message = &message;
    command.kind_case = REJOIN__COMMAND__KIND_PUBLISH;
    command.publish = &publish;
    Rejoin__Reply *reply = rj_test_peer_reply(peer, rj_test_peer_command(peer, 0, &command));
    assert_non_null(reply);
    return reply;
}

static void a_backend_publishes_to_several_rooms_as_one_record(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    enter(&world.gateway, 1, "tea");
    enter(&world.gateway, 2, "coffee");
    Rejoin__Reply *reply =
        publish_to(&world.backend, (const char *[]){"tea", "coffee", "cocoa", NULL}, "inv-1");
    assert_null(reply->error);
    assert_int_equal(reply->published->n_seqs, 3);
    Rejoin__Deliver *deliver = rj_test_peer_deliver(&world.gateway, 0, RJ_TEST_DEADLINE_MS);
    assert_non_null(deliver);
    assert_int_equal(deliver->message->n_targets, 3);
    assert_int_equal(deliver->n_seqs, 3);
    assert_string_equal(deliver->message->event, "invoice");
    assert_string_equal(deliver->message->source, "billing");
    assert_string_equal(deliver->message->from_sid, "");
    assert_true(rj_test_peer_metric(&world.gateway, "rejoin_broker_delivers_total") == 1);
    assert_null(rj_test_peer_deliver(&world.gateway, 0, 0));
    assert_int_equal(rj_test_history(&world.backend, 0, "cocoa")->history->n_messages, 1);
    close_world(&world);
}

static void a_backends_id_holds_across_its_restart_and_the_brokers(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    Rejoin__Reply *first = publish_to(&world.backend, (const char *[]){"tea", NULL}, "inv-1");
    assert_null(first->error);
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);
    struct rj_test_peer again = {0}, other = {0};
    rj_test_peer_open(&again, world.broker.backends);
    assert_non_null(rj_test_peer_hello_backend(&again, "backend-2", "billing"));
    Rejoin__Reply *second = publish_to(&again, (const char *[]){"tea", NULL}, "inv-1");
    assert_null(second->error);
    assert_true(second->published->duplicate);
    assert_int_equal(second->published->pos, first->published->pos);
    assert_int_equal(second->published->seqs[0], first->published->seqs[0]);
    /* Another backend's id of the same text is another id. */
    rj_test_peer_open(&other, world.broker.backends);
    assert_non_null(rj_test_peer_hello_backend(&other, "backend-3", "shipping"));
    assert_false(publish_to(&other, (const char *[]){"tea", NULL}, "inv-1")->published->duplicate);
    rj_test_peer_close(&other);
    rj_test_peer_close(&again);
    close_world(&world);
}

static void a_backends_mistakes_are_told(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    const char *many[66] = {0};
    static char names[65][24];
    for (int i = 0; i < 65; i++) {
        snprintf(names[i], sizeof names[i], "room-%d", i);
        many[i] = names[i];
    }
    assert_true(rj_test_failed_with(publish_to(&world.backend, many, ""), "bad_request"));
    many[64] = NULL;
    assert_null(publish_to(&world.backend, many, "")->error);
    assert_true(rj_test_failed_with(publish_to(&world.backend, (const char *[]){NULL}, ""), "bad_request"));
    assert_true(rj_test_failed_with(publish_to(&world.backend, (const char *[]){"tea", "tea", NULL}, ""),
                                    "bad_request"));
    assert_true(rj_test_failed_with(publish_to(&world.backend, (const char *[]){"", NULL}, ""), "bad_name"));
    /* A client's command has no place here. */
    assert_true(rj_test_failed_with(rj_test_join(&world.backend, 0, "tea"), "bad_request"));
    close_world(&world);
}

static uint64_t send_tail(struct rj_test_peer *peer, const char *room, const char *offset, uint32_t credit)
{
    Rejoin__Tail tail = REJOIN__TAIL__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    tail.namespace_ = "/";
    tail.room = (char *)(uintptr_t)room;
    tail.offset = (char *)(uintptr_t)offset;
    tail.credit = credit;
    command.kind_case = REJOIN__COMMAND__KIND_TAIL;
    command.tail = &tail;
    return rj_test_peer_command(peer, 0, &command);
}

static void give_credit(struct rj_test_peer *peer, uint64_t tail, uint32_t more)
{
    Rejoin__Credit credit = REJOIN__CREDIT__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    credit.tail = tail;
    credit.more = more;
    item.kind_case = REJOIN__ITEM__KIND_CREDIT;
    item.credit = &credit;
    rj_test_peer_put(peer, &item);
    rj_test_peer_flush(peer);
}

static void assert_seq(struct rj_test_peer *peer, uint64_t tail, uint64_t seq)
{
    Rejoin__Deliver *deliver = rj_test_peer_deliver(peer, tail, RJ_TEST_DEADLINE_MS);
    assert_non_null(deliver);
    assert_int_equal(deliver->seqs[0], seq);
}

static void a_tail_gives_what_there_is_then_what_comes_as_far_as_its_credit_goes(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    for (int i = 0; i < 5; i++)
        publish_to(&world.backend, (const char *[]){"tea", NULL}, "");
    publish_to(&world.backend, (const char *[]){"coffee", NULL}, "");

    uint64_t tail = send_tail(&world.backend, "tea", "0", 3);
    Rejoin__Reply *reply = rj_test_peer_reply(&world.backend, tail);
    assert_true(reply && !reply->error && !reply->tailing->gap);
    for (uint64_t seq = 1; seq <= 3; seq++)
        assert_seq(&world.backend, tail, seq);
    publish_to(&world.backend, (const char *[]){"tea", NULL}, "");
    assert_null(rj_test_peer_deliver(&world.backend, tail, 0));
    give_credit(&world.backend, tail, 2);
    assert_seq(&world.backend, tail, 4);
    assert_seq(&world.backend, tail, 5);
    give_credit(&world.backend, tail, 10);
    assert_seq(&world.backend, tail, 6);
    publish_to(&world.backend, (const char *[]){"coffee", NULL}, "");
    publish_to(&world.backend, (const char *[]){"tea", NULL}, "");
    assert_seq(&world.backend, tail, 7);

    Rejoin__Untail untail = REJOIN__UNTAIL__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    untail.tail = tail;
    command.kind_case = REJOIN__COMMAND__KIND_UNTAIL;
    command.untail = &untail;
    assert_null(rj_test_peer_reply(&world.backend, rj_test_peer_command(&world.backend, 0, &command))->error);
    publish_to(&world.backend, (const char *[]){"tea", NULL}, "");
    assert_null(rj_test_peer_deliver(&world.backend, tail, 0));
    close_world(&world);
}

/* The union of the rooms, each message once. */
static void a_tail_of_several_rooms_gives_each_message_once_in_the_logs_order(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    char *rooms[] = {"coffee", "tea", "coffee"};
    Rejoin__Tail asked = REJOIN__TAIL__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    asked.namespace_ = "/";
    asked.room = "tea";
    asked.rooms = rooms;
    asked.n_rooms = 3;
    asked.offset = "0";
    asked.credit = 100;
    command.kind_case = REJOIN__COMMAND__KIND_TAIL;
    command.tail = &asked;
    publish_to(&world.backend, (const char *[]){"tea", NULL}, "");
    publish_to(&world.backend, (const char *[]){"cocoa", NULL}, "");
    publish_to(&world.backend, (const char *[]){"tea", "coffee", NULL}, "");
    uint64_t tail = rj_test_peer_command(&world.backend, 0, &command);
    Rejoin__Reply *reply = rj_test_peer_reply(&world.backend, tail);
    assert_true(reply && !reply->error);
    publish_to(&world.backend, (const char *[]){"cocoa", NULL}, "");
    publish_to(&world.backend, (const char *[]){"coffee", NULL}, "");
    static const uint64_t expected[] = {1, 3, 5};
    for (size_t i = 0; i < 3; i++) {
        Rejoin__Deliver *deliver = rj_test_peer_deliver(&world.backend, tail, RJ_TEST_DEADLINE_MS);
        assert_non_null(deliver);
        assert_int_equal(deliver->pos, expected[i]);
    }
    assert_null(rj_test_peer_deliver(&world.backend, tail, 0));
    static char *many[65];
    for (size_t i = 0; i < 65; i++)
        many[i] = "tea";
    asked.rooms = many;
    asked.n_rooms = 65;
    command.id = 0;
    assert_true(rj_test_failed_with(
        rj_test_peer_reply(&world.backend, rj_test_peer_command(&world.backend, 0, &command)), "too_many"));
    close_world(&world);
}

static void a_tail_goes_on_after_an_offset_across_a_crash(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    char offset[64];
    publish_to(&world.backend, (const char *[]){"tea", NULL}, "");
    strcpy(offset, publish_to(&world.backend, (const char *[]){"coffee", NULL}, "")->published->offset);
    publish_to(&world.backend, (const char *[]){"tea", NULL}, "");
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);
    struct rj_test_peer again = {0};
    rj_test_peer_open(&again, world.broker.backends);
    assert_non_null(rj_test_peer_hello_backend(&again, "backend-2", "billing"));
    uint64_t all = send_tail(&again, "", offset, 100);
    Rejoin__Reply *reply = rj_test_peer_reply(&again, all);
    assert_true(reply && !reply->error);
    assert_false(reply->tailing->gap);
    publish_to(&again, (const char *[]){"coffee", NULL}, "");
    assert_seq(&again, all, 2); /* tea 2 */
    assert_seq(&again, all, 2); /* coffee 2 */
    assert_null(rj_test_peer_deliver(&again, all, 0));

    uint64_t from_now = send_tail(&again, "tea", "", 100);
    assert_null(rj_test_peer_reply(&again, from_now)->error);
    publish_to(&again, (const char *[]){"tea", NULL}, "");
    assert_seq(&again, from_now, 3);

    assert_true(
        rj_test_failed_with(rj_test_peer_reply(&again, send_tail(&again, "", "rubbish", 1)), "bad_request"));
    assert_true(
        rj_test_failed_with(rj_test_peer_reply(&again, send_tail(&again, "", "zz9.1", 1)), "not_found"));
    rj_test_peer_close(&again);
    close_world(&world);
}

static void a_silent_backend_is_gone_after_a_lease(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){"--lease", "2000", "--ping", "100", NULL});
    assert_true(rj_eventually(RJ_TEST_DEADLINE_MS,
                              rj_test_peer_metric(&world.gateway, "rejoin_broker_backends") == 0));
    assert_non_null(rj_test_peer_hello_backend(&world.backend, "backend-1", "billing"));
    assert_null(publish_to(&world.backend, (const char *[]){"tea", NULL}, "")->error);
    close_world(&world);
}

static void what_retention_trimmed_is_a_gap_and_is_told(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){"--retention", "300", NULL});
    enter(&world.gateway, 1, "tea");
    Rejoin__Connected *who = rj_test_connect(&world.gateway, 1, NULL, NULL)->connected;
    rj_test_disconnect(&world.gateway, 1, false);
    char offset[64];
    strcpy(offset, publish_to(&world.backend, (const char *[]){"tea", NULL}, "")->published->offset);
    publish_to(&world.backend, (const char *[]){"tea", NULL}, "");
    assert_true(rj_eventually(RJ_TEST_DEADLINE_MS,
                              (publish_to(&world.backend, (const char *[]){"tea", NULL}, ""),
                               rj_test_peer_metric(&world.backend, "rejoin_store_trimmed_total") >= 2)));
    Rejoin__Reply *reply = rj_test_connect(&world.gateway, 2, who->pid, NULL);
    assert_true(reply && !reply->error);
    assert_false(reply->connected->recovered);
    assert_string_not_equal(reply->connected->pid, who->pid);
    assert_true(rj_test_peer_metric(&world.gateway,
                                    "rejoin_broker_recoveries_total{result=\"fresh\",reason=\"gap\"}") == 1);
    reply = rj_test_peer_reply(&world.backend, send_tail(&world.backend, "", offset, 1000));
    assert_true(reply && !reply->error && reply->tailing->gap);
    close_world(&world);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_backend_publishes_to_several_rooms_as_one_record),
    cmocka_unit_test(a_backends_id_holds_across_its_restart_and_the_brokers),
    cmocka_unit_test(a_backends_mistakes_are_told),
    cmocka_unit_test(a_tail_gives_what_there_is_then_what_comes_as_far_as_its_credit_goes),
    cmocka_unit_test(a_tail_of_several_rooms_gives_each_message_once_in_the_logs_order),
    cmocka_unit_test(a_tail_goes_on_after_an_offset_across_a_crash),
    cmocka_unit_test(a_silent_backend_is_gone_after_a_lease),
    cmocka_unit_test(what_retention_trimmed_is_a_gap_and_is_told),
};

RJ_TEST_MAIN(tests)
