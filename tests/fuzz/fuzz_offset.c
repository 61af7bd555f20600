#include "proto/offset.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rj_offset offset = {1, 2};
    enum rj_status status = rj_offset_parse(rj_span_of(data, size), &offset);
    if (status != RJ_OK) {
        HOLDS(status == RJ_BAD_REQUEST && offset.epoch == 1 && offset.pos == 2);
        return 0;
    }
    /* One offset has one text. */
    char text[RJ_OFFSET_MAX + 1];
    size_t len = rj_offset_format(offset, text);
    HOLDS(rj_span_eq(rj_span_of(text, len), rj_span_of(data, size)));
    return 0;
}
