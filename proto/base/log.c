#include "proto/base/log.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/clock.h"

enum { LONGEST_VALUE = 512, LINES_A_SECOND = 5 };

/* Set once at start, read-only afterwards. */
static struct {
    enum rj_log_level least;
    enum rj_log_format format;
    const char *process;
} setup = {RJ_LOG_INFO, RJ_LOG_TEXT, "rejoin"};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void rj_log_setup(enum rj_log_level least, enum rj_log_format format, const char *process)
{
    setup.least = least;
    setup.format = format;
    setup.process = process;
}

static void put_escaped(struct rj_buf *out, struct rj_span text)
{
    size_t len = text.len < LONGEST_VALUE ? text.len : LONGEST_VALUE;
    rj_buf_put_u8(out, '"');
    for (size_t i = 0; i < len; i++) {
        uint8_t c = text.data[i];
        if (c == '"' || c == '\\') {
            rj_buf_put_u8(out, '\\');
            rj_buf_put_u8(out, c);
        } else if (c < 0x20 || c >= 0x7f) {
            rj_buf_printf(out, "\\u%04x", c); /* bytes, not characters: a log must survive bad UTF-8 */
        } else {
            rj_buf_put_u8(out, c);
        }
    }
    rj_buf_put_u8(out, '"');
}

static bool is_plain(struct rj_span text)
{
    if (text.len == 0 || text.len > LONGEST_VALUE)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] <= ' ' || text.data[i] >= 0x7f || strchr("\"\\=", text.data[i]))
            return false;
    return true;
}

static void put_time(struct rj_buf *out)
{
    uint64_t ms = rj_clock_wall_ms();
    time_t seconds = (time_t)(ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    rj_buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                  utc.tm_hour, utc.tm_min, utc.tm_sec, (unsigned)(ms % 1000));
}

static void put_pair(struct rj_buf *out, const char *key, const struct rj_kv *kv)
{
    bool json = setup.format == RJ_LOG_JSON;
    rj_buf_printf(out, json ? ",\"%s\":" : " %s=", key);
    if (kv->kind == RJ_KV_IS_U64)
        rj_buf_put_u64_dec(out, kv->number);
    else if (!json && is_plain(kv->text))
        rj_buf_put_span(out, kv->text);
    else
        put_escaped(out, kv->text);
}

void rj_log_write(enum rj_log_level level, const struct rj_kv *kvs, size_t n)
{
    if (level < setup.least)
        return;
    bool json = setup.format == RJ_LOG_JSON;
    struct rj_buf line = {0};
    rj_buf_put_str(&line, json ? "{\"time\":\"" : "time=");
    put_time(&line);
    if (json)
        rj_buf_put_u8(&line, '"');
    put_pair(&line, "level", &RJ_KV_STR("level", level_names[level]));
    put_pair(&line, "process", &RJ_KV_STR("process", setup.process));
    put_pair(&line, "event", &RJ_KV_STR("event", kvs[0].key));
    for (size_t i = 1; i < n; i++)
        put_pair(&line, kvs[i].key, &kvs[i]);
    rj_buf_put_str(&line, json ? "}\n" : "\n");
    ssize_t written = write(STDERR_FILENO, line.data, line.len);
    (void)written; /* nowhere to report that the log itself cannot be written */
    rj_buf_free(&line);
}

bool rj_log_allowed(struct rj_log_limit *limit, unsigned *held)
{
    uint64_t now = rj_clock_mono_ms();
    if (now - limit->window_ms >= 1000) {
        limit->window_ms = now;
        limit->passed = 0;
    }
    if (limit->passed >= LINES_A_SECOND) {
        limit->held++;
        return false;
    }
    limit->passed++;
    *held = limit->held;
    limit->held = 0;
    return true;
}
