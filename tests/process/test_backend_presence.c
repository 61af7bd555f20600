/* librejoin asks a real broker who is there. */
#include <rejoin_presence.h>

#include <string.h>

#include "tests/process/presence_support.h"

enum { PATIENCE_MS = 20000 };

static struct rejoin *open_handle(const struct world *world)
{
    struct rejoin_options options = {.endpoint = world->broker.backends, .name = "asker"};
    struct rejoin *handle = NULL;
    assert_int_equal(rejoin_open(&options, &handle), REJOIN_OK);
    return handle;
}

static void open_stage(struct world *world)
{
    open_world(world, NULL);
    come(&world->gateway, 1, "ann", NULL);
    come(&world->gateway, 2, "ann", NULL);
    come(&world->other, 1, "bob", NULL);
    come(&world->other, 2, NULL, NULL);
    join(&world->gateway, 1, "tea");
    join(&world->gateway, 2, "tea");
    join(&world->other, 1, "tea");
    join(&world->other, 2, "tea");
}

static void rooms_are_listed_in_pages_with_the_counts(void **state)
{
    (void)state;
    struct world world;
    struct rejoin_presence *page;
    open_stage(&world);
    struct rejoin *handle = open_handle(&world);
    struct rejoin_presence_query query = {.room = "tea", .limit = 1};
    assert_int_equal(rejoin_presence_wait(handle, &query, PATIENCE_MS, &page), REJOIN_OK);
    assert_int_equal(page->count, 1);
    assert_true(page->has_more);
    assert_string_equal(page->users[0].user, "ann");
    assert_int_equal(page->users[0].sockets, 2);
    assert_false(page->users[0].is_reconnecting);
    assert_true(page->users[0].since_ms > 0);
    assert_string_equal(page->users[0].data, "");
    assert_int_equal(page->total, 2);
    assert_int_equal(page->sockets, 4);
    assert_int_equal(page->anonymous_sockets, 1);
    rejoin_presence_free(&page);
    assert_null(page);
    query.after = "ann";
    assert_int_equal(rejoin_presence_wait(handle, &query, PATIENCE_MS, &page), REJOIN_OK);
    assert_int_equal(page->count, 1);
    assert_false(page->has_more);
    assert_string_equal(page->users[0].user, "bob");
    rejoin_presence_free(&page);
    query = (struct rejoin_presence_query){.count_only = true}; /* the namespace */
    assert_int_equal(rejoin_presence_wait(handle, &query, PATIENCE_MS, &page), REJOIN_OK);
    rejoin_close(&handle); /* what was answered outlives it */
    assert_int_equal(page->count, 0);
    assert_int_equal(page->total, 2);
    assert_int_equal(page->sockets, 4);
    rejoin_presence_free(&page);
    close_world(&world);
}

static void a_user_is_looked_up_with_its_sockets(void **state)
{
    (void)state;
    struct world world;
    struct rejoin_user *user;
    open_stage(&world);
    struct rejoin *handle = open_handle(&world);
    assert_int_equal(rejoin_user_wait(handle, NULL, "ann", 0, PATIENCE_MS, &user), REJOIN_OK);
    assert_int_equal(user->total, 2);
    assert_int_equal(user->count, 2);
    assert_int_equal(user->sockets[0].rooms.count, 1);
    assert_string_equal(user->sockets[0].rooms.names[0], "tea");
    assert_string_equal(user->sockets[1].user, "ann");
    assert_false(user->is_reconnecting);
    rejoin_user_free(&user);
    assert_null(user);
    assert_int_equal(rejoin_user_wait(handle, NULL, "ann", 1, PATIENCE_MS, &user), REJOIN_OK);
    assert_int_equal(user->total, 2);
    assert_int_equal(user->count, 1);
    rejoin_user_free(&user);
    assert_int_equal(rejoin_user_wait(handle, NULL, "nobody", 0, PATIENCE_MS, &user), REJOIN_OK);
    assert_int_equal(user->total, 0);
    assert_int_equal(user->last_seen_ms, 0);
    rejoin_user_free(&user);
    rejoin_close(&handle);
    close_world(&world);
}

struct heard {
    unsigned n;
    uint64_t total;
};

static void on_presence(void *arg, enum rejoin_status status, struct rejoin_presence *presence)
{
    struct heard *heard = arg;
    assert_int_equal(status, REJOIN_OK);
    heard->n++;
    heard->total = presence->total;
    rejoin_presence_free(&presence);
}

static void on_user(void *arg, enum rejoin_status status, struct rejoin_user *user)
{
    struct heard *heard = arg;
    assert_int_equal(status, REJOIN_OK);
    heard->n++;
    heard->total = user->total;
    rejoin_user_free(&user);
}

static void answers_come_to_callbacks(void **state)
{
    (void)state;
    struct world world;
    struct heard room = {0}, user = {0};
    open_stage(&world);
    struct rejoin *handle = open_handle(&world);
    const struct rejoin_presence_query query = {.room = "tea"};
    assert_int_equal(rejoin_presence(handle, &query, on_presence, &room), REJOIN_OK);
    assert_int_equal(rejoin_user(handle, "/", "bob", 0, on_user, &user), REJOIN_OK);
    assert_true(rj_eventually(PATIENCE_MS, (rejoin_run_once(handle, 20), room.n && user.n)));
    assert_int_equal(room.n, 1);
    assert_int_equal(room.total, 2);
    assert_int_equal(user.n, 1);
    assert_int_equal(user.total, 1);
    rejoin_close(&handle);
    close_world(&world);
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    struct world world;
    struct rejoin_presence *page;
    struct rejoin_user *user;
    open_world(&world, NULL);
    struct rejoin *handle = open_handle(&world);
    struct rejoin_presence_query query = {.room = ""};
    assert_int_equal(rejoin_presence_wait(handle, &query, PATIENCE_MS, &page), REJOIN_BAD_NAME);
    query = (struct rejoin_presence_query){.nsp = "/nowhere"};
    assert_int_equal(rejoin_presence_wait(handle, &query, PATIENCE_MS, &page), REJOIN_BAD_NAMESPACE);
    assert_int_equal(rejoin_presence_wait(handle, NULL, PATIENCE_MS, &page), REJOIN_BAD_REQUEST);
    assert_int_equal(rejoin_user_wait(handle, NULL, "", 0, PATIENCE_MS, &user), REJOIN_BAD_NAME);
    assert_int_equal(rejoin_user_wait(handle, NULL, NULL, 0, PATIENCE_MS, &user), REJOIN_BAD_REQUEST);
    assert_int_equal(rejoin_user_wait(handle, "/nowhere", "ann", 0, PATIENCE_MS, &user),
                     REJOIN_BAD_NAMESPACE);
    rejoin_close(&handle);
    close_world(&world);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(rooms_are_listed_in_pages_with_the_counts),
    cmocka_unit_test(a_user_is_looked_up_with_its_sockets),
    cmocka_unit_test(answers_come_to_callbacks),
    cmocka_unit_test(what_is_wrong_is_said),
};

RJ_TEST_MAIN(tests)
