#include "broker/messages/tail.h"

#include <inttypes.h>
#include <stdlib.h>
#include <utlist.h>

#include "broker/rooms/rooms.h"
#include "proto/base/mem.h"
#include "proto/offset.h"

enum {
    CHUNK_RECORDS = 256,
    CHUNK_BYTES = 256 << 10,
    CREDIT_MAX = 1 << 30,
    FRESH_RECORDS = 1000, /* what was committed so few records ago is in memory */
};

struct rj_tail {
    uint64_t id;    /* of the command */
    uint64_t after; /* everything up to here has been sent */
    uint64_t credit;
    struct rj_backend *backend;
    struct rj_broker *broker;
    struct rj_store_reading *reading; /* a chunk that is on its way; else NULL */
    uint64_t seen;                    /* the last record of the chunk that was sent; 0 = none */
    struct rj_tail *prev, *next;
    size_t n_rooms; /* 0: the whole log */
    struct rj_store_reach rooms[];
};

static struct rj_tail *find(struct rj_backend *backend, uint64_t id)
{
    struct rj_tail *tail;
    DL_FOREACH (backend->tails, tail) {
        if (tail->id == id)
            return tail;
    }
    return NULL;
}

static void end_tail(struct rj_backend *backend, struct rj_tail *tail)
{
    DL_DELETE(backend->tails, tail);
    backend->n_tails--;
    if (tail->reading)
        rj_store_read_cancel(tail->reading);
    free(tail);
}

void rj_tails_end(struct rj_backend *backend)
{
    while (backend->tails)
        end_tail(backend, backend->tails);
}

void rj_tail_credit(struct rj_backend *backend, uint64_t id, uint32_t more)
{
    struct rj_tail *tail = find(backend, id);
    if (tail)
        tail->credit = tail->credit + more < CREDIT_MAX ? tail->credit + more : CREDIT_MAX;
}

/* Where a tail begins: after `*after`. "" = from now on, "0" = from the oldest kept. RJ_NOT_FOUND: the offset
 * is none of this store, or past the end of its epoch: nothing leaves before its commit, so the store has
 * gone back behind what this consumer has seen, and gives out the same positions for other messages now. */
static enum rj_status find_start(struct rj_broker *broker, const char *offset, uint64_t *after)
{
    struct rj_store_head head = rj_store_head(broker->store);
    struct rj_offset parsed;
    bool was_clamped;
    if (!offset[0]) {
        *after = broker->delivered;
        return RJ_OK;
    }
    if (strcmp(offset, "0") == 0) {
        *after = head.oldest ? head.oldest - 1 : 0;
        return RJ_OK;
    }
    if (rj_offset_parse(rj_span_str(offset), &parsed) != RJ_OK)
        return RJ_BAD_REQUEST;
    uint64_t pos;
    if (rj_store_clamp(broker->store, parsed.epoch, parsed.pos, &pos, &was_clamped) != RJ_OK || was_clamped)
        return RJ_NOT_FOUND;
    *after = pos;
    return RJ_OK;
}

/* Moves past what is trimmed: the whole log's place, or that of each room. True when something was. */
static bool skip_gap(struct rj_broker *broker, struct rj_tail *tail)
{
    struct rj_store_head head = rj_store_head(broker->store);
    bool is_gap = false;
    for (size_t i = 0; i < tail->n_rooms; i++) {
        uint64_t floor = rj_store_room_state(broker->store, tail->rooms[i].room).floor_pos;
        is_gap |= floor > tail->after;
        tail->rooms[i].after_pos = floor > tail->after ? floor : tail->after;
    }
    if (tail->n_rooms || !head.oldest || tail->after >= head.oldest - 1)
        return is_gap;
    tail->after = head.oldest - 1;
    return true;
}

/* Adds the room, unless it is there. */
static enum rj_status add_room(struct rj_broker *broker, const char *nsp, const char *name,
                               struct rj_tail *tail)
{
    struct rj_room_name room;
    enum rj_status status = rj_room_resolve(broker, nsp, name, true, &room);
    if (status != RJ_OK)
        return status;
    for (size_t i = 0; i < tail->n_rooms; i++)
        if (tail->rooms[i].room == room.id)
            return RJ_OK;
    tail->rooms[tail->n_rooms++].room = room.id;
    return RJ_OK;
}

static enum rj_status find_rooms(struct rj_request *request, const Rejoin__Tail *asked, struct rj_tail *tail)
{
    struct rj_broker *broker = request->broker;
    enum rj_status status = RJ_OK;
    if (!asked->room[0] && !asked->n_rooms)
        return RJ_OK;
    if (!rj_namespace_is_known(broker, asked->namespace_))
        return RJ_BAD_NAMESPACE;
    if (asked->room[0])
        status = add_room(broker, asked->namespace_, asked->room, tail);
    for (size_t i = 0; status == RJ_OK && i < asked->n_rooms; i++)
        status = add_room(broker, asked->namespace_, asked->rooms[i], tail);
    return status;
}

/* A tail as it is asked for, in no list yet. */
static enum rj_status make_tail(struct rj_request *request, struct rj_tail **out)
{
    const Rejoin__Tail *asked = request->command->tail;
    if (asked->n_rooms > RJ_TAIL_ROOMS_MAX)
        return request->why = "a tail follows at most 64 rooms, or all", RJ_TOO_MANY;
    struct rj_tail *tail = rj_calloc(1, sizeof *tail + (asked->n_rooms + 1) * sizeof *tail->rooms);
    tail->id = request->to.id;
    tail->backend = request->backend;
    tail->broker = request->broker;
    tail->credit = asked->credit < CREDIT_MAX ? asked->credit : CREDIT_MAX;
    enum rj_status status = find_rooms(request, asked, tail);
    if (status == RJ_OK)
        status = find_start(request->broker, asked->offset, &tail->after);
    if (status == RJ_OK)
        *out = tail;
    else
        free(tail);
    return status;
}

enum rj_status rj_cmd_tail(struct rj_request *request)
{
    struct rj_broker *broker = request->broker;
    struct rj_backend *backend = request->backend;
    struct rj_tail *tail, *old = find(backend, request->to.id);
    if (!old && backend->n_tails >= broker->conf->max_tails)
        return request->why = "the backend follows too many tails", RJ_TOO_MANY;
    enum rj_status status = make_tail(request, &tail);
    if (status != RJ_OK)
        return status;
    if (old) /* asked again on this stream: it starts over */
        end_tail(backend, old);
    DL_APPEND(backend->tails, tail);
    backend->n_tails++;
    bool is_gap = skip_gap(broker, tail);

    char offset[RJ_OFFSET_MAX + 1];
    rj_offset_format((struct rj_offset){broker->epoch, tail->after}, offset);
    Rejoin__Tailing tailing = REJOIN__TAILING__INIT;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    tailing.offset = offset;
    tailing.gap = is_gap;
    reply.result_case = REJOIN__REPLY__RESULT_TAILING;
    reply.tailing = &tailing;
    rj_reply(broker, request->to, &reply);
    return RJ_OK;
}

enum rj_status rj_cmd_untail(struct rj_request *request)
{
    struct rj_tail *tail = find(request->backend, request->command->untail->tail);
    if (tail)
        end_tail(request->backend, tail);
    rj_reply_ok(request->broker, request->to);
    return RJ_OK;
}

/* ------------------------------------------------------------------------------------------ following */

/* Whether another record may be sent. */
static bool may_go_on(const struct rj_tail *tail)
{
    return tail->credit > 0 && rj_peer_has_bulk_room(&tail->backend->peer);
}

static bool on_record(void *ctx, const struct rj_store_record *record)
{
    struct rj_tail *tail = ctx;
    struct rj_peer *peer = &tail->backend->peer;
    rj_peer_put_deliver(peer, record->pos, record->ts_ms, record->seqs, record->n_rooms, record->payload,
                        tail->id);
    rj_peer_count_bulk(peer, record->payload.len);
    tail->seen = record->pos;
    tail->credit--;
    return may_go_on(tail);
}

/* Retention has overtaken a slow consumer, or the log is damaged: it is told, and asks again. */
static void fail(struct rj_tail *tail, enum rj_status status)
{
    struct rj_backend *backend = tail->backend;
    char data[48];
    int len = snprintf(data, sizeof data, "{\"tail\":%" PRIu64 "}", tail->id);
    Rejoin__Error error = REJOIN__ERROR__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    error.code = (char *)(uintptr_t)rj_status_code(status);
    error.message = "the tail has ended";
    error.data = (ProtobufCBinaryData){(size_t)len, (uint8_t *)data};
    item.kind_case = REJOIN__ITEM__KIND_ERROR;
    item.error = &error;
    rj_peer_put(&backend->peer, &item);
    rj_log(RJ_LOG_WARN, "tail_ended", RJ_KV_STR("backend", backend->name),
           RJ_KV_STR("reason", rj_status_code(status)), RJ_KV_U64("after", tail->after));
    end_tail(backend, tail);
}

static bool has_news(struct rj_broker *broker, struct rj_tail *tail)
{
    if (tail->after >= broker->delivered)
        return false;
    if (tail->n_rooms == 0)
        return true;
    for (size_t i = 0; i < tail->n_rooms; i++)
        if (rj_store_room_state(broker->store, tail->rooms[i].room).head_pos > tail->after)
            return true;
    tail->after = broker->delivered;
    return false;
}

/* A chunk has been read. One that the visitor has ended goes on behind the record that it saw last. */
static void end_chunk(struct rj_tail *tail, enum rj_status status, uint64_t reached)
{
    if (status != RJ_OK)
        fail(tail, status);
    else
        tail->after = tail->seen && !may_go_on(tail) ? tail->seen : reached;
}

static void on_read(void *ctx, enum rj_status status, uint64_t reached)
{
    struct rj_tail *tail = ctx;
    tail->reading = NULL;
    if (status != RJ_CLOSED)
        end_chunk(tail, status, reached);
}

static void read_later(struct rj_tail *tail, struct rj_store_budget budget)
{
    struct rj_store *store = tail->broker->store;
    uint64_t upto = tail->broker->delivered;
    tail->reading = tail->n_rooms
                        ? rj_store_read_later(store, tail->rooms, tail->n_rooms, tail->after, upto, budget,
                                              on_record, on_read, tail)
                        : rj_store_read_log_later(store, tail->after, upto, budget, on_record, on_read, tail);
}

static void read_now(struct rj_tail *tail, struct rj_store_budget budget)
{
    struct rj_store *store = tail->broker->store;
    uint64_t upto = tail->broker->delivered, reached = tail->after;
    enum rj_status status =
        tail->n_rooms ? rj_store_read(store, tail->rooms, tail->n_rooms, tail->after, upto, budget, on_record,
                                      tail, &reached)
                      : rj_store_read_log(store, tail->after, upto, budget, on_record, tail, &reached);
    end_chunk(tail, status, reached);
}

/* What is long past may have to come from the disk: a reader thread fetches it. */
static void follow(struct rj_tail *tail)
{
    struct rj_broker *broker = tail->broker;
    struct rj_store_budget budget = {CHUNK_RECORDS, CHUNK_BYTES};
    if (tail->reading || !may_go_on(tail) || !has_news(broker, tail))
        return;
    if (budget.records > tail->credit)
        budget.records = tail->credit;
    tail->seen = 0;
    if (broker->delivered - tail->after > FRESH_RECORDS)
        read_later(tail, budget);
    else
        read_now(tail, budget);
}

static bool goes_on(const struct rj_tail *tail)
{
    return !tail->reading && may_go_on(tail) && tail->after < tail->broker->delivered;
}

bool rj_tail_step(struct rj_broker *broker)
{
    bool is_more = false;
    for (size_t i = 0; broker->backends.n && i < RJ_BACKENDS_MAX; i++) {
        struct rj_backend *backend = broker->backends.slots[i];
        struct rj_tail *tail, *next;
        if (!backend || !backend->tails)
            continue;
        DL_FOREACH_SAFE (backend->tails, tail, next)
            follow(tail);
        DL_FOREACH (backend->tails, tail)
            is_more |= goes_on(tail);
    }
    return is_more;
}
