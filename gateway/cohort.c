#include "gateway/cohort.h"

#include <stdlib.h>
#include <utlist.h>

#include "gateway/clients.h"
#include "proto/base/mem.h"

static struct rj_cohort *find(struct rj_cohorts *cohorts, enum rj_cohort_kind kind, struct rj_span nsp,
                              struct rj_span user)
{
    struct rj_cohort *cohort;
    struct rj_buf *key = &cohorts->scratch;
    rj_buf_clear(key);
    rj_buf_put_span(key, nsp);
    rj_buf_put_u8(key, '\0');
    if (kind == RJ_COHORT_USER) {
        rj_buf_put_span(key, user);
        rj_buf_put_u8(key, '\0');
    }
    HASH_FIND(hh, cohorts->by_key[kind], key->data, key->len, cohort);
    return cohort;
}

/* The one whose key was just looked for. */
static struct rj_cohort *add(struct rj_cohorts *cohorts, enum rj_cohort_kind kind)
{
    const struct rj_buf *key = &cohorts->scratch;
    struct rj_cohort *cohort = rj_calloc(1, sizeof *cohort + key->len);
    cohort->kind = kind;
    cohort->key_len = key->len;
    memcpy(cohort->key, key->data, key->len);
    HASH_ADD_KEYPTR(hh, cohorts->by_key[kind], cohort->key, cohort->key_len, cohort);
    return cohort;
}

const char *rj_cohort_enter(struct rj_cohorts *cohorts, enum rj_cohort_kind kind, struct rj_client *client,
                            struct rj_span nsp, struct rj_span user)
{
    struct rj_cohort *cohort = find(cohorts, kind, nsp, user);
    if (!cohort)
        cohort = add(cohorts, kind);
    client->places[kind].cohort = cohort;
    DL_APPEND2(cohort->first, client, places[kind].prev, places[kind].next);
    return kind == RJ_COHORT_USER ? cohort->key + nsp.len + 1 : cohort->key;
}

static void leave(struct rj_cohorts *cohorts, struct rj_client *client, enum rj_cohort_kind kind)
{
    struct rj_cohort *cohort = client->places[kind].cohort;
    if (!cohort)
        return;
    DL_DELETE2(cohort->first, client, places[kind].prev, places[kind].next);
    client->places[kind] = (struct rj_cohort_place){0};
    if (cohort->first)
        return;
    HASH_DEL(cohorts->by_key[kind], cohort);
    free(cohort);
}

void rj_cohorts_leave(struct rj_cohorts *cohorts, struct rj_client *client)
{
    for (int kind = 0; kind < RJ_COHORT_KINDS; kind++)
        leave(cohorts, client, (enum rj_cohort_kind)kind);
}

struct rj_client *rj_cohort_first(struct rj_cohorts *cohorts, enum rj_cohort_kind kind, const char *nsp,
                                  const char *user)
{
    const struct rj_cohort *cohort = find(cohorts, kind, rj_span_str(nsp), rj_span_str(user));
    return cohort ? cohort->first : NULL;
}

struct rj_client *rj_cohort_next(const struct rj_client *client, enum rj_cohort_kind kind)
{
    return client->places[kind].next;
}

void rj_cohorts_free(struct rj_cohorts *cohorts)
{
    rj_buf_free(&cohorts->scratch);
}
