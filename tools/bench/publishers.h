/* Those who publish: each keeps at most a window of publishes unacknowledged, and all together may keep a
 * bound on what the members have not got yet: acks tell of the disk, not of the members, so that without the
 * bound a backend would pile up a backlog of minutes. Without a rate they publish whenever this lets them.
 * With one, publishes fall due at even intervals, in turn, and carry the time at which they were due: what a
 * full window holds up is counted as latency, as a user would feel it.
 *
 * How a publish travels is the owner's business; it tells of acks, which come in the order of the publishes.
 */
#ifndef RJ_BENCH_PUBLISHERS_H
#define RJ_BENCH_PUBLISHERS_H

#include <stdbool.h>

#include "tools/bench/histogram.h"

struct publishers_plan {
    uint32_t n, window;
    uint32_t most_undelivered; /* of all together; 0: no bound */
    uint64_t most;             /* publishes of all together, and then no more; 0: no bound */
    double rate;               /* publishes a second, of all together; 0: as fast as the windows let them */
    /* Starts publish `id` (1, 2, 3 … of each publisher). False: it cannot, and publishing ends. */
    bool (*send)(void *ctx, uint32_t publisher, uint64_t id, uint64_t stamp_us);
    void *ctx;
};

struct publisher {
    uint64_t sent, acked;
};

struct publishers {
    struct publishers_plan plan;
    struct publisher *list;
    uint64_t *stamps; /* `window` for each, by id */
    bool is_on;
    uint64_t began_us;
    uint32_t turn; /* whose turn it is */
    uint64_t sent, acked;
    uint64_t delivered; /* publishes that have come to the members, told by the owner before each turn */
    uint64_t failed;    /* refused, or could not be sent */
    uint64_t strange;   /* acks that nobody waited for */
    bool is_measured;   /* whether `ack` is filled */
    struct histogram ack;
};

void publishers_init(struct publishers *publishers, const struct publishers_plan *plan);
void publishers_free(struct publishers *publishers);

void publishers_start(struct publishers *publishers);
void publishers_stop(struct publishers *publishers);

/* Sends what is due; microseconds until the next is, at most `most_us`. Called once a turn. */
uint64_t publishers_turn(struct publishers *publishers, uint64_t most_us);

void publishers_on_ack(struct publishers *publishers, uint32_t publisher, uint64_t id, bool is_ok);

#endif
