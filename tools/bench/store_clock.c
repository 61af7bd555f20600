#include "tools/bench/store_clock.h"

#include <stdatomic.h>

/* Names that the linker's --wrap demands. */
uint64_t __real_rj_clock_wall_ms(void);
uint64_t __wrap_rj_clock_wall_ms(void);

/* Global since the wrapped function has no context; atomic since the log thread may look, too. */
static _Atomic uint64_t pretended_ms;

void store_clock_set(uint64_t wall_ms)
{
    atomic_store_explicit(&pretended_ms, wall_ms, memory_order_relaxed);
}

uint64_t __wrap_rj_clock_wall_ms(void)
{
    uint64_t wall_ms = atomic_load_explicit(&pretended_ms, memory_order_relaxed);
    return wall_ms ? wall_ms : __real_rj_clock_wall_ms();
}
