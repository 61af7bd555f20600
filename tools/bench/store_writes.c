#include "tools/bench/store_writes.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "tools/bench/cost.h"
#include "tools/bench/spread.h"
#include "tools/bench/store_device.h"
#include "tools/bench/store_floor.h"
#include "tools/bench/store_log.h"

enum { RETAINED_MOST = 1000000 };

/* What one side of a cell did in all its slices. */
struct side {
    uint64_t messages;
    struct spread rate;    /* messages a second */
    struct spread device;  /* bytes written on the device for each of payload */
    struct spread process; /* bytes that this process had written, the same */
    struct spread cpu_us;  /* of this process, for a message */
    struct histogram commits;
};

struct cell {
    struct store_log *log;
    struct store_floor bare;
    const struct store_device *device;
    uint32_t batch, size;
    struct side store, floor;
    struct spread ratio;
    uint64_t trimmed; /* in the slices that count */
};

/* ------------------------------------------------------------------------------------------- slices */

static bool commit(struct cell *cell, bool is_store)
{
    return is_store ? store_log_write(cell->log, cell->batch)
                    : store_floor_write(&cell->bare, cell->bare.most);
}

static double cpu_us(void)
{
    static const struct procs nobody_else;
    return cost_now(&nobody_else).load_us;
}

/* Messages a second; adds to `side`. Negative: told on stderr. */
static double run_slice(struct cell *cell, bool is_store, uint64_t slice_us)
{
    struct side *side = is_store ? &cell->store : &cell->floor;
    struct store_written before = store_device_written(cell->device);
    double cpu_before_us = cpu_us();
    uint64_t messages = 0, start_us = rj_clock_mono_us(), now_us = start_us;
    while (now_us - start_us < slice_us) {
        uint64_t from_us = now_us;
        if (!commit(cell, is_store))
            return -1;
        now_us = rj_clock_mono_us();
        histogram_add(&side->commits, now_us - from_us);
        messages += cell->batch;
    }
    struct store_written after = store_device_written(cell->device);
    double payload = (double)messages * cell->size;
    double rate = (double)messages * 1e6 / (double)(now_us - start_us);
    side->messages += messages;
    spread_add(&side->rate, rate);
    spread_add(&side->device, (double)(after.device - before.device) / payload);
    spread_add(&side->process, (double)(after.process - before.process) / payload);
    spread_add(&side->cpu_us, (cpu_us() - cpu_before_us) / (double)messages);
    return rate;
}

/* A slice of each; who is first changes from pair to pair. */
static bool run_pair(struct cell *cell, bool is_store_first, uint64_t slice_us)
{
    double first = run_slice(cell, is_store_first, slice_us);
    double second = first < 0 ? -1 : run_slice(cell, !is_store_first, slice_us);
    if (second < 0)
        return false;
    spread_add(&cell->ratio, is_store_first ? first / second : second / first);
    return true;
}

static void forget(struct cell *cell)
{
    cell->store = cell->floor = (struct side){0};
    cell->ratio = (struct spread){0};
}

/* The first pair only warms up: the last batch size's leftovers go with it. */
static bool run_pairs(struct cell *cell, uint32_t n, uint64_t slice_us)
{
    if (!run_pair(cell, false, slice_us))
        return false;
    forget(cell);
    uint64_t trimmed = rj_store_stats(cell->log->store).trimmed;
    for (uint32_t i = 0; i < n; i++)
        if (load_is_interrupted() || !run_pair(cell, i % 2, slice_us))
            return false;
    cell->trimmed = rj_store_stats(cell->log->store).trimmed - trimmed;
    return true;
}

/* ------------------------------------------------------------------------------------------- telling */

static void report_side(struct report *r, const char *key, const struct side *side)
{
    report_open(r, key, '{');
    report_u64(r, "messages", side->messages);
    report_spread(r, "messages_per_s", &side->rate);
    report_spread(r, "device_bytes_per_payload_byte", &side->device);
    report_spread(r, "process_bytes_per_payload_byte", &side->process);
    report_spread(r, "cpu_us_per_message", &side->cpu_us);
    report_latency(r, "commit", &side->commits);
    report_close(r, '}');
}

static void report_cell(struct report *r, const struct cell *cell)
{
    double trimmed = (double)cell->trimmed / (double)cell->store.messages;
    report_open(r, NULL, '{');
    report_u64(r, "batch", cell->batch);
    report_spread(r, "ratio", &cell->ratio);
    report_side(r, "store", &cell->store);
    report_side(r, "floor", &cell->floor);
    report_number(r, "trimmed_per_append", trimmed);
    report_u64(r, "index_pending", rj_store_stats(cell->log->store).index_pending);
    report_close(r, '}');
    fprintf(stderr,
            "  batch %5u: %7.0f/s of %7.0f/s, ratio %.2f (%.2f to %.2f), commit p50 %llu p99 %llu us, "
            "device bytes %.1f (floor %.1f), cpu %.2f us, trimmed %.2f\n",
            cell->batch, spread_median(&cell->store.rate), spread_median(&cell->floor.rate),
            spread_median(&cell->ratio), spread_min(&cell->ratio), spread_max(&cell->ratio),
            (unsigned long long)histogram_at(&cell->store.commits, 0.5),
            (unsigned long long)histogram_at(&cell->store.commits, 0.99), spread_median(&cell->store.device),
            spread_median(&cell->floor.device), spread_median(&cell->store.cpu_us), trimmed);
}

/* ------------------------------------------------------------------------------------------- the series */

static bool run_cell(struct bench *bench, struct store_log *log, const struct store_series *series,
                     const struct store_device *device, uint32_t batch)
{
    const struct bench_options *options = bench->options;
    uint64_t slice_us = (uint64_t)(options->seconds * 1e6 / options->slices);
    struct cell *cell = rj_calloc(1, sizeof *cell);
    cell->log = log;
    cell->device = device;
    cell->batch = batch;
    cell->size = options->size;
    bool is_good =
        store_floor_open(&cell->bare, series->dir, (size_t)batch * (options->size + STORE_RECORD_HEAD)) &&
        run_pairs(cell, options->slices, slice_us);
    if (is_good)
        report_cell(bench->report, cell);
    store_floor_close(&cell->bare);
    free(cell);
    return is_good;
}

static bool run_cells(struct bench *bench, struct store_log *log, const struct store_series *series)
{
    struct store_device device = store_device_of(series->dir);
    const struct bench_list *batches = &bench->options->batches;
    bool is_good = true;
    report_text(bench->report, "device_bytes_from", device.path[0] ? device.path : "nowhere");
    report_text(bench->report, "process_bytes_from", "/proc/self/io write_bytes");
    report_open(bench->report, "cells", '[');
    for (unsigned i = 0; i < batches->n && is_good; i++)
        is_good = run_cell(bench, log, series, &device, batches->values[i]);
    report_close(bench->report, ']');
    return is_good;
}

/* Kept records are counted before the files are: closing only writes the index. */
static void report_files(struct bench *bench, struct store_log *log)
{
    struct rj_store_head head = rj_store_head(log->store);
    uint64_t kept = head.completed + 1 - head.oldest, wrong = log->wrong;
    uint64_t bytes = store_log_close(log);
    double of_records = (double)kept * (bench->options->size + STORE_RECORD_HEAD);
    report_u64(bench->report, "wrong", wrong);
    report_u64(bench->report, "records_kept", kept);
    report_u64(bench->report, "file_bytes", bytes);
    report_number(bench->report, "file_bytes_per_record_byte", (double)bytes / of_records);
    fprintf(stderr, "  files: %.2f of the %llu records kept\n", (double)bytes / of_records,
            (unsigned long long)kept);
    bench->missed += wrong;
}

bool store_writes_run(struct bench *bench, const struct store_series *series)
{
    const struct bench_options *options = bench->options;
    uint64_t retained = options->messages < RETAINED_MOST ? options->messages : RETAINED_MOST;
    uint64_t fill = series->is_trimmed ? retained + retained / 2 : retained;
    struct store_draws draws;
    struct store_log log;
    store_draws_init(&draws, series->rooms, series->is_zipf);
    struct store_log_plan plan = {.dir = series->dir,
                                  .draws = &draws,
                                  .size = options->size,
                                  .retained = series->is_trimmed ? retained : 0};
    fprintf(stderr, "store: %u rooms, %s, %s\n", series->rooms, series->is_zipf ? "zipf" : "uniform",
            series->is_trimmed ? "trimmed 1:1" : "all kept");
    report_open(bench->report, NULL, '{');
    report_u64(bench->report, "rooms", series->rooms);
    report_text(bench->report, "distribution", series->is_zipf ? "zipf" : "uniform");
    report_bool(bench->report, "is_trimmed", series->is_trimmed);
    report_u64(bench->report, "filled_with", fill);
    bool is_good = store_log_open(&log, &plan) && store_log_fill(&log, fill);
    report_u64(bench->report, "file_bytes_when_filled", procs_bytes_in(log.path));
    is_good = is_good && run_cells(bench, &log, series);
    if (is_good) {
        is_good = log.wrong == 0;
        report_files(bench, &log);
    } else {
        store_log_close(&log);
    }
    report_close(bench->report, '}');
    store_draws_free(&draws);
    return is_good;
}
