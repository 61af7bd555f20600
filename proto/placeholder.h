/* Placeholders: `{"_placeholder":true,"num":i}` stands in a binary packet's JSON for its i-th attachment.
 * Pure.
 */
#ifndef RJ_PLACEHOLDER_H
#define RJ_PLACEHOLDER_H

#include "proto/base/span.h"

/* Whether every placeholder in `json` points at one of `n` attachments. `json` has passed rj_json_check with
 * at most RJ_JSON_DEPTH. One pass, whatever the nesting. */
bool rj_placeholders_are_valid(struct rj_span json, size_t n);

#endif
