/* librejoin on behalf of users: read cursors and what is unread, on a real broker. */
#include <rejoin_reads.h>

#include <string.h>

#include "tests/process/backend_support.h"

static struct rejoin_read_state read_to(struct rejoin *handle, const struct rejoin_read *read)
{
    struct rejoin_read_state state;
    assert_int_equal(rejoin_read_wait(handle, read, PATIENCE_MS, &state), REJOIN_OK);
    return state;
}

static void reading_moves_the_cursor_forward_only(void **state)
{
    struct rejoin *handle = backend_open(*state, "reader");
    for (int i = 0; i < 5; i++)
        backend_publish(handle, "tea", "1");
    struct rejoin_read read = {.user = "ann", .room = "tea", .seq = 3};
    struct rejoin_read_state got = read_to(handle, &read);
    assert_int_equal(got.seq, 3);
    assert_int_equal(got.unread, 2);
    read.seq = 1;
    assert_int_equal(read_to(handle, &read).seq, 3);
    read.all = true;
    assert_int_equal(read_to(handle, &read).seq, 5);
    read.all = false;
    read.forget = true;
    got = read_to(handle, &read);
    assert_int_equal(got.seq, 0);
    assert_int_equal(got.unread, 5);
    rejoin_close(&handle);
}

static void unread_lists_the_users_rooms_after_a_crash_of_the_broker_too(void **state)
{
    struct rejoin *handle = backend_open(*state, "reader");
    for (int i = 0; i < 3; i++)
        backend_publish(handle, "tea", "1");
    backend_publish(handle, "milk", "1");
    read_to(handle, &(struct rejoin_read){.user = "ann", .room = "tea", .seq = 1});
    read_to(handle, &(struct rejoin_read){.user = "ann", .room = "milk", .seq = 1});
    read_to(handle, &(struct rejoin_read){.user = "bob", .room = "milk", .seq = 1});
    broker_kill(*state);
    broker_start(*state);
    struct rejoin_unread *unread;
    assert_int_equal(rejoin_unread_wait(handle, NULL, "ann", PATIENCE_MS, &unread), REJOIN_OK);
    rejoin_close(&handle); /* what was answered outlives it */
    assert_int_equal(unread->count, 2);
    assert_false(unread->is_partial);
    for (size_t i = 0; i < 2; i++) {
        bool is_tea = strcmp(unread->rooms[i].name, "tea") == 0;
        assert_true(is_tea || strcmp(unread->rooms[i].name, "milk") == 0);
        assert_int_equal(unread->rooms[i].seq, 1);
        assert_int_equal(unread->rooms[i].unread, is_tea ? 2 : 0);
    }
    rejoin_unread_free(&unread);
    assert_null(unread);
}

static void what_is_wrong_is_said(void **state)
{
    struct rejoin *handle = backend_open(*state, "reader");
    struct rejoin_unread *unread;
    assert_int_equal(rejoin_read_wait(handle, &(struct rejoin_read){.user = "ann"}, PATIENCE_MS, NULL),
                     REJOIN_BAD_REQUEST);
    assert_int_equal(
        rejoin_read_wait(handle, &(struct rejoin_read){.user = "ann", .room = "nowhere"}, PATIENCE_MS, NULL),
        REJOIN_NOT_FOUND);
    assert_int_equal(rejoin_unread_wait(handle, "/nowhere", "ann", PATIENCE_MS, &unread),
                     REJOIN_BAD_NAMESPACE);
    assert_int_equal(rejoin_unread_wait(handle, NULL, "", PATIENCE_MS, &unread), REJOIN_BAD_NAME);
    assert_int_equal(rejoin_unread_wait(handle, NULL, "nobody", PATIENCE_MS, &unread), REJOIN_OK);
    assert_int_equal(unread->count, 0);
    rejoin_unread_free(&unread);
    rejoin_close(&handle);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(reading_moves_the_cursor_forward_only, broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(unread_lists_the_users_rooms_after_a_crash_of_the_broker_too,
                                    broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(what_is_wrong_is_said, broker_setup, broker_teardown),
};

RJ_TEST_MAIN(tests)
