/* What every benchmark gets, and the list of them. Each is one file and one row of the table in bench.c. */
#ifndef RJ_BENCH_H
#define RJ_BENCH_H

#include "tools/bench/procs.h"
#include "tools/bench/report.h"

struct bench_options {
    uint32_t members;     /* of the room */
    uint32_t rooms;       /* of two */
    uint32_t connections; /* idle */
    uint32_t publishers;
    bool is_backend; /* the publisher is one */
    uint32_t window; /* publishes under way: fanout of all, pairs of each client */
    uint32_t size;   /* bytes of data in a message */
    double rate;     /* publishes a second; 0: as many as the windows let through */
    double seconds;
    uint32_t repeat;
    struct procs_plan procs;
};

/* One run. */
struct bench {
    const struct bench_options *options;
    struct report *report;
    uint64_t missed, doubled; /* of all runs so far */
};

/* False: it could not run, or something was missed, doubled or lost; the reason is in the report or on
 * stderr. */
typedef bool bench_run(struct bench *bench);

bench_run bench_fanout, bench_pairs, bench_idle;

#endif
