#include "gateway/gateway.h"

#include <signal.h>
#include <stdlib.h>

#include "gateway/commands.h"
#include "gateway/fanout.h"
#include "gateway/frontends/socketio.h"
#include "gateway/link.h"
#include "proto/base/clock.h"
#include "proto/base/mem.h"

enum {
    TICK_MS = 50,
    CURSORS_MS = 1000,
};

/* ------------------------------------------------------------------------------------------ the turn
 *
 *   the loop polls:  sockets of clients → front end → client.h → commands into the link's frame
 *   then (prepare):  the broker's frames → replies, fan-out, replay → clients' queues
 *                    front ends write: one write a connection
 *                    the link sends: one frame
 *                    what ended in this turn is freed
 *
 * Nothing writes to a socket outside of this order, so a client's packets leave in the order in which they
 * were queued, and everything that one turn produced leaves together.
 */
static void turn(struct rj_gateway *gateway)
{
    bool has_more = rj_link_receive(gateway->link);
    rj_socketio_flush(gateway->socketio);
    /* ZeroMQ signals edges, and sending may eat one: having sent, look again. */
    bool has_sent = rj_link_flush(gateway->link);
    rj_clients_reap(&gateway->clients);
    rj_arena_reset(&gateway->arena);
    if (has_more || has_sent)
        rj_gateway_dirty(gateway);
    else
        uv_idle_stop(&gateway->again);
}

static void on_prepare(uv_prepare_t *handle)
{
    turn(handle->data);
}

static void on_again(uv_idle_t *handle)
{
    (void)handle; /* being active is all it does: the loop does not sleep */
}

void rj_gateway_dirty(struct rj_gateway *gateway)
{
    uv_idle_start(&gateway->again, on_again);
}

/* ------------------------------------------------------------------------------------------ waking up */

static void on_broker(uv_poll_t *handle, int status, int events)
{
    (void)handle; /* the turn that follows reads */
    (void)status;
    (void)events;
}

static void on_closed(uv_handle_t *handle)
{
    struct rj_gateway *gateway = handle->data;
    gateway->handles--;
}

/* libuv forgets a descriptor only when the handle's close is done, and ZeroMQ's descriptors come and go with
 * its sockets, so each one gets a handle of its own. */
static void on_poll_closed(uv_handle_t *handle)
{
    struct rj_gateway *gateway = handle->data;
    gateway->handles--;
    free(handle);
}

void rj_gateway_watch_broker(struct rj_gateway *gateway, int fd)
{
    if (gateway->broker) {
        uv_close((uv_handle_t *)gateway->broker, on_poll_closed);
        gateway->broker = NULL;
    }
    if (fd < 0)
        return;
    uv_poll_t *handle = rj_calloc(1, sizeof *handle);
    handle->data = gateway;
    if (uv_poll_init(gateway->loop, handle, fd)) {
        rj_log(RJ_LOG_ERROR, "link_poll", RJ_KV_U64("fd", fd));
        free(handle);
        return; /* the ticks still drive the link, slowly */
    }
    gateway->handles++;
    gateway->broker = handle;
    uv_poll_start(handle, UV_READABLE, on_broker);
}

/* ------------------------------------------------------------------------------------------ time */

/* Tells the broker what clients are proved to have, for those where it has advanced. */
static void send_cursors(struct rj_gateway *gateway)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Cursors cursors = REJOIN__CURSORS__INIT;
    size_t most = rj_clients_count(&gateway->clients), n = 0;
    Rejoin__Cursors__Cursor *all = rj_arena_alloc(&gateway->arena, (most + 1) * sizeof *all);
    Rejoin__Cursors__Cursor **list = rj_arena_alloc(&gateway->arena, (most + 1) * sizeof *list);
    struct rj_client *client, *next;
    if (!rj_link_is_up(gateway->link))
        return;
    HASH_ITER (by_handle, gateway->clients.by_handle, client, next) {
        if (client->proved_pos <= client->told_pos)
            continue;
        client->told_pos = client->proved_pos;
        rejoin__cursors__cursor__init(&all[n]);
        all[n].client = client->handle;
        all[n].pos = client->proved_pos;
        list[n] = &all[n];
        n++;
    }
    if (n == 0)
        return;
    cursors.cursors = list;
    cursors.n_cursors = n;
    item.kind_case = REJOIN__ITEM__KIND_CURSORS;
    item.cursors = &cursors;
    rj_link_notify(gateway->link, &item);
}

static void on_tick(uv_timer_t *timer)
{
    struct rj_gateway *gateway = timer->data;
    uint64_t now_ms = rj_clock_mono_ms();
    rj_link_tick(gateway->link, now_ms);
    rj_commands_tick(gateway, now_ms);
    rj_clients_tick(gateway, now_ms);
    rj_asks_tick(gateway, now_ms);
    rj_fanout_tick(gateway, now_ms);
    if (now_ms - gateway->cursors_ms >= CURSORS_MS) {
        gateway->cursors_ms = now_ms;
        send_cursors(gateway);
    }
    rj_drain_tick(gateway, now_ms);
    rj_heap_tick(&gateway->heap, now_ms);
}

static void on_signal(uv_signal_t *handle, int number)
{
    rj_drain_on_signal(handle->data, number);
}

/* ------------------------------------------------------------------------------------------ state */

bool rj_gateway_is_ready(const struct rj_gateway *gateway)
{
    return rj_link_is_up(gateway->link) && !gateway->drain.is_on;
}

void rj_gateway_metrics(const struct rj_gateway *gateway, struct rj_buf *out)
{
    rj_gateway_stats_write(&gateway->stats, out);
    rj_gateway_stats_put(out, "clients", "gauge", "clients now", rj_clients_count(&gateway->clients));
    rj_gateway_stats_put(out, "rooms", "gauge", "rooms that clients here are in",
                         HASH_COUNT(gateway->mirror.rooms));
    rj_gateway_stats_put(out, "asks_open", "gauge", "questions that clients have not answered",
                         rj_asks_count(&gateway->asks));
    rj_gateway_stats_put(out, "pendings_open", "gauge", "pending messages whose fate is not known yet",
                         HASH_COUNT(gateway->optimistic.open));
    rj_gateway_stats_put(out, "commands_pending", "gauge", "commands that the broker has not answered",
                         gateway->pending.n);
    rj_gateway_stats_put(out, "commands_pending_bytes", "gauge", "size of those that clients wait for",
                         gateway->pending.bytes);
    rj_gateway_stats_put(out, "link_up", "gauge", "1 while linked to the broker",
                         rj_link_is_up(gateway->link));
}

/* ------------------------------------------------------------------------------------------ life */

static void start_signal(struct rj_gateway *gateway, uv_signal_t *handle, int number)
{
    uv_signal_init(gateway->loop, handle);
    handle->data = gateway;
    uv_signal_start(handle, on_signal, number);
    gateway->handles++;
}

static void start_handles(struct rj_gateway *gateway)
{
    uv_prepare_init(gateway->loop, &gateway->prepare);
    uv_idle_init(gateway->loop, &gateway->again);
    uv_timer_init(gateway->loop, &gateway->timer);
    gateway->prepare.data = gateway->again.data = gateway->timer.data = gateway;
    gateway->handles += 3;
    start_signal(gateway, &gateway->sigterm, SIGTERM);
    start_signal(gateway, &gateway->sigint, SIGINT);
}

static void stop_handles(struct rj_gateway *gateway)
{
    rj_gateway_watch_broker(gateway, -1);
    uv_close((uv_handle_t *)&gateway->prepare, on_closed);
    uv_close((uv_handle_t *)&gateway->again, on_closed);
    uv_close((uv_handle_t *)&gateway->timer, on_closed);
    uv_close((uv_handle_t *)&gateway->sigterm, on_closed);
    uv_close((uv_handle_t *)&gateway->sigint, on_closed);
}

static enum rj_status serve(struct rj_gateway *gateway)
{
    enum rj_status status = rj_socketio_open(gateway, &gateway->socketio);
    if (status)
        return status;
    uv_prepare_start(&gateway->prepare, on_prepare);
    uv_timer_start(&gateway->timer, on_tick, TICK_MS, TICK_MS);
    printf("rejoin-gateway ready listen=%s broker=%s\n", rj_socketio_address(gateway->socketio),
           gateway->conf->broker);
    fflush(stdout);
    rj_log(RJ_LOG_INFO, "started", RJ_KV_STR("listen", rj_socketio_address(gateway->socketio)),
           RJ_KV_STR("broker", gateway->conf->broker));
    uv_run(gateway->loop, UV_RUN_DEFAULT);
    turn(gateway); /* the last words of the drain */
    return RJ_OK;
}

enum rj_status rj_gateway_run(const struct rj_gateway_conf *conf)
{
    uv_loop_t loop;
    struct rj_gateway gateway = {.conf = conf, .loop = &loop};
    enum rj_status status = RJ_UNAVAILABLE;
    signal(SIGPIPE, SIG_IGN);
    if (uv_loop_init(&loop))
        return RJ_INTERNAL;
    start_handles(&gateway);
    gateway.link = rj_link_open(&gateway);
    if (gateway.link)
        status = serve(&gateway);

    rj_link_close(&gateway.link); /* clients that go from now on are the broker's to notice */
    stop_handles(&gateway);
    rj_socketio_close(&gateway.socketio);
    rj_clients_free(&gateway.clients);
    while (gateway.handles)
        uv_run(&loop, UV_RUN_ONCE);
    uv_loop_close(&loop);
    rj_pending_free(&gateway.pending);
    rj_optimistic_clear(&gateway.optimistic);
    rj_mirror_free(&gateway.mirror);
    rj_cohorts_free(&gateway.cohorts);
    rj_arena_free(&gateway.arena);
    rj_buf_free(&gateway.scratch);
    rj_log(RJ_LOG_INFO, "stopped");
    return status;
}
