#include "proto/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/mem.h"

uint8_t *rj_buf_reserve(struct rj_buf *buf, size_t more)
{
    size_t need;
    if (__builtin_add_overflow(buf->len, more, &need))
        rj_oom(more);
    if (need > buf->cap || !buf->data) { /* also for nothing: NULL must not be calculated with */
        size_t cap = buf->cap ? buf->cap : 64;
        while (cap < need)
            cap = cap > SIZE_MAX / 2 ? need : cap * 2;
        buf->data = rj_realloc(buf->data, cap, 1);
        buf->cap = cap;
    }
    return buf->data + buf->len;
}

void rj_buf_put(struct rj_buf *buf, const void *data, size_t len)
{
    if (len == 0)
        return;
    memcpy(rj_buf_reserve(buf, len), data, len);
    buf->len += len;
}

void rj_buf_put_span(struct rj_buf *buf, struct rj_span span)
{
    rj_buf_put(buf, span.data, span.len);
}

void rj_buf_put_str(struct rj_buf *buf, const char *text)
{
    rj_buf_put(buf, text, strlen(text));
}

void rj_buf_put_u8(struct rj_buf *buf, uint8_t byte)
{
    *rj_buf_reserve(buf, 1) = byte;
    buf->len++;
}

void rj_buf_put_u64_dec(struct rj_buf *buf, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    rj_buf_put(buf, digits + at, sizeof digits - at);
}

void rj_buf_printf(struct rj_buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len > 0) {
        uint8_t *at = rj_buf_reserve(buf, (size_t)len + 1);
        vsnprintf((char *)at, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
}

const char *rj_buf_cstr(struct rj_buf *buf)
{
    *rj_buf_reserve(buf, 1) = '\0';
    return (const char *)buf->data;
}

void rj_buf_reuse(struct rj_buf *buf)
{
    enum { A_LOT = 256 << 10, LITTLE = 8 };
    if (buf->cap > A_LOT && buf->len < buf->cap / LITTLE)
        rj_buf_free(buf);
    buf->len = 0;
}

void rj_buf_free(struct rj_buf *buf)
{
    free(buf->data);
    *buf = (struct rj_buf){0};
}
