#include "proto/wire.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/grow.h"

enum { LIMIT = 1 << 20 };

static bool say_the_same(const Rejoin__Item *a, const Rejoin__Item *b)
{
    struct rj_buf bytes_a = {0}, bytes_b = {0};
    rj_wire_pack(&a->base, &bytes_a);
    rj_wire_pack(&b->base, &bytes_b);
    bool is_same = rj_span_eq(rj_buf_span(&bytes_a), rj_buf_span(&bytes_b));
    rj_buf_free(&bytes_a);
    rj_buf_free(&bytes_b);
    return is_same;
}

/* Items and commands of every kind, grown from the same bytes, arrive as they were sent. */
static void try_grown(const uint8_t *data, size_t size)
{
    struct fuzz_bytes bytes = fuzz_bytes(data, size);
    struct fuzz_seen seen = {0};
    struct rj_arena arena = {0};
    struct rj_wire_out out = {0};
    Rejoin__Batch *read;
    Rejoin__Batch *batch =
        (Rejoin__Batch *)(void *)fuzz_grow(&rejoin__batch__descriptor, 0, &bytes, &seen, &arena);
    for (size_t i = 0; i < batch->n_items; i++)
        rj_wire_put(&out, batch->items[i]);
    rj_wire_seal(&out, batch->number, batch->upto);
    HOLDS(rj_wire_unpack(rj_buf_span(&out.frame), SIZE_MAX, &arena, &read) == RJ_OK);
    HOLDS(read->n_items == batch->n_items && read->number == batch->number && read->upto == batch->upto);
    for (size_t i = 0; i < batch->n_items; i++)
        HOLDS(say_the_same(read->items[i], batch->items[i]));
    rj_wire_free(&out);
    rj_arena_free(&arena);
}

/* What was understood is written and read again: it says the same. */
static void try_frame(const uint8_t *data, size_t size)
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
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_frame(data, size);
    try_grown(data, size);
    return 0;
}
