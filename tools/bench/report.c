#include "tools/bench/report.h"

#include <math.h>

#include "proto/base/json.h"

void report_free(struct report *r)
{
    rj_buf_free(&r->json);
}

/* ------------------------------------------------------------------------------------------- writing */

static void begin(struct report *r, const char *key)
{
    if (r->needs_comma)
        rj_buf_put_u8(&r->json, ',');
    if (key)
        rj_buf_printf(&r->json, "\"%s\":", key);
    r->needs_comma = true;
}

void report_open(struct report *r, const char *key, char bracket)
{
    begin(r, key);
    rj_buf_put_u8(&r->json, (uint8_t)bracket);
    r->needs_comma = false;
}

void report_close(struct report *r, char bracket)
{
    rj_buf_put_u8(&r->json, (uint8_t)bracket);
    r->needs_comma = true;
}

void report_text(struct report *r, const char *key, const char *value)
{
    begin(r, key);
    rj_json_put_string(&r->json, rj_span_str(value));
}

void report_bool(struct report *r, const char *key, bool value)
{
    begin(r, key);
    rj_buf_put_str(&r->json, value ? "true" : "false");
}

void report_u64(struct report *r, const char *key, uint64_t value)
{
    begin(r, key);
    rj_buf_put_u64_dec(&r->json, value);
}

void report_number(struct report *r, const char *key, double value)
{
    begin(r, key);
    if (isfinite(value))
        rj_buf_printf(&r->json, "%.6g", value);
    else
        rj_buf_put_str(&r->json, "null");
}

void report_latency(struct report *r, const char *key, const struct histogram *h)
{
    report_open(r, key, '{');
    report_u64(r, "samples", h->n);
    report_u64(r, "p50_us", histogram_at(h, 0.50));
    report_u64(r, "p99_us", histogram_at(h, 0.99));
    report_u64(r, "max_us", h->most);
    report_close(r, '}');
}

void report_spread(struct report *r, const char *key, const struct spread *spread)
{
    report_open(r, key, '{');
    report_u64(r, "samples", spread->n);
    report_number(r, "min", spread_min(spread));
    report_number(r, "median", spread_median(spread));
    report_number(r, "max", spread_max(spread));
    report_close(r, '}');
}

/* ------------------------------------------------------------------------------------------- repeats */

static struct report_series *series_of(struct report *r, const char *key)
{
    for (unsigned i = 0; i < r->n_series; i++)
        if (strcmp(r->series[i].key, key) == 0)
            return &r->series[i];
    if (r->n_series == REPORT_SERIES_MAX)
        return NULL;
    r->series[r->n_series].key = key;
    return &r->series[r->n_series++];
}

void report_sample(struct report *r, const char *key, double value)
{
    struct report_series *series = series_of(r, key);
    if (series)
        spread_add(&series->values, value);
    report_number(r, key, value);
}

void report_summary(struct report *r, const char *key)
{
    report_open(r, key, '{');
    for (unsigned i = 0; i < r->n_series; i++) {
        const struct report_series *series = &r->series[i];
        if (series->values.n == 0)
            continue;
        report_open(r, series->key, '{');
        report_number(r, "min", spread_min(&series->values));
        report_number(r, "median", spread_median(&series->values));
        report_number(r, "max", spread_max(&series->values));
        report_close(r, '}');
    }
    report_close(r, '}');
}

double report_median(const struct report *r, const char *key)
{
    for (unsigned i = 0; i < r->n_series; i++)
        if (strcmp(r->series[i].key, key) == 0)
            return spread_median(&r->series[i].values);
    return 0;
}
