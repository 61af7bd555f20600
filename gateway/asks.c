#include "gateway/asks.h"

#include <stdlib.h>

#include "gateway/gateway.h"
#include "gateway/link.h"
#include "gateway/translate.h"
#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "proto/base/random.h"

enum {
    LONGEST_MS = 600000, /* that an Ask may take; its clock at the broker started before ours */
    SWEEP_MS = 500,
    SID_BYTES = RJ_ID_LEN + 4, /* of one sid in an Asked */
};

/* One client's answer. */
struct rj_awaited {
    struct rj_ask *ask;
    struct rj_client *client; /* NULL: it has come, or will not come any more */
};

struct rj_ask {
    uint64_t ack_id;
    uint64_t id; /* the broker's */
    uint64_t deadline_ms;
    size_t n, n_open;
    UT_hash_handle hh;
    struct rj_awaited awaited[];
};

uint64_t rj_asks_next_id(const struct rj_asks *asks)
{
    return asks->last_ack_id + 1;
}

size_t rj_asks_count(const struct rj_asks *asks)
{
    return HASH_COUNT(asks->by_ack_id);
}

size_t rj_asks_room(const struct rj_gateway *gateway)
{
    size_t most = gateway->conf->max_asks, named = rj_link_item_limit(gateway->link) / SID_BYTES;
    size_t left = gateway->asks.n_awaited < most ? most - gateway->asks.n_awaited : 0;
    return left < named ? left : named;
}

/* ------------------------------------------------------------------------------------------ what is owed */

/* Where the answer with this id stands or would stand. */
static uint32_t place_of(const struct rj_owed *owed, uint64_t ack_id)
{
    uint32_t low = 0, high = owed ? owed->n : 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (owed->of[middle]->ask->ack_id < ack_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct rj_awaited *find(const struct rj_client *client, uint64_t ack_id)
{
    const struct rj_owed *owed = client->owed;
    uint32_t at = place_of(owed, ack_id);
    return owed && at < owed->n && owed->of[at]->ask->ack_id == ack_id ? owed->of[at] : NULL;
}

/* Ids only grow, so the newest is the last. */
static void owe(struct rj_client *client, struct rj_awaited *awaited)
{
    struct rj_owed *owed = client->owed;
    if (!owed || owed->n == owed->cap) {
        uint32_t n = owed ? owed->n : 0, cap = owed ? owed->cap * 2 : 2;
        client->owed = owed = rj_realloc(owed, sizeof *owed / sizeof owed->of[0] + cap, sizeof owed->of[0]);
        owed->n = n;
        owed->cap = cap;
    }
    owed->of[owed->n++] = awaited;
}

static void owe_nothing(struct rj_client *client)
{
    free(client->owed);
    client->owed = NULL;
}

static void settle(struct rj_awaited *awaited)
{
    struct rj_owed *owed = awaited->client->owed;
    uint32_t at = place_of(owed, awaited->ask->ack_id);
    memmove(&owed->of[at], &owed->of[at + 1], (--owed->n - at) * sizeof owed->of[0]);
    if (owed->n == 0)
        owe_nothing(awaited->client);
    awaited->client = NULL;
    awaited->ask->n_open--;
}

/* ------------------------------------------------------------------------------------------ the end */

static void drop(struct rj_asks *asks, struct rj_ask *ask)
{
    HASH_DEL(asks->by_ack_id, ask);
    asks->n_awaited -= ask->n;
    free(ask);
}

static void forget(struct rj_asks *asks, struct rj_ask *ask)
{
    for (size_t i = 0; ask->n_open; i++)
        if (ask->awaited[i].client)
            settle(&ask->awaited[i]);
    drop(asks, ask);
}

void rj_asks_forget(struct rj_asks *asks)
{
    struct rj_ask *ask, *next;
    HASH_ITER (hh, asks->by_ack_id, ask, next) {
        for (size_t i = 0; i < ask->n; i++)
            if (ask->awaited[i].client)
                owe_nothing(ask->awaited[i].client);
        drop(asks, ask);
    }
}

void rj_asks_tick(struct rj_gateway *gateway, uint64_t now_ms)
{
    struct rj_asks *asks = &gateway->asks;
    struct rj_ask *ask, *next;
    if (now_ms - asks->swept_ms < SWEEP_MS)
        return;
    asks->swept_ms = now_ms;
    HASH_ITER (hh, asks->by_ack_id, ask, next) {
        if (now_ms < ask->deadline_ms)
            continue;
        gateway->stats.asks_expired++;
        forget(asks, ask);
    }
}

/* ------------------------------------------------------------------------------------------ asking */

static void say_asked(struct rj_gateway *gateway, uint64_t id, struct rj_client *const *clients, size_t n)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Asked asked = REJOIN__ASKED__INIT;
    asked.ask = id;
    asked.sids = rj_arena_alloc(&gateway->arena, (n + 1) * sizeof *asked.sids);
    for (size_t i = 0; i < n; i++)
        asked.sids[asked.n_sids++] = clients[i]->sid;
    item.kind_case = REJOIN__ITEM__KIND_ASKED;
    item.asked = &asked;
    rj_link_notify(gateway->link, &item);
}

void rj_asks_open(struct rj_gateway *gateway, const Rejoin__Deliver *deliver,
                  struct rj_client *const *clients, size_t n)
{
    struct rj_asks *asks = &gateway->asks;
    uint64_t ack_id = ++asks->last_ack_id;
    say_asked(gateway, deliver->ask, clients, n);
    gateway->stats.asks++;
    gateway->stats.asked += n;
    if (n == 0)
        return;
    struct rj_ask *ask = rj_calloc(1, sizeof *ask + n * sizeof *ask->awaited);
    ask->ack_id = ack_id;
    ask->id = deliver->ask;
    ask->deadline_ms = rj_clock_mono_ms() + (deliver->ask_ms ? deliver->ask_ms : LONGEST_MS);
    ask->n = ask->n_open = n;
    asks->n_awaited += n;
    for (size_t i = 0; i < n; i++) {
        ask->awaited[i].ask = ask;
        ask->awaited[i].client = clients[i];
        owe(clients[i], &ask->awaited[i]);
    }
    HASH_ADD(hh, asks->by_ack_id, ack_id, sizeof ask->ack_id, ask);
}

/* ------------------------------------------------------------------------------------------ answers */

static void say_answer(struct rj_gateway *gateway, Rejoin__AskAnswer *answer)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    item.kind_case = REJOIN__ITEM__KIND_ASK_ANSWER;
    item.ask_answer = answer;
    rj_link_notify(gateway->link, &item);
}

static void say_left(const struct rj_client *client, const struct rj_ask *ask)
{
    Rejoin__AskAnswer answer = REJOIN__ASK_ANSWER__INIT;
    answer.ask = ask->id;
    answer.sid = client->sid;
    answer.left = true;
    say_answer(client->gateway, &answer);
}

/* An answer that the broker could not take is as good as none. */
static bool fits(const struct rj_gateway *gateway, struct rj_span args, const struct rj_span *attachments,
                 size_t n_attachments)
{
    enum { OVERHEAD = 256 };
    size_t bytes = args.len + OVERHEAD;
    for (size_t i = 0; i < n_attachments; i++)
        bytes += attachments[i].len;
    return bytes <= rj_link_item_limit(gateway->link);
}

void rj_asks_answer(struct rj_client *client, uint64_t ack_id, struct rj_span args,
                    const struct rj_span *attachments, size_t n_attachments)
{
    struct rj_gateway *gateway = client->gateway;
    struct rj_awaited *awaited = find(client, ack_id);
    if (!awaited) {
        gateway->stats.acks_unknown++;
        return;
    }
    if (!fits(gateway, args, attachments, n_attachments)) {
        gateway->stats.acks_too_large++;
        say_left(client, awaited->ask);
    } else {
        Rejoin__AskAnswer answer = REJOIN__ASK_ANSWER__INIT;
        answer.ask = awaited->ask->id;
        answer.sid = client->sid;
        answer.args = rj_translate_array(args, &gateway->arena);
        answer.attachments = rj_translate_attachments(attachments, n_attachments, &gateway->arena);
        answer.n_attachments = n_attachments;
        gateway->stats.acks_in++;
        say_answer(gateway, &answer);
    }
    struct rj_ask *ask = awaited->ask;
    settle(awaited);
    if (ask->n_open == 0)
        drop(&gateway->asks, ask);
}

void rj_asks_client_gone(struct rj_client *client)
{
    struct rj_owed *owed = client->owed;
    client->owed = NULL; /* as a whole: taking one after the other out of it would be slow */
    for (uint32_t i = 0; owed && i < owed->n; i++) {
        struct rj_ask *ask = owed->of[i]->ask;
        say_left(client, ask);
        owed->of[i]->client = NULL;
        if (--ask->n_open == 0)
            drop(&client->gateway->asks, ask);
    }
    free(owed);
}
