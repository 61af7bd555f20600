#include "gateway/commands.h"

#include <utlist.h>

#include "gateway/clients.h"
#include "gateway/gateway.h"
#include "gateway/link.h"
#include "gateway/mirror.h"
#include "gateway/translate.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

/* ------------------------------------------------------------------------------------------ asking */

static struct rj_pending_command *issue(struct rj_client *client, Rejoin__Command *command)
{
    struct rj_gateway *gateway = client->gateway;
    command->client = client->handle;
    struct rj_pending_command *entry = rj_pending_add(&gateway->pending, command);
    gateway->stats.commands++;
    rj_link_send(gateway->link, entry);
    return entry;
}

static char *copy(struct rj_gateway *gateway, struct rj_span text)
{
    return rj_arena_copy(&gateway->arena, text.data, text.len);
}

static void fill_handshake(struct rj_gateway *gateway, const struct rj_client_request *request,
                           Rejoin__Handshake *out)
{
    Rejoin__Handshake__Header *headers =
        rj_arena_alloc(&gateway->arena, (request->n_headers + 1) * sizeof *headers);
    Rejoin__Handshake__Header **list =
        rj_arena_alloc(&gateway->arena, (request->n_headers + 1) * sizeof *list);
    const char *at = request->headers;
    for (size_t i = 0; i < request->n_headers; i++) {
        rejoin__handshake__header__init(&headers[i]);
        headers[i].name = (char *)(uintptr_t)at;
        headers[i].value = (char *)(uintptr_t)at + strlen(at) + 1;
        at = headers[i].value + strlen(headers[i].value) + 1;
        list[i] = &headers[i];
    }
    out->address = copy(gateway, request->address);
    out->transport = copy(gateway, request->transport);
    out->url = copy(gateway, request->url);
    out->secure = request->secure;
    out->issued_ms = request->issued_ms;
    out->headers = list;
    out->n_headers = request->n_headers;
}

void rj_command_connect(struct rj_client *client, const struct rj_client_request *request)
{
    struct rj_gateway *gateway = client->gateway;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    Rejoin__Connect connect = REJOIN__CONNECT__INIT;
    Rejoin__Handshake handshake = REJOIN__HANDSHAKE__INIT;
    connect.namespace_ = (char *)(uintptr_t)client->nsp;
    connect.no_recovery = !gateway->conf->recovery;
    if (!connect.no_recovery) {
        connect.pid = copy(gateway, request->pid);
        connect.offset = copy(gateway, request->offset);
    }
    connect.auth = (ProtobufCBinaryData){request->auth.len, (uint8_t *)(uintptr_t)request->auth.data};
    fill_handshake(gateway, request, &handshake);
    connect.handshake = &handshake;
    command.kind_case = REJOIN__COMMAND__KIND_CONNECT;
    command.connect = &connect;
    issue(client, &command);
}

/* Whether the session ends with the connection: nobody is to come back to it. */
static bool ends_session(enum rj_reason reason)
{
    return reason == RJ_REASON_CLIENT_NAMESPACE || reason == RJ_REASON_SERVER_NAMESPACE;
}

/* What it points to is the client's, or lives in the arena. */
static void fill_attach(const struct rj_client *client, Rejoin__Attach *attach)
{
    struct rj_arena *arena = &client->gateway->arena;
    attach->pid = client->pid;
    attach->sid = client->sid;
    attach->incarnation = client->incarnation;
    attach->no_recovery = !*client->pid;
    attach->namespace_ = (char *)(uintptr_t)client->nsp;
    attach->user = (char *)(uintptr_t)client->user;
    Rejoin__RoomState *rooms = rj_arena_alloc(arena, (client->n_rooms + 1U) * sizeof *rooms);
    attach->rooms = rj_arena_alloc(arena, (client->n_rooms + 1U) * sizeof *attach->rooms);
    for (uint32_t i = 0; attach->no_recovery && i < client->n_rooms; i++) {
        const struct rj_mirror_room *room = client->rooms[i].room;
        rejoin__room_state__init(&rooms[i]);
        rooms[i].room = (char *)(uintptr_t)rj_mirror_room_name(room);
        rooms[i].since_pos = room->members[client->rooms[i].at].since_pos;
        attach->rooms[attach->n_rooms++] = &rooms[i];
    }
}

void rj_command_attach(struct rj_client *client)
{
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    Rejoin__Attach attach = REJOIN__ATTACH__INIT;
    fill_attach(client, &attach);
    command.kind_case = REJOIN__COMMAND__KIND_ATTACH;
    command.attach = &attach;
    issue(client, &command);
}

void rj_command_disconnect(struct rj_client *client, enum rj_reason reason)
{
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    Rejoin__Disconnect disconnect = REJOIN__DISCONNECT__INIT;
    Rejoin__Attach attach = REJOIN__ATTACH__INIT;
    disconnect.reason = (char *)(uintptr_t)rj_reason_text(reason);
    disconnect.left = ends_session(reason);
    command.kind_case = REJOIN__COMMAND__KIND_DISCONNECT;
    command.disconnect = &disconnect;
    struct rj_pending_command *entry = issue(client, &command);
    if (!rj_client_is_connected(client))
        return;
    /* Should this have to be said on another stream, the client is not there to be attached any more. */
    fill_attach(client, &attach);
    command.kind_case = REJOIN__COMMAND__KIND_ATTACH;
    command.attach = &attach;
    rj_pending_introduce(&client->gateway->pending, entry, &command);
}

void rj_command_catch_up(struct rj_client *client)
{
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    Rejoin__CatchUp catch_up = REJOIN__CATCH_UP__INIT;
    catch_up.after_pos = client->last_pos;
    command.kind_case = REJOIN__COMMAND__KIND_CATCH_UP;
    command.catch_up = &catch_up;
    issue(client, &command);
}

/* ------------------------------------------------------------------------------------------ events */

bool rj_commands_have_room(const struct rj_gateway *gateway)
{
    return gateway->pending.n_asked < gateway->conf->max_pending &&
           gateway->pending.bytes < gateway->conf->max_pending_bytes;
}

/* The event broke a rule: its sender is told if it asked to be, everybody else learns nothing. */
static void refuse(struct rj_client *client, const struct rj_client_event *event, const char *code,
                   const char *message)
{
    struct rj_gateway *gateway = client->gateway;
    unsigned held;
    gateway->stats.events_refused++;
    if (rj_log_allowed(&gateway->refused_log, &held))
        rj_log(RJ_LOG_INFO, "event_refused", RJ_KV_STR("sid", client->sid), RJ_KV_SPAN("name", event->name),
               RJ_KV_STR("code", code), RJ_KV_STR("why", message), RJ_KV_U64("held_back", held));
    if (event->has_ack)
        rj_client_fail(client, event->ack_id, code, message);
}

/* A page of messages, or a list of rooms: not for a client whose queue is full already. */
static bool has_long_answer(const Rejoin__Command *command)
{
    return command->kind_case == REJOIN__COMMAND__KIND_HISTORY ||
           command->kind_case == REJOIN__COMMAND__KIND_JOIN ||
           command->kind_case == REJOIN__COMMAND__KIND_UNREAD ||
           command->kind_case == REJOIN__COMMAND__KIND_PRESENCE;
}

/* At most: the broker drops a frame that is too large for it, and everything else in it. */
static size_t packed_bytes(const struct rj_client_event *event)
{
    enum { OVERHEAD = 1024 };
    size_t bytes = OVERHEAD + event->name.len + event->args.len;
    for (size_t i = 0; i < event->n_attachments; i++)
        bytes += event->attachments[i].len;
    return bytes;
}

void rj_command_event(struct rj_client *client, const struct rj_client_event *event)
{
    struct rj_gateway *gateway = client->gateway;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    const char *why = NULL;
    gateway->stats.events_in++;
    if (!rj_bucket_take(&client->events, gateway->conf->max_events, gateway->conf->max_events,
                        rj_clock_mono_us())) {
        refuse(client, event, rj_status_code(RJ_RATE_LIMITED), rj_status_text(RJ_RATE_LIMITED));
        return;
    }
    if (client->n_pending >= gateway->conf->max_pending_client ||
        client->pending_bytes >= gateway->conf->max_pending_client_bytes || !rj_commands_have_room(gateway)) {
        refuse(client, event, rj_status_code(RJ_BUSY), rj_status_text(RJ_BUSY));
        return;
    }
    enum rj_status status = rj_translate_event(event, &gateway->arena, &command, &why);
    if (status == RJ_OK && has_long_answer(&command) && rj_client_is_full(client)) {
        status = RJ_BUSY;
        why = "read what was sent before asking for more";
    }
    if (status) {
        refuse(client, event, rj_status_code(status), why);
        return;
    }
    if (packed_bytes(event) > rj_link_item_limit(gateway->link)) {
        refuse(client, event, rj_status_code(RJ_TOO_LARGE), rj_status_text(RJ_TOO_LARGE));
        return;
    }
    struct rj_pending_command *entry = issue(client, &command);
    entry->has_ack = event->has_ack;
    entry->ack_id = event->ack_id;
    entry->deadline_ms = rj_clock_mono_ms() + gateway->conf->command_timeout_ms;
    client->n_pending++;
    client->pending_bytes += entry->bytes;
}

/* ------------------------------------------------------------------------------------------ answers */

static void send_ack(struct rj_client *client, const struct rj_pending_command *entry,
                     const Rejoin__Reply *reply)
{
    struct rj_gateway *gateway = client->gateway;
    struct rj_args args = {.json = gateway->scratch};
    rj_buf_reuse(&args.json);
    rj_translate_reply(reply, entry->room, &gateway->arena, &args);
    rj_client_send_ack(client, client->ops->encode_ack(rj_span_str(client->nsp), entry->ack_id,
                                                       rj_buf_span(&args.json), args.attachments,
                                                       args.n_attachments));
    gateway->scratch = args.json;
}

/* What an answered event changes here. */
static void apply(struct rj_client *client, const struct rj_pending_command *entry,
                  const Rejoin__Reply *reply)
{
    struct rj_mirror *mirror = &client->gateway->mirror;
    if (reply->error)
        return;
    if (reply->result_case == REJOIN__REPLY__RESULT_JOINED)
        rj_mirror_join(mirror, client, reply->joined->room, reply->joined->since_pos);
    else if (entry->kind == REJOIN__COMMAND__KIND_LEAVE)
        rj_mirror_leave(mirror, client, entry->room);
}

/* It is not the client's to wait for any more. */
static void settle(struct rj_client *client, const struct rj_pending_command *entry)
{
    client->n_pending--;
    client->pending_bytes -= entry->bytes;
}

static void on_event_answered(struct rj_client *client, const struct rj_pending_command *entry,
                              const Rejoin__Reply *reply)
{
    struct rj_gateway *gateway = client->gateway;
    unsigned held;
    apply(client, entry, reply);
    if (!entry->is_answered)
        settle(client, entry);
    if (entry->has_ack && !entry->is_answered) {
        send_ack(client, entry, reply);
    } else if (reply->error && !entry->is_answered) {
        gateway->stats.events_refused++;
        if (rj_log_allowed(&gateway->refused_log, &held))
            rj_log(RJ_LOG_INFO, "event_failed", RJ_KV_STR("sid", client->sid),
                   RJ_KV_STR("code", reply->error->code), RJ_KV_U64("held_back", held));
    }
}

static void on_connect_answered(struct rj_client *client, const Rejoin__Reply *reply)
{
    if (reply->error)
        rj_client_on_refused(client, reply->error);
    else if (reply->result_case == REJOIN__REPLY__RESULT_CONNECTED)
        rj_client_on_connected(client, reply->connected);
}

void rj_command_replied(struct rj_gateway *gateway, const Rejoin__Reply *reply)
{
    struct rj_pending_command *entry = rj_pending_take(&gateway->pending, reply->id);
    if (!entry)
        return; /* an answer to what was given up meanwhile */
    struct rj_client *client = rj_clients_find(&gateway->clients, entry->client);
    if (client) {
        switch (entry->kind) {
        case REJOIN__COMMAND__KIND_CONNECT: on_connect_answered(client, reply); break;
        case REJOIN__COMMAND__KIND_ATTACH:
            if (reply->error)
                rj_client_kick(client, RJ_END_TRANSPORT, reply->error->code);
            else if (reply->result_case == REJOIN__REPLY__RESULT_CONNECTED)
                rj_client_on_attached(client, reply->connected);
            break;
        case REJOIN__COMMAND__KIND_CATCH_UP:
            if (reply->error)
                rj_client_kick(client, RJ_END_TRANSPORT, reply->error->code);
            break;
        case REJOIN__COMMAND__KIND_DISCONNECT: break;
        default: on_event_answered(client, entry, reply);
        }
    }
    rj_pending_free_command(entry);
}

/* ------------------------------------------------------------------------------------------ time */

/* A failed publish is given up; a join or a leave is not, since the broker's answer decides where the client
 * is. */
static bool is_still_wanted(const struct rj_pending_command *entry)
{
    return entry->kind == REJOIN__COMMAND__KIND_JOIN || entry->kind == REJOIN__COMMAND__KIND_LEAVE;
}

/* Whoever serves an event has its own deadline, which the broker watches: it answers in any case, and later
 * than a command of its own. */
static bool is_with_backend(const struct rj_gateway *gateway, const struct rj_pending_command *entry)
{
    return entry->kind == REJOIN__COMMAND__KIND_EVENT && entry->was_said && rj_link_is_up(gateway->link);
}

/* What no broker was told has not been done; of the rest nobody knows. */
static void tell_timeout(struct rj_client *client, const struct rj_pending_command *entry)
{
    if (entry->was_said)
        rj_client_fail(client, entry->ack_id, rj_status_code(RJ_TIMEOUT),
                       "no answer in time; it may have been done all the same");
    else
        rj_client_fail(client, entry->ack_id, rj_status_code(RJ_UNAVAILABLE), rj_status_text(RJ_UNAVAILABLE));
}

static void time_out(struct rj_gateway *gateway, struct rj_pending_command *entry)
{
    struct rj_client *client = rj_clients_find(&gateway->clients, entry->client);
    gateway->stats.timed_out++;
    if (client) {
        settle(client, entry);
        if (entry->has_ack)
            tell_timeout(client, entry);
    }
    entry->is_answered = true;
    entry->deadline_ms = UINT64_MAX;
    if (client && is_still_wanted(entry))
        return;
    rj_pending_free_command(rj_pending_take(&gateway->pending, entry->id));
}

void rj_commands_tick(struct rj_gateway *gateway, uint64_t now_ms)
{
    struct rj_pending_command *entry, *next;
    DL_FOREACH_SAFE (gateway->pending.list, entry, next) {
        if (entry->deadline_ms == UINT64_MAX)
            continue; /* without a deadline */
        if (entry->deadline_ms > now_ms)
            break; /* the list is in the order of issue, and all deadlines are equally far */
        if (is_with_backend(gateway, entry))
            continue;
        time_out(gateway, entry);
    }
}
