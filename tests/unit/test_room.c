#include <stdlib.h>

#include "broker/room.h"
#include "tests/support/test.h"

static struct rj_span tea_key(uint8_t key[RJ_TARGET_KEY_MAX])
{
    return rj_span_of(key, rj_target_key(key, 0, "/", "tea"));
}

static void a_key_holds_kind_namespace_and_name(void **state)
{
    (void)state;
    uint8_t key[RJ_TARGET_KEY_MAX];
    size_t len = rj_target_key(key, 0, "/chat", "tea");
    static const uint8_t expected[] = {0, 5, '/', 'c', 'h', 'a', 't', 't', 'e', 'a'};
    assert_int_equal(len, sizeof expected);
    assert_memory_equal(key, expected, sizeof expected);
    assert_true(rj_span_is(rj_target_key_name(rj_span_of(key, len)), "tea"));
    assert_int_equal(rj_target_key_name(rj_span_of(key, 1)).len, 0);
}

static void keys_of_different_targets_differ_however_the_names_are_cut(void **state)
{
    (void)state;
    uint8_t a[RJ_TARGET_KEY_MAX], b[RJ_TARGET_KEY_MAX];
    struct rj_span one = rj_span_of(a, rj_target_key(a, 0, "/a", "bc"));
    struct rj_span two = rj_span_of(b, rj_target_key(b, 0, "/ab", "c"));
    assert_false(rj_span_eq(one, two));
    two = rj_span_of(b, rj_target_key(b, 2, "/a", "bc"));
    assert_false(rj_span_eq(one, two));
}

static void a_name_is_1_to_255_bytes_of_utf8(void **state)
{
    (void)state;
    char name[257];
    memset(name, 'x', sizeof name);
    name[256] = '\0';
    assert_int_equal(rj_room_name_check(name), RJ_BAD_NAME);
    name[255] = '\0';
    assert_int_equal(rj_room_name_check(name), RJ_OK);
    assert_int_equal(rj_room_name_check(""), RJ_BAD_NAME);
    assert_int_equal(rj_room_name_check("tee \xe2\x98\x95"), RJ_OK);
    assert_int_equal(rj_room_name_check("\xe2\x98"), RJ_BAD_NAME);
    assert_int_equal(rj_room_name_check("\xed\xa0\x80"), RJ_BAD_NAME); /* a surrogate */
}

static void a_room_lives_while_it_is_referred_to(void **state)
{
    (void)state;
    struct rj_rooms rooms = {0};
    uint8_t key[RJ_TARGET_KEY_MAX];
    struct rj_room *room = rj_room_ref(&rooms, 7, tea_key(key));
    assert_ptr_equal(rj_room_ref(&rooms, 7, tea_key(key)), room);
    assert_ptr_equal(rj_room_find(&rooms, 7), room);
    assert_null(rj_room_find(&rooms, 8));
    rj_room_unref(&rooms, room);
    assert_ptr_equal(rj_room_find(&rooms, 7), room);
    rj_room_unref(&rooms, room);
    assert_null(rj_room_find(&rooms, 7));
}

/* Against the obvious model: one counter for every slot. */
static void counts_are_kept_for_every_gateway(void **state)
{
    (void)state;
    struct rj_rooms rooms = {0};
    uint8_t key[RJ_TARGET_KEY_MAX];
    struct rj_room *room = rj_room_ref(&rooms, 1, tea_key(key));
    unsigned model[RJ_GATEWAYS_MAX] = {0}, total = 0;
    srand(4711);
    for (int step = 0; step < 20000; step++) {
        unsigned slot = (unsigned)rand() % RJ_GATEWAYS_MAX;
        if (rand() % 2) {
            rj_room_enter(room, slot);
            model[slot]++;
            total++;
        } else if (model[slot]) {
            rj_room_exit(room, slot);
            model[slot]--;
            total--;
        }
        assert_int_equal(room->members, total);
        assert_int_equal(room->gateways >> slot & 1, model[slot] > 0);
        if (step % 100)
            continue;
        for (unsigned i = 0; i < RJ_GATEWAYS_MAX; i++)
            assert_int_equal(rj_room_members_at(room, i), model[i]);
    }
    for (unsigned i = 0; i < RJ_GATEWAYS_MAX; i++)
        while (model[i]--)
            rj_room_exit(room, i);
    assert_int_equal(room->members, 0);
    assert_int_equal(room->gateways, 0);
    rj_room_unref(&rooms, room);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_key_holds_kind_namespace_and_name),
    cmocka_unit_test(keys_of_different_targets_differ_however_the_names_are_cut),
    cmocka_unit_test(a_name_is_1_to_255_bytes_of_utf8),
    cmocka_unit_test(a_room_lives_while_it_is_referred_to),
    cmocka_unit_test(counts_are_kept_for_every_gateway),
};

RJ_TEST_MAIN(tests)
