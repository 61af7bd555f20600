/* Tokens a second. */
#include "gateway/bucket.h"
#include "tests/support/test.h"

enum { SECOND_US = 1000000 };

static unsigned take_all(struct rj_bucket *bucket, uint64_t rate, uint64_t burst, uint64_t now_us)
{
    unsigned n = 0;
    while (n < 100000 && rj_bucket_take(bucket, rate, burst, now_us))
        n++;
    return n;
}

static void a_rest_gives_the_burst_and_no_more(void **state)
{
    (void)state;
    struct rj_bucket bucket = {0};
    assert_int_equal(take_all(&bucket, 10, 10, 5), 10);
    assert_int_equal(take_all(&bucket, 10, 10, 5), 0);
    assert_int_equal(take_all(&bucket, 10, 10, 5 + SECOND_US / 10), 1);
    assert_int_equal(take_all(&bucket, 10, 10, 5 + SECOND_US), 9);
    assert_int_equal(take_all(&bucket, 10, 10, 5 + 100ULL * SECOND_US), 10);
    assert_int_equal(take_all(&bucket, 10, 1, 5 + 200ULL * SECOND_US), 1);
}

static void in_the_long_run_the_rate_holds(void **state)
{
    (void)state;
    struct rj_bucket bucket = {0};
    unsigned n = 0;
    for (uint64_t now_us = 0; now_us < 10 * SECOND_US; now_us += 137)
        n += rj_bucket_take(&bucket, 1000, 1000, now_us);
    assert_true(n >= 10990 && n <= 11001); /* ten seconds' worth and the burst */
}

static void zero_is_no_limit(void **state)
{
    (void)state;
    struct rj_bucket bucket = {0};
    assert_int_equal(take_all(&bucket, 0, 0, 0), 100000);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_rest_gives_the_burst_and_no_more),
    cmocka_unit_test(in_the_long_run_the_rate_holds),
    cmocka_unit_test(zero_is_no_limit),
};

RJ_TEST_MAIN(tests)
