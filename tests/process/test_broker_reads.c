/* Read cursors on a real broker: what users have read, what is unread, and who is told. */
#include <string.h>

#include "tests/process/sockets_support.h"

static Rejoin__Reply *ask(struct rj_test_peer *peer, uint64_t client, Rejoin__Command *command)
{
    Rejoin__Reply *reply = rj_test_peer_reply(peer, rj_test_peer_command(peer, client, command));
    assert_non_null(reply);
    return reply;
}

/* `seq` UINT64_MAX: all. From a backend (client 0) as ann. */
static uint64_t say_read(struct rj_test_peer *peer, uint64_t client, const char *room, uint64_t seq,
                         bool forget)
{
    Rejoin__Read read = REJOIN__READ__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    if (!client) {
        read.namespace_ = "/";
        read.user = "ann";
    }
    read.room = (char *)(uintptr_t)room;
    read.all = seq == UINT64_MAX;
    read.seq = read.all ? 0 : seq;
    read.forget = forget;
    command.kind_case = REJOIN__COMMAND__KIND_READ;
    command.read = &read;
    return rj_test_peer_command(peer, client, &command);
}

static Rejoin__Reply *read_to(struct rj_test_peer *peer, uint64_t client, const char *room, uint64_t seq)
{
    Rejoin__Reply *reply = rj_test_peer_reply(peer, say_read(peer, client, room, seq, false));
    assert_non_null(reply);
    return reply;
}

static void assert_read(const Rejoin__Reply *reply, uint64_t seq, uint64_t unread)
{
    assert_non_null(reply);
    assert_null(reply->error);
    assert_int_equal(reply->result_case, REJOIN__REPLY__RESULT_READ);
    assert_int_equal(reply->read->seq, seq);
    assert_int_equal(reply->read->unread, unread);
}

static Rejoin__Reply *ask_unread(struct rj_test_peer *peer, uint64_t client, const char *user)
{
    Rejoin__Unread unread = REJOIN__UNREAD__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    if (!client) {
        unread.namespace_ = "/";
        unread.user = (char *)(uintptr_t)user;
    }
    command.kind_case = REJOIN__COMMAND__KIND_UNREAD;
    command.unread = &unread;
    return ask(peer, client, &command);
}

static const Rejoin__UnreadList *unread_of(struct rj_test_peer *peer, uint64_t client, const char *user)
{
    const Rejoin__Reply *reply = ask_unread(peer, client, user);
    assert_null(reply->error);
    assert_int_equal(reply->result_case, REJOIN__REPLY__RESULT_UNREAD);
    return reply->unread;
}

static const Rejoin__UnreadList__Room *room_in(const Rejoin__UnreadList *list, const char *name)
{
    for (size_t i = 0; i < list->n_rooms; i++)
        if (strcmp(list->rooms[i]->name, name) == 0)
            return list->rooms[i];
    return NULL;
}

static void assert_room(const Rejoin__UnreadList *list, const char *name, uint64_t unread, uint64_t seq)
{
    const Rejoin__UnreadList__Room *room = room_in(list, name);
    assert_non_null(room);
    assert_int_equal(room->unread, unread);
    assert_int_equal(room->seq, seq);
}

static void publish(struct world *world, const char *room, unsigned n)
{
    char target[64];
    snprintf(target, sizeof target, "room:%s", room);
    for (unsigned i = 0; i < n; i++)
        assert_null(emit_to(&world->backend, target, "1")->error);
}

/* The next volatile Deliver that is a receipt; NULL when none comes within `ms`. */
static const Rejoin__Deliver *receipt(struct rj_test_peer *gateway, unsigned ms)
{
    const Rejoin__Deliver *deliver;
    while ((deliver = rj_test_peer_deliver(gateway, 0, ms)))
        if (strcmp(deliver->message->event, "room:read") == 0)
            return deliver;
    return NULL;
}

static void assert_receipt(const Rejoin__Deliver *deliver, const char *args)
{
    assert_non_null(deliver);
    assert_int_equal(deliver->pos, 0);
    assert_true(deliver->message->plain && deliver->message->volatile_);
    assert_int_equal(deliver->message->data.len, strlen(args));
    assert_memory_equal(deliver->message->data.data, args, strlen(args));
}

/* ------------------------------------------------------------------------------------------ the cursor */

static void a_cursor_never_goes_back_and_never_past_the_head(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    come(&world.gateway, 1, "ann", NULL);
    join(&world.gateway, 1, "tea");
    assert_read(read_to(&world.gateway, 1, "tea", UINT64_MAX), 0, 0);
    publish(&world, "tea", 5);
    assert_read(read_to(&world.gateway, 1, "tea", 3), 3, 2);
    assert_read(read_to(&world.gateway, 1, "tea", 1), 3, 2);
    assert_read(read_to(&world.gateway, 1, "tea", 0), 3, 2);
    assert_read(read_to(&world.gateway, 1, "tea", 1000), 5, 0);
    publish(&world, "tea", 2);
    assert_room(unread_of(&world.gateway, 1, NULL), "tea", 2, 5);
    assert_read(read_to(&world.gateway, 1, "tea", UINT64_MAX), 7, 0);
    close_world(&world);
}

static void devices_of_a_user_share_a_cursor_and_others_do_not(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    come(&world.gateway, 1, "ann", NULL);
    come(&world.other, 1, "ann", NULL);
    come(&world.other, 2, "bob", NULL);
    join(&world.gateway, 1, "tea");
    join(&world.other, 2, "tea");
    publish(&world, "tea", 4);
    assert_read(read_to(&world.gateway, 1, "tea", 3), 3, 1);
    /* Her second device is in no room, but she is. */
    const Rejoin__UnreadList *list = unread_of(&world.other, 1, NULL);
    assert_int_equal(list->n_rooms, 1);
    assert_room(list, "tea", 1, 3);
    assert_room(unread_of(&world.other, 2, NULL), "tea", 4, 0);
    assert_read(read_to(&world.backend, 0, "tea", UINT64_MAX), 4, 0);
    assert_room(unread_of(&world.backend, 0, "ann"), "tea", 0, 4);
    close_world(&world);
}

static void unread_lists_the_rooms_of_cursors_and_of_memberships_once(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    come(&world.gateway, 1, "ann", NULL);
    come(&world.other, 1, "ann", NULL);
    const char *rooms[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++)
        publish(&world, rooms[i], (unsigned)i + 1);
    join(&world.gateway, 1, "c");
    join(&world.gateway, 1, "a");
    join(&world.other, 1, "b");
    join(&world.other, 1, "c");
    assert_read(read_to(&world.gateway, 1, "a", 1), 1, 0);
    rj_test_leave(&world.gateway, 1, "a"); /* the cursor stays */
    const Rejoin__UnreadList *list = unread_of(&world.gateway, 1, NULL);
    assert_int_equal(list->n_rooms, 3);
    assert_false(list->more);
    assert_room(list, "a", 0, 1);
    assert_room(list, "b", 2, 0);
    assert_room(list, "c", 3, 0);
    /* Until it is forgotten. */
    Rejoin__Reply *reply = rj_test_peer_reply(&world.gateway, say_read(&world.gateway, 1, "a", 0, true));
    assert_read(reply, 0, 1);
    assert_null(room_in(unread_of(&world.gateway, 1, NULL), "a"));
    assert_int_equal(unread_of(&world.backend, 0, "nobody")->n_rooms, 0);
    close_world(&world);
}

static void what_was_trimmed_is_not_unread(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){"--retention-rules", "tea count=3", NULL});
    come(&world.gateway, 1, "ann", NULL);
    join(&world.gateway, 1, "tea");
    publish(&world, "tea", 2);
    assert_read(read_to(&world.gateway, 1, "tea", 1), 1, 1);
    publish(&world, "tea", 8);
    /* 8, 9 and 10 are kept. The floor is raised with the commits, so the answer may have to be asked again.
     */
    uint64_t unread = UINT64_MAX;
    for (int i = 0; i < 1000 && unread != 3; i++)
        unread = unread_of(&world.gateway, 1, NULL)->rooms[0]->unread;
    assert_int_equal(unread, 3);
    assert_read(read_to(&world.gateway, 1, "tea", 2), 2, 3);
    assert_read(read_to(&world.gateway, 1, "tea", 9), 9, 1);
    close_world(&world);
}

static void a_read_that_was_answered_survives_a_kill(void **state)
{
    (void)state;
    enum { ROOMS = 40 };
    struct world world;
    char room[16];
    open_world(&world, NULL);
    struct who ann = come(&world.gateway, 1, "ann", NULL);
    for (unsigned i = 0; i < ROOMS; i++) {
        snprintf(room, sizeof room, "r%u", i);
        join(&world.gateway, 1, room);
        publish(&world, room, 2);
    }
    uint64_t last = 0;
    for (unsigned i = 0; i < ROOMS; i++) {
        snprintf(room, sizeof room, "r%u", i);
        last = say_read(&world.gateway, 1, room, 1 + i % 2, false);
    }
    assert_read(rj_test_peer_reply(&world.gateway, last), 2, 0);
    rj_test_broker_kill(&world.broker);
    rj_test_peer_close(&world.gateway);
    rj_test_peer_close(&world.other);
    rj_test_peer_close(&world.backend);
    rj_test_broker_restart(&world.broker, NULL);
    open_gateway(&world.broker, &world.gateway, "gateway-a");
    open_gateway(&world.broker, &world.other, "gateway-b");
    open_backend(&world.broker, &world.backend, "backend-1");
    /* Also while nobody is here, whose rooms the broker would know. */
    for (int i = 0; i < 3; i++) {
        const Rejoin__UnreadList *list =
            i < 2 ? unread_of(&world.backend, 0, "ann") : unread_of(&world.gateway, 1, NULL);
        assert_int_equal(list->n_rooms, ROOMS);
        for (unsigned r = 0; r < ROOMS; r++) {
            snprintf(room, sizeof room, "r%u", r);
            assert_room(list, room, 1 - r % 2, 1 + r % 2);
        }
        come(&world.gateway, 1, "ann", ann.pid);
    }
    close_world(&world);
}

/* ------------------------------------------------------------------------------------------ refusals */

static void what_cannot_be_read_is_refused(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){"--read-cursors", "2", NULL});
    come(&world.gateway, 1, NULL, NULL);
    come(&world.gateway, 2, "ann", NULL);
    join(&world.gateway, 1, "tea");
    assert_true(rj_test_failed_with(read_to(&world.gateway, 1, "tea", 1), "no_user"));
    assert_true(rj_test_failed_with(ask_unread(&world.gateway, 1, NULL), "no_user"));
    assert_true(rj_test_failed_with(read_to(&world.gateway, 2, "tea", 1), "not_joined"));
    assert_true(rj_test_failed_with(read_to(&world.gateway, 2, "", 1), "bad_name"));
    assert_true(rj_test_failed_with(read_to(&world.backend, 0, "nowhere", 1), "not_found"));
    assert_true(rj_test_failed_with(ask_unread(&world.backend, 0, ""), "bad_name"));
    const char *rooms[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        join(&world.gateway, 2, rooms[i]);
        publish(&world, rooms[i], 2);
        Rejoin__Reply *reply = read_to(&world.gateway, 2, rooms[i], 1);
        if (i < 2)
            assert_read(reply, 1, 1);
        else
            assert_true(rj_test_failed_with(reply, "too_many"));
    }
    assert_read(read_to(&world.gateway, 2, "a", 2), 2, 0);
    close_world(&world);
}

/* ------------------------------------------------------------------------------------------ receipts */

static void members_get_receipts_and_of_many_only_the_newest(void **state)
{
    (void)state;
    enum { READS = 50 };
    struct world world;
    open_world(&world, (const char *[]){"--receipt-interval", "300", NULL});
    come(&world.gateway, 1, "ann", NULL);
    come(&world.other, 1, "bob", NULL);
    join(&world.gateway, 1, "tea");
    join(&world.other, 1, "tea");
    publish(&world, "tea", READS);
    uint64_t last = 0;
    for (uint64_t seq = 1; seq <= READS; seq++)
        last = say_read(&world.gateway, 1, "tea", seq, false);
    assert_read(rj_test_peer_reply(&world.gateway, last), READS, 0);
    assert_receipt(receipt(&world.other, RJ_TEST_DEADLINE_MS),
                   "[{\"room\":\"tea\",\"user\":\"ann\",\"seq\":1}]");
    /* What came within the interval is told as one. On a busy machine the reads may take several. */
    char wanted[64];
    unsigned n = 1;
    const Rejoin__Deliver *deliver;
    snprintf(wanted, sizeof wanted, "[{\"room\":\"tea\",\"user\":\"ann\",\"seq\":%d}]", READS);
    do {
        deliver = receipt(&world.other, RJ_TEST_DEADLINE_MS);
        assert_non_null(deliver);
        n++;
    } while (deliver->message->data.len != strlen(wanted) ||
             memcmp(deliver->message->data.data, wanted, strlen(wanted)) != 0);
    assert_true(rj_test_peer_metric(&world.other, "rejoin_broker_read_receipts_total") == n);
    assert_true(rj_test_peer_metric(&world.other, "rejoin_broker_read_receipts_merged_total") == READS - 1);
    assert_true(n < READS / 2);
    /* A read that changes nothing is none to tell. */
    assert_read(read_to(&world.gateway, 1, "tea", 1), READS, 0);
    assert_true(rj_test_peer_metric(&world.other, "rejoin_broker_read_receipts_merged_total") == READS - 1);
    close_world(&world);
}

static void rooms_that_are_large_or_not_meant_get_no_receipts(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){"--receipt-rooms", "chat-*", "--receipt-members", "2", NULL});
    const char *users[] = {"ann", "bob", "cat"};
    for (uint64_t i = 0; i < 3; i++) {
        come(&world.gateway, i + 1, users[i], NULL);
        join(&world.gateway, i + 1, "chat-all");
    }
    for (uint64_t i = 0; i < 2; i++) {
        join(&world.gateway, i + 1, "tea");
        join(&world.gateway, i + 1, "chat-two");
    }
    publish(&world, "chat-all", 1);
    publish(&world, "tea", 1);
    publish(&world, "chat-two", 1);
    assert_read(read_to(&world.gateway, 1, "chat-all", 1), 1, 0);
    assert_read(read_to(&world.gateway, 1, "tea", 1), 1, 0);
    assert_read(read_to(&world.gateway, 1, "chat-two", 1), 1, 0);
    assert_receipt(receipt(&world.gateway, RJ_TEST_DEADLINE_MS),
                   "[{\"room\":\"chat-two\",\"user\":\"ann\",\"seq\":1}]");
    assert_true(rj_test_peer_metric(&world.gateway, "rejoin_broker_read_receipts_total") == 1);
    close_world(&world);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_cursor_never_goes_back_and_never_past_the_head),
    cmocka_unit_test(devices_of_a_user_share_a_cursor_and_others_do_not),
    cmocka_unit_test(unread_lists_the_rooms_of_cursors_and_of_memberships_once),
    cmocka_unit_test(what_was_trimmed_is_not_unread),
    cmocka_unit_test(a_read_that_was_answered_survives_a_kill),
    cmocka_unit_test(what_cannot_be_read_is_refused),
    cmocka_unit_test(members_get_receipts_and_of_many_only_the_newest),
    cmocka_unit_test(rooms_that_are_large_or_not_meant_get_no_receipts),
};

RJ_TEST_MAIN(tests)
