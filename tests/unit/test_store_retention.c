/* How much of a room is kept: by count, bytes and age of its own, by a purge; what readers are told, what a
 * crash may not undo, and that the disk and the memory are given back. */
#include "tests/unit/test_store_fixture.h"

#include <sys/wait.h>

#include "storage/check.h"
#include "storage/engine.h"
#include "storage/layout.h"

static const struct rj_store_budget no_budget = {0};

/* ------------------------------------------------------------------------------------------ limits */

/* By the first letter of the key: c a count, b bytes, a an age, t all of them. */
enum { BY_COUNT, BY_BYTES, BY_AGE, BY_ALL, N_LIMITS };

static size_t pick(void *ctx, struct rj_span key)
{
    static const char letters[] = "cbat";
    const char *found = memchr(letters, key.data[0], N_LIMITS);
    (void)ctx;
    return found ? (size_t)(found - letters) : N_LIMITS;
}

/* Bytes of a record of one room without source and id. */
static size_t record_bytes(size_t payload)
{
    return RJ_RECORD_HEAD + RJ_RECORD_ROOM + payload;
}

struct world {
    struct fixture f; /* first: set_up and tear_down take it for the whole */
    struct rj_store_limits limits[N_LIMITS];
};

static int set_up_limits(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    make_folder(w->f.path, sizeof w->f.path);
    w->limits[BY_COUNT].count = 3;
    w->limits[BY_BYTES].bytes = 3 * record_bytes(10);
    w->limits[BY_AGE].age_ms = 40;
    w->limits[BY_ALL] = (struct rj_store_limits){40, 5, 5 * record_bytes(0)};
    w->f.options.limits = w->limits;
    w->f.options.n_limits = N_LIMITS;
    w->f.options.pick = pick;
    w->f.options.limits_id = 1;
    *state = w;
    open_store(&w->f);
    return 0;
}

static void append_n(struct rj_store *store, rj_room_id room, const char *text, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        append_text(store, room, "", "", text, NULL);
}

static void expect_floor(struct rj_store *store, rj_room_id room, uint64_t seq, uint64_t pos)
{
    struct rj_room_state state = rj_store_room_state(store, room);
    assert_int_equal(state.floor_seq, seq);
    assert_int_equal(state.floor_pos, pos);
}

/* Whether a reader that has everything up to `after` is told of a gap. */
static bool is_gap(struct rj_store *store, rj_room_id room, uint64_t after)
{
    struct rj_store_reach reach = {room, 0};
    struct rj_buf seen = {0};
    uint64_t reached;
    enum rj_status status = rj_store_read(store, &reach, 1, after, rj_store_head(store).completed, no_budget,
                                          on_record, &seen, &reached);
    assert_true(status == RJ_OK || status == RJ_GAP);
    assert_true(status == RJ_OK || seen.len == 0);
    rj_buf_free(&seen);
    return status == RJ_GAP;
}

/* Turns until the condition holds. */
#define await(store, condition)                                                                              \
    do {                                                                                                     \
        uint64_t end_ms = rj_clock_mono_ms() + STORE_DEADLINE_MS;                                            \
        while (!(condition)) {                                                                               \
            struct pollfd event = {.fd = rj_store_event_fd(store), .events = POLLIN};                        \
            if (rj_clock_mono_ms() > end_ms)                                                                 \
                fail_msg("in vain: %s", #condition);                                                         \
            rj_store_submit(store);                                                                          \
            poll(&event, 1, 5);                                                                              \
            rj_store_complete(store);                                                                        \
        }                                                                                                    \
    } while (0)

static void on_fault(void *ctx, const char *sentence)
{
    rj_buf_printf(ctx, "%s\n", sentence);
}

/* What rejoinctl check says of the closed store. */
static struct rj_check_report check(const char *path)
{
    struct rj_inspect inspect;
    struct rj_check_report report;
    struct rj_buf why = {0};
    if (rj_inspect_open(&inspect, path, RJ_INSPECT_ALONE, &why))
        fail_msg("%s", rj_buf_cstr(&why));
    assert_int_equal(rj_check_run(&inspect, 100, on_fault, &why, &report), RJ_OK);
    rj_inspect_close(&inspect);
    assert_string_equal(rj_buf_cstr(&why), "");
    assert_int_equal(report.faults, 0);
    rj_buf_free(&why);
    return report;
}

static struct rj_check_report close_and_check(struct fixture *f)
{
    rj_store_close(&f->store);
    return check(f->path);
}

/* ------------------------------------------------------------------------------------------ floors */

static void a_room_keeps_its_count(void **state)
{
    struct fixture *f = *state;
    rj_room_id room = room_id(f->store, "c");
    append_n(f->store, room, "x", 3);
    settle(f->store);
    expect_floor(f->store, room, 1, 0);
    append_n(f->store, room, "x", 4);
    settle(f->store);
    expect_floor(f->store, room, 5, 4);
    assert_true(is_gap(f->store, room, 3));
    assert_false(is_gap(f->store, room, 4));
    struct rj_buf seen = {0};
    rj_store_history(f->store, room, RJ_HISTORY_FORWARD, 0, no_budget, on_record, &seen);
    assert_seen(&seen, "5:x 6:x 7:x ");
    rj_store_history(f->store, room, RJ_HISTORY_BACKWARD, UINT64_MAX, no_budget, on_record, &seen);
    assert_seen(&seen, "7:x 6:x 5:x ");
    assert_int_equal(rj_store_stats(f->store).trimmed_by[RJ_TRIM_COUNT], 4);
    assert_int_equal(rj_store_stats(f->store).trimmed, 4);
    assert_int_equal(close_and_check(f).records, 3);
}

struct noted_floor {
    struct fixture *f;
    rj_room_id room;
    uint64_t floor_seq;
};

static void note_floor(void *ctx, enum rj_status status)
{
    struct noted_floor *noted = ctx;
    assert_int_equal(status, RJ_OK);
    noted->floor_seq = rj_store_room_state(noted->f->store, noted->room).floor_seq;
}

static void a_floor_rises_in_the_turn_of_the_completion(void **state)
{
    struct fixture *f = *state;
    rj_room_id room = room_id(f->store, "c");
    append_n(f->store, room, "x", 10);
    rj_store_submit(f->store);
    expect_floor(f->store, room, 1, 0); /* nothing is told before its commit */
    wait_done(f->store);
    expect_floor(f->store, room, 8, 7);
}

static void a_room_keeps_its_bytes(void **state)
{
    struct fixture *f = *state;
    rj_room_id room = room_id(f->store, "b");
    append_n(f->store, room, "0123456789", 3);
    settle(f->store);
    expect_floor(f->store, room, 1, 0);
    append_n(f->store, room, "", 1); /* as little as it is, one of the others goes for it */
    settle(f->store);
    expect_floor(f->store, room, 2, 1);
    append_n(f->store, room, "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789", 1);
    settle(f->store);
    expect_floor(f->store, room, 4, 3);
    char huge[1000];
    memset(huge, 'h', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    append_n(f->store, room, huge, 1); /* above the limit alone: the youngest stays */
    settle(f->store);
    expect_floor(f->store, room, 6, 5);
    assert_int_equal(rj_store_stats(f->store).trimmed_by[RJ_TRIM_BYTES], 5);
    assert_int_equal(close_and_check(f).records, 1);
}

/* The same limit holds for what is in flight, in memory and in the table. */
static void bytes_are_counted_wherever_a_record_is(void **state)
{
    struct fixture *f = *state;
    rj_room_id room = room_id(f->store, "b");
    for (unsigned i = 1; i <= 60; i++) {
        append_n(f->store, room, "0123456789", 1);
        if (i % 7 == 0)
            settle(f->store);
        if (i % 20 == 0) {
            settle(f->store);
            expect_floor(f->store, room, i - 2, i - 3);
            close_and_check(f);
            open_store(f);
            expect_floor(f->store, room, i - 2, i - 3);
        }
    }
}

static void a_room_keeps_its_own_age(void **state)
{
    struct fixture *f = *state;
    rj_room_id aged = room_id(f->store, "a"), other = room_id(f->store, "other");
    append_n(f->store, aged, "old", 2);
    append_n(f->store, other, "kept", 1);
    append_n(f->store, aged, "old", 2);
    settle(f->store);
    await(f->store, rj_store_room_state(f->store, aged).floor_seq == 5);
    expect_floor(f->store, aged, 5, 5);
    expect_floor(f->store, other, 1, 0);
    assert_int_equal(rj_store_head(f->store).oldest, 1);
    assert_true(is_gap(f->store, aged, 4));
    assert_false(is_gap(f->store, aged, 5));
    assert_int_equal(rj_store_stats(f->store).trimmed_by[RJ_TRIM_AGE], 4);
    append_n(f->store, aged, "new", 1);
    settle(f->store);
    assert_int_equal(rj_store_room_state(f->store, aged).head_seq, 5);
    await(f->store, rj_store_room_state(f->store, aged).floor_seq == 6); /* it goes on */
    assert_int_equal(close_and_check(f).records, 1);
}

static void the_tightest_limit_wins(void **state)
{
    struct fixture *f = *state;
    rj_room_id room = room_id(f->store, "t");
    append_n(f->store, room, "", 8); /* more than five, though small */
    settle(f->store);
    expect_floor(f->store, room, 4, 3);
    assert_int_equal(rj_store_stats(f->store).trimmed_by[RJ_TRIM_COUNT], 3);
    append_n(f->store, room, "0123456789", 3); /* large, though few */
    settle(f->store);
    expect_floor(f->store, room, 8, 7);
    assert_int_equal(rj_store_stats(f->store).trimmed_by[RJ_TRIM_BYTES], 1);
    await(f->store, rj_store_room_state(f->store, room).floor_seq == 12); /* in the end, they are old */
}

static void ages_of_a_restarted_store_go_on_where_they_were(void **state)
{
    struct fixture *f = *state;
    rj_room_id aged = room_id(f->store, "a");
    append_n(f->store, room_id(f->store, "other"), "kept", 5);
    append_n(f->store, aged, "old", 2);
    settle(f->store);
    reopen_store(f);
    await(f->store, rj_store_room_state(f->store, aged).floor_seq == 3);
    append_n(f->store, aged, "old", 1);
    settle(f->store);
    await(f->store,
          rj_store_room_state(f->store, aged).floor_seq == 4); /* a second request: the place is kept */
    reopen_store(f);
    assert_true(f->store->retain.n == 2 && f->store->retain.ages[1].place >= 6);
}

/* ------------------------------------------------------------------------------------------ purge */

static void a_purge_empties_a_room_and_its_numbers_go_on(void **state)
{
    struct fixture *f = *state;
    rj_room_id room = room_id(f->store, "other"), last;
    struct noted_floor noted = {f, room, 0};
    append_n(f->store, room, "x", 5);
    rj_store_purge(f->store, room, 2, note_floor, &noted);
    settle(f->store);
    assert_int_equal(noted.floor_seq, 3);
    expect_floor(f->store, room, 3, 2);
    rj_store_purge(f->store, room, 1, note_floor, &noted); /* nothing more */
    settle(f->store);
    assert_int_equal(noted.floor_seq, 3);
    append_n(f->store, room, "x", 1);
    rj_store_purge(f->store, room, UINT64_MAX, note_floor, &noted);
    append_n(f->store, room, "behind it", 1);
    settle(f->store);
    assert_int_equal(noted.floor_seq, 7);
    expect_floor(f->store, room, 7, 6);
    assert_int_equal(rj_store_stats(f->store).trimmed_by[RJ_TRIM_PURGE], 6);
    rj_store_purge(f->store, room, UINT64_MAX, NULL, NULL);
    settle(f->store);
    assert_true(is_gap(f->store, room, 6));
    assert_false(is_gap(f->store, room, 7));

    /* With nothing left in log and index, positions and numbers go on. */
    struct rj_check_report report = close_and_check(f);
    assert_int_equal(report.records, 0);
    assert_int_equal(report.index_entries, 0);
    assert_int_equal(report.last_pos, 7);
    open_store(f);
    struct told told = {0};
    last = room_id(f->store, "other");
    assert_int_equal(last, room);
    append_text(f->store, room, "", "", "again", &told);
    settle(f->store);
    assert_int_equal(told.pos, 8);
    assert_int_equal(told.seqs[0], 8);
}

/* ------------------------------------------------------------------------------------------ several rooms */

static void append_to_both(struct rj_store *store, rj_room_id a, rj_room_id b)
{
    rj_room_id rooms[] = {a, b};
    struct rj_store_append append = {.rooms = rooms, .n_rooms = 2, .payload = rj_span_str("both")};
    rj_store_append(store, &append, NULL, NULL);
}

static void a_record_goes_with_the_last_of_its_rooms(void **state)
{
    struct fixture *f = *state;
    rj_room_id counted = room_id(f->store, "c"), other = room_id(f->store, "other");
    append_to_both(f->store, counted, other);
    append_to_both(f->store, other, counted);
    append_n(f->store, counted, "x", 5);
    settle(f->store);
    expect_floor(f->store, counted, 5, 4);
    assert_int_equal(close_and_check(f).records, 2 + 3);
    open_store(f);
    struct rj_buf seen = {0};
    rj_store_history(f->store, other, RJ_HISTORY_FORWARD, 0, no_budget, on_record, &seen);
    assert_seen(&seen, "1:both 2:both ");
    rj_store_purge(f->store, other, 1, NULL, NULL);
    settle(f->store);
    assert_int_equal(close_and_check(f).records, 1 + 3);
    open_store(f);
    rj_store_purge(f->store, other, 2, NULL, NULL);
    settle(f->store);
    assert_int_equal(close_and_check(f).records, 3);
}

/* ------------------------------------------------------------------------------------------ crashes */

/* Runs `work` in a process that leaves without closing. */
static void crash_after(struct fixture *f, void work(struct fixture *f))
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        alarm(STORE_DEADLINE_MS / 1000);
        open_store(f);
        work(f);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void exceed_all(struct fixture *f)
{
    append_n(f->store, room_id(f->store, "c"), "x", 10);
    append_n(f->store, room_id(f->store, "b"), "0123456789", 10);
    append_n(f->store, room_id(f->store, "other"), "x", 10);
    rj_store_purge(f->store, room_id(f->store, "other"), 4, NULL, NULL);
    settle(f->store);
}

static void what_was_told_of_floors_holds_after_a_crash(void **state)
{
    struct fixture *f = *state;
    rj_store_close(&f->store);
    crash_after(f, exceed_all);
    struct rj_check_report report = check(f->path);
    assert_int_equal(report.records, 30); /* nothing was swept: the floors stand in their table alone */
    f->options.n_limits = 0;              /* even when everything is to be kept now */
    open_store(f);
    expect_floor(f->store, room_id(f->store, "c"), 8, 7);
    expect_floor(f->store, room_id(f->store, "b"), 8, 17);
    expect_floor(f->store, room_id(f->store, "other"), 5, 24);
    report = close_and_check(f);
    assert_int_equal(report.records, 3 + 3 + 6);
    assert_int_equal(report.index_entries, 3 + 3 + 6);
}

/* Leaves when a walk has found the old records and their floor is not written yet. */
static void find_old_and_leave(struct fixture *f)
{
    append_n(f->store, room_id(f->store, "a"), "old", 2);
    settle(f->store);
    for (;;) {
        struct pollfd event = {.fd = rj_store_event_fd(f->store), .events = POLLIN};
        rj_store_submit(f->store);
        int n = poll(&event, 1, 1);
        pthread_mutex_lock(&f->store->writer.lock); /* that the log thread has told of it under */
        bool has_found = n == 1 && f->store->oldest->trim.n_rooms == 2;
        pthread_mutex_unlock(&f->store->writer.lock);
        if (has_found)
            return; /* it is committed, and nobody has looked at it */
        rj_store_complete(f->store);
    }
}

static void old_records_that_a_crash_has_saved_are_found_again(void **state)
{
    struct fixture *f = *state;
    await(f->store, f->store->review_at == 0); /* so that the limits are not new to the next opening */
    settle(f->store);
    rj_store_close(&f->store);
    crash_after(f, find_old_and_leave);
    open_store(f);
    await(f->store, rj_store_room_state(f->store, room_id(f->store, "a")).floor_seq == 3);
}

static void purge_and_sweep(struct fixture *f)
{
    rj_room_id room = room_id(f->store, "other");
    append_n(f->store, room, "x", 50);
    rj_store_purge(f->store, room, 50, NULL, NULL);
    settle(f->store);
    while (rj_engine_settle(f->store)) {
        rj_store_barrier(f->store, NULL, NULL);
        settle(f->store);
    }
}

static void positions_of_a_purged_end_are_not_given_out_again(void **state)
{
    struct fixture *f = *state;
    rj_store_close(&f->store);
    crash_after(f, purge_and_sweep);
    assert_int_equal(check(f->path).records, 0);
    open_store(f);
    assert_int_equal(rj_store_head(f->store).next, 51);
    assert_int_equal(rj_store_room_state(f->store, room_id(f->store, "other")).head_seq, 50);
    assert_true(is_gap(f->store, room_id(f->store, "other"), 49));
}

/* ------------------------------------------------------------------------------------------ changed limits
 */

static void changed_limits_reach_rooms_that_nobody_asks_for(void **state)
{
    struct fixture *f = *state;
    struct world *w = *state;
    append_n(f->store, room_id(f->store, "c"), "x", 3);
    append_n(f->store, room_id(f->store, "a"), "x", 3);
    settle(f->store);
    rj_store_close(&f->store);
    w->limits[BY_COUNT].count = 2;
    w->limits[BY_AGE] = (struct rj_store_limits){.count = 1};
    open_store(f);
    await(f->store, rj_store_stats(f->store).trimmed == 3);
    assert_int_equal(close_and_check(f).records, 2 + 1);
    open_store(f);
    for (int i = 0; i < 20; i++)
        rj_store_submit(f->store);
    assert_int_equal(f->store->review_at, 0);
    assert_int_equal(rj_store_stats(f->store).rooms_loaded, 0); /* it was done already */
}

/* ------------------------------------------------------------------------------------------ memory, disk */

static void idle_rooms_leave_memory_and_keep_their_numbers(void **state)
{
    struct fixture *f = *state;
    enum { MANY = 3000 };
    char key[32];
    rj_store_close(&f->store);
    f->options.room_idle_ms = 1;
    open_store(f);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, i % 2 ? "c%u" : "n%u", i);
        append_n(f->store, room_id(f->store, key), "x", 1 + i % 5);
        if (i % 4 == 0)
            rj_store_purge(f->store, room_id(f->store, key), UINT64_MAX, NULL, NULL);
    }
    settle(f->store);
    assert_int_equal(rj_store_stats(f->store).rooms_loaded, MANY);
    await(f->store, rj_store_stats(f->store).rooms_loaded == 0);
    for (unsigned i = 0; i < MANY; i++) {
        rj_room_id room;
        snprintf(key, sizeof key, i % 2 ? "c%u" : "n%u", i);
        assert_int_equal(rj_store_room(f->store, rj_span_str(key), false, &room), RJ_OK);
        struct rj_room_state found = rj_store_room_state(f->store, room);
        uint64_t head = 1 + i % 5, floor = 1;
        if (i % 4 == 0)
            floor = head + 1;
        else if (i % 2 && head > 3)
            floor = head - 2;
        assert_int_equal(found.head_seq, head);
        assert_int_equal(found.floor_seq, floor);
    }
    struct told told = {0};
    append_text(f->store, room_id(f->store, "n0"), "", "", "x", &told);
    settle(f->store);
    assert_int_equal(told.seqs[0], 2);
}

/* Rounds of the same work; the pages in use after a few of them are as many as after many. */
static void expect_steady_file(struct fixture *f, const char *first_letters)
{
    enum { ROOMS = 40, ROUND = 2000, WARM = 2, ROUNDS = 12 };
    rj_room_id rooms[ROOMS];
    char key[32], text[200];
    uint64_t warm = 0;
    memset(text, 't', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (unsigned i = 0; i < ROOMS; i++) {
        snprintf(key, sizeof key, "%c%u", first_letters[i % strlen(first_letters)], i);
        rooms[i] = room_id(f->store, key);
    }
    for (unsigned round = 1; round <= ROUNDS; round++) {
        for (unsigned i = 0; i < ROUND; i++) {
            append_n(f->store, rooms[i * 7 % ROOMS], text, 1);
            if (i % 50 == 0)
                settle(f->store);
        }
        settle(f->store);
        if (round == WARM)
            warm = rj_store_stats(f->store).file_bytes;
    }
    uint64_t file = rj_store_stats(f->store).file_bytes;
    if (file >= 2 * warm)
        fail_msg("%llu bytes after %d rounds, %llu after %d", (unsigned long long)file, ROUNDS,
                 (unsigned long long)warm, WARM);
    struct rj_check_report report = close_and_check(f);
    assert_true(report.records < 2 * ROUND);
}

static void the_file_stays_small_under_a_count(void **state)
{
    struct world *w = *state;
    rj_store_close(&w->f.store);
    w->limits[BY_COUNT].count = 50; /* 2,000 in all */
    open_store(&w->f);
    expect_steady_file(&w->f, "c");
}

static void the_file_stays_small_under_bytes(void **state)
{
    struct world *w = *state;
    rj_store_close(&w->f.store);
    w->limits[BY_BYTES].bytes = 50 * record_bytes(199);
    open_store(&w->f);
    expect_steady_file(&w->f, "b");
}

static void the_file_stays_small_beside_rooms_that_are_kept(void **state)
{
    struct world *w = *state;
    rj_store_close(&w->f.store);
    w->limits[BY_COUNT].count = 25;
    w->limits[BY_BYTES].bytes = 25 * record_bytes(199);
    open_store(&w->f);
    append_n(w->f.store, room_id(w->f.store, "kept"), "x", 100);
    expect_steady_file(&w->f, "cb");
}

/* A map far too small for all of it grows while it is written to and read. */
static void a_small_map_grows_under_way(void **state)
{
    struct fixture *f = *state;
    char text[3000];
    memset(text, 'm', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    rj_store_close(&f->store);
    remove_folder(f->path);
    f->options.map_bytes = 1 << 20;
    open_store(f);
    rj_room_id room = room_id(f->store, "other");
    for (unsigned i = 0; i < 3000; i++) {
        append_n(f->store, room, text, 1);
        rj_store_submit(f->store);
        if (i % 10 == 0) {
            struct rj_buf seen = {0};
            struct rj_store_budget one = {.records = 1};
            rj_store_history(f->store, room, RJ_HISTORY_BACKWARD, UINT64_MAX, one, on_record, &seen);
            rj_buf_free(&seen);
            rj_store_complete(f->store);
        }
    }
    settle(f->store);
    assert_true(f->store->env.map_bytes >= 8 << 20);
    assert_int_equal(rj_store_room_state(f->store, room).head_seq, 3000);
    assert_int_equal(close_and_check(f).records, 3000);
    open_store(f); /* and opens as it is, whatever the option says */
    assert_int_equal(rj_store_head(f->store).completed, 3000);
}

/* Few records of their own are deleted in one hand-over, many that stand at the log's beginning. */
static void physical_deletion_comes_in_slices(void **state)
{
    struct fixture *f = *state;
    rj_room_id room = room_id(f->store, "other");
    append_n(f->store, room, "x", 5000);
    append_n(f->store, room_id(f->store, "second"), "x", 1);
    rj_store_purge(f->store, room, UINT64_MAX, NULL, NULL);
    settle(f->store);
    unsigned slices = 0;
    while (rj_engine_settle(f->store)) {
        uint64_t before = f->store->index.log_records;
        rj_store_barrier(f->store, NULL, NULL);
        assert_true(f->store->open->sweep.n_deletes <= RJ_INDEX_DELETES);
        settle(f->store);
        assert_true(before - f->store->index.log_records <= RJ_INDEX_DELETES);
        slices += before != f->store->index.log_records;
    }
    assert_int_equal(slices, 5);
    assert_int_equal(f->store->index.log_records, 1);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up_limits, tear_down)

static const struct CMUnitTest tests[] = {
    test(a_room_keeps_its_count),
    test(a_floor_rises_in_the_turn_of_the_completion),
    test(a_room_keeps_its_bytes),
    test(bytes_are_counted_wherever_a_record_is),
    test(a_room_keeps_its_own_age),
    test(the_tightest_limit_wins),
    test(ages_of_a_restarted_store_go_on_where_they_were),
    test(a_purge_empties_a_room_and_its_numbers_go_on),
    test(a_record_goes_with_the_last_of_its_rooms),
    test(what_was_told_of_floors_holds_after_a_crash),
    test(old_records_that_a_crash_has_saved_are_found_again),
    test(positions_of_a_purged_end_are_not_given_out_again),
    test(changed_limits_reach_rooms_that_nobody_asks_for),
    test(idle_rooms_leave_memory_and_keep_their_numbers),
    test(the_file_stays_small_under_a_count),
    test(the_file_stays_small_under_bytes),
    test(the_file_stays_small_beside_rooms_that_are_kept),
    test(a_small_map_grows_under_way),
    test(physical_deletion_comes_in_slices),
};
RJ_TEST_MAIN(tests)
