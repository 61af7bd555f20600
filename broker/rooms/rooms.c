#include "broker/rooms/rooms.h"

#include <stdlib.h>
#include <utlist.h>

#include "broker/base/names.h"
#include "broker/messages/history.h"
#include "broker/presence/attendance.h"
#include "proto/base/clock.h"
#include "proto/base/mem.h"

enum rj_status rj_room_resolve(struct rj_broker *broker, const char *nsp, const char *name, bool create,
                               struct rj_room_name *out)
{
    if (rj_room_name_check(name) != RJ_OK ||
        (create && !rj_name_may_be_used(broker, REJOIN__TARGET__KIND__ROOM, nsp, name)))
        return RJ_BAD_NAME;
    out->key_len = rj_target_key(out->key, REJOIN__TARGET__KIND__ROOM, nsp, name);
    return rj_store_room(broker->store, rj_span_of(out->key, out->key_len), create, &out->id);
}

enum rj_status rj_room_authorize(struct rj_broker *broker, const struct rj_session *session, const char *name,
                                 bool create, struct rj_room_name *out)
{
    bool is_open = broker->conf->room_policy == RJ_ROOMS_OPEN;
    enum rj_status status = rj_room_resolve(broker, session->nsp, name, create && is_open, out);
    if (is_open || status == RJ_BAD_NAME)
        return status;
    return status == RJ_OK && rj_session_membership(session, out->id) ? RJ_OK : RJ_NOT_JOINED;
}

/* ------------------------------------------------------------------------------------------ join */

/* A join on its way to the disk, or waiting in gateway->joinings. */
struct rj_joining {
    struct rj_broker *broker;
    struct rj_joining *prev, *next; /* in that list */
    bool was_member;
    struct rj_reply_to to;
    struct rj_room_name room;
    uint64_t since_pos;
    uint64_t after;
    uint32_t last;
    bool after_set;
};

/* The messages that the join asked for. All that is completed now is at or before its place in the log. */
static enum rj_status read_missed(const struct rj_joining *joining, Rejoin__Joined *joined)
{
    struct rj_broker *broker = joining->broker;
    uint64_t max = broker->conf->history_max;
    struct rj_page_query query = {.room = joining->room.id, .limit = max};
    struct rj_page page;
    if (joining->last) {
        query.order = RJ_HISTORY_BACKWARD;
        query.seq = UINT64_MAX;
        query.floor = joining->after_set ? joining->after : 0;
        query.limit = joining->last < max ? joining->last : max;
    } else {
        query.order = RJ_HISTORY_FORWARD;
        query.seq = joining->after;
    }
    enum rj_status status = rj_history_read(broker->store, &query, &broker->page_arena, &page);
    if (status != RJ_OK)
        return status;
    joined->has_messages = true;
    joined->messages = page.messages;
    joined->n_messages = page.n;
    joined->more = page.more;
    return RJ_OK;
}

static void answer_join(struct rj_joining *joining)
{
    struct rj_broker *broker = joining->broker;
    Rejoin__Joined joined = REJOIN__JOINED__INIT;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    struct rj_span name = rj_target_key_name(rj_span_of(joining->room.key, joining->room.key_len));
    const struct rj_room *room = rj_room_find(&broker->rooms, joining->room.id);
    joined.room = rj_arena_copy(&broker->page_arena, name.data, name.len);
    joined.seq = rj_store_room_state(broker->store, joining->room.id).head_seq;
    joined.members = room ? room->members.n : 0;
    joined.since_pos = joining->since_pos;
    reply.result_case = REJOIN__REPLY__RESULT_JOINED;
    reply.joined = &joined;
    /* The join stands whatever the reading says: without the messages the client can still ask for history.
     */
    if ((joining->after_set || joining->last) && read_missed(joining, &joined) != RJ_OK)
        joined.more = true;
    rj_reply(broker, joining->to, &reply);
    rj_arena_reset(&broker->page_arena);
}

/* The answer says up to where the room has got, and what comes behind it is later. A member's refill may
 * still be on its way with what is earlier, so the answer waits for its end. */
static void on_joined(void *ctx, enum rj_status written)
{
    struct rj_joining *joining = ctx;
    struct rj_gateway *gateway = (struct rj_gateway *)rj_broker_peer(joining->broker, joining->to.peer);
    (void)written; /* any version is expected: it cannot conflict */
    if (gateway && joining->was_member && !rj_gateway_is_live(gateway)) {
        DL_APPEND(gateway->joinings, joining);
        return;
    }
    answer_join(joining);
    free(joining);
}

void rj_rooms_answer_joins(struct rj_broker *broker, struct rj_gateway *gateway)
{
    while (gateway->joinings) {
        struct rj_joining *joining = gateway->joinings;
        DL_DELETE(gateway->joinings, joining);
        rj_store_barrier(broker->store, on_joined, joining); /* behind what is being delivered */
    }
}

void rj_rooms_forget_joins(struct rj_gateway *gateway)
{
    while (gateway->joinings) {
        struct rj_joining *joining = gateway->joinings;
        DL_DELETE(gateway->joinings, joining);
        free(joining);
    }
}

struct rj_membership *rj_room_enter(struct rj_broker *broker, struct rj_session *session,
                                    const struct rj_room_name *name)
{
    struct rj_room *room = rj_room_ref(&broker->rooms, name->id, rj_span_of(name->key, name->key_len));
    /* What was accepted before this join completes before it does, and is not for this member; what is
     * accepted from now on has a higher pos. */
    rj_session_add_room(session, room, rj_store_head(broker->store).next - 1);
    rj_directory_enter_room(session, name->id);
    struct rj_membership *membership = rj_session_membership(session, name->id);
    membership->since_s = (uint32_t)(rj_clock_wall_ms() / 1000);
    rj_attendance_join(broker, session, room);
    return membership;
}

enum rj_status rj_cmd_join(struct rj_request *request)
{
    struct rj_broker *broker = request->broker;
    struct rj_session *session = request->session;
    const Rejoin__Join *join = request->command->join;
    struct rj_room_name name;
    enum rj_status status = rj_room_resolve(broker, session->nsp, join->room, true, &name);
    if (status != RJ_OK)
        return status;
    struct rj_membership *membership = rj_session_membership(session, name.id);
    bool is_new = !membership;
    if (is_new && session->n_rooms >= broker->conf->rooms_per_client)
        return RJ_TOO_MANY;
    if (is_new)
        membership = rj_room_enter(broker, session, &name);

    struct rj_joining *joining = rj_alloc(sizeof *joining);
    *joining = (struct rj_joining){
        .broker = broker,
        .was_member = !is_new,
        .to = request->to,
        .room = name,
        .since_pos = membership->since_pos,
        .after = join->after,
        .last = join->last,
        .after_set = join->after_set,
    };
    if (is_new && session->pid[0])
        rj_session_store_join(broker->store, session, membership, on_joined, joining);
    else
        rj_store_barrier(broker->store, on_joined, joining);
    return RJ_OK;
}

/* ------------------------------------------------------------------------------------------ leave */

static void on_parted(void *ctx, enum rj_status status)
{
    (void)status;
    rj_room_parted(ctx);
}

void rj_room_exit(struct rj_broker *broker, struct rj_session *session, rj_room_id room)
{
    struct rj_room *left = rj_session_membership(session, room)->room;
    /* The gateway is told when what is queued now is durable: with no message between this and that. */
    rj_store_barrier(broker->store, on_parted,
                     rj_room_part(&broker->rooms, left, session->gateway->peer.slot));
    rj_attendance_leave(broker, session, left);
    rj_directory_exit_room(session, room);
    rj_room_unref(&broker->rooms, rj_session_remove_room(session, room));
    session->has_left = true; /* see replay.h */
}

enum rj_status rj_cmd_leave(struct rj_request *request)
{
    struct rj_broker *broker = request->broker;
    struct rj_session *session = request->session;
    struct rj_room_name name;
    enum rj_status status =
        rj_room_resolve(broker, session->nsp, request->command->leave->room, false, &name);
    if (status == RJ_BAD_NAME)
        return status;
    if (status != RJ_OK || !rj_session_membership(session, name.id)) { /* not in it: nothing to do */
        rj_store_barrier(broker->store, rj_on_written_reply_ok, rj_pending_new(request));
        return RJ_OK;
    }
    rj_room_exit(broker, session, name.id);
    if (session->pid[0])
        rj_session_store_leave(broker->store, session, rj_span_of(name.key, name.key_len),
                               rj_on_written_reply_ok, rj_pending_new(request));
    else
        rj_store_barrier(broker->store, rj_on_written_reply_ok, rj_pending_new(request));
    return RJ_OK;
}

/* ------------------------------------------------------------------------------------------ history */

static struct rj_page_query history_query(const struct rj_conf *conf, const Rejoin__History *history,
                                          rj_room_id room)
{
    struct rj_page_query query = {.room = room, .order = RJ_HISTORY_BACKWARD, .seq = UINT64_MAX};
    query.limit = history->limit ? history->limit : conf->history_default;
    if (query.limit > conf->history_max)
        query.limit = conf->history_max;
    if (history->before) {
        query.seq = history->before;
    } else if (history->after_set) {
        query.order = RJ_HISTORY_FORWARD;
        query.seq = history->after;
    }
    return query;
}

static enum rj_status find_history_room(struct rj_request *request, struct rj_room_name *room)
{
    const Rejoin__History *history = request->command->history;
    if (request->session)
        return rj_room_authorize(request->broker, request->session, history->room, false, room);
    if (!rj_namespace_is_known(request->broker, history->namespace_))
        return RJ_BAD_NAMESPACE;
    return rj_room_resolve(request->broker, history->namespace_, history->room, false, room);
}

enum rj_status rj_cmd_history(struct rj_request *request)
{
    struct rj_broker *broker = request->broker;
    struct rj_room_name room;
    enum rj_status status = find_history_room(request, &room);
    if (status == RJ_OK) {
        struct rj_page_query query = history_query(broker->conf, request->command->history, room.id);
        rj_history_answer(request, &query);
        return RJ_OK;
    }
    if (status != RJ_NOT_FOUND)
        return status;
    /* A room that never was has an empty history. */
    Rejoin__HistoryPage result = REJOIN__HISTORY_PAGE__INIT;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    reply.result_case = REJOIN__REPLY__RESULT_HISTORY;
    reply.history = &result;
    rj_reply(broker, request->to, &reply);
    return RJ_OK;
}
