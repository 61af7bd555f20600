/* Warming: touching the pages that a call on the owner's thread is going to look at, so that it will not wait
 * for the disk. A reader thread does it; it changes nothing, finds nothing and cannot fail.
 */
#ifndef RJ_WARM_H
#define RJ_WARM_H

#include "storage/env.h"

/* What to touch, with copies of its keys. */
struct rj_warm {
    struct rj_store_warm what;
    uint8_t keys[];
};

struct rj_warm *rj_warm_new(const struct rj_store_warm *what);

/* `rest` as a reading's. */
void rj_warm_run(const struct rj_warm *warm, const struct rj_env *env, struct rj_reader *reader,
                 void (*rest)(void *ctx, struct rj_reader *reader), void *ctx);

#endif
