/* What a serving handle does with jobs, and what it says of them again on a fresh stream. */
#include <string.h>

#include "proto/base/clock.h"
#include "tests/support/played_service.h"

static void an_event_is_answered_with_its_ack(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen;
    begin(&peer, &seen);
    say_event(&peer, 5, "[1,\"a\"]", false);
    played_run_until(&peer, &seen.count, 1);
    assert_string_equal(seen.lines[0], "event s1 / hello [1,\"a\"] 0 ack");
    assert_int_equal(rejoin_ack(peer.handle, 5, &(struct rejoin_args){.json = "{}"}), REJOIN_BAD_REQUEST);
    assert_int_equal(rejoin_ack(peer.handle, 5, &(struct rejoin_args){.json = "[1"}), REJOIN_BAD_REQUEST);
    assert_int_equal(rejoin_ack(peer.handle, 5, &(struct rejoin_args){.attachment_count = 11}),
                     REJOIN_TOO_MANY);
    assert_int_equal(rejoin_accept(peer.handle, 5, NULL), REJOIN_BAD_REQUEST);
    const struct rejoin_bytes blob = {"\0\1", 2};
    const struct rejoin_args args = {"[{\"_placeholder\":true,\"num\":0}]", 0, &blob, 1};
    assert_int_equal(rejoin_ack(peer.handle, 5, &args), REJOIN_OK);
    assert_int_equal(rejoin_ack(peer.handle, 5, &args), REJOIN_NOT_FOUND); /* once */
    assert_int_equal(rejoin_ack(peer.handle, 6, &args), REJOIN_NOT_FOUND);
    const Rejoin__Answer *answer = hear_answer(&peer, 5);
    assert_null(answer->refusal);
    expect_bytes(&answer->args, args.json);
    assert_int_equal(answer->n_attachments, 1);
    assert_memory_equal(answer->attachments[0].data, "\0\1", 2);
    played_close(&peer);
}

static void a_refusal_has_code_message_and_data(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen;
    begin(&peer, &seen);
    say_event(&peer, 5, "", false);
    say_event(&peer, 6, "[]", false);
    played_run_until(&peer, &seen.count, 2);
    assert_string_equal(seen.lines[0], "event s1 / hello [] 0 ack");
    const struct rejoin_refusal refusal = {.code = "no_money", .message = "poor", .data = "{\"left\":0}"};
    assert_int_equal(rejoin_refuse(peer.handle, 5, &(struct rejoin_refusal){.data = "{"}),
                     REJOIN_BAD_REQUEST);
    assert_int_equal(rejoin_refuse(peer.handle, 5, &refusal), REJOIN_OK);
    const Rejoin__Error *error = hear_answer(&peer, 5)->refusal;
    assert_string_equal(error->code, "no_money");
    assert_string_equal(error->message, "poor");
    expect_bytes(&error->data, "{\"left\":0}");
    assert_int_equal(rejoin_refuse(peer.handle, 6, NULL), REJOIN_OK);
    assert_string_equal(hear_answer(&peer, 6)->refusal->code, "forbidden");
    played_close(&peer);
}

static void an_admission_is_accepted_with_user_data_and_rooms(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen;
    Rejoin__Socket socket = REJOIN__SOCKET__INIT;
    Rejoin__Admission admission = REJOIN__ADMISSION__INIT;
    Rejoin__Job job = REJOIN__JOB__INIT;
    begin(&peer, &seen);
    socket.sid = text("s9");
    socket.auth = bytes("{\"token\":1}");
    admission.socket = &socket;
    admission.rejoining = true;
    job.group = text("workers");
    job.what_case = REJOIN__JOB__WHAT_CONNECT;
    job.connect = &admission;
    for (job.id = 1; job.id <= 2; job.id++)
        played_say(&peer, REJOIN__ITEM__KIND_JOB, &job);
    played_run_until(&peer, &seen.count, 2);
    assert_string_equal(seen.lines[0], "connect s9 {\"token\":1} rejoining");
    assert_int_equal(rejoin_ack(peer.handle, 1, NULL), REJOIN_BAD_REQUEST);
    const struct rejoin_acceptance acceptance = {
        .user = "ann", .data = "{\"level\":3}", .rooms = REJOIN_NAMES("lobby", "vip")};
    assert_int_equal(rejoin_accept(peer.handle, 1, &acceptance), REJOIN_OK);
    const Rejoin__Answer *answer = hear_answer(&peer, 1);
    assert_true(answer->user_set);
    assert_string_equal(answer->user, "ann");
    expect_bytes(&answer->data, "{\"level\":3}");
    assert_int_equal(answer->n_rooms, 2);
    assert_string_equal(answer->rooms[1], "vip");
    assert_int_equal(rejoin_accept(peer.handle, 2, NULL), REJOIN_OK);
    assert_false(hear_answer(&peer, 2)->user_set);
    played_close(&peer);
}

static void a_job_that_is_known_is_not_shown_again(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen;
    begin(&peer, &seen);
    say_event(&peer, 1, "[1]", false); /* to be answered, without a reply of the broker */
    say_event(&peer, 2, "[2]", false); /* to stay in work */
    played_run_until(&peer, &seen.count, 2);
    assert_int_equal(rejoin_ack(peer.handle, 1, NULL), REJOIN_OK);
    hear_answer(&peer, 1);

    played_break(&peer);
    /* The answer comes again before the service does. */
    const Rejoin__Command *answer = played_hear_kind(&peer, REJOIN__ITEM__KIND_COMMAND)->command;
    assert_int_equal(answer->kind_case, REJOIN__COMMAND__KIND_ANSWER);
    uint64_t answer_id = answer->id;
    const Rejoin__Command *serve = played_hear_kind(&peer, REJOIN__ITEM__KIND_COMMAND)->command;
    assert_int_equal(serve->kind_case, REJOIN__COMMAND__KIND_SERVE);
    uint64_t serve_id = serve->id;
    played_reply(&peer, answer_id, REJOIN__REPLY__RESULT__NOT_SET, NULL);
    say_served(&peer, serve_id);
    say_event(&peer, 1, "[1]", true);
    say_event(&peer, 2, "[2]", true);
    say_event(&peer, 3, "[3]", true); /* begun by another instance */
    played_run_until(&peer, &seen.count, 4);
    /* The broker has confirmed 1 and so never gives it again; if it does all the same, it is another job. */
    assert_string_equal(seen.lines[2], "event s1 / hello [1] 0 ack again");
    assert_string_equal(seen.lines[3], "event s1 / hello [3] 0 ack again");
    assert_int_equal(rejoin_ack(peer.handle, 2, NULL), REJOIN_OK);
    hear_answer(&peer, 2);
    say_event(&peer, 2, "[2]", true); /* crosses the answer */
    say_event(&peer, 4, "[4]", false);
    played_run_until(&peer, &seen.count, 5);
    assert_string_equal(seen.lines[4], "event s1 / hello [4] 0 ack");
    played_close(&peer);
}

static void a_job_that_nobody_answers_is_forgotten_when_it_is_overdue(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen;
    begin(&peer, &seen);
    Rejoin__Event event = REJOIN__EVENT__INIT;
    Rejoin__Job job = REJOIN__JOB__INIT;
    event.name = text("hello");
    job.id = 1;
    job.group = text("workers");
    job.timeout_ms = 1;
    job.what_case = REJOIN__JOB__WHAT_EVENT;
    job.event = &event;
    played_say(&peer, REJOIN__ITEM__KIND_JOB, &job);
    played_run_until(&peer, &seen.count, 1);
    uint64_t later_ms = rj_clock_mono_ms() + 5;
    while (rj_clock_mono_ms() < later_ms)
        rejoin_run_once(peer.handle, 1);
    say_event(&peer, 2, "[]", false); /* with the next one */
    played_run_until(&peer, &seen.count, 2);
    assert_int_equal(rejoin_ack(peer.handle, 1, NULL), REJOIN_NOT_FOUND);
    assert_int_equal(rejoin_ack(peer.handle, 2, NULL), REJOIN_OK);
    played_close(&peer);
}

static void on_unheard(void *arg, struct rejoin *handle, uint64_t job, enum rejoin_status status)
{
    (void)handle;
    note(arg, "unheard %llu %s", (unsigned long long)job, rejoin_status_code(status));
}

static void an_answer_that_came_too_late_is_told(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen = {0};
    played_open(&peer);
    struct rejoin_service_options options = everything(&seen);
    options.on_unheard = on_unheard;
    serve_played(&peer, &options, &seen);
    seen.acks_at_once = true;
    for (uint64_t job = 1; job <= 3; job++)
        say_event(&peer, job, "[]", false);
    played_run_until(&peer, &seen.count, 3);
    uint64_t first = played_hear_command(&peer, REJOIN__COMMAND__KIND_ANSWER)->id;
    played_reply(&peer, first, REJOIN__REPLY__RESULT__NOT_SET, NULL);
    played_refuse(&peer, first + 1, "timeout");
    played_run_until(&peer, &seen.count, 4);
    assert_string_equal(seen.lines[3], "unheard 2 timeout");
    rejoin_unserve(&seen.service, false);
    played_refuse(&peer, first + 2, "conflict");
    played_reply(&peer, played_hear_command(&peer, REJOIN__COMMAND__KIND_UNSERVE)->id,
                 REJOIN__REPLY__RESULT__NOT_SET, NULL);
    assert_int_equal(rejoin_flush(peer.handle, PATIENCE_MS), REJOIN_OK);
    assert_int_equal(seen.count, 4);
    played_close(&peer);
}

static void an_answer_that_fits_no_frame_becomes_a_refusal(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen = {0};
    static char large[4000];
    memset(large, ' ', sizeof large - 1);
    large[0] = '[';
    large[sizeof large - 2] = ']';
    played_open(&peer);
    peer.max_frame_bytes = 2000;
    struct rejoin_service_options options = everything(&seen);
    serve_played(&peer, &options, &seen);
    say_event(&peer, 1, "[]", false);
    played_run_until(&peer, &seen.count, 1);
    assert_int_equal(rejoin_ack(peer.handle, 1, &(struct rejoin_args){.json = large}), REJOIN_OK);
    const Rejoin__Answer *answer = hear_answer(&peer, 1);
    assert_non_null(answer->refusal);
    assert_string_equal(answer->refusal->code, "too_large");
    played_close(&peer);
}

/* No broker of ours: it once kept the handle busy for ever. */
static void an_answer_of_which_not_even_the_refusal_fits_is_given_up(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen = {0};
    played_open(&peer);
    peer.max_frame_bytes = 1;
    struct rejoin_service_options options = everything(&seen);
    serve_played(&peer, &options, &seen);
    say_event(&peer, 1, "[]", false);
    played_run_until(&peer, &seen.count, 1);
    assert_int_equal(rejoin_ack(peer.handle, 1, NULL), REJOIN_OK);
    assert_int_equal(rejoin_flush(peer.handle, PATIENCE_MS), REJOIN_OK);
    say_event(&peer, 2, "[]", false);
    played_run_until(&peer, &seen.count, 2);
    played_close(&peer);
}

static void a_job_without_a_number_is_none(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen;
    begin(&peer, &seen);
    say_event(&peer, 0, "[]", false);
    say_event(&peer, 7, "[]", false);
    played_run_until(&peer, &seen.count, 1);
    assert_int_equal(seen.job, 7);
    played_close(&peer);
}

static void answers_are_never_busy(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen;
    begin(&peer, &seen);
    rejoin_close(&peer.handle);
    struct rejoin_options options = {.endpoint = peer.endpoint, .name = "test", .max_unanswered = 1};
    assert_int_equal(rejoin_open(&options, &peer.handle), REJOIN_OK);
    struct rejoin_service_options serving = everything(&seen);
    char id[64];
    assert_int_equal(rejoin_serve(peer.handle, &serving, &seen.service), REJOIN_OK);
    seen.acks_at_once = true;
    peer.batch = NULL;
    played_greet(&peer, id);
    say_served(&peer, played_hear_command(&peer, REJOIN__COMMAND__KIND_SERVE)->id);
    for (uint64_t job = 1; job <= 3; job++)
        say_event(&peer, job, "[]", false);
    for (uint64_t job = 1; job <= 3; job++)
        hear_answer(&peer, job);
    played_close(&peer);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(an_event_is_answered_with_its_ack),
    cmocka_unit_test(a_refusal_has_code_message_and_data),
    cmocka_unit_test(an_admission_is_accepted_with_user_data_and_rooms),
    cmocka_unit_test(a_job_that_is_known_is_not_shown_again),
    cmocka_unit_test(a_job_that_nobody_answers_is_forgotten_when_it_is_overdue),
    cmocka_unit_test(an_answer_that_came_too_late_is_told),
    cmocka_unit_test(an_answer_that_fits_no_frame_becomes_a_refusal),
    cmocka_unit_test(an_answer_of_which_not_even_the_refusal_fits_is_given_up),
    cmocka_unit_test(a_job_without_a_number_is_none),
    cmocka_unit_test(answers_are_never_busy),
};

RJ_TEST_MAIN(tests)
