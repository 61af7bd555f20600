/* What the gateway serves over HTTP beside Engine.IO: its own endpoints, files, and how it turns away. */
#include <stdlib.h>

#include "tests/process/frontend_support.h"

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
    assert_true(rj_eventually(WAIT_MS, !is_ready(system->port)));
    assert_http(system, "/readyz", 503, "not ready\n");
    assert_http(system, "/healthz", 200, "ok\n");
    rj_test_broker_restart(&system->broker, NULL);
    assert_true(rj_eventually(WAIT_MS, is_ready(system->port)));
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

static void too_many_connections_are_turned_away(void **state)
{
    struct system *system = *state;
    enum { MOST = 10, BODY = 1 << 20 };
    struct rj_ws_client clients[MOST], one_more;
    char *body = calloc(1, BODY + 1);
    struct rj_http_answer answer;
    for (int i = 0; i < MOST; i++) {
        open_websocket(system, &clients[i]);
        send_text(&clients[i], "40");
        expect(&clients[i], "40{");
    }
    memset(body, 'x', BODY);
    for (int i = 0; i < 10; i++) { /* also when it comes while there is much to send: no reset overtakes it */
        assert_true(rj_ws_connect(&one_more, system->port));
        if (i % 2)
            assert_true(rj_http_send(&one_more, "POST", POLLING, NULL, body));
        assert_true(rj_http_read(&one_more, &answer, WAIT_MS));
        assert_int_equal(answer.status, 503);
        rj_http_free(&answer);
        assert_true(rj_ws_is_closed(&one_more, WAIT_MS));
        rj_ws_disconnect(&one_more);
    }
    free(body);
    rj_ws_disconnect(&clients[0]);
    assert_true(rj_eventually(WAIT_MS, ({
                                  int status = rj_ws_open(&one_more, system->port, WEBSOCKET, NULL);
                                  rj_ws_disconnect(&one_more);
                                  status == 101;
                              })));
    for (int i = 1; i < MOST; i++)
        rj_ws_disconnect(&clients[i]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(the_gateways_own_endpoints_answer, setup, teardown),
    cmocka_unit_test_setup_teardown(files_are_served_with_an_etag, setup, teardown),
    cmocka_unit_test_setup_teardown(a_file_that_the_client_has_is_not_sent_again, setup, teardown),
    cmocka_unit_test_setup_teardown(what_can_only_be_read_answers_405_to_the_rest, setup, teardown),
    cmocka_unit_test_setup_teardown(the_path_can_be_another, setup_path, teardown),
    cmocka_unit_test_setup_teardown(too_many_connections_are_turned_away, setup_tight, teardown),
};

RJ_TEST_MAIN(tests)
