/* Many rooms of two: how many durable publishes a second when everybody chats. Each client publishes its next
 * message when the last ones are acknowledged; its partner and itself check the order. */
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "tools/bench/bench.h"
#include "tools/bench/floor.h"

enum { CONNECT_MS = 60000, DRAIN_MS = 20000 };

struct pairs {
    struct bench *bench;
    struct load load;
    uint64_t acked, deliveries, wrong, failed, joined;
    bool is_publishing, is_measured;
    struct histogram ack, delivery;
};

static void name_room(uint32_t index, char *out, size_t size)
{
    snprintf(out, size, "pair%u", index / 2);
}

static void publish_one(struct pairs *run, struct load_conn *conn)
{
    char room[64];
    name_room(conn->index, room, sizeof room);
    if (conn->outstanding == 0)
        conn->sent_us = rj_clock_mono_us();
    conn->outstanding++;
    bench_publish(conn, room, 1, run->bench->options->size);
}

static void on_event(void *ctx, struct load_conn *conn, struct rj_span text)
{
    struct pairs *run = ctx;
    uint64_t seq, sent_us;
    if (!bench_message(text, &seq, &sent_us))
        return;
    run->deliveries++;
    run->wrong += seq != conn->seq + 1;
    conn->seq = seq;
    if (run->is_measured)
        histogram_add(&run->delivery, rj_clock_mono_us() - sent_us);
}

static void on_ack(void *ctx, struct load_conn *conn, struct rj_span text)
{
    struct pairs *run = ctx;
    uint64_t id;
    bool is_ok = bench_ack(text, &id);
    if (id == 0) {
        run->joined += is_ok;
        return;
    }
    run->failed += !is_ok;
    run->acked++;
    if (run->is_measured && run->bench->options->window == 1)
        histogram_add(&run->ack, rj_clock_mono_us() - conn->sent_us);
    conn->outstanding--;
    if (run->is_publishing)
        publish_one(run, conn);
}

static void run_for(struct pairs *run, double seconds)
{
    uint64_t end_us = rj_clock_mono_us() + (uint64_t)(seconds * 1e6);
    while (rj_clock_mono_us() < end_us && run->load.n_closed == 0)
        load_run(&run->load, 20);
}

static bool has_all(const struct pairs *run)
{
    return run->deliveries == 2 * run->acked;
}

static uint64_t outstanding(const struct pairs *run)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < run->load.n; i++)
        sum += run->load.conns[i].outstanding;
    return sum;
}

static void drain(struct pairs *run)
{
    uint64_t end_ms = rj_clock_mono_ms() + DRAIN_MS;
    run->is_publishing = run->is_measured = false;
    while ((outstanding(run) || !has_all(run)) && rj_clock_mono_ms() < end_ms && run->load.n_closed == 0)
        load_run(&run->load, 20);
}

static void start_publishing(struct pairs *run)
{
    run->is_publishing = true;
    for (uint32_t w = 0; w < run->bench->options->window; w++)
        for (uint32_t i = 0; i < run->load.n; i++)
            publish_one(run, &run->load.conns[i]);
}

/* The same frames, one a send, to as many sockets: what the deliveries alone cost a bare server. */
static void report_floor(const struct pairs *run)
{
    struct floor_result floor;
    size_t frame = run->load.bytes / (run->load.frames ? run->load.frames : 1);
    report_u64(run->bench->report, "frame_bytes", frame);
    if (floor_fanout(run->load.n, frame, 1, run->bench->options->seconds / 2, &floor))
        floor_report(run->bench->report, "floor_one_frame_a_send", &floor);
}

bool bench_pairs(struct bench *bench)
{
    const struct bench_options *options = bench->options;
    struct pairs *run = rj_calloc(1, sizeof *run);
    struct load_handler handler = {.ctx = run, .event = on_event, .ack = on_ack};
    bool is_good = false;
    run->bench = bench;
    load_init(&run->load, options->rooms * 2, &handler);
    if (procs_start(bench->procs, options->gateways) &&
        load_connect(&run->load, bench->procs->ports, bench->procs->n_ports, name_room, CONNECT_MS)) {
        while (run->joined < run->load.n && run->load.n_closed == 0)
            load_run(&run->load, 100);
        start_publishing(run);
        run_for(run, 1); /* warm */
        run->is_measured = true;
        struct cost from = cost_now(bench->procs);
        uint64_t acked = run->acked;
        run_for(run, options->seconds);
        struct cost to = cost_now(bench->procs);
        double n = (double)(run->acked - acked), wall_s = (double)(to.at_us - from.at_us) / 1e6;
        drain(run);
        is_good = run->wrong == 0 && has_all(run) && run->failed == 0 && run->load.n_closed == 0;
        struct report *r = bench->report;
        report_number(r, "durable_publishes_per_s", n / wall_s);
        report_number(r, "deliveries_per_s", 2 * n / wall_s);
        cost_report(r, "cpu_us_per_publish", bench->procs, &from, &to, n);
        if (options->window == 1)
            report_latency(r, "publish_to_ack", &run->ack);
        report_latency(r, "publish_to_delivery", &run->delivery);
        report_u64(r, "missed", 2 * run->acked - run->deliveries);
        report_u64(r, "out_of_order", run->wrong);
        report_u64(r, "failed", run->failed);
        fprintf(stderr, "pairs: %.0f durable publishes/s, %s\n", n / wall_s,
                is_good ? "none missed or doubled" : "MESSAGES MISSED OR DOUBLED");
    }
    procs_stop(bench->procs);
    if (is_good)
        report_floor(run);
    load_free(&run->load);
    free(run);
    return is_good;
}
