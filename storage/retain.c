#include "storage/retain.h"

#include <stdlib.h>

#include "proto/base/mem.h"

enum { PURGE_PER_RECORD = 2 };

static bool has_age(const struct rj_retain *retain, uint64_t age_ms)
{
    for (size_t i = 0; i < retain->n; i++)
        if (retain->ages[i].age_ms == age_ms)
            return true;
    return false;
}

void rj_retain_init(struct rj_retain *retain, const struct rj_limits *limits)
{
    *retain = (struct rj_retain){.ages = rj_calloc(limits->n + 2, sizeof *retain->ages), .n = 1};
    retain->ages[0].age_ms = rj_limits_longest_age(limits);
    for (size_t i = 0; i <= limits->n; i++) {
        uint64_t age_ms = limits->list[i].age_ms;
        if (age_ms && !has_age(retain, age_ms))
            retain->ages[retain->n++].age_ms = age_ms;
    }
}

void rj_retain_free(struct rj_retain *retain)
{
    free(retain->ages);
    *retain = (struct rj_retain){0};
}

bool rj_retain_is_blocked(const struct rj_retain *retain, const struct rj_retain_state *state)
{
    return retain->ages[0].blocked_at >= state->scan_from;
}

/* How far a walk may go, and from where. */
static uint64_t place_of(const struct rj_retain *retain, size_t i, const struct rj_retain_state *state)
{
    uint64_t place = retain->ages[i].place;
    return i == 0 || place < state->trim_pos ? state->trim_pos : place;
}

static bool walk_is_due(const struct rj_retain *retain, size_t i, const struct rj_retain_state *state)
{
    const struct rj_age *age = &retain->ages[i];
    return age->age_ms && state->now_ms >= age->due_ms && place_of(retain, i, state) < state->completed &&
           (i > 0 || !rj_retain_is_blocked(retain, state));
}

static bool purge_is_due(const struct rj_retain *retain, const struct rj_retain_state *state)
{
    return state->purge_upto > retain->purged_upto;
}

bool rj_retain_is_due(struct rj_retain *retain, const struct rj_retain_state *state)
{
    if (retain->is_asked)
        return false;
    for (size_t i = 0; i < retain->n; i++) {
        if (walk_is_due(retain, retain->turn, state))
            return true;
        retain->turn = (retain->turn + 1) % retain->n;
    }
    return purge_is_due(retain, state);
}

void rj_retain_plan(struct rj_retain *retain, const struct rj_retain_state *state, size_t quota,
                    struct rj_trim *trim)
{
    const struct rj_age *age = &retain->ages[retain->turn];
    bool is_log = retain->turn == 0;
    retain->is_asked = true;
    retain->asked_ms = state->now_ms;
    if (walk_is_due(retain, retain->turn, state)) {
        trim->age_ms = is_log ? 0 : age->age_ms;
        trim->after = place_of(retain, retain->turn, state);
        trim->upto = is_log ? state->scan_from - 1 : state->completed;
        trim->before_ts_ms = state->now_ms > age->age_ms ? state->now_ms - age->age_ms : 0;
        trim->quota = quota;
    }
    if (purge_is_due(retain, state)) {
        trim->purge_upto = state->purge_upto;
        trim->purge_quota = quota * PURGE_PER_RECORD;
    }
}

void rj_retain_done(struct rj_retain *retain, const struct rj_trim *trim)
{
    struct rj_age *age = &retain->ages[retain->turn];
    retain->is_asked = false;
    if (trim->purge_quota && trim->purged < trim->purge_quota)
        retain->purged_upto = trim->purge_upto;
    if (!trim->quota)
        return;
    age->place = trim->reached;
    age->blocked_at = trim->is_blocked ? trim->upto + 1 : 0;
    /* With nothing left in the log, the next record to grow old is one accepted after the request. */
    age->due_ms = (trim->next_ts_ms ? trim->next_ts_ms : retain->asked_ms) + age->age_ms + 1;
    retain->turn = (retain->turn + 1) % retain->n;
}
