#include "tools/bench/publish_side.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/base/clock.h"

enum {
    TURN_US = 20000,
    STUCK_MS = 15000, /* without a single ack: none will come any more */
};

/* ------------------------------------------------------------------------------------------- publishing */

static uint32_t next_room(const struct publish_side *side)
{
    return side->is_filling ? (uint32_t)(side->sent % side->draws->n_rooms)
                            : store_draws_at(side->draws, side->sent);
}

void publish_room_name(uint32_t room, char out[PUBLISH_ROOM_SIZE])
{
    snprintf(out, PUBLISH_ROOM_SIZE, "room-%06u", room);
}

static bool send_publish(void *ctx, uint32_t publisher, uint64_t id, uint64_t stamp_us)
{
    struct publish_side *side = ctx;
    struct message_stamp stamp = {.sent_us = stamp_us};
    char room[PUBLISH_ROOM_SIZE];
    (void)publisher;
    (void)id;
    publish_room_name(next_room(side), room);
    if (!backend_publish(side->backend, room, &stamp, side->size))
        return false;
    side->sent++;
    return true;
}

static void on_ack(void *ctx, bool is_ok)
{
    struct publish_side *side = ctx;
    side->acked++;
    publishers_on_ack(&side->publishers, 0, side->publishers.list[0].acked + 1, is_ok);
}

static void wait_for(const struct backend *backend, uint64_t most_us)
{
    struct pollfd fd = {.fd = backend_fd(backend), .events = POLLIN};
    struct timespec timeout = {.tv_sec = (time_t)(most_us / 1000000),
                               .tv_nsec = (long)(most_us % 1000000) * 1000};
    ppoll(&fd, 1, &timeout, NULL);
}

/* One turn: what is due leaves, what has come is taken, and then there is nothing to do for a while. */
static void take_turn(struct publish_side *side, uint64_t most_us)
{
    uint64_t idle_us = publishers_turn(&side->publishers, most_us);
    backend_turn(side->backend);
    wait_for(side->backend, idle_us);
}

static void run_for(struct publish_side *side, double seconds)
{
    uint64_t end_us = rj_clock_mono_us() + (uint64_t)(seconds * 1e6), now_us;
    while ((now_us = rj_clock_mono_us()) < end_us && side->publishers.is_on && !load_is_interrupted())
        take_turn(side, end_us - now_us < TURN_US ? end_us - now_us : TURN_US);
}

/* Takes turns until `end` publishes of this run are acknowledged. False, told on stderr: they never will be.
 */
static bool await_acks(struct publish_side *side, uint64_t end)
{
    const struct publishers *publishers = &side->publishers;
    uint64_t end_ms = rj_clock_mono_ms() + STUCK_MS;
    while (publishers->acked < end) {
        uint64_t acked = publishers->acked;
        if (load_is_interrupted())
            return false;
        take_turn(side, TURN_US);
        if (publishers->acked > acked) {
            end_ms = rj_clock_mono_ms() + STUCK_MS;
        } else if (rj_clock_mono_ms() > end_ms || !procs_are_alive(&side->procs)) {
            fprintf(stderr, "rejoin-bench: the broker left %llu publishes without an answer\n",
                    (unsigned long long)(publishers->sent - publishers->acked));
            return false;
        }
    }
    return true;
}

/* Until all is acknowledged. */
static bool drain(struct publish_side *side)
{
    publishers_stop(&side->publishers);
    return await_acks(side, side->publishers.sent);
}

/* `most`: publishes at all; 0: until it is stopped. */
static void start(struct publish_side *side, double rate, uint64_t most)
{
    struct publishers_plan plan = {
        .n = 1, .window = side->window, .most = most, .rate = rate, .send = send_publish, .ctx = side};
    publishers_init(&side->publishers, &plan);
    publishers_start(&side->publishers);
}

/* Ends a run, which must be drained. False, told on stderr, when something was refused. */
static bool finish(struct publish_side *side)
{
    uint64_t failed = side->publishers.failed + side->publishers.strange;
    publishers_free(&side->publishers);
    side->failed += failed;
    if (failed)
        fprintf(stderr, "rejoin-bench: %llu publishes failed\n", (unsigned long long)failed);
    return failed == 0;
}

/* ------------------------------------------------------------------------------------------- a broker */

bool publish_side_open(struct publish_side *side, const struct procs_plan *plan,
                       const struct store_draws *draws, uint32_t size, uint32_t window)
{
    *side = (struct publish_side){.plan = *plan, .draws = draws, .size = size, .window = window};
    if (!procs_start(&side->procs, &side->plan))
        return false;
    side->backend = backend_open(side->procs.backends, on_ack, side);
    return side->backend;
}

void publish_side_disconnect(struct publish_side *side)
{
    backend_close(side->backend);
    side->backend = NULL;
}

bool publish_side_close(struct publish_side *side)
{
    publish_side_disconnect(side);
    return procs_stop(&side->procs);
}

bool publish_side_fill(struct publish_side *side, uint64_t n)
{
    side->is_filling = true;
    start(side, 0, n);
    bool is_good = await_acks(side, n) && drain(side);
    is_good &= finish(side);
    side->is_filling = false;
    return is_good;
}

double publish_side_metric(const struct publish_side *side, const char *name)
{
    return backend_metric(side->procs.backends, name);
}

static void add_slice(struct publish_sums *sums, uint64_t acked, double wall_us, const struct histogram *ack)
{
    sums->acked += acked;
    spread_add(&sums->rate, (double)acked * 1e6 / wall_us);
    spread_add(&sums->p50_us, (double)histogram_at(ack, 0.50));
    spread_add(&sums->p99_us, (double)histogram_at(ack, 0.99));
    histogram_merge(&sums->ack, ack);
}

bool publish_side_run(struct publish_side *side, const struct publish_slice *slice)
{
    static const char commits[] = "rejoin_store_commits_total";
    double commits_before = publish_side_metric(side, commits), acked_before = (double)side->acked;
    start(side, slice->rate, 0);
    run_for(side, slice->warm_s);
    side->publishers.is_measured = true;
    uint64_t acked = side->acked;
    struct cost from = cost_now(&side->procs);
    run_for(side, slice->seconds);
    struct cost to = cost_now(&side->procs), cost = cost_between(&from, &to);
    acked = side->acked - acked;
    if (slice->rate == 0)
        side->publishers.is_measured = false; /* the last ones travel without a crowd behind them */
    bool is_on = side->publishers.is_on && !load_is_interrupted();
    bool is_drained = drain(side);
    struct histogram ack = side->publishers.ack;
    if (!finish(side) || !is_drained || !is_on)
        return false;
    double n_commits = publish_side_metric(side, commits) - commits_before;
    if (commits_before >= 0 && n_commits > 0)
        spread_add(&side->sums.a_commit, ((double)side->acked - acked_before) / n_commits);
    add_slice(&side->sums, acked, cost.at_us, &ack);
    cost_add(&side->sums.cost, &cost);
    return true;
}

/* ------------------------------------------------------------------------------------------- the floor */

static void sleep_until_us(uint64_t at_us)
{
    uint64_t now_us = rj_clock_mono_us();
    if (at_us <= now_us)
        return;
    uint64_t left_us = at_us - now_us;
    struct timespec left = {.tv_sec = (time_t)(left_us / 1000000),
                            .tv_nsec = (long)(left_us % 1000000) * 1000};
    nanosleep(&left, NULL);
}

/* How many messages have fallen due since the start. */
static uint64_t due_at(uint64_t start_us, double rate, uint64_t now_us)
{
    return (uint64_t)((double)(now_us - start_us) * rate / 1e6) + 1;
}

/* Those that are due since `written`, in one write; at least one is waited for. Returns how many, 0: failed.
 */
static uint64_t write_due(struct store_floor *bare, double rate, size_t record, uint64_t start_us,
                          uint64_t written, struct histogram *ack)
{
    uint64_t first_us = start_us + (uint64_t)((double)written * 1e6 / rate);
    sleep_until_us(first_us);
    uint64_t n = due_at(start_us, rate, rj_clock_mono_us()) - written, most = bare->most / record;
    n = n < 1 ? 1 : n > most ? most : n;
    if (!store_floor_write(bare, n * record))
        return 0;
    uint64_t now_us = rj_clock_mono_us();
    for (uint64_t i = 0; i < n; i++)
        histogram_add(ack, now_us - (start_us + (uint64_t)((double)(written + i) * 1e6 / rate)));
    return n;
}

static uint64_t write_batch(struct store_floor *bare, size_t record, uint64_t batch, struct histogram *ack)
{
    uint64_t from_us = rj_clock_mono_us();
    if (!store_floor_write(bare, batch * record))
        return 0;
    histogram_add(ack, rj_clock_mono_us() - from_us);
    return batch;
}

bool publish_floor_run(struct store_floor *bare, const struct publish_slice *slice, size_t record,
                       uint32_t batch, struct publish_sums *sums)
{
    struct histogram ack = {0};
    uint64_t start_us = rj_clock_mono_us(), length_us = (uint64_t)(slice->seconds * 1e6), written = 0;
    uint64_t most = bare->most / record;
    while (rj_clock_mono_us() - start_us < length_us) {
        uint64_t n = slice->rate > 0 ? write_due(bare, slice->rate, record, start_us, written, &ack)
                                     : write_batch(bare, record, batch < most ? batch : most, &ack);
        if (n == 0 || load_is_interrupted())
            return false;
        written += n;
    }
    add_slice(sums, written, (double)(rj_clock_mono_us() - start_us), &ack);
    return true;
}
