/* One side of `rpc`: callers, and whoever answers each call by its own arguments. Either Socket.IO clients,
 * with a gateway, a broker and a backend behind them or the bare echo server; or this process as a backend
 * that sends notes through the broker alone. What it did, slice by slice, in the cell that is being measured.
 */
#ifndef RJ_BENCH_RPC_SIDE_H
#define RJ_BENCH_RPC_SIDE_H

#include "tools/bench/cost.h"
#include "tools/bench/publishers.h"
#include "tools/bench/spread.h"

struct rejoin;

/* What a slice is. */
struct rpc_slice {
    double rate; /* calls a second of all callers; 0: as fast as the windows let them */
    double warm_s, seconds;
};

/* What came of a cell's slices. */
struct rpc_sums {
    uint64_t answered;
    struct spread rate, p50_us, p99_us; /* of each slice */
    struct histogram call;              /* of all */
    struct cost cost;
};

struct rpc_side {
    uint32_t callers, window, size; /* window of each; bytes of data in a call */
    const struct procs *procs;      /* what its calls cost */
    struct load load;               /* the callers; without any, what waits for `broker` */
    struct rejoin *broker;          /* NULL: the callers are clients */
    struct publishers calls;        /* of the slice that runs */
    struct rj_buf text;             /* of the call being made */
    uint64_t wrong;                 /* calls that were answered otherwise than expected, or not at all */
    struct rpc_sums sums;
};

/* `callers` clients, connected to the targets of `procs`. False, told on stderr; close in any case. */
bool rpc_side_open_clients(struct rpc_side *side, const struct procs *procs, uint32_t callers,
                           uint32_t window, uint32_t size);

/* One caller, a backend that sends notes. The same. */
bool rpc_side_open_notes(struct rpc_side *side, const struct procs *procs, uint32_t window, uint32_t size);

void rpc_side_close(struct rpc_side *side);

/* Calls for a slice, waits for all answers and adds to the sums. False, told on stderr. */
bool rpc_side_run(struct rpc_side *side, const struct rpc_slice *slice);

#endif
