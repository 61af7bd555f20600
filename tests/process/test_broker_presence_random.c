/* Presence under random faults: users with several sockets come, drop, come back elsewhere, take over and
 * leave, at two gateways that begin new streams and are killed, while the broker is killed and started again.
 *
 * The model knows nothing but which sockets are connected and which rooms they have joined. After every
 * round, within a lease, what the broker answers must be just that, in rooms that tell and in one that does
 * not; what a watcher was told by events must come to the same; and no user may have been told to leave a
 * room in which it had a socket throughout. REJOIN_SEED and REJOIN_ROUNDS choose others, and more. */
#include "tests/process/presence_support.h"

#include <string.h>

enum {
    GATEWAYS = 2,
    ROOMS = 3, /* the last one tells nothing */
    USERS = 5,
    SOCKETS = 14,
    ROUNDS = 6,
    ACTIONS = 40, /* of a round */
};

static const char *const rooms[ROOMS] = {"told-a", "told-b", "tea"};
static const char *const users[USERS] = {"ann", "bob", "cat", "dan", "eve"};

/* A socket's session, connected or away. */
struct socket {
    bool is_used;
    unsigned user;
    struct who who;
    int gateway;     /* -1: away */
    uint64_t handle; /* there */
    bool rooms[ROOMS];
    bool was_taken_over; /* in this round: not again, since that would be contested */
};

struct play {
    struct rj_test_broker broker;
    struct rj_test_peer gateways[GATEWAYS], watch, backend;
    char ids[GATEWAYS][24];
    unsigned n_ids, n_backends;
    uint64_t last_handle;
    struct who watcher;
    struct socket sockets[SOCKETS];
    uint64_t random;
    /* What the watcher believes, by events, and what it may be wrong about: it has missed some. */
    bool believed[ROOMS][USERS];
    bool has_missed;
    /* Of this round: who had a socket in the room all the time, and who was told to have left. */
    bool stayed[ROOMS][USERS];
    bool was_told_gone[ROOMS][USERS];
    unsigned joins, leaves;
};

static unsigned draw(struct play *play, unsigned below)
{
    play->random ^= play->random << 13;
    play->random ^= play->random >> 7;
    play->random ^= play->random << 17;
    return (unsigned)(play->random % below);
}

/* ------------------------------------------------------------------------------------------ the model */

static unsigned sockets_in(const struct play *play, unsigned room, unsigned user)
{
    unsigned n = 0;
    for (unsigned i = 0; i < SOCKETS; i++) {
        const struct socket *socket = &play->sockets[i];
        n += socket->is_used && socket->gateway >= 0 && socket->user == user && socket->rooms[room];
    }
    return n;
}

/* After every action: who has no socket in a room has not stayed there. */
static void note_absences(struct play *play)
{
    for (unsigned r = 0; r < ROOMS; r++)
        for (unsigned u = 0; u < USERS; u++)
            play->stayed[r][u] &= sockets_in(play, r, u) > 0;
}

/* As list_of() writes it. */
static void expected_list(const struct play *play, unsigned room, char out[static 512])
{
    size_t len = 0;
    out[0] = '\0';
    for (unsigned u = 0; u < USERS; u++) {
        unsigned n = sockets_in(play, room, u);
        if (n)
            len += (size_t)snprintf(out + len, 512 - len, "%s%s:%u", len ? " " : "", users[u], n);
    }
    if (room < ROOMS - 1)
        snprintf(out + len, 512 - len, "%swatch:1", len ? " " : "");
}

/* ------------------------------------------------------------------------------------------ events */

static unsigned index_of(const char *const *names, unsigned n, const char *data, const char *member)
{
    char wanted[64];
    for (unsigned i = 0; i < n; i++) {
        snprintf(wanted, sizeof wanted, "\"%s\":\"%s\"", member, names[i]);
        if (strstr(data, wanted))
            return i;
    }
    return n;
}

static void hear(struct play *play, const Rejoin__Deliver *deliver)
{
    char data[256] = "";
    if (strcmp(deliver->message->event, "news") == 0)
        return; /* a late probe, see is_live */
    assert_string_equal(deliver->message->event, "room:presence");
    assert_true(deliver->message->data.len < sizeof data);
    memcpy(data, deliver->message->data.data, deliver->message->data.len);
    unsigned r = index_of(rooms, ROOMS - 1, data, "room"), u = index_of(users, USERS, data, "user");
    bool is_join = strstr(data, "\"state\":\"join\"") != NULL;
    assert_true(r < ROOMS - 1);
    assert_true(is_join || strstr(data, "\"state\":\"leave\""));
    if (u == USERS)
        return; /* the watcher itself */
    if (!play->has_missed)
        assert_true(play->believed[r][u] != is_join); /* they take turns */
    play->believed[r][u] = is_join;
    play->was_told_gone[r][u] |= !is_join;
    play->joins += is_join;
    play->leaves += !is_join;
}

static void hear_all(struct play *play)
{
    Rejoin__Deliver *deliver;
    while ((deliver = rj_test_peer_deliver(&play->watch, 0, 0)))
        hear(play, deliver);
    for (unsigned g = 0; g < GATEWAYS; g++)
        keep_alive(&play->gateways[g]);
    keep_alive(&play->backend);
}

/* The watcher has missed events: it asks, as a client would after a reconnect. */
static void ask_anew(struct play *play)
{
    for (unsigned r = 0; r < ROOMS - 1; r++) {
        char list[512], wanted[16];
        list_of(&play->watch, 1, rooms[r], list);
        for (unsigned u = 0; u < USERS; u++) {
            snprintf(wanted, sizeof wanted, "%s:", users[u]);
            play->believed[r][u] = strstr(list, wanted) != NULL;
        }
    }
    play->has_missed = true;
}

/* ------------------------------------------------------------------------------------------ gateways */

static void open_gateway_anew(struct play *play, unsigned g)
{
    snprintf(play->ids[g], sizeof play->ids[g], "gateway-%u", ++play->n_ids);
    open_gateway(&play->broker, &play->gateways[g], play->ids[g]);
}

/* Says Hello, attaches those that are still there, and is ready. Some have gone in silence. */
static void begin_stream(struct play *play, unsigned g)
{
    assert_non_null(rj_test_peer_hello_gateway(&play->gateways[g], play->ids[g], 0, 0));
    for (unsigned i = 0; i < SOCKETS; i++) {
        struct socket *socket = &play->sockets[i];
        if (!socket->is_used || socket->gateway != (int)g)
            continue;
        if (draw(play, 6) == 0)
            socket->gateway = -1;
        else
            assert_null(attach(&play->gateways[g], socket->handle, &socket->who)->error);
    }
    rj_test_peer_ready(&play->gateways[g]);
}

static void kill_gateway(struct play *play, unsigned g)
{
    rj_test_peer_close(&play->gateways[g]);
    for (unsigned i = 0; i < SOCKETS; i++)
        if (play->sockets[i].is_used && play->sockets[i].gateway == (int)g)
            play->sockets[i].gateway = -1;
    open_gateway_anew(play, g);
}

static void open_backend_anew(struct play *play)
{
    char id[24];
    snprintf(id, sizeof id, "backend-%u", ++play->n_backends);
    open_backend(&play->broker, &play->backend, id);
}

/* Whether the watcher's stream has caught up, so that volatile messages reach it. */
static bool is_live(struct play *play)
{
    const struct emit probe = {
        .to = (const char *const[]){"room:told-a", NULL}, .data = "\"live?\"", .is_volatile = true};
    assert_null(emit(&play->backend, &probe)->error);
    Rejoin__Deliver *deliver;
    while ((deliver = rj_test_peer_deliver(&play->watch, 0, 20))) {
        if (strcmp(deliver->message->event, "news") == 0)
            return true;
        hear(play, deliver);
    }
    return false;
}

/* The watcher's client knows nothing of it: its gateway keeps it. */
static void kill_broker(struct play *play)
{
    rj_test_broker_kill(&play->broker);
    for (unsigned g = 0; g < GATEWAYS; g++)
        rj_test_peer_close(&play->gateways[g]);
    rj_test_peer_close(&play->watch);
    rj_test_peer_close(&play->backend);
    rj_test_broker_restart(&play->broker, NULL);
    rj_test_peer_open(&play->watch, play->broker.gateways);
    assert_non_null(rj_test_peer_hello_gateway(&play->watch, "gateway-watch", 0, 0));
    assert_null(attach(&play->watch, 1, &play->watcher)->error);
    rj_test_peer_ready(&play->watch);
    for (unsigned g = 0; g < GATEWAYS; g++) {
        rj_test_peer_open(&play->gateways[g], play->broker.gateways);
        begin_stream(play, g);
    }
    open_backend_anew(play);
    assert_true(rj_eventually(RJ_TEST_DEADLINE_MS, is_live(play)));
}

/* ------------------------------------------------------------------------------------------ sockets */

static void connect_socket(struct play *play, struct socket *socket, const char *pid)
{
    unsigned g = draw(play, GATEWAYS);
    socket->handle = ++play->last_handle;
    socket->gateway = (int)g;
    socket->who = come(&play->gateways[g], socket->handle, users[socket->user], pid);
}

static void begin_socket(struct play *play, struct socket *socket)
{
    *socket = (struct socket){.is_used = true, .user = draw(play, USERS)};
    connect_socket(play, socket, NULL);
}

static void toggle_room(struct play *play, struct socket *socket)
{
    unsigned r = draw(play, ROOMS);
    struct rj_test_peer *gateway = &play->gateways[socket->gateway];
    if (socket->rooms[r])
        assert_null(rj_test_leave(gateway, socket->handle, rooms[r])->error);
    else
        join(gateway, socket->handle, rooms[r]);
    socket->rooms[r] = !socket->rooms[r];
}

static void disconnect_socket(struct play *play, struct socket *socket, bool is_for_good)
{
    rj_test_disconnect(&play->gateways[socket->gateway], socket->handle, is_for_good);
    socket->gateway = -1;
    socket->is_used = !is_for_good;
}

/* Of one that is away, or whose connection is taken over. */
static void rejoin_socket(struct play *play, struct socket *socket)
{
    if (socket->was_taken_over)
        return;
    socket->was_taken_over = true;
    char pid[32];
    memcpy(pid, socket->who.pid, sizeof pid);
    connect_socket(play, socket, pid);
    assert_string_equal(socket->who.pid, pid); /* else its rooms were lost */
}

static void act(struct play *play)
{
    struct socket *socket = &play->sockets[draw(play, SOCKETS)];
    unsigned dice = draw(play, 100);
    if (dice == 0) {
        kill_broker(play);
        ask_anew(play); /* what was being told just then was lost with the broker */
    } else if (dice == 1)
        kill_gateway(play, draw(play, GATEWAYS));
    else if (dice < 5)
        begin_stream(play, draw(play, GATEWAYS));
    else if (!socket->is_used)
        begin_socket(play, socket);
    else if (socket->gateway < 0)
        rejoin_socket(play, socket);
    else if (dice < 70)
        toggle_room(play, socket);
    else if (dice < 80)
        rejoin_socket(play, socket);
    else
        disconnect_socket(play, socket, dice >= 90);
}

/* ------------------------------------------------------------------------------------------ the rounds */

static void begin_round(struct play *play)
{
    for (unsigned i = 0; i < SOCKETS; i++)
        play->sockets[i].was_taken_over = false;
    for (unsigned r = 0; r < ROOMS; r++)
        for (unsigned u = 0; u < USERS; u++) {
            play->stayed[r][u] = sockets_in(play, r, u) > 0;
            play->was_told_gone[r][u] = false;
        }
    play->has_missed = false;
}

/* What is listed is what is true. */
static bool is_settled(struct play *play)
{
    char list[512], expected[512];
    hear_all(play);
    for (unsigned r = 0; r < ROOMS; r++) {
        list_of(&play->backend, 0, rooms[r], list);
        expected_list(play, r, expected);
        if (strcmp(list, expected) != 0)
            return false;
    }
    return true;
}

static bool is_believed(struct play *play)
{
    hear_all(play);
    for (unsigned r = 0; r < ROOMS - 1; r++)
        for (unsigned u = 0; u < USERS; u++)
            if (play->believed[r][u] != (sockets_in(play, r, u) > 0))
                return false;
    return true;
}

static void tell_lists(struct play *play)
{
    for (unsigned r = 0; r < ROOMS; r++) {
        char list[512], expected[512];
        list_of(&play->backend, 0, rooms[r], list);
        expected_list(play, r, expected);
        print_message("%s: listed \"%s\", true is \"%s\"\n", rooms[r], list, expected);
    }
}

static void settle(struct play *play)
{
    bool is_done = rj_eventually(RJ_TEST_DEADLINE_MS, is_settled(play)) &&
                   rj_eventually(RJ_TEST_DEADLINE_MS, is_believed(play));
    if (!is_done)
        tell_lists(play);
    assert_true(is_done);
}

static void play_round(struct play *play, unsigned round)
{
    begin_round(play);
    for (unsigned i = 0; i < ACTIONS; i++) {
        act(play);
        note_absences(play);
        hear_all(play);
    }
    /* At least one of each in a run. */
    if (round % 3 == 2)
        kill_gateway(play, round % GATEWAYS);
    note_absences(play);
    settle(play);
    if (round % 3 == 1) { /* nothing is being told now, so nothing is lost: events alone must keep up */
        kill_broker(play);
        note_absences(play);
        settle(play);
    }
    for (unsigned r = 0; r < ROOMS - 1; r++)
        for (unsigned u = 0; u < USERS; u++)
            assert_false(play->stayed[r][u] && play->was_told_gone[r][u]);
}

static unsigned number_of(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);
    return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static void whatever_fails_presence_is_what_is_true(void **state)
{
    (void)state;
    static struct play play; /* large */
    unsigned n_rounds = number_of("REJOIN_ROUNDS", ROUNDS);
    play = (struct play){.random = number_of("REJOIN_SEED", 20240607)};
    print_message("seed %llu\n", (unsigned long long)play.random);
    rj_test_broker_start(&play.broker, (const char *[]){"--identity", "claimed", "--presence-rules",
                                                        "told* burst=1000", "--presence-grace", "500",
                                                        "--lease", "3000", "--ping", "200", NULL});
    for (unsigned g = 0; g < GATEWAYS; g++)
        open_gateway_anew(&play, g);
    open_gateway(&play.broker, &play.watch, "gateway-watch");
    open_backend_anew(&play);
    play.watcher = come(&play.watch, 1, "watch", NULL);
    for (unsigned r = 0; r < ROOMS - 1; r++)
        join(&play.watch, 1, rooms[r]);
    for (unsigned round = 0; round < n_rounds; round++)
        play_round(&play, round);
    assert_true(play.joins > n_rounds && play.leaves > n_rounds);
    for (unsigned g = 0; g < GATEWAYS; g++)
        rj_test_peer_close(&play.gateways[g]);
    rj_test_peer_close(&play.watch);
    rj_test_peer_close(&play.backend);
    assert_true(rj_test_broker_end(&play.broker));
    rj_test_broker_remove(&play.broker);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(whatever_fails_presence_is_what_is_true),
};

RJ_TEST_MAIN(tests)
