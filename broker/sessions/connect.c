#include "broker/sessions/connect.h"

#include <stdlib.h>

#include "broker/rooms/rooms.h"
#include "broker/serving/admission.h"
#include "broker/serving/seat.h"
#include "broker/sessions/attach.h"
#include "broker/sessions/contest.h"
#include "broker/sessions/rejoin.h"
#include "broker/sockets/socket.h"
#include "proto/base/clock.h"
#include "proto/base/json.h"
#include "proto/base/mem.h"

enum { HANDSHAKE_MAX = 16384 }; /* bytes of one that are kept */

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
    connected.n_rooms = session->n_rooms;
    connected.rooms = list_rooms(broker, session);
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
            rj_seats_open(broker, session, session->is_recovered, false);
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
        (user->len > conf->max_user_name || memchr(user->data ? user->data : (uint8_t *)"", 0, user->len)))
        status = RJ_BAD_NAME;
    return status;
}

/* ------------------------------------------------------------------------------------------ coming in */

static struct rj_session *begin(struct rj_broker *broker, const Rejoin__Connect *connect,
                                const struct rj_admitted *admitted)
{
    char pid[RJ_ID_LEN + 1] = "", sid[RJ_ID_LEN + 1];
    if (!connect->no_recovery)
        rj_random_id(pid);
    if (admitted->sid)
        memcpy(sid, admitted->sid, sizeof sid);
    else
        rj_random_id(sid);
    struct rj_session *session = rj_session_new(&broker->sessions, pid, sid, connect->namespace_,
                                                admitted->user ? admitted->user : "");
    /* All that was accepted before it is none of its business, and is complete when its own write is. */
    session->start_pos = session->from_pos = rj_store_head(broker->store).next - 1;
    broker->stats.sessions_new++;
    return session;
}

/* Joins the rooms of the admission that the session is not in yet, as far as it may. */
static void join_rooms(struct rj_broker *broker, struct rj_session *session,
                       const struct rj_admitted *admitted)
{
    uint64_t since_pos = rj_store_head(broker->store).next - 1;
    for (size_t i = 0; i < admitted->n_rooms; i++) {
        struct rj_room_name name;
        if (session->n_rooms >= broker->conf->rooms_per_client ||
            rj_room_resolve(broker, session->nsp, admitted->rooms[i], true, &name) != RJ_OK ||
            rj_session_membership(session, name.id))
            continue;
        rj_session_add_room(session, rj_room_ref(&broker->rooms, name.id, rj_span_of(name.key, name.key_len)),
                            since_pos);
        if (session->pid[0])
            rj_session_store_join(broker->store, session, rj_session_membership(session, name.id), NULL,
                                  NULL);
    }
}

/* How the client has introduced itself, as far as anybody may want to know: while backends serve its
 * namespace, and without an `auth` that would be too much to keep. */
static void keep_handshake(struct rj_broker *broker, struct rj_session *session,
                           const Rejoin__Connect *connect)
{
    bool had_one = session->n_handshake > 0;
    struct rj_span auth = rj_span_of(connect->auth.data, connect->auth.len);
    struct rj_buf packed = {0};
    if (rj_groups_serve_namespace(&broker->serving.groups, session->nsp)) {
        rj_socket_pack_handshake(connect->handshake, auth, &packed);
        if (packed.len > HANDSHAKE_MAX) {
            rj_buf_clear(&packed);
            rj_socket_pack_handshake(connect->handshake, (struct rj_span){NULL, 0}, &packed);
        }
        if (packed.len > HANDSHAKE_MAX)
            rj_buf_clear(&packed);
    }
    rj_session_set_handshake(session, rj_buf_span(&packed));
    if (session->pid[0] && (had_one || packed.len))
        rj_session_store_save_handshake(broker->store, session, NULL, NULL);
    rj_buf_free(&packed);
}

static void set_data(struct rj_broker *broker, struct rj_session *session, struct rj_span json)
{
    if (!json.len)
        return;
    rj_session_set_data(session, json);
    if (session->pid[0])
        rj_session_store_save_data(broker->store, session->pid, json, NULL, NULL);
}

/* ------------------------------------------------------------------------------------------ commands */

void rj_connect_admit(struct rj_broker *broker, struct rj_gateway *gateway, struct rj_reply_to to,
                      const Rejoin__Connect *connect, const struct rj_admitted *admitted)
{
    struct rj_session *session = NULL;
    struct rj_pending *pending = rj_alloc(sizeof *pending);
    *pending = (struct rj_pending){broker, to};
    if (connect->pid[0] && !connect->no_recovery)
        session = rj_rejoin(broker, connect, admitted->user);
    bool is_new = !session;
    if (is_new)
        session = begin(broker, connect, admitted);
    session->connected_ms = rj_clock_wall_ms();
    /* The record first: what belongs to none would never be swept. */
    if (session->pid[0] && is_new) {
        rj_session_store_begin(broker->store, session, NULL, NULL);
        rj_rejoin_keep_foreign(broker, session, connect->offset);
    } else if (session->pid[0])
        rj_session_store_save(broker->store, session, true, NULL, NULL);
    keep_handshake(broker, session, connect);
    set_data(broker, session, admitted->data);
    join_rooms(broker, session, admitted);
    rj_attach(broker, session, gateway, to.client, admitted->seats);
    rj_store_barrier(broker->store, on_connected, pending);
}

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
    if (rj_contest_resume(request) || rj_admission_resume(request))
        return RJ_OK;
    rj_gateways_let_go(broker, connect->pid);
    return rj_contest_is_due(broker, connect) ? rj_contest_begin(request) : rj_connect_go_on(request);
}

enum rj_status rj_connect_go_on(struct rj_request *request)
{
    struct rj_broker *broker = request->broker;
    const Rejoin__Connect *connect = request->command->connect;
    bool is_known = rj_namespace_is_known(broker, connect->namespace_);
    if (!is_known && (!rj_namespace_may_come(broker, connect->namespace_) ||
                      broker->now_ms >= rj_namespaces_awaited_until_ms(broker)))
        return RJ_BAD_NAMESPACE;
    bool is_asked = rj_groups_next_admitting(&broker->serving.groups, connect->namespace_, NULL) != NULL;
    struct rj_buf user = {0};
    enum rj_status status = identify(broker->conf, rj_span_of(connect->auth.data, connect->auth.len), &user);
    struct rj_admitted admitted = {.user = rj_buf_cstr(&user)};
    if (status == RJ_OK && (is_asked || !is_known))
        status = rj_admission_begin(request, admitted.user);
    else if (status == RJ_OK)
        rj_connect_admit(broker, request->gateway, request->to, connect, &admitted);
    rj_buf_free(&user);
    return status;
}

/* A session without recovery, as its gateway remembers it. NULL when that makes no sense. */
static struct rj_session *rebuild(struct rj_broker *broker, const Rejoin__Attach *attach)
{
    bool is_known = rj_namespace_is_known(broker, attach->namespace_) ||
                    rj_namespace_may_come(broker, attach->namespace_);
    if (!is_known || strlen(attach->sid) != RJ_ID_LEN ||
        rj_directory_find_sid(&broker->directory, attach->namespace_, attach->sid) ||
        strlen(attach->user) > RJ_USER_MAX || attach->n_rooms > broker->conf->rooms_per_client)
        return NULL;
    struct rj_session *session =
        rj_session_new(&broker->sessions, "", attach->sid, attach->namespace_, attach->user);
    session->incarnation = attach->incarnation;
    session->is_told_to = rj_session_store_knows_brief(broker->store, session->sid);
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

/* Backends have known the socket before, as far as they were there. The next stream says so again when this
 * one is over. The answer says in which rooms it is: what was changed from outside may have been lost with
 * the stream before. */
static void on_attached(void *ctx, enum rj_status status)
{
    struct rj_pending *pending = ctx;
    struct rj_peer *peer = rj_broker_peer(pending->broker, pending->to.peer);
    struct rj_session *session =
        peer ? rj_gateway_client((struct rj_gateway *)peer, pending->to.client) : NULL;
    if (!session) {
        rj_on_written_reply_ok(ctx, status);
        return;
    }
    rj_seats_open(pending->broker, session, false, true);
    reply_connected(pending->broker, pending->to, session);
    rj_arena_reset(&pending->broker->arena);
    free(pending);
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
        rj_store_barrier(broker->store, on_attached, rj_pending_new(request));
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
    rj_attach(broker, session, request->gateway, request->to.client, NULL);
    rj_seats_return(broker, session);
    if (session->pid[0])
        rj_session_store_save(broker->store, session, true, on_attached, rj_pending_new(request));
    else
        rj_store_barrier(broker->store, on_attached, rj_pending_new(request));
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

/* What backends are told. A gateway says Socket.IO's own words; anything else would not be understood. */
static enum rj_reason reason_of(const Rejoin__Disconnect *disconnect)
{
    enum rj_reason reason;
    if (rj_reason_of_text(disconnect->reason, &reason))
        return reason;
    return disconnect->left ? RJ_REASON_CLIENT_NAMESPACE : RJ_REASON_TRANSPORT_CLOSE;
}

enum rj_status rj_cmd_disconnect(struct rj_request *request)
{
    struct rj_broker *broker = request->broker;
    struct rj_session *session = request->session;
    const Rejoin__Disconnect *disconnect = request->command->disconnect;
    enum rj_reason reason = reason_of(disconnect);
    if (session && disconnect->left) {
        broker->stats.sessions_left++;
        rj_end_session(broker, session, reason);
    } else if (session) {
        rj_detach(broker, session, reason);
    } else {
        rj_admission_cancel(broker, request->gateway, request->to.client);
        rj_contest_cancel(broker, request->gateway, request->to.client);
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
