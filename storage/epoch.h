/* The epochs of a store: one for each time that it was opened, with the pos at which it began. An epoch ends
 * where the next one begins, so an old offset that claims more is cut back to what was kept. The number is a
 * counter (high 32 bits) and a random part (low 32 bits): a store restored from a backup goes on under
 * numbers that nobody has seen, and offsets of the lost time are unknown to it.
 */
#ifndef RJ_EPOCH_H
#define RJ_EPOCH_H

#include "storage/env.h"

struct rj_epoch {
    uint64_t number;
    uint64_t first_pos;
};

struct rj_epochs {
    struct rj_epoch *list; /* ascending; the last one is the current */
    size_t n;
    uint64_t restored; /* as rj_store_head's */
};

/* Reads the old epochs and commits a new one that begins at `first_pos`. The first one after a restore is
 * kept as such. */
enum rj_status rj_epochs_open(struct rj_epochs *epochs, struct rj_env *env, uint64_t first_pos);
void rj_epochs_free(struct rj_epochs *epochs);

uint64_t rj_epochs_current(const struct rj_epochs *epochs);

/* As rj_store_clamp. */
enum rj_status rj_epochs_clamp(const struct rj_epochs *epochs, uint64_t epoch, uint64_t pos,
                               uint64_t completed, uint64_t *out, bool *was_clamped);

#endif
