/* Patterns of rooms, as settings name them:
 *
 *     PATTERN [namespace=/NAME]
 *
 * The pattern is that of rule_text.h. Without a namespace rooms of all are meant. Pure.
 */
#ifndef RJ_ROOM_PATTERN_H
#define RJ_ROOM_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/span.h"

/* Zero-initialise. */
struct rj_room_patterns {
    struct rj_room_pattern *list;
    size_t n;
};

/* What is wrong with the text of one; NULL: nothing. */
const char *rj_room_pattern_check(const char *text);

/* `texts` is a NULL-terminated list of texts that are right; NULL counts as an empty one. */
void rj_room_patterns_init(struct rj_room_patterns *patterns, char *const *texts);
void rj_room_patterns_free(struct rj_room_patterns *patterns);

/* Whether any of them means the room with this store key (room.h). False for a target that is no room. */
bool rj_room_patterns_match(const struct rj_room_patterns *patterns, struct rj_span key);

#endif
