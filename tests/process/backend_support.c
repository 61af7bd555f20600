#include "tests/process/backend_support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void broker_start(struct broker *broker)
{
    char program[512], data[160], gateways[160], log[160];
    snprintf(data, sizeof data, "%s/data", broker->folder);
    snprintf(gateways, sizeof gateways, "ipc://%s/g", broker->folder);
    snprintf(log, sizeof log, "%s/broker.log", broker->folder);
    mkdir(data, 0700);
    const char *const argv[] = {rj_process_program("rejoin-broker", program, sizeof program),
                                "--data",
                                data,
                                "--gateways",
                                gateways,
                                "--backends",
                                broker->endpoint,
                                "--ping",
                                "200",
                                "--lease",
                                "3000",
                                NULL};
    assert_true(rj_process_start(&broker->process, argv, NULL, log));
    assert_true(rj_process_wait_ready(&broker->process, PATIENCE_MS));
}

void broker_kill(struct broker *broker)
{
    rj_process_kill(&broker->process);
}

int broker_setup(void **state)
{
    struct broker *broker = calloc(1, sizeof *broker);
    assert_non_null(broker);
    assert_true(rj_temp_dir(broker->folder, sizeof broker->folder));
    snprintf(broker->endpoint, sizeof broker->endpoint, "ipc://%s/b", broker->folder);
    *state = broker;
    broker_start(broker);
    return 0;
}

int broker_teardown(void **state)
{
    struct broker *broker = *state;
    broker_kill(broker);
    rj_temp_dir_remove(broker->folder);
    free(broker);
    return 0;
}

struct rejoin *backend_open(const struct broker *broker, const char *name)
{
    struct rejoin_options options = {.endpoint = broker->endpoint, .name = name};
    struct rejoin *handle = NULL;
    assert_int_equal(rejoin_open(&options, &handle), REJOIN_OK);
    assert_int_equal(rejoin_connect(handle, PATIENCE_MS), REJOIN_OK);
    return handle;
}

struct rejoin_published backend_publish(struct rejoin *handle, const char *room, const char *data)
{
    struct rejoin_publish publish = {.room = room, .data = data};
    struct rejoin_published published;
    assert_int_equal(rejoin_publish_wait(handle, &publish, PATIENCE_MS, &published), REJOIN_OK);
    return published;
}

void backend_run_until(struct rejoin *handle, const unsigned *count, unsigned wanted)
{
    uint64_t end_ms = rj_test_now_ms() + PATIENCE_MS;
    while (*count < wanted && rj_test_now_ms() < end_ms)
        assert_int_equal(rejoin_run_once(handle, 50), REJOIN_OK);
    assert_int_equal(*count, wanted);
}

void backend_expect_numbers(struct rejoin *handle, const char *room, unsigned n)
{
    struct rejoin_query query = {.room = room, .has_after = true, .limit = 333};
    unsigned seen = 0;
    bool has_more = true;
    while (has_more) {
        struct rejoin_page *page = NULL;
        assert_int_equal(rejoin_history_wait(handle, &query, PATIENCE_MS, &page), REJOIN_OK);
        for (size_t i = 0; i < page->count; i++, seen++) {
            assert_int_equal(page->messages[i].targets[0].seq, seen + 1);
            assert_int_equal(strtoul(page->messages[i].data, NULL, 10), seen);
        }
        has_more = page->has_more;
        assert_true(page->count > 0 || !has_more);
        query.after = seen;
        rejoin_page_free(&page);
    }
    assert_int_equal(seen, n);
}
