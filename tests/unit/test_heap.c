/* The heap gives back what was needed for a while. Built without sanitizers, which have heaps of their own. A
 * process for each test: what is measured is all that it holds.
 */
#include <pthread.h>
#include <string.h>

#include "proto/base/heap.h"
#include "tests/support/test.h"

enum { MB = 1 << 20, LOOK_MS = 60000, LOOKS = 10 };

static size_t held_bytes(void)
{
    char line[256];
    size_t kib = 0;
    FILE *file = fopen("/proc/self/status", "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        sscanf(line, "RssAnon: %zu", &kib);
    fclose(file);
    assert_true(kib > 0);
    return kib << 10;
}

static void *used(size_t size)
{
    void *block = malloc(size);
    assert_non_null(block);
    return memset(block, 1, size);
}

/* Its ticks over a while; how often it gave something back. */
static unsigned pass(struct rj_heap *heap, uint64_t *now_ms, unsigned looks)
{
    unsigned trims = 0;
    for (unsigned i = 0; i < looks; i++, *now_ms += LOOK_MS)
        trims += rj_heap_tick(heap, *now_ms);
    return trims;
}

/* Those of the whole flood, and a few at a time. The small ones live on, as the rooms and sessions of others
 * do. */
static void large_buffers_are_given_back_when_they_are_freed(void **state)
{
    (void)state;
    enum { BUFFERS = 8, LARGE = 8 * MB };
    void *buffers[BUFFERS], *small[2 * BUFFERS];
    rj_heap_setup();
    size_t before = held_bytes();
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < BUFFERS; i++) {
            buffers[i] = used(LARGE);
            small[round * BUFFERS + i] = used(100);
        }
        assert_true(held_bytes() > before + BUFFERS / 2 * LARGE);
        for (int i = 0; i < BUFFERS; i++)
            free(buffers[i]);
        size_t after = held_bytes();
        if (after > before + 2 * MB)
            fail_msg("%zu KiB more than before", (after - before) >> 10);
    }
    for (int i = 0; i < 2 * BUFFERS; i++)
        free(small[i]);
}

static void what_lies_free_between_small_blocks_is_given_back_after_a_while(void **state)
{
    (void)state;
    enum { BLOCKS = 80000, BYTES = 1000, STEP = 100 };
    static void *blocks[BLOCKS];
    struct rj_heap heap = {0};
    uint64_t now_ms = 1;
    rj_heap_setup();
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = used(BYTES);
    size_t most = held_bytes();
    for (int i = 0; i < BLOCKS; i++) {
        if (i % STEP) /* the others stay */
            free(blocks[i]);
    }
    assert_true(held_bytes() > most - most / 4);  /* or there is nothing to show */
    assert_int_equal(pass(&heap, &now_ms, 1), 0); /* it may be needed again in a moment */
    assert_int_equal(pass(&heap, &now_ms, 1), 1);
    size_t least = held_bytes();
    if (least > most / 8)
        fail_msg("%zu of %zu KiB", least >> 10, most >> 10);
    assert_int_equal(pass(&heap, &now_ms, LOOKS), 0); /* there is no more to give */
    for (int i = 0; i < BLOCKS; i += STEP)
        free(blocks[i]);
}

static void *use_for_a_moment(void *context)
{
    enum { BLOCKS = 12 };
    void *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = used(MB);
    *(size_t *)context = held_bytes();
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    return NULL;
}

static void what_other_threads_have_used_is_given_back_too(void **state)
{
    (void)state;
    struct rj_heap heap = {0};
    uint64_t now_ms = 1;
    pthread_t thread;
    size_t most, before;
    rj_heap_setup();
    before = held_bytes();
    assert_int_equal(rj_heap_tick(&heap, now_ms), 0);
    now_ms += LOOK_MS;
    assert_int_equal(pthread_create(&thread, NULL, use_for_a_moment, &most), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(most > before + 10 * MB);
    assert_int_equal(pass(&heap, &now_ms, LOOKS), 1);
    size_t after = held_bytes();
    if (after > before + 2 * MB)
        fail_msg("%zu KiB more than before", (after - before) >> 10);
}

static void what_is_in_use_is_left_alone(void **state)
{
    (void)state;
    enum { BLOCKS = 20000, BYTES = 1000 };
    static void *blocks[BLOCKS];
    struct rj_heap heap = {0};
    uint64_t now_ms = 1;
    rj_heap_setup();
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = used(BYTES);
    assert_int_equal(pass(&heap, &now_ms, LOOKS), 0);
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(large_buffers_are_given_back_when_they_are_freed),
    cmocka_unit_test(what_lies_free_between_small_blocks_is_given_back_after_a_while),
    cmocka_unit_test(what_other_threads_have_used_is_given_back_too),
    cmocka_unit_test(what_is_in_use_is_left_alone),
};

RJ_TEST_MAIN(tests)
