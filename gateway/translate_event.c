#include "gateway/translate.h"

#include "proto/base/json.h"
#include "proto/names.h"
#include "proto/placeholder.h"

static const char default_event[] = "room:message";

/* One event's arguments on their way into a command. */
struct reading {
    const struct rj_client_event *event;
    struct rj_arena *arena;
    Rejoin__Command *command;
    struct rj_span first; /* the first argument; empty: none */
    const char *why;
};

static ProtobufCBinaryData bytes_of(struct rj_span span)
{
    /* protobuf-c's type wants a mutable pointer; packing only reads. */
    return (ProtobufCBinaryData){span.len, (uint8_t *)(uintptr_t)span.data};
}

static enum rj_status refuse(struct reading *in, enum rj_status status, const char *why)
{
    in->why = why;
    return status;
}

/* A JSON string of 1 to `most` bytes without NUL, copied into the arena. */
static bool take_text(struct reading *in, struct rj_span value, size_t most, char **out)
{
    struct rj_buf text = {0};
    bool is_good = rj_json_string(value, &text) == RJ_OK && text.len >= 1 && text.len <= most &&
                   !memchr(text.data, '\0', text.len);
    if (is_good)
        *out = rj_arena_copy(in->arena, text.data, text.len);
    rj_buf_free(&text);
    return is_good;
}

/* The room: the argument itself, or its member `room`. */
static enum rj_status take_room(struct reading *in, char **room)
{
    struct rj_span value = in->first;
    if (value.len == 0 || (rj_json_type(value) == RJ_JSON_OBJECT && !rj_json_get(value, "room", &value)))
        return refuse(in, RJ_BAD_REQUEST, "room is missing");
    if (rj_json_type(value) != RJ_JSON_STRING)
        return refuse(in, RJ_BAD_REQUEST, "room must be a string");
    if (!take_text(in, value, RJ_ROOM_NAME_MAX, room))
        return refuse(in, RJ_BAD_NAME, "room must have 1 to 255 bytes of UTF-8");
    return RJ_OK;
}

/* Optional members of the first argument: absent, null and undefined are the same. */
static bool has_member(const struct reading *in, const char *name, struct rj_span *value)
{
    return in->first.len && rj_json_get(in->first, name, value) && rj_json_type(*value) != RJ_JSON_NULL;
}

static bool take_number(const struct reading *in, const char *name, bool *is_set, uint64_t *out)
{
    struct rj_span value;
    *is_set = has_member(in, name, &value);
    return !*is_set || rj_json_u64(value, out);
}

static bool take_flag(const struct reading *in, const char *name, bool *out)
{
    struct rj_span value;
    return !has_member(in, name, &value) || rj_json_bool(value, out);
}

static void *command_new(struct reading *in, size_t size)
{
    return rj_arena_alloc(in->arena, size);
}

static uint32_t u32_at_most(uint64_t value)
{
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static enum rj_status read_join(struct reading *in)
{
    Rejoin__Join *join = command_new(in, sizeof *join);
    rejoin__join__init(join);
    enum rj_status status = take_room(in, &join->room);
    if (status)
        return status;
    bool has_after, has_last;
    uint64_t last = 0;
    if (!take_number(in, "after", &has_after, &join->after) || !take_number(in, "last", &has_last, &last))
        return refuse(in, RJ_BAD_REQUEST, "after and last must be whole numbers");
    join->after_set = has_after;
    join->last = u32_at_most(last);
    in->command->kind_case = REJOIN__COMMAND__KIND_JOIN;
    in->command->join = join;
    return RJ_OK;
}

static enum rj_status read_leave(struct reading *in)
{
    Rejoin__Leave *leave = command_new(in, sizeof *leave);
    rejoin__leave__init(leave);
    in->command->kind_case = REJOIN__COMMAND__KIND_LEAVE;
    in->command->leave = leave;
    return take_room(in, &leave->room);
}

static enum rj_status read_history(struct reading *in)
{
    Rejoin__History *history = command_new(in, sizeof *history);
    rejoin__history__init(history);
    enum rj_status status = take_room(in, &history->room);
    if (status)
        return status;
    bool has_before, has_after, has_limit;
    uint64_t limit = 0;
    if (!take_number(in, "before", &has_before, &history->before) ||
        !take_number(in, "after", &has_after, &history->after) ||
        !take_number(in, "limit", &has_limit, &limit))
        return refuse(in, RJ_BAD_REQUEST, "before, after and limit must be whole numbers");
    if (has_before && has_after)
        return refuse(in, RJ_BAD_REQUEST, "give before or after, not both");
    if ((has_before && history->before == 0) || (has_limit && limit == 0))
        return refuse(in, RJ_BAD_REQUEST, "before and limit must be at least 1");
    history->after_set = has_after;
    history->limit = u32_at_most(limit);
    in->command->kind_case = REJOIN__COMMAND__KIND_HISTORY;
    in->command->history = history;
    return RJ_OK;
}

/* Socket.IO's own, and those in which the server alone speaks of rooms: a member must not take a message for
 * a confirmation, a receipt or somebody's coming. */
static bool is_reserved(const char *event)
{
    static const char *const reserved[] = {"connect",        "connect_error",  "disconnect", "disconnecting",
                                           "newListener",    "removeListener", "room:read",  "room:presence",
                                           "room:confirmed", "room:failed"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (strcmp(event, reserved[i]) == 0)
            return true;
    return false;
}

ProtobufCBinaryData *rj_translate_attachments(const struct rj_span *attachments, size_t n,
                                              struct rj_arena *arena)
{
    ProtobufCBinaryData *list = rj_arena_alloc(arena, (n + 1) * sizeof *list);
    for (size_t i = 0; i < n; i++)
        list[i] = bytes_of(attachments[i]);
    return list;
}

ProtobufCBinaryData rj_translate_array(struct rj_span args, struct rj_arena *arena)
{
    uint8_t *array = rj_arena_alloc(arena, args.len + 2);
    array[0] = '[';
    if (args.len)
        memcpy(array + 1, args.data, args.len);
    array[args.len + 1] = ']';
    return (ProtobufCBinaryData){args.len + 2, array};
}

static enum rj_status read_message(struct reading *in, Rejoin__Message *message)
{
    struct rj_span value;
    message->event = (char *)(uintptr_t)default_event;
    if (has_member(in, "event", &value) &&
        (!take_text(in, value, RJ_EVENT_MAX, &message->event) || is_reserved(message->event)))
        return refuse(in, RJ_BAD_REQUEST, "event must be a name of 1 to 255 bytes that is not reserved");
    if (has_member(in, "id", &value) && !take_text(in, value, RJ_MESSAGE_ID_MAX, &message->id))
        return refuse(in, RJ_BAD_REQUEST, "id must be a string of 1 to 200 bytes");
    if (!rj_json_get(in->first, "data", &value))
        return refuse(in, RJ_BAD_REQUEST, "data is missing");
    /* Without this a sender could put a placeholder into an ack with other people's attachments. */
    if (!rj_placeholders_are_valid(value, in->event->n_attachments))
        return refuse(in, RJ_BAD_REQUEST, "a placeholder in data has no attachment");
    message->data = bytes_of(rj_json_trim(value));
    message->attachments =
        rj_translate_attachments(in->event->attachments, in->event->n_attachments, in->arena);
    message->n_attachments = in->event->n_attachments;
    return RJ_OK;
}

static enum rj_status read_publish(struct reading *in)
{
    struct {
        Rejoin__Publish publish;
        Rejoin__Message message;
        Rejoin__Target target;
        Rejoin__Target *targets[1];
    } *parts = command_new(in, sizeof *parts);
    rejoin__publish__init(&parts->publish);
    rejoin__message__init(&parts->message);
    rejoin__target__init(&parts->target);
    if (in->first.len == 0 || rj_json_type(in->first) != RJ_JSON_OBJECT)
        return refuse(in, RJ_BAD_REQUEST, "the argument must be an object {room, data}");
    enum rj_status status = take_room(in, &parts->target.name);
    if (status == RJ_OK)
        status = read_message(in, &parts->message);
    if (status)
        return status;
    bool wants_echo = true, is_volatile = false;
    if (!take_flag(in, "echo", &wants_echo) || !take_flag(in, "volatile", &is_volatile))
        return refuse(in, RJ_BAD_REQUEST, "echo and volatile must be true or false");
    parts->message.volatile_ = is_volatile;
    parts->targets[0] = &parts->target;
    parts->message.targets = parts->targets;
    parts->message.n_targets = 1;
    parts->publish.message = &parts->message;
    parts->publish.exclude_self = !wants_echo;
    in->command->kind_case = REJOIN__COMMAND__KIND_PUBLISH;
    in->command->publish = &parts->publish;
    return RJ_OK;
}

static enum rj_status read_read(struct reading *in)
{
    Rejoin__Read *read = command_new(in, sizeof *read);
    rejoin__read__init(read);
    enum rj_status status = take_room(in, &read->room);
    if (status)
        return status;
    bool has_seq, forgets = false;
    if (!take_number(in, "seq", &has_seq, &read->seq))
        return refuse(in, RJ_BAD_REQUEST, "seq must be a whole number");
    if (!take_flag(in, "forget", &forgets))
        return refuse(in, RJ_BAD_REQUEST, "forget must be true or false");
    if (forgets && has_seq)
        return refuse(in, RJ_BAD_REQUEST, "give seq or forget, not both");
    read->all = !has_seq;
    read->forget = forgets;
    in->command->kind_case = REJOIN__COMMAND__KIND_READ;
    in->command->read = read;
    return RJ_OK;
}

static enum rj_status read_unread(struct reading *in)
{
    Rejoin__Unread *unread = command_new(in, sizeof *unread);
    rejoin__unread__init(unread);
    in->command->kind_case = REJOIN__COMMAND__KIND_UNREAD;
    in->command->unread = unread;
    return RJ_OK;
}

static enum rj_status read_presence(struct reading *in)
{
    Rejoin__Presence *presence = command_new(in, sizeof *presence);
    rejoin__presence__init(presence);
    enum rj_status status = take_room(in, &presence->room);
    if (status)
        return status;
    struct rj_span after;
    bool has_limit;
    uint64_t limit = 0;
    if (has_member(in, "after", &after) && !take_text(in, after, RJ_USER_MAX, &presence->after))
        return refuse(in, RJ_BAD_REQUEST, "after must be a user's name");
    if (!take_number(in, "limit", &has_limit, &limit) || (has_limit && limit == 0))
        return refuse(in, RJ_BAD_REQUEST, "limit must be a whole number of at least 1");
    presence->limit = u32_at_most(limit);
    in->command->kind_case = REJOIN__COMMAND__KIND_PRESENCE;
    in->command->presence = presence;
    return RJ_OK;
}

static enum rj_status read_other(struct reading *in)
{
    Rejoin__Event *event = command_new(in, sizeof *event);
    rejoin__event__init(event);
    event->name = rj_arena_copy(in->arena, in->event->name.data, in->event->name.len);
    event->args = rj_translate_array(in->event->args, in->arena);
    event->attachments =
        rj_translate_attachments(in->event->attachments, in->event->n_attachments, in->arena);
    event->n_attachments = in->event->n_attachments;
    event->wants_ack = in->event->has_ack;
    in->command->kind_case = REJOIN__COMMAND__KIND_EVENT;
    in->command->event = event;
    return RJ_OK;
}

static const struct {
    const char *event;
    enum rj_status (*read)(struct reading *in);
} built_in[] = {
    {"room:join", read_join},         {"room:leave", read_leave}, {"room:publish", read_publish},
    {"room:history", read_history},   {"room:read", read_read},   {"room:unread", read_unread},
    {"room:presence", read_presence},
};

enum rj_status rj_translate_event(const struct rj_client_event *event, struct rj_arena *arena,
                                  Rejoin__Command *command, const char **why)
{
    struct reading in = {.event = event, .arena = arena, .command = command};
    enum rj_status (*read)(struct reading *) = read_other;
    for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++)
        if (rj_span_is(event->name, built_in[i].event))
            read = built_in[i].read;
    if (read == read_other && memchr(event->name.data, '\0', event->name.len))
        in.why = "the event's name has a NUL in it";
    if (event->name.len > RJ_EVENT_MAX)
        in.why = "the event's name has more than 255 bytes";
    if (in.why) {
        *why = in.why;
        return RJ_BAD_REQUEST;
    }
    if (read != read_other && event->args.len) {
        ProtobufCBinaryData array = rj_translate_array(event->args, arena);
        struct rj_json_iter iter = rj_json_iter(rj_span_of(array.data, array.len));
        rj_json_next_element(&iter, &in.first);
    }
    enum rj_status status = read(&in);
    if (status)
        *why = in.why;
    return status;
}
