/* The store alone, without sockets: what a durable batch costs beside a plain file that is written and
 * synced, and what reading costs.
 *
 *   runs[].writes[]: rooms, distribution, is_trimmed, filled_with, records_kept, wrong,
 *                    file_bytes, file_bytes_per_record_byte, cells[]:
 *     batch, trimmed_per_append, index_pending
 *     ratio           of the rates, store to floor, over the pairs of slices
 *     store, floor    messages; over the slices messages_per_s, cpu_us_per_message and the bytes written for
 *                     each of payload, device_… and process_…; commit: over all commits
 *
 *   runs[].reads: messages, rooms, and of each reading (replay_10_busy, …, page_50)
 *     records_mean, distance_mean    found by a query; from the first of them to the end of the log
 *     warm, cold                     over the queries; cold: the store just opened, nothing of it in memory
 *     cold_major_faults_mean, cold_resident_share_mean, cold_close_drop_and_open, wrong
 */
#include <stdio.h>

#include "tools/bench/bench.h"
#include "tools/bench/store_reads.h"
#include "tools/bench/store_writes.h"

static bool is_chosen(enum bench_trim trim, bool is_trimmed)
{
    return trim == BENCH_TRIM_BOTH || is_trimmed == (trim == BENCH_TRIM_ON);
}

/* With one room there is nothing to distribute. */
static bool run_rooms(struct bench *bench, const char *dir, uint32_t rooms)
{
    bool is_good = true;
    for (int i = 0; i < 4 && is_good; i++) {
        struct store_series series = {.dir = dir, .rooms = rooms, .is_zipf = i & 1, .is_trimmed = i & 2};
        if (is_chosen(bench->options->trim, series.is_trimmed) && !(series.is_zipf && rooms == 1))
            is_good = store_writes_run(bench, &series);
    }
    return is_good;
}

static bool run_writes(struct bench *bench, const char *dir)
{
    const struct bench_list *rooms = &bench->options->rooms_list;
    bool is_good = true;
    report_open(bench->report, "writes", '[');
    for (unsigned i = 0; i < rooms->n && is_good; i++)
        is_good = run_rooms(bench, dir, rooms->values[i]);
    report_close(bench->report, ']');
    return is_good;
}

static uint32_t most_of(const struct bench_list *list)
{
    uint32_t most = 0;
    for (unsigned i = 0; i < list->n; i++)
        most = list->values[i] > most ? list->values[i] : most;
    return most;
}

bool bench_store(struct bench *bench)
{
    const struct bench_options *options = bench->options;
    char dir[128];
    if (!procs_make_dir(options->procs.dir, dir, sizeof dir))
        return false;
    bool is_good =
        (options->part == BENCH_PART_READS || run_writes(bench, dir)) &&
        (options->part == BENCH_PART_WRITES || store_reads_run(bench, dir, most_of(&options->rooms_list)));
    procs_remove_dir(dir);
    return is_good;
}
