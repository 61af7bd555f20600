#include "gateway/translate.h"

#include "gateway/translate_presence.h"
#include "proto/base/json.h"

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
