/* The heap of the C library, made to give memory back that a flood has needed. Left alone it keeps its high
 * water: with the first large buffer that is freed its thresholds rise, from then on large buffers come from
 * between the small ones, and one small block that lives on holds whatever was freed below it.
 *
 * So large buffers are mappings of their own for as long as the process lives, which end when they are freed,
 * and all threads share one heap, since only that can be trimmed whole (rj_heap_setup); and what is free
 * between the small blocks is given back once it was more than a little for a while (rj_heap_tick). That
 * takes the heap's lock and visits its free pages; it is done seldom enough to take no more than a thousandth
 * of the time.
 *
 * The sanitizers have heaps of their own, which do as they are told in their options: with them nothing is
 * done here.
 */
#ifndef RJ_HEAP_H
#define RJ_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialise it; one for the process. */
struct rj_heap {
    uint64_t look_ms;    /* when to look again */
    size_t held_bytes;   /* the least that the process held since it was trimmed last */
    size_t kept_bytes;   /* then, what it held and did not use: pieces of pages, stacks */
    bool was_worthwhile; /* when it was looked at last */
};

/* Before the first thread and the first large buffer. */
void rj_heap_setup(void);

/* Gives back what is worth it, in a quiet moment. Whether it did. Cheap as long as nothing is due: call it
 * from a tick; now_ms is of the monotonic clock. */
bool rj_heap_tick(struct rj_heap *heap, uint64_t now_ms);

#endif
