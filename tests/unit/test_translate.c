#include "gateway/translate.h"
#include "tests/support/test.h"

struct fixture {
    struct rj_arena arena;
    struct rj_args args;
    Rejoin__Command command;
    const char *why;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    rejoin__command__init(&f->command);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    rj_arena_free(&f->arena);
    rj_buf_free(&f->args.json);
    free(f);
    return 0;
}

static enum rj_status translate_with(struct fixture *f, const char *name, const char *args,
                                     const struct rj_span *attachments, size_t n)
{
    struct rj_client_event event = {.name = rj_span_str(name),
                                    .args = rj_span_str(args),
                                    .attachments = attachments,
                                    .n_attachments = n,
                                    .has_ack = true};
    f->why = NULL;
    return rj_translate_event(&event, &f->arena, &f->command, &f->why);
}

static enum rj_status translate(struct fixture *f, const char *name, const char *args)
{
    return translate_with(f, name, args, NULL, 0);
}

static void join_takes_a_name_or_an_object(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(translate(f, "room:join", "\"tea\""), RJ_OK);
    assert_int_equal(f->command.kind_case, REJOIN__COMMAND__KIND_JOIN);
    assert_string_equal(f->command.join->room, "tea");
    assert_false(f->command.join->after_set);
    assert_int_equal(f->command.join->last, 0);

    assert_int_equal(translate(f, "room:join", "{\"room\":\"t\\u00e9\",\"after\":0,\"last\":5},\"ignored\""),
                     RJ_OK);
    assert_string_equal(f->command.join->room, "t\xc3\xa9");
    assert_true(f->command.join->after_set);
    assert_int_equal(f->command.join->after, 0);
    assert_int_equal(f->command.join->last, 5);

    assert_int_equal(translate(f, "room:join", "{\"room\":\"a\",\"after\":null}"), RJ_OK);
    assert_false(f->command.join->after_set);
}

static void bad_rooms_are_refused_with_a_reason(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *args;
        enum rj_status status;
    } cases[] = {
        {"", RJ_BAD_REQUEST},
        {"5", RJ_BAD_REQUEST},
        {"null", RJ_BAD_REQUEST},
        {"{}", RJ_BAD_REQUEST},
        {"{\"room\":7}", RJ_BAD_REQUEST},
        {"\"\"", RJ_BAD_NAME},
        {"\"a\\u0000b\"", RJ_BAD_NAME},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(translate(f, "room:leave", cases[i].args), cases[i].status);
        assert_non_null(f->why);
    }
    char name[300] = "\"";
    memset(name + 1, 'x', 255);
    strcpy(name + 256, "\"");
    assert_int_equal(translate(f, "room:leave", name), RJ_OK);
    strcpy(name + 256, "x\"");
    assert_int_equal(translate(f, "room:leave", name), RJ_BAD_NAME);
}

static void history_takes_before_or_after(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(translate(f, "room:history", "{\"room\":\"a\",\"before\":9,\"limit\":3}"), RJ_OK);
    assert_int_equal(f->command.history->before, 9);
    assert_int_equal(f->command.history->limit, 3);
    assert_int_equal(translate(f, "room:history", "{\"room\":\"a\",\"after\":0}"), RJ_OK);
    assert_true(f->command.history->after_set);
    assert_int_equal(translate(f, "room:history", "{\"room\":\"a\",\"after\":1,\"before\":2}"),
                     RJ_BAD_REQUEST);
    assert_int_equal(translate(f, "room:history", "{\"room\":\"a\",\"before\":0}"), RJ_BAD_REQUEST);
    assert_int_equal(translate(f, "room:history", "{\"room\":\"a\",\"limit\":-1}"), RJ_BAD_REQUEST);
    assert_int_equal(translate(f, "room:history", "{\"room\":\"a\",\"limit\":1.5}"), RJ_BAD_REQUEST);
}

static void publish_keeps_the_text_of_data(void **state)
{
    struct fixture *f = *state;
    const char *args =
        "{\"room\":\"a\",\"data\": {\"n\": 1e400, \"s\":\"\\ud800\"} ,\"id\":\"7\",\"echo\":false}";
    assert_int_equal(translate(f, "room:publish", args), RJ_OK);
    const Rejoin__Publish *publish = f->command.publish;
    const Rejoin__Message *message = publish->message;
    assert_true(
        rj_span_is(rj_span_of(message->data.data, message->data.len), "{\"n\": 1e400, \"s\":\"\\ud800\"}"));
    assert_string_equal(message->event, "room:message");
    assert_string_equal(message->id, "7");
    assert_true(publish->exclude_self);
    assert_false(message->volatile_);
    assert_int_equal(message->n_targets, 1);
    assert_int_equal(message->targets[0]->kind, REJOIN__TARGET__KIND__ROOM);
    assert_string_equal(message->targets[0]->name, "a");
}

static void publish_refuses_what_no_member_could_take(void **state)
{
    struct fixture *f = *state;
    static const char *const cases[] = {
        "\"a\"",
        "{\"room\":\"a\"}",
        "{\"room\":\"a\",\"data\":1,\"event\":\"disconnect\"}",
        "{\"room\":\"a\",\"data\":1,\"event\":\"\"}",
        "{\"room\":\"a\",\"data\":1,\"event\":3}",
        "{\"room\":\"a\",\"data\":1,\"id\":3}",
        "{\"room\":\"a\",\"data\":1,\"echo\":\"no\"}",
        "{\"room\":\"a\",\"data\":1,\"volatile\":1}",
        "{\"room\":\"a\",\"data\":{\"_placeholder\":true,\"num\":0}}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(translate(f, "room:publish", cases[i]), RJ_BAD_REQUEST);
}

static void publish_carries_attachments(void **state)
{
    struct fixture *f = *state;
    struct rj_span attachment = rj_span_str("bytes");
    assert_int_equal(translate_with(f, "room:publish",
                                    "{\"room\":\"a\",\"data\":{\"_placeholder\":true,\"num\":0}}",
                                    &attachment, 1),
                     RJ_OK);
    assert_int_equal(f->command.publish->message->n_attachments, 1);
    assert_int_equal(translate_with(f, "room:publish",
                                    "{\"room\":\"a\",\"data\":{\"_placeholder\":true,\"num\":1}}",
                                    &attachment, 1),
                     RJ_BAD_REQUEST);
}

static void other_events_go_to_a_backend_whole(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(translate(f, "order", "{\"a\":1},[2]"), RJ_OK);
    assert_int_equal(f->command.kind_case, REJOIN__COMMAND__KIND_EVENT);
    assert_string_equal(f->command.event->name, "order");
    assert_true(
        rj_span_is(rj_span_of(f->command.event->args.data, f->command.event->args.len), "[{\"a\":1},[2]]"));
    assert_true(f->command.event->wants_ack);
}

static void reply(struct fixture *f, Rejoin__Reply *reply_)
{
    rj_buf_clear(&f->args.json);
    f->args.n_attachments = 0;
    rj_translate_reply(reply_, "tea", &f->arena, &f->args);
}

static void errors_become_a_failed_ack(void **state)
{
    struct fixture *f = *state;
    Rejoin__Reply r = REJOIN__REPLY__INIT;
    Rejoin__Error error = REJOIN__ERROR__INIT;
    error.code = "not_joined";
    error.message = "say \"please\"";
    r.error = &error;
    reply(f, &r);
    assert_string_equal(
        rj_buf_cstr(&f->args.json),
        "{\"ok\":false,\"error\":{\"code\":\"not_joined\",\"message\":\"say \\\"please\\\"\"}}");
}

static void published_tells_seq_offset_and_time(void **state)
{
    struct fixture *f = *state;
    Rejoin__Reply r = REJOIN__REPLY__INIT;
    Rejoin__Published published = REJOIN__PUBLISHED__INIT;
    uint64_t seq = 3;
    published.pos = 9;
    published.offset = "1.9";
    published.seqs = &seq;
    published.n_seqs = 1;
    published.ts_ms = 55;
    r.result_case = REJOIN__REPLY__RESULT_PUBLISHED;
    r.published = &published;
    reply(f, &r);
    assert_string_equal(rj_buf_cstr(&f->args.json), "{\"ok\":true,\"seq\":3,\"offset\":\"1.9\",\"ts\":55}");
}

static void a_page_renumbers_placeholders(void **state)
{
    struct fixture *f = *state;
    Rejoin__Message messages[2];
    Rejoin__Deliver delivers[2];
    Rejoin__Deliver *list[2] = {&delivers[0], &delivers[1]};
    Rejoin__Target target = REJOIN__TARGET__INIT;
    Rejoin__Target *targets[1] = {&target};
    ProtobufCBinaryData bytes[2] = {{1, (uint8_t *)"A"}, {1, (uint8_t *)"B"}};
    uint64_t seqs[2] = {1, 2};
    target.name = "tea";
    for (size_t i = 0; i < 2; i++) {
        rejoin__message__init(&messages[i]);
        rejoin__deliver__init(&delivers[i]);
        messages[i].targets = targets;
        messages[i].n_targets = 1;
        messages[i].data.data = (uint8_t *)"{ \"f\" : [{\"_placeholder\":true,\"num\":0}] }";
        messages[i].data.len = strlen((char *)messages[i].data.data);
        messages[i].attachments = &bytes[i];
        messages[i].n_attachments = 1;
        delivers[i].seqs = &seqs[i];
        delivers[i].n_seqs = 1;
        delivers[i].message = &messages[i];
    }
    messages[1].from_user = "ada";
    messages[1].from_sid = "S";
    messages[1].id = "x";
    Rejoin__HistoryPage page = REJOIN__HISTORY_PAGE__INIT;
    page.messages = list;
    page.n_messages = 2;
    page.more = true;
    Rejoin__Reply r = REJOIN__REPLY__INIT;
    r.result_case = REJOIN__REPLY__RESULT_HISTORY;
    r.history = &page;
    reply(f, &r);
    assert_string_equal(
        rj_buf_cstr(&f->args.json),
        "{\"ok\":true,\"messages\":["
        "{\"room\":\"tea\",\"seq\":1,\"ts\":0,\"from\":{\"user\":null,\"sid\":null},"
        "\"data\":{ \"f\" : [{\"_placeholder\":true,\"num\":0}] }},"
        "{\"room\":\"tea\",\"seq\":2,\"ts\":0,\"id\":\"x\",\"from\":{\"user\":\"ada\",\"sid\":\"S\"},"
        "\"data\":{\"f\":[{\"_placeholder\":true,\"num\":1}]}}],\"more\":true}");
    assert_int_equal(f->args.n_attachments, 2);
    assert_true(rj_span_is(f->args.attachments[1], "B"));
}

static void an_events_answer_is_all_its_arguments(void **state)
{
    struct fixture *f = *state;
    Rejoin__EventAnswer answer = REJOIN__EVENT_ANSWER__INIT;
    Rejoin__Reply r = REJOIN__REPLY__INIT;
    answer.args.data = (uint8_t *)"[1,\"b\"]";
    answer.args.len = 7;
    r.result_case = REJOIN__REPLY__RESULT_EVENT;
    r.event = &answer;
    reply(f, &r);
    assert_string_equal(rj_buf_cstr(&f->args.json), "1,\"b\"");
}

static void an_empty_answer_has_no_arguments(void **state)
{
    struct fixture *f = *state;
    static const char *const empty[] = {"", "[]", " [ \n ] "};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        Rejoin__EventAnswer answer = REJOIN__EVENT_ANSWER__INIT;
        Rejoin__Reply r = REJOIN__REPLY__INIT;
        answer.args = (ProtobufCBinaryData){strlen(empty[i]), (uint8_t *)(uintptr_t)empty[i]};
        r.result_case = REJOIN__REPLY__RESULT_EVENT;
        r.event = &answer;
        reply(f, &r);
        assert_int_equal(f->args.json.len, 0);
    }
}

static void an_envelope_without_a_room_names_none(void **state)
{
    struct fixture *f = *state;
    Rejoin__Deliver deliver = REJOIN__DELIVER__INIT;
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    message.data = (ProtobufCBinaryData){1, (uint8_t *)"7"};
    message.from_user = "ada";
    deliver.ts_ms = 5;
    deliver.message = &message;
    rj_translate_envelope(&deliver, NULL, 0, &f->args.json);
    assert_string_equal(rj_buf_cstr(&f->args.json),
                        "{\"ts\":5,\"from\":{\"user\":\"ada\",\"sid\":null},\"data\":7}");
    rj_buf_clear(&f->args.json);
    rj_translate_envelope(&deliver, "tea", 9, &f->args.json);
    assert_string_equal(
        rj_buf_cstr(&f->args.json),
        "{\"room\":\"tea\",\"seq\":9,\"ts\":5,\"from\":{\"user\":\"ada\",\"sid\":null},\"data\":7}");
}

static void a_plain_message_is_its_arguments(void **state)
{
    (void)state;
    static const struct {
        const char *data, *args;
    } cases[] = {{"[]", ""},         {" [ ] ", ""}, {"", ""}, {"[1,\"b\"]", "1,\"b\""},
                 {"[ [2] ]", "[2]"}, {"{}", "{}"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Rejoin__Message message = REJOIN__MESSAGE__INIT;
        message.data = (ProtobufCBinaryData){strlen(cases[i].data), (uint8_t *)(uintptr_t)cases[i].data};
        assert_true(rj_span_is(rj_translate_plain(&message), cases[i].args));
    }
}

static void read_takes_a_seq_or_all_or_forgets(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(translate(f, "room:read", "{\"room\":\"a\",\"seq\":9}"), RJ_OK);
    assert_int_equal(f->command.kind_case, REJOIN__COMMAND__KIND_READ);
    assert_string_equal(f->command.read->room, "a");
    assert_int_equal(f->command.read->seq, 9);
    assert_false(f->command.read->all || f->command.read->forget);
    assert_int_equal(translate(f, "room:read", "\"a\""), RJ_OK);
    assert_true(f->command.read->all);
    assert_int_equal(translate(f, "room:read", "{\"room\":\"a\",\"forget\":true}"), RJ_OK);
    assert_true(f->command.read->forget);
    static const char *const wrong[] = {
        "",
        "{\"seq\":1}",
        "{\"room\":\"a\",\"seq\":\"1\"}",
        "{\"room\":\"a\",\"seq\":-1}",
        "{\"room\":\"a\",\"forget\":1}",
        "{\"room\":\"a\",\"seq\":1,\"forget\":true}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(translate(f, "room:read", wrong[i]), RJ_BAD_REQUEST);
        assert_non_null(f->why);
    }
    assert_int_equal(translate(f, "room:unread", ""), RJ_OK);
    assert_int_equal(f->command.kind_case, REJOIN__COMMAND__KIND_UNREAD);
}

static void what_is_unread_is_listed_by_room(void **state)
{
    struct fixture *f = *state;
    Rejoin__ReadUpTo read = REJOIN__READ_UP_TO__INIT;
    Rejoin__Reply r = REJOIN__REPLY__INIT;
    read.seq = 4;
    read.unread = 2;
    r.result_case = REJOIN__REPLY__RESULT_READ;
    r.read = &read;
    reply(f, &r);
    assert_string_equal(rj_buf_cstr(&f->args.json), "{\"ok\":true,\"unread\":2,\"seq\":4}");

    Rejoin__UnreadList__Room rooms[2] = {REJOIN__UNREAD_LIST__ROOM__INIT, REJOIN__UNREAD_LIST__ROOM__INIT};
    Rejoin__UnreadList__Room *both[] = {&rooms[0], &rooms[1]};
    Rejoin__UnreadList list = REJOIN__UNREAD_LIST__INIT;
    r = (Rejoin__Reply)REJOIN__REPLY__INIT;
    r.result_case = REJOIN__REPLY__RESULT_UNREAD;
    r.unread = &list;
    reply(f, &r);
    assert_string_equal(rj_buf_cstr(&f->args.json), "{\"ok\":true,\"rooms\":[]}");
    rooms[0].name = "a";
    rooms[1].name = "\"b\"";
    rooms[1].unread = UINT64_MAX;
    list.rooms = both;
    list.n_rooms = 2;
    list.more = true;
    reply(f, &r);
    assert_string_equal(
        rj_buf_cstr(&f->args.json),
        "{\"ok\":true,\"rooms\":[{\"room\":\"a\",\"unread\":0,\"seq\":0},{\"room\":\"\\\"b\\\"\","
        "\"unread\":18446744073709551615,\"seq\":0}],\"more\":true}");
}

static void presence_is_asked_for_a_room(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(translate(f, "room:presence", "\"tea\""), RJ_OK);
    assert_int_equal(f->command.kind_case, REJOIN__COMMAND__KIND_PRESENCE);
    assert_string_equal(f->command.presence->room, "tea");
    assert_string_equal(f->command.presence->after, "");
    assert_int_equal(f->command.presence->limit, 0);
    assert_int_equal(translate(f, "room:presence", "{\"room\":\"tea\",\"after\":\"ann\",\"limit\":5}"),
                     RJ_OK);
    assert_string_equal(f->command.presence->after, "ann");
    assert_int_equal(f->command.presence->limit, 5);
    static const char *const wrong[] = {
        "",
        "{\"limit\":1}",
        "{\"room\":\"a\",\"limit\":0}",
        "{\"room\":\"a\",\"limit\":-1}",
        "{\"room\":\"a\",\"after\":7}",
        "{\"room\":\"a\",\"after\":\"\"}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(translate(f, "room:presence", wrong[i]), RJ_BAD_REQUEST);
        assert_non_null(f->why);
    }
}

static void who_is_present_is_listed_with_the_counts(void **state)
{
    struct fixture *f = *state;
    Rejoin__PresenceList__User users[2] = {REJOIN__PRESENCE_LIST__USER__INIT,
                                           REJOIN__PRESENCE_LIST__USER__INIT};
    Rejoin__PresenceList__User *both[] = {&users[0], &users[1]};
    Rejoin__PresenceList list = REJOIN__PRESENCE_LIST__INIT;
    Rejoin__Reply r = REJOIN__REPLY__INIT;
    r.result_case = REJOIN__REPLY__RESULT_PRESENCE;
    r.presence = &list;
    reply(f, &r);
    assert_string_equal(
        rj_buf_cstr(&f->args.json),
        "{\"ok\":true,\"users\":[],\"count\":0,\"sockets\":0,\"anonymous\":0,\"more\":false}");
    users[0].user = "\"a\"";
    users[0].sockets = 2;
    users[0].since_ms = 7;
    users[0].data = (ProtobufCBinaryData){3, (uint8_t *)"[1]"};
    users[1].user = "b";
    users[1].reconnecting = true;
    users[1].data = (ProtobufCBinaryData){1, (uint8_t *)"["}; /* never told on as if it were JSON */
    list.users = both;
    list.n_users = 2;
    list.count = 9;
    list.sockets = 4;
    list.anonymous = 1;
    list.more = true;
    reply(f, &r);
    assert_string_equal(
        rj_buf_cstr(&f->args.json),
        "{\"ok\":true,\"users\":[{\"user\":\"\\\"a\\\"\",\"sockets\":2,\"since\":7,\"state\":\"online\","
        "\"data\":[1]},"
        "{\"user\":\"b\",\"sockets\":0,\"since\":0,\"state\":\"reconnecting\"}],\"count\":9,\"sockets\":4,"
        "\"anonymous\":1,\"more\":true}");
}

static void nobody_speaks_as_the_server(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(translate(f, "room:publish", "{\"room\":\"a\",\"data\":1,\"event\":\"room:confirmed\"}"),
                     RJ_BAD_REQUEST);
    assert_int_equal(translate(f, "room:publish", "{\"room\":\"a\",\"data\":1,\"event\":\"room:message\"}"),
                     RJ_OK);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(join_takes_a_name_or_an_object, setup, teardown),
    cmocka_unit_test_setup_teardown(bad_rooms_are_refused_with_a_reason, setup, teardown),
    cmocka_unit_test_setup_teardown(history_takes_before_or_after, setup, teardown),
    cmocka_unit_test_setup_teardown(publish_keeps_the_text_of_data, setup, teardown),
    cmocka_unit_test_setup_teardown(publish_refuses_what_no_member_could_take, setup, teardown),
    cmocka_unit_test_setup_teardown(publish_carries_attachments, setup, teardown),
    cmocka_unit_test_setup_teardown(other_events_go_to_a_backend_whole, setup, teardown),
    cmocka_unit_test_setup_teardown(errors_become_a_failed_ack, setup, teardown),
    cmocka_unit_test_setup_teardown(published_tells_seq_offset_and_time, setup, teardown),
    cmocka_unit_test_setup_teardown(a_page_renumbers_placeholders, setup, teardown),
    cmocka_unit_test_setup_teardown(an_events_answer_is_all_its_arguments, setup, teardown),
    cmocka_unit_test_setup_teardown(an_empty_answer_has_no_arguments, setup, teardown),
    cmocka_unit_test_setup_teardown(an_envelope_without_a_room_names_none, setup, teardown),
    cmocka_unit_test(a_plain_message_is_its_arguments),
    cmocka_unit_test_setup_teardown(read_takes_a_seq_or_all_or_forgets, setup, teardown),
    cmocka_unit_test_setup_teardown(what_is_unread_is_listed_by_room, setup, teardown),
    cmocka_unit_test_setup_teardown(presence_is_asked_for_a_room, setup, teardown),
    cmocka_unit_test_setup_teardown(who_is_present_is_listed_with_the_counts, setup, teardown),
    cmocka_unit_test_setup_teardown(nobody_speaks_as_the_server, setup, teardown),
};

RJ_TEST_MAIN(tests)
