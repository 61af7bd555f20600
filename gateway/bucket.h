/* A token bucket: so many events a second on average, and one second's worth of them at once after a rest.
 *
 * Kept as one point in time, from which on the bucket would be full again. Pure: the caller tells the time.
 */
#ifndef RJ_BUCKET_H
#define RJ_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/* Zero-initialise: full. */
struct rj_bucket {
    uint64_t full_at_ns;
};

/* Takes a token; false, and nothing taken, when there is none. `per_second` up to 10^9; 0: no limit. `burst`:
 * how many may be taken at once, at least 1. now_us is of the monotonic clock. */
static inline bool rj_bucket_take(struct rj_bucket *bucket, uint64_t per_second, uint64_t burst,
                                  uint64_t now_us)
{
    const uint64_t second_ns = 1000000000;
    if (per_second == 0)
        return true;
    uint64_t now_ns = now_us * 1000, one_ns = second_ns / per_second;
    uint64_t full_at_ns = bucket->full_at_ns > now_ns ? bucket->full_at_ns : now_ns;
    if (full_at_ns - now_ns > (burst - 1) * one_ns)
        return false;
    bucket->full_at_ns = full_at_ns + one_ns;
    return true;
}

#endif
