#include "gateway/frontends/socketio.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "gateway/frontends/bundle.h"
#include "gateway/frontends/eio.h"
#include "gateway/frontends/files.h"
#include "gateway/frontends/listener.h"
#include "gateway/frontends/socketio_conn.h"
#include "gateway/gateway.h"
#include "proto/base/clock.h"
#include "proto/base/mem.h"

enum {
    SPARE_FDS = 64,               /* for everything that is no client's connection */
    UNASKED_CONNECTIONS = 100000, /* when no setting says how many */
    MAX_ROUTES = 4,
};

struct rj_socketio {
    struct rj_gateway *gateway;
    struct rj_sio_shared shared;
    struct rj_eio *eio;
    struct rj_files *client_files, *page_files; /* NULL: none */
    struct rj_server *server;
    struct rj_listener *listener; /* NULL once drained */
    struct rj_route routes[MAX_ROUTES];
    size_t n_routes;
    size_t max_peers;
    uv_timer_t *timer; /* its own memory: it closes after us */
    uint64_t armed_ms; /* what the timer is set to; UINT64_MAX: not */
};

/* ---------------------------------------------------------------------------------------- /healthz & co. */

static void reply_text(struct rj_peer *peer, unsigned status, const char *type, struct rj_span body)
{
    rj_peer_reply(peer,
                  &(struct rj_response){.status = status, .type = type, .cache = "no-store", .body = body});
}

static void reply_metrics(struct rj_socketio *front, struct rj_peer *peer)
{
    struct rj_buf text = {0};
    rj_gateway_metrics(front->gateway, &text);
    rj_socketio_put_metrics(front, &text);
    reply_text(peer, 200, "text/plain; version=0.0.4", rj_buf_span(&text));
    rj_buf_free(&text);
}

static void reply_health(struct rj_socketio *front, struct rj_peer *peer)
{
    (void)front;
    reply_text(peer, 200, "text/plain", rj_span_str("ok\n"));
}

static void reply_ready(struct rj_socketio *front, struct rj_peer *peer)
{
    bool is_ready = rj_gateway_is_ready(front->gateway);
    reply_text(peer, is_ready ? 200 : 503, "text/plain", rj_span_str(is_ready ? "ready\n" : "not ready\n"));
}

static bool on_own_request(void *context, struct rj_peer *peer, const struct rj_request *request)
{
    static const struct {
        const char *path;
        void (*reply)(struct rj_socketio *front, struct rj_peer *peer);
    } pages[] = {{"/healthz", reply_health}, {"/readyz", reply_ready}, {"/metrics", reply_metrics}};
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        if (!rj_span_is(request->path, pages[i].path))
            continue;
        if (request->method == RJ_HTTP_GET || request->method == RJ_HTTP_HEAD)
            pages[i].reply(context, peer);
        else
            rj_peer_reply_read_only(peer);
        return true;
    }
    return false;
}

void rj_socketio_put_metrics(const struct rj_socketio *front, struct rj_buf *out)
{
    const struct rj_eio_counters *eio = rj_eio_counters(front->eio);
    const struct rj_server_counters *server = rj_server_counters(front->server);
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } metrics[] = {
        {"connections", "gauge", "TCP connections now", rj_server_peers(front->server)},
        {"connections_half_open", "gauge", "of them, without a request yet",
         rj_server_half_open(front->server)},
        {"sessions", "gauge", "Engine.IO sessions now", eio->sessions},
        {"websockets", "gauge", "of them, over WebSocket", eio->websockets},
        {"sessions_opened_total", "counter", "Engine.IO sessions opened", eio->opened},
        {"upgrades_total", "counter", "sessions moved from polling to WebSocket", eio->upgraded},
        {"requests_refused_total", "counter", "requests answered with an error", eio->refused},
        {"requests_unreadable_total", "counter",
         "requests that are no HTTP, too long, or without a clear end", server->unreadable},
        {"overdue_total", "counter", "requests, messages and answers that did not come to their end in time",
         server->overdue},
        {"addresses_refused_total", "counter", "connections of addresses that had too many", server->refused},
        {"websocket_faults_total", "counter", "WebSockets closed for breaking RFC 6455", server->broke_rules},
        {"protocol_faults_total", "counter", "sessions closed for breaking Engine.IO", eio->faults},
        {"parse_errors_total", "counter", "connections closed for an invalid Socket.IO packet",
         front->shared.parse_errors},
        {"forced_closes_total", "counter", "connections closed for breaking Socket.IO's order",
         front->shared.forced_closes},
        {"ping_timeouts_total", "counter", "sessions that did not answer a ping", eio->ping_timeouts},
        {"frames_out_total", "counter", "frames written to clients", eio->frames_out},
        {"writes_total", "counter", "writes that carried them", eio->writes},
        {"bytes_out_total", "counter", "bytes of them", eio->bytes_out},
        {"accepts_refused_total", "counter", "connections turned away for want of room",
         front->listener ? rj_listener_refused(front->listener) : 0},
    };
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
        rj_gateway_stats_put(out, metrics[i].name, metrics[i].type, metrics[i].help, metrics[i].value);
}

/* --------------------------------------------------------------------------------------------- the turn */

/* The timer only wakes the loop: what is due is done by the turn. */
static void on_timer(uv_timer_t *timer)
{
    (void)timer;
}

static void arm_timer(struct rj_socketio *front, uint64_t now_ms)
{
    uint64_t sio_ms = rj_sio_deadline(&front->shared), eio_ms = rj_eio_deadline(front->eio);
    uint64_t first_ms = sio_ms < eio_ms ? sio_ms : eio_ms;
    if (first_ms == front->armed_ms)
        return;
    front->armed_ms = first_ms;
    if (first_ms == UINT64_MAX) {
        uv_timer_stop(front->timer);
        return;
    }
    uv_update_time(front->gateway->loop);
    uv_timer_start(front->timer, on_timer, first_ms > now_ms ? first_ms - now_ms : 0, 0);
}

void rj_socketio_flush(struct rj_socketio *front)
{
    uint64_t now_ms = rj_clock_mono_ms();
    if (now_ms >= front->armed_ms) {
        front->armed_ms = UINT64_MAX;
        rj_eio_tick(front->eio, now_ms);
        rj_sio_tick(&front->shared, now_ms);
    }
    rj_eio_flush(front->eio);
    rj_sio_free_dead(&front->shared);
    rj_server_flush(front->server);
    arm_timer(front, now_ms);
}

/* --------------------------------------------------------------------------------------------- opening */

static void open_files(const char *dir, const char *path, bool (*accepts)(const char *name),
                       const struct rj_cors *cors, struct rj_files **out)
{
    if (!dir || !dir[0])
        return;
    enum rj_status status = rj_files_open(dir, path, accepts, cors, out);
    if (status != RJ_OK)
        rj_log(RJ_LOG_WARN, "files_unreadable", RJ_KV_STR("dir", dir),
               RJ_KV_STR("why", rj_status_text(status)));
    else
        rj_log(RJ_LOG_INFO, "files_read", RJ_KV_STR("dir", dir), RJ_KV_STR("path", path),
               RJ_KV_U64("files", rj_files_count(*out)));
}

static void add_route(struct rj_socketio *front, struct rj_route route)
{
    front->routes[front->n_routes++] = route;
}

/* In the order in which they are asked: the bundle's files stand under Engine.IO's path. */
static void add_routes(struct rj_socketio *front)
{
    const struct rj_gateway_conf *conf = front->gateway->conf;
    const struct rj_cors cors = {conf->cors_origins, conf->cors_credentials};
    struct rj_buf found = {0};
    open_files(conf->client_dir ? conf->client_dir : rj_bundle_dir(&found), conf->path, rj_bundle_has, &cors,
               &front->client_files);
    rj_buf_free(&found);
    open_files(conf->page_dir, "/", NULL, NULL, &front->page_files);
    if (front->client_files)
        add_route(front,
                  (struct rj_route){.context = front->client_files, .on_request = rj_files_on_request});
    add_route(front, (struct rj_route){front->eio, rj_eio_on_request, rj_eio_on_upgrade});
    add_route(front, (struct rj_route){.context = front, .on_request = on_own_request});
    if (front->page_files)
        add_route(front, (struct rj_route){.context = front->page_files, .on_request = rj_files_on_request});
}

/* Sets the descriptor limit to what is wanted, as far as the hard limit goes. Not further: libwebsockets
 * keeps tables of that size. */
static size_t connections_possible(uint64_t wanted)
{
    struct rlimit limit;
    rlim_t most = (wanted ? wanted : UNASKED_CONNECTIONS) + SPARE_FDS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return SPARE_FDS;
    limit.rlim_cur = limit.rlim_max < most ? limit.rlim_max : most;
    setrlimit(RLIMIT_NOFILE, &limit);
    size_t possible = limit.rlim_cur > SPARE_FDS ? limit.rlim_cur - SPARE_FDS : 1;
    return wanted && wanted < possible ? wanted : possible;
}

static void on_accept(void *context, int fd)
{
    rj_server_adopt(((struct rj_socketio *)context)->server, fd);
}

static void on_refuse(void *context, int fd)
{
    rj_server_turn_away(((struct rj_socketio *)context)->server, fd);
}

static bool has_room(void *context)
{
    const struct rj_socketio *front = context;
    return rj_server_peers(front->server) < front->max_peers;
}

/* "HOST:PORT", "[HOST]:PORT" or ":PORT" in two. */
static bool split_address(const char *listen, char *host, size_t size, const char **port)
{
    const char *colon = strrchr(listen, ':'), *from = listen;
    if (!colon || !colon[1])
        return false;
    size_t len = (size_t)(colon - listen);
    if (len >= 2 && listen[0] == '[' && colon[-1] == ']') {
        from++;
        len -= 2;
    }
    if (len >= size)
        return false;
    memcpy(host, from, len);
    host[len] = '\0';
    *port = colon + 1;
    return true;
}

static enum rj_status listen_on(struct rj_socketio *front)
{
    const struct rj_gateway_conf *conf = front->gateway->conf;
    char host[256];
    struct rj_listener_options options = {
        .loop = front->gateway->loop,
        .host = host,
        .send_buffer_bytes = (int)conf->send_buffer_bytes,
        .on_accept = on_accept,
        .has_room = has_room,
        .on_refuse = on_refuse,
        .context = front,
    };
    enum rj_status status = RJ_BAD_NAME;
    if (split_address(conf->listen, host, sizeof host, &options.port))
        status = rj_listener_open(&options, &front->listener);
    if (status != RJ_OK)
        rj_log(RJ_LOG_ERROR, "listen_failed", RJ_KV_STR("listen", conf->listen),
               RJ_KV_STR("why", status == RJ_IO ? strerror(errno) : rj_status_text(status)));
    return status;
}

/* 0 stands for no limit. */
static size_t unless_zero(uint64_t limit)
{
    return limit ? limit : SIZE_MAX;
}

static enum rj_status open_server(struct rj_socketio *front)
{
    const struct rj_gateway_conf *conf = front->gateway->conf;
    enum rj_status status = rj_server_open(
        &(struct rj_server_options){
            .loop = front->gateway->loop,
            .routes = front->routes,
            .n_routes = front->n_routes,
            .max_message_bytes = conf->max_payload_bytes,
            .max_fragments = conf->max_fragments,
            .max_header_bytes = conf->max_header_bytes,
            .max_of_address = unless_zero(conf->max_connections_address),
            .max_half_open = unless_zero(conf->max_half_open_address),
            .handshake_timeout_ms = conf->handshake_timeout_ms,
            .keepalive_timeout_ms = conf->keepalive_timeout_ms,
            .message_timeout_ms = conf->message_timeout_ms,
            .stuck_timeout_ms = conf->stuck_timeout_ms,
        },
        &front->server);
    if (status != RJ_OK)
        rj_log(RJ_LOG_ERROR, "server_failed",
               RJ_KV_STR("why", "libwebsockets or its libuv plug-in is missing"));
    return status;
}

static struct rj_eio *open_eio(struct rj_socketio *front)
{
    const struct rj_gateway_conf *conf = front->gateway->conf;
    return rj_eio_new(&(struct rj_eio_options){
        .path = conf->path,
        .ping_interval_ms = conf->ping_interval_ms,
        .ping_timeout_ms = conf->ping_timeout_ms,
        .upgrade_timeout_ms = conf->upgrade_timeout_ms,
        .close_timeout_ms = conf->close_timeout_ms,
        .max_payload_bytes = conf->max_payload_bytes,
        .max_sessions = front->max_peers,
        .max_sessions_address = conf->max_connections_address,
        .cors = {conf->cors_origins, conf->cors_credentials},
        .cookie = conf->cookie && *conf->cookie ? conf->cookie : NULL,
        .callbacks = &rj_sio_callbacks,
        .context = &front->shared,
    });
}

static void free_timer(uv_handle_t *timer)
{
    free(timer);
}

enum rj_status rj_socketio_open(struct rj_gateway *gateway, struct rj_socketio **out)
{
    const struct rj_gateway_conf *conf = gateway->conf;
    struct rj_socketio *front = rj_calloc(1, sizeof *front);
    front->gateway = gateway;
    front->armed_ms = UINT64_MAX;
    front->max_peers = connections_possible(conf->max_connections);
    rj_sio_init(&front->shared, gateway);
    front->timer = rj_calloc(1, sizeof *front->timer);
    uv_timer_init(gateway->loop, front->timer);
    front->eio = open_eio(front);
    add_routes(front);
    enum rj_status status = open_server(front);
    if (status == RJ_OK)
        status = listen_on(front);
    if (status != RJ_OK)
        rj_socketio_close(&front);
    else
        *out = front;
    return status;
}

const char *rj_socketio_address(const struct rj_socketio *front)
{
    return rj_listener_address(front->listener);
}

/* --------------------------------------------------------------------------------------------- closing */

void rj_socketio_drain(struct rj_socketio *front)
{
    rj_listener_close(&front->listener);
    rj_eio_refuse(front->eio);
}

size_t rj_socketio_drop(struct rj_socketio *front, size_t most, enum rj_reason reason)
{
    return rj_eio_close_some(front->eio, most, reason);
}

size_t rj_socketio_connections(const struct rj_socketio *front)
{
    return rj_eio_counters(front->eio)->sessions;
}

void rj_socketio_close(struct rj_socketio **taken)
{
    struct rj_socketio *front = *taken;
    if (!front)
        return;
    *taken = NULL;
    rj_listener_close(&front->listener);
    rj_eio_free(&front->eio, RJ_REASON_SERVER_SHUTTING_DOWN);
    uv_close((uv_handle_t *)front->timer, free_timer);
    rj_server_close(&front->server);
    rj_files_free(&front->client_files);
    rj_files_free(&front->page_files);
    rj_sio_fini(&front->shared);
    free(front);
}
