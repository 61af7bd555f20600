/* Deadlines that all lie the same time ahead when they are set: a list in order of expiry, every operation
 * O(1).
 *
 * One queue for each kind of waiting (next ping, missing pong, upgrade …); the entries live in what waits.
 * Pure: the caller tells the time.
 */
#ifndef RJ_TIMEQ_H
#define RJ_TIMEQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rj_timeq_entry {
    struct rj_timeq_entry *prev, *next; /* NULL while it is in no queue */
    uint64_t deadline_ms;
};

struct rj_timeq {
    struct rj_timeq_entry head; /* of a ring */
    uint64_t delay_ms;
};

void rj_timeq_init(struct rj_timeq *queue, uint64_t delay_ms);

static inline bool rj_timeq_holds(const struct rj_timeq_entry *entry)
{
    return entry->next != NULL;
}

/* Sets or renews the entry's deadline: `now_ms` + the queue's delay. It may be in another queue until then.
 */
void rj_timeq_set(struct rj_timeq *queue, struct rj_timeq_entry *entry, uint64_t now_ms);

/* Takes the entry out of the queue that it is in, if any. */
void rj_timeq_cancel(struct rj_timeq_entry *entry);

/* Takes out and returns the first entry whose deadline has come, or NULL. */
struct rj_timeq_entry *rj_timeq_expired(struct rj_timeq *queue, uint64_t now_ms);

/* The first deadline; UINT64_MAX when nothing waits. */
uint64_t rj_timeq_first(const struct rj_timeq *queue);

#endif
