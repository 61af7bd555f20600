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

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_command_is_remembered_packed_until_it_is_taken),
    cmocka_unit_test(a_fresh_stream_forgets_only_what_it_states_anew),
};

RJ_TEST_MAIN(tests)
