#include "broker/messages/publish.h"

#include <inttypes.h>
#include <stdlib.h>

#include "broker/messages/delivery.h"
#include "broker/messages/optimistic.h"
#include "broker/rooms/targets.h"
#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "proto/base/utf8.h"
#include "proto/offset.h"

#define DEFAULT_EVENT "room:message"

/* An append on its way to the disk. */
struct publishing {
    struct rj_broker *broker;
    struct rj_reply_to to;
    bool is_for_rooms; /* all its targets are */
    size_t n_rooms;
    rj_room_id rooms[];
};

static bool exceptions_are_valid(const Rejoin__Message *message)
{
    if (message->n_except_sids > RJ_EXCEPT_MAX || message->n_except_rooms > RJ_EXCEPT_MAX)
        return false;
    for (size_t i = 0; i < message->n_except_sids; i++)
        if (strlen(message->except_sids[i]) != RJ_ID_LEN ||
            !rj_utf8_is_valid(rj_span_str(message->except_sids[i])))
            return false;
    for (size_t i = 0; i < message->n_except_rooms; i++)
        if (rj_room_name_check(message->except_rooms[i]) != RJ_OK)
            return false;
    return true;
}

/* ------------------------------------------------------------------------------------------ the server's
 * part */

/* Sets what no publisher may set for itself. The texts are borrowed from session and backend. */
static enum rj_status complete(struct rj_request *request, Rejoin__Publish *publish)
{
    Rejoin__Message *message = publish->message;
    struct rj_session *session = request->session;
    if (!message->event[0])
        message->event = DEFAULT_EVENT;
    if (!session) {
        message->from_user = message->from_sid = "";
        message->source = request->backend->name;
        return exceptions_are_valid(message) ? RJ_OK : RJ_BAD_REQUEST;
    }
    message->namespace_ = session->nsp;
    message->from_user = session->user;
    message->from_sid = session->sid;
    message->source = "";
    message->plain = false;
    message->n_except_rooms = 0;
    message->n_except_sids = 0;
    if (publish->exclude_self) {
        message->except_sids = rj_arena_alloc(&request->broker->arena, sizeof *message->except_sids);
        message->except_sids[0] = session->sid;
        message->n_except_sids = 1;
    }
    return RJ_OK;
}

/* "prefix" and "name", in the arena. */
static struct rj_span joined(struct rj_arena *arena, const char *prefix, const char *name)
{
    size_t size = strlen(prefix) + strlen(name) + 1;
    char *text = rj_arena_alloc(arena, size);
    return rj_span_of(text, (size_t)snprintf(text, size, "%s%s", prefix, name));
}

/* The key by which a repeated publish is known: whose it is, and which. Both in the arena. */
static void dedupe_key(struct rj_request *request, const Rejoin__Message *message, bool has_own_id,
                       struct rj_store_append *append)
{
    enum { NUMBER_SIZE = 24 };
    struct rj_arena *arena = &request->broker->arena;
    size_t id_len = strlen(message->id);
    if (request->backend) {
        append->source = joined(arena, "b:", request->backend->name);
        append->id = rj_span_of(message->id, id_len);
    } else if (has_own_id) {
        /* An id is the client's own for each of its rooms. */
        const char *room = message->targets[0]->name;
        size_t room_size = strlen(room) + 1;
        char *text = rj_arena_alloc(arena, room_size + id_len);
        memcpy(text, room, room_size);
        memcpy(text + room_size, message->id, id_len);
        append->source = joined(arena, "s:", request->session->sid);
        append->id = rj_span_of(text, room_size + id_len);
    } else {
        /* The publisher gave none, but its gateway may have to repeat the command: while it waits for the
         * answer, and never one further back than those that may wait. */
        char *text = rj_arena_alloc(arena, NUMBER_SIZE);
        append->source = joined(arena, "g:", request->peer->id);
        append->id = rj_span_of(text, (size_t)snprintf(text, NUMBER_SIZE, "#%" PRIu64, request->to.id));
        append->is_brief = true;
    }
}

/* ------------------------------------------------------------------------------------------ effects */

static void reply_published(struct rj_broker *broker, struct rj_reply_to to,
                            const struct rj_store_receipt *receipt, bool is_duplicate)
{
    char offset[RJ_OFFSET_MAX + 1] = "";
    Rejoin__Published published = REJOIN__PUBLISHED__INIT;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    if (receipt->pos)
        rj_offset_format((struct rj_offset){receipt->epoch, receipt->pos}, offset);
    published.pos = receipt->pos;
    published.offset = offset;
    published.seqs = (uint64_t *)(uintptr_t)receipt->seqs;
    published.n_seqs = receipt->n_seqs;
    published.ts_ms = receipt->ts_ms;
    published.duplicate = is_duplicate;
    reply.result_case = REJOIN__REPLY__RESULT_PUBLISHED;
    reply.published = &published;
    rj_reply(broker, to, &reply);
}

static uint64_t gateways_of(struct rj_broker *broker, const struct publishing *publishing,
                            struct rj_span payload)
{
    if (publishing->is_for_rooms)
        return rj_delivery_mask(&broker->rooms, publishing->rooms, publishing->n_rooms);
    return rj_targets_logged_mask(broker, publishing->rooms, publishing->n_rooms, payload);
}

static void on_appended(void *ctx, enum rj_append_outcome outcome, const struct rj_store_receipt *receipt,
                        struct rj_span payload)
{
    struct publishing *publishing = ctx;
    struct rj_broker *broker = publishing->broker;
    switch (outcome) {
    case RJ_APPEND_STORED: {
        struct rj_delivery delivery = {receipt->pos, receipt->ts_ms, receipt->seqs, receipt->n_seqs, payload};
        uint64_t mask = gateways_of(broker, publishing, payload);
        broker->stats.delivers += rj_delivery_send(&broker->gateways, mask, &delivery);
        broker->delivered = receipt->pos; /* from now on, Batch.upto may say so */
        reply_published(broker, publishing->to, receipt, false);
        break;
    }
    case RJ_APPEND_DUPLICATE:
        broker->stats.duplicates++;
        reply_published(broker, publishing->to, receipt, true);
        break;
    case RJ_APPEND_UNKNOWN:
        rj_reply_error(broker, publishing->to, RJ_UNAVAILABLE, "the outcome is unknown: repeat it");
        break;
    }
    free(publishing);
}

/* A volatile message: to whom it can be sent now, and forgotten. */
static void send_volatile(struct rj_request *request, const Rejoin__Message *message, struct rj_span packed)
{
    struct rj_broker *broker = request->broker;
    struct rj_store_receipt receipt = {.ts_ms = rj_clock_wall_ms()};
    struct rj_delivery delivery = {.ts_ms = receipt.ts_ms, .message = packed};
    uint64_t mask = rj_targets_gateways(broker, message);
    broker->stats.volatiles++;
    broker->stats.delivers += rj_delivery_send(&broker->gateways, mask, &delivery);
    reply_published(broker, request->to, &receipt, false);
}

static bool is_for_rooms(const Rejoin__Message *message)
{
    for (size_t i = 0; i < message->n_targets; i++)
        if (message->targets[i]->kind != REJOIN__TARGET__KIND__ROOM)
            return false;
    return true;
}

/* Hands it to the store. One that is not known yet, in an optimistic room, is shown at once. */
static void append_new(struct rj_broker *broker, const struct rj_store_append *append, bool is_optimistic,
                       struct publishing *publishing)
{
    uint64_t pos = rj_store_head(broker->store).next;
    rj_store_append(broker->store, append, on_appended, publishing);
    if (is_optimistic && rj_store_head(broker->store).next > pos)
        rj_optimistic_show(broker, append->rooms[0], pos, append->payload);
}

static enum rj_status append_message(struct rj_request *request, const Rejoin__Message *message,
                                     struct rj_span packed, bool has_own_id, bool is_optimistic)
{
    struct rj_broker *broker = request->broker;
    rj_room_id rooms[RJ_TARGETS_MAX];
    enum rj_status status = rj_targets_rooms(broker, message, rooms);
    if (status != RJ_OK)
        return status;
    struct rj_store_append append = {.rooms = rooms, .n_rooms = message->n_targets, .payload = packed};
    dedupe_key(request, message, has_own_id, &append);
    struct publishing *publishing = rj_alloc(sizeof *publishing + append.n_rooms * sizeof *publishing->rooms);
    publishing->broker = broker;
    publishing->to = request->to;
    publishing->is_for_rooms = is_for_rooms(message);
    publishing->n_rooms = append.n_rooms;
    memcpy(publishing->rooms, append.rooms, append.n_rooms * sizeof *publishing->rooms);
    broker->stats.publishes++;
    append_new(broker, &append, is_optimistic, publishing);
    return RJ_OK;
}

/* Who repeats a publish must be told what became of the first one, also when the target has gone or the room
 * was left since. False: it is none, so that it fails as it does. */
static bool repeat_message(struct rj_request *request, const Rejoin__Message *message)
{
    struct rj_store_append append = {0};
    if (message->volatile_ || message->n_targets < 1)
        return false;
    dedupe_key(request, message, message->id[0], &append);
    struct publishing *publishing = rj_calloc(1, sizeof *publishing);
    publishing->broker = request->broker;
    publishing->to = request->to;
    if (rj_store_repeat(request->broker->store, &append, on_appended, publishing))
        return true;
    free(publishing);
    return false;
}

enum rj_status rj_cmd_publish(struct rj_request *request)
{
    struct rj_broker *broker = request->broker;
    Rejoin__Publish *publish = request->command->publish;
    Rejoin__Message *message = publish->message;
    if (!message)
        return RJ_BAD_REQUEST;
    enum rj_status status = rj_message_check(message, broker->conf, &request->why);
    if (status == RJ_OK)
        status = complete(request, publish);
    if (status != RJ_OK)
        return status;
    status = rj_targets_check(request, message);
    if (status != RJ_OK)
        return repeat_message(request, message) ? RJ_OK : status;

    bool has_own_id = message->id[0], is_optimistic = rj_optimistic_is_meant(broker, message);
    if (is_optimistic && !has_own_id)
        message->id = rj_optimistic_id(request);
    size_t size = rejoin__message__get_packed_size(message);
    uint8_t *bytes = rj_arena_alloc(&broker->arena, size);
    struct rj_span packed = rj_span_of(bytes, rejoin__message__pack(message, bytes));
    if (!message->volatile_)
        return append_message(request, message, packed, has_own_id, is_optimistic);
    send_volatile(request, message, packed);
    return RJ_OK;
}
