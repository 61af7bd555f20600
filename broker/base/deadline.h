/* Deadlines: what is to happen at a time, unless it is cleared before. A binary heap over fields that their
 * owners embed, so that setting and clearing allocate nothing but the heap's array.
 */
#ifndef RJ_DEADLINE_H
#define RJ_DEADLINE_H

#include <stddef.h>
#include <stdint.h>

struct rj_deadline;

/* The deadline is not set any more when this is called; `ctx` is rj_deadlines_run's. */
typedef void rj_deadline_due(void *ctx, struct rj_deadline *deadline);

/* Zero-initialise, but for `on_due`. Does not move while it is set. */
struct rj_deadline {
    rj_deadline_due *on_due;
    uint64_t at_ms; /* monotonic */
    size_t place;   /* in the heap, from 1; 0: not set */
};

struct rj_deadlines {
    struct rj_deadline **heap; /* heap[i] is due no later than its children heap[2i + 1] and heap[2i + 2] */
    size_t n, cap;
};

/* Sets it, or moves it to another time. */
void rj_deadline_set(struct rj_deadlines *deadlines, struct rj_deadline *deadline, uint64_t at_ms);

/* Harmless when it is not set. */
void rj_deadline_clear(struct rj_deadlines *deadlines, struct rj_deadline *deadline);

/* Calls those that are due, the earliest first. They may set and clear any. */
void rj_deadlines_run(struct rj_deadlines *deadlines, uint64_t now_ms, void *ctx);

/* Frees the array; what is still set is forgotten. */
void rj_deadlines_free(struct rj_deadlines *deadlines);

#endif
