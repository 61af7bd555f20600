/* Which rooms are kept how long: the rules of the setting `retention-rules`, as text
 *
 *     PATTERN [namespace=/NAME] [age=TIME] [count=N] [bytes=N]
 *
 * The pattern is that of a room's name: `*` stands for any text, `?` for any one byte, and everything else
 * for itself. TIME is a number with ms, s, m, h or d behind it, N one with k, m, g (1000-based) or nothing;
 * 0 sets no limit. The first rule that matches a room decides, wholly: what it does not limit is kept for
 * ever. Rooms that none matches, and everything that is no room, keep the default age.
 */
#ifndef RJ_RETENTION_H
#define RJ_RETENTION_H

#include "storage/store.h"

struct rj_retention_rule {
    char *nsp; /* NULL: any */
    char *pattern;
};

/* Zero-initialise. */
struct rj_retention {
    struct rj_retention_rule *rules;
    struct rj_store_limits *limits; /* one per rule */
    size_t n;
    uint64_t id; /* of the rules' texts: the store's limits_id */
};

/* What is wrong with the text of a rule; NULL: nothing. */
const char *rj_retention_check(const char *text);

/* `texts` is a NULL-terminated list of rules that are right; NULL counts as an empty one. */
void rj_retention_init(struct rj_retention *retention, char *const *texts);
void rj_retention_free(struct rj_retention *retention);

/* An rj_store_pick; `ctx` is a struct rj_retention. */
size_t rj_retention_pick(void *ctx, struct rj_span key);

#endif
