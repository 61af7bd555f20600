/* What `rejoin-bench store` is made of: rooms drawn as told, a log that keeps what it should, a floor that
 * writes what it says, a cache that can be emptied.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "storage/layout.h"
#include "tests/support/test.h"
#include "tools/bench/page_cache.h"
#include "tools/bench/procs.h"
#include "tools/bench/spread.h"
#include "tools/bench/store_clock.h"
#include "tools/bench/store_device.h"
#include "tools/bench/store_floor.h"
#include "tools/bench/store_log.h"

enum { ROOMS = 1000, SIZE = 200 };

static uint32_t *counts_of(const struct store_draws *draws)
{
    uint32_t *counts = calloc(draws->n_rooms, sizeof *counts);
    assert_non_null(counts);
    for (uint64_t i = 0; i < STORE_DRAWS; i++) {
        assert_true(store_draws_at(draws, i) < draws->n_rooms);
        counts[store_draws_at(draws, i)]++;
    }
    return counts;
}

static int descending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x < y) - (x > y);
}

static void uniform_draws_fall_on_every_room_alike(void **state)
{
    struct store_draws draws;
    (void)state;
    store_draws_init(&draws, ROOMS, false);
    uint32_t *counts = counts_of(&draws);
    for (uint32_t i = 0; i < ROOMS; i++)
        assert_in_range(counts[i], STORE_DRAWS / ROOMS * 8 / 10, STORE_DRAWS / ROOMS * 12 / 10);
    free(counts);
    store_draws_free(&draws);
}

static void zipf_draws_fall_by_rank_on_rooms_that_are_no_neighbours(void **state)
{
    static const uint32_t ranks[] = {1, 2, 10, 100};
    const double harmonic = 7.48547; /* of 1000 */
    struct store_draws draws;
    (void)state;
    store_draws_init(&draws, ROOMS, true);
    uint32_t *counts = counts_of(&draws);
    bool is_in_order = true;
    for (uint32_t i = 1; i < 10; i++)
        is_in_order = is_in_order && counts[i] < counts[i - 1];
    assert_false(is_in_order);
    qsort(counts, ROOMS, sizeof *counts, descending);
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
        uint32_t expected = (uint32_t)(STORE_DRAWS / harmonic / ranks[i]);
        assert_in_range(counts[ranks[i] - 1], expected * 9 / 10, expected * 11 / 10);
    }
    free(counts);
    store_draws_free(&draws);
}

static void draws_are_the_same_in_every_run(void **state)
{
    struct store_draws one, other;
    (void)state;
    store_draws_init(&one, ROOMS, true);
    store_draws_init(&other, ROOMS, true);
    assert_memory_equal(one.rooms, other.rooms, STORE_DRAWS * sizeof *one.rooms);
    assert_int_equal(store_draws_random(&one, 1000000), store_draws_random(&other, 1000000));
    store_draws_free(&one);
    store_draws_free(&other);
}

static void the_floor_writes_as_many_bytes_as_the_store_has_in_its_records(void **state)
{
    char dir[128];
    struct stat at;
    struct store_floor bare;
    struct rj_store_record record = {.n_rooms = 1, .payload = {.len = SIZE}};
    (void)state;
    assert_int_equal(rj_record_size(&record), SIZE + STORE_RECORD_HEAD);
    assert_true(procs_make_dir(NULL, dir, sizeof dir));
    assert_true(store_floor_open(&bare, dir, 20 * (SIZE + STORE_RECORD_HEAD)));
    for (int i = 0; i < 3; i++)
        assert_true(store_floor_write(&bare, 10 * (SIZE + STORE_RECORD_HEAD)));
    assert_int_equal(fstat(bare.fd, &at), 0);
    assert_int_equal(at.st_size, 30 * rj_record_size(&record));
    store_floor_close(&bare);
    assert_int_equal(rmdir(dir), 0);
}

static void what_is_written_to_a_folder_is_counted(void **state)
{
    char dir[128];
    struct store_floor bare;
    (void)state;
    assert_true(procs_make_dir(NULL, dir, sizeof dir));
    struct store_device device = store_device_of(dir);
    struct store_written before = store_device_written(&device);
    assert_true(store_floor_open(&bare, dir, 1 << 20));
    assert_true(store_floor_write(&bare, 1 << 20));
    struct store_written after = store_device_written(&device);
    if (device.path[0]) { /* else a folder in memory: nothing is written to any device */
        assert_true(after.device - before.device >= 1 << 20);
        assert_true(after.process - before.process >= 1 << 20);
    }
    store_floor_close(&bare);
    procs_remove_dir(dir);
}

/* A store with `n` messages of which `retained` are to be kept. */
static void fill(struct store_log *log, struct store_draws *draws, const char *dir, uint64_t n,
                 uint64_t retained)
{
    store_draws_init(draws, ROOMS, false);
    const struct store_log_plan plan = {.dir = dir, .draws = draws, .size = SIZE, .retained = retained};
    assert_true(store_log_open(log, &plan));
    assert_true(store_log_fill(log, n));
    assert_int_equal(log->completed, n);
    assert_int_equal(log->wrong, 0);
}

static void write_batches(struct store_log *log, uint32_t n, uint32_t batch)
{
    for (uint32_t i = 0; i < n; i++)
        assert_true(store_log_write(log, batch));
}

static void a_trimmed_log_lets_one_record_go_for_each_that_comes(void **state)
{
    enum { RETAINED = 20000, MORE = 40000, BATCH = 100 };
    char dir[128];
    struct store_log log;
    struct store_draws draws;
    (void)state;
    assert_true(procs_make_dir(NULL, dir, sizeof dir));
    fill(&log, &draws, dir, RETAINED + RETAINED / 2, RETAINED);
    write_batches(&log, MORE / BATCH, BATCH); /* what was due during the filling is caught up with */
    uint64_t trimmed = rj_store_stats(log.store).trimmed;
    write_batches(&log, MORE / BATCH, BATCH);
    assert_in_range(rj_store_stats(log.store).trimmed - trimmed, MORE * 9 / 10, MORE * 11 / 10);
    struct rj_store_head head = rj_store_head(log.store);
    assert_in_range(head.completed + 1 - head.oldest, RETAINED * 9 / 10, RETAINED * 11 / 10);
    assert_true(store_log_close(&log) > RETAINED * SIZE);
    assert_int_equal(rmdir(dir), 0); /* it left nothing */
    store_draws_free(&draws);
}

static void a_log_that_is_reopened_cold_has_all_it_had(void **state)
{
    enum { MESSAGES = 20000 };
    char dir[128];
    double resident = -1;
    struct store_log log;
    struct store_draws draws;
    (void)state;
    assert_true(procs_make_dir(NULL, dir, sizeof dir));
    fill(&log, &draws, dir, MESSAGES, 0);
    assert_true(store_log_reopen_cold(&log, &resident));
    assert_true(resident >= 0 && resident <= 1);
    struct rj_store_head head = rj_store_head(log.store);
    assert_int_equal(head.completed, log.first_pos + MESSAGES - 1);
    assert_int_equal(head.oldest, log.first_pos);
    assert_true(store_log_write(&log, 10));
    assert_int_equal(log.wrong, 0);
    store_log_close(&log);
    procs_remove_dir(dir);
    store_draws_free(&draws);
}

static void time_is_pretended_and_told_again(void **state)
{
    (void)state;
    uint64_t before_ms = rj_clock_wall_ms();
    store_clock_set(12345);
    assert_int_equal(rj_clock_wall_ms(), 12345);
    store_clock_set(0);
    assert_true(rj_clock_wall_ms() >= before_ms);
}

/* A file in memory, and the share of it that is left after dropping. */
static void a_dropped_folder_is_in_memory_no_more(void **state)
{
    char dir[128], path[160];
    static uint8_t bytes[1 << 20];
    (void)state;
    assert_true(procs_make_dir(NULL, dir, sizeof dir));
    snprintf(path, sizeof path, "%s/file", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, bytes, sizeof bytes), sizeof bytes);
    close(fd);
    assert_true(page_cache_share(dir) > 0.99);
    assert_true(page_cache_drop(dir));
    struct store_device device = store_device_of(dir);
    if (device.path[0]) /* else a folder in memory: it has no other place */
        assert_true(page_cache_share(dir) < 0.01);
    procs_remove_dir(dir);
    assert_false(page_cache_drop(dir));
    assert_true(page_cache_share(dir) < 0);
}

static void a_spread_tells_least_middle_and_most_and_drops_what_is_no_number(void **state)
{
    struct spread spread = {0};
    (void)state;
    assert_true(spread_min(&spread) == 0 && spread_median(&spread) == 0 && spread_max(&spread) == 0);
    spread_add(&spread, 3);
    spread_add(&spread, 0.0 / 0.0);
    spread_add(&spread, 1.0 / 0.0);
    spread_add(&spread, -1);
    spread_add(&spread, 7);
    assert_int_equal(spread.n, 3);
    assert_true(spread_min(&spread) == -1 && spread_median(&spread) == 3 && spread_max(&spread) == 7);
    spread_add(&spread, 4);
    assert_true(spread_median(&spread) == 3.5);
    for (int i = 0; i < 2 * SPREAD_MAX; i++)
        spread_add(&spread, 4);
    assert_int_equal(spread.n, SPREAD_MAX);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(uniform_draws_fall_on_every_room_alike),
    cmocka_unit_test(zipf_draws_fall_by_rank_on_rooms_that_are_no_neighbours),
    cmocka_unit_test(draws_are_the_same_in_every_run),
    cmocka_unit_test(the_floor_writes_as_many_bytes_as_the_store_has_in_its_records),
    cmocka_unit_test(what_is_written_to_a_folder_is_counted),
    cmocka_unit_test(a_trimmed_log_lets_one_record_go_for_each_that_comes),
    cmocka_unit_test(a_log_that_is_reopened_cold_has_all_it_had),
    cmocka_unit_test(time_is_pretended_and_told_again),
    cmocka_unit_test(a_dropped_folder_is_in_memory_no_more),
    cmocka_unit_test(a_spread_tells_least_middle_and_most_and_drops_what_is_no_number),
};

RJ_TEST_MAIN(tests)
