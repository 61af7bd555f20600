#include "proto/offset.h"

static size_t put_base36(uint64_t value, char *out)
{
    char digits[13];
    size_t n = 0;
    do {
        unsigned digit = (unsigned)(value % 36);
        digits[n++] = (char)(digit < 10 ? '0' + digit : 'a' + digit - 10);
        value /= 36;
    } while (value);
    for (size_t i = 0; i < n; i++)
        out[i] = digits[n - 1 - i];
    return n;
}

static bool take_base36(struct rj_span text, uint64_t *out)
{
    if (text.len == 0 || text.len > 13 || (text.len > 1 && text.data[0] == '0'))
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = c - '0';
        else if (c >= 'a' && c <= 'z')
            digit = c - 'a' + 10U;
        else
            return false;
        if (__builtin_mul_overflow(value, 36U, &value) || __builtin_add_overflow(value, digit, &value))
            return false;
    }
    *out = value;
    return true;
}

size_t rj_offset_format(struct rj_offset offset, char out[static RJ_OFFSET_MAX + 1])
{
    size_t n = put_base36(offset.epoch, out);
    out[n++] = '.';
    n += put_base36(offset.pos, out + n);
    out[n] = '\0';
    return n;
}

enum rj_status rj_offset_parse(struct rj_span text, struct rj_offset *out)
{
    const uint8_t *dot = text.len ? memchr(text.data, '.', text.len) : NULL;
    if (!dot)
        return RJ_BAD_REQUEST;
    size_t before = (size_t)(dot - text.data);
    struct rj_offset offset;
    if (!take_base36(rj_span_of(text.data, before), &offset.epoch) ||
        !take_base36(rj_span_from(text, before + 1), &offset.pos))
        return RJ_BAD_REQUEST;
    *out = offset;
    return RJ_OK;
}
