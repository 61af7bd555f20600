#include "tools/bench/timeline.h"

void timeline_add(struct timeline *timeline, uint64_t at_us)
{
    if (timeline->n++ == 0)
        timeline->began_us = at_us;
    uint64_t step = (at_us - timeline->began_us) / TIMELINE_STEP_US;
    timeline->steps[step < TIMELINE_STEPS ? step : TIMELINE_STEPS - 1]++;
    timeline->last_us = at_us;
}

uint64_t timeline_peak(const struct timeline *timeline)
{
    enum { SECOND = 1000000 / TIMELINE_STEP_US };
    uint64_t sum = 0, most = 0;
    for (unsigned i = 0; i < TIMELINE_STEPS; i++) {
        sum += timeline->steps[i];
        if (i >= SECOND)
            sum -= timeline->steps[i - SECOND];
        most = sum > most ? sum : most;
    }
    return most;
}

/* The first step by whose end more than `n` events had come. */
static unsigned step_of(const struct timeline *timeline, double n)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < TIMELINE_STEPS; i++) {
        sum += timeline->steps[i];
        if ((double)sum > n)
            return i;
    }
    return TIMELINE_STEPS - 1;
}

double timeline_width(const struct timeline *timeline, double share)
{
    if (timeline->n == 0)
        return 0;
    double outside = (double)timeline->n * (1 - share) / 2;
    unsigned from = step_of(timeline, outside), to = step_of(timeline, (double)timeline->n - 1 - outside);
    return (to - from + 1) * (TIMELINE_STEP_US / 1e6);
}
