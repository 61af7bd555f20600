/* Limits of the broker that are settings, each from below and from above: what clients and backends may make
 * it hold, and how long. Those of names stand in test_broker_names.c, those of jobs in test_broker_serve.c.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/process/serve_support.h"

struct world {
    struct rj_test_broker broker;
    struct rj_test_peer gateway, backend;
};

static int setup_with(void **state, const char *const args[])
{
    struct world *world = calloc(1, sizeof *world);
    *state = world;
    rj_test_broker_start(&world->broker, args);
    open_gateway(&world->broker, &world->gateway, "gateway-a");
    open_backend(&world->broker, &world->backend, "one");
    return 0;
}

static int setup(void **state)
{
    static const char *const args[] = {"--handler-timeout",
                                       "700",
                                       "--handler-timeout-max",
                                       "900",
                                       "--max-admission-bytes",
                                       "1000",
                                       "--max-groups",
                                       "2",
                                       "--max-tails",
                                       "3",
                                       NULL};
    return setup_with(state, args);
}

static int setup_log(void **state)
{
    static const char *const args[] = {"--history-default",
                                       "2",
                                       "--history-max",
                                       "4",
                                       "--dedupe-max-source",
                                       "3",
                                       "--dedupe-window",
                                       "1000",
                                       "--dedupe-window-gateway",
                                       "1000",
                                       NULL};
    return setup_with(state, args);
}

static int teardown(void **state)
{
    struct world *world = *state;
    rj_test_peer_close(&world->gateway);
    rj_test_peer_close(&world->backend);
    bool has_ended = rj_test_broker_end(&world->broker);
    rj_test_broker_remove(&world->broker);
    free(world);
    return has_ended ? 0 : -1;
}

/* ---- serving */

/* What a job's instance is told that it has. */
static uint32_t time_of(struct world *world, uint32_t wanted_ms)
{
    serve(&world->backend, &(struct serve_as){.all_events = true, .timeout_ms = wanted_ms});
    say_event(&world->gateway, 1, "work", "[]", 0, false);
    Rejoin__Job *job = get_event(&world->backend, "work");
    answer(&world->backend, job->id, "[]");
    return job->timeout_ms;
}

static void an_answer_has_the_time_that_is_set_or_wanted_up_to_the_most(void **state)
{
    struct world *world = *state;
    enter(&world->gateway, 1);
    static const uint32_t cases[][2] = {{0, 700}, {10, 10}, {800, 800}, {900, 900}, {901, 900}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t time_ms = time_of(world, cases[i][0]); /* some of it may be over when it is given */
        assert_true(time_ms <= cases[i][1] && time_ms + 500 > cases[i][1]);
    }
}

static void so_many_groups_may_be_known(void **state)
{
    struct world *world = *state;
    struct rj_test_peer *backend = &world->backend;
    serve(backend, &(struct serve_as){.group = "first", .sockets = true});
    serve(backend, &(struct serve_as){.group = "second", .sockets = true});
    assert_failed(backend, say_serve(backend, &(struct serve_as){.group = "third", .sockets = true}),
                  "too_many");
    serve(backend, &(struct serve_as){.group = "second", .all_events = true}); /* it is known */
    assert_null(unserve(backend, "first", false)->error);                      /* still known */
    assert_failed(backend, say_serve(backend, &(struct serve_as){.group = "third", .sockets = true}),
                  "too_many");
    assert_null(unserve(backend, "first", true)->error);
    serve(backend, &(struct serve_as){.group = "third", .sockets = true});
}

/* The one that reaches the limit is still taken: it is a bound on memory, and what each may hold has one,
 * too. */
static void what_waiting_clients_have_said_has_a_size(void **state)
{
    struct world *world = *state;
    char auth[600];
    memset(auth, 'x', sizeof auth);
    auth[0] = auth[sizeof auth - 2] = '"';
    auth[sizeof auth - 1] = '\0';
    char text[sizeof auth + 20];
    snprintf(text, sizeof text, "{\"token\":%s}", auth);
    serve(&world->backend, &(struct serve_as){.admits = true});
    say_connect(&world->gateway, 1, "/", NULL, text);
    say_connect(&world->gateway, 2, "/", NULL, text);
    assert_failed(&world->gateway, say_connect(&world->gateway, 3, "/", NULL, text), "unavailable");
    Rejoin__Answer accept = REJOIN__ANSWER__INIT;
    accept.job = get_admission(&world->backend)->id;
    assert_null(send_answer(&world->backend, &accept)->error);
    say_connect(&world->gateway, 4, "/", NULL, text);
    get_admission(&world->backend);
    get_admission(&world->backend); /* of the fourth */
}

/* ---- tails */

static Rejoin__Reply *tail(struct rj_test_peer *backend, uint64_t *id)
{
    Rejoin__Tail asked = REJOIN__TAIL__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_TAIL;
    command.tail = &asked;
    *id = rj_test_peer_command(backend, 0, &command);
    Rejoin__Reply *reply = rj_test_peer_reply(backend, *id);
    assert_non_null(reply);
    return reply;
}

static void a_backend_may_follow_so_many_tails(void **state)
{
    struct world *world = *state;
    uint64_t first, id;
    assert_null(tail(&world->backend, &first)->error);
    assert_null(tail(&world->backend, &id)->error);
    assert_null(tail(&world->backend, &id)->error);
    assert_true(rj_test_failed_with(tail(&world->backend, &id), "too_many"));

    Rejoin__Untail untail = REJOIN__UNTAIL__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    untail.tail = first;
    command.kind_case = REJOIN__COMMAND__KIND_UNTAIL;
    command.untail = &untail;
    assert_null(
        rj_test_peer_reply(&world->backend, rj_test_peer_command(&world->backend, 0, &command))->error);
    assert_null(tail(&world->backend, &id)->error);
}

/* ---- the log */

static const Rejoin__Published *publish(struct rj_test_peer *gateway, const char *id, uint64_t command_id)
{
    Rejoin__Target target = REJOIN__TARGET__INIT, *targets[] = {&target};
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    Rejoin__Publish publish = REJOIN__PUBLISH__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    target.name = "tea";
    message.targets = targets;
    message.n_targets = 1;
    message.id = (char *)(uintptr_t)(id ? id : "");
    message.data = (ProtobufCBinaryData){1, (uint8_t *)(uintptr_t) "1"};
    publish.message = &message;
    command.id = command_id;
    command.kind_case = REJOIN__COMMAND__KIND_PUBLISH;
    command.publish = &publish;
    Rejoin__Reply *reply = rj_test_peer_reply(gateway, rj_test_peer_command(gateway, 1, &command));
    assert_true(reply && !reply->error);
    return reply->published;
}

static size_t page_of(struct rj_test_peer *gateway, uint32_t limit, bool *has_more)
{
    Rejoin__History asked = REJOIN__HISTORY__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    asked.room = "tea";
    asked.limit = limit;
    command.kind_case = REJOIN__COMMAND__KIND_HISTORY;
    command.history = &asked;
    Rejoin__Reply *reply = rj_test_peer_reply(gateway, rj_test_peer_command(gateway, 1, &command));
    assert_true(reply && !reply->error);
    *has_more = reply->history->more;
    return reply->history->n_messages;
}

static void a_page_of_history_has_so_many_messages(void **state)
{
    struct world *world = *state;
    bool has_more;
    enter(&world->gateway, 1);
    assert_null(rj_test_join(&world->gateway, 1, "tea")->error);
    for (int i = 0; i < 6; i++)
        publish(&world->gateway, NULL, 0);
    static const uint32_t cases[][2] = {{0, 2}, {1, 1}, {3, 3}, {4, 4}, {5, 4}, {UINT32_MAX, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(page_of(&world->gateway, cases[i][0], &has_more), cases[i][1]);
        assert_true(has_more);
    }
}

static void so_many_ids_of_one_source_are_remembered(void **state)
{
    struct world *world = *state;
    enter(&world->gateway, 1);
    assert_null(rj_test_join(&world->gateway, 1, "tea")->error);
    static const char *const ids[] = {"a", "b", "c"};
    for (size_t i = 0; i < 3; i++)
        assert_false(publish(&world->gateway, ids[i], 0)->duplicate);
    assert_true(publish(&world->gateway, "a", 0)->duplicate);
    assert_false(publish(&world->gateway, "d", 0)->duplicate);
    assert_true(publish(&world->gateway, "d", 0)->duplicate);
    assert_false(publish(&world->gateway, "a", 0)->duplicate); /* it was the oldest */
}

/* With an id, and without one: then it is the command that may be repeated. */
static void what_was_published_is_known_for_so_long(void **state)
{
    struct world *world = *state;
    enter(&world->gateway, 1);
    assert_null(rj_test_join(&world->gateway, 1, "tea")->error);
    uint64_t begun_ms = rj_test_now_ms(), command_id = world->gateway.last_command + 1;
    assert_false(publish(&world->gateway, "a", 0)->duplicate);
    assert_false(publish(&world->gateway, NULL, ++command_id)->duplicate);
    bool is_known = publish(&world->gateway, "a", ++command_id)->duplicate;
    bool is_known_command = publish(&world->gateway, NULL, command_id - 1)->duplicate;
    assert_true((is_known && is_known_command) || rj_test_now_ms() - begun_ms >= 1000);
    assert_true(rj_eventually(RJ_TEST_DEADLINE_MS, !publish(&world->gateway, "a", ++command_id)->duplicate));
    assert_true(rj_test_now_ms() - begun_ms >= 1000);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(an_answer_has_the_time_that_is_set_or_wanted_up_to_the_most, setup,
                                    teardown),
    cmocka_unit_test_setup_teardown(so_many_groups_may_be_known, setup, teardown),
    cmocka_unit_test_setup_teardown(what_waiting_clients_have_said_has_a_size, setup, teardown),
    cmocka_unit_test_setup_teardown(a_backend_may_follow_so_many_tails, setup, teardown),
    cmocka_unit_test_setup_teardown(a_page_of_history_has_so_many_messages, setup_log, teardown),
    cmocka_unit_test_setup_teardown(so_many_ids_of_one_source_are_remembered, setup_log, teardown),
    cmocka_unit_test_setup_teardown(what_was_published_is_known_for_so_long, setup_log, teardown),
};

RJ_TEST_MAIN(tests)
