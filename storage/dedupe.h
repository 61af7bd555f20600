/* Which publishes are known: a table from (source, id) to the pos of the record, bounded by time, by number
 * in all, and by number of each source. A source is whoever publishes; each has its own places and its own
 * order in which they are given up, so that a flood from one pushes out only what that one published. It
 * keeps no keys but hashes of them: the record has them, and whoever finds a candidate compares.
 *
 *   heads ──► entries of one bucket (next_alike)            sources, each with its entries from the oldest
 *             pos, hash, …                                  on (next_later)
 *
 * An id costs 24 bytes, a source 28. Ids that are too old go when their source is used or a hand passes it
 * that moves on with every id that is added; so the table may still have what is over: the caller compares
 * times, too. Nothing of it is on disk: it is rebuilt from the records (known.h). One thread.
 */
#ifndef RJ_DEDUPE_H
#define RJ_DEDUPE_H

#include "storage/hash.h"
#include "storage/store.h"

/* Ids of one class are known for the same time. */
enum rj_dedupe_class { RJ_DEDUPE_LASTING, RJ_DEDUPE_BRIEF, RJ_DEDUPE_CLASSES };

struct rj_dedupe_options {
    uint64_t window_ms[RJ_DEDUPE_CLASSES];
    size_t max;                              /* ids in all; at least 1 */
    size_t max_source;                       /* of one source in one class; at least 1 */
    void (*forgot)(void *ctx, uint64_t pos); /* told of every id that goes; may be NULL */
    void *ctx;
};

struct rj_dedupe_key {
    uint64_t source; /* hash of the source and the class */
    uint64_t id;     /* hash of that and the id */
};

/* Items of one size that are never moved, by number from 1. */
struct rj_dedupe_pool {
    uint8_t **chunks;
    size_t size;      /* of an item, which begins with the number of the next free one while it is free */
    uint32_t n_given; /* numbers that were ever given out */
    uint32_t free;    /* 0 = none */
};

/* The first items of lists by hash; mask + 1 of them. */
struct rj_dedupe_heads {
    uint32_t *of; /* NULL: none yet */
    size_t mask;
};

/* From `pos` on records are as young as this. */
struct rj_dedupe_mark {
    uint64_t pos, ts_ms;
};

struct rj_dedupe {
    struct rj_dedupe_options options;
    uint64_t seed;
    struct rj_dedupe_pool entries, sources;
    struct rj_dedupe_heads entry_heads, source_heads;
    size_t n, n_sources;
    uint32_t hand;                /* the source that it is at */
    struct rj_dedupe_mark *marks; /* ascending */
    size_t first_mark, n_marks, cap_marks;
};

void rj_dedupe_init(struct rj_dedupe *dedupe, const struct rj_dedupe_options *options);
void rj_dedupe_free(struct rj_dedupe *dedupe);

struct rj_dedupe_key rj_dedupe_key(uint64_t seed, enum rj_dedupe_class class, struct rj_span source,
                                   struct rj_span id);

/* Walks the positions that may be the id's: start with *cursor = 0; 0 when there is no further one. The table
 * must not change meanwhile. */
uint64_t rj_dedupe_next(const struct rj_dedupe *dedupe, struct rj_dedupe_key key, uint32_t *cursor);

/* Adds a record; `pos` must be above all that are there. The oldest of its source go when the source has too
 * many; with too many in all, the oldest of a source that has many. */
void rj_dedupe_add(struct rj_dedupe *dedupe, struct rj_dedupe_key key, enum rj_dedupe_class class,
                   uint64_t pos, uint64_t ts_ms);

/* Adds a record from further back, for the rebuilding: `pos` must be below all that are there. False: its
 * source, or the table, has its number. */
bool rj_dedupe_add_older(struct rj_dedupe *dedupe, struct rj_dedupe_key key, enum rj_dedupe_class class,
                         uint64_t pos, uint64_t ts_ms);
bool rj_dedupe_is_full(const struct rj_dedupe *dedupe);

/* No id of the class whose record is below this pos is younger than its window; 0 = that cannot be told. */
uint64_t rj_dedupe_known_from(const struct rj_dedupe *dedupe, enum rj_dedupe_class class, uint64_t now_ms);

static inline enum rj_dedupe_class rj_dedupe_class(const struct rj_store_record *record)
{
    return record->is_brief ? RJ_DEDUPE_BRIEF : RJ_DEDUPE_LASTING;
}

/* Forgets some of what is older than its window. */
void rj_dedupe_expire(struct rj_dedupe *dedupe, uint64_t now_ms);

#endif
