/* A hash of bytes, and an open-addressed table from such hashes to numbers that are never 0. Several entries
 * may share a hash: the table finds candidates, its owner compares what they stand for. 16 bytes a slot, no
 * allocation per entry; one thread.
 */
#ifndef RJ_HASH_H
#define RJ_HASH_H

#include "proto/base/span.h"

/* Keyed by `seed`, so that nobody outside can choose colliding inputs. Chain calls to hash several spans. */
uint64_t rj_hash(uint64_t seed, struct rj_span bytes);

struct rj_hash_slot {
    uint64_t hash;
    uint64_t value; /* 0 = free */
};

/* Zero-initialise. */
struct rj_hash_table {
    struct rj_hash_slot *slots;
    size_t mask; /* slots - 1; a power of two */
    size_t used;
};

void rj_hash_insert(struct rj_hash_table *table, uint64_t hash, uint64_t value);

/* Walks the values stored under `hash`: start with *cursor = 0; 0 when there is no further one. The table
 * must not change meanwhile. */
uint64_t rj_hash_next(const struct rj_hash_table *table, uint64_t hash, size_t *cursor);

/* Removes that one entry; nothing happens when it is absent. */
void rj_hash_remove(struct rj_hash_table *table, uint64_t hash, uint64_t value);

void rj_hash_free(struct rj_hash_table *table);

#endif
