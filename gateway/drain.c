#include "gateway/drain.h"

#include <unistd.h>

#include "gateway/frontends/socketio.h"
#include "gateway/gateway.h"
#include "proto/base/clock.h"

enum {
    LEAST_PER_S = 200, /* a gateway takes on thousands a second */
    GRACE_MS = 5000,   /* for what is still on its way when the last share is due */
};

size_t rj_drain_due(size_t connections, uint64_t elapsed_ms, uint64_t spread_ms)
{
    if (elapsed_ms >= spread_ms)
        return connections;
    size_t even = (size_t)((double)connections * (double)elapsed_ms / (double)spread_ms);
    size_t least = (size_t)elapsed_ms * LEAST_PER_S / 1000;
    size_t due = even > least ? even : least;
    return due < connections ? due : connections;
}

void rj_drain_on_signal(struct rj_gateway *gateway, int number)
{
    struct rj_drain *drain = &gateway->drain;
    if (drain->is_on)
        _exit(128 + number);
    drain->is_on = true;
    drain->began_ms = rj_clock_mono_ms();
    drain->until_ms = drain->began_ms + gateway->conf->drain_spread_ms + GRACE_MS;
    drain->connections = rj_socketio_connections(gateway->socketio);
    rj_log(RJ_LOG_INFO, "draining", RJ_KV_U64("signal", number), RJ_KV_U64("connections", drain->connections),
           RJ_KV_U64("spread_ms", gateway->conf->drain_spread_ms));
    rj_socketio_drain(gateway->socketio);
}

void rj_drain_tick(struct rj_gateway *gateway, uint64_t now_ms)
{
    struct rj_drain *drain = &gateway->drain;
    if (!drain->is_on)
        return;
    uint64_t elapsed_ms = now_ms - drain->began_ms;
    /* Clients that go by themselves meanwhile are not taken off the others' share: that only ends it sooner.
     */
    size_t due = rj_drain_due(drain->connections, elapsed_ms, gateway->conf->drain_spread_ms);
    rj_socketio_drop(gateway->socketio, due == drain->connections ? SIZE_MAX : due - drain->dropped,
                     RJ_REASON_SERVER_SHUTTING_DOWN);
    drain->dropped = due;
    if (now_ms >= drain->until_ms || rj_socketio_connections(gateway->socketio) == 0)
        uv_stop(gateway->loop);
}
