#include "gateway/frontends/server.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/frontends/addresses.h"
#include "gateway/frontends/doorman.h"
#include "gateway/frontends/linger.h"
#include "gateway/frontends/peer_internal.h"
#include "gateway/frontends/request.h"
#include "gateway/frontends/timeq.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"

/* How much later than ours libwebsockets' own timeouts come. */
enum { MARGIN_S = 10 };

/* What libwebsockets keeps beside the bytes of the headers, at most (RJ_MAX_HEADER_LINES). */
enum { HEADER_SPARE_BYTES = 4096 };

/* How long last words that the kernel does not take are waited for. */
enum { FLUSH_MS = 5000 };

/* libwebsockets allocates the first for each WebSocket, but reads from none (peer_ws.c). */
enum { RX_BUFFER_BYTES = 16, TX_PACKET_BYTES = 4 << 20 };

struct rj_server {
    struct rj_server_options options;
    struct lws_context *context; /* nulled by libwebsockets when it is destroyed */
    struct lws_vhost *vhost;
    struct lws_protocols protocols[2]; /* ours, and the end of the list */
    struct lws_http_mount mount;
    lws_retry_bo_t no_idle_policy; /* zeroes: no timers and pings of libwebsockets' own */
    struct rj_arena arena;
    struct rj_peer *closing; /* a list */
    struct rj_timeq waits[RJ_WAITS];
    struct rj_receiver *receiver;
    struct rj_linger *linger;
    struct rj_doorman *doorman;
    struct rj_addresses *addresses;
    struct rj_address *entering; /* of the socket that is being adopted */
    size_t n_peers;
    struct rj_server_counters counters;
    struct rj_log_limit refusal_log;
    bool is_poked;
    uv_timer_t *timer; /* its own memory: it closes after us */
    uint64_t armed_ms; /* what the timer is set to; UINT64_MAX: not */
};

/* ------------------------------------------------------------------------------------------- dispatching */

typedef int peer_handler(struct rj_peer *peer, void *in, size_t len);

static peer_handler *const handlers[] = {
    [LWS_CALLBACK_FILTER_HTTP_CONNECTION] = rj_peer_on_filter_http,
    [LWS_CALLBACK_HTTP] = rj_peer_on_http,
    [LWS_CALLBACK_HTTP_BODY] = rj_peer_on_body,
    [LWS_CALLBACK_HTTP_BODY_COMPLETION] = rj_peer_on_body_complete,
    [LWS_CALLBACK_HTTP_WRITEABLE] = rj_peer_on_http_writable,
    [LWS_CALLBACK_HTTP_DROP_PROTOCOL] = rj_peer_on_http_drop,
    [LWS_CALLBACK_CLOSED_HTTP] = rj_peer_on_http_drop,
    [LWS_CALLBACK_HTTP_CONFIRM_UPGRADE] = rj_peer_on_confirm_upgrade,
    [LWS_CALLBACK_ESTABLISHED] = rj_peer_on_established,
    [LWS_CALLBACK_RECEIVE] = rj_peer_on_receive,
    [LWS_CALLBACK_SERVER_WRITEABLE] = rj_peer_on_ws_writable,
    [LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL] = rj_peer_on_ws_drop,
    [LWS_CALLBACK_CLOSED] = rj_peer_on_ws_drop,
};

static void on_accepted(struct rj_server *server, struct lws *wsi)
{
    struct rj_peer *peer = rj_peer_new(server, wsi);
    lws_set_opaque_user_data(wsi, peer);
    server->n_peers++;
    peer->address = server->entering;
    server->entering = NULL;
    rj_server_wait(server, peer, RJ_WAIT_NEXT);
}

static void on_destroyed(struct rj_server *server, struct lws *wsi)
{
    struct rj_peer *peer = lws_get_opaque_user_data(wsi);
    if (!peer)
        return; /* libwebsockets' own pipe */
    lws_set_opaque_user_data(wsi, NULL);
    server->n_peers--;
    rj_address_leave(&peer->address);
    rj_peer_free(peer);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    (void)user; /* peers live in the opaque pointer: user memory is freed with each transaction */
    switch (reason) {
    case LWS_CALLBACK_RAW_ADOPT: return -1; /* CONNECT would make it a raw socket without a timeout */
    case LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED:
        on_accepted(lws_context_user(lws_get_context(wsi)), wsi);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY: on_destroyed(lws_context_user(lws_get_context(wsi)), wsi); return 0;
    default: break;
    }
    if ((size_t)reason >= sizeof handlers / sizeof *handlers || !handlers[reason])
        return 0;
    struct rj_peer *peer = lws_get_opaque_user_data(wsi);
    return peer ? handlers[reason](peer, in, len) : 0;
}

/* ---------------------------------------------------------------------------------------------- opening */

static int to_seconds(uint64_t ms)
{
    return (int)(ms / 1000) + MARGIN_S;
}

static struct lws_context *create_context(struct rj_server *server)
{
    const struct rj_server_options *options = &server->options;
    uint64_t longest_ms = options->handshake_timeout_ms > options->message_timeout_ms
                              ? options->handshake_timeout_ms
                              : options->message_timeout_ms;
    server->protocols[0] = (struct lws_protocols){
        .name = "rejoin",
        .callback = on_event,
        .per_session_data_size = 1, /* without any there are no drop events */
        .rx_buffer_size = RX_BUFFER_BYTES,
        .tx_packet_size = TX_PACKET_BYTES,
    };
    /* No .protocol: with one, an aborted held GET spins. */
    server->mount = (struct lws_http_mount){
        .mountpoint = "/",
        .mountpoint_len = 1,
        .origin = server->protocols[0].name,
        .origin_protocol = LWSMPRO_CALLBACK,
    };
    void *loops[] = {server->options.loop};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .protocols = server->protocols,
        .mounts = &server->mount,
        .foreign_loops = loops,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS,
        .user = server,
        .pcontext = &server->context,
        .gid = -1,
        .uid = -1,
        .max_http_header_data = (unsigned short)(options->max_header_bytes + HEADER_SPARE_BYTES),
        .timeout_secs = (unsigned)to_seconds(longest_ms),
        .keepalive_timeout = to_seconds(options->keepalive_timeout_ms),
        .retry_and_idle_policy = &server->no_idle_policy,
    };
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context *context = lws_create_context(&info);
    lws_set_log_level(0, NULL); /* what peers can cause is counted and logged by us */
    return context;
}

static void free_timer(uv_handle_t *timer)
{
    free(timer);
}

static void open_waits(struct rj_server *server)
{
    const struct rj_server_options *options = &server->options;
    rj_timeq_init(&server->waits[RJ_WAIT_NEXT], options->keepalive_timeout_ms);
    rj_timeq_init(&server->waits[RJ_WAIT_MESSAGE], options->message_timeout_ms);
    rj_timeq_init(&server->waits[RJ_WAIT_FLUSH], FLUSH_MS);
    server->armed_ms = UINT64_MAX;
    server->timer = rj_calloc(1, sizeof *server->timer);
    uv_timer_init(options->loop, server->timer);
}

static void let_in(void *context, int fd, struct rj_address *address)
{
    struct rj_server *server = context;
    server->entering = address; /* for on_accepted, which comes within the call */
    lws_adopt_socket_vhost(server->vhost, fd);
    if (server->entering)
        rj_address_leave(&server->entering);
}

static void log_refusal(struct rj_server *server, const struct rj_address *address, const char *why)
{
    unsigned held;
    if (rj_log_allowed(&server->refusal_log, &held))
        rj_log(RJ_LOG_INFO, "connection_refused", RJ_KV_STR("address", address->text), RJ_KV_STR("why", why),
               RJ_KV_U64("held", held));
}

static void on_turned_away(void *context, struct rj_address *address, unsigned why)
{
    struct rj_server *server = context;
    if (why)
        log_refusal(server, address,
                    why == 408   ? "a request that does not end"
                    : why == 431 ? "a request's head that is too long"
                                 : "no request");
    rj_address_leave(&address);
    server->counters.overdue += why == 408;
    server->counters.unreadable += why == 400 || why == 431;
}

static void open_door(struct rj_server *server)
{
    server->linger = rj_linger_new(server->receiver);
    server->addresses = rj_addresses_new();
    server->doorman = rj_doorman_new(&(struct rj_doorman_options){
        .receiver = server->receiver,
        .linger = server->linger,
        .max_header_bytes = server->options.max_header_bytes,
        .timeout_ms = server->options.handshake_timeout_ms,
        .let_in = let_in,
        .turned_away = on_turned_away,
        .context = server,
    });
}

enum rj_status rj_server_open(const struct rj_server_options *options, struct rj_server **out)
{
    struct rj_server *server = rj_calloc(1, sizeof *server);
    server->options = *options;
    enum rj_status status = rj_receiver_open(options->loop, &server->receiver);
    if (status == RJ_OK && !(server->context = create_context(server))) {
        rj_receiver_close(&server->receiver);
        status = RJ_UNAVAILABLE;
    }
    if (status != RJ_OK) {
        free(server);
        return status;
    }
    server->vhost = lws_get_vhost_by_name(server->context, "default");
    open_door(server);
    open_waits(server);
    *out = server;
    return RJ_OK;
}

/* There is no request yet, so nobody can be sure that it is read. */
static void turn_away(struct rj_server *server, int fd)
{
    static const char response[] =
        "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    server->counters.refused++;
    (void)!send(fd, response, sizeof response - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    rj_linger_add(server->linger, fd);
}

void rj_server_adopt(struct rj_server *server, int fd)
{
    struct rj_address *address = rj_addresses_enter(server->addresses, fd);
    if (address->connections > server->options.max_of_address ||
        address->half_open >= server->options.max_half_open) {
        log_refusal(server, address, "too many connections of its address");
        rj_address_leave(&address);
        turn_away(server, fd);
        return;
    }
    rj_doorman_add(server->doorman, fd, address);
}

size_t rj_server_peers(const struct rj_server *server)
{
    return server->n_peers + rj_doorman_count(server->doorman) + rj_linger_count(server->linger);
}

size_t rj_server_half_open(const struct rj_server *server)
{
    return rj_doorman_count(server->doorman);
}

const struct rj_server_counters *rj_server_counters(const struct rj_server *server)
{
    return &server->counters;
}

struct rj_server_counters *rj_server_count(struct rj_server *server)
{
    return &server->counters;
}

struct rj_receiver *rj_server_receiver(struct rj_server *server)
{
    return server->receiver;
}

struct rj_linger *rj_server_linger(struct rj_server *server)
{
    return server->linger;
}

const struct rj_server_options *rj_server_options(const struct rj_server *server)
{
    return &server->options;
}

struct rj_arena *rj_server_arena(struct rj_server *server)
{
    rj_arena_reset(&server->arena);
    return &server->arena;
}

void rj_server_poke(struct rj_server *server)
{
    server->is_poked = true;
}

/* ------------------------------------------------------------------------------------------------ time */

void rj_server_wait(struct rj_server *server, struct rj_peer *peer, enum rj_wait wait)
{
    rj_timeq_set(&server->waits[wait], &peer->limit, rj_clock_mono_ms());
}

/* The timer only wakes the loop: what is due is done by the turn. */
static void on_timer(uv_timer_t *timer)
{
    (void)timer;
}

static void arm_timer(struct rj_server *server, uint64_t now_ms)
{
    uint64_t linger_ms = rj_linger_deadline(server->linger), door_ms = rj_doorman_deadline(server->doorman);
    uint64_t first_ms = linger_ms < door_ms ? linger_ms : door_ms;
    for (size_t i = 0; i < RJ_WAITS; i++) {
        uint64_t one_ms = rj_timeq_first(&server->waits[i]);
        first_ms = one_ms < first_ms ? one_ms : first_ms;
    }
    if (first_ms == server->armed_ms)
        return;
    server->armed_ms = first_ms;
    if (first_ms == UINT64_MAX) {
        uv_timer_stop(server->timer);
        return;
    }
    uv_update_time(server->options.loop);
    uv_timer_start(server->timer, on_timer, first_ms > now_ms ? first_ms - now_ms : 0, 0);
}

#define PEER_OF(entry) ((struct rj_peer *)((char *)(entry)-offsetof(struct rj_peer, limit)))

static void tick(struct rj_server *server, uint64_t now_ms)
{
    struct rj_timeq_entry *entry;
    if (now_ms < server->armed_ms)
        return;
    server->armed_ms = UINT64_MAX;
    for (size_t i = 0; i < RJ_WAITS; i++) {
        while ((entry = rj_timeq_expired(&server->waits[i], now_ms)))
            rj_peer_on_overdue(PEER_OF(entry));
    }
    rj_doorman_tick(server->doorman, now_ms);
    rj_linger_tick(server->linger, now_ms);
}

/* ---------------------------------------------------------------------------------------------- closing */

void rj_server_close_later(struct rj_server *server, struct rj_peer *peer)
{
    if (peer->is_closing)
        return;
    peer->is_closing = true;
    peer->prev_closing = NULL;
    peer->next_closing = server->closing;
    if (server->closing)
        server->closing->prev_closing = peer;
    server->closing = peer;
}

void rj_server_unlist(struct rj_server *server, struct rj_peer *peer)
{
    if (!peer->is_closing)
        return;
    peer->is_closing = false;
    if (peer->next_closing)
        peer->next_closing->prev_closing = peer->prev_closing;
    if (peer->prev_closing)
        peer->prev_closing->next_closing = peer->next_closing;
    else
        server->closing = peer->next_closing;
}

void rj_server_flush(struct rj_server *server)
{
    uint64_t now_ms = rj_clock_mono_ms();
    tick(server, now_ms);
    for (struct rj_peer *peer; (peer = server->closing);) {
        rj_server_unlist(server, peer);
        rj_peer_kill(peer); /* may free it */
        server->is_poked = true;
    }
    if (server->is_poked)
        lws_cancel_service(server->context);
    server->is_poked = false;
    arm_timer(server, now_ms);
}

void rj_server_close(struct rj_server **taken)
{
    struct rj_server *server = *taken;
    if (!server)
        return;
    *taken = NULL;
    /* With a foreign loop, handles close while the loop runs, and the second call frees the rest. `pcontext`
     * makes libwebsockets null server->context when it is gone. */
    lws_context_destroy(server->context);
    rj_doorman_free(&server->doorman);
    rj_linger_free(&server->linger);
    rj_receiver_close(&server->receiver);
    uv_timer_stop(server->timer);
    uv_close((uv_handle_t *)server->timer, free_timer);
    for (int i = 0; i < 100 && uv_run(server->options.loop, UV_RUN_NOWAIT); i++)
        ;
    if (server->context)
        lws_context_destroy(server->context);
    rj_addresses_free(&server->addresses);
    rj_arena_free(&server->arena);
    free(server);
}
