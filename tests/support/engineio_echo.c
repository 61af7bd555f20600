/* engineio-echo: the Engine.IO layer alone, with no gateway and no broker behind it. Sends every message
 * back, as the official Engine.IO test suite wants it.
 *
 *     engineio-echo --listen HOST:PORT [--ping-interval MS] [--ping-timeout MS] [--upgrade-timeout MS]
 *                   [--max-payload BYTES] [--cors-origins ORIGIN,…]
 *
 * Prints "engineio-echo ready listen=HOST:PORT". The message "close me" makes it close the session; "burst N
 * SIZE" is answered by N messages of that size. SIGTERM ends it.
 */
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/engineio.h"
#include "gateway/frontends/eio.h"
#include "gateway/frontends/listener.h"
#include "gateway/frontends/packet_frame.h"
#include "proto/base/clock.h"
#include "proto/base/settings.h"

struct echo {
    uv_loop_t loop;
    struct rj_eio *eio;
    struct rj_route route;
    struct rj_server *server;
    struct rj_listener *listener;
    uv_prepare_t prepare;
    uv_timer_t timer;
    uv_signal_t signal;
};

/* ---- the user of the sessions: conn is the session itself */

static void *on_open(void *context, struct rj_eio_session *session, const struct rj_eio_handshake *handshake)
{
    (void)context, (void)handshake;
    return session;
}

static void send_text(struct rj_eio_session *session, struct rj_span data)
{
    struct rj_buf text = {0};
    rj_packet_frame_begin(&text);
    rj_buf_put_u8(&text, '4');
    rj_buf_put_span(&text, data);
    struct rj_frame *frame = rj_packet_frame_end(&text, NULL, 0);
    rj_eio_send(session, frame);
    rj_frame_unref(frame);
}

static void send_burst(struct rj_eio_session *session, const char *text)
{
    int n = 0, size = 0;
    struct rj_buf data = {0};
    if (sscanf(text, "burst %d %d", &n, &size) != 2 || n < 0 || size < 0)
        return;
    memset(rj_buf_reserve(&data, (size_t)size), 'x', (size_t)size);
    data.len = (size_t)size;
    for (int i = 0; i < n; i++)
        send_text(session, rj_buf_span(&data));
    rj_buf_free(&data);
}

static void on_message(void *conn, bool is_binary, struct rj_span data)
{
    struct rj_buf text = {0};
    if (is_binary) {
        struct rj_frame *frame = rj_packet_frame_binary(data);
        rj_eio_send(conn, frame);
        rj_frame_unref(frame);
        return;
    }
    rj_buf_put_span(&text, data);
    if (rj_span_is(data, "close me"))
        rj_eio_close(conn, RJ_REASON_FORCED_CLOSE, NULL);
    else if (data.len > 6 && memcmp(data.data, "burst ", 6) == 0)
        send_burst(conn, rj_buf_cstr(&text));
    else
        send_text(conn, data);
    rj_buf_free(&text);
}

static void on_nothing(void *conn)
{
    (void)conn;
}

static void on_closed(void *conn, enum rj_reason reason)
{
    (void)conn;
    printf("closed reason=%s\n", rj_reason_text(reason));
    fflush(stdout);
}

static const struct rj_eio_callbacks callbacks = {.open = on_open,
                                                  .message = on_message,
                                                  .drained = on_nothing,
                                                  .mark = on_nothing,
                                                  .proved = on_nothing,
                                                  .closed = on_closed};

/* ---- the loop */

static void on_timer(uv_timer_t *timer)
{
    (void)timer; /* the turn does what is due */
}

static void on_turn(uv_prepare_t *prepare)
{
    struct echo *echo = prepare->data;
    uint64_t now_ms = rj_clock_mono_ms();
    rj_eio_tick(echo->eio, now_ms);
    rj_eio_flush(echo->eio);
    rj_server_flush(echo->server);
    uint64_t deadline = rj_eio_deadline(echo->eio);
    if (deadline == UINT64_MAX)
        return;
    uv_update_time(&echo->loop);
    uv_timer_start(&echo->timer, on_timer, deadline > now_ms ? deadline - now_ms : 0, 0);
}

static void on_signal(uv_signal_t *signal, int number)
{
    (void)number;
    uv_stop(signal->loop);
}

static void on_accept(void *context, int fd)
{
    rj_server_adopt(((struct echo *)context)->server, fd);
}

static void on_refuse(void *context, int fd)
{
    rj_server_turn_away(((struct echo *)context)->server, fd);
}

static bool has_room(void *context)
{
    (void)context;
    return true;
}

/* ---- settings */

struct conf {
    char *listen;
    uint64_t ping_interval_ms, ping_timeout_ms, upgrade_timeout_ms, max_payload_bytes;
    uint64_t handshake_timeout_ms, keepalive_timeout_ms, message_timeout_ms, stuck_timeout_ms;
    uint64_t max_header_bytes, max_fragments, max_connections_address, max_half_open_address;
    char **cors_origins;
    bool cors_credentials;
    char *cookie;
};

#define FIELD(name) offsetof(struct conf, name)
#define TIME(text, member, usual)                                                                            \
    {                                                                                                        \
        .name = (text), .type = RJ_SETTING_TIME, .field = FIELD(member), .fallback = (usual), .least = 10,   \
        .most = 86400000, .help = "as of rejoin-gateway"                                                     \
    }

#define LIMIT(text, member, usual)                                                                           \
    {                                                                                                        \
        .name = (text), .type = RJ_SETTING_COUNT, .field = FIELD(member), .fallback = (usual), .least = 1,   \
        .most = 1 << 29, .help = "as of rejoin-gateway"                                                      \
    }

static const struct rj_setting settings[] = {
    {.name = "listen",
     .type = RJ_SETTING_TEXT,
     .field = FIELD(listen),
     .fallback = "127.0.0.1:0",
     .help = "HOST:PORT; port 0 takes a free one"},
    TIME("ping-interval", ping_interval_ms, "300"),
    TIME("ping-timeout", ping_timeout_ms, "200"),
    TIME("upgrade-timeout", upgrade_timeout_ms, "10000"),
    TIME("handshake-timeout", handshake_timeout_ms, "10000"),
    TIME("keepalive-timeout", keepalive_timeout_ms, "60000"),
    TIME("message-timeout", message_timeout_ms, "60000"),
    TIME("stuck-timeout", stuck_timeout_ms, "60000"),
    LIMIT("max-payload", max_payload_bytes, "1000000"),
    LIMIT("max-header-bytes", max_header_bytes, "8192"),
    LIMIT("max-fragments", max_fragments, "4096"),
    LIMIT("max-connections-address", max_connections_address, "20000"),
    LIMIT("max-half-open-address", max_half_open_address, "5000"),
    {.name = "cors-origins",
     .type = RJ_SETTING_LIST,
     .field = FIELD(cors_origins),
     .fallback = "",
     .help = "as of rejoin-gateway"},
    {.name = "cors-credentials",
     .type = RJ_SETTING_BOOL,
     .field = FIELD(cors_credentials),
     .fallback = "off",
     .help = "as of rejoin-gateway"},
    {.name = "cookie", .type = RJ_SETTING_TEXT, .field = FIELD(cookie), .help = "as of rejoin-gateway"},
    {0},
};

/* ---- life */

static void close_all(struct echo *echo)
{
    uv_prepare_stop(&echo->prepare);
    uv_timer_stop(&echo->timer);
    uv_signal_stop(&echo->signal);
    rj_listener_close(&echo->listener);
    rj_eio_free(&echo->eio, RJ_REASON_SERVER_SHUTTING_DOWN);
    uv_close((uv_handle_t *)&echo->prepare, NULL);
    uv_close((uv_handle_t *)&echo->timer, NULL);
    uv_close((uv_handle_t *)&echo->signal, NULL);
    rj_server_close(&echo->server);
    while (uv_run(&echo->loop, UV_RUN_NOWAIT))
        ;
    uv_loop_close(&echo->loop);
}

static void open_eio(struct echo *echo, const struct conf *conf)
{
    echo->eio = rj_eio_new(&(struct rj_eio_options){
        .path = "/engine.io/",
        .ping_interval_ms = conf->ping_interval_ms,
        .ping_timeout_ms = conf->ping_timeout_ms,
        .upgrade_timeout_ms = conf->upgrade_timeout_ms,
        .close_timeout_ms = 30000,
        .max_payload_bytes = conf->max_payload_bytes,
        .max_sessions_address = conf->max_connections_address,
        .cors = {conf->cors_origins, conf->cors_credentials},
        .cookie = conf->cookie,
        .callbacks = &callbacks,
    });
    echo->route = (struct rj_route){echo->eio, rj_eio_on_request, rj_eio_on_upgrade};
}

static bool open_server(struct echo *echo, const struct conf *conf)
{
    struct rj_server_options server = {.loop = &echo->loop,
                                       .routes = &echo->route,
                                       .n_routes = 1,
                                       .max_message_bytes = conf->max_payload_bytes,
                                       .max_fragments = conf->max_fragments,
                                       .max_header_bytes = conf->max_header_bytes,
                                       .max_of_address = conf->max_connections_address,
                                       .max_half_open = conf->max_half_open_address,
                                       .handshake_timeout_ms = conf->handshake_timeout_ms,
                                       .keepalive_timeout_ms = conf->keepalive_timeout_ms,
                                       .message_timeout_ms = conf->message_timeout_ms,
                                       .stuck_timeout_ms = conf->stuck_timeout_ms};
    char *colon = strrchr(conf->listen, ':');
    if (!colon)
        return false;
    *colon = '\0';
    struct rj_listener_options listener = {.loop = &echo->loop,
                                           .host = conf->listen,
                                           .port = colon + 1,
                                           .on_accept = on_accept,
                                           .has_room = has_room,
                                           .on_refuse = on_refuse,
                                           .context = echo};
    return rj_server_open(&server, &echo->server) == RJ_OK &&
           rj_listener_open(&listener, &echo->listener) == RJ_OK;
}

static void start_handles(struct echo *echo)
{
    echo->prepare.data = echo->timer.data = echo;
    uv_prepare_init(&echo->loop, &echo->prepare);
    uv_prepare_start(&echo->prepare, on_turn);
    uv_timer_init(&echo->loop, &echo->timer);
    uv_signal_init(&echo->loop, &echo->signal);
    uv_signal_start(&echo->signal, on_signal, SIGTERM);
}

int main(int argc, char **argv)
{
    static const struct rj_settings_program program = {.name = "engineio-echo",
                                                       .summary = "sends every Engine.IO message back",
                                                       .version = REJOIN_VERSION,
                                                       .table = settings};
    struct echo echo = {0};
    struct conf conf = {0};
    enum rj_settings_outcome outcome = rj_settings_load(&program, argc, argv, environ, &conf);
    if (outcome != RJ_SETTINGS_RUN) {
        rj_settings_free(settings, &conf);
        return outcome == RJ_SETTINGS_EXIT ? 0 : 2;
    }
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&echo.loop);
    open_eio(&echo, &conf);
    if (!open_server(&echo, &conf)) {
        fprintf(stderr, "engineio-echo: cannot listen\n");
        return 1;
    }
    start_handles(&echo);
    printf("engineio-echo ready listen=%s\n", rj_listener_address(echo.listener));
    fflush(stdout);
    uv_run(&echo.loop, UV_RUN_DEFAULT);
    close_all(&echo);
    rj_settings_free(settings, &conf);
    return 0;
}
