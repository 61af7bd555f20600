#include "broker/broker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "broker/messages/refill.h"
#include "broker/messages/tail.h"
#include "broker/router.h"
#include "broker/serving/admission.h"
#include "broker/serving/ask.h"
#include "broker/serving/serve.h"
#include "broker/sessions/attach.h"
#include "broker/sessions/contest.h"
#include "broker/sockets/rounds.h"
#include "proto/base/clock.h"
#include "proto/base/fault.h"
#include "proto/base/mem.h"

enum {
    /* Of each side: replies and heartbeats wait no longer than these take. */
    FRAMES_PER_TURN = 64,
    ITEMS_PER_TURN = 1000,
    TICK_MS = 50,
    CURSORS_PER_TICK = 200,
    SWEEP_PER_TICK = 200, /* pairs of the session table that are looked at for expiry */
    STOP_MS = 5000,       /* for what is in flight when the broker is told to stop */
    STOP_LINGER_MS = 200, /* for frames that ZeroMQ still holds then */
};

/* ------------------------------------------------------------------------------------------ peers */

struct rj_peer *rj_broker_peer(const struct rj_broker *broker, struct rj_peer_ref ref)
{
    struct rj_peer *peer = ref.side == RJ_BUS_GATEWAYS ? (struct rj_peer *)broker->gateways.slots[ref.slot]
                                                       : (struct rj_peer *)broker->backends.slots[ref.slot];
    return peer && peer->stream && peer->stream == ref.stream ? peer : NULL;
}

struct rj_peer *rj_broker_route(const struct rj_broker *broker, enum rj_bus_side side, uint32_t route)
{
    struct rj_peer *peer;
    HASH_FIND(by_route, broker->routes[side], &route, sizeof route, peer);
    return peer;
}

void rj_broker_forget_route(struct rj_broker *broker, struct rj_peer *peer)
{
    if (rj_broker_route(broker, peer->side, peer->route) == peer)
        HASH_DELETE(by_route, broker->routes[peer->side], peer);
}

void rj_broker_begin_stream(struct rj_broker *broker, struct rj_peer *peer, uint32_t route)
{
    /* One connection speaks for one peer: whoever it spoke for before has no stream any more. */
    struct rj_peer *other = rj_broker_route(broker, peer->side, route);
    rj_broker_forget_route(broker, peer);
    if (other && other != peer) {
        rj_broker_forget_route(broker, other);
        rj_peer_end(other);
    }
    rj_peer_begin(peer, route, ++broker->streams, broker->now_ms);
    HASH_ADD(by_route, broker->routes[peer->side], route, sizeof peer->route, peer);
}

struct rj_session_clock rj_broker_session_clock(const struct rj_broker *broker)
{
    return (struct rj_session_clock){
        .now_ms = rj_clock_wall_ms(),
        .uptime_ms = broker->now_ms - broker->started_ms,
        .lifetime_ms = broker->conf->session_lifetime_ms,
        .whole_since = broker->whole_since,
    };
}

typedef void visit_peer(struct rj_broker *broker, struct rj_peer *peer);

static void each_peer(struct rj_broker *broker, visit_peer *visit)
{
    for (size_t i = 0; i < RJ_GATEWAYS_MAX; i++)
        if (broker->gateways.slots[i])
            visit(broker, &broker->gateways.slots[i]->peer);
    for (size_t i = 0; broker->backends.n && i < RJ_BACKENDS_MAX; i++)
        if (broker->backends.slots[i])
            visit(broker, &broker->backends.slots[i]->peer);
}

/* ------------------------------------------------------------------------------------------ the turn */

/* Reads a bounded number of frames and of items; what is left of a large frame comes first in the next turn.
 * True: there may be more.
 *
 * Fairness: the two sides never wait for each other. Within a side, a ROUTER takes one frame of each
 * connection in turn; so whoever floods gets one frame read for one of each other peer that has sent
 * something. A peer that was quiet waits for at most three frames of a flooder: the one being read, one that
 * zmq_poll has fetched already, and one that has its turn first. */
static bool read_side(struct rj_broker *broker, enum rj_bus_side side)
{
    struct rj_bus_frame frame;
    size_t items = ITEMS_PER_TURN;
    for (int i = 0; i < FRAMES_PER_TURN; i++) {
        if (!rj_router_read(broker, side, &items))
            return true;
        if (!rj_bus_receive(broker->bus, side, &frame))
            return false;
        rj_router_frame(broker, side, &frame);
    }
    return true;
}

static bool may_read(const struct rj_broker *broker)
{
    return !broker->is_stopping && rj_store_in_flight(broker->store) <= broker->conf->max_in_flight;
}

/* Of a frame, from a turn after which reading was held back. */
static bool has_rest(const struct rj_broker *broker)
{
    bool has = false;
    for (int side = 0; side < RJ_BUS_SIDES; side++)
        has |= broker->reading[side].batch != NULL;
    return has;
}

static bool read_frames(struct rj_broker *broker)
{
    bool has_more = false;
    for (int side = 0; side < RJ_BUS_SIDES; side++)
        has_more |= read_side(broker, (enum rj_bus_side)side);
    broker->has_listened = true;
    return has_more;
}

static void flush_peer(struct rj_broker *broker, struct rj_peer *peer)
{
    rj_peer_flush(peer, broker->now_ms);
}

/* ------------------------------------------------------------------------------------------ the tick */

static void forgive_peer(struct rj_broker *broker, struct rj_peer *peer)
{
    peer->heard_ms += broker->now_ms - broker->ticked_ms;
    if (peer->heard_ms > broker->now_ms)
        peer->heard_ms = broker->now_ms;
}

static void note_end(struct rj_broker *broker, const struct rj_peer *peer)
{
    if (peer->has_left) {
        rj_log(RJ_LOG_INFO, "peer_left", RJ_KV_STR("peer", peer->id));
        return;
    }
    broker->stats.leases_expired++;
    rj_log(RJ_LOG_WARN, "lease_expired", RJ_KV_STR("peer", peer->id),
           RJ_KV_U64("silent_ms", broker->now_ms - peer->heard_ms));
}

/* The lease of a peer is over, or it has left: it is gone, and so are its tails, or, bit by bit, its clients.
 */
static void end_peer(struct rj_broker *broker, struct rj_peer *peer)
{
    note_end(broker, peer);
    if (peer->side == RJ_BUS_BACKENDS) {
        rj_backend_free(broker, (struct rj_backend *)peer);
        return;
    }
    rj_broker_forget_route(broker, peer);
    rj_peer_end(peer);
    peer->owes_need_hello = false;
    ((struct rj_gateway *)peer)->state = RJ_GATEWAY_GONE;
    rj_admissions_drop_gateway(broker, (struct rj_gateway *)peer);
    rj_contests_drop_gateway(broker, (struct rj_gateway *)peer);
    rj_asks_gateway_gone(broker, (struct rj_gateway *)peer);
}

static bool is_gone(const struct rj_peer *peer)
{
    return peer->side == RJ_BUS_GATEWAYS && ((const struct rj_gateway *)peer)->state == RJ_GATEWAY_GONE;
}

static void tend_peer(struct rj_broker *broker, struct rj_peer *peer)
{
    if (is_gone(peer))
        return;
    if (peer->has_left || broker->now_ms - peer->heard_ms > broker->conf->lease_ms) {
        end_peer(broker, peer);
        return;
    }
    rj_peer_retry_need_hello(peer);
    if (peer->stream && broker->now_ms - peer->sent_ms >= broker->conf->ping_ms)
        rj_peer_put_ping(peer);
}

static void save_cursors(struct rj_broker *broker, size_t limit)
{
    for (size_t i = 0; i < limit && broker->sessions.dirty; i++) {
        struct rj_session *session = broker->sessions.dirty;
        rj_session_store_save_cursor(broker->store, session);
        rj_session_cursor_saved(&broker->sessions, session);
    }
}

static bool is_here(const void *ctx, const char *nsp, const char *sid)
{
    const struct rj_broker *broker = ctx;
    return rj_directory_find_sid(&broker->directory, nsp, sid) != NULL;
}

static void tick(struct rj_broker *broker)
{
    uint64_t elapsed = broker->now_ms - broker->ticked_ms;
    if (elapsed < TICK_MS)
        return;
    /* Silence counts only while we listened: not when reading was held back, nor when we were stopped. */
    bool is_forgiving = !broker->has_listened || elapsed > broker->conf->lease_ms / 2;
    if (is_forgiving)
        each_peer(broker, forgive_peer);
    broker->has_listened = false;
    each_peer(broker, tend_peer);
    rj_serving_tick(broker, is_forgiving);
    rj_read_receipts_tick(broker);
    save_cursors(broker, CURSORS_PER_TICK);
    rj_attendance_tick(broker);
    broker->stats.sessions_expired += rj_session_store_sweep(
        &broker->sweep, broker->store, rj_broker_session_clock(broker), &broker->sessions, SWEEP_PER_TICK);
    rj_heap_tick(&broker->heap, broker->now_ms);
    broker->ticked_ms = broker->now_ms;
}

/* ------------------------------------------------------------------------------------------ stopping */

static void read_signals(struct rj_broker *broker)
{
    struct signalfd_siginfo info;
    while (read(broker->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (broker->is_stopping)
            _exit(128 + (int)info.ssi_signo);
        broker->is_stopping = true;
        broker->stop_by_ms = rj_clock_mono_ms() + STOP_MS;
        save_cursors(broker, SIZE_MAX);
        rj_attendance_stop(broker);
        rj_log(RJ_LOG_INFO, "stopping", RJ_KV_U64("in_flight", rj_store_in_flight(broker->store)));
    }
}

static bool is_over(const struct rj_broker *broker)
{
    return broker->is_stopping &&
           (rj_store_in_flight(broker->store) == 0 || broker->now_ms >= broker->stop_by_ms);
}

static void submit(struct rj_broker *broker)
{
    if (!RJ_FAULT_REACHED(OPTIMISTIC_SHOWN))
        rj_store_submit(broker->store);
}

bool rj_broker_turn(struct rj_broker *broker)
{
    broker->now_ms = rj_clock_mono_ms();
    bool has_work = may_read(broker) && read_frames(broker);
    has_work |= rj_gateways_sweep(broker);
    tick(broker);

    /* What the handlers have accepted goes to the log thread; what the log thread has committed takes
     * effect: only here do answers and deliveries come to be, so none is ahead of its commit. */
    submit(broker);
    rj_store_complete(broker->store);

    /* What was delivered up to now is the end that all catching up aims at: whoever reaches it in this
     * turn is live from the next commit on. */
    has_work |= rj_refill_step(broker);
    has_work |= rj_replay_step(broker);
    has_work |= rj_tail_step(broker);
    has_work |= rj_rounds_step(broker);
    has_work |= rj_serving_step(broker);
    has_work |= rj_attendance_step(broker);

    each_peer(broker, flush_peer);
    submit(broker); /* what effects have queued need not wait for the next frame */
    return has_work;
}

static void sleep_for_work(struct rj_broker *broker, bool has_work)
{
    bool wants_frames = may_read(broker);
    has_work |= wants_frames && has_rest(broker);
    rj_bus_wait(broker->bus, wants_frames, has_work ? 0 : TICK_MS);
}

void rj_broker_run(struct rj_broker *broker)
{
    bool has_work = false;
    while (!is_over(broker)) {
        sleep_for_work(broker, has_work);
        read_signals(broker);
        has_work = rj_broker_turn(broker);
    }
}

/* ------------------------------------------------------------------------------------------ life */

static int open_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    /* Before any thread is started, so that all inherit the mask. */
    return sigprocmask(SIG_BLOCK, &signals, NULL) == 0 ? signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC)
                                                       : -1;
}

static enum rj_status open_store(struct rj_broker *broker, struct rj_buf *why)
{
    const struct rj_conf *conf = broker->conf;
    rj_retention_init(&broker->retention, conf->retention_rules);
    struct rj_store_options options = {
        .path = conf->data,
        .retention_ms = conf->retention_ms,
        .limits = broker->retention.limits,
        .n_limits = broker->retention.n,
        .pick = rj_retention_pick,
        .pick_ctx = &broker->retention,
        .limits_id = broker->retention.id,
        .dedupe_window_ms = conf->dedupe_window_ms,
        .dedupe_brief_ms = conf->dedupe_gateway_ms,
        .dedupe_window_max = (uint32_t)conf->dedupe_max,
        .dedupe_source_max = (uint32_t)conf->dedupe_max_source,
    };
    enum rj_status status = rj_store_open(&options, &broker->store, why);
    if (status != RJ_OK)
        return status;
    struct rj_store_head head = rj_store_head(broker->store);
    broker->epoch = head.epoch;
    broker->delivered = head.completed;
    broker->whole_since = rj_session_store_whole_since(broker->store);
    if (head.restored == head.epoch)
        rj_log(RJ_LOG_WARN, "backup_restored", RJ_KV_U64("head", head.completed));
    /* An epoch counts the starts in its upper half: a page that was begun before a restart goes on from the
     * first socket, and misses none. */
    rj_directory_begin_run(&broker->directory, head.epoch >> 32);
    rj_serving_open(broker);
    rj_attendance_open(broker);
    return RJ_OK;
}

static enum rj_status open_bus(struct rj_broker *broker, struct rj_buf *why)
{
    struct rj_bus_options options = {
        .endpoints = {[RJ_BUS_GATEWAYS] = broker->conf->gateways, [RJ_BUS_BACKENDS] = broker->conf->backends},
        .max_frame_bytes = broker->conf->max_frame_bytes,
        .watched = {rj_store_event_fd(broker->store), broker->signal_fd},
    };
    return rj_bus_open(&options, &broker->bus, why);
}

enum rj_status rj_broker_open(const struct rj_conf *conf, struct rj_broker **out)
{
    struct rj_broker *broker = rj_calloc(1, sizeof *broker);
    struct rj_buf why = {0};
    broker->conf = conf;
    broker->now_ms = broker->started_ms = broker->ticked_ms = rj_clock_mono_ms();
    rj_read_receipts_init(&broker->receipts, conf->receipt_rooms);
    rj_room_patterns_init(&broker->optimistic_rooms, conf->optimistic_rooms);
    broker->sweep = (struct rj_session_sweep){.is_here = is_here, .ctx = broker};
    broker->signal_fd = open_signals();
    enum rj_status status = broker->signal_fd >= 0 ? open_store(broker, &why) : RJ_IO;
    /* The store has committed its new epoch: only now may anybody talk to us. */
    if (status == RJ_OK)
        status = open_bus(broker, &why);
    if (status != RJ_OK) {
        rj_log(RJ_LOG_ERROR, "cannot_start", RJ_KV_STR("reason", rj_status_code(status)),
               RJ_KV_STR("why", rj_buf_cstr(&why)));
        rj_broker_close(&broker);
    }
    rj_buf_free(&why);
    *out = broker;
    return status;
}

/* Callbacks that still run while the store closes need the tables; so it goes first. */
void rj_broker_close(struct rj_broker **broker_)
{
    struct rj_broker *broker = *broker_;
    *broker_ = NULL;
    if (!broker)
        return;
    struct rj_store *store = broker->store; /* they read it until the end, so it is not nulled under them */
    if (store)
        rj_store_close(&store);
    broker->store = NULL;
    rj_retention_free(&broker->retention);
    if (broker->bus)
        each_peer(broker, flush_peer);
    rj_attendance_close(broker);
    rj_rounds_fini(broker);
    rj_serving_fini(broker);
    rj_backends_fini(broker);
    rj_gateways_fini(broker);
    while (broker->sessions.by_pid)
        rj_session_free(&broker->sessions, &broker->rooms, broker->sessions.by_pid);
    rj_directory_free(&broker->directory);
    rj_histories_free(&broker->histories);
    rj_read_cursors_fini(&broker->read_cursors);
    rj_read_receipts_fini(&broker->receipts);
    rj_room_patterns_free(&broker->optimistic_rooms);
    rj_bus_close(&broker->bus, STOP_LINGER_MS);
    rj_buf_free(&broker->sweep.after);
    for (int side = 0; side < RJ_BUS_SIDES; side++)
        rj_arena_free(&broker->reading[side].arena);
    rj_arena_free(&broker->arena);
    rj_arena_free(&broker->page_arena);
    if (broker->signal_fd >= 0)
        close(broker->signal_fd);
    free(broker);
}
