/* What users have read: moving a cursor, asking what is left. */
#include "args.h"
#include "box.h"
#include "handle.h"

/* ------------------------------------------------------------------------------------------ read */

static void finish_read(struct rejoin *handle, struct rj_sdk_call *call, enum rejoin_status status,
                        const Rejoin__Reply *reply)
{
    status = rj_sdk_check_result(handle, status, reply, REJOIN__REPLY__RESULT_READ);
    struct rejoin_read_state state = {0};
    if (status == REJOIN_OK)
        state = (struct rejoin_read_state){reply->read->seq, reply->read->unread};
    if (call->end.callback.read)
        call->end.callback.read(call->end.arg, status, status == REJOIN_OK ? &state : NULL);
}

static enum rejoin_status start_read(struct rejoin *handle, const struct rejoin_read *read,
                                     rejoin_on_read *callback, void *arg, uint64_t *id)
{
    if (!read || !read->user || !read->room)
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "a user and a room are wanted");
    Rejoin__Read message = REJOIN__READ__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    message.namespace_ = rj_sdk_text(read->nsp, "/");
    message.user = rj_sdk_text(read->user, "");
    message.room = rj_sdk_text(read->room, "");
    message.seq = read->seq;
    message.all = read->all;
    message.forget = read->forget;
    command.kind_case = REJOIN__COMMAND__KIND_READ;
    command.read = &message;
    const struct rj_sdk_end end = {.finish = finish_read, .callback.read = callback, .arg = arg};
    return rj_sdk_call_start(handle, &command, &end, id);
}

enum rejoin_status rejoin_read(struct rejoin *handle, const struct rejoin_read *read,
                               rejoin_on_read *callback, void *arg)
{
    uint64_t id;
    return start_read(handle, read, callback, arg, &id);
}

struct waiting {
    struct rj_sdk_waiting base;
    struct rejoin_read_state state;
};

static void on_waited_read(void *arg, enum rejoin_status status, const struct rejoin_read_state *state)
{
    struct waiting *waiting = arg;
    if (state)
        waiting->state = *state;
    rj_sdk_waited(&waiting->base, status, NULL);
}

static enum rejoin_status begin_read(struct rejoin *handle, const void *request,
                                     struct rj_sdk_waiting *waiting, uint64_t *id)
{
    return start_read(handle, request, on_waited_read, waiting, id);
}

enum rejoin_status rejoin_read_wait(struct rejoin *handle, const struct rejoin_read *read, int timeout_ms,
                                    struct rejoin_read_state *out)
{
    struct waiting waiting;
    enum rejoin_status status = rj_sdk_wait(handle, begin_read, read, &waiting.base, timeout_ms);
    if (status == REJOIN_OK && out)
        *out = waiting.state;
    return status;
}

/* ------------------------------------------------------------------------------------------ unread */

struct question {
    const char *nsp, *user;
};

static struct rejoin_unread *unread_of(const Rejoin__UnreadList *answer)
{
    struct rj_arena *arena;
    struct rejoin_unread *unread = rj_sdk_box_new(sizeof *unread, &arena);
    const Rejoin__UnreadList *copy = (const Rejoin__UnreadList *)rj_sdk_box_copy(&answer->base, arena);
    struct rejoin_unread_room *rooms = rj_arena_alloc(arena, copy->n_rooms * sizeof *rooms);
    for (size_t i = 0; i < copy->n_rooms; i++)
        rooms[i] =
            (struct rejoin_unread_room){copy->rooms[i]->name, copy->rooms[i]->unread, copy->rooms[i]->seq};
    *unread = (struct rejoin_unread){.rooms = rooms, .count = copy->n_rooms, .is_partial = copy->more};
    return unread;
}

void rejoin_unread_free(struct rejoin_unread **unread)
{
    rj_sdk_box_free(*unread);
    *unread = NULL;
}

static void finish_unread(struct rejoin *handle, struct rj_sdk_call *call, enum rejoin_status status,
                          const Rejoin__Reply *reply)
{
    status = rj_sdk_check_result(handle, status, reply, REJOIN__REPLY__RESULT_UNREAD);
    call->end.callback.unread(call->end.arg, status, status == REJOIN_OK ? unread_of(reply->unread) : NULL);
}

static enum rejoin_status start_unread(struct rejoin *handle, const struct question *question,
                                       rejoin_on_unread *callback, void *arg, uint64_t *id)
{
    if (!question->user || !callback)
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "a user and a callback are wanted");
    Rejoin__Unread unread = REJOIN__UNREAD__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    unread.namespace_ = rj_sdk_text(question->nsp, "/");
    unread.user = rj_sdk_text(question->user, "");
    command.kind_case = REJOIN__COMMAND__KIND_UNREAD;
    command.unread = &unread;
    const struct rj_sdk_end end = {.finish = finish_unread, .callback.unread = callback, .arg = arg};
    return rj_sdk_call_start(handle, &command, &end, id);
}

enum rejoin_status rejoin_unread(struct rejoin *handle, const char *nsp, const char *user,
                                 rejoin_on_unread *callback, void *arg)
{
    uint64_t id;
    return start_unread(handle, &(struct question){nsp, user}, callback, arg, &id);
}

static void on_waited_unread(void *arg, enum rejoin_status status, struct rejoin_unread *unread)
{
    rj_sdk_waited(arg, status, unread);
}

static enum rejoin_status begin_unread(struct rejoin *handle, const void *request,
                                       struct rj_sdk_waiting *waiting, uint64_t *id)
{
    return start_unread(handle, request, on_waited_unread, waiting, id);
}

enum rejoin_status rejoin_unread_wait(struct rejoin *handle, const char *nsp, const char *user,
                                      int timeout_ms, struct rejoin_unread **out)
{
    struct rj_sdk_waiting waiting;
    enum rejoin_status status =
        rj_sdk_wait(handle, begin_unread, &(struct question){nsp, user}, &waiting, timeout_ms);
    if (status == REJOIN_OK)
        *out = waiting.result;
    return status;
}
