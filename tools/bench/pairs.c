/* Many rooms of two: how many durable publishes a second when everybody chats. Each client publishes its next
 * message when earlier ones are acknowledged; its partner and itself check the order.
 */
#include <stdio.h>

#include "tools/bench/bench.h"
#include "tools/bench/floor.h"
#include "tools/bench/traffic.h"

static const double warm_s = 1, floor_warm_s = 0.3;

struct outcome {
    double publishes_per_s, servers_us; /* CPU for a publish */
    size_t delivery_bytes, ack_bytes;
};

static struct traffic_plan plan_of(const struct bench_options *options)
{
    return (struct traffic_plan){.members = options->rooms * 2,
                                 .members_a_room = 2,
                                 .publishers = options->rooms * 2,
                                 .window = options->window,
                                 .size = options->size,
                                 .rate = options->rate,
                                 .sample_every = 1,
                                 .are_own_skipped = true};
}

/* Publishes for each commit of the broker's since `commits` was counted; -1 when it is not known. */
static double publishes_per_commit(const struct procs *procs, const struct traffic *traffic, double commits)
{
    double now = procs->backends[0] ? backend_metric(procs->backends, "rejoin_store_commits_total") : -1;
    return commits >= 0 && now > commits ? (double)traffic->publishers.acked / (now - commits) : -1;
}

static void report_run(struct bench *bench, const struct traffic *traffic,
                       const struct traffic_result *result, const struct procs *procs, struct outcome *out)
{
    struct report *r = bench->report;
    out->publishes_per_s = result->publishes / result->wall_s;
    out->servers_us = cost_servers_us(procs, &result->cost) / result->publishes;
    out->delivery_bytes = traffic_delivery_bytes(traffic);
    out->ack_bytes = traffic_ack_bytes(traffic);
    report_sample(r, "durable_publishes_per_s", out->publishes_per_s);
    report_sample(r, "deliveries_per_s", result->deliveries / result->wall_s);
    if (procs->n)
        report_sample(r, "servers_cpu_us_per_publish", out->servers_us);
    report_sample(r, "ack_p50_us", (double)histogram_at(&traffic->publishers.ack, 0.50));
    report_sample(r, "ack_p99_us", (double)histogram_at(&traffic->publishers.ack, 0.99));
    report_sample(r, "delivery_p50_us", (double)histogram_at(&traffic->delivery, 0.50));
    report_sample(r, "delivery_p99_us", (double)histogram_at(&traffic->delivery, 0.99));
    report_u64(r, "frame_bytes", out->delivery_bytes);
    report_u64(r, "ack_frame_bytes", out->ack_bytes);
    traffic_report(traffic, result, procs, r);
    traffic_report_faults(traffic, r);
    fprintf(stderr, "pairs: %.0f durable publishes/s in %u rooms, ack p50 %.1f ms\n", out->publishes_per_s,
            bench->options->rooms, (double)histogram_at(&traffic->publishers.ack, 0.50) / 1e3);
}

static bool run_real(struct bench *bench, struct outcome *out)
{
    const struct bench_options *options = bench->options;
    struct traffic_plan plan = plan_of(options);
    struct traffic traffic = {0};
    struct procs procs;
    bool is_good = false;
    if (procs_start(&procs, &options->procs)) {
        if (traffic_open(&traffic, &plan, &procs)) {
            double commits =
                procs.backends[0] ? backend_metric(procs.backends, "rejoin_store_commits_total") : -1;
            struct traffic_result result = traffic_measure(&traffic, &procs, warm_s, options->seconds);
            traffic_drain(&traffic);
            double batch = publishes_per_commit(&procs, &traffic, commits);
            report_run(bench, &traffic, &result, &procs, out);
            if (batch >= 0)
                report_number(bench->report, "publishes_per_commit", batch);
            bench->missed += traffic_missed(&traffic);
            bench->doubled += traffic.members.doubled;
            is_good = traffic_is_good(&traffic) && result.publishes > 0;
        }
        traffic_close(&traffic);
    }
    return procs_stop(&procs) && is_good;
}

static const struct floor_kind_row {
    const char *key, *ratio, *cpu_ratio;
    bool is_coalesced, is_logged;
} floors[] = {
    {"one_frame_a_send", "rate_to_floor_one_frame", "cpu_to_floor_one_frame", false, false},
    {"coalesced", "rate_to_floor_coalesced", "cpu_to_floor_coalesced", true, false},
    {"coalesced_and_logged", "rate_to_floor_logged", "cpu_to_floor_logged", true, true},
};

static bool run_floor(struct bench *bench, const struct outcome *real, const struct floor_kind_row *row,
                      double *rate, double *server_us)
{
    const struct bench_options *options = bench->options;
    struct floor_plan plan = {.kind = FLOOR_RELAY,
                              .connections = options->rooms * 2,
                              .delivery_bytes = real->delivery_bytes,
                              .ack_bytes = real->ack_bytes,
                              .is_coalesced = row->is_coalesced,
                              .is_logged = row->is_logged,
                              .dir = options->procs.dir};
    struct traffic_plan traffic_plan = plan_of(options);
    struct traffic traffic = {0};
    struct floor bare;
    bool is_good = false;
    if (floor_start(&bare, &plan)) {
        if (traffic_open(&traffic, &traffic_plan, &bare.procs)) {
            struct traffic_result result =
                traffic_measure(&traffic, &bare.procs, floor_warm_s, options->seconds / 2);
            struct report *r = bench->report;
            *rate = result.publishes / result.wall_s;
            *server_us = cost_servers_us(&bare.procs, &result.cost) / result.publishes;
            report_open(r, row->key, '{');
            report_number(r, "publishes_per_s", *rate);
            traffic_report(&traffic, &result, &bare.procs, r);
            report_close(r, '}');
            is_good = result.publishes > 0 && load_is_sound(&traffic.load);
        }
        traffic_close(&traffic);
    }
    floor_stop(&bare);
    return is_good;
}

static bool run_floors(struct bench *bench, const struct outcome *real)
{
    enum { N = sizeof floors / sizeof *floors };
    double rate[N], server_us[N];
    struct report *r = bench->report;
    bool is_good = true;
    report_open(r, "floor", '{');
    for (unsigned i = 0; i < N && is_good; i++)
        is_good = run_floor(bench, real, &floors[i], &rate[i], &server_us[i]);
    report_close(r, '}');
    for (unsigned i = 0; i < N && is_good; i++) {
        if (bench->options->rate == 0)
            report_sample(r, floors[i].ratio, real->publishes_per_s / rate[i]);
        if (real->servers_us > 0)
            report_sample(r, floors[i].cpu_ratio, real->servers_us / server_us[i]);
    }
    if (is_good)
        fprintf(stderr,
                "  floor: %.0f publishes/s one frame a send, %.0f coalesced, %.0f coalesced and on disk\n",
                rate[0], rate[1], rate[2]);
    return is_good;
}

bool bench_pairs(struct bench *bench)
{
    struct outcome outcome = {0};
    return run_real(bench, &outcome) && run_floors(bench, &outcome);
}
