/* Durable publishing through the broker: a backend over ZeroMQ publishes and waits for its acks, as fast as
 * its window lets it, and at steady rates. Three take turns in short slices: the real broker; the same broker
 * with its store replaced by write+fdatasync (rejoin-bench-broker); and no broker at all, the same bytes
 * written and synced by this process, at a rate whatever is due at once, else as many at a time as the real
 * broker commits.
 *
 *   runs[].series[]: rooms, record_bytes, cells[]:
 *     rate                  publishes a second; 0: as fast as the window lets them
 *     real, plain, floor    over the slices acks_per_s, ack_p50_us, ack_p99_us, publishes_per_commit;
 *                           over all publishes ack; cpu_us_per_publish of broker and load (this process)
 *     rate_to_plain         over the slices; at a rate they are alike
 *     ack_p50_to_plain, ack_p50_to_floor    over the slices
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "proto/base/mem.h"
#include "tools/bench/bench.h"
#include "tools/bench/plain_log.h"
#include "tools/bench/publish_side.h"

enum { FLOOR_BYTES = 1 << 23 };

static const double warm_s = 0.15;

struct cell {
    double rate;
    struct spread rate_to_plain, p50_to_plain, p50_to_floor;
    struct publish_sums floor_sums;
};

/* What is measured with one number of rooms. */
struct series {
    struct store_draws draws;
    struct publish_side real, plain;
    struct store_floor bare;
    char dir[128];
    size_t record_bytes;
};

/* ------------------------------------------------------------------------------------------- slices */

static bool run_floor(struct series *series, struct cell *cell, const struct publish_slice *slice)
{
    double batch = spread_median(&series->real.sums.a_commit);
    return publish_floor_run(&series->bare, slice, series->record_bytes, batch < 1 ? 1 : (uint32_t)batch,
                             &cell->floor_sums);
}

static double last_of(const struct spread *spread)
{
    return spread->n ? spread->values[spread->n - 1] : 0;
}

/* One slice of each. The floor comes last: it does as the real broker did. */
static bool run_round(struct series *series, struct cell *cell, const struct publish_slice *slice,
                      bool is_real_first)
{
    struct publish_side *real = &series->real, *plain = &series->plain;
    if (!publish_side_run(is_real_first ? real : plain, slice) ||
        !publish_side_run(is_real_first ? plain : real, slice) || !run_floor(series, cell, slice))
        return false;
    spread_add(&cell->rate_to_plain, last_of(&real->sums.rate) / last_of(&plain->sums.rate));
    spread_add(&cell->p50_to_plain, last_of(&real->sums.p50_us) / last_of(&plain->sums.p50_us));
    spread_add(&cell->p50_to_floor, last_of(&real->sums.p50_us) / last_of(&cell->floor_sums.p50_us));
    return true;
}

/* ------------------------------------------------------------------------------------------- telling */

static void report_sums(struct report *r, const char *key, const struct publish_sums *sums,
                        const struct procs *procs)
{
    report_open(r, key, '{');
    report_spread(r, "acks_per_s", &sums->rate);
    report_spread(r, "ack_p50_us", &sums->p50_us);
    report_spread(r, "ack_p99_us", &sums->p99_us);
    report_latency(r, "ack", &sums->ack);
    if (procs) {
        report_spread(r, "publishes_per_commit", &sums->a_commit);
        cost_report(r, "cpu_us_per_publish", procs, &sums->cost, (double)sums->acked);
    }
    report_close(r, '}');
}

static void tell_sums(const char *name, const struct publish_sums *sums)
{
    fprintf(stderr, "    %-5s %8.0f/s (%.0f to %.0f), ack p50 %.0f p99 %.0f us", name,
            spread_median(&sums->rate), spread_min(&sums->rate), spread_max(&sums->rate),
            spread_median(&sums->p50_us), spread_median(&sums->p99_us));
    if (sums->a_commit.n)
        fprintf(stderr, ", %.1f a commit, cpu broker %.2f load %.2f us", spread_median(&sums->a_commit),
                sums->cost.procs_us[0] / (double)sums->acked, sums->cost.load_us / (double)sums->acked);
    fprintf(stderr, "\n");
}

static void report_cell(struct report *r, const struct series *series, const struct cell *cell)
{
    report_number(r, "rate", cell->rate);
    report_sums(r, "real", &series->real.sums, &series->real.procs);
    report_sums(r, "plain", &series->plain.sums, &series->plain.procs);
    report_sums(r, "floor", &cell->floor_sums, NULL);
    report_spread(r, "rate_to_plain", &cell->rate_to_plain);
    report_spread(r, "ack_p50_to_plain", &cell->p50_to_plain);
    report_spread(r, "ack_p50_to_floor", &cell->p50_to_floor);
    tell_sums("real", &series->real.sums);
    tell_sums("plain", &series->plain.sums);
    tell_sums("floor", &cell->floor_sums);
    fprintf(stderr,
            "    rate to plain %.2f (%.2f to %.2f), ack p50 to plain %.2f, to floor %.2f (%.2f to %.2f)\n",
            spread_median(&cell->rate_to_plain), spread_min(&cell->rate_to_plain),
            spread_max(&cell->rate_to_plain), spread_median(&cell->p50_to_plain),
            spread_median(&cell->p50_to_floor), spread_min(&cell->p50_to_floor),
            spread_max(&cell->p50_to_floor));
}

/* ------------------------------------------------------------------------------------------- the series */

static bool run_cell(struct bench *bench, struct series *series, double rate)
{
    const struct bench_options *options = bench->options;
    struct publish_slice slice = {
        .rate = rate, .warm_s = warm_s, .seconds = options->seconds / options->slices};
    struct cell *cell = rj_calloc(1, sizeof *cell);
    bool is_good = true;
    cell->rate = rate;
    series->real.sums = series->plain.sums = (struct publish_sums){0};
    fprintf(stderr, rate > 0 ? "  %.0f/s:\n" : "  as fast as it goes:\n", rate);
    for (uint32_t i = 0; i < options->slices && is_good; i++)
        is_good = run_round(series, cell, &slice, i % 2 == 0);
    report_open(bench->report, NULL, '{');
    if (is_good)
        report_cell(bench->report, series, cell);
    report_close(bench->report, '}');
    free(cell);
    return is_good;
}

static bool run_cells(struct bench *bench, struct series *series)
{
    const struct bench_list *rates = &bench->options->rates;
    bool is_good = true;
    report_u64(bench->report, "record_bytes", series->record_bytes);
    report_open(bench->report, "cells", '[');
    for (unsigned i = 0; i < rates->n && is_good; i++)
        is_good = run_cell(bench, series, rates->values[i]);
    report_close(bench->report, ']');
    return is_good;
}

/* What the broker says it has stored beyond what was acknowledged, or less: acked is stored, once. */
static bool is_exact(struct bench *bench, const struct publish_side *side, const char *name)
{
    double stored = publish_side_metric(side, "rejoin_store_records_total");
    uint64_t acked = side->acked;
    if (stored < 0 || side->failed)
        return false;
    bench->missed += acked > (uint64_t)stored ? acked - (uint64_t)stored : 0;
    bench->doubled += (uint64_t)stored > acked ? (uint64_t)stored - acked : 0;
    if ((uint64_t)stored != acked)
        fprintf(stderr, "rejoin-bench: the %s broker acknowledged %llu publishes and has %.0f\n", name,
                (unsigned long long)acked, stored);
    return (uint64_t)stored == acked;
}

/* The bytes of a record are those of the plain log, which has the real one's records. 0, told on stderr: it
 * has none, so the broker is not the one that it is taken for. */
static size_t record_bytes_of(const struct publish_side *plain)
{
    char path[200];
    struct stat log;
    size_t len;
    procs_data_dir(&plain->procs, path, sizeof path);
    len = strlen(path);
    snprintf(path + len, sizeof path - len, "/%s", PLAIN_LOG_NAME);
    if (stat(path, &log) || log.st_size == 0) {
        fprintf(stderr, "rejoin-bench: the plain broker writes no %s\n", path);
        return 0;
    }
    return (size_t)log.st_size / plain->acked;
}

static bool open_side(struct publish_side *side, const struct series *series,
                      const struct bench_options *options, const char *broker)
{
    const struct procs_plan plan = {.broker = broker, .dir = options->procs.dir};
    return publish_side_open(side, &plan, &series->draws, options->size, options->window);
}

static bool open_series(struct series *series, const struct bench_options *options, uint32_t rooms)
{
    uint64_t fill = options->messages > rooms ? options->messages : rooms;
    series->bare.fd = -1;
    store_draws_init(&series->draws, rooms, false);
    if (!procs_make_dir(options->procs.dir, series->dir, sizeof series->dir) ||
        !store_floor_open(&series->bare, series->dir, FLOOR_BYTES) ||
        !open_side(&series->real, series, options, NULL) ||
        !open_side(&series->plain, series, options, "rejoin-bench-broker") ||
        !publish_side_fill(&series->real, fill) || !publish_side_fill(&series->plain, fill))
        return false;
    series->record_bytes = record_bytes_of(&series->plain);
    return series->record_bytes > 0;
}

static bool close_series(struct series *series)
{
    bool is_good = publish_side_close(&series->real);
    is_good &= publish_side_close(&series->plain);
    store_floor_close(&series->bare);
    procs_remove_dir(series->dir);
    store_draws_free(&series->draws);
    return is_good;
}

static bool run_series(struct bench *bench, uint32_t rooms)
{
    struct series *series = rj_calloc(1, sizeof *series);
    fprintf(stderr, "publish: %u rooms\n", rooms);
    report_open(bench->report, NULL, '{');
    report_u64(bench->report, "rooms", rooms);
    bool is_good = open_series(series, bench->options, rooms) && run_cells(bench, series);
    if (is_good) {
        is_good = is_exact(bench, &series->real, "real");
        is_good &= is_exact(bench, &series->plain, "plain");
    }
    is_good &= close_series(series);
    report_close(bench->report, '}');
    free(series);
    return is_good;
}

bool bench_publish(struct bench *bench)
{
    const struct bench_list *rooms = &bench->options->rooms_list;
    bool is_good = true;
    prctl(PR_SET_TIMERSLACK, 1UL); /* publishes leave when they are due, not 50 us later */
    report_open(bench->report, "series", '[');
    for (unsigned i = 0; i < rooms->n && is_good; i++)
        is_good = run_series(bench, rooms->values[i]);
    report_close(bench->report, ']');
    return is_good;
}
