/* Reads an HTTP request out of its head, once that is known to be one (head.h). Pure.
 */
#ifndef RJ_REQUEST_H
#define RJ_REQUEST_H

#include "gateway/frontends/http.h"
#include "proto/base/arena.h"

/* The most header bytes that a server can be told to allow. */
enum { RJ_MAX_HEADER_BYTES = 32768 };

/* Fills *out from a whole head; what it points to lives there or in `arena`. 0, or the status to refuse it
 * with: then nobody can be sure where its body ends, or what it means, and the connection has to go (RFC 9112
 * §3.2, §6.1, §6.3): several lengths or none that is a number, a length beside chunks, codings but chunked,
 * bodies where none belongs (GET, HEAD), a POST without one; a Host that is none, several, and in HTTP/1.1
 * none at all; and several of any header that we go by. */
unsigned rj_request_read(struct rj_span head, struct rj_arena *arena, struct rj_request *out);

/* Appends the request's headers, each as its name (lower-case), NUL, its value, NUL; returns their number.
 * What comes several times is one list. Host comes first and says who is asked, by the target if that does.
 * One that would pass `limit_bytes` is left out. */
size_t rj_request_put_headers(const struct rj_request *request, size_t limit_bytes, struct rj_buf *out);

#endif
