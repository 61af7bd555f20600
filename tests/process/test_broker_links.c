/* The links themselves: Hello, numbering, healing, leases, and peers that speak garbage. */
#include "tests/support/broker_peer.h"
#include "tests/support/test.h"

static void open_gateway(struct rj_test_broker *broker, struct rj_test_peer *peer, const char *id)
{
    rj_test_peer_open(peer, broker->gateways);
    assert_non_null(rj_test_peer_hello_gateway(peer, id, 0, 0));
    rj_test_peer_ready(peer);
}

static void close_broker(struct rj_test_broker *broker)
{
    assert_true(rj_test_broker_end(broker));
    rj_test_broker_remove(broker);
}

static void enter(struct rj_test_peer *peer, uint64_t client, const char *room)
{
    Rejoin__Reply *reply = rj_test_connect(peer, client, NULL, NULL);
    assert_true(reply && !reply->error);
    reply = rj_test_join(peer, client, room);
    assert_true(reply && !reply->error);
}

static void a_stranger_is_asked_for_its_hello(void **state)
{
    (void)state;
    struct rj_test_broker broker;
    struct rj_test_peer peer;
    rj_test_broker_start(&broker, (const char *[]){"--lease", "6000", NULL});
    rj_test_peer_open(&peer, broker.gateways);
    Rejoin__StatsQuery query = REJOIN__STATS_QUERY__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_STATS;
    command.stats = &query;
    rj_test_peer_command(&peer, 0, &command);
    assert_non_null(rj_test_peer_expect(&peer, REJOIN__ITEM__KIND_NEED_HELLO, RJ_TEST_DEADLINE_MS));
    assert_true(peer.probes == 1);
    Rejoin__Welcome *welcome = rj_test_peer_hello_gateway(&peer, "gateway-a", 0, 0);
    assert_non_null(welcome);
    assert_int_equal(welcome->ping_ms, 1000);
    assert_int_equal(welcome->lease_ms, 6000);
    assert_int_equal(welcome->max_frame_bytes, 16777216);
    assert_true(welcome->epoch > 0);
    rj_test_peer_close(&peer);
    close_broker(&broker);
}

static void frames_are_numbered_from_one_on_each_stream(void **state)
{
    (void)state;
    struct rj_test_broker broker;
    struct rj_test_peer peer;
    rj_test_broker_start(&broker, NULL);
    open_gateway(&broker, &peer, "gateway-a");
    enter(&peer, 1, "tea");
    for (int i = 0; i < 20; i++)
        assert_null(rj_test_publish(&peer, 1, "tea", "1", NULL)->error);
    assert_true(peer.number > 20);
    assert_int_equal(peer.gaps, 0);
    assert_non_null(rj_test_peer_hello_gateway(&peer, "gateway-a", 0, 0));
    assert_int_equal(peer.number, 1);
    assert_int_equal(peer.gaps, 0);
    rj_test_peer_close(&peer);
    close_broker(&broker);
}

static void hellos_that_are_none_are_refused(void **state)
{
    (void)state;
    struct rj_test_broker broker;
    struct rj_test_peer peer;
    static char long_id[200];
    memset(long_id, 'x', sizeof long_id - 1);
    const struct {
        Rejoin__Hello__Role role;
        const char *id;
    } cases[] = {
        {REJOIN__HELLO__ROLE__BACKEND, "backend"}, {REJOIN__HELLO__ROLE__ROLE_UNKNOWN, "nobody"},
        {(Rejoin__Hello__Role)77, "nobody"},       {REJOIN__HELLO__ROLE__GATEWAY, ""},
        {REJOIN__HELLO__ROLE__GATEWAY, long_id},   {REJOIN__HELLO__ROLE__GATEWAY, "\xc3\x28"},
    };
    rj_test_broker_start(&broker, NULL);
    rj_test_peer_open(&peer, broker.gateways);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Rejoin__Hello hello = REJOIN__HELLO__INIT;
        Rejoin__Item item = REJOIN__ITEM__INIT;
        hello.role = cases[i].role;
        hello.id = (char *)(uintptr_t)cases[i].id;
        item.kind_case = REJOIN__ITEM__KIND_HELLO;
        item.hello = &hello;
        rj_test_peer_put(&peer, &item);
        rj_test_peer_flush(&peer);
        Rejoin__Item *answer = rj_test_peer_expect(&peer, REJOIN__ITEM__KIND_ERROR, RJ_TEST_DEADLINE_MS);
        assert_non_null(answer);
        assert_string_equal(answer->error->code, "bad_request");
    }
    assert_null(rj_test_peer_expect(&peer, REJOIN__ITEM__KIND_WELCOME, 0));
    rj_test_peer_close(&peer);
    close_broker(&broker);
}

static void garbage_costs_its_sender_alone(void **state)
{
    (void)state;
    struct rj_test_broker broker;
    struct rj_test_peer good, bad;
    static uint8_t large[200000];
    static const struct {
        const char *bytes;
        size_t len;
        const char *code;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", 18, "bad_request"},
        {"RJ", 2, "bad_request"},
        {"RJ\x02\x00", 4, "version"},
        {"RJ\x01\x00\xff\xff\xff\xff", 8, "bad_request"},
        {"RJ\x01\x00\x1a\x7f\x01", 7, "bad_request"},
    };
    rj_test_broker_start(&broker, (const char *[]){"--max-frame", "131072", "--max-data", "65536", NULL});
    open_gateway(&broker, &good, "gateway-good");
    enter(&good, 1, "tea");
    rj_test_peer_open(&bad, broker.gateways);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rj_test_peer_send_raw(&bad, cases[i].bytes, cases[i].len);
        Rejoin__Item *answer = rj_test_peer_expect(&bad, REJOIN__ITEM__KIND_ERROR, RJ_TEST_DEADLINE_MS);
        assert_non_null(answer);
        assert_string_equal(answer->error->code, cases[i].code);
    }
    memcpy(large, "RJ\x01", 4);
    rj_test_peer_send_raw(&bad, large, sizeof large);
    Rejoin__Item *answer = rj_test_peer_expect(&bad, REJOIN__ITEM__KIND_ERROR, RJ_TEST_DEADLINE_MS);
    assert_non_null(answer);
    assert_string_equal(answer->error->code, "too_large");
    assert_true(rj_test_peer_metric(&good, "rejoin_broker_garbage_frames_total") == 6);

    /* A command of no kind, and one that is not a gateway's. */
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    assert_true(rj_test_failed_with(rj_test_peer_reply(&good, rj_test_peer_command(&good, 1, &command)),
                                    "bad_request"));
    Rejoin__Tail tail = REJOIN__TAIL__INIT;
    command.id = 0;
    command.kind_case = REJOIN__COMMAND__KIND_TAIL;
    command.tail = &tail;
    assert_true(rj_test_failed_with(rj_test_peer_reply(&good, rj_test_peer_command(&good, 1, &command)),
                                    "bad_request"));
    assert_null(rj_test_publish(&good, 1, "tea", "1", NULL)->error);
    assert_int_equal(good.gaps, 0);
    rj_test_peer_close(&bad);
    rj_test_peer_close(&good);
    close_broker(&broker);
}

static void a_frame_far_too_large_is_cut_off_and_the_peer_may_come_back(void **state)
{
    (void)state;
    struct rj_test_broker broker;
    struct rj_test_peer good, bad;
    static uint8_t huge[1 << 20];
    rj_test_broker_start(&broker, (const char *[]){"--max-frame", "131072", "--max-data", "65536", NULL});
    open_gateway(&broker, &good, "gateway-good");
    open_gateway(&broker, &bad, "gateway-bad");
    memcpy(huge, "RJ\x01", 4);
    rj_test_peer_send_raw(&bad, huge, sizeof huge);
    /* Its connection is new: it finds out by the probe, and says Hello again. */
    assert_true(
        rj_eventually(RJ_TEST_DEADLINE_MS,
                      (rj_test_peer_expect(&bad, REJOIN__ITEM__KIND_NEED_HELLO, 10), bad.probes >= 2)));
    assert_non_null(rj_test_peer_hello_gateway(&bad, "gateway-bad", 0, 0));
    enter(&good, 1, "tea");
    rj_test_peer_close(&bad);
    rj_test_peer_close(&good);
    close_broker(&broker);
}

static void a_gateway_that_falls_silent_loses_its_clients_after_a_lease(void **state)
{
    (void)state;
    struct rj_test_broker broker;
    struct rj_test_peer quiet, other;
    rj_test_broker_start(&broker, (const char *[]){"--lease", "2000", "--ping", "100", NULL});
    open_gateway(&broker, &quiet, "gateway-quiet");
    open_gateway(&broker, &other, "gateway-other");
    enter(&quiet, 1, "tea");
    enter(&other, 1, "tea");
    quiet.is_mute = true; /* and nobody reads from it either */
    assert_true(rj_eventually(RJ_TEST_DEADLINE_MS,
                              rj_test_peer_metric(&other, "rejoin_broker_leases_expired_total") == 1));
    assert_true(rj_eventually(RJ_TEST_DEADLINE_MS, rj_test_join(&other, 1, "tea")->joined->members == 1));
    assert_true(rj_test_peer_metric(&other, "rejoin_broker_gateways") == 1);
    /* When it speaks again it is a stranger. */
    Rejoin__StatsQuery query = REJOIN__STATS_QUERY__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_STATS;
    command.stats = &query;
    rj_test_peer_command(&quiet, 0, &command);
    assert_non_null(rj_test_peer_expect(&quiet, REJOIN__ITEM__KIND_NEED_HELLO, RJ_TEST_DEADLINE_MS));
    rj_test_peer_close(&quiet);
    rj_test_peer_close(&other);
    close_broker(&broker);
}

static void a_gateway_that_says_bye_is_gone_at_once(void **state)
{
    (void)state;
    struct rj_test_broker broker;
    struct rj_test_peer ending, other;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Bye bye = REJOIN__BYE__INIT;
    rj_test_broker_start(&broker, (const char *[]){"--lease", "60000", NULL});
    open_gateway(&broker, &ending, "gateway-ending");
    open_gateway(&broker, &other, "gateway-other");
    enter(&ending, 1, "tea");
    enter(&other, 1, "tea");
    item.kind_case = REJOIN__ITEM__KIND_BYE;
    item.bye = &bye;
    rj_test_peer_put(&ending, &item);
    rj_test_peer_flush(&ending);
    assert_true(rj_eventually(RJ_TEST_DEADLINE_MS, rj_test_join(&other, 1, "tea")->joined->members == 1));
    assert_true(
        rj_eventually(RJ_TEST_DEADLINE_MS, rj_test_peer_metric(&other, "rejoin_broker_gateways") == 1));
    assert_true(rj_test_peer_metric(&other, "rejoin_broker_leases_expired_total") == 0);
    /* The same one may come again. */
    assert_non_null(rj_test_peer_hello_gateway(&ending, "gateway-ending", 0, 0));
    rj_test_peer_ready(&ending);
    enter(&ending, 2, "tea");
    assert_int_equal(rj_test_join(&other, 1, "tea")->joined->members, 2);
    rj_test_peer_close(&ending);
    rj_test_peer_close(&other);
    close_broker(&broker);
}

static void a_stopped_broker_expires_nobody_when_it_goes_on(void **state)
{
    (void)state;
    struct rj_test_broker broker;
    struct rj_test_peer peer;
    rj_test_broker_start(&broker, (const char *[]){"--lease", "2000", "--ping", "100", NULL});
    open_gateway(&broker, &peer, "gateway-a");
    enter(&peer, 1, "tea");
    rj_process_signal(&broker.process, SIGSTOP);
    assert_false(rj_eventually(3000, false)); /* longer than a lease */
    rj_process_signal(&broker.process, SIGCONT);
    assert_null(rj_test_publish(&peer, 1, "tea", "1", NULL)->error);
    assert_true(rj_test_peer_metric(&peer, "rejoin_broker_leases_expired_total") == 0);
    rj_test_peer_close(&peer);
    close_broker(&broker);
}

static void the_65th_gateway_is_told_that_there_are_too_many(void **state)
{
    (void)state;
    enum { MOST = 64 };
    struct rj_test_broker broker;
    static struct rj_test_peer peers[MOST + 1];
    rj_test_broker_start(&broker, NULL);
    for (int i = 0; i < MOST; i++) {
        char id[32];
        snprintf(id, sizeof id, "gateway-%d", i);
        open_gateway(&broker, &peers[i], id);
        enter(&peers[i], 1, "tea");
    }
    rj_test_peer_open(&peers[MOST], broker.gateways);
    Rejoin__Hello hello = REJOIN__HELLO__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    hello.role = REJOIN__HELLO__ROLE__GATEWAY;
    hello.id = "one too many";
    item.kind_case = REJOIN__ITEM__KIND_HELLO;
    item.hello = &hello;
    rj_test_peer_put(&peers[MOST], &item);
    rj_test_peer_flush(&peers[MOST]);
    Rejoin__Item *answer = rj_test_peer_expect(&peers[MOST], REJOIN__ITEM__KIND_ERROR, RJ_TEST_DEADLINE_MS);
    assert_non_null(answer);
    assert_string_equal(answer->error->code, "too_many");
    /* The others are served, the one in the last place too. */
    assert_null(rj_test_publish(&peers[0], 1, "tea", "1", NULL)->error);
    assert_non_null(rj_test_peer_deliver(&peers[MOST - 1], 0, RJ_TEST_DEADLINE_MS));
    for (int i = 0; i <= MOST; i++)
        rj_test_peer_close(&peers[i]);
    close_broker(&broker);
}

/* The fault point makes the first frame to the gateway's full pipe fail: its stream ends, it is asked for a
 * new one, and what fell out is refilled from the log. */
static void a_full_pipe_drops_the_stream_and_the_log_heals_it(void **state)
{
    (void)state;
    struct rj_test_broker broker;
    struct rj_test_peer peer;
    /* No heartbeat may come between: the frames are counted. */
    rj_test_broker_start(&broker, (const char *[]){"--lease", "600000", "--ping", "300000", NULL});
    rj_test_broker_kill(&broker);
    /* Frames: Welcome, Connected, Joined, first publish; the next one cannot be queued. */
    rj_test_broker_restart(&broker, (const char *[]){"REJOIN_FAULT=bus.send.again:4=fail", NULL});
    rj_test_peer_open(&peer, broker.gateways);
    uint64_t epoch = rj_test_peer_hello_gateway(&peer, "gateway-a", 0, 0)->epoch;
    rj_test_peer_ready(&peer);
    Rejoin__Connected *who = rj_test_connect(&peer, 1, NULL, NULL)->connected;
    rj_test_join(&peer, 1, "tea");
    Rejoin__Reply *reply = rj_test_publish(&peer, 1, "tea", "1", NULL);
    assert_true(reply && !reply->error);
    uint64_t seen = rj_test_peer_deliver(&peer, 0, RJ_TEST_DEADLINE_MS)->pos;
    Rejoin__Target target = REJOIN__TARGET__INIT;
    Rejoin__Target *targets[] = {&target};
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    Rejoin__Publish publish = REJOIN__PUBLISH__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    target.name = "tea";
    message.targets = targets;
    message.n_targets = 1;
    message.data = (ProtobufCBinaryData){1, (uint8_t *)"2"};
    publish.message = &message;
    command.kind_case = REJOIN__COMMAND__KIND_PUBLISH;
    command.publish = &publish;
    uint64_t id = rj_test_peer_command(&peer, 1, &command);
    assert_non_null(rj_test_peer_expect(&peer, REJOIN__ITEM__KIND_NEED_HELLO, RJ_TEST_DEADLINE_MS));

    assert_non_null(rj_test_peer_hello_gateway(&peer, "gateway-a", epoch, seen));
    Rejoin__Attach attach = REJOIN__ATTACH__INIT;
    Rejoin__Command attach_command = REJOIN__COMMAND__INIT;
    attach.pid = who->pid;
    attach.sid = who->sid;
    attach.incarnation = who->incarnation;
    attach_command.kind_case = REJOIN__COMMAND__KIND_ATTACH;
    attach_command.attach = &attach;
    assert_null(rj_test_peer_reply(&peer, rj_test_peer_command(&peer, 1, &attach_command))->error);
    rj_test_peer_command(&peer, 1, &command); /* unanswered: repeated under its id */
    rj_test_peer_ready(&peer);
    Rejoin__Reply *again = rj_test_peer_reply(&peer, id);
    assert_true(again && !again->error && again->published->duplicate);
    Rejoin__Deliver *deliver = rj_test_peer_deliver(&peer, 0, RJ_TEST_DEADLINE_MS);
    assert_non_null(deliver);
    assert_int_equal(deliver->pos, again->published->pos);
    assert_null(rj_test_peer_deliver(&peer, 0, 0));
    rj_test_peer_close(&peer);
    close_broker(&broker);
}

static void pings_are_answered_and_sent_in_silence(void **state)
{
    (void)state;
    struct rj_test_broker broker;
    struct rj_test_peer peer;
    rj_test_broker_start(&broker, (const char *[]){"--lease", "2000", "--ping", "100", NULL});
    open_gateway(&broker, &peer, "gateway-a");
    uint64_t number = peer.number;
    /* Only the answers to its pings keep it here for several leases. */
    assert_null(rj_test_peer_expect(&peer, REJOIN__ITEM__KIND_NEED_HELLO, 5000));
    assert_true(peer.number >= number + 5);
    assert_true(rj_test_peer_metric(&peer, "rejoin_broker_gateways") == 1);
    rj_test_peer_close(&peer);
    close_broker(&broker);
}

static void an_acknowledgement_waits_for_the_commit(void **state)
{
    (void)state;
    struct rj_test_broker broker;
    struct rj_test_peer peer;
    rj_test_broker_start(&broker, NULL);
    open_gateway(&broker, &peer, "gateway-a");
    Rejoin__Connected *who = rj_test_connect(&peer, 1, NULL, NULL)->connected;
    char pid[32];
    strcpy(pid, who->pid);
    rj_test_join(&peer, 1, "tea");
    rj_test_peer_close(&peer);
    rj_test_broker_kill(&broker);
    /* It dies between its third commit and the acknowledgements of it. */
    rj_test_broker_restart(&broker, (const char *[]){"REJOIN_FAULT=store.commit.after:2=kill", NULL});
    open_gateway(&broker, &peer, "gateway-b");
    unsigned acked = 0;
    bool is_up = rj_test_connect(&peer, 1, pid, NULL) != NULL;
    for (int i = 0; i < 5 && is_up; i++) {
        Rejoin__Target target = REJOIN__TARGET__INIT;
        Rejoin__Target *targets[] = {&target};
        Rejoin__Message message = REJOIN__MESSAGE__INIT;
        Rejoin__Publish publish = REJOIN__PUBLISH__INIT;
        Rejoin__Command command = REJOIN__COMMAND__INIT;
        target.name = "tea";
        message.targets = targets;
        message.n_targets = 1;
        message.data = (ProtobufCBinaryData){1, (uint8_t *)"1"};
        publish.message = &message;
        command.kind_case = REJOIN__COMMAND__KIND_PUBLISH;
        command.publish = &publish;
        rj_test_peer_command(&peer, 1, &command);
        assert_true(rj_eventually(
            RJ_TEST_DEADLINE_MS, (is_up = rj_test_peer_expect(&peer, REJOIN__ITEM__KIND_REPLY, 20) != NULL) ||
                                     rj_process_has_ended(&broker.process)));
        acked += is_up;
    }
    assert_false(is_up);
    assert_true(rj_process_wait_end(&broker.process, RJ_TEST_DEADLINE_MS, NULL));
    rj_test_peer_close(&peer);
    rj_test_broker_restart(&broker, NULL);
    open_gateway(&broker, &peer, "gateway-c");
    rj_test_connect(&peer, 1, pid, NULL);
    Rejoin__Reply *history = rj_test_history(&peer, 1, "tea");
    assert_true(history && !history->error && history->history->n_messages >= acked);
    rj_test_peer_close(&peer);
    close_broker(&broker);
}

static void a_second_broker_on_the_same_data_does_not_start(void **state)
{
    (void)state;
    struct rj_test_broker broker;
    rj_test_broker_start(&broker, NULL);
    char program[512], data[320], endpoint[320];
    snprintf(data, sizeof data, "%s/data", broker.folder);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/other", broker.folder);
    const char *argv[] = {rj_process_program("rejoin-broker", program, sizeof program),
                          "--data",
                          data,
                          "--gateways",
                          endpoint,
                          "--backends",
                          endpoint,
                          NULL};
    struct rj_process second;
    char log[320];
    int status;
    snprintf(log, sizeof log, "%s/second.log", broker.folder);
    assert_true(rj_process_start(&second, argv, NULL, log));
    assert_true(rj_process_wait_end(&second, RJ_TEST_DEADLINE_MS, &status));
    assert_int_not_equal(status, 0);
    close_broker(&broker);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_stranger_is_asked_for_its_hello),
    cmocka_unit_test(frames_are_numbered_from_one_on_each_stream),
    cmocka_unit_test(hellos_that_are_none_are_refused),
    cmocka_unit_test(garbage_costs_its_sender_alone),
    cmocka_unit_test(a_frame_far_too_large_is_cut_off_and_the_peer_may_come_back),
    cmocka_unit_test(a_gateway_that_falls_silent_loses_its_clients_after_a_lease),
    cmocka_unit_test(a_gateway_that_says_bye_is_gone_at_once),
    cmocka_unit_test(a_stopped_broker_expires_nobody_when_it_goes_on),
    cmocka_unit_test(the_65th_gateway_is_told_that_there_are_too_many),
    cmocka_unit_test(a_full_pipe_drops_the_stream_and_the_log_heals_it),
    cmocka_unit_test(pings_are_answered_and_sent_in_silence),
    cmocka_unit_test(an_acknowledgement_waits_for_the_commit),
    cmocka_unit_test(a_second_broker_on_the_same_data_does_not_start),
};

RJ_TEST_MAIN(tests)
