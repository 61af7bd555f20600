/* The texts of rules about rooms, as settings give them: a pattern of the room's name, then words. Shared by
 * retention.h, presence_rules.h and room_pattern.h. Pure.
 *
 * In a pattern `*` stands for any text, `?` for any one byte, and everything else for itself.
 */
#ifndef RJ_RULE_TEXT_H
#define RJ_RULE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/span.h"

/* The next word of the text, which moves on; empty at its end. */
struct rj_span rj_rule_word(const char **at);

bool rj_rule_has_prefix(struct rj_span word, const char *prefix);

/* Takes the first word as the pattern, or `namespace=/NAME`. What is wrong with it; NULL: nothing. `*nsp` has
 * no data until a namespace was named. */
const char *rj_rule_pattern(const char **at, struct rj_span *pattern);
const char *rj_rule_namespace(struct rj_span word, struct rj_span *nsp);

bool rj_rule_matches(const char *pattern, struct rj_span name);

/* Whether the rule is about the room with this key (room.h): one of its namespace (`nsp` NULL: any), with a
 * name that matches. False for everything that is no room. */
bool rj_rule_meets(const char *nsp, const char *pattern, struct rj_span key);

/* On the heap; NULL for a span without data. */
char *rj_rule_copy(struct rj_span text);

#endif
