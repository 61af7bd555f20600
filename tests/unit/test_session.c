#include "broker/sessions/session_store.h"
#include "tests/support/test.h"

static const char pid[] = "abcdefghijklmnopqrst-_", sid[] = "ABCDEFGHIJKLMNOPQRST09";

static struct rj_session_record sample(void)
{
    return (struct rj_session_record){
        .is_connected = true,
        .seen_ms = 0x1122334455667788,
        .incarnation = 3,
        .start_pos = UINT64_MAX,
        .epoch = 0x100000002,
        .sid = rj_span_str(sid),
        .nsp = rj_span_str("/chat"),
        .user = rj_span_str("ann"),
    };
}

static void a_record_is_read_back_as_it_was_written(void **state)
{
    (void)state;
    struct rj_buf bytes = {0};
    struct rj_session_record in = sample(), out;
    rj_session_record_encode(&in, &bytes);
    assert_int_equal(rj_session_record_decode(rj_buf_span(&bytes), &out), RJ_OK);
    assert_true(out.is_connected);
    assert_true(out.seen_ms == in.seen_ms);
    assert_true(out.incarnation == 3 && out.start_pos == UINT64_MAX && out.epoch == in.epoch);
    assert_true(rj_span_eq(out.sid, in.sid) && rj_span_is(out.nsp, "/chat") && rj_span_is(out.user, "ann"));
    rj_buf_free(&bytes);
}

static void a_record_of_format_1_has_no_epoch(void **state)
{
    (void)state;
    enum { EPOCH_AT = 26 };
    struct rj_buf bytes = {0};
    struct rj_session_record in = sample(), out;
    rj_session_record_encode(&in, &bytes);
    bytes.data[0] = 1;
    memmove(bytes.data + EPOCH_AT, bytes.data + EPOCH_AT + 8, bytes.len - EPOCH_AT - 8);
    bytes.len -= 8;
    assert_int_equal(rj_session_record_decode(rj_buf_span(&bytes), &out), RJ_OK);
    assert_true(out.epoch == 0 && out.start_pos == UINT64_MAX && rj_span_is(out.user, "ann"));
    rj_buf_free(&bytes);
}

static void a_record_of_another_shape_is_refused(void **state)
{
    (void)state;
    struct rj_buf bytes = {0};
    struct rj_session_record in = sample(), out;
    rj_session_record_encode(&in, &bytes);
    for (size_t len = 0; len < bytes.len; len++)
        assert_int_equal(rj_session_record_decode(rj_span_of(bytes.data, len), &out), RJ_CORRUPT);
    rj_buf_put_u8(&bytes, 0);
    assert_int_equal(rj_session_record_decode(rj_buf_span(&bytes), &out), RJ_CORRUPT);
    bytes.data[0] = 3;
    assert_int_equal(rj_session_record_decode(rj_buf_span(&bytes), &out), RJ_VERSION);
    rj_buf_free(&bytes);
}

static void a_session_expires_a_lifetime_after_its_last_connection(void **state)
{
    (void)state;
    struct rj_session_record record = sample();
    record.seen_ms = 1000;
    record.is_connected = false;
    assert_false(rj_session_record_is_expired(&record, 1500, 0, 500));
    assert_true(rj_session_record_is_expired(&record, 1501, 0, 500));
    assert_false(rj_session_record_is_expired(&record, 900, 0, 500)); /* the clock went back */
    /* Connected when the broker crashed: it has a lifetime from the broker's start. */
    record.is_connected = true;
    assert_false(rj_session_record_is_expired(&record, 100000, 499, 500));
    assert_true(rj_session_record_is_expired(&record, 100000, 500, 500));
}

static void only_what_we_hand_out_is_a_pid(void **state)
{
    (void)state;
    char made[RJ_ID_LEN + 1];
    rj_random_id(made);
    assert_true(rj_session_pid_is_valid(made));
    assert_true(rj_session_pid_is_valid(pid));
    assert_false(rj_session_pid_is_valid(""));
    assert_false(rj_session_pid_is_valid("abcdefghijklmnopqrst-"));
    assert_false(rj_session_pid_is_valid("abcdefghijklmnopqrst-_x"));
    assert_false(rj_session_pid_is_valid("abcdefghijklmnopqrst-\x01"));
}

static void rooms_are_found_whatever_the_order_of_joining(void **state)
{
    (void)state;
    enum { N = 100 };
    struct rj_sessions sessions = {0};
    struct rj_rooms rooms = {0};
    struct rj_session *session = rj_session_new(&sessions, pid, sid, "/", "");
    for (unsigned i = 0; i < N; i++) {
        unsigned id = 1 + i * 37 % N; /* each of 1 to N once */
        rj_session_add_room(session, rj_room_ref(&rooms, id, rj_span_str("key")), id * 10);
    }
    assert_int_equal(session->n_rooms, N);
    for (unsigned id = 1; id <= N; id++)
        assert_int_equal(rj_session_membership(session, id)->since_pos, id * 10);
    assert_null(rj_session_membership(session, N + 1));
    for (unsigned id = 2; id <= N; id += 2)
        rj_room_unref(&rooms, rj_session_remove_room(session, id));
    for (unsigned id = 1; id <= N; id++)
        assert_int_equal(rj_session_membership(session, id) != NULL, id % 2);
    rj_session_free(&sessions, &rooms, session);
    assert_null(rooms.by_id);
    assert_int_equal(sessions.n, 0);
}

static void a_session_is_found_by_its_pid(void **state)
{
    (void)state;
    struct rj_sessions sessions = {0};
    struct rj_rooms rooms = {0};
    struct rj_session *session = rj_session_new(&sessions, pid, sid, "/", "ann");
    struct rj_session *nameless = rj_session_new(&sessions, "", sid, "/", "");
    assert_ptr_equal(rj_session_find(&sessions, pid), session);
    assert_null(rj_session_find(&sessions, ""));
    assert_null(rj_session_find(&sessions, sid));
    rj_session_free(&sessions, &rooms, nameless);
    rj_session_free(&sessions, &rooms, session);
    assert_null(rj_session_find(&sessions, pid));
}

static void a_cursor_goes_forward_only_and_waits_once_to_be_written(void **state)
{
    (void)state;
    struct rj_sessions sessions = {0};
    struct rj_rooms rooms = {0};
    struct rj_session *session = rj_session_new(&sessions, pid, sid, "/", "");
    assert_true(rj_session_prove(&sessions, session, 5));
    assert_true(rj_session_prove(&sessions, session, 9));
    assert_false(rj_session_prove(&sessions, session, 9));
    assert_false(rj_session_prove(&sessions, session, 3));
    assert_int_equal(session->cursor, 9);
    assert_ptr_equal(sessions.dirty, session);
    assert_null(session->dirty_next);
    rj_session_cursor_saved(&sessions, session);
    assert_null(sessions.dirty);
    assert_true(rj_session_prove(&sessions, session, 10));
    rj_session_free(&sessions, &rooms, session);
    assert_null(sessions.dirty);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_record_is_read_back_as_it_was_written),
    cmocka_unit_test(a_record_of_format_1_has_no_epoch),
    cmocka_unit_test(a_record_of_another_shape_is_refused),
    cmocka_unit_test(a_session_expires_a_lifetime_after_its_last_connection),
    cmocka_unit_test(only_what_we_hand_out_is_a_pid),
    cmocka_unit_test(rooms_are_found_whatever_the_order_of_joining),
    cmocka_unit_test(a_session_is_found_by_its_pid),
    cmocka_unit_test(a_cursor_goes_forward_only_and_waits_once_to_be_written),
};

RJ_TEST_MAIN(tests)
