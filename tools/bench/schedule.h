/* What is due when, for many clients: each has at most one time at which something is to happen to it. A
 * binary heap; setting and taking cost O(log n).
 */
#ifndef RJ_BENCH_SCHEDULE_H
#define RJ_BENCH_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct schedule {
    uint32_t n;      /* clients */
    uint32_t n_set;  /* of them, those with a time */
    uint64_t *at_us; /* by client */
    uint32_t *heap;  /* clients; at_us[heap[i]] is no later than those of heap[2i + 1] and heap[2i + 2] */
    uint32_t *place; /* by client: its index in the heap; UINT32_MAX: none */
};

void schedule_init(struct schedule *schedule, uint32_t n);
void schedule_free(struct schedule *schedule);

/* Sets the client's time, or moves it. */
void schedule_set(struct schedule *schedule, uint32_t client, uint64_t at_us);

/* Harmless when it has none. */
void schedule_clear(struct schedule *schedule, uint32_t client);

/* Takes the client whose time comes first and has come; false: none has. */
bool schedule_take(struct schedule *schedule, uint64_t now_us, uint32_t *client);

/* The first time; UINT64_MAX: there is none. */
uint64_t schedule_first(const struct schedule *schedule);

#endif
