/* A page of a room's messages, read from the store into an arena; and the answering of those who ask for one.
 *
 * A page is bounded by its limit, by bytes, and by attachments: a stock client refuses a packet with more
 * than ten of them, so what goes out as one packet may not hold more. The first message always fits.
 */
#ifndef RJ_HISTORY_H
#define RJ_HISTORY_H

#include "proto/wire.h"
#include "storage/store.h"

enum {
    RJ_ATTACHMENTS_MAX = 10,
    RJ_PAGE_BYTES = 1 << 20,
};

struct rj_page {
    Rejoin__Deliver **messages; /* ascending by seq */
    size_t n;
    bool more; /* further ones lie in the direction that was asked for */
};

struct rj_page_query {
    rj_room_id room;
    enum rj_history_order order;
    uint64_t seq;   /* FORWARD: above it; BACKWARD: below it, UINT64_MAX = the newest */
    uint64_t floor; /* BACKWARD: only seqs above this */
    size_t limit;   /* at least 1 */
};

/* RJ_CORRUPT when a record of the page is damaged. The page lives in the arena. */
enum rj_status rj_history_read(struct rj_store *store, const struct rj_page_query *query,
                               struct rj_arena *arena, struct rj_page *out);

/* The pages that were asked for, which the store's reader threads read: a page that has to come from the disk
 * holds up nobody else. So many at once, the others wait in their order, a few dozen bytes each. */
struct rj_histories {
    struct rj_history_read *waiting; /* utlist */
    unsigned n_waiting, n_read;
};

struct rj_broker;
struct rj_request;

/* Replies to the request with that page, or with the error of reading it. */
void rj_history_answer(struct rj_request *request, const struct rj_page_query *query);

/* Forgets those that wait. The store is closed. */
void rj_histories_free(struct rj_histories *histories);

#endif
