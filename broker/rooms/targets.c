#include "broker/rooms/targets.h"

#include "broker/base/names.h"
#include "broker/messages/delivery.h"
#include "broker/rooms/rooms.h"

/* ------------------------------------------------------------------------------------------ checking */

/* A socket that is here, or away but may come back. */
static enum rj_status find_socket(struct rj_broker *broker, const char *nsp, const char *sid)
{
    char pid[RJ_ID_LEN + 1];
    if (rj_directory_find_sid(&broker->directory, nsp, sid))
        return RJ_OK;
    return rj_session_store_find(broker->store, nsp, sid, rj_broker_session_clock(broker), &broker->sessions,
                                 pid);
}

static enum rj_status check_name(struct rj_request *request, const char *nsp, const Rejoin__Target *target)
{
    switch (target->kind) {
    case REJOIN__TARGET__KIND__ROOM:
        if (rj_room_name_check(target->name) != RJ_OK)
            return request->why = "a target's room is empty, too long or not valid UTF-8", RJ_BAD_NAME;
        return RJ_OK;
    case REJOIN__TARGET__KIND__USER:
        if (!rj_name_is_valid(target->name, RJ_USER_MAX))
            return request->why = "a target's user is empty, too long or not valid UTF-8", RJ_BAD_NAME;
        return RJ_OK;
    case REJOIN__TARGET__KIND__NAMESPACE:
        if (target->name[0])
            return request->why = "a target of kind NAMESPACE has no name of its own", RJ_BAD_REQUEST;
        return RJ_OK;
    case REJOIN__TARGET__KIND__SOCKET:
        if (find_socket(request->broker, nsp, target->name) != RJ_OK)
            return request->why = "a target's socket is not there: its session is over", RJ_NOT_FOUND;
        return RJ_OK;
    default: return request->why = "a target's kind is not known", RJ_BAD_REQUEST;
    }
}

static enum rj_status check_target(struct rj_request *request, const char *nsp, const Rejoin__Target *target)
{
    enum rj_status status = check_name(request, nsp, target);
    if (status != RJ_OK || rj_name_may_be_used(request->broker, (uint8_t)target->kind, nsp, target->name))
        return status;
    return request->why = "a target's name is longer than max-room-name or max-user-name", RJ_BAD_NAME;
}

static bool is_same(const Rejoin__Target *a, const Rejoin__Target *b)
{
    return a->kind == b->kind && strcmp(a->name, b->name) == 0;
}

static enum rj_status check_backends(struct rj_request *request, const Rejoin__Message *message)
{
    if (!rj_namespace_is_known(request->broker, message->namespace_))
        return RJ_BAD_NAMESPACE;
    if (message->n_targets < 1 || message->n_targets > RJ_TARGETS_MAX)
        return request->why = "1 to 64 targets are needed", RJ_BAD_REQUEST;
    for (size_t i = 0; i < message->n_targets; i++) {
        enum rj_status status = check_target(request, message->namespace_, message->targets[i]);
        if (status != RJ_OK)
            return status;
        for (size_t j = 0; j < i; j++)
            if (is_same(message->targets[i], message->targets[j]))
                return request->why = "targets must be distinct", RJ_BAD_REQUEST;
    }
    return RJ_OK;
}

static enum rj_status check_clients(struct rj_request *request, const Rejoin__Message *message)
{
    struct rj_room_name name;
    if (message->n_targets != 1 || message->targets[0]->kind != REJOIN__TARGET__KIND__ROOM)
        return request->why = "a client publishes to one room", RJ_BAD_REQUEST;
    return rj_room_authorize(request->broker, request->session, message->targets[0]->name, true, &name);
}

enum rj_status rj_targets_check(struct rj_request *request, const Rejoin__Message *message)
{
    return request->session ? check_clients(request, message) : check_backends(request, message);
}

/* ------------------------------------------------------------------------------------------ finding */

static enum rj_status find_room(const struct rj_broker *broker, uint8_t kind, const char *nsp,
                                const char *name, bool create, rj_room_id *out)
{
    uint8_t key[RJ_TARGET_KEY_MAX];
    size_t len = rj_target_key(key, kind, nsp, name);
    return rj_store_room(broker->store, rj_span_of(key, len), create, out);
}

/* Something is about to be logged for that socket. Of one without recovery no record tells the sweep that
 * this is to be forgotten, should the broker die first. */
static void note_brief(struct rj_broker *broker, const char *nsp, const char *sid)
{
    struct rj_session *session = rj_directory_find_sid(&broker->directory, nsp, sid);
    if (!session || session->pid[0] || session->is_told_to)
        return;
    session->is_told_to = true;
    rj_session_store_begin_brief(broker->store, nsp, sid);
}

enum rj_status rj_targets_rooms(struct rj_broker *broker, const Rejoin__Message *message,
                                rj_room_id rooms[static RJ_TARGETS_MAX])
{
    for (size_t i = 0; i < message->n_targets; i++) {
        const Rejoin__Target *target = message->targets[i];
        if (target->kind == REJOIN__TARGET__KIND__SOCKET)
            note_brief(broker, message->namespace_, target->name);
        enum rj_status status =
            find_room(broker, (uint8_t)target->kind, message->namespace_, target->name, true, &rooms[i]);
        if (status != RJ_OK)
            return status;
    }
    return RJ_OK;
}

static uint64_t gateways_of(const struct rj_members *members)
{
    return members ? members->gateways : 0;
}

/* Of one that is not a room. */
static uint64_t gateways_of_other(const struct rj_directory *directory, const char *nsp,
                                  const Rejoin__Target *target)
{
    const struct rj_session *session;
    switch (target->kind) {
    case REJOIN__TARGET__KIND__NAMESPACE: return gateways_of(rj_directory_namespace(directory, nsp));
    case REJOIN__TARGET__KIND__USER: return gateways_of(rj_directory_user(directory, nsp, target->name));
    case REJOIN__TARGET__KIND__SOCKET:
        session = rj_directory_find_sid(directory, nsp, target->name);
        return session ? (uint64_t)1 << session->gateway->peer.slot : 0;
    default: return 0;
    }
}

uint64_t rj_targets_gateways(const struct rj_broker *broker, const Rejoin__Message *message)
{
    uint64_t mask = 0;
    for (size_t i = 0; i < message->n_targets; i++) {
        const Rejoin__Target *target = message->targets[i];
        rj_room_id id;
        if (target->kind != REJOIN__TARGET__KIND__ROOM)
            mask |= gateways_of_other(&broker->directory, message->namespace_, target);
        else if (find_room(broker, REJOIN__TARGET__KIND__ROOM, message->namespace_, target->name, false,
                           &id) == RJ_OK)
            mask |= rj_delivery_mask(&broker->rooms, &id, 1);
    }
    return mask;
}

enum rj_status rj_targets_mask(struct rj_request *request, const Rejoin__Message *message, uint64_t *mask)
{
    enum rj_status status = rj_targets_check(request, message);
    if (status == RJ_OK)
        *mask = rj_targets_gateways(request->broker, message);
    return status;
}

uint64_t rj_targets_logged_mask(struct rj_broker *broker, const rj_room_id *ids, size_t n,
                                struct rj_span payload)
{
    uint64_t mask = rj_delivery_mask(&broker->rooms, ids, n);
    rj_arena_reset(&broker->page_arena);
    const Rejoin__Message *message = (const Rejoin__Message *)rj_wire_unpack_message(
        &rejoin__message__descriptor, payload, &broker->page_arena);
    for (size_t i = 0; message && i < message->n_targets; i++)
        mask |= gateways_of_other(&broker->directory, message->namespace_, message->targets[i]);
    return mask;
}

/* ------------------------------------------------------------------------------------------ replaying */

/* The store's rooms of what a session is a target of without having joined. Returns how many. */
static size_t find_implicit(struct rj_broker *broker, const struct rj_session *session,
                            rj_room_id out[static RJ_IMPLICIT_TARGETS])
{
    const struct {
        uint8_t kind;
        const char *name;
        bool is_meant;
    } implicit[RJ_IMPLICIT_TARGETS] = {
        {REJOIN__TARGET__KIND__NAMESPACE, "", true},
        {REJOIN__TARGET__KIND__SOCKET, session->sid, true},
        {REJOIN__TARGET__KIND__USER, session->user, session->user[0] != '\0'},
    };
    size_t n = 0;
    for (size_t i = 0; i < RJ_IMPLICIT_TARGETS; i++)
        if (implicit[i].is_meant &&
            find_room(broker, implicit[i].kind, session->nsp, implicit[i].name, false, &out[n]) == RJ_OK)
            n++;
    return n;
}

size_t rj_targets_reach(struct rj_broker *broker, const struct rj_session *session,
                        struct rj_store_reach *out)
{
    rj_room_id implicit[RJ_IMPLICIT_TARGETS];
    size_t n = 0, n_implicit = find_implicit(broker, session, implicit);
    for (; n < session->n_rooms; n++)
        out[n] = (struct rj_store_reach){session->rooms[n].room->id, session->rooms[n].since_pos};
    for (size_t i = 0; i < n_implicit; i++)
        out[n++] = (struct rj_store_reach){implicit[i], session->start_pos};
    return n;
}

bool rj_targets_are_implicit(struct rj_broker *broker, const struct rj_session *session,
                             const struct rj_store_record *record)
{
    rj_room_id implicit[RJ_IMPLICIT_TARGETS];
    if (record->pos <= session->start_pos)
        return false;
    size_t n = find_implicit(broker, session, implicit);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < record->n_rooms; k++)
            if (implicit[i] == record->rooms[k])
                return true;
    return false;
}
