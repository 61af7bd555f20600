/* Where the head of an HTTP request ends, and whether it is one: looked at while it comes, before anybody
 * spends anything on it. Strict, since whoever stands before us (a proxy) may see another end than we do in
 * anything that is odd. Pure.
 */
#ifndef RJ_HEAD_H
#define RJ_HEAD_H

#include "proto/base/span.h"

enum rj_head {
    RJ_HEAD_MORE,     /* nothing wrong so far, but not whole */
    RJ_HEAD_WHOLE,    /* there is an empty line */
    RJ_HEAD_BAD,      /* no request of HTTP/1.0 or 1.1 to a server */
    RJ_HEAD_TOO_LONG, /* more bytes or lines than allowed */
};

struct rj_head_limits {
    size_t bytes; /* from the first to the empty line */
    size_t lines; /* without that one */
};

/* At most so many lines, whatever their length: each costs something to look at. */
enum { RJ_MAX_HEADER_LINES = 256 };

/* How far it was looked at. Zero-initialise it for each head. */
struct rj_head_look {
    size_t seen; /* bytes; of a whole head: its length */
    size_t line; /* where the line begins that has not ended */
    size_t lines;
};

/* `bytes`: all that has come since the head's beginning, more each time; what may stand behind the head does
 * not matter. It is enough to show the limit and one more.
 *
 * Refused besides what is no request: CONNECT, which is for proxies, targets that are no server's (target.h),
 * lines that do not end with CR LF, continued lines (RFC 9112 §5.2), names that are no tokens or have a space
 * before the colon (§5.1), control characters, and URLs that cannot be decoded or have more than
 * RJ_HTTP_MAX_ARGS arguments. One empty line before the head is passed over (§2.2). */
enum rj_head rj_head_look(struct rj_head_look *look, struct rj_span bytes,
                          const struct rj_head_limits *limits);

#endif
