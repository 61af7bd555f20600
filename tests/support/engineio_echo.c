/* engineio-echo: the Engine.IO layer alone, with no gateway and no broker behind it. Sends every message
 * back, as the official Engine.IO test suite wants it.
 *
 *     engineio-echo [PING_INTERVAL_MS [PING_TIMEOUT_MS [MAX_PAYLOAD [UPGRADE_TIMEOUT_MS [PORT [ORIGINS]]]]]]
 *
 * Prints "engineio-echo ready listen=HOST:PORT". The message "close me" makes it close the session; "burst N
 * SIZE" is answered by N messages of that size. SIGTERM ends it.
 */
#include <signal.h>
#include <stdlib.h>

#include "gateway/engineio.h"
#include "gateway/frontends/eio.h"
#include "gateway/frontends/listener.h"
#include "gateway/frontends/packet_frame.h"
#include "proto/base/clock.h"

struct echo {
    uv_loop_t loop;
    struct rj_eio *eio;
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
        rj_eio_close(conn, "forced close");
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

static void on_closed(void *conn, const char *reason)
{
    (void)conn;
    printf("closed reason=%s\n", reason);
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

static bool has_room(void *context)
{
    (void)context;
    return true;
}

static unsigned long long number(int argc, char **argv, int at, unsigned long long fallback)
{
    return at < argc ? strtoull(argv[at], NULL, 10) : fallback;
}

static void close_all(struct echo *echo)
{
    uv_prepare_stop(&echo->prepare);
    uv_timer_stop(&echo->timer);
    uv_signal_stop(&echo->signal);
    rj_listener_close(&echo->listener);
    rj_eio_free(&echo->eio, "server shutting down");
    uv_close((uv_handle_t *)&echo->prepare, NULL);
    uv_close((uv_handle_t *)&echo->timer, NULL);
    uv_close((uv_handle_t *)&echo->signal, NULL);
    rj_server_close(&echo->server);
    while (uv_run(&echo->loop, UV_RUN_NOWAIT))
        ;
    uv_loop_close(&echo->loop);
}

int main(int argc, char **argv)
{
    struct echo echo = {0};
    char *origins[] = {argc > 6 ? argv[6] : NULL, NULL};
    size_t max_payload = number(argc, argv, 3, 1000000);
    uv_loop_init(&echo.loop);
    echo.eio = rj_eio_new(&(struct rj_eio_options){
        .path = "/engine.io/",
        .ping_interval_ms = number(argc, argv, 1, 300),
        .ping_timeout_ms = number(argc, argv, 2, 200),
        .upgrade_timeout_ms = number(argc, argv, 4, 10000),
        .max_payload_bytes = max_payload,
        .cors = {origins},
        .callbacks = &callbacks,
    });
    struct rj_route route = {echo.eio, rj_eio_on_request, rj_eio_on_upgrade};
    struct rj_server_options server = {.loop = &echo.loop,
                                       .routes = &route,
                                       .n_routes = 1,
                                       .max_message_bytes = max_payload,
                                       .stuck_timeout_s = 60};
    struct rj_listener_options listener = {.loop = &echo.loop,
                                           .host = "127.0.0.1",
                                           .port = argc > 5 ? argv[5] : "0",
                                           .on_accept = on_accept,
                                           .has_room = has_room,
                                           .context = &echo};
    if (rj_server_open(&server, &echo.server) != RJ_OK ||
        rj_listener_open(&listener, &echo.listener) != RJ_OK) {
        fprintf(stderr, "engineio-echo: cannot listen\n");
        return 1;
    }
    echo.prepare.data = echo.timer.data = &echo;
    uv_prepare_init(&echo.loop, &echo.prepare);
    uv_prepare_start(&echo.prepare, on_turn);
    uv_timer_init(&echo.loop, &echo.timer);
    uv_signal_init(&echo.loop, &echo.signal);
    uv_signal_start(&echo.signal, on_signal, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    printf("engineio-echo ready listen=%s\n", rj_listener_address(echo.listener));
    fflush(stdout);
    uv_run(&echo.loop, UV_RUN_DEFAULT);
    close_all(&echo);
    return 0;
}
