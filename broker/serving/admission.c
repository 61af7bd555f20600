#include "broker/serving/admission.h"

#include <stdlib.h>

#include "broker/base/names.h"
#include "broker/serving/instance.h"
#include "broker/sessions/connect.h"
#include "broker/sockets/socket.h"
#include "proto/base/json.h"
#include "proto/base/mem.h"

struct rj_admission {
    struct {
        uint64_t gateway; /* its slot */
        uint64_t handle;  /* its client */
    } key;
    struct rj_reply_to to;
    struct rj_buf connect;   /* the packed command */
    char sid[RJ_ID_LEN + 1]; /* of the session, if it begins a new one */
    char *group;             /* the one asked last; NULL: none yet */
    struct rj_job *job;      /* what it is asked by; NULL: it waits for its namespace, or is decided */
    struct rj_seat *seats;   /* in the groups that have been asked, the last one first */
    bool is_decided;         /* accepted, while its stream was over: let in when it is repeated */
    bool is_user_set;        /* by a group */
    char *user;              /* so far */
    struct rj_buf data;      /* likewise; empty: as it was */
    char **rooms;            /* likewise */
    size_t n_rooms;
    struct rj_deadline deadline; /* of the wait for a namespace */
    UT_hash_handle hh;
};

static struct rj_admission *find(const struct rj_broker *broker, uint32_t slot, uint64_t handle)
{
    struct rj_admission wanted = {.key = {slot, handle}}, *found;
    HASH_FIND(hh, broker->serving.admissions, &wanted.key, sizeof wanted.key, found);
    return found;
}

size_t rj_admissions_count(const struct rj_broker *broker)
{
    return HASH_CNT(hh, broker->serving.admissions);
}

/* Frees it; seats that are still its own are given up. */
static void end(struct rj_broker *broker, struct rj_admission *admission)
{
    struct rj_serving *serving = &broker->serving;
    while (admission->seats) {
        struct rj_seat *seat = admission->seats;
        admission->seats = seat->session_next;
        rj_seat_dismiss(broker, seat);
    }
    rj_deadline_clear(&serving->deadlines, &admission->deadline);
    HASH_DELETE(hh, serving->admissions, admission);
    serving->admission_bytes -= admission->connect.len;
    for (size_t i = 0; i < admission->n_rooms; i++)
        free(admission->rooms[i]);
    free(admission->rooms);
    rj_buf_free(&admission->connect);
    rj_buf_free(&admission->data);
    free(admission->group);
    free(admission->user);
    free(admission);
}

static void fail(struct rj_broker *broker, struct rj_admission *admission, enum rj_status status)
{
    rj_reply_error(broker, admission->to, status, NULL);
    broker->stats.admissions_failed++;
    end(broker, admission);
}

static Rejoin__Connect *connect_of(struct rj_broker *broker, const struct rj_admission *admission)
{
    return (Rejoin__Connect *)rj_wire_unpack_message(&rejoin__connect__descriptor,
                                                     rj_buf_span(&admission->connect), &broker->arena);
}

/* ------------------------------------------------------------------------------------------ asking */

static void ask_next(struct rj_broker *broker, struct rj_admission *admission,
                     const Rejoin__Connect *connect);

/* All have accepted. While the gateway has no stream there is nobody to let in; it says so again. */
static void let_in(struct rj_broker *broker, struct rj_admission *admission, const Rejoin__Connect *connect)
{
    struct rj_gateway *gateway = (struct rj_gateway *)rj_broker_peer(broker, admission->to.peer);
    struct rj_admitted admitted = {
        .user = admission->is_user_set || admission->user[0] ? admission->user : NULL,
        .data = rj_buf_span(&admission->data),
        .rooms = admission->rooms,
        .n_rooms = admission->n_rooms,
        .sid = admission->sid,
        .seats = admission->seats,
    };
    admission->is_decided = true;
    if (!gateway)
        return;
    broker->stats.admissions_accepted++;
    admission->seats = NULL;
    rj_connect_admit(broker, gateway, admission->to, connect, &admitted);
    end(broker, admission);
}

static void refuse(struct rj_broker *broker, struct rj_admission *admission, Rejoin__Error *refusal)
{
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    if (!refusal->code[0])
        refusal->code = (char *)(uintptr_t)rj_status_code(RJ_FORBIDDEN);
    if (!refusal->message[0])
        refusal->message = (char *)(uintptr_t)rj_status_text(RJ_FORBIDDEN);
    reply.error = refusal;
    rj_reply(broker, admission->to, &reply);
    broker->stats.admissions_refused++;
    end(broker, admission);
}

static void merge(struct rj_admission *admission, const Rejoin__Answer *answer)
{
    if (answer->user_set) {
        free(admission->user);
        admission->user = rj_strndup(answer->user, strlen(answer->user));
        admission->is_user_set = true;
    }
    if (answer->data.len) {
        rj_buf_clear(&admission->data);
        rj_buf_put(&admission->data, answer->data.data, answer->data.len);
    }
    if (!answer->n_rooms)
        return;
    size_t n = admission->n_rooms;
    admission->rooms = (char **)rj_realloc(admission->rooms, n + answer->n_rooms, sizeof *admission->rooms);
    for (size_t i = 0; i < answer->n_rooms; i++)
        admission->rooms[n + i] = rj_strndup(answer->rooms[i], strlen(answer->rooms[i]));
    admission->n_rooms += answer->n_rooms;
}

static void on_done(struct rj_broker *broker, void *ctx, enum rj_status status, const Rejoin__Answer *answer)
{
    struct rj_admission *admission = ctx;
    admission->job = NULL;
    if (status != RJ_OK) {
        fail(broker, admission, status);
    } else if (answer->refusal) {
        refuse(broker, admission, answer->refusal);
    } else {
        merge(admission, answer);
        ask_next(broker, admission, connect_of(broker, admission));
    }
}

/* The session that the client presents, if it could be restored. *was_loaded: the caller frees it. */
static struct rj_session *peek(struct rj_broker *broker, const Rejoin__Connect *connect, bool *was_loaded)
{
    struct rj_session *session = NULL;
    *was_loaded = false;
    if (!connect->pid[0] || connect->no_recovery)
        return NULL;
    session = rj_session_find(&broker->sessions, connect->pid);
    if (!session) {
        enum rj_status status =
            rj_session_store_load(broker->store, connect->pid, rj_broker_session_clock(broker),
                                  &broker->sessions, &broker->rooms, &session);
        *was_loaded = status == RJ_OK;
        if (!*was_loaded)
            return NULL;
    }
    if (!session->is_ended && strcmp(session->nsp, connect->namespace_) == 0)
        return session;
    if (*was_loaded)
        rj_session_free(&broker->sessions, &broker->rooms, session);
    *was_loaded = false;
    return NULL;
}

static void fill_socket(struct rj_broker *broker, const struct rj_admission *admission,
                        const struct rj_session *session, const Rejoin__Connect *connect,
                        Rejoin__Socket *socket)
{
    if (session) {
        rj_socket_fill(session, false, &broker->arena, socket);
        socket->connected_ms = 0;
    } else {
        rejoin__socket__init(socket);
        socket->sid = (char *)(uintptr_t)admission->sid;
        socket->namespace_ = connect->namespace_;
    }
    if (admission->is_user_set || admission->user[0])
        socket->user = admission->user;
    if (admission->data.len)
        socket->data = (ProtobufCBinaryData){admission->data.len, admission->data.data};
    socket->handshake = connect->handshake;
    socket->auth = connect->auth;
}

static struct rj_job *job_of(struct rj_broker *broker, struct rj_admission *admission, struct rj_group *group,
                             const Rejoin__Connect *connect)
{
    Rejoin__Job body = REJOIN__JOB__INIT;
    Rejoin__Admission asked = REJOIN__ADMISSION__INIT;
    Rejoin__Socket socket;
    bool was_loaded;
    struct rj_session *session = peek(broker, connect, &was_loaded);
    fill_socket(broker, admission, session, connect, &socket);
    asked.socket = &socket;
    asked.rejoining = session != NULL;
    body.group = group->name;
    body.sid = socket.sid;
    body.namespace_ = connect->namespace_;
    body.what_case = REJOIN__JOB__WHAT_CONNECT;
    body.connect = &asked;
    struct rj_job *job = rj_job_new(broker, &body, rj_group_timeout(broker, group), on_done, admission);
    if (was_loaded)
        rj_session_free(&broker->sessions, &broker->rooms, session);
    return job;
}

/* The next group's turn; when all have had theirs, the client is let in. `connect` lives in broker->arena. */
static void ask_next(struct rj_broker *broker, struct rj_admission *admission, const Rejoin__Connect *connect)
{
    struct rj_group *group =
        rj_groups_next_admitting(&broker->serving.groups, connect->namespace_, admission->group);
    if (!group) {
        let_in(broker, admission, connect);
        return;
    }
    struct rj_seat *seat = rj_seat_admit(broker, group);
    seat->session_next = admission->seats;
    admission->seats = seat;
    if (rj_instance_is_full(broker, seat->instance)) {
        fail(broker, admission, RJ_UNAVAILABLE);
        return;
    }
    free(admission->group);
    admission->group = rj_strndup(group->name, strlen(group->name));
    admission->job = job_of(broker, admission, group, connect);
    rj_seat_put_job(broker, seat, admission->job);
}

/* ------------------------------------------------------------------------------------------ beginning */

static void on_no_namespace(void *ctx, struct rj_deadline *deadline)
{
    struct rj_admission *admission =
        (struct rj_admission *)((char *)deadline - offsetof(struct rj_admission, deadline));
    struct rj_broker *broker = ctx;
    uint64_t until_ms = rj_namespaces_awaited_until_ms(broker);
    if (broker->now_ms < until_ms) /* a backend has come meanwhile, and others may follow */
        rj_deadline_set(&broker->serving.deadlines, deadline, until_ms);
    else
        fail(broker, admission, RJ_BAD_NAMESPACE);
}

enum rj_status rj_admission_begin(struct rj_request *request, const char *user)
{
    struct rj_broker *broker = request->broker;
    struct rj_serving *serving = &broker->serving;
    const Rejoin__Connect *connect = request->command->connect;
    if (rj_admissions_count(broker) >= broker->conf->max_admissions ||
        serving->admission_bytes >= broker->conf->max_admission_bytes) {
        broker->stats.admissions_failed++;
        return request->why = "too many clients ask to be let in", RJ_UNAVAILABLE;
    }
    struct rj_admission *admission = rj_calloc(1, sizeof *admission);
    admission->key.gateway = request->peer->slot;
    admission->key.handle = request->to.client;
    admission->to = request->to;
    admission->user = rj_strndup(user, strlen(user));
    admission->deadline.on_due = on_no_namespace;
    rj_random_id(admission->sid);
    rj_wire_pack(&connect->base, &admission->connect);
    HASH_ADD(hh, serving->admissions, key, sizeof admission->key, admission);
    serving->admission_bytes += admission->connect.len;
    if (rj_namespace_is_known(broker, connect->namespace_))
        ask_next(broker, admission, connect);
    else
        rj_deadline_set(&serving->deadlines, &admission->deadline, rj_namespaces_awaited_until_ms(broker));
    return RJ_OK;
}

bool rj_admission_resume(struct rj_request *request)
{
    struct rj_broker *broker = request->broker;
    struct rj_admission *admission = find(broker, request->peer->slot, request->to.client);
    if (!admission)
        return false;
    bool is_fresh = admission->to.peer.stream != request->to.peer.stream;
    if (!is_fresh && admission->to.id != request->to.id) {
        rj_reply_error(broker, request->to, RJ_CONFLICT, "the client asks to be let in already");
        return true;
    }
    admission->to = request->to;
    if (admission->is_decided)
        let_in(broker, admission, request->command->connect);
    return true;
}

/* Parking clients hold their places for a lease at most, so this list is walked seldom: when groups change.
 */
void rj_admissions_retry(struct rj_broker *broker)
{
    struct rj_admission *admission, *next;
    HASH_ITER (hh, broker->serving.admissions, admission, next) {
        if (!admission->deadline.place)
            continue;
        Rejoin__Connect *connect = connect_of(broker, admission);
        if (rj_namespace_is_known(broker, connect->namespace_)) {
            rj_deadline_clear(&broker->serving.deadlines, &admission->deadline);
            ask_next(broker, admission, connect);
        } else {
            rj_deadline_set(&broker->serving.deadlines, &admission->deadline,
                            rj_namespaces_awaited_until_ms(broker));
        }
    }
}

/* ------------------------------------------------------------------------------------------ ending */

void rj_admission_cancel(struct rj_broker *broker, const struct rj_gateway *gateway, uint64_t handle)
{
    struct rj_admission *admission = find(broker, gateway->peer.slot, handle);
    if (!admission)
        return;
    rj_reply_error(broker, admission->to, RJ_CLOSED, NULL);
    end(broker, admission);
}

void rj_admissions_ready(struct rj_broker *broker, const struct rj_gateway *gateway)
{
    struct rj_admission *admission, *next;
    HASH_ITER (hh, broker->serving.admissions, admission, next) {
        if (admission->key.gateway == gateway->peer.slot && admission->to.peer.stream != gateway->peer.stream)
            end(broker, admission);
    }
}

void rj_admissions_drop_gateway(struct rj_broker *broker, const struct rj_gateway *gateway)
{
    struct rj_admission *admission, *next;
    HASH_ITER (hh, broker->serving.admissions, admission, next) {
        if (admission->key.gateway == gateway->peer.slot)
            end(broker, admission);
    }
}

static bool involves(const struct rj_admission *admission, const struct rj_group *group)
{
    const struct rj_seat *seat = admission->seats;
    while (seat && seat->instance->group != group)
        seat = seat->session_next;
    return seat != NULL;
}

void rj_admissions_fail_group(struct rj_broker *broker, const struct rj_group *group)
{
    struct rj_admission *admission, *next;
    HASH_ITER (hh, broker->serving.admissions, admission, next) {
        if (involves(admission, group))
            fail(broker, admission, RJ_UNAVAILABLE);
    }
}

/* The rooms of an admission are joined when all groups have let the client in: too late to tell the backend
 * that a name is not allowed. */
static bool room_may_be_joined(struct rj_broker *broker, const struct rj_job *job, const char *room)
{
    if (rj_room_name_check(room) != RJ_OK)
        return false;
    if (strlen(room) <= broker->conf->max_room_name)
        return true;
    const Rejoin__Job *body = (const Rejoin__Job *)rj_wire_unpack_message(
        &rejoin__job__descriptor, rj_span_of(job->body, job->len), &broker->arena);
    return rj_name_may_be_used(broker, REJOIN__TARGET__KIND__ROOM, body->namespace_, room);
}

enum rj_status rj_admission_check(struct rj_broker *broker, const struct rj_job *job,
                                  const Rejoin__Answer *answer, const char **why)
{
    const struct rj_conf *conf = broker->conf;
    struct rj_span data = rj_span_of(answer->data.data, answer->data.len);
    if (answer->user_set && *answer->user && !rj_name_is_valid(answer->user, conf->max_user_name))
        return *why = "the user's name is longer than max-user-name or not valid UTF-8", RJ_BAD_NAME;
    if (data.len > conf->max_socket_data_bytes)
        return *why = "the data is larger than max-socket-data", RJ_TOO_LARGE;
    if (data.len && rj_json_check(data, RJ_JSON_DEPTH) != RJ_OK)
        return *why = "the data is no valid JSON", RJ_BAD_REQUEST;
    if (answer->n_rooms > conf->rooms_per_client)
        return *why = "too many rooms", RJ_TOO_MANY;
    for (size_t i = 0; i < answer->n_rooms; i++)
        if (!room_may_be_joined(broker, job, answer->rooms[i]))
            return *why = "a room's name is empty, longer than max-room-name or not valid UTF-8", RJ_BAD_NAME;
    return RJ_OK;
}

void rj_admissions_fini(struct rj_broker *broker)
{
    while (broker->serving.admissions)
        end(broker, broker->serving.admissions);
}
