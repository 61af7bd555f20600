/* Sessions in a real store: what the sweep ends, and what is left of sessions that are over. */
#include "broker/sessions/session_store.h"

#include "rejoin.pb-c.h"
#include "tests/unit/test_store_fixture.h"

enum { HOUR_MS = 3600000, LIFETIME_MS = 1000 };

static const char pid[] = "aaaaaaaaaaaaaaaaaaaaaA";
static const char sid[] = "bbbbbbbbbbbbbbbbbbbbbA";

/* A broker's memory, as far as the sessions of these tests need one. */
struct memory {
    struct rj_store *store;
    struct rj_sessions sessions;
    struct rj_rooms rooms;
    struct rj_session_sweep sweep;
    struct rj_session_clock clock;
    bool is_here;
};

static bool is_here(const void *ctx, const char *nsp, const char *name)
{
    assert_string_equal(nsp, "/");
    assert_string_equal(name, sid);
    return ((const struct memory *)ctx)->is_here;
}

static void begin(struct memory *memory, struct rj_store *store)
{
    *memory = (struct memory){
        .store = store,
        .sweep = {.is_here = is_here, .ctx = memory},
        .clock = {.now_ms = rj_clock_wall_ms(), .uptime_ms = 10 * LIFETIME_MS, .lifetime_ms = LIFETIME_MS},
    };
}

static void end(struct memory *memory)
{
    rj_buf_free(&memory->sweep.after);
}

/* Writes one that has lost its connection just now. */
static void save_session(struct memory *memory)
{
    struct rj_session *session = rj_session_new(&memory->sessions, pid, sid, "/", "ann");
    rj_session_store_begin(memory->store, session, NULL, NULL);
    rj_session_store_save(memory->store, session, false, NULL, NULL);
    rj_session_free(&memory->sessions, &memory->rooms, session);
    settle(memory->store);
}

static enum rj_status load(struct memory *memory)
{
    struct rj_session *session = NULL;
    enum rj_status status =
        rj_session_store_load(memory->store, pid, memory->clock, &memory->sessions, &memory->rooms, &session);
    if (status == RJ_OK)
        rj_session_free(&memory->sessions, &memory->rooms, session);
    return status;
}

static size_t sweep(struct memory *memory)
{
    size_t n = rj_session_store_sweep(&memory->sweep, memory->store, memory->clock, &memory->sessions, 100);
    settle(memory->store);
    return n;
}

static bool count_pair(void *ctx, struct rj_span key, struct rj_span value)
{
    (void)key, (void)value;
    ++*(size_t *)ctx;
    return true;
}

static size_t pairs(const struct memory *memory)
{
    size_t n = 0;
    rj_store_scan(memory->store, RJ_TABLE_SESSION, (struct rj_span){NULL, 0}, (struct rj_span){NULL, 0}, 100,
                  count_pair, &n);
    return n;
}

static void one_that_has_expired_is_told_from_one_that_never_was(void **state)
{
    struct fixture *f = *state;
    struct memory memory;
    begin(&memory, f->store);
    assert_int_equal(load(&memory), RJ_NOT_FOUND);
    save_session(&memory);
    assert_int_equal(load(&memory), RJ_OK);
    assert_int_equal(sweep(&memory), 0);
    memory.clock.now_ms += 2 * LIFETIME_MS;
    assert_int_equal(load(&memory), RJ_TIMEOUT); /* before the sweep … */
    assert_int_equal(sweep(&memory), 1);
    assert_int_equal(pairs(&memory), 1);
    assert_int_equal(load(&memory), RJ_TIMEOUT); /* … and after it */
    assert_int_equal(sweep(&memory), 0);
    reopen_store(f);
    memory.store = f->store;
    assert_int_equal(load(&memory), RJ_TIMEOUT);
    end(&memory);
}

/* A session that its client has ended. */
static void save_and_leave(struct memory *memory)
{
    save_session(memory);
    rj_session_store_end(memory->store, rj_span_of(pid, RJ_ID_LEN), "/", sid, RJ_SESSION_LEFT, NULL, NULL);
    settle(memory->store);
}

static void one_that_its_client_ended_or_a_backup_made_void_says_so(void **state)
{
    struct fixture *f = *state;
    struct memory memory;
    begin(&memory, f->store);
    save_and_leave(&memory);
    assert_int_equal(load(&memory), RJ_CLOSED);
    save_session(&memory);
    memory.clock.whole_since = rj_store_head(f->store).epoch + 1;
    assert_int_equal(sweep(&memory), 1);
    assert_int_equal(load(&memory), RJ_GAP);
    end(&memory);
}

static void what_is_left_of_one_that_is_over_goes_with_time(void **state)
{
    struct fixture *f = *state;
    struct memory memory;
    begin(&memory, f->store);
    save_and_leave(&memory);
    memory.clock.now_ms = rj_clock_wall_ms() + HOUR_MS / 2;
    sweep(&memory);
    assert_int_equal(load(&memory), RJ_CLOSED);
    memory.clock.lifetime_ms = 2 * HOUR_MS;
    memory.clock.now_ms += HOUR_MS;
    sweep(&memory);
    assert_int_equal(load(&memory), RJ_CLOSED); /* for a lifetime, when that is longer */
    memory.clock.now_ms += HOUR_MS;
    sweep(&memory);
    assert_int_equal(load(&memory), RJ_NOT_FOUND);
    assert_int_equal(pairs(&memory), 0);
    end(&memory);
}

/* The room of that socket, if the store has it. */
static bool socket_has_room(const struct memory *memory)
{
    uint8_t key[RJ_TARGET_KEY_MAX];
    rj_room_id id;
    size_t len = rj_target_key(key, REJOIN__TARGET__KIND__SOCKET, "/", sid);
    return rj_store_room(memory->store, rj_span_of(key, len), false, &id) == RJ_OK;
}

static void say_to_socket(struct memory *memory)
{
    uint8_t key[RJ_TARGET_KEY_MAX];
    rj_room_id id;
    size_t len = rj_target_key(key, REJOIN__TARGET__KIND__SOCKET, "/", sid);
    rj_session_store_begin_brief(memory->store, "/", sid);
    assert_int_equal(rj_store_room(memory->store, rj_span_of(key, len), true, &id), RJ_OK);
    settle(memory->store);
}

static void a_socket_without_recovery_that_a_crash_has_lost_is_forgotten(void **state)
{
    struct fixture *f = *state;
    struct memory memory;
    begin(&memory, f->store);
    say_to_socket(&memory);
    assert_true(rj_session_store_knows_brief(f->store, sid));
    sweep(&memory);
    assert_true(socket_has_room(&memory)); /* its gateway may still come */
    memory.clock.now_ms += 2 * LIFETIME_MS;
    memory.clock.uptime_ms = LIFETIME_MS / 2;
    sweep(&memory);
    assert_true(socket_has_room(&memory));
    memory.clock.uptime_ms = 2 * LIFETIME_MS;
    memory.is_here = true;
    sweep(&memory);
    assert_true(socket_has_room(&memory));
    memory.is_here = false;
    sweep(&memory);
    assert_false(socket_has_room(&memory));
    assert_false(rj_session_store_knows_brief(f->store, sid));
    assert_int_equal(pairs(&memory), 0);
    end(&memory);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(one_that_has_expired_is_told_from_one_that_never_was, set_up_open,
                                    tear_down),
    cmocka_unit_test_setup_teardown(one_that_its_client_ended_or_a_backup_made_void_says_so, set_up_open,
                                    tear_down),
    cmocka_unit_test_setup_teardown(what_is_left_of_one_that_is_over_goes_with_time, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(a_socket_without_recovery_that_a_crash_has_lost_is_forgotten, set_up_open,
                                    tear_down),
};

RJ_TEST_MAIN(tests)
