/* Read cursors on a real store. */
#include "broker/reads/read_cursors.h"

#include "tests/unit/test_store_fixture.h"

enum { MOST = 5 };

static const struct rj_reader_name ann = {"/", "ann"};

struct outcome {
    unsigned n;
    enum rj_status last;
};

static void on_done(void *ctx, enum rj_status status)
{
    struct outcome *outcome = ctx;
    outcome->n++;
    outcome->last = status;
}

static struct rj_read_room room(rj_room_id id)
{
    return (struct rj_read_room){id, rj_span_str("tea")};
}

static enum rj_status move(struct fixture *f, struct rj_read_cursors *cursors, struct rj_reader_name reader,
                           rj_room_id id, uint64_t seq, struct outcome *outcome)
{
    return rj_read_cursor_move(cursors, f->store, reader, room(id), seq, MOST, on_done, outcome);
}

static uint64_t stands(struct fixture *f, const struct rj_read_cursors *cursors, struct rj_reader_name reader,
                       rj_room_id id)
{
    uint64_t seq = UINT64_MAX;
    assert_int_equal(rj_read_cursor_get(cursors, f->store, reader, id, &seq), RJ_OK);
    return seq;
}

struct seen {
    unsigned n;
    rj_room_id rooms[16];
    uint64_t seqs[16];
};

static bool on_cursor(void *ctx, struct rj_read_room room, uint64_t seq)
{
    struct seen *seen = ctx;
    assert_true(rj_span_is(room.name, "tea"));
    seen->rooms[seen->n] = room.id;
    seen->seqs[seen->n++] = seq;
    return true;
}

static struct seen all_of(struct fixture *f, struct rj_reader_name reader)
{
    struct seen seen = {0};
    assert_int_equal(rj_read_cursors_each(f->store, reader, 16, on_cursor, &seen), RJ_OK);
    return seen;
}

static void a_move_counts_at_once_and_is_there_after_a_restart(void **state)
{
    struct fixture *f = *state;
    struct rj_read_cursors cursors = {0};
    struct outcome outcome = {0};
    assert_int_equal(stands(f, &cursors, ann, 7), 0);
    assert_int_equal(move(f, &cursors, ann, 7, 3, &outcome), RJ_OK);
    assert_int_equal(move(f, &cursors, ann, 7, 9, &outcome), RJ_OK);
    assert_int_equal(stands(f, &cursors, ann, 7), 9);
    assert_int_equal(outcome.n, 0);
    settle(f->store);
    assert_int_equal(outcome.n, 2);
    assert_int_equal(outcome.last, RJ_OK);
    assert_null(cursors.moving);
    assert_int_equal(stands(f, &cursors, ann, 7), 9);
    rj_read_cursors_fini(&cursors);
    reopen_store(f);
    assert_int_equal(stands(f, &cursors, ann, 7), 9);
}

static void another_writers_move_is_a_conflict(void **state)
{
    struct fixture *f = *state;
    struct rj_read_cursors one = {0}, other = {0};
    struct outcome first = {0}, second = {0};
    assert_int_equal(move(f, &one, ann, 7, 3, &first), RJ_OK);
    assert_int_equal(move(f, &other, ann, 7, 5, &second), RJ_OK);
    settle(f->store);
    assert_int_equal(first.last, RJ_OK);
    assert_int_equal(second.last, RJ_CONFLICT);
    assert_int_equal(stands(f, &other, ann, 7), 3);
    rj_read_cursors_fini(&one);
    rj_read_cursors_fini(&other);
}

static void users_and_namespaces_are_apart(void **state)
{
    struct fixture *f = *state;
    struct rj_read_cursors cursors = {0};
    struct outcome outcome = {0};
    const struct rj_reader_name others[] = {{"/", "an"}, {"/", "ann2"}, {"/a", "nn"}, {"/ann", "ann"}};
    assert_int_equal(move(f, &cursors, ann, 2, 1, &outcome), RJ_OK);
    assert_int_equal(move(f, &cursors, ann, 1, 4, &outcome), RJ_OK);
    assert_int_equal(move(f, &cursors, ann, 0x01020304, 6, &outcome), RJ_OK);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(move(f, &cursors, others[i], 1, 100 + i, &outcome), RJ_OK);
    settle(f->store);
    struct seen seen = all_of(f, ann);
    assert_int_equal(seen.n, 3);
    assert_int_equal(seen.rooms[0], 1);
    assert_int_equal(seen.seqs[0], 4);
    assert_int_equal(seen.rooms[1], 2);
    assert_int_equal(seen.rooms[2], 0x01020304);
    assert_int_equal(seen.seqs[2], 6);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(all_of(f, others[i]).seqs[0], 100 + i);
    rj_read_cursors_fini(&cursors);
}

static void a_user_has_a_bounded_number_of_them(void **state)
{
    struct fixture *f = *state;
    struct rj_read_cursors cursors = {0};
    struct outcome outcome = {0};
    for (rj_room_id id = 1; id <= MOST; id++)
        assert_int_equal(move(f, &cursors, ann, id, 1, &outcome), RJ_OK);
    assert_int_equal(move(f, &cursors, ann, MOST + 1, 1, &outcome), RJ_TOO_MANY);
    assert_int_equal(move(f, &cursors, ann, 1, 2, &outcome), RJ_OK); /* those that are there go on */
    assert_int_equal(move(f, &cursors, (struct rj_reader_name){"/", "bob"}, 1, 1, &outcome), RJ_OK);
    settle(f->store);
    assert_null(cursors.moving);
    /* The same when the number has to be found out from the store. */
    rj_read_cursors_fini(&cursors);
    assert_int_equal(move(f, &cursors, ann, MOST + 1, 1, &outcome), RJ_TOO_MANY);
    assert_int_equal(rj_read_cursor_forget(&cursors, f->store, ann, 2, on_done, &outcome), RJ_OK);
    assert_int_equal(stands(f, &cursors, ann, 2), 0);
    assert_int_equal(move(f, &cursors, ann, MOST + 1, 1, &outcome), RJ_OK);
    assert_int_equal(move(f, &cursors, ann, 2, 1, &outcome), RJ_TOO_MANY);
    settle(f->store);
    assert_int_equal(outcome.last, RJ_OK);
    assert_int_equal(all_of(f, ann).n, MOST);
    rj_read_cursors_fini(&cursors);
}

static void what_is_forgotten_may_begin_anew(void **state)
{
    struct fixture *f = *state;
    struct rj_read_cursors cursors = {0};
    struct outcome outcome = {0};
    assert_int_equal(rj_read_cursor_forget(&cursors, f->store, ann, 1, on_done, &outcome), RJ_OK);
    assert_int_equal(move(f, &cursors, ann, 1, 9, &outcome), RJ_OK);
    assert_int_equal(rj_read_cursor_forget(&cursors, f->store, ann, 1, on_done, &outcome), RJ_OK);
    assert_int_equal(move(f, &cursors, ann, 1, 2, &outcome), RJ_OK);
    settle(f->store);
    assert_int_equal(outcome.n, 4);
    assert_int_equal(outcome.last, RJ_OK);
    assert_int_equal(stands(f, &cursors, ann, 1), 2);
    rj_read_cursors_fini(&cursors);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_move_counts_at_once_and_is_there_after_a_restart, set_up_open,
                                    tear_down),
    cmocka_unit_test_setup_teardown(another_writers_move_is_a_conflict, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(users_and_namespaces_are_apart, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(a_user_has_a_bounded_number_of_them, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(what_is_forgotten_may_begin_anew, set_up_open, tear_down),
};

RJ_TEST_MAIN(tests)
