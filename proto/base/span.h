/* A borrowed run of bytes: pointer and length, no ownership, no terminating NUL. */
#ifndef RJ_SPAN_H
#define RJ_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct rj_span {
    const uint8_t *data; /* may be NULL when len is 0 */
    size_t len;
};

/* The span of a NUL-terminated string (NULL gives an empty one). */
static inline struct rj_span rj_span_str(const char *text)
{
    return (struct rj_span){(const uint8_t *)text, text ? strlen(text) : 0};
}

static inline struct rj_span rj_span_of(const void *data, size_t len)
{
    return (struct rj_span){data, len};
}

static inline bool rj_span_eq(struct rj_span a, struct rj_span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool rj_span_is(struct rj_span a, const char *text)
{
    return rj_span_eq(a, rj_span_str(text));
}

/* The rest of `a` from byte `from` on; empty when `from` is at or past its end. */
static inline struct rj_span rj_span_from(struct rj_span a, size_t from)
{
    return from < a.len ? (struct rj_span){a.data + from, a.len - from} : (struct rj_span){NULL, 0};
}

#endif
