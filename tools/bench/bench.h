/* What every benchmark gets, and the list of them. Each is one file and one row of the table in bench.c. */
#ifndef RJ_BENCH_H
#define RJ_BENCH_H

#include "tools/bench/cost.h"
#include "tools/bench/load.h"
#include "tools/bench/procs.h"
#include "tools/bench/report.h"

struct bench_options {
    uint32_t members;     /* of the room */
    uint32_t rooms;       /* of two */
    uint32_t connections; /* idle */
    uint32_t gateways;
    uint32_t window; /* publishes that a client has outstanding */
    uint32_t size;   /* bytes of data in a message */
    uint32_t repeat;
    double seconds;
};

struct bench {
    const struct bench_options *options;
    struct procs *procs;
    struct report *report;
};

/* False: it could not run, or messages were missing or doubled; the reason is in the report or on stderr. */
bool bench_fanout(struct bench *bench);
bool bench_pairs(struct bench *bench);
bool bench_idle(struct bench *bench);

/* ---- shared by those that publish */

/* Sends room:publish number `id` to `room`: data is the time in microseconds and padding up to `size`. */
void bench_publish(struct load_conn *conn, const char *room, uint64_t id, uint32_t size);

/* Reads a room:message: its seq and, when `sent_us` is not NULL, the time in its data. False: it is none. */
bool bench_message(struct rj_span text, uint64_t *seq, uint64_t *sent_us);

/* Whether an ack says ok; its id. */
bool bench_ack(struct rj_span text, uint64_t *id);

#endif
