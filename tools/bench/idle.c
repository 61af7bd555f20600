/* Many connections that do nothing: what each costs in memory, over all processes. */
#include <stdio.h>

#include "tools/bench/bench.h"
#include "tools/bench/floor.h"

enum { CONNECT_MS = 120000, SETTLE_RUNS = 100 };

struct memory {
    uint64_t rss[PROCS_MAX], anon[PROCS_MAX];
};

static struct memory memory_now(const struct procs *procs)
{
    struct memory memory = {0};
    for (unsigned i = 0; i < procs->n; i++) {
        memory.rss[i] = proc_memory(procs->list[i].pid, "VmRSS");
        memory.anon[i] = proc_memory(procs->list[i].pid, "RssAnon");
    }
    return memory;
}

static void report_memory(struct bench *bench, const struct memory *before, const struct memory *after)
{
    struct report *r = bench->report;
    double n = bench->options->connections, rss = 0, anon = 0;
    report_open(r, "processes", '[');
    for (unsigned i = 0; i < bench->procs->n; i++) {
        report_open(r, NULL, '{');
        report_text(r, "name", bench->procs->list[i].name);
        report_u64(r, "rss_before", before->rss[i]);
        report_u64(r, "rss_after", after->rss[i]);
        report_u64(r, "anon_before", before->anon[i]);
        report_u64(r, "anon_after", after->anon[i]);
        report_close(r, '}');
        rss += (double)(after->rss[i] - before->rss[i]);
        anon += (double)(after->anon[i] - before->anon[i]);
    }
    report_close(r, ']');
    report_number(r, "rss_bytes_per_connection", rss / n);
    report_number(r, "anon_bytes_per_connection", anon / n);
    fprintf(stderr, "idle: %.0f bytes RSS a connection over all processes (%.0f anonymous)\n", rss / n,
            anon / n);
}

bool bench_idle(struct bench *bench)
{
    const struct bench_options *options = bench->options;
    struct load load;
    double floor_anon, floor_rss;
    bool is_good = false;
    load_init(&load, options->connections, NULL);
    if (procs_start(bench->procs, options->gateways)) {
        struct memory before = memory_now(bench->procs);
        is_good = load_connect(&load, bench->procs->ports, bench->procs->n_ports, NULL, CONNECT_MS);
        for (int i = 0; i < SETTLE_RUNS; i++)
            load_run(&load, 20);
        struct memory after = memory_now(bench->procs);
        report_memory(bench, &before, &after);
    }
    procs_stop(bench->procs);
    load_free(&load);
    if (is_good && floor_idle(options->connections, &floor_anon, &floor_rss)) {
        report_number(bench->report, "floor_anon_bytes_per_connection", floor_anon);
        report_number(bench->report, "floor_rss_bytes_per_connection", floor_rss);
    }
    return is_good;
}
