/* What a member is told is checked against its room's order: whatever a server does wrong is counted as what
 * it is.
 */
#include "tools/bench/members.h"

#include "tests/support/test.h"
#include "tools/bench/message.h"

enum { MEMBERS = 4, A_ROOM = 2 };

static struct members members;

static int open_members(void **state)
{
    (void)state;
    members_init(&members, MEMBERS, A_ROOM);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        struct load_conn conn = {.index = i};
        members_on_join(&members, &conn, true, 7);
    }
    return 0;
}

static int close_members(void **state)
{
    (void)state;
    members_free(&members);
    return 0;
}

/* Message `seq` of `room` as it comes to member `index`. */
static bool take(uint32_t index, uint32_t room, uint64_t seq)
{
    char name[MEMBERS_ROOM_SIZE], text[256];
    struct load_conn conn = {.index = index};
    members_room_name(&members, room, name);
    snprintf(text, sizeof text,
             "2[\"room:message\",{\"room\":\"%s\",\"seq\":%llu,\"ts\":1,\"data\":\"\"},\"o.1\"]", name,
             (unsigned long long)seq);
    return members_take(&members, &conn, rj_span_str(text));
}

static void expect(uint64_t deliveries, uint64_t missed, uint64_t doubled, uint64_t strange)
{
    assert_int_equal(members.deliveries, deliveries);
    assert_int_equal(members.missed, missed);
    assert_int_equal(members.doubled, doubled);
    assert_int_equal(members.strange, strange);
}

static void all_in_order_is_right(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < MEMBERS; i++)
        for (uint64_t seq = 8; seq <= 10; seq++)
            assert_true(take(i, i / A_ROOM, seq));
    expect(12, 0, 0, 0);
    assert_int_equal(members_missing(&members, 0, 3), 0);
}

static void a_gap_counts_as_missed(void **state)
{
    (void)state;
    take(0, 0, 8);
    take(0, 0, 11);
    expect(2, 2, 0, 0);
}

static void the_first_message_after_the_join_may_be_missed_too(void **state)
{
    (void)state;
    take(0, 0, 9);
    expect(1, 1, 0, 0);
}

static void what_comes_again_counts_as_doubled(void **state)
{
    (void)state;
    take(0, 0, 8);
    assert_false(take(0, 0, 8));
    expect(1, 0, 1, 0);
}

static void a_wrong_order_counts_as_missed_and_doubled(void **state)
{
    (void)state;
    take(0, 0, 9);
    take(0, 0, 8);
    take(0, 0, 10);
    expect(2, 1, 1, 0);
}

static void a_message_of_another_room_is_strange(void **state)
{
    (void)state;
    assert_false(take(0, 1, 8));
    expect(0, 0, 0, 1);
}

static void another_event_is_passed_over(void **state)
{
    struct load_conn conn = {.index = 0};
    (void)state;
    assert_false(
        members_take(&members, &conn, rj_span_str("2[\"room:presence\",{\"room\":\"x\",\"state\":\"in\"}]")));
    assert_false(members_take(&members, &conn, rj_span_str("2")));
    expect(0, 0, 0, 0);
}

static void what_has_not_come_is_missing(void **state)
{
    (void)state;
    take(0, 0, 8);
    assert_int_equal(members_missing(&members, 0, 5), 4);
    assert_int_equal(members_missing(&members, 1, 5), 5);
}

static void an_ack_is_read(void **state)
{
    uint64_t id, seq;
    (void)state;
    assert_true(message_ack(rj_span_str("317[{\"ok\":true,\"seq\":42,\"offset\":\"a.b\"}]"), &id, &seq));
    assert_int_equal(id, 17);
    assert_int_equal(seq, 42);
    assert_false(
        message_ack(rj_span_str("35[{\"ok\":false,\"error\":{\"code\":\"too_large\"}}]"), &id, &seq));
    assert_int_equal(id, 5);
}

static void a_stamp_comes_back_as_it_was_sent(void **state)
{
    const struct message_stamp sent = {.sent_us = 123456789012, .sender = 999};
    struct message_stamp got;
    struct rj_buf text = {0};
    (void)state;
    message_put_publish(&text, "room", 3, &sent, 40);
    assert_true(message_stamp(rj_buf_span(&text), &got));
    assert_int_equal(got.sent_us, sent.sent_us);
    assert_int_equal(got.sender, sent.sender);
    assert_false(message_stamp(rj_span_str("2[\"room:message\",{\"data\":\"short\"}]"), &got));
    rj_buf_clear(&text);
    message_put_data(&text, &sent, 40);
    assert_int_equal(text.len, 42); /* with the quotes */
    rj_buf_free(&text);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(all_in_order_is_right, open_members, close_members),
    cmocka_unit_test_setup_teardown(a_gap_counts_as_missed, open_members, close_members),
    cmocka_unit_test_setup_teardown(the_first_message_after_the_join_may_be_missed_too, open_members,
                                    close_members),
    cmocka_unit_test_setup_teardown(what_comes_again_counts_as_doubled, open_members, close_members),
    cmocka_unit_test_setup_teardown(a_wrong_order_counts_as_missed_and_doubled, open_members, close_members),
    cmocka_unit_test_setup_teardown(a_message_of_another_room_is_strange, open_members, close_members),
    cmocka_unit_test_setup_teardown(another_event_is_passed_over, open_members, close_members),
    cmocka_unit_test_setup_teardown(what_has_not_come_is_missing, open_members, close_members),
    cmocka_unit_test(an_ack_is_read),
    cmocka_unit_test(a_stamp_comes_back_as_it_was_sent),
};

RJ_TEST_MAIN(tests)
