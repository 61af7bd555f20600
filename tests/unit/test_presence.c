/* Presence as a state machine: what members are told, and that it is never more than they need. The last test
 * compares it, over many random operations, with a model that knows nothing but counts of sockets. */
#include "tests/support/test.h"

#include <string.h>

#include "broker/presence/presence.h"

enum { GRACE = 500, BURST = 5 };

static const struct rj_presence_rule rule = {.tells = true, .grace_ms = GRACE, .burst = BURST};

/* What was told, as "+ann -bob =2/1" (a sum: joined/left). */
struct world {
    struct rj_presence presence;
    struct rj_roster *room;
    uint64_t now_ms;
    char told[1024];
    unsigned n_single, n_sums, n_quiet, n_emptied;
};

static void append(struct world *world, const char *text)
{
    size_t len = strlen(world->told);
    if (len + strlen(text) + 2 < sizeof world->told)
        snprintf(world->told + len, sizeof world->told - len, "%s%s", len ? " " : "", text);
}

static void on_told(void *ctx, struct rj_roster *roster, const struct rj_attendee *who, bool is_here,
                    bool is_single)
{
    struct world *world = ctx;
    char text[64];
    assert_ptr_equal(who->roster, roster);
    assert_int_equal(is_here, who->sockets > 0);
    if (is_single) {
        snprintf(text, sizeof text, "%c%s", is_here ? '+' : '-', who->user);
        append(world, text);
        world->n_single++;
    } else {
        world->n_quiet++;
    }
}

static void on_summed(void *ctx, struct rj_roster *roster, uint64_t joined, uint64_t left)
{
    struct world *world = ctx;
    char text[64];
    (void)roster;
    snprintf(text, sizeof text, "=%u/%u", (unsigned)joined, (unsigned)left);
    append(world, text);
    world->n_sums++;
}

static void on_emptied(void *ctx, struct rj_roster *roster)
{
    struct world *world = ctx;
    assert_int_equal(roster->n, 0);
    world->n_emptied++;
}

static void open_world(struct world *world, const struct rj_presence_rule *by)
{
    *world = (struct world){.now_ms = 1000};
    world->presence =
        (struct rj_presence){.ops = {on_told, on_summed, on_emptied}, .ctx = world, .random = 3};
    world->room = rj_presence_open(&world->presence, rj_span_str("room"), by);
    rj_presence_step(&world->presence, world->now_ms, 100);
}

static void close_world(struct world *world)
{
    rj_presence_fini(&world->presence);
}

static void enter(struct world *world, const char *user)
{
    rj_presence_enter(&world->presence, world->room, user, world->now_ms);
}

static void drop(struct world *world, const char *user)
{
    rj_presence_exit(&world->presence, world->room, user, world->now_ms + GRACE);
}

static void leave(struct world *world, const char *user)
{
    rj_presence_exit(&world->presence, world->room, user, 0);
}

static void pass(struct world *world, uint64_t ms)
{
    world->now_ms += ms;
    while (rj_presence_step(&world->presence, world->now_ms, 100))
        ;
}

static void assert_told(struct world *world, const char *text)
{
    assert_string_equal(world->told, text);
    world->told[0] = '\0';
}

/* ------------------------------------------------------------------------------------------ one user */

static void tabs_are_told_as_one_user(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, &rule);
    enter(&world, "ann");
    enter(&world, "ann");
    pass(&world, 1);
    assert_told(&world, "+ann");
    leave(&world, "ann");
    pass(&world, 10 * GRACE);
    assert_told(&world, "");
    leave(&world, "ann");
    pass(&world, 0);
    assert_told(&world, "-ann");
    assert_int_equal(world.n_emptied, 1);
    close_world(&world);
}

static void a_short_drop_is_not_told_and_a_long_one_is(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, &rule);
    enter(&world, "ann");
    pass(&world, 1);
    assert_told(&world, "+ann");
    drop(&world, "ann");
    assert_int_equal(world.room->n_away, 1);
    pass(&world, GRACE - 1);
    assert_int_equal(world.room->n, 1); /* still listed */
    enter(&world, "ann");
    pass(&world, 10 * GRACE);
    assert_told(&world, "");
    drop(&world, "ann");
    pass(&world, GRACE);
    assert_told(&world, "-ann");
    assert_int_equal(world.presence.n_away, 0);
    close_world(&world);
}

static void who_comes_and_goes_untold_is_not_told_at_all(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, &rule);
    enter(&world, "ann");
    drop(&world, "ann");
    assert_int_equal(world.room->n, 0);
    pass(&world, 10 * GRACE);
    assert_told(&world, "");
    close_world(&world);
}

static void who_comes_back_while_the_leaving_waits_has_not_left(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, &rule);
    enter(&world, "ann");
    pass(&world, 1);
    leave(&world, "ann");
    enter(&world, "ann");
    pass(&world, 10 * GRACE);
    assert_told(&world, "+ann");
    close_world(&world);
}

static void the_time_of_the_first_socket_stays_over_a_drop(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, &rule);
    enter(&world, "ann");
    pass(&world, 100);
    drop(&world, "ann");
    pass(&world, 100);
    enter(&world, "ann");
    assert_int_equal(rj_roster_find(world.room, "ann")->since_ms, 1000);
    close_world(&world);
}

static void a_place_without_a_rule_tells_nothing_and_knows_no_grace(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    enter(&world, "ann");
    enter(&world, "ann");
    drop(&world, "ann");
    assert_int_equal(world.room->n, 1);
    drop(&world, "ann");
    assert_int_equal(world.room->n, 0);
    pass(&world, 10 * GRACE);
    assert_told(&world, "");
    close_world(&world);
}

/* ------------------------------------------------------------------------------------------ many */

static void enter_many(struct world *world, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%02u", i);
        enter(world, user);
    }
}

static void more_than_a_burst_at_once_is_one_sum(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, &rule);
    enter_many(&world, 0, BURST + 1);
    pass(&world, 0);
    assert_told(&world, "=6/0");
    assert_int_equal(world.n_quiet, BURST + 1);
    /* Its second is used up. */
    enter(&world, "x");
    pass(&world, RJ_PRESENCE_WINDOW_MS - 1);
    assert_told(&world, "");
    pass(&world, 1);
    assert_told(&world, "+x");
    close_world(&world);
}

static void past_the_burst_of_a_second_they_wait_for_the_next(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, &rule);
    enter_many(&world, 0, BURST);
    pass(&world, 0);
    assert_told(&world, "+u00 +u01 +u02 +u03 +u04");
    enter_many(&world, 10, 12);
    pass(&world, 10);
    assert_told(&world, "");
    leave(&world, "u10"); /* never told, so there is nothing to tell */
    pass(&world, RJ_PRESENCE_WINDOW_MS);
    assert_told(&world, "+u11");
    close_world(&world);
}

static void a_crowd_that_drops_is_told_in_two_events_of_two_seconds(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, &rule);
    enter_many(&world, 0, 60);
    pass(&world, 0);
    assert_told(&world, "=60/0");
    pass(&world, 5 * RJ_PRESENCE_WINDOW_MS);
    for (unsigned i = 0; i < 60; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%02u", i);
        drop(&world, user);
        if (i == 29)
            pass(&world, 10);
    }
    pass(&world, GRACE - 10);
    pass(&world, 10);
    for (int i = 0; i < 30; i++)
        pass(&world, 100);
    assert_told(&world, "=0/30 =0/30");
    close_world(&world);
}

static void a_step_tells_no_more_than_it_may(void **state)
{
    (void)state;
    struct rj_presence_rule large = {.tells = true, .grace_ms = GRACE, .burst = 1000};
    struct world world;
    open_world(&world, &large);
    enter_many(&world, 0, 25);
    assert_true(rj_presence_step(&world.presence, world.now_ms, 10));
    assert_int_equal(world.n_single, 10);
    assert_true(rj_presence_step(&world.presence, world.now_ms, 10));
    assert_false(rj_presence_step(&world.presence, world.now_ms, 10));
    assert_int_equal(world.n_single, 25);
    close_world(&world);
}

static void a_room_with_much_to_tell_does_not_hold_up_another(void **state)
{
    (void)state;
    struct rj_presence_rule large = {.tells = true, .grace_ms = GRACE, .burst = 1000};
    struct world world;
    open_world(&world, &large);
    enter_many(&world, 0, 25);
    struct rj_roster *other = rj_presence_open(&world.presence, rj_span_str("other"), &large);
    rj_presence_enter(&world.presence, other, "zoe", 1);
    rj_presence_step(&world.presence, world.now_ms, 10);
    rj_presence_step(&world.presence, world.now_ms, 10);
    assert_non_null(strstr(world.told, "+zoe"));
    close_world(&world);
}

/* ------------------------------------------------------------------------------------------ restarts */

static void those_told_before_a_restart_are_told_again_only_when_they_leave(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, &rule);
    rj_presence_recall(&world.presence, world.room, "ann", 7, world.now_ms + GRACE);
    rj_presence_recall(&world.presence, world.room, "bob", 7, world.now_ms + GRACE);
    assert_int_equal(world.room->n, 2);
    enter(&world, "ann");
    assert_int_equal(rj_roster_find(world.room, "ann")->since_ms, 7);
    pass(&world, GRACE - 1);
    assert_told(&world, "");
    pass(&world, 1);
    assert_told(&world, "-bob");
    close_world(&world);
}

static void those_told_before_a_restart_wait_while_gateways_come_back(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, &rule);
    world.presence.holds_recalled = true;
    rj_presence_recall(&world.presence, world.room, "ann", 7, world.now_ms + GRACE);
    rj_presence_recall(&world.presence, world.room, "bob", 7, world.now_ms + GRACE);
    pass(&world, 10 * GRACE);
    assert_told(&world, "");
    enter(&world, "ann");
    drop(&world, "ann"); /* seen since: an ordinary absence */
    pass(&world, GRACE);
    assert_told(&world, "-ann");
    world.presence.holds_recalled = false;
    pass(&world, GRACE);
    assert_told(&world, "-bob");
    close_world(&world);
}

/* ------------------------------------------------------------------------------------------ the model */

enum {
    PLACES = 3,
    USERS = 12,
    STEPS = 60000,
    MODEL_BURST = 2,
    RATE = 2 * MODEL_BURST + 2, /* two windows may touch, and each may hold a sum */
};

/* Of each user in each place: its sockets, what the members believe, and until when it may be away. */
struct model {
    struct rj_presence presence;
    struct rj_roster *rosters[PLACES];
    struct rj_presence_rule rules[PLACES];
    unsigned sockets[PLACES][USERS];
    bool believed[PLACES][USERS];
    uint64_t until_ms[PLACES][USERS];
    uint64_t told_ms[PLACES][RATE]; /* of the last events, the oldest first */
    uint64_t now_ms;
    unsigned events, sums;
};

static unsigned place_of(const struct model *model, const struct rj_roster *roster)
{
    for (unsigned p = 0; p < PLACES; p++)
        if (model->rosters[p] == roster)
            return p;
    fail_msg("an unknown roster");
    return 0;
}

/* Never more than two windows' worth of events in the time of one. */
static void check_rate(struct model *model, unsigned p)
{
    uint64_t *told = model->told_ms[p];
    memmove(told, told + 1, (RATE - 1) * sizeof *told);
    told[RATE - 1] = model->now_ms;
    assert_true(told[0] == 0 || model->now_ms - told[0] >= RJ_PRESENCE_WINDOW_MS);
}

static void on_model_told(void *ctx, struct rj_roster *roster, const struct rj_attendee *who, bool is_here,
                          bool is_single)
{
    struct model *model = ctx;
    unsigned p = place_of(model, roster), u = (unsigned)atoi(who->user + 1);
    assert_true(model->believed[p][u] != is_here); /* joins and leaves take turns */
    assert_true(is_here == (model->sockets[p][u] > 0));
    if (!is_here)
        assert_true(model->now_ms >= model->until_ms[p][u]); /* never within the grace */
    model->believed[p][u] = is_here;
    if (is_single)
        check_rate(model, p);
    model->events++;
}

static void on_model_summed(void *ctx, struct rj_roster *roster, uint64_t joined, uint64_t left)
{
    struct model *model = ctx;
    assert_true(joined + left > MODEL_BURST);
    check_rate(model, place_of(model, roster));
    model->sums++;
}

static void on_model_emptied(void *ctx, struct rj_roster *roster)
{
    (void)ctx;
    assert_int_equal(roster->n, 0);
}

static void check(const struct model *model)
{
    uint64_t users = 0, away = 0;
    for (unsigned p = 0; p < PLACES; p++) {
        uint64_t n = 0, n_away = 0, n_sockets = 0;
        for (unsigned u = 0; u < USERS; u++) {
            char user[16];
            snprintf(user, sizeof user, "u%u", u);
            const struct rj_attendee *who = rj_roster_find(model->rosters[p], user);
            unsigned sockets = model->sockets[p][u];
            assert_int_equal(who != NULL, sockets > 0 || model->believed[p][u]);
            assert_int_equal(who ? who->sockets : 0, sockets);
            n += who != NULL;
            n_away += who && !sockets;
            n_sockets += sockets;
        }
        assert_int_equal(model->rosters[p]->n, n);
        assert_int_equal(model->rosters[p]->n_away, n_away);
        assert_int_equal(model->rosters[p]->n_sockets, n_sockets);
        users += n;
        away += n_away;
    }
    assert_int_equal(model->presence.n_users, users);
    assert_int_equal(model->presence.n_away, away);
}

static void act(struct model *model, uint64_t *random)
{
    *random = *random * 6364136223846793005ULL + 1442695040888963407ULL;
    uint64_t dice = *random >> 33;
    unsigned p = (unsigned)(dice % PLACES), u = (unsigned)(dice / 7 % USERS);
    char user[16];
    snprintf(user, sizeof user, "u%u", u);
    unsigned what = (unsigned)(dice / 101 % 8);
    if (what < 3 && model->sockets[p][u] == 2)
        what = 3;
    switch (what) {
    case 0:
    case 1:
    case 2:
        rj_presence_enter(&model->presence, model->rosters[p], user, model->now_ms);
        model->sockets[p][u]++;
        break;
    case 3:
    case 4:
    case 5: {
        bool is_for_good = dice / 1009 % 3 == 0;
        if (!model->sockets[p][u])
            break;
        model->sockets[p][u]--;
        if (!model->sockets[p][u])
            model->until_ms[p][u] = is_for_good ? 0 : model->now_ms + GRACE;
        rj_presence_exit(&model->presence, model->rosters[p], user, is_for_good ? 0 : model->now_ms + GRACE);
        break;
    }
    case 6: model->now_ms += dice / 13 % 300; /* fall through */
    default: rj_presence_step(&model->presence, model->now_ms, dice / 17 % 4);
    }
}

static void whatever_happens_members_believe_what_is_true_in_the_end(void **state)
{
    (void)state;
    const char *seed_text = getenv("REJOIN_SEED");
    uint64_t random = seed_text ? strtoull(seed_text, NULL, 10) : 20240607;
    print_message("seed %llu\n", (unsigned long long)random);
    struct model model = {.now_ms = 1000};
    model.presence = (struct rj_presence){
        .ops = {on_model_told, on_model_summed, on_model_emptied}, .ctx = &model, .random = 9};
    for (unsigned p = 0; p < PLACES; p++) {
        char key[8];
        snprintf(key, sizeof key, "p%u", p);
        model.rules[p] = rule;
        model.rules[p].burst = MODEL_BURST;
        model.rosters[p] = rj_presence_open(&model.presence, rj_span_str(key), &model.rules[p]);
    }
    rj_presence_step(&model.presence, model.now_ms, 1);
    for (unsigned step = 0; step < STEPS; step++) {
        act(&model, &random);
        if (step % 16 == 0)
            check(&model);
        if (step % 2000)
            continue;
        /* Left alone, everything is told. */
        for (int i = 0; i < 40; i++) {
            model.now_ms += 250;
            while (rj_presence_step(&model.presence, model.now_ms, 10))
                ;
        }
        for (unsigned p = 0; p < PLACES; p++)
            for (unsigned u = 0; u < USERS; u++)
                assert_int_equal(model.believed[p][u], model.sockets[p][u] > 0);
    }
    check(&model);
    assert_true(model.events > 1000 && model.sums > 10);
    rj_presence_fini(&model.presence);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(tabs_are_told_as_one_user),
    cmocka_unit_test(a_short_drop_is_not_told_and_a_long_one_is),
    cmocka_unit_test(who_comes_and_goes_untold_is_not_told_at_all),
    cmocka_unit_test(who_comes_back_while_the_leaving_waits_has_not_left),
    cmocka_unit_test(the_time_of_the_first_socket_stays_over_a_drop),
    cmocka_unit_test(a_place_without_a_rule_tells_nothing_and_knows_no_grace),
    cmocka_unit_test(more_than_a_burst_at_once_is_one_sum),
    cmocka_unit_test(past_the_burst_of_a_second_they_wait_for_the_next),
    cmocka_unit_test(a_crowd_that_drops_is_told_in_two_events_of_two_seconds),
    cmocka_unit_test(a_step_tells_no_more_than_it_may),
    cmocka_unit_test(a_room_with_much_to_tell_does_not_hold_up_another),
    cmocka_unit_test(those_told_before_a_restart_are_told_again_only_when_they_leave),
    cmocka_unit_test(those_told_before_a_restart_wait_while_gateways_come_back),
    cmocka_unit_test(whatever_happens_members_believe_what_is_true_in_the_end),
};

RJ_TEST_MAIN(tests)
