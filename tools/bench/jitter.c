/* Clients whose network fails again and again: each is cut (its connection is reset) every --cut-every ms and
 * comes back --cut-for ms later, at the next gateway, while --per-client messages a second go to its room.
 * What is asked: does everybody get everything once, and how long does it take from coming back until what
 * was missed is there?
 *
 *   runs[]: what returners_report tells; deliveries_per_s; cpu_us_per_delivery of each process;
 *     highest_memory_bytes of each process
 */
#include <stdio.h>

#include "proto/base/clock.h"
#include "tools/bench/bench.h"
#include "tools/bench/cost.h"
#include "tools/bench/peak.h"
#include "tools/bench/returners.h"

static const double warm_s = 1;

static void tell(const struct returners *returners, double wall_s, const char *memory)
{
    fprintf(stderr,
            "jitter: %u clients, %.0f deliveries/s, %llu returns (%llu a second at most): connected p50 %.1f "
            "p99 %.1f ms, caught up p50 %.1f p99 %.1f ms; at most %s MB\n",
            returners->plan.n, (double)returners->members.deliveries / wall_s,
            (unsigned long long)returners->returned.n,
            (unsigned long long)timeline_peak(&returners->returned),
            (double)histogram_at(&returners->connected, 0.5) / 1e3,
            (double)histogram_at(&returners->connected, 0.99) / 1e3,
            (double)histogram_at(&returners->caught_up, 0.5) / 1e3,
            (double)histogram_at(&returners->caught_up, 0.99) / 1e3, memory);
}

static bool measure(struct bench *bench, struct returners *returners, const struct procs *procs)
{
    struct report *r = bench->report;
    struct peak peak = {0};
    char memory[256];
    uint64_t from_us = rj_clock_mono_us();
    returners_start(returners);
    bool is_good = returners_run(returners, warm_s);
    returners->is_counted = true;
    struct cost from = cost_now(procs);
    is_good = is_good && returners_run(returners, bench->options->seconds);
    struct cost to = cost_now(procs), cost = cost_between(&from, &to);
    is_good = is_good && returners_drain(returners);
    double wall_s = (double)(rj_clock_mono_us() - from_us) / 1e6;
    peak_note(&peak, procs);
    peak_tell(memory, sizeof memory, &peak, procs);
    tell(returners, wall_s, memory);
    report_number(r, "deliveries_per_s", (double)returners->members.deliveries / wall_s);
    returners_report(returners, r);
    cost_report(r, "cpu_us_per_return", procs, &cost, (double)returners->returned.n);
    peak_report(r, "highest_memory_bytes", &peak, procs);
    report_sample(r, "caught_up_p50_us", (double)histogram_at(&returners->caught_up, 0.50));
    report_sample(r, "caught_up_p99_us", (double)histogram_at(&returners->caught_up, 0.99));
    return is_good && returners_are_good(returners) && returners->returned.n > 0;
}

bool bench_jitter(struct bench *bench)
{
    const struct bench_options *options = bench->options;
    struct returners_plan plan = returners_plan_of(options);
    plan.cut_every_us = options->cut_every_ms * 1000ULL;
    plan.cut_for_us = options->cut_for_ms * 1000ULL;
    struct returners returners = {0};
    struct procs procs;
    bool is_good = false;
    if (procs_start(&procs, &options->procs)) {
        if (returners_open(&returners, &plan, &procs)) {
            is_good = measure(bench, &returners, &procs);
            bench->missed += returners_missed(&returners);
            bench->doubled += returners.members.doubled;
        }
        returners_close(&returners);
    }
    return procs_stop(&procs) && is_good;
}
