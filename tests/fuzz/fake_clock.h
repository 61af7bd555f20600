/* Time and chance as a fuzz target wants them: nothing passes by itself, and every run is the same. Takes the
 * place of proto/base/clock.h and random.h, whose functions a target defines by linking fake_clock.c.
 */
#ifndef RJ_FUZZ_CLOCK_H
#define RJ_FUZZ_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Both begin again, always at the same values. */
void fake_clock_reset(void);

void fake_clock_pass(uint64_t ms);

/* Until the next reset: at about every second look at the microseconds the process has been off its processor
 * for longer than any share of a turn. Nobody can rely on it not being so. */
void fake_clock_falter(bool does);

#endif
