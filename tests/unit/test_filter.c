#include "broker/sockets/filter.h"

#include "tests/support/test.h"

enum { SOCKETS = 2000, GATEWAYS = 3, PEOPLE = 7 };

/* A broker that has nothing but sockets. */
struct world {
    struct rj_broker broker;
    struct rj_gateway gateways[GATEWAYS];
    struct rj_session *all[SOCKETS];
};

static void attach(struct world *world, unsigned i)
{
    world->all[i]->gateway = &world->gateways[i % GATEWAYS];
    rj_directory_enter(&world->broker.directory, world->all[i]);
}

static void detach(struct world *world, unsigned i)
{
    rj_directory_exit(&world->broker.directory, world->all[i]);
    world->all[i]->gateway = NULL;
}

static void open_world(struct world *world)
{
    *world = (struct world){0};
    for (uint32_t i = 0; i < GATEWAYS; i++)
        world->gateways[i].peer.slot = i;
    for (unsigned i = 0; i < SOCKETS; i++) {
        char sid[RJ_ID_LEN + 1], user[16];
        rj_random_id(sid);
        snprintf(user, sizeof user, "u%u", i % PEOPLE);
        world->all[i] = rj_session_new(&world->broker.sessions, "", sid, "/", user);
        attach(world, i);
    }
}

static void close_world(struct world *world)
{
    for (unsigned i = 0; i < SOCKETS; i++) {
        if (world->all[i]->gateway)
            detach(world, i);
        rj_session_free(&world->broker.sessions, &world->broker.rooms, world->all[i]);
    }
    rj_directory_free(&world->broker.directory);
}

/* Goes by all pages of `max`; each socket that is here must be met once, in the order of the serials. */
static void go_by(struct world *world, const struct rj_filter *filter, size_t max, struct rj_stretch stretch)
{
    struct rj_member page[2 * 64];
    bool is_last = false;
    size_t met = 0, expected = 0;
    struct rj_stretch left = stretch;
    while (!is_last) {
        size_t n = rj_filter_next(filter, &world->broker, left, page, max, &is_last);
        assert_true(n <= max && (n > 0 || is_last));
        for (size_t i = 0; i < n; i++) {
            assert_true(page[i].serial > left.after && page[i].serial <= stretch.upto);
            assert_int_equal(page[i].serial, page[i].session->serial);
            left.after = page[i].serial;
            met += rj_filter_meets(filter, page[i].session);
        }
    }
    for (unsigned i = 0; i < SOCKETS; i++) {
        const struct rj_session *session = world->all[i];
        expected += session->gateway && session->serial > stretch.after && session->serial <= stretch.upto &&
                    rj_filter_meets(filter, session);
    }
    assert_int_equal(met, expected);
}

/* The order of the array is turned round by those who leave: no order may matter. */
static void pages_meet_everybody_once_in_any_order_of_the_array(void **state)
{
    (void)state;
    static struct world world;
    static const size_t sizes[] = {1, 2, 3, 7, 50, 63, 64};
    struct rj_filter filter = {.nsp = (char *)(uintptr_t) "/"};
    struct rj_stretch whole = {0, UINT64_MAX};
    open_world(&world);
    srand(4711);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        go_by(&world, &filter, sizes[i], whole);
    for (unsigned i = 0; i < SOCKETS * 2 / 3; i++) /* descending now, for the most part */
        detach(&world, i);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        go_by(&world, &filter, sizes[i], whole);
    for (int step = 0; step < 60; step++) {
        for (int i = 0; i < 200; i++) {
            unsigned one = (unsigned)rand() % SOCKETS;
            if (world.all[one]->gateway)
                detach(&world, one);
            else
                attach(&world, one);
        }
        struct rj_stretch some = {(uint64_t)rand() % SOCKETS, SOCKETS + (uint64_t)rand() % SOCKETS};
        go_by(&world, &filter, sizes[step % 7], some);
    }
    close_world(&world);
}

static void a_page_as_large_as_all_that_is_left_is_the_last(void **state)
{
    (void)state;
    static struct world world;
    struct rj_filter filter = {.nsp = (char *)(uintptr_t) "/"};
    struct rj_member page[2 * 10];
    bool is_last;
    open_world(&world);
    struct rj_stretch left = {SOCKETS - 10, UINT64_MAX};
    assert_int_equal(rj_filter_next(&filter, &world.broker, left, page, 10, &is_last), 10);
    assert_true(is_last);
    left.after--;
    assert_int_equal(rj_filter_next(&filter, &world.broker, left, page, 10, &is_last), 10);
    assert_false(is_last);
    left.upto = SOCKETS - 1;
    assert_int_equal(rj_filter_next(&filter, &world.broker, left, page, 10, &is_last), 10);
    assert_true(is_last);
    filter.nsp = (char *)(uintptr_t) "/other";
    assert_int_equal(rj_filter_next(&filter, &world.broker, left, page, 10, &is_last), 0);
    assert_true(is_last);
    close_world(&world);
}

static void users_and_sids_narrow_the_search(void **state)
{
    (void)state;
    static struct world world;
    char *users[] = {(char *)(uintptr_t) "u1", (char *)(uintptr_t) "u5"};
    struct rj_filter filter = {.nsp = (char *)(uintptr_t) "/", .wants_users = true, .users = {users, 2}};
    open_world(&world);
    go_by(&world, &filter, 16, (struct rj_stretch){0, UINT64_MAX});
    char *sids[] = {world.all[1]->sid};
    filter.wants_sids = true;
    filter.sids = (struct rj_names){sids, 1};
    struct rj_member page[2];
    bool is_last;
    assert_int_equal(
        rj_filter_next(&filter, &world.broker, (struct rj_stretch){0, UINT64_MAX}, page, 1, &is_last), 1);
    assert_true(is_last);
    assert_ptr_equal(page[0].session, world.all[1]);
    close_world(&world);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(pages_meet_everybody_once_in_any_order_of_the_array),
    cmocka_unit_test(a_page_as_large_as_all_that_is_left_is_the_last),
    cmocka_unit_test(users_and_sids_narrow_the_search),
};

RJ_TEST_MAIN(tests)
