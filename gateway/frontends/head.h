/* A first look at the head of an HTTP request, before libwebsockets parses it: whether it is whole, short
 * enough, and no worse than it looks. Pure.
 */
#ifndef RJ_HEAD_H
#define RJ_HEAD_H

#include "proto/base/span.h"

enum rj_head {
    RJ_HEAD_MORE,     /* nothing wrong so far, but not whole */
    RJ_HEAD_WHOLE,    /* there is an empty line */
    RJ_HEAD_BAD,      /* no request of HTTP/1.0 or 1.1 for a path here, or one with more than its head where
                       * nothing may follow */
    RJ_HEAD_TOO_LONG, /* more bytes or lines than allowed */
};

/* `bytes`: what has come so far, up to `max_bytes` and one more. The methods of proxies (CONNECT, absolute
 * URLs) are bad; bytes behind the head are, unless it is a POST's: RFC 9112 lets a client send its next
 * request early, but libwebsockets 4.1 does not survive it well, and RFC 6455 §4.1 forbids frames before the
 * 101. */
enum rj_head rj_head_look(struct rj_span bytes, size_t max_bytes, size_t max_lines);

#endif
