/* When users were seen last, on a real store. */
#include "broker/presence/last_seen.h"

#include "tests/unit/test_store_fixture.h"

enum { DAY_MS = 86400000, WALL_MS = 1700000000 };

static struct rj_last_seen open_seen(struct fixture *f, uint64_t lifetime_ms)
{
    struct rj_last_seen seen;
    rj_last_seen_init(&seen, f->store, rj_store_head(f->store).epoch, lifetime_ms);
    return seen;
}

/* As the broker ends: what the store still completes finds everything there. */
static void close_seen(struct fixture *f, struct rj_last_seen *seen)
{
    settle(f->store);
    rj_last_seen_free(seen);
}

static uint64_t seen_at(const struct rj_last_seen *seen, const char *nsp, const char *user)
{
    uint64_t at_ms = 0;
    return rj_last_seen_get(seen, nsp, user, &at_ms) == RJ_OK ? at_ms : 0;
}

static void who_went_was_seen_when_it_went(void **state)
{
    struct fixture *f = *state;
    struct rj_last_seen seen = open_seen(f, DAY_MS);
    assert_int_equal(seen_at(&seen, "/", "ann"), 0);
    rj_last_seen_come(&seen, "/", "ann", WALL_MS);
    rj_last_seen_go(&seen, "/", "ann", WALL_MS + 5);
    assert_int_equal(seen_at(&seen, "/", "ann"), WALL_MS + 5); /* not written yet */
    rj_last_seen_tick(&seen, 1, WALL_MS + 10, 100);
    assert_int_equal(seen_at(&seen, "/", "ann"), WALL_MS + 5); /* on its way */
    settle(f->store);
    assert_null(seen.changes);
    assert_int_equal(seen_at(&seen, "/", "ann"), WALL_MS + 5);
    assert_int_equal(seen_at(&seen, "/chat", "ann"), 0); /* each namespace by itself */
    assert_int_equal(seen_at(&seen, "/", "an"), 0);
    close_seen(f, &seen);
    reopen_store(f);
    seen = open_seen(f, DAY_MS);
    assert_int_equal(seen_at(&seen, "/", "ann"), WALL_MS + 5);
    close_seen(f, &seen);
}

static void changes_are_written_in_batches_and_only_the_last_one_of_a_user(void **state)
{
    struct fixture *f = *state;
    struct rj_last_seen seen = open_seen(f, DAY_MS);
    for (unsigned i = 0; i < 25; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%u", i);
        for (unsigned again = 0; again < 4; again++) {
            rj_last_seen_come(&seen, "/", user, WALL_MS);
            rj_last_seen_go(&seen, "/", user, WALL_MS + i);
        }
    }
    rj_last_seen_tick(&seen, 1, WALL_MS, 10);
    assert_int_equal(seen.writes, 10);
    rj_last_seen_tick(&seen, 2, WALL_MS, 10);
    rj_last_seen_come(&seen, "/", "u0", WALL_MS + 50); /* again, while its write is under way */
    rj_last_seen_tick(&seen, 3, WALL_MS, 10);
    assert_int_equal(seen.writes, 25 + 1 + 1); /* and that the broker is alive, since somebody is there */
    settle(f->store);
    assert_null(seen.changes);
    for (unsigned i = 1; i < 25; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%u", i);
        assert_int_equal(seen_at(&seen, "/", user), WALL_MS + i);
    }
    assert_int_equal(seen_at(&seen, "/", "u0"), WALL_MS + 50);
    close_seen(f, &seen);
}

static void nothing_is_written_for_those_who_stay(void **state)
{
    struct fixture *f = *state;
    struct rj_last_seen seen = open_seen(f, DAY_MS);
    for (unsigned i = 0; i < 100; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%u", i);
        rj_last_seen_come(&seen, "/", user, WALL_MS);
    }
    rj_last_seen_tick(&seen, 1, WALL_MS, 1000);
    const uint64_t before = seen.writes;
    for (uint64_t t = 50; t <= 10 * RJ_ALIVE_MS; t += 50)
        rj_last_seen_tick(&seen, 1 + t, WALL_MS + t, 1000);
    assert_int_equal(seen.writes - before, 10); /* for all together */
    close_seen(f, &seen);
}

static void who_was_there_in_a_crash_was_seen_when_the_broker_last_said_so(void **state)
{
    struct fixture *f = *state;
    struct rj_last_seen seen = open_seen(f, DAY_MS);
    rj_last_seen_come(&seen, "/", "ann", WALL_MS);
    rj_last_seen_tick(&seen, 1, WALL_MS, 100);
    rj_last_seen_tick(&seen, 1 + RJ_ALIVE_MS, WALL_MS + RJ_ALIVE_MS, 100);
    settle(f->store);
    close_seen(f, &seen); /* without a word */
    reopen_store(f);
    seen = open_seen(f, DAY_MS);
    rj_last_seen_come(&seen, "/", "bob", WALL_MS + DAY_MS / 2);
    rj_last_seen_tick(&seen, 1, WALL_MS + DAY_MS / 2, 100);
    settle(f->store);
    assert_int_equal(seen_at(&seen, "/", "ann"), WALL_MS + RJ_ALIVE_MS);
    /* One that ends as asked says so to the moment. */
    rj_last_seen_flush(&seen, WALL_MS + DAY_MS / 2 + 77);
    close_seen(f, &seen);
    reopen_store(f);
    seen = open_seen(f, DAY_MS);
    assert_int_equal(seen_at(&seen, "/", "ann"), WALL_MS + RJ_ALIVE_MS);
    assert_int_equal(seen_at(&seen, "/", "bob"), WALL_MS + DAY_MS / 2 + 77);
    close_seen(f, &seen);
}

static void those_who_do_not_come_back_are_forgotten(void **state)
{
    struct fixture *f = *state;
    struct rj_last_seen seen = open_seen(f, DAY_MS);
    for (unsigned i = 0; i < 100; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%02u", i);
        rj_last_seen_come(&seen, "/", user, WALL_MS);
        rj_last_seen_go(&seen, "/", user, WALL_MS + (i % 2 ? DAY_MS : 0));
    }
    rj_last_seen_flush(&seen, WALL_MS);
    settle(f->store);
    for (unsigned i = 0; i < 20; i++)
        rj_last_seen_tick(&seen, 1, WALL_MS + DAY_MS + 1, 100);
    settle(f->store);
    for (unsigned i = 0; i < 100; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%02u", i);
        assert_int_equal(seen_at(&seen, "/", user), i % 2 ? WALL_MS + DAY_MS : 0);
    }
    close_seen(f, &seen);
}

static void without_a_lifetime_nothing_is_kept(void **state)
{
    struct fixture *f = *state;
    struct rj_last_seen seen = open_seen(f, 0);
    rj_last_seen_come(&seen, "/", "ann", WALL_MS);
    rj_last_seen_tick(&seen, 1, WALL_MS, 100);
    rj_last_seen_flush(&seen, WALL_MS);
    rj_last_seen_go(&seen, "/", "ann", WALL_MS);
    assert_int_equal(seen.writes, 0);
    assert_null(seen.changes);
    assert_int_equal(seen_at(&seen, "/", "ann"), 0);
    close_seen(f, &seen);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(who_went_was_seen_when_it_went, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(changes_are_written_in_batches_and_only_the_last_one_of_a_user,
                                    set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(nothing_is_written_for_those_who_stay, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(who_was_there_in_a_crash_was_seen_when_the_broker_last_said_so,
                                    set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(those_who_do_not_come_back_are_forgotten, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(without_a_lifetime_nothing_is_kept, set_up_open, tear_down),
};

RJ_TEST_MAIN(tests)
