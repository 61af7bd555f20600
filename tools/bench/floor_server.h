/* The bare server behind floor.h. Runs in a process of its own, which its parent kills. */
#ifndef RJ_BENCH_FLOOR_SERVER_H
#define RJ_BENCH_FLOOR_SERVER_H

#include "tools/bench/floor.h"

/* Serves the connections that come to `listener`; `log_fd` is -1 when nothing is logged. Ends the process
 * when a socket breaks. */
_Noreturn void floor_serve(const struct floor_plan *plan, int listener, int log_fd);

#endif
