#include "broker/peers/hello.h"

#include "broker/base/names.h"

bool rj_hello_id_is_valid(const char *id)
{
    return rj_name_is_valid(id, RJ_PEER_ID_MAX);
}

void rj_hello_welcome(struct rj_broker *broker, struct rj_peer *peer, bool reset)
{
    Rejoin__Welcome welcome = REJOIN__WELCOME__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    welcome.epoch = broker->epoch;
    welcome.head = broker->delivered;
    welcome.ping_ms = (uint32_t)broker->conf->ping_ms;
    welcome.lease_ms = (uint32_t)broker->conf->lease_ms;
    welcome.reset = reset;
    welcome.max_frame_bytes = (uint32_t)broker->conf->max_frame_bytes;
    item.kind_case = REJOIN__ITEM__KIND_WELCOME;
    item.welcome = &welcome;
    rj_peer_put(peer, &item);
}

void rj_hello_refuse(struct rj_broker *broker, enum rj_bus_side side, uint32_t route, enum rj_status status,
                     const char *why)
{
    unsigned held;
    broker->stats.refused_peers++;
    rj_stranger_error(broker->bus, side, route, status, why);
    if (rj_log_allowed(&broker->refused_log, &held))
        rj_log(RJ_LOG_WARN, "peer_refused",
               RJ_KV_STR("side", side == RJ_BUS_GATEWAYS ? "gateway" : "backend"), RJ_KV_STR("reason", why),
               RJ_KV_U64("held_back", held));
}
