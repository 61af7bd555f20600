#include "broker/base/room_pattern.h"
#include "broker/base/rule_text.h"

#include <string.h>

#include "broker/rooms/room.h"
#include "rejoin.pb-c.h"
#include "tests/support/test.h"

static bool matches(char *const *texts, uint8_t kind, const char *nsp, const char *name)
{
    uint8_t key[RJ_TARGET_KEY_MAX];
    size_t len = rj_target_key(key, kind, nsp, name);
    struct rj_room_patterns patterns;
    rj_room_patterns_init(&patterns, texts);
    bool is_match = rj_room_patterns_match(&patterns, rj_span_of(key, len));
    rj_room_patterns_free(&patterns);
    return is_match;
}

static void a_pattern_may_name_a_namespace(void **state)
{
    (void)state;
    char *texts[] = {"chat-*", " tea\tnamespace=/a ", NULL};
    assert_true(matches(texts, REJOIN__TARGET__KIND__ROOM, "/", "chat-1"));
    assert_true(matches(texts, REJOIN__TARGET__KIND__ROOM, "/b", "chat-"));
    assert_false(matches(texts, REJOIN__TARGET__KIND__ROOM, "/", "achat-1"));
    assert_true(matches(texts, REJOIN__TARGET__KIND__ROOM, "/a", "tea"));
    assert_false(matches(texts, REJOIN__TARGET__KIND__ROOM, "/b", "tea"));
    assert_false(matches(texts, REJOIN__TARGET__KIND__ROOM, "/a", "teas"));
    assert_false(matches(texts, REJOIN__TARGET__KIND__USER, "/", "chat-1"));
}

static void an_empty_list_means_no_room(void **state)
{
    (void)state;
    char *none[] = {NULL}, *all[] = {"*", NULL};
    assert_false(matches(none, REJOIN__TARGET__KIND__ROOM, "/", "tea"));
    assert_false(matches(NULL, REJOIN__TARGET__KIND__ROOM, "/", "tea"));
    assert_true(matches(all, REJOIN__TARGET__KIND__ROOM, "/", "tea"));
    assert_false(matches(all, REJOIN__TARGET__KIND__NAMESPACE, "/", ""));
}

static void stars_and_question_marks_stand_for_others(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *name;
        bool is_match;
    } cases[] = {
        {"*", "", true},     {"a*b*c", "abc", true},    {"a*b*c", "axxbyybzc", true}, {"a*b*c", "ac", false},
        {"?", "", false},    {"?", "x", true},          {"a?c*", "abcdef", true},     {"**a", "bba", true},
        {"a*", "ba", false}, {"*ab*ab", "xabab", true}, {"*ab*ab", "xab", false},     {"a", "a", true},
        {"a", "aa", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(rj_rule_matches(cases[i].pattern, rj_span_str(cases[i].name)), cases[i].is_match);
}

static void what_is_wrong_with_a_text_is_said(void **state)
{
    (void)state;
    char longest[RJ_ROOM_NAME_MAX + 2] = "";
    memset(longest, 'x', RJ_ROOM_NAME_MAX);
    assert_null(rj_room_pattern_check("*"));
    assert_null(rj_room_pattern_check("a namespace=/b"));
    assert_null(rj_room_pattern_check(longest));
    longest[RJ_ROOM_NAME_MAX] = 'x';
    assert_non_null(rj_room_pattern_check(longest));
    static const char *const wrong[] = {
        "", " ", "a b", "a namespace=", "a namespace=b", "a namespace=/b namespace=/c"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_non_null(rj_room_pattern_check(wrong[i]));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_pattern_may_name_a_namespace),
    cmocka_unit_test(an_empty_list_means_no_room),
    cmocka_unit_test(stars_and_question_marks_stand_for_others),
    cmocka_unit_test(what_is_wrong_with_a_text_is_said),
};

RJ_TEST_MAIN(tests)
