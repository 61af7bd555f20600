/* Readings that the reader threads carry out: they find what a reading at once finds, tell it once, whatever
 * goes on meanwhile, and end with the store. */
#include "tests/unit/test_store_fixture.h"

#include "storage/engine.h"

enum { ROOMS = 6, RECORDS = 1200, ROUNDS = 150 };

/* ------------------------------------------------------------------------------------------ what is read */

/* What one reading was shown and told. */
struct seen {
    struct rj_buf text;
    unsigned records, ended;
    unsigned stop_after; /* 0: never */
    enum rj_status status;
    uint64_t reached;
};

static bool on_seen(void *ctx, const struct rj_store_record *record)
{
    struct seen *seen = ctx;
    assert_int_equal(seen->ended, 0);
    rj_buf_printf(&seen->text, "%llu@%llu(", (unsigned long long)record->pos,
                  (unsigned long long)record->ts_ms);
    for (size_t i = 0; i < record->n_rooms; i++)
        rj_buf_printf(&seen->text, "%u:%llu ", record->rooms[i], (unsigned long long)record->seqs[i]);
    rj_buf_printf(&seen->text, "%.*s|%.*s|%.*s) ", (int)record->source.len, (const char *)record->source.data,
                  (int)record->id.len, (const char *)record->id.data, (int)record->payload.len,
                  (const char *)record->payload.data);
    return ++seen->records != seen->stop_after;
}

static void on_end(void *ctx, enum rj_status status, uint64_t reached)
{
    struct seen *seen = ctx;
    seen->ended++;
    seen->status = status;
    seen->reached = reached;
}

static void wait_read(struct rj_store *store, const struct seen *seen)
{
    while (!seen->ended)
        wait_done(store);
    assert_int_equal(seen->ended, 1);
}

static void expect_same(struct seen *later, struct seen *now)
{
    assert_int_equal(later->status, now->status);
    assert_string_equal(rj_buf_cstr(&later->text), rj_buf_cstr(&now->text));
    assert_int_equal(later->records, now->records);
    rj_buf_free(&later->text);
    rj_buf_free(&now->text);
}

static uint32_t below(uint64_t *random, uint32_t n)
{
    *random ^= *random << 13, *random ^= *random >> 7, *random ^= *random << 17;
    return (uint32_t)(*random >> 33) % n;
}

static void append_random(struct rj_store *store, const rj_room_id *rooms, uint64_t *random)
{
    char text[64], id[16];
    rj_room_id targets[3];
    uint32_t n = below(random, 4) ? 1 : 1 + below(random, 3), first = below(random, ROOMS);
    for (uint32_t i = 0; i < n; i++)
        targets[i] = rooms[(first * first / 3 + i) % ROOMS];
    struct rj_store_append append = {.rooms = targets, .n_rooms = n, .source = rj_span_str("source")};
    append.id = rj_span_of(id, (size_t)snprintf(id, sizeof id, "%u", below(random, 1 << 30)));
    append.payload = rj_span_of(text, (size_t)snprintf(text, sizeof text, "text %u", below(random, 1000)));
    rj_store_append(store, &append, NULL, NULL);
}

/* Fills the rooms in several commits. With a small target, some of the index is in the table. */
static void fill(struct fixture *f, rj_room_id rooms[static ROOMS], uint64_t *random)
{
    char name[16];
    open_store(f);
    for (unsigned i = 0; i < ROOMS; i++) {
        snprintf(name, sizeof name, "room %u", i);
        rooms[i] = room_id(f->store, name);
    }
    for (unsigned i = 0; i < RECORDS; i++) {
        append_random(f->store, rooms, random);
        if (below(random, 50) == 0)
            settle(f->store);
    }
    settle(f->store);
}

static void compare_rooms(struct rj_store *store, const rj_room_id *rooms, uint64_t *random)
{
    struct rj_store_reach reaches[ROOMS];
    struct seen now = {0}, later = {0};
    size_t n = 1 + below(random, ROOMS), first = below(random, ROOMS);
    uint64_t after = below(random, RECORDS), upto = after + below(random, RECORDS);
    struct rj_store_budget budget = {1 + below(random, 300), 1 + below(random, 5000)};
    for (size_t i = 0; i < n; i++)
        reaches[i] = (struct rj_store_reach){rooms[(first + i) % ROOMS], below(random, RECORDS)};
    if (below(random, 3) == 0)
        now.stop_after = later.stop_after = 1 + below(random, 20);
    now.status = rj_store_read(store, reaches, n, after, upto, budget, on_seen, &now, &now.reached);
    rj_store_read_later(store, reaches, n, after, upto, budget, on_seen, on_end, &later);
    wait_read(store, &later);
    assert_int_equal(later.reached, now.reached);
    expect_same(&later, &now);
}

static void compare_log(struct rj_store *store, uint64_t *random)
{
    struct seen now = {0}, later = {0};
    uint64_t after = below(random, RECORDS), upto = after + below(random, RECORDS);
    struct rj_store_budget budget = {1 + below(random, 600), 1 + below(random, 5000)};
    now.status = rj_store_read_log(store, after, upto, budget, on_seen, &now, &now.reached);
    rj_store_read_log_later(store, after, upto, budget, on_seen, on_end, &later);
    wait_read(store, &later);
    assert_int_equal(later.reached, now.reached);
    expect_same(&later, &now);
}

static void compare_page(struct rj_store *store, const rj_room_id *rooms, uint64_t *random)
{
    struct seen now = {0}, later = {0};
    rj_room_id room = rooms[below(random, ROOMS)];
    enum rj_history_order order = below(random, 2) ? RJ_HISTORY_FORWARD : RJ_HISTORY_BACKWARD;
    uint64_t seq = below(random, 4) ? below(random, RECORDS) : UINT64_MAX;
    struct rj_store_budget budget = {1 + below(random, 100), 1 + below(random, 3000)};
    now.status = rj_store_history(store, room, order, seq, budget, on_seen, &now);
    rj_store_history_later(store, room, order, seq, budget, on_seen, on_end, &later);
    wait_read(store, &later);
    expect_same(&later, &now);
}

static uint64_t seed_of_test(void)
{
    const char *given = getenv("REJOIN_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : rj_clock_mono_us() | 1;
    print_message("seed %llu\n", (unsigned long long)seed);
    return seed;
}

static void compare_all(struct fixture *f, uint32_t index_pending)
{
    uint64_t random = seed_of_test();
    rj_room_id rooms[ROOMS];
    f->options.index_pending = index_pending;
    fill(f, rooms, &random);
    for (unsigned round = 0; round < ROUNDS; round++) {
        compare_rooms(f->store, rooms, &random);
        compare_log(f->store, &random);
        compare_page(f->store, rooms, &random);
    }
}

static void a_reading_later_finds_what_one_at_once_finds_in_memory(void **state)
{
    compare_all(*state, 1000000);
}

static void a_reading_later_finds_what_one_at_once_finds_in_the_table(void **state)
{
    compare_all(*state, 1);
}

static void a_reading_later_finds_what_one_at_once_finds_in_both(void **state)
{
    compare_all(*state, RECORDS / 2);
}

/* ------------------------------------------------------------------------------------------ the moment */

static void a_reading_later_shows_what_was_there_when_it_was_asked_for(void **state)
{
    struct fixture *f = *state;
    rj_room_id room = room_id(f->store, "a");
    struct seen seen = {0}, log = {0}, page = {0};
    struct rj_store_reach reach = {room, 0};
    append_text(f->store, room, "", "", "1", NULL);
    settle(f->store);
    rj_store_read_later(f->store, &reach, 1, 0, UINT64_MAX, (struct rj_store_budget){0}, on_seen, on_end,
                        &seen);
    rj_store_read_log_later(f->store, 0, UINT64_MAX, (struct rj_store_budget){0}, on_seen, on_end, &log);
    rj_store_history_later(f->store, room, RJ_HISTORY_BACKWARD, UINT64_MAX, (struct rj_store_budget){0},
                           on_seen, on_end, &page);
    for (unsigned i = 0; i < 100; i++)
        append_text(f->store, room, "", "", "more", NULL);
    rj_store_submit(f->store);
    while (!seen.ended || !log.ended || !page.ended)
        wait_done(f->store);
    assert_int_equal(seen.records, 1);
    assert_int_equal(seen.reached, 1);
    assert_int_equal(log.records, 1);
    assert_int_equal(log.reached, 1);
    assert_int_equal(page.records, 1);
    settle(f->store);
    rj_buf_free(&seen.text);
    rj_buf_free(&log.text);
    rj_buf_free(&page.text);
}

static void a_reading_of_nothing_is_told_later_too(void **state)
{
    struct fixture *f = *state;
    rj_room_id room = room_id(f->store, "a");
    struct rj_store_reach reach = {room, 0};
    struct seen seen = {0};
    settle(f->store);
    rj_store_read_later(f->store, &reach, 1, 0, 7, (struct rj_store_budget){0}, on_seen, on_end, &seen);
    assert_int_equal(seen.ended, 0);
    wait_read(f->store, &seen);
    assert_int_equal(seen.status, RJ_OK);
    assert_int_equal(seen.records, 0);
}

struct canceller {
    struct seen seen;
    struct rj_store_reading *reading;
};

static bool on_cancel(void *ctx, const struct rj_store_record *record)
{
    struct canceller *canceller = ctx;
    rj_store_read_cancel(canceller->reading);
    return on_seen(&canceller->seen, record);
}

static void a_cancelled_reading_says_nothing(void **state)
{
    struct fixture *f = *state;
    rj_room_id room = room_id(f->store, "a");
    struct canceller inside = {0};
    struct seen cancelled = {0};
    for (unsigned i = 0; i < 10; i++)
        append_text(f->store, room, "", "", "x", NULL);
    settle(f->store);
    struct rj_store_reading *reading =
        rj_store_read_log_later(f->store, 0, 10, (struct rj_store_budget){0}, on_seen, on_end, &cancelled);
    inside.reading = rj_store_read_log_later(f->store, 0, 10, (struct rj_store_budget){0}, on_cancel, on_end,
                                             &inside.seen);
    rj_store_read_cancel(reading);
    while (rj_store_stats(f->store).reads_under_way)
        wait_done(f->store);
    assert_int_equal(cancelled.records + cancelled.ended, 0);
    assert_int_equal(inside.seen.records, 1);
    assert_int_equal(inside.seen.ended, 0);
    assert_int_equal(rj_store_stats(f->store).reads, 2);
    rj_buf_free(&inside.seen.text);
}

/* Nothing is found and nothing fails: it is told when it is done, whatever the keys name. */
static void warming_ends_well_whatever_it_is_asked_for(void **state)
{
    struct fixture *f = *state;
    rj_room_id room = room_id(f->store, "abc/room");
    char endless[RJ_STORE_KEY_MAX + 2];
    memset(endless, 'k', sizeof endless);
    for (unsigned i = 0; i < 300; i++)
        append_text(f->store, room, "", "", "x", NULL);
    rj_store_put(f->store, RJ_TABLE_SESSION, rj_span_str("pid/abc/room"), rj_span_str("v"), RJ_ANY_VERSION,
                 NULL, NULL);
    rj_store_put(f->store, RJ_TABLE_SESSION, rj_span_str("pid/nobody"), rj_span_str(""), RJ_ANY_VERSION, NULL,
                 NULL);
    settle(f->store);
    const struct rj_store_warm asked[] = {
        {.pairs = 0},
        {.prefix = rj_span_str("pid"), .pairs = 10, .room_at = 4},
        {.prefix = rj_span_str("pid"), .pairs = 1, .room_at = 400},
        {.prefix = rj_span_str("none"), .pairs = 10},
        {.room = rj_span_str("abc/room"), .order = RJ_HISTORY_BACKWARD, .seq = UINT64_MAX, .records = 50},
        {.room = rj_span_str("abc/room"), .order = RJ_HISTORY_FORWARD, .seq = 290, .records = 50},
        {.room = rj_span_str("abc/room"), .order = RJ_HISTORY_FORWARD, .seq = UINT64_MAX, .records = 50},
        {.room = rj_span_str("no such room"), .records = 50},
        {.room = rj_span_of(endless, sizeof endless), .records = 50},
    };
    enum { ASKED = sizeof asked / sizeof *asked };
    static struct seen seen[ASKED + 1];
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < ASKED; i++)
        rj_store_warm_later(f->store, &asked[i], on_end, &seen[i]);
    rj_store_read_cancel(rj_store_warm_later(f->store, &asked[1], on_end, &seen[ASKED]));
    while (rj_store_stats(f->store).reads_under_way)
        wait_done(f->store);
    for (size_t i = 0; i < ASKED; i++) {
        assert_int_equal(seen[i].ended, 1);
        assert_int_equal(seen[i].status, RJ_OK);
    }
    assert_int_equal(seen[ASKED].ended, 0);
    assert_true(rj_store_room_is_loaded(f->store, rj_span_str("abc/room")));
    assert_false(rj_store_room_is_loaded(f->store, rj_span_str("no such room")));
    assert_int_equal(rj_store_room_state(f->store, room).head_seq, 300);
}

/* ------------------------------------------------------------------------------------------ meanwhile */

/* A reader that goes through a room chunk by chunk, as a replay does. */
struct follower {
    struct rj_store *store;
    rj_room_id room;
    uint64_t after, upto, last_seq;
    bool is_over;
    enum rj_status status;
};

static void go_on(struct follower *follower);

static bool on_followed(void *ctx, const struct rj_store_record *record)
{
    struct follower *follower = ctx;
    for (size_t i = 0; i < record->n_rooms; i++)
        if (record->rooms[i] == follower->room) {
            assert_int_equal(record->seqs[i], follower->last_seq + 1);
            follower->last_seq++;
        }
    return true;
}

static void on_chunk(void *ctx, enum rj_status status, uint64_t reached)
{
    struct follower *follower = ctx;
    follower->status = status;
    follower->is_over = status != RJ_OK || reached >= follower->upto;
    follower->after = reached;
    if (!follower->is_over)
        go_on(follower);
}

static void go_on(struct follower *follower)
{
    struct rj_store_reach reach = {follower->room, 0};
    rj_store_read_later(follower->store, &reach, 1, follower->after, follower->upto,
                        (struct rj_store_budget){.records = 17}, on_followed, on_chunk, follower);
}

/* Many follow while the log grows and its index is swept under them, and the map with it. */
static void follow_while_it_grows(struct fixture *f)
{
    uint64_t random = seed_of_test();
    rj_room_id rooms[ROOMS];
    struct follower followers[4 * ROOMS];
    size_t n = sizeof followers / sizeof *followers, over;
    fill(f, rooms, &random);
    for (size_t i = 0; i < n; i++) {
        followers[i] = (struct follower){
            .store = f->store, .room = rooms[i % ROOMS], .upto = rj_store_head(f->store).completed};
        go_on(&followers[i]);
    }
    do {
        for (unsigned i = 0; i < 20; i++)
            append_random(f->store, rooms, &random);
        rj_store_submit(f->store);
        wait_done(f->store);
        over = 0;
        for (size_t i = 0; i < n; i++)
            over += followers[i].is_over;
    } while (over < n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(followers[i].status, RJ_OK);
    settle(f->store);
}

static void readings_are_whole_while_the_log_grows_and_is_swept(void **state)
{
    struct fixture *f = *state;
    f->options.index_pending = 50;
    follow_while_it_grows(f);
}

static void readings_are_whole_while_the_map_grows(void **state)
{
    struct fixture *f = *state;
    f->options.map_bytes = 128 << 10;
    f->options.index_pending = 50;
    follow_while_it_grows(f);
}

static size_t pick_first(void *ctx, struct rj_span key)
{
    (void)ctx;
    return key.data[0] == 'k' ? 0 : 1;
}

/* Floors rise under the readings: each is whole or told of the gap, and a page begins above the floor. */
static void a_floor_that_passes_a_reading_makes_it_a_gap_never_a_hole(void **state)
{
    struct fixture *f = *state;
    struct rj_store_limits few = {.count = 40};
    f->options.limits = &few;
    f->options.n_limits = 1;
    f->options.pick = pick_first;
    f->options.limits_id = 1;
    f->options.index_pending = 20;
    open_store(f);
    rj_room_id room = room_id(f->store, "keeps few");
    unsigned gaps = 0, whole = 0;
    uint64_t end_ms = rj_clock_mono_ms() + STORE_DEADLINE_MS;
    /* The commit has to come between: until it has. */
    for (unsigned round = 0; round < 100 || (gaps == 0 && rj_clock_mono_ms() < end_ms); round++) {
        struct seen page = {0};
        for (unsigned i = 0; i < 5; i++)
            append_text(f->store, room, "", "", "x", NULL);
        settle(f->store);
        struct rj_room_state at = rj_store_room_state(f->store, room);
        struct follower follower = {f->store,         room,  at.floor_pos, at.head_pos,
                                    at.floor_seq - 1, false, RJ_OK};
        /* In every other round the floor rises in the turn in which the first chunk is told, at the latest.
         */
        for (unsigned i = 0; i < 30 && round % 2; i++)
            append_text(f->store, room, "", "", "y", NULL);
        rj_store_submit(f->store);
        go_on(&follower);
        rj_store_history_later(f->store, room, RJ_HISTORY_FORWARD, 0, (struct rj_store_budget){0}, on_seen,
                               on_end, &page);
        while (!follower.is_over || !page.ended)
            wait_done(f->store);
        assert_true(follower.status == RJ_OK || follower.status == RJ_GAP);
        assert_true(follower.status == RJ_GAP || follower.last_seq == at.head_seq);
        assert_int_equal(page.status, RJ_OK);
        assert_true(page.records > 0);
        gaps += follower.status == RJ_GAP;
        whole += follower.status == RJ_OK;
        rj_buf_free(&page.text);
        settle(f->store);
    }
    print_message("%u whole, %u gaps\n", whole, gaps);
    assert_true(whole >= 50);
    assert_true(gaps > 0);
    assert_int_equal(rj_store_stats(f->store).corrupt, 0);
}

static void a_snapshot_that_is_old_is_taken_anew_and_nothing_is_missed(void **state)
{
    enum { MANY = 30000 };
    struct fixture *f = *state;
    rj_room_id rooms[2] = {room_id(f->store, "a"), room_id(f->store, "b")};
    struct follower all = {.store = f->store, .room = rooms[0], .upto = MANY};
    struct rj_store_reach reaches[2] = {{rooms[0], 0}, {rooms[1], 0}};
    struct rj_store_append append = {.rooms = rooms, .n_rooms = 2, .payload = rj_span_str("payload")};
    for (unsigned i = 0; i < MANY; i++)
        rj_store_append(f->store, &append, NULL, NULL);
    settle(f->store);
    for (unsigned i = 0; i < 3; i++) {
        struct follower log = all, both = all;
        struct rj_store_budget whole = {MANY + 1, SIZE_MAX / 2};
        rj_store_read_log_later(f->store, 0, MANY, whole, on_followed, on_chunk, &log);
        rj_store_read_later(f->store, reaches, 2, 0, MANY, whole, on_followed, on_chunk, &both);
        while (!log.is_over || !both.is_over)
            wait_done(f->store);
        assert_int_equal(log.last_seq, MANY);
        assert_int_equal(both.last_seq, MANY);
    }
}

/* ------------------------------------------------------------------------------------------ ends */

static void a_store_that_closes_ends_its_readings(void **state)
{
    enum { READINGS = 200 };
    struct fixture *f = *state;
    uint64_t random = seed_of_test();
    rj_room_id rooms[ROOMS];
    static struct seen seen[READINGS];
    f->options.readers = 1;
    fill(f, rooms, &random);
    for (unsigned i = 0; i < READINGS; i++) {
        seen[i] = (struct seen){0};
        rj_store_read_log_later(f->store, 0, RECORDS, (struct rj_store_budget){0}, on_seen, on_end, &seen[i]);
    }
    rj_store_close(&f->store);
    unsigned closed = 0;
    for (unsigned i = 0; i < READINGS; i++) {
        assert_int_equal(seen[i].ended, 1);
        closed += seen[i].status == RJ_CLOSED;
        assert_true(seen[i].status == RJ_CLOSED ? seen[i].records == 0 : seen[i].status == RJ_OK);
        rj_buf_free(&seen[i].text);
    }
    print_message("%u closed\n", closed);
}

/* Changes a byte of the record, behind its checksum. */
static void damage(const char *path, uint64_t pos)
{
    struct rj_env env;
    struct rj_buf why = {0}, copy = {0};
    MDB_txn *txn;
    assert_int_equal(rj_env_open(&env, path, (uint64_t)1 << 30, &why), RJ_OK);
    assert_int_equal(mdb_txn_begin(env.mdb, NULL, 0, &txn), 0);
    MDB_val key = rj_val(&pos, sizeof pos), value;
    assert_int_equal(mdb_get(txn, env.log, &key, &value), 0);
    rj_buf_put(&copy, value.mv_data, value.mv_size);
    copy.data[copy.len - 1] ^= 1;
    value = rj_val(copy.data, copy.len);
    assert_int_equal(mdb_put(txn, env.log, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    rj_env_close(&env);
    rj_buf_free(&copy);
    rj_buf_free(&why);
}

static void a_damaged_record_is_told_with_its_pos_and_those_before_it_are_shown(void **state)
{
    struct fixture *f = *state;
    uint64_t random = seed_of_test();
    rj_room_id rooms[ROOMS];
    fill(f, rooms, &random);
    rj_store_close(&f->store);
    damage(f->path, 40);
    open_store(f);
    struct seen log = {0}, stopped = {.stop_after = 10};
    rj_store_read_log_later(f->store, 0, RECORDS, (struct rj_store_budget){0}, on_seen, on_end, &log);
    rj_store_read_log_later(f->store, 0, RECORDS, (struct rj_store_budget){0}, on_seen, on_end, &stopped);
    while (!log.ended || !stopped.ended)
        wait_done(f->store);
    assert_int_equal(log.status, RJ_CORRUPT);
    assert_int_equal(log.reached, 40);
    assert_int_equal(log.records, 39);
    /* Who has stopped before it does not hear of it. */
    assert_int_equal(stopped.status, RJ_OK);
    assert_int_equal(stopped.reached, 10);
    assert_true(rj_store_stats(f->store).corrupt > 0);
    for (unsigned round = 0; round < 40; round++)
        compare_rooms(f->store, rooms, &random);
    rj_buf_free(&log.text);
    rj_buf_free(&stopped.text);
}

static void kept_is_what_no_floor_has_passed(void **state)
{
    struct fixture *f = *state;
    rj_room_id room = room_id(f->store, "a");
    struct rj_store_reach from_start = {room, 0}, from_two = {room, 2};
    for (unsigned i = 0; i < 3; i++)
        append_text(f->store, room, "", "", "x", NULL);
    settle(f->store);
    assert_int_equal(rj_store_check_kept(f->store, &from_start, 1, 0), RJ_OK);
    rj_store_purge(f->store, room, 2, NULL, NULL);
    settle(f->store);
    assert_int_equal(rj_store_check_kept(f->store, &from_start, 1, 0), RJ_GAP);
    assert_int_equal(rj_store_check_kept(f->store, &from_start, 1, 1), RJ_GAP);
    assert_int_equal(rj_store_check_kept(f->store, &from_start, 1, 2), RJ_OK);
    assert_int_equal(rj_store_check_kept(f->store, &from_two, 1, 0), RJ_OK);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_reading_later_finds_what_one_at_once_finds_in_memory, set_up,
                                    tear_down),
    cmocka_unit_test_setup_teardown(a_reading_later_finds_what_one_at_once_finds_in_the_table, set_up,
                                    tear_down),
    cmocka_unit_test_setup_teardown(a_reading_later_finds_what_one_at_once_finds_in_both, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_reading_later_shows_what_was_there_when_it_was_asked_for, set_up_open,
                                    tear_down),
    cmocka_unit_test_setup_teardown(a_reading_of_nothing_is_told_later_too, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(warming_ends_well_whatever_it_is_asked_for, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(a_cancelled_reading_says_nothing, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(readings_are_whole_while_the_log_grows_and_is_swept, set_up, tear_down),
    cmocka_unit_test_setup_teardown(readings_are_whole_while_the_map_grows, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_floor_that_passes_a_reading_makes_it_a_gap_never_a_hole, set_up,
                                    tear_down),
    cmocka_unit_test_setup_teardown(a_snapshot_that_is_old_is_taken_anew_and_nothing_is_missed, set_up_open,
                                    tear_down),
    cmocka_unit_test_setup_teardown(a_store_that_closes_ends_its_readings, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_damaged_record_is_told_with_its_pos_and_those_before_it_are_shown,
                                    set_up, tear_down),
    cmocka_unit_test_setup_teardown(kept_is_what_no_floor_has_passed, set_up_open, tear_down),
};

RJ_TEST_MAIN(tests)
