#include "tools/bench/returners.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "proto/base/random.h"
#include "tools/bench/bench.h"
#include "tools/bench/message.h"

enum {
    CONNECT_MS = 120000,
    JOIN_MS = 60000,
    DRAIN_MS = 60000,
    LINGER_MS = 300, /* after the last message that was due, for one that is too many */
    TURN_US = 20000,
    WINDOW = 8000, /* below what librejoin keeps unanswered */
};

uint64_t returners_delay_us(uint32_t attempt, double chance)
{
    const double first_us = 1e6, most_us = 5e6;
    double delay_us = attempt < 8 ? first_us * (double)(1U << attempt) : most_us;
    if (delay_us > most_us)
        delay_us = most_us;
    return (uint64_t)(delay_us * (0.5 + chance));
}

/* ------------------------------------------------------------------------------------------- leaving */

static void schedule_try(struct returners *returners, uint32_t index, uint64_t now_us, uint64_t delay_us)
{
    returners->list[index].state = RETURNER_AWAY;
    schedule_set(&returners->schedule, index, now_us + delay_us);
}

static uint64_t backoff_us(struct returner *who)
{
    double chance = (double)(rj_random_u64() >> 11) / (double)(1ULL << 53);
    return returners_delay_us(who->attempts++, chance);
}

static void leave(struct returners *returners, uint32_t index, uint64_t now_us)
{
    struct returner *who = &returners->list[index];
    if (who->state != RETURNER_HERE)
        return;
    returners->n_here--;
    returners->n_behind -= who->is_behind;
    returners->lost++;
    if (!who->is_behind) /* else it has been coming back ever since */
        who->lost_us = now_us;
    who->is_behind = false;
    who->attempts = 0;
    who->began_us = 0;
}

static void on_closed(void *ctx, struct load_conn *conn)
{
    struct returners *returners = ctx;
    uint64_t now_us = rj_clock_mono_us();
    leave(returners, conn->index, now_us);
    schedule_try(returners, conn->index, now_us, backoff_us(&returners->list[conn->index]));
}

static void cut(struct returners *returners, uint32_t index, uint64_t now_us)
{
    leave(returners, index, now_us);
    load_cut(&returners->load.conns[index]);
    schedule_try(returners, index, now_us, returners->plan.cut_for_us);
}

/* ------------------------------------------------------------------------------------------- coming */

/* Where the next try goes: from gateway to gateway, past those that are shut. */
static const struct load_target *next_target(const struct returners *returners, uint32_t index)
{
    const struct procs *procs = returners->procs;
    const struct load_target *last = returners->load.conns[index].target;
    unsigned at = last ? (unsigned)(last - procs->targets) + 1 : index;
    for (unsigned i = 0; i < procs->n_targets; i++, at++)
        if (!returners->is_shut[at % procs->n_targets])
            break;
    return &procs->targets[at % procs->n_targets];
}

static uint64_t acknowledged_seq(const struct returners *returners, uint32_t index)
{
    return returners->members.list[index].base +
           returners->stored[members_room_of(&returners->members, index)];
}

static void try_to_come(struct returners *returners, uint32_t index, uint64_t now_us)
{
    struct returner *who = &returners->list[index];
    if (who->began_us == 0) {
        who->began_us = now_us;
        who->wanted = acknowledged_seq(returners, index);
    }
    who->state = RETURNER_COMING;
    returners->tries++;
    load_dial(&returners->load.conns[index], next_target(returners, index));
}

static void note_caught_up(struct returners *returners, const struct returner *who, uint64_t now_us)
{
    if (!returners->is_counted)
        return;
    histogram_add(&returners->caught_up, now_us - who->began_us);
    histogram_add(&returners->absent, now_us - who->lost_us);
}

static void on_opening(void *ctx, const struct load_conn *conn, struct rj_buf *auth)
{
    const struct returners *returners = ctx;
    const struct returner *who = &returners->list[conn->index];
    if (who->pid[0] && who->offset[0])
        rj_buf_printf(auth, "{\"pid\":\"%s\",\"offset\":\"%s\"}", who->pid, who->offset);
    else if (who->pid[0])
        rj_buf_printf(auth, "{\"pid\":\"%s\"}", who->pid);
}

static void keep(char *out, size_t size, struct rj_span text)
{
    snprintf(out, size, "%.*s", (int)text.len, (const char *)text.data);
}

static void come_back(struct returners *returners, uint32_t index, uint64_t now_us, bool is_recovered)
{
    struct returner *who = &returners->list[index];
    returners->unrecovered += !is_recovered;
    who->is_behind = is_recovered && returners->members.list[index].seq < who->wanted;
    returners->n_behind += who->is_behind;
    if (returners->is_counted) {
        histogram_add(&returners->connected, now_us - who->began_us);
        timeline_add(&returners->returned, now_us);
    }
    if (!who->is_behind)
        note_caught_up(returners, who, now_us);
    if (returners->plan.cut_every_us)
        schedule_set(&returners->schedule, index,
                     now_us + returners->plan.cut_every_us - returners->plan.cut_for_us);
}

/* As the stock client: it is recovered when the answer has its own pid. */
static void on_connected(void *ctx, const struct load_conn *conn, struct rj_span text)
{
    struct returners *returners = ctx;
    struct returner *who = &returners->list[conn->index];
    struct rj_span pid = message_quoted(text, "\"pid\":\"");
    bool is_first = who->pid[0] == '\0';
    bool is_recovered = pid.len == strlen(who->pid) && memcmp(pid.data, who->pid, pid.len) == 0;
    keep(who->pid, sizeof who->pid, pid);
    who->state = RETURNER_HERE;
    returners->n_here++;
    if (!is_first)
        come_back(returners, conn->index, rj_clock_mono_us(), is_recovered);
}

/* ------------------------------------------------------------------------------------------- messages */

static void on_event(void *ctx, struct load_conn *conn, struct rj_span text)
{
    struct returners *returners = ctx;
    struct returner *who = &returners->list[conn->index];
    if (!members_take(&returners->members, conn, text))
        return;
    keep(who->offset, sizeof who->offset, message_last_string(text));
    if (!who->is_behind || returners->members.list[conn->index].seq < who->wanted)
        return;
    who->is_behind = false;
    returners->n_behind--;
    note_caught_up(returners, who, rj_clock_mono_us());
}

static void on_ack(void *ctx, struct load_conn *conn, struct rj_span text)
{
    struct returners *returners = ctx;
    uint64_t id, seq;
    bool is_ok = message_ack(text, &id, &seq);
    if (id == 0)
        members_on_join(&returners->members, conn, is_ok, seq);
}

static uint32_t n_rooms(const struct returners *returners)
{
    return members_room_of(&returners->members, returners->plan.n - 1) + 1;
}

/* Publish `id` goes to the rooms in turn, and so come the acks. */
static uint32_t room_of_publish(const struct returners *returners, uint64_t id)
{
    return (uint32_t)((id - 1) % n_rooms(returners));
}

static bool send_publish(void *ctx, uint32_t publisher, uint64_t id, uint64_t stamp_us)
{
    struct returners *returners = ctx;
    char room[MEMBERS_ROOM_SIZE];
    struct message_stamp stamp = {.sent_us = stamp_us, .sender = publisher};
    members_room_name(&returners->members, room_of_publish(returners, id), room);
    return backend_publish(returners->backend, room, &stamp, returners->plan.size);
}

static void on_published(void *ctx, bool is_ok)
{
    struct returners *returners = ctx;
    uint64_t id = returners->publishers.acked + 1;
    returners->stored[room_of_publish(returners, id)] += is_ok;
    publishers_on_ack(&returners->publishers, 0, id, is_ok);
}

static void on_backend_wake(void *ctx)
{
    struct returners *returners = ctx;
    backend_turn(returners->backend);
}

/* ------------------------------------------------------------------------------------------- the turn */

static void do_what_is_due(struct returners *returners)
{
    uint64_t now_us = rj_clock_mono_us();
    uint32_t index;
    while (schedule_take(&returners->schedule, now_us, &index)) {
        if (returners->list[index].state == RETURNER_AWAY)
            try_to_come(returners, index, now_us);
        else if (returners->list[index].state == RETURNER_HERE && returners->publishers.is_on)
            cut(returners, index, now_us);
    }
}

static uint64_t until_due(const struct returners *returners, uint64_t most_us)
{
    uint64_t now_us = rj_clock_mono_us(), first_us = schedule_first(&returners->schedule);
    uint64_t wait_us = first_us > now_us ? first_us - now_us : 0;
    return wait_us < most_us ? wait_us : most_us;
}

bool returners_turn(struct returners *returners, uint64_t most_us)
{
    do_what_is_due(returners);
    load_run(&returners->load, publishers_turn(&returners->publishers, until_due(returners, most_us)));
    return load_is_sound(&returners->load);
}

bool returners_run(struct returners *returners, double seconds)
{
    uint64_t end_us = rj_clock_mono_us() + (uint64_t)(seconds * 1e6);
    while (rj_clock_mono_us() < end_us)
        if (!returners_turn(returners, TURN_US))
            return false;
    return true;
}

bool returners_are_back(const struct returners *returners)
{
    return returners->n_here == returners->plan.n && returners->n_behind == 0;
}

bool returners_wait(struct returners *returners, uint64_t most_ms)
{
    uint64_t end_ms = rj_clock_mono_ms() + most_ms;
    while (!returners_are_back(returners))
        if (!returners_turn(returners, TURN_US) || rj_clock_mono_ms() > end_ms) {
            fprintf(stderr, "rejoin-bench: %u of %u clients are back, %u of them behind\n", returners->n_here,
                    returners->plan.n, returners->n_behind);
            return false;
        }
    return true;
}

/* ------------------------------------------------------------------------------------------- the run */

static bool join_all(struct returners *returners)
{
    uint64_t end_ms = rj_clock_mono_ms() + JOIN_MS;
    members_join(&returners->members, &returners->load);
    while (returners->members.joined < returners->plan.n)
        if (!returners_turn(returners, TURN_US) || rj_clock_mono_ms() > end_ms) {
            fprintf(stderr, "rejoin-bench: %u of %u clients have joined\n", returners->members.joined,
                    returners->plan.n);
            return false;
        }
    return true;
}

struct returners_plan returners_plan_of(const struct bench_options *options)
{
    return (struct returners_plan){
        .n = options->connections,
        .n_a_room = options->members,
        .rate = (double)options->per_client * options->connections / options->members,
        .size = options->size,
    };
}

bool returners_open(struct returners *returners, const struct returners_plan *plan, const struct procs *procs)
{
    struct load_handler handler = {.ctx = returners,
                                   .opening = on_opening,
                                   .connected = on_connected,
                                   .event = on_event,
                                   .ack = on_ack,
                                   .closed = on_closed};
    struct publishers_plan publishers = {
        .n = 1, .window = WINDOW, .rate = plan->rate, .send = send_publish, .ctx = returners};
    *returners = (struct returners){.plan = *plan, .procs = procs};
    load_init(&returners->load, plan->n, &handler);
    if (plan->at_once)
        returners->load.at_once = plan->at_once;
    members_init(&returners->members, plan->n, plan->n_a_room);
    publishers_init(&returners->publishers, &publishers);
    schedule_init(&returners->schedule, plan->n);
    returners->list = rj_calloc(plan->n, sizeof *returners->list);
    for (uint32_t i = 0; i < plan->n; i++)
        returners->list[i].state = RETURNER_COMING;
    returners->stored = rj_calloc(n_rooms(returners), sizeof *returners->stored);
    if (plan->rate > 0) {
        returners->backend = backend_open(procs->backends, on_published, returners);
        if (!returners->backend)
            return false;
        load_watch(&returners->load, backend_fd(returners->backend), on_backend_wake, returners);
    }
    return load_connect(&returners->load, procs->targets, procs->n_targets, CONNECT_MS) &&
           join_all(returners);
}

void returners_close(struct returners *returners)
{
    publishers_stop(&returners->publishers);
    backend_close(returners->backend);
    load_free(&returners->load);
    members_free(&returners->members);
    publishers_free(&returners->publishers);
    schedule_free(&returners->schedule);
    free(returners->list);
    free(returners->stored);
}

/* The first cuts are spread evenly over one round. */
void returners_start(struct returners *returners)
{
    uint64_t now_us = rj_clock_mono_us(), round_us = returners->plan.cut_every_us;
    for (uint32_t i = 0; round_us && i < returners->plan.n; i++)
        schedule_set(&returners->schedule, i, now_us + round_us * i / returners->plan.n);
    if (returners->backend)
        publishers_start(&returners->publishers);
}

static uint64_t missing(const struct returners *returners)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < returners->plan.n; i++)
        sum += members_missing(&returners->members, i,
                               returners->stored[members_room_of(&returners->members, i)]);
    return sum;
}

bool returners_drain(struct returners *returners)
{
    const struct publishers *publishers = &returners->publishers;
    uint64_t end_ms = rj_clock_mono_ms() + DRAIN_MS;
    publishers_stop(&returners->publishers);
    bool is_good = returners_wait(returners, DRAIN_MS);
    while (is_good && (publishers->acked < publishers->sent || missing(returners)) &&
           rj_clock_mono_ms() < end_ms)
        is_good = returners_turn(returners, TURN_US);
    return is_good && returners_run(returners, LINGER_MS / 1e3);
}

/* ------------------------------------------------------------------------------------------- the outcome */

uint64_t returners_missed(const struct returners *returners)
{
    return returners->members.missed + missing(returners);
}

bool returners_are_good(const struct returners *returners)
{
    const struct publishers *publishers = &returners->publishers;
    return returners_missed(returners) == 0 && returners->members.doubled == 0 &&
           returners->members.strange == 0 && returners->unrecovered == 0 && publishers->failed == 0 &&
           publishers->strange == 0 && publishers->acked == publishers->sent && returners_are_back(returners);
}

void returners_report(const struct returners *returners, struct report *r)
{
    const struct publishers *publishers = &returners->publishers;
    double expected = (double)publishers->acked * returners->plan.n_a_room;
    report_number(r, "publishes", (double)publishers->acked);
    report_number(r, "deliveries", (double)returners->members.deliveries);
    report_number(r, "delivered_share", expected > 0 ? (double)returners->members.deliveries / expected : 1);
    report_u64(r, "missed", returners_missed(returners));
    report_u64(r, "doubled", returners->members.doubled);
    report_u64(r, "of_another_room", returners->members.strange);
    report_u64(r, "failed_publishes", publishers->failed);
    report_u64(r, "unanswered_publishes", publishers->sent - publishers->acked);
    report_u64(r, "connections_lost", returners->lost);
    report_u64(r, "tries", returners->tries);
    report_u64(r, "unrecovered", returners->unrecovered);
    report_latency(r, "connected", &returners->connected);
    report_latency(r, "caught_up", &returners->caught_up);
    report_latency(r, "absent", &returners->absent);
    report_number(r, "returns_a_second_at_most", (double)timeline_peak(&returners->returned));
    report_number(r, "middle_90_percent_returned_within_s", timeline_width(&returners->returned, 0.9));
}
