/* Inputs that are a sequence of steps: a byte that says what to do, a byte for a length, and so many bytes
 * that say how. The mutators keep whole steps whole: they double, drop, swap and splice them, or change one.
 */
#ifndef RJ_FUZZ_STEPS_H
#define RJ_FUZZ_STEPS_H

#include <stdbool.h>

#include "tests/fuzz/bytes.h"

struct fuzz_step {
    uint8_t what;
    struct fuzz_bytes how;
};

/* False at the end. */
bool fuzz_next_step(struct fuzz_bytes *input, struct fuzz_step *step);

/* What libFuzzer asks for; `head` is the number of bytes before the first step. */
size_t fuzz_mutate_steps(uint8_t *data, size_t size, size_t max_size, unsigned seed, size_t head);
size_t fuzz_cross_steps(struct fuzz_bytes a, struct fuzz_bytes b, uint8_t *out, size_t max_size,
                        unsigned seed, size_t head);

#endif
