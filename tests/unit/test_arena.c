#include "proto/base/arena.h"

#include <stdalign.h>
#include <string.h>

#include "tests/support/test.h"

static void pieces_are_aligned_and_apart(void **state)
{
    enum { PIECES = 3000 };
    static uint8_t *pieces[PIECES];
    struct rj_arena arena = {0};
    (void)state;
    for (size_t i = 0; i < PIECES; i++) {
        pieces[i] = rj_arena_alloc(&arena, i % 97);
        assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
        memset(pieces[i], (int)(i & 0xff), i % 97);
    }
    for (size_t i = 0; i < PIECES; i++)
        for (size_t k = 0; k < i % 97; k++)
            assert_int_equal(pieces[i][k], (uint8_t)i);
    rj_arena_free(&arena);
}

static void a_piece_larger_than_a_block_is_whole(void **state)
{
    enum { LARGE = 3 * 1024 * 1024 };
    struct rj_arena arena = {0};
    (void)state;
    char *small = rj_arena_copy(&arena, "small", 5);
    char *large = rj_arena_alloc(&arena, LARGE);
    memset(large, 'x', LARGE);
    assert_string_equal(small, "small");
    assert_int_equal(large[LARGE - 1], 'x');
    rj_arena_free(&arena);
}

static void a_copy_ends_with_a_nul(void **state)
{
    struct rj_arena arena = {0};
    (void)state;
    assert_string_equal(rj_arena_copy(&arena, "abcdef", 3), "abc");
    assert_string_equal(rj_arena_copy(&arena, NULL, 0), "");
    rj_arena_free(&arena);
}

static void a_reset_reuses_the_largest_block(void **state)
{
    struct rj_arena arena = {0};
    (void)state;
    for (size_t i = 0; i < 100; i++)
        rj_arena_alloc(&arena, 1000);
    rj_arena_reset(&arena);
    const struct rj_arena_block *kept = arena.blocks;
    assert_non_null(kept);
    for (size_t i = 0; i < 60; i++)
        rj_arena_alloc(&arena, 1000);
    assert_ptr_equal(arena.blocks, kept);
    rj_arena_free(&arena);
    rj_arena_reset(&arena);
    assert_string_equal(rj_arena_copy(&arena, "again", 5), "again");
    rj_arena_free(&arena);
}

static void a_reset_gives_back_what_one_large_turn_took(void **state)
{
    struct rj_arena arena = {.keep_bytes = 64 * 1024};
    (void)state;
    rj_arena_alloc(&arena, 65 * 1024);
    rj_arena_reset(&arena);
    assert_null(arena.blocks);
    rj_arena_alloc(&arena, 10);
    rj_arena_reset(&arena);
    assert_non_null(arena.blocks);
    rj_arena_free(&arena);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(pieces_are_aligned_and_apart),
    cmocka_unit_test(a_piece_larger_than_a_block_is_whole),
    cmocka_unit_test(a_copy_ends_with_a_nul),
    cmocka_unit_test(a_reset_reuses_the_largest_block),
    cmocka_unit_test(a_reset_gives_back_what_one_large_turn_took),
};

RJ_TEST_MAIN(tests)
