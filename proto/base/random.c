#include "proto/base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void rj_random_bytes(void *out, size_t len)
{
    uint8_t *at = out;
    while (len) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0) {
            if (errno == EINTR)
                continue;
            abort();
        }
        at += got;
        len -= (size_t)got;
    }
}

uint64_t rj_random_u64(void)
{
    uint64_t value;
    rj_random_bytes(&value, sizeof value);
    return value;
}

void rj_random_id(char out[static RJ_ID_LEN + 1])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t bytes[16];
    rj_random_bytes(bytes, sizeof bytes);
    unsigned bits = 0, held = 0;
    size_t n = 0;
    for (size_t i = 0; i < sizeof bytes; i++) {
        bits = (bits << 8) | bytes[i];
        held += 8;
        while (held >= 6) {
            held -= 6;
            out[n++] = alphabet[(bits >> held) & 63];
        }
    }
    out[n++] = alphabet[(bits << (6 - held)) & 63];
    out[n] = '\0';
}
