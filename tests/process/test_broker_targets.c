/* Whom a message reaches: targets of every kind on a real broker, live and replayed. */
#include "tests/process/sockets_support.h"

static const char *socket_of(const struct who *who)
{
    static char word[64];
    snprintf(word, sizeof word, "socket:%s", who->sid);
    return word;
}

static const char forgotten_metric[] = "rejoin_store_rooms_forgotten_total";

static uint64_t seq_of(const Rejoin__Reply *reply)
{
    assert_null(reply->error);
    return reply->published->seqs[0];
}

static void everybody_in_the_namespace_gets_what_is_for_all(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    come(&world.gateway, 1, NULL, NULL);
    come(&world.gateway, 2, "ann", NULL);
    assert_int_equal(seq_of(emit_to(&world.backend, "all", "1")), 1);
    assert_delivered(&world.gateway, 0, "1");
    assert_nothing(&world.gateway, 0); /* once a gateway */
    assert_nothing(&world.other, 0);   /* nobody is there */
    come(&world.other, 1, NULL, NULL);
    assert_int_equal(seq_of(emit_to(&world.backend, "all", "2")), 2);
    assert_delivered(&world.gateway, 0, "2");
    assert_delivered(&world.other, 0, "2");
    close_world(&world);
}

static void a_user_and_a_socket_are_reached_where_they_are(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who ann = come(&world.gateway, 1, "ann", NULL);
    come(&world.other, 1, "bob", NULL);
    assert_int_equal(seq_of(emit_to(&world.backend, "user:bob", "1")), 1);
    assert_delivered(&world.other, 0, "1");
    come(&world.other, 2, "ann", NULL);
    assert_int_equal(seq_of(emit_to(&world.backend, "user:ann", "2")), 1);
    assert_delivered(&world.gateway, 0, "2");
    assert_delivered(&world.other, 0, "2");
    assert_int_equal(seq_of(emit_to(&world.backend, socket_of(&ann), "3")), 1);
    assert_delivered(&world.gateway, 0, "3");
    assert_null(rj_test_disconnect(&world.gateway, 1, false)->error);
    assert_int_equal(seq_of(emit_to(&world.backend, "user:ann", "4")), 2);
    assert_delivered(&world.other, 0, "4");
    assert_nothing(&world.gateway, 0);
    assert_nothing(&world.other, 0);
    /* A user that nobody is: stored for when they come. */
    assert_int_equal(seq_of(emit_to(&world.backend, "user:cy", "5")), 1);
    close_world(&world);
}

static void targets_of_several_kinds_are_one_message(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who ann = come(&world.gateway, 1, "ann", NULL);
    come(&world.gateway, 2, "bob", NULL);
    join(&world.gateway, 2, "tea");
    join(&world.gateway, 1, "tea");
    Rejoin__Reply *reply =
        emit(&world.backend, &(struct emit){.to = LIST("room:tea", "user:ann", socket_of(&ann), "all")});
    assert_null(reply->error);
    assert_int_equal(reply->published->n_seqs, 4);
    Rejoin__Deliver *deliver = rj_test_peer_deliver(&world.gateway, 0, RJ_TEST_DEADLINE_MS);
    assert_int_equal(deliver->message->n_targets, 4);
    assert_int_equal(deliver->message->targets[3]->kind, REJOIN__TARGET__KIND__NAMESPACE);
    assert_int_equal(deliver->n_seqs, 4);
    assert_nothing(&world.gateway, 0);
    close_world(&world);
}

static void kinds_are_not_mixed_up_by_names(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who ann = come(&world.gateway, 1, "ann", NULL);
    join(&world.gateway, 1, "bob");
    come(&world.other, 1, "bob", NULL);
    join(&world.other, 1, "ann");
    join(&world.other, 1, ann.sid);
    assert_int_equal(seq_of(emit_to(&world.backend, "user:ann", "1")), 1);
    assert_delivered(&world.gateway, 0, "1");
    assert_int_equal(seq_of(emit_to(&world.backend, socket_of(&ann), "2")), 1);
    assert_delivered(&world.gateway, 0, "2");
    assert_nothing(&world.other, 0);
    assert_int_equal(seq_of(emit_to(&world.backend, "room:ann", "3")), 1);
    assert_delivered(&world.other, 0, "3");
    assert_nothing(&world.gateway, 0);
    close_world(&world);
}

/* ------------------------------------------------------------------------------------------ replays */

static Rejoin__Connected *return_as(struct world *world, uint64_t client, const char *user,
                                    const struct who *who)
{
    Rejoin__Connected *connected = come_again(&world->gateway, client, user, who->pid, NULL)->connected;
    assert_true(connected->recovered);
    return connected;
}

static void who_was_away_gets_what_was_meant_in_every_way_once_and_in_order(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    emit_to(&world.backend, "all", "\"too early\"");
    emit_to(&world.backend, "user:ann", "\"too early\"");
    struct who ann = come(&world.gateway, 1, "ann", NULL), bob = come(&world.other, 1, "bob", NULL);
    join(&world.gateway, 1, "tea");
    assert_null(rj_test_disconnect(&world.gateway, 1, false)->error);
    seq_of(emit_to(&world.backend, "all", "1"));
    seq_of(emit_to(&world.backend, "user:ann", "2"));
    seq_of(emit_to(&world.backend, "user:bob", "\"of another\""));
    seq_of(emit_to(&world.backend, socket_of(&ann), "3"));
    seq_of(emit_to(&world.backend, socket_of(&bob), "\"of another\""));
    seq_of(emit_to(&world.backend, "room:tea", "4"));
    seq_of(emit(&world.backend, &(struct emit){.to = LIST("user:ann", "room:tea", "all"), .data = "5"}));
    return_as(&world, 2, "ann", &ann);
    for (int i = 1; i <= 5; i++) {
        char data[16];
        snprintf(data, sizeof data, "%d", i);
        assert_delivered(&world.gateway, 2, data);
    }
    assert_false(rj_test_peer_caught_up(&world.gateway, 2)->gap);
    assert_nothing(&world.gateway, 2);
    close_world(&world);
}

static void exceptions_hold_in_replays_too(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who ann = come(&world.gateway, 1, "ann", NULL);
    join(&world.gateway, 1, "tea");
    assert_null(rj_test_disconnect(&world.gateway, 1, false)->error);
    seq_of(emit(&world.backend, &(struct emit){.to = LIST("all"), .except_sids = LIST(ann.sid)}));
    seq_of(emit(&world.backend, &(struct emit){.to = LIST("user:ann"), .except_rooms = LIST("milk", "tea")}));
    seq_of(emit(&world.backend,
                &(struct emit){.to = LIST("all"), .except_rooms = LIST("ann", "milk"), .data = "1"}));
    return_as(&world, 2, "ann", &ann);
    assert_delivered(&world.gateway, 2, "1");
    assert_non_null(rj_test_peer_caught_up(&world.gateway, 2));
    assert_nothing(&world.gateway, 2);
    close_world(&world);
}

/* Also when none of its rooms, but only what was meant for all lost something. */
static void a_session_that_missed_what_is_kept_no_longer_is_not_restored(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){"--retention", "500", NULL});
    struct who ann = come(&world.gateway, 1, "ann", NULL), bob = come(&world.gateway, 2, "bob", NULL);
    join(&world.gateway, 2, "tea");
    assert_null(rj_test_disconnect(&world.gateway, 1, false)->error);
    assert_null(rj_test_disconnect(&world.gateway, 2, false)->error);
    seq_of(emit_to(&world.backend, "user:ann", "1"));
    assert_true(rj_eventually(RJ_TEST_DEADLINE_MS,
                              (keep_alive(&world.gateway), keep_alive(&world.other),
                               rj_test_peer_metric(&world.backend, "rejoin_store_trimmed_total") > 0)));
    assert_false(come_again(&world.gateway, 3, "ann", ann.pid, NULL)->connected->recovered);
    assert_true(come_again(&world.gateway, 4, "bob", bob.pid, NULL)->connected->recovered);
    close_world(&world);
}

static void what_a_socket_missed_outlives_the_broker(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who ann = come(&world.gateway, 1, "ann", NULL);
    assert_null(rj_test_disconnect(&world.gateway, 1, false)->error);
    seq_of(emit_to(&world.backend, socket_of(&ann), "1"));
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);
    rj_test_peer_close(&world.gateway);
    rj_test_peer_close(&world.backend);
    open_gateway(&world.broker, &world.gateway, "gateway-c");
    open_backend(&world.broker, &world.backend, "backend-2");
    /* It is away still, and known. */
    assert_int_equal(seq_of(emit_to(&world.backend, socket_of(&ann), "2")), 2);
    seq_of(emit_to(&world.backend, "user:ann", "3"));
    return_as(&world, 1, "ann", &ann);
    assert_delivered(&world.gateway, 1, "1");
    assert_delivered(&world.gateway, 1, "2");
    assert_delivered(&world.gateway, 1, "3");
    close_world(&world);
}

static void a_gateway_without_a_stream_is_refilled_with_targets_of_every_kind(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who ann = come(&world.gateway, 1, "ann", NULL);
    Rejoin__Welcome *welcome = rj_test_peer_hello_gateway(&world.gateway, "gateway-a", 0, 0);
    uint64_t epoch = welcome->epoch, head = welcome->head;
    seq_of(emit_to(&world.backend, "all", "1"));
    seq_of(emit_to(&world.backend, "user:bob", "\"of another\""));
    seq_of(emit_to(&world.backend, "user:ann", "2"));
    seq_of(emit_to(&world.backend, socket_of(&ann), "3"));
    assert_nothing(&world.gateway, 0); /* not before it is ready */
    assert_non_null(rj_test_peer_hello_gateway(&world.gateway, "gateway-a", epoch, head));
    assert_null(attach(&world.gateway, 1, &ann)->error);
    rj_test_peer_ready(&world.gateway);
    assert_delivered(&world.gateway, 0, "1");
    assert_delivered(&world.gateway, 0, "2");
    assert_delivered(&world.gateway, 0, "3");
    assert_nothing(&world.gateway, 0);
    close_world(&world);
}

/* ------------------------------------------------------------------------------------------ refusals */

static void a_socket_whose_session_is_over_is_not_found_and_nothing_is_logged(void **state)
{
    (void)state;
    struct world world;
    struct who never = {.sid = "ABCDEFGHIJKLMNOPQRST09"};
    open_world(&world, NULL);
    struct who ann = come(&world.gateway, 1, "ann", NULL);
    assert_null(rj_test_disconnect(&world.gateway, 1, true)->error);
    double records = rj_test_peer_metric(&world.backend, "rejoin_store_records_total");
    assert_true(rj_test_failed_with(emit_to(&world.backend, socket_of(&ann), "1"), "not_found"));
    assert_true(rj_test_failed_with(emit_to(&world.backend, socket_of(&never), "1"), "not_found"));
    assert_true(rj_test_failed_with(emit_to(&world.backend, "socket:short", "1"), "not_found"));
    assert_true(rj_test_failed_with(
        emit(&world.backend, &(struct emit){.to = LIST("all", socket_of(&ann)), .is_volatile = true}),
        "not_found"));
    assert_true(rj_test_peer_metric(&world.backend, "rejoin_store_records_total") == records);
    close_world(&world);
}

static void a_session_that_has_expired_is_not_found(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){"--session-lifetime", "1000", NULL});
    struct who ann = come(&world.gateway, 1, "ann", NULL);
    assert_int_equal(seq_of(emit_to(&world.backend, socket_of(&ann), "1")), 1);
    assert_null(rj_test_disconnect(&world.gateway, 1, false)->error);
    assert_true(
        rj_eventually(RJ_TEST_DEADLINE_MS,
                      rj_test_failed_with(emit_to(&world.backend, socket_of(&ann), "2"), "not_found")));
    assert_true(
        rj_eventually(RJ_TEST_DEADLINE_MS, rj_test_peer_metric(&world.backend, forgotten_metric) == 1));
    close_world(&world);
}

/* A sid is never used again: what was said to it needs no place in the store. */
static void what_was_said_to_a_socket_is_forgotten_with_its_session(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who ann = come(&world.gateway, 1, "ann", NULL), bob = come(&world.gateway, 2, "bob", NULL),
               cy = come(&world.gateway, 3, "cy", NULL);
    assert_null(emit(&world.backend, &(struct emit){.to = LIST(socket_of(&ann), "room:tea")})->error);
    assert_int_equal(seq_of(emit_to(&world.backend, socket_of(&ann), "1")), 2);
    assert_int_equal(seq_of(emit_to(&world.backend, socket_of(&bob), "2")), 1);
    assert_null(rj_test_disconnect(&world.gateway, 1, true)->error); /* for good */
    assert_null(rj_test_disconnect(&world.gateway, 2, false)->error);
    assert_null(rj_test_disconnect(&world.gateway, 3, true)->error); /* nobody has said anything to it */
    assert_true(rj_test_peer_metric(&world.backend, forgotten_metric) == 1);
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);
    rj_test_peer_close(&world.gateway);
    rj_test_peer_close(&world.backend);
    open_gateway(&world.broker, &world.gateway, "gateway-a");
    open_backend(&world.broker, &world.backend, "backend-1");
    assert_true(rj_test_failed_with(emit_to(&world.backend, socket_of(&ann), "3"), "not_found"));
    assert_true(rj_test_failed_with(emit_to(&world.backend, socket_of(&cy), "3"), "not_found"));
    assert_int_equal(seq_of(emit_to(&world.backend, socket_of(&bob), "4")), 2);
    assert_int_equal(seq_of(emit_to(&world.backend, "room:tea", "5")), 2);
    close_world(&world);
}

static void mistakes_in_targets_are_told(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    static char names[65][24], user[160] = "user:";
    const char *many[66] = {0};
    for (int i = 0; i < 65; i++) {
        snprintf(names[i], sizeof names[i], "room:r%d", i);
        many[i] = names[i];
    }
    memset(user + 5, 'x', 129);
    assert_true(rj_test_failed_with(emit(&world.backend, &(struct emit){.to = many}), "bad_request"));
    many[64] = NULL;
    assert_null(emit(&world.backend, &(struct emit){.to = many})->error);
    assert_true(rj_test_failed_with(emit(&world.backend, &(struct emit){0}), "bad_request"));
    assert_true(rj_test_failed_with(emit_to(&world.backend, "all:tea", "1"), "bad_request"));
    assert_true(rj_test_failed_with(emit_to(&world.backend, "user:", "1"), "bad_name"));
    assert_true(rj_test_failed_with(emit_to(&world.backend, user, "1"), "bad_name"));
    assert_true(rj_test_failed_with(emit_to(&world.backend, "user:\xff", "1"), "bad_name"));
    assert_true(rj_test_failed_with(emit_to(&world.backend, "room:", "1"), "bad_name"));
    assert_true(rj_test_failed_with(
        emit(&world.backend, &(struct emit){.to = LIST("user:ann", "all", "user:ann")}), "bad_request"));
    /* The same name is another target in another kind. */
    assert_null(emit(&world.backend, &(struct emit){.to = LIST("user:ann", "room:ann", "all")})->error);
    close_world(&world);
}

static void a_client_names_rooms_alone(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who ann = come(&world.gateway, 1, "ann", NULL);
    Rejoin__Target target = REJOIN__TARGET__INIT, *targets[] = {&target};
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    Rejoin__Publish publish = REJOIN__PUBLISH__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    message.targets = targets;
    message.n_targets = 1;
    message.data = (ProtobufCBinaryData){2, (uint8_t *)(uintptr_t) "{}"};
    publish.message = &message;
    command.kind_case = REJOIN__COMMAND__KIND_PUBLISH;
    command.publish = &publish;
    for (int kind = REJOIN__TARGET__KIND__NAMESPACE; kind <= REJOIN__TARGET__KIND__USER + 1; kind++) {
        target.kind = (Rejoin__Target__Kind)kind;
        target.name = kind == REJOIN__TARGET__KIND__SOCKET ? ann.sid : "";
        command.id = 0;
        Rejoin__Reply *reply =
            rj_test_peer_reply(&world.gateway, rj_test_peer_command(&world.gateway, 1, &command));
        assert_true(rj_test_failed_with(reply, "bad_request"));
    }
    close_world(&world);
}

/* ------------------------------------------------------------------------------------------ volatile, plain
 */

static void a_volatile_message_reaches_those_who_are_there_and_leaves_nothing(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who ann = come(&world.gateway, 1, "ann", NULL), bob = come(&world.other, 1, "bob", NULL);
    assert_null(rj_test_disconnect(&world.other, 1, false)->error);
    Rejoin__Reply *reply = emit(
        &world.backend,
        &(struct emit){.to = LIST("all", "user:bob", socket_of(&ann)), .data = "1", .is_volatile = true});
    assert_null(reply->error);
    assert_int_equal(reply->published->pos, 0);
    assert_delivered(&world.gateway, 0, "1");
    assert_null(
        emit(&world.backend, &(struct emit){.to = LIST(socket_of(&bob)), .is_volatile = true})->error);
    assert_int_equal(seq_of(emit_to(&world.backend, "all", "2")), 1);
    return_as(&world, 2, "bob", &bob);
    assert_delivered(&world.gateway, 0, "2");
    assert_delivered(&world.gateway, 2, "2");
    assert_nothing(&world.gateway, 2);
    close_world(&world);
}

static void plain_data_is_an_array_and_history_shows_it(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct emit plain = {.to = LIST("room:tea"), .data = "{\"n\":1}", .is_plain = true};
    assert_true(rj_test_failed_with(emit(&world.backend, &plain), "bad_request"));
    plain.data = " [1,\"two\"]";
    assert_null(emit(&world.backend, &plain)->error);
    Rejoin__HistoryPage *page = rj_test_history(&world.backend, 0, "tea")->history;
    assert_int_equal(page->n_messages, 1);
    assert_true(page->messages[0]->message->plain);
    assert_memory_equal(page->messages[0]->message->data.data, plain.data, strlen(plain.data));
    close_world(&world);
}

static void a_repeated_publish_is_answered_as_the_first_when_its_socket_has_gone(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who ann = come(&world.gateway, 1, "ann", NULL);
    struct emit message = {.to = LIST("room:tea", socket_of(&ann)), .id = "m-1", .data = "1"};
    uint64_t pos = emit(&world.backend, &message)->published->pos;
    assert_null(rj_test_disconnect(&world.gateway, 1, true)->error);
    const Rejoin__Published *again = emit(&world.backend, &message)->published;
    assert_true(again && again->duplicate);
    assert_int_equal(again->pos, pos);
    assert_int_equal(again->seqs[1], 1);
    message.id = "m-2";
    assert_true(rj_test_failed_with(emit(&world.backend, &message), "not_found"));
    message.id = "m-1";
    message.is_volatile = true;
    assert_true(rj_test_failed_with(emit(&world.backend, &message), "not_found"));
    close_world(&world);
}

static void a_repeated_publish_is_answered_as_the_first(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who ann = come(&world.gateway, 1, "ann", NULL);
    struct emit message = {.to = LIST("all", "user:ann", socket_of(&ann)), .id = "m-1", .data = "1"};
    Rejoin__Published *first = emit(&world.backend, &message)->published;
    Rejoin__Published *second = emit(&world.backend, &message)->published;
    assert_false(first->duplicate);
    assert_true(second->duplicate);
    assert_int_equal(second->pos, first->pos);
    assert_int_equal(second->n_seqs, 3);
    assert_delivered(&world.gateway, 0, "1");
    assert_nothing(&world.gateway, 0);
    close_world(&world);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(everybody_in_the_namespace_gets_what_is_for_all),
    cmocka_unit_test(a_user_and_a_socket_are_reached_where_they_are),
    cmocka_unit_test(targets_of_several_kinds_are_one_message),
    cmocka_unit_test(kinds_are_not_mixed_up_by_names),
    cmocka_unit_test(who_was_away_gets_what_was_meant_in_every_way_once_and_in_order),
    cmocka_unit_test(exceptions_hold_in_replays_too),
    cmocka_unit_test(a_session_that_missed_what_is_kept_no_longer_is_not_restored),
    cmocka_unit_test(what_a_socket_missed_outlives_the_broker),
    cmocka_unit_test(a_gateway_without_a_stream_is_refilled_with_targets_of_every_kind),
    cmocka_unit_test(a_socket_whose_session_is_over_is_not_found_and_nothing_is_logged),
    cmocka_unit_test(a_session_that_has_expired_is_not_found),
    cmocka_unit_test(what_was_said_to_a_socket_is_forgotten_with_its_session),
    cmocka_unit_test(mistakes_in_targets_are_told),
    cmocka_unit_test(a_client_names_rooms_alone),
    cmocka_unit_test(a_volatile_message_reaches_those_who_are_there_and_leaves_nothing),
    cmocka_unit_test(plain_data_is_an_array_and_history_shows_it),
    cmocka_unit_test(a_repeated_publish_is_answered_as_the_first),
    cmocka_unit_test(a_repeated_publish_is_answered_as_the_first_when_its_socket_has_gone),
};

RJ_TEST_MAIN(tests)
