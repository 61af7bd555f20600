#include "proto/wire.h"
#include "tests/fuzz/fuzz.h"

enum { LIMIT = 1 << 20 };

/* What was understood is written and read again: it says the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rj_arena arena = {0};
    struct rj_wire_out out = {0};
    Rejoin__Batch *batch, *again;
    enum rj_status status = rj_wire_unpack(rj_span_of(data, size), LIMIT, &arena, &batch);
    HOLDS(status == RJ_OK || status == RJ_BAD_REQUEST || status == RJ_VERSION || status == RJ_TOO_LARGE);
    if (status == RJ_OK) {
        for (size_t i = 0; i < batch->n_items; i++)
            rj_wire_put(&out, batch->items[i]);
        HOLDS(out.items == batch->n_items);
        rj_wire_seal(&out, batch->number, batch->upto);
        HOLDS(rj_wire_unpack(rj_buf_span(&out.frame), SIZE_MAX, &arena, &again) == RJ_OK);
        HOLDS(again->number == batch->number && again->upto == batch->upto);
        HOLDS(again->n_items == batch->n_items);
        for (size_t i = 0; i < batch->n_items; i++)
            HOLDS(again->items[i]->kind_case == batch->items[i]->kind_case);
    }
    rj_wire_free(&out);
    rj_arena_free(&arena);
    return 0;
}
