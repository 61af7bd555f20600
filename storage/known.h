/* Known publishes: the dedupe table together with what stands in the log and among the receipts. Here a
 * candidate becomes an answer.
 *
 * How old an id is, is counted in the time that the store has seen: the time between the last record before a
 * start and the start itself does not count, because nobody could repeat anything then.
 */
#ifndef RJ_KNOWN_H
#define RJ_KNOWN_H

#include "storage/dedupe.h"
#include "storage/receipts.h"

struct rj_store;
struct rj_store_batch;

/* What is added to the time of a record of that epoch before it is compared with the clock; may be below 0.
 */
struct rj_epoch_shift {
    uint64_t epoch;
    int64_t ms;
};

struct rj_known {
    struct rj_dedupe dedupe;
    struct rj_epoch_shift *shifts; /* descending by epoch, those before this opening */
    size_t n_shifts;
    uint64_t from;       /* nothing below this pos is known */
    uint64_t n_receipts; /* in the table, with those on their way */
};

void rj_known_init(struct rj_store *store, const struct rj_store_options *options);
void rj_known_free(struct rj_known *known);

/* Rebuilds the table from the youngest records and the receipts, as far back as the windows reach, and has
 * those receipts dropped that nobody knows any more. */
enum rj_status rj_known_rebuild(struct rj_store *store, const struct rj_reader *reader);

/* The receipt of the publish that this one repeats, or false. The spans of `receipt` are empty. */
bool rj_known_find(struct rj_store *store, const struct rj_store_append *append, struct rj_dedupe_key key,
                   uint64_t now_ms, struct rj_record *receipt);

struct rj_dedupe_key rj_known_key(const struct rj_store *store, const struct rj_store_append *append);
void rj_known_add(struct rj_store *store, const struct rj_store_append *append, struct rj_dedupe_key key,
                  uint64_t pos, uint64_t ts_ms);

/* What a batch that is handed over has to know, and what it has answered. */
void rj_known_fill(struct rj_store *store, struct rj_store_batch *batch);
void rj_known_done(struct rj_store *store, const struct rj_store_batch *batch);

#endif
