/* Sessions that come and go: what they say, and what they make of what they get. The load has no connections;
 * packets are handed to its handler.
 */
#include <stdio.h>
#include <string.h>

#include "tests/support/test.h"
#include "tools/bench/message.h"
#include "tools/bench/replay_sessions.h"

enum { SESSIONS = 3, ROOMS_EACH = 4, ROOMS = 10 };

struct fixture {
    struct store_draws draws;
    struct sessions sessions;
    struct load_handler handler;
};

static struct load_conn conn_of(uint32_t index)
{
    return (struct load_conn){.index = index, .fd = -1};
}

static void say_connected(struct fixture *f, uint32_t index, const char *pid)
{
    struct load_conn conn = conn_of(index);
    char text[128];
    snprintf(text, sizeof text, "0{\"sid\":\"s%u\",\"pid\":\"%s\"}", index, pid);
    f->handler.connected(f->handler.ctx, &conn, rj_span_str(text));
}

static void say_joined(struct fixture *f, uint32_t index, uint32_t place, uint64_t seq)
{
    struct load_conn conn = conn_of(index);
    char text[128];
    snprintf(text, sizeof text, "3%u[{\"ok\":true,\"room\":\"x\",\"seq\":%llu}]", place,
             (unsigned long long)seq);
    f->handler.ack(f->handler.ctx, &conn, rj_span_str(text));
}

static void say_message(struct fixture *f, uint32_t index, uint32_t room, uint64_t seq, const char *offset)
{
    struct load_conn conn = conn_of(index);
    char text[256];
    snprintf(text, sizeof text,
             "2[\"room:message\",{\"room\":\"room-%06u\",\"seq\":%llu,\"data\":\"say \\\"x\\\"\"},\"%s\"]",
             room, (unsigned long long)seq, offset);
    f->handler.event(f->handler.ctx, &conn, rj_span_str(text));
}

/* Everybody has connected and joined; every room is at seq 7. */
static int set_up(void **state)
{
    static struct fixture f;
    store_draws_init(&f.draws, ROOMS, false);
    sessions_init(&f.sessions, SESSIONS, ROOMS_EACH, &f.draws);
    f.handler = sessions_handler(&f.sessions);
    for (uint32_t i = 0; i < SESSIONS; i++) {
        char pid[8];
        snprintf(pid, sizeof pid, "pid-%u", i);
        say_connected(&f, i, pid);
        assert_false(sessions_have_joined(&f.sessions));
        for (uint32_t j = 0; j < ROOMS_EACH; j++)
            say_joined(&f, i, j, 7);
    }
    assert_true(sessions_have_joined(&f.sessions));
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    sessions_free(&f->sessions);
    store_draws_free(&f->draws);
    return 0;
}

/* Each session gets messages `from` to `upto` in each of its rooms. */
static void say_all(struct fixture *f, uint64_t from, uint64_t upto)
{
    for (uint32_t i = 0; i < SESSIONS; i++)
        for (uint64_t seq = from; seq <= upto; seq++)
            for (uint32_t j = 0; j < ROOMS_EACH; j++)
                say_message(f, i, f->sessions.list[i].rooms[j].room, seq, "e.9");
}

static void rooms_of_a_session_are_distinct(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < SESSIONS; i++)
        for (uint32_t j = 0; j < ROOMS_EACH; j++) {
            assert_true(f->sessions.list[i].rooms[j].room < ROOMS);
            for (uint32_t k = 0; k < j; k++)
                assert_int_not_equal(f->sessions.list[i].rooms[j].room, f->sessions.list[i].rooms[k].room);
        }
}

static void who_comes_back_says_who_it_was_and_what_it_got_last(void **state)
{
    struct fixture *f = *state;
    struct load_conn conn = conn_of(1);
    struct rj_buf said = {0};
    f->handler.opening(f->handler.ctx, &conn, &said);
    assert_int_equal(said.len, 0);
    sessions_expect(&f->sessions, 1);
    say_message(f, 1, f->sessions.list[1].rooms[0].room, 8, "e.41");
    say_message(f, 1, f->sessions.list[1].rooms[2].room, 8, "e.42");
    sessions_come_back(&f->sessions);
    f->handler.opening(f->handler.ctx, &conn, &said);
    assert_string_equal(rj_buf_cstr(&said), "{\"pid\":\"pid-1\",\"offset\":\"e.42\"}");
    rj_buf_free(&said);
    say_connected(f, 1, "pid-1");
    assert_int_equal(f->sessions.unrecovered, 0);
    say_connected(f, 1, "pid-10");
    say_connected(f, 2, "another");
    assert_int_equal(f->sessions.unrecovered, 2);
    assert_int_equal(f->sessions.connected.n, 3);
}

static void all_have_caught_up_when_each_has_everything(void **state)
{
    struct fixture *f = *state;
    sessions_expect(&f->sessions, 2);
    sessions_come_back(&f->sessions);
    assert_int_equal(sessions_missed(&f->sessions), SESSIONS * ROOMS_EACH * 2);
    say_all(f, 8, 8);
    assert_false(sessions_are_caught_up(&f->sessions));
    assert_int_equal(f->sessions.caught_up.n, 0);
    say_all(f, 9, 9);
    assert_true(sessions_are_caught_up(&f->sessions));
    assert_int_equal(f->sessions.caught_up.n, SESSIONS);
    assert_int_equal(
        sessions_missed(&f->sessions) + f->sessions.skipped + f->sessions.doubled + f->sessions.strange, 0);
}

static void what_comes_twice_too_late_or_for_another_is_counted(void **state)
{
    struct fixture *f = *state;
    uint32_t room = f->sessions.list[0].rooms[0].room, other = 0;
    for (bool is_own = true; is_own; other += is_own) {
        is_own = false;
        for (uint32_t j = 0; j < ROOMS_EACH; j++)
            is_own |= f->sessions.list[0].rooms[j].room == other;
    }
    sessions_expect(&f->sessions, 3);
    sessions_come_back(&f->sessions);
    say_message(f, 0, room, 7, "o"); /* it had that */
    say_message(f, 0, room, 8, "o");
    say_message(f, 0, room, 8, "o");
    assert_int_equal(f->sessions.doubled, 2);
    say_message(f, 0, room, 10, "o");
    assert_int_equal(f->sessions.skipped, 1);
    say_message(f, 0, room, 9, "o");
    assert_int_equal(f->sessions.doubled, 3);
    say_message(f, 0, other, 8, "o");
    assert_int_equal(f->sessions.strange, 1);
    assert_int_equal(f->sessions.messages, 2);
}

static void a_message_beyond_those_expected_is_strange(void **state)
{
    struct fixture *f = *state;
    sessions_expect(&f->sessions, 1);
    sessions_come_back(&f->sessions);
    say_all(f, 8, 8);
    assert_int_equal(f->sessions.strange, 0);
    say_message(f, 0, f->sessions.list[0].rooms[0].room, 9, "o");
    assert_int_equal(f->sessions.strange, 1);
}

static void strings_are_found_in_packets(void **state)
{
    (void)state;
    struct rj_span text = rj_span_str("2[\"e\",{\"a\":\"b\"},\"last\"]");
    assert_int_equal(message_last_string(text).len, 4);
    assert_memory_equal(message_last_string(text).data, "last", 4);
    assert_memory_equal(message_quoted(text, "\"a\":\"").data, "b", 1);
    assert_int_equal(message_quoted(text, "\"c\":\"").len, 0);
    assert_int_equal(message_quoted(rj_span_str("{\"a\":\"unended"), "\"a\":\"").len, 0);
    assert_int_equal(message_last_string(rj_span_str("2[\"e\",1]")).len, 0);
    assert_int_equal(message_last_string(rj_span_str("\"]")).len, 0);
    assert_int_equal(message_last_string((struct rj_span){0}).len, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(rooms_of_a_session_are_distinct, set_up, tear_down),
    cmocka_unit_test_setup_teardown(who_comes_back_says_who_it_was_and_what_it_got_last, set_up, tear_down),
    cmocka_unit_test_setup_teardown(all_have_caught_up_when_each_has_everything, set_up, tear_down),
    cmocka_unit_test_setup_teardown(what_comes_twice_too_late_or_for_another_is_counted, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_message_beyond_those_expected_is_strange, set_up, tear_down),
    cmocka_unit_test(strings_are_found_in_packets),
};

RJ_TEST_MAIN(tests)
