#include "broker/serving/calls.h"

#include <stdlib.h>
#include <utlist.h>

#include "proto/base/mem.h"

enum { KEY_MAX = 8 + 1 + RJ_PEER_ID_MAX };

static size_t make_key(const struct rj_request *request, uint8_t key[static KEY_MAX])
{
    size_t len = strlen(request->peer->id);
    memcpy(key, &request->command->id, 8);
    key[8] = (uint8_t)request->peer->side;
    memcpy(key + 9, request->peer->id, len);
    return 9 + len;
}

static size_t kept_bytes(const struct rj_call *call)
{
    return sizeof *call + call->key_len + call->reply.len;
}

static void forget(struct rj_broker *broker, struct rj_call *call)
{
    struct rj_serving *serving = &broker->serving;
    HASH_DELETE(hh, serving->calls, call);
    if (call->reply.len) {
        DL_DELETE(serving->answered, call);
        serving->n_answered--;
        serving->answered_bytes -= kept_bytes(call);
    }
    free((void *)(uintptr_t)call->reply.data);
    free(call);
}

bool rj_call_resume(struct rj_request *request)
{
    struct rj_broker *broker = request->broker;
    uint8_t key[KEY_MAX];
    size_t len = make_key(request, key);
    struct rj_call *call;
    HASH_FIND(hh, broker->serving.calls, key, len, call);
    if (!call)
        return false;
    call->to = request->to;
    if (call->reply.len)
        rj_peer_put_packed(request->peer, call->reply);
    return true;
}

struct rj_call *rj_call_begin(struct rj_request *request)
{
    uint8_t key[KEY_MAX];
    size_t len = make_key(request, key);
    struct rj_call *call = rj_calloc(1, sizeof *call + len);
    call->to = request->to;
    call->key_len = len;
    memcpy(call->key, key, len);
    HASH_ADD_KEYPTR(hh, request->broker->serving.calls, call->key, len, call);
    return call;
}

static bool keeps_too_much(const struct rj_serving *serving)
{
    return serving->n_answered > RJ_CALLS_KEPT_MAX || serving->answered_bytes > RJ_CALLS_KEPT_BYTES;
}

void rj_call_reply(struct rj_broker *broker, struct rj_call *call, Rejoin__Reply *reply)
{
    struct rj_serving *serving = &broker->serving;
    struct rj_peer *peer = rj_broker_peer(broker, call->to.peer);
    struct rj_buf packed = {0};
    Rejoin__Item item = REJOIN__ITEM__INIT;
    reply->id = call->to.id;
    reply->client = call->to.client;
    item.kind_case = REJOIN__ITEM__KIND_REPLY;
    item.reply = reply;
    rj_wire_pack(&item.base, &packed);
    if (peer)
        rj_peer_put_packed(peer, rj_buf_span(&packed));
    call->reply = rj_buf_span(&packed);
    call->answered_ms = broker->now_ms;
    DL_APPEND(serving->answered, call);
    serving->n_answered++;
    serving->answered_bytes += kept_bytes(call);
    while (keeps_too_much(serving))
        forget(broker, serving->answered);
}

void rj_call_fail(struct rj_broker *broker, struct rj_call *call, enum rj_status status, const char *message)
{
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    Rejoin__Error error = REJOIN__ERROR__INIT;
    error.code = (char *)(uintptr_t)rj_status_code(status);
    error.message = (char *)(uintptr_t)(message ? message : rj_status_text(status));
    reply.error = &error;
    rj_call_reply(broker, call, &reply);
}

void rj_calls_tick(struct rj_broker *broker)
{
    struct rj_serving *serving = &broker->serving;
    while (serving->answered && broker->now_ms - serving->answered->answered_ms > broker->conf->lease_ms)
        forget(broker, serving->answered);
}

void rj_calls_fini(struct rj_broker *broker)
{
    struct rj_call *call, *next;
    HASH_ITER (hh, broker->serving.calls, call, next)
        forget(broker, call);
}
