/* Sessions that are presented while they still have a connection, or that cannot be restored: who gets what,
 * and that it is counted.
 */
#include <stdlib.h>

#include "tests/process/rejoin_support.h"

static double recoveries(struct world *world, const char *result, const char *reason)
{
    char name[160];
    snprintf(name, sizeof name, "rejoin_broker_recoveries_total{result=\"%s\",reason=\"%s\"}", result,
             reason);
    return rj_test_peer_metric(&world->b, name);
}

static void assert_refused(struct rj_test_peer *peer, uint64_t client, const struct who *who,
                           const char *offset)
{
    const Rejoin__Connected *answer = connected(rj_test_connect(peer, client, who->pid, offset));
    assert_false(answer->recovered);
    assert_string_not_equal(answer->pid, who->pid);
    assert_string_not_equal(answer->sid, who->sid);
    assert_int_equal(answer->n_rooms, 0);
}

static void every_recovery_is_counted_with_its_reason(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){"--retention-rules", "tea count=1", NULL});
    struct who who = enter(&world.a, 1, "tea"), gone = enter(&world.a, 2, NULL);
    rj_test_disconnect(&world.a, 2, true);
    assert_refused(&world.b, 2, &gone, NULL);
    assert_int_equal(recoveries(&world, "fresh", "unknown") + recoveries(&world, "fresh", "left"), 1);
    assert_refused(&world.b, 3, &who, "zz9.5");
    assert_int_equal(recoveries(&world, "fresh", "offset"), 1);
    rejoin(&world.b, 4, &who, NULL);
    assert_int_equal(recoveries(&world, "recovered", "taken over"), 1);
    rj_test_disconnect(&world.b, 4, false);
    rejoin(&world.a, 5, &who, NULL);
    assert_int_equal(recoveries(&world, "recovered", "detached"), 1);
    rj_test_disconnect(&world.a, 5, false);
    enter(&world.b, 6, "tea");
    for (unsigned i = 0; i < 3; i++)
        say(&world.b, 6, "tea", "1"); /* of which the store keeps one */
    assert_refused(&world.a, 6, &who, NULL);
    assert_int_equal(recoveries(&world, "fresh", "gap"), 1);
    close_world(&world);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_recovery_is_counted_with_its_reason),
};

RJ_TEST_MAIN(tests)
