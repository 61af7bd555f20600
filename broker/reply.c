#include "broker/reply.h"

#include <stdlib.h>

#include "proto/base/mem.h"

void rj_reply(struct rj_broker *broker, struct rj_reply_to to, Rejoin__Reply *reply)
{
    struct rj_peer *peer = rj_broker_peer(broker, to.peer);
    if (!peer)
        return;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    reply->id = to.id;
    reply->client = to.client;
    item.kind_case = REJOIN__ITEM__KIND_REPLY;
    item.reply = reply;
    rj_peer_put(peer, &item);
}

void rj_reply_ok(struct rj_broker *broker, struct rj_reply_to to)
{
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    rj_reply(broker, to, &reply);
}

void rj_reply_error(struct rj_broker *broker, struct rj_reply_to to, enum rj_status status,
                    const char *message)
{
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    Rejoin__Error error = REJOIN__ERROR__INIT;
    error.code = (char *)(uintptr_t)rj_status_code(status);
    error.message = (char *)(uintptr_t)(message ? message : rj_status_text(status));
    reply.error = &error;
    rj_reply(broker, to, &reply);
}

struct rj_pending *rj_pending_new(const struct rj_request *request)
{
    struct rj_pending *pending = rj_alloc(sizeof *pending);
    *pending = (struct rj_pending){request->broker, request->to};
    return pending;
}

void rj_on_written_reply_ok(void *ctx, enum rj_status status)
{
    struct rj_pending *pending = ctx;
    if (status == RJ_OK)
        rj_reply_ok(pending->broker, pending->to);
    else
        rj_reply_error(pending->broker, pending->to, status, NULL);
    free(pending);
}
