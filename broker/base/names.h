/* What a name may be: a text (proto/names.h says how long one can be at all), and for what is new no longer
 * than the settings say. What the store knows under a longer name, of a time when it was allowed, stays as it
 * is: it can be read, left and written to.
 */
#ifndef RJ_NAMES_H
#define RJ_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rj_broker;

/* 1 to `most` bytes of valid UTF-8. */
bool rj_name_is_valid(const char *name, uint64_t most);

/* Whether a message, a user's cursor or a member may go to the room or user of this valid name: it is short
 * enough to be new, or is there already. `kind` is a Target's; other kinds have no names of their own. */
bool rj_name_may_be_used(const struct rj_broker *broker, uint8_t kind, const char *nsp, const char *name);

#endif
