/* What `rejoin-bench publish` measures by: the store that is a plain file, and the floor that keeps a rate.
 */
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "storage/layout.h"
#include "tests/support/test.h"
#include "tools/bench/procs.h"
#include "tools/bench/publish_side.h"

enum { DEADLINE_MS = 10000 };

struct seen {
    uint64_t appended, written, last_pos, last_seq;
    bool is_wrong;
};

static struct rj_store *open_store(char dir[static 128])
{
    struct rj_store *store = NULL;
    struct rj_buf why = {0};
    assert_true(procs_make_dir(NULL, dir, 128));
    const struct rj_store_options options = {.path = dir};
    assert_int_equal(rj_store_open(&options, &store, &why), RJ_OK);
    rj_buf_free(&why);
    return store;
}

static void on_appended(void *ctx, enum rj_append_outcome outcome, const struct rj_store_receipt *receipt,
                        struct rj_span payload)
{
    struct seen *seen = ctx;
    seen->is_wrong |= outcome != RJ_APPEND_STORED || receipt->pos != seen->last_pos + 1 ||
                      receipt->n_seqs != 2 || receipt->seqs[0] != seen->last_seq + 1 ||
                      receipt->seqs[1] != receipt->seqs[0] || payload.len != 5 ||
                      memcmp(payload.data, "hello", 5) != 0 || seen->written;
    seen->last_pos = receipt->pos;
    seen->last_seq = receipt->seqs[0];
    seen->appended++;
}

static void on_written(void *ctx, enum rj_status status)
{
    struct seen *seen = ctx;
    seen->is_wrong |= status != RJ_OK;
    seen->written++;
}

static void await_all(struct rj_store *store)
{
    uint64_t end_ms = rj_clock_mono_ms() + DEADLINE_MS;
    while (rj_store_in_flight(store)) {
        struct pollfd event = {.fd = rj_store_event_fd(store), .events = POLLIN};
        assert_true(rj_clock_mono_ms() < end_ms);
        poll(&event, 1, 100);
        rj_store_complete(store);
    }
}

static void the_plain_store_writes_what_the_real_one_would(void **state)
{
    enum { MESSAGES = 1000, A_TURN = 7 };
    char dir[128];
    struct seen seen = {0};
    struct rj_store *store = open_store(dir);
    rj_room_id rooms[2];
    (void)state;
    assert_int_equal(rj_store_room(store, rj_span_str("one"), true, &rooms[0]), RJ_OK);
    assert_int_equal(rj_store_room(store, rj_span_str("two"), true, &rooms[1]), RJ_OK);
    const struct rj_store_append append = {.rooms = rooms,
                                           .n_rooms = 2,
                                           .source = rj_span_str("me"),
                                           .id = rj_span_str("1"),
                                           .payload = rj_span_str("hello")};
    for (int i = 0; i < MESSAGES; i++) {
        rj_store_append(store, &append, on_appended, &seen);
        if (i % A_TURN == 0) {
            rj_store_submit(store);
            rj_store_complete(store);
        }
    }
    rj_store_barrier(store, on_written, &seen);
    rj_store_submit(store);
    await_all(store);
    assert_false(seen.is_wrong);
    assert_int_equal(seen.appended, MESSAGES);
    assert_int_equal(seen.written, 1);
    const struct rj_store_record record = {
        .n_rooms = 2, .source = append.source, .id = append.id, .payload = append.payload};
    assert_int_equal(procs_bytes_in(dir), MESSAGES * rj_record_size(&record));
    struct rj_store_stats stats = rj_store_stats(store);
    assert_int_equal(stats.records, MESSAGES);
    assert_in_range(stats.commits, 1, MESSAGES / A_TURN + 2);
    rj_store_close(&store);
    assert_null(store);
    procs_remove_dir(dir);
}

static void the_plain_store_knows_its_rooms_and_keeps_no_records(void **state)
{
    char dir[128];
    struct seen seen = {0};
    struct rj_store *store = open_store(dir);
    rj_room_id room, again, rooms[2];
    uint64_t reached = 0;
    (void)state;
    assert_int_equal(rj_store_room(store, rj_span_str("one"), false, &room), RJ_NOT_FOUND);
    assert_int_equal(rj_store_room(store, (struct rj_span){0}, true, &room), RJ_BAD_NAME);
    assert_int_equal(rj_store_room(store, rj_span_str("one"), true, &rooms[0]), RJ_OK);
    assert_int_equal(rj_store_room(store, rj_span_str("two"), true, &rooms[1]), RJ_OK);
    assert_int_equal(rj_store_room(store, rj_span_str("one"), false, &again), RJ_OK);
    assert_int_equal(again, rooms[0]);
    const struct rj_store_append append = {.rooms = rooms, .n_rooms = 2, .payload = rj_span_str("hello")};
    rj_store_append(store, &append, on_appended, &seen);
    assert_int_equal(rj_store_room_state(store, rooms[1]).accepted_seq, 1);
    assert_int_equal(rj_store_room_state(store, rooms[1]).head_seq, 0);
    rj_store_submit(store);
    await_all(store);
    assert_int_equal(rj_store_room_state(store, rooms[1]).head_seq, 1);
    assert_int_equal(rj_store_head(store).completed, 1);
    assert_int_equal(rj_store_read_log(store, 0, 1, (struct rj_store_budget){0}, NULL, NULL, &reached),
                     RJ_GAP);
    assert_int_equal(rj_store_read_log(store, 1, 1, (struct rj_store_budget){0}, NULL, NULL, &reached),
                     RJ_OK);
    rj_store_close(&store); /* with an append under way it waits for it */
    procs_remove_dir(dir);
}

static void a_plain_store_is_closed_with_all_done(void **state)
{
    char dir[128];
    struct seen seen = {0};
    struct rj_store *store = open_store(dir);
    rj_room_id rooms[2];
    (void)state;
    assert_int_equal(rj_store_room(store, rj_span_str("one"), true, &rooms[0]), RJ_OK);
    assert_int_equal(rj_store_room(store, rj_span_str("two"), true, &rooms[1]), RJ_OK);
    const struct rj_store_append append = {.rooms = rooms, .n_rooms = 2, .payload = rj_span_str("hello")};
    rj_store_append(store, &append, on_appended, &seen);
    rj_store_close(&store);
    assert_int_equal(seen.appended, 1);
    assert_false(seen.is_wrong);
    procs_remove_dir(dir);
}

/* A floor run of 0.2 s; the bytes of the file must be those of the messages that it counted. */
static struct publish_sums run_floor(double rate, uint32_t batch)
{
    enum { RECORD = 100 };
    char dir[128];
    struct stat at;
    struct store_floor bare;
    struct publish_sums sums = {0};
    const struct publish_slice slice = {.rate = rate, .seconds = 0.2};
    assert_true(procs_make_dir(NULL, dir, sizeof dir));
    assert_true(store_floor_open(&bare, dir, 1 << 16));
    assert_true(publish_floor_run(&bare, &slice, RECORD, batch, &sums));
    assert_int_equal(fstat(bare.fd, &at), 0);
    assert_int_equal(at.st_size, sums.acked * RECORD);
    store_floor_close(&bare);
    procs_remove_dir(dir);
    assert_int_equal(sums.rate.n, 1);
    return sums;
}

static void a_floor_with_a_rate_writes_what_is_due_and_no_more(void **state)
{
    (void)state;
    struct publish_sums sums = run_floor(1000, 1);
    /* On a disk that stalls the last ones may be late, but none may be early. */
    assert_in_range(sums.acked, 1, 201 + 1000 * sums.ack.most / 1000000);
    assert_int_equal(sums.ack.n, sums.acked);
}

static void a_floor_without_a_rate_writes_batches(void **state)
{
    (void)state;
    struct publish_sums sums = run_floor(0, 50);
    assert_int_equal(sums.acked % 50, 0);
    assert_int_equal(sums.ack.n, sums.acked / 50);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_plain_store_writes_what_the_real_one_would),
    cmocka_unit_test(the_plain_store_knows_its_rooms_and_keeps_no_records),
    cmocka_unit_test(a_plain_store_is_closed_with_all_done),
    cmocka_unit_test(a_floor_with_a_rate_writes_what_is_due_and_no_more),
    cmocka_unit_test(a_floor_without_a_rate_writes_batches),
};

RJ_TEST_MAIN(tests)
