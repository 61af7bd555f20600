/* Whom a delivery reaches: rooms, everybody in a namespace, users, sockets; live, volatile and in a replay;
 * as an envelope or plain; and what a broker changes of a client's rooms. */
#include "proto/offset.h"
#include "tests/process/gateway_support.h"

#define ROOM(name)                                                                                           \
    {                                                                                                        \
        REJOIN__TARGET__KIND__ROOM, name                                                                     \
    }
#define EVERYBODY                                                                                            \
    {                                                                                                        \
        REJOIN__TARGET__KIND__NAMESPACE, ""                                                                  \
    }
#define SOCKET(sid)                                                                                          \
    {                                                                                                        \
        REJOIN__TARGET__KIND__SOCKET, sid                                                                    \
    }
#define USER(name)                                                                                           \
    {                                                                                                        \
        REJOIN__TARGET__KIND__USER, name                                                                     \
    }
#define TARGETS(...) ((const struct target[]){__VA_ARGS__, {0, NULL}})

/* The next text is the envelope of pos 41, 42 …, with these first members, and this offset behind it. */
static void expect_envelope(struct stage *stage, struct guest *guest, const char *head, uint64_t pos)
{
    char text[256], offset[RJ_OFFSET_MAX + 1];
    rj_offset_format((struct rj_offset){EPOCH, pos}, offset);
    snprintf(text, sizeof text,
             "42[\"m\",{%s\"ts\":0,\"from\":{\"user\":null,\"sid\":null},\"data\":1},\"%s\"]", head, offset);
    expect_text(stage, guest, text);
}

static void expect_roomless(struct stage *stage, struct guest *guest, uint64_t pos)
{
    expect_envelope(stage, guest, "", pos);
}

static void expect_in_tea(struct stage *stage, struct guest *guest, uint64_t pos)
{
    char head[64];
    snprintf(head, sizeof head, "\"room\":\"tea\",\"seq\":%llu,", (unsigned long long)pos);
    expect_envelope(stage, guest, head, pos);
}

static const struct entry ada = {.sid = "A", .user = "ada", .room = "tea"};
static const struct entry bob = {.sid = "B", .user = "bob"};

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

static void bye(struct guest *guest)
{
    rj_ws_disconnect(&guest->ws);
}

static void everybody_in_the_namespace_gets_what_is_for_it(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0}, two = {0}, elsewhere = {0};
    enter(stage, &one, &ada);
    enter(stage, &two, &bob);
    enter(stage, &elsewhere, &(struct entry){.nsp = "/chat", .sid = "C"});
    deliver(stage, &(struct what){.pos = 41, .targets = TARGETS(EVERYBODY)});
    expect_roomless(stage, &one, 41);
    expect_roomless(stage, &two, 41);
    expect_none(stage, &elsewhere, "42");
    deliver(stage, &(struct what){.pos = 42, .nsp = "/chat", .targets = TARGETS(EVERYBODY)});
    expect_start(stage, &elsewhere, "42/chat,[\"m\",{\"ts\":0,");
    expect_none(stage, &one, "42");
    bye(&one), bye(&two), bye(&elsewhere);
}

static void a_user_gets_it_on_all_sockets_of_that_namespace(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0}, two = {0}, other = {0}, nobody = {0}, elsewhere = {0};
    enter(stage, &one, &ada);
    enter(stage, &two, &(struct entry){.sid = "A2", .user = "ada"});
    enter(stage, &other, &bob);
    enter(stage, &nobody, &(struct entry){.sid = "N"});
    enter(stage, &elsewhere, &(struct entry){.nsp = "/chat", .sid = "C", .user = "ada"});
    deliver(stage, &(struct what){.pos = 41, .targets = TARGETS(USER("ada"))});
    deliver(stage, &(struct what){.pos = 42, .targets = TARGETS(USER(""), USER("eve"))});
    deliver(stage, &(struct what){.pos = 43, .targets = TARGETS(EVERYBODY)});
    expect_roomless(stage, &one, 41);
    expect_roomless(stage, &one, 43);
    expect_roomless(stage, &two, 41);
    expect_roomless(stage, &two, 43);
    expect_roomless(stage, &other, 43);
    expect_roomless(stage, &nobody, 43);
    expect_none(stage, &elsewhere, "42");
    bye(&one), bye(&two), bye(&other), bye(&nobody), bye(&elsewhere);
}

static void a_socket_gets_what_is_for_its_sid(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0}, two = {0};
    enter(stage, &one, &ada);
    enter(stage, &two, &bob);
    deliver(stage, &(struct what){.pos = 41, .targets = TARGETS(SOCKET("A"))});
    deliver(stage, &(struct what){.pos = 42, .targets = TARGETS(SOCKET("unknown"))});
    deliver(stage, &(struct what){.pos = 43, .nsp = "/chat", .targets = TARGETS(SOCKET("A"))});
    deliver(stage, &(struct what){.pos = 44, .targets = TARGETS(EVERYBODY)});
    expect_roomless(stage, &one, 41);
    expect_roomless(stage, &one, 44);
    expect_roomless(stage, &two, 44);
    bye(&one), bye(&two);
}

static void who_stands_in_several_targets_gets_it_once_by_the_first(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0}, two = {0};
    enter(stage, &one, &ada);
    enter(stage, &two, &bob);
    const struct target room_first[] = {ROOM("none"), ROOM("tea"), USER("ada"), EVERYBODY, {0, NULL}};
    const struct target room_last[] = {SOCKET("A"), EVERYBODY, ROOM("tea"), {0, NULL}};
    deliver(stage, &(struct what){.pos = 41, .targets = room_first});
    deliver(stage, &(struct what){.pos = 42, .targets = room_last});
    deliver(stage, &(struct what){.pos = 0, .targets = room_first});
    expect_in_tea(stage, &one, 41);
    expect_roomless(stage, &one, 42);
    expect_envelope(stage, &one, "\"room\":\"tea\",", 42);
    expect_roomless(stage, &two, 41);
    expect_roomless(stage, &two, 42);
    expect_roomless(stage, &two, 42); /* volatile: the stream's position */
    expect_none(stage, &one, "42");
    expect_none(stage, &two, "42");
    bye(&one), bye(&two);
}

static void who_is_excepted_gets_it_by_no_target(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0}, two = {0};
    enter(stage, &one, &ada);
    enter(stage, &two, &bob);
    deliver(stage,
            &(struct what){.pos = 41, .targets = TARGETS(EVERYBODY, USER("ada")), .except_room = "tea"});
    deliver(stage, &(struct what){.pos = 42, .targets = TARGETS(EVERYBODY, SOCKET("B")), .except_sid = "B"});
    deliver(stage, &(struct what){.pos = 0, .targets = TARGETS(EVERYBODY), .except_sid = "A"});
    expect_roomless(stage, &one, 42);
    expect_roomless(stage, &two, 41);
    expect_roomless(stage, &two, 42); /* the volatile one */
    expect_none(stage, &one, "42");
    bye(&one), bye(&two);
}

static void nothing_from_before_its_session_reaches_a_client(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    enter(stage, &one, &(struct entry){.user = "ada", .from_pos = 45});
    deliver(stage, &(struct what){.pos = 44, .targets = TARGETS(EVERYBODY)});
    deliver(stage, &(struct what){.pos = 45, .targets = TARGETS(USER("ada"), SOCKET("S"))});
    deliver(stage, &(struct what){.pos = 46, .targets = TARGETS(EVERYBODY)});
    expect_roomless(stage, &one, 46);
    bye(&one);
}

static void a_replay_has_every_kind_and_goes_before_what_is_live(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    enter(stage, &one, &(struct entry){.user = "ada", .room = "tea", .recovered = true, .from_pos = 10});
    uint64_t me = one.handle;
    deliver(stage, &(struct what){.pos = 16, .targets = TARGETS(EVERYBODY)}); /* live: not yet */
    deliver(stage, &(struct what){.pos = 11, .client = me, .targets = TARGETS(EVERYBODY)});
    deliver(stage, &(struct what){.pos = 12, .client = me, .targets = TARGETS(USER("bob"), USER("ada"))});
    deliver(stage, &(struct what){.pos = 13, .client = me, .targets = TARGETS(USER("bob"))}); /* not mine */
    deliver(stage, &(struct what){.pos = 14, .client = me, .targets = TARGETS(SOCKET("S"))});
    deliver(stage, &(struct what){.pos = 15, .client = me, .targets = TARGETS(USER("eve"), ROOM("tea"))});
    deliver(stage, &(struct what){.pos = 16, .client = me, .targets = TARGETS(EVERYBODY)});
    deliver(stage, &(struct what){.pos = 16, .client = me, .nsp = "/chat", .targets = TARGETS(EVERYBODY)});
    caught_up(stage, &one, 16);
    deliver(stage, &(struct what){.pos = 17, .targets = TARGETS(SOCKET("S"))});
    expect_roomless(stage, &one, 11);
    expect_roomless(stage, &one, 12);
    expect_roomless(stage, &one, 14);
    expect_in_tea(stage, &one, 15);
    expect_roomless(stage, &one, 16);
    expect_roomless(stage, &one, 17);
    bye(&one);
}

static void a_plain_message_arrives_as_its_arguments(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    enter(stage, &one, &ada);
    struct what what = {
        .pos = 41, .targets = TARGETS(ROOM("tea")), .is_plain = true, .data = "[1,{\"a\":2}]"};
    deliver(stage, &what);
    what.pos = 42;
    what.data = "[ ]";
    deliver(stage, &what);
    what.pos = 43;
    what.data = "[{\"_placeholder\":true,\"num\":0}]";
    what.attachment = "bytes";
    deliver(stage, &what);
    expect_text(stage, &one, "42[\"m\",1,{\"a\":2},\"7.15\"]");
    expect_text(stage, &one, "42[\"m\",\"7.16\"]");
    expect_text(stage, &one, "451-[\"m\",{\"_placeholder\":true,\"num\":0},\"7.17\"]");
    assert_int_equal(rj_ws_receive(&one.ws, &stage->text, WAIT_MS), RJ_WS_BINARY);
    assert_string_equal(rj_buf_cstr(&stage->text), "bytes");
    bye(&one);
}

static void without_recovery_a_plain_message_is_nothing_but_its_arguments(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    enter(stage, &one, &ada);
    deliver(stage,
            &(struct what){.pos = 41, .targets = TARGETS(EVERYBODY), .is_plain = true, .data = "[\"a\"]"});
    deliver(stage, &(struct what){.pos = 42, .targets = TARGETS(EVERYBODY), .is_plain = true, .data = "[]"});
    expect_text(stage, &one, "42[\"m\",\"a\"]");
    expect_text(stage, &one, "42[\"m\"]");
    bye(&one);
}

static void rooms_are_changed_from_outside_in_order(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    enter(stage, &one, &bob);
    deliver(stage, &(struct what){.pos = 41, .targets = TARGETS(ROOM("tea"))});
    moved(stage, &one, "tea", false, 42);
    deliver(stage, &(struct what){.pos = 42, .targets = TARGETS(ROOM("tea"))}); /* from before */
    deliver(stage, &(struct what){.pos = 43, .targets = TARGETS(ROOM("tea"))});
    moved(stage, &one, "tea", true, 0);
    moved(stage, &one, "never", true, 0);
    moved(stage, &(struct guest){.handle = 999}, "tea", false, 1);
    deliver(stage, &(struct what){.pos = 44, .targets = TARGETS(ROOM("tea"))});
    deliver(stage, &(struct what){.pos = 45, .targets = TARGETS(EVERYBODY)});
    expect_in_tea(stage, &one, 43);
    expect_roomless(stage, &one, 45);
    bye(&one);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(everybody_in_the_namespace_gets_what_is_for_it, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(a_user_gets_it_on_all_sockets_of_that_namespace, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(a_socket_gets_what_is_for_its_sid, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(who_stands_in_several_targets_gets_it_once_by_the_first, setup,
                                    stage_teardown),
    cmocka_unit_test_setup_teardown(who_is_excepted_gets_it_by_no_target, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(nothing_from_before_its_session_reaches_a_client, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(a_replay_has_every_kind_and_goes_before_what_is_live, setup,
                                    stage_teardown),
    cmocka_unit_test_setup_teardown(a_plain_message_arrives_as_its_arguments, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(without_recovery_a_plain_message_is_nothing_but_its_arguments,
                                    setup_without_recovery, stage_teardown),
    cmocka_unit_test_setup_teardown(rooms_are_changed_from_outside_in_order, setup, stage_teardown),
};

RJ_TEST_MAIN(tests)
