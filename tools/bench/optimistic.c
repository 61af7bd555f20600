/* An optimistic room beside a usual one, in the same run: --members in both rooms, one of them publishes to
 * each in turn at --rate a second. How late are the messages: as pending in the one, after the commit in the
 * other; and how late the publisher's acks, which come after the commit in both.
 *
 *   runs[]: optimistic, usual         delivery, ack: as report_latency
 *     pending_to_delivery_p50         of the pending messages' p50 to that of the usual ones
 *     confirmed                       how many of the pending messages were, by all members
 */
#include <stdio.h>

#include "proto/base/clock.h"
#include "tools/bench/bench.h"
#include "tools/bench/message.h"

enum { CONNECT_MS = 30000, SETTLE_MS = 10000, TURN_US = 2000, WARM_PUBLISHES = 50 };

static const char fast[] = "bench-fast", usual[] = "bench-usual";

/* One of the two rooms. */
struct side {
    const char *room;
    char prefix[64]; /* of its messages' packets */
    uint64_t published, acked, delivered, confirmed;
    struct histogram delivery, ack;
};

struct run {
    const struct bench_options *options;
    struct load load;
    struct side sides[2];
    uint32_t joined;
    uint64_t sent_us[2]; /* of the publish that is under way in each */
    uint64_t failed;
    bool is_measured;
};

static void side_init(struct side *side, const char *room)
{
    *side = (struct side){.room = room};
    snprintf(side->prefix, sizeof side->prefix, "2[\"room:message\",{\"room\":\"%s\",", room);
}

static bool has_prefix(struct rj_span text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

/* ------------------------------------------------------------------------------------------- what comes */

static void on_message(struct run *run, struct side *side, struct rj_span text)
{
    struct message_stamp stamp;
    bool is_pending = memmem(text.data, text.len, "\"pending\":true", strlen("\"pending\":true")) != NULL;
    run->failed += is_pending != (side->room == fast) || !message_stamp(text, &stamp);
    side->delivered++;
    if (run->is_measured && message_stamp(text, &stamp))
        histogram_add(&side->delivery, rj_clock_mono_us() - stamp.sent_us);
}

static void on_event(void *ctx, struct load_conn *conn, struct rj_span text)
{
    struct run *run = ctx;
    (void)conn;
    for (int i = 0; i < 2; i++)
        if (has_prefix(text, run->sides[i].prefix))
            on_message(run, &run->sides[i], text);
    run->sides[0].confirmed += has_prefix(text, "2[\"room:confirmed\",{\"room\":\"bench-fast\"");
    run->failed += has_prefix(text, "2[\"room:failed\"");
}

/* Joins are asked for under 0, publishes under 1 and 2: the room and one. */
static void on_ack(void *ctx, struct load_conn *conn, struct rj_span text)
{
    struct run *run = ctx;
    uint64_t id, seq;
    bool is_ok = message_ack(text, &id, &seq);
    (void)conn;
    run->failed += !is_ok;
    if (id == 0 || id > 2) {
        run->joined += is_ok;
        return;
    }
    struct side *side = &run->sides[id - 1];
    side->acked++;
    if (run->is_measured)
        histogram_add(&side->ack, rj_clock_mono_us() - run->sent_us[id - 1]);
}

/* ------------------------------------------------------------------------------------------- what goes */

static bool is_sound(const struct run *run)
{
    return load_is_sound(&run->load) && run->failed == 0;
}

static bool join_all(struct run *run)
{
    uint64_t end_ms = rj_clock_mono_ms() + SETTLE_MS;
    for (uint32_t i = 0; i < run->load.n; i++)
        for (int k = 0; k < 2; k++) {
            char text[64];
            snprintf(text, sizeof text, "420[\"room:join\",\"%s\"]", run->sides[k].room);
            load_send(&run->load.conns[i], rj_span_str(text));
        }
    while (run->joined < 2 * run->load.n && is_sound(run) && rj_clock_mono_ms() < end_ms)
        load_run(&run->load, TURN_US);
    return run->joined == 2 * run->load.n;
}

static void publish(struct run *run, unsigned which)
{
    struct rj_buf text = {0};
    struct message_stamp stamp = {.sent_us = rj_clock_mono_us()};
    run->sent_us[which] = stamp.sent_us;
    run->sides[which].published++;
    message_put_publish(&text, run->sides[which].room, which + 1, &stamp, run->options->size);
    load_send(&run->load.conns[0], rj_buf_span(&text));
    rj_buf_free(&text);
}

static bool is_settled(const struct run *run)
{
    bool is_settled = true;
    for (int i = 0; i < 2; i++) {
        const struct side *side = &run->sides[i];
        uint64_t due = side->published * run->load.n;
        is_settled &=
            side->acked == side->published && side->delivered >= due && (i == 1 || side->confirmed >= due);
    }
    return is_settled;
}

/* One publish after the other is answered and told to all, at the rate if that lets it: each has the machine
 * to itself, so that the two rooms differ in nothing but what is measured. */
static bool publish_one(struct run *run, unsigned which, uint64_t due_us)
{
    uint64_t end_ms = rj_clock_mono_ms() + SETTLE_MS;
    for (uint64_t now_us; (now_us = rj_clock_mono_us()) < due_us && is_sound(run);)
        load_run(&run->load, due_us - now_us);
    publish(run, which);
    while (!is_settled(run) && is_sound(run) && rj_clock_mono_ms() < end_ms)
        load_run(&run->load, TURN_US);
    return is_settled(run) && is_sound(run);
}

static bool measure(struct run *run)
{
    double every_us = 1e6 / (run->options->rate > 0 ? run->options->rate : 1e6);
    uint64_t from_us = rj_clock_mono_us(), end_us = UINT64_MAX, n = 0;
    for (; rj_clock_mono_us() < end_us; n++) {
        if (n == WARM_PUBLISHES) {
            run->is_measured = true;
            end_us = rj_clock_mono_us() + (uint64_t)(run->options->seconds * 1e6);
        }
        if (!publish_one(run, n % 2, from_us + (uint64_t)((double)n * every_us)))
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------------------------------- telling */

static void report_side(struct report *r, const char *key, const struct side *side)
{
    report_open(r, key, '{');
    report_u64(r, "publishes", side->published);
    report_latency(r, "delivery", &side->delivery);
    report_latency(r, "ack", &side->ack);
    report_close(r, '}');
}

static void report(struct bench *bench, const struct run *run)
{
    struct report *r = bench->report;
    const struct side *pending = &run->sides[0], *logged = &run->sides[1];
    double p50[2] = {(double)histogram_at(&pending->delivery, 0.5),
                     (double)histogram_at(&logged->delivery, 0.5)};
    report_side(r, "optimistic", pending);
    report_side(r, "usual", logged);
    report_u64(r, "confirmed", pending->confirmed);
    report_sample(r, "pending_p50_us", p50[0]);
    report_sample(r, "usual_p50_us", p50[1]);
    report_sample(r, "pending_to_usual_p50", p50[0] / p50[1]);
    fprintf(
        stderr,
        "optimistic: pending p50 %.0f p99 %llu us, usual p50 %.0f p99 %llu us; acks p50 %llu and %llu us\n",
        p50[0], (unsigned long long)histogram_at(&pending->delivery, 0.99), p50[1],
        (unsigned long long)histogram_at(&logged->delivery, 0.99),
        (unsigned long long)histogram_at(&pending->ack, 0.5),
        (unsigned long long)histogram_at(&logged->ack, 0.5));
}

bool bench_optimistic(struct bench *bench)
{
    struct procs_plan plan = bench->options->procs;
    struct run run = {.options = bench->options};
    struct procs procs;
    plan.broker_flag = "--optimistic-rooms";
    plan.broker_value = fast;
    side_init(&run.sides[0], fast);
    side_init(&run.sides[1], usual);
    bool is_good = procs_start(&procs, &plan);
    if (is_good) {
        const struct load_handler handler = {.ctx = &run, .event = on_event, .ack = on_ack};
        load_init(&run.load, bench->options->members, &handler);
        is_good = load_connect(&run.load, procs.targets, procs.n_targets, CONNECT_MS) && join_all(&run) &&
                  measure(&run);
        if (is_good)
            report(bench, &run);
        else
            fprintf(stderr, "rejoin-bench: a message was lost, refused, or shown in the wrong way\n");
        load_free(&run.load);
    }
    return procs_stop(&procs) && is_good;
}
