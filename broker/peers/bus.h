/* The bus: the two ROUTER sockets of the broker, and the only user of zmq.h here.
 *
 * It moves frames and knows nothing of what is in them. Every message is one frame; a peer is named by the
 * 32 bits that ZeroMQ gave its connection (automatic routing ids), fresh for every connection, so a name
 * never comes back for another peer. Nothing blocks: sending answers at once whether the frame was taken.
 * ZeroMQ's own heartbeats stay off: on a ROUTER they can abort the process.
 */
#ifndef RJ_BUS_H
#define RJ_BUS_H

#include "proto/base/buf.h"
#include "proto/base/status.h"

struct rj_bus;

enum rj_bus_side { RJ_BUS_GATEWAYS, RJ_BUS_BACKENDS, RJ_BUS_SIDES };

struct rj_bus_options {
    const char *endpoints[RJ_BUS_SIDES];
    size_t max_frame_bytes; /* frames up to this, and some above, come through; a peer that sends one far
                               above is cut off by ZeroMQ before memory is taken */
    int watched[2];         /* other descriptors that rj_bus_wait looks at */
};

/* Binds both sockets. Errors: RJ_CONFLICT (an address is in use), RJ_BAD_REQUEST (no endpoint), RJ_IO; a
 * sentence is appended to `why`. */
enum rj_status rj_bus_open(const struct rj_bus_options *options, struct rj_bus **out, struct rj_buf *why);

/* Closes the sockets; what is queued has `linger_ms` to leave. Takes and nulls. */
void rj_bus_close(struct rj_bus **bus, int linger_ms);

/* The endpoint that was bound, with the real port when a wildcard was asked for. Valid until close. */
const char *rj_bus_endpoint(const struct rj_bus *bus, enum rj_bus_side side);

/* Sleeps until a frame came (looked at only with `wants_frames`), a watched descriptor is readable or the
 * time is over. */
void rj_bus_wait(struct rj_bus *bus, bool wants_frames, long timeout_ms);

struct rj_bus_frame {
    uint32_t route;      /* who sent it */
    struct rj_span data; /* valid until the next call */
    bool is_malformed;   /* several parts, or no automatic routing id: data is empty, route may be 0 */
};

/* Takes one frame; false when there is none now. */
bool rj_bus_receive(struct rj_bus *bus, enum rj_bus_side side, struct rj_bus_frame *frame);

/* RJ_OK: taken (it may still be lost, as anything on a link). RJ_BUSY: the peer's pipe is full.
 * RJ_CLOSED: there is no such peer any more. */
enum rj_status rj_bus_send(struct rj_bus *bus, enum rj_bus_side side, uint32_t route, struct rj_span frame);

#endif
