#include <stdlib.h>

#include "broker/rooms/room.h"
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

static void all_rooms_are_listed_whoever_goes(void **state)
{
    (void)state;
    enum { N = 50 };
    struct rj_rooms rooms = {0};
    uint8_t key[RJ_TARGET_KEY_MAX];
    for (rj_room_id id = 1; id <= N; id++)
        rj_room_ref(&rooms, id, tea_key(key));
    for (rj_room_id id = 1; id <= N; id += 3)
        rj_room_unref(&rooms, rj_room_find(&rooms, id));
    assert_int_equal(rooms.n, N - (N + 2) / 3);
    for (uint32_t i = 0; i < rooms.n; i++) {
        assert_int_equal(rooms.list[i]->place, i);
        assert_ptr_equal(rj_room_find(&rooms, rooms.list[i]->id), rooms.list[i]);
    }
    while (rooms.n)
        rj_room_unref(&rooms, rooms.list[0]);
    assert_null(rooms.list);
    assert_null(rooms.by_id);
}

static void a_room_lives_and_is_sent_to_until_the_last_gateway_knows_who_has_left(void **state)
{
    (void)state;
    struct rj_rooms rooms = {0};
    uint8_t key[RJ_TARGET_KEY_MAX];
    struct rj_room *room = rj_room_ref(&rooms, 7, tea_key(key));
    struct rj_parting *one = rj_room_part(&rooms, room, 3);
    struct rj_parting *same = rj_room_part(&rooms, room, 3);
    struct rj_parting *other = rj_room_part(&rooms, room, 63);
    rj_room_unref(&rooms, room);
    assert_int_equal(rj_room_gateways(room), (uint64_t)1 << 3 | (uint64_t)1 << 63);
    rj_room_parted(one);
    assert_int_equal(rj_room_gateways(room), (uint64_t)1 << 3 | (uint64_t)1 << 63);
    rj_room_parted(same);
    assert_int_equal(rj_room_gateways(room), (uint64_t)1 << 63);
    rj_room_parted(other);
    assert_null(rj_room_find(&rooms, 7));
    assert_null(rooms.by_id);
}

static void a_key_tells_whether_it_is_a_room_of_a_namespace(void **state)
{
    (void)state;
    uint8_t key[RJ_TARGET_KEY_MAX];
    struct rj_span room = rj_span_of(key, rj_target_key(key, 0, "/chat", "tea"));
    assert_true(rj_target_key_is_room_of(room, "/chat"));
    assert_false(rj_target_key_is_room_of(room, "/cha"));
    assert_false(rj_target_key_is_room_of(room, "/chatt"));
    room = rj_span_of(key, rj_target_key(key, 3, "/chat", "tea"));
    assert_false(rj_target_key_is_room_of(room, "/chat"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_key_holds_kind_namespace_and_name),
    cmocka_unit_test(keys_of_different_targets_differ_however_the_names_are_cut),
    cmocka_unit_test(a_name_is_1_to_255_bytes_of_utf8),
    cmocka_unit_test(a_room_lives_while_it_is_referred_to),
    cmocka_unit_test(all_rooms_are_listed_whoever_goes),
    cmocka_unit_test(a_room_lives_and_is_sent_to_until_the_last_gateway_knows_who_has_left),
    cmocka_unit_test(a_key_tells_whether_it_is_a_room_of_a_namespace),
};

RJ_TEST_MAIN(tests)
