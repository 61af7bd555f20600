/* Whom rooms were told of, on a real store. */
#include "broker/presence/presence_store.h"

#include "broker/rooms/room.h"
#include "proto/wire.h"
#include "tests/unit/test_store_fixture.h"

enum { PAIRS = 11000 /* more than two reads of the store take */ };

struct loaded {
    unsigned n, ann;
    uint64_t since_ms;
    bool users[PAIRS];
};

static void on_loaded(void *ctx, rj_room_id room, struct rj_span room_key, const char *user,
                      uint64_t since_ms)
{
    struct loaded *loaded = ctx;
    assert_true(rj_target_key_is_room_of(room_key, "/"));
    assert_true(rj_span_is(rj_target_key_name(room_key), room == 7 ? "tea" : "milk"));
    loaded->n++;
    loaded->since_ms = since_ms;
    if (user[0] == 'u') {
        unsigned i = (unsigned)atoi(user + 1);
        assert_false(loaded->users[i]); /* each once */
        loaded->users[i] = true;
    } else {
        loaded->ann++;
    }
}

static struct rj_span key_of(uint8_t out[static RJ_TARGET_KEY_MAX], const char *room)
{
    return rj_span_of(out, rj_target_key(out, REJOIN__TARGET__KIND__ROOM, "/", room));
}

static void put(struct fixture *f, rj_room_id room, const char *name, const char *user, uint64_t since_ms)
{
    uint8_t bytes[RJ_TARGET_KEY_MAX];
    rj_presence_store_put(f->store, room, key_of(bytes, name), user, since_ms, NULL, NULL);
}

static void who_was_told_of_is_there_after_a_restart(void **state)
{
    struct fixture *f = *state;
    struct loaded loaded = {0};
    put(f, 7, "tea", "ann", 5);
    put(f, 8, "milk", "ann", 6);
    put(f, 7, "tea", "bob", 7);
    put(f, 7, "tea", "ann", 0x1122334455667788);
    rj_presence_store_delete(f->store, 7, "bob", NULL, NULL);
    rj_presence_store_delete(f->store, 8, "ann", NULL, NULL);
    reopen_store(f);
    assert_int_equal(rj_presence_store_load(f->store, on_loaded, &loaded), RJ_OK);
    assert_int_equal(loaded.n, 1);
    assert_int_equal(loaded.ann, 1);
    assert_true(loaded.since_ms == 0x1122334455667788);
}

static void many_are_read_in_turns_each_once(void **state)
{
    struct fixture *f = *state;
    struct loaded *loaded = calloc(1, sizeof *loaded);
    for (unsigned i = 0; i < PAIRS; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%u", i);
        put(f, i % 3 ? 7 : 8, i % 3 ? "tea" : "milk", user, i);
    }
    settle(f->store);
    assert_int_equal(rj_presence_store_load(f->store, on_loaded, loaded), RJ_OK);
    assert_int_equal(loaded->n, PAIRS);
    free(loaded);
}

static void put_raw(struct fixture *f, struct rj_span key, struct rj_span value)
{
    rj_store_put(f->store, RJ_TABLE_PRESENCE, key, value, RJ_ANY_VERSION, NULL, NULL);
}

static void what_has_a_wrong_shape_is_left_out(void **state)
{
    struct fixture *f = *state;
    struct loaded loaded = {0};
    uint8_t key[RJ_STORE_KEY_MAX], value[8 + RJ_STORE_KEY_MAX];
    memset(key, 'x', sizeof key);
    memset(value, 'x', sizeof value);
    key[0] = RJ_PRESENCE_TOLD;
    value[8] = REJOIN__TARGET__KIND__ROOM;
    value[9] = 1;
    put_raw(f, rj_span_of(key, 1), rj_span_of(value, 20));          /* no room */
    put_raw(f, rj_span_of(key, 5), rj_span_of(value, 20));          /* no user */
    put_raw(f, rj_span_of(key, sizeof key), rj_span_of(value, 20)); /* a user that is too long */
    put_raw(f, rj_span_of(key, 6), rj_span_of(value, 0));
    put_raw(f, rj_span_of(key, 7), rj_span_of(value, 8));            /* no room's key */
    put_raw(f, rj_span_of(key, 8), rj_span_of(value, 11));           /* no name */
    put_raw(f, rj_span_of(key, 9), rj_span_of(value, sizeof value)); /* a name that is too long */
    value[9] = 200;
    put_raw(f, rj_span_of(key, 10), rj_span_of(value, 8 + 2 + 220)); /* a namespace that is too long */
    put_raw(f, rj_span_of(key, 11), rj_span_of(value, 20));          /* … and longer than the key */
    value[8] = REJOIN__TARGET__KIND__USER;
    value[9] = 1;
    put_raw(f, rj_span_of(key, 12), rj_span_of(value, 20));
    key[12] = 0;
    value[8] = REJOIN__TARGET__KIND__ROOM;
    put_raw(f, rj_span_of(key, 13), rj_span_of(value, 20)); /* a NUL in the user */
    put(f, 7, "tea", "ann", 5);
    settle(f->store);
    assert_int_equal(rj_presence_store_load(f->store, on_loaded, &loaded), RJ_OK);
    assert_int_equal(loaded.n, 1);
    assert_int_equal(loaded.ann, 1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(who_was_told_of_is_there_after_a_restart, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(many_are_read_in_turns_each_once, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(what_has_a_wrong_shape_is_left_out, set_up_open, tear_down),
};

RJ_TEST_MAIN(tests)
