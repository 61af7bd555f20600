/* The settings of both processes, all that are numbers: each is taken on its bounds and refused just outside
 * of them, in words that name the setting and the bounds. What the settings and their bounds are is learned
 * from --help and from those words, so that a new one is tried without a word here.
 */
#include <stdlib.h>

#include "broker/conf.h"
#include "gateway/conf.h"
#include "proto/base/quantity.h"
#include "tests/support/test.h"

#define BEYOND_ALL "99999999999999999999"

enum { ARGS_MAX = 10 };

/* What a process said, and how it came out. */
struct run {
    enum rj_settings_outcome outcome;
    char *text; /* stdout and stderr; owned */
};

typedef struct run load_settings(char **args, int n);

static struct run run_broker(char **args, int n)
{
    struct rj_conf conf = {0};
    struct run run = {0};
    size_t size;
    char *none[] = {NULL};
    int exit_code;
    FILE *out = stdout, *err = stderr, *both = open_memstream(&run.text, &size);
    stdout = stderr = both;
    run.outcome = rj_conf_load(&conf, n, args, none, &exit_code);
    stdout = out;
    stderr = err;
    fclose(both);
    rj_conf_free(&conf);
    return run;
}

static struct run run_gateway(char **args, int n)
{
    struct rj_gateway_conf conf = {0};
    struct run run = {0};
    size_t size;
    char *none[] = {NULL};
    FILE *out = stdout, *err = stderr, *both = open_memstream(&run.text, &size);
    stdout = stderr = both;
    run.outcome = rj_gateway_conf_load(n, args, none, &conf);
    stdout = out;
    stderr = err;
    fclose(both);
    rj_gateway_conf_free(&conf);
    return run;
}

struct program {
    load_settings *load;
    const char *args[ARGS_MAX]; /* what is required, NULL ends it */
};

static const struct program programs[] = {
    {run_broker, {"rejoin-broker", "--data", "x", "--gateways", "ipc://g", "--backends", "ipc://b"}},
    {run_gateway, {"rejoin-gateway", "--broker", "ipc://g"}},
};

/* Runs the program with its required settings and one more flag (with a value unless that is NULL). */
static struct run run_with(const struct program *program, const char *flag, const char *value)
{
    char *args[ARGS_MAX + 3] = {NULL};
    int n = 0;
    for (; program->args[n]; n++)
        args[n] = (char *)(uintptr_t)program->args[n];
    args[n++] = (char *)(uintptr_t)flag;
    if (value)
        args[n++] = (char *)(uintptr_t)value;
    return program->load(args, n);
}

/* Whether the value lies within the setting's own bounds: another rule may refuse it all the same. */
static bool is_within(const struct program *program, const char *flag, uint64_t value, char **why)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    struct run run = run_with(program, flag, text);
    bool is_within = !strstr(run.text, "is not within");
    *why = run.text;
    return is_within;
}

static void assert_taken(const struct program *program, const char *flag, uint64_t value)
{
    char *why;
    if (!is_within(program, flag, value, &why))
        fail_msg("%s refuses %llu: %s", flag, (unsigned long long)value, why);
    free(why);
}

static void assert_refused(const struct program *program, const char *flag, uint64_t value)
{
    char *why;
    if (is_within(program, flag, value, &why))
        fail_msg("%s takes %llu", flag, (unsigned long long)value);
    assert_int_equal(strncmp(why, flag, strlen(flag)), 0);
    free(why);
}

/* A bound as the program tells it; the rest of the text is cut off. */
static uint64_t read_bound(enum rj_quantity quantity, const char *text)
{
    uint64_t value = 0;
    struct rj_span bound = rj_span_of(text, strcspn(text, " \n"));
    assert_int_equal(rj_quantity_parse(quantity, bound, &value), RJ_OK);
    return value;
}

static void try_bounds(const struct program *program, const char *flag, enum rj_quantity quantity)
{
    static const char within[] = "is not within ", to[] = " to ";
    struct run run = run_with(program, flag, BEYOND_ALL);
    const char *bounds = strstr(run.text, within), *second = bounds ? strstr(bounds, to) : NULL;
    assert_int_equal(run.outcome, RJ_SETTINGS_WRONG);
    if (!second)
        fail_msg("%s does not tell its bounds: %s", flag, run.text);
    uint64_t least = read_bound(quantity, bounds + strlen(within));
    uint64_t most = read_bound(quantity, second + strlen(to));
    free(run.text);
    assert_true(least < most);
    assert_taken(program, flag, least);
    assert_taken(program, flag, most);
    assert_refused(program, flag, most + 1);
    if (least)
        assert_refused(program, flag, least - 1);
}

/* The flag of a line of --help, when its value is a number; cuts the line. */
static char *flag_of_number(char *line, enum rj_quantity *quantity)
{
    static const char *const values[] = {
        [RJ_QUANTITY_COUNT] = "N", [RJ_QUANTITY_TIME] = "TIME", [RJ_QUANTITY_BYTES] = "BYTES"};
    char *flag = strtok(line, " "), *value = flag ? strtok(NULL, " ") : NULL;
    for (unsigned i = 0; value && i < sizeof values / sizeof *values; i++) {
        if (strncmp(flag, "--", 2) == 0 && strcmp(value, values[i]) == 0) {
            *quantity = (enum rj_quantity)i;
            return flag;
        }
    }
    return NULL;
}

static unsigned try_all(const struct program *program)
{
    unsigned tried = 0;
    struct run help = run_with(program, "--help", NULL);
    char *rest = help.text, *line;
    assert_int_equal(help.outcome, RJ_SETTINGS_EXIT);
    while ((line = strsep(&rest, "\n"))) {
        enum rj_quantity quantity;
        char *flag = flag_of_number(line, &quantity);
        if (flag)
            try_bounds(program, flag, quantity);
        tried += flag != NULL;
    }
    free(help.text);
    return tried;
}

static void numbers_are_taken_up_to_their_bounds_and_not_beyond(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
        assert_true(try_all(&programs[i]) > 25);
}

static void assert_told(const char *flag, const char *value, const char *told)
{
    struct run run = run_with(&programs[0], flag, value);
    assert_int_equal(run.outcome, told ? RJ_SETTINGS_WRONG : RJ_SETTINGS_RUN);
    assert_true(!told || strstr(run.text, told));
    free(run.text);
}

static void a_namespace_that_would_be_too_long_is_told_of(void **state)
{
    (void)state;
    char name[130];
    memset(name, 'n', sizeof name);
    name[0] = '/';
    name[129] = '\0';
    assert_told("--namespaces", name, "namespaces: ");
    name[128] = '\0';
    assert_told("--namespaces", name, NULL);
    assert_told("--namespaces", "tea", "namespaces: ");
}

/* A page that anybody may own must not act for its visitors. */
static void credentials_and_cookies_need_settings_that_go_with_them(void **state)
{
    (void)state;
    static const struct {
        const char *origins, *credentials, *cookie;
        bool is_fine;
    } cases[] = {
        {"*", "off", "io", true},         {"http://a,http://b", "on", "", true},
        {"*", "on", "", false},           {"http://a,*", "on", "", false},
        {"http://a", "on", "a b", false}, {"http://a", "on", "a;Domain", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *args[] = {
            "rejoin-gateway", "--broker", "ipc://g", "--cors-origins", NULL, "--cors-credentials", NULL,
            "--cookie",       NULL,       NULL};
        args[4] = (char *)(uintptr_t)cases[i].origins;
        args[6] = (char *)(uintptr_t)cases[i].credentials;
        args[8] = (char *)(uintptr_t)cases[i].cookie;
        struct run run = run_gateway(args, 9);
        if ((run.outcome == RJ_SETTINGS_RUN) != cases[i].is_fine)
            fail_msg("case %zu: %s", i, run.text);
        free(run.text);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(credentials_and_cookies_need_settings_that_go_with_them),
    cmocka_unit_test(numbers_are_taken_up_to_their_bounds_and_not_beyond),
    cmocka_unit_test(a_namespace_that_would_be_too_long_is_told_of),
};

RJ_TEST_MAIN(tests)
