/* The real gateway between a raw WebSocket client and a broker that does what the test tells it to: how its
 * link heals, and that a client gets each message once and in order whatever the broker sends. */
#include "tests/support/fake_broker.h"
#include "tests/support/process.h"
#include "tests/support/test.h"
#include "tests/support/ws_client.h"

enum { WAIT_MS = 10000, SOON_MS = 300, EPOCH = 7, HEAD = 40 };

struct fixture {
    char folder[256];
    struct rj_fake_broker broker;
    struct rj_process gateway;
    uint16_t port;
    struct rj_ws_client ws;
    uint64_t client; /* its handle */
    struct rj_buf text;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char path[512], listen[64];
    assert_true(rj_temp_dir(f->folder, sizeof f->folder));
    rj_fake_broker_open(&f->broker, f->folder);
    const char *argv[] = {rj_process_program("rejoin-gateway", path, sizeof path),
                          "--listen",
                          "127.0.0.1:0",
                          "--broker",
                          f->broker.endpoint,
                          NULL};
    assert_true(rj_process_start(&f->gateway, argv, NULL, NULL));
    assert_true(rj_process_wait_ready(&f->gateway, WAIT_MS));
    assert_true(rj_process_ready_value(&f->gateway, "listen", listen, sizeof listen));
    f->port = (uint16_t)atoi(strrchr(listen, ':') + 1);
    f->ws.fd = -1;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    int status = -1;
    rj_ws_disconnect(&f->ws);
    rj_process_signal(&f->gateway, SIGTERM);
    bool has_ended = rj_process_wait_end(&f->gateway, WAIT_MS, &status);
    rj_process_kill(&f->gateway);
    rj_fake_broker_close(&f->broker);
    rj_temp_dir_remove(f->folder);
    rj_buf_free(&f->text);
    free(f);
    return has_ended && status == 0 ? 0 : -1;
}

/* ---- steps */

static Rejoin__Hello *link_up(struct fixture *f)
{
    Rejoin__Hello *hello = rj_fake_broker_welcome(&f->broker, EPOCH, HEAD, false, WAIT_MS);
    assert_non_null(hello);
    return hello;
}

static void expect_text(struct fixture *f, const char *prefix)
{
    assert_true(rj_ws_expect(&f->ws, prefix, &f->text, WAIT_MS));
}

static void expect_no_text(struct fixture *f, const char *prefix)
{
    assert_false(rj_ws_expect(&f->ws, prefix, &f->text, SOON_MS));
}

/* A client asks for "/" and is answered: a member of "tea" since `since`, restored when `recovered`. */
static void connect_client(struct fixture *f, bool recovered, uint64_t from_pos)
{
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    Rejoin__Connected connected = REJOIN__CONNECTED__INIT;
    Rejoin__RoomState room = REJOIN__ROOM_STATE__INIT;
    Rejoin__RoomState *rooms[] = {&room};
    assert_int_equal(rj_ws_open(&f->ws, f->port, "/socket.io/?EIO=4&transport=websocket", NULL), 101);
    expect_text(f, "0{");
    rj_ws_send_text(&f->ws, recovered ? "40{\"pid\":\"P\",\"offset\":\"7.1\"}" : "40");
    Rejoin__Command *command = rj_fake_broker_command(&f->broker, REJOIN__COMMAND__KIND_CONNECT, WAIT_MS);
    assert_non_null(command);
    assert_string_equal(command->connect->namespace_, "/");
    assert_string_equal(command->connect->pid, recovered ? "P" : "");
    f->client = command->client;
    room.room = "tea";
    room.since_pos = 3;
    connected.sid = "S";
    connected.pid = "P";
    connected.recovered = recovered;
    connected.from_pos = from_pos;
    connected.incarnation = 2;
    connected.rooms = rooms;
    connected.n_rooms = 1;
    reply.id = command->id;
    reply.client = command->client;
    reply.result_case = REJOIN__REPLY__RESULT_CONNECTED;
    reply.connected = &connected;
    rj_fake_broker_send(&f->broker, REJOIN__ITEM__KIND_REPLY, &reply);
    expect_text(f, "40{\"sid\":\"S\",\"pid\":\"P\"}");
}

static void deliver(struct fixture *f, uint64_t pos, uint64_t client)
{
    Rejoin__Deliver deliver = REJOIN__DELIVER__INIT;
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    Rejoin__Target target = REJOIN__TARGET__INIT;
    Rejoin__Target *targets[] = {&target};
    uint64_t seq = pos;
    target.name = "tea";
    message.namespace_ = "/";
    message.targets = targets;
    message.n_targets = 1;
    message.event = "room:message";
    message.data = (ProtobufCBinaryData){1, (uint8_t *)"1"};
    deliver.pos = pos;
    deliver.seqs = &seq;
    deliver.n_seqs = 1;
    deliver.message = &message;
    deliver.client = client;
    rj_fake_broker_send(&f->broker, REJOIN__ITEM__KIND_DELIVER, &deliver);
}

static void expect_message(struct fixture *f, uint64_t seq)
{
    char prefix[80];
    snprintf(prefix, sizeof prefix, "42[\"room:message\",{\"room\":\"tea\",\"seq\":%llu,",
             (unsigned long long)seq);
    assert_true(rj_ws_expect(&f->ws, "42[", &f->text, WAIT_MS));
    assert_memory_equal(f->text.data, prefix, strlen(prefix));
}

static void caught_up(struct fixture *f, uint64_t upto)
{
    Rejoin__CaughtUp item = REJOIN__CAUGHT_UP__INIT;
    item.client = f->client;
    item.upto = upto;
    rj_fake_broker_send(&f->broker, REJOIN__ITEM__KIND_CAUGHT_UP, &item);
}

static Rejoin__Command *publish(struct fixture *f)
{
    rj_ws_send_text(&f->ws, "425[\"room:publish\",{\"room\":\"tea\",\"data\":1}]");
    Rejoin__Command *command = rj_fake_broker_command(&f->broker, REJOIN__COMMAND__KIND_PUBLISH, WAIT_MS);
    assert_non_null(command);
    return command;
}

static void answer_publish(struct fixture *f, const Rejoin__Command *command)
{
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    Rejoin__Published published = REJOIN__PUBLISHED__INIT;
    uint64_t seq = 1;
    published.pos = 9;
    published.offset = "7.9";
    published.seqs = &seq;
    published.n_seqs = 1;
    reply.id = command->id;
    reply.client = command->client;
    reply.result_case = REJOIN__REPLY__RESULT_PUBLISHED;
    reply.published = &published;
    rj_fake_broker_send(&f->broker, REJOIN__ITEM__KIND_REPLY, &reply);
}

/* The next stream: attached again, then whatever is unanswered. */
static Rejoin__Command *expect_attached(struct fixture *f, const Rejoin__Hello *hello)
{
    assert_int_equal(hello->epoch, EPOCH);
    Rejoin__Command *attach = rj_fake_broker_command(&f->broker, REJOIN__COMMAND__KIND_ATTACH, WAIT_MS);
    assert_non_null(attach);
    assert_int_equal(attach->client, f->client);
    assert_string_equal(attach->attach->pid, "P");
    assert_string_equal(attach->attach->sid, "S");
    assert_int_equal(attach->attach->incarnation, 2);
    return attach;
}

/* ---- healing */

static void a_gateway_says_hello_then_ready(void **state)
{
    struct fixture *f = *state;
    Rejoin__Hello *hello = link_up(f);
    assert_int_equal(hello->role, REJOIN__HELLO__ROLE__GATEWAY);
    assert_int_equal(hello->upto, 0);
    assert_non_null(rj_fake_broker_expect(&f->broker, REJOIN__ITEM__KIND_READY, WAIT_MS));
}

static void an_unanswered_publish_is_repeated_under_its_id(void **state)
{
    struct fixture *f = *state;
    Rejoin__NeedHello need_hello = REJOIN__NEED_HELLO__INIT;
    link_up(f);
    connect_client(f, false, HEAD);
    Rejoin__Command *first = publish(f);
    rj_fake_broker_send(&f->broker, REJOIN__ITEM__KIND_NEED_HELLO, &need_hello);
    expect_attached(f, link_up(f));
    Rejoin__Command *again = rj_fake_broker_command(&f->broker, REJOIN__COMMAND__KIND_PUBLISH, WAIT_MS);
    assert_non_null(again);
    assert_int_equal(again->id, first->id);
    assert_int_equal(again->client, first->client);
    assert_non_null(rj_fake_broker_expect(&f->broker, REJOIN__ITEM__KIND_READY, WAIT_MS));
    answer_publish(f, again);
    expect_text(f, "435[{\"ok\":true,\"seq\":1,\"offset\":\"7.9\"");
}

static void a_missing_batch_opens_a_stream_from_where_it_was(void **state)
{
    struct fixture *f = *state;
    link_up(f);
    connect_client(f, false, HEAD);
    deliver(f, HEAD + 1, 0);
    expect_message(f, HEAD + 1);
    f->broker.number++; /* one batch is lost */
    deliver(f, HEAD + 3, 0);
    Rejoin__Hello *hello = link_up(f);
    assert_int_equal(hello->upto, HEAD + 1);
    expect_attached(f, hello);
    deliver(f, HEAD + 2, 0);
    deliver(f, HEAD + 3, 0);
    expect_message(f, HEAD + 2);
    expect_message(f, HEAD + 3);
}

static void a_silent_broker_is_left_and_its_clients_stay(void **state)
{
    struct fixture *f = *state;
    link_up(f);
    connect_client(f, false, HEAD);
    f->broker.is_mute = true;
    Rejoin__Hello *hello = link_up(f);
    f->broker.is_mute = false;
    expect_attached(f, hello);
    deliver(f, HEAD + 1, 0);
    expect_message(f, HEAD + 1);
}

static void a_restarted_broker_is_greeted_at_once(void **state)
{
    struct fixture *f = *state;
    link_up(f);
    connect_client(f, false, HEAD);
    rj_fake_broker_close(&f->broker);
    rj_fake_broker_open(&f->broker, f->folder);
    expect_attached(f, link_up(f));
}

static void a_reset_drops_the_transports(void **state)
{
    struct fixture *f = *state;
    Rejoin__NeedHello need_hello = REJOIN__NEED_HELLO__INIT;
    link_up(f);
    connect_client(f, false, HEAD);
    rj_fake_broker_send(&f->broker, REJOIN__ITEM__KIND_NEED_HELLO, &need_hello);
    assert_non_null(rj_fake_broker_welcome(&f->broker, EPOCH + 1, 5, true, WAIT_MS));
    assert_true(rj_ws_is_closed(&f->ws, WAIT_MS));
}

static void an_attach_that_is_refused_drops_its_transport(void **state)
{
    struct fixture *f = *state;
    Rejoin__NeedHello need_hello = REJOIN__NEED_HELLO__INIT;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    Rejoin__Error error = REJOIN__ERROR__INIT;
    link_up(f);
    connect_client(f, false, HEAD);
    rj_fake_broker_send(&f->broker, REJOIN__ITEM__KIND_NEED_HELLO, &need_hello);
    error.code = "conflict";
    reply.id = expect_attached(f, link_up(f))->id;
    reply.error = &error;
    rj_fake_broker_send(&f->broker, REJOIN__ITEM__KIND_REPLY, &reply);
    assert_true(rj_ws_is_closed(&f->ws, WAIT_MS));
}

static void garbage_from_the_broker_disturbs_nobody(void **state)
{
    struct fixture *f = *state;
    link_up(f);
    connect_client(f, false, HEAD);
    rj_fake_broker_send_raw(&f->broker, "garbage", 7);
    rj_fake_broker_send_raw(&f->broker, "RJ\x01\x00\xff\xff\xff\xff", 8);
    rj_fake_broker_send_raw(&f->broker, "RJ\x09\x00", 4);
    Rejoin__Ready odd = REJOIN__READY__INIT; /* not for a gateway */
    rj_fake_broker_send(&f->broker, REJOIN__ITEM__KIND_READY, &odd);
    Rejoin__Deliver empty = REJOIN__DELIVER__INIT;
    empty.pos = HEAD + 1;
    rj_fake_broker_send(&f->broker, REJOIN__ITEM__KIND_DELIVER, &empty);
    deliver(f, HEAD + 2, 0);
    expect_message(f, HEAD + 2);
}

/* ---- once and in order */

static void a_replay_comes_before_live_messages_and_acks(void **state)
{
    struct fixture *f = *state;
    link_up(f);
    connect_client(f, true, 10);
    Rejoin__Command *command = publish(f);
    deliver(f, 11, f->client);
    answer_publish(f, command); /* the ack must not overtake the replay */
    deliver(f, 13, 0);          /* live: not for a client that is being replayed to */
    deliver(f, 12, f->client);
    deliver(f, 13, f->client);
    caught_up(f, 13);
    deliver(f, 13, 0); /* it has that already */
    deliver(f, 14, 0);
    expect_message(f, 11);
    expect_message(f, 12);
    assert_true(rj_ws_expect(&f->ws, "4", &f->text, WAIT_MS));
    assert_memory_equal(f->text.data, "42[", 3); /* 13, then the ack, then 14 */
    expect_text(f, "435[");
    expect_message(f, 14);
}

static void a_message_from_before_the_join_is_not_for_the_member(void **state)
{
    struct fixture *f = *state;
    link_up(f);
    connect_client(f, false, 1);
    deliver(f, 3, 0); /* a member since 3 */
    deliver(f, 4, 0);
    expect_message(f, 4);
}

static void a_gap_in_the_replay_drops_the_transport(void **state)
{
    struct fixture *f = *state;
    Rejoin__CaughtUp item = REJOIN__CAUGHT_UP__INIT;
    link_up(f);
    connect_client(f, true, 10);
    item.client = f->client;
    item.gap = true;
    rj_fake_broker_send(&f->broker, REJOIN__ITEM__KIND_CAUGHT_UP, &item);
    assert_true(rj_ws_is_closed(&f->ws, WAIT_MS));
}

static void a_replay_cut_by_a_new_stream_goes_on_where_it_was(void **state)
{
    struct fixture *f = *state;
    Rejoin__NeedHello need_hello = REJOIN__NEED_HELLO__INIT;
    link_up(f);
    connect_client(f, true, 10);
    deliver(f, 11, f->client);
    expect_message(f, 11);
    rj_fake_broker_send(&f->broker, REJOIN__ITEM__KIND_NEED_HELLO, &need_hello);
    expect_attached(f, link_up(f));
    Rejoin__Command *catch_up = rj_fake_broker_command(&f->broker, REJOIN__COMMAND__KIND_CATCH_UP, WAIT_MS);
    assert_non_null(catch_up);
    assert_int_equal(catch_up->catch_up->after_pos, 11);
    rj_fake_broker_reply_ok(&f->broker, catch_up);
    deliver(f, 11, f->client);
    deliver(f, 12, f->client);
    caught_up(f, 12);
    expect_message(f, 12);
}

static void kick_says_41_or_drops(void **state)
{
    struct fixture *f = *state;
    Rejoin__Kick kick = REJOIN__KICK__INIT;
    link_up(f);
    connect_client(f, false, HEAD);
    kick.client = f->client;
    kick.how = REJOIN__KICK__HOW__NAMESPACE;
    rj_fake_broker_send(&f->broker, REJOIN__ITEM__KIND_KICK, &kick);
    expect_text(f, "41");
    assert_false(rj_ws_is_closed(&f->ws, SOON_MS));
    rj_ws_disconnect(&f->ws);
    connect_client(f, false, HEAD);
    kick.client = f->client;
    kick.how = REJOIN__KICK__HOW__TRANSPORT;
    rj_fake_broker_send(&f->broker, REJOIN__ITEM__KIND_KICK, &kick);
    assert_true(rj_ws_is_closed(&f->ws, WAIT_MS));
}

static void a_client_that_goes_is_reported(void **state)
{
    struct fixture *f = *state;
    link_up(f);
    connect_client(f, false, HEAD);
    rj_ws_send_text(&f->ws, "41");
    Rejoin__Command *gone = rj_fake_broker_command(&f->broker, REJOIN__COMMAND__KIND_DISCONNECT, WAIT_MS);
    assert_non_null(gone);
    assert_true(gone->disconnect->left);
    assert_string_equal(gone->disconnect->reason, "client namespace disconnect");
    rj_ws_disconnect(&f->ws);
    connect_client(f, false, HEAD);
    rj_ws_reset(&f->ws);
    gone = rj_fake_broker_command(&f->broker, REJOIN__COMMAND__KIND_DISCONNECT, WAIT_MS);
    assert_non_null(gone);
    assert_false(gone->disconnect->left);
    assert_int_equal(gone->client, f->client);
    expect_no_text(f, "4");
}

/* Asks and asks, and never reads. */
static void a_client_that_does_not_read_its_acks_is_ended(void **state)
{
    struct fixture *f = *state;
    enum { ANSWERS = 60, ANSWER_BYTES = 1 << 20 };
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    Rejoin__EventAnswer answer = REJOIN__EVENT_ANSWER__INIT;
    uint8_t *args = malloc(ANSWER_BYTES);
    memset(args, '1', ANSWER_BYTES);
    args[0] = '[';
    args[ANSWER_BYTES - 1] = ']';
    answer.args = (ProtobufCBinaryData){ANSWER_BYTES, args};
    link_up(f);
    connect_client(f, false, HEAD);
    for (int i = 0; i < ANSWERS; i++)
        rj_ws_send_text(&f->ws, "427[\"other\"]");
    for (int i = 0; i < ANSWERS; i++) {
        Rejoin__Command *command = rj_fake_broker_command(&f->broker, REJOIN__COMMAND__KIND_EVENT, WAIT_MS);
        assert_non_null(command);
        reply.id = command->id;
        reply.client = command->client;
        reply.result_case = REJOIN__REPLY__RESULT_EVENT;
        reply.event = &answer;
        rj_fake_broker_send(&f->broker, REJOIN__ITEM__KIND_REPLY, &reply);
    }
    Rejoin__Command *gone = rj_fake_broker_command(&f->broker, REJOIN__COMMAND__KIND_DISCONNECT, WAIT_MS);
    assert_non_null(gone);
    assert_int_equal(gone->client, f->client);
    free(args);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_gateway_says_hello_then_ready, setup, teardown),
    cmocka_unit_test_setup_teardown(an_unanswered_publish_is_repeated_under_its_id, setup, teardown),
    cmocka_unit_test_setup_teardown(a_missing_batch_opens_a_stream_from_where_it_was, setup, teardown),
    cmocka_unit_test_setup_teardown(a_silent_broker_is_left_and_its_clients_stay, setup, teardown),
    cmocka_unit_test_setup_teardown(a_restarted_broker_is_greeted_at_once, setup, teardown),
    cmocka_unit_test_setup_teardown(a_reset_drops_the_transports, setup, teardown),
    cmocka_unit_test_setup_teardown(an_attach_that_is_refused_drops_its_transport, setup, teardown),
    cmocka_unit_test_setup_teardown(garbage_from_the_broker_disturbs_nobody, setup, teardown),
    cmocka_unit_test_setup_teardown(a_replay_comes_before_live_messages_and_acks, setup, teardown),
    cmocka_unit_test_setup_teardown(a_message_from_before_the_join_is_not_for_the_member, setup, teardown),
    cmocka_unit_test_setup_teardown(a_gap_in_the_replay_drops_the_transport, setup, teardown),
    cmocka_unit_test_setup_teardown(a_replay_cut_by_a_new_stream_goes_on_where_it_was, setup, teardown),
    cmocka_unit_test_setup_teardown(kick_says_41_or_drops, setup, teardown),
    cmocka_unit_test_setup_teardown(a_client_that_goes_is_reported, setup, teardown),
    cmocka_unit_test_setup_teardown(a_client_that_does_not_read_its_acks_is_ended, setup, teardown),
};

RJ_TEST_MAIN(tests)
