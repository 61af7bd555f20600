/* Time: wall clock for what is stored or shown, monotonic clock for everything that waits. */
#ifndef RJ_CLOCK_H
#define RJ_CLOCK_H

#include <stdint.h>

uint64_t rj_clock_wall_ms(void); /* ms since the Unix epoch */
uint64_t rj_clock_mono_ms(void); /* ms, never goes back */
uint64_t rj_clock_mono_us(void);

/* For tests that set the clock of a running process: from now on the wall clock is off by what the file
 * `path` holds, an int64_t of ms in the machine's byte order, which others may change at any time. NULL or
 * "": nothing. A file that cannot be mapped ends the process with a line on stderr, and so does any in a
 * build without RJ_FAULTS (fault.h). Once, before any thread. */
void rj_clock_setup(const char *path);

#endif
