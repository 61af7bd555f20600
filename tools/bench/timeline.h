/* How many events came when: counts in steps of a tenth of a second from a first moment on, so that it shows
 * how evenly they were spread.
 */
#ifndef RJ_BENCH_TIMELINE_H
#define RJ_BENCH_TIMELINE_H

#include <stdint.h>

enum { TIMELINE_STEP_US = 100000, TIMELINE_STEPS = 6000 };

/* Zeroed: it begins with its first event. */
struct timeline {
    uint64_t began_us, last_us;
    uint64_t n;
    uint32_t steps[TIMELINE_STEPS]; /* the last one takes all that is later */
};

void timeline_add(struct timeline *timeline, uint64_t at_us);

/* The most in one second, begun at any step. */
uint64_t timeline_peak(const struct timeline *timeline);

/* Seconds in which the middle `share` (0 to 1) of all came. */
double timeline_width(const struct timeline *timeline, double share);

#endif
