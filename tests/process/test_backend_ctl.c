/* rejoinctl and the example publisher, as processes against a real broker. */
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/json.h"
#include "tests/process/backend_support.h"

/* What a command did. */
struct outcome {
    int exit_status;
    char out[64 * 1024], err[4096];
};

static void read_file(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t len = read(fd, text, size - 1);
    assert_true(len >= 0);
    text[len] = '\0';
    close(fd);
}

/* A command line of the shell, in which $ctl is `rejoinctl --broker …`, $example the example publisher and
 * $broker the endpoint. */
static void start(struct rj_process *process, const struct broker *broker, const char *line)
{
    char command[2048], ctl[512], example[512], out[160], err[160];
    snprintf(out, sizeof out, "%s/out", broker->folder);
    snprintf(err, sizeof err, "%s/err", broker->folder);
    unlink(err);
    snprintf(command, sizeof command, "broker=%s; ctl='%s --broker %s'; example=%s; { %s\n} > %s",
             broker->endpoint, rj_process_program("rejoinctl", ctl, sizeof ctl), broker->endpoint,
             rj_process_program("example-publisher", example, sizeof example), line, out);
    const char *const argv[] = {"/bin/sh", "-c", command, NULL};
    assert_true(rj_process_start(process, argv, NULL, err));
}

static void finish(struct rj_process *process, const struct broker *broker, struct outcome *outcome)
{
    char path[160];
    int how = 0;
    assert_true(rj_process_wait_end(process, PATIENCE_MS, &how));
    assert_true(WIFEXITED(how));
    outcome->exit_status = WEXITSTATUS(how);
    snprintf(path, sizeof path, "%s/out", broker->folder);
    read_file(path, outcome->out, sizeof outcome->out);
    snprintf(path, sizeof path, "%s/err", broker->folder);
    read_file(path, outcome->err, sizeof outcome->err);
}

static void run(const struct broker *broker, struct outcome *outcome, const char *line)
{
    struct rj_process process;
    start(&process, broker, line);
    finish(&process, broker, outcome);
}

static void expect_done(const struct outcome *outcome)
{
    assert_string_equal(outcome->err, "");
    assert_int_equal(outcome->exit_status, 0);
}

static void expect_said(const struct outcome *outcome, int exit_status, const char *what)
{
    if (!strstr(outcome->err, what))
        fail_msg("stderr lacks \"%s\": %s", what, outcome->err);
    assert_int_equal(outcome->exit_status, exit_status);
    assert_string_equal(outcome->out, "");
}

/* Takes the next line off `*rest`; it must be a JSON object. False at the end. */
static bool next_line(const char **rest, struct rj_span *line)
{
    const char *end = strchr(*rest, '\n');
    if (!end) {
        assert_string_equal(*rest, "");
        return false;
    }
    *line = rj_span_of(*rest, (size_t)(end - *rest));
    *rest = end + 1;
    assert_int_equal(rj_json_check(*line, RJ_JSON_DEPTH), RJ_OK);
    assert_int_equal(rj_json_type(*line), RJ_JSON_OBJECT);
    return true;
}

static uint64_t number_of(struct rj_span object, const char *name)
{
    struct rj_span value;
    uint64_t number;
    assert_true(rj_json_get(object, name, &value));
    assert_true(rj_json_u64(value, &number));
    return number;
}

static void expect_text(struct rj_span object, const char *name, const char *expected)
{
    struct rj_span value;
    assert_true(rj_json_get(object, name, &value));
    assert_true(rj_json_string_is(value, expected));
}

/* Expects lines with seq first, first+1 … and as `data` the same numbers; returns how many. */
static unsigned expect_seqs(const char *out, uint64_t first)
{
    struct rj_span line;
    unsigned n = 0;
    for (; next_line(&out, &line); n++) {
        assert_int_equal(number_of(line, "seq"), first + n);
        assert_int_equal(number_of(line, "data"), first + n);
    }
    return n;
}

static void publish_prints_the_place_of_the_message(void **state)
{
    struct outcome outcome;
    struct rj_span line;
    run(*state, &outcome,
        "$ctl publish lobby '{\"n\": 1}'; $ctl publish --id k lobby '\"x\"'; "
        "$ctl publish lobby '\"x\"' --id k; $ctl publish lobby -- -5");
    expect_done(&outcome);
    const char *rest = outcome.out;
    static const uint64_t seqs[] = {1, 2, 2, 3};
    for (size_t i = 0; i < 4; i++) {
        struct rj_span value;
        bool is_duplicate = false;
        assert_true(next_line(&rest, &line));
        assert_int_equal(number_of(line, "seq"), seqs[i]);
        expect_text(line, "room", "lobby");
        assert_true(rj_json_get(line, "offset", &value));
        assert_true(value.len > 4);
        assert_true(number_of(line, "ts") > 0);
        assert_true(rj_json_get(line, "duplicate", &value) && rj_json_bool(value, &is_duplicate));
        assert_int_equal(is_duplicate, i == 2);
    }
    assert_false(next_line(&rest, &line));
}

static void publish_takes_lines_from_standard_input(void **state)
{
    struct outcome outcome;
    run(*state, &outcome,
        "seq 1 300 | $ctl publish --event tick lobby - > /dev/null && "
        "{ echo; echo 301; printf 302; } | $ctl publish lobby - > /dev/null && "
        "$ctl history --after 0 --limit 400 lobby");
    expect_done(&outcome);
    assert_int_equal(expect_seqs(outcome.out, 1), 302);
    assert_non_null(strstr(outcome.out, "\"event\":\"tick\""));
}

static void lines_under_an_id_are_stored_once(void **state)
{
    struct outcome outcome;
    run(*state, &outcome,
        "for i in 1 2; do seq 1 30 | $ctl publish --id import lobby - > /dev/null; done; "
        "$ctl history lobby");
    expect_done(&outcome);
    assert_int_equal(expect_seqs(outcome.out, 1), 30);
}

static void a_bad_line_costs_only_itself(void **state)
{
    struct outcome outcome;
    run(*state, &outcome,
        "printf '1\\nhello\\n2\\n' | $ctl publish lobby - > /dev/null; echo $? >&2; "
        "$ctl history lobby");
    assert_non_null(strstr(outcome.err, "line 2 "));
    assert_non_null(strstr(outcome.err, "\n1\n"));
    assert_int_equal(expect_seqs(outcome.out, 1), 2);
}

static void history_pages_by_seq(void **state)
{
    struct outcome outcome;
    run(*state, &outcome, "seq 1 20 | $ctl publish lobby - > /dev/null; $ctl history lobby --limit 5");
    expect_done(&outcome);
    assert_int_equal(expect_seqs(outcome.out, 16), 5);
    run(*state, &outcome, "$ctl history --before 16 --limit 10 lobby");
    expect_done(&outcome);
    assert_int_equal(expect_seqs(outcome.out, 6), 10);
    run(*state, &outcome, "$ctl history --after 18 lobby");
    expect_done(&outcome);
    assert_int_equal(expect_seqs(outcome.out, 19), 2);
    run(*state, &outcome, "$ctl history --after 20 lobby; $ctl history nowhere");
    expect_done(&outcome);
    assert_string_equal(outcome.out, "");
}

static void tail_prints_from_an_offset_on_and_ends_at_its_count(void **state)
{
    struct outcome outcome;
    char line[256], offset[64];
    struct rj_span first, value;
    run(*state, &outcome, "seq 1 20 | $ctl publish lobby - > /dev/null; $ctl tail --from 0 --count 20 lobby");
    expect_done(&outcome);
    assert_int_equal(expect_seqs(outcome.out, 1), 20);
    const char *rest = outcome.out;
    assert_true(next_line(&rest, &first) && rj_json_get(first, "offset", &value));
    snprintf(offset, sizeof offset, "%.*s", (int)value.len - 2, (const char *)value.data + 1);
    snprintf(line, sizeof line, "$ctl tail --from %s --count 19", offset);
    run(*state, &outcome, line);
    expect_done(&outcome);
    assert_int_equal(expect_seqs(outcome.out, 2), 19);
}

static bool has_lines(const struct broker *broker, unsigned wanted)
{
    char path[160], text[64 * 1024];
    unsigned n = 0;
    snprintf(path, sizeof path, "%s/out", broker->folder);
    if (access(path, R_OK) != 0)
        return false;
    read_file(path, text, sizeof text);
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        n++;
    return n >= wanted;
}

static void tail_prints_each_message_at_once_and_goes_on_after_a_broker_kill(void **state)
{
    struct broker *broker = *state;
    struct rj_process tail;
    struct outcome outcome;
    struct rejoin *handle = backend_open(broker, "one");
    start(&tail, broker, "$ctl tail lobby --from 0 --count 3");
    backend_publish(handle, "lobby", "1");
    assert_true(rj_eventually(PATIENCE_MS, has_lines(broker, 1)));
    broker_kill(broker);
    broker_start(broker);
    backend_publish(handle, "lobby", "2");
    backend_publish(handle, "lobby", "3");
    rejoin_close(&handle);
    finish(&tail, broker, &outcome);
    expect_done(&outcome);
    assert_int_equal(expect_seqs(outcome.out, 1), 3);
}

static void publishing_lines_goes_on_after_a_broker_kill(void **state)
{
    struct broker *broker = *state;
    struct rj_process publisher;
    struct outcome outcome;
    /* The second half comes when the marker is there, after the broker's death. */
    char line[512];
    snprintf(line, sizeof line,
             "{ seq 1 200; while [ ! -e %s/marker ]; do sleep 0.02; done; seq 201 400; } | "
             "$ctl --timeout %d publish lobby -",
             broker->folder, PATIENCE_MS);
    start(&publisher, broker, line);
    assert_true(rj_eventually(PATIENCE_MS, has_lines(broker, 1)));
    broker_kill(broker);
    char marker[160];
    snprintf(marker, sizeof marker, "%s/marker", broker->folder);
    close(open(marker, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    broker_start(broker);
    finish(&publisher, broker, &outcome);
    expect_done(&outcome);
    run(broker, &outcome,
        "$ctl history --after 0 --limit 1000 lobby | wc -l; "
        "$ctl tail --from 0 --count 400 lobby | sed 's/.*\"data\"://;s/}$//' | "
        "cmp - $(seq 1 400 > ${broker#ipc://}.want; echo ${broker#ipc://}.want) >&2");
    expect_done(&outcome);
    assert_string_equal(outcome.out, "400\n");
}

static void stats_prints_names_and_values(void **state)
{
    struct outcome outcome;
    run(*state, &outcome, "$ctl stats | grep -cvE '^rejoin_[a-z0-9_]+([{].*[}])? [-+.0-9e]+$'");
    assert_string_equal(outcome.out, "0\n"); /* no line looks otherwise … */
    run(*state, &outcome, "$ctl stats");
    expect_done(&outcome);
    assert_true(strlen(outcome.out) > 0); /* … and there are some */
}

static void what_the_broker_refuses_is_told_with_exit_1(void **state)
{
    struct outcome outcome;
    run(*state, &outcome, "$ctl publish '' 1");
    expect_said(&outcome, 1, "bad_name");
    run(*state, &outcome, "$ctl publish --namespace /none lobby 1");
    expect_said(&outcome, 1, "invalid_namespace");
    run(*state, &outcome, "$ctl history ''");
    expect_said(&outcome, 1, "bad_name");
}

static void wrong_usage_is_told_with_exit_2(void **state)
{
    static const char *const wrong[][2] = {
        {"$ctl", "command is missing"},
        {"$ctl dance", "no command dance"},
        {"$ctl --dance", "--dance"},
        {"$ctl --timeout soon stats", "takes a time"},
        {"$ctl --timeout 25h stats", "takes a time"},
        {"${ctl%% *} stats", "--broker is missing"},
        {"${ctl%% *} --broker lobby stats", "no endpoint"},
        {"$ctl publish lobby hello", "'\"hello\"'"},
        {"$ctl publish lobby", "a room and a JSON text"},
        {"$ctl publish lobby 1 2", "a room and a JSON text"},
        {"$ctl publish --id", "missing value"},
        {"$ctl publish --color red lobby 1", "--color"},
        {"$ctl history", "one room"},
        {"$ctl history lobby --before 0", "first seq is 1"},
        {"$ctl history lobby --before 5 --after 3", "exclude"},
        {"$ctl history lobby --limit -1", "no number"},
        {"$ctl tail a b", "too much"},
        {"$ctl tail --from yesterday", "no offset"},
        {"$ctl tail --count 0", "--count"},
        {"$ctl stats all", "too much"},
    };
    struct outcome outcome;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        run(*state, &outcome, wrong[i][0]);
        expect_said(&outcome, 2, wrong[i][1]);
    }
}

static void help_needs_no_broker(void **state)
{
    struct outcome outcome;
    run(*state, &outcome, "${ctl%% *} --help; ${ctl%% *} tail --help; ${ctl%% *} --version");
    expect_done(&outcome);
    static const char *const words[] = {"publish", "history",       "tail",
                                        "stats",   "--from OFFSET", "rejoinctl 0."};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        assert_non_null(strstr(outcome.out, words[i]));
}

static void a_broker_that_is_not_there_is_told_after_the_timeout(void **state)
{
    struct outcome outcome;
    run(*state, &outcome, "${ctl%% *} --broker ${broker}-nobody --timeout 100 stats");
    expect_said(&outcome, 1, "no broker answers at");
    run(*state, &outcome, "${ctl%% *} --broker ${broker}-nobody --timeout 100ms publish lobby 1");
    expect_said(&outcome, 1, "timeout");
}

static void the_example_publishes(void **state)
{
    struct outcome outcome;
    run(*state, &outcome,
        "$example $broker lobby '{\"hello\":\"world\"}' > /dev/null; "
        "$example $broker lobby '[2]'; $example $broker lobby plain; echo $?");
    assert_memory_equal(outcome.out, "seq 2, offset ", strlen("seq 2, offset "));
    assert_non_null(strstr(outcome.out, "\n1\n"));
    assert_non_null(strstr(outcome.err, "malformed"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(publish_prints_the_place_of_the_message, broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(publish_takes_lines_from_standard_input, broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(lines_under_an_id_are_stored_once, broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(a_bad_line_costs_only_itself, broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(history_pages_by_seq, broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(tail_prints_from_an_offset_on_and_ends_at_its_count, broker_setup,
                                    broker_teardown),
    cmocka_unit_test_setup_teardown(tail_prints_each_message_at_once_and_goes_on_after_a_broker_kill,
                                    broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(publishing_lines_goes_on_after_a_broker_kill, broker_setup,
                                    broker_teardown),
    cmocka_unit_test_setup_teardown(stats_prints_names_and_values, broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(what_the_broker_refuses_is_told_with_exit_1, broker_setup,
                                    broker_teardown),
    cmocka_unit_test_setup_teardown(wrong_usage_is_told_with_exit_2, broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(help_needs_no_broker, broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(a_broker_that_is_not_there_is_told_after_the_timeout, broker_setup,
                                    broker_teardown),
    cmocka_unit_test_setup_teardown(the_example_publishes, broker_setup, broker_teardown),
};

RJ_TEST_MAIN(tests)
