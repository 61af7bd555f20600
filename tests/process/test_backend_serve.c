/* Handles that serve and command on a real broker, with a raw gateway and its clients on the other side. */
#include <rejoin_serve.h>
#include <string.h>

#include "tests/process/backend_support.h"
#include "tests/process/serve_support.h"

enum { CLIENTS = 5 };

/* A broker, a gateway with clients, and a handle that serves every event. */
struct stage {
    struct broker *broker;
    struct rj_test_peer gateway;
    struct who clients[CLIENTS];
    struct rejoin *handle;
    struct rejoin_service *service;
    unsigned started, events, repeated, opened, adopted, closed;
    uint64_t job;    /* of the last event */
    bool keeps;      /* does not answer at once */
    char reason[64]; /* of the last close */
};

static void on_event(void *arg, struct rejoin *handle, const struct rejoin_event *event)
{
    struct stage *stage = arg;
    stage->job = event->job;
    stage->repeated += event->is_repeated;
    if (!stage->keeps)
        assert_int_equal(rejoin_ack(handle, event->job, &event->args), REJOIN_OK);
    stage->events++;
}

static void on_open(void *arg, struct rejoin *handle, const struct rejoin_opened *opened)
{
    struct stage *stage = arg;
    (void)handle;
    stage->opened++;
    stage->adopted += opened->is_adopted;
}

static void on_close(void *arg, struct rejoin *handle, const struct rejoin_closed *closed)
{
    struct stage *stage = arg;
    (void)handle;
    stage->closed++;
    snprintf(stage->reason, sizeof stage->reason, "%s", closed->reason);
}

static void on_state(void *arg, struct rejoin *handle, enum rejoin_service_state state,
                     enum rejoin_status status, uint64_t sockets)
{
    struct stage *stage = arg;
    (void)handle, (void)sockets;
    assert_int_equal(status, REJOIN_OK);
    stage->started += state == REJOIN_SERVICE_STARTED;
}

static void open_gateway_of(struct broker *broker, struct rj_test_peer *gateway, const char *id)
{
    char endpoint[160];
    snprintf(endpoint, sizeof endpoint, "ipc://%s/g", broker->folder);
    rj_test_peer_open(gateway, endpoint);
    assert_non_null(rj_test_peer_hello_gateway(gateway, id, 0, 0));
    rj_test_peer_ready(gateway);
}

static void open_stage(struct stage *stage, struct broker *broker)
{
    *stage = (struct stage){.broker = broker};
    open_gateway_of(broker, &stage->gateway, "g1");
    for (uint64_t i = 0; i < CLIENTS; i++)
        stage->clients[i] = enter(&stage->gateway, i + 1);
    stage->handle = backend_open(broker, "server");
    struct rejoin_service_options options = {.group = "workers",
                                             .takes_all_events = true,
                                             .on_event = on_event,
                                             .on_open = on_open,
                                             .on_close = on_close,
                                             .on_state = on_state,
                                             .arg = stage};
    assert_int_equal(rejoin_serve(stage->handle, &options, &stage->service), REJOIN_OK);
    backend_run_until(stage->handle, &stage->started, 1);
}

static void close_stage(struct stage *stage)
{
    rejoin_close(&stage->handle);
    rj_test_peer_close(&stage->gateway);
}

static void events_of_clients_are_answered(void **state)
{
    struct stage stage;
    open_stage(&stage, *state);
    assert_int_equal(stage.adopted, CLIENTS);
    uint64_t commands[CLIENTS];
    for (uint64_t i = 0; i < CLIENTS; i++)
        commands[i] = say_event(&stage.gateway, i + 1, "hello", "[1,\"zwei\"]", 0, false);
    backend_run_until(stage.handle, &stage.events, CLIENTS);
    for (uint64_t i = 0; i < CLIENTS; i++)
        assert_acked(&stage.gateway, commands[i], "[1,\"zwei\"]");
    close_stage(&stage);
}

static void a_job_may_be_answered_after_a_pause_without_turns(void **state)
{
    struct stage stage;
    open_stage(&stage, *state);
    stage.keeps = true;
    uint64_t command = say_event(&stage.gateway, 1, "hello", "[]", 0, false);
    backend_run_until(stage.handle, &stage.events, 1);
    uint64_t end_ms = rj_test_now_ms() + 1500; /* the lease is 3,000: no turn for a while, but not for long */
    while (rj_test_now_ms() < end_ms)
        keep_alive(&stage.gateway);
    assert_int_equal(rejoin_ack(stage.handle, stage.job, &(struct rejoin_args){.json = "[7]"}), REJOIN_OK);
    assert_int_equal(rejoin_flush(stage.handle, PATIENCE_MS), REJOIN_OK);
    assert_acked(&stage.gateway, command, "[7]");
    assert_int_equal(stage.events, 1);
    close_stage(&stage);
}

static void a_handle_that_slept_for_a_lease_does_not_do_what_others_have_done(void **state)
{
    struct stage stage;
    open_stage(&stage, *state);
    struct stage other = {.broker = *state};
    other.handle = backend_open(*state, "server");
    struct rejoin_service_options options = {.group = "workers",
                                             .takes_all_events = true,
                                             .on_event = on_event,
                                             .on_open = on_open,
                                             .on_state = on_state,
                                             .arg = &other};
    assert_int_equal(rejoin_serve(other.handle, &options, &other.service), REJOIN_OK);
    backend_run_until(other.handle, &other.started, 1);
    uint64_t commands[CLIENTS];
    for (uint64_t i = 0; i < CLIENTS; i++) /* all clients were there first: these go to the sleeper */
        commands[i] = say_event(&stage.gateway, i + 1, "hello", "[1]", 0, false);
    uint64_t end_ms = rj_test_now_ms() + PATIENCE_MS;
    while (other.events < CLIENTS && rj_test_now_ms() < end_ms) {
        assert_int_equal(rejoin_run_once(other.handle, 20), REJOIN_OK);
        keep_alive(&stage.gateway);
    }
    assert_int_equal(other.events, CLIENTS);
    assert_int_equal(other.repeated, CLIENTS);
    for (uint64_t i = 0; i < CLIENTS; i++)
        assert_acked(&stage.gateway, commands[i], "[1]");
    backend_run_until(stage.handle, &stage.closed, CLIENTS); /* it learns that they are another's */
    assert_string_equal(stage.reason, "transport close");
    assert_int_equal(stage.events, 0);
    rejoin_close(&other.handle);
    close_stage(&stage);
}

static void a_service_begins_again_after_a_broker_kill(void **state)
{
    struct stage stage;
    open_stage(&stage, *state);
    broker_kill(*state);
    broker_start(*state);
    rj_test_peer_close(&stage.gateway);
    open_gateway_of(*state, &stage.gateway, "g2");
    uint64_t end_ms = rj_test_now_ms() + PATIENCE_MS;
    while (stage.started < 2 && rj_test_now_ms() < end_ms) {
        assert_int_equal(rejoin_run_once(stage.handle, 20), REJOIN_OK);
        keep_alive(&stage.gateway);
    }
    assert_int_equal(stage.started, 2);
    assert_int_equal(stage.closed, CLIENTS); /* their gateway did not come back */
    enter(&stage.gateway, 9);
    backend_run_until(stage.handle, &stage.opened, CLIENTS + 1);
    uint64_t command = say_event(&stage.gateway, 9, "hello", "[2]", 0, false);
    backend_run_until(stage.handle, &stage.events, 1);
    assert_acked(&stage.gateway, command, "[2]");
    close_stage(&stage);
}

static bool count_socket(void *arg, const struct rejoin_socket *socket)
{
    unsigned *count = arg;
    assert_string_equal(socket->nsp, "/");
    return ++*count < CLIENTS + 1;
}

static bool stop_at_once(void *arg, const struct rejoin_socket *socket)
{
    (void)socket;
    ++*(unsigned *)arg;
    return false;
}

static void sockets_are_counted_walked_and_commanded(void **state)
{
    struct stage stage;
    unsigned walked = 0, stopped = 0;
    uint64_t count = 0;
    open_stage(&stage, *state);
    struct rejoin *handle = stage.handle;
    assert_int_equal(rejoin_sockets_count_wait(handle, NULL, PATIENCE_MS, &count), REJOIN_OK);
    assert_int_equal(count, CLIENTS);
    const struct rejoin_socket_query query = {.limit = 2};
    assert_int_equal(rejoin_sockets_each(handle, &query, PATIENCE_MS, count_socket, &walked), REJOIN_OK);
    assert_int_equal(walked, CLIENTS);
    assert_int_equal(rejoin_sockets_each(handle, &query, PATIENCE_MS, stop_at_once, &stopped), REJOIN_OK);
    assert_int_equal(stopped, 1);

    const struct rejoin_names rooms = REJOIN_NAMES("lobby");
    struct rejoin_filter two = {.sids = REJOIN_NAMES(stage.clients[0].sid, stage.clients[1].sid)};
    assert_int_equal(rejoin_sockets_join_wait(handle, &two, &rooms, PATIENCE_MS, &count), REJOIN_OK);
    assert_int_equal(count, 2);
    struct rejoin_room_page *page = NULL;
    assert_int_equal(rejoin_rooms_list_wait(handle, &(struct rejoin_room_query){0}, PATIENCE_MS, &page),
                     REJOIN_OK);
    assert_int_equal(page->count, 1);
    assert_string_equal(page->rooms[0].name, "lobby");
    assert_int_equal(page->rooms[0].members, 2);
    rejoin_room_page_free(&page);

    const struct rejoin_filter lobby = {.rooms = rooms, .except_sids = REJOIN_NAMES(stage.clients[0].sid)};
    assert_int_equal(rejoin_sockets_disconnect_wait(handle, &lobby, false, PATIENCE_MS, &count), REJOIN_OK);
    assert_int_equal(count, 1);
    backend_run_until(handle, &stage.closed, 1);
    assert_string_equal(stage.reason, "server namespace disconnect");
    assert_int_equal(rejoin_socket_set_data_wait(handle, NULL, "nobody-with-this-id-00", "1", PATIENCE_MS),
                     REJOIN_NOT_FOUND);
    close_stage(&stage);
}

struct told {
    unsigned notes, started;
    char text[128];
};

static void on_note(void *arg, struct rejoin *handle, const struct rejoin_note *note)
{
    struct told *told = arg;
    told->notes++;
    snprintf(told->text, sizeof told->text, "%s %s %s", note->from, note->name, note->args.json);
    if (note->job)
        assert_int_equal(rejoin_ack(handle, note->job, &note->args), REJOIN_OK);
}

struct replies_end {
    unsigned count;
    struct rejoin_replies *replies;
};

static void on_replies(void *arg, enum rejoin_status status, struct rejoin_replies *replies)
{
    struct replies_end *end = arg;
    assert_int_equal(status, REJOIN_OK);
    end->count++;
    end->replies = replies;
}

static void on_ears(void *arg, struct rejoin *handle, enum rejoin_service_state state,
                    enum rejoin_status status, uint64_t sockets)
{
    struct told *told = arg;
    (void)handle, (void)sockets, (void)state;
    assert_int_equal(status, REJOIN_OK);
    told->started++;
}

static void backends_speak_to_each_other(void **state)
{
    struct told told = {0};
    struct replies_end end = {0};
    struct rejoin *speaker = backend_open(*state, "speaker"), *listener = backend_open(*state, "listener");
    struct rejoin_service *service;
    const struct rejoin_service_options options = {
        .group = "ears", .on_note = on_note, .on_state = on_ears, .arg = &told};
    assert_int_equal(rejoin_serve(listener, &options, &service), REJOIN_OK);
    backend_run_until(listener, &told.started, 1);
    const struct rejoin_send send = {
        .group = "ears", .name = "ping", .args = {.json = "[1]"}, .wants_answers = true};
    assert_int_equal(rejoin_send(speaker, &send, on_replies, &end), REJOIN_OK);
    uint64_t end_ms = rj_test_now_ms() + PATIENCE_MS;
    while (end.count < 1 && rj_test_now_ms() < end_ms) {
        rejoin_run_once(speaker, 5);
        rejoin_run_once(listener, 5);
    }
    assert_int_equal(end.count, 1);
    assert_int_equal(end.replies->sent, 1);
    assert_int_equal(end.replies->count, 1);
    assert_string_equal(end.replies->replies[0].from, "listener");
    assert_string_equal(end.replies->replies[0].args.json, "[1]");
    assert_string_equal(told.text, "speaker ping [1]");
    rejoin_replies_free(&end.replies);
    rejoin_close(&speaker);
    rejoin_close(&listener);
}

struct followed {
    unsigned count;
    char rooms[8][16];
};

static void on_message(void *arg, const struct rejoin_message *message)
{
    struct followed *followed = arg;
    snprintf(followed->rooms[followed->count++], sizeof followed->rooms[0], "%s", message->targets[0].name);
}

static void a_tail_of_several_rooms_gets_what_went_to_any(void **state)
{
    struct followed followed = {0};
    struct rejoin *handle = backend_open(*state, "one");
    struct rejoin_tail *tail;
    const struct rejoin_tail_options options = {
        .rooms = REJOIN_NAMES("a", "c"), .offset = "0", .on_message = on_message, .arg = &followed};
    backend_publish(handle, "a", "1");
    backend_publish(handle, "b", "2");
    backend_publish(handle, "c", "3");
    assert_int_equal(rejoin_tail(handle, &options, &tail), REJOIN_OK);
    backend_run_until(handle, &followed.count, 2);
    backend_publish(handle, "b", "4");
    backend_publish(handle, "a", "5");
    backend_run_until(handle, &followed.count, 3);
    assert_string_equal(followed.rooms[0], "a");
    assert_string_equal(followed.rooms[1], "c");
    assert_string_equal(followed.rooms[2], "a");
    rejoin_close(&handle);
}

static void a_batch_is_stored_in_its_order_through_a_kill(void **state)
{
    enum { MANY = 200 };
    static struct rejoin_publish batch[MANY];
    static struct rejoin_outcome outcomes[MANY];
    static char data[MANY][8];
    struct rejoin *handle = backend_open(*state, "one");
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(data[i], sizeof data[i], "%u", i);
        batch[i] = (struct rejoin_publish){.room = "lobby", .data = data[i]};
    }
    batch[MANY - 1].room = ""; /* one that is refused stands for itself */
    assert_int_equal(rejoin_publish_batch_wait(handle, batch, MANY, PATIENCE_MS, outcomes), REJOIN_OK);
    for (unsigned i = 0; i < MANY - 1; i++) {
        assert_int_equal(outcomes[i].status, REJOIN_OK);
        assert_int_equal(outcomes[i].published.seq, i + 1);
    }
    assert_int_equal(outcomes[MANY - 1].status, REJOIN_BAD_NAME);
    broker_kill(*state);
    broker_start(*state);
    backend_expect_numbers(handle, "lobby", MANY - 1);
    rejoin_close(&handle);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(events_of_clients_are_answered, broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(a_job_may_be_answered_after_a_pause_without_turns, broker_setup,
                                    broker_teardown),
    cmocka_unit_test_setup_teardown(a_handle_that_slept_for_a_lease_does_not_do_what_others_have_done,
                                    broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(a_service_begins_again_after_a_broker_kill, broker_setup,
                                    broker_teardown),
    cmocka_unit_test_setup_teardown(sockets_are_counted_walked_and_commanded, broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(backends_speak_to_each_other, broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(a_tail_of_several_rooms_gets_what_went_to_any, broker_setup,
                                    broker_teardown),
    cmocka_unit_test_setup_teardown(a_batch_is_stored_in_its_order_through_a_kill, broker_setup,
                                    broker_teardown),
};

RJ_TEST_MAIN(tests)
