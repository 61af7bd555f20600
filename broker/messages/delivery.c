#include "broker/messages/delivery.h"

uint64_t rj_delivery_mask(const struct rj_rooms *rooms, const rj_room_id *ids, size_t n)
{
    uint64_t mask = 0;
    for (size_t i = 0; i < n; i++) {
        const struct rj_room *room = rj_room_find(rooms, ids[i]);
        if (room)
            mask |= rj_room_gateways(room);
    }
    return mask;
}

size_t rj_delivery_send(struct rj_gateways *gateways, uint64_t mask, const struct rj_delivery *delivery)
{
    size_t sent = 0;
    for (; mask; mask &= mask - 1) {
        struct rj_gateway *gateway = gateways->slots[__builtin_ctzll(mask)];
        if (!gateway || !rj_gateway_is_live(gateway))
            continue;
        if (rj_peer_is_behind(&gateway->peer)) {
            if (delivery->pos)
                rj_gateway_fall_behind(gateway, delivery->pos - 1);
            continue;
        }
        rj_peer_put_deliver(&gateway->peer, delivery->pos, delivery->ts_ms, delivery->seqs, delivery->n_seqs,
                            delivery->message, 0);
        rj_peer_count_live(&gateway->peer, delivery->message.len);
        sent++;
    }
    return sent;
}

static bool is_in_room(const struct rj_session *session, const char *name)
{
    struct rj_span wanted = rj_span_str(name);
    for (size_t i = 0; i < session->n_rooms; i++) {
        struct rj_span key = rj_room_key(session->rooms[i].room);
        if (rj_target_key_is_room_of(key, session->nsp) && rj_span_eq(rj_target_key_name(key), wanted))
            return true;
    }
    return false;
}

bool rj_delivery_excludes(const Rejoin__Message *message, const struct rj_session *session)
{
    for (size_t i = 0; i < message->n_except_sids; i++)
        if (strcmp(message->except_sids[i], session->sid) == 0)
            return true;
    for (size_t i = 0; i < message->n_except_rooms; i++)
        if (is_in_room(session, message->except_rooms[i]))
            return true;
    return false;
}
