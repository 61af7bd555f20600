#include "gateway/frontends/head.h"

#include <ctype.h>

#include "gateway/frontends/http.h"

enum { MAX_METHOD = 16 };

/* The number of bytes up to and with the empty line; 0: it has not come. `*lines`: how many have. */
static size_t length_of(struct rj_span bytes, size_t *lines)
{
    size_t begin = 0;
    *lines = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.data[i] != '\n')
            continue;
        size_t len = i - begin - (i > begin && bytes.data[i - 1] == '\r');
        if (len == 0 && *lines > 0)
            return i + 1;
        begin = i + 1;
        (*lines)++;
    }
    return 0;
}

static bool is_upper(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z';
}

static bool starts_with(struct rj_span text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

/* Whether libwebsockets will read it: it drops what it cannot decode, or has no room for, without a word. */
static bool is_target(struct rj_span target)
{
    size_t args = 1;
    if (target.len == 0 || target.data[0] != '/')
        return false;
    for (size_t i = 0; i < target.len; i++) {
        const uint8_t *at = target.data + i;
        args += *at == '&';
        if (*at == ' ')
            return false;
        if (*at != '%')
            continue;
        if (target.len - i < 3 || !isxdigit(at[1]) || !isxdigit(at[2]) || (at[1] == '0' && at[2] == '0'))
            return false;
    }
    return args <= RJ_HTTP_MAX_ARGS;
}

/* "METHOD /path HTTP/1.x", as far as it has come. */
static bool is_request_line(struct rj_span line, bool is_whole)
{
    size_t at = 0;
    while (at < line.len && at < MAX_METHOD && is_upper(line.data[at]))
        at++;
    if (at == line.len)
        return !is_whole;
    if (at == 0 || line.data[at] != ' ' || starts_with(line, "CONNECT "))
        return false;
    struct rj_span target = rj_span_from(line, at + 1);
    if (target.len && target.data[0] != '/')
        return false;
    if (!is_whole)
        return true;
    enum { VERSION = 9 }; /* " HTTP/1.1" */
    if (target.len < VERSION)
        return false;
    struct rj_span version = rj_span_from(target, target.len - VERSION);
    return (rj_span_is(version, " HTTP/1.1") || rj_span_is(version, " HTTP/1.0")) &&
           is_target(rj_span_of(target.data, target.len - VERSION));
}

static struct rj_span first_line(struct rj_span bytes, bool *is_whole)
{
    const uint8_t *end = bytes.len ? memchr(bytes.data, '\n', bytes.len) : NULL;
    *is_whole = end != NULL;
    if (!end)
        return bytes;
    size_t len = (size_t)(end - bytes.data);
    return rj_span_of(bytes.data, len && bytes.data[len - 1] == '\r' ? len - 1 : len);
}

static bool has_controls(struct rj_span head)
{
    for (size_t i = 0; i < head.len; i++) {
        uint8_t byte = head.data[i];
        if ((byte < ' ' && byte != '\t' && byte != '\r' && byte != '\n') || byte == 0x7f)
            return true;
    }
    return false;
}

enum rj_head rj_head_look(struct rj_span bytes, size_t max_bytes, size_t max_lines)
{
    size_t lines, len = length_of(bytes, &lines);
    bool is_line_whole;
    struct rj_span line = first_line(bytes, &is_line_whole);
    if (!is_request_line(line, is_line_whole) || has_controls(len ? rj_span_of(bytes.data, len) : bytes))
        return RJ_HEAD_BAD;
    if (len > max_bytes || lines > max_lines || (len == 0 && bytes.len > max_bytes))
        return RJ_HEAD_TOO_LONG;
    if (len == 0)
        return RJ_HEAD_MORE;
    return len < bytes.len && !starts_with(bytes, "POST ") ? RJ_HEAD_BAD : RJ_HEAD_WHOLE;
}
