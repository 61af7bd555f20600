#include "tools/bench/store_draws.h"

#include <stdlib.h>

#include "proto/base/mem.h"

/* xorshift64*: fast, and the same numbers everywhere. */
static uint64_t next_random(struct store_draws *draws)
{
    draws->random ^= draws->random >> 12;
    draws->random ^= draws->random << 25;
    draws->random ^= draws->random >> 27;
    return draws->random * UINT64_C(2685821657736338717);
}

uint32_t store_draws_random(struct store_draws *draws, uint32_t n)
{
    return (uint32_t)(((next_random(draws) >> 32) * n) >> 32);
}

/* sums[i]: the weights of the ranks up to i. */
static double *sum_weights(uint32_t n)
{
    double *sums = rj_calloc(n, sizeof *sums), sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sums[i] = sum += 1.0 / (i + 1);
    return sums;
}

static uint32_t *shuffle(struct store_draws *draws, uint32_t n)
{
    uint32_t *dealt = rj_calloc(n, sizeof *dealt);
    for (uint32_t i = 0; i < n; i++)
        dealt[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = store_draws_random(draws, i), room = dealt[i - 1];
        dealt[i - 1] = dealt[j];
        dealt[j] = room;
    }
    return dealt;
}

static uint32_t rank_of(const double *sums, uint32_t n, double at)
{
    uint32_t low = 0, high = n - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (sums[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void draw_zipf(struct store_draws *draws)
{
    uint32_t n = draws->n_rooms;
    double *sums = sum_weights(n);
    uint32_t *dealt = shuffle(draws, n);
    for (uint32_t i = 0; i < STORE_DRAWS; i++) {
        double share = (double)(next_random(draws) >> 11) * 0x1p-53;
        draws->rooms[i] = dealt[rank_of(sums, n, share * sums[n - 1])];
    }
    free(dealt);
    free(sums);
}

void store_draws_init(struct store_draws *draws, uint32_t n_rooms, bool is_zipf)
{
    *draws = (struct store_draws){.n_rooms = n_rooms, .random = UINT64_C(0x9e3779b97f4a7c15)};
    draws->rooms = rj_calloc(STORE_DRAWS, sizeof *draws->rooms);
    if (is_zipf) {
        draw_zipf(draws);
        return;
    }
    for (uint32_t i = 0; i < STORE_DRAWS; i++)
        draws->rooms[i] = store_draws_random(draws, n_rooms);
}

void store_draws_free(struct store_draws *draws)
{
    free(draws->rooms);
    draws->rooms = NULL;
}
