#include "broker/sockets/directory.h"

#include "broker/peers/gateways.h"
#include "tests/support/test.h"

enum { GATEWAYS = 64, SOCKETS = 300, ROOMS = 5 };

/* Sessions on gateways, by hand: what rj_attach does with them. */
struct world {
    struct rj_sessions sessions;
    struct rj_rooms rooms;
    struct rj_directory directory;
    struct rj_gateway gateways[GATEWAYS];
    struct rj_session *all[SOCKETS];
    bool is_in[SOCKETS][ROOMS];
};

static const char *const namespaces[] = {"/", "/chat", "/admin"};
static const char *const users[] = {"", "ann", "bob", "cy"};

static void open_world(struct world *world)
{
    *world = (struct world){0};
    for (uint32_t i = 0; i < GATEWAYS; i++)
        world->gateways[i].peer.slot = i;
    for (unsigned i = 0; i < SOCKETS; i++) {
        char sid[RJ_ID_LEN + 1];
        rj_random_id(sid);
        world->all[i] = rj_session_new(&world->sessions, "", sid, namespaces[i % 3], users[i % 4]);
    }
}

static void attach(struct world *world, unsigned i, unsigned slot)
{
    world->all[i]->gateway = &world->gateways[slot];
    rj_directory_enter(&world->directory, world->all[i]);
}

static void detach(struct world *world, unsigned i)
{
    rj_directory_exit(&world->directory, world->all[i]);
    world->all[i]->gateway = NULL;
}

static void join(struct world *world, unsigned i, unsigned room)
{
    struct rj_session *session = world->all[i];
    rj_session_add_room(session, rj_room_ref(&world->rooms, room + 1, rj_span_str("key")), 0);
    if (session->gateway)
        rj_directory_enter_room(session, room + 1);
    world->is_in[i][room] = true;
}

static void leave(struct world *world, unsigned i, unsigned room)
{
    struct rj_session *session = world->all[i];
    if (session->gateway)
        rj_directory_exit_room(session, room + 1);
    rj_room_unref(&world->rooms, rj_session_remove_room(session, room + 1));
    world->is_in[i][room] = false;
}

static void close_world(struct world *world)
{
    for (unsigned i = 0; i < SOCKETS; i++) {
        if (world->all[i]->gateway)
            detach(world, i);
        rj_session_free(&world->sessions, &world->rooms, world->all[i]);
    }
    assert_null(world->rooms.by_id);
    rj_directory_free(&world->directory);
}

typedef bool belongs(const struct world *world, unsigned i, unsigned key);

static bool is_of_namespace(const struct world *world, unsigned i, unsigned key)
{
    return strcmp(world->all[i]->nsp, namespaces[key]) == 0;
}

static bool is_of_user(const struct world *world, unsigned i, unsigned key)
{
    return key && is_of_namespace(world, i, 0) && strcmp(world->all[i]->user, users[key]) == 0;
}

static bool is_of_room(const struct world *world, unsigned i, unsigned key)
{
    return world->is_in[i][key];
}

/* The set against a count of all that there is. */
static void check(const struct world *world, const struct rj_members *members, belongs *does, unsigned key)
{
    uint32_t at[GATEWAYS] = {0}, n = 0;
    for (unsigned i = 0; i < SOCKETS; i++) {
        if (!world->all[i]->gateway || !does(world, i, key))
            continue;
        at[world->all[i]->gateway->peer.slot]++;
        n++;
    }
    assert_int_equal(members ? members->n : 0, n);
    for (unsigned slot = 0; members && slot < GATEWAYS; slot++) {
        assert_int_equal(rj_members_at(members, slot), at[slot]);
        assert_int_equal(members->gateways >> slot & 1, at[slot] > 0);
    }
    for (uint32_t i = 0; members && i < members->n; i++) {
        assert_int_equal(members->list[i].serial, members->list[i].session->serial);
        for (uint32_t j = 0; j < i; j++)
            assert_ptr_not_equal(members->list[i].session, members->list[j].session);
    }
}

static void check_all(const struct world *world)
{
    for (unsigned i = 0; i < 3; i++)
        check(world, rj_directory_namespace(&world->directory, namespaces[i]), is_of_namespace, i);
    for (unsigned i = 0; i < 4; i++)
        check(world, rj_directory_user(&world->directory, "/", users[i]), is_of_user, i);
    for (unsigned i = 0; i < ROOMS; i++) {
        const struct rj_room *room = rj_room_find(&world->rooms, i + 1);
        check(world, room ? &room->members : NULL, is_of_room, i);
    }
    for (unsigned i = 0; i < SOCKETS; i++) {
        struct rj_session *session = world->all[i];
        assert_ptr_equal(rj_directory_find_sid(&world->directory, session->nsp, session->sid),
                         session->gateway ? session : NULL);
        assert_null(rj_directory_find_sid(&world->directory, "/other", session->sid));
    }
}

/* Against the obvious model: everything, every time. */
static void sockets_are_found_by_all_they_have_in_common_whatever_happens(void **state)
{
    (void)state;
    static struct world world;
    open_world(&world);
    srand(4711);
    for (int step = 0; step < 20000; step++) {
        unsigned i = (unsigned)rand() % SOCKETS, room = (unsigned)rand() % ROOMS;
        /* Many and few in turn, on many gateways and few: counted sets and those that are looked through. */
        unsigned slots = step / 5000 % 2 ? 3 : GATEWAYS, keep = step / 2500 % 2 ? 90 : 10;
        bool wants = (unsigned)rand() % 100 < keep;
        if (rand() % 2) {
            if (wants && !world.all[i]->gateway)
                attach(&world, i, (unsigned)rand() % slots);
            else if (!wants && world.all[i]->gateway)
                detach(&world, i);
        } else if (wants && !world.is_in[i][room]) {
            join(&world, i, room);
        } else if (!wants && world.is_in[i][room]) {
            leave(&world, i, room);
        }
        if (step % 250 == 0)
            check_all(&world);
    }
    close_world(&world);
}

static void serials_ascend_with_every_attachment(void **state)
{
    (void)state;
    static struct world world;
    open_world(&world);
    attach(&world, 0, 0);
    attach(&world, 1, 0);
    uint64_t first = world.all[0]->serial;
    assert_true(first > 0 && world.all[1]->serial > first);
    detach(&world, 0);
    attach(&world, 0, 1);
    assert_true(world.all[0]->serial > world.all[1]->serial);
    close_world(&world);
}

static void names_that_nobody_can_have_are_found_nowhere(void **state)
{
    (void)state;
    static struct world world;
    char name[400];
    open_world(&world);
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_null(rj_directory_find_sid(&world.directory, "/", world.all[0]->sid));
    attach(&world, 0, 0);
    assert_null(rj_directory_find_sid(&world.directory, "/", ""));
    assert_null(rj_directory_find_sid(&world.directory, "/", name));
    assert_null(rj_directory_namespace(&world.directory, name));
    assert_null(rj_directory_user(&world.directory, "/", name));
    assert_null(rj_directory_user(&world.directory, name, "ann"));
    assert_null(rj_directory_user(&world.directory, "/", ""));
    close_world(&world);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(sockets_are_found_by_all_they_have_in_common_whatever_happens),
    cmocka_unit_test(serials_ascend_with_every_attachment),
    cmocka_unit_test(names_that_nobody_can_have_are_found_nowhere),
};

RJ_TEST_MAIN(tests)
