/* Reads an HTTP request out of libwebsockets.
 */
#ifndef RJ_REQUEST_H
#define RJ_REQUEST_H

#include "gateway/frontends/http.h"
#include "proto/base/arena.h"

struct lws;

/* The most header bytes that a server can be told to allow, and so of any single header. */
enum { RJ_MAX_HEADER_BYTES = 32768 };

/* Fills *out; what it points to lives in `arena`. False when there is no header block to read, or none that
 * is valid: then the connection must go. */
bool rj_request_read(struct lws *wsi, struct rj_arena *arena, struct rj_request *out);

/* Appends the headers of the request that is being handled, each as its name (lower-case), NUL, its value,
 * NUL; returns their number. `more` (NULL ends it; may be NULL) names headers that are told beside the usual
 * ones. One that would pass `limit_bytes` is left out. */
size_t rj_request_put_headers(struct lws *wsi, char *const *more, size_t limit_bytes, struct rj_buf *out);

#endif
