/* How much of a room is kept: the limits of the options, and which of them a room has. Constant while the
 * store is open.
 */
#ifndef RJ_LIMITS_H
#define RJ_LIMITS_H

#include "storage/store.h"

struct rj_limits {
    struct rj_store_limits *list; /* n of the options, then those of every other room */
    size_t n;
    rj_store_pick *pick;
    void *ctx;
    uint64_t id; /* of the whole, with the caller's limits_id in it; 0 = no room has limits of its own */
};

void rj_limits_init(struct rj_limits *limits, const struct rj_store_options *options);
void rj_limits_free(struct rj_limits *limits);

/* Whether a room's key matters. */
bool rj_limits_vary(const struct rj_limits *limits);

/* The index into the list for the room with that key. */
size_t rj_limits_of(const struct rj_limits *limits, struct rj_span key);

/* Whatever is older than this is kept by no room; 0 = some room may keep it for ever. */
uint64_t rj_limits_longest_age(const struct rj_limits *limits);

#endif
