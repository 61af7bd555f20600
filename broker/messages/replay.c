#include "broker/messages/replay.h"

#include <stdlib.h>
#include <utlist.h>

#include "broker/messages/delivery.h"
#include "broker/rooms/targets.h"
#include "broker/sessions/attach.h"
#include "proto/base/clock.h"
#include "proto/base/mem.h"

enum {
    CHUNK_RECORDS = 256,
    CHUNK_BYTES = 256 << 10,
    READS_PER_GATEWAY = 8, /* under way; what they find may pass the bulk that the gateway is to have */
    READS = 32,            /* under way, of all gateways: they share the store's reader threads with others */
    STEPS_PER_TURN = 64,
    TURN_MS = 2, /* of reading in the turn; other peers wait meanwhile */
    /* So far behind, and no longer since the reader threads were there, it is read in the turn: these pages
     * have just been written. */
    FRESH_RECORDS = 2048,
    FRESH_MS = 1000,
};

static const struct rj_store_budget chunk = {CHUNK_RECORDS, CHUNK_BYTES};

/* A chunk on its way. */
struct rj_replay_read {
    struct rj_broker *broker;
    struct rj_session *session;
    struct rj_store_reading *reading;
    uint64_t stream; /* that it was asked for */
    uint64_t upto;   /* what was delivered then */
};

/* Waiting until everything that was accepted before is answered. */
struct rj_replay_settling {
    struct rj_session *session; /* NULL: nobody waits any more */
};

/* ------------------------------------------------------------------------------------------ lists */

static struct rj_session **list_of(struct rj_session *session)
{
    struct rj_gateway *gateway = session->gateway;
    bool waits_for_store = session->replay_read || session->replay_settling;
    return waits_for_store ? &gateway->replays_read : &gateway->replays;
}

static void take_out(struct rj_session *session)
{
    DL_DELETE2(*list_of(session), session, replay_prev, replay_next);
}

static void forget_read(struct rj_session *session)
{
    struct rj_replay_read *read = session->replay_read;
    session->gateway->n_replays_read--;
    read->broker->n_replays_read--;
    session->replay_read = NULL;
    free(read);
}

static void forget_settling(struct rj_session *session)
{
    session->replay_settling->session = NULL;
    session->replay_settling = NULL;
}

void rj_replay_start(struct rj_session *session, uint64_t after)
{
    rj_replay_stop(session);
    session->replay_after = after;
    session->replay_fresh_ms = 0;
    session->is_replaying = true;
    DL_APPEND2(session->gateway->replays, session, replay_prev, replay_next);
}

void rj_replay_stop(struct rj_session *session)
{
    if (!session->is_replaying)
        return;
    take_out(session);
    if (session->replay_read) {
        rj_store_read_cancel(session->replay_read->reading);
        forget_read(session);
    }
    if (session->replay_settling)
        forget_settling(session);
    session->is_replaying = false;
}

void rj_replay_stop_all(struct rj_gateway *gateway)
{
    while (gateway->replays)
        rj_replay_stop(gateway->replays);
    while (gateway->replays_read)
        rj_replay_stop(gateway->replays_read);
}

/* ------------------------------------------------------------------------------------------ what is sent */

static bool is_excluded(struct rj_broker *broker, const struct rj_session *session, struct rj_span payload)
{
    rj_arena_reset(&broker->page_arena);
    const Rejoin__Message *message = (const Rejoin__Message *)rj_wire_unpack_message(
        &rejoin__message__descriptor, payload, &broker->page_arena);
    return !message || rj_delivery_excludes(message, session);
}

/* It may have left a room while the chunk was read. */
static bool is_for(struct rj_broker *broker, const struct rj_session *session,
                   const struct rj_store_record *record)
{
    for (size_t i = 0; i < record->n_rooms; i++) {
        const struct rj_membership *membership = rj_session_membership(session, record->rooms[i]);
        if (membership && membership->since_pos < record->pos)
            return true;
    }
    return rj_targets_are_implicit(broker, session, record);
}

static void send_one(struct rj_broker *broker, struct rj_session *session,
                     const struct rj_store_record *record)
{
    struct rj_peer *peer = &session->gateway->peer;
    if (!is_for(broker, session, record) || is_excluded(broker, session, record->payload))
        return;
    rj_peer_put_deliver(peer, record->pos, record->ts_ms, record->seqs, record->n_rooms, record->payload,
                        session->handle);
    rj_peer_count_bulk(peer, record->payload.len);
    broker->stats.replayed++;
}

/* What the session may see: its reaches, in the arena. */
struct reaches {
    struct rj_store_reach *list;
    size_t n;
};

static struct reaches reaches_of(struct rj_broker *broker, const struct rj_session *session)
{
    struct reaches reaches = {
        .list =
            rj_arena_alloc(&broker->arena, (session->n_rooms + RJ_IMPLICIT_TARGETS) * sizeof *reaches.list),
    };
    reaches.n = rj_targets_reach(broker, session, reaches.list);
    return reaches;
}

enum rj_status rj_replay_check(struct rj_broker *broker, const struct rj_session *session, uint64_t after)
{
    struct reaches reaches = reaches_of(broker, session);
    return rj_store_check_kept(broker->store, reaches.list, reaches.n, after);
}

static bool has_news(struct rj_broker *broker, const struct rj_session *session)
{
    struct reaches reaches = reaches_of(broker, session);
    for (size_t i = 0; i < reaches.n; i++) {
        uint64_t head_pos = rj_store_room_state(broker->store, reaches.list[i].room).head_pos;
        if (head_pos > session->replay_after && head_pos > reaches.list[i].after_pos)
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------------------------------ the end */

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
    /* The gateway drops the client's transport without another word. A gap shows again when the client comes
     * back; damage may lie further on, so then the session ends here: the client gets a fresh one instead of
     * trying for ever. */
    if (status == RJ_GAP)
        rj_detach(broker, session, RJ_REASON_DROPPED);
    else
        rj_end_session(broker, session, RJ_REASON_DROPPED);
}

/* The leaves are answered; meanwhile the log has grown. */
static void on_settled(void *ctx, enum rj_status status)
{
    struct rj_replay_settling *settling = ctx;
    struct rj_session *session = settling->session;
    (void)status;
    if (session) {
        take_out(session);
        session->replay_settling = NULL;
        DL_PREPEND2(session->gateway->replays, session, replay_prev, replay_next);
    }
    free(settling);
}

static void settle(struct rj_broker *broker, struct rj_session *session)
{
    struct rj_replay_settling *settling = rj_alloc(sizeof *settling);
    settling->session = session;
    take_out(session);
    session->replay_settling = settling;
    session->has_left = false;
    DL_APPEND2(session->gateway->replays_read, session, replay_prev, replay_next);
    rj_store_barrier(broker->store, on_settled, settling);
}

/* ------------------------------------------------------------------------------------------ reading later */

/* Everything that was found is sent: it was read while there was bulk room, and READS_PER_GATEWAY bounds it.
 */
static bool on_read_record(void *ctx, const struct rj_store_record *record)
{
    struct rj_replay_read *read = ctx;
    if (read->session->gateway->peer.stream != read->stream)
        return false;
    send_one(read->broker, read->session, record);
    return true;
}

static void on_read(void *ctx, enum rj_status status, uint64_t reached)
{
    struct rj_replay_read *read = ctx;
    struct rj_broker *broker = read->broker;
    struct rj_session *session = read->session;
    bool is_same_stream = session->gateway->peer.stream == read->stream;
    bool was_all = status == RJ_OK && reached >= read->upto;
    take_out(session);
    forget_read(session);
    if (was_all) /* what is left is fresh as long as its turn comes soon */
        DL_PREPEND2(session->gateway->replays, session, replay_prev, replay_next);
    else
        DL_APPEND2(session->gateway->replays, session, replay_prev, replay_next);
    if (!is_same_stream || status == RJ_CLOSED)
        return; /* the gateway asks again on its new stream; or the store is closing */
    if (status != RJ_OK) {
        fail(broker, session, status);
        return;
    }
    session->replay_after = reached;
    session->replay_fresh_ms = was_all ? broker->now_ms : 0;
}

static void read_later(struct rj_broker *broker, struct rj_session *session)
{
    struct rj_replay_read *read = rj_alloc(sizeof *read);
    take_out(session);
    *read = (struct rj_replay_read){
        .broker = broker,
        .session = session,
        .stream = session->gateway->peer.stream,
        .upto = broker->delivered,
    };
    session->replay_read = read;
    session->gateway->n_replays_read++;
    broker->n_replays_read++;
    DL_APPEND2(session->gateway->replays_read, session, replay_prev, replay_next);
    struct reaches reaches = reaches_of(broker, session);
    read->reading = rj_store_read_later(broker->store, reaches.list, reaches.n, session->replay_after,
                                        read->upto, chunk, on_read_record, on_read, read);
}

/* ------------------------------------------------------------------------------------------ reading now */

struct fresh_visit {
    struct rj_broker *broker;
    struct rj_session *session;
};

static bool on_fresh_record(void *ctx, const struct rj_store_record *record)
{
    struct fresh_visit *visit = ctx;
    send_one(visit->broker, visit->session, record);
    return rj_peer_has_bulk_room(&visit->session->gateway->peer);
}

static bool is_fresh(const struct rj_broker *broker, const struct rj_session *session)
{
    return session->replay_fresh_ms && broker->now_ms - session->replay_fresh_ms < FRESH_MS &&
           broker->delivered - session->replay_after <= FRESH_RECORDS;
}

/* False: it failed, and the session may be gone. */
static bool read_now(struct rj_broker *broker, struct rj_session *session)
{
    struct fresh_visit visit = {broker, session};
    uint64_t reached = session->replay_after;
    struct reaches reaches = reaches_of(broker, session);
    enum rj_status status = rj_store_read(broker->store, reaches.list, reaches.n, session->replay_after,
                                          broker->delivered, chunk, on_fresh_record, &visit, &reached);
    if (status != RJ_OK) {
        fail(broker, session, status);
        return false;
    }
    session->replay_after = reached;
    return true;
}

/* ------------------------------------------------------------------------------------------ the turn */

/* Only on a live stream: before, the refill comes first. */
static bool can_replay(const struct rj_gateway *gateway)
{
    return rj_gateway_is_live(gateway) && rj_peer_has_bulk_room(&gateway->peer);
}

static bool may_read_later(const struct rj_broker *broker, const struct rj_gateway *gateway)
{
    return gateway->n_replays_read < READS_PER_GATEWAY && broker->n_replays_read < READS;
}

/* False: it waits for a reader thread's place. */
static bool step_one(struct rj_broker *broker, struct rj_session *session)
{
    if (session->replay_after < broker->delivered && has_news(broker, session)) {
        if (!is_fresh(broker, session)) {
            if (!may_read_later(broker, session->gateway))
                return false;
            read_later(broker, session);
            return true;
        }
        if (!read_now(broker, session))
            return true;
    } else {
        session->replay_after = broker->delivered;
    }
    if (session->replay_after < broker->delivered)
        return true;
    if (session->has_left)
        settle(broker, session);
    else
        finish(broker, session, false);
    return true;
}

/* The replays of one gateway in turn, while its bulk room, the quota and the time last. True: one could go on
 * at once. */
static bool step_gateway(struct rj_broker *broker, struct rj_gateway *gateway, unsigned *quota,
                         uint64_t end_ms)
{
    while (gateway->replays && can_replay(gateway)) {
        if (*quota == 0 || rj_clock_mono_ms() >= end_ms)
            return true;
        bool went_on = step_one(broker, gateway->replays);
        rj_arena_reset(&broker->arena);
        if (!went_on)
            return false;
        --*quota;
    }
    return false;
}

bool rj_replay_step(struct rj_broker *broker)
{
    uint64_t end_ms = rj_clock_mono_ms() + TURN_MS;
    unsigned quota = STEPS_PER_TURN;
    bool goes_on = false;
    unsigned first = broker->replay_first++;
    for (unsigned i = 0; i < RJ_GATEWAYS_MAX; i++) {
        struct rj_gateway *gateway = broker->gateways.slots[(first + i) % RJ_GATEWAYS_MAX];
        if (gateway && gateway->replays)
            goes_on |= step_gateway(broker, gateway, &quota, end_ms);
    }
    return goes_on;
}
