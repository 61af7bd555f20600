/* Filters: which sockets a backend means. A filter holds copies of all that it was asked for, so that it can
 * be gone by turn after turn; it refers to no session.
 *
 * Sockets are gone by in the order of their serials: the smallest ones above the last are chosen by one pass
 * over the array of whom the filter can concern at all. So a socket that is there throughout is met exactly
 * once, whoever comes and goes meanwhile.
 */
#ifndef RJ_FILTER_H
#define RJ_FILTER_H

#include "broker/broker.h"

enum {
    RJ_FILTER_ROOMS_MAX = 64,
    RJ_FILTER_NAMES_MAX = 1000, /* users, sids, exceptions: of each */
};

struct rj_names {
    char **list; /* ascending */
    size_t n;
};

struct rj_room_ids {
    rj_room_id *list; /* ascending */
    size_t n;
};

struct rj_filter {
    struct rj_arena arena; /* of the texts and lists */
    char *nsp;
    bool wants_rooms, wants_users, wants_sids;
    struct rj_room_ids rooms, except_rooms;
    struct rj_names users, sids, except_sids;
};

/* Checks and copies. RJ_BAD_REQUEST, RJ_BAD_NAMESPACE, RJ_BAD_NAME, RJ_TOO_MANY; `*why` may say more. On
 * success it is freed with rj_filter_free. */
enum rj_status rj_filter_init(struct rj_filter *filter, struct rj_broker *broker,
                              const Rejoin__SocketFilter *asked, const char **why);
void rj_filter_free(struct rj_filter *filter);

/* Whether an attached session of its namespace is meant. */
bool rj_filter_meets(const struct rj_filter *filter, const struct rj_session *session);

/* A stretch of serials: above `after`, up to `upto`. */
struct rj_stretch {
    uint64_t after, upto;
};

/* The `max` sockets (at least 1) with the smallest serials of the stretch that may be meant: rj_filter_meets
 * says for each. To `page`, which has room for twice as many, ascending; returns how many. *is_last: there
 * are no further ones. */
size_t rj_filter_next(const struct rj_filter *filter, const struct rj_broker *broker,
                      struct rj_stretch stretch, struct rj_member *page, size_t max, bool *is_last);

/* True: *n sockets are meant, known without looking at them. */
bool rj_filter_count(const struct rj_filter *filter, const struct rj_broker *broker, uint64_t *n);

#endif
