#include "broker/sockets/sockets.h"

#include <stdlib.h>

#include "broker/base/names.h"
#include "broker/peers/notices.h"
#include "broker/rooms/rooms.h"
#include "broker/sessions/attach.h"
#include "broker/sockets/filter.h"
#include "broker/sockets/rounds.h"
#include "broker/sockets/socket.h"
#include "proto/base/clock.h"
#include "proto/base/json.h"
#include "proto/base/mem.h"

enum {
    STRIDE = 16384,     /* sockets that are chosen in one pass over all, for a change … */
    CLOCK_EVERY = 16,   /* … of them, before the time is looked at */
    LIST_STRIDE = 4096, /* … and for a page of the list */
    LIST_DEFAULT = 1000,
    LIST_MAX = 10000,
    LIST_US = 5000,
    ROOMS_MAX = 64, /* of one JoinSockets or LeaveSockets */
};

/* ------------------------------------------------------------------------------------------ going by all */

/* A socket that was chosen in an earlier turn. It may have gone since. */
struct candidate {
    uint64_t serial;
    char sid[RJ_ID_LEN + 1];
};

/* A command that does something to every socket that is meant, or only counts them. */
struct sweep {
    struct rj_round round; /* first */
    struct rj_filter filter;
    struct rj_stretch stretch; /* what is left; who comes later is not meant */
    struct candidate *chosen;  /* the next ones */
    size_t n_chosen, at;
    bool is_last; /* there are no further ones */
    bool (*meet)(struct rj_broker *, struct sweep *, struct rj_session *, struct rj_notices *);
    bool is_count;
    uint64_t met;
    Rejoin__Kick__How how;
    size_t n_rooms;
    struct rj_room_name rooms[];
};

static void sweep_free(struct rj_broker *broker, struct rj_round *round)
{
    struct sweep *sweep = (struct sweep *)round;
    (void)broker;
    rj_filter_free(&sweep->filter);
    free(sweep->chosen);
    free(sweep);
}

struct affected {
    struct rj_pending pending; /* first */
    uint64_t met;
};

static void on_affected(void *ctx, enum rj_status status)
{
    struct affected *affected = ctx;
    Rejoin__Affected result = REJOIN__AFFECTED__INIT;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    (void)status; /* a barrier does not fail */
    result.sockets = affected->met;
    reply.result_case = REJOIN__REPLY__RESULT_AFFECTED;
    reply.affected = &result;
    rj_reply(affected->pending.broker, affected->pending.to, &reply);
    free(affected);
}

static void reply_count(struct rj_broker *broker, struct rj_reply_to to, uint64_t n)
{
    Rejoin__SocketList list = REJOIN__SOCKET_LIST__INIT;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    list.count = n;
    reply.result_case = REJOIN__REPLY__RESULT_SOCKETS;
    reply.sockets = &list;
    rj_reply(broker, to, &reply);
}

/* A count is of what RAM knows and is said at once; a change is said when it is durable. */
static void finish(struct rj_broker *broker, const struct sweep *sweep)
{
    if (sweep->is_count) {
        reply_count(broker, sweep->round.to, sweep->met);
        return;
    }
    struct affected *affected = rj_alloc(sizeof *affected);
    *affected = (struct affected){{broker, sweep->round.to}, sweep->met};
    rj_store_barrier(broker->store, on_affected, affected);
}

static void choose(struct rj_broker *broker, struct sweep *sweep)
{
    struct rj_member *page = rj_alloc(2 * STRIDE * sizeof *page);
    size_t n = rj_filter_next(&sweep->filter, broker, sweep->stretch, page, STRIDE, &sweep->is_last);
    sweep->chosen = rj_realloc(sweep->chosen, n + 1, sizeof *sweep->chosen);
    for (size_t i = 0; i < n; i++) {
        sweep->chosen[i].serial = page[i].serial;
        memcpy(sweep->chosen[i].sid, page[i].session->sid, sizeof sweep->chosen[i].sid);
    }
    free(page);
    sweep->n_chosen = n;
    sweep->at = 0;
    if (n)
        sweep->stretch.after = sweep->chosen[n - 1].serial;
}

static void meet_next(struct rj_broker *broker, struct sweep *sweep, struct rj_notices *notices)
{
    const struct candidate *next = &sweep->chosen[sweep->at++];
    struct rj_session *session = rj_directory_find_sid(&broker->directory, sweep->filter.nsp, next->sid);
    if (session && session->serial == next->serial && rj_filter_meets(&sweep->filter, session))
        sweep->met += !sweep->meet || sweep->meet(broker, sweep, session, notices);
}

/* Meets those who are left, choosing the next ones when all are met. True: there are no more. */
static bool meet_all(struct rj_broker *broker, struct sweep *sweep, struct rj_notices *notices,
                     uint64_t end_us)
{
    for (unsigned n = 1;; n++) {
        if (sweep->at == sweep->n_chosen && sweep->is_last)
            return true;
        if (sweep->at == sweep->n_chosen)
            choose(broker, sweep);
        else
            meet_next(broker, sweep, notices);
        if (n % CLOCK_EVERY == 0 && rj_clock_mono_us() >= end_us)
            return false;
    }
}

static bool sweep_step(struct rj_broker *broker, struct rj_round *round, uint64_t end_us)
{
    struct sweep *sweep = (struct sweep *)round;
    struct rj_notices *notices = rj_notices_new(broker);
    bool is_done = meet_all(broker, sweep, notices, end_us);
    rj_notices_commit(&notices);
    if (is_done)
        finish(broker, sweep);
    return is_done;
}

/* With room for the names of rooms. Its filter is not set yet. */
static struct sweep *sweep_new(struct rj_request *request, size_t n_rooms)
{
    struct sweep *sweep = rj_calloc(1, sizeof *sweep + n_rooms * sizeof *sweep->rooms);
    sweep->round = (struct rj_round){.step = sweep_step, .free = sweep_free, .to = request->to};
    sweep->stretch.upto = request->broker->directory.last_serial;
    return sweep;
}

static enum rj_status begin(struct rj_request *request, struct sweep *sweep,
                            const Rejoin__SocketFilter *filter)
{
    enum rj_status status = rj_filter_init(&sweep->filter, request->broker, filter, &request->why);
    if (status == RJ_OK)
        return rj_round_begin(request->broker, &sweep->round);
    free(sweep);
    return status;
}

/* ------------------------------------------------------------------------------------------ join, leave */

/* A room that the store did not know is made when the first one joins it. */
static void make_room(struct rj_broker *broker, struct rj_room_name *name)
{
    if (!name->id)
        rj_store_room(broker->store, rj_span_of(name->key, name->key_len), true, &name->id);
}

/* False: it may have no more rooms. What it has joined already, it has. */
static bool join(struct rj_broker *broker, struct sweep *sweep, struct rj_session *session,
                 struct rj_notices *notices)
{
    for (size_t i = 0; i < sweep->n_rooms; i++) {
        struct rj_room_name *name = &sweep->rooms[i];
        make_room(broker, name);
        if (rj_session_membership(session, name->id))
            continue;
        if (session->n_rooms >= broker->conf->rooms_per_client)
            return false;
        struct rj_membership *membership = rj_room_enter(broker, session, name);
        if (session->pid[0])
            rj_session_store_join(broker->store, session, membership, NULL, NULL);
        rj_notices_moved(notices, session, rj_room_key(membership->room), false, membership->since_pos);
    }
    return true;
}

static bool leave(struct rj_broker *broker, struct sweep *sweep, struct rj_session *session,
                  struct rj_notices *notices)
{
    for (size_t i = 0; i < sweep->n_rooms; i++) {
        const struct rj_room_name *name = &sweep->rooms[i];
        struct rj_span key = rj_span_of(name->key, name->key_len);
        if (!name->id || !rj_session_membership(session, name->id))
            continue;
        rj_room_exit(broker, session, name->id);
        if (session->pid[0])
            rj_session_store_leave(broker->store, session, key, NULL, NULL);
        rj_notices_moved(notices, session, key, true, 0);
    }
    return true;
}

/* Those that the store does not know have the id 0. */
static enum rj_status resolve_rooms(struct rj_request *request, struct sweep *sweep, const char *nsp,
                                    char *const *rooms, size_t n)
{
    for (; sweep->n_rooms < n; sweep->n_rooms++) {
        struct rj_room_name *name = &sweep->rooms[sweep->n_rooms];
        if (sweep->meet == join &&
            !rj_name_may_be_used(request->broker, REJOIN__TARGET__KIND__ROOM, nsp, rooms[sweep->n_rooms]))
            return request->why = "a room's name is longer than max-room-name", RJ_BAD_NAME;
        enum rj_status status = rj_room_resolve(request->broker, nsp, rooms[sweep->n_rooms], false, name);
        if (status == RJ_NOT_FOUND)
            name->id = 0;
        else if (status != RJ_OK)
            return status;
    }
    return RJ_OK;
}

static enum rj_status move(struct rj_request *request, const Rejoin__SocketFilter *filter, char *const *rooms,
                           size_t n_rooms, bool is_join)
{
    if (n_rooms < 1 || n_rooms > ROOMS_MAX)
        return request->why = "1 to 64 rooms are needed", RJ_BAD_REQUEST;
    struct sweep *sweep = sweep_new(request, n_rooms);
    sweep->meet = is_join ? join : leave;
    enum rj_status status = rj_filter_init(&sweep->filter, request->broker, filter, &request->why);
    if (status == RJ_OK)
        status = resolve_rooms(request, sweep, filter->namespace_, rooms, n_rooms);
    if (status == RJ_OK)
        return rj_round_begin(request->broker, &sweep->round);
    sweep_free(request->broker, &sweep->round);
    return status;
}

enum rj_status rj_cmd_join_sockets(struct rj_request *request)
{
    const Rejoin__JoinSockets *asked = request->command->join_sockets;
    return move(request, asked->filter, asked->rooms, asked->n_rooms, true);
}

enum rj_status rj_cmd_leave_sockets(struct rj_request *request)
{
    const Rejoin__LeaveSockets *asked = request->command->leave_sockets;
    return move(request, asked->filter, asked->rooms, asked->n_rooms, false);
}

/* ------------------------------------------------------------------------------------------ disconnect */

static bool disconnect(struct rj_broker *broker, struct sweep *sweep, struct rj_session *session,
                       struct rj_notices *notices)
{
    rj_notices_kick(notices, session, sweep->how, "by a backend");
    rj_end_session(broker, session, RJ_REASON_SERVER_NAMESPACE);
    return true;
}

enum rj_status rj_cmd_disconnect_sockets(struct rj_request *request)
{
    const Rejoin__DisconnectSockets *asked = request->command->disconnect_sockets;
    struct sweep *sweep = sweep_new(request, 0);
    sweep->meet = disconnect;
    sweep->how = asked->close ? REJOIN__KICK__HOW__CLOSE : REJOIN__KICK__HOW__NAMESPACE;
    return begin(request, sweep, asked->filter);
}

/* ------------------------------------------------------------------------------------------ list */

static enum rj_status count(struct rj_request *request, const Rejoin__SocketFilter *filter)
{
    uint64_t n;
    struct sweep *sweep = sweep_new(request, 0);
    sweep->is_count = true;
    enum rj_status status = rj_filter_init(&sweep->filter, request->broker, filter, &request->why);
    if (status != RJ_OK) {
        free(sweep);
        return status;
    }
    if (!rj_filter_count(&sweep->filter, request->broker, &n))
        return rj_round_begin(request->broker, &sweep->round);
    reply_count(request->broker, request->to, n);
    sweep_free(request->broker, &sweep->round);
    return RJ_OK;
}

/* A page being filled. It may end before its limit, because of its bytes or its time: the caller goes on
 * where it ended. */
struct listing {
    const Rejoin__ListSockets *asked;
    struct rj_arena *arena;
    Rejoin__SocketList list;
    size_t limit, bytes, max_bytes;
};

/* False: it does not fit any more. */
static bool list_socket(struct listing *listing, const struct rj_session *session)
{
    Rejoin__Socket *socket = rj_arena_alloc(listing->arena, sizeof *socket);
    rj_socket_fill(session, listing->asked->handshake, listing->arena, socket);
    size_t size = rejoin__socket__get_packed_size(socket) + 8;
    if (listing->list.n_sockets && listing->bytes + size > listing->max_bytes)
        return false;
    listing->list.sockets[listing->list.n_sockets++] = socket;
    listing->bytes += size;
    return true;
}

/* Fills from the sockets of one stride; true when the page is to go on with the next. */
static bool list_stride(struct listing *listing, const struct rj_filter *filter, const struct rj_member *page,
                        size_t n, uint64_t *after)
{
    for (size_t i = 0; i < n; i++) {
        if (listing->list.n_sockets == listing->limit)
            return false;
        if (rj_filter_meets(filter, page[i].session) && !list_socket(listing, page[i].session))
            return false;
        *after = page[i].serial;
    }
    return true;
}

static void fill_page(struct rj_broker *broker, struct listing *listing, const struct rj_filter *filter)
{
    struct rj_member *page = rj_arena_alloc(listing->arena, 2 * LIST_STRIDE * sizeof *page);
    struct rj_stretch stretch = {listing->asked->after, UINT64_MAX};
    uint64_t end_us = rj_clock_mono_us() + LIST_US;
    bool is_last, goes_on;
    do {
        size_t n = rj_filter_next(filter, broker, stretch, page, LIST_STRIDE, &is_last);
        goes_on = list_stride(listing, filter, page, n, &stretch.after);
    } while (goes_on && !is_last && rj_clock_mono_us() < end_us);
    listing->list.next = goes_on && is_last ? 0 : stretch.after;
}

enum rj_status rj_cmd_list_sockets(struct rj_request *request)
{
    struct rj_broker *broker = request->broker;
    const Rejoin__ListSockets *asked = request->command->list_sockets;
    if (asked->count_only)
        return count(request, asked->filter);
    if (asked->after && !rj_directory_is_of_run(&broker->directory, asked->after))
        return request->why = "the broker was restarted since the page before: begin again", RJ_GAP;
    struct rj_filter filter;
    enum rj_status status = rj_filter_init(&filter, broker, asked->filter, &request->why);
    if (status != RJ_OK)
        return status;
    struct listing listing = {.asked = asked, .arena = &broker->page_arena};
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    rejoin__socket_list__init(&listing.list);
    listing.limit = asked->limit ? asked->limit : LIST_DEFAULT;
    if (listing.limit > LIST_MAX)
        listing.limit = LIST_MAX;
    listing.max_bytes = rj_round_page_bytes(broker);
    listing.list.sockets = rj_arena_alloc(listing.arena, listing.limit * sizeof *listing.list.sockets);
    fill_page(broker, &listing, &filter);
    rj_filter_free(&filter);
    reply.result_case = REJOIN__REPLY__RESULT_SOCKETS;
    reply.sockets = &listing.list;
    rj_reply(broker, request->to, &reply);
    rj_arena_reset(listing.arena);
    return RJ_OK;
}

/* ------------------------------------------------------------------------------------------ data */

/* Data of a session that is not in RAM, on its way to the disk. */
struct setting {
    struct rj_pending pending; /* first */
    char pid[RJ_ID_LEN + 1];
    struct rj_buf json;
};

static void on_set(void *ctx, enum rj_status status)
{
    struct setting *setting = ctx;
    struct rj_broker *broker = setting->pending.broker;
    struct rj_session *session = rj_session_find(&broker->sessions, setting->pid);
    (void)status; /* any version is expected: it cannot conflict */
    if (session)  /* it came back meanwhile, and was read before this was written */
        rj_session_set_data(session, rj_buf_span(&setting->json));
    rj_reply_ok(broker, setting->pending.to);
    rj_buf_free(&setting->json);
    free(setting);
}

static void set_away(struct rj_request *request, const char *pid, struct rj_span json)
{
    struct setting *setting = rj_calloc(1, sizeof *setting);
    setting->pending = (struct rj_pending){request->broker, request->to};
    memcpy(setting->pid, pid, sizeof setting->pid);
    rj_buf_put_span(&setting->json, json);
    rj_session_store_save_data(request->broker->store, pid, json, on_set, setting);
}

static void set_here(struct rj_request *request, struct rj_session *session, struct rj_span json)
{
    struct rj_store *store = request->broker->store;
    rj_session_set_data(session, json);
    if (session->pid[0])
        rj_session_store_save_data(store, session->pid, json, rj_on_written_reply_ok,
                                   rj_pending_new(request));
    else
        rj_store_barrier(store, rj_on_written_reply_ok, rj_pending_new(request));
}

enum rj_status rj_cmd_set_data(struct rj_request *request)
{
    struct rj_broker *broker = request->broker;
    const Rejoin__SetData *asked = request->command->set_data;
    struct rj_span json = rj_span_of(asked->data.data, asked->data.len);
    char pid[RJ_ID_LEN + 1];
    if (json.len > broker->conf->max_socket_data_bytes)
        return request->why = "the data is larger than max-socket-data", RJ_TOO_LARGE;
    if (json.len && rj_json_check(json, RJ_JSON_DEPTH) != RJ_OK)
        return request->why = "data is no valid JSON", RJ_BAD_REQUEST;
    struct rj_session *session = rj_directory_find_sid(&broker->directory, asked->namespace_, asked->sid);
    if (!session) {
        enum rj_status status =
            rj_session_store_find(broker->store, asked->namespace_, asked->sid,
                                  rj_broker_session_clock(broker), &broker->sessions, pid);
        if (status != RJ_OK)
            return request->why = "the socket is not there: its session is over", status;
        session = rj_session_find(&broker->sessions, pid);
    }
    if (session)
        set_here(request, session, json);
    else
        set_away(request, pid, json);
    return RJ_OK;
}
