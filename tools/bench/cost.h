/* What processes cost, read from the kernel: CPU time of everybody who took part between two moments, memory,
 * and a gateway's own counters.
 */
#ifndef RJ_BENCH_COST_H
#define RJ_BENCH_COST_H

#include "tools/bench/procs.h"
#include "tools/bench/report.h"

struct cost {
    double at_us;
    double procs_us[PROCS_MAX];
    double load_us; /* this process */
};

/* CPU time and wall clock now. */
struct cost cost_now(const struct procs *procs);

/* What was used between two moments. */
struct cost cost_between(const struct cost *from, const struct cost *to);

void cost_add(struct cost *sum, const struct cost *more);

/* The servers' CPU time of `cost`, in microseconds; -1 when no process is known. */
double cost_servers_us(const struct procs *procs, const struct cost *cost);

/* {"servers":…, NAME:… for each process, "load":…}: microseconds of CPU for each of `n` things. */
void cost_report(struct report *r, const char *key, const struct procs *procs, const struct cost *cost,
                 double n);

/* A line of /proc/PID/status such as "VmRSS" or "RssAnon", in bytes; 0 when it is not there. */
double cost_memory(pid_t pid, const char *field);

/* A counter of the gateways' /metrics, summed; -1 when one does not answer. */
double cost_metric(const struct procs *procs, const char *name);

#endif
