/* The questions about sockets and rooms, in pages. */
#include "args.h"
#include "box.h"
#include "filter.h"
#include "handle.h"
#include "socket.h"

static struct rejoin_socket_page *sockets_of(const Rejoin__SocketList *answer)
{
    struct rj_arena *arena;
    struct rejoin_socket_page *page = rj_sdk_box_new(sizeof *page, &arena);
    const Rejoin__SocketList *copy = (const Rejoin__SocketList *)rj_sdk_box_copy(&answer->base, arena);
    struct rejoin_socket *sockets = rj_arena_alloc(arena, copy->n_sockets * sizeof *sockets);
    for (size_t i = 0; i < copy->n_sockets; i++)
        rj_sdk_socket_of(copy->sockets[i], arena, &sockets[i]);
    *page = (struct rejoin_socket_page){
        .sockets = sockets, .count = copy->n_sockets, .next = copy->next, .total = copy->count};
    return page;
}

void rejoin_socket_page_free(struct rejoin_socket_page **page)
{
    rj_sdk_box_free(*page);
    *page = NULL;
}

static struct rejoin_room_page *rooms_of(const Rejoin__RoomList *answer)
{
    struct rj_arena *arena;
    struct rejoin_room_page *page = rj_sdk_box_new(sizeof *page, &arena);
    const Rejoin__RoomList *copy = (const Rejoin__RoomList *)rj_sdk_box_copy(&answer->base, arena);
    struct rejoin_room *rooms = rj_arena_alloc(arena, copy->n_rooms * sizeof *rooms);
    for (size_t i = 0; i < copy->n_rooms; i++)
        rooms[i] = (struct rejoin_room){copy->rooms[i]->name, copy->rooms[i]->members};
    *page = (struct rejoin_room_page){.rooms = rooms, .count = copy->n_rooms, .has_more = copy->more};
    return page;
}

void rejoin_room_page_free(struct rejoin_room_page **page)
{
    rj_sdk_box_free(*page);
    *page = NULL;
}

static void finish_sockets(struct rejoin *handle, struct rj_sdk_call *call, enum rejoin_status status,
                           const Rejoin__Reply *reply)
{
    status = rj_sdk_check_result(handle, status, reply, REJOIN__REPLY__RESULT_SOCKETS);
    call->end.callback.sockets(call->end.arg, status,
                               status == REJOIN_OK ? sockets_of(reply->sockets) : NULL);
}

static void finish_rooms(struct rejoin *handle, struct rj_sdk_call *call, enum rejoin_status status,
                         const Rejoin__Reply *reply)
{
    status = rj_sdk_check_result(handle, status, reply, REJOIN__REPLY__RESULT_ROOMS);
    call->end.callback.rooms(call->end.arg, status, status == REJOIN_OK ? rooms_of(reply->rooms) : NULL);
}

static enum rejoin_status start_sockets(struct rejoin *handle, const struct rejoin_socket_query *query,
                                        rejoin_on_sockets *callback, void *arg, uint64_t *id)
{
    if (!query || !callback)
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "a query and a callback are wanted");
    Rejoin__SocketFilter filter;
    enum rejoin_status status = rj_sdk_filter_lend(handle, &query->filter, &filter);
    if (status != REJOIN_OK)
        return status;
    Rejoin__ListSockets list = REJOIN__LIST_SOCKETS__INIT;
    list.filter = &filter;
    list.count_only = query->count_only;
    list.after = query->after;
    list.limit = query->limit;
    list.handshake = query->with_handshake;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_LIST_SOCKETS;
    command.list_sockets = &list;
    const struct rj_sdk_end end = {.finish = finish_sockets, .callback.sockets = callback, .arg = arg};
    return rj_sdk_call_start(handle, &command, &end, id);
}

static enum rejoin_status start_rooms(struct rejoin *handle, const struct rejoin_room_query *query,
                                      rejoin_on_rooms *callback, void *arg, uint64_t *id)
{
    if (!query || !callback)
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "a query and a callback are wanted");
    Rejoin__ListRooms list = REJOIN__LIST_ROOMS__INIT;
    list.namespace_ = rj_sdk_text(query->nsp, "/");
    list.after = rj_sdk_text(query->after, "");
    list.limit = query->limit;
    list.pattern = rj_sdk_text(query->pattern, "");
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_LIST_ROOMS;
    command.list_rooms = &list;
    const struct rj_sdk_end end = {.finish = finish_rooms, .callback.rooms = callback, .arg = arg};
    return rj_sdk_call_start(handle, &command, &end, id);
}

enum rejoin_status rejoin_sockets_list(struct rejoin *handle, const struct rejoin_socket_query *query,
                                       rejoin_on_sockets *callback, void *arg)
{
    uint64_t id;
    return start_sockets(handle, query, callback, arg, &id);
}

enum rejoin_status rejoin_rooms_list(struct rejoin *handle, const struct rejoin_room_query *query,
                                     rejoin_on_rooms *callback, void *arg)
{
    uint64_t id;
    return start_rooms(handle, query, callback, arg, &id);
}

static void on_waited_sockets(void *arg, enum rejoin_status status, struct rejoin_socket_page *page)
{
    rj_sdk_waited(arg, status, page);
}

static void on_waited_rooms(void *arg, enum rejoin_status status, struct rejoin_room_page *page)
{
    rj_sdk_waited(arg, status, page);
}

static enum rejoin_status begin_sockets(struct rejoin *handle, const void *request,
                                        struct rj_sdk_waiting *waiting, uint64_t *id)
{
    return start_sockets(handle, request, on_waited_sockets, waiting, id);
}

static enum rejoin_status begin_rooms(struct rejoin *handle, const void *request,
                                      struct rj_sdk_waiting *waiting, uint64_t *id)
{
    return start_rooms(handle, request, on_waited_rooms, waiting, id);
}

enum rejoin_status rejoin_sockets_list_wait(struct rejoin *handle, const struct rejoin_socket_query *query,
                                            int timeout_ms, struct rejoin_socket_page **out)
{
    struct rj_sdk_waiting waiting;
    enum rejoin_status status = rj_sdk_wait(handle, begin_sockets, query, &waiting, timeout_ms);
    if (status == REJOIN_OK)
        *out = waiting.result;
    return status;
}

enum rejoin_status rejoin_rooms_list_wait(struct rejoin *handle, const struct rejoin_room_query *query,
                                          int timeout_ms, struct rejoin_room_page **out)
{
    struct rj_sdk_waiting waiting;
    enum rejoin_status status = rj_sdk_wait(handle, begin_rooms, query, &waiting, timeout_ms);
    if (status == REJOIN_OK)
        *out = waiting.result;
    return status;
}

enum rejoin_status rejoin_sockets_each(struct rejoin *handle, const struct rejoin_socket_query *query,
                                       int timeout_ms,
                                       bool (*on_socket)(void *arg, const struct rejoin_socket *socket),
                                       void *arg)
{
    if (!query || !on_socket)
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "a query and a function are wanted");
    struct rejoin_socket_query next = *query;
    next.count_only = false;
    bool goes_on = true;
    while (goes_on) {
        struct rejoin_socket_page *page;
        enum rejoin_status status = rejoin_sockets_list_wait(handle, &next, timeout_ms, &page);
        if (status != REJOIN_OK)
            return status;
        for (size_t i = 0; i < page->count && goes_on; i++)
            goes_on = on_socket(arg, &page->sockets[i]);
        next.after = page->next;
        goes_on = goes_on && page->next;
        rejoin_socket_page_free(&page);
    }
    return REJOIN_OK;
}

enum rejoin_status rejoin_sockets_count_wait(struct rejoin *handle, const struct rejoin_filter *filter,
                                             int timeout_ms, uint64_t *out)
{
    struct rejoin_socket_query query = {.count_only = true};
    struct rejoin_socket_page *page;
    if (filter)
        query.filter = *filter;
    enum rejoin_status status = rejoin_sockets_list_wait(handle, &query, timeout_ms, &page);
    if (status != REJOIN_OK)
        return status;
    *out = page->total;
    rejoin_socket_page_free(&page);
    return REJOIN_OK;
}
