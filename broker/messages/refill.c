#include "broker/messages/refill.h"

#include <stdlib.h>

#include "broker/broker.h"
#include "broker/messages/replay.h"
#include "broker/rooms/rooms.h"
#include "broker/rooms/targets.h"
#include "broker/sessions/attach.h"
#include "proto/base/mem.h"

enum {
    CHUNK_RECORDS = 1024, /* of which the gateway may have no member */
    CHUNK_BYTES = 256 << 10,
    FRESH_RECORDS = 256, /* as in replay.c; the log is passed record by record here */
    FRESH_MS = 1000,
    CUTS_A_TURN = 1000, /* clients that have missed something */
};

static const struct rj_store_budget chunk = {CHUNK_RECORDS, CHUNK_BYTES};

/* A chunk on its way. */
struct rj_refill_read {
    struct rj_broker *broker;
    struct rj_gateway *gateway;
    struct rj_store_reading *reading;
    uint64_t stream; /* that it was asked for */
    uint64_t upto;   /* what was delivered then */
    bool is_checked; /* for gaps, by drop_gaps … */
    bool may_show;   /* … and nobody is there any more who must not see what follows */
};

static void forget_read(struct rj_gateway *gateway)
{
    free(gateway->refill_read);
    gateway->refill_read = NULL;
}

void rj_refill_stop(struct rj_gateway *gateway)
{
    gateway->refill_fresh_ms = gateway->refill_raises = gateway->refill_dropped = 0;
    if (!gateway->refill_read)
        return;
    rj_store_read_cancel(gateway->refill_read->reading);
    forget_read(gateway);
}

/* False: the gateway has no more bulk room. */
static bool send_one(struct rj_broker *broker, struct rj_gateway *gateway,
                     const struct rj_store_record *record)
{
    uint64_t mask = rj_targets_logged_mask(broker, record->rooms, record->n_rooms, record->payload);
    if (mask >> gateway->peer.slot & 1) {
        rj_peer_put_deliver(&gateway->peer, record->pos, record->ts_ms, record->seqs, record->n_rooms,
                            record->payload, 0);
        rj_peer_count_bulk(&gateway->peer, record->payload.len);
        broker->stats.refilled++;
    }
    gateway->upto = record->pos;
    return rj_peer_has_bulk_room(&gateway->peer);
}

/* ------------------------------------------------------------------------------------------ what is missed
 */

struct dropping {
    struct rj_broker *broker;
    struct rj_gateway *gateway;
    size_t left; /* cuts in this turn */
};

static void cut(struct dropping *dropping, struct rj_session *session)
{
    rj_gateway_kick(dropping->gateway, session->handle, "gap");
    /* The gateway lets go of it without another word. */
    rj_detach(dropping->broker, session, RJ_REASON_DROPPED);
    dropping->left--;
}

/* Whether the session is to get what lies between, and is not replayed, which finds that out on its own. */
static bool misses(const struct dropping *dropping, const struct rj_session *session, rj_room_id room,
                   uint64_t floor_pos)
{
    const struct rj_membership *membership = rj_session_membership(session, room);
    return session->gateway == dropping->gateway && !session->is_replaying &&
           floor_pos > dropping->gateway->upto && membership && floor_pos > membership->since_pos;
}

/* Going from the last member down, since a cut moves the last one into the gap; with the last member the room
 * itself may go. */
static bool on_raised(void *ctx, rj_room_id id, uint64_t floor_pos)
{
    struct dropping *dropping = ctx;
    struct rj_room *room = rj_room_find(&dropping->broker->rooms, id);
    if (!room || !(room->members.gateways >> dropping->gateway->peer.slot & 1))
        return true;
    rj_room_ref(&dropping->broker->rooms, id, rj_room_key(room));
    for (uint32_t place = room->members.n; place-- > 0 && dropping->left;) {
        struct rj_session *session = room->members.list[place].session;
        if (misses(dropping, session, id, floor_pos))
            cut(dropping, session);
    }
    rj_room_unref(&dropping->broker->rooms, room);
    return dropping->left > 0;
}

/* When the store cannot tell which rooms it was. */
static void check_all(struct dropping *dropping)
{
    struct rj_broker *broker = dropping->broker;
    struct rj_session *session, *next;
    HASH_ITER (by_handle, dropping->gateway->clients, session, next) {
        bool is_gap =
            !session->is_replaying && rj_replay_check(broker, session, dropping->gateway->upto) == RJ_GAP;
        rj_arena_reset(&broker->arena);
        if (is_gap)
            cut(dropping, session);
        if (dropping->left == 0)
            return;
    }
}

/* The log does not tell of what the limits of single rooms have trimmed. Whoever misses such a message comes
 * back and is judged by itself, so its connection ends before it gets anything later. To be asked no sooner
 * than the log is read. False: there are more of them than a turn has time for, and nothing may be shown yet.
 */
static bool drop_gaps(struct rj_broker *broker, struct rj_gateway *gateway)
{
    struct dropping dropping = {broker, gateway, CUTS_A_TURN};
    uint64_t raises = gateway->refill_raises;
    if (!broker->retention.n)
        return true;
    if (!rj_store_visit_raised(broker->store, gateway->upto, &raises, on_raised, &dropping))
        check_all(&dropping);
    if (dropping.left == 0)
        return false;
    gateway->refill_raises = raises;
    return true;
}

/* What its clients miss cannot be told here: they come back, and each session is judged by itself. Then it
 * goes on with what was not delivered yet; whoever is attached from now on has begun, or is replayed, on its
 * own. */
static void skip_to_end(struct rj_broker *broker, struct rj_gateway *gateway, enum rj_status status)
{
    rj_log(RJ_LOG_WARN, "refill_failed", RJ_KV_STR("gateway", gateway->peer.id),
           RJ_KV_STR("reason", rj_status_code(status)), RJ_KV_U64("after", gateway->upto));
    gateway->refill_dropped = broker->directory.last_serial;
    gateway->refill_resumes = broker->delivered;
}

/* True: they have all gone. */
static bool drop_some(struct rj_broker *broker, struct rj_gateway *gateway)
{
    if (!rj_gateway_kick_older(broker, gateway, gateway->refill_dropped, CUTS_A_TURN,
                               "missed messages are no longer kept"))
        return false;
    gateway->refill_dropped = 0;
    gateway->upto = gateway->refill_resumes;
    return true;
}

/* ------------------------------------------------------------------------------------------ reading later */

static bool on_read_record(void *ctx, const struct rj_store_record *record)
{
    struct rj_refill_read *read = ctx;
    if (read->gateway->peer.stream != read->stream)
        return false;
    if (!read->is_checked)
        read->may_show = drop_gaps(read->broker, read->gateway);
    read->is_checked = true;
    return read->may_show && send_one(read->broker, read->gateway, record);
}

static void on_read(void *ctx, enum rj_status status, uint64_t reached)
{
    struct rj_refill_read *read = ctx;
    struct rj_broker *broker = read->broker;
    struct rj_gateway *gateway = read->gateway;
    bool is_same_stream = gateway->peer.stream == read->stream;
    bool was_all = status == RJ_OK && reached >= read->upto;
    bool is_checked = read->is_checked, may_show = read->may_show;
    forget_read(gateway);
    if (!is_same_stream || status == RJ_CLOSED)
        return;
    if (!is_checked)
        may_show = drop_gaps(broker, gateway);
    if (status != RJ_OK)
        skip_to_end(broker, gateway, status);
    else if (may_show)
        gateway->upto = reached;
    gateway->refill_fresh_ms = was_all && may_show ? broker->now_ms : 0;
}

static void read_later(struct rj_broker *broker, struct rj_gateway *gateway)
{
    struct rj_refill_read *read = rj_alloc(sizeof *read);
    *read = (struct rj_refill_read){
        .broker = broker,
        .gateway = gateway,
        .stream = gateway->peer.stream,
        .upto = broker->delivered,
    };
    gateway->refill_read = read;
    read->reading = rj_store_read_log_later(broker->store, gateway->upto, read->upto, chunk, on_read_record,
                                            on_read, read);
}

/* ------------------------------------------------------------------------------------------ reading now */

struct fresh_visit {
    struct rj_broker *broker;
    struct rj_gateway *gateway;
};

static bool on_fresh_record(void *ctx, const struct rj_store_record *record)
{
    struct fresh_visit *visit = ctx;
    return send_one(visit->broker, visit->gateway, record);
}

static bool is_fresh(const struct rj_broker *broker, const struct rj_gateway *gateway)
{
    return gateway->refill_fresh_ms && broker->now_ms - gateway->refill_fresh_ms < FRESH_MS &&
           broker->delivered - gateway->upto <= FRESH_RECORDS;
}

static void read_now(struct rj_broker *broker, struct rj_gateway *gateway)
{
    struct fresh_visit visit = {broker, gateway};
    uint64_t reached = gateway->upto;
    if (!drop_gaps(broker, gateway))
        return;
    enum rj_status status = rj_store_read_log(broker->store, gateway->upto, broker->delivered, chunk,
                                              on_fresh_record, &visit, &reached);
    if (status != RJ_OK)
        skip_to_end(broker, gateway, status);
    else
        gateway->upto = reached;
}

/* ------------------------------------------------------------------------------------------ the turn */

static void go_live(struct rj_broker *broker, struct rj_gateway *gateway)
{
    rj_refill_stop(gateway);
    gateway->state = RJ_GATEWAY_LIVE;
    gateway->peer.upto = gateway->peer.stream ? &broker->delivered : NULL;
    rj_rooms_answer_joins(broker, gateway);
}

/* One that has not got what was sent to it live is not sent more, and does not become live again. */
static bool may_go_on(const struct rj_gateway *gateway)
{
    return !gateway->refill_read && rj_peer_has_bulk_room(&gateway->peer) &&
           !rj_peer_is_behind(&gateway->peer);
}

static void step_one(struct rj_broker *broker, struct rj_gateway *gateway)
{
    if (!may_go_on(gateway))
        return;
    if (gateway->refill_dropped && !drop_some(broker, gateway))
        return;
    if (gateway->upto < broker->delivered && !is_fresh(broker, gateway)) {
        read_later(broker, gateway);
        return;
    }
    if (gateway->upto < broker->delivered)
        read_now(broker, gateway);
    if (gateway->upto >= broker->delivered)
        go_live(broker, gateway);
}

bool rj_refill_step(struct rj_broker *broker)
{
    bool goes_on = false;
    for (size_t i = 0; i < RJ_GATEWAYS_MAX; i++) {
        struct rj_gateway *gateway = broker->gateways.slots[i];
        if (!gateway || gateway->state != RJ_GATEWAY_LAGGING || !gateway->peer.stream)
            continue;
        step_one(broker, gateway);
        goes_on |= gateway->state == RJ_GATEWAY_LAGGING && may_go_on(gateway);
    }
    return goes_on;
}
