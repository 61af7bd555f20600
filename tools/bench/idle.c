/* Many connections that do nothing: what each costs in memory over all processes, how fast they are made, and
 * what CPU time the servers use on them.
 */
#include <math.h>
#include <stdio.h>

#include "proto/base/clock.h"
#include "tools/bench/bench.h"
#include "tools/bench/cost.h"
#include "tools/bench/floor.h"

enum {
    CONNECT_MS = 120000,
    SETTLE_MS = 20000,
    SAMPLE_MS = 200,
    STILL_SAMPLES = 5,       /* this often the same memory: it has settled */
    STILL_BYTES = 64 * 1024, /* and this is the same */
};

struct memory {
    double rss[PROCS_MAX], anon[PROCS_MAX];
    double all_rss, all_anon;
};

/* One measurement, of the real processes or of the floor. */
struct outcome {
    struct memory before, after;
    double connections_per_s;
    struct cost connecting, idle;
    uint64_t pings;
};

static struct memory memory_now(const struct procs *procs)
{
    struct memory memory = {0};
    for (unsigned i = 0; i < procs->n; i++) {
        memory.all_rss += memory.rss[i] = cost_memory(procs->list[i].pid, "VmRSS");
        memory.all_anon += memory.anon[i] = cost_memory(procs->list[i].pid, "RssAnon");
    }
    return memory;
}

static void run_for_ms(struct load *load, uint64_t ms)
{
    uint64_t end_ms = rj_clock_mono_ms() + ms;
    for (uint64_t now_ms; (now_ms = rj_clock_mono_ms()) < end_ms && load_is_sound(load);)
        load_run(load, (end_ms - now_ms) * 1000);
}

/* Lets memory come to rest. */
static struct memory settle(struct load *load, const struct procs *procs)
{
    uint64_t end_ms = rj_clock_mono_ms() + SETTLE_MS;
    struct memory last = memory_now(procs), now = last;
    for (unsigned still = 0; still < STILL_SAMPLES && rj_clock_mono_ms() < end_ms && load_is_sound(load);) {
        run_for_ms(load, SAMPLE_MS);
        now = memory_now(procs);
        still = fabs(now.all_rss - last.all_rss) <= STILL_BYTES ? still + 1 : 0;
        last = now;
    }
    return now;
}

static bool measure(const struct bench_options *options, const struct procs *procs, double seconds,
                    struct outcome *out)
{
    struct load load;
    load_init(&load, options->connections, NULL);
    out->before = settle(&load, procs);
    struct cost start = cost_now(procs);
    bool is_good = load_connect(&load, procs->targets, procs->n_targets, CONNECT_MS);
    struct cost connected = cost_now(procs);
    if (is_good) {
        out->after = settle(&load, procs);
        struct cost from = cost_now(procs);
        run_for_ms(&load, (uint64_t)(seconds * 1000));
        struct cost to = cost_now(procs);
        out->connecting = cost_between(&start, &connected);
        out->idle = cost_between(&from, &to);
        out->connections_per_s = options->connections * 1e6 / out->connecting.at_us;
        out->pings = load.pings;
        is_good = load_is_sound(&load);
    }
    load_free(&load);
    return is_good;
}

static void report_memory(struct report *r, const char *name, double rss_before, double rss_after,
                          double anon_before, double anon_after, double n)
{
    report_open(r, NULL, '{');
    report_text(r, "name", name);
    report_number(r, "rss_before_bytes", rss_before);
    report_number(r, "rss_after_bytes", rss_after);
    report_number(r, "anon_before_bytes", anon_before);
    report_number(r, "anon_after_bytes", anon_after);
    report_number(r, "rss_bytes_per_connection", (rss_after - rss_before) / n);
    report_number(r, "anon_bytes_per_connection", (anon_after - anon_before) / n);
    report_close(r, '}');
}

static void report_outcome(struct report *r, const struct procs *procs, const struct outcome *outcome,
                           double n)
{
    report_open(r, "processes", '[');
    for (unsigned i = 0; i < procs->n; i++)
        report_memory(r, procs->list[i].name, outcome->before.rss[i], outcome->after.rss[i],
                      outcome->before.anon[i], outcome->after.anon[i], n);
    report_close(r, ']');
    cost_report(r, "cpu_us_per_connect", procs, &outcome->connecting, n);
    cost_report(r, "cpu_us_per_idle_second", procs, &outcome->idle, outcome->idle.at_us / 1e6);
    report_u64(r, "pings_answered", outcome->pings);
}

static double rss_each(const struct outcome *outcome, double n)
{
    return (outcome->after.all_rss - outcome->before.all_rss) / n;
}

static double anon_each(const struct outcome *outcome, double n)
{
    return (outcome->after.all_anon - outcome->before.all_anon) / n;
}

static bool run_real(struct bench *bench)
{
    const struct bench_options *options = bench->options;
    double n = options->connections;
    struct procs procs;
    struct outcome outcome = {0};
    bool is_good =
        procs_start(&procs, &options->procs) && measure(options, &procs, options->seconds, &outcome);
    if (is_good) {
        struct report *r = bench->report;
        report_sample(r, "connections_per_s", outcome.connections_per_s);
        if (procs.n) {
            report_sample(r, "rss_bytes_per_connection", rss_each(&outcome, n));
            report_sample(r, "anon_bytes_per_connection", anon_each(&outcome, n));
        }
        report_outcome(r, &procs, &outcome, n);
        fprintf(stderr,
                "idle: %.0f bytes RSS a connection over %u processes (%.0f anonymous), %.0f connects/s\n",
                rss_each(&outcome, n), procs.n, anon_each(&outcome, n), outcome.connections_per_s);
    }
    return procs_stop(&procs) && is_good;
}

static bool run_floor(struct bench *bench)
{
    const struct bench_options *options = bench->options;
    struct floor_plan plan = {.kind = FLOOR_IDLE, .connections = options->connections};
    double n = options->connections;
    struct floor bare;
    struct outcome outcome = {0};
    bool is_good = floor_start(&bare, &plan) && measure(options, &bare.procs, options->seconds / 2, &outcome);
    if (is_good) {
        struct report *r = bench->report;
        report_open(r, "floor", '{');
        report_number(r, "connections_per_s", outcome.connections_per_s);
        report_outcome(r, &bare.procs, &outcome, n);
        report_close(r, '}');
        fprintf(stderr, "  floor: %.0f bytes RSS a connection (%.0f anonymous), %.0f connects/s\n",
                rss_each(&outcome, n), anon_each(&outcome, n), outcome.connections_per_s);
    }
    floor_stop(&bare);
    return is_good;
}

bool bench_idle(struct bench *bench)
{
    return run_real(bench) && run_floor(bench);
}
