/* Which publishes are known: a table from a hash of (source, id) to the pos of the record, bounded by time
 * and by number. It keeps no keys: the record in the log has them, and whoever finds a candidate compares.
 * Nothing of it is on disk; recovery rebuilds it from the tail of the log.
 */
#ifndef RJ_DEDUPE_H
#define RJ_DEDUPE_H

#include "storage/hash.h"

struct rj_dedupe_entry {
    uint64_t hash;
    uint64_t pos;
    uint64_t ts_ms;
};

struct rj_dedupe {
    uint64_t window_ms;
    size_t max;
    uint64_t seed;
    struct rj_hash_table table;   /* hash -> pos */
    struct rj_dedupe_entry *ring; /* the same in the order of their pos, oldest at `first` */
    size_t first, n, cap;         /* cap is a power of two */
};

void rj_dedupe_init(struct rj_dedupe *dedupe, uint64_t window_ms, size_t max);
void rj_dedupe_free(struct rj_dedupe *dedupe);

uint64_t rj_dedupe_hash(const struct rj_dedupe *dedupe, struct rj_span source, struct rj_span id);

/* Adds a record; `pos` must be above all that are there. The oldest goes when there are too many. */
void rj_dedupe_add(struct rj_dedupe *dedupe, uint64_t hash, uint64_t pos, uint64_t ts_ms);

/* Forgets what is older than the window. */
void rj_dedupe_expire(struct rj_dedupe *dedupe, uint64_t now_ms);

#endif
