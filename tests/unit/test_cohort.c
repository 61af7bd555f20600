/* Cohorts against an obvious model: an array of who is where. */
#include "gateway/cohort.h"

#include "gateway/clients.h"
#include "tests/support/test.h"

enum { CLIENTS = 9, NAMES = 4, STEPS = 20000 };

static const char *const names[NAMES] = {"/", "/a", "/a/b", "/b"};
static const char *const users[NAMES] = {"ada", "a", "", "bob"}; /* an empty one is not entered */

struct model {
    struct rj_cohorts cohorts;
    struct rj_client clients[CLIENTS];
    int nsp[CLIENTS], user[CLIENTS]; /* -1: none */
};

static size_t count(struct model *m, enum rj_cohort_kind kind, const char *nsp, const char *user,
                    const struct rj_client *wanted)
{
    size_t n = 0, found = 0;
    struct rj_client *client = rj_cohort_first(&m->cohorts, kind, nsp, user);
    for (; client; client = rj_cohort_next(client, kind), n++)
        found += client == wanted;
    return wanted ? found : n;
}

static void enter(struct model *m, int c, int nsp, int user)
{
    struct rj_client *client = &m->clients[c];
    client->nsp = rj_cohort_enter(&m->cohorts, RJ_COHORT_NAMESPACE, client, rj_span_str(names[nsp]),
                                  (struct rj_span){0});
    m->nsp[c] = nsp;
    if (!*users[user])
        return;
    client->user = rj_cohort_enter(&m->cohorts, RJ_COHORT_USER, client, rj_span_str(names[nsp]),
                                   rj_span_str(users[user]));
    m->user[c] = user;
}

static void leave(struct model *m, int c)
{
    rj_cohorts_leave(&m->cohorts, &m->clients[c]);
    m->nsp[c] = m->user[c] = -1;
}

static void check(struct model *m)
{
    for (int nsp = 0; nsp < NAMES; nsp++) {
        size_t all = 0, of_user[NAMES] = {0};
        for (int c = 0; c < CLIENTS; c++) {
            bool is_here = m->nsp[c] == nsp;
            all += is_here;
            assert_int_equal(count(m, RJ_COHORT_NAMESPACE, names[nsp], NULL, &m->clients[c]), is_here);
            if (!is_here)
                continue;
            assert_string_equal(m->clients[c].nsp, names[nsp]);
            if (m->user[c] < 0)
                continue;
            assert_string_equal(m->clients[c].user, users[m->user[c]]);
            of_user[m->user[c]]++;
        }
        assert_int_equal(count(m, RJ_COHORT_NAMESPACE, names[nsp], NULL, NULL), all);
        for (int user = 0; user < NAMES; user++)
            assert_int_equal(count(m, RJ_COHORT_USER, names[nsp], users[user], NULL), of_user[user]);
    }
}

static void cohorts_agree_with_an_array(void **state)
{
    (void)state;
    static struct model m;
    unsigned random = 4711;
    memset(m.nsp, 0xff, sizeof m.nsp);
    memset(m.user, 0xff, sizeof m.user);
    for (int step = 0; step < STEPS; step++) {
        random = random * 1103515245u + 12345u;
        unsigned pick = random >> 8;
        int c = (int)(pick % CLIENTS);
        if (m.nsp[c] < 0)
            enter(&m, c, (int)(pick / CLIENTS % NAMES), (int)(pick / CLIENTS / NAMES % NAMES));
        else
            leave(&m, c);
        if (step % 16 == 0)
            check(&m);
    }
    for (int c = 0; c < CLIENTS; c++)
        leave(&m, c);
    check(&m);
    for (int kind = 0; kind < RJ_COHORT_KINDS; kind++)
        assert_null(m.cohorts.by_key[kind]);
    rj_cohorts_free(&m.cohorts);
}

static void a_name_outlives_the_client_that_brought_it(void **state)
{
    (void)state;
    struct rj_cohorts cohorts = {0};
    struct rj_client first = {0}, second = {0};
    char nsp[] = "/short-lived";
    rj_cohort_enter(&cohorts, RJ_COHORT_NAMESPACE, &first, rj_span_str(nsp), (struct rj_span){0});
    second.nsp =
        rj_cohort_enter(&cohorts, RJ_COHORT_NAMESPACE, &second, rj_span_str(nsp), (struct rj_span){0});
    memset(nsp, 'x', sizeof nsp - 1);
    rj_cohorts_leave(&cohorts, &first);
    assert_string_equal(second.nsp, "/short-lived");
    assert_ptr_equal(rj_cohort_first(&cohorts, RJ_COHORT_NAMESPACE, "/short-lived", NULL), &second);
    rj_cohorts_leave(&cohorts, &second);
    rj_cohorts_leave(&cohorts, &second); /* once more does no harm */
    rj_cohorts_free(&cohorts);
}

static void one_users_name_in_two_namespaces_is_two_cohorts(void **state)
{
    (void)state;
    struct rj_cohorts cohorts = {0};
    struct rj_client one = {0}, two = {0};
    rj_cohort_enter(&cohorts, RJ_COHORT_USER, &one, rj_span_str("/a"), rj_span_str("ada"));
    rj_cohort_enter(&cohorts, RJ_COHORT_USER, &two, rj_span_str("/b"), rj_span_str("ada"));
    assert_ptr_equal(rj_cohort_first(&cohorts, RJ_COHORT_USER, "/a", "ada"), &one);
    assert_null(rj_cohort_next(&one, RJ_COHORT_USER));
    assert_ptr_equal(rj_cohort_first(&cohorts, RJ_COHORT_USER, "/b", "ada"), &two);
    assert_null(rj_cohort_first(&cohorts, RJ_COHORT_NAMESPACE, "/a", NULL));
    rj_cohorts_leave(&cohorts, &one);
    rj_cohorts_leave(&cohorts, &two);
    rj_cohorts_free(&cohorts);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(cohorts_agree_with_an_array),
    cmocka_unit_test(a_name_outlives_the_client_that_brought_it),
    cmocka_unit_test(one_users_name_in_two_namespaces_is_two_cohorts),
};

RJ_TEST_MAIN(tests)
