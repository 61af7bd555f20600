/* The highest memory that each process has had, over the lives of all that ran under its name. */
#ifndef RJ_BENCH_PEAK_H
#define RJ_BENCH_PEAK_H

#include "tools/bench/procs.h"
#include "tools/bench/report.h"

/* Zeroed: nothing seen. */
struct peak {
    double bytes[PROCS_MAX]; /* by the place in the list */
};

/* Looks at those that run now. Call it before one ends, and at the end. */
void peak_note(struct peak *peak, const struct procs *procs);

/* {"broker":…, "gateway-1":…} in bytes of resident memory. */
void peak_report(struct report *r, const char *key, const struct peak *peak, const struct procs *procs);

/* In MB, for a person: "broker 20, gateway-1 45". */
void peak_tell(char *out, size_t size, const struct peak *peak, const struct procs *procs);

#endif
