#include "broker/peers/notices.h"

#include <stdlib.h>

#include "proto/base/mem.h"

/* Each: whose it is and how long, then the packed Item. */
struct head {
    struct rj_peer_ref peer;
    size_t len;
};

struct rj_notices {
    struct rj_broker *broker;
    struct rj_buf heads;
    struct rj_buf items;
};

struct rj_notices *rj_notices_new(struct rj_broker *broker)
{
    struct rj_notices *notices = rj_calloc(1, sizeof *notices);
    notices->broker = broker;
    return notices;
}

static void add(struct rj_notices *notices, const struct rj_session *session, const Rejoin__Item *item)
{
    size_t before = notices->items.len;
    rj_wire_pack(&item->base, &notices->items);
    struct head head = {rj_peer_ref(&session->gateway->peer), notices->items.len - before};
    rj_buf_put(&notices->heads, &head, sizeof head);
}

void rj_notices_moved(struct rj_notices *notices, const struct rj_session *session, struct rj_span room_key,
                      bool has_left, uint64_t since_pos)
{
    Rejoin__Moved moved = REJOIN__MOVED__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    struct rj_span name = rj_target_key_name(room_key);
    char room[RJ_ROOM_NAME_MAX + 1] = "";
    memcpy(room, name.data, name.len);
    moved.client = session->handle;
    moved.room = room;
    moved.left = has_left;
    moved.since_pos = since_pos;
    item.kind_case = REJOIN__ITEM__KIND_MOVED;
    item.moved = &moved;
    add(notices, session, &item);
}

void rj_notices_kick(struct rj_notices *notices, const struct rj_session *session, Rejoin__Kick__How how,
                     const char *reason)
{
    Rejoin__Kick kick = REJOIN__KICK__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    kick.client = session->handle;
    kick.how = how;
    kick.reason = (char *)(uintptr_t)reason;
    item.kind_case = REJOIN__ITEM__KIND_KICK;
    item.kick = &kick;
    add(notices, session, &item);
}

static void notices_free(struct rj_notices *notices)
{
    rj_buf_free(&notices->heads);
    rj_buf_free(&notices->items);
    free(notices);
}

static void on_committed(void *ctx, enum rj_status status)
{
    struct rj_notices *notices = ctx;
    struct rj_span rest = rj_buf_span(&notices->items);
    (void)status; /* a barrier does not fail */
    for (size_t at = 0; at < notices->heads.len; at += sizeof(struct head)) {
        struct head head;
        memcpy(&head, notices->heads.data + at, sizeof head);
        struct rj_peer *peer = rj_broker_peer(notices->broker, head.peer);
        if (peer)
            rj_peer_put_packed(peer, rj_span_of(rest.data, head.len));
        rest = rj_span_from(rest, head.len);
    }
    notices_free(notices);
}

void rj_notices_commit(struct rj_notices **notices_)
{
    struct rj_notices *notices = *notices_;
    *notices_ = NULL;
    if (notices->heads.len)
        rj_store_barrier(notices->broker->store, on_committed, notices);
    else
        notices_free(notices);
}
