#include "tools/bench/message.h"

void message_put_data(struct rj_buf *out, const struct message_stamp *stamp, size_t size)
{
    size_t padding = size > MESSAGE_DATA_LEAST ? size - MESSAGE_DATA_LEAST : 0;
    rj_buf_printf(out, "\"%016llu.%06u", (unsigned long long)stamp->sent_us, stamp->sender);
    memset(rj_buf_reserve(out, padding), 'x', padding);
    out->len += padding;
    rj_buf_put_u8(out, '"');
}

void message_put_publish(struct rj_buf *out, const char *room, uint64_t id, const struct message_stamp *stamp,
                         size_t size)
{
    rj_buf_printf(out, "42%llu[\"room:publish\",{\"room\":\"%s\",\"data\":", (unsigned long long)id, room);
    message_put_data(out, stamp, size);
    rj_buf_put_str(out, "}]");
}

uint64_t message_number(struct rj_span text)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++)
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    return value;
}

/* What follows the first `needle`; empty when it is not there. */
static struct rj_span after(struct rj_span text, const char *needle)
{
    const uint8_t *at = text.len ? memmem(text.data, text.len, needle, strlen(needle)) : NULL;
    return at ? rj_span_from(text, (size_t)(at - text.data) + strlen(needle)) : (struct rj_span){0};
}

static struct rj_span upto_quote(struct rj_span text)
{
    const uint8_t *end = text.len ? memchr(text.data, '"', text.len) : NULL;
    return end ? rj_span_of(text.data, (size_t)(end - text.data)) : (struct rj_span){0};
}

struct rj_span message_quoted(struct rj_span text, const char *before)
{
    return upto_quote(after(text, before));
}

struct rj_span message_last_string(struct rj_span text)
{
    if (text.len < 4 || memcmp(text.data + text.len - 2, "\"]", 2) != 0)
        return (struct rj_span){0};
    struct rj_span inside = rj_span_of(text.data, text.len - 2);
    const uint8_t *quote = memrchr(inside.data, '"', inside.len);
    return quote ? rj_span_from(inside, (size_t)(quote - inside.data) + 1) : (struct rj_span){0};
}

bool message_stamp(struct rj_span text, struct message_stamp *out)
{
    struct rj_span data = after(text, "\"data\":\"");
    if (data.len < MESSAGE_DATA_LEAST || data.data[16] != '.')
        return false;
    out->sent_us = message_number(data);
    out->sender = (uint32_t)message_number(rj_span_of(data.data + 17, 6));
    return true;
}

void message_put_call_args(struct rj_buf *out, uint64_t id, uint32_t caller, size_t size)
{
    rj_buf_put_str(out, "[{\"data\":");
    message_put_data(out, &(struct message_stamp){.sent_us = id, .sender = caller}, size);
    rj_buf_put_str(out, "}]");
}

bool message_is_answer(struct rj_span text, uint64_t id, uint32_t caller, size_t size)
{
    struct rj_buf expected = {0};
    rj_buf_printf(&expected, "3%llu", (unsigned long long)id);
    message_put_call_args(&expected, id, caller, size);
    bool is_answer = rj_span_eq(text, rj_buf_span(&expected));
    rj_buf_free(&expected);
    return is_answer;
}

bool message_ack(struct rj_span text, uint64_t *id, uint64_t *seq)
{
    *id = message_number(rj_span_from(text, 1));
    *seq = message_number(after(text, "\"seq\":"));
    return after(text, "\"ok\":true").len > 0;
}
