#include "tests/process/serve_support.h"

#include <string.h>

static ProtobufCBinaryData bytes_of(const char *text)
{
    return (ProtobufCBinaryData){text ? strlen(text) : 0, (uint8_t *)(uintptr_t)text};
}

static char *text_of(const char *text)
{
    return (char *)(uintptr_t)(text ? text : "");
}

static size_t count(const char *const *list)
{
    size_t n = 0;
    while (list && list[n])
        n++;
    return n;
}

uint64_t say_serve(struct rj_test_peer *backend, const struct serve_as *as)
{
    static const char *const root[] = {"/", NULL};
    const char *const *namespaces = as->namespaces ? as->namespaces : root;
    Rejoin__Serve serve = REJOIN__SERVE__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    serve.group = text_of(as->group ? as->group : "workers");
    serve.namespaces = (char **)(uintptr_t)namespaces;
    serve.n_namespaces = count(namespaces);
    serve.events = (char **)(uintptr_t)as->events;
    serve.n_events = count(as->events);
    serve.all_events = as->all_events;
    serve.admits = as->admits;
    serve.sockets = as->sockets;
    serve.fails_lost = as->fails_lost;
    serve.window = as->window;
    serve.timeout_ms = as->timeout_ms;
    command.kind_case = REJOIN__COMMAND__KIND_SERVE;
    command.serve = &serve;
    return rj_test_peer_command(backend, 0, &command);
}

Rejoin__Served *serve(struct rj_test_peer *backend, const struct serve_as *as)
{
    Rejoin__Reply *reply = rj_test_peer_reply(backend, say_serve(backend, as));
    assert_non_null(reply);
    assert_null(reply->error);
    assert_int_equal(reply->result_case, REJOIN__REPLY__RESULT_SERVED);
    return reply->served;
}

Rejoin__Reply *unserve(struct rj_test_peer *backend, const char *group, bool forget)
{
    Rejoin__Unserve unserve = REJOIN__UNSERVE__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    unserve.group = text_of(group);
    unserve.forget = forget;
    command.kind_case = REJOIN__COMMAND__KIND_UNSERVE;
    command.unserve = &unserve;
    Rejoin__Reply *reply = rj_test_peer_reply(backend, rj_test_peer_command(backend, 0, &command));
    assert_non_null(reply);
    return reply;
}

void open_gateway(struct rj_test_broker *broker, struct rj_test_peer *peer, const char *id)
{
    rj_test_peer_open(peer, broker->gateways);
    assert_non_null(rj_test_peer_hello_gateway(peer, id, 0, 0));
    rj_test_peer_ready(peer);
}

void open_backend(struct rj_test_broker *broker, struct rj_test_peer *peer, const char *id)
{
    rj_test_peer_open(peer, broker->backends);
    assert_non_null(rj_test_peer_hello_backend(peer, id, "workers"));
}

struct who enter(struct rj_test_peer *gateway, uint64_t client)
{
    Rejoin__Reply *reply = rj_test_connect(gateway, client, NULL, NULL);
    assert_true(reply && !reply->error);
    struct who who = {.incarnation = reply->connected->incarnation};
    snprintf(who.sid, sizeof who.sid, "%s", reply->connected->sid);
    snprintf(who.pid, sizeof who.pid, "%s", reply->connected->pid);
    return who;
}

uint64_t say_connect(struct rj_test_peer *gateway, uint64_t client, const char *nsp, const char *pid,
                     const char *auth)
{
    Rejoin__Connect connect = REJOIN__CONNECT__INIT;
    Rejoin__Handshake handshake = REJOIN__HANDSHAKE__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    connect.namespace_ = text_of(nsp);
    connect.pid = text_of(pid);
    connect.auth = bytes_of(auth);
    handshake.address = "192.0.2.7";
    connect.handshake = &handshake;
    command.kind_case = REJOIN__COMMAND__KIND_CONNECT;
    command.connect = &connect;
    return rj_test_peer_command(gateway, client, &command);
}

uint64_t say_disconnect(struct rj_test_peer *gateway, uint64_t client, const char *reason, bool left)
{
    Rejoin__Disconnect disconnect = REJOIN__DISCONNECT__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    disconnect.reason = text_of(reason);
    disconnect.left = left;
    command.kind_case = REJOIN__COMMAND__KIND_DISCONNECT;
    command.disconnect = &disconnect;
    return rj_test_peer_command(gateway, client, &command);
}

uint64_t say_attach(struct rj_test_peer *gateway, uint64_t client, const char *pid, const char *sid,
                    uint64_t incarnation)
{
    Rejoin__Attach attach = REJOIN__ATTACH__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    attach.pid = text_of(pid);
    attach.sid = text_of(sid);
    attach.incarnation = incarnation;
    command.kind_case = REJOIN__COMMAND__KIND_ATTACH;
    command.attach = &attach;
    return rj_test_peer_command(gateway, client, &command);
}

uint64_t say_event(struct rj_test_peer *gateway, uint64_t client, const char *name, const char *args,
                   uint64_t id, bool repeated)
{
    Rejoin__Event event = REJOIN__EVENT__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    event.name = text_of(name);
    event.args = bytes_of(args);
    event.wants_ack = true;
    event.repeated = repeated;
    command.id = id;
    command.kind_case = REJOIN__COMMAND__KIND_EVENT;
    command.event = &event;
    return rj_test_peer_command(gateway, client, &command);
}

Rejoin__Job *get_job(struct rj_test_peer *backend)
{
    Rejoin__Item *item = rj_test_peer_expect(backend, REJOIN__ITEM__KIND_JOB, RJ_TEST_DEADLINE_MS);
    assert_non_null(item);
    return item->job;
}

Rejoin__Opened *get_opened(struct rj_test_peer *backend)
{
    Rejoin__Item *item = rj_test_peer_expect(backend, REJOIN__ITEM__KIND_OPENED, RJ_TEST_DEADLINE_MS);
    assert_non_null(item);
    return item->opened;
}

Rejoin__Closed *get_closed(struct rj_test_peer *backend)
{
    Rejoin__Item *item = rj_test_peer_expect(backend, REJOIN__ITEM__KIND_CLOSED, RJ_TEST_DEADLINE_MS);
    assert_non_null(item);
    return item->closed;
}

void assert_none(struct rj_test_peer *peer, Rejoin__Item__KindCase kind)
{
    assert_true(rj_test_peer_metric(peer, "rejoin_broker_uptime_ms") >= 0);
    assert_true(rj_test_peer_metric(peer, "rejoin_broker_uptime_ms") >= 0); /* the turn after is over, too */
    assert_null(rj_test_peer_expect(peer, kind, 0));
}

void keep_alive(struct rj_test_peer *peer)
{
    rj_test_peer_expect(peer, REJOIN__ITEM__KIND__NOT_SET, 0);
}

Rejoin__Item *wait_for(struct rj_test_peer *peer, Rejoin__Item__KindCase kind,
                       struct rj_test_peer *const others[])
{
    uint64_t end_ms = rj_test_now_ms() + RJ_TEST_DEADLINE_MS;
    Rejoin__Item *item = NULL;
    while (!item && rj_test_now_ms() < end_ms) {
        item = rj_test_peer_expect(peer, kind, 20);
        for (size_t i = 0; others[i]; i++)
            keep_alive(others[i]);
    }
    assert_non_null(item);
    return item;
}

Rejoin__Job *get_admission(struct rj_test_peer *backend)
{
    Rejoin__Job *job = get_job(backend);
    assert_int_equal(job->what_case, REJOIN__JOB__WHAT_CONNECT);
    return job;
}

Rejoin__Job *get_event(struct rj_test_peer *backend, const char *name)
{
    Rejoin__Job *job = get_job(backend);
    assert_int_equal(job->what_case, REJOIN__JOB__WHAT_EVENT);
    assert_string_equal(job->event->name, name);
    return job;
}

Rejoin__Reply *send_answer(struct rj_test_peer *backend, Rejoin__Answer *answer)
{
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_ANSWER;
    command.answer = answer;
    Rejoin__Reply *reply = rj_test_peer_reply(backend, rj_test_peer_command(backend, 0, &command));
    assert_non_null(reply);
    return reply;
}

Rejoin__Reply *answer(struct rj_test_peer *backend, uint64_t job, const char *args)
{
    Rejoin__Answer answer = REJOIN__ANSWER__INIT;
    answer.job = job;
    answer.args = bytes_of(args);
    return send_answer(backend, &answer);
}

Rejoin__Reply *refuse(struct rj_test_peer *backend, uint64_t job, const char *code, const char *message,
                      const char *data)
{
    Rejoin__Error error = REJOIN__ERROR__INIT;
    Rejoin__Answer answer = REJOIN__ANSWER__INIT;
    error.code = text_of(code);
    error.message = text_of(message);
    error.data = bytes_of(data);
    answer.job = job;
    answer.refusal = &error;
    return send_answer(backend, &answer);
}

void assert_acked(struct rj_test_peer *gateway, uint64_t command, const char *args)
{
    Rejoin__Reply *reply = rj_test_peer_reply(gateway, command);
    assert_non_null(reply);
    assert_null(reply->error);
    assert_int_equal(reply->result_case, REJOIN__REPLY__RESULT_EVENT);
    assert_int_equal(reply->event->args.len, strlen(args));
    assert_memory_equal(reply->event->args.data, args, strlen(args));
}

void assert_failed(struct rj_test_peer *gateway, uint64_t command, const char *code)
{
    Rejoin__Reply *reply = rj_test_peer_reply(gateway, command);
    assert_non_null(reply);
    assert_non_null(reply->error);
    assert_string_equal(reply->error->code, code);
}
