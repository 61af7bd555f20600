/* Questions: events whose acks a backend waits for. */
#include "tests/process/gateway_support.h"

static const struct target everybody[] = {{REJOIN__TARGET__KIND__NAMESPACE, ""}, {0, NULL}};
static const struct target tea[] = {{REJOIN__TARGET__KIND__ROOM, "tea"}, {0, NULL}};
static const struct entry ada = {.sid = "A", .user = "ada", .room = "tea"};
static const struct entry bob = {.sid = "B", .user = "bob", .room = "tea"};

static int setup(void **state)
{
    stage_setup(state);
    link_up(*state);
    return 0;
}

static int setup_few(void **state)
{
    static const char *const env[] = {"REJOIN_MAX_ASKS=1", NULL};
    stage_setup_with(state, env);
    link_up(*state);
    return 0;
}

static int setup_short(void **state)
{
    static const char *const env[] = {"REJOIN_QUEUE_BYTES=1024", NULL};
    stage_setup_with(state, env);
    link_up(*state);
    return 0;
}

static void ask(struct stage *stage, uint64_t id, const struct target *targets)
{
    deliver(stage, &(struct what){.ask = id, .targets = targets, .is_plain = true, .data = "[\"why\"]"});
}

/* The next text must be the question; its ack id. */
static uint64_t get_question(struct stage *stage, struct guest *guest)
{
    unsigned long long id;
    int end = 0;
    expect_start(stage, guest, "42");
    assert_int_equal(sscanf(rj_buf_cstr(&stage->text), "42%llu[\"m\",\"why\"]%n", &id, &end), 1);
    assert_int_equal(end, stage->text.len); /* and no offset */
    return id;
}

static void answer(struct guest *guest, uint64_t ack_id, const char *args)
{
    char text[256];
    snprintf(text, sizeof text, "43%llu%s", (unsigned long long)ack_id, args);
    say(guest, text);
}

static void expect_asked(struct stage *stage, uint64_t id, size_t n)
{
    const Rejoin__Asked *asked = get_asked(stage);
    assert_int_equal(asked->ask, id);
    assert_int_equal(asked->n_sids, n);
}

static void expect_answer(struct stage *stage, uint64_t id, const char *sid, const char *args)
{
    const Rejoin__AskAnswer *said = get_answer(stage);
    assert_int_equal(said->ask, id);
    assert_string_equal(said->sid, sid);
    assert_int_equal(said->left, args == NULL);
    if (args)
        assert_true(rj_span_is(rj_span_of(said->args.data, said->args.len), args));
}

static bool counts(struct stage *stage, const char *name, uint64_t value)
{
    rj_fake_broker_expect(&stage->broker, REJOIN__ITEM__KIND_ERROR, 1); /* pings are answered meanwhile */
    return metric(stage, name) == value;
}

static void all_that_are_asked_answer_under_one_id(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0}, two = {0};
    enter(stage, &one, &ada);
    enter(stage, &two, &bob);
    ask(stage, 70, tea);
    const Rejoin__Asked *asked = get_asked(stage);
    assert_int_equal(asked->ask, 70);
    assert_int_equal(asked->n_sids, 2);
    assert_string_equal(asked->sids[0], "A");
    assert_string_equal(asked->sids[1], "B");
    uint64_t id = get_question(stage, &one);
    assert_int_equal(get_question(stage, &two), id);
    answer(&two, id, "[2,\"b\"]");
    expect_answer(stage, 70, "B", "[2,\"b\"]");
    answer(&one, id, "[]");
    expect_answer(stage, 70, "A", "[]");
    assert_int_equal(metric(stage, "rejoin_gateway_asks_open"), 0);
    ask(stage, 71, tea);
    assert_int_equal(get_question(stage, &one), id + 1);
    rj_ws_disconnect(&one.ws), rj_ws_disconnect(&two.ws);
}

static void an_envelope_is_asked_without_an_offset(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    enter(stage, &one, &(struct entry){.nsp = "/chat", .sid = "C"});
    deliver(stage, &(struct what){.ask = 1, .nsp = "/chat", .targets = everybody});
    expect_text(stage, &one, "42/chat,1[\"m\",{\"ts\":0,\"from\":{\"user\":null,\"sid\":null},\"data\":1}]");
    say(&one, "43/chat,1[true]");
    expect_asked(stage, 1, 1);
    expect_answer(stage, 1, "C", "[true]");
    rj_ws_disconnect(&one.ws);
}

static void nobody_is_asked_where_nobody_is(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0}, waiting = {0};
    enter(stage, &one, &ada);
    arrive(stage, &waiting);
    knock(stage, &waiting, "/chat", NULL);
    deliver(stage, &(struct what){.ask = 5, .nsp = "/chat", .targets = everybody});
    expect_asked(stage, 5, 0);
    deliver(stage, &(struct what){.ask = 6, .targets = everybody, .except_room = "tea"});
    expect_asked(stage, 6, 0);
    expect_none(stage, &one, "42");
    rj_ws_disconnect(&one.ws), rj_ws_disconnect(&waiting.ws);
}

static void who_leaves_owes_no_answer(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0}, two = {0}, three = {0};
    enter(stage, &one, &ada);
    enter(stage, &two, &bob);
    enter(stage, &three, &(struct entry){.sid = "C"});
    ask(stage, 70, everybody);
    ask(stage, 71, everybody);
    expect_asked(stage, 70, 3);
    expect_asked(stage, 71, 3);
    get_question(stage, &one);
    say(&one, "41");
    expect_answer(stage, 70, "A", NULL);
    expect_answer(stage, 71, "A", NULL);
    uint64_t id = get_question(stage, &two);
    answer(&two, id, "[1]");
    expect_answer(stage, 70, "B", "[1]");
    rj_ws_reset(&two.ws);
    expect_answer(stage, 71, "B", NULL);
    kick(stage, &three, REJOIN__KICK__HOW__TRANSPORT);
    expect_answer(stage, 70, "C", NULL);
    expect_answer(stage, 71, "C", NULL);
    assert_int_equal(metric(stage, "rejoin_gateway_asks_open"), 0);
    rj_ws_disconnect(&one.ws), rj_ws_disconnect(&three.ws);
}

static void acks_that_nobody_waits_for_are_counted_and_harmless(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0}, two = {0};
    enter(stage, &one, &ada);
    enter(stage, &two, &(struct entry){.sid = "B"});
    ask(stage, 70, tea);
    expect_asked(stage, 70, 1);
    uint64_t id = get_question(stage, &one);
    answer(&two, id, "[\"not asked\"]");
    answer(&two, 0, "[]");
    answer(&two, 9007199254740991u, "[]");
    answer(&one, id, "[1]");
    answer(&one, id, "[\"again\"]");
    answer(&one, id + 1, "[\"not yet\"]");
    expect_answer(stage, 70, "A", "[1]");
    expect_no_item(stage, REJOIN__ITEM__KIND_ASK_ANSWER);
    assert_true(rj_eventually(WAIT_MS, counts(stage, "rejoin_gateway_acks_unknown_total", 5)));
    ask(stage, 71, everybody); /* both are still there */
    expect_asked(stage, 71, 2);
    get_question(stage, &one);
    get_question(stage, &two);
    rj_ws_disconnect(&one.ws), rj_ws_disconnect(&two.ws);
}

static void a_question_waits_behind_the_replay(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    enter(stage, &one, &(struct entry){.sid = "A", .room = "tea", .recovered = true, .from_pos = 10});
    ask(stage, 70, tea);
    expect_asked(stage, 70, 1);
    expect_none(stage, &one, "42");
    deliver(stage, &(struct what){.pos = 11, .client = one.handle, .targets = tea});
    caught_up(stage, &one, 11);
    expect_start(stage, &one, "42[\"m\",{\"room\":\"tea\",\"seq\":11,");
    answer(&one, get_question(stage, &one), "[1]");
    expect_answer(stage, 70, "A", "[1]");
    rj_ws_disconnect(&one.ws);
}

static void binary_goes_both_ways(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    enter(stage, &one, &ada);
    deliver(stage, &(struct what){.ask = 70,
                                  .targets = tea,
                                  .is_plain = true,
                                  .data = "[{\"_placeholder\":true,\"num\":0}]",
                                  .attachment = "why"});
    expect_text(stage, &one, "451-1[\"m\",{\"_placeholder\":true,\"num\":0}]");
    assert_int_equal(rj_ws_receive(&one.ws, &stage->text, WAIT_MS), RJ_WS_BINARY);
    assert_string_equal(rj_buf_cstr(&stage->text), "why");
    say(&one, "461-1[{\"_placeholder\":true,\"num\":0}]");
    assert_true(rj_ws_send_frame(&one.ws, RJ_WS_BINARY, true, "so", 2));
    expect_asked(stage, 70, 1);
    const Rejoin__AskAnswer *said = get_answer(stage);
    assert_int_equal(said->n_attachments, 1);
    assert_int_equal(said->attachments[0].len, 2);
    assert_memory_equal(said->attachments[0].data, "so", 2);
    rj_ws_disconnect(&one.ws);
}

static void a_question_outlives_a_stream_but_not_its_broker(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    enter(stage, &one, &ada);
    ask(stage, 70, tea);
    ask(stage, 71, tea);
    expect_asked(stage, 70, 1);
    expect_asked(stage, 71, 1);
    uint64_t first = get_question(stage, &one), second = get_question(stage, &one);
    link_down(stage);
    link_up(stage);
    answer(&one, first, "[1]");
    expect_answer(stage, 70, "A", "[1]");
    link_down(stage);
    assert_non_null(rj_fake_broker_welcome(&stage->broker, EPOCH + 1, HEAD, false, WAIT_MS));
    assert_non_null(rj_fake_broker_expect(&stage->broker, REJOIN__ITEM__KIND_READY, WAIT_MS));
    answer(&one, second, "[2]");
    expect_no_item(stage, REJOIN__ITEM__KIND_ASK_ANSWER);
    ask(stage, 71, tea); /* the new one's ids begin anew */
    expect_asked(stage, 71, 1);
    answer(&one, get_question(stage, &one), "[3]");
    expect_answer(stage, 71, "A", "[3]");
    rj_ws_disconnect(&one.ws);
}

static void an_answer_after_the_time_is_not_waited_for(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    enter(stage, &one, &ada);
    deliver(stage,
            &(struct what){.ask = 70, .ask_ms = 1, .targets = tea, .is_plain = true, .data = "[\"why\"]"});
    expect_asked(stage, 70, 1);
    assert_true(rj_eventually(WAIT_MS, counts(stage, "rejoin_gateway_asks_open", 0)));
    assert_int_equal(metric(stage, "rejoin_gateway_asks_expired_total"), 1);
    answer(&one, get_question(stage, &one), "[1]");
    expect_no_item(stage, REJOIN__ITEM__KIND_ASK_ANSWER);
    rj_ws_disconnect(&one.ws);
}

static void no_more_is_asked_than_may_be_waited_for(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0}, two = {0};
    enter(stage, &one, &ada);
    enter(stage, &two, &bob);
    ask(stage, 70, tea);
    expect_asked(stage, 70, 1);
    ask(stage, 71, tea);
    expect_asked(stage, 71, 0);
    answer(&one, get_question(stage, &one), "[1]");
    expect_answer(stage, 70, "A", "[1]");
    ask(stage, 72, tea);
    expect_asked(stage, 72, 1);
    expect_none(stage, &two, "42");
    assert_int_equal(metric(stage, "rejoin_gateway_asks_skipped_total"), 4);
    rj_ws_disconnect(&one.ws), rj_ws_disconnect(&two.ws);
}

static void who_has_far_too_much_waiting_is_not_asked(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0}, two = {0};
    char data[1100] = "[\"";
    size_t n_asked = 0, n_skipped = 0;
    memset(data + 2, 'x', 1000);
    strcpy(data + 1002, "\"]");
    enter(stage, &one, &(struct entry){.sid = "A", .room = "tea", .recovered = true, .from_pos = 10});
    enter(stage, &two, &bob);
    for (uint64_t id = 1; id <= 12; id++) {
        deliver(stage, &(struct what){.ask = id, .targets = tea, .is_plain = true, .data = data});
        const Rejoin__Asked *asked = get_asked(stage);
        n_asked += asked->n_sids == 2;
        n_skipped += asked->n_sids == 1 && strcmp(asked->sids[0], "B") == 0;
    }
    assert_in_range(n_asked, 7, 9); /* eight times queue-bytes */
    assert_int_equal(n_skipped, 12 - n_asked);
    caught_up(stage, &one, HEAD);
    for (size_t i = 0; i < n_asked; i++)
        expect_start(stage, &one, "42");
    expect_none(stage, &one, "42");
    rj_ws_disconnect(&one.ws), rj_ws_disconnect(&two.ws);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(all_that_are_asked_answer_under_one_id, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(an_envelope_is_asked_without_an_offset, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(nobody_is_asked_where_nobody_is, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(who_leaves_owes_no_answer, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(acks_that_nobody_waits_for_are_counted_and_harmless, setup,
                                    stage_teardown),
    cmocka_unit_test_setup_teardown(a_question_waits_behind_the_replay, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(binary_goes_both_ways, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(a_question_outlives_a_stream_but_not_its_broker, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(an_answer_after_the_time_is_not_waited_for, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(who_has_far_too_much_waiting_is_not_asked, setup_short, stage_teardown),
    cmocka_unit_test_setup_teardown(no_more_is_asked_than_may_be_waited_for, setup_few, stage_teardown),
};

RJ_TEST_MAIN(tests)
