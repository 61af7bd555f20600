#include "tools/bench/traffic.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"

enum {
    CONNECT_MS = 60000,
    JOIN_MS = 60000,
    STUCK_MS = 30000, /* without anything: nothing will come any more */
    LINGER_MS = 100,  /* after the last message that was due, for one that is too many */
    TURN_US = 20000,
};

/* ------------------------------------------------------------------------------------------- what comes */

static void on_event(void *ctx, struct load_conn *conn, struct rj_span text)
{
    struct traffic *traffic = ctx;
    struct message_stamp stamp;
    if (!members_take(&traffic->members, conn, text) || !traffic->is_measured ||
        conn->index % traffic->plan.sample_every != 0)
        return;
    if (message_stamp(text, &stamp) && !(traffic->plan.are_own_skipped && stamp.sender == conn->index))
        histogram_add(&traffic->delivery, rj_clock_mono_us() - stamp.sent_us);
}

static void on_ack(void *ctx, struct load_conn *conn, struct rj_span text)
{
    struct traffic *traffic = ctx;
    uint64_t id, seq;
    bool is_ok = message_ack(text, &id, &seq);
    if (id == 0) {
        members_on_join(&traffic->members, conn, is_ok, seq);
        return;
    }
    traffic->stored[members_room_of(&traffic->members, conn->index)] += is_ok;
    traffic->ack_bytes += text.len;
    publishers_on_ack(&traffic->publishers, conn->index, id, is_ok);
}

static void on_backend_ack(void *ctx, bool is_ok)
{
    struct traffic *traffic = ctx;
    traffic->stored[0] += is_ok;
    publishers_on_ack(&traffic->publishers, 0, traffic->publishers.list[0].acked + 1, is_ok);
}

static void on_backend_wake(void *ctx)
{
    struct traffic *traffic = ctx;
    backend_turn(traffic->backend);
}

/* ------------------------------------------------------------------------------------------- what goes */

static bool send_publish(void *ctx, uint32_t publisher, uint64_t id, uint64_t stamp_us)
{
    struct traffic *traffic = ctx;
    char room[MEMBERS_ROOM_SIZE];
    struct message_stamp stamp = {.sent_us = stamp_us, .sender = publisher};
    members_room_name(&traffic->members, members_room_of(&traffic->members, publisher), room);
    rj_buf_clear(&traffic->text);
    message_put_publish(&traffic->text, room, id, &stamp, traffic->plan.size);
    load_send(&traffic->load.conns[publisher], rj_buf_span(&traffic->text));
    return true;
}

static bool send_backend_publish(void *ctx, uint32_t publisher, uint64_t id, uint64_t stamp_us)
{
    struct traffic *traffic = ctx;
    char room[MEMBERS_ROOM_SIZE];
    struct message_stamp stamp = {.sent_us = stamp_us, .sender = traffic->plan.members + publisher};
    (void)id;
    members_room_name(&traffic->members, 0, room);
    return backend_publish(traffic->backend, room, &stamp, traffic->plan.size);
}

/* ------------------------------------------------------------------------------------------- the run */

static bool join_all(struct traffic *traffic)
{
    uint64_t end_ms = rj_clock_mono_ms() + JOIN_MS;
    members_join(&traffic->members, &traffic->load);
    while (traffic->members.joined < traffic->plan.members) {
        load_run(&traffic->load, TURN_US);
        if (!load_is_sound(&traffic->load) || rj_clock_mono_ms() > end_ms) {
            fprintf(stderr, "rejoin-bench: %u of %u members have joined\n", traffic->members.joined,
                    traffic->plan.members);
            return false;
        }
    }
    return true;
}

bool traffic_open(struct traffic *traffic, const struct traffic_plan *plan, const struct procs *procs)
{
    struct load_handler handler = {.ctx = traffic, .event = on_event, .ack = on_ack};
    struct publishers_plan publishers = {.n = plan->is_backend ? 1 : plan->publishers,
                                         .window = plan->window,
                                         .most_undelivered = plan->most_undelivered,
                                         .rate = plan->rate,
                                         .send = plan->is_backend ? send_backend_publish : send_publish,
                                         .ctx = traffic};
    *traffic = (struct traffic){.plan = *plan};
    load_init(&traffic->load, plan->members, &handler);
    traffic->load.n_narrow = plan->n_narrow;
    members_init(&traffic->members, plan->members, plan->members_a_room);
    publishers_init(&traffic->publishers, &publishers);
    traffic->stored = rj_calloc(plan->members, sizeof *traffic->stored);
    if (plan->is_backend) {
        traffic->backend = backend_open(procs->backends, on_backend_ack, traffic);
        if (!traffic->backend)
            return false;
        load_watch(&traffic->load, backend_fd(traffic->backend), on_backend_wake, traffic);
    }
    return load_connect(&traffic->load, procs->targets, procs->n_targets, CONNECT_MS) && join_all(traffic);
}

void traffic_close(struct traffic *traffic)
{
    publishers_stop(&traffic->publishers);
    backend_close(traffic->backend);
    load_free(&traffic->load);
    members_free(&traffic->members);
    publishers_free(&traffic->publishers);
    rj_buf_free(&traffic->text);
    free(traffic->stored);
}

void traffic_start(struct traffic *traffic)
{
    publishers_start(&traffic->publishers);
}

void traffic_run(struct traffic *traffic, double seconds)
{
    uint64_t end_us = rj_clock_mono_us() + (uint64_t)(seconds * 1e6);
    while (rj_clock_mono_us() < end_us && load_is_sound(&traffic->load)) {
        traffic->publishers.delivered = traffic->members.deliveries / traffic->plan.members_a_room;
        load_run(&traffic->load, publishers_turn(&traffic->publishers, TURN_US));
    }
}

void traffic_take(struct traffic *traffic, struct histogram *ack, struct histogram *delivery)
{
    *ack = traffic->publishers.ack;
    *delivery = traffic->delivery;
    traffic->publishers.ack = traffic->delivery = (struct histogram){0};
}

struct traffic_result traffic_measure(struct traffic *traffic, const struct procs *procs, double warm_s,
                                      double seconds)
{
    traffic_start(traffic);
    traffic_run(traffic, warm_s);
    traffic->is_measured = traffic->publishers.is_measured = true;
    uint64_t deliveries = traffic->members.deliveries, acked = traffic->publishers.acked;
    struct cost from = cost_now(procs);
    traffic_run(traffic, seconds);
    struct cost to = cost_now(procs);
    traffic->is_measured = traffic->publishers.is_measured = false;
    struct traffic_result result = {.cost = cost_between(&from, &to),
                                    .deliveries = (double)(traffic->members.deliveries - deliveries),
                                    .publishes = (double)(traffic->publishers.acked - acked)};
    result.wall_s = result.cost.at_us / 1e6;
    return result;
}

/* What has been acknowledged and is still on its way to a member. */
static uint64_t missing(const struct traffic *traffic)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < traffic->plan.members; i++)
        sum += members_missing(&traffic->members, i, traffic->stored[members_room_of(&traffic->members, i)]);
    return sum;
}

static void run_until_ms(struct traffic *traffic, uint64_t end_ms)
{
    while (rj_clock_mono_ms() < end_ms && load_is_sound(&traffic->load))
        load_run(&traffic->load, TURN_US);
}

void traffic_drain(struct traffic *traffic)
{
    const struct publishers *publishers = &traffic->publishers;
    uint64_t end_ms = rj_clock_mono_ms() + STUCK_MS;
    publishers_stop(&traffic->publishers);
    while ((publishers->acked < publishers->sent || missing(traffic)) && rj_clock_mono_ms() < end_ms &&
           load_is_sound(&traffic->load)) {
        uint64_t had = publishers->acked + traffic->members.deliveries;
        load_run(&traffic->load, TURN_US);
        if (publishers->acked + traffic->members.deliveries > had)
            end_ms = rj_clock_mono_ms() + STUCK_MS;
    }
    run_until_ms(traffic, rj_clock_mono_ms() + LINGER_MS);
}

/* ------------------------------------------------------------------------------------------- the outcome */

uint64_t traffic_missed(const struct traffic *traffic)
{
    return traffic->members.missed + missing(traffic);
}

static uint64_t unanswered(const struct traffic *traffic)
{
    return traffic->publishers.sent - traffic->publishers.acked;
}

bool traffic_is_good(const struct traffic *traffic)
{
    return traffic_missed(traffic) == 0 && traffic->members.doubled == 0 && traffic->members.strange == 0 &&
           traffic->publishers.failed == 0 && traffic->publishers.strange == 0 && unanswered(traffic) == 0 &&
           load_is_sound(&traffic->load);
}

size_t traffic_delivery_bytes(const struct traffic *traffic)
{
    const struct members *members = &traffic->members;
    return members->deliveries ? load_frame_bytes(members->bytes / members->deliveries) : 0;
}

size_t traffic_ack_bytes(const struct traffic *traffic)
{
    const struct publishers *publishers = &traffic->publishers;
    return publishers->acked ? load_frame_bytes(traffic->ack_bytes / publishers->acked) : 0;
}

void traffic_report(const struct traffic *traffic, const struct traffic_result *result,
                    const struct procs *procs, struct report *r)
{
    cost_report(r, "cpu_us_per_delivery", procs, &result->cost, result->deliveries);
    report_latency(r, "publish_to_delivery", &traffic->delivery);
    if (traffic->publishers.plan.n) {
        cost_report(r, "cpu_us_per_publish", procs, &result->cost, result->publishes);
        report_latency(r, "publish_to_ack", &traffic->publishers.ack);
    }
}

void traffic_report_faults(const struct traffic *traffic, struct report *r)
{
    report_u64(r, "missed", traffic_missed(traffic));
    report_u64(r, "doubled", traffic->members.doubled);
    report_u64(r, "of_another_room", traffic->members.strange);
    report_u64(r, "failed_publishes", traffic->publishers.failed);
    report_u64(r, "unanswered_publishes", unanswered(traffic));
    report_u64(r, "strange_acks", traffic->publishers.strange);
    report_u64(r, "lost_connections", traffic->load.n_closed);
}
