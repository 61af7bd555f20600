#include "tools/bench/store_reads.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "tools/bench/store_log.h"

enum {
    ROOMS_OF_SESSION = 20,
    QUERIES = 300,
    WARM_ROUNDS = 3,
    COLD_QUERIES = 30, /* each with a store that was just opened and nothing of it in memory */
    PAGE = 50,
    TRIES = 20,
};

/* A session that was away, or (n_rooms 1, is_page) somebody who opens a room. */
struct query {
    struct rj_store_reach rooms[ROOMS_OF_SESSION];
    unsigned n_rooms;
    uint64_t after;
    uint64_t expected; /* records to be visited */
};

/* A kind of reading, and whose rooms it is about. */
struct reading {
    const char *key, *warm_sample, *cold_sample;
    uint32_t missed; /* as many, if the log has them */
    bool is_busy;    /* rooms drawn as the messages were: the more popular, the likelier; else any */
    bool is_page;
};

static const struct reading readings[] = {
    {"replay_10_busy", "replay_10_busy_warm_p50_us", "replay_10_busy_cold_p50_us", 10, true, false},
    {"replay_10_quiet", "replay_10_quiet_warm_p50_us", "replay_10_quiet_cold_p50_us", 10, false, false},
    {"replay_1000_busy", "replay_1000_busy_warm_p50_us", "replay_1000_busy_cold_p50_us", 1000, true, false},
    {"page_50", "page_50_warm_p50_us", "page_50_cold_p50_us", PAGE, true, true},
};

struct reader {
    struct store_log log;
    struct store_draws draws;
    uint8_t *is_member; /* by room */
    struct query *queries;
    uint64_t visited, wrong_sizes;
};

/* What a reading cost. */
struct taken {
    struct histogram warm, cold, opening;
    double resident, faults; /* cold: means */
    uint64_t wrong;
};

/* ------------------------------------------------------------------------------------------- queries */

static uint32_t pick_room(struct reader *reader, bool is_busy)
{
    if (is_busy)
        return store_draws_at(&reader->draws, store_draws_random(&reader->draws, STORE_DRAWS));
    return store_draws_random(&reader->draws, reader->draws.n_rooms);
}

/* Goes back from the newest message until `missed` were found. Sets `after` and `expected`. */
static void go_back(struct reader *reader, struct query *query, uint32_t missed)
{
    uint64_t at = reader->log.appended;
    query->expected = 0;
    while (at > 0 && query->expected < missed)
        query->expected += reader->is_member[store_draws_at(&reader->draws, --at)];
    query->after = reader->log.first_pos + at - 1;
}

/* Marks `wanted` distinct rooms and makes them the query's. */
static void enter_rooms(struct reader *reader, struct query *query, const struct reading *reading,
                        unsigned wanted)
{
    for (query->n_rooms = 0; query->n_rooms < wanted;) {
        uint32_t room = pick_room(reader, reading->is_busy);
        if (reader->is_member[room])
            continue;
        reader->is_member[room] = 1;
        query->rooms[query->n_rooms++] = (struct rj_store_reach){.room = reader->log.rooms[room]};
    }
}

/* Ids of rooms are given out in the order of their numbers. */
static void leave_rooms(struct reader *reader, const struct query *query)
{
    for (unsigned i = 0; i < query->n_rooms; i++)
        reader->is_member[query->rooms[i].room - reader->log.rooms[0]] = 0;
}

static void plan_query(struct reader *reader, struct query *query, const struct reading *reading)
{
    unsigned wanted = reading->is_page                               ? 1
                      : reader->draws.n_rooms < 2 * ROOMS_OF_SESSION ? 1
                                                                     : ROOMS_OF_SESSION;
    for (unsigned i = 0; i < TRIES; i++) {
        enter_rooms(reader, query, reading, wanted);
        go_back(reader, query, reading->missed);
        leave_rooms(reader, query);
        if (query->expected == reading->missed)
            return;
    }
}

/* ------------------------------------------------------------------------------------------- reading */

static bool on_record(void *ctx, const struct rj_store_record *record)
{
    struct reader *reader = ctx;
    reader->visited++;
    reader->wrong_sizes += record->payload.len != reader->log.size;
    return true;
}

static enum rj_status replay(struct reader *reader, const struct query *query)
{
    uint64_t upto = rj_store_head(reader->log.store).completed, after = query->after;
    enum rj_status status = RJ_OK;
    while (status == RJ_OK && after < upto)
        status = rj_store_read(reader->log.store, query->rooms, query->n_rooms, after, upto,
                               (struct rj_store_budget){0}, on_record, reader, &after);
    return status;
}

static enum rj_status read_page(struct reader *reader, const struct query *query)
{
    return rj_store_history(reader->log.store, query->rooms[0].room, RJ_HISTORY_BACKWARD, UINT64_MAX,
                            (struct rj_store_budget){.records = PAGE}, on_record, reader);
}

/* Returns how many records were not read, too many, or not whole. */
static uint64_t run_query(struct reader *reader, const struct reading *reading, const struct query *query,
                          struct histogram *h)
{
    uint64_t before = reader->visited, wrong = reader->wrong_sizes, start_us = rj_clock_mono_us();
    enum rj_status status = reading->is_page ? read_page(reader, query) : replay(reader, query);
    histogram_add(h, rj_clock_mono_us() - start_us);
    uint64_t got = reader->visited - before;
    wrong = reader->wrong_sizes - wrong + (status != RJ_OK);
    return wrong + (got > query->expected ? got - query->expected : query->expected - got);
}

/* The first round only warms up. */
static void run_warm(struct reader *reader, const struct reading *reading, struct taken *taken)
{
    struct histogram first = {0};
    for (unsigned round = 0; round <= WARM_ROUNDS; round++)
        for (unsigned i = 0; i < QUERIES; i++)
            taken->wrong += run_query(reader, reading, &reader->queries[i], round ? &taken->warm : &first);
}

/* Reads from the disk that this process had to wait for. */
static double major_faults(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)used.ru_majflt;
}

static bool run_cold(struct reader *reader, const struct reading *reading, struct taken *taken)
{
    for (unsigned i = 0; i < COLD_QUERIES; i++) {
        double resident;
        uint64_t start_us = rj_clock_mono_us();
        if (load_is_interrupted() || !store_log_reopen_cold(&reader->log, &resident))
            return false;
        histogram_add(&taken->opening, rj_clock_mono_us() - start_us);
        double faults = major_faults();
        taken->wrong += run_query(reader, reading, &reader->queries[i], &taken->cold);
        taken->faults += (major_faults() - faults) / COLD_QUERIES;
        taken->resident += resident / COLD_QUERIES;
    }
    return true;
}

static void report_taken(struct bench *bench, const struct reading *reading, const struct taken *taken)
{
    struct report *r = bench->report;
    report_latency(r, "warm", &taken->warm);
    report_latency(r, "cold", &taken->cold);
    report_number(r, "cold_major_faults_mean", taken->faults);
    report_number(r, "cold_resident_share_mean", taken->resident);
    report_latency(r, "cold_close_drop_and_open", &taken->opening);
    report_u64(r, "wrong", taken->wrong);
    report_sample(r, reading->warm_sample, (double)histogram_at(&taken->warm, 0.5));
    report_sample(r, reading->cold_sample, (double)histogram_at(&taken->cold, 0.5));
    fprintf(
        stderr,
        "    warm p50 %llu p99 %llu us, cold p50 %llu p99 %llu us with %.1f faults (%.4f was in memory)\n",
        (unsigned long long)histogram_at(&taken->warm, 0.5),
        (unsigned long long)histogram_at(&taken->warm, 0.99),
        (unsigned long long)histogram_at(&taken->cold, 0.5),
        (unsigned long long)histogram_at(&taken->cold, 0.99), taken->faults, taken->resident);
}

static bool run_reading(struct bench *bench, struct reader *reader, const struct reading *reading)
{
    struct taken *taken = rj_calloc(1, sizeof *taken);
    double expected = 0, distance = 0;
    uint64_t head = rj_store_head(reader->log.store).completed;
    for (unsigned i = 0; i < QUERIES; i++) {
        plan_query(reader, &reader->queries[i], reading);
        expected += (double)reader->queries[i].expected / QUERIES;
        distance += (double)(head - reader->queries[i].after) / QUERIES;
    }
    fprintf(stderr, "  %s: %.1f records, the first %.0f back\n", reading->key, expected, distance);
    report_open(bench->report, reading->key, '{');
    report_number(bench->report, "records_mean", expected);
    report_number(bench->report, "distance_mean", distance);
    run_warm(reader, reading, taken);
    bool is_good = run_cold(reader, reading, taken);
    report_taken(bench, reading, taken);
    report_close(bench->report, '}');
    bench->missed += taken->wrong;
    is_good = is_good && taken->wrong == 0;
    free(taken);
    return is_good;
}

bool store_reads_run(struct bench *bench, const char *dir, uint32_t rooms)
{
    struct reader *reader = rj_calloc(1, sizeof *reader);
    store_draws_init(&reader->draws, rooms, true);
    reader->is_member = rj_calloc(rooms, 1);
    reader->queries = rj_calloc(QUERIES, sizeof *reader->queries);
    struct store_log_plan plan = {.dir = dir, .draws = &reader->draws, .size = bench->options->size};
    fprintf(stderr, "reads: %u messages in %u rooms, zipf\n", bench->options->messages, rooms);
    report_open(bench->report, "reads", '{');
    report_u64(bench->report, "messages", bench->options->messages);
    report_u64(bench->report, "rooms", rooms);
    bool is_good =
        store_log_open(&reader->log, &plan) && store_log_fill(&reader->log, bench->options->messages);
    for (size_t i = 0; is_good && i < sizeof readings / sizeof *readings; i++)
        is_good = run_reading(bench, reader, &readings[i]);
    is_good = is_good && reader->log.wrong == 0;
    report_close(bench->report, '}');
    store_log_close(&reader->log);
    store_draws_free(&reader->draws);
    free(reader->is_member);
    free(reader->queries);
    free(reader);
    return is_good;
}
