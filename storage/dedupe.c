#include "storage/dedupe.h"

#include <stdlib.h>

#include "proto/base/mem.h"
#include "proto/base/random.h"

enum { RING_FIRST = 1024 };

void rj_dedupe_init(struct rj_dedupe *dedupe, uint64_t window_ms, size_t max)
{
    *dedupe = (struct rj_dedupe){.window_ms = window_ms, .max = max, .seed = rj_random_u64()};
}

void rj_dedupe_free(struct rj_dedupe *dedupe)
{
    free(dedupe->ring);
    rj_hash_free(&dedupe->table);
    *dedupe = (struct rj_dedupe){0};
}

uint64_t rj_dedupe_hash(const struct rj_dedupe *dedupe, struct rj_span source, struct rj_span id)
{
    return rj_hash(rj_hash(dedupe->seed, source), id);
}

static void forget_oldest(struct rj_dedupe *dedupe)
{
    const struct rj_dedupe_entry *oldest = &dedupe->ring[dedupe->first];
    rj_hash_remove(&dedupe->table, oldest->hash, oldest->pos);
    dedupe->first = (dedupe->first + 1) & (dedupe->cap - 1);
    dedupe->n--;
}

static void grow(struct rj_dedupe *dedupe)
{
    size_t cap = dedupe->cap ? dedupe->cap * 2 : RING_FIRST;
    struct rj_dedupe_entry *ring = rj_calloc(cap, sizeof *ring);
    for (size_t i = 0; i < dedupe->n; i++)
        ring[i] = dedupe->ring[(dedupe->first + i) & (dedupe->cap - 1)];
    free(dedupe->ring);
    dedupe->ring = ring;
    dedupe->cap = cap;
    dedupe->first = 0;
}

void rj_dedupe_add(struct rj_dedupe *dedupe, uint64_t hash, uint64_t pos, uint64_t ts_ms)
{
    if (dedupe->n == dedupe->max)
        forget_oldest(dedupe);
    if (dedupe->n == dedupe->cap)
        grow(dedupe);
    dedupe->ring[(dedupe->first + dedupe->n) & (dedupe->cap - 1)] =
        (struct rj_dedupe_entry){hash, pos, ts_ms};
    dedupe->n++;
    rj_hash_insert(&dedupe->table, hash, pos);
}

void rj_dedupe_expire(struct rj_dedupe *dedupe, uint64_t now_ms)
{
    while (dedupe->n && dedupe->ring[dedupe->first].ts_ms + dedupe->window_ms < now_ms)
        forget_oldest(dedupe);
}
