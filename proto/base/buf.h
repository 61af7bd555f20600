/* A growable byte buffer, owned by whoever holds the struct. Zero-initialise it ({0}) to start empty; append;
 * take the bytes out as a span; end with rj_buf_free. Growing aborts when memory runs out (mem.h).
 */
#ifndef RJ_BUF_H
#define RJ_BUF_H

#include "proto/base/span.h"

struct rj_buf {
    uint8_t *data; /* NULL until the first byte */
    size_t len;
    size_t cap;
};

/* Room for `more` further bytes; returns where to write them. Does not change len. */
uint8_t *rj_buf_reserve(struct rj_buf *buf, size_t more);

void rj_buf_put(struct rj_buf *buf, const void *data, size_t len);
void rj_buf_put_span(struct rj_buf *buf, struct rj_span span);
void rj_buf_put_str(struct rj_buf *buf, const char *text);
void rj_buf_put_u8(struct rj_buf *buf, uint8_t byte);

/* Decimal digits of `value`. */
void rj_buf_put_u64_dec(struct rj_buf *buf, uint64_t value);

void rj_buf_printf(struct rj_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends a NUL that is not counted in len and returns the text; valid until the next change. */
const char *rj_buf_cstr(struct rj_buf *buf);

/* Empties it but keeps the memory. */
static inline void rj_buf_clear(struct rj_buf *buf)
{
    buf->len = 0;
}

/* Empties it for the next use. Keeps the memory, unless that is a lot and this use has needed little of it:
 * so what one large use has left goes with the next small one. */
void rj_buf_reuse(struct rj_buf *buf);

static inline struct rj_span rj_buf_span(const struct rj_buf *buf)
{
    return (struct rj_span){buf->data, buf->len};
}

/* Frees the memory and leaves it empty and usable again. */
void rj_buf_free(struct rj_buf *buf);

#endif
