#include "broker/presence/presence_query.h"

#include <stdlib.h>

#include "broker/rooms/rooms.h"
#include "broker/sockets/rounds.h"
#include "broker/sockets/socket.h"
#include "proto/base/clock.h"
#include "proto/base/json.h"
#include "proto/base/mem.h"

enum {
    LIMIT_DEFAULT = 100,
    LIMIT_MAX = 1000,
    LOOKED_AT = 16,   /* sockets of a user, for its data and for whether its gateways are there */
    ENTRY_BYTES = 32, /* of a listed user beside its name and data */
};

static size_t limit_of(uint32_t asked)
{
    if (asked == 0)
        return LIMIT_DEFAULT;
    return asked < LIMIT_MAX ? asked : LIMIT_MAX;
}

/* ------------------------------------------------------------------------------------------ a user's sockets
 */

/* Whether the gateway has given a sign lately: a stream that has ended, or silence for half a lease, may mean
 * that its clients are on their way to another one. */
static bool is_vouched_for(const struct rj_broker *broker, const struct rj_session *session)
{
    const struct rj_peer *peer = &session->gateway->peer;
    return peer->stream && session->gateway->state != RJ_GATEWAY_GONE &&
           broker->now_ms - peer->heard_ms <= broker->conf->lease_ms / 2;
}

/* The member `presence` of what backends have set; empty: there is none. */
static struct rj_span shown_data(const struct rj_session *session)
{
    struct rj_span value, data = rj_span_of(session->data, session->n_data);
    if (data.len && rj_json_type(data) == RJ_JSON_OBJECT && rj_json_get(data, "presence", &value))
        return rj_json_trim(value);
    return (struct rj_span){NULL, 0};
}

/* What its sockets in the room (0: in the namespace) say of a user. */
struct sight {
    bool is_vouched_for;
    struct rj_span data;
};

static struct sight look_at(const struct rj_broker *broker, const char *nsp, const char *user,
                            rj_room_id room)
{
    const struct rj_members *sockets = rj_directory_user(&broker->directory, nsp, user);
    struct sight sight = {0};
    uint64_t oldest = UINT64_MAX;
    sight.is_vouched_for = sockets && sockets->n > LOOKED_AT; /* some gateway of so many will be there */
    for (uint32_t i = 0; sockets && i < sockets->n && i < LOOKED_AT; i++) {
        const struct rj_session *session = sockets->list[i].session;
        if (room && !rj_session_membership(session, room))
            continue;
        struct rj_span data = shown_data(session);
        sight.is_vouched_for |= is_vouched_for(broker, session);
        if (!data.len || session->serial > oldest)
            continue;
        oldest = session->serial;
        sight.data = data;
    }
    return sight;
}

/* ------------------------------------------------------------------------------------------ who is there */

/* Where it was asked about. */
struct place {
    const char *nsp;
    rj_room_id room;                  /* 0: the namespace, or a room that never was */
    const struct rj_members *members; /* NULL: nobody */
    struct rj_roster *roster;         /* NULL: no user */
};

/* The question itself; it may take several turns. */
struct question {
    struct rj_round round; /* first */
    bool is_about_namespace;
    struct rj_room_name room; /* else; its id is 0 when it never was */
    size_t limit;             /* 0: the counts alone */
    char nsp[RJ_NAMESPACE_MAX + 1];
    char after[RJ_USER_MAX + 1];
};

static Rejoin__PresenceList__User *entry_of(struct rj_broker *broker, const struct place *place,
                                            const struct rj_attendee *who)
{
    Rejoin__PresenceList__User *user = rj_arena_alloc(&broker->page_arena, sizeof *user);
    struct sight sight = look_at(broker, place->nsp, who->user, place->room);
    rejoin__presence_list__user__init(user);
    user->user = (char *)(uintptr_t)who->user;
    user->sockets = who->sockets;
    user->since_ms = who->since_ms;
    user->reconnecting = who->sockets == 0 || !sight.is_vouched_for;
    user->data = (ProtobufCBinaryData){sight.data.len, (uint8_t *)(uintptr_t)sight.data.data};
    return user;
}

static void fill_page(struct rj_broker *broker, const struct place *place, const char *after, size_t limit,
                      Rejoin__PresenceList *list)
{
    size_t bytes = 0, max_bytes = rj_round_page_bytes(broker);
    const struct rj_attendee *who = rj_roster_after(place->roster, after);
    list->users = rj_arena_alloc(&broker->page_arena, limit * sizeof *list->users);
    for (; who && list->n_users < limit; who = rj_roster_after(place->roster, who->user)) {
        Rejoin__PresenceList__User *user = entry_of(broker, place, who);
        bytes += strlen(who->user) + user->data.len + ENTRY_BYTES;
        if (list->n_users && bytes > max_bytes)
            break;
        list->users[list->n_users++] = user;
    }
    list->more = who != NULL;
}

static void answer(struct rj_broker *broker, const struct question *question, const struct place *place)
{
    Rejoin__PresenceList list = REJOIN__PRESENCE_LIST__INIT;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    list.sockets = list.anonymous = place->members ? place->members->n : 0;
    if (place->roster) {
        list.count = place->roster->n;
        list.reconnecting = place->roster->n_away;
        list.anonymous -= place->roster->n_sockets;
        if (question->limit)
            fill_page(broker, place, question->after, question->limit, &list);
    }
    reply.result_case = REJOIN__REPLY__RESULT_PRESENCE;
    reply.presence = &list;
    rj_reply(broker, question->round.to, &reply);
    rj_arena_reset(&broker->page_arena);
}

/* The place as it is now. */
static struct place find_place(struct rj_broker *broker, const struct question *question)
{
    struct place place = {.nsp = question->nsp, .room = question->room.id};
    if (question->is_about_namespace) {
        place.members = rj_directory_namespace(&broker->directory, question->nsp);
        place.roster = rj_survey_namespace(broker, question->nsp);
    } else if (place.room) {
        const struct rj_room *room = rj_room_find(&broker->rooms, place.room);
        place.members = room ? &room->members : NULL;
        place.roster =
            rj_survey_room(broker, place.room, rj_span_of(question->room.key, question->room.key_len));
    }
    return place;
}

/* The first question about a place goes over its members, a share a turn. */
static bool step(struct rj_broker *broker, struct rj_round *round, uint64_t end_us)
{
    struct question *question = (struct question *)round;
    struct place place = find_place(broker, question);
    if (place.roster && !rj_survey_go_on(broker, place.roster, end_us))
        return false;
    answer(broker, question, &place);
    return true;
}

static void question_free(struct rj_broker *broker, struct rj_round *round)
{
    (void)broker;
    free(round);
}

/* A room that never was has nobody in it: its id is 0. */
static enum rj_status find_room(struct rj_request *request, const char *nsp, struct rj_room_name *out)
{
    const char *asked = request->command->presence->room;
    enum rj_status status = request->session
                                ? rj_room_authorize(request->broker, request->session, asked, false, out)
                                : rj_room_resolve(request->broker, nsp, asked, false, out);
    if (status != RJ_NOT_FOUND)
        return status;
    out->id = 0;
    return RJ_OK;
}

enum rj_status rj_cmd_presence(struct rj_request *request)
{
    const Rejoin__Presence *asked = request->command->presence;
    const char *nsp = request->session ? request->session->nsp : asked->namespace_;
    bool is_about_namespace = !request->session && !asked->room[0];
    struct rj_room_name room = {.id = 0};
    if (!request->session && !rj_namespace_is_known(request->broker, nsp))
        return RJ_BAD_NAMESPACE;
    if (strlen(asked->after) > RJ_USER_MAX)
        return RJ_BAD_NAME;
    enum rj_status status = is_about_namespace ? RJ_OK : find_room(request, nsp, &room);
    if (status != RJ_OK)
        return status;
    struct question *question = rj_calloc(1, sizeof *question);
    question->round = (struct rj_round){.step = step, .free = question_free, .to = request->to};
    question->is_about_namespace = is_about_namespace;
    question->room = room;
    question->limit = asked->count_only ? 0 : limit_of(asked->limit);
    memcpy(question->nsp, nsp, strlen(nsp));
    memcpy(question->after, asked->after, strlen(asked->after));
    return rj_round_begin(request->broker, &question->round);
}

/* ------------------------------------------------------------------------------------------ one user */

static int compare_serials(const void *a, const void *b)
{
    uint64_t x = (*(const struct rj_session *const *)a)->serial;
    uint64_t y = (*(const struct rj_session *const *)b)->serial;
    return (x > y) - (x < y);
}

static void list_sockets(struct rj_broker *broker, const struct rj_members *members, size_t limit,
                         Rejoin__UserPresence *out)
{
    struct rj_arena *arena = &broker->page_arena;
    size_t bytes = 0, max_bytes = rj_round_page_bytes(broker);
    const struct rj_session **sessions = rj_arena_alloc(arena, members->n * sizeof *sessions);
    for (uint32_t i = 0; i < members->n; i++)
        sessions[i] = members->list[i].session;
    qsort(sessions, members->n, sizeof *sessions, compare_serials);
    out->sockets = rj_arena_alloc(arena, limit * sizeof *out->sockets);
    for (uint32_t i = 0; i < members->n && out->n_sockets < limit; i++) {
        Rejoin__Socket *socket = rj_arena_alloc(arena, sizeof *socket);
        rj_socket_fill(sessions[i], false, arena, socket);
        bytes += rejoin__socket__get_packed_size(socket);
        if (out->n_sockets && bytes > max_bytes)
            return;
        out->sockets[out->n_sockets++] = socket;
    }
}

enum rj_status rj_cmd_presence_user(struct rj_request *request)
{
    struct rj_broker *broker = request->broker;
    const Rejoin__PresenceUser *asked = request->command->presence_user;
    struct rj_span name = rj_span_str(asked->user);
    if (!rj_namespace_is_known(broker, asked->namespace_))
        return RJ_BAD_NAMESPACE;
    if (name.len == 0 || name.len > RJ_USER_MAX)
        return request->why = "a user's name has 1 to 128 bytes", RJ_BAD_NAME;
    Rejoin__UserPresence user = REJOIN__USER_PRESENCE__INIT;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    const struct rj_members *members = rj_directory_user(&broker->directory, asked->namespace_, asked->user);
    if (members) {
        user.sockets_total = members->n;
        user.last_seen_ms = rj_clock_wall_ms();
        user.reconnecting = !look_at(broker, asked->namespace_, asked->user, 0).is_vouched_for;
        list_sockets(broker, members, limit_of(asked->limit), &user);
    } else {
        rj_last_seen_get(&broker->attendance.seen, asked->namespace_, asked->user, &user.last_seen_ms);
    }
    reply.result_case = REJOIN__REPLY__RESULT_USER;
    reply.user = &user;
    rj_reply(broker, request->to, &reply);
    rj_arena_reset(&broker->page_arena);
    return RJ_OK;
}
