#include "gateway/frontends/request.h"

#include <libwebsockets.h>

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

static void join_url(struct rj_arena *arena, struct rj_request *out)
{
    size_t len = out->path.len;
    for (size_t i = 0; i < out->n_args; i++)
        len += 1 + out->args[i].len;
    uint8_t *text = rj_arena_alloc(arena, len), *at = text;
    memcpy(at, out->path.data, out->path.len);
    at += out->path.len;
    for (size_t i = 0; i < out->n_args; i++) {
        *at++ = i == 0 ? '?' : '&';
        memcpy(at, out->args[i].data, out->args[i].len);
        at += out->args[i].len;
    }
    out->url = rj_span_of(text, len);
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

static void read_told_headers(struct lws *wsi, struct rj_arena *arena, struct rj_request *out)
{
    static const struct {
        enum lws_token_indexes token;
        const char *name;
    } told[] = {
        {WSI_TOKEN_HOST, "host"},
        {WSI_TOKEN_ORIGIN, "origin"},
        {WSI_TOKEN_HTTP_USER_AGENT, "user-agent"},
        {WSI_TOKEN_HTTP_REFERER, "referer"},
        {WSI_TOKEN_HTTP_ACCEPT_LANGUAGE, "accept-language"},
        {WSI_TOKEN_HTTP_COOKIE, "cookie"},
        {WSI_TOKEN_HTTP_AUTHORIZATION, "authorization"},
        {WSI_TOKEN_X_FORWARDED_FOR, "x-forwarded-for"},
        {WSI_TOKEN_HTTP_X_REAL_IP, "x-real-ip"},
        {WSI_TOKEN_X_AUTH_TOKEN, "x-auth-token"},
    };
    _Static_assert(sizeof told / sizeof *told <= RJ_HTTP_MAX_HEADERS, "all fit");
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        struct rj_span value = header(wsi, arena, told[i].token);
        if (value.len == 0)
            continue;
        out->headers[2 * out->n_headers] = rj_span_str(told[i].name);
        out->headers[2 * out->n_headers + 1] = value;
        out->n_headers++;
    }
}

bool rj_request_read(struct lws *wsi, struct rj_arena *arena, struct rj_request *out)
{
    memset(out, 0, sizeof *out);
    if (!read_path(wsi, arena, out))
        return false;
    read_args(wsi, arena, out);
    join_url(arena, out);
    out->is_upgrade = lws_hdr_total_length(wsi, WSI_TOKEN_UPGRADE) > 0;
    out->origin = header(wsi, arena, WSI_TOKEN_ORIGIN);
    out->content_type = header(wsi, arena, WSI_TOKEN_HTTP_CONTENT_TYPE);
    out->if_none_match = header(wsi, arena, WSI_TOKEN_HTTP_IF_NONE_MATCH);
    out->wanted_headers = header(wsi, arena, WSI_TOKEN_HTTP_AC_REQUEST_HEADERS);
    out->subprotocols = header(wsi, arena, WSI_TOKEN_PROTOCOL);
    out->is_chunked = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0;
    read_length(header(wsi, arena, WSI_TOKEN_HTTP_CONTENT_LENGTH), out);
    read_told_headers(wsi, arena, out);
    return true;
}
