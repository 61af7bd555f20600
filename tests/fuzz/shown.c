#include "tests/fuzz/shown.h"

#include "proto/base/json.h"
#include "tests/fuzz/fuzz.h"

static uint64_t add(uint64_t hash, struct rj_span span)
{
    const uint64_t prime = 0x100000001b3; /* FNV-1a */
    for (size_t i = 0; i < span.len; i++)
        hash = (hash ^ span.data[i]) * prime;
    return hash * prime;
}

static uint64_t hash_of(struct rj_span span)
{
    return add(0xcbf29ce484222325, span);
}

/* By what a client knows a message again: its room, its sender and its id. */
static uint64_t message_of(struct rj_span args)
{
    static const char *const members[] = {"room", "from", "id"};
    uint64_t hash = hash_of((struct rj_span){0});
    struct rj_span value;
    for (size_t i = 0; i < 3; i++)
        hash = add(hash, rj_json_get(args, members[i], &value) ? value : (struct rj_span){0});
    return hash;
}

static void take(struct fuzz_shown *shown, uint64_t nsp, uint64_t message)
{
    size_t i = 0;
    while (i < shown->n && (shown->open[i].nsp != nsp || shown->open[i].message != message))
        i++;
    HOLDS(shown->is_blind || i < shown->n);
    if (i < shown->n)
        shown->open[i] = shown->open[--shown->n];
}

static void put(struct fuzz_shown *shown, uint64_t nsp, uint64_t message)
{
    if (shown->n == SHOWN_MAX) {
        shown->is_blind = true;
        return;
    }
    shown->open[shown->n].nsp = nsp;
    shown->open[shown->n++].message = message;
}

void fuzz_shown_event(struct fuzz_shown *shown, struct rj_span nsp, struct rj_span array)
{
    struct rj_json_iter iter = rj_json_iter(array);
    struct rj_span name, args, flag;
    bool is_pending = false;
    if (!rj_json_next_element(&iter, &name) || !rj_json_next_element(&iter, &args))
        return;
    if (rj_json_string_is(name, "room:confirmed") || rj_json_string_is(name, "room:failed"))
        take(shown, hash_of(nsp), message_of(args));
    else if (rj_json_get(args, "pending", &flag) && rj_json_bool(flag, &is_pending) && is_pending)
        put(shown, hash_of(nsp), message_of(args));
}

void fuzz_shown_forget(struct fuzz_shown *shown, struct rj_span nsp)
{
    uint64_t hash = hash_of(nsp);
    for (size_t i = shown->n; i-- > 0;)
        if (shown->open[i].nsp == hash)
            shown->open[i] = shown->open[--shown->n];
}
