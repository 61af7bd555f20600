#include "proto/base/log.h"

#include <string.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/json.h"
#include "tests/support/test.h"

static char caught[4096];

/* Puts stderr aside, so that a test can read what is logged. Returns the descriptor to restore. */
static int divert(int *pipe_out)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int saved = dup(STDERR_FILENO);
    assert_true(saved >= 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    *pipe_out = ends[0];
    return saved;
}

/* Gives stderr back; what was written meanwhile (less than a pipe holds) stands in `caught`. */
static void restore(int saved, int from)
{
    dup2(saved, STDERR_FILENO);
    close(saved);
    ssize_t len = 0, got;
    while ((got = read(from, caught + len, sizeof caught - 1 - (size_t)len)) > 0)
        len += got;
    caught[len] = '\0';
    close(from);
}

static void log_awkward_values(void)
{
    rj_log(RJ_LOG_INFO, "tried", RJ_KV_STR("plain", "room/1"), RJ_KV_STR("empty", ""),
           RJ_KV_STR("quoted", "a \"b\" \\ c"), RJ_KV_STR("lines", "x\ny=z"), RJ_KV_STR("bytes", "\xff\xc3"),
           RJ_KV_U64("count", UINT64_MAX));
}

static void a_line_is_one_line_of_pairs(void **state)
{
    static const char *const expected =
        " level=info process=tester event=tried plain=room/1 empty=\"\" quoted=\"a \\\"b\\\" \\\\ c\""
        " lines=\"x\\u000ay=z\" bytes=\"\\u00ff\\u00c3\" count=18446744073709551615\n";
    int from;
    (void)state;
    rj_log_setup(RJ_LOG_INFO, RJ_LOG_TEXT, "tester");
    int saved = divert(&from);
    log_awkward_values();
    restore(saved, from);
    assert_memory_equal(caught, "time=", 5);
    assert_string_equal(strchr(caught, ' '), expected);
    assert_ptr_equal(strchr(caught, '\n'), caught + strlen(caught) - 1);
}

static void a_json_line_is_one_object(void **state)
{
    int from;
    (void)state;
    rj_log_setup(RJ_LOG_INFO, RJ_LOG_JSON, "tester");
    int saved = divert(&from);
    log_awkward_values();
    restore(saved, from);
    struct rj_span line = rj_span_str(caught), value;
    assert_int_equal(rj_json_check(line, 1), RJ_OK);
    assert_true(rj_json_get(line, "event", &value) && rj_json_string_is(value, "tried"));
    assert_true(rj_json_get(line, "quoted", &value) && rj_json_string_is(value, "a \"b\" \\ c"));
    assert_true(rj_json_get(line, "lines", &value) && rj_json_string_is(value, "x\ny=z"));
    assert_true(rj_json_get(line, "count", &value));
    assert_true(rj_span_is(value, "18446744073709551615"));
}

static void what_is_below_the_level_is_left_out(void **state)
{
    int from;
    (void)state;
    rj_log_setup(RJ_LOG_WARN, RJ_LOG_TEXT, "tester");
    int saved = divert(&from);
    rj_log(RJ_LOG_DEBUG, "unheard");
    rj_log(RJ_LOG_INFO, "unheard");
    rj_log(RJ_LOG_WARN, "heard");
    rj_log(RJ_LOG_ERROR, "heard");
    restore(saved, from);
    assert_null(strstr(caught, "unheard"));
    const char *first = strstr(caught, "event=heard");
    assert_non_null(first);
    assert_non_null(strstr(first + 1, "event=heard"));
}

static void a_long_value_is_cut(void **state)
{
    static char text[2001];
    int from;
    (void)state;
    memset(text, 'x', sizeof text - 1);
    rj_log_setup(RJ_LOG_INFO, RJ_LOG_TEXT, "tester");
    int saved = divert(&from);
    rj_log(RJ_LOG_INFO, "long", RJ_KV_STR("value", text), RJ_KV_U64("after", 1));
    restore(saved, from);
    assert_true(strlen(caught) < 1000);
    assert_non_null(strstr(caught, "after=1\n"));
}

/* A hundred tries inside one window; on a machine that stood still for a second meanwhile, in a fresh one. */
static unsigned allow_a_hundred(struct rj_log_limit *limit)
{
    unsigned passed, held;
    uint64_t start;
    do {
        start = rj_clock_mono_ms();
        *limit = (struct rj_log_limit){.window_ms = start};
        passed = 0;
        for (unsigned i = 0; i < 100; i++)
            passed += rj_log_allowed(limit, &held);
    } while (rj_clock_mono_ms() - start >= 1000);
    return passed;
}

static void repeated_events_are_held_back_and_counted(void **state)
{
    struct rj_log_limit limit;
    unsigned held = 99;
    (void)state;
    assert_int_equal(allow_a_hundred(&limit), 5);
    assert_int_equal(limit.held, 95);
    limit.window_ms -= 1000; /* a second goes by */
    assert_true(rj_log_allowed(&limit, &held));
    assert_int_equal(held, 95);
    limit.window_ms -= 1000;
    assert_true(rj_log_allowed(&limit, &held));
    assert_int_equal(held, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_line_is_one_line_of_pairs),
    cmocka_unit_test(a_json_line_is_one_object),
    cmocka_unit_test(what_is_below_the_level_is_left_out),
    cmocka_unit_test(a_long_value_is_cut),
    cmocka_unit_test(repeated_events_are_held_back_and_counted),
};

RJ_TEST_MAIN(tests)
