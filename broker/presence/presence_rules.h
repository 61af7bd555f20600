/* Which rooms tell their members who comes and goes: the rules of the setting `presence-rules`, as text
 *
 *     PATTERN [namespace=/NAME] [events=on|off] [grace=TIME] [burst=N]
 *
 * The pattern and the numbers are those of retention rules (rule_text.h). The first rule that matches a room
 * decides. A room that none matches tells nothing: a join into a room of 10,000 costs 10,000 deliveries, and
 * a server must not begin with that because it was updated. Who names a room in a rule has asked for it, so
 * `events` is on in a rule that does not say otherwise.
 */
#ifndef RJ_PRESENCE_RULES_H
#define RJ_PRESENCE_RULES_H

#include "broker/base/rule_text.h"

enum { RJ_PRESENCE_GRACE_MOST_MS = 86400000, RJ_PRESENCE_BURST_MOST = 1000000 };

struct rj_presence_rule {
    char *nsp; /* NULL: any */
    char *pattern;
    bool tells;
    uint64_t grace_ms; /* for how long a user may have no socket without having left */
    uint64_t burst;    /* events about single users that a room may have in a second */
};

/* Zero-initialise. */
struct rj_presence_rules {
    struct rj_presence_rule *list;
    size_t n;
};

/* What is wrong with the text of a rule; NULL: nothing. */
const char *rj_presence_rules_check(const char *text);

/* `texts` is a NULL-terminated list of rules that are right; NULL counts as an empty one. The numbers are
 * those of rules that do not set their own. */
void rj_presence_rules_init(struct rj_presence_rules *rules, char *const *texts, uint64_t grace_ms,
                            uint64_t burst);
void rj_presence_rules_free(struct rj_presence_rules *rules);

/* The rule by which the room with this key (room.h) tells; NULL: it does not. Valid as long as the rules. */
const struct rj_presence_rule *rj_presence_rules_pick(const struct rj_presence_rules *rules,
                                                      struct rj_span key);

#endif
