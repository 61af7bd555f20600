#include "broker/serving/group.h"

#include <assert.h>
#include <stdlib.h>

#include "broker/base/names.h"
#include "proto/base/mem.h"
#include "proto/wire.h"

enum { RECORD_FORMAT = 1, RECORD_FIXED = 2 + 8 };

static bool patterns_are_valid(char *const *patterns, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (rj_pattern_check(patterns[i]) != RJ_OK)
            return false;
    return true;
}

enum rj_status rj_serve_check(const Rejoin__Serve *serve, const char **why)
{
    if (!rj_name_is_valid(serve->group, RJ_GROUP_NAME_MAX))
        return *why = "the group's name must have 1 to 128 bytes of valid UTF-8", RJ_BAD_NAME;
    if (serve->n_namespaces == 0)
        return *why = "at least one namespace is needed", RJ_BAD_REQUEST;
    if (serve->n_namespaces > RJ_GROUP_PATTERNS_MAX || serve->n_events > RJ_GROUP_PATTERNS_MAX)
        return *why = "too many names of namespaces or events", RJ_TOO_MANY;
    if (!patterns_are_valid(serve->namespaces, serve->n_namespaces) ||
        !patterns_are_valid(serve->events, serve->n_events))
        return *why = "a namespace or event is empty, too long, not valid UTF-8 or has too many stars",
               RJ_BAD_NAME;
    return RJ_OK;
}

struct rj_group *rj_group_new(const char *name)
{
    struct rj_group *group = rj_calloc(1, sizeof *group);
    group->name = rj_strndup(name, strlen(name));
    return group;
}

void rj_group_free(struct rj_group *group)
{
    assert(!group->instances);
    rj_buf_free(&group->said);
    rj_patterns_free(&group->namespaces);
    rj_patterns_free(&group->events);
    free(group->name);
    free(group);
}

bool rj_group_set(struct rj_group *group, const Rejoin__Serve *serve)
{
    struct rj_buf said = {0};
    Rejoin__Serve of_all = *serve;
    of_all.window = 0; /* each instance has its own */
    rj_wire_pack(&of_all.base, &said);
    if (rj_span_eq(rj_buf_span(&said), rj_buf_span(&group->said))) {
        rj_buf_free(&said);
        return false;
    }
    rj_buf_free(&group->said);
    group->said = said;
    rj_patterns_set(&group->namespaces, serve->namespaces, serve->n_namespaces);
    rj_patterns_set(&group->events, serve->events, serve->n_events);
    group->all_events = serve->all_events;
    group->admits = serve->admits;
    group->wants_sockets = serve->sockets || serve->all_events || serve->n_events > 0;
    group->fails_lost = serve->fails_lost;
    group->timeout_ms = serve->timeout_ms;
    return true;
}

bool rj_group_serves_namespace(const struct rj_group *group, const char *nsp)
{
    return rj_patterns_match(&group->namespaces, nsp);
}

bool rj_group_takes_event(const struct rj_group *group, const char *event)
{
    return group->all_events || rj_patterns_match(&group->events, event);
}

/* ------------------------------------------------------------------------------------------ the record */

void rj_group_record_encode(const struct rj_group *group, bool is_served, uint64_t seen_ms,
                            struct rj_buf *out)
{
    rj_buf_put_u8(out, RECORD_FORMAT);
    rj_buf_put_u8(out, is_served);
    for (int i = 0; i < 8; i++)
        rj_buf_put_u8(out, (uint8_t)(seen_ms >> (8 * i)));
    rj_buf_put_span(out, rj_buf_span(&group->said));
}

enum rj_status rj_group_record_decode(struct rj_span name, struct rj_span record, struct rj_arena *arena,
                                      bool *is_served, struct rj_group **out)
{
    const char *why;
    if (record.len < 1)
        return RJ_CORRUPT;
    if (record.data[0] != RECORD_FORMAT)
        return RJ_VERSION;
    if (record.len < RECORD_FIXED)
        return RJ_CORRUPT;
    Rejoin__Serve *serve = (Rejoin__Serve *)rj_wire_unpack_message(&rejoin__serve__descriptor,
                                                                   rj_span_from(record, RECORD_FIXED), arena);
    if (!serve || rj_serve_check(serve, &why) != RJ_OK || !rj_span_is(name, serve->group))
        return RJ_CORRUPT;
    struct rj_group *group = rj_group_new(serve->group);
    rj_group_set(group, serve);
    for (int i = 7; i >= 0; i--)
        group->seen_ms = group->seen_ms << 8 | record.data[2 + i];
    *is_served = record.data[1];
    *out = group;
    return RJ_OK;
}
