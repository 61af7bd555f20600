#include "gateway/translate.h"

#include "gateway/translate_presence.h"
#include "proto/base/json.h"
#include "proto/names.h"
#include "proto/offset.h"
#include "proto/placeholder.h"

static const char default_event[] = "room:message";

/* ------------------------------------------------------------------------------------------ reading */

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

/* ------------------------------------------------------------------------------------------ writing */

static void put_text(struct rj_buf *out, const char *text)
{
    rj_json_put_string(out, rj_span_str(text));
}

static void put_text_or_null(struct rj_buf *out, const char *text)
{
    if (text && *text)
        put_text(out, text);
    else
        rj_buf_put_str(out, "null");
}

static void put_flag(struct rj_buf *out, bool flag)
{
    rj_buf_put_str(out, flag ? "true" : "false");
}

void rj_translate_error(const char *code, const char *message, struct rj_buf *out)
{
    rj_buf_put_str(out, "{\"ok\":false,\"error\":{\"code\":");
    put_text(out, code);
    rj_buf_put_str(out, ",\"message\":");
    put_text(out, message);
    rj_buf_put_str(out, "}}");
}

static void put_from(const char *user, const char *sid, struct rj_buf *out)
{
    rj_buf_put_str(out, "\"from\":{\"user\":");
    put_text_or_null(out, user);
    rj_buf_put_str(out, ",\"sid\":");
    put_text_or_null(out, sid);
    rj_buf_put_u8(out, '}');
}

/* The envelope's members up to and with `from`. */
static void put_envelope_head(const Rejoin__Deliver *deliver, const char *room, uint64_t seq,
                              struct rj_buf *out)
{
    const Rejoin__Message *message = deliver->message;
    rj_buf_put_u8(out, '{');
    if (room) {
        rj_buf_put_str(out, "\"room\":");
        put_text(out, room);
        rj_buf_put_u8(out, ',');
    }
    if (seq) {
        rj_buf_put_str(out, "\"seq\":");
        rj_buf_put_u64_dec(out, seq);
        rj_buf_put_u8(out, ',');
    }
    rj_buf_put_str(out, "\"ts\":");
    rj_buf_put_u64_dec(out, deliver->ts_ms);
    if (*message->id) {
        rj_buf_put_str(out, ",\"id\":");
        put_text(out, message->id);
    }
    rj_buf_put_u8(out, ',');
    put_from(message->from_user, message->from_sid, out);
}

static struct rj_span data_of(const Rejoin__Message *message)
{
    return message->data.len ? rj_span_of(message->data.data, message->data.len) : rj_span_str("null");
}

void rj_translate_envelope(const Rejoin__Deliver *deliver, const char *room, uint64_t seq, struct rj_buf *out)
{
    put_envelope_head(deliver, room, seq, out);
    rj_buf_put_str(out, ",\"data\":");
    rj_buf_put_span(out, data_of(deliver->message));
    rj_buf_put_u8(out, '}');
}

void rj_translate_pending(const Rejoin__Deliver *deliver, const char *room, struct rj_buf *out)
{
    put_envelope_head(deliver, room, 0, out);
    rj_buf_put_str(out, ",\"pending\":true,\"data\":");
    rj_buf_put_span(out, data_of(deliver->message));
    rj_buf_put_u8(out, '}');
}

void rj_translate_confirmed(const Rejoin__Deliver *deliver, const char *room, uint64_t seq,
                            const char *offset, struct rj_buf *out)
{
    put_envelope_head(deliver, room, seq, out);
    rj_buf_put_str(out, ",\"offset\":");
    put_text(out, offset);
    rj_buf_put_u8(out, '}');
}

void rj_translate_failed(const struct rj_shown *shown, struct rj_buf *out)
{
    rj_buf_put_str(out, "{\"room\":");
    put_text(out, shown->room);
    rj_buf_put_str(out, ",\"id\":");
    put_text(out, shown->id);
    rj_buf_put_u8(out, ',');
    put_from(shown->user, shown->sid, out);
    rj_buf_put_str(out, ",\"error\":{\"code\":");
    put_text(out, rj_status_code(RJ_UNAVAILABLE));
    rj_buf_put_str(out, ",\"message\":\"the message was not stored\"}}");
}

static bool is_placeholder(struct rj_span object, uint64_t *num)
{
    struct rj_span value;
    bool is_one = false;
    return rj_json_get(object, "_placeholder", &value) && rj_json_bool(value, &is_one) && is_one &&
           rj_json_get(object, "num", &value) && rj_json_u64(value, num);
}

static void put_shifted(struct rj_span value, size_t shift, struct rj_buf *out)
{
    struct rj_json_iter iter = rj_json_iter(value);
    struct rj_span key, member;
    uint64_t num;
    bool is_first = true;
    switch (rj_json_type(value)) {
    case RJ_JSON_ARRAY:
        rj_buf_put_u8(out, '[');
        for (; rj_json_next_element(&iter, &member); is_first = false) {
            if (!is_first)
                rj_buf_put_u8(out, ',');
            put_shifted(member, shift, out);
        }
        rj_buf_put_u8(out, ']');
        return;
    case RJ_JSON_OBJECT:
        if (is_placeholder(value, &num)) {
            rj_buf_printf(out, "{\"_placeholder\":true,\"num\":%llu}", (unsigned long long)(num + shift));
            return;
        }
        rj_buf_put_u8(out, '{');
        for (; rj_json_next_member(&iter, &key, &member); is_first = false) {
            if (!is_first)
                rj_buf_put_u8(out, ',');
            rj_buf_put_span(out, key);
            rj_buf_put_u8(out, ':');
            put_shifted(member, shift, out);
        }
        rj_buf_put_u8(out, '}');
        return;
    default: rj_buf_put_span(out, rj_json_trim(value));
    }
}

void rj_translate_shifted(struct rj_span json, size_t shift, struct rj_buf *out)
{
    if (shift == 0)
        rj_buf_put_span(out, json);
    else
        put_shifted(json, shift, out);
}

/* The seq that the message has in `room`: pages are about one room, most messages about that alone. */
static uint64_t seq_in(const Rejoin__Deliver *deliver, const char *room)
{
    const Rejoin__Message *message = deliver->message;
    for (size_t i = 0; i < message->n_targets && i < deliver->n_seqs; i++)
        if (message->targets[i]->kind == REJOIN__TARGET__KIND__ROOM &&
            strcmp(message->targets[i]->name, room) == 0)
            return deliver->seqs[i];
    return 0;
}

static size_t count_attachments(Rejoin__Deliver *const *messages, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += messages[i]->message ? messages[i]->message->n_attachments : 0;
    return sum;
}

/* A page of envelopes as one JSON array; the attachments of all stand behind one another. */
static void put_messages(Rejoin__Deliver *const *messages, size_t n, const char *room, struct rj_arena *arena,
                         struct rj_args *out)
{
    out->attachments = rj_arena_alloc(arena, (count_attachments(messages, n) + 1) * sizeof *out->attachments);
    rj_buf_put_u8(&out->json, '[');
    bool is_first = true;
    for (size_t i = 0; i < n; i++) {
        const Rejoin__Message *message = messages[i]->message;
        if (!message)
            continue;
        if (!is_first)
            rj_buf_put_u8(&out->json, ',');
        is_first = false;
        put_envelope_head(messages[i], room, seq_in(messages[i], room), &out->json);
        rj_buf_put_str(&out->json, ",\"data\":");
        rj_translate_shifted(data_of(message), message->n_attachments ? out->n_attachments : 0, &out->json);
        rj_buf_put_u8(&out->json, '}');
        for (size_t a = 0; a < message->n_attachments; a++)
            out->attachments[out->n_attachments++] =
                rj_span_of(message->attachments[a].data, message->attachments[a].len);
    }
    rj_buf_put_u8(&out->json, ']');
}

static void put_joined(const Rejoin__Joined *joined, struct rj_arena *arena, struct rj_args *out)
{
    rj_buf_put_str(&out->json, "{\"ok\":true,\"room\":");
    put_text(&out->json, joined->room);
    rj_buf_printf(&out->json, ",\"seq\":%llu,\"members\":%u", (unsigned long long)joined->seq,
                  joined->members);
    if (joined->has_messages) {
        rj_buf_put_str(&out->json, ",\"messages\":");
        put_messages(joined->messages, joined->n_messages, joined->room, arena, out);
        rj_buf_put_str(&out->json, ",\"more\":");
        put_flag(&out->json, joined->more);
    }
    rj_buf_put_u8(&out->json, '}');
}

static void put_published(const Rejoin__Published *published, struct rj_buf *out)
{
    if (published->pos == 0) {
        rj_buf_printf(out, "{\"ok\":true,\"ts\":%llu}", (unsigned long long)published->ts_ms);
        return;
    }
    rj_buf_printf(out, "{\"ok\":true,\"seq\":%llu,\"offset\":",
                  (unsigned long long)(published->n_seqs ? published->seqs[0] : 0));
    put_text(out, published->offset);
    rj_buf_printf(out, ",\"ts\":%llu}", (unsigned long long)published->ts_ms);
}

static void put_history(const Rejoin__HistoryPage *page, const char *room, struct rj_arena *arena,
                        struct rj_args *out)
{
    rj_buf_put_str(&out->json, "{\"ok\":true,\"messages\":");
    put_messages(page->messages, page->n_messages, room, arena, out);
    rj_buf_put_str(&out->json, ",\"more\":");
    put_flag(&out->json, page->more);
    rj_buf_put_u8(&out->json, '}');
}

static void put_read(const Rejoin__ReadUpTo *read, struct rj_buf *out)
{
    rj_buf_printf(out, "{\"ok\":true,\"unread\":%llu,\"seq\":%llu}", (unsigned long long)read->unread,
                  (unsigned long long)read->seq);
}

static void put_unread(const Rejoin__UnreadList *list, struct rj_buf *out)
{
    rj_buf_put_str(out, "{\"ok\":true,\"rooms\":[");
    for (size_t i = 0; i < list->n_rooms; i++) {
        rj_buf_put_str(out, i ? ",{\"room\":" : "{\"room\":");
        put_text(out, list->rooms[i]->name);
        rj_buf_put_str(out, ",\"unread\":");
        rj_buf_put_u64_dec(out, list->rooms[i]->unread);
        rj_buf_put_str(out, ",\"seq\":");
        rj_buf_put_u64_dec(out, list->rooms[i]->seq);
        rj_buf_put_u8(out, '}');
    }
    rj_buf_put_str(out, list->more ? "],\"more\":true}" : "]}");
}

/* The arguments in an array of a backend's. */
static struct rj_span args_of(ProtobufCBinaryData array)
{
    struct rj_span text = rj_json_trim(rj_span_of(array.data, array.len));
    if (text.len < 2 || text.data[0] != '[')
        return text;
    return rj_json_trim(rj_span_of(text.data + 1, text.len - 2));
}

struct rj_span rj_translate_plain(const Rejoin__Message *message)
{
    return args_of(message->data);
}

/* The answer of whoever served the event: all its arguments. */
static void put_event_answer(const Rejoin__EventAnswer *answer, struct rj_arena *arena, struct rj_args *out)
{
    rj_buf_put_span(&out->json, args_of(answer->args));
    out->attachments = rj_arena_alloc(arena, (answer->n_attachments + 1) * sizeof *out->attachments);
    for (size_t i = 0; i < answer->n_attachments; i++)
        out->attachments[out->n_attachments++] =
            rj_span_of(answer->attachments[i].data, answer->attachments[i].len);
}

void rj_translate_reply(const Rejoin__Reply *reply, const char *room, struct rj_arena *arena,
                        struct rj_args *out)
{
    if (reply->error) {
        rj_translate_error(reply->error->code, reply->error->message, &out->json);
        return;
    }
    switch (reply->result_case) {
    case REJOIN__REPLY__RESULT_JOINED: put_joined(reply->joined, arena, out); return;
    case REJOIN__REPLY__RESULT_PUBLISHED: put_published(reply->published, &out->json); return;
    case REJOIN__REPLY__RESULT_HISTORY: put_history(reply->history, room ? room : "", arena, out); return;
    case REJOIN__REPLY__RESULT_PRESENCE: rj_translate_presence(reply->presence, &out->json); return;
    case REJOIN__REPLY__RESULT_READ: put_read(reply->read, &out->json); return;
    case REJOIN__REPLY__RESULT_UNREAD: put_unread(reply->unread, &out->json); return;
    case REJOIN__REPLY__RESULT_EVENT: put_event_answer(reply->event, arena, out); return;
    default: rj_buf_put_str(&out->json, "{\"ok\":true}");
    }
}
