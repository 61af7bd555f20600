/* The mirror against an obvious model: a matrix of who is where. */
#include "gateway/mirror.h"

#include "gateway/clients.h"
#include "tests/support/test.h"

enum { CLIENTS = 7, ROOMS = 9, STEPS = 20000 };

static const char *const names[ROOMS] = {"a", "b", "c", "dd", "e", "f", "g", "h", "i"};

static void check_room(struct rj_mirror *mirror, struct rj_client *clients, uint64_t since[CLIENTS][ROOMS],
                       int r)
{
    struct rj_mirror_room *room = rj_mirror_find(mirror, "/n", names[r]);
    uint32_t n = 0;
    for (int c = 0; c < CLIENTS; c++) {
        const struct rj_member *member = room ? rj_mirror_member(room, &clients[c]) : NULL;
        assert_int_equal(member != NULL, since[c][r] != 0);
        if (!member)
            continue;
        assert_ptr_equal(member->client, &clients[c]);
        assert_int_equal(member->since_pos, since[c][r]);
        n++;
    }
    assert_int_equal(room ? room->n_members : 0, n);
    if (room)
        assert_string_equal(rj_mirror_room_name(room), names[r]);
}

static void mirror_agrees_with_a_matrix(void **state)
{
    (void)state;
    struct rj_mirror mirror = {0};
    static struct rj_client clients[CLIENTS];
    static uint64_t since[CLIENTS][ROOMS];
    unsigned random = 12345;
    for (int c = 0; c < CLIENTS; c++)
        clients[c].nsp = "/n";
    for (int step = 1; step <= STEPS; step++) {
        random = random * 1103515245u + 12345u;
        unsigned pick = random >> 8;
        int c = (int)(pick % CLIENTS), r = (int)(pick / CLIENTS % ROOMS),
            what = (int)(pick / (CLIENTS * ROOMS) % 40);
        if (what == 0) {
            rj_mirror_leave_all(&mirror, &clients[c]);
            memset(since[c], 0, sizeof since[c]);
        } else if (what < 20) {
            rj_mirror_leave(&mirror, &clients[c], names[r]);
            since[c][r] = 0;
        } else {
            rj_mirror_join(&mirror, &clients[c], names[r], (uint64_t)step);
            if (!since[c][r])
                since[c][r] = (uint64_t)step;
        }
        check_room(&mirror, clients, since, r);
    }
    for (int r = 0; r < ROOMS; r++)
        check_room(&mirror, clients, since, r);
    for (int c = 0; c < CLIENTS; c++)
        rj_mirror_leave_all(&mirror, &clients[c]);
    assert_null(mirror.rooms);
    rj_mirror_free(&mirror);
}

static void namespaces_do_not_mix(void **state)
{
    (void)state;
    struct rj_mirror mirror = {0};
    struct rj_client one = {.nsp = "/a"}, two = {.nsp = "/a/b"};
    rj_mirror_join(&mirror, &one, "b/c", 1);
    rj_mirror_join(&mirror, &two, "c", 1);
    assert_int_equal(rj_mirror_find(&mirror, "/a", "b/c")->n_members, 1);
    assert_int_equal(rj_mirror_find(&mirror, "/a/b", "c")->n_members, 1);
    assert_null(rj_mirror_find(&mirror, "/a", "c"));
    rj_mirror_leave_all(&mirror, &one);
    rj_mirror_leave_all(&mirror, &two);
    rj_mirror_free(&mirror);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(mirror_agrees_with_a_matrix),
    cmocka_unit_test(namespaces_do_not_mix),
};

RJ_TEST_MAIN(tests)
