/* JSON as text: a validating reader that hands out spans, and a writer of strings. No tree, no copies.
 *
 * Rejoin forwards a client's JSON verbatim to other clients, whose JSON.parse must accept it, so the check is
 * exactly RFC 8259 plus valid UTF-8: what JSON.parse takes passes (big numbers, duplicate keys and escaped
 * lone surrogates too), what it refuses does not. Debian's JSON libraries either accept more (NaN, raw
 * control characters) or less (large integers, lone surrogates), and none hands out the text of a value;
 * hence ours. All functions are pure, and none recurses.
 */
#ifndef RJ_JSON_H
#define RJ_JSON_H

#include "proto/base/buf.h"
#include "proto/base/status.h"
#include "proto/base/utf8.h"

enum rj_json_type {
    RJ_JSON_NULL,
    RJ_JSON_BOOL,
    RJ_JSON_NUMBER,
    RJ_JSON_STRING,
    RJ_JSON_ARRAY,
    RJ_JSON_OBJECT
};

enum { RJ_JSON_DEPTH = 128 }; /* nesting accepted from peers */

/* RJ_OK when `text` is exactly one JSON value (white space around it allowed) with nesting of at most
 * `max_depth`; else RJ_BAD_REQUEST, or RJ_TOO_LARGE when only the depth is at fault. */
enum rj_status rj_json_check(struct rj_span text, unsigned max_depth);

/* All functions below take text that rj_json_check has passed, or values that they handed out themselves. */

/* The value without the white space around it. */
struct rj_span rj_json_trim(struct rj_span value);
enum rj_json_type rj_json_type(struct rj_span value);

struct rj_json_iter {
    struct rj_span rest;
};

/* Iterates over an array or an object; for any other value the first _next answers false. */
struct rj_json_iter rj_json_iter(struct rj_span value);
bool rj_json_next_element(struct rj_json_iter *iter, struct rj_span *value);
/* `*key` is the key's text with its quotes and escapes: compare with rj_json_string_is. */
bool rj_json_next_member(struct rj_json_iter *iter, struct rj_span *key, struct rj_span *value);

/* The last member of `object` with that name, as JSON.parse would keep it; false when there is none (or
 * `object` is no object). */
bool rj_json_get(struct rj_span object, const char *name, struct rj_span *value);

/* Appends the decoded UTF-8 of a JSON string to `out`. An escaped lone surrogate becomes U+FFFD.
 * RJ_BAD_REQUEST when `value` is no string. */
enum rj_status rj_json_string(struct rj_span value, struct rj_buf *out);

/* Whether `value` is a string that decodes to exactly `text` (UTF-8, no NUL inside). */
bool rj_json_string_is(struct rj_span value, const char *text);

/* A number that is an integer from 0 to 2^53-1 (as JavaScript can hold it), in any notation with no fraction
 * such as 5, 5.0, 5e0; else false. */
bool rj_json_u64(struct rj_span value, uint64_t *out);
bool rj_json_bool(struct rj_span value, bool *out);

/* Appends `utf8` as a JSON string with quotes. Valid UTF-8 is kept as it is; a bad byte becomes U+FFFD, so
 * the output is always valid. */
void rj_json_put_string(struct rj_buf *out, struct rj_span utf8);

#endif
