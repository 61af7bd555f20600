/* What a handle promises when there is no broker at all. */
#include <poll.h>
#include <rejoin.h>
#include <string.h>

#include "tests/support/test.h"

/* Nothing listens there: the descriptor of a folder that no test makes. */
#define NOBODY "ipc:///nonexistent/rejoin-test"

static struct rejoin *open_with(size_t most, size_t most_bytes)
{
    struct rejoin_options options = {
        .endpoint = NOBODY, .name = "test", .max_unanswered = most, .max_unanswered_bytes = most_bytes};
    struct rejoin *handle = NULL;
    assert_int_equal(rejoin_open(&options, &handle), REJOIN_OK);
    return handle;
}

static const struct rejoin_publish hello = {.room = "lobby", .data = "\"hello\""};

static void open_refuses_what_is_no_endpoint(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "lobby", "tcp://", "tcp://127.0.0.1", "carrier://pigeon", NULL};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct rejoin *handle = NULL;
        struct rejoin_options options = {.endpoint = wrong[i], .name = "test"};
        assert_int_equal(rejoin_open(&options, &handle), REJOIN_BAD_REQUEST);
        assert_null(handle);
    }
    struct rejoin *handle = NULL;
    assert_int_equal(rejoin_open(&(struct rejoin_options){.endpoint = NOBODY}, &handle), REJOIN_BAD_REQUEST);
}

static void waiting_calls_without_a_broker_time_out_and_say_so(void **state)
{
    (void)state;
    struct rejoin *handle = open_with(0, 0);
    struct rejoin_page *page = NULL;
    struct rejoin_metrics *metrics = NULL;
    struct rejoin_query query = {.room = "lobby"};
    assert_int_equal(rejoin_connect(handle, 20), REJOIN_TIMEOUT);
    assert_non_null(strstr(rejoin_detail(handle), NOBODY));
    assert_int_equal(rejoin_publish_wait(handle, &hello, 20, NULL), REJOIN_TIMEOUT);
    assert_int_equal(rejoin_history_wait(handle, &query, 20, &page), REJOIN_TIMEOUT);
    assert_int_equal(rejoin_stats_wait(handle, 0, &metrics), REJOIN_TIMEOUT);
    assert_null(page);
    assert_null(metrics);
    assert_int_equal(rejoin_unanswered(handle), 0); /* what timed out is forgotten */
    assert_false(rejoin_is_connected(handle));
    rejoin_close(&handle);
    assert_null(handle);
}

struct ends {
    unsigned count;
    enum rejoin_status status;
};

static void on_end(void *arg, enum rejoin_status status, const struct rejoin_published *result)
{
    struct ends *ends = arg;
    ends->count++;
    ends->status = status;
    assert_null(result);
}

static void publishing_more_than_allowed_is_busy(void **state)
{
    (void)state;
    struct ends ends = {0};
    struct rejoin *handle = open_with(3, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rejoin_publish(handle, &hello, on_end, &ends), REJOIN_OK);
    assert_int_equal(rejoin_publish(handle, &hello, on_end, &ends), REJOIN_BUSY);
    assert_int_equal(rejoin_publish_wait(handle, &hello, 20, NULL), REJOIN_TIMEOUT);
    assert_int_equal(rejoin_flush(handle, 20), REJOIN_TIMEOUT);
    assert_int_equal(rejoin_unanswered(handle), 3);
    assert_int_equal(ends.count, 0);
    rejoin_close(&handle);
}

static void publishing_more_bytes_than_allowed_is_busy(void **state)
{
    (void)state;
    char large[2000];
    memset(large, '1', sizeof large);
    struct rejoin_publish publish = {.room = "lobby", .data = large, .data_len = 600};
    struct rejoin *handle = open_with(0, 1000);
    assert_int_equal(rejoin_publish(handle, &publish, NULL, NULL), REJOIN_OK);
    assert_int_equal(rejoin_publish(handle, &publish, NULL, NULL), REJOIN_BUSY);
    publish.data_len = sizeof large;
    assert_int_equal(rejoin_publish(handle, &publish, NULL, NULL), REJOIN_TOO_LARGE);
    rejoin_close(&handle);
}

static void what_cannot_be_sent_is_refused_at_once(void **state)
{
    (void)state;
    struct rejoin *handle = open_with(0, 0);
    struct rejoin_tail *tail = NULL;
    struct rejoin_bytes eleven[11] = {{0}};
    struct rejoin_publish publish = {.room = "a", .data = "1", .attachments = eleven, .attachment_count = 11};
    assert_int_equal(rejoin_publish(handle, NULL, NULL, NULL), REJOIN_BAD_REQUEST);
    assert_int_equal(rejoin_publish(handle, &(struct rejoin_publish){.room = "a"}, NULL, NULL),
                     REJOIN_BAD_REQUEST);
    assert_int_equal(rejoin_publish(handle, &(struct rejoin_publish){.data = "1"}, NULL, NULL),
                     REJOIN_BAD_REQUEST);
    assert_int_equal(rejoin_publish(handle, &publish, NULL, NULL), REJOIN_TOO_MANY);
    assert_int_equal(rejoin_tail(handle, &(struct rejoin_tail_options){.room = "a"}, &tail),
                     REJOIN_BAD_REQUEST);
    assert_null(tail);
    assert_int_equal(rejoin_unanswered(handle), 0);
    rejoin_close(&handle);
}

static void no_message(void *arg, const struct rejoin_message *message)
{
    (void)arg;
    (void)message;
    fail_msg("a message out of nowhere");
}

static void a_tail_takes_offsets_and_nothing_else(void **state)
{
    (void)state;
    static const char *const good[] = {NULL, "", "0", "a.b", "mwpyj3ri.15o"};
    static const char *const wrong[] = {"1",   "-",         "a.b.c",
                                        "a b", "mwpyj3ri.", "0123456789012345678901234567"};
    struct rejoin *handle = open_with(0, 0);
    struct rejoin_tail *tails[6] = {NULL};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct rejoin_tail_options options = {.offset = good[i], .on_message = no_message};
        assert_int_equal(rejoin_tail(handle, &options, &tails[i]), REJOIN_OK);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct rejoin_tail_options options = {.offset = wrong[i], .on_message = no_message};
        assert_int_equal(rejoin_tail(handle, &options, &tails[5]), REJOIN_BAD_REQUEST);
    }
    rejoin_tail_stop(&tails[0]);
    assert_null(tails[0]);
    assert_int_equal(rejoin_run_once(handle, 0), REJOIN_OK);
    rejoin_close(&handle); /* frees the tails that were not stopped */
}

static void closing_ends_every_call_once(void **state)
{
    (void)state;
    struct ends ends = {0};
    struct rejoin *handle = open_with(0, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(rejoin_publish(handle, &hello, on_end, &ends), REJOIN_OK);
    assert_int_equal(rejoin_close(&handle), REJOIN_OK);
    assert_int_equal(ends.count, 5);
    assert_int_equal(ends.status, REJOIN_CLOSED);
    assert_int_equal(rejoin_close(&handle), REJOIN_OK); /* NULL now */
}

struct misuse {
    struct rejoin *handle;
    unsigned count;
};

static void on_misuse(void *arg, enum rejoin_status status, const struct rejoin_published *result)
{
    struct misuse *misuse = arg;
    struct rejoin *handle = misuse->handle;
    (void)status;
    (void)result;
    misuse->count++;
    assert_int_equal(rejoin_process(handle), REJOIN_MISUSE);
    assert_int_equal(rejoin_run_once(handle, -1), REJOIN_MISUSE);
    assert_int_equal(rejoin_connect(handle, -1), REJOIN_MISUSE);
    assert_int_equal(rejoin_publish_wait(handle, &hello, -1, NULL), REJOIN_MISUSE);
    assert_int_equal(rejoin_close(&handle), REJOIN_MISUSE);
    assert_non_null(handle);
    /* Closing: whoever starts anew in the callback is not heard, so closing comes to an end. */
    assert_int_equal(rejoin_publish(handle, &hello, on_misuse, misuse), REJOIN_CLOSED);
}

static void a_turn_inside_a_callback_is_misuse(void **state)
{
    (void)state;
    struct misuse misuse = {.handle = open_with(0, 0)};
    struct rejoin *handle = misuse.handle;
    assert_int_equal(rejoin_publish(handle, &hello, on_misuse, &misuse), REJOIN_OK);
    rejoin_close(&handle);
    assert_int_equal(misuse.count, 1);
}

static bool is_readable(struct rejoin *handle, int timeout_ms)
{
    struct pollfd waiting = {.fd = rejoin_fd(handle), .events = POLLIN};
    return poll(&waiting, 1, timeout_ms) == 1;
}

static void the_descriptor_wakes_for_what_a_call_has_queued(void **state)
{
    (void)state;
    struct rejoin *handle = open_with(0, 0);
    int fd = rejoin_fd(handle);
    for (int i = 0; i < 100 && is_readable(handle, 0); i++)
        rejoin_process(handle);
    assert_int_equal(rejoin_publish(handle, &hello, NULL, NULL), REJOIN_OK);
    assert_true(is_readable(handle, 0));
    assert_int_equal(rejoin_process(handle), REJOIN_OK);
    assert_int_equal(rejoin_fd(handle), fd);
    rejoin_close(&handle);
}

static void made_ids_differ(void **state)
{
    (void)state;
    struct rejoin *one = open_with(0, 0), *other = open_with(0, 0);
    char a[REJOIN_ID_SIZE], b[REJOIN_ID_SIZE], c[REJOIN_ID_SIZE];
    rejoin_make_id(one, a);
    rejoin_make_id(one, b);
    rejoin_make_id(other, c);
    assert_string_not_equal(a, b);
    assert_string_not_equal(a, c);
    rejoin_close(&one);
    rejoin_close(&other);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(open_refuses_what_is_no_endpoint),
    cmocka_unit_test(waiting_calls_without_a_broker_time_out_and_say_so),
    cmocka_unit_test(publishing_more_than_allowed_is_busy),
    cmocka_unit_test(publishing_more_bytes_than_allowed_is_busy),
    cmocka_unit_test(what_cannot_be_sent_is_refused_at_once),
    cmocka_unit_test(a_tail_takes_offsets_and_nothing_else),
    cmocka_unit_test(closing_ends_every_call_once),
    cmocka_unit_test(a_turn_inside_a_callback_is_misuse),
    cmocka_unit_test(the_descriptor_wakes_for_what_a_call_has_queued),
    cmocka_unit_test(made_ids_differ),
};

RJ_TEST_MAIN(tests)
