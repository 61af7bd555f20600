#include "proto/base/random.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

enum { IDS = 2000 };

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void ids_are_url_safe_and_never_the_same(void **state)
{
    static char ids[IDS][RJ_ID_LEN + 1];
    (void)state;
    for (size_t i = 0; i < IDS; i++) {
        rj_random_id(ids[i]);
        assert_int_equal(strlen(ids[i]), RJ_ID_LEN);
        assert_int_equal(strspn(ids[i], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
                         RJ_ID_LEN);
    }
    qsort(ids, IDS, sizeof ids[0], compare);
    for (size_t i = 1; i < IDS; i++)
        assert_true(strcmp(ids[i - 1], ids[i]) != 0);
}

static void every_bit_of_an_id_varies(void **state)
{
    uint64_t ones = 0, zeros = 0;
    (void)state;
    for (size_t i = 0; i < IDS; i++) {
        uint64_t number = rj_random_u64();
        ones |= number;
        zeros |= ~number;
    }
    assert_true(ones == UINT64_MAX && zeros == UINT64_MAX);
}

static void every_byte_is_filled(void **state)
{
    uint8_t bytes[600], seen[600] = {0};
    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        memset(bytes, 0, sizeof bytes);
        rj_random_bytes(bytes, sizeof bytes);
        for (size_t i = 0; i < sizeof bytes; i++)
            seen[i] |= bytes[i];
    }
    for (size_t i = 0; i < sizeof bytes; i++)
        assert_int_not_equal(seen[i], 0);
    rj_random_bytes(bytes, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(ids_are_url_safe_and_never_the_same),
    cmocka_unit_test(every_bit_of_an_id_varies),
    cmocka_unit_test(every_byte_is_filled),
};

RJ_TEST_MAIN(tests)
