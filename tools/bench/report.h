/* One JSON object, written as it grows. Keys are ours, so only values are escaped. */
#ifndef RJ_BENCH_REPORT_H
#define RJ_BENCH_REPORT_H

#include "proto/base/buf.h"
#include "tools/bench/histogram.h"

struct report {
    struct rj_buf json;
    bool needs_comma;
};

void report_open(struct report *r, const char *key, char bracket); /* '{' or '['; key NULL: none */
void report_close(struct report *r, char bracket);
void report_text(struct report *r, const char *key, const char *value);
void report_u64(struct report *r, const char *key, uint64_t value);
void report_number(struct report *r, const char *key, double value);
/* {"p50":…,"p99":…,"max":…} in microseconds. */
void report_latency(struct report *r, const char *key, const struct histogram *h);

#endif
