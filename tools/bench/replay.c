/* A broker that was just started, with nothing of its log in memory, and many sessions that come back at once
 * and have missed a lot, while others chat on. What is asked: does the live traffic notice, how long until
 * all have caught up, and does everybody get everything once?
 *
 *   1  sessions connect, join their rooms, get a message in each, and lose their connections
 *   2  a backend publishes --messages to all rooms, of which theirs are a part
 *   3  the broker is stopped, its files are dropped from memory (unless --cache warm), and it is started
 * again; the gateways stay 4  a backend publishes at --rate to a room of --members, who sit on a gateway of
 * their own: `before` 5  all sessions come back at once: `during`, until the last one has got its last
 * message; then `after`
 *
 * The sessions' end runs in a thread of its own, so that what it has to read does not delay the clocks of the
 * live traffic.
 *
 *   runs[]: missed_a_session, resident_share_before (of the log's files, when the sessions come back),
 *     live.before|during|after       ack, delivery, seconds
 *     sessions                       connected, caught_up: latencies since they all began to come back;
 *                                    messages_per_s; missed, doubled, skipped, strange, unrecovered
 *     cpu_us_per_message             during: of each process
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "tools/bench/bench.h"
#include "tools/bench/page_cache.h"
#include "tools/bench/publish_side.h"
#include "tools/bench/replay_sessions.h"
#include "tools/bench/traffic.h"

enum {
    CONNECT_MS = 60000,
    SETTLE_MS = 60000,    /* for joins, and for the messages that are live */
    CATCH_UP_MS = 180000, /* for all that was missed */
    LINGER_MS = 300,      /* after the last message that was due, for one that is too many */
    TURN_US = 20000,
    FILL_WINDOW = 5000,
    LIVE_WINDOW = 1000,
    DEDUPE_MS =
        1000, /* the broker's window: at its start it reads what the window spans, which is to be cold */
    LIVE_SIZE = 100,
};

static const double warm_s = 1, after_s = 2;

/* The sessions' end while they come back. */
struct storm {
    struct sessions *sessions;
    const struct procs *procs;
    pthread_t thread;
    atomic_bool is_over;
    bool is_good;
};

struct live_part {
    const char *key;
    struct histogram ack, delivery;
    double seconds;
};

struct replay {
    struct bench *bench;
    struct store_draws draws;
    struct publish_side side; /* all the processes, and the backend that fills the log */
    struct sessions sessions;
    struct traffic live;
    struct live_part before, during, after;
    struct cost cost; /* during */
    double resident;
    uint64_t a_room; /* messages that each room gets while they are away */
};

/* ------------------------------------------------------------------------------------------- sessions */

/* With a gateway to spare the last one belongs to the live traffic. */
static unsigned n_session_targets(const struct procs *procs)
{
    return procs->n_targets > 1 ? procs->n_targets - 1 : 1;
}

/* False, told on stderr, when it takes too long, or somebody who is needed has gone. */
static bool run_until(struct load *load, const struct sessions *sessions,
                      bool (*is_done)(const struct sessions *sessions), unsigned most_ms,
                      const struct procs *procs)
{
    uint64_t end_ms = rj_clock_mono_ms() + most_ms;
    while (!is_done(sessions)) {
        uint64_t messages = sessions->messages;
        load_run(load, TURN_US);
        if (sessions->messages > messages)
            continue;
        if (!load_is_sound(load) || rj_clock_mono_ms() > end_ms || !procs_are_alive(procs)) {
            fprintf(stderr, "rejoin-bench: of %u sessions %u have got all they should\n", sessions->n,
                    sessions->n_caught_up);
            return false;
        }
    }
    return true;
}

/* They connect, join, and get one message in each room: all but the publishing of it. */
static bool enter(struct replay *replay, struct load *load)
{
    struct sessions *sessions = &replay->sessions;
    const struct procs *procs = &replay->side.procs;
    if (!load_connect(load, procs->targets, n_session_targets(procs), CONNECT_MS))
        return false;
    sessions_join(sessions, load);
    if (!run_until(load, sessions, sessions_have_joined, SETTLE_MS, procs))
        return false;
    sessions_expect(sessions, 1);
    return publish_side_fill(&replay->side, replay->draws.n_rooms) &&
           run_until(load, sessions, sessions_are_caught_up, SETTLE_MS, procs);
}

/* Their connections are closed without a word. */
static bool come_and_go(struct replay *replay)
{
    struct load load;
    struct load_handler handler = sessions_handler(&replay->sessions);
    load_init(&load, replay->sessions.n, &handler);
    bool is_good = enter(replay, &load);
    load_free(&load);
    return is_good;
}

static void *storm_thread(void *arg)
{
    struct storm *storm = arg;
    struct load load;
    struct load_handler handler = sessions_handler(storm->sessions);
    load_init(&load, storm->sessions->n, &handler);
    load.at_once = storm->sessions->n;
    sessions_come_back(storm->sessions);
    storm->is_good =
        load_connect(&load, storm->procs->targets, n_session_targets(storm->procs), CONNECT_MS) &&
        run_until(&load, storm->sessions, sessions_are_caught_up, CATCH_UP_MS, storm->procs);
    atomic_store(&storm->is_over, true);
    for (uint64_t end_ms = rj_clock_mono_ms() + LINGER_MS; rj_clock_mono_ms() < end_ms;)
        load_run(&load, TURN_US);
    storm->is_good &= load_is_sound(&load);
    load_free(&load);
    return NULL;
}

/* ------------------------------------------------------------------------------------------- the broker */

static bool drop_log(void *ctx)
{
    const struct replay *replay = ctx;
    char data[160];
    procs_data_dir(&replay->side.procs, data, sizeof data);
    return page_cache_drop(data);
}

static bool wait_s(double seconds)
{
    for (uint64_t end_us = rj_clock_mono_us() + (uint64_t)(seconds * 1e6); rj_clock_mono_us() < end_us;) {
        struct timespec nap = {.tv_nsec = 10000000};
        if (load_is_interrupted())
            return false;
        nanosleep(&nap, NULL);
    }
    return true;
}

static bool restart_cold(struct replay *replay)
{
    struct report *r = replay->bench->report;
    publish_side_disconnect(&replay->side);
    if (!wait_s(DEDUPE_MS / 1e3 + 0.2))
        return false;
    uint64_t from_us = rj_clock_mono_us();
    if (!procs_restart_broker(&replay->side.procs, replay->bench->options->is_warm ? NULL : drop_log, replay))
        return false;
    report_number(r, "restart_s", (double)(rj_clock_mono_us() - from_us) / 1e6);
    return true;
}

/* ------------------------------------------------------------------------------------------- live traffic */

static bool open_live(struct replay *replay)
{
    const struct bench_options *options = replay->bench->options;
    const struct traffic_plan plan = {.members = options->members,
                                      .members_a_room = options->members,
                                      .is_backend = true,
                                      .window = LIVE_WINDOW,
                                      .size = LIVE_SIZE,
                                      .rate = options->rate,
                                      .sample_every = 1};
    struct procs procs = replay->side.procs;
    procs.targets[0] = procs.targets[procs.n_targets - 1];
    procs.n_targets = 1;
    /* The targets are borrowed by the connections for their making alone, which ends here. */
    return traffic_open(&replay->live, &plan, &procs);
}

static void begin_part(struct replay *replay)
{
    replay->live.is_measured = replay->live.publishers.is_measured = true;
}

static void end_part(struct replay *replay, struct live_part *part, const char *key, uint64_t from_us)
{
    part->key = key;
    part->seconds = (double)(rj_clock_mono_us() - from_us) / 1e6;
    traffic_take(&replay->live, &part->ack, &part->delivery);
}

static void run_part(struct replay *replay, struct live_part *part, const char *key, double seconds)
{
    uint64_t from_us = rj_clock_mono_us();
    begin_part(replay);
    traffic_run(&replay->live, seconds);
    end_part(replay, part, key, from_us);
}

/* The sessions come back while the live traffic goes on. */
static bool run_storm(struct replay *replay)
{
    struct storm storm = {.sessions = &replay->sessions, .procs = &replay->side.procs};
    struct cost from = cost_now(&replay->side.procs);
    uint64_t from_us = rj_clock_mono_us();
    begin_part(replay);
    if (pthread_create(&storm.thread, NULL, storm_thread, &storm)) {
        fprintf(stderr, "rejoin-bench: no thread for the sessions\n");
        return false;
    }
    while (!atomic_load(&storm.is_over) && load_is_sound(&replay->live.load))
        traffic_run(&replay->live, 0.01);
    end_part(replay, &replay->during, "during", from_us);
    struct cost to = cost_now(&replay->side.procs);
    replay->cost = cost_between(&from, &to);
    run_part(replay, &replay->after, "after", after_s);
    pthread_join(storm.thread, NULL);
    return storm.is_good;
}

static bool run_live(struct replay *replay)
{
    char data[160];
    procs_data_dir(&replay->side.procs, data, sizeof data);
    if (!open_live(replay))
        return false;
    traffic_start(&replay->live);
    traffic_run(&replay->live, warm_s);
    run_part(replay, &replay->before, "before", replay->bench->options->seconds);
    replay->resident = page_cache_share(data);
    bool is_good = run_storm(replay);
    traffic_drain(&replay->live);
    return is_good && traffic_is_good(&replay->live);
}

/* ------------------------------------------------------------------------------------------- telling */

static void report_part(struct report *r, const struct live_part *part)
{
    report_open(r, part->key, '{');
    report_number(r, "seconds", part->seconds);
    report_latency(r, "ack", &part->ack);
    report_latency(r, "delivery", &part->delivery);
    report_close(r, '}');
    fprintf(stderr,
            "  live %-6s %5.2f s: ack p50 %6llu p99 %7llu max %7llu us, delivery p50 %6llu p99 %7llu us\n",
            part->key, part->seconds, (unsigned long long)histogram_at(&part->ack, 0.5),
            (unsigned long long)histogram_at(&part->ack, 0.99), (unsigned long long)part->ack.most,
            (unsigned long long)histogram_at(&part->delivery, 0.5),
            (unsigned long long)histogram_at(&part->delivery, 0.99));
}

static void report_sessions(struct replay *replay)
{
    struct report *r = replay->bench->report;
    const struct sessions *sessions = &replay->sessions;
    double rate = (double)sessions->messages / replay->during.seconds;
    report_open(r, "sessions", '{');
    report_latency(r, "connected", &sessions->connected);
    report_latency(r, "caught_up", &sessions->caught_up);
    report_u64(r, "messages", sessions->messages);
    report_number(r, "messages_per_s", rate);
    report_u64(r, "missed", sessions_missed(sessions));
    report_u64(r, "skipped", sessions->skipped);
    report_u64(r, "doubled", sessions->doubled);
    report_u64(r, "strange", sessions->strange);
    report_u64(r, "unrecovered", sessions->unrecovered);
    report_close(r, '}');
    fprintf(
        stderr,
        "  %u sessions, %llu missed each, %.4f of the log in memory: connected p50 %.0f p99 %.0f ms, caught "
        "up p50 %.0f p99 %.0f ms, %.0f messages/s\n",
        sessions->n, (unsigned long long)(replay->a_room * sessions->n_rooms), replay->resident,
        (double)histogram_at(&sessions->connected, 0.5) / 1e3,
        (double)histogram_at(&sessions->connected, 0.99) / 1e3,
        (double)histogram_at(&sessions->caught_up, 0.5) / 1e3,
        (double)histogram_at(&sessions->caught_up, 0.99) / 1e3, rate);
    if (sessions->unrecovered || sessions->strange || sessions->skipped)
        fprintf(stderr, "  %u were not recovered, %llu messages were skipped, %llu strange\n",
                sessions->unrecovered, (unsigned long long)sessions->skipped,
                (unsigned long long)sessions->strange);
}

static void report_samples(struct replay *replay)
{
    struct report *r = replay->bench->report;
    report_sample(r, "live_ack_p50_before_us", (double)histogram_at(&replay->before.ack, 0.50));
    report_sample(r, "live_ack_p99_before_us", (double)histogram_at(&replay->before.ack, 0.99));
    report_sample(r, "live_ack_p50_during_us", (double)histogram_at(&replay->during.ack, 0.50));
    report_sample(r, "live_ack_p99_during_us", (double)histogram_at(&replay->during.ack, 0.99));
    report_sample(r, "live_delivery_p99_before_us", (double)histogram_at(&replay->before.delivery, 0.99));
    report_sample(r, "live_delivery_p99_during_us", (double)histogram_at(&replay->during.delivery, 0.99));
    report_sample(r, "caught_up_p50_us", (double)histogram_at(&replay->sessions.caught_up, 0.50));
    report_sample(r, "caught_up_p99_us", (double)histogram_at(&replay->sessions.caught_up, 0.99));
}

static void report_run(struct replay *replay)
{
    struct bench *bench = replay->bench;
    struct report *r = bench->report;
    report_u64(r, "missed_a_session", replay->a_room * replay->sessions.n_rooms);
    report_number(r, "resident_share_before", replay->resident);
    report_open(r, "live", '{');
    report_part(r, &replay->before);
    report_part(r, &replay->during);
    report_part(r, &replay->after);
    traffic_report_faults(&replay->live, r);
    report_close(r, '}');
    report_sessions(replay);
    cost_report(r, "cpu_us_per_message", &replay->side.procs, &replay->cost,
                (double)replay->sessions.messages);
    report_samples(replay);
    bench->missed += sessions_missed(&replay->sessions) + traffic_missed(&replay->live);
    bench->doubled += replay->sessions.doubled + replay->live.members.doubled;
}

/* ------------------------------------------------------------------------------------------- the run */

static bool is_exact(const struct sessions *sessions)
{
    return sessions_missed(sessions) == 0 && sessions->skipped == 0 && sessions->doubled == 0 &&
           sessions->strange == 0 && sessions->unrecovered == 0;
}

static bool prepare(struct replay *replay)
{
    const struct bench_options *options = replay->bench->options;
    const struct procs_plan plan = {.gateways = options->procs.gateways,
                                    .dir = options->procs.dir,
                                    .broker_flag = "--dedupe-window",
                                    .broker_value = "1000"};
    uint64_t rooms = options->rooms;
    store_draws_init(&replay->draws, options->rooms, false);
    sessions_init(&replay->sessions, options->sessions, options->rooms_each, &replay->draws);
    replay->a_room = (options->messages + rooms - 1) / rooms;
    fprintf(stderr, "replay: %u sessions in %u of %u rooms each, %llu messages while they are away\n",
            options->sessions, options->rooms_each, options->rooms,
            (unsigned long long)(replay->a_room * rooms));
    if (!publish_side_open(&replay->side, &plan, &replay->draws, options->size, FILL_WINDOW) ||
        !come_and_go(replay))
        return false;
    sessions_expect(&replay->sessions, replay->a_room);
    return publish_side_fill(&replay->side, replay->a_room * rooms) && restart_cold(replay);
}

bool bench_replay(struct bench *bench)
{
    struct replay *replay = rj_calloc(1, sizeof *replay);
    replay->bench = bench;
    bool is_good = prepare(replay);
    if (is_good) {
        is_good = run_live(replay);
        report_run(replay);
        is_good &= is_exact(&replay->sessions);
        traffic_close(&replay->live);
    }
    is_good &= publish_side_close(&replay->side);
    sessions_free(&replay->sessions);
    store_draws_free(&replay->draws);
    free(replay);
    return is_good;
}
