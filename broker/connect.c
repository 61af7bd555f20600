#include "broker/connect.h"

#include <stdlib.h>

#include "broker/attach.h"
#include "proto/base/json.h"
#include "proto/base/mem.h"
#include "proto/offset.h"

/* ------------------------------------------------------------------------------------------ answering */

static Rejoin__RoomState **list_rooms(struct rj_broker *broker, const struct rj_session *session)
{
    Rejoin__RoomState **list = rj_arena_alloc(&broker->arena, (session->n_rooms + 1) * sizeof *list);
    for (size_t i = 0; i < session->n_rooms; i++) {
        const struct rj_room *room = session->rooms[i].room;
        struct rj_span name = rj_target_key_name(rj_span_of(room->key, room->key_len));
        list[i] = rj_arena_alloc(&broker->arena, sizeof **list);
        rejoin__room_state__init(list[i]);
        list[i]->room = rj_arena_copy(&broker->arena, name.data, name.len);
        list[i]->since_pos = session->rooms[i].since_pos;
    }
    return list;
}

static void reply_connected(struct rj_broker *broker, struct rj_reply_to to, struct rj_session *session)
{
    Rejoin__Connected connected = REJOIN__CONNECTED__INIT;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    connected.sid = session->sid;
    connected.pid = session->pid;
    connected.recovered = session->is_recovered;
    connected.from_pos = session->from_pos;
    connected.user = session->user;
    connected.incarnation = session->incarnation;
    if (session->is_recovered) {
        connected.n_rooms = session->n_rooms;
        connected.rooms = list_rooms(broker, session);
    }
    reply.result_case = REJOIN__REPLY__RESULT_CONNECTED;
    reply.connected = &connected;
    rj_reply(broker, to, &reply);
}

/* The session is durable: answer first, then replay. The client may have gone, or have been taken over,
 * meanwhile; the stream too. */
static void on_connected(void *ctx, enum rj_status status)
{
    struct rj_pending *pending = ctx;
    struct rj_broker *broker = pending->broker;
    struct rj_peer *peer = rj_broker_peer(broker, pending->to.peer);
    (void)status; /* any version is expected: it cannot conflict */
    if (peer) {
        struct rj_session *session = rj_gateway_client((struct rj_gateway *)peer, pending->to.client);
        if (session) {
            reply_connected(broker, pending->to, session);
            if (session->is_recovered)
                rj_replay_start(session, session->from_pos);
        } else {
            rj_reply_error(broker, pending->to, RJ_CLOSED, NULL);
        }
        rj_arena_reset(&broker->arena);
    }
    free(pending);
}

/* ------------------------------------------------------------------------------------------ identity */

/* Who the client is, appended to `user` (nothing: anonymous). */
static enum rj_status identify(const struct rj_conf *conf, struct rj_span auth, struct rj_buf *user)
{
    struct rj_span claimed;
    if (auth.len == 0)
        return RJ_OK;
    enum rj_status status = rj_json_check(auth, RJ_JSON_DEPTH);
    if (status != RJ_OK)
        return status;
    if (rj_json_type(auth) != RJ_JSON_OBJECT)
        return RJ_BAD_REQUEST;
    if (conf->identity != RJ_IDENTITY_CLAIMED || !rj_json_get(auth, "user", &claimed) ||
        rj_json_type(claimed) != RJ_JSON_STRING)
        return RJ_OK;
    status = rj_json_string(claimed, user);
    if (status == RJ_OK &&
        (user->len > RJ_USER_MAX || memchr(user->data ? user->data : (uint8_t *)"", 0, user->len)))
        status = RJ_BAD_NAME;
    return status;
}

/* ------------------------------------------------------------------------------------------ rejoining */

/* Why a session that was asked for is not restored, and where that is counted. */
static void count_refusal(struct rj_broker *broker, const char *reason, uint64_t *counter)
{
    unsigned held;
    ++*counter;
    if (rj_log_allowed(&broker->session_log, &held))
        rj_log(RJ_LOG_INFO, "session_not_recovered", RJ_KV_STR("reason", reason),
               RJ_KV_U64("held_back", held));
}

/* From where the client is to be replayed: its offset, else what its transport has proved, else the session's
 * start. RJ_NOT_FOUND: the offset is none of this store. */
static enum rj_status find_from(struct rj_broker *broker, const struct rj_session *session,
                                const char *offset, uint64_t *from)
{
    struct rj_offset parsed;
    bool was_clamped;
    *from = session->cursor;
    if (rj_offset_parse(rj_span_str(offset), &parsed) == RJ_OK &&
        rj_store_clamp(broker->store, parsed.epoch, parsed.pos, from, &was_clamped) != RJ_OK)
        return RJ_NOT_FOUND;
    /* An older offset than the session is one of an earlier session of the same client. */
    if (*from < session->start_pos)
        *from = session->start_pos;
    return RJ_OK;
}

/* The session with that pid, from RAM or the store, or NULL; *was_loaded tells which. */
static struct rj_session *look_up(struct rj_broker *broker, const char *pid, bool *was_loaded)
{
    struct rj_session *session = rj_session_find(&broker->sessions, pid);
    *was_loaded = false;
    if (session) {
        if (!session->is_ended)
            return session;
        count_refusal(broker, "left", &broker->stats.unrecovered_unknown);
        return NULL;
    }
    enum rj_status status = rj_session_store_load(broker->store, pid, rj_broker_session_clock(broker),
                                                  &broker->sessions, &broker->rooms, &session);
    *was_loaded = status == RJ_OK;
    if (status == RJ_TIMEOUT)
        count_refusal(broker, "expired", &broker->stats.unrecovered_expired);
    else if (status != RJ_OK)
        count_refusal(broker, status == RJ_NOT_FOUND ? "unknown" : rj_status_code(status),
                      &broker->stats.unrecovered_unknown);
    return session;
}

/* Whether this client may have this session, and from where on; counts why not. */
static bool may_rejoin(struct rj_broker *broker, const struct rj_session *session,
                       const Rejoin__Connect *connect, const char *user, uint64_t *from)
{
    if (strcmp(session->nsp, connect->namespace_) != 0 || strcmp(session->user, user) != 0) {
        count_refusal(broker, "mismatch", &broker->stats.unrecovered_mismatch);
        return false;
    }
    if (find_from(broker, session, connect->offset, from) != RJ_OK) {
        count_refusal(broker, "offset", &broker->stats.unrecovered_offset);
        return false;
    }
    if (rj_replay_check(broker, session, *from) != RJ_OK) {
        count_refusal(broker, "gap", &broker->stats.unrecovered_gap);
        return false;
    }
    return true;
}

/* The connection that the session still has is closed; what comes from it is not known any more. */
static void take_over(struct rj_broker *broker, struct rj_session *session)
{
    broker->stats.sessions_taken_over++;
    rj_gateway_kick(session->gateway, session->handle, "taken over");
    rj_attach_undo(session);
}

/* The session that the client asks for, detached and raised to its next incarnation; NULL when it gets a new
 * one instead. */
static struct rj_session *rejoin(struct rj_broker *broker, const Rejoin__Connect *connect, const char *user)
{
    bool was_loaded;
    uint64_t from;
    struct rj_session *session = look_up(broker, connect->pid, &was_loaded);
    if (!session)
        return NULL;
    if (!may_rejoin(broker, session, connect, user, &from)) {
        if (was_loaded)
            rj_session_free(&broker->sessions, &broker->rooms, session);
        return NULL;
    }
    if (session->gateway)
        take_over(broker, session);
    session->incarnation++;
    session->is_recovered = true;
    session->from_pos = from;
    broker->stats.sessions_recovered++;
    return session;
}

static struct rj_session *begin(struct rj_broker *broker, const Rejoin__Connect *connect, const char *user)
{
    char pid[RJ_ID_LEN + 1] = "", sid[RJ_ID_LEN + 1];
    if (!connect->no_recovery)
        rj_random_id(pid);
    rj_random_id(sid);
    struct rj_session *session = rj_session_new(&broker->sessions, pid, sid, connect->namespace_, user);
    /* All that was accepted before it is none of its business, and is complete when its own write is. */
    session->start_pos = session->from_pos = rj_store_head(broker->store).next - 1;
    broker->stats.sessions_new++;
    return session;
}

/* ------------------------------------------------------------------------------------------ commands */

enum rj_status rj_cmd_connect(struct rj_request *request)
{
    struct rj_broker *broker = request->broker;
    const Rejoin__Connect *connect = request->command->connect;
    struct rj_session *session = request->session;
    if (session) { /* repeated on a new stream: the same answer */
        session->stream = request->peer->stream;
        rj_store_barrier(broker->store, on_connected, rj_pending_new(request));
        return RJ_OK;
    }
    if (!rj_conf_has_namespace(broker->conf, connect->namespace_))
        return RJ_BAD_NAMESPACE;
    struct rj_buf user = {0};
    enum rj_status status = identify(broker->conf, rj_span_of(connect->auth.data, connect->auth.len), &user);
    if (status == RJ_OK) {
        const char *name = rj_buf_cstr(&user);
        if (connect->pid[0] && !connect->no_recovery)
            session = rejoin(broker, connect, name);
        if (!session)
            session = begin(broker, connect, name);
        rj_attach(session, request->gateway, request->to.client);
        if (session->pid[0])
            rj_session_store_save(broker->store, session, true, on_connected, rj_pending_new(request));
        else
            rj_store_barrier(broker->store, on_connected, rj_pending_new(request));
    }
    rj_buf_free(&user);
    return status;
}

/* A session without recovery, as its gateway remembers it. NULL when that makes no sense. */
static struct rj_session *rebuild(struct rj_broker *broker, const Rejoin__Attach *attach)
{
    if (!rj_conf_has_namespace(broker->conf, attach->namespace_) || strlen(attach->sid) != RJ_ID_LEN ||
        strlen(attach->user) > RJ_USER_MAX || attach->n_rooms > broker->conf->rooms_per_client)
        return NULL;
    struct rj_session *session =
        rj_session_new(&broker->sessions, "", attach->sid, attach->namespace_, attach->user);
    session->incarnation = attach->incarnation;
    for (size_t i = 0; i < attach->n_rooms; i++) {
        uint8_t bytes[RJ_TARGET_KEY_MAX];
        rj_room_id id;
        if (rj_room_name_check(attach->rooms[i]->room) != RJ_OK)
            continue;
        struct rj_span key = rj_span_of(bytes, rj_target_key(bytes, REJOIN__TARGET__KIND__ROOM,
                                                             attach->namespace_, attach->rooms[i]->room));
        if (rj_store_room(broker->store, key, true, &id) == RJ_OK && !rj_session_membership(session, id))
            rj_session_add_room(session, rj_room_ref(&broker->rooms, id, key), attach->rooms[i]->since_pos);
    }
    return session;
}

/* The detached session that the gateway has a live client of; else why the broker knows better. */
static enum rj_status claim(struct rj_broker *broker, const Rejoin__Attach *attach, struct rj_session **out)
{
    struct rj_session *session = rj_session_find(&broker->sessions, attach->pid);
    bool was_loaded = false;
    if (session && session->is_ended)
        return RJ_NOT_FOUND;
    if (!session) {
        if (rj_session_store_load(broker->store, attach->pid, rj_broker_session_clock(broker),
                                  &broker->sessions, &broker->rooms, &session) != RJ_OK)
            return RJ_NOT_FOUND;
        was_loaded = true;
    }
    if (session->gateway || strcmp(session->sid, attach->sid) != 0 ||
        session->incarnation != attach->incarnation) {
        if (was_loaded)
            rj_session_free(&broker->sessions, &broker->rooms, session);
        return RJ_CONFLICT;
    }
    *out = session;
    return RJ_OK;
}

enum rj_status rj_cmd_attach(struct rj_request *request)
{
    struct rj_broker *broker = request->broker;
    const Rejoin__Attach *attach = request->command->attach;
    struct rj_session *session = request->session;
    if (session) {
        if (session->incarnation != attach->incarnation || strcmp(session->sid, attach->sid) != 0)
            return RJ_CONFLICT;
        session->stream = request->peer->stream;
        rj_store_barrier(broker->store, rj_on_written_reply_ok, rj_pending_new(request));
        return RJ_OK;
    }
    if (attach->no_recovery) {
        if (!(session = rebuild(broker, attach)))
            return RJ_BAD_REQUEST;
    } else {
        enum rj_status status = claim(broker, attach, &session);
        if (status != RJ_OK)
            return status;
    }
    rj_attach(session, request->gateway, request->to.client);
    if (session->pid[0])
        rj_session_store_save(broker->store, session, true, rj_on_written_reply_ok, rj_pending_new(request));
    else
        rj_store_barrier(broker->store, rj_on_written_reply_ok, rj_pending_new(request));
    return RJ_OK;
}

enum rj_status rj_cmd_catch_up(struct rj_request *request)
{
    struct rj_session *session = request->session;
    uint64_t after = request->command->catch_up->after_pos;
    if (after < session->start_pos)
        after = session->start_pos;
    rj_reply_ok(request->broker, request->to);
    rj_replay_start(session, after);
    return RJ_OK;
}

enum rj_status rj_cmd_disconnect(struct rj_request *request)
{
    struct rj_broker *broker = request->broker;
    struct rj_session *session = request->session;
    if (session && request->command->disconnect->left) {
        broker->stats.sessions_left++;
        rj_end_session(broker, session);
    } else if (session) {
        rj_detach(broker, session);
    }
    rj_store_barrier(broker->store, rj_on_written_reply_ok, rj_pending_new(request));
    return RJ_OK;
}

void rj_connect_cursors(struct rj_broker *broker, struct rj_gateway *gateway, const Rejoin__Cursors *cursors)
{
    for (size_t i = 0; i < cursors->n_cursors; i++) {
        const Rejoin__Cursors__Cursor *cursor = cursors->cursors[i];
        struct rj_session *session = rj_gateway_client(gateway, cursor->client);
        if (session && cursor->pos <= broker->delivered)
            rj_session_prove(&broker->sessions, session, cursor->pos);
    }
}
