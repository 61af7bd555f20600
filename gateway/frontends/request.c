#include "gateway/frontends/request.h"

#include <ctype.h>
#include <strings.h>

#include "gateway/frontends/target.h"
#include "proto/base/json.h"

/* ------------------------------------------------------------------------------------------------ lines */

/* Takes the next line, without its CR LF, off the front. False: there is none. */
static bool next_line(struct rj_span *rest, struct rj_span *line)
{
    const uint8_t *end = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;
    if (!end)
        return false;
    size_t len = (size_t)(end - rest->data);
    *line = rj_span_of(rest->data, len && rest->data[len - 1] == '\r' ? len - 1 : len);
    *rest = rj_span_from(*rest, len + 1);
    return true;
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

/* The next header; false behind the last. An empty value is not NULL. */
static bool next_header(struct rj_span *rest, struct rj_span *name, struct rj_span *value)
{
    struct rj_span line;
    if (!next_line(rest, &line) || line.len == 0)
        return false;
    const uint8_t *colon = memchr(line.data, ':', line.len);
    *name = rj_span_of(line.data, (size_t)(colon - line.data));
    const uint8_t *begin = colon + 1, *end = line.data + line.len;
    while (begin < end && is_blank(*begin))
        begin++;
    while (end > begin && is_blank(end[-1]))
        end--;
    *value = rj_span_of(begin, (size_t)(end - begin));
    return true;
}

static bool is_named(struct rj_span a, struct rj_span b)
{
    return a.len == b.len && strncasecmp((const char *)a.data, (const char *)b.data, a.len) == 0;
}

static bool is_word(struct rj_span a, const char *word)
{
    return is_named(a, rj_span_str(word));
}

/* --------------------------------------------------------------------------------------------- the target */

static const struct {
    const char *name;
    enum rj_http_method method;
} methods[] = {
    {"GET", RJ_HTTP_GET},
    {"POST", RJ_HTTP_POST},
    {"OPTIONS", RJ_HTTP_OPTIONS},
    {"HEAD", RJ_HTTP_HEAD},
};

static enum rj_http_method method_of(struct rj_span name)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (rj_span_is(name, methods[i].name))
            return methods[i].method;
    }
    return RJ_HTTP_OTHER;
}

static uint8_t hex_value(uint8_t digit)
{
    return (uint8_t)(isdigit(digit) ? digit - '0' : (digit | 0x20) - 'a' + 10);
}

/* The head has been looked at: two digits stand behind each '%'. */
static struct rj_span decoded(struct rj_arena *arena, struct rj_span text)
{
    uint8_t *out = rj_arena_alloc(arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '%') {
            out[len++] = (uint8_t)(hex_value(text.data[i + 1]) << 4 | hex_value(text.data[i + 2]));
            i += 2;
        } else {
            out[len++] = text.data[i];
        }
    }
    return rj_span_of(out, len);
}

static void read_args(struct rj_span query, struct rj_arena *arena, struct rj_request *out)
{
    while (query.len && out->n_args < RJ_HTTP_MAX_ARGS) {
        const uint8_t *end = memchr(query.data, '&', query.len);
        size_t len = end ? (size_t)(end - query.data) : query.len;
        out->args[out->n_args++] = decoded(arena, rj_span_of(query.data, len));
        query = rj_span_from(query, len + 1);
    }
}

static size_t put_ascii(char *out, struct rj_span text)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.data[i];
        if (byte < 0x80) {
            out[len++] = (char)byte;
        } else {
            out[len++] = '%';
            out[len++] = digits[byte >> 4];
            out[len++] = digits[byte & 0xf];
        }
    }
    return len;
}

static struct rj_span url_of(struct rj_arena *arena, const struct rj_target *target)
{
    char *out = rj_arena_alloc(arena, 3 * (target->path.len + target->query.len) + 1);
    size_t len = put_ascii(out, target->path);
    len += put_ascii(out + len, target->query);
    return rj_span_of(out, len);
}

static void read_request_line(struct rj_span line, struct rj_arena *arena, struct rj_request *out)
{
    enum { VERSION = 9 }; /* " HTTP/1.1" */
    struct rj_target target;
    const uint8_t *space = memchr(line.data, ' ', line.len);
    size_t method_len = (size_t)(space - line.data);
    out->method = method_of(rj_span_of(line.data, method_len));
    out->is_http_1_0 = line.data[line.len - 1] == '0';
    rj_target_read(rj_span_of(space + 1, line.len - method_len - 1 - VERSION), out->method == RJ_HTTP_OPTIONS,
                   &target); /* true: the head has been looked at */
    out->is_to_server = rj_span_is(target.path, "*");
    out->authority = target.authority;
    out->path = decoded(arena, target.path);
    read_args(rj_span_from(target.query, 1), arena, out);
    out->url = url_of(arena, &target);
}

/* ------------------------------------------------------------------------------------------ what we go by */

/* What no handler needs to see. */
struct seen {
    struct rj_span length, transfer, host, expect;
    bool says_close, says_keep, says_upgrade;
};

/* Strictly digits: a sign or a list of lengths is how requests are smuggled. */
static bool read_length(struct rj_span text, struct rj_request *out)
{
    enum { MAX_DIGITS = 18 };
    if (text.len == 0 || text.len > MAX_DIGITS)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        out->length = out->length * 10 + (uint64_t)(text.data[i] - '0');
    }
    return out->has_length = true;
}

static void read_connection(struct rj_span value, struct seen *seen)
{
    seen->says_close = seen->says_close || rj_header_lists(value, "close");
    seen->says_keep = seen->says_keep || rj_header_lists(value, "keep-alive");
    seen->says_upgrade = seen->says_upgrade || rj_header_lists(value, "upgrade");
}

/* False: it has come before. */
static bool keep_once(struct rj_span *slot, struct rj_span value)
{
    if (slot->data)
        return false;
    *slot = value;
    return true;
}

/* Lines of one list are one list. */
static void add_to_list(struct rj_span *list, struct rj_span value, struct rj_arena *arena)
{
    if (list->data) {
        uint8_t *both = rj_arena_alloc(arena, list->len + 1 + value.len);
        memcpy(both, list->data, list->len);
        both[list->len] = ',';
        memcpy(both + list->len + 1, value.data, value.len);
        value = rj_span_of(both, list->len + 1 + value.len);
    }
    *list = value;
}

static bool read_header(struct rj_span name, struct rj_span value, struct rj_arena *arena, struct seen *seen,
                        struct rj_request *out)
{
    const struct {
        const char *name;
        struct rj_span *slot;
    } singles[] = {
        {"host", &seen->host},
        {"content-length", &seen->length},
        {"transfer-encoding", &seen->transfer},
        {"expect", &seen->expect},
        {"origin", &out->origin},
        {"content-type", &out->content_type},
        {"upgrade", &out->upgrade},
        {"access-control-request-headers", &out->wanted_headers},
        {"sec-websocket-key", &out->ws_key},
        {"sec-websocket-version", &out->ws_version},
    };
    if (is_word(name, "connection"))
        read_connection(value, seen);
    else if (is_word(name, "if-none-match"))
        add_to_list(&out->if_none_match, value, arena);
    else if (is_word(name, "sec-websocket-protocol"))
        keep_once(&out->ws_protocols, value); /* the client's favourite stands in the first */
    for (size_t i = 0; i < sizeof singles / sizeof *singles; i++) {
        if (is_word(name, singles[i].name))
            return keep_once(singles[i].slot, value);
    }
    return true;
}

/* 0, or why the body's end cannot be told. A body has no meaning in a GET, and has its use where somebody on
 * the way does not see it (RFC 9110 §9.3.1); elsewhere whoever does not want it reads it to its end. */
static unsigned read_framing(const struct seen *seen, struct rj_request *out)
{
    enum { BAD = 400, LENGTH_REQUIRED = 411 };
    if (seen->length.data && !read_length(seen->length, out))
        return BAD;
    if (seen->transfer.data) {
        if (out->has_length || out->is_http_1_0 || !is_word(seen->transfer, "chunked"))
            return BAD;
        out->is_chunked = true;
    }
    bool has_body = out->is_chunked || out->length > 0;
    if (out->method == RJ_HTTP_POST)
        return has_body || out->has_length ? 0 : LENGTH_REQUIRED;
    return has_body && (out->method == RJ_HTTP_GET || out->method == RJ_HTTP_HEAD) ? BAD : 0;
}

/* Also where the target says more (RFC 9112 §3.2). */
static bool is_host_valid(const struct seen *seen, const struct rj_request *request)
{
    return seen->host.data ? rj_authority_is_valid(seen->host) : request->is_http_1_0;
}

unsigned rj_request_read(struct rj_span head, struct rj_arena *arena, struct rj_request *out)
{
    struct rj_span line, name, value;
    struct seen seen = {0};
    bool is_valid = true;
    memset(out, 0, sizeof *out);
    while (next_line(&head, &line) && line.len == 0)
        ; /* an empty line before it */
    read_request_line(line, arena, out);
    out->headers = head;
    while (next_header(&head, &name, &value))
        is_valid = read_header(name, value, arena, &seen, out) && is_valid;
    if (!is_valid || !is_host_valid(&seen, out))
        return 400;
    if (out->authority.len == 0)
        out->authority = seen.host;
    out->is_last = seen.says_close || (out->is_http_1_0 && !seen.says_keep);
    out->is_upgrade = out->upgrade.len > 0 && seen.says_upgrade;
    out->expects_continue = !out->is_http_1_0 && is_word(seen.expect, "100-continue");
    return read_framing(&seen, out);
}

/* ---------------------------------------------------------------------------------------------- all headers
 */

struct listing {
    struct rj_buf *out;
    size_t limit_bytes;
    size_t n;
};

/* Bytes that are no UTF-8 are read as Latin-1, as HTTP has it: what backends get is text in any case. */
static void put_text(struct rj_buf *out, struct rj_span bytes)
{
    if (rj_utf8_is_valid(bytes)) {
        rj_buf_put_span(out, bytes);
        return;
    }
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t byte = bytes.data[i];
        if (byte >= 0x80)
            rj_buf_put_u8(out, (uint8_t)(0xc0 | byte >> 6));
        rj_buf_put_u8(out, byte < 0x80 ? byte : (uint8_t)(0x80 | (byte & 0x3f)));
    }
}

/* The value, and those of its like further down (RFC 9110 §5.3; cookies, RFC 9113 §8.2.3). */
static void put_values(struct rj_buf *out, struct rj_span name, struct rj_span value, struct rj_span rest)
{
    struct rj_span next, more;
    put_text(out, value);
    while (next_header(&rest, &next, &more)) {
        if (!is_named(next, name))
            continue;
        rj_buf_put_str(out, is_word(name, "cookie") ? "; " : ", ");
        put_text(out, more);
    }
}

/* A header is in the list as a whole or not at all. */
static void put_header(struct listing *list, struct rj_span name, struct rj_span value, struct rj_span rest)
{
    size_t before = list->out->len;
    for (size_t i = 0; i < name.len; i++)
        rj_buf_put_u8(list->out, (uint8_t)tolower(name.data[i]));
    rj_buf_put_u8(list->out, '\0');
    put_values(list->out, name, value, rest);
    rj_buf_put_u8(list->out, '\0');
    if (list->out->len > list->limit_bytes)
        list->out->len = before;
    else
        list->n++;
}

static bool came_before(struct rj_span headers, struct rj_span name)
{
    struct rj_span earlier, value;
    while (next_header(&headers, &earlier, &value) && earlier.data != name.data) {
        if (is_named(earlier, name))
            return true;
    }
    return false;
}

size_t rj_request_put_headers(const struct rj_request *request, size_t limit_bytes, struct rj_buf *out)
{
    const struct rj_span host = rj_span_str("host"), none = {0};
    struct listing list = {.out = out, .limit_bytes = out->len + limit_bytes};
    struct rj_span rest = request->headers, name, value;
    if (request->authority.len)
        put_header(&list, host, request->authority, none);
    while (next_header(&rest, &name, &value)) {
        bool is_listed = request->authority.len && is_named(name, host);
        if (!is_listed && !came_before(request->headers, name))
            put_header(&list, name, value, rest);
    }
    return list.n;
}
