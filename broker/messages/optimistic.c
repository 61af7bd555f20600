#include "broker/messages/optimistic.h"

#include <inttypes.h>

#include "broker/messages/delivery.h"
#include "proto/base/clock.h"
#include "proto/base/fault.h"

bool rj_optimistic_is_meant(const struct rj_broker *broker, const Rejoin__Message *message)
{
    uint8_t key[RJ_TARGET_KEY_MAX];
    if (broker->optimistic_rooms.n == 0 || message->volatile_ || message->plain || message->n_targets != 1 ||
        message->targets[0]->kind != REJOIN__TARGET__KIND__ROOM)
        return false;
    size_t len =
        rj_target_key(key, REJOIN__TARGET__KIND__ROOM, message->namespace_, message->targets[0]->name);
    return rj_room_patterns_match(&broker->optimistic_rooms, rj_span_of(key, len));
}

char *rj_optimistic_id(const struct rj_request *request)
{
    enum { NUMBER_SIZE = 24 };
    size_t size = strlen(request->peer->id) + NUMBER_SIZE;
    char *id = rj_arena_alloc(&request->broker->arena, size);
    snprintf(id, size, "%s.%" PRIu64, request->peer->id, request->to.id);
    return id;
}

void rj_optimistic_show(struct rj_broker *broker, rj_room_id room, uint64_t pos, struct rj_span message)
{
    uint64_t mask = rj_delivery_mask(&broker->rooms, &room, 1), ts_ms = rj_clock_wall_ms();
    bool is_shown = false;
    for (; mask; mask &= mask - 1) {
        struct rj_gateway *gateway = broker->gateways.slots[__builtin_ctzll(mask)];
        if (!gateway || !rj_gateway_is_live(gateway) || rj_peer_is_behind(&gateway->peer))
            continue;
        rj_peer_put_pending(&gateway->peer, pos, ts_ms, message);
        rj_peer_count_live(&gateway->peer, message.len);
        broker->stats.pendings++;
        is_shown = true;
    }
    if (is_shown)
        RJ_FAULT_PASS(OPTIMISTIC_SHOWN);
}
