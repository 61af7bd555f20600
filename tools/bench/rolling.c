/* A rolling restart: one gateway after the other is told to end (SIGTERM), drains its clients over --spread
 * ms, ends, and is started again at the same address, while messages flow. The clients come back as the stock
 * client does, to a gateway that listens: the target list stands for a load balancer. What is asked: is
 * anything missed or doubled, and how evenly do the others get the clients?
 *
 *   runs[]: gateways[]: {connections, drain_s, returns_a_second_at_most,
 * middle_90_percent_returned_within_s}; what returners_report tells of all; highest_memory_bytes of each
 * process
 */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "proto/base/clock.h"
#include "tools/bench/bench.h"
#include "tools/bench/peak.h"
#include "tools/bench/returners.h"

enum { BACK_MS = 60000, END_MS = 60000, SETTLE_S = 1 };

struct rolling {
    struct bench *bench;
    struct procs procs;
    struct returners returners;
    struct peak peak;
    uint64_t highest; /* returns in a second, of all */
};

static void report_step(struct rolling *rolling, unsigned gateway, uint64_t connections, double drain_s)
{
    struct report *r = rolling->bench->report;
    const struct timeline *returned = &rolling->returners.returned;
    uint64_t peak = timeline_peak(returned);
    double width_s = timeline_width(returned, 0.9);
    rolling->highest = peak > rolling->highest ? peak : rolling->highest;
    report_open(r, NULL, '{');
    report_u64(r, "connections", connections);
    report_number(r, "drain_s", drain_s);
    report_u64(r, "returns_a_second_at_most", peak);
    report_number(r, "middle_90_percent_returned_within_s", width_s);
    report_close(r, '}');
    fprintf(stderr,
            "  gateway-%u: %llu clients moved in %.1f s; at most %llu returns in a second, 90 %% within %.1f "
            "s\n",
            gateway + 1, (unsigned long long)connections, drain_s, (unsigned long long)peak, width_s);
}

static bool restart(struct rolling *rolling, unsigned gateway)
{
    struct returners *returners = &rolling->returners;
    uint64_t lost = returners->lost, began_us = rj_clock_mono_us();
    int status = -1;
    returners->returned = (struct timeline){0};
    returners->is_shut[gateway] = true;
    procs_signal(&rolling->procs, 1 + gateway, SIGTERM);
    while (!procs_has_ended(&rolling->procs, 1 + gateway, &status)) {
        if (!returners_turn(returners, 5000) || rj_clock_mono_us() - began_us > END_MS * 1000ULL)
            return false;
        peak_note(&rolling->peak, &rolling->procs);
    }
    double drain_s = (double)(rj_clock_mono_us() - began_us) / 1e6;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "rejoin-bench: gateway-%u ended with wait status 0x%x\n", gateway + 1,
                (unsigned)status);
        return false;
    }
    if (!procs_revive(&rolling->procs, 1 + gateway))
        return false;
    returners->is_shut[gateway] = false;
    if (!returners_wait(returners, BACK_MS) || !returners_run(returners, SETTLE_S))
        return false;
    report_step(rolling, gateway, returners->lost - lost, drain_s);
    return true;
}

static bool run(struct rolling *rolling)
{
    struct report *r = rolling->bench->report;
    struct returners *returners = &rolling->returners;
    char memory[256];
    returners_start(returners);
    bool is_good = returners_run(returners, rolling->bench->options->seconds);
    returners->is_counted = true;
    report_open(r, "gateways", '[');
    for (unsigned i = 0; is_good && i < rolling->procs.n_targets; i++)
        is_good = restart(rolling, i);
    report_close(r, ']');
    is_good = is_good && returners_drain(returners);
    peak_note(&rolling->peak, &rolling->procs);
    peak_tell(memory, sizeof memory, &rolling->peak, &rolling->procs);
    fprintf(stderr,
            "rolling: %u clients, %llu moves, absent p50 %.0f p99 %.0f ms, caught up p50 %.1f p99 %.1f ms "
            "after the first try; at most %s MB\n",
            returners->plan.n, (unsigned long long)returners->lost,
            (double)histogram_at(&returners->absent, 0.5) / 1e3,
            (double)histogram_at(&returners->absent, 0.99) / 1e3,
            (double)histogram_at(&returners->caught_up, 0.5) / 1e3,
            (double)histogram_at(&returners->caught_up, 0.99) / 1e3, memory);
    returners_report(returners, r);
    peak_report(r, "highest_memory_bytes", &rolling->peak, &rolling->procs);
    report_sample(r, "returns_a_second_at_most_of_all", (double)rolling->highest);
    report_sample(r, "absent_p99_us", (double)histogram_at(&returners->absent, 0.99));
    report_sample(r, "caught_up_p99_us", (double)histogram_at(&returners->caught_up, 0.99));
    return is_good && returners_are_good(returners);
}

static bool may_run(const struct bench_options *options)
{
    if (options->procs.n_urls)
        fprintf(stderr, "rejoin-bench: rolling ends processes, so it starts its own\n");
    else if (options->procs.gateways < 2)
        fprintf(stderr, "rejoin-bench: rolling needs a second gateway\n");
    else
        return true;
    return false;
}

bool bench_rolling(struct bench *bench)
{
    const struct bench_options *options = bench->options;
    const struct returners_plan plan = returners_plan_of(options);
    char spread[16];
    struct procs_plan procs_plan = options->procs;
    struct rolling rolling = {.bench = bench};
    bool is_good = false;
    if (!may_run(options))
        return false;
    snprintf(spread, sizeof spread, "%u", options->spread_ms);
    procs_plan.gateway_flags[0] = "--drain-spread";
    procs_plan.gateway_flags[1] = spread;
    if (procs_start(&rolling.procs, &procs_plan)) {
        if (returners_open(&rolling.returners, &plan, &rolling.procs)) {
            is_good = run(&rolling);
            bench->missed += returners_missed(&rolling.returners);
            bench->doubled += rolling.returners.members.doubled;
        }
        returners_close(&rolling.returners);
    }
    return procs_stop(&rolling.procs) && is_good;
}
