/* Rooms on a real broker: who gets what, in which order, and what is refused. */
#include "tests/support/broker_peer.h"
#include "tests/support/test.h"

struct world {
    struct rj_test_broker broker;
    struct rj_test_peer a, b; /* two gateways */
};

static void open_gateway(struct world *world, struct rj_test_peer *peer, const char *id)
{
    rj_test_peer_open(peer, world->broker.gateways);
    assert_non_null(rj_test_peer_hello_gateway(peer, id, 0, 0));
    rj_test_peer_ready(peer);
}

static void open_world(struct world *world, const char *const args[])
{
    *world = (struct world){0};
    rj_test_broker_start(&world->broker, args);
    open_gateway(world, &world->a, "gateway-a");
    open_gateway(world, &world->b, "gateway-b");
}

static void close_world(struct world *world)
{
    rj_test_peer_close(&world->a);
    rj_test_peer_close(&world->b);
    assert_true(rj_test_broker_end(&world->broker));
    rj_test_broker_remove(&world->broker);
}

static void enter(struct rj_test_peer *peer, uint64_t client, const char *room)
{
    Rejoin__Reply *reply = rj_test_connect(peer, client, NULL, NULL);
    assert_non_null(reply);
    assert_null(reply->error);
    reply = rj_test_join(peer, client, room);
    assert_non_null(reply);
    assert_null(reply->error);
}

static const Rejoin__Published *published(const Rejoin__Reply *reply)
{
    assert_non_null(reply);
    assert_null(reply->error);
    assert_int_equal(reply->result_case, REJOIN__REPLY__RESULT_PUBLISHED);
    return reply->published;
}

static void assert_data(const Rejoin__Deliver *deliver, const char *text)
{
    assert_non_null(deliver);
    assert_int_equal(deliver->message->data.len, strlen(text));
    assert_memory_equal(deliver->message->data.data, text, strlen(text));
}

static void a_published_message_reaches_members_at_every_gateway_once(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    enter(&world.a, 1, "tea");
    enter(&world.a, 2, "tea");
    enter(&world.b, 1, "tea");
    Rejoin__Reply *reply = rj_test_join(&world.b, 1, "tea");
    assert_int_equal(reply->joined->members, 3);

    const Rejoin__Published *receipt = published(rj_test_publish(&world.a, 1, "tea", "\"hello\"", "id-1"));
    assert_int_equal(receipt->n_seqs, 1);
    assert_int_equal(receipt->seqs[0], 1);
    assert_true(strlen(receipt->offset) > 0);

    struct rj_test_peer *both[] = {&world.a, &world.b};
    for (int i = 0; i < 2; i++) {
        Rejoin__Deliver *deliver = rj_test_peer_deliver(both[i], 0, RJ_TEST_DEADLINE_MS);
        assert_data(deliver, "\"hello\"");
        assert_int_equal(deliver->pos, receipt->pos);
        assert_int_equal(deliver->seqs[0], 1);
        assert_string_equal(deliver->message->targets[0]->name, "tea");
        assert_string_equal(deliver->message->event, "room:message");
        assert_string_equal(deliver->message->id, "id-1");
        assert_int_equal(strlen(deliver->message->from_sid), 22);
    }
    /* Once: after a further answer there is no second one. */
    assert_true(rj_test_peer_metric(&world.a, "rejoin_broker_publishes_total") == 1);
    assert_null(rj_test_peer_deliver(&world.a, 0, 0));
    assert_true(world.a.upto >= receipt->pos);
    close_world(&world);
}

static void a_sender_without_echo_is_excepted(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    enter(&world.a, 1, "tea");
    Rejoin__Reply *connected = rj_test_connect(&world.a, 1, NULL, NULL); /* repeated: the same answer */
    Rejoin__Target target = REJOIN__TARGET__INIT;
    target.name = "tea";
    Rejoin__Target *targets[] = {&target};
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    message.targets = targets;
    message.n_targets = 1;
    message.data = (ProtobufCBinaryData){1, (uint8_t *)"1"};
    message.from_user = "somebody else";
    message.from_sid = "spoofed";
    message.source = "spoofed";
    Rejoin__Publish publish = REJOIN__PUBLISH__INIT;
    publish.message = &message;
    publish.exclude_self = true;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_PUBLISH;
    command.publish = &publish;
    published(rj_test_peer_reply(&world.a, rj_test_peer_command(&world.a, 1, &command)));

    Rejoin__Deliver *deliver = rj_test_peer_deliver(&world.a, 0, RJ_TEST_DEADLINE_MS);
    assert_non_null(deliver);
    assert_int_equal(deliver->message->n_except_sids, 1);
    assert_string_equal(deliver->message->except_sids[0], connected->connected->sid);
    assert_string_equal(deliver->message->from_sid, connected->connected->sid);
    assert_string_equal(deliver->message->from_user, "");
    assert_string_equal(deliver->message->source, "");
    close_world(&world);
}

static void every_member_sees_one_order_with_seqs_without_gaps(void **state)
{
    (void)state;
    enum { N = 200 };
    struct world world;
    /* Reading stops again and again until the disk has caught up: that must not cost anything but time. */
    open_world(&world, (const char *[]){"--max-in-flight", "3", NULL});
    enter(&world.a, 1, "tea");
    enter(&world.b, 1, "tea");
    for (int i = 0; i < N; i++) {
        Rejoin__Target target = REJOIN__TARGET__INIT;
        target.name = "tea";
        Rejoin__Target *targets[] = {&target};
        Rejoin__Message message = REJOIN__MESSAGE__INIT;
        message.targets = targets;
        message.n_targets = 1;
        message.data = (ProtobufCBinaryData){1, (uint8_t *)"1"};
        Rejoin__Publish publish = REJOIN__PUBLISH__INIT;
        publish.message = &message;
        Rejoin__Command command = REJOIN__COMMAND__INIT;
        command.kind_case = REJOIN__COMMAND__KIND_PUBLISH;
        command.publish = &publish;
        rj_test_peer_command(i % 2 ? &world.a : &world.b, 1, &command);
    }
    uint64_t positions[N];
    for (int i = 0; i < N; i++) {
        Rejoin__Deliver *deliver = rj_test_peer_deliver(&world.a, 0, RJ_TEST_DEADLINE_MS);
        assert_non_null(deliver);
        assert_int_equal(deliver->seqs[0], i + 1);
        positions[i] = deliver->pos;
        assert_true(i == 0 || positions[i] > positions[i - 1]);
    }
    for (int i = 0; i < N; i++) {
        Rejoin__Deliver *deliver = rj_test_peer_deliver(&world.b, 0, RJ_TEST_DEADLINE_MS);
        assert_non_null(deliver);
        assert_int_equal(deliver->pos, positions[i]);
    }
    assert_int_equal(world.a.gaps, 0);
    assert_int_equal(world.b.gaps, 0);
    close_world(&world);
}

static Rejoin__Reply *ask_history(struct rj_test_peer *peer, uint64_t before, bool after_set, uint64_t after,
                                  uint32_t limit)
{
    Rejoin__History history = REJOIN__HISTORY__INIT;
    history.room = "tea";
    history.before = before;
    history.after_set = after_set;
    history.after = after;
    history.limit = limit;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_HISTORY;
    command.history = &history;
    return rj_test_peer_reply(peer, rj_test_peer_command(peer, 1, &command));
}

static void assert_page(const Rejoin__Reply *reply, uint64_t first, size_t n, bool more)
{
    assert_non_null(reply);
    assert_null(reply->error);
    assert_int_equal(reply->history->n_messages, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(reply->history->messages[i]->seqs[0], first + i);
    assert_int_equal(reply->history->more, more);
}

static void history_comes_in_pages_either_way(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    enter(&world.a, 1, "tea");
    for (int i = 0; i < 10; i++)
        published(rj_test_publish(&world.a, 1, "tea", "{}", NULL));
    assert_page(ask_history(&world.a, 0, false, 0, 0), 1, 10, false);
    assert_page(ask_history(&world.a, 0, false, 0, 4), 7, 4, true);
    assert_page(ask_history(&world.a, 7, false, 0, 4), 3, 4, true);
    assert_page(ask_history(&world.a, 3, false, 0, 4), 1, 2, false);
    assert_page(ask_history(&world.a, 0, true, 0, 4), 1, 4, true);
    assert_page(ask_history(&world.a, 0, true, 6, 4), 7, 4, false);
    assert_page(ask_history(&world.a, 0, true, 10, 4), 0, 0, false);
    close_world(&world);
}

static Rejoin__Reply *join_with(struct rj_test_peer *peer, uint64_t client, bool after_set, uint64_t after,
                                uint32_t last)
{
    Rejoin__Join join = REJOIN__JOIN__INIT;
    join.room = "tea";
    join.after_set = after_set;
    join.after = after;
    join.last = last;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_JOIN;
    command.join = &join;
    Rejoin__Reply *reply = rj_test_peer_reply(peer, rj_test_peer_command(peer, client, &command));
    assert_non_null(reply);
    assert_null(reply->error);
    return reply;
}

static void a_join_may_bring_the_missed_or_the_last_messages(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    enter(&world.a, 1, "tea");
    for (int i = 0; i < 6; i++)
        published(rj_test_publish(&world.a, 1, "tea", "{}", NULL));
    rj_test_connect(&world.a, 2, NULL, NULL);

    Rejoin__Joined *joined = join_with(&world.a, 2, true, 4, 0)->joined;
    assert_true(joined->has_messages);
    assert_int_equal(joined->n_messages, 2);
    assert_int_equal(joined->messages[0]->seqs[0], 5);
    assert_int_equal(joined->seq, 6);
    assert_false(joined->more);
    uint64_t since = joined->since_pos;

    joined = join_with(&world.a, 2, false, 0, 4)->joined;
    assert_int_equal(joined->since_pos, since); /* a join again changes nothing */
    assert_int_equal(joined->n_messages, 4);
    assert_int_equal(joined->messages[0]->seqs[0], 3);
    assert_true(joined->more);

    joined = join_with(&world.a, 2, true, 3, 2)->joined;
    assert_int_equal(joined->n_messages, 2);
    assert_int_equal(joined->messages[0]->seqs[0], 5);
    assert_true(joined->more);

    joined = join_with(&world.a, 2, true, 6, 0)->joined;
    assert_true(joined->has_messages);
    assert_int_equal(joined->n_messages, 0);

    joined = join_with(&world.a, 2, false, 0, 0)->joined;
    assert_false(joined->has_messages);
    close_world(&world);
}

static void an_id_published_again_gets_the_first_answer_across_a_crash(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    Rejoin__Connected *who = rj_test_connect(&world.a, 1, NULL, NULL)->connected;
    rj_test_join(&world.a, 1, "tea");
    const Rejoin__Published *first = published(rj_test_publish(&world.a, 1, "tea", "1", "same"));
    const Rejoin__Published *again = published(rj_test_publish(&world.a, 1, "tea", "1", "same"));
    assert_false(first->duplicate);
    assert_true(again->duplicate);
    assert_int_equal(again->pos, first->pos);
    assert_int_equal(again->seqs[0], first->seqs[0]);

    struct rj_test_peer c = {0};
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);
    open_gateway(&world, &c, "gateway-c");
    Rejoin__Reply *reply = rj_test_connect(&c, 9, who->pid, NULL);
    assert_true(reply && !reply->error && reply->connected->recovered);
    again = published(rj_test_publish(&c, 9, "tea", "1", "same"));
    assert_true(again->duplicate);
    assert_int_equal(again->pos, first->pos);
    assert_int_equal(again->ts_ms, first->ts_ms);
    assert_int_equal(rj_test_history(&c, 9, "tea")->history->n_messages, 1);
    rj_test_peer_close(&c);
    close_world(&world);
}

/* The answer was lost, the client has left meanwhile, and its gateway repeats all. */
static void a_publish_repeated_after_the_room_was_left_gets_the_first_answer(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    enter(&world.a, 1, "tea");
    uint64_t command = world.a.last_command;
    uint64_t with_id = published(rj_test_publish(&world.a, 1, "tea", "1", "same"))->pos;
    uint64_t without = published(rj_test_publish(&world.a, 1, "tea", "2", NULL))->pos;
    assert_null(rj_test_leave(&world.a, 1, "tea")->error);
    world.a.last_command = command;
    const Rejoin__Published *again = published(rj_test_publish(&world.a, 1, "tea", "1", "same"));
    assert_true(again->duplicate);
    assert_int_equal(again->pos, with_id);
    again = published(rj_test_publish(&world.a, 1, "tea", "2", NULL));
    assert_true(again->duplicate);
    assert_int_equal(again->pos, without);
    world.a.last_command += 100;
    assert_true(rj_test_failed_with(rj_test_publish(&world.a, 1, "tea", "3", "other"), "not_joined"));
    assert_true(rj_test_failed_with(rj_test_publish(&world.a, 1, "tea", "3", NULL), "not_joined"));
    close_world(&world);
}

static void a_command_without_id_repeated_by_its_gateway_is_stored_once(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    enter(&world.a, 1, "tea");
    uint64_t command = world.a.last_command + 1;
    const Rejoin__Published *first = published(rj_test_publish(&world.a, 1, "tea", "1", NULL));
    world.a.last_command = command - 1; /* the same command id again, as on a next stream */
    const Rejoin__Published *again = published(rj_test_publish(&world.a, 1, "tea", "1", NULL));
    assert_true(again->duplicate);
    assert_int_equal(again->pos, first->pos);
    assert_false(published(rj_test_publish(&world.a, 1, "tea", "1", NULL))->duplicate);
    close_world(&world);
}

static void rooms_not_joined_are_closed_to_clients(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    enter(&world.a, 1, "tea");
    rj_test_connect(&world.a, 2, NULL, NULL);
    assert_true(rj_test_failed_with(rj_test_publish(&world.a, 2, "tea", "1", NULL), "not_joined"));
    assert_true(rj_test_failed_with(rj_test_publish(&world.a, 2, "nowhere", "1", NULL), "not_joined"));
    assert_true(rj_test_failed_with(rj_test_history(&world.a, 2, "tea"), "not_joined"));
    rj_test_join(&world.a, 2, "tea");
    published(rj_test_publish(&world.a, 2, "tea", "1", NULL));
    assert_null(rj_test_leave(&world.a, 2, "tea")->error);
    assert_null(rj_test_leave(&world.a, 2, "tea")->error); /* and again: no matter */
    assert_true(rj_test_failed_with(rj_test_publish(&world.a, 2, "tea", "1", NULL), "not_joined"));
    close_world(&world);
}

static void open_rooms_need_no_join(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){"--room-policy", "open", NULL});
    rj_test_connect(&world.a, 1, NULL, NULL);
    assert_int_equal(rj_test_history(&world.a, 1, "tea")->history->n_messages, 0);
    published(rj_test_publish(&world.a, 1, "tea", "1", NULL));
    assert_int_equal(rj_test_history(&world.a, 1, "tea")->history->n_messages, 1);
    close_world(&world);
}

static void what_breaks_a_limit_is_refused_with_its_code(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){"--rooms-per-client", "2", "--max-data", "100", NULL});
    char name[300];
    memset(name, 'x', sizeof name);
    name[256] = '\0';
    enter(&world.a, 1, "tea");
    assert_true(rj_test_failed_with(rj_test_join(&world.a, 1, ""), "bad_name"));
    assert_true(rj_test_failed_with(rj_test_join(&world.a, 1, name), "bad_name"));
    assert_true(rj_test_failed_with(rj_test_join(&world.a, 1, "\xff\xfe"), "bad_name"));
    name[255] = '\0';
    assert_null(rj_test_join(&world.a, 1, name)->error);
    assert_true(rj_test_failed_with(rj_test_join(&world.a, 1, "one too many"), "too_many"));

    char data[128];
    memset(data, '1', sizeof data);
    data[101] = '\0';
    assert_true(rj_test_failed_with(rj_test_publish(&world.a, 1, "tea", data, NULL), "too_large"));
    data[100] = '\0';
    published(rj_test_publish(&world.a, 1, "tea", data, NULL));
    assert_true(rj_test_failed_with(rj_test_publish(&world.a, 1, "tea", "{", NULL), "bad_request"));
    assert_true(rj_test_failed_with(rj_test_publish(&world.a, 1, "tea", "", NULL), "bad_request"));
    memset(name, 'x', 201);
    name[201] = '\0';
    assert_true(rj_test_failed_with(rj_test_publish(&world.a, 1, "tea", "1", name), "bad_request"));
    assert_true(rj_test_failed_with(rj_test_publish(&world.a, 77, "tea", "1", NULL), "closed"));
    close_world(&world);
}

static void a_message_that_would_break_clients_is_refused(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    enter(&world.a, 1, "tea");
    Rejoin__Target target = REJOIN__TARGET__INIT;
    target.name = "tea";
    Rejoin__Target *targets[] = {&target, &target};
    ProtobufCBinaryData attachments[11] = {{0}};
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    Rejoin__Publish publish = REJOIN__PUBLISH__INIT;
    publish.message = &message;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_PUBLISH;
    command.publish = &publish;
    message.targets = targets;
    message.data = (ProtobufCBinaryData){1, (uint8_t *)"1"};

    static const struct {
        const char *data, *event, *code;
        size_t n_attachments, n_targets;
        Rejoin__Target__Kind kind;
    } cases[] = {
        {"1", "disconnect", "bad_request", 0, 1, REJOIN__TARGET__KIND__ROOM},
        {"1", "", "too_many", 11, 1, REJOIN__TARGET__KIND__ROOM},
        {"[{\"_placeholder\":true,\"num\":1}]", "", "bad_request", 1, 1, REJOIN__TARGET__KIND__ROOM},
        {"{\"a\":{\"_placeholder\":true}}", "", "bad_request", 1, 1, REJOIN__TARGET__KIND__ROOM},
        {"1", "", "bad_request", 0, 1, REJOIN__TARGET__KIND__SOCKET},
        {"1", "", "bad_request", 0, 1, (Rejoin__Target__Kind)99},
        {"1", "", "bad_request", 0, 0, REJOIN__TARGET__KIND__ROOM},
        {"1", "", "bad_request", 0, 2, REJOIN__TARGET__KIND__ROOM},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        message.data = (ProtobufCBinaryData){strlen(cases[i].data), (uint8_t *)(uintptr_t)cases[i].data};
        message.event = (char *)(uintptr_t)cases[i].event;
        message.attachments = attachments;
        message.n_attachments = cases[i].n_attachments;
        message.n_targets = cases[i].n_targets;
        target.kind = cases[i].kind;
        command.id = 0;
        Rejoin__Reply *reply = rj_test_peer_reply(&world.a, rj_test_peer_command(&world.a, 1, &command));
        if (!rj_test_failed_with(reply, cases[i].code))
            fail_msg("case %zu is not refused with %s", i, cases[i].code);
    }
    assert_int_equal(rj_test_history(&world.a, 1, "tea")->history->n_messages, 0);
    close_world(&world);
}

static void a_volatile_message_is_sent_and_not_kept(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    enter(&world.a, 1, "tea");
    enter(&world.b, 1, "tea");
    Rejoin__Target target = REJOIN__TARGET__INIT;
    target.name = "tea";
    Rejoin__Target *targets[] = {&target};
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    message.targets = targets;
    message.n_targets = 1;
    message.data = (ProtobufCBinaryData){1, (uint8_t *)"1"};
    message.volatile_ = true;
    Rejoin__Publish publish = REJOIN__PUBLISH__INIT;
    publish.message = &message;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_PUBLISH;
    command.publish = &publish;
    const Rejoin__Published *receipt =
        published(rj_test_peer_reply(&world.a, rj_test_peer_command(&world.a, 1, &command)));
    assert_int_equal(receipt->pos, 0);
    Rejoin__Deliver *deliver = rj_test_peer_deliver(&world.b, 0, RJ_TEST_DEADLINE_MS);
    assert_data(deliver, "1");
    assert_int_equal(deliver->pos, 0);
    assert_int_equal(rj_test_history(&world.a, 1, "tea")->history->n_messages, 0);
    close_world(&world);
}

/* Its gateway shows the member all that comes until the answer. Were something left out because nobody else
 * is there, and something later not because somebody else has come meanwhile, there would be a hole. */
static void who_leaves_gets_all_that_was_published_before_it_is_told_that_it_has_left(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    enter(&world.a, 1, "tea");
    uint64_t said = rj_test_add_publish(&world.a, 1, "tea", "1", NULL);
    uint64_t left = rj_test_add_leave(&world.a, 1, "tea");
    rj_test_peer_flush(&world.a);
    published(rj_test_peer_reply(&world.a, said));
    assert_null(rj_test_peer_reply(&world.a, left)->error);
    assert_data(rj_test_peer_deliver(&world.a, 0, 0), "1"); /* it has come by now */
    enter(&world.b, 2, "tea");
    published(rj_test_publish(&world.b, 2, "tea", "2", NULL));
    assert_data(rj_test_peer_deliver(&world.b, 0, RJ_TEST_DEADLINE_MS), "2");
    rj_test_peer_metric(&world.a, "sessions_created_total");
    assert_null(rj_test_peer_deliver(&world.a, 0, 0));
    close_world(&world);
}

static void an_event_without_a_backend_has_no_handler(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    rj_test_connect(&world.a, 1, NULL, NULL);
    Rejoin__Event event = REJOIN__EVENT__INIT;
    event.name = "weather";
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_EVENT;
    command.event = &event;
    Rejoin__Reply *reply = rj_test_peer_reply(&world.a, rj_test_peer_command(&world.a, 1, &command));
    assert_true(rj_test_failed_with(reply, "no_handler"));
    close_world(&world);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_published_message_reaches_members_at_every_gateway_once),
    cmocka_unit_test(a_sender_without_echo_is_excepted),
    cmocka_unit_test(every_member_sees_one_order_with_seqs_without_gaps),
    cmocka_unit_test(history_comes_in_pages_either_way),
    cmocka_unit_test(a_join_may_bring_the_missed_or_the_last_messages),
    cmocka_unit_test(an_id_published_again_gets_the_first_answer_across_a_crash),
    cmocka_unit_test(a_command_without_id_repeated_by_its_gateway_is_stored_once),
    cmocka_unit_test(a_publish_repeated_after_the_room_was_left_gets_the_first_answer),
    cmocka_unit_test(rooms_not_joined_are_closed_to_clients),
    cmocka_unit_test(open_rooms_need_no_join),
    cmocka_unit_test(what_breaks_a_limit_is_refused_with_its_code),
    cmocka_unit_test(a_message_that_would_break_clients_is_refused),
    cmocka_unit_test(a_volatile_message_is_sent_and_not_kept),
    cmocka_unit_test(who_leaves_gets_all_that_was_published_before_it_is_told_that_it_has_left),
    cmocka_unit_test(an_event_without_a_backend_has_no_handler),
};

RJ_TEST_MAIN(tests)
