/* The questions about presence. */
#include "args.h"
#include "box.h"
#include "handle.h"
#include "rejoin_presence.h"
#include "socket.h"

/* ------------------------------------------------------------------------------------------ who is there */

static struct rejoin_presence *presence_of(const Rejoin__PresenceList *answer)
{
    struct rj_arena *arena;
    struct rejoin_presence *presence = rj_sdk_box_new(sizeof *presence, &arena);
    const Rejoin__PresenceList *copy = (const Rejoin__PresenceList *)rj_sdk_box_copy(&answer->base, arena);
    struct rejoin_present_user *users = rj_arena_alloc(arena, (copy->n_users + 1) * sizeof *users);
    for (size_t i = 0; i < copy->n_users; i++) {
        const Rejoin__PresenceList__User *user = copy->users[i];
        users[i] = (struct rejoin_present_user){
            .user = user->user,
            .sockets = user->sockets,
            .since_ms = user->since_ms,
            .is_reconnecting = user->reconnecting,
            .data = user->data.len ? rj_arena_copy(arena, user->data.data, user->data.len) : "",
        };
    }
    *presence = (struct rejoin_presence){
        .users = users,
        .count = copy->n_users,
        .has_more = copy->more,
        .total = copy->count,
        .total_away = copy->reconnecting,
        .sockets = copy->sockets,
        .anonymous_sockets = copy->anonymous,
    };
    return presence;
}

void rejoin_presence_free(struct rejoin_presence **presence)
{
    rj_sdk_box_free(*presence);
    *presence = NULL;
}

static void finish_presence(struct rejoin *handle, struct rj_sdk_call *call, enum rejoin_status status,
                            const Rejoin__Reply *reply)
{
    status = rj_sdk_check_result(handle, status, reply, REJOIN__REPLY__RESULT_PRESENCE);
    call->end.callback.presence(call->end.arg, status,
                                status == REJOIN_OK ? presence_of(reply->presence) : NULL);
}

static enum rejoin_status start_presence(struct rejoin *handle, const struct rejoin_presence_query *query,
                                         rejoin_on_presence *callback, void *arg, uint64_t *id)
{
    if (!query || !callback)
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "a query and a callback are wanted");
    if (query->room && !*query->room)
        return rj_sdk_fail(handle, REJOIN_BAD_NAME, "a room's name is not empty; NULL means the namespace");
    Rejoin__Presence presence = REJOIN__PRESENCE__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    presence.namespace_ = rj_sdk_text(query->nsp, "/");
    presence.room = rj_sdk_text(query->room, "");
    presence.after = rj_sdk_text(query->after, "");
    presence.limit = query->limit;
    presence.count_only = query->count_only;
    command.kind_case = REJOIN__COMMAND__KIND_PRESENCE;
    command.presence = &presence;
    const struct rj_sdk_end end = {.finish = finish_presence, .callback.presence = callback, .arg = arg};
    return rj_sdk_call_start(handle, &command, &end, id);
}

enum rejoin_status rejoin_presence(struct rejoin *handle, const struct rejoin_presence_query *query,
                                   rejoin_on_presence *callback, void *arg)
{
    uint64_t id;
    return start_presence(handle, query, callback, arg, &id);
}

static void on_waited_presence(void *arg, enum rejoin_status status, struct rejoin_presence *presence)
{
    rj_sdk_waited(arg, status, presence);
}

static enum rejoin_status begin_presence(struct rejoin *handle, const void *request,
                                         struct rj_sdk_waiting *waiting, uint64_t *id)
{
    return start_presence(handle, request, on_waited_presence, waiting, id);
}

enum rejoin_status rejoin_presence_wait(struct rejoin *handle, const struct rejoin_presence_query *query,
                                        int timeout_ms, struct rejoin_presence **out)
{
    struct rj_sdk_waiting waiting;
    enum rejoin_status status = rj_sdk_wait(handle, begin_presence, query, &waiting, timeout_ms);
    if (status == REJOIN_OK)
        *out = waiting.result;
    return status;
}

/* ------------------------------------------------------------------------------------------ one user */

struct question {
    const char *nsp, *user;
    uint32_t limit;
};

static struct rejoin_user *user_of(const Rejoin__UserPresence *answer)
{
    struct rj_arena *arena;
    struct rejoin_user *user = rj_sdk_box_new(sizeof *user, &arena);
    const Rejoin__UserPresence *copy = (const Rejoin__UserPresence *)rj_sdk_box_copy(&answer->base, arena);
    struct rejoin_socket *sockets = rj_arena_alloc(arena, (copy->n_sockets + 1) * sizeof *sockets);
    for (size_t i = 0; i < copy->n_sockets; i++)
        rj_sdk_socket_of(copy->sockets[i], arena, &sockets[i]);
    *user = (struct rejoin_user){
        .total = copy->sockets_total,
        .sockets = sockets,
        .count = copy->n_sockets,
        .is_reconnecting = copy->reconnecting,
        .last_seen_ms = copy->last_seen_ms,
    };
    return user;
}

void rejoin_user_free(struct rejoin_user **user)
{
    rj_sdk_box_free(*user);
    *user = NULL;
}

static void finish_user(struct rejoin *handle, struct rj_sdk_call *call, enum rejoin_status status,
                        const Rejoin__Reply *reply)
{
    status = rj_sdk_check_result(handle, status, reply, REJOIN__REPLY__RESULT_USER);
    call->end.callback.user(call->end.arg, status, status == REJOIN_OK ? user_of(reply->user) : NULL);
}

static enum rejoin_status start_user(struct rejoin *handle, const struct question *question,
                                     rejoin_on_user *callback, void *arg, uint64_t *id)
{
    if (!question->user || !callback)
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "a user and a callback are wanted");
    Rejoin__PresenceUser user = REJOIN__PRESENCE_USER__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    user.namespace_ = rj_sdk_text(question->nsp, "/");
    user.user = rj_sdk_text(question->user, "");
    user.limit = question->limit;
    command.kind_case = REJOIN__COMMAND__KIND_PRESENCE_USER;
    command.presence_user = &user;
    const struct rj_sdk_end end = {.finish = finish_user, .callback.user = callback, .arg = arg};
    return rj_sdk_call_start(handle, &command, &end, id);
}

enum rejoin_status rejoin_user(struct rejoin *handle, const char *nsp, const char *user, uint32_t limit,
                               rejoin_on_user *callback, void *arg)
{
    uint64_t id;
    return start_user(handle, &(struct question){nsp, user, limit}, callback, arg, &id);
}

static void on_waited_user(void *arg, enum rejoin_status status, struct rejoin_user *user)
{
    rj_sdk_waited(arg, status, user);
}

static enum rejoin_status begin_user(struct rejoin *handle, const void *request,
                                     struct rj_sdk_waiting *waiting, uint64_t *id)
{
    return start_user(handle, request, on_waited_user, waiting, id);
}

enum rejoin_status rejoin_user_wait(struct rejoin *handle, const char *nsp, const char *user, uint32_t limit,
                                    int timeout_ms, struct rejoin_user **out)
{
    struct question question = {nsp, user, limit};
    struct rj_sdk_waiting waiting;
    enum rejoin_status status = rj_sdk_wait(handle, begin_user, &question, &waiting, timeout_ms);
    if (status == REJOIN_OK)
        *out = waiting.result;
    return status;
}
