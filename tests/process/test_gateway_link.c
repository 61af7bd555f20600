/* The real gateway between a raw WebSocket client and a broker that does what the test tells it to: how its
 * link heals, and that a client gets each message once and in order whatever the broker sends. */
#include "tests/process/gateway_support.h"

static const struct target tea[] = {{REJOIN__TARGET__KIND__ROOM, "tea"}, {0, NULL}};

/* ---- steps */

/* A client asks for "/" and is answered: a member of "tea" since 3, restored when `recovered`. */
static void connect_client(struct stage *f, bool recovered, uint64_t from_pos)
{
    enter(f, &f->guest, &(struct entry){.room = "tea", .recovered = recovered, .from_pos = from_pos});
}

static void send_to(struct stage *f, uint64_t pos, uint64_t client)
{
    deliver(f, &(struct what){.pos = pos, .client = client, .targets = tea});
}

static void expect_message(struct stage *f, uint64_t seq)
{
    char prefix[80];
    snprintf(prefix, sizeof prefix, "42[\"m\",{\"room\":\"tea\",\"seq\":%llu,", (unsigned long long)seq);
    expect_start(f, &f->guest, prefix);
}

static Rejoin__Command *publish(struct stage *f)
{
    rj_ws_send_text(&f->guest.ws, "425[\"room:publish\",{\"room\":\"tea\",\"data\":1}]");
    return get_command(f, REJOIN__COMMAND__KIND_PUBLISH);
}

static void answer_publish(struct stage *f, const Rejoin__Command *command)
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
static Rejoin__Command *expect_attached(struct stage *f, const Rejoin__Hello *hello)
{
    assert_int_equal(hello->epoch, EPOCH);
    Rejoin__Command *attach = get_command(f, REJOIN__COMMAND__KIND_ATTACH);
    assert_int_equal(attach->client, f->guest.handle);
    assert_string_equal(attach->attach->pid, "P");
    assert_string_equal(attach->attach->sid, "S");
    assert_int_equal(attach->attach->incarnation, 2);
    return attach;
}

/* ---- healing */

static void a_gateway_says_hello_then_ready(void **state)
{
    struct stage *f = *state;
    Rejoin__Hello *hello = link_up(f);
    assert_int_equal(hello->role, REJOIN__HELLO__ROLE__GATEWAY);
    assert_int_equal(hello->upto, 0);
}

static void send_to_room(struct stage *f, uint64_t pos, const char *room)
{
    const struct target targets[] = {{REJOIN__TARGET__KIND__ROOM, room}, {0, NULL}};
    deliver(f, &(struct what){.pos = pos, .targets = targets});
}

/* It was moved while the stream broke. */
static void the_answer_to_an_attach_says_in_which_rooms_a_client_is(void **state)
{
    struct stage *f = *state;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    Rejoin__Connected connected = REJOIN__CONNECTED__INIT;
    Rejoin__RoomState cocoa = REJOIN__ROOM_STATE__INIT;
    Rejoin__RoomState *rooms[] = {&cocoa};
    link_up(f);
    connect_client(f, false, HEAD);
    link_down(f);
    Rejoin__Command *attach = expect_attached(f, link_up(f));
    cocoa.room = "cocoa";
    cocoa.since_pos = HEAD;
    connected.sid = "S";
    connected.pid = "P";
    connected.rooms = rooms;
    connected.n_rooms = 1;
    reply.id = attach->id;
    reply.client = attach->client;
    reply.result_case = REJOIN__REPLY__RESULT_CONNECTED;
    reply.connected = &connected;
    rj_fake_broker_send(&f->broker, REJOIN__ITEM__KIND_REPLY, &reply);
    send_to_room(f, HEAD + 1, "tea");
    send_to_room(f, HEAD + 2, "cocoa");
    char prefix[80];
    snprintf(prefix, sizeof prefix, "42[\"m\",{\"room\":\"cocoa\",\"seq\":%d,", HEAD + 2);
    expect_start(f, &f->guest, prefix);
}

static void an_unanswered_publish_is_repeated_under_its_id(void **state)
{
    struct stage *f = *state;
    link_up(f);
    connect_client(f, false, HEAD);
    Rejoin__Command *first = publish(f);
    link_down(f);
    expect_attached(f, link_up(f));
    Rejoin__Command *again = get_command(f, REJOIN__COMMAND__KIND_PUBLISH);
    assert_int_equal(again->id, first->id);
    assert_int_equal(again->client, first->client);
    answer_publish(f, again);
    expect_start(f, &f->guest, "435[{\"ok\":true,\"seq\":1,\"offset\":\"7.9\"");
}

static void a_missing_batch_opens_a_stream_from_where_it_was(void **state)
{
    struct stage *f = *state;
    link_up(f);
    connect_client(f, false, HEAD);
    send_to(f, HEAD + 1, 0);
    expect_message(f, HEAD + 1);
    f->broker.number++; /* one batch is lost */
    send_to(f, HEAD + 3, 0);
    Rejoin__Hello *hello = link_up(f);
    assert_int_equal(hello->upto, HEAD + 1);
    expect_attached(f, hello);
    send_to(f, HEAD + 2, 0);
    send_to(f, HEAD + 3, 0);
    expect_message(f, HEAD + 2);
    expect_message(f, HEAD + 3);
}

static void a_silent_broker_is_left_and_its_clients_stay(void **state)
{
    struct stage *f = *state;
    f->broker.lease_ms = 2000;
    link_up(f);
    connect_client(f, false, HEAD);
    f->broker.is_mute = true;
    Rejoin__Hello *hello = link_up(f);
    f->broker.is_mute = false;
    expect_attached(f, hello);
    send_to(f, HEAD + 1, 0);
    expect_message(f, HEAD + 1);
}

static void a_restarted_broker_is_greeted_at_once(void **state)
{
    struct stage *f = *state;
    link_up(f);
    connect_client(f, false, HEAD);
    rj_fake_broker_close(&f->broker);
    rj_fake_broker_open(&f->broker, f->folder);
    expect_attached(f, link_up(f));
}

static void a_reset_drops_the_transports(void **state)
{
    struct stage *f = *state;
    link_up(f);
    connect_client(f, false, HEAD);
    link_down(f);
    assert_non_null(rj_fake_broker_welcome(&f->broker, EPOCH + 1, 5, true, WAIT_MS));
    assert_true(rj_ws_is_closed(&f->guest.ws, WAIT_MS));
}

static void an_attach_that_is_refused_drops_its_transport(void **state)
{
    struct stage *f = *state;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    Rejoin__Error error = REJOIN__ERROR__INIT;
    link_up(f);
    connect_client(f, false, HEAD);
    link_down(f);
    error.code = "conflict";
    reply.id = expect_attached(f, link_up(f))->id;
    reply.error = &error;
    rj_fake_broker_send(&f->broker, REJOIN__ITEM__KIND_REPLY, &reply);
    assert_true(rj_ws_is_closed(&f->guest.ws, WAIT_MS));
}

static void garbage_from_the_broker_disturbs_nobody(void **state)
{
    struct stage *f = *state;
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
    send_to(f, HEAD + 2, 0);
    expect_message(f, HEAD + 2);
}

/* ---- once and in order */

static void a_replay_comes_before_live_messages_and_acks(void **state)
{
    struct stage *f = *state;
    link_up(f);
    connect_client(f, true, 10);
    Rejoin__Command *command = publish(f);
    send_to(f, 11, f->guest.handle);
    answer_publish(f, command); /* the ack must not overtake the replay */
    send_to(f, 13, 0);          /* live: not for a client that is being replayed to */
    send_to(f, 12, f->guest.handle);
    send_to(f, 13, f->guest.handle);
    caught_up(f, &f->guest, 13);
    send_to(f, 13, 0); /* it has that already */
    send_to(f, 14, 0);
    expect_message(f, 11);
    expect_message(f, 12);
    assert_true(rj_ws_expect(&f->guest.ws, "4", &f->text, WAIT_MS));
    assert_memory_equal(f->text.data, "42[", 3); /* 13, then the ack, then 14 */
    expect_start(f, &f->guest, "435[");
    expect_message(f, 14);
}

static void a_message_from_before_the_join_is_not_for_the_member(void **state)
{
    struct stage *f = *state;
    link_up(f);
    connect_client(f, false, 1);
    send_to(f, 3, 0); /* a member since 3 */
    send_to(f, 4, 0);
    expect_message(f, 4);
}

static void a_gap_in_the_replay_drops_the_transport(void **state)
{
    struct stage *f = *state;
    Rejoin__CaughtUp item = REJOIN__CAUGHT_UP__INIT;
    link_up(f);
    connect_client(f, true, 10);
    item.client = f->guest.handle;
    item.gap = true;
    rj_fake_broker_send(&f->broker, REJOIN__ITEM__KIND_CAUGHT_UP, &item);
    assert_true(rj_ws_is_closed(&f->guest.ws, WAIT_MS));
}

static void a_replay_cut_by_a_new_stream_goes_on_where_it_was(void **state)
{
    struct stage *f = *state;
    link_up(f);
    connect_client(f, true, 10);
    send_to(f, 11, f->guest.handle);
    expect_message(f, 11);
    link_down(f);
    expect_attached(f, link_up(f));
    Rejoin__Command *catch_up = get_command(f, REJOIN__COMMAND__KIND_CATCH_UP);
    assert_int_equal(catch_up->catch_up->after_pos, 11);
    rj_fake_broker_reply_ok(&f->broker, catch_up);
    send_to(f, 11, f->guest.handle);
    send_to(f, 12, f->guest.handle);
    caught_up(f, &f->guest, 12);
    expect_message(f, 12);
}

static void a_client_that_goes_is_reported(void **state)
{
    struct stage *f = *state;
    link_up(f);
    connect_client(f, false, HEAD);
    rj_ws_send_text(&f->guest.ws, "41");
    Rejoin__Command *gone = get_command(f, REJOIN__COMMAND__KIND_DISCONNECT);
    assert_true(gone->disconnect->left);
    assert_string_equal(gone->disconnect->reason, "client namespace disconnect");
    rj_ws_disconnect(&f->guest.ws);
    connect_client(f, false, HEAD);
    rj_ws_reset(&f->guest.ws);
    gone = get_command(f, REJOIN__COMMAND__KIND_DISCONNECT);
    assert_false(gone->disconnect->left);
    assert_int_equal(gone->client, f->guest.handle);
    expect_none(f, &f->guest, "4");
}

/* Asks and asks, and never reads. */
static void a_client_that_does_not_read_its_acks_is_ended(void **state)
{
    struct stage *f = *state;
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
        rj_ws_send_text(&f->guest.ws, "427[\"other\"]");
    for (int i = 0; i < ANSWERS; i++) {
        Rejoin__Command *command = get_command(f, REJOIN__COMMAND__KIND_EVENT);
        reply.id = command->id;
        reply.client = command->client;
        reply.result_case = REJOIN__REPLY__RESULT_EVENT;
        reply.event = &answer;
        rj_fake_broker_send(&f->broker, REJOIN__ITEM__KIND_REPLY, &reply);
    }
    Rejoin__Command *gone = get_command(f, REJOIN__COMMAND__KIND_DISCONNECT);
    assert_int_equal(gone->client, f->guest.handle);
    free(args);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_gateway_says_hello_then_ready, stage_setup, stage_teardown),
    cmocka_unit_test_setup_teardown(an_unanswered_publish_is_repeated_under_its_id, stage_setup,
                                    stage_teardown),
    cmocka_unit_test_setup_teardown(the_answer_to_an_attach_says_in_which_rooms_a_client_is, stage_setup,
                                    stage_teardown),
    cmocka_unit_test_setup_teardown(a_missing_batch_opens_a_stream_from_where_it_was, stage_setup,
                                    stage_teardown),
    cmocka_unit_test_setup_teardown(a_silent_broker_is_left_and_its_clients_stay, stage_setup,
                                    stage_teardown),
    cmocka_unit_test_setup_teardown(a_restarted_broker_is_greeted_at_once, stage_setup, stage_teardown),
    cmocka_unit_test_setup_teardown(a_reset_drops_the_transports, stage_setup, stage_teardown),
    cmocka_unit_test_setup_teardown(an_attach_that_is_refused_drops_its_transport, stage_setup,
                                    stage_teardown),
    cmocka_unit_test_setup_teardown(garbage_from_the_broker_disturbs_nobody, stage_setup, stage_teardown),
    cmocka_unit_test_setup_teardown(a_replay_comes_before_live_messages_and_acks, stage_setup,
                                    stage_teardown),
    cmocka_unit_test_setup_teardown(a_message_from_before_the_join_is_not_for_the_member, stage_setup,
                                    stage_teardown),
    cmocka_unit_test_setup_teardown(a_gap_in_the_replay_drops_the_transport, stage_setup, stage_teardown),
    cmocka_unit_test_setup_teardown(a_replay_cut_by_a_new_stream_goes_on_where_it_was, stage_setup,
                                    stage_teardown),
    cmocka_unit_test_setup_teardown(a_client_that_goes_is_reported, stage_setup, stage_teardown),
    cmocka_unit_test_setup_teardown(a_client_that_does_not_read_its_acks_is_ended, stage_setup,
                                    stage_teardown),
};

RJ_TEST_MAIN(tests)
