/* The target of an HTTP request, in the three forms that a server is asked in (RFC 9112 §3.2): "/path?query",
 * "http://host/path?query" and, with OPTIONS, "*". Pure.
 */
#ifndef RJ_TARGET_H
#define RJ_TARGET_H

#include "proto/base/span.h"

struct rj_target {
    struct rj_span authority; /* of the second form, which counts for more than Host; else empty */
    struct rj_span path;      /* as it came, never empty: "*" is the server as a whole, which has no query */
    struct rj_span query;     /* with its '?', if there is one */
};

/* Borrows `target`. False, and *out may be anything: it is none of a server's. So are, besides what is no
 * URI: CONNECT's "host:port"; schemes but http and https; an empty host, and userinfo, which nobody sends but
 * to deceive (RFC 9110 §4.2.1, §4.2.4); a fragment; a path with an escaped NUL.
 *
 * https is taken at its word, though nobody but a proxy before us ends TLS: nothing here goes by the scheme.
 */
bool rj_target_read(struct rj_span target, bool is_options, struct rj_target *out);

/* Whether more bytes might make it one. */
bool rj_target_may_begin(struct rj_span bytes, bool is_options);

/* Whether it is "host" or "host:port" (RFC 3986 §3.2.2, §3.2.3); both may be empty. */
bool rj_authority_is_valid(struct rj_span text);

#endif
