/* Numbers as people write them: digits, and right behind them a unit. What settings, rules and command lines
 * take is read here, so that `7d` and `64KiB` mean the same wherever they stand. Pure.
 */
#ifndef RJ_QUANTITY_H
#define RJ_QUANTITY_H

#include "proto/base/buf.h"
#include "proto/base/status.h"

enum rj_quantity {
    RJ_QUANTITY_COUNT, /* k, m, g, 1000-based; none: 1 */
    RJ_QUANTITY_TIME,  /* to milliseconds: ms, s, m, h, d, w; none: ms */
    RJ_QUANTITY_BYTES, /* k, m, g and kB, MB, GB, 1000-based; KiB, MiB, GiB, 1024-based; none: 1 */
};

/* The units as a message tells them. */
#define RJ_QUANTITY_COUNT_UNITS "k, m or g"
#define RJ_QUANTITY_TIME_UNITS  "ms, s, m, h, d or w"
#define RJ_QUANTITY_BYTES_UNITS "kB, MB, GB, KiB, MiB or GiB"

/* RJ_BAD_REQUEST: no whole number with one of the units behind it. RJ_TOO_LARGE: it is one, above 64 bits. */
enum rj_status rj_quantity_parse(enum rj_quantity kind, struct rj_span text, uint64_t *out);

/* Appends the value with the largest unit that leaves a whole number (never weeks, which people read less
 * easily than days); a count as it is. rj_quantity_parse reads it back as the same value. */
void rj_quantity_print(enum rj_quantity kind, uint64_t value, struct rj_buf *out);

#endif
