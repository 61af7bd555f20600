/* Whose floors have risen, as who follows the whole log asks for it: against a walk over all rooms. */
#include "tests/unit/test_store_fixture.h"

enum { ROOMS = 12, STEPS = 600, KEPT = 4 };

/* Rooms a… are limited, others are not. */
static size_t pick(void *ctx, struct rj_span key)
{
    (void)ctx;
    return key.data[0] == 'a' ? 0 : 1;
}

struct world {
    struct fixture f; /* first: tear_down takes it for the whole */
    struct rj_store_limits limits;
    rj_room_id rooms[ROOMS];
    uint64_t random;
};

static int set_up_limited(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    make_folder(w->f.path, sizeof w->f.path);
    w->limits.count = KEPT;
    w->f.options.limits = &w->limits;
    w->f.options.n_limits = 1;
    w->f.options.pick = pick;
    w->f.options.limits_id = 1;
    w->random = 88172645463325252U;
    *state = w;
    open_store(&w->f);
    for (unsigned i = 0; i < ROOMS; i++) {
        char key[8];
        snprintf(key, sizeof key, "%c%u", i % 3 ? 'a' : 'b', i);
        w->rooms[i] = room_id(w->f.store, key);
    }
    return 0;
}

static uint64_t below(struct world *w, uint64_t limit)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random % limit;
}

/* Rooms by id, what was told of them. */
struct seen {
    uint64_t floors[ROOMS + 2];
    size_t n, most;
};

static bool on_raised(void *ctx, rj_room_id room, uint64_t floor_pos)
{
    struct seen *seen = ctx;
    assert_true(room < ROOMS + 2);
    assert_int_equal(seen->floors[room], 0); /* once */
    seen->floors[room] = floor_pos;
    return ++seen->n != seen->most;
}

static void say(struct world *w, unsigned room, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        append_text(w->f.store, w->rooms[room], "", "", "x", NULL);
    settle(w->f.store);
}

static void a_walk_over_all_rooms_finds_the_same(void **state)
{
    struct world *w = *state;
    struct rj_store *store = w->f.store;
    uint64_t since[4] = {0}, floors[4][ROOMS] = {0};
    for (unsigned step = 0; step < STEPS; step++) {
        say(w, (unsigned)below(w, ROOMS), (unsigned)below(w, 3));
        if (step % 4)
            continue;
        /* Several who follow, each from where it was when it asked last, or anew. */
        unsigned who = (unsigned)below(w, 4);
        if (below(w, 4) == 0)
            since[who] = 0;
        uint64_t after = below(w, rj_store_head(store).completed + 2), before = since[who];
        struct seen seen = {.most = SIZE_MAX};
        assert_true(rj_store_visit_raised(store, after, &since[who], on_raised, &seen));
        for (unsigned i = 0; i < ROOMS; i++) {
            uint64_t floor = rj_store_room_state(store, w->rooms[i]).floor_pos;
            bool is_new = before == 0 || floor > floors[who][i];
            assert_int_equal(seen.floors[w->rooms[i]], floor > after && is_new ? floor : 0);
            floors[who][i] = floor;
        }
    }
}

static void who_ends_the_visit_is_told_the_same_again(void **state)
{
    struct world *w = *state;
    say(w, 1, KEPT + 1);
    say(w, 2, KEPT + 1);
    uint64_t since = 0;
    struct seen first = {.most = 1}, all = {.most = SIZE_MAX}, none = {.most = SIZE_MAX};
    assert_true(rj_store_visit_raised(w->f.store, 0, &since, on_raised, &first));
    assert_int_equal(since, 0);
    assert_int_equal(first.floors[w->rooms[2]], KEPT + 2); /* the latest first */
    assert_true(rj_store_visit_raised(w->f.store, 0, &since, on_raised, &all));
    assert_int_equal(all.n, 2);
    assert_true(rj_store_visit_raised(w->f.store, 0, &since, on_raised, &none));
    assert_int_equal(none.n, 0);
}

static void what_rose_before_a_start_cannot_be_told(void **state)
{
    struct world *w = *state;
    say(w, 1, KEPT + 1);
    reopen_store(&w->f);
    uint64_t since = 0, head = rj_store_head(w->f.store).completed;
    struct seen seen = {.most = SIZE_MAX};
    assert_false(rj_store_visit_raised(w->f.store, 0, &since, on_raised, &seen));
    assert_true(since > 0);
    say(w, 2, KEPT + 1);
    assert_true(
        rj_store_visit_raised(w->f.store, 0, &since, on_raised, &seen)); /* now it is known to have looked */
    assert_int_equal(seen.n, 1);
    since = 0;
    seen = (struct seen){.most = SIZE_MAX};
    assert_true(rj_store_visit_raised(w->f.store, head, &since, on_raised, &seen));
    assert_int_equal(seen.n, 1);
    since = 0;
    assert_false(rj_store_visit_raised(w->f.store, head - 1, &since, on_raised, &seen));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_walk_over_all_rooms_finds_the_same, set_up_limited, tear_down),
    cmocka_unit_test_setup_teardown(who_ends_the_visit_is_told_the_same_again, set_up_limited, tear_down),
    cmocka_unit_test_setup_teardown(what_rose_before_a_start_cannot_be_told, set_up_limited, tear_down),
};

RJ_TEST_MAIN(tests)
