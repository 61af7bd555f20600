#include "broker/replay.h"

#include <utlist.h>

#include "broker/attach.h"
#include "broker/delivery.h"
#include "broker/targets.h"
#include "proto/base/clock.h"

enum {
    CHUNK_RECORDS = 256,
    CHUNK_BYTES = 256 << 10,
    REPLAYS_PER_TURN = 64,
    TURN_MS = 10, /* of reading; other peers wait meanwhile */
};

static const struct rj_store_budget chunk = {CHUNK_RECORDS, CHUNK_BYTES};

/* ------------------------------------------------------------------------------------------ one client */

void rj_replay_start(struct rj_session *session, uint64_t after)
{
    session->replay_after = after;
    if (!session->is_replaying)
        DL_APPEND2(session->gateway->replays, session, replay_prev, replay_next);
    session->is_replaying = true;
}

void rj_replay_stop(struct rj_session *session)
{
    if (session->is_replaying)
        DL_DELETE2(session->gateway->replays, session, replay_prev, replay_next);
    session->is_replaying = false;
}

struct replay_visit {
    struct rj_broker *broker;
    struct rj_session *session;
    uint64_t seen; /* the last record visited; 0 = none */
    bool is_paused;
};

static bool is_excluded(struct rj_broker *broker, const struct rj_session *session, struct rj_span payload)
{
    rj_arena_reset(&broker->page_arena);
    const Rejoin__Message *message = (const Rejoin__Message *)rj_wire_unpack_message(
        &rejoin__message__descriptor, payload, &broker->page_arena);
    return !message || rj_delivery_excludes(message, session);
}

static bool on_replayed(void *ctx, const struct rj_store_record *record)
{
    struct replay_visit *visit = ctx;
    struct rj_peer *peer = &visit->session->gateway->peer;
    visit->seen = record->pos;
    if (!is_excluded(visit->broker, visit->session, record->payload)) {
        rj_peer_put_deliver(peer, record->pos, record->ts_ms, record->seqs, record->n_rooms, record->payload,
                            visit->session->handle);
        rj_peer_count_bulk(peer, record->payload.len);
        visit->broker->stats.replayed++;
    }
    visit->is_paused = !rj_peer_has_bulk_room(peer);
    return !visit->is_paused;
}

/* Reads what `session` may see after `after`. Its reaches are built in the arena. */
static enum rj_status read_for(struct rj_broker *broker, const struct rj_session *session, uint64_t after,
                               struct rj_store_budget budget, rj_store_visit *visit, void *ctx,
                               uint64_t *reached)
{
    struct rj_store_reach *reaches =
        rj_arena_alloc(&broker->arena, (session->n_rooms + RJ_IMPLICIT_TARGETS) * sizeof *reaches);
    size_t n = rj_targets_reach(broker, session, reaches);
    if (n == 0) {
        *reached = broker->delivered;
        return RJ_OK;
    }
    return rj_store_read(broker->store, reaches, n, after, broker->delivered, budget, visit, ctx, reached);
}

static bool on_nothing(void *ctx, const struct rj_store_record *record)
{
    (void)ctx;
    (void)record;
    return false;
}

enum rj_status rj_replay_check(struct rj_broker *broker, const struct rj_session *session, uint64_t after)
{
    uint64_t reached;
    if (after >= broker->delivered)
        return RJ_OK;
    return read_for(broker, session, after, (struct rj_store_budget){1, 1}, on_nothing, NULL, &reached);
}

static void finish(struct rj_broker *broker, struct rj_session *session, bool is_gap)
{
    Rejoin__CaughtUp caught_up = REJOIN__CAUGHT_UP__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    caught_up.client = session->handle;
    caught_up.upto = is_gap ? 0 : broker->delivered;
    caught_up.gap = is_gap;
    item.kind_case = REJOIN__ITEM__KIND_CAUGHT_UP;
    item.caught_up = &caught_up;
    rj_peer_put(&session->gateway->peer, &item);
    rj_replay_stop(session);
}

static void fail(struct rj_broker *broker, struct rj_session *session, enum rj_status status)
{
    unsigned held;
    if (rj_log_allowed(&broker->session_log, &held))
        rj_log(RJ_LOG_WARN, "replay_failed", RJ_KV_STR("sid", session->sid),
               RJ_KV_STR("reason", rj_status_code(status)), RJ_KV_U64("held_back", held));
    finish(broker, session, true);
    /* A gap shows again when the client comes back; damage may lie further on, so the session ends here: the
     * client gets a fresh one instead of trying for ever. */
    if (status != RJ_GAP)
        rj_end_session(broker, session, "transport error");
}

/* One chunk for one client. */
static void replay(struct rj_broker *broker, struct rj_session *session)
{
    struct replay_visit visit = {.broker = broker, .session = session};
    uint64_t reached = session->replay_after;
    enum rj_status status = RJ_OK;
    if (session->replay_after < broker->delivered)
        status = read_for(broker, session, session->replay_after, chunk, on_replayed, &visit, &reached);
    if (status != RJ_OK) {
        fail(broker, session, status);
        return;
    }
    session->replay_after = visit.is_paused ? visit.seen : reached;
    if (session->replay_after >= broker->delivered)
        finish(broker, session, false);
}

/* Only on a live stream: before, the refill comes first. */
static bool can_replay(const struct rj_gateway *gateway)
{
    return rj_gateway_is_live(gateway) && rj_peer_has_bulk_room(&gateway->peer);
}

/* The replays of one gateway in turn, while its bulk room, the quota and the time last. */
static void replay_for(struct rj_broker *broker, struct rj_gateway *gateway, unsigned *quota, uint64_t end_ms)
{
    while (gateway->replays && can_replay(gateway) && *quota && rj_clock_mono_ms() < end_ms) {
        struct rj_session *session = gateway->replays;
        /* The first goes to the end of the line (and out of it when it is done). */
        DL_DELETE2(gateway->replays, session, replay_prev, replay_next);
        DL_APPEND2(gateway->replays, session, replay_prev, replay_next);
        replay(broker, session);
        rj_arena_reset(&broker->arena);
        --*quota;
    }
}

bool rj_replay_step(struct rj_broker *broker)
{
    uint64_t end_ms = rj_clock_mono_ms() + TURN_MS;
    unsigned quota = REPLAYS_PER_TURN;
    bool goes_on = false;
    unsigned first = broker->replay_first++;
    for (unsigned i = 0; i < RJ_GATEWAYS_MAX; i++) {
        struct rj_gateway *gateway = broker->gateways.slots[(first + i) % RJ_GATEWAYS_MAX];
        if (!gateway || !gateway->replays)
            continue;
        replay_for(broker, gateway, &quota, end_ms);
        goes_on |= gateway->replays && can_replay(gateway);
    }
    return goes_on;
}

/* ------------------------------------------------------------------------------------------ one gateway */

struct refill_visit {
    struct rj_broker *broker;
    struct rj_gateway *gateway;
    bool is_paused;
};

static bool on_refilled(void *ctx, const struct rj_store_record *record)
{
    struct refill_visit *visit = ctx;
    struct rj_gateway *gateway = visit->gateway;
    uint64_t mask = rj_targets_logged_mask(visit->broker, record->rooms, record->n_rooms, record->payload);
    if (mask >> gateway->peer.slot & 1) {
        rj_peer_put_deliver(&gateway->peer, record->pos, record->ts_ms, record->seqs, record->n_rooms,
                            record->payload, 0);
        rj_peer_count_bulk(&gateway->peer, record->payload.len);
        visit->broker->stats.refilled++;
    }
    gateway->upto = record->pos;
    visit->is_paused = !rj_peer_has_bulk_room(&gateway->peer);
    return !visit->is_paused;
}

/* One chunk for one gateway. True: it can go on at once. */
static bool refill(struct rj_broker *broker, struct rj_gateway *gateway)
{
    if (!rj_peer_has_bulk_room(&gateway->peer))
        return false;
    struct refill_visit visit = {broker, gateway, false};
    uint64_t reached = gateway->upto;
    enum rj_status status = RJ_OK;
    if (gateway->upto < broker->delivered)
        status = rj_store_read_log(broker->store, gateway->upto, broker->delivered, chunk, on_refilled,
                                   &visit, &reached);
    if (status != RJ_OK) {
        /* What its clients miss cannot be told here: they come back, and each session is judged by itself. */
        rj_log(RJ_LOG_WARN, "refill_failed", RJ_KV_STR("gateway", gateway->peer.id),
               RJ_KV_STR("reason", rj_status_code(status)), RJ_KV_U64("after", gateway->upto));
        rj_gateway_kick_all(gateway, "gap");
        reached = broker->delivered;
    }
    if (!visit.is_paused)
        gateway->upto = reached;
    if (gateway->upto < broker->delivered)
        return !visit.is_paused;
    gateway->state = RJ_GATEWAY_LIVE;
    gateway->peer.upto = gateway->peer.stream ? &broker->delivered : NULL;
    return false;
}

bool rj_refill_step(struct rj_broker *broker)
{
    bool goes_on = false;
    for (size_t i = 0; i < RJ_GATEWAYS_MAX; i++) {
        struct rj_gateway *gateway = broker->gateways.slots[i];
        if (gateway && gateway->state == RJ_GATEWAY_LAGGING && gateway->peer.stream)
            goes_on |= refill(broker, gateway);
    }
    return goes_on;
}
