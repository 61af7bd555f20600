/* What `room:unread` costs for a user in many rooms: a backend asks for one that has a cursor in each of
 * --rooms, and, in turn with that, for one that has none, which is what the way there and back costs.
 *
 *   runs[]: rooms, unread, empty      as report_latency, each question waited for
 *     cpu_us_per_unread, _per_empty   of the broker, and load (this process)
 *     broker_us_per_unread            the broker's part of it: the difference of its CPU times
 */
#include <stdio.h>

#include <rejoin_reads.h>

#include "proto/base/clock.h"
#include "tools/bench/bench.h"
#include "tools/bench/cost.h"

enum { PATIENCE_MS = 30000, ASKED_IN_TURN = 20 };

/* One kind of question. */
struct question {
    const char *user;
    uint32_t rooms; /* that the answer must have */
    struct histogram took;
    struct cost cost;
};

static bool fail(struct rejoin *broker, const char *what, enum rejoin_status status)
{
    fprintf(stderr, "rejoin-bench: %s: %s (%s)\n", what, rejoin_strerror(status), rejoin_detail(broker));
    return false;
}

/* ------------------------------------------------------------------------------------------- filling */

struct filling {
    unsigned done, failed;
};

static void on_read(void *ctx, enum rejoin_status status, const struct rejoin_read_state *state)
{
    struct filling *filling = ctx;
    filling->done++;
    filling->failed += status != REJOIN_OK || state->seq != 1;
}

static bool fill_room(struct rejoin *broker, uint32_t i, struct filling *filling)
{
    char room[32];
    snprintf(room, sizeof room, "room-%u", i);
    enum rejoin_status status =
        rejoin_publish(broker, &(struct rejoin_publish){.room = room, .data = "1"}, NULL, NULL);
    if (status == REJOIN_OK)
        status = rejoin_publish(broker, &(struct rejoin_publish){.room = room, .data = "2"}, NULL, NULL);
    if (status == REJOIN_OK)
        status = rejoin_flush(broker, PATIENCE_MS);
    if (status == REJOIN_OK)
        status = rejoin_read(broker, &(struct rejoin_read){.user = "reader", .room = room, .seq = 1}, on_read,
                             filling);
    return status == REJOIN_OK || fail(broker, room, status);
}

/* Two messages in each room, of which one is read. */
static bool fill(struct rejoin *broker, uint32_t rooms)
{
    struct filling filling = {0};
    uint64_t deadline_ms = rj_clock_mono_ms() + PATIENCE_MS;
    for (uint32_t i = 0; i < rooms; i++)
        if (!fill_room(broker, i, &filling))
            return false;
    while (filling.done < rooms && rj_clock_mono_ms() < deadline_ms)
        rejoin_run_once(broker, 100);
    return (filling.done == rooms && filling.failed == 0) || fail(broker, "reading", REJOIN_TIMEOUT);
}

/* ------------------------------------------------------------------------------------------- asking */

static bool is_right(const struct rejoin_unread *unread, uint32_t rooms)
{
    bool is_right = unread->count == rooms;
    for (size_t i = 0; i < unread->count; i++)
        is_right &= unread->rooms[i].unread == 1 && unread->rooms[i].seq == 1;
    return is_right;
}

static bool ask(struct rejoin *broker, struct question *question)
{
    struct rejoin_unread *unread;
    uint64_t from_us = rj_clock_mono_us();
    enum rejoin_status status = rejoin_unread_wait(broker, NULL, question->user, PATIENCE_MS, &unread);
    histogram_add(&question->took, rj_clock_mono_us() - from_us);
    if (status != REJOIN_OK)
        return fail(broker, "unread", status);
    bool is_good = is_right(unread, question->rooms);
    rejoin_unread_free(&unread);
    return is_good || fail(broker, "a wrong answer", REJOIN_INTERNAL);
}

static bool ask_in_turn(struct rejoin *broker, const struct procs *procs, struct question *question)
{
    struct cost from = cost_now(procs);
    for (int i = 0; i < ASKED_IN_TURN; i++)
        if (!ask(broker, question))
            return false;
    struct cost to = cost_now(procs), used = cost_between(&from, &to);
    cost_add(&question->cost, &used);
    return true;
}

static void report(struct report *r, const struct procs *procs, const struct question *many,
                   const struct question *none)
{
    double each =
        many->cost.procs_us[0] / (double)many->took.n - none->cost.procs_us[0] / (double)none->took.n;
    report_u64(r, "rooms", many->rooms);
    report_latency(r, "unread", &many->took);
    report_latency(r, "empty", &none->took);
    cost_report(r, "cpu_us_per_unread", procs, &many->cost, (double)many->took.n);
    cost_report(r, "cpu_us_per_empty", procs, &none->cost, (double)none->took.n);
    report_sample(r, "broker_us_per_unread", each);
    report_sample(r, "unread_p50_us", (double)histogram_at(&many->took, 0.5));
    report_sample(r, "empty_p50_us", (double)histogram_at(&none->took, 0.5));
    fprintf(stderr, "unread: %u rooms p50 %llu p99 %llu us, none p50 %llu us; the broker's CPU %.0f us\n",
            many->rooms, (unsigned long long)histogram_at(&many->took, 0.5),
            (unsigned long long)histogram_at(&many->took, 0.99),
            (unsigned long long)histogram_at(&none->took, 0.5), each);
}

static bool measure(struct bench *bench, struct rejoin *broker, const struct procs *procs)
{
    const struct bench_options *options = bench->options;
    struct question many = {.user = "reader", .rooms = options->rooms}, none = {.user = "nobody"};
    if (!fill(broker, options->rooms) || !ask(broker, &many))
        return false;
    many.took = (struct histogram){0};
    uint64_t end_us = rj_clock_mono_us() + (uint64_t)(options->seconds * 1e6);
    while (rj_clock_mono_us() < end_us)
        if (!ask_in_turn(broker, procs, &many) || !ask_in_turn(broker, procs, &none))
            return false;
    report(bench->report, procs, &many, &none);
    return true;
}

bool bench_unread(struct bench *bench)
{
    struct procs procs;
    struct rejoin *broker = NULL;
    bool is_good = procs_start(&procs, &bench->options->procs);
    if (is_good) {
        struct rejoin_options options = {.endpoint = procs.backends, .name = "bench"};
        enum rejoin_status status = rejoin_open(&options, &broker);
        is_good = status == REJOIN_OK && measure(bench, broker, &procs);
    }
    if (broker)
        rejoin_close(&broker);
    return procs_stop(&procs) && is_good;
}
