/* The drain: how a gateway that is told to end moves its clients off.
 *
 * The listener is closed and new sessions are refused; those that are there lose their transport (without 41,
 * so that they reconnect elsewhere), a share with each tick, so that the other gateways get them spread over
 * `drain-spread` instead of all at once. When none is left, or when it has taken far too long, the gateway
 * ends. A second signal ends the process at once.
 */
#ifndef RJ_DRAIN_H
#define RJ_DRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rj_gateway;

/* Zero-initialise: not draining. */
struct rj_drain {
    bool is_on;
    uint64_t began_ms; /* monotonic */
    uint64_t until_ms; /* by then everybody is off */
    size_t connections, dropped;
};

/* On SIGTERM or SIGINT `number`. */
void rj_drain_on_signal(struct rj_gateway *gateway, int number);

/* Once a tick; stops the loop when nobody is left. */
void rj_drain_tick(struct rj_gateway *gateway, uint64_t now_ms);

/* How many of `connections` may have been dropped `elapsed_ms` after the begin of a drain that is spread over
 * `spread_ms`: evenly, but never slower than what harms nobody anyway. */
size_t rj_drain_due(size_t connections, uint64_t elapsed_ms, uint64_t spread_ms);

#endif
