/* Latencies in logarithmic buckets: 64 to a factor of two, so a value is told within 1.6 %. */
#ifndef RJ_BENCH_HISTOGRAM_H
#define RJ_BENCH_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_STEPS = 64, HISTOGRAM_BUCKETS = 40 * HISTOGRAM_STEPS };

/* Zeroed: empty. */
struct histogram {
    uint64_t n;
    uint64_t most;
    uint32_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t value_us);

/* Adds all that `more` has. */
void histogram_merge(struct histogram *h, const struct histogram *more);

/* The value below which `share` (0 to 1) of all lie; 0 when there are none. */
uint64_t histogram_at(const struct histogram *h, double share);

#endif
