/* The store's promises one by one; test_store_model.c tries them in random company. */
#include "tests/unit/test_store_fixture.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "storage/env.h"
#include "storage/inspect.h"
#include "storage/layout.h"

static const struct rj_store_budget no_budget = {0};

static void a_new_store_is_empty(void **state)
{
    struct fixture *f = *state;
    struct rj_store_head head = rj_store_head(f->store);
    rj_room_id room;
    assert_int_equal(head.next, 1);
    assert_int_equal(head.completed, 0);
    assert_int_equal(head.oldest, 1);
    assert_int_equal(head.epoch >> 32, 1);
    assert_int_equal(rj_store_in_flight(f->store), 0);
    assert_int_equal(rj_store_room(f->store, rj_span_str("a"), false, &room), RJ_NOT_FOUND);
    assert_int_equal(rj_store_room(f->store, rj_span_str(""), true, &room), RJ_BAD_NAME);
    rj_store_submit(f->store);
    assert_int_equal(rj_store_complete(f->store), 0);
}

static void positions_and_numbers_are_given_in_call_order(void **state)
{
    struct fixture *f = *state;
    rj_room_id a = room_id(f->store, "a"), b = room_id(f->store, "b");
    struct told told[4] = {0};
    assert_int_not_equal(a, b);
    append_text(f->store, a, "", "", "one", &told[0]);
    append_text(f->store, b, "", "", "two", &told[1]);
    append_text(f->store, a, "", "", "three", &told[2]);
    rj_room_id both[] = {b, a};
    struct rj_store_append append = {.rooms = both, .n_rooms = 2, .payload = rj_span_str("four")};
    rj_store_append(f->store, &append, on_appended, &told[3]);
    assert_int_equal(rj_store_in_flight(f->store), 4);
    assert_int_equal(rj_store_room_state(f->store, a).accepted_seq, 3);
    assert_int_equal(rj_store_room_state(f->store, a).head_seq, 0);
    assert_int_equal(told[0].calls, 0);
    settle(f->store);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(told[i].calls, 1);
        assert_int_equal(told[i].outcome, RJ_APPEND_STORED);
        assert_int_equal(told[i].pos, i + 1);
    }
    assert_int_equal(told[2].seqs[0], 2);
    assert_int_equal(told[2].payload_len, 5);
    assert_int_equal(told[3].n_seqs, 2);
    assert_int_equal(told[3].seqs[0], 2);
    assert_int_equal(told[3].seqs[1], 3);
    struct rj_room_state room = rj_store_room_state(f->store, a);
    assert_int_equal(room.head_seq, 3);
    assert_int_equal(room.head_pos, 4);
    assert_int_equal(room.floor_seq, 1);
    assert_int_equal(rj_store_head(f->store).completed, 4);
}

static void a_record_of_two_rooms_is_read_once(void **state)
{
    struct fixture *f = *state;
    rj_room_id rooms[] = {room_id(f->store, "a"), room_id(f->store, "b"), room_id(f->store, "c")};
    append_text(f->store, rooms[0], "", "", "a1", NULL);
    append_text(f->store, rooms[2], "", "", "c1", NULL);
    struct rj_store_append append = {.rooms = rooms, .n_rooms = 2, .payload = rj_span_str("ab")};
    rj_store_append(f->store, &append, NULL, NULL);
    append_text(f->store, rooms[1], "", "", "b2", NULL);
    settle(f->store);

    /* Once by scanning the log, and once by the index: far behind, with much of another room in between. */
    for (int round = 0; round < 2; round++) {
        struct rj_store_reach reach[] = {{rooms[0], 0}, {rooms[1], 0}};
        struct rj_buf seen = {0};
        uint64_t upto = rj_store_head(f->store).completed, reached = 0;
        assert_int_equal(rj_store_read(f->store, reach, 2, 0, upto, no_budget, on_record, &seen, &reached),
                         RJ_OK);
        assert_int_equal(reached, upto);
        assert_seen(&seen, "1:a1 3:ab 4:b2 ");

        reach[0].after_pos = 3;
        assert_int_equal(rj_store_read(f->store, reach, 2, 1, upto, no_budget, on_record, &seen, &reached),
                         RJ_OK);
        assert_seen(&seen, "3:ab 4:b2 ");
        reach[1].after_pos = 3;
        assert_int_equal(rj_store_read(f->store, reach, 2, 1, upto, no_budget, on_record, &seen, &reached),
                         RJ_OK);
        assert_seen(&seen, "4:b2 ");
        for (int i = 0; i < 500; i++)
            append_text(f->store, rooms[2], "", "", "x", NULL);
        settle(f->store);
    }
}

static void a_reading_stops_at_its_budget_and_goes_on(void **state)
{
    struct fixture *f = *state;
    rj_room_id room = room_id(f->store, "a");
    struct rj_store_reach reach = {room, 0};
    struct rj_buf seen = {0};
    uint64_t reached = 0;
    for (int i = 0; i < 5; i++)
        append_text(f->store, room, "", "", "12345", NULL);
    settle(f->store);
    struct rj_store_budget two = {.records = 2}, ten_bytes = {.bytes = 10};
    assert_int_equal(rj_store_read(f->store, &reach, 1, 0, 5, two, on_record, &seen, &reached), RJ_OK);
    assert_int_equal(reached, 2);
    assert_int_equal(rj_store_read(f->store, &reach, 1, reached, 5, ten_bytes, on_record, &seen, &reached),
                     RJ_OK);
    assert_int_equal(reached, 4);
    assert_int_equal(rj_store_read(f->store, &reach, 1, reached, 5, two, on_record, &seen, &reached), RJ_OK);
    assert_int_equal(reached, 5);
    assert_seen(&seen, "1:12345 2:12345 3:12345 4:12345 5:12345 ");
    assert_int_equal(rj_store_read_log(f->store, 1, 3, no_budget, on_record, &seen, &reached), RJ_OK);
    assert_int_equal(reached, 3);
    assert_seen(&seen, "2:12345 3:12345 ");
}

static void history_pages_both_ways(void **state)
{
    struct fixture *f = *state;
    rj_room_id room = room_id(f->store, "a"), other = room_id(f->store, "b");
    struct rj_buf seen = {0};
    const char *texts[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 5; i++) {
        append_text(f->store, room, "", "", texts[i], NULL);
        append_text(f->store, other, "", "", "-", NULL);
    }
    settle(f->store);
    struct rj_store_budget two = {.records = 2};
    rj_store_history(f->store, room, RJ_HISTORY_BACKWARD, UINT64_MAX, two, on_record, &seen);
    assert_seen(&seen, "9:e 7:d ");
    rj_store_history(f->store, room, RJ_HISTORY_BACKWARD, 3, no_budget, on_record, &seen);
    assert_seen(&seen, "3:b 1:a ");
    rj_store_history(f->store, room, RJ_HISTORY_FORWARD, 3, no_budget, on_record, &seen);
    assert_seen(&seen, "7:d 9:e ");
    rj_store_history(f->store, room, RJ_HISTORY_FORWARD, 0, two, on_record, &seen);
    assert_seen(&seen, "1:a 3:b ");
    rj_store_history(f->store, room, RJ_HISTORY_FORWARD, 5, two, on_record, &seen);
    rj_store_history(f->store, room, RJ_HISTORY_BACKWARD, 1, two, on_record, &seen);
    rj_store_history(f->store, room, RJ_HISTORY_BACKWARD, 0, two, on_record, &seen);
    assert_seen(&seen, "");
}

static void a_reopened_store_goes_on_in_a_new_epoch(void **state)
{
    struct fixture *f = *state;
    rj_room_id room = room_id(f->store, "a");
    struct rj_store_head before = rj_store_head(f->store);
    append_text(f->store, room, "", "", "one", NULL);
    append_text(f->store, room, "", "", "two", NULL);
    settle(f->store);
    reopen_store(f);
    struct rj_store_head after = rj_store_head(f->store);
    assert_int_equal(after.next, 3);
    assert_int_equal(after.completed, 2);
    assert_int_equal(after.epoch >> 32, (before.epoch >> 32) + 1);

    assert_int_equal(room_id(f->store, "a"), room);
    struct told told = {0};
    append_text(f->store, room, "", "", "three", &told);
    settle(f->store);
    assert_int_equal(told.pos, 3);
    assert_int_equal(told.seqs[0], 3);
    struct rj_buf seen = {0};
    rj_store_history(f->store, room, RJ_HISTORY_FORWARD, 0, no_budget, on_record, &seen);
    assert_seen(&seen, "1:one 2:two 3:three ");

    uint64_t pos;
    bool clamped;
    assert_int_equal(rj_store_clamp(f->store, before.epoch, 1, &pos, &clamped), RJ_OK);
    assert_true(pos == 1 && !clamped);
    assert_int_equal(rj_store_clamp(f->store, before.epoch, 7, &pos, &clamped), RJ_OK);
    assert_true(pos == 2 && clamped);
    assert_int_equal(rj_store_clamp(f->store, after.epoch, 3, &pos, &clamped), RJ_OK);
    assert_true(pos == 3 && !clamped);
    assert_int_equal(rj_store_clamp(f->store, after.epoch, 4, &pos, &clamped), RJ_NOT_FOUND);
    assert_int_equal(rj_store_clamp(f->store, after.epoch ^ 1, 1, &pos, &clamped), RJ_NOT_FOUND);
}

static void close_completes_what_was_queued(void **state)
{
    struct fixture *f = *state;
    struct told told = {0};
    append_text(f->store, room_id(f->store, "a"), "", "", "one", &told);
    rj_store_close(&f->store);
    assert_int_equal(told.calls, 1);
    open_store(f);
    assert_int_equal(rj_store_head(f->store).completed, 1);
    assert_int_equal(rj_store_stats(f->store).recovered_records, 0);
}

static void a_second_opening_is_refused(void **state)
{
    struct fixture *f = *state;
    struct rj_store *second = NULL;
    struct rj_buf why = {0};
    assert_int_equal(try_open(f, &second, &why), RJ_CONFLICT);
    assert_non_null(strstr(rj_buf_cstr(&why), f->path));
    assert_null(second);
    rj_buf_free(&why);
}

static void a_newer_format_is_refused(void **state)
{
    struct fixture *f = *state;
    struct rj_env env;
    struct rj_buf why = {0};
    char said[32];
    MDB_txn *txn;
    snprintf(said, sizeof said, "format %d;", RJ_FORMAT + 1);
    rj_store_close(&f->store);
    assert_int_equal(rj_env_open(&env, f->path, (uint64_t)1 << 30, &why), RJ_OK);
    assert_int_equal(mdb_txn_begin(env.mdb, NULL, 0, &txn), 0);
    assert_int_equal(rj_env_meta_put(&env, txn, RJ_META_FORMAT, RJ_FORMAT + 1), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    rj_env_close(&env);
    assert_int_equal(try_open(f, &f->store, &why), RJ_VERSION);
    assert_non_null(strstr(rj_buf_cstr(&why), said));
    rj_buf_free(&why);
}

static void a_folder_that_cannot_be_made_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct rj_store *store = NULL;
    struct rj_buf why = {0};
    snprintf(f->path + strlen(f->path), 64, "/missing/deeper");
    assert_int_equal(try_open(f, &store, &why), RJ_IO);
    assert_non_null(strstr(rj_buf_cstr(&why), "missing"));
    *strstr(f->path, "/missing") = '\0';
    rj_buf_free(&why);
}

/* ------------------------------------------------------------------------------------------ duplicates */

static void a_repeated_publish_gets_the_first_receipt(void **state)
{
    struct fixture *f = *state;
    rj_room_id room = room_id(f->store, "a");
    struct told told[6] = {0};
    append_text(f->store, room, "s", "1", "one", &told[0]);
    append_text(f->store, room, "s", "1", "one", &told[1]); /* its original is still in the open batch */
    rj_store_submit(f->store);
    append_text(f->store, room, "s", "1", "one", &told[2]); /* with the log thread */
    settle(f->store);
    append_text(f->store, room, "s", "1", "one", &told[3]); /* stored */
    append_text(f->store, room, "t", "1", "two", &told[4]); /* another source */
    settle(f->store);
    reopen_store(f);
    append_text(f->store, room, "s", "1", "one", &told[5]); /* after a restart */
    settle(f->store);
    assert_int_equal(told[0].outcome, RJ_APPEND_STORED);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(told[i].calls, 1);
        if (i == 0 || i == 4)
            continue;
        assert_int_equal(told[i].outcome, RJ_APPEND_DUPLICATE);
        assert_int_equal(told[i].pos, told[0].pos);
        assert_int_equal(told[i].ts_ms, told[0].ts_ms);
        assert_int_equal(told[i].seqs[0], 1);
        assert_int_equal(told[i].payload_len, 0);
    }
    assert_int_equal(told[4].outcome, RJ_APPEND_STORED);
    assert_int_equal(told[4].seqs[0], 2);
    assert_int_equal(rj_store_head(f->store).completed, 2);
    assert_int_equal(rj_store_stats(f->store).dedupe_hits, 1);
}

static unsigned order;

static void on_ordered(void *ctx, enum rj_append_outcome outcome, const struct rj_store_receipt *receipt,
                       struct rj_span payload)
{
    (void)outcome, (void)receipt, (void)payload;
    *(unsigned *)ctx = ++order;
}

static void on_written_ordered(void *ctx, enum rj_status status)
{
    (void)status;
    *(unsigned *)ctx = ++order;
}

static void everything_completes_in_call_order(void **state)
{
    struct fixture *f = *state;
    rj_room_id room = room_id(f->store, "a");
    struct rj_store_append append = {
        .rooms = &room, .n_rooms = 1, .source = rj_span_str("s"), .id = rj_span_str("1")};
    unsigned got[5] = {0};
    order = 0;
    rj_store_append(f->store, &append, on_ordered, &got[0]);
    rj_store_barrier(f->store, on_written_ordered, &got[1]);
    rj_store_append(f->store, &append, on_ordered, &got[2]);
    rj_store_submit(f->store);
    rj_store_put(f->store, RJ_TABLE_SESSION, rj_span_str("k"), rj_span_str("v"), RJ_ANY_VERSION,
                 on_written_ordered, &got[3]);
    rj_store_append(f->store, &append, on_ordered, &got[4]);
    settle(f->store);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(got[i], i + 1);
}

static void the_dedupe_window_is_bounded_by_number(void **state)
{
    struct fixture *f = *state;
    f->options.dedupe_window_max = 2;
    open_store(f);
    for (int round = 0; round < 2; round++) {
        rj_room_id room = room_id(f->store, "a");
        struct told told[3] = {0};
        append_text(f->store, room, "s", "1", "", NULL);
        append_text(f->store, room, "s", "2", "", NULL);
        append_text(f->store, room, "s", "3", "", NULL);
        settle(f->store);
        assert_int_equal(rj_store_stats(f->store).dedupe_known, 2);
        if (round == 0)
            reopen_store(f);
        assert_int_equal(rj_store_stats(f->store).dedupe_known, 2);
        append_text(f->store, room, "s", "3", "", &told[2]);
        append_text(f->store, room, "s", "2", "", &told[1]);
        append_text(f->store, room, "s", "1", "", &told[0]);
        settle(f->store);
        assert_int_equal(told[0].outcome, RJ_APPEND_STORED);
        assert_int_equal(told[1].outcome, RJ_APPEND_DUPLICATE);
        assert_int_equal(told[2].outcome, RJ_APPEND_DUPLICATE);
        append_text(f->store, room, "s", "4", "", NULL);
        append_text(f->store, room, "s", "5", "", NULL);
        settle(f->store);
    }
}

static void the_dedupe_window_is_bounded_by_time(void **state)
{
    struct fixture *f = *state;
    f->options.dedupe_window_ms = 30;
    open_store(f);
    rj_room_id room = room_id(f->store, "a");
    struct told told[2] = {0};
    append_text(f->store, room, "s", "1", "", &told[0]);
    settle(f->store);
    while (rj_clock_wall_ms() <= told[0].ts_ms + 31)
        poll(NULL, 0, 1);
    append_text(f->store, room, "s", "1", "", &told[1]);
    settle(f->store);
    assert_int_equal(told[1].outcome, RJ_APPEND_STORED);
    assert_int_equal(told[1].seqs[0], 2);
}

/* ------------------------------------------------------------------------------------------ key-value */

static void on_written(void *ctx, enum rj_status status)
{
    *(int *)ctx = (int)status;
}

static int put(struct rj_store *store, const char *key, const char *value, uint64_t expect)
{
    int got = -1;
    rj_store_put(store, RJ_TABLE_SESSION, rj_span_str(key), rj_span_str(value), expect, on_written, &got);
    settle(store);
    return got;
}

static void a_put_compares_versions(void **state)
{
    struct fixture *f = *state;
    struct rj_buf value = {0};
    uint64_t version = 0;
    assert_int_equal(rj_store_get(f->store, RJ_TABLE_SESSION, rj_span_str("k"), &value, &version),
                     RJ_NOT_FOUND);
    assert_int_equal(put(f->store, "k", "zero", 1), RJ_CONFLICT);
    assert_int_equal(put(f->store, "k", "one", UINT64_MAX), RJ_OK);
    assert_int_equal(put(f->store, "k", "no", UINT64_MAX), RJ_CONFLICT);
    assert_int_equal(put(f->store, "k", "two", 1), RJ_OK);
    assert_int_equal(put(f->store, "k", "no", 1), RJ_CONFLICT);
    assert_int_equal(put(f->store, "k", "three", RJ_ANY_VERSION), RJ_OK);
    assert_int_equal(put(f->store, "", "x", RJ_ANY_VERSION), RJ_BAD_NAME);
    reopen_store(f);
    assert_int_equal(rj_store_get(f->store, RJ_TABLE_SESSION, rj_span_str("k"), &value, &version), RJ_OK);
    assert_int_equal(version, 3);
    assert_string_equal(rj_buf_cstr(&value), "three");
    rj_buf_clear(&value);
    assert_int_equal(rj_store_get(f->store, RJ_TABLE_CURSOR, rj_span_str("k"), &value, NULL), RJ_NOT_FOUND);

    int got = -1;
    rj_store_delete(f->store, RJ_TABLE_SESSION, rj_span_str("k"), on_written, &got);
    settle(f->store);
    assert_int_equal(got, RJ_OK);
    assert_int_equal(rj_store_get(f->store, RJ_TABLE_SESSION, rj_span_str("k"), &value, NULL), RJ_NOT_FOUND);
    rj_buf_free(&value);
}

static bool on_pair(void *ctx, struct rj_span key, struct rj_span value)
{
    rj_buf_printf(ctx, "%.*s=%.*s ", (int)key.len, (const char *)key.data, (int)value.len,
                  (const char *)value.data);
    return true;
}

static void prefixes_are_scanned_and_deleted(void **state)
{
    struct fixture *f = *state;
    const char *keys[] = {"a", "b", "b1", "b2", "b3", "c"};
    struct rj_buf seen = {0};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(put(f->store, keys[i], "v", RJ_ANY_VERSION), RJ_OK);
    struct rj_span none = {0}, b = rj_span_str("b");
    rj_store_scan(f->store, RJ_TABLE_SESSION, b, none, 3, on_pair, &seen);
    assert_seen(&seen, "b=v b1=v b2=v ");
    rj_store_scan(f->store, RJ_TABLE_SESSION, b, rj_span_str("b2"), 3, on_pair, &seen);
    assert_seen(&seen, "b3=v ");
    rj_store_scan(f->store, RJ_TABLE_SESSION, none, rj_span_str("b3"), 9, on_pair, &seen);
    assert_seen(&seen, "c=v ");
    int got = -1;
    rj_store_delete_prefix(f->store, RJ_TABLE_SESSION, b, on_written, &got);
    settle(f->store);
    assert_int_equal(got, RJ_OK);
    rj_store_scan(f->store, RJ_TABLE_SESSION, none, none, 9, on_pair, &seen);
    assert_seen(&seen, "a=v c=v ");
}

/* ------------------------------------------------------------------------------------------ retention */

static void turn_until_trimmed(struct rj_store *store, uint64_t pos)
{
    uint64_t deadline_ms = rj_clock_mono_ms() + STORE_DEADLINE_MS;
    while (rj_store_head(store).oldest <= pos) {
        if (rj_clock_mono_ms() > deadline_ms)
            fail_msg("record %llu was not trimmed in time", (unsigned long long)pos);
        rj_store_submit(store);
        poll(NULL, 0, 2);
        rj_store_complete(store);
    }
}

static void old_records_go_and_the_gap_is_exact(void **state)
{
    struct fixture *f = *state;
    f->options.retention_ms = 1;
    open_store(f);
    rj_room_id a = room_id(f->store, "a"), b = room_id(f->store, "b"), idle = room_id(f->store, "idle");
    append_text(f->store, a, "", "", "1", NULL);
    append_text(f->store, idle, "", "", "2", NULL);
    append_text(f->store, b, "", "", "3", NULL);
    append_text(f->store, a, "", "", "4", NULL);
    settle(f->store);
    turn_until_trimmed(f->store, 4);
    rj_store_close(&f->store);

    f->options.retention_ms = 0;
    for (int round = 0; round < 2; round++) {
        open_store(f);
        struct told told = {0};
        append_text(f->store, a, "", "", "new", &told);
        settle(f->store);
        assert_int_equal(told.pos, 5 + round);
        assert_int_equal(told.seqs[0], 3 + round); /* numbers never start over */
        assert_int_equal(rj_store_head(f->store).oldest, 5);
        struct rj_room_state room = rj_store_room_state(f->store, a);
        assert_int_equal(room.floor_seq, 3);
        assert_int_equal(room.floor_pos, 4);
        room = rj_store_room_state(f->store, idle);
        assert_int_equal(room.head_seq, 1);
        assert_int_equal(room.floor_seq, 2);
        assert_int_equal(room.floor_pos, 2);

        uint64_t reached = 77, upto = 5;
        struct rj_buf seen = {0};
        struct rj_store_reach reach[] = {{a, 4}, {b, 3}, {idle, 2}};
        assert_int_equal(rj_store_read(f->store, reach, 3, 0, upto, no_budget, on_record, &seen, &reached),
                         RJ_OK);
        assert_seen(&seen, "5:new ");
        reach[0].after_pos = 3;
        reached = 77;
        assert_int_equal(rj_store_read(f->store, reach, 3, 0, upto, no_budget, on_record, &seen, &reached),
                         RJ_GAP);
        assert_int_equal(reached, 77);
        assert_int_equal(rj_store_read_log(f->store, 3, upto, no_budget, on_record, &seen, &reached), RJ_GAP);
        assert_int_equal(rj_store_read_log(f->store, 4, upto, no_budget, on_record, &seen, &reached), RJ_OK);
        assert_seen(&seen, "5:new ");
        rj_store_history(f->store, a, RJ_HISTORY_FORWARD, 0, (struct rj_store_budget){.records = 1},
                         on_record, &seen);
        assert_seen(&seen, "5:new ");
        rj_store_close(&f->store);
    }
    open_store(f);
}

/* ------------------------------------------------------------------------------------------ care */

static void a_full_map_grows(void **state)
{
    struct fixture *f = *state;
    f->options.map_bytes = 1 << 20;
    open_store(f);
    rj_room_id room = room_id(f->store, "a");
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct told told[4000] = {0};
    struct rj_store_budget one = {.records = 1};
    append_text(f->store, room, "", "", text, &told[0]);
    settle(f->store);
    for (size_t i = 1; i < 4000; i++) {
        append_text(f->store, room, "", "", text, &told[i]);
        if (i % 100)
            continue;
        struct rj_buf seen = {0};
        rj_store_submit(f->store);
        rj_store_complete(f->store);
        /* Reads go on while the map moves. */
        assert_int_equal(rj_store_history(f->store, room, RJ_HISTORY_FORWARD, 0, one, on_record, &seen),
                         RJ_OK);
        assert_int_equal(seen.len, 2 + 999 + 1);
        rj_buf_free(&seen);
    }
    settle(f->store);
    for (size_t i = 0; i < 4000; i++)
        assert_int_equal(told[i].seqs[0], i + 1);
    reopen_store(f);
    assert_int_equal(rj_store_room_state(f->store, room).head_seq, 4000);
}

/* So much address space more than is taken now, until the limit is put back. */
static struct rlimit leave_room(uint64_t bytes)
{
    struct rlimit before, limit;
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    assert_non_null(statm);
    assert_int_equal(fscanf(statm, "%lu", &pages), 1);
    fclose(statm);
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    limit = before;
    limit.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE) + bytes;
    assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
    return before;
}

static void a_map_that_finds_no_room_is_smaller(void **state)
{
    struct fixture *f = *state;
    struct rj_inspect inspect;
    struct rj_buf why = {0};
    f->options.map_bytes = (uint64_t)1 << 40;
    struct rlimit before = leave_room((uint64_t)8 << 30);
    open_store(f);
    append_text(f->store, room_id(f->store, "a"), "", "", "1", NULL);
    settle(f->store);
    reopen_store(f);
    assert_int_equal(rj_store_head(f->store).completed, 1);
    rj_store_close(&f->store);
    assert_int_equal(rj_inspect_open(&inspect, f->path, RJ_INSPECT_ALONE, &why), RJ_OK);
    rj_inspect_close(&inspect);
    rj_buf_free(&why);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
}

static void large_records_take_several_batches(void **state)
{
    struct fixture *f = *state;
    enum { LEN = 3 << 20, N = 14 };
    rj_room_id room = room_id(f->store, "a");
    struct told told[N] = {0};
    struct rj_buf seen = {0};
    char *text = malloc(LEN + 1);
    memset(text, 'x', LEN);
    text[LEN] = '\0';
    for (size_t i = 0; i < N; i++)
        append_text(f->store, room, "s", i % 2 ? "odd" : "", text, &told[i]);
    settle(f->store);
    free(text);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(told[i].calls, 1);
        assert_int_equal(told[i].outcome, i % 2 && i > 1 ? RJ_APPEND_DUPLICATE : RJ_APPEND_STORED);
        assert_int_equal(told[i].payload_len, told[i].outcome == RJ_APPEND_STORED ? LEN : 0);
    }
    uint64_t reached = 0;
    struct rj_store_reach reach = {room, 0};
    assert_int_equal(rj_store_read(f->store, &reach, 1, 0, 8, no_budget, on_record, &seen, &reached), RJ_OK);
    assert_int_equal(reached, 1); /* one is above the default budget of bytes, and is shown all the same */
    assert_int_equal(seen.len, 2 + LEN + 1);
    rj_buf_free(&seen);
}

/* Changes one byte of the first place where `text` stands in the data file. */
static void flip_byte(const char *folder, const char *text)
{
    char path[300];
    struct stat info;
    snprintf(path, sizeof path, "%s/data.mdb", folder);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &info), 0);
    uint8_t *map = mmap(NULL, (size_t)info.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(map != MAP_FAILED);
    uint8_t *at = memmem(map, (size_t)info.st_size, text, strlen(text));
    assert_non_null(at);
    for (; at; at = memmem(at, (size_t)(map + info.st_size - at), text, strlen(text)))
        at[0] ^= 1; /* LMDB may hold an older copy of the page too */
    munmap(map, (size_t)info.st_size);
    close(fd);
}

static void a_damaged_record_is_never_shown(void **state)
{
    struct fixture *f = *state;
    rj_room_id room = room_id(f->store, "a"), other = room_id(f->store, "b");
    append_text(f->store, room, "", "", "before", NULL);
    append_text(f->store, other, "", "", "fine", NULL);
    append_text(f->store, room, "", "", "to be damaged", NULL);
    append_text(f->store, room, "", "", "behind", NULL);
    settle(f->store);
    rj_store_close(&f->store);
    flip_byte(f->path, "to be damaged");
    open_store(f);

    struct rj_buf seen = {0};
    uint64_t reached = 0;
    struct rj_store_reach reach = {room, 0};
    assert_int_equal(rj_store_read(f->store, &reach, 1, 0, 4, no_budget, on_record, &seen, &reached),
                     RJ_CORRUPT);
    assert_int_equal(reached, 3);
    assert_seen(&seen, "1:before ");
    assert_int_equal(rj_store_read(f->store, &reach, 1, reached, 4, no_budget, on_record, &seen, &reached),
                     RJ_OK);
    assert_seen(&seen, "4:behind ");
    assert_int_equal(rj_store_read_log(f->store, 0, 4, no_budget, on_record, &seen, &reached), RJ_CORRUPT);
    assert_seen(&seen, "1:before 2:fine ");
    reach.room = other; /* somebody else's damage */
    assert_int_equal(rj_store_read(f->store, &reach, 1, 0, 4, no_budget, on_record, &seen, &reached), RJ_OK);
    assert_int_equal(reached, 4);
    assert_seen(&seen, "2:fine ");
    assert_true(rj_store_stats(f->store).corrupt >= 2);
}

static void a_pause_writes_the_index_out(void **state)
{
    struct fixture *f = *state;
    rj_room_id room = room_id(f->store, "a");
    append_text(f->store, room, "", "", "1", NULL);
    settle(f->store);
    assert_int_equal(rj_store_stats(f->store).index_pending, 1);
    uint64_t deadline_ms = rj_clock_mono_ms() + STORE_DEADLINE_MS;
    while (rj_store_stats(f->store).index_pending) {
        assert_true(rj_clock_mono_ms() < deadline_ms);
        rj_store_submit(f->store);
        poll(NULL, 0, 10);
        rj_store_complete(f->store);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_new_store_is_empty, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(positions_and_numbers_are_given_in_call_order, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(a_record_of_two_rooms_is_read_once, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(a_reading_stops_at_its_budget_and_goes_on, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(history_pages_both_ways, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(a_reopened_store_goes_on_in_a_new_epoch, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(close_completes_what_was_queued, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(a_second_opening_is_refused, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(a_newer_format_is_refused, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_made_is_an_error, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_repeated_publish_gets_the_first_receipt, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(everything_completes_in_call_order, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(the_dedupe_window_is_bounded_by_number, set_up, tear_down),
    cmocka_unit_test_setup_teardown(the_dedupe_window_is_bounded_by_time, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_put_compares_versions, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(prefixes_are_scanned_and_deleted, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(old_records_go_and_the_gap_is_exact, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_full_map_grows, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_map_that_finds_no_room_is_smaller, set_up, tear_down),
    cmocka_unit_test_setup_teardown(large_records_take_several_batches, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(a_damaged_record_is_never_shown, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(a_pause_writes_the_index_out, set_up_open, tear_down),
};
RJ_TEST_MAIN(tests)
