/* Retention by age. What no room keeps any longer goes from the beginning of the log, in two steps, so that
 * it never holds a transaction up and never loses a room's place:
 *
 *     purge_upto      trim_pos          scan_from            head
 *     ───┴───────────────┴──────────────────┴─────────────────┴──►  pos
 *     gone │ trimmed: below │ kept, indexed   │ kept, maybe not
 *          │ every floor,   │                 │ indexed yet
 *          │ still on disk  │
 *
 * 1. trim_pos rises over records that are older than the longest age of all rooms, a quota at a time, never
 * past scan_from: what it passes has its index entry on disk, so a crash cannot forget a room's last seq. The
 * floors of the rooms rise with it.
 * 2. The sweep deletes the index entries below the floors; when a pass has ended, the log drops what was
 *    trimmed at its beginning (purge_upto). After a crash the records between the two tell the sweep again
 *    which rooms to visit.
 *
 * Rooms that keep less than the longest age have a walk for each such age: it goes over the log behind the
 * records that are younger, once, and tells the rooms that it meets; the floors of those that have this age
 * rise (floors.h). Its place is kept with the log, so a restart does not begin it anew, unless the limits
 * have changed.
 */
#ifndef RJ_RETAIN_H
#define RJ_RETAIN_H

#include "storage/batch.h"
#include "storage/limits.h"

/* A walk over the log. */
struct rj_age {
    uint64_t age_ms;     /* 0 = it has nothing to do */
    uint64_t place;      /* each record up to here was looked at; the first one's place is trim_pos */
    uint64_t due_ms;     /* wall clock: nothing is too old before */
    uint64_t blocked_at; /* old records wait for scan_from to rise above this; 0 = none do */
};

struct rj_retain {
    struct rj_age *ages; /* the first raises the log's floor; n in all, at least one */
    size_t n;
    size_t turn;          /* the walk that is looked at next, or whose request is on its way */
    bool is_asked;        /* a request is on its way */
    uint64_t asked_ms;    /* wall clock, of that */
    uint64_t purged_upto; /* the log has nothing at or below this that is trimmed */
};

struct rj_retain_state {
    uint64_t trim_pos, completed, scan_from, purge_upto;
    uint64_t now_ms; /* wall clock */
};

/* The walks that the limits ask for, each at the beginning of the log. */
void rj_retain_init(struct rj_retain *retain, const struct rj_limits *limits);
void rj_retain_free(struct rj_retain *retain);

/* Old records wait for the sweep to end its pass. */
bool rj_retain_is_blocked(const struct rj_retain *retain, const struct rj_retain_state *state);

/* Whether there is something to ask for now; then the turn is that of the walk to ask. */
bool rj_retain_is_due(struct rj_retain *retain, const struct rj_retain_state *state);

/* Fills in the request, for at most about `quota` records. */
void rj_retain_plan(struct rj_retain *retain, const struct rj_retain_state *state, size_t quota,
                    struct rj_trim *trim);

/* The log thread has committed it. */
void rj_retain_done(struct rj_retain *retain, const struct rj_trim *trim);

#endif
