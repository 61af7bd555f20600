/* The texts of presence rules, and which room tells by them. */
#include "tests/support/test.h"

#include "broker/presence/presence_rules.h"
#include "broker/rooms/room.h"
#include "proto/wire.h"

static const struct rj_presence_rule *pick(const struct rj_presence_rules *rules, const char *nsp,
                                           const char *name)
{
    uint8_t key[RJ_TARGET_KEY_MAX];
    size_t len = rj_target_key(key, REJOIN__TARGET__KIND__ROOM, nsp, name);
    return rj_presence_rules_pick(rules, rj_span_of(key, len));
}

static void a_rule_says_whether_and_how_a_room_tells(void **state)
{
    (void)state;
    char *texts[] = {"quiet:* events=off", "team:* grace=30s burst=2k namespace=/work", "team:*", NULL};
    struct rj_presence_rules rules;
    rj_presence_rules_init(&rules, texts, 5000, 100);
    const struct rj_presence_rule *rule = pick(&rules, "/work", "team:a");
    assert_non_null(rule);
    assert_int_equal(rule->grace_ms, 30000);
    assert_int_equal(rule->burst, 2000);
    rule = pick(&rules, "/", "team:a");
    assert_non_null(rule);
    assert_int_equal(rule->grace_ms, 5000);
    assert_int_equal(rule->burst, 100);
    assert_null(pick(&rules, "/", "quiet:a"));
    rj_presence_rules_free(&rules);
}

static void without_a_rule_no_room_tells(void **state)
{
    (void)state;
    struct rj_presence_rules rules;
    rj_presence_rules_init(&rules, NULL, 5000, 100);
    assert_null(pick(&rules, "/", "tea"));
    rj_presence_rules_free(&rules);
}

static void only_rooms_tell(void **state)
{
    (void)state;
    char *texts[] = {"*", NULL};
    uint8_t key[RJ_TARGET_KEY_MAX];
    struct rj_presence_rules rules;
    rj_presence_rules_init(&rules, texts, 5000, 100);
    assert_non_null(pick(&rules, "/", "tea"));
    size_t len = rj_target_key(key, REJOIN__TARGET__KIND__USER, "/", "ann");
    assert_null(rj_presence_rules_pick(&rules, rj_span_of(key, len)));
    rj_presence_rules_free(&rules);
}

static void what_is_wrong_with_a_rule_is_said(void **state)
{
    (void)state;
    static const char *const right[] = {"a", "a events=on", "* grace=0 burst=0", "a grace=24h burst=1m"};
    static const char *const wrong[] = {
        "",          "  ",         "a events=yes",        "a events=on events=on",
        "a grace=x", "a grace=2d", "a burst=-1",          "a namespace=work",
        "a age=7d",  "a burst=2m", "a grace=1s grace=2s",
    };
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        assert_null(rj_presence_rules_check(right[i]));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_non_null(rj_presence_rules_check(wrong[i]));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_rule_says_whether_and_how_a_room_tells),
    cmocka_unit_test(without_a_rule_no_room_tells),
    cmocka_unit_test(only_rooms_tell),
    cmocka_unit_test(what_is_wrong_with_a_rule_is_said),
};

RJ_TEST_MAIN(tests)
