#include "storage/retain.h"

enum { PURGE_PER_RECORD = 2 };

bool rj_retain_is_blocked(const struct rj_retain *retain, const struct rj_retain_state *state)
{
    return retain->blocked_at >= state->scan_from;
}

static bool trim_is_due(const struct rj_retain *retain, const struct rj_retain_state *state)
{
    return retain->keep_ms && state->now_ms >= retain->due_ms && state->trim_pos < state->completed &&
           !rj_retain_is_blocked(retain, state);
}

static bool purge_is_due(const struct rj_retain *retain, const struct rj_retain_state *state)
{
    return state->purge_upto > retain->purged_upto;
}

bool rj_retain_is_due(const struct rj_retain *retain, const struct rj_retain_state *state)
{
    return !retain->is_asked && (trim_is_due(retain, state) || purge_is_due(retain, state));
}

void rj_retain_plan(struct rj_retain *retain, const struct rj_retain_state *state, size_t quota,
                    struct rj_trim *trim)
{
    retain->is_asked = true;
    retain->asked_ms = state->now_ms;
    if (trim_is_due(retain, state)) {
        trim->after = state->trim_pos;
        trim->upto = state->scan_from - 1;
        trim->before_ts_ms = state->now_ms > retain->keep_ms ? state->now_ms - retain->keep_ms : 0;
        trim->quota = quota;
    }
    if (purge_is_due(retain, state)) {
        trim->purge_upto = state->purge_upto;
        trim->purge_quota = quota * PURGE_PER_RECORD;
    }
}

void rj_retain_done(struct rj_retain *retain, const struct rj_trim *trim)
{
    retain->is_asked = false;
    if (trim->purge_quota && trim->purged < trim->purge_quota)
        retain->purged_upto = trim->purge_upto;
    if (!trim->quota)
        return;
    retain->blocked_at = trim->is_blocked ? trim->upto + 1 : 0;
    /* With nothing left in the log, the next record to grow old is one accepted after the request. */
    retain->due_ms = (trim->next_ts_ms ? trim->next_ts_ms : retain->asked_ms) + retain->keep_ms + 1;
}
