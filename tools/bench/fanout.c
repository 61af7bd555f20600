/* One room, many members: how many deliveries a second, at what cost, how late. One publisher or a few,
 * members themselves, or a backend; every member checks the order of all that it gets.
 */
#include <stdio.h>

#include "tools/bench/bench.h"
#include "tools/bench/floor.h"
#include "tools/bench/traffic.h"

enum { SAMPLE_EVERY = 50, FLOOR_WRITE_MAX = 1 << 20 };
static const double warm_s = 1, floor_warm_s = 0.3;

/* What the floor has to match. */
struct outcome {
    double deliveries_per_s, servers_us; /* CPU for a delivery */
    double frames_per_write;             /* of the gateways; -1: not known */
    size_t frame_bytes;
};

static struct traffic_plan plan_of(const struct bench_options *options)
{
    return (struct traffic_plan){.members = options->members,
                                 .members_a_room = options->members,
                                 .publishers = options->publishers,
                                 .is_backend = options->is_backend,
                                 .window = options->window,
                                 .most_undelivered = options->window,
                                 .size = options->size,
                                 .rate = options->rate,
                                 .sample_every = SAMPLE_EVERY};
}

static void report_run(struct bench *bench, const struct traffic *traffic,
                       const struct traffic_result *result, const struct procs *procs, struct outcome *out)
{
    struct report *r = bench->report;
    out->deliveries_per_s = result->deliveries / result->wall_s;
    out->servers_us = cost_servers_us(procs, &result->cost) / result->deliveries;
    out->frame_bytes = traffic_delivery_bytes(traffic);
    report_sample(r, "deliveries_per_s", out->deliveries_per_s);
    report_sample(r, "durable_publishes_per_s", result->publishes / result->wall_s);
    if (procs->n)
        report_sample(r, "servers_cpu_us_per_delivery", out->servers_us);
    report_sample(r, "delivery_p50_us", (double)histogram_at(&traffic->delivery, 0.50));
    report_sample(r, "delivery_p99_us", (double)histogram_at(&traffic->delivery, 0.99));
    report_u64(r, "frame_bytes", out->frame_bytes);
    if (out->frames_per_write > 0)
        report_number(r, "frames_per_write", out->frames_per_write);
    traffic_report(traffic, result, procs, r);
    traffic_report_faults(traffic, r);
    fprintf(stderr, "fanout: %.0f deliveries/s of %.0f durable publishes/s to %u members, p50 %.1f ms\n",
            out->deliveries_per_s, result->publishes / result->wall_s, bench->options->members,
            (double)histogram_at(&traffic->delivery, 0.50) / 1e3);
}

/* Frames for each write since `frames` and `writes` were read; -1 when the gateways do not tell. */
static double frames_per_write(const struct procs *procs, double frames, double writes)
{
    double more_frames = cost_metric(procs, "rejoin_gateway_frames_out_total") - frames;
    double more_writes = cost_metric(procs, "rejoin_gateway_writes_total") - writes;
    return frames >= 0 && writes >= 0 && more_writes > 0 ? more_frames / more_writes : -1;
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
            double frames = cost_metric(&procs, "rejoin_gateway_frames_out_total");
            double writes = cost_metric(&procs, "rejoin_gateway_writes_total");
            struct traffic_result result = traffic_measure(&traffic, &procs, warm_s, options->seconds);
            traffic_drain(&traffic);
            out->frames_per_write = frames_per_write(&procs, frames, writes);
            report_run(bench, &traffic, &result, &procs, out);
            bench->missed += traffic_missed(&traffic);
            bench->doubled += traffic.members.doubled;
            is_good = traffic_is_good(&traffic) && result.deliveries > 0;
        }
        traffic_close(&traffic);
    }
    return procs_stop(&procs) && is_good;
}

/* As many frames a send as asked for; what is reported under `key`, and its rate and CPU. */
static bool run_floor(struct bench *bench, const struct outcome *real, unsigned batch, const char *key,
                      double *rate, double *server_us)
{
    const struct bench_options *options = bench->options;
    struct floor_plan plan = {.kind = FLOOR_FLOOD,
                              .connections = options->members,
                              .delivery_bytes = real->frame_bytes,
                              .frames_per_write = batch};
    struct traffic_plan traffic_plan = plan_of(options);
    struct traffic traffic = {0};
    struct floor bare;
    bool is_good = false;
    traffic_plan.publishers = 0;
    traffic_plan.is_backend = false;
    if (floor_start(&bare, &plan)) {
        if (traffic_open(&traffic, &traffic_plan, &bare.procs)) {
            struct traffic_result result =
                traffic_measure(&traffic, &bare.procs, floor_warm_s, options->seconds / 2);
            struct report *r = bench->report;
            *rate = result.deliveries / result.wall_s;
            *server_us = cost_servers_us(&bare.procs, &result.cost) / result.deliveries;
            report_open(r, key, '{');
            report_u64(r, "frames_per_write", batch);
            report_number(r, "deliveries_per_s", *rate);
            traffic_report(&traffic, &result, &bare.procs, r);
            report_close(r, '}');
            is_good = result.deliveries > 0 && load_is_sound(&traffic.load);
        }
        traffic_close(&traffic);
    }
    floor_stop(&bare);
    return is_good;
}

static unsigned floor_batch(const struct outcome *real)
{
    double most = (double)(FLOOR_WRITE_MAX / real->frame_bytes);
    double batch = real->frames_per_write > most ? most : real->frames_per_write;
    return batch < 1 ? 1 : (unsigned)(batch + 0.5);
}

static void report_ratios(struct bench *bench, const struct outcome *real, const char *rate_key,
                          const char *cpu_key, double rate, double server_us)
{
    if (bench->options->rate == 0)
        report_sample(bench->report, rate_key, real->deliveries_per_s / rate);
    if (real->servers_us > 0)
        report_sample(bench->report, cpu_key, real->servers_us / server_us);
}

/* One frame a send is what a server that does not coalesce could reach at best; as many as the gateway put
 * into its writes is what the same system calls cost without a server around them. */
static bool run_floors(struct bench *bench, const struct outcome *real)
{
    double one_rate = 0, one_us = 0, same_rate = 0, same_us = 0;
    bool is_batch_known = real->frames_per_write > 0;
    struct report *r = bench->report;
    report_open(r, "floor", '{');
    bool is_good = run_floor(bench, real, 1, "one_frame_a_send", &one_rate, &one_us);
    if (is_good && is_batch_known)
        is_good = run_floor(bench, real, floor_batch(real), "same_frames_a_send", &same_rate, &same_us);
    report_close(r, '}');
    if (!is_good)
        return false;
    report_ratios(bench, real, "rate_to_floor_one_frame", "cpu_to_floor_one_frame", one_rate, one_us);
    fprintf(stderr, "  floor: %.0f deliveries/s one frame a send\n", one_rate);
    if (is_batch_known) {
        report_ratios(bench, real, "rate_to_floor_same_frames", "cpu_to_floor_same_frames", same_rate,
                      same_us);
        fprintf(stderr, "  floor: %.0f deliveries/s with %u frames a send, as the gateways did\n", same_rate,
                floor_batch(real));
    }
    return true;
}

bool bench_fanout(struct bench *bench)
{
    struct outcome outcome = {0};
    return run_real(bench, &outcome) && run_floors(bench, &outcome);
}
