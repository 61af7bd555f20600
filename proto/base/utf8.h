/* UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, nothing above U+10FFFF. Pure. */
#ifndef RJ_UTF8_H
#define RJ_UTF8_H

#include "proto/base/span.h"

bool rj_utf8_is_valid(struct rj_span text);

/* Writes a code point; its length, 1 to 4. */
size_t rj_utf8_put(uint32_t code, uint8_t out[static 4]);

/* The length of the well-formed sequence at the start of `text`, 0 when there is none (RFC 3629, section 4).
 */
static inline size_t rj_utf8_sequence(struct rj_span text)
{
    const uint8_t *p = text.data;
    if (text.len == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    size_t len = p[0] >= 0xc2 && p[0] <= 0xdf ? 2 : p[0] >= 0xe0 && p[0] <= 0xef ? 3 : 4;
    if (p[0] < 0xc2 || p[0] > 0xf4 || text.len < len)
        return 0;
    /* The second byte's range shuts out overlong forms, surrogates and what is above U+10FFFF. */
    uint8_t least = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    uint8_t most = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < least || p[1] > most)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

/* How many of the first bytes are printable ASCII other than `"` and `\`, in steps of eight: what most of a
 * chat's text consists of, passed over without looking at single bytes. */
static inline size_t rj_utf8_plain_run(struct rj_span text)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    size_t at = 0;
    for (; text.len - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, text.data + at, 8);
        uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\';
        /* A byte below n leaves its high bit set in (byte - n) & ~byte; false hits only stop the run early.
         */
        uint64_t special = (word - ones * 0x20) | (quote - ones) | (backslash - ones) | word;
        if (special & high)
            break;
    }
    return at;
}

#endif
