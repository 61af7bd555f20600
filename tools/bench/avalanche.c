/* Everything goes down at once: with all clients connected and messages flowing, the broker and every gateway
 * are killed (SIGKILL), and started again right away. The clients come back as the stock client does, after a
 * second (half more or less), then after longer and longer delays. What is asked: how long until all are back
 * and have caught up, what memory does it take, and is anything missed?
 *
 *   runs[]: from the kill: processes_ready_s, all_connected_s, all_caught_up_s; what returners_report tells;
 *     highest_memory_bytes of each process, before and after
 */
#include <signal.h>
#include <stdio.h>

#include "proto/base/clock.h"
#include "tools/bench/bench.h"
#include "tools/bench/peak.h"
#include "tools/bench/returners.h"

enum { BACK_MS = 120000, GONE_MS = 10000 };

struct avalanche {
    struct bench *bench;
    struct procs procs;
    struct returners returners;
    struct peak before, after;
    uint64_t began_us;
    double ready_s, connected_s, caught_up_s;
};

static double since(const struct avalanche *avalanche)
{
    return (double)(rj_clock_mono_us() - avalanche->began_us) / 1e6;
}

/* The clients notice at once, or later; either way nobody is there. */
static bool kill_all(struct avalanche *avalanche)
{
    struct procs *procs = &avalanche->procs;
    int status;
    avalanche->began_us = rj_clock_mono_us();
    for (unsigned i = procs->n; i-- > 0;)
        procs_signal(procs, i, SIGKILL);
    for (unsigned i = 0; i < procs->n; i++)
        while (!procs_has_ended(procs, i, &status)) {
            if (!returners_turn(&avalanche->returners, 1000) || since(avalanche) * 1e3 > GONE_MS)
                return false;
        }
    return true;
}

static bool revive_all(struct avalanche *avalanche)
{
    for (unsigned i = 0; i < avalanche->procs.n; i++)
        if (!procs_revive(&avalanche->procs, i))
            return false;
    avalanche->ready_s = since(avalanche);
    return true;
}

/* All are connected some time before the last one has caught up. */
static bool wait_for_all(struct avalanche *avalanche)
{
    struct returners *returners = &avalanche->returners;
    while (returners->n_here < returners->plan.n)
        if (!returners_turn(returners, 10000) || since(avalanche) * 1e3 > BACK_MS) {
            fprintf(stderr, "rejoin-bench: %u of %u clients are back\n", returners->n_here,
                    returners->plan.n);
            return false;
        }
    avalanche->connected_s = since(avalanche);
    if (!returners_wait(returners, BACK_MS))
        return false;
    avalanche->caught_up_s = since(avalanche);
    return true;
}

static void report_run(struct avalanche *avalanche)
{
    struct report *r = avalanche->bench->report;
    const struct returners *returners = &avalanche->returners;
    char before[256], after[256];
    peak_tell(before, sizeof before, &avalanche->before, &avalanche->procs);
    peak_tell(after, sizeof after, &avalanche->after, &avalanche->procs);
    fprintf(stderr,
            "avalanche: %u clients; processes ready after %.2f s, all connected after %.2f s, all caught up "
            "after %.2f s; %llu a second at most\n  at most MB before: %s; after: %s\n",
            returners->plan.n, avalanche->ready_s, avalanche->connected_s, avalanche->caught_up_s,
            (unsigned long long)timeline_peak(&returners->returned), before, after);
    report_sample(r, "processes_ready_s", avalanche->ready_s);
    report_sample(r, "all_connected_s", avalanche->connected_s);
    report_sample(r, "all_caught_up_s", avalanche->caught_up_s);
    returners_report(returners, r);
    peak_report(r, "highest_memory_before_bytes", &avalanche->before, &avalanche->procs);
    peak_report(r, "highest_memory_after_bytes", &avalanche->after, &avalanche->procs);
}

static bool run(struct avalanche *avalanche)
{
    struct returners *returners = &avalanche->returners;
    double seconds = avalanche->bench->options->seconds;
    returners_start(returners);
    if (!returners_run(returners, seconds))
        return false;
    returners->is_counted = true;
    peak_note(&avalanche->before, &avalanche->procs);
    bool is_good = kill_all(avalanche) && revive_all(avalanche) && wait_for_all(avalanche) &&
                   returners_run(returners, seconds) && returners_drain(returners);
    peak_note(&avalanche->after, &avalanche->procs);
    report_run(avalanche);
    return is_good && returners_are_good(returners);
}

bool bench_avalanche(struct bench *bench)
{
    const struct bench_options *options = bench->options;
    const struct returners_plan plan = returners_plan_of(options);
    struct avalanche avalanche = {.bench = bench};
    bool is_good = false;
    if (options->procs.n_urls) {
        fprintf(stderr, "rejoin-bench: avalanche kills processes, so it starts its own\n");
        return false;
    }
    if (procs_start(&avalanche.procs, &options->procs)) {
        if (returners_open(&avalanche.returners, &plan, &avalanche.procs)) {
            is_good = run(&avalanche);
            bench->missed += returners_missed(&avalanche.returners);
            bench->doubled += avalanche.returners.members.doubled;
        }
        returners_close(&avalanche.returners);
    }
    return procs_stop(&avalanche.procs) && is_good;
}
