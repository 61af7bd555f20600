#include "tests/fuzz/fake_bus.h"

#include <stdlib.h>
#include <utlist.h>

#include "proto/base/mem.h"
#include "tests/fuzz/fake_clock.h"
#include "tests/fuzz/fuzz.h"

enum { ROUTES_MAX = 1024 };

struct frame {
    uint32_t route;
    bool is_malformed;
    size_t len;
    struct frame *prev, *next;
    uint8_t data[];
};

struct route {
    enum rj_bus_side side;
    bool is_cut, is_blocked;
};

/* bus.h has no place for what the other end of it is. */
static struct {
    struct route routes[ROUTES_MAX];
    uint32_t n_routes;
    struct frame *waiting[RJ_BUS_SIDES];
    size_t n_waiting;
    struct frame *shown; /* handed out last */
} bus;

void fake_bus_reset(void)
{
    struct frame *frame, *next;
    for (int side = 0; side < RJ_BUS_SIDES; side++) {
        DL_FOREACH_SAFE (bus.waiting[side], frame, next) {
            DL_DELETE(bus.waiting[side], frame);
            free(frame);
        }
    }
    free(bus.shown);
    bus.shown = NULL;
    bus.n_routes = 0;
    bus.n_waiting = 0;
}

static struct route *find(uint32_t route)
{
    HOLDS(route >= 1 && route <= bus.n_routes);
    return &bus.routes[route - 1];
}

uint32_t fake_bus_connect(enum rj_bus_side side)
{
    HOLDS(bus.n_routes < ROUTES_MAX);
    bus.routes[bus.n_routes] = (struct route){.side = side};
    return ++bus.n_routes;
}

void fake_bus_cut(uint32_t route)
{
    find(route)->is_cut = true;
}

void fake_bus_block(uint32_t route, bool is_blocked)
{
    find(route)->is_blocked = is_blocked;
}

void fake_bus_push(uint32_t route, struct rj_span data, bool is_malformed)
{
    struct frame *frame = rj_alloc(sizeof *frame + data.len);
    *frame = (struct frame){.route = route, .is_malformed = is_malformed, .len = data.len};
    if (data.len)
        memcpy(frame->data, data.data, data.len);
    DL_APPEND(bus.waiting[find(route)->side], frame);
    bus.n_waiting++;
}

size_t fake_bus_waiting(void)
{
    return bus.n_waiting;
}

/* --------------------------------------------------------------------------------------------
 * broker/peers/bus.h
 */

enum rj_status rj_bus_open(const struct rj_bus_options *options, struct rj_bus **out, struct rj_buf *why)
{
    (void)options, (void)why;
    *out = (struct rj_bus *)(void *)&bus;
    return RJ_OK;
}

void rj_bus_close(struct rj_bus **taken, int linger_ms)
{
    (void)linger_ms;
    *taken = NULL;
}

const char *rj_bus_endpoint(const struct rj_bus *unused, enum rj_bus_side side)
{
    (void)unused, (void)side;
    return "fuzz";
}

void rj_bus_wait(struct rj_bus *unused, bool wants_frames, long timeout_ms)
{
    (void)unused, (void)wants_frames;
    fake_clock_pass((uint64_t)timeout_ms);
}

/* In the order in which they were sent, whoever sent them. */
bool rj_bus_receive(struct rj_bus *unused, enum rj_bus_side side, struct rj_bus_frame *out)
{
    (void)unused;
    struct frame *frame = bus.waiting[side];
    *out = (struct rj_bus_frame){0};
    if (!frame)
        return false;
    DL_DELETE(bus.waiting[side], frame);
    bus.n_waiting--;
    free(bus.shown);
    bus.shown = frame;
    out->route = frame->route;
    out->is_malformed = frame->is_malformed;
    if (!frame->is_malformed)
        out->data = rj_span_of(frame->data, frame->len);
    return true;
}

enum rj_status rj_bus_send(struct rj_bus *unused, enum rj_bus_side side, uint32_t route, struct rj_span frame)
{
    (void)unused;
    const struct route *to = find(route);
    HOLDS(to->side == side);
    if (to->is_cut)
        return RJ_CLOSED;
    if (to->is_blocked)
        return RJ_BUSY;
    on_fake_bus_frame(route, frame);
    return RJ_OK;
}
