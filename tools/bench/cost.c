#include "tools/bench/cost.h"

#include <string.h>
#include <unistd.h>

#include "proto/base/clock.h"

struct cost cost_now(const struct procs *procs)
{
    struct cost cost = {.at_us = rj_clock_mono_us(), .load_us = proc_cpu_us(getpid())};
    for (unsigned i = 0; i < procs->n; i++)
        cost.procs_us[i] = proc_cpu_us(procs->list[i].pid);
    return cost;
}

static double sum_of(const struct procs *procs, const char *name, const struct cost *from,
                     const struct cost *to)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < procs->n; i++)
        if (strcmp(procs->list[i].name, name) == 0)
            sum += to->procs_us[i] - from->procs_us[i];
    return (double)sum;
}

void cost_report(struct report *r, const char *key, const struct procs *procs, const struct cost *from,
                 const struct cost *to, double n)
{
    report_open(r, key, '{');
    report_number(r, "broker", sum_of(procs, "broker", from, to) / n);
    report_number(r, "gateways", sum_of(procs, "gateway", from, to) / n);
    report_number(r, "load", (double)(to->load_us - from->load_us) / n);
    report_close(r, '}');
}
