/* The first look at a request's head. However much of it has come, the verdict is the same in the end: what
 * is bad or too long at some byte stays so.
 */
#include "gateway/frontends/head.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_BYTES = 200, MAX_LINES = 6 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t most = size < MAX_BYTES + 1 ? size : MAX_BYTES + 1;
    uint8_t *copy = malloc(most); /* what is looked at ends where it ends, so that a read past it is seen */
    HOLDS(copy || !most);
    enum rj_head verdict = RJ_HEAD_MORE;
    for (size_t len = 0; len <= most; len++) {
        uint8_t *exact = copy + (most - len);
        memcpy(exact, data, len);
        enum rj_head next = rj_head_look(rj_span_of(exact, len), MAX_BYTES, MAX_LINES);
        HOLDS(next <= RJ_HEAD_TOO_LONG);
        HOLDS(verdict != RJ_HEAD_BAD || next == RJ_HEAD_BAD);
        HOLDS(verdict != RJ_HEAD_TOO_LONG || next == RJ_HEAD_TOO_LONG || next == RJ_HEAD_BAD);
        HOLDS(verdict != RJ_HEAD_WHOLE || next == RJ_HEAD_WHOLE || next == RJ_HEAD_BAD);
        HOLDS(len <= MAX_BYTES || next != RJ_HEAD_MORE);
        verdict = next;
    }
    free(copy);
    return 0;
}
