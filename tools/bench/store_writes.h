/* Commits, a cell for each size of batch: the store beside its floor, in short slices that take turns. */
#ifndef RJ_BENCH_STORE_WRITES_H
#define RJ_BENCH_STORE_WRITES_H

#include "tools/bench/bench.h"

struct store_series {
    const char *dir;
    uint32_t rooms;
    bool is_zipf;
    bool is_trimmed; /* one record goes for each that comes */
};

/* One filled store, all batches; reports an object. False, told on stderr. */
bool store_writes_run(struct bench *bench, const struct store_series *series);

#endif
