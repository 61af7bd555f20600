/* What every benchmark gets, and the list of them. Each is one file and one row of the table in bench.c. */
#ifndef RJ_BENCH_H
#define RJ_BENCH_H

#include "tools/bench/procs.h"
#include "tools/bench/report.h"

enum { BENCH_LIST_MAX = 16 };

struct bench_list {
    uint32_t values[BENCH_LIST_MAX];
    unsigned n;
};

enum bench_trim { BENCH_TRIM_BOTH, BENCH_TRIM_ON, BENCH_TRIM_OFF };
enum bench_part { BENCH_PART_BOTH, BENCH_PART_WRITES, BENCH_PART_READS };

struct bench_options {
    uint32_t members;     /* of the room */
    uint32_t rooms;       /* pairs: of two */
    uint32_t connections; /* idle; rpc, clients that call */
    uint32_t publishers;
    bool is_backend; /* the publisher is one */
    uint32_t window; /* publishes or calls under way: fanout of all, pairs and rpc of each client */
    uint32_t size;   /* bytes of data in a message */
    double rate;     /* publishes a second; 0: as many as the windows let through */
    double seconds;
    uint32_t repeat;
    struct procs_plan procs;
    uint32_t sessions;   /* that come back */
    uint32_t rooms_each; /* of a session */
    bool is_warm;        /* replay: the log stays in memory */
    uint32_t messages;   /* to fill the log with */
    /* jitter, avalanche, rolling, slow */
    uint32_t per_client; /* messages a second that each client is sent */
    uint32_t cut_every_ms, cut_for_ms;
    uint32_t spread_ms; /* of a gateway's drain */
    uint32_t stuck;     /* clients that do not read */
    /* store, publish, rpc */
    uint32_t slices; /* that a cell's seconds are cut into */
    struct bench_list rooms_list, batches, rates;
    enum bench_trim trim;
    enum bench_part part;
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

bench_run bench_fanout, bench_pairs, bench_idle, bench_store, bench_publish, bench_replay, bench_rpc,
    bench_unread, bench_optimistic, bench_jitter, bench_avalanche, bench_rolling, bench_slow;

#endif
