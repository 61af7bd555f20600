/* How a handle heals and what it gives up on, against a peer that says exactly what the test wants. What a
 * broker does on its own is left to the process tests.
 */
#include <rejoin.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/offset.h"
#include "tests/support/played.h"

static void say_published(struct played *peer, uint64_t id, uint64_t seq)
{
    Rejoin__Published published = REJOIN__PUBLISHED__INIT;
    published.pos = seq;
    published.n_seqs = 1;
    published.seqs = &seq;
    published.offset = (char *)(uintptr_t) "a.b";
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    reply.id = id;
    reply.result_case = REJOIN__REPLY__RESULT_PUBLISHED;
    reply.published = &published;
    played_say(peer, REJOIN__ITEM__KIND_REPLY, &reply);
}

struct ends {
    unsigned count;
    enum rejoin_status status;
    uint64_t last_seq;
};

static void on_end(void *arg, enum rejoin_status status, const struct rejoin_published *result)
{
    struct ends *ends = arg;
    ends->count++;
    ends->status = status;
    ends->last_seq = result ? result->seq : 0;
}

static void publish(struct played *peer, const char *data, bool is_volatile, struct ends *ends)
{
    struct rejoin_publish message = {.room = "lobby", .data = data, .is_volatile = is_volatile};
    assert_int_equal(rejoin_publish(peer->handle, &message, on_end, ends), REJOIN_OK);
}

static void a_version_error_is_final(void **state)
{
    (void)state;
    struct played peer;
    struct ends ends = {0};
    played_open(&peer);
    publish(&peer, "1", false, &ends);
    played_hear_kind(&peer, REJOIN__ITEM__KIND_HELLO);
    played_say_error(&peer, "version");
    played_run_until(&peer, &ends.count, 1);
    assert_int_equal(ends.status, REJOIN_BAD_VERSION);
    assert_int_equal(rejoin_process(peer.handle), REJOIN_BAD_VERSION);
    assert_int_equal(rejoin_connect(peer.handle, -1), REJOIN_BAD_VERSION);
    assert_int_equal(rejoin_stats_wait(peer.handle, -1, &(struct rejoin_metrics *){NULL}),
                     REJOIN_BAD_VERSION);
    assert_non_null(strstr(rejoin_detail(peer.handle), "because"));
    played_close(&peer);
}

static void a_frame_of_another_version_is_final(void **state)
{
    (void)state;
    struct played peer;
    played_open(&peer);
    played_hear_kind(&peer, REJOIN__ITEM__KIND_HELLO);
    played_say_bytes(&peer, "RJ\x7f\0", 4);
    assert_int_equal(rejoin_connect(peer.handle, PATIENCE_MS), REJOIN_BAD_VERSION);
    played_close(&peer);
}

static void a_refused_name_is_final_and_overload_is_not(void **state)
{
    (void)state;
    struct played peer;
    played_open(&peer);
    played_hear_kind(&peer, REJOIN__ITEM__KIND_HELLO);
    played_say_error(&peer, "too_many");
    played_hear_kind(&peer, REJOIN__ITEM__KIND_HELLO); /* it tries again */
    played_say_error(&peer, "bad_name");
    assert_int_equal(rejoin_connect(peer.handle, PATIENCE_MS), REJOIN_BAD_NAME);
    played_close(&peer);
}

/* The publishes of one batch, as far as a test looks at them. */
struct heard {
    size_t count;
    uint64_t commands[8];
    char ids[8][64], data[8];
};

/* Hears the next batch with publishes in it. */
static void hear_publishes(struct played *peer, struct heard *heard)
{
    *heard = (struct heard){0};
    while (heard->count == 0) {
        const Rejoin__Batch *batch = played_hear(peer);
        for (size_t i = 0; i < batch->n_items; i++) {
            const Rejoin__Command *command = batch->items[i]->command;
            if (batch->items[i]->kind_case != REJOIN__ITEM__KIND_COMMAND ||
                command->kind_case != REJOIN__COMMAND__KIND_PUBLISH)
                continue;
            heard->commands[heard->count] = command->id;
            snprintf(heard->ids[heard->count], sizeof heard->ids[0], "%s", command->publish->message->id);
            heard->data[heard->count++] = (char)command->publish->message->data.data[0];
        }
    }
}

static void what_is_unanswered_is_repeated_in_order_under_its_ids(void **state)
{
    (void)state;
    struct played peer;
    struct ends ends = {0};
    struct heard first, again;
    char before[64], after[64];
    played_open(&peer);
    publish(&peer, "0", false, &ends);
    publish(&peer, "1", false, &ends);
    publish(&peer, "2", false, &ends);
    played_greet(&peer, before);
    hear_publishes(&peer, &first);
    assert_int_equal(first.count, 3);
    assert_memory_equal(first.data, "012", 3);
    assert_string_not_equal(first.ids[0], first.ids[1]);
    say_published(&peer, first.commands[1], 5);
    played_run_until(&peer, &ends.count, 1);
    assert_int_equal(ends.last_seq, 5);

    Rejoin__NeedHello need = REJOIN__NEED_HELLO__INIT;
    played_say(&peer, REJOIN__ITEM__KIND_NEED_HELLO, &need);
    played_greet(&peer, after);
    assert_string_equal(after, before);
    hear_publishes(&peer, &again);
    assert_int_equal(again.count, 2);
    assert_memory_equal(again.data, "02", 2);
    assert_string_equal(again.ids[0], first.ids[0]);
    assert_string_equal(again.ids[1], first.ids[2]);
    assert_int_equal(again.commands[1], first.commands[2]);
    say_published(&peer, again.commands[0], 6);
    say_published(&peer, again.commands[0], 6); /* a second answer answers nothing */
    say_published(&peer, again.commands[1], 7);
    played_run_until(&peer, &ends.count, 3);
    assert_int_equal(ends.last_seq, 7);
    assert_int_equal(rejoin_unanswered(peer.handle), 0);
    played_close(&peer);
}

static void a_volatile_message_is_not_repeated(void **state)
{
    (void)state;
    struct played peer;
    struct ends lost = {0}, kept = {0};
    struct heard heard;
    char id[64];
    played_open(&peer);
    publish(&peer, "0", true, &lost);
    publish(&peer, "1", false, &kept);
    played_greet(&peer, id);
    hear_publishes(&peer, &heard);
    assert_int_equal(heard.count, 2);
    Rejoin__NeedHello need = REJOIN__NEED_HELLO__INIT;
    played_say(&peer, REJOIN__ITEM__KIND_NEED_HELLO, &need);
    played_greet(&peer, id);
    hear_publishes(&peer, &heard);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.data[0], '1');
    assert_int_equal(lost.count, 1);
    assert_int_equal(lost.status, REJOIN_UNAVAILABLE);
    assert_int_equal(kept.count, 0);
    played_close(&peer);
}

/* Greets, lets `break_it` break the stream, and expects a fresh one. */
static void expect_fresh_stream(void (*break_it)(struct played *peer))
{
    struct played peer;
    char id[64];
    played_open(&peer);
    played_greet(&peer, id);
    assert_int_equal(rejoin_connect(peer.handle, PATIENCE_MS), REJOIN_OK);
    break_it(&peer);
    played_greet(&peer, id);
    uint64_t deadline = rj_clock_mono_ms() + PATIENCE_MS;
    while (!rejoin_is_connected(peer.handle) && rj_clock_mono_ms() < deadline)
        rejoin_run_once(peer.handle, 5);
    assert_true(rejoin_is_connected(peer.handle));
    played_close(&peer);
}

static void say_garbage(struct played *peer)
{
    played_say_bytes(peer, "GET / HTTP/1.1", 14);
}

static void say_broken_protobuf(struct played *peer)
{
    played_say_bytes(peer, "RJ\1\0\x1a\xff", 6);
}

static void say_two_probes(struct played *peer)
{
    played_say_bytes(peer, "", 0); /* as at each connect */
    played_say_bytes(peer, "", 0); /* the transport was replaced */
}

static void lose_a_batch(struct played *peer)
{
    Rejoin__Ping ping = REJOIN__PING__INIT;
    played_say_numbered(peer, REJOIN__ITEM__KIND_PING, &ping, 1);
    played_say_numbered(peer, REJOIN__ITEM__KIND_PING, &ping, 3);
}

static void a_peer_that_talks_garbage_is_left(void **state)
{
    (void)state;
    expect_fresh_stream(say_garbage);
    expect_fresh_stream(say_broken_protobuf);
}

static void a_second_probe_opens_a_fresh_stream(void **state)
{
    (void)state;
    expect_fresh_stream(say_two_probes);
}

static void a_lost_batch_opens_a_fresh_stream(void **state)
{
    (void)state;
    expect_fresh_stream(lose_a_batch);
}

static void silence_for_a_lease_opens_a_fresh_stream(void **state)
{
    (void)state;
    struct played peer;
    char id[64];
    played_open(&peer);
    peer.lease_ms = 120;
    played_greet(&peer, id);
    played_hear_kind(&peer, REJOIN__ITEM__KIND_PING); /* it asks first */
    played_greet(&peer, id);
    played_close(&peer);
}

static void a_ping_is_answered_with_its_nonce(void **state)
{
    (void)state;
    struct played peer;
    char id[64];
    played_open(&peer);
    played_greet(&peer, id);
    Rejoin__Ping ping = REJOIN__PING__INIT;
    ping.nonce = 77;
    played_say(&peer, REJOIN__ITEM__KIND_PING, &ping);
    assert_int_equal(played_hear_kind(&peer, REJOIN__ITEM__KIND_PONG)->pong->nonce, 77);
    played_close(&peer);
}

static void what_no_frame_can_hold_is_too_large(void **state)
{
    (void)state;
    struct played peer;
    struct ends ends = {0};
    struct heard heard;
    char id[64], large[3000];
    memset(large, '1', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    played_open(&peer);
    peer.max_frame_bytes = 2000;
    publish(&peer, large, false, &ends);
    publish(&peer, "2", false, &ends);
    played_greet(&peer, id);
    hear_publishes(&peer, &heard);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.data[0], '2');
    assert_int_equal(ends.count, 1);
    assert_int_equal(ends.status, REJOIN_TOO_LARGE);
    played_close(&peer);
}

struct taken {
    unsigned messages, starts, gaps, ends;
    enum rejoin_status status;
    char last_offset[REJOIN_OFFSET_SIZE], last_data[16];
    struct rejoin_tail *stop_in_callback;
};

static void on_message(void *arg, const struct rejoin_message *message)
{
    struct taken *taken = arg;
    taken->messages++;
    snprintf(taken->last_offset, sizeof taken->last_offset, "%s", message->offset);
    snprintf(taken->last_data, sizeof taken->last_data, "%s", message->data);
    if (taken->stop_in_callback)
        rejoin_tail_stop(&taken->stop_in_callback);
}

static void on_state(void *arg, enum rejoin_tail_state state, enum rejoin_status status, const char *offset)
{
    struct taken *taken = arg;
    (void)offset;
    taken->starts += state == REJOIN_TAIL_STARTED;
    taken->gaps += state == REJOIN_TAIL_GAP;
    taken->ends += state == REJOIN_TAIL_ENDED;
    taken->status = status;
}

static struct rejoin_tail *tail(struct played *peer, struct taken *taken, uint32_t window)
{
    struct rejoin_tail_options options = {
        .room = "lobby", .window = window, .on_message = on_message, .on_state = on_state, .arg = taken};
    struct rejoin_tail *tail = NULL;
    assert_int_equal(rejoin_tail(peer->handle, &options, &tail), REJOIN_OK);
    return tail;
}

/* Hears a Tail command from `offset` on and answers it; returns its id. */
static uint64_t begin_tail(struct played *peer, const char *offset, const char *from, bool gap)
{
    const Rejoin__Command *command = played_hear_kind(peer, REJOIN__ITEM__KIND_COMMAND)->command;
    assert_int_equal(command->kind_case, REJOIN__COMMAND__KIND_TAIL);
    assert_string_equal(command->tail->room, "lobby");
    assert_string_equal(command->tail->offset, offset);
    uint64_t id = command->id;
    Rejoin__Tailing tailing = REJOIN__TAILING__INIT;
    tailing.offset = (char *)(uintptr_t)from;
    tailing.gap = gap;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    reply.id = id;
    reply.result_case = REJOIN__REPLY__RESULT_TAILING;
    reply.tailing = &tailing;
    played_say(peer, REJOIN__ITEM__KIND_REPLY, &reply);
    return id;
}

static void say_message(struct played *peer, uint64_t tail, uint64_t pos, const char *data)
{
    Rejoin__Target target = REJOIN__TARGET__INIT, *targets[] = {&target};
    target.name = (char *)(uintptr_t) "lobby";
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    message.n_targets = 1;
    message.targets = targets;
    message.data = (ProtobufCBinaryData){strlen(data), (uint8_t *)(uintptr_t)data};
    Rejoin__Deliver deliver = REJOIN__DELIVER__INIT;
    deliver.pos = pos;
    deliver.n_seqs = 1;
    deliver.seqs = &pos;
    deliver.message = &message;
    deliver.client = tail;
    played_say(peer, REJOIN__ITEM__KIND_DELIVER, &deliver);
}

static void a_tail_goes_on_after_the_message_taken_last(void **state)
{
    (void)state;
    struct played peer;
    struct taken taken = {0};
    char id[64], offset[RJ_OFFSET_MAX + 1];
    played_open(&peer);
    struct rejoin_tail *following = tail(&peer, &taken, 0);
    played_greet(&peer, id);
    uint64_t on = begin_tail(&peer, "", "14.9", false);
    played_run_until(&peer, &taken.starts, 1);
    say_two_probes(&peer);
    played_greet(&peer, id);
    on = begin_tail(&peer, "14.9", "14.9", false); /* "from now on" was then, not now */
    say_message(&peer, on, 11, "\"a\"");
    say_message(&peer, on + 1000, 12, "\"of another tail\"");
    say_message(&peer, on, 13, "\"b\"");
    played_run_until(&peer, &taken.messages, 2);
    assert_string_equal(taken.last_data, "\"b\"");
    rj_offset_format((struct rj_offset){EPOCH, 13}, offset);
    assert_string_equal(taken.last_offset, offset);
    say_two_probes(&peer);
    played_greet(&peer, id);
    begin_tail(&peer, offset, "zz.1", true);
    played_run_until(&peer, &taken.gaps, 1);
    assert_int_equal(taken.starts, 2);
    assert_int_equal(taken.messages, 2);
    rejoin_tail_stop(&following);
    played_close(&peer);
}

static void a_tail_gives_credit_back_for_what_was_taken(void **state)
{
    (void)state;
    struct played peer;
    struct taken taken = {0};
    char id[64];
    played_open(&peer);
    tail(&peer, &taken, 4);
    played_greet(&peer, id);
    uint64_t on = begin_tail(&peer, "", "14.9", false);
    say_message(&peer, on, 11, "1");
    say_message(&peer, on, 12, "2");
    const Rejoin__Credit *credit = played_hear_kind(&peer, REJOIN__ITEM__KIND_CREDIT)->credit;
    assert_int_equal(credit->tail, on);
    assert_int_equal(credit->more, 2);
    played_close(&peer);
}

static void a_tail_stopped_in_its_callback_is_silent(void **state)
{
    (void)state;
    struct played peer;
    struct taken taken = {0};
    char id[64];
    played_open(&peer);
    taken.stop_in_callback = tail(&peer, &taken, 0);
    played_greet(&peer, id);
    uint64_t on = begin_tail(&peer, "", "14.9", false);
    say_message(&peer, on, 11, "1");
    say_message(&peer, on, 12, "2");
    const Rejoin__Command *command = played_hear_kind(&peer, REJOIN__ITEM__KIND_COMMAND)->command;
    assert_int_equal(command->kind_case, REJOIN__COMMAND__KIND_UNTAIL);
    assert_int_equal(command->untail->tail, on);
    assert_int_equal(taken.messages, 1);
    played_close(&peer);
}

static void a_tail_that_is_refused_ends(void **state)
{
    (void)state;
    struct played peer;
    struct taken taken = {0};
    char id[64];
    played_open(&peer);
    struct rejoin_tail *refused = tail(&peer, &taken, 0);
    played_greet(&peer, id);
    uint64_t on = played_hear_kind(&peer, REJOIN__ITEM__KIND_COMMAND)->command->id;
    Rejoin__Error error = REJOIN__ERROR__INIT;
    error.code = (char *)(uintptr_t) "bad_name";
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    reply.id = on;
    reply.error = &error;
    played_say(&peer, REJOIN__ITEM__KIND_REPLY, &reply);
    played_run_until(&peer, &taken.ends, 1);
    assert_int_equal(taken.status, REJOIN_BAD_NAME);
    rejoin_tail_stop(&refused);
    played_close(&peer);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_version_error_is_final),
    cmocka_unit_test(a_frame_of_another_version_is_final),
    cmocka_unit_test(a_refused_name_is_final_and_overload_is_not),
    cmocka_unit_test(what_is_unanswered_is_repeated_in_order_under_its_ids),
    cmocka_unit_test(a_volatile_message_is_not_repeated),
    cmocka_unit_test(a_peer_that_talks_garbage_is_left),
    cmocka_unit_test(a_second_probe_opens_a_fresh_stream),
    cmocka_unit_test(a_lost_batch_opens_a_fresh_stream),
    cmocka_unit_test(silence_for_a_lease_opens_a_fresh_stream),
    cmocka_unit_test(a_ping_is_answered_with_its_nonce),
    cmocka_unit_test(what_no_frame_can_hold_is_too_large),
    cmocka_unit_test(a_tail_goes_on_after_the_message_taken_last),
    cmocka_unit_test(a_tail_gives_credit_back_for_what_was_taken),
    cmocka_unit_test(a_tail_stopped_in_its_callback_is_silent),
    cmocka_unit_test(a_tail_that_is_refused_ends),
};

RJ_TEST_MAIN(tests)
