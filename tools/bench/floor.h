/* The floor: what the machine itself gives, so that a figure of the server's means something. A bare epoll
 * process in one thread, without parsing beyond what it needs and without a product around it, serves the
 * same load client: it floods one room (fanout), passes on between two (pairs), answers calls with their own
 * arguments (rpc), or does nothing (idle).
 */
#ifndef RJ_BENCH_FLOOR_H
#define RJ_BENCH_FLOOR_H

#include "tools/bench/procs.h"

enum floor_kind { FLOOR_IDLE, FLOOR_FLOOD, FLOOR_RELAY, FLOOR_ECHO };

struct floor_plan {
    enum floor_kind kind;
    uint32_t connections;
    size_t delivery_bytes, ack_bytes; /* of a frame on the wire */
    unsigned frames_per_write;        /* flood: 1, or how many go into one send */
    bool is_coalesced;                /* relay, echo: one send for all that a turn has for a connection */
    bool is_logged;  /* relay: a turn's messages are on disk before any of its frames leaves */
    const char *dir; /* where the log goes; NULL: TMPDIR or /tmp */
};

struct floor {
    struct procs procs; /* the bare server alone, to be measured */
    char dir[128];      /* of its log; empty: none */
};

/* Starts the bare server. False, told on stderr; end with floor_stop in any case. */
bool floor_start(struct floor *bare, const struct floor_plan *plan);
void floor_stop(struct floor *bare);

#endif
