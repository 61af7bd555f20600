/* One room, many members: how many deliveries a second, at what cost, how late. One member publishes with a
 * window of unacknowledged messages; every member checks the order of all that it gets. */
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "tools/bench/bench.h"
#include "tools/bench/floor.h"

enum { CONNECT_MS = 60000, DRAIN_MS = 20000, SAMPLE_EVERY = 50 };

struct fanout {
    struct bench *bench;
    struct load load;
    uint64_t next_id;
    uint64_t deliveries, publishes, wrong, failed;
    uint64_t joined;
    bool is_publishing;
    struct histogram latency, ack;
    uint64_t *sent_us; /* by id, of those outstanding */
};

static void name_room(uint32_t index, char *out, size_t size)
{
    (void)index;
    snprintf(out, size, "bench");
}

static void publish_one(struct fanout *run, struct load_conn *conn)
{
    uint64_t id = ++run->next_id;
    run->sent_us[id % run->bench->options->window] = rj_clock_mono_us();
    bench_publish(conn, "bench", id, run->bench->options->size);
    conn->outstanding++;
}

static void on_event(void *ctx, struct load_conn *conn, struct rj_span text)
{
    struct fanout *run = ctx;
    uint64_t seq, sent_us = 0;
    bool is_sampled = conn->index % SAMPLE_EVERY == 0;
    if (!bench_message(text, &seq, is_sampled ? &sent_us : NULL))
        return;
    run->deliveries++;
    run->wrong += seq != conn->seq + 1;
    conn->seq = seq;
    if (is_sampled && run->is_publishing)
        histogram_add(&run->latency, rj_clock_mono_us() - sent_us);
}

static void on_ack(void *ctx, struct load_conn *conn, struct rj_span text)
{
    struct fanout *run = ctx;
    uint64_t id;
    bool is_ok = bench_ack(text, &id);
    if (id == 0) {
        run->joined += is_ok;
        return;
    }
    run->failed += !is_ok;
    run->publishes++;
    conn->outstanding--;
    if (!run->is_publishing)
        return;
    histogram_add(&run->ack, rj_clock_mono_us() - run->sent_us[id % run->bench->options->window]);
    publish_one(run, conn);
}

static void run_for(struct fanout *run, double seconds)
{
    uint64_t end_us = rj_clock_mono_us() + (uint64_t)(seconds * 1e6);
    while (rj_clock_mono_us() < end_us && run->load.n_closed == 0)
        load_run(&run->load, 20);
}

/* Deliveries that are still to come when everything published has been acknowledged. */
static uint64_t missing(const struct fanout *run)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < run->load.n; i++)
        sum += run->next_id - run->load.conns[i].seq;
    return sum;
}

static void drain(struct fanout *run)
{
    uint64_t end_ms = rj_clock_mono_ms() + DRAIN_MS;
    run->is_publishing = false;
    while ((run->load.conns[0].outstanding || missing(run)) && rj_clock_mono_ms() < end_ms &&
           run->load.n_closed == 0)
        load_run(&run->load, 20);
}

static unsigned frames_per_write(const struct procs *procs, double frames, double writes)
{
    double more_frames = proc_metric(procs->ports[0], "rejoin_gateway_frames_out_total") - frames;
    double more_writes = proc_metric(procs->ports[0], "rejoin_gateway_writes_total") - writes;
    double ratio = more_writes > 0 ? more_frames / more_writes : 1;
    return ratio < 1 ? 1 : ratio > 64 ? 64 : (unsigned)(ratio + 0.5);
}

static void report_floors(struct fanout *run, double rate, unsigned batch)
{
    const struct bench_options *options = run->bench->options;
    struct report *r = run->bench->report;
    struct floor_result single, batched;
    size_t frame = run->load.bytes / (run->load.frames ? run->load.frames : 1);
    report_u64(r, "frame_bytes", frame);
    report_u64(r, "frames_per_write", batch);
    if (!floor_fanout(options->members, frame, 1, options->seconds / 2, &single) ||
        !floor_fanout(options->members, frame, batch, options->seconds / 2, &batched))
        return;
    floor_report(r, "floor_one_frame_a_send", &single);
    floor_report(r, "floor_same_frames_a_send", &batched);
    report_number(r, "rate_to_floor_one_frame", rate / single.deliveries_per_s);
    report_number(r, "rate_to_floor_same_frames", rate / batched.deliveries_per_s);
}

bool bench_fanout(struct bench *bench)
{
    const struct bench_options *options = bench->options;
    struct fanout *run = rj_calloc(1, sizeof *run);
    struct load_handler handler = {.ctx = run, .event = on_event, .ack = on_ack};
    bool is_good = false;
    run->bench = bench;
    run->sent_us = rj_calloc(options->window, sizeof *run->sent_us);
    load_init(&run->load, options->members, &handler);
    if (procs_start(bench->procs, options->gateways) &&
        load_connect(&run->load, bench->procs->ports, bench->procs->n_ports, name_room, CONNECT_MS)) {
        while (run->joined < options->members && run->load.n_closed == 0)
            load_run(&run->load, 100);
        run->is_publishing = true;
        for (uint32_t i = 0; i < options->window; i++)
            publish_one(run, &run->load.conns[0]);
        run_for(run, 1); /* warm */
        memset(&run->latency, 0, sizeof run->latency);
        memset(&run->ack, 0, sizeof run->ack);
        double frames = proc_metric(bench->procs->ports[0], "rejoin_gateway_frames_out_total");
        double writes = proc_metric(bench->procs->ports[0], "rejoin_gateway_writes_total");
        struct cost from = cost_now(bench->procs);
        uint64_t deliveries = run->deliveries, publishes = run->publishes;
        run_for(run, options->seconds);
        struct cost to = cost_now(bench->procs);
        double n = (double)(run->deliveries - deliveries);
        double wall_s = (double)(to.at_us - from.at_us) / 1e6;
        unsigned batch = frames_per_write(bench->procs, frames, writes);
        publishes = run->publishes - publishes;
        drain(run);
        is_good = run->wrong == 0 && missing(run) == 0 && run->failed == 0 && run->load.n_closed == 0;
        struct report *r = bench->report;
        report_number(r, "deliveries_per_s", n / wall_s);
        report_number(r, "publishes_per_s", (double)publishes / wall_s);
        cost_report(r, "cpu_us_per_delivery", bench->procs, &from, &to, n);
        report_latency(r, "publish_to_delivery", &run->latency);
        report_latency(r, "publish_to_ack", &run->ack);
        report_u64(r, "missed", missing(run));
        report_u64(r, "out_of_order", run->wrong);
        report_u64(r, "failed", run->failed);
        fprintf(stderr, "fanout: %.0f deliveries/s, %.0f durable publishes/s, %s\n", n / wall_s,
                (double)publishes / wall_s,
                is_good ? "none missed or doubled" : "MESSAGES MISSED OR DOUBLED");
        procs_stop(bench->procs);
        report_floors(run, n / wall_s, batch);
    }
    procs_stop(bench->procs);
    load_free(&run->load);
    free(run->sent_us);
    free(run);
    return is_good;
}
