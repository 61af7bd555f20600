#include "gateway/frontends/server.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/frontends/addresses.h"
#include "gateway/frontends/linger.h"
#include "gateway/frontends/peer_internal.h"
#include "gateway/frontends/request.h"
#include "gateway/frontends/timeq.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"

/* How long last words that the kernel does not take are waited for. */
enum { FLUSH_MS = 5000 };

/* libwebsockets allocates the first for each WebSocket, but reads from none (peer_ws.c). Of headers it sees
 * only what we make up. */
enum { RX_BUFFER_BYTES = 16, TX_PACKET_BYTES = 4 << 20, LWS_HEADER_BYTES = 1024 };

enum { ROOM_BYTES = 64 << 10 };

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
    struct rj_addresses *addresses;
    struct rj_peer *peers;    /* a list of those that speak HTTP; libwebsockets knows the others */
    struct rj_peer *entering; /* whose socket libwebsockets is being given */
    size_t n_peers;
    size_t n_half_open;
    struct rj_timeq due; /* to be served in the next flush; its time is the number of flushes */
    uint64_t flushes;
    struct rj_server_counters counters;
    struct rj_log_limit refusal_log;
    uv_timer_t *timer; /* its own memory: it closes after us */
    uint64_t armed_ms; /* what the timer is set to; UINT64_MAX: not */
    uint8_t room[ROOM_BYTES];
};

/* ------------------------------------------------------------------------------------------- dispatching */

typedef int peer_handler(struct rj_peer *peer, void *in, size_t len);

static peer_handler *const handlers[] = {
    [LWS_CALLBACK_HTTP] = rj_peer_on_unexpected,
    [LWS_CALLBACK_HTTP_CONFIRM_UPGRADE] = rj_peer_on_confirm_upgrade,
    [LWS_CALLBACK_ADD_HEADERS] = rj_peer_on_add_headers,
    [LWS_CALLBACK_ESTABLISHED] = rj_peer_on_established,
    [LWS_CALLBACK_RECEIVE] = rj_peer_on_unexpected,
    [LWS_CALLBACK_SERVER_WRITEABLE] = rj_peer_on_ws_writable,
    [LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL] = rj_peer_on_ws_drop,
    [LWS_CALLBACK_CLOSED] = rj_peer_on_ws_drop,
};

static void on_adopted(struct rj_server *server, struct lws *wsi)
{
    lws_set_opaque_user_data(wsi, server->entering);
    server->entering->wsi = wsi;
    server->entering = NULL;
}

static void on_destroyed(struct lws *wsi)
{
    struct rj_peer *peer = lws_get_opaque_user_data(wsi);
    if (!peer)
        return; /* libwebsockets' own pipe */
    lws_set_opaque_user_data(wsi, NULL);
    rj_peer_free(peer);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    (void)user; /* peers live in the opaque pointer: user memory is freed with each transaction */
    switch (reason) {
    case LWS_CALLBACK_RAW_ADOPT: return -1; /* CONNECT would make it a raw socket without a timeout */
    case LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED:
        on_adopted(lws_context_user(lws_get_context(wsi)), wsi);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY: on_destroyed(wsi); return 0;
    default: break;
    }
    if ((size_t)reason >= sizeof handlers / sizeof *handlers || !handlers[reason])
        return 0;
    struct rj_peer *peer = lws_get_opaque_user_data(wsi);
    return peer ? handlers[reason](peer, in, len) : 0;
}

/* ---------------------------------------------------------------------------------------------- opening */

static struct lws_context *create_context(struct rj_server *server)
{
    server->protocols[0] = (struct lws_protocols){
        .name = "rejoin",
        .callback = on_event,
        .per_session_data_size = 1, /* without any there are no drop events */
        .rx_buffer_size = RX_BUFFER_BYTES,
        .tx_packet_size = TX_PACKET_BYTES,
    };
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
        .max_http_header_data = LWS_HEADER_BYTES,
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
    rj_timeq_init(&server->waits[RJ_WAIT_HEAD], options->handshake_timeout_ms);
    rj_timeq_init(&server->waits[RJ_WAIT_NEXT], options->keepalive_timeout_ms);
    rj_timeq_init(&server->waits[RJ_WAIT_MESSAGE], options->message_timeout_ms);
    rj_timeq_init(&server->waits[RJ_WAIT_STUCK], options->stuck_timeout_ms);
    rj_timeq_init(&server->waits[RJ_WAIT_FLUSH], FLUSH_MS);
    rj_timeq_init(&server->due, 1);
    server->armed_ms = UINT64_MAX;
    server->timer = rj_calloc(1, sizeof *server->timer);
    uv_timer_init(options->loop, server->timer);
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
    server->linger = rj_linger_new(server->receiver);
    server->addresses = rj_addresses_new();
    open_waits(server);
    *out = server;
    return RJ_OK;
}

/* ------------------------------------------------------------------------------------------------ peers */

static void unlist_closing(struct rj_server *server, struct rj_peer *peer)
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

static void list(struct rj_server *server, struct rj_peer *peer)
{
    peer->next = server->peers;
    if (peer->next)
        peer->next->prev = peer;
    server->peers = peer;
    server->n_peers++;
}

static void unlist(struct rj_server *server, struct rj_peer *peer)
{
    if (peer->next)
        peer->next->prev = peer->prev;
    if (peer->prev)
        peer->prev->next = peer->next;
    else if (server->peers == peer)
        server->peers = peer->next;
    peer->next = peer->prev = NULL;
}

/* There is no request yet, so nobody can be sure that it is read: unless the socket lingers. */
static void say_and_close(struct rj_server *server, int fd, unsigned status)
{
    struct rj_buf text = {0};
    rj_response_put(&text, &(struct rj_response){.status = status, .wants_close = true});
    (void)!send(fd, text.data, text.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    rj_buf_free(&text);
    rj_linger_add(server->linger, fd);
}

void rj_server_turn_away(struct rj_server *server, int fd)
{
    say_and_close(server, fd, 503);
}

void rj_server_log_refusal(struct rj_server *server, const struct rj_address *address, const char *why)
{
    unsigned held;
    if (rj_log_allowed(&server->refusal_log, &held))
        rj_log(RJ_LOG_INFO, "connection_refused", RJ_KV_STR("address", address->text), RJ_KV_STR("why", why),
               RJ_KV_U64("held", held));
}

void rj_server_adopt(struct rj_server *server, int fd)
{
    struct rj_address *address = rj_addresses_enter(server->addresses, fd);
    if (address->connections > server->options.max_of_address ||
        address->half_open >= server->options.max_half_open) {
        rj_server_log_refusal(server, address, "too many connections of its address");
        rj_address_leave(&address);
        server->counters.refused++;
        say_and_close(server, fd, 429);
        return;
    }
    struct rj_peer *peer = rj_peer_new(server, address);
    list(server, peer);
    if (!rj_peer_http_start(peer, fd))
        rj_peer_kill(peer);
}

void rj_server_set_half_open(struct rj_server *server, struct rj_peer *peer, bool is_half_open)
{
    if (peer->is_half_open == is_half_open)
        return;
    peer->is_half_open = is_half_open;
    server->n_half_open += is_half_open ? 1 : (size_t)-1;
    peer->address->half_open += is_half_open ? 1 : (size_t)-1;
}

void rj_server_to_websocket(struct rj_server *server, struct rj_peer *peer, struct rj_span request)
{
    unlist(server, peer);
    rj_timeq_cancel(&peer->turn);
    server->entering = peer; /* for on_adopted, which comes within the call, as all do that follows from it */
    lws_adopt_socket_vhost_readbuf(server->vhost, peer->source.fd, (const char *)request.data, request.len);
    peer = server->entering;
    server->entering = NULL;
    if (peer)
        rj_peer_free(peer);
}

void rj_server_forget(struct rj_server *server, struct rj_peer *peer)
{
    rj_server_set_half_open(server, peer, false);
    unlist(server, peer);
    unlist_closing(server, peer);
    server->n_peers--;
    rj_address_leave(&peer->address);
}

size_t rj_server_peers(const struct rj_server *server)
{
    return server->n_peers + rj_linger_count(server->linger);
}

size_t rj_server_half_open(const struct rj_server *server)
{
    return server->n_half_open;
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

struct rj_bytes rj_server_room(struct rj_server *server)
{
    return (struct rj_bytes){server->room, ROOM_BYTES};
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

static void arm_timer(struct rj_server *server, uint64_t now_ms, bool needs_turn)
{
    uint64_t linger_ms = rj_linger_deadline(server->linger), first_ms = needs_turn ? now_ms : linger_ms;
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

void rj_server_serve_later(struct rj_server *server, struct rj_peer *peer)
{
    if (!rj_timeq_holds(&peer->turn))
        rj_timeq_set(&server->due, &peer->turn, server->flushes);
}

#define PEER_OF_TURN(entry) ((struct rj_peer *)((char *)(entry)-offsetof(struct rj_peer, turn)))

/* Not those who ask for more meanwhile: the others come first. Whether there were new requests, of which
 * somebody may have made something that is written in the next turn. */
static bool serve_due(struct rj_server *server)
{
    struct rj_timeq_entry *entry;
    uint64_t now = ++server->flushes;
    bool has_asked = false;
    while ((entry = rj_timeq_expired(&server->due, now)))
        has_asked = rj_peer_serve(PEER_OF_TURN(entry), true) || has_asked; /* may free it */
    return has_asked;
}

void rj_server_flush(struct rj_server *server)
{
    uint64_t now_ms = rj_clock_mono_ms();
    bool has_closed = false;
    tick(server, now_ms);
    bool needs_turn = serve_due(server) || rj_timeq_first(&server->due) != UINT64_MAX;
    for (struct rj_peer *peer; (peer = server->closing);) {
        unlist_closing(server, peer);
        rj_peer_kill(peer); /* may free it */
        has_closed = true;
    }
    if (has_closed)
        lws_cancel_service(server->context);
    arm_timer(server, now_ms, needs_turn);
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
    while (server->peers)
        rj_peer_kill(server->peers);
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
