#include "proto/base/quantity.h"

#include <ctype.h>

struct unit {
    const char *name; /* NULL ends a list */
    uint64_t factor;
    bool is_printed;
};

/* In each list the factors grow. */
static const struct unit counts[] = {
    {"", 1, true}, {"k", 1000, false}, {"m", 1000000, false}, {"g", 1000000000, false}, {0}};
static const struct unit times[] = {{"", 1, false},
                                    {"ms", 1, true},
                                    {"s", 1000, true},
                                    {"m", 60 * 1000, true},
                                    {"h", 3600 * 1000, true},
                                    {"d", 86400 * 1000, true},
                                    {"w", 7 * 86400 * 1000, false},
                                    {0}};
static const struct unit bytes[] = {{"", 1, true},
                                    {"k", 1000, false},
                                    {"kB", 1000, true},
                                    {"KiB", 1 << 10, true},
                                    {"m", 1000000, false},
                                    {"MB", 1000000, true},
                                    {"MiB", 1 << 20, true},
                                    {"g", 1000000000, false},
                                    {"GB", 1000000000, true},
                                    {"GiB", 1 << 30, true},
                                    {0}};

static const struct unit *units_of(enum rj_quantity kind)
{
    switch (kind) {
    case RJ_QUANTITY_TIME: return times;
    case RJ_QUANTITY_BYTES: return bytes;
    case RJ_QUANTITY_COUNT: break;
    }
    return counts;
}

enum rj_status rj_quantity_parse(enum rj_quantity kind, struct rj_span text, uint64_t *out)
{
    uint64_t value = 0;
    size_t at = 0;
    bool is_over = false;
    for (; at < text.len && isdigit(text.data[at]); at++)
        is_over |= __builtin_mul_overflow(value, 10U, &value) ||
                   __builtin_add_overflow(value, (unsigned)(text.data[at] - '0'), &value);
    const struct unit *unit = units_of(kind);
    while (unit->name && !rj_span_is(rj_span_from(text, at), unit->name))
        unit++;
    if (at == 0 || !unit->name)
        return RJ_BAD_REQUEST;
    if (is_over || __builtin_mul_overflow(value, unit->factor, &value))
        return RJ_TOO_LARGE;
    *out = value;
    return RJ_OK;
}

void rj_quantity_print(enum rj_quantity kind, uint64_t value, struct rj_buf *out)
{
    const struct unit *best = units_of(kind);
    for (const struct unit *unit = best; value && unit->name; unit++)
        if (unit->is_printed && value % unit->factor == 0)
            best = unit;
    rj_buf_printf(out, "%llu%s", (unsigned long long)(value / best->factor), best->name);
}
