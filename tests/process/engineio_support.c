#include "tests/process/engineio_support.h"

#include <stdlib.h>

static void start(struct server *server, const char *const flags[])
{
    enum { FLAGS_MAX = 24 };
    char path[512], listen[64];
    const char *argv[FLAGS_MAX + 4] = {rj_process_program("engineio-echo", path, sizeof path), "--listen",
                                       "127.0.0.1:0"};
    for (size_t i = 0; flags[i]; i++)
        argv[3 + i] = flags[i];
    assert_true(rj_process_start(&server->process, argv, NULL, NULL));
    assert_true(rj_process_wait_ready(&server->process, WAIT_MS));
    assert_true(rj_process_ready_value(&server->process, "listen", listen, sizeof listen));
    server->port = (uint16_t)atoi(strrchr(listen, ':') + 1);
}

static int setup_with(void **state, const char *const flags[])
{
    struct server *server = calloc(1, sizeof *server);
    start(server, flags);
    *state = server;
    return 0;
}

int engineio_setup(void **state)
{
    static const char *const flags[] = {
        "--ping-interval", "25000", "--ping-timeout", "20000", "--max-payload", "10000", NULL};
    return setup_with(state, flags);
}

int engineio_setup_quick(void **state)
{
    static const char *const flags[] = {"--ping-interval", "400", "--ping-timeout", "1000", "--max-payload",
                                        "10000",           NULL};
    return setup_with(state, flags);
}

int engineio_setup_brief_upgrade(void **state)
{
    static const char *const flags[] = {"--ping-interval", "25000", "--upgrade-timeout", "2000", NULL};
    return setup_with(state, flags);
}

int engineio_setup_origins(void **state)
{
    static const char *const flags[] = {
        "--ping-interval", "25000",          "--ping-timeout",      "20000", "--max-payload",
        "10000",           "--cors-origins", "http://good.example", NULL};
    return setup_with(state, flags);
}

int engineio_setup_credentials(void **state)
{
    static const char *const flags[] = {"--ping-interval",
                                        "25000",
                                        "--cors-origins",
                                        "http://good.example",
                                        "--cors-credentials",
                                        "on",
                                        "--cookie",
                                        "io",
                                        NULL};
    return setup_with(state, flags);
}

int engineio_setup_limits(void **state)
{
    static const char *const flags[] = {"--ping-interval",
                                        "25000",
                                        "--max-payload",
                                        "10000",
                                        "--handshake-timeout",
                                        "1500",
                                        "--keepalive-timeout",
                                        "1500",
                                        "--message-timeout",
                                        "1500",
                                        "--stuck-timeout",
                                        "1500",
                                        "--max-header-bytes",
                                        "2048",
                                        "--max-connections-address",
                                        "20",
                                        "--max-half-open-address",
                                        "10",
                                        NULL};
    return setup_with(state, flags);
}

int engineio_setup_half_open(void **state)
{
    static const char *const flags[] = {"--handshake-timeout", "5000", "--max-half-open-address", "10", NULL};
    return setup_with(state, flags);
}

int engineio_teardown(void **state)
{
    struct server *server = *state;
    int status = -1;
    bool ended = rj_process_signal(&server->process, SIGTERM) &&
                 rj_process_wait_end(&server->process, WAIT_MS, &status);
    if (!ended || status != 0)
        print_error("engineio-echo: ended=%d status=%d\n", ended, status);
    rj_process_kill(&server->process);
    free(server);
    return ended && status == 0 ? 0 : -1;
}

char *with_sid(const char *path, const char *sid)
{
    static char text[256];
    snprintf(text, sizeof text, "%s&sid=%s", path, sid);
    return text;
}

void sid_of(const char *open, char sid[static 64])
{
    const char *at = strstr(open, "\"sid\":\"");
    assert_non_null(at);
    assert_int_equal(sscanf(at + 7, "%63[^\"]", sid), 1);
}

void open_polling(const struct server *server, char sid[static 64])
{
    struct rj_http_answer answer;
    assert_true(rj_http_once(server->port, "GET", POLLING, NULL, NULL, &answer));
    assert_int_equal(answer.status, 200);
    sid_of(rj_http_body(&answer), sid);
    rj_http_free(&answer);
}

void open_websocket(const struct server *server, struct rj_ws_client *client)
{
    struct rj_buf data = {0};
    assert_int_equal(rj_ws_open(client, server->port, WEBSOCKET, NULL), 101);
    assert_true(rj_ws_expect(client, "0{", &data, WAIT_MS));
    rj_buf_free(&data);
}

void assert_answer(const struct server *server, const char *method, const char *path, const char *headers,
                   const char *body, int status, const char *expected)
{
    struct rj_http_answer answer;
    assert_true(rj_http_once(server->port, method, path, headers, body, &answer));
    assert_string_equal(rj_http_body(&answer), expected);
    assert_int_equal(answer.status, status);
    rj_http_free(&answer);
}

void assert_read(struct rj_ws_client *client, int status, const char *expected)
{
    struct rj_http_answer answer;
    assert_true(rj_http_read(client, &answer, WAIT_MS));
    assert_int_equal(answer.status, status);
    assert_string_equal(rj_http_body(&answer), expected);
    rj_http_free(&answer);
}

void assert_gone(const struct server *server, const char *sid)
{
    assert_answer(server, "GET", with_sid(POLLING, sid), NULL, NULL, 400,
                  "{\"code\":1,\"message\":\"Session ID unknown\"}");
}

/* Sends a poll on a connection of its own, and waits until the server has it. */
void hold_poll(const struct server *server, const char *sid, struct rj_ws_client *poll)
{
    assert_true(rj_ws_connect(poll, server->port));
    assert_true(rj_http_send(poll, "GET", with_sid(POLLING, sid), NULL, NULL));
    assert_false(rj_ws_is_closed(poll, 50)); /* nothing may come */
    assert_int_equal(poll->in.len, 0);
}

void assert_text(struct rj_ws_client *client, const char *expected)
{
    struct rj_buf data = {0};
    assert_int_equal(rj_ws_receive(client, &data, WAIT_MS), RJ_WS_TEXT);
    assert_string_equal(rj_buf_cstr(&data), expected);
    rj_buf_free(&data);
}

void assert_echoes(struct rj_ws_client *client)
{
    struct rj_buf data = {0};
    assert_true(rj_ws_expect(client, "0{", &data, WAIT_MS));
    assert_true(rj_ws_send_text(client, "4hello"));
    assert_text(client, "4hello");
    rj_buf_free(&data);
}

void assert_serves(const struct server *server)
{
    struct rj_ws_client client;
    open_websocket(server, &client);
    assert_true(rj_ws_send_text(&client, "4still here"));
    assert_text(&client, "4still here");
    rj_ws_disconnect(&client);
}
