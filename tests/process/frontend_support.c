#include "tests/process/frontend_support.h"

#include <stdlib.h>

bool is_ready(uint16_t port)
{
    struct rj_http_answer answer;
    bool answered = rj_http_once(port, "GET", "/readyz", NULL, NULL, &answer);
    int status = answer.status;
    rj_http_free(&answer);
    return answered && status == 200;
}

void start_gateway(struct system *system, const char *const env[])
{
    char program[PATH_BYTES], listen[64];
    const char *argv[] = {rj_process_program("rejoin-gateway", program, sizeof program),
                          "--listen",
                          "127.0.0.1:0",
                          "--broker",
                          system->broker.gateways,
                          "--client-dir",
                          system->files,
                          "--page-dir",
                          system->files,
                          NULL};
    snprintf(system->log, sizeof system->log, "%s/gateway.log", system->broker.folder);
    assert_true(rj_process_start(&system->gateway, argv, env, system->log));
    assert_true(rj_process_wait_ready(&system->gateway, WAIT_MS));
    assert_true(rj_process_ready_value(&system->gateway, "listen", listen, sizeof listen));
    system->port = (uint16_t)atoi(strrchr(listen, ':') + 1);
    assert_true(rj_eventually(WAIT_MS, is_ready(system->port)));
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

int setup_with(void **state, const char *const env[])
{
    static const char *const flags[] = {"--namespaces", "/,/chat", "--identity", "claimed", "--ping",
                                        "50",           "--lease", "400",        NULL};
    struct system *system = calloc(1, sizeof *system);
    *state = system;
    rj_test_broker_start(&system->broker, flags);
    assert_true(rj_temp_dir(system->files, sizeof system->files));
    write_file(system->files, "socket.io.min.js", "the bundle");
    write_file(system->files, "index.html", "<h1>hello</h1>");
    write_file(system->files, ".secret", "no");
    start_gateway(system, env);
    return 0;
}

int setup(void **state)
{
    return setup_with(state, NULL);
}

int setup_tight(void **state)
{
    static const char *const env[] = {"REJOIN_CONNECT_TIMEOUT=2000", "REJOIN_RECOVERY=off",
                                      "REJOIN_MAX_CLIENTS_PER_CONNECTION=1", "REJOIN_MAX_CONNECTIONS=10",
                                      NULL};
    return setup_with(state, env);
}

int teardown(void **state)
{
    struct system *system = *state;
    int status = -1;
    bool is_clean = rj_process_signal(&system->gateway, SIGTERM) &&
                    rj_process_wait_end(&system->gateway, WAIT_MS, &status) && status == 0;
    if (!is_clean)
        rj_test_show_file(system->log);
    rj_process_kill(&system->gateway);
    is_clean = rj_test_broker_end(&system->broker) && is_clean;
    rj_test_broker_remove(&system->broker);
    rj_temp_dir_remove(system->files);
    free(system);
    return is_clean ? 0 : -1;
}

/* ---- helpers */

void open_websocket(const struct system *system, struct rj_ws_client *client)
{
    struct rj_buf data = {0};
    assert_int_equal(rj_ws_open(client, system->port, WEBSOCKET, NULL), 101);
    assert_true(rj_ws_expect(client, "0{", &data, WAIT_MS));
    rj_buf_free(&data);
}

void send_text(struct rj_ws_client *client, const char *text)
{
    assert_true(rj_ws_send_text(client, text));
}

void expect_in(struct rj_ws_client *client, const char *prefix, struct rj_buf *data)
{
    assert_int_equal(rj_ws_receive(client, data, WAIT_MS), RJ_WS_TEXT);
    if (strncmp(rj_buf_cstr(data), prefix, strlen(prefix)) != 0)
        fail_msg("expected %s, got %s", prefix, rj_buf_cstr(data));
}

void expect(struct rj_ws_client *client, const char *prefix)
{
    struct rj_buf data = {0};
    expect_in(client, prefix, &data);
    rj_buf_free(&data);
}

void member_of(struct rj_buf *text, const char *name, char value[static 64])
{
    char quoted[32];
    snprintf(quoted, sizeof quoted, "\"%s\":\"", name);
    const char *at = strstr(rj_buf_cstr(text), quoted);
    assert_non_null(at);
    assert_int_equal(sscanf(at + strlen(quoted), "%63[^\"]", value), 1);
}

void enter(const struct system *system, struct rj_ws_client *client)
{
    open_websocket(system, client);
    send_text(client, "40{\"user\":\"ada\"}");
    expect(client, "40{\"sid\":\"");
    send_text(client, "420[\"room:join\",\"tea\"]");
    expect(client, "430[{\"ok\":true,");
}

void publish(struct rj_ws_client *client, const char *data)
{
    struct rj_buf text = {0};
    rj_buf_printf(&text, "427[\"room:publish\",{\"room\":\"tea\",\"data\":%s,\"echo\":false}]", data);
    send_text(client, rj_buf_cstr(&text));
    expect(client, "437[{\"ok\":true,\"seq\":");
    rj_buf_free(&text);
}

void assert_http(const struct system *system, const char *path, int status, const char *body)
{
    struct rj_http_answer answer;
    assert_true(rj_http_once(system->port, "GET", path, NULL, NULL, &answer));
    assert_int_equal(answer.status, status);
    if (body)
        assert_string_equal(rj_http_body(&answer), body);
    rj_http_free(&answer);
}
