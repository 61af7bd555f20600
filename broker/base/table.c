#include "broker/base/table.h"

#include <stdlib.h>

#include "proto/base/mem.h"
#include "proto/base/random.h"

enum { SLOTS_MIN = 64 };

/* Folds a 64x64 bit product: every input bit reaches every output bit. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static size_t home_of(const struct rj_table *table, struct rj_span key)
{
    uint64_t hash = table->seed ^ key.len;
    for (size_t at = 0; at < key.len; at += 8) {
        uint64_t word = 0;
        memcpy(&word, key.data + at, key.len - at < 8 ? key.len - at : 8);
        hash = fold(hash ^ word, table->seed | 1) + word;
    }
    return fold(hash, 0x9e3779b97f4a7c15U) & table->mask;
}

static void place(struct rj_table *table, rj_table_key *key, void *entry)
{
    size_t at = home_of(table, key(entry));
    while (table->slots[at])
        at = (at + 1) & table->mask;
    table->slots[at] = entry;
}

static void resize(struct rj_table *table, rj_table_key *key, size_t slots)
{
    void **old = table->slots;
    size_t n_old = old ? table->mask + 1 : 0;
    table->slots = rj_calloc(slots, sizeof(void *));
    table->mask = slots - 1;
    for (size_t i = 0; i < n_old; i++)
        if (old[i])
            place(table, key, old[i]);
    free(old);
}

/* At most three quarters are full, so that every walk ends soon. */
void rj_table_insert(struct rj_table *table, rj_table_key *key, void *entry)
{
    size_t slots = table->slots ? table->mask + 1 : 0;
    if (!table->seed)
        table->seed = rj_random_u64() | 1;
    if ((table->n + 1) * 4 > slots * 3)
        resize(table, key, slots ? 2 * slots : SLOTS_MIN);
    place(table, key, entry);
    table->n++;
}

/* Entries behind the hole move up when it lies between their home and their place. */
static void close_hole(struct rj_table *table, rj_table_key *key, size_t hole)
{
    size_t mask = table->mask;
    for (size_t at = (hole + 1) & mask; table->slots[at]; at = (at + 1) & mask) {
        size_t home = home_of(table, key(table->slots[at]));
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        table->slots[hole] = table->slots[at];
        hole = at;
    }
    table->slots[hole] = NULL;
}

void rj_table_remove(struct rj_table *table, rj_table_key *key, const void *entry)
{
    size_t at = home_of(table, key(entry));
    while (table->slots[at] != entry)
        at = (at + 1) & table->mask;
    close_hole(table, key, at);
    table->n--;
    if (table->mask >= SLOTS_MIN && table->n < (table->mask + 1) / 8)
        resize(table, key, (table->mask + 1) / 2);
}

void *rj_table_next(const struct rj_table *table, rj_table_key *key, struct rj_span wanted, size_t *cursor)
{
    if (!table->slots)
        return NULL;
    for (size_t home = home_of(table, wanted);;) {
        void *entry = table->slots[(home + *cursor) & table->mask];
        if (!entry)
            return NULL;
        ++*cursor;
        if (rj_span_eq(key(entry), wanted))
            return entry;
    }
}

void rj_table_free(struct rj_table *table)
{
    free(table->slots);
    *table = (struct rj_table){0};
}
