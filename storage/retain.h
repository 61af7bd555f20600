/* Retention by age. Trimming has two steps, so that it never holds a transaction up and never loses a room's
 * place:
 *
 *     purge_upto      trim_pos          scan_from            head
 *     ───┴───────────────┴──────────────────┴─────────────────┴──►  pos
 *     gone │ trimmed: below │ kept, indexed   │ kept, maybe not
 *          │ every floor,   │                 │ indexed yet
 *          │ still on disk  │
 *
 * 1. trim_pos rises over records that are too old, a quota at a time, never past scan_from: what it passes
 * has its index entry on disk, so a crash cannot forget a room's last seq. The floors of the rooms rise with
 * it.
 * 2. The sweep deletes the index entries below the floors; when a pass has ended, the log drops what was
 *    trimmed at its beginning (purge_upto). After a crash the records between the two tell the sweep again
 *    which rooms to visit.
 */
#ifndef RJ_RETAIN_H
#define RJ_RETAIN_H

#include "storage/batch.h"

struct rj_retain {
    uint64_t keep_ms;     /* 0 = for ever */
    bool is_asked;        /* a request is on its way */
    uint64_t due_ms;      /* wall clock: nothing is too old before */
    uint64_t asked_ms;    /* wall clock, of the request on its way */
    uint64_t blocked_at;  /* old records wait for scan_from to rise above this; 0 = none do */
    uint64_t purged_upto; /* the log has nothing at or below this */
};

struct rj_retain_state {
    uint64_t trim_pos, completed, scan_from, purge_upto;
    uint64_t now_ms; /* wall clock */
};

/* Old records wait for the sweep to end its pass. */
bool rj_retain_is_blocked(const struct rj_retain *retain, const struct rj_retain_state *state);

/* Whether there is something to ask for now. */
bool rj_retain_is_due(const struct rj_retain *retain, const struct rj_retain_state *state);

/* Fills in the request, for at most about `quota` records. */
void rj_retain_plan(struct rj_retain *retain, const struct rj_retain_state *state, size_t quota,
                    struct rj_trim *trim);

/* The log thread has committed it. */
void rj_retain_done(struct rj_retain *retain, const struct rj_trim *trim);

#endif
