/* Calls that a backend answers: client -> gateway -> broker -> backend and all the way back, at a steady rate
 * and as fast as the clients' windows let them. Three take turns in short slices: the whole way; the part of
 * it between two backends, by notes through the broker alone; and a bare WebSocket server that echoes.
 *
 *   runs[]: cells[] of a rate (calls a second of all; 0: as fast as the windows let them):
 *     whole, broker, echo            calls_per_s, call_p50_us, call_p99_us over the slices; call: over all
 *                                    calls; cpu_us_per_call: of every process that took part
 *     call_p50_to_broker, _to_echo   over the slices; at the highest rate also rate_to_echo
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "proto/base/mem.h"
#include "tools/bench/bench.h"
#include "tools/bench/floor.h"
#include "tools/bench/rpc_server.h"
#include "tools/bench/rpc_side.h"

enum {
    SIDES = 3,
    MOST_NOTES = 500 /* under way: the broker's default bound is 1,000 */
};

static const double warm_s = 0.1;
static const double slice_most_s = 1; /* the sides whose turn it is not must stay alive meanwhile */

enum which { WHOLE, BROKER, ECHO };
static const char *const names[SIDES] = {"whole", "broker", "echo"};

struct run {
    struct procs procs, taking_part; /* the latter with the backend */
    struct floor bare;
    struct rpc_server server;
    struct rpc_side sides[SIDES];
};

struct cell {
    double rate;
    struct spread p50_to_broker, p50_to_echo, rate_to_echo;
};

/* ------------------------------------------------------------------------------------------- telling */

static void report_side(struct report *r, const char *name, const struct rpc_side *side)
{
    const struct rpc_sums *sums = &side->sums;
    report_open(r, name, '{');
    report_spread(r, "calls_per_s", &sums->rate);
    report_spread(r, "call_p50_us", &sums->p50_us);
    report_spread(r, "call_p99_us", &sums->p99_us);
    report_latency(r, "call", &sums->call);
    cost_report(r, "cpu_us_per_call", side->procs, &sums->cost, (double)sums->answered);
    report_close(r, '}');
    fprintf(stderr, "    %-6s %8.0f/s (%.0f to %.0f), p50 %.0f p99 %.0f us, cpu servers %.1f load %.1f us\n",
            name, spread_median(&sums->rate), spread_min(&sums->rate), spread_max(&sums->rate),
            spread_median(&sums->p50_us), spread_median(&sums->p99_us),
            cost_servers_us(side->procs, &sums->cost) / (double)sums->answered,
            sums->cost.load_us / (double)sums->answered);
}

static void report_cell(struct report *r, const struct run *run, const struct cell *cell)
{
    const struct rpc_sums *whole = &run->sides[WHOLE].sums;
    report_number(r, "rate", cell->rate);
    for (int i = 0; i < SIDES; i++)
        report_side(r, names[i], &run->sides[i]);
    report_spread(r, "call_p50_to_broker", &cell->p50_to_broker);
    report_spread(r, "call_p50_to_echo", &cell->p50_to_echo);
    if (cell->rate > 0) {
        report_sample(r, "call_p50_us", (double)histogram_at(&whole->call, 0.50));
        report_sample(r, "call_p99_us", (double)histogram_at(&whole->call, 0.99));
        report_sample(r, "call_p50_to_echo", spread_median(&cell->p50_to_echo));
        report_sample(r, "call_p50_to_broker", spread_median(&cell->p50_to_broker));
    } else {
        report_spread(r, "rate_to_echo", &cell->rate_to_echo);
        report_sample(r, "calls_per_s", spread_median(&whole->rate));
        report_sample(r, "calls_per_s_to_echo", spread_median(&cell->rate_to_echo));
    }
}

/* ------------------------------------------------------------------------------------------- slices */

static double last_of(const struct spread *spread)
{
    return spread->n ? spread->values[spread->n - 1] : 0;
}

/* One slice of each, in an order that turns. */
static bool run_round(struct run *run, struct cell *cell, const struct rpc_slice *slice, unsigned first)
{
    const struct rpc_sums *whole = &run->sides[WHOLE].sums, *echo = &run->sides[ECHO].sums;
    for (unsigned i = 0; i < SIDES; i++)
        if (!rpc_side_run(&run->sides[(first + i) % SIDES], slice))
            return false;
    spread_add(&cell->p50_to_broker, last_of(&whole->p50_us) / last_of(&run->sides[BROKER].sums.p50_us));
    spread_add(&cell->p50_to_echo, last_of(&whole->p50_us) / last_of(&echo->p50_us));
    spread_add(&cell->rate_to_echo, last_of(&whole->rate) / last_of(&echo->rate));
    return true;
}

static unsigned slices_of(const struct bench_options *options)
{
    double least = ceil(options->seconds / slice_most_s);
    return least > options->slices ? (unsigned)least : options->slices;
}

static bool run_cell(struct bench *bench, struct run *run, double rate)
{
    const unsigned slices = slices_of(bench->options);
    const struct rpc_slice slice = {
        .rate = rate, .warm_s = warm_s, .seconds = bench->options->seconds / slices};
    struct cell *cell = rj_calloc(1, sizeof *cell);
    bool is_good = true;
    cell->rate = rate;
    for (int i = 0; i < SIDES; i++)
        run->sides[i].sums = (struct rpc_sums){0};
    fprintf(stderr, rate > 0 ? "  %.0f calls a second:\n" : "  as fast as it goes:\n", rate);
    for (unsigned i = 0; i < slices && is_good; i++)
        is_good = run_round(run, cell, &slice, i % SIDES);
    report_open(bench->report, NULL, '{');
    if (is_good)
        report_cell(bench->report, run, cell);
    report_close(bench->report, '}');
    free(cell);
    return is_good;
}

/* ------------------------------------------------------------------------------------------- the run */

/* The server is forked before this process has threads of librejoin. */
static bool open_run(struct run *run, const struct bench_options *options)
{
    const uint32_t callers = options->connections, window = options->window, size = options->size;
    const struct floor_plan plan = {.kind = FLOOR_ECHO, .connections = callers, .is_coalesced = true};
    if (!floor_start(&run->bare, &plan) || !procs_start(&run->procs, &options->procs) ||
        !rpc_server_start(&run->server, run->procs.backends, callers * window))
        return false;
    run->taking_part = run->procs;
    if (run->procs.n && run->procs.n < PROCS_MAX)
        run->taking_part.list[run->taking_part.n++] =
            (struct proc){.name = "backend", .pid = run->server.pid};
    uint32_t notes = callers * window < MOST_NOTES ? callers * window : MOST_NOTES;
    return rpc_side_open_clients(&run->sides[WHOLE], &run->taking_part, callers, window, size) &&
           rpc_side_open_notes(&run->sides[BROKER], &run->taking_part, notes, size) &&
           rpc_side_open_clients(&run->sides[ECHO], &run->bare.procs, callers, window, size);
}

static bool close_run(struct run *run, struct bench *bench)
{
    for (int i = 0; i < SIDES; i++) {
        bench->missed += run->sides[i].wrong;
        rpc_side_close(&run->sides[i]);
    }
    bool is_good = rpc_server_stop(&run->server);
    is_good &= procs_stop(&run->procs);
    floor_stop(&run->bare);
    return is_good;
}

static bool run_cells(struct bench *bench, struct run *run)
{
    const struct bench_list *rates = &bench->options->rates;
    bool is_good = true;
    report_open(bench->report, "cells", '[');
    for (unsigned i = 0; i < rates->n && is_good; i++)
        is_good = run_cell(bench, run, rates->values[i]);
    report_close(bench->report, ']');
    return is_good;
}

bool bench_rpc(struct bench *bench)
{
    struct run *run = rj_calloc(1, sizeof *run);
    run->server.control = -1;
    prctl(PR_SET_TIMERSLACK, 1UL); /* calls leave when they are due, not 50 us later */
    fprintf(stderr, "rpc: %u clients, %u calls each under way at most\n", bench->options->connections,
            bench->options->window);
    bool is_good = open_run(run, bench->options) && run_cells(bench, run);
    is_good &= close_run(run, bench);
    free(run);
    return is_good;
}
