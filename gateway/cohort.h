/* A cohort: the clients of this gateway that have something in common from their first to their last moment:
 * their namespace, or their namespace and user. It is what a message for everybody, or for one user, is
 * walked along; and it owns the names, which its clients share.
 *
 * A list through the clients themselves: an idle client costs three pointers for each cohort that it is in,
 * and no copy of a name. A cohort lives as long as somebody is in it.
 */
#ifndef RJ_COHORT_H
#define RJ_COHORT_H

#include <uthash.h>

#include "proto/base/buf.h"

struct rj_client;
struct rj_cohort;

enum rj_cohort_kind { RJ_COHORT_NAMESPACE, RJ_COHORT_USER, RJ_COHORT_KINDS };

/* A client's place in a cohort of each kind; `cohort` is NULL while it is in none. */
struct rj_cohort_place {
    struct rj_cohort *cohort;
    struct rj_client *prev, *next; /* utlist: the first one's prev is the last one */
};

struct rj_cohort {
    struct rj_client *first;
    enum rj_cohort_kind kind;
    size_t key_len;
    UT_hash_handle hh;
    char key[]; /* the namespace and a NUL; then, for a user, the user and a NUL */
};

/* Zero-initialise. */
struct rj_cohorts {
    struct rj_cohort *by_key[RJ_COHORT_KINDS];
    struct rj_buf scratch;
};

/* Puts the client, which must be in none of this kind, behind the others of `nsp`; with RJ_COHORT_USER, of
 * `user` in it. Returns the name, the namespace's or the user's: valid while the client is in the cohort. */
const char *rj_cohort_enter(struct rj_cohorts *cohorts, enum rj_cohort_kind kind, struct rj_client *client,
                            struct rj_span nsp, struct rj_span user);

/* Takes the client out of those that it is in. */
void rj_cohorts_leave(struct rj_cohorts *cohorts, struct rj_client *client);

/* The first of the clients, or NULL; the next with rj_cohort_next. `user` is NULL with RJ_COHORT_NAMESPACE.
 */
struct rj_client *rj_cohort_first(struct rj_cohorts *cohorts, enum rj_cohort_kind kind, const char *nsp,
                                  const char *user);
struct rj_client *rj_cohort_next(const struct rj_client *client, enum rj_cohort_kind kind);

/* Every client must have left. */
void rj_cohorts_free(struct rj_cohorts *cohorts);

#endif
