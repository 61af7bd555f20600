/* One JSON object, written as it grows. Keys are ours, so only values are escaped. Figures that are to be
 * compared over the repeats are noted on the way.
 */
#ifndef RJ_BENCH_REPORT_H
#define RJ_BENCH_REPORT_H

#include "proto/base/buf.h"
#include "tools/bench/histogram.h"
#include "tools/bench/spread.h"

enum { REPORT_REPEATS_MAX = SPREAD_MAX, REPORT_SERIES_MAX = 48 };

struct report_series {
    const char *key; /* a string constant */
    struct spread values;
};

/* Zeroed: empty. */
struct report {
    struct rj_buf json;
    bool needs_comma;
    struct report_series series[REPORT_SERIES_MAX];
    unsigned n_series;
};

void report_free(struct report *r);

void report_open(struct report *r, const char *key, char bracket); /* '{' or '['; key NULL: none */
void report_close(struct report *r, char bracket);
void report_text(struct report *r, const char *key, const char *value);
void report_bool(struct report *r, const char *key, bool value);
void report_u64(struct report *r, const char *key, uint64_t value);
void report_number(struct report *r, const char *key, double value); /* null when it is not finite */

/* {"samples":…,"p50_us":…,"p99_us":…,"max_us":…} */
void report_latency(struct report *r, const char *key, const struct histogram *h);

/* {"samples":…,"min":…,"median":…,"max":…} */
void report_spread(struct report *r, const char *key, const struct spread *spread);

/* As report_number, and noted for report_summary under the same key. */
void report_sample(struct report *r, const char *key, double value);

/* {"KEY":{"min":…,"median":…,"max":…}, …} of all that was noted. */
void report_summary(struct report *r, const char *key);

/* The median of a noted key; 0 when there is none. */
double report_median(const struct report *r, const char *key);

#endif
