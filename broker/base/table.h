/* A table of pointers to entries that know their own keys: eight bytes a slot and nothing in the entry, for
 * what there is a hundred thousand of. Keys are hashed with a seed of the table's own, because clients choose
 * some. Several entries may have the same key.
 */
#ifndef RJ_TABLE_H
#define RJ_TABLE_H

#include "proto/base/span.h"

/* Zero-initialise. */
struct rj_table {
    void **slots; /* NULL: free */
    size_t mask;  /* slots - 1; a power of two */
    size_t n;
    uint64_t seed;
};

/* The key of an entry: the same for as long as it is in a table. */
typedef struct rj_span rj_table_key(const void *entry);

void rj_table_insert(struct rj_table *table, rj_table_key *key, void *entry);

/* It must be there. */
void rj_table_remove(struct rj_table *table, rj_table_key *key, const void *entry);

/* Walks the entries with that key: start with *cursor = 0; NULL when there is no further one. The table must
 * not change meanwhile. */
void *rj_table_next(const struct rj_table *table, rj_table_key *key, struct rj_span wanted, size_t *cursor);

void rj_table_free(struct rj_table *table);

#endif
