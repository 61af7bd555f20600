#include "tools/bench/peak.h"

#include <stdio.h>

#include "tools/bench/cost.h"

void peak_note(struct peak *peak, const struct procs *procs)
{
    for (unsigned i = 0; i < procs->n; i++) {
        double bytes = procs->list[i].pid > 0 ? cost_memory(procs->list[i].pid, "VmHWM") : 0;
        if (bytes > peak->bytes[i])
            peak->bytes[i] = bytes;
    }
}

void peak_report(struct report *r, const char *key, const struct peak *peak, const struct procs *procs)
{
    report_open(r, key, '{');
    for (unsigned i = 0; i < procs->n; i++)
        report_number(r, procs->list[i].name, peak->bytes[i]);
    report_close(r, '}');
}

void peak_tell(char *out, size_t size, const struct peak *peak, const struct procs *procs)
{
    size_t len = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < procs->n && len < size; i++)
        len += (size_t)snprintf(out + len, size - len, "%s%s %.0f", i ? ", " : "", procs->list[i].name,
                                peak->bytes[i] / 1e6);
}
