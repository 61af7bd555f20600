/* The floor: what the machine itself gives, so that a figure of the server's means something. A bare process
 * sends frames of the same size to as many sockets, and the same load client reads them.
 */
#ifndef RJ_BENCH_FLOOR_H
#define RJ_BENCH_FLOOR_H

#include "tools/bench/report.h"

struct floor_result {
    double deliveries_per_s;
    double server_us; /* CPU per delivery */
    double load_us;
};

/* `frames_per_write` frames of `frame_bytes` in each send, round robin over `connections`, as fast as it
 * goes. */
bool floor_fanout(uint32_t connections, size_t frame_bytes, unsigned frames_per_write, double seconds,
                  struct floor_result *out);

/* Anonymous and resident memory per idle connection of a bare epoll server. */
bool floor_idle(uint32_t connections, double *anon_bytes, double *rss_bytes);

void floor_report(struct report *r, const char *key, const struct floor_result *result);

#endif
