#include "gateway/frontends/request.h"

#include <ctype.h>
#include <libwebsockets.h>

#include "proto/base/json.h"

/* The header, copied into the arena; empty when it is absent. */
static struct rj_span header(struct lws *wsi, struct rj_arena *arena, enum lws_token_indexes token)
{
    int len = lws_hdr_total_length(wsi, token);
    if (len <= 0)
        return (struct rj_span){0};
    char *text = rj_arena_alloc(arena, (size_t)len + 1);
    if (lws_hdr_copy(wsi, text, len + 1, token) != len)
        return (struct rj_span){0};
    return rj_span_of(text, (size_t)len);
}

static const struct {
    enum lws_token_indexes token;
    enum rj_http_method method;
} methods[] = {
    {WSI_TOKEN_GET_URI, RJ_HTTP_GET},         {WSI_TOKEN_POST_URI, RJ_HTTP_POST},
    {WSI_TOKEN_OPTIONS_URI, RJ_HTTP_OPTIONS}, {WSI_TOKEN_HEAD_URI, RJ_HTTP_HEAD},
    {WSI_TOKEN_PUT_URI, RJ_HTTP_OTHER},       {WSI_TOKEN_PATCH_URI, RJ_HTTP_OTHER},
    {WSI_TOKEN_DELETE_URI, RJ_HTTP_OTHER},
};

static bool read_path(struct lws *wsi, struct rj_arena *arena, struct rj_request *out)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        out->path = header(wsi, arena, methods[i].token);
        out->method = methods[i].method;
        if (out->path.len)
            return out->path.data[0] == '/';
    }
    return false;
}

static void read_args(struct lws *wsi, struct rj_arena *arena, struct rj_request *out)
{
    for (int i = 0; i < RJ_HTTP_MAX_ARGS; i++) {
        char text[RJ_MAX_HEADER_BYTES + 1];
        int len = lws_hdr_copy_fragment(wsi, text, sizeof text, WSI_TOKEN_HTTP_URI_ARGS, i);
        if (len < 0)
            return;
        out->args[out->n_args++] = rj_span_of(rj_arena_copy(arena, text, (size_t)len), (size_t)len);
    }
}

/* libwebsockets hands out what is decoded. This undoes that: whatever could end a part of the URL or is not
 * allowed in one is escaped, so that nothing that a client has escaped comes to mean something. */
static void put_escaped(struct rj_buf *out, struct rj_span text, const char *also_allowed)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.data[i];
        if (byte > ' ' && byte < 0x7f && (isalnum(byte) || strchr(also_allowed, byte))) {
            rj_buf_put_u8(out, byte);
        } else {
            rj_buf_put_u8(out, '%');
            rj_buf_put_u8(out, (uint8_t)digits[byte >> 4]);
            rj_buf_put_u8(out, (uint8_t)digits[byte & 0xf]);
        }
    }
}

static void join_url(struct rj_arena *arena, struct rj_request *out)
{
    struct rj_buf text = {0};
    put_escaped(&text, out->path, "/-._~!$'()*,;:@=&+");
    for (size_t i = 0; i < out->n_args; i++) {
        rj_buf_put_u8(&text, i == 0 ? '?' : '&');
        put_escaped(&text, out->args[i], "/-._~!$'()*,;:@=?");
    }
    out->url = rj_span_of(rj_arena_copy(arena, text.data, text.len), text.len);
    rj_buf_free(&text);
}

/* Strictly digits: a sign or a list of lengths is how requests are smuggled. */
static void read_length(struct rj_span text, struct rj_request *out)
{
    enum { MAX_DIGITS = 18 };
    if (text.len == 0)
        return;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || i >= MAX_DIGITS) {
            out->is_bad_length = true;
            return;
        }
        out->length = out->length * 10 + (uint64_t)(text.data[i] - '0');
    }
    out->has_length = true;
}

/* What libwebsockets makes of it, or stricter: it closes behind a reply when either of us wants to. */
static void read_persistence(struct lws *wsi, struct rj_arena *arena, struct rj_request *out)
{
    struct rj_span version = header(wsi, arena, WSI_TOKEN_HTTP);
    struct rj_span connection = header(wsi, arena, WSI_TOKEN_CONNECTION);
    out->is_http_1_0 = version.len < 8 || version.data[5] != '1' || version.data[7] != '1';
    out->is_last = out->is_http_1_0 ? connection.len != 10 || !rj_header_lists(connection, "keep-alive")
                                    : rj_header_lists(connection, "close");
}

bool rj_request_read(struct lws *wsi, struct rj_arena *arena, struct rj_request *out)
{
    memset(out, 0, sizeof *out);
    if (!read_path(wsi, arena, out))
        return false;
    read_args(wsi, arena, out);
    join_url(arena, out);
    read_persistence(wsi, arena, out);
    out->is_upgrade = lws_hdr_total_length(wsi, WSI_TOKEN_UPGRADE) > 0;
    out->origin = header(wsi, arena, WSI_TOKEN_ORIGIN);
    out->content_type = header(wsi, arena, WSI_TOKEN_HTTP_CONTENT_TYPE);
    out->if_none_match = header(wsi, arena, WSI_TOKEN_HTTP_IF_NONE_MATCH);
    out->wanted_headers = header(wsi, arena, WSI_TOKEN_HTTP_AC_REQUEST_HEADERS);
    out->subprotocols = header(wsi, arena, WSI_TOKEN_PROTOCOL);
    out->is_chunked = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0;
    read_length(header(wsi, arena, WSI_TOKEN_HTTP_CONTENT_LENGTH), out);
    return true;
}

/* ---------------------------------------------------------------------------------------------- all headers
 *
 * libwebsockets knows about a hundred headers by heart, which can be counted up, and keeps the others where
 * they can only be asked for by name. These are what browsers and proxies send of them; the setting
 * handshake-headers names more.
 */
static const char *const less_known[] = {
    "sec-fetch-dest",     "sec-fetch-mode",   "sec-fetch-site",    "sec-ch-ua",        "sec-ch-ua-mobile",
    "sec-ch-ua-platform", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "forwarded",
    "x-request-id",       "x-client-id",      "x-api-key",         "x-csrf-token",     "traceparent",
    "cf-connecting-ip",   "true-client-ip",   "x-amzn-trace-id",   "x-requested-with", "priority",
};

struct listing {
    struct lws *wsi;
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

/* A pair is in the list as a whole or not at all. A NUL would end it early. */
static void put_pair(struct listing *list, struct rj_span name, const char *value, size_t len)
{
    size_t before = list->out->len;
    if (memchr(value, '\0', len))
        return;
    for (size_t i = 0; i < name.len; i++)
        rj_buf_put_u8(list->out, (uint8_t)tolower(name.data[i]));
    rj_buf_put_u8(list->out, '\0');
    put_text(list->out, rj_span_of(value, len));
    rj_buf_put_u8(list->out, '\0');
    if (list->out->len > list->limit_bytes)
        list->out->len = before;
    else
        list->n++;
}

/* Its name in libwebsockets ends with a colon; other tokens are methods, or HTTP/2's. */
static void put_known(struct listing *list, enum lws_token_indexes token)
{
    char value[RJ_MAX_HEADER_BYTES + 1];
    struct rj_span name = rj_span_str((const char *)lws_token_to_string(token));
    if (name.len < 2 || name.data[0] == ':' || name.data[name.len - 1] != ':' ||
        lws_hdr_total_length(list->wsi, token) <= 0)
        return;
    int len = lws_hdr_copy(list->wsi, value, sizeof value, token);
    if (len > 0)
        put_pair(list, rj_span_of(name.data, name.len - 1), value, (size_t)len);
}

static void put_unknown(struct listing *list, const char *header_name)
{
    char name[64], value[RJ_MAX_HEADER_BYTES + 1];
    int name_len = snprintf(name, sizeof name, "%s:", header_name);
    if (name_len >= (int)sizeof name)
        return;
    for (char *at = name; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    int len = lws_hdr_custom_copy(list->wsi, value, sizeof value, name, name_len);
    if (len > 0)
        put_pair(list, rj_span_of(name, (size_t)name_len - 1), value, (size_t)len);
}

size_t rj_request_put_headers(struct lws *wsi, char *const *more, size_t limit_bytes, struct rj_buf *out)
{
    struct listing list = {.wsi = wsi, .out = out, .limit_bytes = out->len + limit_bytes};
    for (int token = 0; token < WSI_TOKEN_COUNT; token++)
        put_known(&list, (enum lws_token_indexes)token);
    for (size_t i = 0; i < sizeof less_known / sizeof *less_known; i++)
        put_unknown(&list, less_known[i]);
    for (; more && *more; more++)
        put_unknown(&list, *more);
    return list.n;
}
