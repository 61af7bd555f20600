#include "broker/held.h"

#include <stdlib.h>
#include <utlist.h>

#include "broker/rooms/rooms.h"
#include "broker/router.h"
#include "proto/base/mem.h"

struct held_command {
    struct held_command *prev, *next;
    size_t len;
    uint8_t packed[];
};

/* A client with commands that wait; the first one is what is being read for. */
struct rj_held {
    struct rj_broker *broker;
    struct rj_gateway *gateway;
    uint64_t handle;
    uint64_t stream;
    struct rj_store_reading *reading;
    struct held_command *commands;
    UT_hash_handle hh;
};

/* ------------------------------------------------------------------------------------------ what is read */

/* A key of the session's own, before the rooms' keys. */
static bool plan_connect(const struct rj_request *request, struct rj_store_warm *what)
{
    const Rejoin__Connect *connect = request->command->connect;
    if (request->session || !connect->pid[0] || connect->no_recovery ||
        !rj_session_pid_is_valid(connect->pid) || rj_session_find(&request->broker->sessions, connect->pid))
        return false;
    what->prefix = rj_span_of(connect->pid, RJ_ID_LEN);
    what->pairs = request->broker->conf->rooms_per_client + 1;
    what->room_at = RJ_ID_LEN + 1;
    return true;
}

static bool plan_room(const struct rj_request *request, const char *name,
                      uint8_t key[static RJ_TARGET_KEY_MAX], struct rj_store_warm *what)
{
    if (!request->session || rj_room_name_check(name) != RJ_OK)
        return false;
    size_t len = rj_target_key(key, REJOIN__TARGET__KIND__ROOM, request->session->nsp, name);
    what->room = rj_span_of(key, len);
    return true;
}

/* The page that a join may ask for is read in the turn, in its place among the writes: it is warmed, too. */
static bool plan_join(const struct rj_request *request, uint8_t key[static RJ_TARGET_KEY_MAX],
                      struct rj_store_warm *what)
{
    const Rejoin__Join *join = request->command->join;
    uint64_t max = request->broker->conf->history_max;
    if (!plan_room(request, join->room, key, what))
        return false;
    if (join->last || join->after_set) {
        what->order = join->last ? RJ_HISTORY_BACKWARD : RJ_HISTORY_FORWARD;
        what->seq = join->last ? UINT64_MAX : join->after;
        what->records = join->last && join->last < max ? join->last : max;
        return true;
    }
    return !rj_store_room_is_loaded(request->broker->store, what->room);
}

/* The page itself is read by a reader thread; only the room has to be loaded. */
static bool plan_history(const struct rj_request *request, uint8_t key[static RJ_TARGET_KEY_MAX],
                         struct rj_store_warm *what)
{
    return plan_room(request, request->command->history->room, key, what) &&
           !rj_store_room_is_loaded(request->broker->store, what->room);
}

/* Of a user that has asked before, lately, all of it is in memory. */
static bool plan_unread(const struct rj_request *request, uint8_t prefix[static RJ_READ_PREFIX_MAX],
                        struct rj_store_warm *what)
{
    const struct rj_session *session = request->session;
    if (!session || !session->user[0])
        return false;
    struct rj_reader_name reader = {session->nsp, session->user};
    if (rj_read_cursors_are_known(&request->broker->read_cursors, reader))
        return false;
    what->prefix = rj_read_cursors_prefix(prefix, reader);
    what->pairs = request->broker->conf->read_cursors;
    what->has_room_ids = true;
    return true;
}

static bool plan_presence(const struct rj_request *request, uint8_t key[static RJ_TARGET_KEY_MAX],
                          struct rj_store_warm *what)
{
    return plan_room(request, request->command->presence->room, key, what) &&
           !rj_store_room_is_loaded(request->broker->store, what->room);
}

/* False: the command reads nothing that may have to come from the disk. */
static bool plan(const struct rj_request *request, uint8_t key[static RJ_TARGET_KEY_MAX],
                 struct rj_store_warm *what)
{
    switch (request->command->kind_case) {
    case REJOIN__COMMAND__KIND_CONNECT: return plan_connect(request, what);
    case REJOIN__COMMAND__KIND_JOIN: return plan_join(request, key, what);
    case REJOIN__COMMAND__KIND_HISTORY: return plan_history(request, key, what);
    case REJOIN__COMMAND__KIND_PRESENCE: return plan_presence(request, key, what);
    case REJOIN__COMMAND__KIND_UNREAD: return plan_unread(request, key, what);
    default: return false;
    }
}

/* ------------------------------------------------------------------------------------------ holding */

static void add_command(struct rj_held *held, const Rejoin__Command *command)
{
    size_t len = rejoin__command__get_packed_size(command);
    struct held_command *copy = rj_alloc(sizeof *copy + len);
    copy->len = rejoin__command__pack(command, copy->packed);
    DL_APPEND(held->commands, copy);
}

static void drop(struct rj_held *held)
{
    struct held_command *command, *next;
    DL_FOREACH_SAFE (held->commands, command, next)
        free(command);
    if (held->reading)
        rj_store_read_cancel(held->reading);
    HASH_DELETE(hh, held->gateway->held, held);
    free(held);
}

void rj_held_drop(struct rj_gateway *gateway)
{
    struct rj_held *held, *next;
    HASH_ITER (hh, gateway->held, held, next)
        drop(held);
}

static struct rj_request request_of(const struct rj_held *held, Rejoin__Command *command)
{
    struct rj_peer *peer = &held->gateway->peer;
    return (struct rj_request){
        .broker = held->broker,
        .peer = peer,
        .gateway = held->gateway,
        .session = rj_gateway_client(held->gateway, held->handle),
        .command = command,
        .to = {rj_peer_ref(peer), command->id, command->client},
    };
}

static void on_warm(void *ctx, enum rj_status status, uint64_t reached);

static void start(struct rj_held *held, const struct rj_store_warm *what)
{
    held->reading = rj_store_warm_later(held->broker->store, what, on_warm, held);
}

/* The first command of the line, in the arena. */
static Rejoin__Command *first_of(const struct rj_held *held)
{
    const struct held_command *first = held->commands;
    Rejoin__Command *command = (Rejoin__Command *)rj_wire_unpack_message(
        &rejoin__command__descriptor, rj_span_of(first->packed, first->len), &held->broker->arena);
    if (!command)
        abort(); /* we packed it */
    return command;
}

static void run_first(struct rj_held *held, Rejoin__Command *command)
{
    struct held_command *first = held->commands;
    DL_DELETE(held->commands, first);
    free(first);
    rj_router_command(held->broker, &held->gateway->peer, command);
}

/* Runs what waited for this, and what waited behind it until something has to be read again. */
static void on_warm(void *ctx, enum rj_status status, uint64_t reached)
{
    struct rj_held *held = ctx;
    struct rj_broker *broker = held->broker;
    bool is_warm = true;
    (void)reached;
    held->reading = NULL;
    while (status == RJ_OK && held->commands && held->gateway->peer.stream == held->stream) {
        Rejoin__Command *command = first_of(held);
        struct rj_request request = request_of(held, command);
        uint8_t key[RJ_TARGET_KEY_MAX];
        struct rj_store_warm what = {0};
        if (!is_warm && plan(&request, key, &what)) {
            start(held, &what);
            rj_arena_reset(&broker->arena);
            return;
        }
        run_first(held, command);
        rj_arena_reset(&broker->arena);
        is_warm = false;
    }
    drop(held);
}

bool rj_hold(struct rj_request *request)
{
    struct rj_held *held;
    uint8_t key[RJ_TARGET_KEY_MAX];
    struct rj_store_warm what = {0};
    if (!request->gateway)
        return false;
    HASH_FIND(hh, request->gateway->held, &request->command->client, sizeof held->handle, held);
    if (held) {
        add_command(held, request->command);
        return true;
    }
    request->session = rj_gateway_client(request->gateway, request->command->client);
    if (!plan(request, key, &what))
        return false;
    held = rj_calloc(1, sizeof *held);
    held->broker = request->broker;
    held->gateway = request->gateway;
    held->handle = request->command->client;
    held->stream = request->peer->stream;
    HASH_ADD(hh, request->gateway->held, handle, sizeof held->handle, held);
    add_command(held, request->command);
    start(held, &what);
    return true;
}
