/* Members in rooms, publishers, and what passes between them: what `fanout` and `pairs` are made of, against
 * the real processes and against the floor alike.
 */
#ifndef RJ_BENCH_TRAFFIC_H
#define RJ_BENCH_TRAFFIC_H

#include "tools/bench/backend.h"
#include "tools/bench/cost.h"
#include "tools/bench/members.h"
#include "tools/bench/publishers.h"

struct traffic_plan {
    uint32_t members, members_a_room;
    uint32_t publishers;       /* the first ones of the members, each in its room; 0: somebody else does */
    bool is_backend;           /* one backend publishes instead, to room 0 */
    uint32_t window;           /* of a publisher */
    uint32_t most_undelivered; /* messages on their way to the members, on average; 0: no bound */
    uint32_t size;             /* bytes of data */
    double rate;               /* publishes a second, of all; 0: no bound but the windows */
    uint32_t sample_every;     /* every how many-th member takes the time of its deliveries */
    uint32_t n_narrow;         /* the last so many members have little room for what they do not read */
    bool are_own_skipped;      /* what comes back to its sender does not count as latency */
};

struct traffic {
    struct traffic_plan plan;
    struct load load;
    struct members members;
    struct publishers publishers;
    struct backend *backend;
    uint64_t *stored;   /* acknowledged as stored, by room */
    struct rj_buf text; /* of the publish being sent */
    uint64_t ack_bytes; /* of packets that acknowledge a publish */
    struct histogram delivery;
    bool is_measured;
};

/* What was seen in the measured time. */
struct traffic_result {
    double wall_s, deliveries, publishes;
    struct cost cost;
};

/* Connects and joins. False, told on stderr; end with traffic_close in any case. */
bool traffic_open(struct traffic *traffic, const struct traffic_plan *plan, const struct procs *procs);
void traffic_close(struct traffic *traffic);

/* Starts publishing, lets `warm_s` pass and measures for `seconds`. */
struct traffic_result traffic_measure(struct traffic *traffic, const struct procs *procs, double warm_s,
                                      double seconds);

/* The same in parts: publishing begins; it goes on for a while, measured or not, and what was measured is
 * taken out, so that the next part starts at nothing. */
void traffic_start(struct traffic *traffic);
void traffic_run(struct traffic *traffic, double seconds);
void traffic_take(struct traffic *traffic, struct histogram *ack, struct histogram *delivery);

/* Stops publishing and waits, within a deadline, for all that is on its way. */
void traffic_drain(struct traffic *traffic);

/* After the drain: messages that were acknowledged and that some member did not get. */
uint64_t traffic_missed(const struct traffic *traffic);

/* After the drain: every member got every message once, in order, and nothing failed. */
bool traffic_is_good(const struct traffic *traffic);

/* Bytes of one delivery and of one ack on the wire, frame header included; the mean of the whole run. */
size_t traffic_delivery_bytes(const struct traffic *traffic);
size_t traffic_ack_bytes(const struct traffic *traffic);

/* Latencies, and CPU for each delivery and publish. */
void traffic_report(const struct traffic *traffic, const struct traffic_result *result,
                    const struct procs *procs, struct report *r);

/* What went wrong, each as a count. */
void traffic_report_faults(const struct traffic *traffic, struct report *r);

#endif
