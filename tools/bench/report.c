#include "tools/bench/report.h"

#include <math.h>

#include "proto/base/json.h"

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
