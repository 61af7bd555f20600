#include "gateway/pending.h"

#include "proto/wire.h"
#include "tests/support/test.h"

static struct rj_pending_command *add(struct rj_pending *pending, Rejoin__Command__KindCase kind)
{
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    Rejoin__Join join = REJOIN__JOIN__INIT;
    Rejoin__CatchUp catch_up = REJOIN__CATCH_UP__INIT;
    Rejoin__Attach attach = REJOIN__ATTACH__INIT;
    command.client = 4;
    command.kind_case = kind;
    if (kind == REJOIN__COMMAND__KIND_JOIN)
        command.join = &join;
    else if (kind == REJOIN__COMMAND__KIND_ATTACH)
        command.attach = &attach;
    else
        command.catch_up = &catch_up;
    return rj_pending_add(pending, &command);
}

static void a_command_is_remembered_packed_until_it_is_taken(void **state)
{
    (void)state;
    struct rj_pending pending = {0};
    struct rj_arena arena = {0};
    uint64_t id = add(&pending, REJOIN__COMMAND__KIND_JOIN)->id;
    struct rj_pending_command *entry = rj_pending_take(&pending, id);
    assert_non_null(entry);
    Rejoin__Item *item =
        (Rejoin__Item *)rj_wire_unpack_message(&rejoin__item__descriptor, rj_buf_span(&entry->item), &arena);
    assert_non_null(item);
    assert_int_equal(item->command->id, id);
    assert_int_equal(item->command->client, 4);
    assert_null(rj_pending_take(&pending, id));
    assert_int_equal(pending.n, 0);
    rj_pending_free_command(entry);
    rj_arena_free(&arena);
    rj_pending_free(&pending);
}

static void a_fresh_stream_forgets_only_what_it_states_anew(void **state)
{
    (void)state;
    struct rj_pending pending = {0};
    uint64_t join = add(&pending, REJOIN__COMMAND__KIND_JOIN)->id;
    uint64_t attach = add(&pending, REJOIN__COMMAND__KIND_ATTACH)->id;
    uint64_t catch_up = add(&pending, REJOIN__COMMAND__KIND_CATCH_UP)->id;
    uint64_t second = add(&pending, REJOIN__COMMAND__KIND_JOIN)->id;
    assert_true(join < attach && attach < catch_up && catch_up < second);
    rj_pending_drop_stream(&pending);
    assert_int_equal(pending.n, 2);
    assert_int_equal(pending.list->id, join);
    assert_int_equal(pending.list->next->id, second);
    rj_pending_free(&pending);
}

static Rejoin__Item *unpack(const struct rj_pending_command *entry, struct rj_arena *arena)
{
    Rejoin__Item *item =
        (Rejoin__Item *)rj_wire_unpack_message(&rejoin__item__descriptor, rj_buf_span(&entry->item), arena);
    assert_non_null(item);
    return item;
}

static void an_event_that_was_said_before_is_marked_when_it_is_said_again(void **state)
{
    (void)state;
    struct rj_pending pending = {0};
    struct rj_arena arena = {0};
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    Rejoin__Event event = REJOIN__EVENT__INIT;
    ProtobufCBinaryData attachment = {3, (uint8_t *)"abc"};
    event.name = "order";
    event.args = (ProtobufCBinaryData){3, (uint8_t *)"[1]"};
    event.attachments = &attachment;
    event.n_attachments = 1;
    event.wants_ack = true;
    command.client = 4;
    command.kind_case = REJOIN__COMMAND__KIND_EVENT;
    command.event = &event;
    struct rj_pending_command *entry = rj_pending_add(&pending, &command);
    rj_pending_mark_repeated(entry); /* it was never said */
    assert_false(unpack(entry, &arena)->command->event->repeated);
    entry->was_said = true;
    rj_pending_mark_repeated(entry);
    rj_pending_mark_repeated(entry);
    const Rejoin__Command *again = unpack(entry, &arena)->command;
    assert_int_equal(again->id, entry->id);
    assert_int_equal(again->client, 4);
    assert_true(again->event->repeated);
    assert_true(again->event->wants_ack);
    assert_string_equal(again->event->name, "order");
    assert_int_equal(again->event->n_attachments, 1);
    assert_memory_equal(again->event->attachments[0].data, "abc", 3);
    rj_arena_free(&arena);
    rj_pending_free(&pending);
}

static void only_what_clients_ask_for_counts_for_the_limits(void **state)
{
    (void)state;
    struct rj_pending pending = {0};
    struct rj_pending_command *join = add(&pending, REJOIN__COMMAND__KIND_JOIN);
    size_t bytes = join->item.len;
    add(&pending, REJOIN__COMMAND__KIND_ATTACH);
    add(&pending, REJOIN__COMMAND__KIND_CATCH_UP);
    assert_int_equal(pending.n, 3);
    assert_int_equal(pending.n_asked, 1);
    assert_int_equal(pending.bytes, bytes);
    add(&pending, REJOIN__COMMAND__KIND_JOIN);
    assert_int_equal(pending.bytes, 2 * bytes);
    rj_pending_drop_stream(&pending);
    rj_pending_free_command(rj_pending_take(&pending, join->id));
    assert_int_equal(pending.n_asked, 1);
    assert_int_equal(pending.bytes, bytes);
    rj_pending_free(&pending);
    assert_int_equal(pending.bytes, 0);
}

static void a_disconnect_keeps_the_attach_that_goes_before_it(void **state)
{
    (void)state;
    struct rj_pending pending = {0};
    struct rj_arena arena = {0};
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    Rejoin__Disconnect disconnect = REJOIN__DISCONNECT__INIT;
    Rejoin__Attach attach = REJOIN__ATTACH__INIT;
    command.client = 4;
    command.kind_case = REJOIN__COMMAND__KIND_DISCONNECT;
    command.disconnect = &disconnect;
    struct rj_pending_command *entry = rj_pending_add(&pending, &command);
    attach.sid = "sid";
    command.kind_case = REJOIN__COMMAND__KIND_ATTACH;
    command.attach = &attach;
    rj_pending_introduce(&pending, entry, &command);
    assert_int_equal(pending.n, 1);
    const Rejoin__Item *item = (const Rejoin__Item *)rj_wire_unpack_message(
        &rejoin__item__descriptor, rj_buf_span(&entry->attach), &arena);
    assert_string_equal(item->command->attach->sid, "sid");
    assert_int_equal(item->command->client, 4);
    assert_true(item->command->id > entry->id);
    assert_null(rj_pending_take(&pending, item->command->id));
    rj_pending_drop_stream(&pending); /* it stays */
    assert_int_equal(pending.n, 1);
    assert_int_equal(unpack(entry, &arena)->command->kind_case, REJOIN__COMMAND__KIND_DISCONNECT);
    rj_arena_free(&arena);
    rj_pending_free(&pending);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_command_is_remembered_packed_until_it_is_taken),
    cmocka_unit_test(a_fresh_stream_forgets_only_what_it_states_anew),
    cmocka_unit_test(an_event_that_was_said_before_is_marked_when_it_is_said_again),
    cmocka_unit_test(only_what_clients_ask_for_counts_for_the_limits),
    cmocka_unit_test(a_disconnect_keeps_the_attach_that_goes_before_it),
};

RJ_TEST_MAIN(tests)
