/* An input that is read as decisions. One that is used up goes on with zeros, so every input means something,
 * and whoever asks makes 0 the usual answer.
 */
#ifndef RJ_FUZZ_BYTES_H
#define RJ_FUZZ_BYTES_H

#include <stddef.h>
#include <stdint.h>

struct fuzz_bytes {
    const uint8_t *at, *end;
};

static inline struct fuzz_bytes fuzz_bytes(const uint8_t *data, size_t size)
{
    return (struct fuzz_bytes){data, data ? data + size : data};
}

static inline size_t fuzz_left(const struct fuzz_bytes *bytes)
{
    return (size_t)(bytes->end - bytes->at);
}

static inline uint8_t fuzz_u8(struct fuzz_bytes *bytes)
{
    return bytes->at < bytes->end ? *bytes->at++ : 0;
}

/* 0 to n - 1; n is 1 to 256. */
static inline unsigned fuzz_below(struct fuzz_bytes *bytes, unsigned n)
{
    return fuzz_u8(bytes) % n;
}

/* Once in `n` times, and not by itself. */
static inline int fuzz_seldom(struct fuzz_bytes *bytes, unsigned n)
{
    return fuzz_u8(bytes) % n == n - 1;
}

/* Up to `max` bytes, out of the input itself. */
static inline struct fuzz_bytes fuzz_take(struct fuzz_bytes *bytes, size_t max)
{
    size_t n = fuzz_left(bytes) < max ? fuzz_left(bytes) : max;
    struct fuzz_bytes taken = fuzz_bytes(bytes->at, n);
    bytes->at += n;
    return taken;
}

#endif
