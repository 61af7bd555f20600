#include "gateway/frontends/http.h"

#include <strings.h>

bool rj_http_is_token(uint8_t byte)
{
    return byte > ' ' && byte < 0x7f && !strchr("()<>@,;:\\\"/[]?={}", byte);
}

bool rj_request_arg(const struct rj_request *request, const char *name, struct rj_span *value)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < request->n_args; i++) {
        struct rj_span arg = request->args[i];
        if (arg.len > len && memcmp(arg.data, name, len) == 0 && arg.data[len] == '=') {
            *value = rj_span_from(arg, len + 1);
            return true;
        }
    }
    return false;
}

struct rj_span rj_cors_allowed(const struct rj_cors *cors, struct rj_span origin)
{
    for (char *const *one = cors->origins; one && *one; one++) {
        if (strcmp(*one, "*") == 0)
            return rj_span_str("*");
        if (origin.len && rj_span_is(origin, *one))
            return origin;
    }
    return (struct rj_span){0};
}

bool rj_origin_is_valid(struct rj_span origin)
{
    for (size_t i = 0; i < origin.len; i++) {
        if ((origin.data[i] < ' ' && origin.data[i] != '\t') || origin.data[i] >= 0x7f)
            return false;
    }
    return true;
}

static struct rj_span trimmed(struct rj_span text)
{
    while (text.len && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = rj_span_from(text, 1);
    while (text.len && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text.len--;
    return text;
}

bool rj_header_lists(struct rj_span value, const char *word)
{
    size_t len = strlen(word);
    while (value.len) {
        const uint8_t *comma = memchr(value.data, ',', value.len);
        size_t one = comma ? (size_t)(comma - value.data) : value.len;
        struct rj_span item = trimmed(rj_span_of(value.data, one));
        if (item.len == len && strncasecmp((const char *)item.data, word, len) == 0)
            return true;
        value = rj_span_from(value, comma ? one + 1 : one);
    }
    return false;
}

bool rj_etag_is_known(struct rj_span if_none_match, const char *etag)
{
    struct rj_span rest = trimmed(if_none_match);
    size_t len = strlen(etag);
    if (rj_span_is(rest, "*"))
        return true;
    /* Tags stand in quotes, which no tag of ours has inside: so a match cannot begin within another. */
    for (; rest.len >= len; rest = rj_span_from(rest, 1)) {
        if (memcmp(rest.data, etag, len) == 0)
            return true;
    }
    return false;
}

bool rj_cookie_name_is_valid(const char *name)
{
    for (const char *at = name; *at; at++) {
        if (!rj_http_is_token((uint8_t)*at))
            return false;
    }
    return *name != '\0';
}

static const char *reason_of(unsigned status)
{
    switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 411: return "Length Required";
    case 413: return "Payload Too Large";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    default: return "Unknown";
    }
}

static void put_header(struct rj_buf *out, const char *name, struct rj_span value)
{
    if (value.len == 0)
        return;
    rj_buf_put_str(out, name);
    rj_buf_put_str(out, ": ");
    rj_buf_put_span(out, value);
    rj_buf_put_str(out, "\r\n");
}

static void put_cors(struct rj_buf *out, const struct rj_response *response)
{
    if (response->varies_by_origin)
        put_header(out, "Vary", rj_span_str("Origin"));
    if (response->allow_origin.len == 0)
        return;
    put_header(out, "Access-Control-Allow-Origin", response->allow_origin);
    if (response->allows_credentials)
        put_header(out, "Access-Control-Allow-Credentials", rj_span_str("true"));
    if (response->is_preflight) {
        put_header(out, "Access-Control-Allow-Methods", rj_span_str("GET,HEAD,PUT,PATCH,POST,DELETE"));
        put_header(out, "Access-Control-Allow-Headers", response->allow_headers);
    }
}

void rj_response_put(struct rj_buf *out, const struct rj_response *response)
{
    rj_buf_printf(out, "HTTP/1.1 %u %s\r\n", response->status, reason_of(response->status));
    put_header(out, "Content-Type", rj_span_str(response->type));
    put_header(out, "Cache-Control", rj_span_str(response->cache));
    put_header(out, "ETag", response->etag);
    put_header(out, "Allow", rj_span_str(response->allow));
    put_header(out, "Sec-WebSocket-Version", rj_span_str(response->ws_version));
    put_header(out, "Set-Cookie", response->set_cookie);
    put_cors(out, response);
    if (response->status != 204 && response->status != 304)
        rj_buf_printf(out, "Content-Length: %zu\r\n", response->body.len);
    if (response->wants_close || response->says_keep)
        put_header(out, "Connection", rj_span_str(response->wants_close ? "close" : "keep-alive"));
    rj_buf_put_str(out, "\r\n");
    if (!response->is_head)
        rj_buf_put_span(out, response->body);
}
