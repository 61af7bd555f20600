/* One side of `publish`: a broker of its own with this process as its only backend, or the bare floor; and
 * what it did, slice by slice, in the cell that is being measured.
 */
#ifndef RJ_BENCH_PUBLISH_SIDE_H
#define RJ_BENCH_PUBLISH_SIDE_H

#include "tools/bench/backend.h"
#include "tools/bench/cost.h"
#include "tools/bench/publishers.h"
#include "tools/bench/spread.h"
#include "tools/bench/store_draws.h"
#include "tools/bench/store_floor.h"

/* What a slice is. */
struct publish_slice {
    double rate; /* publishes a second; 0: as fast as the window lets them */
    double warm_s, seconds;
};

/* What came of a cell's slices. */
struct publish_sums {
    uint64_t acked;
    struct spread rate, p50_us, p99_us; /* of each slice */
    struct histogram ack;               /* of all */
    struct spread a_commit;             /* publishes for each commit */
    struct cost cost;
};

/* A broker. */
struct publish_side {
    struct procs_plan plan;
    struct procs procs;
    struct backend *backend;
    struct publishers publishers; /* of the slice that runs */
    const struct store_draws *draws;
    uint32_t size, window;
    bool is_filling;      /* rooms come in their order, instead of as they are drawn */
    uint64_t sent, acked; /* since the start */
    uint64_t failed;      /* refused, or acknowledged out of order */
    struct publish_sums sums;
};

/* Starts the processes and connects. False, told on stderr; close in any case. */
bool publish_side_open(struct publish_side *side, const struct procs_plan *plan,
                       const struct store_draws *draws, uint32_t size, uint32_t window);

/* Leaves the broker to itself; nothing can be published any more. */
void publish_side_disconnect(struct publish_side *side);

/* False, told on stderr, when the broker did not end well. */
bool publish_side_close(struct publish_side *side);

/* The name of a room by its number. */
enum { PUBLISH_ROOM_SIZE = 32 };
void publish_room_name(uint32_t room, char out[PUBLISH_ROOM_SIZE]);

/* Publishes `n` messages as fast as it goes, to every room in turn. False, told on stderr. */
bool publish_side_fill(struct publish_side *side, uint64_t n);

/* Publishes for a slice, waits for all acks and adds to the sums. False, told on stderr. */
bool publish_side_run(struct publish_side *side, const struct publish_slice *slice);

/* Of the broker's counters; negative when it does not answer. */
double publish_side_metric(const struct publish_side *side, const char *name);

/* Writes and syncs `record` bytes for each message that is due: at the slice's rate whatever has fallen due
 * meanwhile at once, without a rate `batch` of them. False, told on stderr. */
bool publish_floor_run(struct store_floor *bare, const struct publish_slice *slice, size_t record,
                       uint32_t batch, struct publish_sums *sums);

#endif
