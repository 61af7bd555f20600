/* When a user was last connected, in each namespace; kept in the store.
 *
 *   table     key                                          value
 *   presence  0x02, length of namespace, namespace, user   u8 format (1), u8 is_online, u64 LE Unix ms,
 *                                                          u64 LE epoch
 *   presence  0x03, epoch (u64 BE)                         u64 LE Unix ms
 *
 * A user's pair is written when its first socket comes (is_online, and in which epoch) and when its last one
 * has gone (and when that was); several changes that come soon after one another are written as one, in
 * batches of a bounded size. Nothing is written for a user who stays. Instead the broker says every
 * RJ_ALIVE_MS, once for all, that it is alive: a pair that says is_online for an epoch that is over means
 * that the user was there until then, give or take that time.
 */
#ifndef RJ_LAST_SEEN_H
#define RJ_LAST_SEEN_H

#include "broker/base/hash.h"
#include "proto/base/buf.h"
#include "storage/store.h"

enum { RJ_ALIVE_MS = 10000 };

struct rj_seen_change;

struct rj_last_seen {
    struct rj_store *store;
    uint64_t epoch;
    uint64_t lifetime_ms;           /* how long a user who does not come back is remembered; 0: nobody is */
    struct rj_seen_change *changes; /* by key: not written yet, or not known to be durable */
    struct rj_seen_change *dirty;   /* of them, not written yet; oldest first */
    uint64_t online;                /* users who are, in all namespaces */
    uint64_t alive_ms;              /* monotonic: when that was last said; 0 = not yet */
    uint64_t writes;                /* in all */
    struct rj_buf swept;            /* where the sweep goes on; empty: at the first pair */
};

void rj_last_seen_init(struct rj_last_seen *seen, struct rj_store *store, uint64_t epoch,
                       uint64_t lifetime_ms);

/* The first socket of the user in this namespace has come; the last one has gone, at that time (Unix ms). */
void rj_last_seen_come(struct rj_last_seen *seen, const char *nsp, const char *user, uint64_t now_ms);
void rj_last_seen_go(struct rj_last_seen *seen, const char *nsp, const char *user, uint64_t at_ms);

/* Queues at most `limit` writes, and looks at some pairs that may be too old. */
void rj_last_seen_tick(struct rj_last_seen *seen, uint64_t mono_ms, uint64_t wall_ms, size_t limit);

/* Queues all that is not written, and that the broker was alive until now. */
void rj_last_seen_flush(struct rj_last_seen *seen, uint64_t wall_ms);

/* When a user who has no socket now was last connected (Unix ms); RJ_NOT_FOUND: never, or forgotten. */
enum rj_status rj_last_seen_get(const struct rj_last_seen *seen, const char *nsp, const char *user,
                                uint64_t *at_ms);

/* After the store was closed: no write is under way any more. */
void rj_last_seen_free(struct rj_last_seen *seen);

#endif
