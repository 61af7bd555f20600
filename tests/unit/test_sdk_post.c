/* What other threads hand to the thread of a handle. */
#include <pthread.h>

#include "tests/support/played.h"

enum { POSTERS = 4, POSTS_EACH = 200 };

struct poster {
    struct rejoin *handle;
    unsigned *ran;
    pthread_t thread;
};

static void on_posted(struct rejoin *handle, void *arg)
{
    struct poster *poster = arg;
    assert_ptr_equal(handle, poster->handle);
    ++*poster->ran;
    assert_int_equal(rejoin_process(handle), REJOIN_MISUSE); /* it is a callback */
}

static void *post_many(void *arg)
{
    struct poster *poster = arg;
    for (unsigned i = 0; i < POSTS_EACH; i++)
        rejoin_post(poster->handle, on_posted, poster);
    return NULL;
}

static void any_thread_may_post_and_wakes_the_handle(void **state)
{
    (void)state;
    struct played peer;
    struct poster posters[POSTERS];
    unsigned ran = 0;
    played_open(&peer);
    for (unsigned i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.handle = peer.handle, .ran = &ran};
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_many, &posters[i]), 0);
    }
    while (ran < POSTERS * POSTS_EACH)
        rejoin_run_once(peer.handle, PATIENCE_MS);
    for (unsigned i = 0; i < POSTERS; i++)
        pthread_join(posters[i].thread, NULL);
    assert_int_equal(ran, POSTERS * POSTS_EACH);
    played_close(&peer);
}

static void on_late_post(struct rejoin *handle, void *arg)
{
    assert_int_equal(rejoin_publish(handle, &(struct rejoin_publish){.room = "x", .data = "1"}, NULL, NULL),
                     REJOIN_CLOSED);
    ++*(unsigned *)arg;
}

static void what_was_posted_runs_even_when_the_handle_is_closed(void **state)
{
    (void)state;
    struct played peer;
    unsigned ran = 0;
    played_open(&peer);
    rejoin_post(peer.handle, on_late_post, &ran);
    played_close(&peer);
    assert_int_equal(ran, 1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(any_thread_may_post_and_wakes_the_handle),
    cmocka_unit_test(what_was_posted_runs_even_when_the_handle_is_closed),
};

RJ_TEST_MAIN(tests)
