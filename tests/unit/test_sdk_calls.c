/* What the calls that ask, command and send put on the wire, and what they make of the answers. */
#include <rejoin_serve.h>
#include <string.h>

#include "tests/support/played.h"

static char *text(const char *given)
{
    return (char *)(uintptr_t)given;
}

static ProtobufCBinaryData bytes(const char *given)
{
    return (ProtobufCBinaryData){.len = strlen(given), .data = (uint8_t *)(uintptr_t)given};
}

static void begin(struct played *peer)
{
    char id[64];
    played_open(peer);
    played_greet(peer, id);
    assert_int_equal(rejoin_connect(peer->handle, PATIENCE_MS), REJOIN_OK);
}

static void a_publish_names_targets_and_exceptions(void **state)
{
    (void)state;
    struct played peer;
    const struct rejoin_target targets[] = {{.kind = REJOIN_USER, .name = "ann"},
                                            {.kind = REJOIN_NAMESPACE},
                                            {.kind = REJOIN_SOCKET, .name = "s"}};
    const struct rejoin_publish publish = {
        .nsp = "/n",
        .targets = targets,
        .target_count = 3,
        .except_rooms = REJOIN_NAMES("muted", "away"),
        .except_sids = REJOIN_NAMES("me"),
        .event = "hi",
        .data = "[1,2]",
        .is_plain = true,
    };
    begin(&peer);
    assert_int_equal(rejoin_publish(peer.handle, &publish, NULL, NULL), REJOIN_OK);
    const Rejoin__Message *message =
        played_hear_command(&peer, REJOIN__COMMAND__KIND_PUBLISH)->publish->message;
    assert_int_equal(message->n_targets, 3);
    assert_int_equal(message->targets[0]->kind, REJOIN__TARGET__KIND__USER);
    assert_string_equal(message->targets[0]->name, "ann");
    assert_int_equal(message->targets[1]->kind, REJOIN__TARGET__KIND__NAMESPACE);
    assert_int_equal(message->targets[2]->kind, REJOIN__TARGET__KIND__SOCKET);
    assert_int_equal(message->n_except_rooms, 2);
    assert_string_equal(message->except_rooms[1], "away");
    assert_int_equal(message->n_except_sids, 1);
    assert_true(message->plain);
    assert_true(strlen(message->id) > 0);
    played_close(&peer);
}

static void a_publish_that_is_no_message_is_refused_here(void **state)
{
    (void)state;
    struct played peer;
    static const struct rejoin_target many[REJOIN_TARGETS_MAX + 1];
    const struct rejoin_target nameless = {.kind = REJOIN_USER};
    const char *const holes[] = {"a", NULL};
    begin(&peer);
    struct rejoin_publish publish = {.data = "1"};
    assert_int_equal(rejoin_publish(peer.handle, &publish, NULL, NULL), REJOIN_BAD_REQUEST);
    publish.targets = many;
    publish.target_count = REJOIN_TARGETS_MAX + 1;
    assert_int_equal(rejoin_publish(peer.handle, &publish, NULL, NULL), REJOIN_TOO_MANY);
    publish.targets = &nameless;
    publish.target_count = 1;
    assert_int_equal(rejoin_publish(peer.handle, &publish, NULL, NULL), REJOIN_BAD_REQUEST);
    publish = (struct rejoin_publish){.room = "r", .data = "1", .except_sids = {holes, 2}};
    assert_int_equal(rejoin_publish(peer.handle, &publish, NULL, NULL), REJOIN_BAD_REQUEST);
    publish = (struct rejoin_publish){.room = "r", .data = "[]", .is_plain = true};
    assert_int_equal(rejoin_publish(peer.handle, &publish, NULL, NULL), REJOIN_BAD_REQUEST);
    assert_int_equal(rejoin_unanswered(peer.handle), 0);
    played_close(&peer);
}

struct batch_end {
    unsigned count;
    struct rejoin_outcome outcomes[3];
};

static void on_batch(void *arg, const struct rejoin_outcome *outcomes, size_t count)
{
    struct batch_end *end = arg;
    assert_int_equal(count, 3);
    end->count++;
    memcpy(end->outcomes, outcomes, sizeof end->outcomes);
}

static void say_published(struct played *peer, uint64_t id, uint64_t seq)
{
    uint64_t seqs[] = {seq, seq + 10};
    Rejoin__Published published = REJOIN__PUBLISHED__INIT;
    published.offset = text("a.b");
    published.n_seqs = 2;
    published.seqs = seqs;
    played_reply(peer, id, REJOIN__REPLY__RESULT_PUBLISHED, &published);
}

static void a_batch_ends_once_with_an_outcome_for_each(void **state)
{
    (void)state;
    struct played peer;
    struct batch_end end = {0};
    struct rejoin_publish three[3];
    uint64_t ids[3];
    for (size_t i = 0; i < 3; i++)
        three[i] = (struct rejoin_publish){.room = "r", .data = "1"};
    begin(&peer);
    assert_int_equal(rejoin_publish_batch(peer.handle, three, 3, on_batch, &end), REJOIN_OK);
    for (size_t i = 0; i < 3; i++)
        ids[i] = played_hear_command(&peer, REJOIN__COMMAND__KIND_PUBLISH)->id;
    say_published(&peer, ids[2], 2);
    played_refuse(&peer, ids[0], "forbidden");
    say_published(&peer, ids[1], 1);
    played_run_until(&peer, &end.count, 1);
    assert_int_equal(end.outcomes[0].status, REJOIN_FORBIDDEN);
    assert_int_equal(end.outcomes[1].status, REJOIN_OK);
    assert_int_equal(end.outcomes[1].published.seq, 1);
    assert_int_equal(end.outcomes[2].published.seq_count, 2);
    assert_int_equal(end.outcomes[2].published.seqs[1], 12);
    played_close(&peer);
    assert_int_equal(end.count, 1);
}

static void a_batch_with_a_bad_message_starts_nothing(void **state)
{
    (void)state;
    struct played peer;
    struct batch_end end = {0};
    struct rejoin_publish three[3] = {{.room = "r", .data = "1"}, {.room = "r", .data = "2"}, {.room = "r"}};
    begin(&peer);
    assert_int_equal(rejoin_publish_batch(peer.handle, three, 3, on_batch, &end), REJOIN_BAD_REQUEST);
    assert_int_equal(rejoin_publish_batch(peer.handle, three, 0, on_batch, &end), REJOIN_BAD_REQUEST);
    assert_int_equal(rejoin_unanswered(peer.handle), 0);
    three[2].data = "3";
    struct rejoin_outcome outcomes[3];
    assert_int_equal(rejoin_publish_batch_wait(peer.handle, three, 3, 20, outcomes), REJOIN_TIMEOUT);
    assert_int_equal(rejoin_unanswered(peer.handle), 0);
    assert_int_equal(rejoin_publish_batch(peer.handle, three, 3, on_batch, &end), REJOIN_OK);
    played_close(&peer);
    assert_int_equal(end.count, 1);
    assert_int_equal(end.outcomes[1].status, REJOIN_CLOSED);
}

struct answers_end {
    unsigned count;
    enum rejoin_status status;
    struct rejoin_answers *answers;
};

static void on_answers(void *arg, enum rejoin_status status, struct rejoin_answers *answers)
{
    struct answers_end *end = arg;
    *end = (struct answers_end){end->count + 1, status, answers};
}

static void a_question_brings_answers_and_who_is_missing(void **state)
{
    (void)state;
    struct played peer;
    struct answers_end end = {0};
    const struct rejoin_ask ask = {
        .message = {.room = "lobby", .event = "vote", .data = "[7]"}, .timeout_ms = 900, .max_answers = 4};
    begin(&peer);
    assert_int_equal(rejoin_ask(peer.handle, &ask, on_answers, &end), REJOIN_OK);
    const Rejoin__Command *command = played_hear_command(&peer, REJOIN__COMMAND__KIND_ASK);
    uint64_t id = command->id;
    assert_true(command->ask->message->plain);
    assert_int_equal(command->ask->timeout_ms, 900);
    assert_int_equal(command->ask->max_answers, 4);
    Rejoin__AskResult__One one = REJOIN__ASK_RESULT__ONE__INIT, *list[] = {&one};
    ProtobufCBinaryData blob = bytes("xyz");
    char *missing[] = {text("s2")};
    Rejoin__AskResult result = REJOIN__ASK_RESULT__INIT;
    one.sid = text("s1");
    one.args = bytes("[true]");
    one.n_attachments = 1;
    one.attachments = &blob;
    result.n_answers = 1;
    result.answers = list;
    result.n_missing = 1;
    result.missing = missing;
    result.asked = 2;
    played_reply(&peer, id, REJOIN__REPLY__RESULT_ASK, &result);
    played_run_until(&peer, &end.count, 1);
    played_close(&peer);
    assert_int_equal(end.answers->count, 1); /* it outlives the handle */
    assert_string_equal(end.answers->answers[0].sid, "s1");
    assert_string_equal(end.answers->answers[0].args.json, "[true]");
    assert_int_equal(end.answers->answers[0].args.attachments[0].len, 3);
    assert_int_equal(end.answers->missing.count, 1);
    assert_string_equal(end.answers->missing.names[0], "s2");
    assert_int_equal(end.answers->asked, 2);
    rejoin_answers_free(&end.answers);
    assert_null(end.answers);
}

static void a_question_is_not_asked_twice(void **state)
{
    (void)state;
    struct played peer;
    struct answers_end end = {0};
    const struct rejoin_ask ask = {.message = {.room = "lobby", .event = "vote", .data = "[]"}};
    begin(&peer);
    assert_int_equal(rejoin_ask(peer.handle, &ask, on_answers, &end), REJOIN_OK);
    played_hear_command(&peer, REJOIN__COMMAND__KIND_ASK);
    played_break(&peer);
    played_run_until(&peer, &end.count, 1);
    assert_int_equal(end.status, REJOIN_UNAVAILABLE);
    assert_null(end.answers);
    played_close(&peer);
}

static void sockets_are_commanded_by_filter(void **state)
{
    (void)state;
    struct played peer;
    const struct rejoin_names rooms = REJOIN_NAMES("x", "y");
    const struct rejoin_filter filter = {
        .rooms = REJOIN_NAMES("a"), .users = REJOIN_NAMES("u"), .except_sids = REJOIN_NAMES("s")};
    begin(&peer);
    assert_int_equal(rejoin_sockets_join(peer.handle, &filter, &(struct rejoin_names){0}, NULL, NULL),
                     REJOIN_BAD_REQUEST);
    assert_int_equal(rejoin_sockets_join(peer.handle, &filter, &rooms, NULL, NULL), REJOIN_OK);
    assert_int_equal(rejoin_sockets_leave(peer.handle, NULL, &rooms, NULL, NULL), REJOIN_OK);
    assert_int_equal(rejoin_sockets_disconnect(peer.handle, &filter, true, NULL, NULL), REJOIN_OK);
    assert_int_equal(rejoin_socket_set_data(peer.handle, NULL, "s", "{\"a\":1", NULL, NULL),
                     REJOIN_BAD_REQUEST);
    assert_int_equal(rejoin_socket_set_data(peer.handle, NULL, "s", "{\"a\":1}", NULL, NULL), REJOIN_OK);
    const Rejoin__JoinSockets *join =
        played_hear_command(&peer, REJOIN__COMMAND__KIND_JOIN_SOCKETS)->join_sockets;
    assert_string_equal(join->filter->namespace_, "/");
    assert_string_equal(join->filter->rooms[0], "a");
    assert_string_equal(join->filter->users[0], "u");
    assert_int_equal(join->filter->n_sids, 0);
    assert_string_equal(join->filter->except_sids[0], "s");
    assert_int_equal(join->n_rooms, 2);
    assert_string_equal(join->rooms[1], "y");
    const Rejoin__LeaveSockets *leave =
        played_hear_command(&peer, REJOIN__COMMAND__KIND_LEAVE_SOCKETS)->leave_sockets;
    assert_int_equal(leave->filter->n_rooms, 0);
    assert_int_equal(leave->n_rooms, 2);
    assert_true(
        played_hear_command(&peer, REJOIN__COMMAND__KIND_DISCONNECT_SOCKETS)->disconnect_sockets->close);
    assert_string_equal(played_hear_command(&peer, REJOIN__COMMAND__KIND_SET_DATA)->set_data->sid, "s");
    played_close(&peer);
}

struct sockets_end {
    unsigned count;
    enum rejoin_status status;
    struct rejoin_socket_page *page;
};

static void on_sockets(void *arg, enum rejoin_status status, struct rejoin_socket_page *page)
{
    struct sockets_end *end = arg;
    *end = (struct sockets_end){end->count + 1, status, page};
}

static void a_socket_is_told_with_all_that_is_known(void **state)
{
    (void)state;
    struct played peer;
    struct sockets_end end = {0};
    begin(&peer);
    const struct rejoin_socket_query query = {.with_handshake = true, .after = 3, .limit = 2};
    assert_int_equal(rejoin_sockets_list(peer.handle, &query, on_sockets, &end), REJOIN_OK);
    const Rejoin__Command *command = played_hear_command(&peer, REJOIN__COMMAND__KIND_LIST_SOCKETS);
    assert_true(command->list_sockets->handshake && !command->list_sockets->count_only);
    assert_int_equal(command->list_sockets->after, 3);
    assert_int_equal(command->list_sockets->limit, 2);
    Rejoin__Handshake__Header header = REJOIN__HANDSHAKE__HEADER__INIT, *headers[] = {&header};
    Rejoin__Handshake handshake = REJOIN__HANDSHAKE__INIT;
    Rejoin__Socket one = REJOIN__SOCKET__INIT, bare = REJOIN__SOCKET__INIT, *list[] = {&one, &bare};
    Rejoin__SocketList sockets = REJOIN__SOCKET_LIST__INIT;
    char *rooms[] = {text("lobby")};
    header.name = text("origin");
    header.value = text("here");
    handshake.address = text("10.0.0.1");
    handshake.n_headers = 1;
    handshake.headers = headers;
    one.sid = text("s1");
    one.user = text("ann");
    one.data = bytes("{}");
    one.auth = bytes("{\"t\":1}");
    one.n_rooms = 1;
    one.rooms = rooms;
    one.handshake = &handshake;
    sockets.n_sockets = 2;
    sockets.sockets = list;
    sockets.next = 9;
    played_reply(&peer, command->id, REJOIN__REPLY__RESULT_SOCKETS, &sockets);
    played_run_until(&peer, &end.count, 1);
    played_close(&peer);
    const struct rejoin_socket *got = end.page->sockets;
    assert_int_equal(end.page->count, 2);
    assert_int_equal(end.page->next, 9);
    assert_string_equal(got[0].sid, "s1");
    assert_string_equal(got[0].user, "ann");
    assert_string_equal(got[0].data, "{}");
    assert_string_equal(got[0].auth, "{\"t\":1}");
    assert_string_equal(got[0].rooms.names[0], "lobby");
    assert_string_equal(got[0].handshake->address, "10.0.0.1");
    assert_string_equal(got[0].handshake->headers[0].value, "here");
    assert_null(got[1].handshake);
    assert_string_equal(got[1].data, "");
    rejoin_socket_page_free(&end.page);
}

static void an_answer_of_another_kind_is_an_internal_error(void **state)
{
    (void)state;
    struct played peer;
    struct sockets_end end = {0};
    begin(&peer);
    assert_int_equal(rejoin_sockets_list(peer.handle, &(struct rejoin_socket_query){0}, on_sockets, &end),
                     REJOIN_OK);
    say_published(&peer, played_hear_command(&peer, REJOIN__COMMAND__KIND_LIST_SOCKETS)->id, 1);
    played_run_until(&peer, &end.count, 1);
    assert_int_equal(end.status, REJOIN_INTERNAL);
    played_close(&peer);
}

struct replies_end {
    unsigned count;
    enum rejoin_status status;
    struct rejoin_replies *replies;
};

static void on_replies(void *arg, enum rejoin_status status, struct rejoin_replies *replies)
{
    struct replies_end *end = arg;
    *end = (struct replies_end){end->count + 1, status, replies};
}

static void a_word_to_the_others_brings_their_replies(void **state)
{
    (void)state;
    struct played peer;
    struct replies_end end = {0};
    struct rejoin_send send = {.name = "reload", .args = {.json = "[1]"}, .wants_answers = true};
    begin(&peer);
    assert_int_equal(rejoin_send(peer.handle, &send, on_replies, &end), REJOIN_BAD_REQUEST); /* to whom? */
    send.group = "workers";
    assert_int_equal(rejoin_send(peer.handle, &send, on_replies, &end), REJOIN_OK);
    const Rejoin__Command *command = played_hear_command(&peer, REJOIN__COMMAND__KIND_SEND);
    assert_string_equal(command->send->group, "workers");
    assert_string_equal(command->send->namespace_, "");
    assert_true(command->send->wants_answers);
    Rejoin__Error error = REJOIN__ERROR__INIT;
    Rejoin__SendResult__One good = REJOIN__SEND_RESULT__ONE__INIT, bad = REJOIN__SEND_RESULT__ONE__INIT;
    Rejoin__SendResult__One *list[] = {&good, &bad};
    Rejoin__SendResult result = REJOIN__SEND_RESULT__INIT;
    error.code = text("busy");
    good.from = text("mail");
    good.args = bytes("[2]");
    bad.error = &error;
    result.sent = 3;
    result.n_answers = 2;
    result.answers = list;
    played_reply(&peer, command->id, REJOIN__REPLY__RESULT_SEND, &result);
    played_run_until(&peer, &end.count, 1);
    played_close(&peer);
    assert_int_equal(end.replies->sent, 3);
    assert_string_equal(end.replies->replies[0].from, "mail");
    assert_string_equal(end.replies->replies[0].args.json, "[2]");
    assert_string_equal(end.replies->replies[0].error, "");
    assert_string_equal(end.replies->replies[1].error, "busy");
    rejoin_replies_free(&end.replies);
}

static void waiting_calls_are_misuse_inside_callbacks_and_time_out(void **state)
{
    (void)state;
    struct played peer;
    uint64_t count = 77;
    struct rejoin_room_page *rooms = NULL;
    begin(&peer);
    assert_int_equal(rejoin_sockets_count_wait(peer.handle, NULL, 20, &count), REJOIN_TIMEOUT);
    assert_int_equal(rejoin_rooms_list_wait(peer.handle, &(struct rejoin_room_query){0}, 20, &rooms),
                     REJOIN_TIMEOUT);
    assert_int_equal(rejoin_sockets_disconnect_wait(peer.handle, NULL, false, 20, NULL), REJOIN_TIMEOUT);
    assert_int_equal(rejoin_socket_set_data_wait(peer.handle, "/", "s", NULL, 20), REJOIN_TIMEOUT);
    assert_int_equal(count, 77);
    assert_null(rooms);
    assert_int_equal(rejoin_unanswered(peer.handle), 0);
    played_close(&peer);
}

static void on_message(void *arg, const struct rejoin_message *message)
{
    (void)arg, (void)message;
}

static void a_tail_may_follow_several_rooms(void **state)
{
    (void)state;
    struct played peer;
    struct rejoin_tail *tail;
    begin(&peer);
    const struct rejoin_tail_options options = {
        .room = "a", .rooms = REJOIN_NAMES("b", "c"), .on_message = on_message};
    assert_int_equal(rejoin_tail(peer.handle, &options, &tail), REJOIN_OK);
    const Rejoin__Tail *said = played_hear_command(&peer, REJOIN__COMMAND__KIND_TAIL)->tail;
    assert_string_equal(said->room, "a");
    assert_int_equal(said->n_rooms, 2);
    assert_string_equal(said->rooms[1], "c");
    played_close(&peer);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_publish_names_targets_and_exceptions),
    cmocka_unit_test(a_publish_that_is_no_message_is_refused_here),
    cmocka_unit_test(a_batch_ends_once_with_an_outcome_for_each),
    cmocka_unit_test(a_batch_with_a_bad_message_starts_nothing),
    cmocka_unit_test(a_question_brings_answers_and_who_is_missing),
    cmocka_unit_test(a_question_is_not_asked_twice),
    cmocka_unit_test(sockets_are_commanded_by_filter),
    cmocka_unit_test(a_socket_is_told_with_all_that_is_known),
    cmocka_unit_test(an_answer_of_another_kind_is_an_internal_error),
    cmocka_unit_test(a_word_to_the_others_brings_their_replies),
    cmocka_unit_test(waiting_calls_are_misuse_inside_callbacks_and_time_out),
    cmocka_unit_test(a_tail_may_follow_several_rooms),
};

RJ_TEST_MAIN(tests)
