#include "tools/bench/rpc_side.h"

#include <rejoin_serve.h>
#include <stdio.h>

#include "proto/base/clock.h"
#include "tools/bench/message.h"
#include "tools/bench/rpc_server.h"

enum {
    CONNECT_MS = 60000,
    BROKER_MS = 5000,
    TURN_US = 20000,
    STUCK_MS = 15000, /* without a single answer: none will come any more */
};

/* ------------------------------------------------------------------------------------------- clients */

static bool send_event(void *ctx, uint32_t caller, uint64_t id, uint64_t stamp_us)
{
    struct rpc_side *side = ctx;
    (void)stamp_us;
    rj_buf_clear(&side->text);
    rj_buf_printf(&side->text, "42%llu[\"" RPC_EVENT "\",", (unsigned long long)id);
    size_t name_end = side->text.len;
    message_put_call_args(&side->text, id, caller, side->size);
    /* The arguments follow the name within one array. */
    memmove(side->text.data + name_end, side->text.data + name_end + 1, side->text.len - name_end - 1);
    side->text.len--;
    load_send(&side->load.conns[caller], rj_buf_span(&side->text));
    return true;
}

static void on_client_ack(void *ctx, struct load_conn *conn, struct rj_span text)
{
    struct rpc_side *side = ctx;
    uint64_t id = message_number(rj_span_from(text, 1));
    publishers_on_ack(&side->calls, conn->index, id, message_is_answer(text, id, conn->index, side->size));
}

bool rpc_side_open_clients(struct rpc_side *side, const struct procs *procs, uint32_t callers,
                           uint32_t window, uint32_t size)
{
    struct load_handler handler = {.ctx = side, .ack = on_client_ack};
    *side = (struct rpc_side){.callers = callers, .window = window, .size = size, .procs = procs};
    load_init(&side->load, callers, &handler);
    return load_connect(&side->load, procs->targets, procs->n_targets, CONNECT_MS);
}

/* ------------------------------------------------------------------------------------------- notes */

static bool is_note_answered(const struct rpc_side *side, const struct rejoin_replies *replies, uint64_t id)
{
    struct rj_buf expected = {0};
    if (!replies || replies->count != 1 || *replies->replies[0].error)
        return false;
    const struct rejoin_args *args = &replies->replies[0].args;
    message_put_call_args(&expected, id, 0, side->size);
    bool is_answer = rj_span_eq(rj_span_of(args->json, args->len), rj_buf_span(&expected));
    rj_buf_free(&expected);
    return is_answer;
}

/* Notes are answered in their order, so the call is the oldest. */
static void on_replies(void *arg, enum rejoin_status status, struct rejoin_replies *replies)
{
    struct rpc_side *side = arg;
    uint64_t id = side->calls.list ? side->calls.list[0].acked + 1 : 0;
    if (id)
        publishers_on_ack(&side->calls, 0, id, status == REJOIN_OK && is_note_answered(side, replies, id));
    rejoin_replies_free(&replies);
}

static bool send_note(void *ctx, uint32_t caller, uint64_t id, uint64_t stamp_us)
{
    struct rpc_side *side = ctx;
    (void)stamp_us;
    rj_buf_clear(&side->text);
    message_put_call_args(&side->text, id, caller, side->size);
    struct rejoin_send note = {.group = RPC_GROUP,
                               .name = RPC_EVENT,
                               .args = {.json = (const char *)side->text.data, .len = side->text.len},
                               .wants_answers = true};
    enum rejoin_status status = rejoin_send(side->broker, &note, on_replies, side);
    if (status != REJOIN_OK)
        fprintf(stderr, "rejoin-bench: note: %s\n", rejoin_strerror(status));
    return status == REJOIN_OK;
}

static void on_broker_wake(void *ctx)
{
    struct rpc_side *side = ctx;
    rejoin_process(side->broker);
}

bool rpc_side_open_notes(struct rpc_side *side, const struct procs *procs, uint32_t window, uint32_t size)
{
    struct rejoin_options options = {.endpoint = procs->backends, .name = "rejoin-bench-caller"};
    *side = (struct rpc_side){.callers = 1, .window = window, .size = size, .procs = procs};
    load_init(&side->load, 0, NULL);
    enum rejoin_status status = rejoin_open(&options, &side->broker);
    if (status == REJOIN_OK)
        status = rejoin_connect(side->broker, BROKER_MS);
    if (status != REJOIN_OK) {
        fprintf(stderr, "rejoin-bench: broker at %s: %s\n", procs->backends, rejoin_strerror(status));
        return false;
    }
    load_watch(&side->load, rejoin_fd(side->broker), on_broker_wake, side);
    return true;
}

/* ------------------------------------------------------------------------------------------- a slice */

void rpc_side_close(struct rpc_side *side)
{
    if (!side->procs) /* it was never opened */
        return;
    rejoin_close(&side->broker);
    load_free(&side->load);
    rj_buf_free(&side->text);
}

static void run_for(struct rpc_side *side, double seconds)
{
    uint64_t end_us = rj_clock_mono_us() + (uint64_t)(seconds * 1e6), now_us;
    while ((now_us = rj_clock_mono_us()) < end_us && side->calls.is_on && load_is_sound(&side->load)) {
        uint64_t left_us = end_us - now_us < TURN_US ? end_us - now_us : TURN_US;
        load_run(&side->load, publishers_turn(&side->calls, left_us));
    }
}

/* Until all is answered. False, told on stderr: it never will be. */
static bool drain(struct rpc_side *side)
{
    const struct publishers *calls = &side->calls;
    uint64_t end_ms = rj_clock_mono_ms() + STUCK_MS;
    publishers_stop(&side->calls);
    while (calls->acked < calls->sent && rj_clock_mono_ms() < end_ms && load_is_sound(&side->load)) {
        uint64_t acked = calls->acked;
        load_run(&side->load, TURN_US);
        if (calls->acked > acked)
            end_ms = rj_clock_mono_ms() + STUCK_MS;
    }
    return load_is_sound(&side->load);
}

static void start(struct rpc_side *side, double rate)
{
    struct publishers_plan plan = {.n = side->callers,
                                   .window = side->window,
                                   .rate = rate,
                                   .send = side->broker ? send_note : send_event,
                                   .ctx = side};
    publishers_init(&side->calls, &plan);
    publishers_start(&side->calls);
}

static bool finish(struct rpc_side *side)
{
    const struct publishers *calls = &side->calls;
    uint64_t wrong = calls->failed + calls->strange + (calls->sent - calls->acked);
    publishers_free(&side->calls);
    side->calls = (struct publishers){0};
    side->wrong += wrong;
    if (wrong)
        fprintf(stderr, "rejoin-bench: %llu calls were not answered as expected\n",
                (unsigned long long)wrong);
    return wrong == 0;
}

static void add_slice(struct rpc_sums *sums, uint64_t answered, const struct cost *cost,
                      const struct histogram *call)
{
    sums->answered += answered;
    spread_add(&sums->rate, (double)answered * 1e6 / cost->at_us);
    spread_add(&sums->p50_us, (double)histogram_at(call, 0.50));
    spread_add(&sums->p99_us, (double)histogram_at(call, 0.99));
    histogram_merge(&sums->call, call);
    cost_add(&sums->cost, cost);
}

bool rpc_side_run(struct rpc_side *side, const struct rpc_slice *slice)
{
    start(side, slice->rate);
    run_for(side, slice->warm_s);
    side->calls.is_measured = true;
    uint64_t answered = side->calls.acked;
    struct cost from = cost_now(side->procs);
    run_for(side, slice->seconds);
    struct cost to = cost_now(side->procs), cost = cost_between(&from, &to);
    answered = side->calls.acked - answered;
    if (slice->rate == 0)
        side->calls.is_measured = false; /* the last ones travel without a crowd behind them */
    bool was_on = side->calls.is_on, is_drained = drain(side);
    struct histogram call = side->calls.ack;
    if (!finish(side) || !is_drained || !was_on)
        return false;
    add_slice(&side->sums, answered, &cost, &call);
    return true;
}
