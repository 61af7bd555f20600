/* Reading from a filled store: what a session has missed, and pages of history; with all in memory, and with
 * nothing of it. */
#ifndef RJ_BENCH_STORE_READS_H
#define RJ_BENCH_STORE_READS_H

#include "tools/bench/bench.h"

/* Reports an object. False, told on stderr; what was not read but should have been counts as missed. */
bool store_reads_run(struct bench *bench, const char *dir, uint32_t rooms);

#endif
