#include "storage/limits.h"

#include <stdlib.h>

#include "proto/base/mem.h"
#include "storage/hash.h"

void rj_limits_init(struct rj_limits *limits, const struct rj_store_options *options)
{
    size_t n = options->n_limits;
    *limits = (struct rj_limits){
        .list = rj_calloc(n + 1, sizeof *limits->list),
        .n = n,
        .pick = options->pick,
        .ctx = options->pick_ctx,
    };
    if (n)
        memcpy(limits->list, options->limits, n * sizeof *limits->list);
    limits->list[n].age_ms = options->retention_ms;
    if (n)
        limits->id = rj_hash(options->limits_id,
                             rj_span_of((const uint8_t *)limits->list, (n + 1) * sizeof *limits->list));
}

void rj_limits_free(struct rj_limits *limits)
{
    free(limits->list);
    *limits = (struct rj_limits){0};
}

bool rj_limits_vary(const struct rj_limits *limits)
{
    return limits->n > 0;
}

size_t rj_limits_of(const struct rj_limits *limits, struct rj_span key)
{
    size_t picked = limits->n ? limits->pick(limits->ctx, key) : 0;
    return picked < limits->n ? picked : limits->n;
}

uint64_t rj_limits_longest_age(const struct rj_limits *limits)
{
    uint64_t longest = 0;
    for (size_t i = 0; i <= limits->n; i++) {
        if (limits->list[i].age_ms == 0)
            return 0;
        if (limits->list[i].age_ms > longest)
            longest = limits->list[i].age_ms;
    }
    return longest;
}
