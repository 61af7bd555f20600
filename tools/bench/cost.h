/* CPU time of everybody who took part, between two moments. */
#ifndef RJ_BENCH_COST_H
#define RJ_BENCH_COST_H

#include "tools/bench/procs.h"
#include "tools/bench/report.h"

struct cost {
    uint64_t at_us;
    uint64_t procs_us[PROCS_MAX];
    uint64_t load_us; /* this process */
};

struct cost cost_now(const struct procs *procs);

/* {"wall_s":…, "broker_us":…, "gateway_us":…, "load_us":…}, each CPU figure per one of `n` things. */
void cost_report(struct report *r, const char *key, const struct procs *procs, const struct cost *from,
                 const struct cost *to, double n);

#endif
