/* The texts of retention rules, and which room keeps what by them. */
#include "tests/support/test.h"

#include <stdlib.h>

#include "broker/conf.h"
#include "broker/rooms/retention.h"
#include "broker/rooms/room.h"
#include "proto/wire.h"

static size_t picked(const struct rj_retention *retention, uint8_t kind, const char *nsp, const char *name)
{
    uint8_t key[RJ_TARGET_KEY_MAX];
    size_t len = rj_target_key(key, kind, nsp, name);
    return rj_retention_pick((void *)(uintptr_t)retention, rj_span_of(key, len));
}

static size_t room(const struct rj_retention *retention, const char *name)
{
    return picked(retention, REJOIN__TARGET__KIND__ROOM, "/", name);
}

static void a_rule_sets_what_it_says(void **state)
{
    char *texts[] = {"chat:* age=7d count=1k bytes=10MiB", "  dm  count=5 ", "a age=500", "b age=0", NULL};
    struct rj_retention retention;
    (void)state;
    rj_retention_init(&retention, texts);
    assert_int_equal(retention.n, 4);
    assert_int_equal(retention.limits[0].age_ms, 7 * 86400000ULL);
    assert_int_equal(retention.limits[0].count, 1000);
    assert_int_equal(retention.limits[0].bytes, 10 << 20);
    assert_int_equal(retention.limits[1].age_ms, 0);
    assert_int_equal(retention.limits[1].count, 5);
    assert_int_equal(retention.limits[2].age_ms, 500);
    assert_int_equal(retention.limits[3].age_ms, 0);
    rj_retention_free(&retention);
}

static void the_first_rule_that_matches_decides(void **state)
{
    char *texts[] = {"chat:vip count=9", "chat:* count=1",         "*:log count=2",
                     "?? count=3",       "* namespace=/b count=4", NULL};
    struct rj_retention retention;
    (void)state;
    rj_retention_init(&retention, texts);
    assert_int_equal(room(&retention, "chat:vip"), 0);
    assert_int_equal(room(&retention, "chat:"), 1);
    assert_int_equal(room(&retention, "chat:a:log"), 1);
    assert_int_equal(room(&retention, "a:log"), 2);
    assert_int_equal(room(&retention, "a:log:log"), 2);
    assert_int_equal(room(&retention, "a:logs"), SIZE_MAX);
    assert_int_equal(room(&retention, "xy"), 3);
    assert_int_equal(room(&retention, "xyz"), SIZE_MAX);
    assert_int_equal(picked(&retention, REJOIN__TARGET__KIND__ROOM, "/b", "xyz"), 4);
    /* A user or a socket of that name is no room. */
    assert_int_equal(picked(&retention, REJOIN__TARGET__KIND__USER, "/", "chat:vip"), SIZE_MAX);
    assert_int_equal(rj_retention_pick(&retention, (struct rj_span){0}), SIZE_MAX);
    rj_retention_free(&retention);
}

static void stars_match_as_they_should(void **state)
{
    char *texts[] = {"*a*b*c count=1", NULL};
    struct rj_retention retention;
    (void)state;
    rj_retention_init(&retention, texts);
    assert_int_equal(room(&retention, "abc"), 0);
    assert_int_equal(room(&retention, "xxaxxbxxcxxc"), 0);
    assert_int_equal(room(&retention, "cba"), SIZE_MAX);
    assert_int_equal(room(&retention, "abcx"), SIZE_MAX);
    rj_retention_free(&retention);
}

static void another_text_is_another_id(void **state)
{
    char *one[] = {"a count=1", "b count=1", NULL}, *same[] = {"a count=1", "b count=1", NULL},
         *other[] = {"b count=1", "a count=1", NULL}, *none[] = {NULL};
    struct rj_retention a, b, c, d;
    (void)state;
    rj_retention_init(&a, one);
    rj_retention_init(&b, same);
    rj_retention_init(&c, other);
    rj_retention_init(&d, none);
    assert_true(a.id == b.id && a.id != c.id && a.id != d.id);
    rj_retention_free(&a);
    rj_retention_free(&b);
    rj_retention_free(&c);
    rj_retention_free(&d);
}

static void what_is_wrong_is_told(void **state)
{
    const struct {
        const char *text, *wrong;
    } cases[] = {
        {"", "has no pattern"},
        {"   ", "has no pattern"},
        {"a", "sets no limit (age=, count= or bytes=)"},
        {"a namespace=/x", "sets no limit (age=, count= or bytes=)"},
        {"a count=", "has a count that is no whole number (k, m or g may follow it)"},
        {"a count=-1", "has a count that is no whole number (k, m or g may follow it)"},
        {"a count=99999999999999999999", "has a number above 64 bits"},
        {"a age=7y", "has an age that is no whole number with ms, s, m, h, d or w"},
        {"a age=36501d", "has an age above 36500 days"},
        {"a age=5215w", "has an age above 36500 days"},
        {"a age=99999999999999999w", "has a number above 64 bits"},
        {"a bytes=1x", "has bytes that are no whole number (kB, MB, GB, KiB, MiB or GiB may follow it)"},
        {"a count=1 count=2", "sets a limit twice"},
        {"a keep=1", "has a word that is none of namespace=, age=, count= and bytes="},
        {"a count=1 namespace=b", "names a namespace that does not begin with / or is too long"},
        {"a count=1 namespace=/b namespace=/c", "names two namespaces"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(rj_retention_check(cases[i].text), cases[i].wrong);
    assert_null(rj_retention_check("a age=1d count=3k bytes=9g namespace=/b"));
    assert_null(rj_retention_check("a age=2w bytes=9GiB"));
}

static void flag_and_environment_take_a_list_of_rules(void **state)
{
    struct rj_conf conf = {0};
    int exit_code;
    char *argv[] = {"rejoin-broker",       "--data",     "/tmp/none",    "--gateways",
                    "ipc:///tmp/g",        "--backends", "ipc:///tmp/b", "--retention-rules",
                    "a count=1, b age=1h", NULL};
    char *env[] = {"REJOIN_RETENTION_RULES=c count=7", NULL};
    (void)state;
    assert_int_equal(rj_conf_load(&conf, 9, argv, env, &exit_code), RJ_SETTINGS_RUN);
    assert_string_equal(conf.retention_rules[0], "a count=1");
    assert_string_equal(conf.retention_rules[1], "b age=1h");
    assert_null(conf.retention_rules[2]);
    rj_conf_free(&conf);
    argv[7] = NULL;
    assert_int_equal(rj_conf_load(&conf, 7, argv, env, &exit_code), RJ_SETTINGS_RUN);
    assert_string_equal(conf.retention_rules[0], "c count=7");
    rj_conf_free(&conf);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_rule_sets_what_it_says),   cmocka_unit_test(the_first_rule_that_matches_decides),
    cmocka_unit_test(stars_match_as_they_should), cmocka_unit_test(another_text_is_another_id),
    cmocka_unit_test(what_is_wrong_is_told),      cmocka_unit_test(flag_and_environment_take_a_list_of_rules),
};
RJ_TEST_MAIN(tests)
