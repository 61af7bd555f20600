#include "tests/process/rejoin_support.h"

enum { AT_ONCE = 100 }; /* commands in one frame */

uint64_t open_gateway(struct rj_test_broker *broker, struct rj_test_peer *peer, const char *id)
{
    rj_test_peer_open(peer, broker->gateways);
    Rejoin__Welcome *welcome = rj_test_peer_hello_gateway(peer, id, 0, 0);
    assert_non_null(welcome);
    rj_test_peer_ready(peer);
    return welcome->epoch;
}

void open_world(struct world *world, const char *const args[])
{
    *world = (struct world){0};
    rj_test_broker_start(&world->broker, args);
    world->epoch = open_gateway(&world->broker, &world->a, "gateway-a");
    open_gateway(&world->broker, &world->b, "gateway-b");
}

void close_world(struct world *world)
{
    rj_test_peer_close(&world->a);
    rj_test_peer_close(&world->b);
    assert_true(rj_test_broker_end(&world->broker));
    rj_test_broker_remove(&world->broker);
}

const Rejoin__Connected *connected(const Rejoin__Reply *reply)
{
    assert_non_null(reply);
    assert_null(reply->error);
    assert_int_equal(reply->result_case, REJOIN__REPLY__RESULT_CONNECTED);
    return reply->connected;
}

struct who enter(struct rj_test_peer *peer, uint64_t client, const char *room)
{
    const Rejoin__Connected *answer = connected(rj_test_connect(peer, client, NULL, NULL));
    assert_false(answer->recovered);
    struct who who = {.incarnation = answer->incarnation, .from_pos = answer->from_pos};
    strcpy(who.pid, answer->pid);
    strcpy(who.sid, answer->sid);
    assert_int_equal(strlen(who.pid), 22);
    assert_string_not_equal(who.pid, who.sid);
    if (room)
        assert_null(rj_test_join(peer, client, room)->error);
    return who;
}

static uint64_t add_connect(struct rj_test_peer *peer, uint64_t client)
{
    Rejoin__Connect connect = REJOIN__CONNECT__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    connect.namespace_ = "/";
    command.kind_case = REJOIN__COMMAND__KIND_CONNECT;
    command.connect = &connect;
    return rj_test_peer_add_command(peer, client, &command);
}

/* Clients `first` to `last` - 1. */
static void enter_some(struct rj_test_peer *peer, struct who *who, char *room, uint64_t first, uint64_t last)
{
    uint64_t ids[AT_ONCE];
    for (uint64_t client = first; client < last; client++)
        ids[client - first] = add_connect(peer, client);
    rj_test_peer_flush(peer);
    for (uint64_t client = first; client < last; client++) {
        const Rejoin__Connected *answer = connected(rj_test_peer_reply(peer, ids[client - first]));
        snprintf(who[client].pid, sizeof who[client].pid, "%s", answer->pid);
        snprintf(who[client].sid, sizeof who[client].sid, "%s", answer->sid);
        who[client].incarnation = answer->incarnation;
        ids[client - first] = add_join(peer, client, room, 0);
    }
    rj_test_peer_flush(peer);
    for (uint64_t client = first; client < last; client++) {
        const Rejoin__Reply *reply = rj_test_peer_reply(peer, ids[client - first]);
        assert_true(reply && !reply->error);
    }
}

void enter_many(struct rj_test_peer *peer, struct who *who, uint64_t n, char *room)
{
    for (uint64_t first = 1; first <= n; first += AT_ONCE)
        enter_some(peer, who, room, first, first + AT_ONCE <= n ? first + AT_ONCE : n + 1);
}

const Rejoin__Published *say(struct rj_test_peer *peer, uint64_t client, const char *room, const char *data)
{
    Rejoin__Reply *reply = rj_test_publish(peer, client, room, data, NULL);
    assert_non_null(reply);
    assert_null(reply->error);
    return reply->published;
}

const Rejoin__Connected *rejoin(struct rj_test_peer *peer, uint64_t client, const struct who *who,
                                const char *offset)
{
    const Rejoin__Connected *answer = connected(rj_test_connect(peer, client, who->pid, offset));
    assert_true(answer->recovered);
    assert_string_equal(answer->sid, who->sid);
    assert_string_equal(answer->pid, who->pid);
    return answer;
}

/* The replay of a client holds exactly these texts, then CaughtUp. */
void assert_replay(struct rj_test_peer *peer, uint64_t client, const char *const texts[])
{
    Rejoin__CaughtUp *caught_up = rj_test_peer_caught_up(peer, client);
    assert_non_null(caught_up);
    assert_false(caught_up->gap);
    uint64_t last = 0;
    for (size_t i = 0; texts[i]; i++) {
        Rejoin__Deliver *deliver = rj_test_peer_deliver(peer, client, 0);
        assert_non_null(deliver);
        assert_int_equal(deliver->message->data.len, strlen(texts[i]));
        assert_memory_equal(deliver->message->data.data, texts[i], strlen(texts[i]));
        assert_true(deliver->pos > last && deliver->pos <= caught_up->upto);
        last = deliver->pos;
    }
    assert_null(rj_test_peer_deliver(peer, client, 0));
}

Rejoin__Reply *attach(struct rj_test_peer *peer, uint64_t client, const struct who *who, uint64_t incarnation)
{
    Rejoin__Attach attach = REJOIN__ATTACH__INIT;
    attach.pid = (char *)(uintptr_t)who->pid;
    attach.sid = (char *)(uintptr_t)who->sid;
    attach.incarnation = incarnation;
    attach.namespace_ = "/";
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_ATTACH;
    command.attach = &attach;
    Rejoin__Reply *reply = rj_test_peer_reply(peer, rj_test_peer_command(peer, client, &command));
    assert_non_null(reply);
    return reply;
}

void reopen_a(struct world *world, uint64_t upto)
{
    world->a = (struct rj_test_peer){0};
    rj_test_peer_open(&world->a, world->broker.gateways);
    assert_non_null(rj_test_peer_hello_gateway(&world->a, "gateway-a", world->epoch, upto));
}

uint64_t add_join(struct rj_test_peer *peer, uint64_t client, const char *room, uint32_t last)
{
    Rejoin__Join join = REJOIN__JOIN__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    join.room = (char *)(uintptr_t)room;
    join.last = last;
    command.kind_case = REJOIN__COMMAND__KIND_JOIN;
    command.join = &join;
    return rj_test_peer_add_command(peer, client, &command);
}

uint64_t add_attach(struct rj_test_peer *peer, uint64_t client, struct who *who)
{
    Rejoin__Attach attach = REJOIN__ATTACH__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    attach.pid = who->pid;
    attach.sid = who->sid;
    attach.incarnation = who->incarnation;
    attach.namespace_ = "/";
    command.kind_case = REJOIN__COMMAND__KIND_ATTACH;
    command.attach = &attach;
    return rj_test_peer_add_command(peer, client, &command);
}
