/* librejoin's calls against a real broker: publish, history, stats, and what survives its death. */
#include <string.h>

#include "tests/process/backend_support.h"

static void a_publish_is_answered_with_its_place(void **state)
{
    struct rejoin *handle = backend_open(*state, "one");
    struct rejoin_published first = backend_publish(handle, "lobby", "{\"n\":0}");
    struct rejoin_published second = backend_publish(handle, "lobby", " [1, 2] ");
    struct rejoin_published other = backend_publish(handle, "other", "null");
    assert_int_equal(first.seq, 1);
    assert_int_equal(second.seq, 2);
    assert_int_equal(other.seq, 1);
    assert_true(strlen(first.offset) > 0);
    assert_string_not_equal(first.offset, second.offset);
    assert_true(second.ts_ms >= first.ts_ms && first.ts_ms > 1600000000000);
    assert_false(first.is_duplicate);
    rejoin_close(&handle);
}

static void what_was_published_stands_in_the_history(void **state)
{
    static const struct rejoin_bytes attachments[] = {{"\0\xff", 2}};
    struct rejoin *handle = backend_open(*state, "billing");
    struct rejoin_publish publish = {.room = "räum/1",
                                     .event = "invoice",
                                     .data = "{\"_placeholder\":true,\"num\":0}",
                                     .attachments = attachments,
                                     .attachment_count = 1,
                                     .id = "i-1"};
    struct rejoin_published published;
    assert_int_equal(rejoin_publish_wait(handle, &publish, PATIENCE_MS, &published), REJOIN_OK);
    struct rejoin_page *page = NULL;
    struct rejoin_query query = {.room = "räum/1"};
    assert_int_equal(rejoin_history_wait(handle, &query, PATIENCE_MS, &page), REJOIN_OK);
    assert_int_equal(page->count, 1);
    assert_false(page->has_more);
    const struct rejoin_message *message = &page->messages[0];
    assert_string_equal(message->offset, published.offset);
    assert_int_equal(message->ts_ms, published.ts_ms);
    assert_string_equal(message->nsp, "/");
    assert_int_equal(message->target_count, 1);
    assert_int_equal(message->targets[0].kind, REJOIN_ROOM);
    assert_string_equal(message->targets[0].name, "räum/1");
    assert_int_equal(message->targets[0].seq, 1);
    assert_string_equal(message->event, "invoice");
    assert_string_equal(message->data, publish.data);
    assert_int_equal(message->data_len, strlen(publish.data));
    assert_int_equal(message->attachment_count, 1);
    assert_int_equal(message->attachments[0].len, 2);
    assert_memory_equal(message->attachments[0].data, "\0\xff", 2);
    assert_string_equal(message->id, "i-1");
    assert_string_equal(message->source, "billing");
    assert_string_equal(message->from_user, "");
    rejoin_close(&handle);
    assert_string_equal(page->messages[0].event, "invoice"); /* a page outlives the handle */
    rejoin_page_free(&page);
}

static struct rejoin_published publish_id(struct rejoin *handle, const char *id, const char *data)
{
    struct rejoin_publish publish = {.room = "lobby", .data = data, .id = id};
    struct rejoin_published published;
    assert_int_equal(rejoin_publish_wait(handle, &publish, PATIENCE_MS, &published), REJOIN_OK);
    return published;
}

static void expect_first_answer(const struct rejoin_published *first, const struct rejoin_published *again)
{
    assert_true(again->is_duplicate);
    assert_int_equal(again->seq, first->seq);
    assert_string_equal(again->offset, first->offset);
    assert_int_equal(again->ts_ms, first->ts_ms);
}

static void the_same_id_is_stored_once_and_gets_the_first_answer(void **state)
{
    struct broker *broker = *state;
    struct rejoin *one = backend_open(broker, "one"), *namesake = backend_open(broker, "one");
    struct rejoin *other = backend_open(broker, "other");
    struct rejoin_published first = publish_id(one, "k", "0");
    struct rejoin_published again = publish_id(one, "k", "0");
    expect_first_answer(&first, &again);
    again = publish_id(namesake, "k", "0");
    expect_first_answer(&first, &again);
    struct rejoin_published others = publish_id(other, "k", "1"); /* ids are a name's own */
    assert_false(others.is_duplicate);
    assert_int_equal(others.seq, 2);
    backend_expect_numbers(one, "lobby", 2);
    rejoin_close(&one);
    rejoin_close(&namesake);
    rejoin_close(&other);
}

static void the_same_id_after_a_broker_kill_gets_the_first_answer(void **state)
{
    struct broker *broker = *state;
    struct rejoin *handle = backend_open(broker, "one");
    struct rejoin_published first = publish_id(handle, "k", "0");
    broker_kill(broker);
    broker_start(broker);
    struct rejoin_published again = publish_id(handle, "k", "0");
    assert_true(again.is_duplicate);
    assert_int_equal(again.seq, first.seq);
    assert_int_equal(again.ts_ms, first.ts_ms);
    assert_string_equal(again.offset, first.offset);
    backend_expect_numbers(handle, "lobby", 1);
    rejoin_close(&handle);
}

enum { MANY = 1000 };

struct tally {
    unsigned answered, failed;
    bool has_seq[MANY + 1];
};

static void on_published(void *arg, enum rejoin_status status, const struct rejoin_published *published)
{
    struct tally *tally = arg;
    tally->answered++;
    if (status != REJOIN_OK || published->seq == 0 || published->seq > MANY || tally->has_seq[published->seq])
        tally->failed++;
    else
        tally->has_seq[published->seq] = true;
}

static void publish_number(struct rejoin *handle, unsigned n, struct tally *tally)
{
    char data[16];
    snprintf(data, sizeof data, "%u", n);
    struct rejoin_publish publish = {.room = "lobby", .data = data};
    assert_int_equal(rejoin_publish(handle, &publish, on_published, tally), REJOIN_OK);
}

/* Kills the broker when so many are answered, starts it again, and waits for the rest. */
static void publish_through_a_kill(struct broker *broker, unsigned kill_at)
{
    struct tally tally = {0};
    struct rejoin *handle = backend_open(broker, "one");
    bool was_killed = false;
    unsigned started = 0;
    uint64_t end_ms = rj_test_now_ms() + PATIENCE_MS;
    while (tally.answered < MANY && rj_test_now_ms() < end_ms) {
        for (unsigned i = 0; i < 50 && started < MANY; i++)
            publish_number(handle, started++, &tally);
        assert_int_equal(rejoin_run_once(handle, 20), REJOIN_OK);
        if (!was_killed && tally.answered >= kill_at) {
            broker_kill(broker);
            was_killed = true;
            for (unsigned i = 0; i < 50 && started < MANY; i++) /* into the void */
                publish_number(handle, started++, &tally);
            rejoin_run_once(handle, 20);
            broker_start(broker);
        }
    }
    assert_true(was_killed);
    assert_int_equal(tally.answered, MANY);
    assert_int_equal(tally.failed, 0);
    backend_expect_numbers(handle, "lobby", MANY);
    rejoin_close(&handle);
}

static void a_broker_kill_early_among_a_thousand_publishes_loses_and_doubles_none(void **state)
{
    publish_through_a_kill(*state, 1);
}

static void a_broker_kill_amid_a_thousand_publishes_loses_and_doubles_none(void **state)
{
    publish_through_a_kill(*state, 400);
}

static void a_terminated_broker_loses_no_publish_either(void **state)
{
    struct broker *broker = *state;
    struct tally tally = {0};
    struct rejoin *handle = backend_open(broker, "one");
    int how;
    for (unsigned i = 0; i < MANY; i++)
        publish_number(handle, i, &tally);
    rejoin_run_once(handle, 0);
    assert_true(rj_process_signal(&broker->process, SIGTERM));
    assert_true(rj_process_wait_end(&broker->process, PATIENCE_MS, &how));
    assert_int_equal(how, 0);
    broker_start(broker);
    assert_int_equal(rejoin_flush(handle, PATIENCE_MS), REJOIN_OK);
    assert_int_equal(tally.failed, 0);
    backend_expect_numbers(handle, "lobby", MANY);
    rejoin_close(&handle);
}

static void a_handle_without_turns_for_a_lease_comes_back_by_itself(void **state)
{
    struct broker *broker = *state;
    struct rejoin *sleeper = backend_open(broker, "one"), *other = backend_open(broker, "other");
    backend_publish(sleeper, "lobby", "0");
    uint64_t end_ms = rj_test_now_ms() + 4500; /* the broker's lease is 3000 */
    while (rj_test_now_ms() < end_ms)
        rejoin_run_once(other, 20);
    assert_int_equal(backend_publish(sleeper, "lobby", "1").seq, 2);
    assert_int_equal(backend_publish(other, "lobby", "2").seq, 3);
    backend_expect_numbers(sleeper, "lobby", 3);
    rejoin_close(&sleeper);
    rejoin_close(&other);
}

static void expect_refused(struct rejoin *handle, const struct rejoin_publish *publish,
                           enum rejoin_status expected)
{
    struct rejoin_published untouched = {.seq = 77};
    assert_int_equal(rejoin_publish_wait(handle, publish, PATIENCE_MS, &untouched), expected);
    assert_int_equal(untouched.seq, 77);
    assert_true(strlen(rejoin_detail(handle)) > 0);
}

static void what_the_broker_refuses_comes_back_as_its_error(void **state)
{
    struct rejoin *handle = backend_open(*state, "one");
    char long_name[257];
    memset(long_name, 'x', 256);
    long_name[256] = '\0';
    static char large[4000001];
    memset(large, '1', sizeof large);
    expect_refused(handle, &(struct rejoin_publish){.room = "", .data = "1"}, REJOIN_BAD_NAME);
    expect_refused(handle, &(struct rejoin_publish){.room = long_name, .data = "1"}, REJOIN_BAD_NAME);
    expect_refused(handle, &(struct rejoin_publish){.room = "\xff", .data = "1"}, REJOIN_BAD_NAME);
    expect_refused(handle, &(struct rejoin_publish){.room = "lobby", .data = "hello"}, REJOIN_BAD_REQUEST);
    expect_refused(handle, &(struct rejoin_publish){.room = "lobby", .data = ""}, REJOIN_BAD_REQUEST);
    expect_refused(handle, &(struct rejoin_publish){.room = "lobby", .data = "{\"a\":1"}, REJOIN_BAD_REQUEST);
    expect_refused(handle, &(struct rejoin_publish){.room = "lobby", .data = "1", .nsp = "/none"},
                   REJOIN_BAD_NAMESPACE);
    expect_refused(handle, &(struct rejoin_publish){.room = "lobby", .data = large, .data_len = sizeof large},
                   REJOIN_TOO_LARGE);
    assert_int_equal(backend_publish(handle, "lobby", "0").seq, 1);
    rejoin_close(&handle);
}

static void a_volatile_publish_is_answered_and_not_stored(void **state)
{
    struct rejoin *handle = backend_open(*state, "one");
    struct rejoin_publish publish = {.room = "lobby", .data = "1", .is_volatile = true};
    struct rejoin_published published;
    assert_int_equal(rejoin_publish_wait(handle, &publish, PATIENCE_MS, &published), REJOIN_OK);
    assert_int_equal(published.seq, 0);
    assert_string_equal(published.offset, "");
    backend_expect_numbers(handle, "lobby", 0);
    rejoin_close(&handle);
}

static void expect_page(struct rejoin *handle, struct rejoin_query query, uint64_t first, size_t count,
                        bool has_more)
{
    struct rejoin_page *page = NULL;
    query.room = "lobby";
    assert_int_equal(rejoin_history_wait(handle, &query, PATIENCE_MS, &page), REJOIN_OK);
    assert_int_equal(page->count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(page->messages[i].targets[0].seq, first + i);
    assert_int_equal(page->has_more, has_more);
    rejoin_page_free(&page);
}

static void history_comes_in_pages_in_both_directions(void **state)
{
    struct rejoin *handle = backend_open(*state, "one");
    expect_page(handle, (struct rejoin_query){.limit = 10}, 1, 0, false);
    for (int i = 0; i < 25; i++)
        backend_publish(handle, "lobby", "0");
    expect_page(handle, (struct rejoin_query){.limit = 10}, 16, 10, true);
    expect_page(handle, (struct rejoin_query){.before = 16, .limit = 10}, 6, 10, true);
    expect_page(handle, (struct rejoin_query){.before = 6, .limit = 10}, 1, 5, false);
    expect_page(handle, (struct rejoin_query){.before = 1, .limit = 10}, 1, 0, false);
    expect_page(handle, (struct rejoin_query){.has_after = true, .limit = 10}, 1, 10, true);
    expect_page(handle, (struct rejoin_query){.has_after = true, .after = 20, .limit = 10}, 21, 5, false);
    expect_page(handle, (struct rejoin_query){.has_after = true, .after = 25, .limit = 10}, 1, 0, false);
    rejoin_close(&handle);
}

static void stats_have_names_and_values(void **state)
{
    struct rejoin *handle = backend_open(*state, "one");
    struct rejoin_metrics *metrics = NULL;
    assert_int_equal(rejoin_stats_wait(handle, PATIENCE_MS, &metrics), REJOIN_OK);
    assert_true(metrics->count > 0);
    for (size_t i = 0; i < metrics->count; i++)
        assert_memory_equal(metrics->metrics[i].name, "rejoin_", strlen("rejoin_"));
    rejoin_close(&handle);
    rejoin_metrics_free(&metrics);
    assert_null(metrics);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_publish_is_answered_with_its_place, broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(what_was_published_stands_in_the_history, broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(the_same_id_is_stored_once_and_gets_the_first_answer, broker_setup,
                                    broker_teardown),
    cmocka_unit_test_setup_teardown(the_same_id_after_a_broker_kill_gets_the_first_answer, broker_setup,
                                    broker_teardown),
    cmocka_unit_test_setup_teardown(a_broker_kill_early_among_a_thousand_publishes_loses_and_doubles_none,
                                    broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(a_broker_kill_amid_a_thousand_publishes_loses_and_doubles_none,
                                    broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(a_terminated_broker_loses_no_publish_either, broker_setup,
                                    broker_teardown),
    cmocka_unit_test_setup_teardown(a_handle_without_turns_for_a_lease_comes_back_by_itself, broker_setup,
                                    broker_teardown),
    cmocka_unit_test_setup_teardown(what_the_broker_refuses_comes_back_as_its_error, broker_setup,
                                    broker_teardown),
    cmocka_unit_test_setup_teardown(a_volatile_publish_is_answered_and_not_stored, broker_setup,
                                    broker_teardown),
    cmocka_unit_test_setup_teardown(history_comes_in_pages_in_both_directions, broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(stats_have_names_and_values, broker_setup, broker_teardown),
};

RJ_TEST_MAIN(tests)
