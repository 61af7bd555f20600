/* Delivery: one Deliver item per gateway with members, whatever their number, made from the stored bytes. */
#ifndef RJ_DELIVERY_H
#define RJ_DELIVERY_H

#include "broker/peers/gateways.h"

/* What is delivered, live (pos > 0) or volatile (pos 0). `message` is a packed Message. */
struct rj_delivery {
    uint64_t pos;
    uint64_t ts_ms;
    const uint64_t *seqs; /* one per target */
    size_t n_seqs;
    struct rj_span message;
};

/* The gateways to which messages of any of the rooms go (rj_room_gateways), as a mask of slots. */
uint64_t rj_delivery_mask(const struct rj_rooms *rooms, const rj_room_id *ids, size_t n);

/* Queues it on the streams of the live gateways in `mask`; returns how many. The others get what is logged
 * with their refill. */
size_t rj_delivery_send(struct rj_gateways *gateways, uint64_t mask, const struct rj_delivery *delivery);

/* Whether a message leaves this client out: its sid or one of its rooms is among the exceptions. */
bool rj_delivery_excludes(const Rejoin__Message *message, const struct rj_session *session);

#endif
