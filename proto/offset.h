/* The offset: the opaque string by which a client or a consumer says up to where it has seen the log.
 *
 * `EPOCH.POS`, each in lower-case base 36 without leading zeros: short, URL-safe, at most RJ_OFFSET_MAX
 * bytes. Only this file knows that form. Both functions are pure.
 */
#ifndef RJ_OFFSET_H
#define RJ_OFFSET_H

#include "proto/base/span.h"
#include "proto/base/status.h"

enum { RJ_OFFSET_MAX = 27 }; /* 13 + 1 + 13 */

struct rj_offset {
    uint64_t epoch;
    uint64_t pos;
};

/* Writes the string and a NUL; returns its length. */
size_t rj_offset_format(struct rj_offset offset, char out[static RJ_OFFSET_MAX + 1]);

/* RJ_BAD_REQUEST for anything that rj_offset_format cannot have written; *out is untouched then. */
enum rj_status rj_offset_parse(struct rj_span text, struct rj_offset *out);

#endif
