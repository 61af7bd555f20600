/* What a backend does with sockets that it names by a filter, on a real broker. */
#include "tests/process/sockets_support.h"

static const struct meant everybody = {0};

static void assert_rooms(const Rejoin__Socket *socket, const char *const *rooms)
{
    size_t n = 0;
    assert_non_null(socket);
    for (; rooms[n]; n++) {
        bool is_there = false;
        for (size_t i = 0; i < socket->n_rooms; i++)
            is_there |= strcmp(socket->rooms[i], rooms[n]) == 0;
        assert_true(is_there);
    }
    assert_int_equal(socket->n_rooms, n);
}

/* ------------------------------------------------------------------------------------------ join, leave */

static void sockets_join_from_outside_and_get_what_comes_after(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who ann = come(&world.gateway, 1, "ann", NULL);
    come(&world.gateway, 2, "bob", NULL);
    emit_to(&world.backend, "room:tea", "\"before\"");
    assert_int_equal(
        affected(join_sockets(&world.backend, &(struct meant){.users = LIST("ann")}, LIST("tea", "milk"))),
        1);
    assert_moved(&world.gateway, 1, "tea", false);
    assert_moved(&world.gateway, 1, "milk", false);
    assert_rooms(look_at(&world.backend, ann.sid), LIST("tea", "milk"));
    emit_to(&world.backend, "room:tea", "\"after\"");
    assert_delivered(&world.gateway, 0, "\"after\"");
    assert_int_equal(affected(leave_sockets(&world.backend, &(struct meant){.rooms = LIST("milk", "tea")},
                                            LIST("tea", "none"))),
                     1);
    assert_moved(&world.gateway, 1, "tea", true);
    assert_rooms(look_at(&world.backend, ann.sid), LIST("milk"));
    emit_to(&world.backend, "room:tea", "\"late\"");
    assert_nothing(&world.gateway, 0);
    close_world(&world);
}

/* Moved says from where on, and stands in the stream before what it is about. */
static void a_join_is_told_before_what_it_brings(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    come(&world.gateway, 1, "ann", NULL);
    uint64_t before = emit_to(&world.backend, "room:tea", "1")->published->pos;
    uint64_t command = say_move(&world.backend, &everybody, LIST("tea"), false);
    uint64_t after = emit_to(&world.backend, "room:tea", "2")->published->pos;
    assert_int_equal(affected(rj_test_peer_reply(&world.backend, command)), 1);
    assert_delivered(&world.gateway, 0, "2");
    /* It has come already: what is received is kept in order. */
    Rejoin__Item *item = rj_test_peer_expect(&world.gateway, REJOIN__ITEM__KIND_MOVED, 0);
    assert_non_null(item);
    assert_true(item->moved->since_pos >= before && item->moved->since_pos < after);
    close_world(&world);
}

static void a_join_from_outside_outlives_the_broker_and_a_lost_stream(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who ann = come(&world.gateway, 1, "ann", NULL);
    affected(join_sockets(&world.backend, &everybody, LIST("tea")));
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);
    rj_test_peer_close(&world.gateway);
    open_gateway(&world.broker, &world.gateway, "gateway-a");
    Rejoin__Reply *reply = attach(&world.gateway, 1, &ann);
    assert_null(reply->error);
    assert_int_equal(reply->result_case, REJOIN__REPLY__RESULT_CONNECTED);
    assert_int_equal(reply->connected->n_rooms, 1);
    assert_string_equal(reply->connected->rooms[0]->room, "tea");
    assert_string_equal(reply->connected->sid, ann.sid);
    /* The stream of the moment ends with a new Hello; what was put on it may be lost. */
    rj_test_peer_close(&world.backend);
    open_backend(&world.broker, &world.backend, "backend-2");
    assert_non_null(rj_test_peer_hello_gateway(&world.gateway, "gateway-a", 0, 0));
    affected(join_sockets(&world.backend, &everybody, LIST("milk")));
    affected(leave_sockets(&world.backend, &everybody, LIST("tea")));
    reply = attach(&world.gateway, 1, &ann);
    assert_int_equal(reply->connected->n_rooms, 1);
    assert_string_equal(reply->connected->rooms[0]->room, "milk");
    close_world(&world);
}

static void repeated_commands_change_nothing_more(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    come(&world.gateway, 1, "ann", NULL);
    for (int i = 0; i < 2; i++)
        assert_int_equal(affected(join_sockets(&world.backend, &everybody, LIST("tea", "tea"))), 1);
    assert_moved(&world.gateway, 1, "tea", false);
    for (int i = 0; i < 2; i++)
        assert_int_equal(affected(leave_sockets(&world.backend, &everybody, LIST("tea"))), 1);
    assert_moved(&world.gateway, 1, "tea", true);
    assert_none(&world.gateway, REJOIN__ITEM__KIND_MOVED);
    assert_int_equal(affected(disconnect_sockets(&world.backend, &everybody, false)), 1);
    assert_int_equal(affected(disconnect_sockets(&world.backend, &everybody, false)), 0);
    close_world(&world);
}

static void a_socket_with_all_the_rooms_that_it_may_have_is_left_out(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){"--rooms-per-client", "2", NULL});
    struct who full = come(&world.gateway, 1, "ann", NULL);
    come(&world.gateway, 2, "bob", NULL);
    join(&world.gateway, 1, "a");
    join(&world.gateway, 1, "b");
    assert_int_equal(affected(join_sockets(&world.backend, &everybody, LIST("a", "c"))), 1);
    assert_rooms(look_at(&world.backend, full.sid), LIST("a", "b"));
    assert_int_equal(affected(join_sockets(&world.backend, &everybody, LIST("a"))), 2);
    close_world(&world);
}

/* ------------------------------------------------------------------------------------------ filters */

enum { CROWD = 60, ROOMS = 4, USERS = 5 };

static const char *const room_names[ROOMS] = {"r0", "r1", "r2", "r3"};
static const char *const user_names[USERS] = {"u0", "u1", "u2", "u3", "u4"};

/* A crowd, and what a filter would say of it, asked of nobody. */
struct crowd {
    struct who who[CROWD];
    unsigned user[CROWD];
    bool is_in[CROWD][ROOMS];
};

static void gather(struct world *world, struct crowd *crowd)
{
    *crowd = (struct crowd){0};
    for (unsigned i = 0; i < CROWD; i++) {
        struct rj_test_peer *gateway = rand() % 2 ? &world->gateway : &world->other;
        crowd->user[i] = (unsigned)rand() % USERS;
        crowd->who[i] = come(gateway, i + 1, user_names[crowd->user[i]], NULL);
        for (unsigned room = 0; room < ROOMS; room++) {
            crowd->is_in[i][room] = rand() % 3 == 0;
            if (crowd->is_in[i][room])
                join(gateway, i + 1, room_names[room]);
        }
    }
}

/* Each name with this chance, in percent; the list in `list`, NULL when it is empty. */
static const char *const *choose(const char *const *names, size_t n, int chance, const char **list)
{
    size_t chosen = 0;
    for (size_t i = 0; i < n; i++)
        if (rand() % 100 < chance)
            list[chosen++] = names[i];
    list[chosen] = NULL;
    return chosen ? list : NULL;
}

static bool has(const char *const *list, const char *name)
{
    for (; list && *list; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

static bool is_in_any_of(const struct crowd *crowd, unsigned i, const char *const *rooms)
{
    for (unsigned room = 0; room < ROOMS; room++)
        if (crowd->is_in[i][room] && has(rooms, room_names[room]))
            return true;
    return false;
}

static bool is_meant(const struct crowd *crowd, unsigned i, const struct meant *meant)
{
    return (!meant->rooms || is_in_any_of(crowd, i, meant->rooms)) &&
           (!meant->users || has(meant->users, user_names[crowd->user[i]])) &&
           (!meant->sids || has(meant->sids, crowd->who[i].sid)) &&
           !is_in_any_of(crowd, i, meant->except_rooms) && !has(meant->except_sids, crowd->who[i].sid);
}

/* All pages; in `sids`, how many. */
static size_t list_all(struct rj_test_peer *backend, const struct meant *meant, uint32_t limit,
                       const char *sids[CROWD])
{
    size_t n = 0;
    uint64_t after = 0;
    do {
        Rejoin__Reply *reply = list_page(backend, meant, after, limit);
        assert_null(reply->error);
        for (size_t i = 0; i < reply->sockets->n_sockets; i++) {
            assert_true(n < CROWD);
            sids[n++] = reply->sockets->sockets[i]->sid;
        }
        after = reply->sockets->next;
    } while (after);
    return n;
}

static void a_filter_means_who_meets_all_of_its_parts(void **state)
{
    (void)state;
    struct world world;
    struct crowd crowd;
    const char *sids[CROWD];
    open_world(&world, NULL);
    srand(4711);
    gather(&world, &crowd);
    for (unsigned i = 0; i < CROWD; i++)
        sids[i] = crowd.who[i].sid;
    for (int round = 0; round < 200; round++) {
        const char *lists[5][CROWD + 1], *listed[CROWD];
        struct meant meant = {0};
        if (rand() % 2)
            meant.rooms = choose(room_names, ROOMS, 40, lists[0]);
        if (rand() % 2)
            meant.users = choose(user_names, USERS, 40, lists[1]);
        if (rand() % 4 == 0)
            meant.sids = choose(sids, CROWD, 40, lists[2]);
        if (rand() % 3 == 0)
            meant.except_rooms = choose(room_names, ROOMS, 30, lists[3]);
        if (rand() % 3 == 0)
            meant.except_sids = choose(sids, CROWD, 30, lists[4]);
        size_t n = list_all(&world.backend, &meant, (uint32_t)rand() % 20, listed), expected = 0;
        for (unsigned i = 0; i < CROWD; i++) {
            bool is_listed = false;
            for (size_t j = 0; j < n; j++)
                is_listed |= strcmp(listed[j], crowd.who[i].sid) == 0;
            assert_int_equal(is_listed, is_meant(&crowd, i, &meant));
            expected += is_meant(&crowd, i, &meant);
        }
        assert_int_equal(n, expected);
        assert_int_equal(affected(count_sockets(&world.backend, &meant)), expected);
        keep_alive(&world.gateway);
        keep_alive(&world.other);
    }
    close_world(&world);
}

static void a_filter_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    struct world world;
    static char names[1001][16];
    const char *many[1002] = {0};
    open_world(&world, NULL);
    for (int i = 0; i < 1001; i++) {
        snprintf(names[i], sizeof names[i], "n%d", i);
        many[i] = names[i];
    }
    struct rj_test_peer *backend = &world.backend;
    assert_true(rj_test_failed_with(count_sockets(backend, &(struct meant){.sids = many}), "too_many"));
    assert_true(rj_test_failed_with(count_sockets(backend, &(struct meant){.users = many}), "too_many"));
    assert_true(
        rj_test_failed_with(count_sockets(backend, &(struct meant){.except_rooms = many}), "too_many"));
    assert_true(rj_test_failed_with(join_sockets(backend, &everybody, many), "bad_request"));
    many[1000] = NULL;
    assert_int_equal(affected(count_sockets(backend, &(struct meant){.users = many, .sids = many})), 0);
    many[65] = NULL;
    assert_true(rj_test_failed_with(count_sockets(backend, &(struct meant){.rooms = many}), "too_many"));
    assert_true(
        rj_test_failed_with(count_sockets(backend, &(struct meant){.nsp = "/none"}), "invalid_namespace"));
    assert_true(rj_test_failed_with(count_sockets(backend, &(struct meant){.rooms = LIST("")}), "bad_name"));
    assert_true(rj_test_failed_with(join_sockets(backend, &everybody, LIST("tea", "\xff")), "bad_name"));
    assert_true(rj_test_failed_with(join_sockets(backend, &everybody, NULL), "bad_request"));
    Rejoin__DisconnectSockets asked = REJOIN__DISCONNECT_SOCKETS__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_DISCONNECT_SOCKETS;
    command.disconnect_sockets = &asked;
    assert_true(rj_test_failed_with(rj_test_peer_reply(backend, rj_test_peer_command(backend, 0, &command)),
                                    "bad_request"));
    /* And none of it is a client's to say. */
    come(&world.gateway, 1, NULL, NULL);
    command.id = 0;
    assert_true(rj_test_failed_with(
        rj_test_peer_reply(&world.gateway, rj_test_peer_command(&world.gateway, 1, &command)),
        "bad_request"));
    close_world(&world);
}

/* ------------------------------------------------------------------------------------------ pages */

static void pages_list_who_stays_exactly_once_whoever_comes_and_goes(void **state)
{
    (void)state;
    enum { STAYING = 40 };
    struct world world;
    struct who staying[STAYING];
    unsigned seen[STAYING] = {0};
    open_world(&world, NULL);
    for (unsigned i = 0; i < STAYING; i++) {
        staying[i] = come(&world.gateway, i + 1, NULL, NULL);
        come(&world.gateway, 100 + i, NULL, NULL);
    }
    uint64_t after = 0;
    unsigned page = 0;
    do {
        Rejoin__Reply *reply = list_page(&world.backend, &everybody, after, 3);
        assert_null(reply->error);
        assert_true(reply->sockets->n_sockets <= 3);
        for (size_t i = 0; i < reply->sockets->n_sockets; i++)
            for (unsigned j = 0; j < STAYING; j++)
                seen[j] += strcmp(reply->sockets->sockets[i]->sid, staying[j].sid) == 0;
        after = reply->sockets->next;
        if (page < STAYING) /* one before and one behind the page's end go, one comes */
            assert_null(rj_test_disconnect(&world.gateway, 100 + (page * 7) % STAYING, true)->error);
        if (page++ < STAYING)
            come(&world.other, 1000 + page, NULL, NULL);
    } while (after);
    for (unsigned i = 0; i < STAYING; i++)
        assert_int_equal(seen[i], 1);
    close_world(&world);
}

/* Whoever pages on would miss those that are not back yet. */
static void a_page_does_not_follow_one_from_before_a_restart(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    for (uint64_t client = 1; client <= 3; client++)
        come(&world.gateway, client, NULL, NULL);
    uint64_t after = list_page(&world.backend, &everybody, 0, 1)->sockets->next;
    assert_true(after > 0);
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);
    rj_test_peer_close(&world.gateway);
    rj_test_peer_close(&world.backend);
    open_gateway(&world.broker, &world.gateway, "gateway-c");
    open_backend(&world.broker, &world.backend, "backend-1");
    come(&world.gateway, 1, NULL, NULL);
    come(&world.gateway, 2, NULL, NULL);
    assert_true(rj_test_failed_with(list_page(&world.backend, &everybody, after, 1), "gap"));
    assert_true(rj_test_failed_with(list_page(&world.backend, &everybody, UINT64_MAX, 1), "gap"));
    const Rejoin__Reply *page = list_page(&world.backend, &everybody, 0, 1);
    assert_int_equal(list_page(&world.backend, &everybody, page->sockets->next, 5)->sockets->n_sockets, 1);
    close_world(&world);
}

/* What one page can hold is bounded by bytes too: the frame stays below the limit. */
static void a_page_of_large_sockets_is_cut_and_goes_on(void **state)
{
    (void)state;
    enum { N = 20, BYTES = 60000 };
    struct world world;
    static char json[BYTES + 3];
    open_world(&world, (const char *[]){"--max-frame", "400000", "--max-data", "100000", NULL});
    memset(json, 'x', BYTES + 2);
    json[0] = json[BYTES + 1] = '"';
    for (unsigned i = 0; i < N; i++) {
        struct who who = come(&world.gateway, i + 1, NULL, NULL);
        assert_null(set_data(&world.backend, who.sid, json)->error);
    }
    uint64_t after = 0;
    size_t n = 0;
    do {
        Rejoin__Reply *reply = list_page(&world.backend, &everybody, after, 0);
        assert_null(reply->error);
        assert_true(reply->sockets->n_sockets >= 1 && reply->sockets->n_sockets * BYTES < 200000);
        n += reply->sockets->n_sockets;
        after = reply->sockets->next;
    } while (after);
    assert_int_equal(n, N);
    close_world(&world);
}

static void rooms_are_listed_by_name_with_their_sizes(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    come(&world.gateway, 1, NULL, NULL);
    come(&world.other, 1, NULL, NULL);
    join(&world.gateway, 1, "b");
    join(&world.gateway, 1, "a1");
    join(&world.other, 1, "a1");
    join(&world.other, 1, "a");
    join(&world.other, 1, "\xc3\xa4");
    join(&world.other, 1, "gone");
    assert_null(rj_test_leave(&world.other, 1, "gone")->error);
    Rejoin__RoomList *list = list_rooms(&world.backend, "", 0, "")->rooms;
    static const char *const names[] = {"a", "a1", "b", "\xc3\xa4"};
    assert_int_equal(list->n_rooms, 4);
    assert_false(list->more);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(list->rooms[i]->name, names[i]);
        assert_int_equal(list->rooms[i]->members, i == 1 ? 2 : 1);
    }
    list = list_rooms(&world.backend, "", 2, "")->rooms;
    assert_true(list->n_rooms == 2 && list->more);
    assert_string_equal(list->rooms[1]->name, "a1");
    list = list_rooms(&world.backend, "a1", 2, "")->rooms;
    assert_true(list->n_rooms == 2 && !list->more);
    assert_string_equal(list->rooms[0]->name, "b");
    list = list_rooms(&world.backend, "", 0, "a*")->rooms;
    assert_int_equal(list->n_rooms, 2);
    list = list_rooms(&world.backend, "zz", 0, "a*")->rooms;
    assert_int_equal(list->n_rooms, 0);
    assert_true(rj_test_failed_with(list_rooms(&world.backend, "", 0, "*********"), "bad_name"));
    close_world(&world);
}

/* ------------------------------------------------------------------------------------------ disconnect */

static void disconnected_sockets_are_told_and_cannot_come_back(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who ann = come(&world.gateway, 1, "ann", NULL), bob = come(&world.gateway, 2, "bob", NULL);
    come(&world.gateway, 3, "cy", NULL);
    join(&world.gateway, 1, "tea");
    assert_int_equal(
        affected(disconnect_sockets(&world.backend, &(struct meant){.users = LIST("ann")}, false)), 1);
    Rejoin__Kick *kick = rj_test_peer_kick(&world.gateway, 1);
    assert_int_equal(kick->how, REJOIN__KICK__HOW__NAMESPACE);
    assert_string_equal(kick->reason, "by a backend");
    assert_int_equal(
        affected(disconnect_sockets(&world.backend, &(struct meant){.sids = LIST(bob.sid)}, true)), 1);
    assert_int_equal(rj_test_peer_kick(&world.gateway, 2)->how, REJOIN__KICK__HOW__CLOSE);
    assert_int_equal(affected(count_sockets(&world.backend, &everybody)), 1);
    assert_int_equal(list_rooms(&world.backend, "", 0, "")->rooms->n_rooms, 0);
    assert_true(rj_test_failed_with(set_data(&world.backend, ann.sid, "1"), "not_found"));
    assert_false(come_again(&world.gateway, 4, "ann", ann.pid, NULL)->connected->recovered);
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);
    rj_test_peer_close(&world.gateway);
    open_gateway(&world.broker, &world.gateway, "gateway-a");
    assert_false(come_again(&world.gateway, 1, "bob", bob.pid, NULL)->connected->recovered);
    close_world(&world);
}

/* ------------------------------------------------------------------------------------------ data */

static void assert_data(struct rj_test_peer *backend, const char *sid, const char *json)
{
    Rejoin__Socket *socket = look_at(backend, sid);
    assert_non_null(socket);
    assert_int_equal(socket->data.len, strlen(json));
    assert_memory_equal(socket->data.data, json, strlen(json));
}

static void a_sockets_data_goes_with_its_session(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who ann = come(&world.gateway, 1, "ann", NULL);
    assert_data(&world.backend, ann.sid, "");
    assert_null(set_data(&world.backend, ann.sid, "{\"n\":1}")->error);
    assert_data(&world.backend, ann.sid, "{\"n\":1}");
    assert_null(rj_test_disconnect(&world.gateway, 1, false)->error);
    assert_null(look_at(&world.backend, ann.sid));
    assert_true(come_again(&world.gateway, 2, "ann", ann.pid, NULL)->connected->recovered);
    assert_data(&world.backend, ann.sid, "{\"n\":1}");
    /* Away, it can be set as well. */
    assert_null(rj_test_disconnect(&world.gateway, 2, false)->error);
    assert_null(set_data(&world.backend, ann.sid, "[2]")->error);
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);
    rj_test_peer_close(&world.gateway);
    rj_test_peer_close(&world.backend);
    open_gateway(&world.broker, &world.gateway, "gateway-a");
    open_backend(&world.broker, &world.backend, "backend-2");
    assert_true(come_again(&world.gateway, 1, "ann", ann.pid, NULL)->connected->recovered);
    assert_data(&world.backend, ann.sid, "[2]");
    assert_null(set_data(&world.backend, ann.sid, "")->error);
    assert_data(&world.backend, ann.sid, "");
    assert_null(rj_test_disconnect(&world.gateway, 1, false)->error);
    assert_true(come_again(&world.gateway, 2, "ann", ann.pid, NULL)->connected->recovered);
    assert_data(&world.backend, ann.sid, "");
    close_world(&world);
}

static void assert_introduced(struct rj_test_peer *backend, const char *sid, const char *auth)
{
    Rejoin__Socket *socket = look_at(backend, sid);
    assert_non_null(socket);
    assert_non_null(socket->handshake);
    assert_string_equal(socket->handshake->address, "192.0.2.7");
    assert_int_equal(socket->auth.len, strlen(auth));
    assert_memory_equal(socket->auth.data, auth, strlen(auth));
    assert_true(socket->connected_ms > 1600000000000);
}

static void a_served_sockets_handshake_is_kept_as_long_as_its_session(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    serve(&world.backend, &(struct serve_as){.sockets = true});
    uint64_t command = say_connect(&world.gateway, 1, "/", "", "{\"user\":\"ann\",\"n\":1}");
    Rejoin__Connected *connected = rj_test_peer_reply(&world.gateway, command)->connected;
    struct who ann = {.incarnation = connected->incarnation};
    snprintf(ann.sid, sizeof ann.sid, "%s", connected->sid);
    snprintf(ann.pid, sizeof ann.pid, "%s", connected->pid);
    assert_introduced(&world.backend, ann.sid, "{\"user\":\"ann\",\"n\":1}");
    uint64_t connected_ms = look_at(&world.backend, ann.sid)->connected_ms;
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);
    rj_test_peer_close(&world.gateway);
    rj_test_peer_close(&world.backend);
    open_gateway(&world.broker, &world.gateway, "gateway-a");
    open_backend(&world.broker, &world.backend, "backend-2");
    assert_null(attach(&world.gateway, 1, &ann)->error);
    assert_introduced(&world.backend, ann.sid, "{\"user\":\"ann\",\"n\":1}");
    assert_int_equal(look_at(&world.backend, ann.sid)->connected_ms, connected_ms);
    /* Each CONNECT introduces itself anew. */
    command = say_connect(&world.gateway, 2, "/", ann.pid, "{\"user\":\"ann\"}");
    assert_true(rj_test_peer_reply(&world.gateway, command)->connected->recovered);
    assert_introduced(&world.backend, ann.sid, "{\"user\":\"ann\"}");
    assert_true(look_at(&world.backend, ann.sid)->connected_ms >= connected_ms);
    close_world(&world);
}

static void data_that_is_too_large_or_no_json_is_refused(void **state)
{
    (void)state;
    struct world world;
    static char json[65536 + 2];
    open_world(&world, NULL);
    struct who ann = come(&world.gateway, 1, "ann", NULL);
    memset(json, 'x', 65536);
    json[0] = json[65535] = '"';
    assert_null(set_data(&world.backend, ann.sid, json)->error);
    json[65535] = 'x';
    json[65536] = '"';
    assert_true(rj_test_failed_with(set_data(&world.backend, ann.sid, json), "too_large"));
    assert_true(rj_test_failed_with(set_data(&world.backend, ann.sid, "{\"n\":}"), "bad_request"));
    assert_true(rj_test_failed_with(set_data(&world.backend, "ABCDEFGHIJKLMNOPQRST09", "1"), "not_found"));
    assert_true(rj_test_failed_with(set_data(&world.backend, "", "1"), "not_found"));
    assert_int_equal(look_at(&world.backend, ann.sid)->data.len, 65536);
    close_world(&world);
}

/* ------------------------------------------------------------------------------------------ many */

/* So many that to move them all takes several turns, and a peer that waits for it does not outlive its lease.
 */
#ifdef __SANITIZE_THREAD__
enum { MANY = 3000, BATCH = 500 };
#else
enum { MANY = 12000, BATCH = 500 };
#endif

/* Connects clients 1 to MANY, many in a frame. */
static void come_many(struct rj_test_peer *gateway)
{
    for (uint64_t client = 1; client <= MANY; client += BATCH) {
        uint64_t last = 0;
        for (uint64_t i = 0; i < BATCH; i++) {
            Rejoin__Connect connect = REJOIN__CONNECT__INIT;
            Rejoin__Command command = REJOIN__COMMAND__INIT;
            connect.namespace_ = "/";
            command.kind_case = REJOIN__COMMAND__KIND_CONNECT;
            command.connect = &connect;
            last = rj_test_peer_add_command(gateway, client + i, &command);
        }
        rj_test_peer_flush(gateway);
        assert_non_null(rj_test_peer_reply(gateway, last));
    }
}

static size_t count_items(struct rj_test_peer *peer, Rejoin__Item__KindCase kind)
{
    size_t n = 0;
    for (size_t i = 0; i < peer->n_items; i++)
        n += peer->items[i] && peer->items[i]->kind_case == kind;
    return n;
}

static void live_traffic_goes_on_while_many_sockets_join(void **state)
{
    (void)state;
    struct world world;
    /* The gateway is not listened to while the backend waits, which may take longer than its lease. */
    open_world(&world, (const char *[]){"--lease", "60000", NULL});
    come_many(&world.gateway);
    struct rj_test_peer *backend = &world.backend;
    assert_int_equal(affected(count_sockets(backend, &everybody)), MANY);
    uint64_t command = say_move(backend, &everybody, LIST("a", "b", "c", "d", "e", "f", "g", "h"), false);
    /* Others are answered before all have joined; each of the rest is told. */
    assert_null(emit_to(backend, "user:nobody", "1")->error);
    size_t told = 0;
    for (size_t i = 0; i < backend->n_items; i++)
        told += backend->items[i] && backend->items[i]->kind_case == REJOIN__ITEM__KIND_REPLY &&
                backend->items[i]->reply->id == command;
    assert_int_equal(told, 0);
    assert_int_equal(affected(rj_test_peer_reply(backend, command)), MANY);
    assert_null(emit_to(backend, "room:h", "\"end\"")->error);
    assert_delivered(&world.gateway, 0, "\"end\"");
    assert_int_equal(count_items(&world.gateway, REJOIN__ITEM__KIND_MOVED), 8 * MANY);
    assert_int_equal(list_rooms(backend, "", 0, "")->rooms->rooms[7]->members, MANY);
    const struct meant half = {.rooms = LIST("a"), .except_rooms = LIST("none")};
    assert_int_equal(affected(count_sockets(backend, &half)), MANY);
    assert_int_equal(affected(disconnect_sockets(backend, &half, false)), MANY);
    assert_int_equal(affected(count_sockets(backend, &everybody)), 0);
    assert_int_equal(list_rooms(backend, "", 0, "")->rooms->n_rooms, 0);
    close_world(&world);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(sockets_join_from_outside_and_get_what_comes_after),
    cmocka_unit_test(a_join_is_told_before_what_it_brings),
    cmocka_unit_test(a_join_from_outside_outlives_the_broker_and_a_lost_stream),
    cmocka_unit_test(repeated_commands_change_nothing_more),
    cmocka_unit_test(a_socket_with_all_the_rooms_that_it_may_have_is_left_out),
    cmocka_unit_test(a_filter_means_who_meets_all_of_its_parts),
    cmocka_unit_test(a_filter_that_makes_no_sense_is_refused),
    cmocka_unit_test(pages_list_who_stays_exactly_once_whoever_comes_and_goes),
    cmocka_unit_test(a_page_does_not_follow_one_from_before_a_restart),
    cmocka_unit_test(a_page_of_large_sockets_is_cut_and_goes_on),
    cmocka_unit_test(rooms_are_listed_by_name_with_their_sizes),
    cmocka_unit_test(disconnected_sockets_are_told_and_cannot_come_back),
    cmocka_unit_test(a_sockets_data_goes_with_its_session),
    cmocka_unit_test(a_served_sockets_handshake_is_kept_as_long_as_its_session),
    cmocka_unit_test(data_that_is_too_large_or_no_json_is_refused),
    cmocka_unit_test(live_traffic_goes_on_while_many_sockets_join),
};

RJ_TEST_MAIN(tests)
