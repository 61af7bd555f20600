/* Time: wall clock for what is stored or shown, monotonic clock for everything that waits. */
#ifndef RJ_CLOCK_H
#define RJ_CLOCK_H

#include <stdint.h>

uint64_t rj_clock_wall_ms(void); /* ms since the Unix epoch */
uint64_t rj_clock_mono_ms(void); /* ms, never goes back */
uint64_t rj_clock_mono_us(void);

#endif
