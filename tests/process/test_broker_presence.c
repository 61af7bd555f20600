/* Presence on a real broker, with gateways that the test plays. */
#include "tests/process/presence_support.h"

#include <string.h>

/* A lease that a loaded machine keeps, and a grace that a test can wait for. */
#define SETTINGS    "--presence-rules", "told*", "--presence-grace", "400"
#define SHORT_LEASE "--lease", "4000", "--ping", "200"

static void open_told(struct world *world)
{
    open_world(world, (const char *[]){SETTINGS, NULL});
}

/* Client `client` of the gateway comes as `user` and joins the room. */
static struct who come_in(struct rj_test_peer *gateway, uint64_t client, const char *user, const char *room)
{
    struct who who = come(gateway, client, user, NULL);
    join(gateway, client, room);
    return who;
}

static void drop(struct rj_test_peer *gateway, uint64_t client)
{
    Rejoin__Reply *reply = rj_test_disconnect(gateway, client, false);
    assert_true(reply && !reply->error);
}

/* ------------------------------------------------------------------------------------------ users */

static void tabs_and_devices_are_one_user(void **state)
{
    (void)state;
    struct world world;
    open_told(&world);
    come_in(&world.gateway, 1, "ann", "told");
    assert_told(&world.gateway, "told", "ann", "join", 1);
    come_in(&world.gateway, 2, "ann", "told");
    come_in(&world.other, 1, "ann", "told");
    come_in(&world.other, 2, "bob", "told");
    assert_told(&world.gateway, "told", "bob", "join", 1);
    assert_told(&world.other, "told", "bob", "join", 1);
    assert_list(&world.gateway, 1, "told", "ann:3 bob:1");
    assert_true(rj_test_disconnect(&world.gateway, 1, true) != NULL);
    assert_list(&world.other, 2, "told", "ann:2 bob:1");
    assert_true(rj_test_disconnect(&world.gateway, 2, true) != NULL);
    assert_true(rj_test_disconnect(&world.other, 1, true) != NULL);
    assert_told(&world.other, "told", "ann", "leave", 0);
    assert_list(&world.other, 2, "told", "bob:1");
    close_world(&world);
}

static void a_room_without_a_rule_answers_and_tells_nothing(void **state)
{
    (void)state;
    struct world world;
    open_told(&world);
    come_in(&world.gateway, 1, "ann", "tea");
    come_in(&world.other, 1, "bob", "tea");
    assert_list(&world.gateway, 1, "tea", "ann:1 bob:1");
    drop(&world.other, 1);
    assert_list(&world.gateway, 1, "tea", "ann:1");
    join(&world.gateway, 1, "told"); /* what is told comes after all that would have been */
    assert_told(&world.gateway, "told", "ann", "join", 1);
    assert_nothing(&world.gateway, 0);
    close_world(&world);
}

static void sockets_without_a_user_are_counted_only(void **state)
{
    (void)state;
    struct world world;
    open_told(&world);
    come_in(&world.gateway, 1, NULL, "told");
    come_in(&world.gateway, 2, NULL, "told");
    come_in(&world.gateway, 3, "ann", "told");
    assert_told(&world.gateway, "told", "ann", "join", 1);
    const Rejoin__PresenceList *list = ask_presence(&world.gateway, 1, "told", NULL, 0)->presence;
    assert_int_equal(list->count, 1);
    assert_int_equal(list->sockets, 3);
    assert_int_equal(list->anonymous, 2);
    drop(&world.gateway, 1);
    drop(&world.gateway, 3);
    assert_told(&world.gateway, "told", "ann", "leave", 0);
    list = ask_presence(&world.gateway, 2, "told", NULL, 0)->presence;
    assert_int_equal(list->count, 0);
    assert_int_equal(list->sockets, 1);
    close_world(&world);
}

static void a_room_of_nobody_with_a_name_keeps_no_roster(void **state)
{
    (void)state;
    struct world world;
    open_told(&world);
    come_in(&world.gateway, 1, NULL, "told");
    const Rejoin__PresenceList *list = ask_presence(&world.gateway, 1, "told", NULL, 0)->presence;
    assert_int_equal(list->count, 0);
    assert_int_equal(list->anonymous, 1);
    assert_true(rj_test_peer_metric(&world.gateway, "rejoin_broker_presence_rosters") == 0);
    come_in(&world.gateway, 2, "ann", "told");
    assert_told(&world.gateway, "told", "ann", "join", 1);
    assert_list(&world.gateway, 1, "told", "ann:1");
    assert_true(rj_test_leave(&world.gateway, 2, "told") != NULL);
    assert_told(&world.gateway, "told", "ann", "leave", 0);
    assert_true(rj_test_peer_metric(&world.gateway, "rejoin_broker_presence_rosters") == 0);
    close_world(&world);
}

static void who_leaves_the_room_has_left_at_once(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){"--presence-rules", "told*", "--presence-grace", "3600000", NULL});
    come_in(&world.gateway, 1, "ann", "told");
    come_in(&world.gateway, 2, "bob", "told");
    assert_told(&world.gateway, "told", "ann", "join", 1);
    assert_told(&world.gateway, "told", "bob", "join", 1);
    assert_true(rj_test_leave(&world.gateway, 1, "told") != NULL);
    assert_told(&world.gateway, "told", "ann", "leave", 0);
    /* From outside, too. */
    affected(join_sockets(&world.backend, &(struct meant){.users = LIST("ann")}, LIST("told")));
    assert_told(&world.gateway, "told", "ann", "join", 1);
    affected(disconnect_sockets(&world.backend, &(struct meant){.users = LIST("ann")}, false));
    assert_told(&world.gateway, "told", "ann", "leave", 0);
    close_world(&world);
}

/* ------------------------------------------------------------------------------------------ drops */

static void a_short_drop_is_not_told_wherever_the_user_comes_back(void **state)
{
    (void)state;
    struct world world;
    open_told(&world);
    struct who ann = come_in(&world.gateway, 1, "ann", "told");
    come_in(&world.gateway, 2, "bob", "told");
    come_in(&world.gateway, 3, "cat", "told");
    assert_told(&world.gateway, "told", "ann", "join", 1);
    assert_told(&world.gateway, "told", "bob", "join", 1);
    assert_told(&world.gateway, "told", "cat", "join", 1);
    const uint64_t since = ask_presence(&world.backend, 0, "told", NULL, 1)->presence->users[0]->since_ms;
    drop(&world.gateway, 1);
    assert_list(&world.gateway, 3, "told", "ann:0? bob:1 cat:1");
    come(&world.other, 1, "ann", ann.pid);
    assert_list(&world.gateway, 3, "told", "ann:1 bob:1 cat:1");
    assert_true(since == ask_presence(&world.backend, 0, "told", NULL, 1)->presence->users[0]->since_ms);
    drop(&world.gateway, 2);
    assert_told(&world.gateway, "told", "bob", "leave", 0); /* ann's would have come before */
    assert_list(&world.gateway, 3, "told", "ann:1 cat:1");
    close_world(&world);
}

static void a_takeover_is_not_told(void **state)
{
    (void)state;
    struct world world;
    open_told(&world);
    struct who ann = come_in(&world.gateway, 1, "ann", "told");
    come_in(&world.gateway, 2, "bob", "told");
    assert_told(&world.gateway, "told", "ann", "join", 1);
    assert_told(&world.gateway, "told", "bob", "join", 1);
    come(&world.other, 1, "ann", ann.pid);
    assert_list(&world.backend, 0, "told", "ann:1 bob:1");
    drop(&world.gateway, 1); /* late, from the connection that was taken over */
    drop(&world.gateway, 2);
    assert_told(&world.other, "told", "bob", "leave", 0);
    assert_list(&world.backend, 0, "told", "ann:1");
    close_world(&world);
}

/* The grace counts from the gateway's last sign, so it is over with the lease. */
static void users_of_a_dead_gateway_have_left_when_its_lease_ends(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){SETTINGS, SHORT_LEASE, NULL});
    come_in(&world.gateway, 1, "ann", "told");
    assert_told(&world.gateway, "told", "ann", "join", 1);
    struct who roams = come_in(&world.other, 1, "bob", "told");
    come_in(&world.other, 2, "cat", "told");
    assert_told(&world.gateway, "told", "bob", "join", 1);
    assert_told(&world.gateway, "told", "cat", "join", 1);
    world.other.is_mute = true; /* as one that was killed, or stopped */
    char list[512];
    assert_true(rj_eventually(RJ_TEST_DEADLINE_MS,
                              (keep_alive(&world.backend), list_of(&world.gateway, 1, "told", list),
                               strcmp(list, "ann:1 bob:1? cat:1?") == 0)));
    come(&world.gateway, 2, "bob", roams.pid);
    assert_told(&world.gateway, "told", "cat", "leave", 0);
    assert_true(rj_test_peer_metric(&world.gateway, "rejoin_broker_leases_expired_total") >= 1);
    assert_list(&world.gateway, 1, "told", "ann:1 bob:1");
    close_world(&world);
}

/* ------------------------------------------------------------------------------------------ restarts */

static void a_restart_tells_only_of_those_who_are_gone(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){"--presence-rules", "told*", "--presence-grace", "1000", "--lease",
                                        "3000", "--ping", "100", NULL});
    struct who ann = come_in(&world.gateway, 1, "ann", "told");
    come_in(&world.gateway, 2, "bob", "told");
    assert_told(&world.gateway, "told", "ann", "join", 1);
    assert_told(&world.gateway, "told", "bob", "join", 1);
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);
    rj_test_peer_close(&world.gateway);
    rj_test_peer_close(&world.backend);
    open_gateway(&world.broker, &world.gateway, "gateway-a");
    assert_null(attach(&world.gateway, 1, &ann)->error);
    assert_list(&world.gateway, 1, "told", "ann:1 bob:0?");
    come_in(&world.gateway, 3, "cat", "told");
    assert_told(&world.gateway, "told", "cat", "join", 1);
    assert_told(&world.gateway, "told", "bob", "leave", 0);
    assert_list(&world.gateway, 1, "told", "ann:1 cat:1");
    open_backend(&world.broker, &world.backend, "backend-2");
    close_world(&world);
}

static void a_room_that_tells_no_more_forgets_whom_it_told(void **state)
{
    (void)state;
    struct world world;
    const char *const quiet[] = {"--identity", "claimed", NULL};
    open_told(&world);
    struct who ann = come_in(&world.gateway, 1, "ann", "told");
    assert_told(&world.gateway, "told", "ann", "join", 1);
    for (int i = 0; i < 2; i++) {
        rj_test_broker_kill(&world.broker);
        memset(world.broker.args, 0, sizeof world.broker.args);
        memcpy(world.broker.args, quiet, sizeof quiet);
        rj_test_broker_restart(&world.broker, NULL);
    }
    rj_test_peer_close(&world.gateway);
    rj_test_peer_close(&world.backend);
    open_gateway(&world.broker, &world.gateway, "gateway-a");
    open_backend(&world.broker, &world.backend, "backend-2");
    assert_list(&world.backend, 0, "told", "");
    assert_null(attach(&world.gateway, 1, &ann)->error);
    assert_list(&world.backend, 0, "told", "ann:1");
    assert_true(rj_test_peer_metric(&world.backend, "rejoin_broker_presence_joins_total") == 0);
    close_world(&world);
}

/* ------------------------------------------------------------------------------------------ many */

static void a_long_list_comes_in_pages(void **state)
{
    (void)state;
    struct world world;
    char after[16] = "";
    unsigned n = 0;
    bool has_more = true;
    open_told(&world);
    for (unsigned i = 0; i < 25; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%02u", (i * 7) % 25);
        come_in(&world.gateway, 1 + i, user, "tea");
    }
    while (has_more) {
        const Rejoin__PresenceList *page = ask_presence(&world.gateway, 1, "tea", after, 10)->presence;
        assert_int_equal(page->count, 25);
        for (size_t i = 0; i < page->n_users; i++, n++) {
            char user[16];
            snprintf(user, sizeof user, "u%02u", n);
            assert_string_equal(page->users[i]->user, user);
        }
        has_more = page->more;
        if (has_more)
            snprintf(after, sizeof after, "%s", page->users[page->n_users - 1]->user);
    }
    assert_int_equal(n, 25);
    close_world(&world);
}

enum { CROWD = 15000, CROWD_USERS = 5000, STIR = 300 };

static void add_connect(struct rj_test_peer *gateway, unsigned client, bool is_anonymous)
{
    char auth[64] = "";
    Rejoin__Connect connect = REJOIN__CONNECT__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    if (!is_anonymous)
        snprintf(auth, sizeof auth, "{\"user\":\"u%04u\"}", client * 7 % CROWD_USERS);
    connect.namespace_ = "/";
    connect.auth = (ProtobufCBinaryData){strlen(auth), (uint8_t *)auth};
    command.kind_case = REJOIN__COMMAND__KIND_CONNECT;
    command.connect = &connect;
    rj_test_peer_add_command(gateway, client, &command);
}

static void add_disconnect(struct rj_test_peer *gateway, unsigned client)
{
    Rejoin__Disconnect disconnect = REJOIN__DISCONNECT__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_DISCONNECT;
    command.disconnect = &disconnect;
    rj_test_peer_add_command(gateway, client, &command);
}

/* The next presence event: how many users it tells of, of whom `*left` have left. */
static unsigned next_told(struct rj_test_peer *gateway, unsigned *left)
{
    char data[256] = "";
    Rejoin__Deliver *deliver = rj_test_peer_deliver(gateway, 0, RJ_TEST_DEADLINE_MS);
    assert_non_null(deliver);
    memcpy(data, deliver->message->data.data, deliver->message->data.len);
    const char *joined = strstr(data, "\"joined\":"), *gone = strstr(data, "\"left\":");
    if (!joined) {
        *left = strstr(data, "\"state\":\"leave\"") != NULL;
        return 1;
    }
    *left = (unsigned)atoi(gone + strlen("\"left\":"));
    return (unsigned)atoi(joined + strlen("\"joined\":")) + *left;
}

static void a_crowd_is_told_as_a_sum(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){"--presence-rules", "told* burst=3", "--presence-grace", "50", NULL});
    come_in(&world.gateway, 1, "watch", "told");
    assert_told(&world.gateway, "told", "watch", "join", 1);
    for (unsigned i = 0; i < 20; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%02u", i);
        come(&world.other, 1 + i, user, NULL);
    }
    affected(join_sockets(&world.backend, &(struct meant){.except_rooms = LIST("told")}, LIST("told")));
    /* However they fall into seconds: all are told of, in a few events. */
    unsigned told = 0, events = 0, left;
    for (; told < 20; events++)
        told += next_told(&world.gateway, &left);
    assert_int_equal(told, 20);
    assert_true(events <= 6);
    assert_int_equal(ask_presence(&world.backend, 0, "told", NULL, 0)->presence->count, 21);
    close_world(&world);
}

static void a_gateway_that_dies_with_thousands_is_told_in_a_few_events(void **state)
{
    (void)state;
    enum { LOST = 4000, EVENTS_MAX = 12 };
    struct world world;
    open_world(&world, (const char *[]){"--presence-rules", "told* burst=3", "--lease", "3000", "--ping",
                                        "200", NULL});
    come_in(&world.gateway, 1, "watch", "told");
    assert_told(&world.gateway, "told", "watch", "join", 1);
    for (unsigned i = 1; i <= LOST; i++)
        add_connect(&world.other, i, false);
    rj_test_peer_flush(&world.other);
    assert_true(rj_eventually(3 * RJ_TEST_DEADLINE_MS,
                              (keep_alive(&world.gateway), keep_alive(&world.backend),
                               rj_test_peer_metric(&world.other, "rejoin_broker_sockets") == LOST + 1)));
    say_move(&world.backend, &(struct meant){.except_rooms = LIST("told")}, LIST("told"), false);
    wait_for(&world.backend, REJOIN__ITEM__KIND_REPLY,
             (struct rj_test_peer *const[]){&world.gateway, &world.other, NULL});
    unsigned events = 0, told = 0, lost = 0, left;
    for (; told < LOST; events++, keep_alive(&world.backend), keep_alive(&world.other))
        told += next_told(&world.gateway, &left);
    world.other.is_mute = true;
    for (; lost < LOST; events++) {
        next_told(&world.gateway, &left);
        lost += left;
    }
    assert_int_equal(lost, LOST);
    assert_true(events <= EVENTS_MAX);
    assert_int_equal(ask_presence(&world.gateway, 1, "told", NULL, 0)->presence->count, 1);
    close_world(&world);
}

/* Of the clients whose numbers are set: their users by how many sockets they have. */
static void assert_counts(struct rj_test_peer *backend, const bool *is_here)
{
    unsigned sockets[CROWD_USERS] = {0}, n = 0;
    char after[16] = "";
    bool has_more = true;
    for (unsigned i = 1; i < CROWD; i++)
        if (is_here[i] && i % 10)
            sockets[i * 7 % CROWD_USERS]++;
    while (has_more) {
        const Rejoin__PresenceList *page = ask_presence(backend, 0, "tea", after, 1000)->presence;
        for (size_t i = 0; i < page->n_users; i++, n++)
            assert_int_equal(page->users[i]->sockets, sockets[atoi(page->users[i]->user + 1)]);
        has_more = page->more;
        if (has_more)
            snprintf(after, sizeof after, "%s", page->users[page->n_users - 1]->user);
    }
    for (unsigned u = 0; u < CROWD_USERS; u++)
        n -= sockets[u] > 0;
    assert_int_equal(n, 0);
}

/* The first question takes several turns for so many. What follows it in the same frame is handled while the
 * survey is under way. */
static void a_room_is_surveyed_while_it_changes(void **state)
{
    (void)state;
    struct world world;
    bool is_here[CROWD] = {false};
    Rejoin__Presence asked = REJOIN__PRESENCE__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    open_told(&world);
    for (unsigned i = 1; i < CROWD; i++, is_here[i - 1] = true)
        add_connect(&world.gateway, i, i % 10 == 0);
    rj_test_peer_flush(&world.gateway);
    assert_true(rj_eventually(3 * RJ_TEST_DEADLINE_MS,
                              rj_test_peer_metric(&world.gateway, "rejoin_broker_sockets") == CROWD - 1));
    uint64_t moving = say_move(&world.backend, &(struct meant){0}, LIST("tea"), false);
    assert_true(rj_eventually(3 * RJ_TEST_DEADLINE_MS, rj_test_peer_reply(&world.backend, moving) != NULL));
    asked.room = "tea";
    command.kind_case = REJOIN__COMMAND__KIND_PRESENCE;
    command.presence = &asked;
    uint64_t question = rj_test_peer_add_command(&world.gateway, 1, &command);
    for (unsigned i = 0; i < STIR; i++) {
        unsigned goes = 2 + i * 7919 % (CROWD - 2);
        add_disconnect(&world.gateway, goes);
        is_here[goes] = false;
    }
    rj_test_peer_flush(&world.gateway);
    assert_non_null(rj_test_peer_reply(&world.gateway, question));
    assert_counts(&world.backend, is_here);
    close_world(&world);
}

/* ------------------------------------------------------------------------------------------ asking */

static void only_members_may_ask_and_backends(void **state)
{
    (void)state;
    struct world world;
    open_told(&world);
    come_in(&world.gateway, 1, "ann", "tea");
    come(&world.gateway, 2, "bob", NULL);
    assert_true(rj_test_failed_with(ask_presence(&world.gateway, 2, "tea", NULL, 0), "not_joined"));
    assert_true(rj_test_failed_with(ask_presence(&world.gateway, 2, "none", NULL, 0), "not_joined"));
    assert_true(rj_test_failed_with(ask_presence(&world.gateway, 2, "", NULL, 0), "bad_name"));
    assert_list(&world.backend, 0, "tea", "ann:1");
    assert_list(&world.backend, 0, "none", "");
    assert_list(&world.backend, 0, "", "ann:1 bob:1"); /* the namespace */
    come(&world.other, 1, "ann", NULL);
    drop(&world.gateway, 2);
    assert_list(&world.backend, 0, "", "ann:2");
    close_world(&world);
}

static void what_a_backend_shows_of_a_socket_is_listed(void **state)
{
    (void)state;
    struct world world;
    open_told(&world);
    struct who ann = come_in(&world.gateway, 1, "ann", "tea");
    come_in(&world.gateway, 2, "bob", "tea");
    assert_null(set_data(&world.backend, ann.sid, "{\"secret\":1,\"presence\":{\"mood\":\"ok\"}}")->error);
    const Rejoin__PresenceList *list = ask_presence(&world.gateway, 2, "tea", NULL, 0)->presence;
    assert_int_equal(list->n_users, 2);
    assert_int_equal(list->users[0]->data.len, strlen("{\"mood\":\"ok\"}"));
    assert_memory_equal(list->users[0]->data.data, "{\"mood\":\"ok\"}", list->users[0]->data.len);
    assert_int_equal(list->users[1]->data.len, 0);
    close_world(&world);
}

static void a_user_is_known_by_its_sockets_and_when_it_was_seen_last(void **state)
{
    (void)state;
    struct world world;
    open_told(&world);
    assert_int_equal(ask_user(&world.backend, "ann")->last_seen_ms, 0);
    struct who ann = come_in(&world.gateway, 1, "ann", "tea");
    come(&world.other, 1, "ann", NULL);
    const Rejoin__UserPresence *user = ask_user(&world.backend, "ann");
    assert_int_equal(user->sockets_total, 2);
    assert_int_equal(user->n_sockets, 2);
    assert_string_equal(user->sockets[0]->sid, ann.sid);
    assert_string_equal(user->sockets[0]->rooms[0], "tea");
    assert_false(user->reconnecting);
    const uint64_t seen = user->last_seen_ms;
    drop(&world.gateway, 1);
    drop(&world.other, 1);
    user = ask_user(&world.backend, "ann");
    assert_int_equal(user->sockets_total, 0);
    assert_true(user->last_seen_ms >= seen && user->last_seen_ms <= seen + 60000);
    close_world(&world);
}

static double writes_of_seen(struct rj_test_peer *backend)
{
    return rj_test_peer_metric(backend, "rejoin_broker_last_seen_writes_total");
}

static void when_a_user_was_seen_last_outlives_the_broker(void **state)
{
    (void)state;
    struct world world;
    open_told(&world);
    come(&world.gateway, 1, "ann", NULL);
    come(&world.gateway, 2, "bob", NULL);
    drop(&world.gateway, 1);
    const uint64_t left = ask_user(&world.backend, "ann")->last_seen_ms;
    /* What waits is written in its order, so that ann's going does not wait any more when somebody's coming
     * behind it, or a later sign of life, was written. */
    const double before = writes_of_seen(&world.backend);
    come(&world.gateway, 3, "cid", NULL);
    assert_true(rj_eventually(RJ_TEST_DEADLINE_MS, writes_of_seen(&world.backend) > before));
    assert_true(rj_test_join(&world.gateway, 2, "tea") != NULL); /* committed behind them */
    const uint64_t here = ask_user(&world.backend, "bob")->last_seen_ms;
    rj_test_broker_kill(&world.broker);
    rj_test_broker_restart(&world.broker, NULL);
    rj_test_peer_close(&world.backend);
    open_backend(&world.broker, &world.backend, "backend-2");
    assert_int_equal(ask_user(&world.backend, "ann")->last_seen_ms, left);
    const uint64_t seen = ask_user(&world.backend, "bob")->last_seen_ms;
    assert_true(seen + 20000 > here && seen <= here);
    close_world(&world);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(tabs_and_devices_are_one_user),
    cmocka_unit_test(a_room_without_a_rule_answers_and_tells_nothing),
    cmocka_unit_test(sockets_without_a_user_are_counted_only),
    cmocka_unit_test(a_room_of_nobody_with_a_name_keeps_no_roster),
    cmocka_unit_test(who_leaves_the_room_has_left_at_once),
    cmocka_unit_test(a_short_drop_is_not_told_wherever_the_user_comes_back),
    cmocka_unit_test(a_takeover_is_not_told),
    cmocka_unit_test(users_of_a_dead_gateway_have_left_when_its_lease_ends),
    cmocka_unit_test(a_restart_tells_only_of_those_who_are_gone),
    cmocka_unit_test(a_room_that_tells_no_more_forgets_whom_it_told),
    cmocka_unit_test(a_crowd_is_told_as_a_sum),
    cmocka_unit_test(a_gateway_that_dies_with_thousands_is_told_in_a_few_events),
    cmocka_unit_test(a_long_list_comes_in_pages),
    cmocka_unit_test(a_room_is_surveyed_while_it_changes),
    cmocka_unit_test(only_members_may_ask_and_backends),
    cmocka_unit_test(what_a_backend_shows_of_a_socket_is_listed),
    cmocka_unit_test(a_user_is_known_by_its_sockets_and_when_it_was_seen_last),
    cmocka_unit_test(when_a_user_was_seen_last_outlives_the_broker),
};

RJ_TEST_MAIN(tests)
