#include "gateway/frontends/server.h"

#include <stdlib.h>
#include <unistd.h>

#include "gateway/frontends/peer_internal.h"
#include "gateway/frontends/request.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"

/* Half-open peers: time to send a whole request, and to send the next one on a kept connection. */
enum { REQUEST_TIMEOUT_S = 10, KEEPALIVE_TIMEOUT_S = 60 };

enum { RX_BUFFER_BYTES = 1024, TX_PACKET_BYTES = 4 << 20 };

struct rj_server {
    struct rj_server_options options;
    struct lws_context *context; /* nulled by libwebsockets when it is destroyed */
    struct lws_vhost *vhost;
    struct lws_protocols protocols[2]; /* ours, and the end of the list */
    struct lws_http_mount mount;
    lws_retry_bo_t no_idle_policy; /* zeroes: no timers and pings of libwebsockets' own */
    struct rj_arena arena;
    struct rj_peer *closing; /* a list */
    size_t n_peers;
    bool is_poked;
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
    [LWS_CALLBACK_WS_PEER_INITIATED_CLOSE] = rj_peer_on_ws_drop,
    [LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL] = rj_peer_on_ws_drop,
    [LWS_CALLBACK_CLOSED] = rj_peer_on_ws_drop,
};

static void on_accepted(struct rj_server *server, struct lws *wsi)
{
    lws_set_opaque_user_data(wsi, rj_peer_new(server, wsi));
    server->n_peers++;
}

static void on_destroyed(struct rj_server *server, struct lws *wsi)
{
    struct rj_peer *peer = lws_get_opaque_user_data(wsi);
    if (!peer)
        return; /* libwebsockets' own pipe */
    lws_set_opaque_user_data(wsi, NULL);
    server->n_peers--;
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

static struct lws_context *create_context(struct rj_server *server)
{
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
        .options =
            LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_VALIDATE_UTF8 | LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS,
        .user = server,
        .pcontext = &server->context,
        .gid = -1,
        .uid = -1,
        .max_http_header_data = RJ_MAX_HEADER_BYTES,
        .timeout_secs = REQUEST_TIMEOUT_S,
        .keepalive_timeout = KEEPALIVE_TIMEOUT_S,
        .retry_and_idle_policy = &server->no_idle_policy,
    };
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context *context = lws_create_context(&info);
    lws_set_log_level(0, NULL); /* what peers can cause is counted and logged by us */
    return context;
}

enum rj_status rj_server_open(const struct rj_server_options *options, struct rj_server **out)
{
    struct rj_server *server = rj_calloc(1, sizeof *server);
    server->options = *options;
    server->context = create_context(server);
    if (!server->context) {
        free(server);
        return RJ_UNAVAILABLE;
    }
    server->vhost = lws_get_vhost_by_name(server->context, "default");
    *out = server;
    return RJ_OK;
}

void rj_server_adopt(struct rj_server *server, int fd)
{
    lws_adopt_socket_vhost(server->vhost, fd);
}

size_t rj_server_peers(const struct rj_server *server)
{
    return server->n_peers;
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
    for (struct rj_peer *peer; (peer = server->closing);) {
        rj_server_unlist(server, peer);
        rj_peer_kill(peer); /* may free it */
        server->is_poked = true;
    }
    if (server->is_poked)
        lws_cancel_service(server->context);
    server->is_poked = false;
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
    for (int i = 0; i < 100 && uv_run(server->options.loop, UV_RUN_NOWAIT); i++)
        ;
    if (server->context)
        lws_context_destroy(server->context);
    rj_arena_free(&server->arena);
    free(server);
}
