/* Which room each message goes to: drawn ahead, so that drawing costs nothing while time is taken, and the
 * same in every run. Ranks of a zipf distribution (exponent 1) are dealt to rooms at random: popular rooms
 * are not neighbours in the index.
 */
#ifndef RJ_BENCH_STORE_DRAWS_H
#define RJ_BENCH_STORE_DRAWS_H

#include <stdbool.h>
#include <stdint.h>

enum { STORE_DRAWS = 1 << 21 };

struct store_draws {
    uint32_t *rooms; /* STORE_DRAWS of them, each below n_rooms */
    uint32_t n_rooms;
    uint64_t random; /* state of store_draws_random */
};

void store_draws_init(struct store_draws *draws, uint32_t n_rooms, bool is_zipf);
void store_draws_free(struct store_draws *draws);

/* The room of the i-th message, counted from 0. */
static inline uint32_t store_draws_at(const struct store_draws *draws, uint64_t i)
{
    return draws->rooms[i % STORE_DRAWS];
}

/* Below `n`. */
uint32_t store_draws_random(struct store_draws *draws, uint32_t n);

#endif
