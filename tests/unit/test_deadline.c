#include "broker/base/deadline.h"
#include "proto/base/mem.h"
#include "tests/support/test.h"

enum { N = 500 };

struct thing {
    struct rj_deadline deadline;
    unsigned rang;
};

/* What has rung, in order. */
struct rung {
    uint64_t at_ms[8 * N];
    size_t n;
};

static void on_due(void *ctx, struct rj_deadline *deadline)
{
    struct rung *rung = ctx;
    assert_int_equal(deadline->place, 0);
    rung->at_ms[rung->n++] = deadline->at_ms;
    ((struct thing *)deadline)->rang++;
}

static void they_ring_in_their_order_and_only_when_due(void **state)
{
    (void)state;
    struct rj_deadlines deadlines = {0};
    struct rung rung = {.n = 0};
    struct thing things[5] = {{{on_due, 0, 0}, 0},
                              {{on_due, 0, 0}, 0},
                              {{on_due, 0, 0}, 0},
                              {{on_due, 0, 0}, 0},
                              {{on_due, 0, 0}, 0}};
    static const uint64_t at[] = {50, 10, 40, 10, 30};
    for (size_t i = 0; i < 5; i++)
        rj_deadline_set(&deadlines, &things[i].deadline, at[i]);
    rj_deadlines_run(&deadlines, 9, &rung);
    assert_int_equal(rung.n, 0);
    rj_deadlines_run(&deadlines, 30, &rung);
    assert_int_equal(rung.n, 3);
    rj_deadlines_run(&deadlines, 100, &rung);
    static const uint64_t expected[] = {10, 10, 30, 40, 50};
    assert_int_equal(rung.n, 5);
    assert_memory_equal(rung.at_ms, expected, sizeof expected);
    rj_deadlines_free(&deadlines);
}

static void a_cleared_one_does_not_ring_and_a_moved_one_rings_once(void **state)
{
    (void)state;
    struct rj_deadlines deadlines = {0};
    struct rung rung = {.n = 0};
    struct thing one = {{on_due, 0, 0}, 0}, two = {{on_due, 0, 0}, 0};
    rj_deadline_set(&deadlines, &one.deadline, 10);
    rj_deadline_set(&deadlines, &two.deadline, 20);
    rj_deadline_clear(&deadlines, &one.deadline);
    rj_deadline_clear(&deadlines, &one.deadline);
    rj_deadline_set(&deadlines, &two.deadline, 5);
    rj_deadlines_run(&deadlines, 100, &rung);
    assert_int_equal(rung.n, 1);
    assert_int_equal(one.rang, 0);
    assert_int_equal(two.rang, 1);
    rj_deadlines_free(&deadlines);
}

/* Sets the other one again from within. */
static struct rj_deadlines *in_use;
static struct thing *other;

static void on_due_clear_other(void *ctx, struct rj_deadline *deadline)
{
    on_due(ctx, deadline);
    rj_deadline_clear(in_use, &other->deadline);
}

static void one_that_rings_may_clear_another_that_is_due(void **state)
{
    (void)state;
    struct rj_deadlines deadlines = {0};
    struct rung rung = {.n = 0};
    struct thing one = {{on_due_clear_other, 0, 0}, 0}, two = {{on_due, 0, 0}, 0};
    in_use = &deadlines;
    other = &two;
    rj_deadline_set(&deadlines, &one.deadline, 1);
    rj_deadline_set(&deadlines, &two.deadline, 2);
    rj_deadlines_run(&deadlines, 100, &rung);
    assert_int_equal(rung.n, 1);
    assert_int_equal(two.rang, 0);
    rj_deadlines_free(&deadlines);
}

/* Beside an array that is searched from end to end. */
static void many_at_random_ring_as_a_slow_model_says(void **state)
{
    (void)state;
    struct rj_deadlines deadlines = {0};
    struct thing *things = rj_calloc(N, sizeof *things);
    struct rung *rung = rj_calloc(1, sizeof *rung);
    uint64_t model[N] = {0}; /* 0: not set */
    uint64_t dice = 88172645463325252u, now_ms = 1;
    for (int step = 0; step < 8 * N; step++) {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        size_t i = dice % N;
        things[i].deadline.on_due = on_due;
        if (dice >> 32 & 1) {
            model[i] = now_ms + (dice >> 40) % 300;
            rj_deadline_set(&deadlines, &things[i].deadline, model[i]);
        } else if (dice >> 33 & 1) {
            model[i] = 0;
            rj_deadline_clear(&deadlines, &things[i].deadline);
        } else {
            size_t due = 0, before = rung->n;
            now_ms += 20;
            for (size_t k = 0; k < N; k++) {
                if (!model[k] || model[k] > now_ms)
                    continue;
                model[k] = 0;
                due++;
            }
            rj_deadlines_run(&deadlines, now_ms, rung);
            assert_int_equal(rung->n - before, due);
            for (size_t k = before + 1; k < rung->n; k++)
                assert_true(rung->at_ms[k - 1] <= rung->at_ms[k]);
            rung->n = 0;
        }
        size_t set = 0;
        for (size_t k = 0; k < N; k++)
            set += model[k] != 0;
        assert_int_equal(deadlines.n, set);
    }
    rj_deadlines_free(&deadlines);
    free(things);
    free(rung);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(they_ring_in_their_order_and_only_when_due),
    cmocka_unit_test(a_cleared_one_does_not_ring_and_a_moved_one_rings_once),
    cmocka_unit_test(one_that_rings_may_clear_another_that_is_due),
    cmocka_unit_test(many_at_random_ring_as_a_slow_model_says),
};

RJ_TEST_MAIN(tests)
