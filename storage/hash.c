#include "storage/hash.h"

#include <stdlib.h>

#include "proto/base/mem.h"

/* Folds a 64x64 bit product: every input bit reaches every output bit. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t rj_hash(uint64_t seed, struct rj_span bytes)
{
    const uint64_t odd_a = 0x9e3779b97f4a7c15U, odd_b = 0xd6e8feb86659fd93U;
    uint64_t hash = fold(seed ^ odd_a, bytes.len ^ odd_b);
    for (size_t at = 0; at < bytes.len; at += 8) {
        uint64_t word = 0;
        size_t n = bytes.len - at < 8 ? bytes.len - at : 8;
        memcpy(&word, bytes.data + at, n);
        hash = fold(hash ^ word ^ odd_a, seed ^ odd_b) + word;
    }
    return fold(hash ^ odd_b, seed | 1);
}

static void place(struct rj_hash_table *table, uint64_t hash, uint64_t value)
{
    size_t at = hash & table->mask;
    while (table->slots[at].value)
        at = (at + 1) & table->mask;
    table->slots[at] = (struct rj_hash_slot){hash, value};
}

static void grow(struct rj_hash_table *table)
{
    struct rj_hash_table old = *table;
    size_t size = old.slots ? (old.mask + 1) * 2 : 64;
    table->slots = rj_calloc(size, sizeof *table->slots);
    table->mask = size - 1;
    for (size_t i = 0; old.slots && i <= old.mask; i++) {
        if (old.slots[i].value)
            place(table, old.slots[i].hash, old.slots[i].value);
    }
    free(old.slots);
}

void rj_hash_insert(struct rj_hash_table *table, uint64_t hash, uint64_t value)
{
    if (!table->slots || (table->used + 1) * 3 > (table->mask + 1) * 2)
        grow(table);
    place(table, hash, value);
    table->used++;
}

uint64_t rj_hash_next(const struct rj_hash_table *table, uint64_t hash, size_t *cursor)
{
    if (!table->slots)
        return 0;
    /* The table is never full, so a free slot ends every walk. */
    for (;; ++*cursor) {
        const struct rj_hash_slot *slot = &table->slots[(hash + *cursor) & table->mask];
        if (!slot->value)
            return 0;
        if (slot->hash == hash) {
            ++*cursor;
            return slot->value;
        }
    }
}

/* Entries behind the hole move up when the hole lies between their home and their place. */
static void close_hole(struct rj_hash_table *table, size_t hole)
{
    for (size_t at = (hole + 1) & table->mask; table->slots[at].value; at = (at + 1) & table->mask) {
        size_t home = table->slots[at].hash & table->mask;
        if (((at - home) & table->mask) >= ((at - hole) & table->mask)) {
            table->slots[hole] = table->slots[at];
            hole = at;
        }
    }
    table->slots[hole].value = 0;
}

void rj_hash_remove(struct rj_hash_table *table, uint64_t hash, uint64_t value)
{
    if (!table->slots)
        return;
    for (size_t at = hash & table->mask; table->slots[at].value; at = (at + 1) & table->mask) {
        if (table->slots[at].hash == hash && table->slots[at].value == value) {
            table->used--;
            close_hole(table, at);
            return;
        }
    }
}

void rj_hash_free(struct rj_hash_table *table)
{
    free(table->slots);
    *table = (struct rj_hash_table){0};
}
