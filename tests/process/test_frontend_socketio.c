/* The Socket.IO front end in the real gateway, with the real broker behind it: what a raw client gets to see.
 * Both processes must end cleanly behind every test.
 */
#include <stdlib.h>
#include <sys/wait.h>

#include "tests/support/broker_peer.h"
#include "tests/support/test.h"
#include "tests/support/ws_client.h"

enum { WAIT_MS = RJ_WS_DEADLINE_MS, PATH_BYTES = 512 };

#define POLLING   "/socket.io/?EIO=4&transport=polling"
#define WEBSOCKET "/socket.io/?EIO=4&transport=websocket"

struct system {
    struct rj_test_broker broker;
    struct rj_process gateway;
    char files[256]; /* a folder to be served */
    char log[PATH_BYTES];
    uint16_t port;
};

static bool is_ready(uint16_t port)
{
    struct rj_http_answer answer;
    bool answered = rj_http_once(port, "GET", "/readyz", NULL, NULL, &answer);
    int status = answer.status;
    rj_http_free(&answer);
    return answered && status == 200;
}

static void start_gateway(struct system *system, const char *const env[])
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
    assert_true(rj_process_wait_ready(&system->gateway, 10000));
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

static int setup_with(void **state, const char *const env[])
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

static int setup(void **state)
{
    return setup_with(state, NULL);
}

static int setup_tight(void **state)
{
    static const char *const env[] = {"REJOIN_CONNECT_TIMEOUT=1000", "REJOIN_RECOVERY=off",
                                      "REJOIN_MAX_CLIENTS_PER_CONNECTION=1", "REJOIN_MAX_CONNECTIONS=10",
                                      NULL};
    return setup_with(state, env);
}

static void show(const char *path)
{
    char line[1024];
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        fputs(line, stderr);
    if (file)
        fclose(file);
}

static int teardown(void **state)
{
    struct system *system = *state;
    int status = -1;
    bool is_clean = rj_process_signal(&system->gateway, SIGTERM) &&
                    rj_process_wait_end(&system->gateway, 15000, &status) && status == 0;
    if (!is_clean)
        show(system->log);
    rj_process_kill(&system->gateway);
    is_clean = rj_test_broker_end(&system->broker) && is_clean;
    rj_test_broker_remove(&system->broker);
    rj_temp_dir_remove(system->files);
    free(system);
    return is_clean ? 0 : -1;
}

/* ---- helpers */

static void open_websocket(const struct system *system, struct rj_ws_client *client)
{
    struct rj_buf data = {0};
    assert_int_equal(rj_ws_open(client, system->port, WEBSOCKET, NULL), 101);
    assert_true(rj_ws_expect(client, "0{", &data, WAIT_MS));
    rj_buf_free(&data);
}

static void send_text(struct rj_ws_client *client, const char *text)
{
    assert_true(rj_ws_send_text(client, text));
}

/* The next text must start so; the whole of it goes to `data`. */
static void expect_in(struct rj_ws_client *client, const char *prefix, struct rj_buf *data)
{
    assert_int_equal(rj_ws_receive(client, data, WAIT_MS), RJ_WS_TEXT);
    if (strncmp(rj_buf_cstr(data), prefix, strlen(prefix)) != 0)
        fail_msg("expected %s, got %s", prefix, rj_buf_cstr(data));
}

static void expect(struct rj_ws_client *client, const char *prefix)
{
    struct rj_buf data = {0};
    expect_in(client, prefix, &data);
    rj_buf_free(&data);
}

static void member_of(struct rj_buf *text, const char *name, char value[static 64])
{
    char quoted[32];
    snprintf(quoted, sizeof quoted, "\"%s\":\"", name);
    const char *at = strstr(rj_buf_cstr(text), quoted);
    assert_non_null(at);
    assert_int_equal(sscanf(at + strlen(quoted), "%63[^\"]", value), 1);
}

/* A client in the namespace "/" (and in the room "tea"). */
static void enter(const struct system *system, struct rj_ws_client *client)
{
    open_websocket(system, client);
    send_text(client, "40{\"user\":\"ada\"}");
    expect(client, "40{\"sid\":\"");
    send_text(client, "420[\"room:join\",\"tea\"]");
    expect(client, "430[{\"ok\":true,");
}

static void publish(struct rj_ws_client *client, const char *data)
{
    struct rj_buf text = {0};
    rj_buf_printf(&text, "427[\"room:publish\",{\"room\":\"tea\",\"data\":%s,\"echo\":false}]", data);
    send_text(client, rj_buf_cstr(&text));
    expect(client, "437[{\"ok\":true,\"seq\":");
    rj_buf_free(&text);
}

static void assert_http(const struct system *system, const char *path, int status, const char *body)
{
    struct rj_http_answer answer;
    assert_true(rj_http_once(system->port, "GET", path, NULL, NULL, &answer));
    assert_int_equal(answer.status, status);
    if (body)
        assert_string_equal(rj_http_body(&answer), body);
    rj_http_free(&answer);
}

/* ---- namespaces */

static void a_connect_is_answered_with_sid_and_pid(void **state)
{
    struct system *system = *state;
    struct rj_ws_client client;
    struct rj_buf data = {0};
    char sid[64], pid[64], expected[256];
    open_websocket(system, &client);
    send_text(&client, "40");
    expect_in(&client, "40{\"sid\":\"", &data);
    member_of(&data, "sid", sid);
    member_of(&data, "pid", pid);
    assert_string_not_equal(sid, pid);
    snprintf(expected, sizeof expected, "40{\"sid\":\"%s\",\"pid\":\"%s\"}", sid, pid);
    assert_string_equal(rj_buf_cstr(&data), expected);

    send_text(&client, "40/chat,{\"user\":\"bob\"}"); /* another on the same connection */
    expect_in(&client, "40/chat,{\"sid\":\"", &data);
    rj_buf_free(&data);
    rj_ws_disconnect(&client);
}

static void an_unknown_namespace_is_refused_and_the_connection_lives(void **state)
{
    struct system *system = *state;
    struct rj_ws_client client;
    char name[400];
    open_websocket(system, &client);
    send_text(&client, "40/nowhere,");
    expect(&client, "44/nowhere,{\"message\":\"Invalid namespace\"}");
    send_text(&client, "40/nowhere"); /* again, and without the comma */
    expect(&client, "44/nowhere,{\"message\":\"Invalid namespace\"}");
    memset(name, 'x', sizeof name);
    memcpy(name, "40/", 3);
    name[sizeof name - 1] = '\0';
    send_text(&client, name);
    expect(&client, "44/xxx");
    send_text(&client, "40");
    expect(&client, "40{\"sid\"");
    rj_ws_disconnect(&client);
}

static void a_namespace_may_be_left_and_joined_again(void **state)
{
    struct system *system = *state;
    struct rj_ws_client client;
    enter(system, &client);
    send_text(&client, "41");
    send_text(&client, "40");
    expect(&client, "40{\"sid\""); /* there is no answer to 41 */
    rj_ws_disconnect(&client);
}

static void without_recovery_the_answer_is_only_the_sid(void **state)
{
    struct system *system = *state;
    struct rj_ws_client client;
    struct rj_buf data = {0};
    char sid[64], expected[128];
    open_websocket(system, &client);
    send_text(&client, "40");
    expect_in(&client, "40{", &data);
    member_of(&data, "sid", sid);
    snprintf(expected, sizeof expected, "40{\"sid\":\"%s\"}", sid);
    assert_string_equal(rj_buf_cstr(&data), expected);
    send_text(&client, "40/chat,"); /* one namespace is all that this gateway allows */
    expect(&client, "44/chat,{\"message\":");
    rj_buf_free(&data);
    rj_ws_disconnect(&client);
}

static void who_joins_nothing_in_time_is_closed(void **state)
{
    struct system *system = *state;
    struct rj_ws_client idle, refused, joined;
    open_websocket(system, &idle);
    open_websocket(system, &refused);
    open_websocket(system, &joined);
    send_text(&refused, "40/nowhere,");
    expect(&refused, "44/nowhere,");
    send_text(&joined, "40");
    expect(&joined, "40{");
    assert_int_equal(rj_ws_close_code(&idle, WAIT_MS), 1000);
    assert_int_equal(rj_ws_close_code(&refused, WAIT_MS), 1000);
    send_text(&joined, "421[\"room:join\",\"tea\"]");
    expect(&joined, "431[{\"ok\":true,");
    rj_ws_disconnect(&idle);
    rj_ws_disconnect(&refused);
    rj_ws_disconnect(&joined);
}

/* ---- events */

static void members_get_a_message_with_its_offset_last(void **state)
{
    struct system *system = *state;
    struct rj_ws_client ada, bob;
    struct rj_buf data = {0};
    enter(system, &ada);
    enter(system, &bob);
    publish(&ada, "{\"text\":\"h\\u00e9\"}");
    expect_in(&bob, "42[\"room:message\",{\"room\":\"tea\",\"seq\":1,", &data);
    assert_non_null(strstr(rj_buf_cstr(&data), "\"data\":{\"text\":\"h\\u00e9\"}},\""));
    assert_string_equal(rj_buf_cstr(&data) + data.len - 2, "\"]");
    rj_buf_free(&data);
    rj_ws_disconnect(&ada);
    rj_ws_disconnect(&bob);
}

static void binary_goes_through_and_the_offset_follows_the_placeholders(void **state)
{
    struct system *system = *state;
    struct rj_ws_client ada, bob;
    struct rj_buf data = {0};
    enter(system, &ada);
    enter(system, &bob);
    send_text(&ada,
              "452-3[\"room:publish\",{\"room\":\"tea\",\"data\":{\"a\":{\"_placeholder\":true,\"num\":1},"
              "\"b\":{\"_placeholder\":true,\"num\":0}},\"echo\":false}]");
    assert_true(rj_ws_send_frame(&ada, RJ_WS_BINARY, true, "\0\1", 2));
    assert_true(rj_ws_send_frame(&ada, RJ_WS_BINARY, true, "", 0));
    expect(&ada, "433[{\"ok\":true,");
    expect_in(&bob, "452-[\"room:message\",{\"room\":\"tea\",", &data);
    assert_non_null(strstr(rj_buf_cstr(&data), "\"num\":0}}},\""));
    assert_string_equal(rj_buf_cstr(&data) + data.len - 2, "\"]");
    assert_int_equal(rj_ws_receive(&bob, &data, WAIT_MS), RJ_WS_BINARY);
    assert_int_equal(data.len, 2);
    assert_int_equal(rj_ws_receive(&bob, &data, WAIT_MS), RJ_WS_BINARY);
    assert_int_equal(data.len, 0);
    rj_buf_free(&data);
    rj_ws_disconnect(&ada);
    rj_ws_disconnect(&bob);
}

static void an_unknown_event_is_answered_and_an_unknown_ack_ignored(void **state)
{
    struct system *system = *state;
    struct rj_ws_client client;
    enter(system, &client);
    send_text(&client, "433[1]");
    send_text(&client, "425[\"nonsense\",1]");
    expect(&client, "435[{\"ok\":false,\"error\":{\"code\":\"no_handler\"");
    send_text(&client, "426[7,\"a name that is a number\"]");
    expect(&client, "436[{\"ok\":false,");
    rj_ws_disconnect(&client);
}

static void a_poller_gets_what_a_websocket_publishes(void **state)
{
    struct system *system = *state;
    struct rj_ws_client ada;
    struct rj_http_answer answer;
    char sid[64], path[128];
    assert_true(rj_http_once(system->port, "GET", POLLING, NULL, NULL, &answer));
    member_of(&answer.body, "sid", sid);
    rj_http_free(&answer);
    snprintf(path, sizeof path, POLLING "&sid=%s", sid);
    assert_true(rj_http_once(system->port, "POST", path, NULL, "40{\"user\":\"bob\"}", &answer));
    rj_http_free(&answer);
    assert_true(rj_http_once(system->port, "GET", path, NULL, NULL, &answer));
    assert_memory_equal(rj_http_body(&answer), "40{\"sid\"", 8);
    rj_http_free(&answer);
    assert_true(rj_http_once(system->port, "POST", path, NULL, "421[\"room:join\",\"tea\"]", &answer));
    rj_http_free(&answer);
    assert_true(rj_http_once(system->port, "GET", path, NULL, NULL, &answer));
    assert_memory_equal(rj_http_body(&answer), "431[{\"ok\":true", 14);
    rj_http_free(&answer);
    enter(system, &ada);
    publish(&ada, "1");
    publish(&ada, "2");
    struct rj_buf all = {0};
    while (!all.len || !strstr(rj_buf_cstr(&all), "\"seq\":2")) { /* in one answer or in two */
        assert_true(rj_http_once(system->port, "GET", path, NULL, NULL, &answer));
        assert_int_equal(answer.status, 200);
        rj_buf_put_span(&all, rj_buf_span(&answer.body));
        rj_http_free(&answer);
    }
    assert_non_null(strstr(rj_buf_cstr(&all), "\"seq\":1"));
    rj_buf_free(&all);
    rj_ws_disconnect(&ada);
}

static void a_session_is_rejoined_by_its_pid_and_gets_what_it_missed(void **state)
{
    struct system *system = *state;
    struct rj_ws_client ada, bob;
    struct rj_buf data = {0}, text = {0};
    char pid[64];
    enter(system, &ada);
    open_websocket(system, &bob);
    send_text(&bob, "40{\"user\":\"bob\"}");
    expect_in(&bob, "40{", &data);
    member_of(&data, "pid", pid);
    send_text(&bob, "421[\"room:join\",\"tea\"]");
    expect(&bob, "431[{\"ok\":true,");
    rj_ws_reset(&bob);
    publish(&ada, "\"missed\"");

    open_websocket(system, &bob);
    rj_buf_printf(&text, "40{\"pid\":\"%s\",\"user\":\"bob\"}", pid);
    send_text(&bob, rj_buf_cstr(&text));
    expect_in(&bob, "40{", &data);
    assert_non_null(strstr(rj_buf_cstr(&data), pid)); /* the CONNECT is answered first */
    expect_in(&bob, "42[\"room:message\"", &data);
    assert_non_null(strstr(rj_buf_cstr(&data), "\"missed\""));
    publish(&ada, "\"live\"");
    expect_in(&bob, "42[\"room:message\"", &data);
    assert_non_null(strstr(rj_buf_cstr(&data), "\"live\""));
    rj_buf_free(&data);
    rj_buf_free(&text);
    rj_ws_disconnect(&ada);
    rj_ws_disconnect(&bob);
}

/* ---- bad input */

static void packets_that_break_the_protocol_close_only_their_sender(void **state)
{
    struct system *system = *state;
    static const char *const wrong[] = {
        "4",
        "47",
        "4a",
        "40[]",
        "40{",
        "42",
        "42{}",
        "42[]",
        "42[{}]",
        "42[\"e\"",
        "42[\"connect\"]",
        "42[\"disconnect\"]",
        "42[\"disconnecting\"]",
        "42[\"newListener\"]",
        "41{}",
        "43[]",
        "44{\"message\":\"x\"}",
        "40" /* a second CONNECT */,
        "42/chat,[\"e\"]" /* not joined */,
        "41/chat," /* likewise */,
        "4511-[\"e\"]",
        "451-[\"e\",{\"_placeholder\":true,\"num\":1}]",
        "45[\"e\"]",
        "42[\"e\",NaN]",
    };
    struct rj_ws_client bystander, client;
    enter(system, &bystander);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        enter(system, &client);
        send_text(&client, wrong[i]);
        if (rj_ws_close_code(&client, WAIT_MS) != 1000)
            fail_msg("not closed: %s", wrong[i]);
        rj_ws_disconnect(&client);
    }
    publish(&bystander, "\"unharmed\"");
    rj_ws_disconnect(&bystander);
}

static void attachments_out_of_place_close_their_sender(void **state)
{
    struct system *system = *state;
    struct rj_ws_client client;
    enter(system, &client);
    assert_true(rj_ws_send_frame(&client, RJ_WS_BINARY, true, "stray", 5));
    assert_int_equal(rj_ws_close_code(&client, WAIT_MS), 1000);
    rj_ws_disconnect(&client);

    enter(system, &client);
    send_text(&client, "452-[\"e\"]");
    assert_true(rj_ws_send_frame(&client, RJ_WS_BINARY, true, "one", 3));
    send_text(&client, "42[\"e\"]");
    assert_int_equal(rj_ws_close_code(&client, WAIT_MS), 1000);
    rj_ws_disconnect(&client);

    enter(system, &client); /* and never sends the rest */
    send_text(&client, "455-[\"e\"]");
    assert_true(rj_ws_send_frame(&client, RJ_WS_BINARY, true, "one", 3));
    rj_ws_reset(&client);

    enter(system, &client); /* none announced */
    send_text(&client, "450-1[\"nonsense\"]");
    assert_int_equal(rj_ws_close_code(&client, WAIT_MS), 1000);
    rj_ws_disconnect(&client);
}

/* ---- the rest of HTTP */

static void the_gateways_own_endpoints_answer(void **state)
{
    struct system *system = *state;
    struct rj_http_answer answer;
    assert_http(system, "/healthz", 200, "ok\n");
    assert_http(system, "/readyz", 200, "ready\n");
    assert_true(rj_http_once(system->port, "GET", "/metrics", NULL, NULL, &answer));
    assert_non_null(strstr(rj_http_body(&answer), "\nrejoin_gateway_sessions 0\n"));
    assert_non_null(strstr(rj_http_body(&answer), "\nrejoin_gateway_link_up 1\n"));
    rj_http_free(&answer);
    rj_test_broker_kill(&system->broker);
    assert_true(rj_eventually(15000, !is_ready(system->port)));
    assert_http(system, "/readyz", 503, "not ready\n");
    assert_http(system, "/healthz", 200, "ok\n");
    rj_test_broker_restart(&system->broker, NULL);
    assert_true(rj_eventually(15000, is_ready(system->port)));
}

static void files_are_served_with_an_etag(void **state)
{
    struct system *system = *state;
    struct rj_http_answer answer;
    char header[128], etag[64];
    assert_true(rj_http_once(system->port, "GET", "/socket.io/socket.io.min.js", NULL, NULL, &answer));
    assert_int_equal(answer.status, 200);
    assert_string_equal(rj_http_body(&answer), "the bundle");
    assert_true(rj_http_has(&answer, "Content-Type: application/javascript; charset=utf-8\r\n"));
    assert_true(rj_http_has(&answer, "Cache-Control: public, max-age=0\r\n"));
    const char *at = strstr((const char *)answer.head.data, "ETag: ");
    assert_int_equal(sscanf(at, "ETag: %63s", etag), 1);
    rj_http_free(&answer);
    snprintf(header, sizeof header, "If-None-Match: %s\r\n", etag);
    assert_true(rj_http_once(system->port, "GET", "/socket.io/socket.io.min.js", header, NULL, &answer));
    assert_int_equal(answer.status, 304);
    assert_true(rj_http_has(&answer, "ETag: "));
    assert_false(rj_http_has(&answer, "Content-"));
    rj_http_free(&answer);

    assert_http(system, "/", 200, "<h1>hello</h1>");
    assert_http(system, "/socket.io/index.html", 400, NULL); /* no file of the bundle: Engine.IO's */
    assert_http(system, "/.secret", 404, NULL);
    assert_http(system, "/../gateway.log", 404, NULL);
    assert_http(system, "/%2e%2e/gateway.log", 404, NULL);
    assert_http(system, "/missing", 404, NULL);
}

static int status_of_request(const struct system *system, const char *method, const char *path,
                             const char *headers, const char *body, const char *line)
{
    struct rj_ws_client client;
    struct rj_http_answer answer;
    assert_true(rj_ws_connect(&client, system->port));
    assert_true(rj_http_send(&client, method, path, headers, body));
    assert_true(rj_http_read_head(&client, &answer, WAIT_MS)); /* HEAD: a length without a body */
    int status = answer.status;
    if (line)
        assert_true(rj_http_has(&answer, line));
    rj_http_free(&answer);
    rj_ws_disconnect(&client);
    return status;
}

static void a_file_that_the_client_has_is_not_sent_again(void **state)
{
    struct system *system = *state;
    static const char path[] = "/socket.io/socket.io.min.js";
    static const struct {
        const char *format;
        int status;
    } cases[] = {
        {"If-None-Match: %s\r\n", 304},
        {"If-None-Match: W/%s\r\n", 304},
        {"If-None-Match: \"a\", W/\"b\" ,%s, \"c\"\r\n", 304},
        {"If-None-Match: *\r\n", 304},
        {"If-None-Match: \"a\"\r\nIf-None-Match: %s\r\n", 304},
        {"If-None-Match: \"a\", \"b\"\r\n", 200},
        {"If-None-Match: a*\r\n", 200},
        {"If-None-Match: \r\n", 200},
    };
    struct rj_http_answer answer;
    char etag[64], headers[256];
    assert_true(rj_http_once(system->port, "GET", path, NULL, NULL, &answer));
    assert_int_equal(sscanf(strstr((const char *)answer.head.data, "ETag: "), "ETag: %63s", etag), 1);
    rj_http_free(&answer);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(headers, sizeof headers, cases[i].format, etag);
#pragma GCC diagnostic pop
        for (int is_head = 0; is_head <= 1; is_head++) {
            int status = status_of_request(system, is_head ? "HEAD" : "GET", path, headers, NULL, NULL);
            if (status != cases[i].status)
                fail_msg("case %zu: %d", i, status);
        }
    }
}

static void what_can_only_be_read_answers_405_to_the_rest(void **state)
{
    struct system *system = *state;
    static const char *const paths[] = {"/", "/socket.io/socket.io.min.js", "/healthz", "/readyz",
                                        "/metrics"};
    static const char *const methods[] = {"POST", "PUT", "DELETE", "PATCH", "OPTIONS"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        for (size_t j = 0; j < sizeof methods / sizeof *methods; j++) {
            const char *body = j == 0 ? "" : NULL;
            assert_int_equal(
                status_of_request(system, methods[j], paths[i], NULL, body, "Allow: GET, HEAD\r\n"), 405);
        }
        assert_int_equal(status_of_request(system, "HEAD", paths[i], NULL, NULL, NULL), 200);
    }
    assert_int_equal(status_of_request(system, "POST", "/missing", NULL, "x", NULL), 404);
}

static int setup_path(void **state)
{
    static const char *const env[] = {"REJOIN_PATH=/my/own/", NULL};
    return setup_with(state, env);
}

static void the_path_can_be_another(void **state)
{
    struct system *system = *state;
    struct rj_ws_client client;
    assert_http(system, "/my/own/socket.io.min.js", 200, "the bundle");
    assert_http(system, POLLING, 404, NULL);
    assert_http(system, "/my/own/?EIO=4&transport=polling", 200, NULL);
    assert_int_equal(rj_ws_open(&client, system->port, "/my/own/?EIO=4&transport=websocket", NULL), 101);
    expect(&client, "0{");
    send_text(&client, "40");
    expect(&client, "40{\"sid\":");
    rj_ws_disconnect(&client);
    assert_int_equal(rj_ws_open(&client, system->port, WEBSOCKET, NULL), 404);
    rj_ws_disconnect(&client);
}

/* A page that anybody may own must not act for its visitors. */
static void settings_that_do_not_go_together_are_refused(void **state)
{
    static const struct {
        const char *origins, *credentials, *cookie;
        int status;
    } cases[] = {
        {"*", "off", "io", 0},       {"http://a,http://b", "on", "", 0}, {"*", "on", "", 2},
        {"http://a,*", "on", "", 2}, {"http://a", "on", "a b", 2},       {"http://a", "on", "a;Domain", 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rj_process process = {0};
        char program[PATH_BYTES];
        int status = -1;
        const char *argv[] = {rj_process_program("rejoin-gateway", program, sizeof program),
                              "--broker",
                              "ipc:///nowhere",
                              "--check-config",
                              "--cors-origins",
                              cases[i].origins,
                              "--cors-credentials",
                              cases[i].credentials,
                              "--cookie",
                              cases[i].cookie,
                              NULL};
        assert_true(rj_process_start(&process, argv, NULL, NULL));
        assert_true(rj_process_wait_end(&process, WAIT_MS, &status));
        if (!WIFEXITED(status) || WEXITSTATUS(status) != cases[i].status)
            fail_msg("case %zu: %d", i, status);
    }
}

static void too_many_connections_are_turned_away(void **state)
{
    struct system *system = *state;
    enum { MOST = 10 };
    struct rj_ws_client clients[MOST], one_more;
    struct rj_http_answer answer;
    for (int i = 0; i < MOST; i++) {
        open_websocket(system, &clients[i]);
        send_text(&clients[i], "40");
        expect(&clients[i], "40{");
    }
    assert_true(rj_ws_connect(&one_more, system->port));
    assert_true(rj_http_read(&one_more, &answer, WAIT_MS));
    assert_int_equal(answer.status, 503);
    rj_http_free(&answer);
    rj_ws_disconnect(&one_more);
    rj_ws_disconnect(&clients[0]);
    assert_true(rj_eventually(WAIT_MS, ({
                                  int status = rj_ws_open(&one_more, system->port, WEBSOCKET, NULL);
                                  rj_ws_disconnect(&one_more);
                                  status == 101;
                              })));
    for (int i = 1; i < MOST; i++)
        rj_ws_disconnect(&clients[i]);
}

static void a_drain_drops_connections_without_a_word_of_socketio(void **state)
{
    struct system *system = *state;
    struct rj_ws_client client;
    struct rj_buf data = {0};
    enter(system, &client);
    assert_true(rj_process_signal(&system->gateway, SIGTERM));
    assert_int_equal(rj_ws_receive(&client, &data, WAIT_MS), RJ_WS_CLOSE); /* no 41: it shall come back */
    rj_buf_free(&data);
    rj_ws_disconnect(&client);
    int status = -1;
    assert_true(rj_process_wait_end(&system->gateway, 15000, &status));
    assert_int_equal(status, 0);
    start_gateway(system, NULL); /* for the teardown */
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_connect_is_answered_with_sid_and_pid, setup, teardown),
    cmocka_unit_test_setup_teardown(an_unknown_namespace_is_refused_and_the_connection_lives, setup,
                                    teardown),
    cmocka_unit_test_setup_teardown(a_namespace_may_be_left_and_joined_again, setup, teardown),
    cmocka_unit_test_setup_teardown(without_recovery_the_answer_is_only_the_sid, setup_tight, teardown),
    cmocka_unit_test_setup_teardown(who_joins_nothing_in_time_is_closed, setup_tight, teardown),
    cmocka_unit_test_setup_teardown(members_get_a_message_with_its_offset_last, setup, teardown),
    cmocka_unit_test_setup_teardown(binary_goes_through_and_the_offset_follows_the_placeholders, setup,
                                    teardown),
    cmocka_unit_test_setup_teardown(an_unknown_event_is_answered_and_an_unknown_ack_ignored, setup, teardown),
    cmocka_unit_test_setup_teardown(a_poller_gets_what_a_websocket_publishes, setup, teardown),
    cmocka_unit_test_setup_teardown(a_session_is_rejoined_by_its_pid_and_gets_what_it_missed, setup,
                                    teardown),
    cmocka_unit_test_setup_teardown(packets_that_break_the_protocol_close_only_their_sender, setup, teardown),
    cmocka_unit_test_setup_teardown(attachments_out_of_place_close_their_sender, setup, teardown),
    cmocka_unit_test_setup_teardown(the_gateways_own_endpoints_answer, setup, teardown),
    cmocka_unit_test_setup_teardown(files_are_served_with_an_etag, setup, teardown),
    cmocka_unit_test_setup_teardown(a_file_that_the_client_has_is_not_sent_again, setup, teardown),
    cmocka_unit_test_setup_teardown(what_can_only_be_read_answers_405_to_the_rest, setup, teardown),
    cmocka_unit_test_setup_teardown(the_path_can_be_another, setup_path, teardown),
    cmocka_unit_test(settings_that_do_not_go_together_are_refused),
    cmocka_unit_test_setup_teardown(too_many_connections_are_turned_away, setup_tight, teardown),
    cmocka_unit_test_setup_teardown(a_drain_drops_connections_without_a_word_of_socketio, setup, teardown),
};
RJ_TEST_MAIN(tests)
