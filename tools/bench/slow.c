/* Readers that do not read: of --members in one room, to which a member publishes at --rate, --stuck stop
 * reading. What is asked: do the others notice, is the memory bounded, and do the stuck ones get everything
 * once they read again?
 *
 *   1  all read: `without`
 *   2  --stuck of them stop; as soon as each is behind at its gateway: `with`
 *   3  they read again, and must get all that they missed
 *
 *   runs[]: without, with: {delivery, ack}; ratios of p99; fell_behind, caught_up_s; highest_memory_bytes of
 * each process; faults
 */
#include <stdio.h>

#include "proto/base/clock.h"
#include "tools/bench/bench.h"
#include "tools/bench/peak.h"
#include "tools/bench/traffic.h"

/* Small enough that a stuck client is behind soon, whatever the kernel's buffers hold. */
static const char *const gateway_flags[] = {"--queue-bytes", "262144", "--send-buffer", "65536"};
static const char fell_behind[] = "rejoin_gateway_clients_behind_total";
static const double warm_s = 1;

enum { BEHIND_MS = 30000, WINDOW = 1000 };

struct part {
    struct histogram ack, delivery;
};

struct slow {
    struct bench *bench;
    struct procs procs;
    struct traffic traffic;
    struct part without, with;
    double n_behind, caught_up_s;
    struct peak peak;
};

static void run_part(struct slow *slow, struct part *part)
{
    slow->traffic.is_measured = slow->traffic.publishers.is_measured = true;
    traffic_run(&slow->traffic, slow->bench->options->seconds);
    slow->traffic.is_measured = slow->traffic.publishers.is_measured = false;
    traffic_take(&slow->traffic, &part->ack, &part->delivery);
}

static void pause_some(struct slow *slow, bool is_paused)
{
    struct load *load = &slow->traffic.load;
    for (uint32_t i = load->n - slow->bench->options->stuck; i < load->n; i++)
        load_pause(&load->conns[i], is_paused);
}

/* Until the gateways push nothing more to any of the stuck. */
static bool wait_until_behind(struct slow *slow)
{
    uint64_t end_ms = rj_clock_mono_ms() + BEHIND_MS;
    do {
        traffic_run(&slow->traffic, 0.2);
        slow->n_behind = cost_metric(&slow->procs, fell_behind);
    } while (slow->n_behind < slow->bench->options->stuck && rj_clock_mono_ms() < end_ms &&
             load_is_sound(&slow->traffic.load));
    if (slow->n_behind >= slow->bench->options->stuck)
        return true;
    fprintf(stderr, "rejoin-bench: %.0f of %u fell behind\n", slow->n_behind, slow->bench->options->stuck);
    return false;
}

static void report_part(struct report *r, const char *key, const struct part *part)
{
    report_open(r, key, '{');
    report_latency(r, "delivery", &part->delivery);
    report_latency(r, "ack", &part->ack);
    report_close(r, '}');
}

static double ratio(const struct histogram *with, const struct histogram *without)
{
    return (double)histogram_at(with, 0.99) / (double)histogram_at(without, 0.99);
}

static void report_run(struct slow *slow)
{
    struct report *r = slow->bench->report;
    char memory[256];
    peak_tell(memory, sizeof memory, &slow->peak, &slow->procs);
    report_part(r, "without", &slow->without);
    report_part(r, "with", &slow->with);
    report_sample(r, "delivery_p99_ratio", ratio(&slow->with.delivery, &slow->without.delivery));
    report_sample(r, "ack_p99_ratio", ratio(&slow->with.ack, &slow->without.ack));
    report_sample(r, "delivery_p99_without_us", (double)histogram_at(&slow->without.delivery, 0.99));
    report_sample(r, "delivery_p99_with_us", (double)histogram_at(&slow->with.delivery, 0.99));
    report_number(r, "fell_behind", slow->n_behind);
    report_number(r, "caught_up_s", slow->caught_up_s);
    peak_report(r, "highest_memory_bytes", &slow->peak, &slow->procs);
    traffic_report_faults(&slow->traffic, r);
    fprintf(stderr,
            "slow: delivery p99 %.2f ms without, %.2f ms with %u stuck of %u; the stuck caught up in %.1f s; "
            "at most %s MB\n",
            (double)histogram_at(&slow->without.delivery, 0.99) / 1e3,
            (double)histogram_at(&slow->with.delivery, 0.99) / 1e3, slow->bench->options->stuck,
            slow->bench->options->members, slow->caught_up_s, memory);
}

static bool run(struct slow *slow)
{
    struct traffic *traffic = &slow->traffic;
    traffic_start(traffic);
    traffic_run(traffic, warm_s);
    run_part(slow, &slow->without);
    pause_some(slow, true);
    bool is_good = wait_until_behind(slow);
    run_part(slow, &slow->with);
    pause_some(slow, false);
    uint64_t from_us = rj_clock_mono_us();
    traffic_drain(traffic);
    slow->caught_up_s = (double)(rj_clock_mono_us() - from_us) / 1e6;
    peak_note(&slow->peak, &slow->procs);
    report_run(slow);
    return is_good && traffic_is_good(traffic);
}

bool bench_slow(struct bench *bench)
{
    const struct bench_options *options = bench->options;
    const struct traffic_plan plan = {
        .members = options->members,
        .members_a_room = options->members,
        .publishers = 1,
        .window = WINDOW,
        .size = options->size,
        .rate = options->rate,
        .sample_every = 1,
        .n_narrow = options->stuck,
        .are_own_skipped = true,
    };
    struct procs_plan procs_plan = options->procs;
    struct slow slow = {.bench = bench};
    bool is_good = false;
    for (unsigned i = 0; i < sizeof gateway_flags / sizeof *gateway_flags; i++)
        procs_plan.gateway_flags[i] = gateway_flags[i];
    if (procs_start(&slow.procs, &procs_plan)) {
        if (traffic_open(&slow.traffic, &plan, &slow.procs)) {
            is_good = run(&slow);
            bench->missed += traffic_missed(&slow.traffic);
            bench->doubled += slow.traffic.members.doubled;
        }
        traffic_close(&slow.traffic);
    }
    return procs_stop(&slow.procs) && is_good;
}
