/* Rooms that are forgotten: nothing of them stays, in no table, whatever happens meanwhile. */
#include "tests/unit/test_store_fixture.h"

#include <sys/wait.h>

#include "storage/check.h"

/* What the tables hold of rooms. */
struct left {
    size_t rooms, names, states, entries, records;
};

static size_t count(const struct rj_reader *reader, MDB_dbi table)
{
    MDB_stat stat;
    assert_int_equal(mdb_stat(reader->txn, table, &stat), 0);
    return stat.ms_entries;
}

static void on_fault(void *ctx, const char *sentence)
{
    rj_buf_printf(ctx, "%s\n", sentence);
}

static void expect_whole(const char *path)
{
    struct rj_inspect inspect;
    struct rj_check_report report;
    struct rj_buf text = {0};
    assert_int_equal(rj_inspect_open(&inspect, path, RJ_INSPECT_ALONE, &text), RJ_OK);
    assert_int_equal(rj_check_run(&inspect, 20, on_fault, &text, &report), RJ_OK);
    rj_inspect_close(&inspect);
    assert_string_equal(rj_buf_cstr(&text), "");
    rj_buf_free(&text);
}

/* Closes the store, which sweeps it, and looks. */
static void expect_left(struct fixture *f, struct left left)
{
    struct rj_env env;
    struct rj_buf why = {0};
    rj_store_close(&f->store);
    expect_whole(f->path);
    assert_int_equal(rj_env_open(&env, f->path, (uint64_t)1 << 30, &why), RJ_OK);
    struct rj_reader reader = rj_env_read(&env);
    assert_int_equal(count(&reader, env.rooms), left.rooms);
    assert_int_equal(count(&reader, env.names), left.names);
    assert_int_equal(count(&reader, env.room_states), left.states);
    assert_int_equal(count(&reader, env.index), left.entries);
    assert_int_equal(count(&reader, env.log), left.records);
    rj_env_read_done(&env, &reader);
    rj_env_close(&env);
    rj_buf_free(&why);
}

static void append_to_both(struct rj_store *store, rj_room_id one, rj_room_id other)
{
    rj_room_id rooms[] = {one, other};
    struct rj_store_append append = {.rooms = rooms, .n_rooms = 2, .payload = rj_span_str("both")};
    rj_store_append(store, &append, NULL, NULL);
}

static void append_n(struct rj_store *store, rj_room_id room, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        append_text(store, room, "s", "", "hello", NULL);
}

static void on_done(void *ctx, enum rj_status status)
{
    unsigned *n = ctx;
    assert_int_equal(status, RJ_OK);
    ++*n;
}

static void forget(struct rj_store *store, const char *key)
{
    unsigned n_done = 0;
    rj_store_forget_room(store, rj_span_str(key), on_done, &n_done);
    settle(store);
    assert_int_equal(n_done, 1);
}

/* ------------------------------------------------------------------------------------------ what is left */

static void nothing_is_left_of_a_forgotten_room(void **state)
{
    struct fixture *f = *state;
    append_n(f->store, room_id(f->store, "sid"), 10);
    append_n(f->store, room_id(f->store, "room"), 3);
    settle(f->store);
    forget(f->store, "sid");
    assert_int_equal(rj_store_stats(f->store).rooms_forgotten, 1);
    expect_left(f, (struct left){.rooms = 1, .names = 1, .entries = 3, .records = 3});
}

static void nothing_is_left_of_one_that_was_indexed_long_ago(void **state)
{
    struct fixture *f = *state;
    append_n(f->store, room_id(f->store, "sid"), 10);
    settle(f->store);
    reopen_store(f); /* its entries are in the table */
    rj_store_purge(f->store, room_id(f->store, "sid"), 4, NULL, NULL);
    settle(f->store);
    reopen_store(f); /* and it has a state */
    forget(f->store, "sid");
    expect_left(f, (struct left){0});
}

static void nothing_is_left_of_one_that_had_nothing_any_more(void **state)
{
    struct fixture *f = *state;
    append_n(f->store, room_id(f->store, "sid"), 10);
    rj_store_purge(f->store, room_id(f->store, "sid"), 10, NULL, NULL);
    room_id(f->store, "never used");
    settle(f->store);
    expect_left(f, (struct left){.rooms = 2, .names = 2, .states = 1});
    open_store(f);
    forget(f->store, "sid");
    forget(f->store, "never used");
    expect_left(f, (struct left){0});
}

static void what_is_on_its_way_goes_with_it(void **state)
{
    struct fixture *f = *state;
    unsigned n_done = 0;
    struct told told = {0};
    append_n(f->store, room_id(f->store, "sid"), 5);
    append_text(f->store, room_id(f->store, "sid"), "s", "id", "hello", &told);
    rj_store_forget_room(f->store, rj_span_str("sid"), on_done, &n_done);
    assert_int_equal(n_done, 0);
    settle(f->store);
    assert_int_equal(n_done, 1);
    assert_int_equal(told.outcome, RJ_APPEND_STORED);
    assert_int_equal(told.seqs[0], 6);
    /* It was stored, and the answer to its repetition is the same. */
    append_text(f->store, room_id(f->store, "other"), "s", "id", "hello", &told);
    settle(f->store);
    assert_int_equal(told.outcome, RJ_APPEND_DUPLICATE);
    assert_int_equal(told.seqs[0], 6);
    expect_left(f, (struct left){.rooms = 1, .names = 1});
}

static void records_stay_for_the_other_rooms_as_long_as_these_keep_them(void **state)
{
    struct fixture *f = *state;
    struct rj_buf seen = {0};
    append_to_both(f->store, room_id(f->store, "sid"), room_id(f->store, "room"));
    append_n(f->store, room_id(f->store, "sid"), 2);
    append_to_both(f->store, room_id(f->store, "room"), room_id(f->store, "sid"));
    settle(f->store);
    forget(f->store, "sid");
    expect_left(f, (struct left){.rooms = 1, .names = 1, .entries = 2, .records = 2});
    open_store(f);
    assert_int_equal(rj_store_history(f->store, room_id(f->store, "room"), RJ_HISTORY_FORWARD, 0,
                                      (struct rj_store_budget){0}, on_record, &seen),
                     RJ_OK);
    assert_seen(&seen, "1:both 4:both ");
    rj_store_purge(f->store, room_id(f->store, "room"), 1, NULL, NULL);
    settle(f->store);
    expect_left(f, (struct left){.rooms = 1, .names = 1, .states = 1, .entries = 1, .records = 1});
}

static void records_of_forgotten_rooms_alone_are_gone(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 5; i++)
        append_to_both(f->store, room_id(f->store, "one"), room_id(f->store, "other"));
    settle(f->store);
    forget(f->store, "one");
    expect_left(f, (struct left){.rooms = 1, .names = 1, .entries = 5, .records = 5});
    open_store(f);
    forget(f->store, "other");
    expect_left(f, (struct left){0});
}

static void many_are_forgotten_at_once(void **state)
{
    enum { MANY = 3000 };
    struct fixture *f = *state;
    for (unsigned i = 0; i < MANY; i++) {
        char name[16];
        snprintf(name, sizeof name, "sid %u", i);
        append_n(f->store, room_id(f->store, name), 1 + i % 3);
        if (i % 2)
            rj_store_forget_room(f->store, rj_span_str(name), NULL, NULL);
    }
    settle(f->store);
    for (unsigned i = 0; i < MANY; i += 2) {
        char name[16];
        snprintf(name, sizeof name, "sid %u", i);
        rj_store_forget_room(f->store, rj_span_str(name), NULL, NULL);
    }
    settle(f->store);
    expect_left(f, (struct left){0});
}

/* ------------------------------------------------------------------------------------------ the name */

static void the_name_is_another_room_s_afterwards(void **state)
{
    struct fixture *f = *state;
    struct told told = {0};
    struct rj_buf seen = {0};
    rj_room_id old = room_id(f->store, "sid"), id = 0;
    append_n(f->store, old, 4);
    rj_store_forget_room(f->store, rj_span_str("sid"), NULL, NULL);
    assert_int_equal(rj_store_room(f->store, rj_span_str("sid"), false, &id), RJ_NOT_FOUND);
    id = room_id(f->store, "sid"); /* while the end of the old one is on its way */
    assert_int_not_equal(id, old);
    append_text(f->store, id, "s", "", "new", &told);
    settle(f->store);
    assert_int_equal(told.seqs[0], 1);
    expect_left(f, (struct left){.rooms = 1, .names = 1, .entries = 1, .records = 1});
    open_store(f);
    assert_int_equal(room_id(f->store, "sid"), id);
    assert_int_equal(
        rj_store_history(f->store, id, RJ_HISTORY_FORWARD, 0, (struct rj_store_budget){0}, on_record, &seen),
        RJ_OK);
    assert_seen(&seen, "5:new ");
}

static void a_room_that_was_never_there_is_forgotten_in_order(void **state)
{
    struct fixture *f = *state;
    forget(f->store, "nobody");
    assert_int_equal(rj_store_stats(f->store).rooms_forgotten, 0);
    expect_left(f, (struct left){0});
}

/* ------------------------------------------------------------------------------------------ crashes */

/* The life ends as soon as it was told, before the sweep has come by. */
static void forget_and_crash(struct fixture *f, uint64_t retention_ms)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        f->options.retention_ms = retention_ms;
        open_store(f);
        append_n(f->store, room_id(f->store, "sid"), 3);
        append_to_both(f->store, room_id(f->store, "sid"), room_id(f->store, "room"));
        append_n(f->store, room_id(f->store, "sid"), 2);
        settle(f->store);
        forget(f->store, "sid");
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    expect_whole(f->path);
}

static void a_crash_behind_it_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    forget_and_crash(f, 0);
    open_store(f);
    rj_room_id id;
    assert_int_equal(rj_store_room(f->store, rj_span_str("sid"), false, &id), RJ_NOT_FOUND);
    expect_left(f, (struct left){.rooms = 1, .names = 1, .entries = 1, .records = 1});
}

static void crashes_one_after_the_other_leave_nothing(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 4; i++)
        forget_and_crash(f, 0);
    open_store(f);
    expect_left(f, (struct left){.rooms = 1, .names = 1, .entries = 4, .records = 4});
    open_store(f); /* the records name rooms that are no more */
    append_n(f->store, room_id(f->store, "room"), 1);
    settle(f->store);
    expect_left(f, (struct left){.rooms = 1, .names = 1, .entries = 5, .records = 5});
}

static void a_crash_behind_it_leaves_nothing_that_grows_old(void **state)
{
    struct fixture *f = *state;
    forget_and_crash(f, 1);
    forget_and_crash(f, 1);
    f->options.retention_ms = 1;
    open_store(f);
    uint64_t end_ms = rj_clock_mono_ms() + STORE_DEADLINE_MS;
    while (rj_store_head(f->store).oldest <= 10) { /* the last record that is in the other room, too */
        assert_true(rj_clock_mono_ms() < end_ms);
        struct pollfd event = {.fd = rj_store_event_fd(f->store), .events = POLLIN};
        rj_store_submit(f->store);
        poll(&event, 1, 1);
        rj_store_complete(f->store);
    }
    reopen_store(f);
    rj_store_close(&f->store);
    expect_whole(f->path);
    assert_int_equal(count_index_entries(f->path), 0);
}

/* Also when the log's end is deleted from behind, one after the other. */
static void a_pos_is_never_given_out_twice(void **state)
{
    struct fixture *f = *state;
    append_n(f->store, room_id(f->store, "stays"), 1);
    append_n(f->store, room_id(f->store, "first"), 1);
    append_n(f->store, room_id(f->store, "second"), 1);
    settle(f->store);
    forget(f->store, "second");
    reopen_store(f);
    forget(f->store, "first");
    reopen_store(f);
    assert_int_equal(rj_store_head(f->store).next, 4);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(nothing_is_left_of_a_forgotten_room, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(nothing_is_left_of_one_that_was_indexed_long_ago, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(nothing_is_left_of_one_that_had_nothing_any_more, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(what_is_on_its_way_goes_with_it, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(records_stay_for_the_other_rooms_as_long_as_these_keep_them, set_up_open,
                                    tear_down),
    cmocka_unit_test_setup_teardown(records_of_forgotten_rooms_alone_are_gone, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(many_are_forgotten_at_once, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(the_name_is_another_room_s_afterwards, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(a_room_that_was_never_there_is_forgotten_in_order, set_up_open,
                                    tear_down),
    cmocka_unit_test_setup_teardown(a_crash_behind_it_leaves_nothing, set_up, tear_down),
    cmocka_unit_test_setup_teardown(crashes_one_after_the_other_leave_nothing, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_crash_behind_it_leaves_nothing_that_grows_old, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_pos_is_never_given_out_twice, set_up_open, tear_down),
};

RJ_TEST_MAIN(tests)
