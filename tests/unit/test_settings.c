#include "proto/base/settings.h"

#include <stdlib.h>
#include <unistd.h>

#include "tests/support/test.h"

struct values {
    char *data;
    char *note;
    uint64_t size_bytes;
    uint64_t lifetime_ms;
    uint64_t rooms;
    bool recovery;
    char **origins;
    unsigned level;
};

static const struct rj_setting table[] = {
    {.name = "data",
     .type = RJ_SETTING_TEXT,
     .field = offsetof(struct values, data),
     .required = true,
     .unit = "dir",
     .help = "folder of the store",
     .group = "Store"},
    {.name = "max-size",
     .type = RJ_SETTING_BYTES,
     .field = offsetof(struct values, size_bytes),
     .fallback = "5000",
     .least = 10,
     .most = 2000000,
     .help = "the largest thing that is taken from anyone at all, told in so many words that it must be "
             "wrapped onto a second line"},
    {.name = "note",
     .type = RJ_SETTING_TEXT,
     .field = offsetof(struct values, note),
     .help = "a remark",
     .group = "Other"},
    {.name = "lifetime",
     .type = RJ_SETTING_TIME,
     .field = offsetof(struct values, lifetime_ms),
     .fallback = "24h",
     .least = 1000,
     .most = 3650 * 86400000ULL,
     .help = "how long it lives"},
    {.name = "rooms",
     .type = RJ_SETTING_COUNT,
     .field = offsetof(struct values, rooms),
     .fallback = "0",
     .most = 100000,
     .help = "of one client"},
    {.name = "recovery",
     .type = RJ_SETTING_BOOL,
     .field = offsetof(struct values, recovery),
     .fallback = "on",
     .help = "replay what was missed"},
    {.name = "cors-origins",
     .type = RJ_SETTING_LIST,
     .field = offsetof(struct values, origins),
     .fallback = "",
     .unit = "origin",
     .help = "who may ask"},
    {.name = "log-level",
     .type = RJ_SETTING_CHOICE,
     .field = offsetof(struct values, level),
     .fallback = "info",
     .choices = "debug|info|warn",
     .help = "least level"},
    {.name = NULL},
};

static const struct rj_settings_program program = {
    .name = "rejoin-test", .summary = "tries the settings", .version = "1.2.3", .table = table};

/* One load with its stdout and stderr caught in text. */
struct run {
    struct values values;
    enum rj_settings_outcome outcome;
    char out[8192], err[8192];
};

static int divert(int fd, FILE *to)
{
    int saved = dup(fd);
    assert_true(saved >= 0);
    assert_true(dup2(fileno(to), fd) >= 0);
    return saved;
}

static void restore(int fd, int saved, FILE *from, char *text, size_t size)
{
    dup2(saved, fd);
    close(saved);
    rewind(from);
    text[fread(text, 1, size - 1, from)] = '\0';
    fclose(from);
}

static void load(struct run *run, char **argv, char **env)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    FILE *out = tmpfile(), *err = tmpfile();
    assert_true(out && err);
    *run = (struct run){0};
    fflush(NULL);
    int saved_out = divert(STDOUT_FILENO, out), saved_err = divert(STDERR_FILENO, err);
    run->outcome = rj_settings_load(&program, argc, argv, env, &run->values);
    fflush(NULL);
    restore(STDOUT_FILENO, saved_out, out, run->out, sizeof run->out);
    restore(STDERR_FILENO, saved_err, err, run->err, sizeof run->err);
}

#define ARGS(...) ((char *[]){"rejoin-test", __VA_ARGS__, NULL})
#define ENV(...)  ((char *[]){"HOME=/", __VA_ARGS__, NULL})

static char *no_args[] = {"rejoin-test", NULL};
static char *no_env[] = {NULL};

/* Writes `text` to a file of its own and puts its path into `path`. */
static void write_file(char path[64], const char *text)
{
    strcpy(path, "/tmp/rejoin-settings-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void defaults_stand_where_nothing_was_said(void **state)
{
    struct run run;
    (void)state;
    load(&run, ARGS("--data", "/d"), no_env);
    assert_int_equal(run.outcome, RJ_SETTINGS_RUN);
    assert_string_equal(run.values.data, "/d");
    assert_null(run.values.note);
    assert_int_equal(run.values.size_bytes, 5000);
    assert_true(run.values.recovery);
    assert_non_null(run.values.origins);
    assert_null(run.values.origins[0]);
    assert_int_equal(run.values.level, 1);
    assert_string_equal(run.out, "");
    assert_string_equal(run.err, "");
    rj_settings_free(table, &run.values);
    assert_null(run.values.data);
}

static void a_flag_beats_the_environment_and_that_beats_the_file(void **state)
{
    struct run run;
    char path[64];
    (void)state;
    write_file(path, "data: /file\nmax-size: 11\nlog-level: debug\nnote: file\n");
    load(&run, ARGS("--max-size=33", "--config", path), ENV("REJOIN_MAX_SIZE=22", "REJOIN_NOTE=env"));
    unlink(path);
    assert_int_equal(run.outcome, RJ_SETTINGS_RUN);
    assert_string_equal(run.values.data, "/file");
    assert_int_equal(run.values.size_bytes, 33);
    assert_string_equal(run.values.note, "env");
    assert_int_equal(run.values.level, 0);
    rj_settings_free(table, &run.values);
}

static void the_environment_can_name_the_file(void **state)
{
    struct run run;
    char path[64], variable[128];
    (void)state;
    write_file(path, "data: /file\n");
    snprintf(variable, sizeof variable, "REJOIN_CONFIG=%s", path);
    load(&run, no_args, ENV(variable, "REJOIN_SOMETHING_ELSE=1"));
    unlink(path);
    assert_int_equal(run.outcome, RJ_SETTINGS_RUN);
    assert_string_equal(run.values.data, "/file");
    rj_settings_free(table, &run.values);
}

static void every_form_of_a_flag_is_taken(void **state)
{
    struct run run;
    (void)state;
    load(&run,
         ARGS("--recovery", "off", "--data=a=b", "--cors-origins", "https://a.example, https://b.example",
              "--log-level", "warn", "--max-size", "2k", "--note="),
         no_env);
    assert_int_equal(run.outcome, RJ_SETTINGS_RUN);
    assert_false(run.values.recovery);
    assert_string_equal(run.values.data, "a=b");
    assert_string_equal(run.values.origins[0], "https://a.example");
    assert_string_equal(run.values.origins[1], "https://b.example");
    assert_null(run.values.origins[2]);
    assert_int_equal(run.values.level, 2);
    assert_int_equal(run.values.size_bytes, 2000);
    assert_string_equal(run.values.note, "");
    rj_settings_free(table, &run.values);
    load(&run, ARGS("--recovery", "--data", "x", "--data", "y"), ENV("REJOIN_RECOVERY=no"));
    assert_int_equal(run.outcome, RJ_SETTINGS_RUN);
    assert_true(run.values.recovery);
    assert_string_equal(run.values.data, "y");
    rj_settings_free(table, &run.values);
}

static void every_fault_is_told_by_where_it_stands(void **state)
{
    struct run run;
    char path[64], expected[512];
    (void)state;
    write_file(path, "# a comment\nmax-size: huge\nnonsense: 1\n\nrecovery: perhaps\n");
    load(&run, ARGS("--unknown", "word", "--log-level=loud", "--config", path, "--max-size"),
         ENV("REJOIN_MAX_SIZE=3"));
    unlink(path);
    assert_int_equal(run.outcome, RJ_SETTINGS_WRONG);
    static const char *const others[] = {
        "--unknown: no such flag",
        "word: is no flag",
        "--log-level: 'loud' is none of debug|info|warn\n",
        "REJOIN_MAX_SIZE: '3' is not within 10 to 2MB\n",
        "--max-size: needs a value\n",
        "--data: is required (or REJOIN_DATA, or `data:` in the file)\n",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strstr(run.err, others[i]))
            fail_msg("not told: %sin\n%s", others[i], run.err);
    static const char *const lines[] = {"2: max-size: 'huge' is no size: a whole number with",
                                        "3: nonsense: no such setting", "5: recovery: 'perhaps' is neither"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        snprintf(expected, sizeof expected, "%s:%s", path, lines[i]);
        if (!strstr(run.err, expected))
            fail_msg("not told: %s in\n%s", expected, run.err);
    }
    size_t n = 0;
    for (const char *c = run.err; *c; c++)
        n += *c == '\n';
    assert_int_equal(n, 9);
    assert_null(run.values.data);
    assert_null(run.values.origins);
}

static void a_flag_takes_no_flag_for_its_value(void **state)
{
    struct run run;
    (void)state;
    load(&run, ARGS("--data", "--recovery"), no_env);
    assert_int_equal(run.outcome, RJ_SETTINGS_WRONG);
    assert_non_null(strstr(run.err, "--data: needs a value\n"));
    load(&run, ARGS("--data="), no_env);
    assert_int_equal(run.outcome, RJ_SETTINGS_WRONG);
    assert_string_equal(run.err, "--data: must not be empty\n");
}

static void a_file_that_cannot_be_read_is_told(void **state)
{
    struct run run;
    (void)state;
    load(&run, ARGS("--data", "x", "--config", "/nonexistent/rejoin.yaml"), no_env);
    assert_int_equal(run.outcome, RJ_SETTINGS_WRONG);
    assert_string_equal(run.err, "/nonexistent/rejoin.yaml: cannot be read: No such file or directory\n");
    load(&run, ARGS("--data", "x", "--config", "/tmp"), no_env);
    assert_int_equal(run.outcome, RJ_SETTINGS_WRONG);
    assert_string_equal(run.err, "/tmp: cannot be read: Is a directory\n");
    load(&run, ARGS("--data", "x", "--config", "/dev/zero"), no_env);
    assert_int_equal(run.outcome, RJ_SETTINGS_WRONG);
    assert_non_null(strstr(run.err, "/dev/zero: is larger than"));
}

static void check_config_answers_and_exits(void **state)
{
    struct run run;
    (void)state;
    load(&run, ARGS("--check-config", "--data", "x"), no_env);
    assert_int_equal(run.outcome, RJ_SETTINGS_EXIT);
    assert_string_equal(run.out, "rejoin-test: the configuration is valid\n");
    load(&run, ARGS("--check-config"), no_env);
    assert_int_equal(run.outcome, RJ_SETTINGS_WRONG);
    assert_non_null(strstr(run.err, "--data: is required"));
}

static void help_shows_every_flag_under_its_heading(void **state)
{
    static const char *const expected =
        "rejoin-test 1.2.3: tries the settings\n"
        "\n"
        "Usage: rejoin-test --data DIR [flags]\n"
        "\n"
        "Store\n"
        "  --data DIR                      folder of the store (required)\n"
        "  --max-size BYTES                the largest thing that is taken from anyone at all, told in so\n"
        "                                  many words that it must be wrapped onto a second line (default:\n"
        "                                  5000)\n"
        "\n"
        "Other\n"
        "  --note TEXT                     a remark\n"
        "  --lifetime TIME                 how long it lives (default: 24h)\n"
        "  --rooms N                       of one client (default: 0)\n"
        "  --recovery on|off               replay what was missed (default: on)\n"
        "  --cors-origins ORIGIN,…         who may ask\n"
        "  --log-level debug|info|warn     least level (default: info)\n"
        "\n"
        "General\n"
        "  --config FILE                   YAML file with any of the settings above\n"
        "  --check-config                  check flags, environment and file, say what is wrong, and exit\n"
        "  --version                       print the version and exit\n"
        "  --help                          print this and exit\n"
        "\n"
        "--data may also be given as REJOIN_DATA in the environment or as `data: …` in the file;\n"
        "so may every other setting. A flag beats the environment, and that beats the file.\n"
        "A TIME is a number with ms, s, m, h, d or w (none: ms), BYTES one with\n"
        "kB, MB, GB, KiB, MiB or GiB (none: bytes); other numbers take k, m or g\n"
        "(a thousand, a million, a thousand million).\n";
    struct run run;
    (void)state;
    load(&run, ARGS("--wrong", "--help"), no_env);
    assert_int_equal(run.outcome, RJ_SETTINGS_EXIT);
    assert_string_equal(run.out, expected);
    assert_string_equal(run.err, "");
    load(&run, ARGS("-h"), no_env);
    assert_string_equal(run.out, expected);
    load(&run, ARGS("--version"), no_env);
    assert_int_equal(run.outcome, RJ_SETTINGS_EXIT);
    assert_string_equal(run.out, "rejoin-test 1.2.3\n");
}

static enum rj_status parse(const char *yaml, struct values *values, struct rj_buf *faults)
{
    *values = (struct values){0};
    rj_buf_clear(faults);
    return rj_settings_parse_yaml(table, rj_span_str(yaml), "f", values, faults);
}

static void yaml_fills_every_type(void **state)
{
    struct values values;
    struct rj_buf faults = {0};
    (void)state;
    enum rj_status status = parse("---\n"
                                  "data: \"/var/lib/re join\"\n"
                                  "max-size: 1m\n"
                                  "recovery: yes\n"
                                  "cors-origins:\n"
                                  "  - https://a.example\n"
                                  "  - 'a, b'\n"
                                  "log-level: warn # loud enough\n",
                                  &values, &faults);
    assert_int_equal(status, RJ_OK);
    assert_string_equal(values.data, "/var/lib/re join");
    assert_int_equal(values.size_bytes, 1000000);
    assert_true(values.recovery);
    assert_string_equal(values.origins[0], "https://a.example");
    assert_string_equal(values.origins[1], "a, b");
    assert_null(values.origins[2]);
    assert_int_equal(values.level, 2);
    rj_settings_free(table, &values);
    assert_int_equal(parse("cors-origins: [x]\ndata: {}\n", &values, &faults), RJ_BAD_REQUEST);
    assert_string_equal(rj_buf_cstr(&faults), "f:2: data must be a single value\n");
    rj_settings_free(table, &values);
    assert_int_equal(parse("cors-origins: a,b\n", &values, &faults), RJ_OK);
    assert_string_equal(values.origins[1], "b");
    rj_settings_free(table, &values);
    assert_int_equal(parse("cors-origins: []\n", &values, &faults), RJ_OK);
    assert_null(values.origins[0]);
    rj_settings_free(table, &values);
    rj_buf_free(&faults);
}

static void times_and_sizes_take_units_wherever_they_stand(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } times[] = {{"300000", 300000}, {"5000ms", 5000},  {"90s", 90000},    {"15m", 900000},
                 {"24h", 86400000},  {"7d", 604800000}, {"2w", 1209600000}};
    struct run run;
    struct values values;
    struct rj_buf faults = {0};
    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        char flag[64], variable[64], yaml[64];
        snprintf(flag, sizeof flag, "--lifetime=%s", times[i].text);
        snprintf(variable, sizeof variable, "REJOIN_LIFETIME=%s", times[i].text);
        snprintf(yaml, sizeof yaml, "lifetime: %s\n", times[i].text);
        load(&run, ARGS("--data", "x", flag), no_env);
        assert_int_equal(run.values.lifetime_ms, times[i].ms);
        rj_settings_free(table, &run.values);
        load(&run, ARGS("--data", "x"), ENV(variable));
        assert_int_equal(run.values.lifetime_ms, times[i].ms);
        rj_settings_free(table, &run.values);
        assert_int_equal(parse(yaml, &values, &faults), RJ_OK);
        assert_int_equal(values.lifetime_ms, times[i].ms);
    }
    load(&run, ARGS("--data", "x", "--max-size", "64KiB", "--rooms", "3k"), no_env);
    assert_int_equal(run.values.size_bytes, 65536);
    assert_int_equal(run.values.rooms, 3000);
    rj_settings_free(table, &run.values);
    load(&run, ARGS("--data", "x", "--lifetime", "7 days"), ENV("REJOIN_MAX_SIZE=64kib"));
    assert_int_equal(run.outcome, RJ_SETTINGS_WRONG);
    assert_string_equal(
        run.err, "REJOIN_MAX_SIZE: '64kib' is no size: a whole number with kB, MB, GB, KiB, MiB or GiB "
                 "(none: bytes)\n"
                 "--lifetime: '7 days' is no time: a whole number with ms, s, m, h, d or w (none: "
                 "ms)\n");
    rj_buf_free(&faults);
}

static void an_empty_file_sets_nothing(void **state)
{
    static const char *const texts[] = {"", "\n\n", "# only a comment\n", "---\n", "---\n...\n", "{}\n"};
    struct values values;
    struct rj_buf faults = {0};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(parse(texts[i], &values, &faults), RJ_OK);
    rj_buf_free(&faults);
}

static void faults_of_the_file_are_told_with_their_line(void **state)
{
    static const struct {
        const char *yaml, *fault;
    } cases[] = {
        {"- a\n", "f:1: expected lines of `setting: value`\n"},
        {"\njust words\n", "f:2: expected lines of `setting: value`\n"},
        {"note: x\n\nnote: y\n", "f:3: note: is set twice\n"},
        {"note:\n", "f:1: note has no value\n"},
        {"note: ~\n", "f:1: note has no value\n"},
        {"note: a\nlog-level:\n  - info\n", "f:3: log-level must be a single value\n"},
        {"cors-origins:\n  - a\n  -\n  - [b]\n",
         "f:3: cors-origins has no value\nf:4: cors-origins must be a single value\n"},
        {"cors-origins: a,,b\n", "f:1: cors-origins: 'a,,b' has an empty item\n"},
        {"? [a]\n: b\n", "f:1: a key must be the name of a setting\n"},
        {"config: other.yaml\n", "f:1: config: cannot be set in the file\n"},
        {"note: \"a\\0b\"\n", "f:1: note contains a NUL\n"},
        {"note: a\n---\nnote: b\n", "f:2: only one document is expected\n"},
        {"note: *nowhere\n", "f:1: found undefined alias\n"},
        {"note: a\nmax-size: 1\n", "f:2: max-size: '1' is not within 10 to 2MB\n"},
        {"max-size: 99999999999999999999\n",
         "f:1: max-size: '99999999999999999999' is not within 10 to 2MB\n"},
        {"max-size: 18446744073709551615g\n",
         "f:1: max-size: '18446744073709551615g' is not within 10 to 2MB\n"},
        {"note: a\nmax-size: -5\n",
         "f:2: max-size: '-5' is no size: a whole number with kB, MB, GB, KiB, MiB "
         "or GiB (none: bytes)\n"},
        {"max-size: 5kb\n",
         "f:1: max-size: '5kb' is no size: a whole number with kB, MB, GB, KiB, MiB or GiB "
         "(none: bytes)\n"},
        {"max-size: 3MiB\n", "f:1: max-size: '3MiB' is not within 10 to 2MB\n"},
        {"\nlifetime: 1.5h\n",
         "f:2: lifetime: '1.5h' is no time: a whole number with ms, s, m, h, d or w (none: ms)\n"},
        {"lifetime: 5k\n",
         "f:1: lifetime: '5k' is no time: a whole number with ms, s, m, h, d or w (none: ms)\n"},
        {"lifetime: 7 d\n",
         "f:1: lifetime: '7 d' is no time: a whole number with ms, s, m, h, d or w (none: ms)\n"},
        {"lifetime: 999ms\n", "f:1: lifetime: '999ms' is not within 1s to 3650d\n"},
        {"lifetime: 522w\n", "f:1: lifetime: '522w' is not within 1s to 3650d\n"},
        {"lifetime: 99999999999999999w\n", "f:1: lifetime: '99999999999999999w' is not within 1s to 3650d\n"},
        {"rooms: 5kB\n", "f:1: rooms: '5kB' is no whole number (k, m or g may follow it)\n"},
        {"rooms: 101k\n", "f:1: rooms: '101k' is not within 0 to 100000\n"},
    };
    struct values values;
    struct rj_buf faults = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(parse(cases[i].yaml, &values, &faults), RJ_BAD_REQUEST);
        assert_string_equal(rj_buf_cstr(&faults), cases[i].fault);
        rj_settings_free(table, &values);
    }
    rj_buf_free(&faults);
}

static void broken_yaml_is_told_with_its_line(void **state)
{
    static const struct {
        const char *yaml, *place;
    } cases[] = {
        {"note: a\nnote2: \"never ends\n", "f:3: "},
        {"note: a\n\tdata: b\n", "f:2: "},
        {"note: a\ndata: [b\n", "f:3: "},
        {"note: a\n\nrecovery: \xff\n", "f:3: "},
        {"a: &x [*x]\n", "f:1: "},
    };
    struct values values;
    struct rj_buf faults = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(parse(cases[i].yaml, &values, &faults), RJ_BAD_REQUEST);
        if (strncmp(rj_buf_cstr(&faults), cases[i].place, strlen(cases[i].place)) != 0)
            fail_msg("expected %s…, got %s", cases[i].place, rj_buf_cstr(&faults));
        rj_settings_free(table, &values);
    }
    rj_buf_free(&faults);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(defaults_stand_where_nothing_was_said),
    cmocka_unit_test(a_flag_beats_the_environment_and_that_beats_the_file),
    cmocka_unit_test(the_environment_can_name_the_file),
    cmocka_unit_test(every_form_of_a_flag_is_taken),
    cmocka_unit_test(every_fault_is_told_by_where_it_stands),
    cmocka_unit_test(a_flag_takes_no_flag_for_its_value),
    cmocka_unit_test(a_file_that_cannot_be_read_is_told),
    cmocka_unit_test(check_config_answers_and_exits),
    cmocka_unit_test(help_shows_every_flag_under_its_heading),
    cmocka_unit_test(yaml_fills_every_type),
    cmocka_unit_test(times_and_sizes_take_units_wherever_they_stand),
    cmocka_unit_test(an_empty_file_sets_nothing),
    cmocka_unit_test(faults_of_the_file_are_told_with_their_line),
    cmocka_unit_test(broken_yaml_is_told_with_its_line),
};

RJ_TEST_MAIN(tests)
