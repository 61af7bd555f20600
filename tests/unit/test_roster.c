/* A roster keeps its users in order, whatever comes and goes. */
#include "tests/support/test.h"

#include <string.h>

#include "broker/presence/roster.h"

enum { USERS = 300, STEPS = 20000 };

static uint32_t next(uint64_t *random)
{
    *random = *random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(*random >> 33);
}

static void name_of(char out[static 16], unsigned i)
{
    snprintf(out, 16, "user-%u", i);
}

static void assert_order(const struct rj_roster *roster, const bool *is_there)
{
    size_t n = 0;
    const char *before = "";
    for (const struct rj_attendee *who = rj_roster_after(roster, ""); who;
         who = rj_roster_after(roster, who->user), n++) {
        assert_true(strcmp(who->user, before) > 0);
        before = who->user;
    }
    size_t expected = 0;
    for (unsigned i = 0; i < USERS; i++) {
        char name[16];
        name_of(name, i);
        expected += is_there[i];
        assert_int_equal(rj_roster_find(roster, name) != NULL, is_there[i]);
    }
    assert_int_equal(n, expected);
    assert_int_equal(roster->n, expected);
}

static void a_roster_is_sorted_by_name_whatever_comes_and_goes(void **state)
{
    (void)state;
    struct rj_roster roster = {0};
    bool is_there[USERS] = {false};
    uint64_t random = 7;
    for (unsigned step = 0; step < STEPS; step++) {
        char name[16];
        unsigned i = next(&random) % USERS;
        name_of(name, i);
        if (is_there[i])
            rj_roster_remove(&roster, rj_roster_find(&roster, name));
        else
            rj_roster_add(&roster, name, next(&random) % 50); /* many have the same priority */
        is_there[i] = !is_there[i];
        if (step % 500 == 0)
            assert_order(&roster, is_there);
    }
    assert_order(&roster, is_there);
    while (roster.root)
        rj_roster_remove(&roster, roster.root);
    assert_int_equal(roster.n, 0);
}

static void names_are_compared_by_their_bytes(void **state)
{
    (void)state;
    static const char *const names[] = {"A", "Z", "a", "ab", "b", "\xc3\xa9"};
    struct rj_roster roster = {0};
    for (size_t i = 0; i < 6; i++)
        rj_roster_add(&roster, names[(i * 5) % 6], (uint32_t)i);
    const char *at = "";
    for (size_t i = 0; i < 6; i++) {
        const struct rj_attendee *who = rj_roster_after(&roster, at);
        assert_string_equal(who->user, names[i]);
        at = who->user;
    }
    assert_null(rj_roster_after(&roster, at));
    while (roster.root)
        rj_roster_remove(&roster, roster.root);
}

static size_t depth_of(const struct rj_attendee *tree)
{
    if (!tree)
        return 0;
    size_t left = depth_of(tree->left), right = depth_of(tree->right);
    return 1 + (left > right ? left : right);
}

static void users_that_come_in_order_make_no_long_chain(void **state)
{
    (void)state;
    struct rj_roster roster = {0};
    uint64_t random = 11;
    for (unsigned i = 0; i < 5000; i++) {
        char name[16];
        snprintf(name, sizeof name, "%08u", i);
        rj_roster_add(&roster, name, next(&random));
    }
    assert_true(depth_of(roster.root) < 60);
    while (roster.root)
        rj_roster_remove(&roster, roster.root);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_roster_is_sorted_by_name_whatever_comes_and_goes),
    cmocka_unit_test(names_are_compared_by_their_bytes),
    cmocka_unit_test(users_that_come_in_order_make_no_long_chain),
};

RJ_TEST_MAIN(tests)
