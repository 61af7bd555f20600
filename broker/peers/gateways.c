#include "broker/peers/gateways.h"

#include <assert.h>
#include <stdlib.h>

#include "broker/held.h"
#include "broker/messages/refill.h"
#include "broker/peers/hello.h"
#include "broker/rooms/rooms.h"
#include "broker/serving/admission.h"
#include "broker/sessions/attach.h"
#include "broker/sessions/contest.h"
#include "proto/base/mem.h"

enum {
    DETACH_PER_TURN = 500, /* clients that are gone, of all gateways: each takes some 10 µs */
    SIFT_PER_TURN = 20000, /* of those that are looked through */
};

static struct rj_gateway *find(const struct rj_gateways *gateways, const char *id)
{
    for (size_t i = 0; i < RJ_GATEWAYS_MAX; i++)
        if (gateways->slots[i] && strcmp(gateways->slots[i]->peer.id, id) == 0)
            return gateways->slots[i];
    return NULL;
}

static struct rj_gateway *create(struct rj_broker *broker, const char *id)
{
    struct rj_gateways *gateways = &broker->gateways;
    uint32_t slot = 0;
    while (slot < RJ_GATEWAYS_MAX && gateways->slots[slot])
        slot++;
    if (slot == RJ_GATEWAYS_MAX)
        return NULL;
    struct rj_gateway *gateway = rj_calloc(1, sizeof *gateway);
    rj_peer_init(&gateway->peer, RJ_BUS_GATEWAYS, slot, id, broker->bus, &broker->stats);
    gateway->peer.live_limit = broker->conf->gateway_bytes;
    gateways->slots[slot] = gateway;
    gateways->n++;
    return gateway;
}

static void destroy(struct rj_broker *broker, struct rj_gateway *gateway)
{
    assert(!gateway->clients);
    rj_refill_stop(gateway);
    rj_held_drop(gateway);
    rj_rooms_forget_joins(gateway);
    rj_broker_forget_route(broker, &gateway->peer);
    broker->gateways.slots[gateway->peer.slot] = NULL;
    broker->gateways.n--;
    rj_peer_fini(&gateway->peer);
    free(gateway);
}

/* A gateway has seen more of this store than there is: it has gone back, to a copy that was made by whatever
 * means. Who has seen that much cannot be told, so nobody gets a session back from before this start. */
static void note_gone_back(struct rj_broker *broker)
{
    if (broker->whole_since == broker->epoch)
        return;
    broker->whole_since = broker->epoch;
    rj_session_store_void(broker->store, broker->epoch);
    rj_log(RJ_LOG_WARN, "store_gone_back", RJ_KV_U64("head", broker->delivered));
}

/* From where the log is to be read for it. False: this store does not know what the gateway has seen. */
static bool place(struct rj_broker *broker, const Rejoin__Hello *hello, uint64_t *upto)
{
    bool was_clamped = false;
    *upto = broker->delivered;
    if (hello->epoch == 0)
        return true; /* its first stream: nothing to catch up with */
    uint64_t pos;
    if (rj_store_clamp(broker->store, hello->epoch, hello->upto, &pos, &was_clamped) != RJ_OK || was_clamped)
        return false;
    *upto = pos;
    return true;
}

void rj_gateways_hello(struct rj_broker *broker, uint32_t route, const Rejoin__Hello *hello)
{
    if (hello->role != REJOIN__HELLO__ROLE__GATEWAY || !rj_hello_id_is_valid(hello->id)) {
        rj_hello_refuse(broker, RJ_BUS_GATEWAYS, route, RJ_BAD_REQUEST, "no valid Hello of a gateway");
        return;
    }
    struct rj_gateway *gateway = find(&broker->gateways, hello->id);
    if (!gateway && !(gateway = create(broker, hello->id))) {
        rj_hello_refuse(broker, RJ_BUS_GATEWAYS, route, RJ_TOO_MANY, "all places for gateways are taken");
        return;
    }
    rj_broker_begin_stream(broker, &gateway->peer, route);
    bool is_known = place(broker, hello, &gateway->upto);
    if (!is_known)
        note_gone_back(broker);
    gateway->state = RJ_GATEWAY_ATTACHING;
    gateway->is_sifting = false;
    rj_replay_stop_all(gateway); /* of the old stream; the gateway asks again for those that it still wants */
    rj_refill_stop(gateway);
    rj_held_drop(gateway);
    rj_rooms_forget_joins(gateway); /* they are said again */
    rj_hello_welcome(broker, &gateway->peer, !is_known);
    rj_log(RJ_LOG_INFO, "gateway_hello", RJ_KV_STR("gateway", hello->id),
           RJ_KV_STR("software", hello->software), RJ_KV_U64("upto", gateway->upto),
           RJ_KV_STR("reset", is_known ? "no" : "yes"));
}

struct readiness {
    struct rj_broker *broker;
    struct rj_peer_ref gateway;
};

/* All Attaches are answered: the gateway knows who is in which rooms before it gets what they missed. */
static void on_ready(void *ctx, enum rj_status status)
{
    struct readiness *readiness = ctx;
    struct rj_gateway *gateway = (struct rj_gateway *)rj_broker_peer(readiness->broker, readiness->gateway);
    (void)status;
    if (gateway && gateway->state == RJ_GATEWAY_ATTACHING) {
        gateway->state = RJ_GATEWAY_LAGGING;
        gateway->peer.upto = &gateway->upto;
    }
    free(readiness);
}

static void be_ready_soon(struct rj_broker *broker, struct rj_gateway *gateway)
{
    struct readiness *readiness = rj_alloc(sizeof *readiness);
    *readiness = (struct readiness){broker, rj_peer_ref(&gateway->peer)};
    rj_store_barrier(broker->store, on_ready, readiness);
}

void rj_gateways_ready(struct rj_broker *broker, struct rj_gateway *gateway)
{
    if (gateway->state != RJ_GATEWAY_ATTACHING || gateway->is_sifting)
        return;
    gateway->is_sifting = true;
    gateway->sift_next = gateway->clients;
    gateway->n_sifted_out = 0;
    rj_admissions_ready(broker, gateway);
    rj_contests_ready(broker, gateway);
}

/* Whether the gateway has said on its present stream that it does not have that client of its any more. */
static bool is_sifted_out(const struct rj_gateway *gateway, const struct rj_session *session)
{
    return gateway->is_sifting && gateway->peer.stream && session->stream != gateway->peer.stream;
}

static void sift_out(struct rj_broker *broker, struct rj_gateway *gateway, struct rj_session *session)
{
    gateway->n_sifted_out++;
    rj_detach(broker, session, RJ_REASON_TRANSPORT_CLOSE); /* sift_next goes on when it was this one */
}

static void end_sifting(struct rj_broker *broker, struct rj_gateway *gateway)
{
    gateway->is_sifting = false;
    be_ready_soon(broker, gateway);
    rj_log(RJ_LOG_INFO, "gateway_ready", RJ_KV_STR("gateway", gateway->peer.id),
           RJ_KV_U64("clients", HASH_CNT(by_handle, gateway->clients)),
           RJ_KV_U64("gone", gateway->n_sifted_out));
}

/* Detaches those of the gateway's clients that it has not attached again, one turn's share. False: there are
 * more. Whoever comes meanwhile stands behind all the others, and has the present stream. */
static bool sift(struct rj_broker *broker, struct rj_gateway *gateway, size_t *quota)
{
    for (size_t i = 0; gateway->sift_next && i < SIFT_PER_TURN; i++) {
        struct rj_session *session = gateway->sift_next;
        if (is_sifted_out(gateway, session)) {
            if (*quota == 0)
                return false;
            --*quota;
            sift_out(broker, gateway, session);
        } else {
            gateway->sift_next = session->by_handle.next;
        }
    }
    return gateway->sift_next == NULL;
}

void rj_gateways_let_go(struct rj_broker *broker, const char *pid)
{
    struct rj_session *session = rj_session_find(&broker->sessions, pid);
    if (!session || !session->gateway)
        return;
    if (session->gateway->state == RJ_GATEWAY_GONE)
        rj_detach(broker, session, RJ_REASON_TRANSPORT_ERROR);
    else if (is_sifted_out(session->gateway, session))
        sift_out(broker, session->gateway, session);
}

void rj_gateway_fall_behind(struct rj_gateway *gateway, uint64_t upto)
{
    gateway->state = RJ_GATEWAY_LAGGING;
    gateway->upto = upto;
    gateway->peer.upto = &gateway->upto;
    gateway->peer.stats->gateways_behind++;
    rj_log(RJ_LOG_INFO, "gateway_behind", RJ_KV_STR("gateway", gateway->peer.id), RJ_KV_U64("upto", upto));
}

struct rj_session *rj_gateway_client(const struct rj_gateway *gateway, uint64_t handle)
{
    struct rj_session *session;
    HASH_FIND(by_handle, gateway->clients, &handle, sizeof handle, session);
    return session;
}

void rj_gateway_kick(struct rj_gateway *gateway, uint64_t handle, const char *why)
{
    Rejoin__Kick kick = REJOIN__KICK__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    kick.client = handle;
    kick.how = REJOIN__KICK__HOW__TRANSPORT;
    kick.reason = (char *)(uintptr_t)why;
    item.kind_case = REJOIN__ITEM__KIND_KICK;
    item.kick = &kick;
    rj_peer_put(&gateway->peer, &item);
}

void rj_gateway_probe(struct rj_gateway *gateway, uint64_t handle)
{
    Rejoin__Probe probe = REJOIN__PROBE__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    probe.client = handle;
    item.kind_case = REJOIN__ITEM__KIND_PROBE;
    item.probe = &probe;
    rj_peer_put(&gateway->peer, &item);
}

/* They stand in the order in which they were attached. */
bool rj_gateway_kick_older(struct rj_broker *broker, struct rj_gateway *gateway, uint64_t serial, size_t most,
                           const char *why)
{
    for (; gateway->clients && gateway->clients->serial <= serial; most--) {
        if (most == 0)
            return false;
        rj_gateway_kick(gateway, gateway->clients->handle, why);
        rj_detach(broker, gateway->clients, RJ_REASON_DROPPED);
    }
    return true;
}

/* Detaches the clients of a gateway that is GONE, one turn's share; with the last one it goes itself. */
static void dissolve(struct rj_broker *broker, struct rj_gateway *gateway, size_t *quota)
{
    for (; gateway->clients && *quota; --*quota)
        rj_detach(broker, gateway->clients, RJ_REASON_TRANSPORT_ERROR);
    if (!gateway->clients)
        destroy(broker, gateway);
}

bool rj_gateways_sweep(struct rj_broker *broker)
{
    size_t quota = DETACH_PER_TURN;
    bool has_more = false;
    for (size_t i = 0; i < RJ_GATEWAYS_MAX; i++) {
        struct rj_gateway *gateway = broker->gateways.slots[i];
        if (!gateway)
            continue;
        if (gateway->state == RJ_GATEWAY_GONE)
            dissolve(broker, gateway, &quota);
        else if (gateway->is_sifting && gateway->peer.stream && sift(broker, gateway, &quota))
            end_sifting(broker, gateway);
        else if (gateway->is_sifting && gateway->peer.stream)
            has_more = true;
    }
    return has_more || quota == 0;
}

void rj_gateways_fini(struct rj_broker *broker)
{
    for (size_t i = 0; i < RJ_GATEWAYS_MAX; i++) {
        struct rj_gateway *gateway = broker->gateways.slots[i];
        if (!gateway)
            continue;
        while (gateway->clients) {
            struct rj_session *session = gateway->clients;
            rj_attach_undo(broker, session, RJ_REASON_SERVER_SHUTTING_DOWN);
            rj_session_free(&broker->sessions, &broker->rooms, session);
        }
        destroy(broker, gateway);
    }
}
