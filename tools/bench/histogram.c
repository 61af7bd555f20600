#include "tools/bench/histogram.h"

/* Values below 64 have a bucket each; above, the six bits behind the leading one choose among 64. */
static unsigned bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_STEPS)
        return (unsigned)value;
    unsigned exponent = 63U - (unsigned)__builtin_clzll(value);
    unsigned bucket = (exponent - 5) * HISTOGRAM_STEPS + (unsigned)(value >> (exponent - 6) & 63);
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static uint64_t least_of(unsigned bucket)
{
    if (bucket < HISTOGRAM_STEPS)
        return bucket;
    unsigned exponent = bucket / HISTOGRAM_STEPS + 5;
    return (uint64_t)(HISTOGRAM_STEPS + bucket % HISTOGRAM_STEPS) << (exponent - 6);
}

void histogram_add(struct histogram *h, uint64_t value_us)
{
    h->n++;
    h->buckets[bucket_of(value_us)]++;
    if (value_us > h->most)
        h->most = value_us;
}

void histogram_merge(struct histogram *h, const struct histogram *more)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        h->buckets[i] += more->buckets[i];
    h->n += more->n;
    h->most = more->most > h->most ? more->most : h->most;
}

uint64_t histogram_at(const struct histogram *h, double share)
{
    uint64_t wanted = (uint64_t)((double)h->n * share), seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen > wanted)
            return least_of(i);
    }
    return h->most;
}
