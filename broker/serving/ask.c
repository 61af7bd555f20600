#include "broker/serving/ask.h"

#include <stdlib.h>

#include "broker/messages/publish.h"
#include "broker/rooms/targets.h"
#include "broker/serving/args.h"
#include "broker/serving/calls.h"
#include "proto/base/clock.h"
#include "proto/base/mem.h"

/* One client that was asked. */
struct client {
    char sid[RJ_ID_LEN + 1];
    uint32_t gateway; /* its slot */
    enum { OPEN, ANSWERED, MISSING } state;
    struct rj_span one; /* ANSWERED: owned, a packed AskResult.One; empty: there was no room for it */
    UT_hash_handle hh;
};

struct rj_ask {
    uint64_t id;
    struct rj_call *call;
    struct rj_deadline deadline;
    uint64_t awaited;                  /* bit n: the gateway in slot n has not said whom it asked … */
    uint64_t streams[RJ_GATEWAYS_MAX]; /* … on this stream of it */
    struct client *clients;            /* by sid */
    uint64_t n_asked;                  /* also those that could not be kept */
    size_t n_open, n_answers;
    size_t max_answers; /* 0: all */
    size_t held_bytes;  /* of clients and answers, counted in serving.ask_bytes too */
    size_t result_bytes;
    bool is_truncated;
    UT_hash_handle hh;
};

enum { ONE_OVERHEAD = 16 }; /* of an answer, or a missing one, in the result */

uint64_t rj_ask_timeout(uint32_t wanted_ms)
{
    if (wanted_ms == 0)
        return RJ_ASK_TIMEOUT_MS;
    return wanted_ms < RJ_ASK_TIMEOUT_MAX_MS ? wanted_ms : RJ_ASK_TIMEOUT_MAX_MS;
}

size_t rj_asks_count(const struct rj_broker *broker)
{
    return HASH_COUNT(broker->serving.asks) + broker->serving.n_sends;
}

bool rj_asks_have_room(const struct rj_broker *broker)
{
    return rj_asks_count(broker) < broker->conf->max_asks &&
           broker->serving.ask_bytes < broker->conf->max_ask_bytes;
}

/* ------------------------------------------------------------------------------------------ the end */

static void hold(struct rj_broker *broker, struct rj_ask *ask, size_t bytes)
{
    ask->held_bytes += bytes;
    broker->serving.ask_bytes += bytes;
}

static void ask_free(struct rj_broker *broker, struct rj_ask *ask)
{
    struct client *client, *next;
    rj_deadline_clear(&broker->serving.deadlines, &ask->deadline);
    HASH_DELETE(hh, broker->serving.asks, ask);
    broker->serving.ask_bytes -= ask->held_bytes;
    HASH_ITER (hh, ask->clients, client, next) {
        HASH_DELETE(hh, ask->clients, client);
        free((void *)(uintptr_t)client->one.data);
        free(client);
    }
    free(ask);
}

static void fill_result(struct rj_broker *broker, const struct rj_ask *ask, bool with_open,
                        Rejoin__AskResult *result)
{
    size_t n = HASH_COUNT(ask->clients);
    result->answers = rj_arena_alloc(&broker->page_arena, (n + 1) * sizeof *result->answers);
    result->missing = rj_arena_alloc(&broker->page_arena, (n + 1) * sizeof *result->missing);
    result->asked = ask->n_asked;
    result->truncated = ask->is_truncated;
    for (struct client *client = ask->clients; client; client = client->hh.next) {
        if (client->state == ANSWERED && client->one.len)
            result->answers[result->n_answers++] = (Rejoin__AskResult__One *)rj_wire_unpack_message(
                &rejoin__ask_result__one__descriptor, client->one, &broker->page_arena);
        else if (client->state == MISSING || (client->state == OPEN && with_open))
            result->missing[result->n_missing++] = client->sid;
    }
}

/* Answers the backend. `with_open`: those that have not answered are missing; else they were not waited for.
 */
static void finish(struct rj_broker *broker, struct rj_ask *ask, bool with_open)
{
    Rejoin__AskResult result = REJOIN__ASK_RESULT__INIT;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    fill_result(broker, ask, with_open, &result);
    reply.result_case = REJOIN__REPLY__RESULT_ASK;
    reply.ask = &result;
    rj_call_reply(broker, ask->call, &reply);
    rj_arena_reset(&broker->page_arena);
    ask_free(broker, ask);
}

static void finish_if_done(struct rj_broker *broker, struct rj_ask *ask)
{
    if (ask->max_answers && ask->n_answers >= ask->max_answers)
        finish(broker, ask, false);
    else if (!ask->awaited && ask->n_open == 0)
        finish(broker, ask, true);
}

static void on_due(void *ctx, struct rj_deadline *deadline)
{
    struct rj_ask *ask = (struct rj_ask *)((char *)deadline - offsetof(struct rj_ask, deadline));
    ((struct rj_broker *)ctx)->stats.asks_timed_out++;
    finish(ctx, ask, true);
}

/* ------------------------------------------------------------------------------------------ asking */

static void complete(struct rj_request *request, Rejoin__Message *message)
{
    if (!message->event[0])
        message->event = "room:message";
    message->id = message->from_user = message->from_sid = "";
    message->source = request->backend->name;
    message->volatile_ = true;
}

static void deliver(struct rj_broker *broker, struct rj_ask *ask, uint64_t mask, const Rejoin__Ask *asked)
{
    Rejoin__Deliver deliver = REJOIN__DELIVER__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    struct rj_buf *packed = &broker->serving.scratch;
    deliver.message = asked->message;
    deliver.ask = ask->id;
    deliver.ask_ms = (uint32_t)rj_ask_timeout(asked->timeout_ms);
    deliver.ts_ms = rj_clock_wall_ms();
    item.kind_case = REJOIN__ITEM__KIND_DELIVER;
    item.deliver = &deliver;
    rj_buf_clear(packed);
    rj_wire_pack(&item.base, packed);
    for (; mask; mask &= mask - 1) {
        unsigned slot = (unsigned)__builtin_ctzll(mask);
        struct rj_gateway *gateway = broker->gateways.slots[slot];
        if (!gateway || !rj_gateway_is_live(gateway))
            continue;
        rj_peer_put_packed(&gateway->peer, rj_buf_span(packed));
        ask->awaited |= (uint64_t)1 << slot;
        ask->streams[slot] = gateway->peer.stream;
    }
}

enum rj_status rj_cmd_ask(struct rj_request *request)
{
    struct rj_broker *broker = request->broker;
    const Rejoin__Ask *asked = request->command->ask;
    uint64_t mask;
    if (rj_call_resume(request))
        return RJ_OK;
    if (!asked->message)
        return RJ_BAD_REQUEST;
    enum rj_status status = rj_message_check(asked->message, broker->conf, &request->why);
    if (status == RJ_OK && !rj_namespace_is_known(broker, asked->message->namespace_))
        status = RJ_BAD_NAMESPACE;
    if (status == RJ_OK)
        status = rj_targets_mask(request, asked->message, &mask);
    if (status != RJ_OK)
        return status;
    if (!rj_asks_have_room(broker))
        return request->why = "too many questions are open", RJ_BUSY;
    struct rj_ask *ask = rj_calloc(1, sizeof *ask);
    ask->id = ++broker->serving.last_ask;
    ask->call = rj_call_begin(request);
    ask->max_answers = asked->max_answers;
    ask->deadline.on_due = on_due;
    HASH_ADD(hh, broker->serving.asks, id, sizeof ask->id, ask);
    rj_deadline_set(&broker->serving.deadlines, &ask->deadline,
                    broker->now_ms + rj_ask_timeout(asked->timeout_ms));
    hold(broker, ask, sizeof *ask);
    broker->stats.asks++;
    complete(request, asked->message);
    deliver(broker, ask, mask, asked);
    finish_if_done(broker, ask);
    return RJ_OK;
}

/* ------------------------------------------------------------------------------------------ being answered
 */

static struct rj_ask *find(const struct rj_broker *broker, uint64_t id)
{
    struct rj_ask *ask;
    HASH_FIND(hh, broker->serving.asks, &id, sizeof id, ask);
    return ask;
}

static struct client *find_client(const struct rj_ask *ask, const char *sid)
{
    struct client *client = NULL;
    if (rj_session_pid_is_valid(sid)) /* sids have the same form */
        HASH_FIND(hh, ask->clients, sid, RJ_ID_LEN, client);
    return client;
}

static void add_client(struct rj_broker *broker, struct rj_ask *ask, uint32_t gateway, const char *sid)
{
    if (!rj_session_pid_is_valid(sid) || find_client(ask, sid))
        return;
    ask->n_asked++;
    if (broker->serving.ask_bytes >= broker->conf->max_ask_bytes) {
        ask->is_truncated = true;
        return;
    }
    struct client *client = rj_calloc(1, sizeof *client);
    memcpy(client->sid, sid, RJ_ID_LEN);
    client->gateway = gateway;
    HASH_ADD(hh, ask->clients, sid, RJ_ID_LEN, client);
    ask->n_open++;
    ask->result_bytes += RJ_ID_LEN + ONE_OVERHEAD;
    hold(broker, ask, sizeof *client);
}

void rj_ask_asked(struct rj_broker *broker, struct rj_gateway *gateway, const Rejoin__Asked *asked)
{
    struct rj_ask *ask = find(broker, asked->ask);
    uint32_t slot = gateway->peer.slot;
    if (!ask || !(ask->awaited >> slot & 1) || ask->streams[slot] != gateway->peer.stream)
        return;
    ask->awaited &= ~((uint64_t)1 << slot);
    for (size_t i = 0; i < asked->n_sids; i++)
        add_client(broker, ask, slot, asked->sids[i]);
    finish_if_done(broker, ask);
}

static bool has_room(const struct rj_broker *broker, const struct rj_ask *ask, size_t bytes)
{
    return ask->result_bytes + bytes + ONE_OVERHEAD <= broker->conf->max_frame_bytes / 2 &&
           broker->serving.ask_bytes + bytes <= broker->conf->max_ask_bytes;
}

static void keep_answer(struct rj_broker *broker, struct rj_ask *ask, struct client *client,
                        const Rejoin__AskAnswer *answer)
{
    static uint8_t none[] = "[]";
    Rejoin__AskResult__One one = REJOIN__ASK_RESULT__ONE__INIT;
    struct rj_buf packed = {0};
    one.sid = client->sid;
    one.args = answer->args.len ? answer->args : (ProtobufCBinaryData){sizeof none - 1, none};
    one.attachments = answer->attachments;
    one.n_attachments = answer->n_attachments;
    size_t size = protobuf_c_message_get_packed_size(&one.base);
    if (!has_room(broker, ask, size)) {
        ask->is_truncated = true;
        return;
    }
    rj_wire_pack(&one.base, &packed);
    client->one = rj_buf_span(&packed);
    ask->result_bytes += size + ONE_OVERHEAD;
    hold(broker, ask, size);
}

void rj_ask_answered(struct rj_broker *broker, struct rj_gateway *gateway, const Rejoin__AskAnswer *answer)
{
    struct rj_ask *ask = find(broker, answer->ask);
    struct client *client = ask ? find_client(ask, answer->sid) : NULL;
    const char *why;
    if (!client || client->gateway != gateway->peer.slot || client->state != OPEN)
        return;
    ask->n_open--;
    if (answer->left || rj_args_check(rj_span_of(answer->args.data, answer->args.len), answer->attachments,
                                      answer->n_attachments, broker->conf->max_data_bytes, &why) != RJ_OK) {
        client->state = MISSING;
    } else {
        client->state = ANSWERED;
        ask->n_answers++;
        broker->stats.ask_answers++;
        keep_answer(broker, ask, client, answer);
    }
    finish_if_done(broker, ask);
}

/* ------------------------------------------------------------------------------------------ losses */

void rj_asks_gateway_gone(struct rj_broker *broker, const struct rj_gateway *gateway)
{
    struct rj_ask *ask, *next;
    HASH_ITER (hh, broker->serving.asks, ask, next) {
        ask->awaited &= ~((uint64_t)1 << gateway->peer.slot);
        for (struct client *client = ask->clients; client; client = client->hh.next) {
            if (client->gateway != gateway->peer.slot || client->state != OPEN)
                continue;
            client->state = MISSING;
            ask->n_open--;
        }
        finish_if_done(broker, ask);
    }
}

static void give_up_ended(struct rj_broker *broker, struct rj_ask *ask)
{
    for (uint64_t mask = ask->awaited; mask; mask &= mask - 1) {
        unsigned slot = (unsigned)__builtin_ctzll(mask);
        const struct rj_gateway *gateway = broker->gateways.slots[slot];
        if (!gateway || gateway->peer.stream != ask->streams[slot])
            ask->awaited &= ~((uint64_t)1 << slot);
    }
}

void rj_asks_tick(struct rj_broker *broker)
{
    struct rj_ask *ask, *next;
    HASH_ITER (hh, broker->serving.asks, ask, next) {
        if (!ask->awaited)
            continue;
        give_up_ended(broker, ask);
        finish_if_done(broker, ask);
    }
}

void rj_asks_fini(struct rj_broker *broker)
{
    while (broker->serving.asks)
        ask_free(broker, broker->serving.asks);
}
