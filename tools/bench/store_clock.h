/* Time as the store sees it. Retention goes by age, and a store of a million records that trims one for each
 * that it appends is weeks old in life; here the wall clock advances with the messages instead, so that
 * trimming is 1:1 at every rate. Linked in by --wrap=rj_clock_wall_ms (CMakeLists.txt), in this program only.
 */
#ifndef RJ_BENCH_STORE_CLOCK_H
#define RJ_BENCH_STORE_CLOCK_H

#include <stdint.h>

/* From now on rj_clock_wall_ms says this; 0: the truth again. */
void store_clock_set(uint64_t wall_ms);

#endif
