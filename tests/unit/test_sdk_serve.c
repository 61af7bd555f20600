/* What a serving handle says of itself, and what it makes of sockets and notes; also on a fresh stream. */
#include <string.h>

#include "tests/support/played_service.h"

static void a_service_says_what_it_wants(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen = {0};
    char id[64];
    played_open(&peer);
    struct rejoin_service_options options = {
        .group = "mail",
        .namespaces = REJOIN_NAMES("/a", "/b-*"),
        .events = REJOIN_NAMES("send"),
        .window = 7,
        .timeout_ms = 900,
        .fails_lost = true,
        .on_event = on_event,
        .arg = &seen,
    };
    assert_int_equal(rejoin_serve(peer.handle, &options, &seen.service), REJOIN_OK);
    played_greet(&peer, id);
    const Rejoin__Serve *serve = played_hear_command(&peer, REJOIN__COMMAND__KIND_SERVE)->serve;
    assert_string_equal(serve->group, "mail");
    assert_int_equal(serve->n_namespaces, 2);
    assert_string_equal(serve->namespaces[1], "/b-*");
    assert_int_equal(serve->n_events, 1);
    assert_string_equal(serve->events[0], "send");
    assert_false(serve->all_events || serve->admits || serve->sockets);
    assert_true(serve->fails_lost);
    assert_int_equal(serve->window, 7);
    assert_int_equal(serve->timeout_ms, 900);
    played_close(&peer);
}

static void options_that_say_nothing_are_refused(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen = {0};
    struct rejoin_service *other = NULL;
    char long_name[130];
    memset(long_name, 'g', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    played_open(&peer);
    struct rejoin_service_options options = {.group = "a"};
    assert_int_equal(rejoin_serve(peer.handle, &options, &other), REJOIN_BAD_REQUEST);
    options.takes_all_events = true; /* and nobody to take them */
    assert_int_equal(rejoin_serve(peer.handle, &options, &other), REJOIN_BAD_REQUEST);
    options = everything(&seen);
    options.group = NULL;
    assert_int_equal(rejoin_serve(peer.handle, &options, &other), REJOIN_BAD_REQUEST);
    options.group = long_name;
    assert_int_equal(rejoin_serve(peer.handle, &options, &other), REJOIN_BAD_REQUEST);
    assert_null(other);
    options.group = "workers";
    assert_int_equal(rejoin_serve(peer.handle, &options, &seen.service), REJOIN_OK);
    assert_int_equal(rejoin_serve(peer.handle, &options, &other), REJOIN_CONFLICT);
    rejoin_unserve(&seen.service, false);
    assert_null(seen.service);
    assert_int_equal(rejoin_serve(peer.handle, &options, &other), REJOIN_OK); /* its own successor */
    played_close(&peer);
}

static void sockets_open_and_close_in_order(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen;
    begin(&peer, &seen);
    say_opened(&peer, "a", false);
    say_closed(&peer, "a", "ping timeout");
    say_closed(&peer, "a", "ping timeout"); /* of none that is known */
    say_opened(&peer, "b", true);
    say_opened(&peer, "b", false); /* a new connection, the end of the old one unseen */
    played_run_until(&peer, &seen.count, 5);
    assert_string_equal(seen.lines[0], "open a");
    assert_string_equal(seen.lines[1], "close a ping timeout 1 lobby");
    assert_string_equal(seen.lines[2], "open b adopted");
    assert_string_equal(seen.lines[3], "close b transport close 0 ");
    assert_string_equal(seen.lines[4], "open b");
    played_close(&peer);
}

static void sockets_that_a_fresh_stream_does_not_name_are_closed(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen;
    begin(&peer, &seen);
    say_opened(&peer, "stays", false);
    say_opened(&peer, "goes", false);
    played_run_until(&peer, &seen.count, 2);
    played_break(&peer);
    uint64_t serve = played_hear_command(&peer, REJOIN__COMMAND__KIND_SERVE)->id;
    say_opened(&peer, "stays", true);
    say_opened(&peer, "comes", true);
    say_served(&peer, serve);
    played_run_until(&peer, &seen.started, 2);
    assert_int_equal(seen.count, 4);
    assert_string_equal(seen.lines[2], "open comes adopted");
    assert_string_equal(seen.lines[3], "close goes transport close 0 ");
    played_close(&peer);
}

static void a_refused_service_ends_and_the_handle_lives_on(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen = {0};
    char id[64];
    played_open(&peer);
    struct rejoin_service_options options = everything(&seen);
    assert_int_equal(rejoin_serve(peer.handle, &options, &seen.service), REJOIN_OK);
    played_greet(&peer, id);
    played_refuse(&peer, played_hear_command(&peer, REJOIN__COMMAND__KIND_SERVE)->id, "forbidden");
    played_run_until(&peer, &seen.ended, 1);
    assert_int_equal(seen.status, REJOIN_FORBIDDEN);
    say_event(&peer, 1, "[]", false);
    say_opened(&peer, "a", false);
    assert_int_equal(
        rejoin_publish_wait(peer.handle, &(struct rejoin_publish){.room = "x", .data = "1"}, 50, NULL),
        REJOIN_TIMEOUT);
    assert_int_equal(seen.count, 0);
    played_close(&peer);
}

static void a_stopped_service_says_so_and_hears_nothing(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen;
    begin(&peer, &seen);
    say_opened(&peer, "a", false);
    say_event(&peer, 1, "[]", false);
    played_run_until(&peer, &seen.count, 2);
    rejoin_unserve(&seen.service, true);
    assert_null(seen.service);
    assert_int_equal(rejoin_ack(peer.handle, 1, NULL), REJOIN_NOT_FOUND);
    const Rejoin__Command *command = played_hear_command(&peer, REJOIN__COMMAND__KIND_UNSERVE);
    assert_string_equal(command->unserve->group, "workers");
    assert_true(command->unserve->forget);
    uint64_t unserve = command->id;
    say_event(&peer, 2, "[]", false);
    say_closed(&peer, "a", "transport close");
    played_reply(&peer, unserve, REJOIN__REPLY__RESULT__NOT_SET, NULL);
    assert_int_equal(rejoin_flush(peer.handle, PATIENCE_MS), REJOIN_OK);
    assert_int_equal(seen.count, 2);
    played_close(&peer);
}

static void notes_go_to_the_service_that_listens(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen;
    Rejoin__Note sent = REJOIN__NOTE__INIT;
    Rejoin__Told told = REJOIN__TOLD__INIT;
    Rejoin__Job job = REJOIN__JOB__INIT;
    begin(&peer, &seen);
    sent.from = text("other");
    sent.name = text("reload");
    sent.args = bytes("[1]");
    sent.namespace_ = text("/");
    told.sent = &sent;
    played_say(&peer, REJOIN__ITEM__KIND_TOLD, &told);
    job.id = 3;
    job.group = text("workers");
    job.what_case = REJOIN__JOB__WHAT_SENT;
    job.sent = &sent;
    played_say(&peer, REJOIN__ITEM__KIND_JOB, &job);
    played_run_until(&peer, &seen.count, 2);
    assert_string_equal(seen.lines[0], "note other reload [1]");
    assert_int_equal(seen.job, 3);
    assert_int_equal(rejoin_ack(peer.handle, 3, NULL), REJOIN_OK);
    expect_bytes(&hear_answer(&peer, 3)->args, "[]");
    rejoin_unserve(&seen.service, false);
    job.id = 4;
    played_say(&peer, REJOIN__ITEM__KIND_JOB, &job); /* nobody listens any more */
    assert_string_equal(hear_answer(&peer, 4)->refusal->code, "no_handler");
    played_close(&peer);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_service_says_what_it_wants),
    cmocka_unit_test(options_that_say_nothing_are_refused),
    cmocka_unit_test(sockets_open_and_close_in_order),
    cmocka_unit_test(sockets_that_a_fresh_stream_does_not_name_are_closed),
    cmocka_unit_test(a_refused_service_ends_and_the_handle_lives_on),
    cmocka_unit_test(a_stopped_service_says_so_and_hears_nothing),
    cmocka_unit_test(notes_go_to_the_service_that_listens),
};

RJ_TEST_MAIN(tests)
