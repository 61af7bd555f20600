#include "broker/peers/bus.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <zmq.h>

#include "proto/base/fault.h"
#include "proto/base/mem.h"

enum {
    SEND_HWM =
        1000, /* frames; what of messages a peer that stalls may hold in memory is bounded before (peer.h) */
    ROUTE_SIZE = 5, /* an automatic routing id: a zero byte, then 32 bits */
    ENDPOINT_SIZE = 512,
    WATCHED = 2,
};

struct rj_bus {
    void *context;
    void *sockets[RJ_BUS_SIDES];
    char endpoints[RJ_BUS_SIDES][ENDPOINT_SIZE];
    int watched[WATCHED];
    zmq_msg_t message; /* the frame handed out last */
};

static bool set_option(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

/* Frames of one connection that wait to be read: memory that a peer can take. Backends are many, and send
 * what they like. */
static const int receive_hwm[RJ_BUS_SIDES] = {[RJ_BUS_GATEWAYS] = 1000, [RJ_BUS_BACKENDS] = 100};

static bool configure(void *socket, enum rj_bus_side side, size_t max_frame_bytes)
{
    /* Twice the limit comes through, so that a frame somewhat too large gets an answer instead of a cut. */
    int64_t max_size = (int64_t)max_frame_bytes * 2;
    return zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max_size, sizeof max_size) == 0 &&
           set_option(socket, ZMQ_ROUTER_MANDATORY, 1) && set_option(socket, ZMQ_PROBE_ROUTER, 1) &&
           set_option(socket, ZMQ_LINGER, 0) && set_option(socket, ZMQ_SNDHWM, SEND_HWM) &&
           set_option(socket, ZMQ_RCVHWM, receive_hwm[side]);
}

static enum rj_status bind_failed(struct rj_buf *why, const char *endpoint)
{
    int code = zmq_errno();
    rj_buf_printf(why, "cannot bind %s: %s", endpoint, zmq_strerror(code));
    switch (code) {
    case EADDRINUSE: return RJ_CONFLICT;
    case EINVAL:
    case EPROTONOSUPPORT:
    case ENOCOMPATPROTO: return RJ_BAD_REQUEST;
    default: return RJ_IO;
    }
}

enum rj_status rj_bus_open(const struct rj_bus_options *options, struct rj_bus **out, struct rj_buf *why)
{
    struct rj_bus *bus = rj_calloc(1, sizeof *bus);
    enum rj_status status;
    memcpy(bus->watched, options->watched, sizeof bus->watched);
    zmq_msg_init(&bus->message);
    bus->context = zmq_ctx_new();
    if (!bus->context) {
        rj_buf_put_str(why, "cannot create a ZeroMQ context");
        status = RJ_IO;
        goto failed;
    }
    for (int side = 0; side < RJ_BUS_SIDES; side++) {
        const char *endpoint = options->endpoints[side];
        bus->sockets[side] = zmq_socket(bus->context, ZMQ_ROUTER);
        if (!bus->sockets[side] ||
            !configure(bus->sockets[side], (enum rj_bus_side)side, options->max_frame_bytes) ||
            zmq_bind(bus->sockets[side], endpoint) != 0) {
            status = bind_failed(why, endpoint);
            goto failed;
        }
        size_t size = ENDPOINT_SIZE;
        zmq_getsockopt(bus->sockets[side], ZMQ_LAST_ENDPOINT, bus->endpoints[side], &size);
    }
    *out = bus;
    return RJ_OK;

failed:
    rj_bus_close(&bus, 0);
    return status;
}

void rj_bus_close(struct rj_bus **bus_, int linger_ms)
{
    struct rj_bus *bus = *bus_;
    *bus_ = NULL;
    if (!bus)
        return;
    for (int side = 0; side < RJ_BUS_SIDES; side++) {
        if (!bus->sockets[side])
            continue;
        set_option(bus->sockets[side], ZMQ_LINGER, linger_ms);
        zmq_close(bus->sockets[side]);
    }
    zmq_msg_close(&bus->message);
    if (bus->context)
        zmq_ctx_term(bus->context);
    free(bus);
}

const char *rj_bus_endpoint(const struct rj_bus *bus, enum rj_bus_side side)
{
    return bus->endpoints[side];
}

void rj_bus_wait(struct rj_bus *bus, bool wants_frames, long timeout_ms)
{
    short frames = wants_frames ? ZMQ_POLLIN : 0;
    zmq_pollitem_t items[WATCHED + RJ_BUS_SIDES] = {
        {.fd = bus->watched[0], .events = ZMQ_POLLIN},
        {.fd = bus->watched[1], .events = ZMQ_POLLIN},
        {.socket = bus->sockets[RJ_BUS_GATEWAYS], .events = frames},
        {.socket = bus->sockets[RJ_BUS_BACKENDS], .events = frames},
    };
    zmq_poll(items, wants_frames ? WATCHED + RJ_BUS_SIDES : WATCHED, timeout_ms);
}

/* Receives the next part into `part`; false when there is none. */
static bool receive_part(void *socket, zmq_msg_t *part)
{
    int got;
    do {
        got = zmq_msg_recv(part, socket, ZMQ_DONTWAIT);
    } while (got < 0 && zmq_errno() == EINTR);
    return got >= 0;
}

static bool read_route(zmq_msg_t *part, uint32_t *route)
{
    const uint8_t *bytes = zmq_msg_data(part);
    if (zmq_msg_size(part) != ROUTE_SIZE || bytes[0] != 0)
        return false;
    memcpy(route, bytes + 1, sizeof *route);
    return true;
}

bool rj_bus_receive(struct rj_bus *bus, enum rj_bus_side side, struct rj_bus_frame *frame)
{
    void *socket = bus->sockets[side];
    zmq_msg_t *part = &bus->message;
    *frame = (struct rj_bus_frame){0};
    if (!receive_part(socket, part))
        return false;
    frame->is_malformed = !read_route(part, &frame->route) || !zmq_msg_more(part);
    size_t parts = 0;
    while (zmq_msg_more(part)) { /* ZeroMQ hands out messages whole: the further parts are there */
        if (!receive_part(socket, part))
            break;
        parts++;
    }
    frame->is_malformed |= parts != 1;
    if (!frame->is_malformed)
        frame->data = rj_span_of(zmq_msg_data(part), zmq_msg_size(part));
    return true;
}

static int send_part(void *socket, const void *data, size_t len, int flags)
{
    int sent;
    do {
        sent = zmq_send(socket, data, len, flags | ZMQ_DONTWAIT);
    } while (sent < 0 && zmq_errno() == EINTR);
    return sent;
}

enum rj_status rj_bus_send(struct rj_bus *bus, enum rj_bus_side side, uint32_t route, struct rj_span frame)
{
    uint8_t name[ROUTE_SIZE] = {0};
    memcpy(name + 1, &route, sizeof route);
    if (RJ_FAULT(BUS_SEND_AGAIN))
        return RJ_BUSY;
    /* With ROUTER_MANDATORY the first part finds the peer; what follows it goes the same way or, when the
     * peer has gone between the two, nowhere. */
    if (send_part(bus->sockets[side], name, sizeof name, ZMQ_SNDMORE) < 0)
        return zmq_errno() == EAGAIN ? RJ_BUSY : RJ_CLOSED;
    if (send_part(bus->sockets[side], frame.data, frame.len, 0) < 0)
        return zmq_errno() == EAGAIN ? RJ_BUSY : RJ_CLOSED;
    return RJ_OK;
}
