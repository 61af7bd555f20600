/* What changes sockets from outside: rooms, data, the end of the connection. */
#include "args.h"
#include "filter.h"
#include "handle.h"

/* What join, leave and disconnect have in common. */
struct request {
    Rejoin__Command__KindCase kind;
    const struct rejoin_filter *filter;
    const struct rejoin_names *rooms; /* NULL: of a disconnect */
    bool close;
};

static void finish_affected(struct rejoin *handle, struct rj_sdk_call *call, enum rejoin_status status,
                            const Rejoin__Reply *reply)
{
    status = rj_sdk_check_result(handle, status, reply, REJOIN__REPLY__RESULT_AFFECTED);
    if (call->end.callback.affected)
        call->end.callback.affected(call->end.arg, status,
                                    status == REJOIN_OK ? reply->affected->sockets : 0);
}

static enum rejoin_status start_affected(struct rejoin *handle, const struct request *request,
                                         rejoin_on_affected *callback, void *arg, uint64_t *id)
{
    Rejoin__SocketFilter filter;
    Rejoin__JoinSockets join = REJOIN__JOIN_SOCKETS__INIT;
    Rejoin__LeaveSockets leave = REJOIN__LEAVE_SOCKETS__INIT;
    Rejoin__DisconnectSockets disconnect = REJOIN__DISCONNECT_SOCKETS__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    size_t room_count = 0;
    char **rooms = NULL;
    enum rejoin_status status = rj_sdk_filter_lend(handle, request->filter, &filter);
    if (status == REJOIN_OK && request->rooms)
        status = rj_sdk_names_lend(handle, request->rooms, &room_count, &rooms);
    if (status != REJOIN_OK)
        return status;
    if (request->kind != REJOIN__COMMAND__KIND_DISCONNECT_SOCKETS && room_count == 0)
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "rooms are missing");
    join.filter = leave.filter = disconnect.filter = &filter;
    join.n_rooms = leave.n_rooms = room_count;
    join.rooms = leave.rooms = rooms;
    disconnect.close = request->close;
    command.kind_case = request->kind;
    switch (request->kind) {
    case REJOIN__COMMAND__KIND_JOIN_SOCKETS: command.join_sockets = &join; break;
    case REJOIN__COMMAND__KIND_LEAVE_SOCKETS: command.leave_sockets = &leave; break;
    default: command.disconnect_sockets = &disconnect; break;
    }
    const struct rj_sdk_end end = {.finish = finish_affected, .callback.affected = callback, .arg = arg};
    return rj_sdk_call_start(handle, &command, &end, id);
}

struct waiting {
    struct rj_sdk_waiting base;
    uint64_t sockets;
};

static void on_waited_affected(void *arg, enum rejoin_status status, uint64_t sockets)
{
    struct waiting *waiting = arg;
    waiting->sockets = sockets;
    rj_sdk_waited(&waiting->base, status, NULL);
}

static enum rejoin_status begin_affected(struct rejoin *handle, const void *request,
                                         struct rj_sdk_waiting *waiting, uint64_t *id)
{
    return start_affected(handle, request, on_waited_affected, waiting, id);
}

static enum rejoin_status wait_affected(struct rejoin *handle, const struct request *request, int timeout_ms,
                                        uint64_t *out)
{
    struct waiting waiting;
    enum rejoin_status status = rj_sdk_wait(handle, begin_affected, request, &waiting.base, timeout_ms);
    if (status == REJOIN_OK && out)
        *out = waiting.sockets;
    return status;
}

static struct request joining(const struct rejoin_filter *filter, const struct rejoin_names *rooms)
{
    return (struct request){REJOIN__COMMAND__KIND_JOIN_SOCKETS, filter, rooms, false};
}

static struct request leaving(const struct rejoin_filter *filter, const struct rejoin_names *rooms)
{
    return (struct request){REJOIN__COMMAND__KIND_LEAVE_SOCKETS, filter, rooms, false};
}

static struct request disconnecting(const struct rejoin_filter *filter, bool close)
{
    return (struct request){REJOIN__COMMAND__KIND_DISCONNECT_SOCKETS, filter, NULL, close};
}

enum rejoin_status rejoin_sockets_join(struct rejoin *handle, const struct rejoin_filter *filter,
                                       const struct rejoin_names *rooms, rejoin_on_affected *callback,
                                       void *arg)
{
    struct request request = joining(filter, rooms);
    uint64_t id;
    return start_affected(handle, &request, callback, arg, &id);
}

enum rejoin_status rejoin_sockets_leave(struct rejoin *handle, const struct rejoin_filter *filter,
                                        const struct rejoin_names *rooms, rejoin_on_affected *callback,
                                        void *arg)
{
    struct request request = leaving(filter, rooms);
    uint64_t id;
    return start_affected(handle, &request, callback, arg, &id);
}

enum rejoin_status rejoin_sockets_disconnect(struct rejoin *handle, const struct rejoin_filter *filter,
                                             bool close, rejoin_on_affected *callback, void *arg)
{
    struct request request = disconnecting(filter, close);
    uint64_t id;
    return start_affected(handle, &request, callback, arg, &id);
}

enum rejoin_status rejoin_sockets_join_wait(struct rejoin *handle, const struct rejoin_filter *filter,
                                            const struct rejoin_names *rooms, int timeout_ms, uint64_t *out)
{
    struct request request = joining(filter, rooms);
    return wait_affected(handle, &request, timeout_ms, out);
}

enum rejoin_status rejoin_sockets_leave_wait(struct rejoin *handle, const struct rejoin_filter *filter,
                                             const struct rejoin_names *rooms, int timeout_ms, uint64_t *out)
{
    struct request request = leaving(filter, rooms);
    return wait_affected(handle, &request, timeout_ms, out);
}

enum rejoin_status rejoin_sockets_disconnect_wait(struct rejoin *handle, const struct rejoin_filter *filter,
                                                  bool close, int timeout_ms, uint64_t *out)
{
    struct request request = disconnecting(filter, close);
    return wait_affected(handle, &request, timeout_ms, out);
}

/* --- one socket's data */

struct data_request {
    const char *nsp, *sid, *data;
};

static void finish_done(struct rejoin *handle, struct rj_sdk_call *call, enum rejoin_status status,
                        const Rejoin__Reply *reply)
{
    (void)handle, (void)reply;
    if (call->end.callback.done)
        call->end.callback.done(call->end.arg, status);
}

static enum rejoin_status start_set_data(struct rejoin *handle, const struct data_request *request,
                                         rejoin_on_done *callback, void *arg, uint64_t *id)
{
    Rejoin__SetData set = REJOIN__SET_DATA__INIT;
    if (!request->sid)
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "a socket's id is missing");
    enum rejoin_status status = rj_sdk_json_lend(handle, request->data, &set.data);
    if (status != REJOIN_OK)
        return status;
    set.namespace_ = rj_sdk_text(request->nsp, "/");
    set.sid = rj_sdk_text(request->sid, "");
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_SET_DATA;
    command.set_data = &set;
    const struct rj_sdk_end end = {.finish = finish_done, .callback.done = callback, .arg = arg};
    return rj_sdk_call_start(handle, &command, &end, id);
}

enum rejoin_status rejoin_socket_set_data(struct rejoin *handle, const char *nsp, const char *sid,
                                          const char *data, rejoin_on_done *callback, void *arg)
{
    const struct data_request request = {nsp, sid, data};
    uint64_t id;
    return start_set_data(handle, &request, callback, arg, &id);
}

static void on_waited_done(void *arg, enum rejoin_status status)
{
    rj_sdk_waited(arg, status, NULL);
}

static enum rejoin_status begin_set_data(struct rejoin *handle, const void *request,
                                         struct rj_sdk_waiting *waiting, uint64_t *id)
{
    return start_set_data(handle, request, on_waited_done, waiting, id);
}

enum rejoin_status rejoin_socket_set_data_wait(struct rejoin *handle, const char *nsp, const char *sid,
                                               const char *data, int timeout_ms)
{
    const struct data_request request = {nsp, sid, data};
    struct rj_sdk_waiting waiting;
    return rj_sdk_wait(handle, begin_set_data, &request, &waiting, timeout_ms);
}
