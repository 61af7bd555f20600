/* A client at the door of a namespace: what the broker is told of it, and how it is turned away. */
#include "tests/process/gateway_support.h"

static int setup(void **state)
{
    stage_setup(state);
    link_up(*state);
    return 0;
}

static int setup_without_recovery(void **state)
{
    static const char *const env[] = {"REJOIN_RECOVERY=off", NULL};
    stage_setup_with(state, env);
    link_up(*state);
    return 0;
}

static const char *header(const Rejoin__Handshake *handshake, const char *name)
{
    for (size_t i = 0; i < handshake->n_headers; i++)
        if (strcmp(handshake->headers[i]->name, name) == 0)
            return handshake->headers[i]->value;
    return NULL;
}

static void assert_header(const Rejoin__Handshake *handshake, const char *name, const char *value)
{
    const char *found = header(handshake, name);
    if (!found)
        fail_msg("no header %s", name);
    assert_string_equal(found, value);
}

static const Rejoin__Handshake *knock_with(struct stage *stage, struct guest *guest, const char *path,
                                           const char *headers)
{
    assert_int_equal(rj_ws_open(&guest->ws, stage->port, path, headers), 101);
    expect_start(stage, guest, "0{");
    return knock(stage, guest, "/", NULL)->connect->handshake;
}

static void the_broker_is_told_how_a_client_came(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    const Rejoin__Handshake *said =
        knock_with(stage, &one, "/socket.io/?EIO=4&transport=websocket&token=abc",
                   "Origin: http://example.com\r\nCookie: a=1; b=2\r\nAuthorization: Bearer t\r\n"
                   "User-Agent: test\r\nX-Forwarded-For: 10.0.0.1, 10.0.0.2\r\nSec-Fetch-Mode: websocket\r\n"
                   "X-TENANT: seven\r\nX-Other: told like all\r\nAccept-Language: caf\xe9\r\n");
    assert_string_equal(said->address, "127.0.0.1");
    assert_string_equal(said->transport, "websocket");
    assert_string_equal(said->url, "/socket.io/?EIO=4&transport=websocket&token=abc");
    assert_false(said->secure);
    assert_true(said->issued_ms > 1600000000000u);
    assert_header(said, "host", "localhost");
    assert_header(said, "origin", "http://example.com");
    assert_header(said, "cookie", "a=1; b=2");
    assert_header(said, "authorization", "Bearer t");
    assert_header(said, "user-agent", "test");
    assert_header(said, "x-forwarded-for", "10.0.0.1, 10.0.0.2");
    assert_header(said, "sec-fetch-mode", "websocket");
    assert_header(said, "upgrade", "websocket");
    assert_header(said, "x-tenant", "seven");
    assert_header(said, "x-other", "told like all");
    assert_header(said, "accept-language", "caf\xc3\xa9");
    assert_null(header(said, "x-none"));
    rj_ws_disconnect(&one.ws);
}

/* RFC 9112 §3.2.2: as if the client had named it in Host. */
static void a_host_in_the_target_is_told_instead_of_host(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    const Rejoin__Handshake *said =
        knock_with(stage, &one, "http://chat.example:81/socket.io/?EIO=4&transport=websocket&a=b", NULL);
    assert_header(said, "host", "chat.example:81");
    assert_string_equal(said->url, "/socket.io/?EIO=4&transport=websocket&a=b");
    assert_false(said->secure);
    rj_ws_disconnect(&one.ws);
}

static void a_url_is_told_as_the_client_wrote_it(void **state)
{
    struct stage *stage = *state;
    static const char *const queries[] = {"a=1&b=",         "x=1%262%3D3", "x=%41%20b%2Fc", "x=%25%2B%23%22",
                                          "x=%F0%9F%98%80", "x=%ff",       "x=a+b"};
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        struct guest one = {0};
        char path[256];
        snprintf(path, sizeof path, "/socket.io/?EIO=4&transport=websocket&%s", queries[i]);
        assert_string_equal(knock_with(stage, &one, path, NULL)->url, path);
        rj_ws_disconnect(&one.ws);
    }
}

static void headers_are_told_up_to_8_kib_together(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    char headers[7400], *at = headers;
    at += sprintf(at, "Cookie: ");
    memset(at, 'c', 7200);
    strcpy(at + 7200, "\r\nX-Tenant: seven\r\n");
    const Rejoin__Handshake *said = knock_with(stage, &one, "/socket.io/?EIO=4&transport=websocket", headers);
    assert_int_equal(strlen(header(said, "cookie")), 7200);
    assert_header(said, "x-tenant", "seven");
    size_t sum = 0;
    for (size_t i = 0; i < said->n_headers; i++)
        sum += strlen(said->headers[i]->name) + strlen(said->headers[i]->value) + 2;
    assert_true(sum <= 8192);
    rj_ws_disconnect(&one.ws);
}

static void assert_auth(const Rejoin__Command *command, const char *auth)
{
    ProtobufCBinaryData said = command->connect->auth;
    assert_true(rj_span_is(rj_span_of(said.data, said.len), auth));
}

static void auth_is_told_as_it_came_without_the_recoverys_part(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    arrive(stage, &one);
    Rejoin__Command *command = knock(stage, &one, "/", "{ \"token\" : [1, 2.50] }");
    assert_auth(command, "{ \"token\" : [1, 2.50] }");
    command = knock(stage, &one, "/a", "{\"pid\":\"P\",\"offset\":\"7.1\",\"token\": \"t\"}");
    assert_string_equal(command->connect->pid, "P");
    assert_string_equal(command->connect->offset, "7.1");
    assert_auth(command, "{\"token\":\"t\"}");
    assert_auth(knock(stage, &one, "/b", NULL), "");
    rj_ws_disconnect(&one.ws);
}

static void without_recovery_all_of_auth_is_the_applications(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    arrive(stage, &one);
    Rejoin__Command *command = knock(stage, &one, "/", "{\"pid\":7}");
    assert_string_equal(command->connect->pid, "");
    assert_true(command->connect->no_recovery);
    assert_auth(command, "{\"pid\":7}");
    rj_ws_disconnect(&one.ws);
}

static void a_refusal_is_a_connect_error_with_its_data(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    arrive(stage, &one);
    turn_away(stage, knock(stage, &one, "/a", NULL), "forbidden", "not \"you\"", "{\"why\":[1]}");
    expect_text(stage, &one, "44/a,{\"message\":\"not \\\"you\\\"\",\"data\":{\"why\":[1]}}");
    turn_away(stage, knock(stage, &one, "/", NULL), "invalid_namespace", "Invalid namespace", NULL);
    expect_text(stage, &one, "44{\"message\":\"Invalid namespace\"}");
    let_in(stage, &one, knock(stage, &one, "/a", NULL), &(struct entry){.nsp = "/a"}); /* another try */
    assert_int_equal(metric(stage, "rejoin_gateway_clients_refused_total"), 2);
    rj_ws_disconnect(&one.ws);
}

static void who_cannot_come_in_just_now_loses_the_transport_alone(void **state)
{
    struct stage *stage = *state;
    static const char *const codes[] = {"unavailable", "timeout", "busy", "closed", "conflict"};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct guest one = {0};
        enter(stage, &one, &(struct entry){.room = "tea"});
        uint64_t first = one.handle;
        turn_away(stage, knock(stage, &one, "/a", NULL), codes[i], "not now", NULL);
        int opcode = rj_ws_receive(&one.ws, &stage->text, WAIT_MS);
        assert_int_equal(opcode, RJ_WS_CLOSE); /* no 44, no 41 */
        one.handle = first;
        expect_gone(stage, &one, "forced close", false);
        rj_ws_disconnect(&one.ws);
    }
    assert_int_equal(metric(stage, "rejoin_gateway_clients_put_off_total"), 5);
    assert_int_equal(metric(stage, "rejoin_gateway_clients_refused_total"), 0);
    assert_true(log_has(stage, "why=unavailable"));
}

static int setup_small(void **state)
{
    static const char *const env[] = {"REJOIN_MAX_PENDING=1", NULL};
    stage_setup_with(state, env);
    link_up(*state);
    return 0;
}

static void who_comes_while_too_many_wait_loses_the_transport(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0}, two = {0};
    arrive(stage, &one);
    const Rejoin__Command *command = knock(stage, &one, "/", NULL);
    arrive(stage, &two);
    say(&two, "40");
    int opcode = rj_ws_receive(&two.ws, &stage->text, WAIT_MS);
    assert_int_equal(opcode, RJ_WS_CLOSE);
    assert_true(log_has(stage, "event=connection_closed"));
    assert_true(log_has(stage, "reason=\"forced close\" why=overload"));
    rj_ws_disconnect(&two.ws);
    let_in(stage, &one, command, &(struct entry){0});
    two = (struct guest){0};
    enter(stage, &two, &(struct entry){.sid = "T"}); /* there is room again */
    assert_int_equal(metric(stage, "rejoin_gateway_clients_ended_total{reason=\"forced close\"}"), 0);
    rj_ws_disconnect(&one.ws);
    rj_ws_disconnect(&two.ws);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(who_comes_while_too_many_wait_loses_the_transport, setup_small,
                                    stage_teardown),
    cmocka_unit_test_setup_teardown(the_broker_is_told_how_a_client_came, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(a_host_in_the_target_is_told_instead_of_host, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(a_url_is_told_as_the_client_wrote_it, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(headers_are_told_up_to_8_kib_together, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(auth_is_told_as_it_came_without_the_recoverys_part, setup,
                                    stage_teardown),
    cmocka_unit_test_setup_teardown(without_recovery_all_of_auth_is_the_applications, setup_without_recovery,
                                    stage_teardown),
    cmocka_unit_test_setup_teardown(a_refusal_is_a_connect_error_with_its_data, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(who_cannot_come_in_just_now_loses_the_transport_alone, setup,
                                    stage_teardown),
};

RJ_TEST_MAIN(tests)
