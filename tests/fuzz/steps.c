#include "tests/fuzz/steps.h"

#include <string.h>

enum { STEPS_MAX = 512, STEP_HEAD = 2 };

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

bool fuzz_next_step(struct fuzz_bytes *input, struct fuzz_step *step)
{
    if (fuzz_left(input) < STEP_HEAD)
        return false;
    step->what = fuzz_u8(input);
    size_t len = fuzz_u8(input);
    step->how = fuzz_take(input, len);
    return true;
}

/* Where the steps begin; the last entry is the end. */
struct map {
    size_t at[STEPS_MAX + 1];
    size_t n;
};

static void map_steps(const uint8_t *data, size_t size, size_t head, struct map *map)
{
    struct fuzz_bytes input = fuzz_bytes(data, size);
    struct fuzz_step step;
    fuzz_take(&input, head);
    map->n = 0;
    map->at[0] = size < head ? size : head;
    while (map->n < STEPS_MAX && fuzz_next_step(&input, &step))
        map->at[++map->n] = (size_t)(input.at - data);
}

static unsigned next_random(unsigned *seed)
{
    *seed = *seed * 1103515245U + 12345U;
    return *seed >> 16;
}

/* Puts `len` bytes into a gap at `at`; returns the new size, or `size` when they do not fit. */
static size_t insert(uint8_t *data, size_t size, size_t max_size, size_t at, const uint8_t *bytes, size_t len)
{
    if (size + len > max_size)
        return size;
    memmove(data + at + len, data + at, size - at);
    memcpy(data + at, bytes, len);
    return size + len;
}

static size_t drop(uint8_t *data, size_t size, size_t at, size_t len)
{
    memmove(data + at, data + at + len, size - at - len);
    return size - len;
}

/* Changes what one step says; its length follows. */
static size_t change(uint8_t *data, size_t size, size_t max_size, size_t at, size_t end)
{
    uint8_t how[255];
    size_t len = end - at - STEP_HEAD, room = max_size - size + len;
    memcpy(how, data + at + STEP_HEAD, len);
    size_t fresh = LLVMFuzzerMutate(how, len, room < sizeof how ? room : sizeof how);
    size = drop(data, size, at + STEP_HEAD, len);
    data[at + 1] = (uint8_t)fresh;
    return insert(data, size, max_size, at + STEP_HEAD, how, fresh);
}

size_t fuzz_mutate_steps(uint8_t *data, size_t size, size_t max_size, unsigned seed, size_t head)
{
    enum { FRESH = 8 };
    static struct map map;
    uint8_t copy[STEP_HEAD + 255];
    map_steps(data, size, head, &map);
    if (size < head || map.n == 0 || next_random(&seed) % 16 == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    size_t which = next_random(&seed) % map.n, to = map.at[next_random(&seed) % (map.n + 1)];
    size_t at = map.at[which], end = map.at[which + 1], len = end - at;
    memcpy(copy, data + at, len);
    switch (next_random(&seed) % 8) {
    case 0: /* doubled, somewhere else */ return insert(data, size, max_size, to, copy, len);
    case 1: return drop(data, size, at, len);
    case 2: /* moved */
        size = drop(data, size, at, len);
        return insert(data, size, max_size, to > at ? to - len : to, copy, len);
    case 3: data[at] = (uint8_t)next_random(&seed); return size;
    case 4: /* a new one */
        copy[0] = (uint8_t)next_random(&seed);
        copy[1] = (uint8_t)(next_random(&seed) % FRESH);
        for (size_t i = 0; i < copy[1]; i++)
            copy[STEP_HEAD + i] = (uint8_t)next_random(&seed);
        return insert(data, size, max_size, to, copy, STEP_HEAD + (size_t)copy[1]);
    default: return change(data, size, max_size, at, end);
    }
}

size_t fuzz_cross_steps(struct fuzz_bytes a, struct fuzz_bytes b, uint8_t *out, size_t max_size,
                        unsigned seed, size_t head)
{
    static struct map map;
    map_steps(a.at, fuzz_left(&a), head, &map);
    size_t first = map.at[next_random(&seed) % (map.n + 1)];
    map_steps(b.at, fuzz_left(&b), head, &map);
    size_t from = map.at[next_random(&seed) % (map.n + 1)], second = fuzz_left(&b) - from;
    first = first < max_size ? first : max_size;
    second = second < max_size - first ? second : max_size - first;
    memcpy(out, a.at, first);
    if (second)
        memcpy(out + first, b.at + from, second);
    return first + second;
}
