/* What clients owe, against an obvious model: a matrix of who was asked what. No link: nothing is said. */
#include "gateway/asks.h"

#include "gateway/gateway.h"
#include "tests/support/test.h"

enum { CLIENTS = 6, ASKS = 40, STEPS = 4000 };

struct model {
    struct rj_gateway_conf conf;
    struct rj_gateway gateway;
    struct rj_client clients[CLIENTS];
    bool owes[CLIENTS][ASKS]; /* by ack id, which counts from 1 */
    size_t asked[ASKS];       /* how many clients */
};

static void check(struct model *m)
{
    size_t awaited = 0, open = 0;
    for (int a = 0; a < ASKS; a++) {
        bool is_open = false;
        for (int c = 0; c < CLIENTS; c++)
            is_open = is_open || m->owes[c][a];
        open += is_open;
        awaited += is_open ? m->asked[a] : 0;
    }
    assert_int_equal(rj_asks_count(&m->gateway.asks), open);
    assert_int_equal(m->gateway.asks.n_awaited, awaited);
    for (int c = 0; c < CLIENTS; c++) {
        size_t n = 0;
        for (int a = 0; a < ASKS; a++)
            n += m->owes[c][a];
        assert_int_equal(m->clients[c].owed ? m->clients[c].owed->n : 0, n);
    }
}

static void ask(struct model *m, unsigned who)
{
    Rejoin__Deliver deliver = REJOIN__DELIVER__INIT;
    struct rj_client *clients[CLIENTS];
    uint64_t id = rj_asks_next_id(&m->gateway.asks);
    size_t n = 0;
    deliver.ask = 1000 + id;
    for (int c = 0; c < CLIENTS; c++) {
        if (!(who >> c & 1))
            continue;
        m->owes[c][id - 1] = true;
        clients[n++] = &m->clients[c];
    }
    m->asked[id - 1] = n;
    rj_asks_open(&m->gateway, &deliver, clients, n);
}

static void answer(struct model *m, int c, int a)
{
    uint64_t unknown = m->gateway.stats.acks_unknown;
    bool owed = m->owes[c][a];
    rj_asks_answer(&m->clients[c], (uint64_t)a + 1, (struct rj_span){0}, NULL, 0);
    assert_int_equal(m->gateway.stats.acks_unknown, unknown + (owed ? 0 : 1));
    m->owes[c][a] = false;
}

static void leave(struct model *m, int c)
{
    rj_asks_client_gone(&m->clients[c]);
    memset(m->owes[c], 0, sizeof m->owes[c]);
}

static void start(struct model *m)
{
    rj_arena_free(&m->gateway.arena);
    memset(m, 0, sizeof *m);
    m->conf.max_asks = 1000;
    m->gateway.conf = &m->conf;
    for (int c = 0; c < CLIENTS; c++) {
        m->clients[c].gateway = &m->gateway;
        m->clients[c].sid = "S";
    }
}

static void what_is_owed_agrees_with_a_matrix(void **state)
{
    (void)state;
    static struct model m;
    unsigned random = 99;
    start(&m);
    for (int step = 0; step < STEPS; step++) {
        random = random * 1103515245u + 12345u;
        unsigned pick = random >> 8;
        int c = (int)(pick / 64 % CLIENTS);
        if (pick % 64 == 0)
            leave(&m, c);
        else if (pick % 64 < 24 && m.gateway.asks.last_ack_id < ASKS)
            ask(&m, pick / 64 % (1u << CLIENTS));
        else
            answer(&m, c, (int)(pick / 64 / CLIENTS % ASKS));
        check(&m);
        rj_arena_reset(&m.gateway.arena);
        if (m.gateway.asks.last_ack_id == ASKS && rj_asks_count(&m.gateway.asks) == 0)
            start(&m);
    }
    rj_asks_forget(&m.gateway.asks);
    memset(m.owes, 0, sizeof m.owes);
    check(&m);
    rj_arena_free(&m.gateway.arena);
}

static void questions_end_when_their_time_is_over(void **state)
{
    (void)state;
    static struct model m;
    start(&m);
    ask(&m, 3);
    uint64_t far_ms = UINT64_MAX / 2;
    rj_asks_tick(&m.gateway, 0);
    assert_int_equal(rj_asks_count(&m.gateway.asks), 1);
    rj_asks_tick(&m.gateway, far_ms);
    assert_int_equal(rj_asks_count(&m.gateway.asks), 0);
    assert_null(m.clients[0].owed);
    assert_null(m.clients[1].owed);
    assert_int_equal(m.gateway.stats.asks_expired, 1);
    rj_arena_free(&m.gateway.arena);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_is_owed_agrees_with_a_matrix),
    cmocka_unit_test(questions_end_when_their_time_is_over),
};

RJ_TEST_MAIN(tests)
