#include "proto/base/utf8.h"

bool rj_utf8_is_valid(struct rj_span text)
{
    for (size_t at = 0; at < text.len;) {
        struct rj_span rest = rj_span_from(text, at);
        size_t step = rj_utf8_plain_run(rest);
        if (step == 0)
            step = rj_utf8_sequence(rest);
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}

size_t rj_utf8_put(uint32_t code, uint8_t out[static 4])
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xc0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (uint8_t)(0xe0 | code >> 12);
        out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | code >> 18);
    out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (code & 0x3f));
    return 4;
}
