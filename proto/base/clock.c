#include "proto/base/clock.h"

#include <time.h>

static uint64_t read_us(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000U + (uint64_t)now.tv_nsec / 1000U;
}

uint64_t rj_clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000U;
}

uint64_t rj_clock_mono_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000U;
}

uint64_t rj_clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}
