/* Calls and their answers as the benchmark makes and checks them, and the bare server that echoes. */
#include "proto/base/clock.h"
#include "tests/support/test.h"
#include "tools/bench/floor.h"
#include "tools/bench/message.h"
#include "tools/bench/rpc_side.h"

static const struct rpc_slice brief = {.warm_s = 0.01, .seconds = 0.05};
static const double longest_s = 15;

static void an_answer_is_the_call_s_own_arguments_and_nothing_else(void **state)
{
    static const struct {
        uint64_t id;
        uint32_t caller;
        size_t size;
    } others[] = {{8, 3, 40}, {7, 4, 40}, {7, 3, 41}, {70, 3, 40}};
    struct rj_buf text = {0};
    (void)state;
    rj_buf_put_str(&text, "37");
    message_put_call_args(&text, 7, 3, 40);
    assert_true(message_is_answer(rj_buf_span(&text), 7, 3, 40));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(message_is_answer(rj_buf_span(&text), others[i].id, others[i].caller, others[i].size));
    for (size_t len = 0; len < text.len; len++)
        assert_false(message_is_answer(rj_span_of(text.data, len), 7, 3, 40));
    assert_false(
        message_is_answer(rj_span_str("37[{\"ok\":false,\"error\":{\"code\":\"no_handler\"}}]"), 7, 3, 40));
    text.data[text.len / 2] ^= 1;
    assert_false(message_is_answer(rj_buf_span(&text), 7, 3, 40));
    rj_buf_free(&text);
}

/* Two slices of clients against a bare server of that kind; whether all were good. On a busy machine the
 * server may get no turn in so short a time: more slices follow, each twice as long, until it has answered in
 * one. */
static bool run_slices(struct rpc_side *side, struct floor_plan plan, uint32_t size, double rate)
{
    struct rpc_slice slice = brief;
    struct floor bare;
    slice.rate = rate;
    plan.connections = 5;
    assert_true(floor_start(&bare, &plan));
    assert_true(rpc_side_open_clients(side, &bare.procs, plan.connections, 3, size));
    bool is_good = rpc_side_run(side, &slice) && rpc_side_run(side, &slice);
    while (is_good && side->sums.answered == 0 && (slice.seconds *= 2) < longest_s)
        is_good = rpc_side_run(side, &slice);
    floor_stop(&bare);
    rpc_side_close(side);
    return is_good;
}

static void every_call_to_the_echo_is_answered(void **state)
{
    static const uint32_t sizes[] = {23, 100, 200, 70000};
    (void)state;
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const struct floor_plan plan = {.kind = FLOOR_ECHO, .is_coalesced = i % 2};
        struct rpc_side side;
        assert_true(run_slices(&side, plan, sizes[i], 0));
        assert_int_equal(side.wrong, 0);
        assert_true(side.sums.rate.n >= 2);
        assert_true(side.sums.answered > 0 && side.sums.call.n >= side.sums.answered);
        assert_true(side.sums.cost.procs_us[0] + side.sums.cost.load_us > 0);
    }
}

static void a_rate_is_kept(void **state)
{
    const struct floor_plan plan = {.kind = FLOOR_ECHO, .is_coalesced = true};
    struct rpc_side side;
    enum { RATE = 400 };
    (void)state;
    uint64_t begun_us = rj_clock_mono_us();
    assert_true(run_slices(&side, plan, 100, RATE));
    /* Calls fall due by the clock, the first of a slice at once: a busy machine makes them and answers them
     * late, but never makes more of them. */
    uint64_t due = RATE * (rj_clock_mono_us() - begun_us) / 1000000;
    assert_in_range(side.sums.call.n, 1, due + side.sums.rate.n);
}

/* The relay answers a publish; whatever it makes of a call, it is no echo. */
static void a_server_that_answers_something_else_is_told(void **state)
{
    const struct floor_plan plan = {.kind = FLOOR_RELAY, .ack_bytes = 60, .delivery_bytes = 60};
    struct rpc_side side;
    (void)state;
    assert_false(run_slices(&side, plan, 100, 0));
    assert_true(side.wrong > 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(an_answer_is_the_call_s_own_arguments_and_nothing_else),
    cmocka_unit_test(every_call_to_the_echo_is_answered),
    cmocka_unit_test(a_rate_is_kept),
    cmocka_unit_test(a_server_that_answers_something_else_is_told),
};

RJ_TEST_MAIN(tests)
