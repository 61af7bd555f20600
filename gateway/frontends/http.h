/* HTTP as data: a request that was read, and the bytes of a response. Pure; request.c reads, peer_http.c
 * writes.
 */
#ifndef RJ_HTTP_H
#define RJ_HTTP_H

#include "proto/base/buf.h"

enum rj_http_method { RJ_HTTP_GET, RJ_HTTP_HEAD, RJ_HTTP_POST, RJ_HTTP_OPTIONS, RJ_HTTP_OTHER };

enum { RJ_HTTP_MAX_ARGS = 64 };

/* What a handler may look at. Everything is borrowed until the handler returns. An absent header is an empty
 * span. */
struct rj_request {
    enum rj_http_method method;
    bool is_upgrade; /* asks for another protocol */
    bool is_http_1_0;
    bool is_last;             /* the client keeps the connection for no other request (RFC 9112 §9.3) */
    bool is_to_server;        /* OPTIONS for the server as a whole; its path is "*" */
    struct rj_span authority; /* "host" or "host:port" that is asked; empty: not said */
    struct rj_span path;
    struct rj_span args[RJ_HTTP_MAX_ARGS]; /* "name=value", decoded; a head with more is refused */
    size_t n_args;
    struct rj_span url;     /* path and query as they came, but in ASCII: other bytes are percent-encoded */
    struct rj_span headers; /* all header lines, as they came */

    struct rj_span origin;
    struct rj_span content_type;
    struct rj_span if_none_match;
    struct rj_span wanted_headers; /* Access-Control-Request-Headers */
    struct rj_span upgrade;        /* Upgrade */
    struct rj_span ws_key;         /* Sec-WebSocket-Key … */
    struct rj_span ws_version;     /* … -Version … */
    struct rj_span ws_protocols;   /* … -Protocol: the first line of them */
    bool has_length;               /* Content-Length was given */
    uint64_t length;
    bool is_chunked; /* the body comes in chunks, its length unknown */
    bool expects_continue;
};

/* Whether it may stand in a token: the name of a header, for one (RFC 9110 §5.6.2). */
bool rj_http_is_token(uint8_t byte);

/* The value of the argument `name`; false when it is missing. */
bool rj_request_arg(const struct rj_request *request, const char *name, struct rj_span *value);

/* Which origins may read what we answer (CORS), and open WebSockets. Borrows the list. */
struct rj_cors {
    char *const *origins; /* NULL-terminated; NULL or empty: off; "*": any */
    bool has_credentials; /* pages may send cookies; then no origin may be "*" */
};

/* The Access-Control-Allow-Origin for this origin: "*", the origin itself, or empty. */
struct rj_span rj_cors_allowed(const struct rj_cors *cors, struct rj_span origin);

static inline bool rj_cors_is_on(const struct rj_cors *cors)
{
    return cors->origins && cors->origins[0];
}

/* Whether an Origin header holds only what may stand in a header. */
bool rj_origin_is_valid(struct rj_span origin);

struct rj_response {
    unsigned status;
    const char *type;  /* Content-Type; NULL: none */
    const char *cache; /* Cache-Control; NULL: none */
    struct rj_span etag;
    struct rj_span body;
    struct rj_span allow_origin;  /* empty: no CORS headers */
    bool varies_by_origin;        /* another origin might be answered otherwise: caches must know */
    struct rj_span allow_headers; /* of a preflight */
    bool allows_credentials;
    const char *allow;         /* methods, for 405 */
    const char *ws_version;    /* of WebSocket that would be taken (RFC 6455 §4.2.2) */
    struct rj_span set_cookie; /* empty: none */
    bool is_preflight;
    bool wants_close; /* close the connection behind it */
    bool says_keep;   /* "Connection: keep-alive", which HTTP/1.0 does not take for granted */
    bool is_head;     /* the headers alone, with the length that the body would have */
};

/* Whether one of the entity tags of If-None-Match is this one, or it is "*" (RFC 9110 §13.1.2, weakly). */
bool rj_etag_is_known(struct rj_span if_none_match, const char *etag);

/* Whether it may be the name of a cookie (a token of RFC 9110 §5.6.2). */
bool rj_cookie_name_is_valid(const char *name);

/* Whether a header that is a list of words, such as Connection, holds this one in any case. */
bool rj_header_lists(struct rj_span value, const char *word);

/* Appends the whole response. */
void rj_response_put(struct rj_buf *out, const struct rj_response *response);

#endif
