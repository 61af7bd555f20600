/* The log of the process: one line an event, `key=value` or one JSON object, to stderr.
 *
 * Callees return a status; whoever decides what to do about it logs, once. Never a payload, a token or a
 * session's pid. The level and the format are set once at start, before any thread; a line is written with
 * one write(2), so lines of two threads do not mix.
 *
 *     rj_log(RJ_LOG_INFO, "gateway_joined", RJ_KV_STR("gateway", id), RJ_KV_U64("clients", n));
 */
#ifndef RJ_LOG_H
#define RJ_LOG_H

#include "proto/base/span.h"

enum rj_log_level { RJ_LOG_DEBUG, RJ_LOG_INFO, RJ_LOG_WARN, RJ_LOG_ERROR };
enum rj_log_format { RJ_LOG_TEXT, RJ_LOG_JSON };

struct rj_kv {
    const char *key;
    enum { RJ_KV_IS_TEXT, RJ_KV_IS_U64 } kind;
    struct rj_span text;
    uint64_t number;
};

#define RJ_KV_STR(k, v)  ((struct rj_kv){.key = (k), .kind = RJ_KV_IS_TEXT, .text = rj_span_str(v)})
#define RJ_KV_SPAN(k, v) ((struct rj_kv){.key = (k), .kind = RJ_KV_IS_TEXT, .text = (v)})
#define RJ_KV_U64(k, v)  ((struct rj_kv){.key = (k), .kind = RJ_KV_IS_U64, .number = (uint64_t)(v)})

void rj_log_setup(enum rj_log_level least, enum rj_log_format format, const char *process);

/* `kvs[0]` is the event's name in `.key`. Values are escaped; a long one is cut. */
void rj_log_write(enum rj_log_level level, const struct rj_kv *kvs, size_t n);

#define rj_log(level, event, ...)                                                                            \
    rj_log_write(level, (const struct rj_kv[]){{.key = (event)}, ##__VA_ARGS__},                             \
                 sizeof((const struct rj_kv[]){{.key = (event)}, ##__VA_ARGS__}) / sizeof(struct rj_kv))

/* For what a peer can cause at will: at most `burst` lines a second pass; what was held back is counted and
 * told with the next line that passes. Zero-initialise; one per kind of event. */
struct rj_log_limit {
    uint64_t window_ms;
    unsigned passed;
    unsigned held;
};

/* True when a line may be written now; then `*held` is how many were held back since the last one. */
bool rj_log_allowed(struct rj_log_limit *limit, unsigned *held);

#endif
