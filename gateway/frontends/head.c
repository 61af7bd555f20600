#include "gateway/frontends/head.h"

#include "gateway/frontends/http.h"
#include "gateway/frontends/target.h"

enum { MAX_METHOD = 16 };

static bool is_upper(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z';
}

static bool starts_with(struct rj_span text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

static bool is_control(uint8_t byte)
{
    return (byte < ' ' && byte != '\t') || byte == 0x7f;
}

static bool has_few_args(struct rj_span target)
{
    size_t args = 1;
    for (size_t i = 0; i < target.len; i++)
        args += target.data[i] == '&';
    return args <= RJ_HTTP_MAX_ARGS;
}

/* "METHOD target HTTP/1.x", as far as it has come. */
static bool is_request_line(struct rj_span line, bool is_whole)
{
    size_t at = 0;
    while (at < line.len && at < MAX_METHOD && is_upper(line.data[at]))
        at++;
    if (at == line.len)
        return !is_whole;
    if (at == 0 || line.data[at] != ' ' || starts_with(line, "CONNECT "))
        return false;
    struct rj_target read;
    struct rj_span rest = rj_span_from(line, at + 1);
    bool is_options = starts_with(line, "OPTIONS ");
    if (!is_whole)
        return rj_target_may_begin(rest, is_options);
    enum { VERSION = 9 }; /* " HTTP/1.1" */
    if (rest.len < VERSION)
        return false;
    struct rj_span target = rj_span_of(rest.data, rest.len - VERSION);
    struct rj_span version = rj_span_from(rest, target.len);
    return (rj_span_is(version, " HTTP/1.1") || rj_span_is(version, " HTTP/1.0")) &&
           rj_target_read(target, is_options, &read) && has_few_args(read.query);
}

/* "name: value", without its end. */
static bool is_header_line(struct rj_span line)
{
    size_t at = 0;
    while (at < line.len && rj_http_is_token(line.data[at]))
        at++;
    return at > 0 && at < line.len && line.data[at] == ':';
}

/* The line that ends with the LF at `end`. False: no such line may be here. `*is_last`: it is the empty one.
 */
static bool take_line(struct rj_head_look *look, const uint8_t *bytes, size_t end, bool *is_last)
{
    struct rj_span line = rj_span_of(bytes + look->line, end - look->line);
    bool is_blank = line.len == 1, is_first = look->line == 0;
    if (line.len == 0 || line.data[line.len - 1] != '\r')
        return false;
    line.len--;
    look->line = end + 1;
    *is_last = is_blank && look->lines > 0;
    if (is_blank)
        return *is_last || is_first;
    return look->lines++ == 0 ? is_request_line(line, true) : is_header_line(line);
}

/* What has come of a line that has not ended. */
static bool may_become_line(const struct rj_head_look *look, struct rj_span bytes)
{
    struct rj_span line = rj_span_from(bytes, look->line);
    if (line.len && line.data[line.len - 1] == '\r') /* its end, or a mistake that shows with the next byte */
        line.len--;
    if (look->lines == 0)
        return line.len == 0 || is_request_line(line, false);
    return line.len == 0 || rj_http_is_token(line.data[0]);
}

enum rj_head rj_head_look(struct rj_head_look *look, struct rj_span bytes,
                          const struct rj_head_limits *limits)
{
    bool is_last = false;
    while (look->seen < bytes.len && !is_last) {
        size_t at = look->seen++;
        uint8_t byte = bytes.data[at], before = at > look->line ? bytes.data[at - 1] : 0;
        if ((is_control(byte) && byte != '\r' && byte != '\n') || (before == '\r' && byte != '\n'))
            return RJ_HEAD_BAD;
        if (byte == '\n' && !take_line(look, bytes.data, at, &is_last))
            return RJ_HEAD_BAD;
        if (look->seen > limits->bytes || look->lines > limits->lines)
            return RJ_HEAD_TOO_LONG;
    }
    if (is_last)
        return RJ_HEAD_WHOLE;
    return may_become_line(look, bytes) ? RJ_HEAD_MORE : RJ_HEAD_BAD;
}
