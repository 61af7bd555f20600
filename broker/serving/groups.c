#include "broker/serving/groups.h"

#include <stdlib.h>

#include "broker/base/names.h"
#include "broker/broker.h"
#include "broker/serving/admission.h"
#include "broker/serving/instance.h"
#include "proto/base/clock.h"
#include "proto/base/mem.h"

/* Backends are started together: when none has come for so long, the others are not on their way. */
enum { QUIET_MS = 2000 };

/* ------------------------------------------------------------------------------------------ the table */

/* Where the group stands, or would stand. */
static size_t place_of(const struct rj_groups *groups, const char *name)
{
    size_t low = 0, high = groups->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(groups->list[mid]->name, name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct rj_group *rj_groups_find(const struct rj_groups *groups, const char *name)
{
    size_t at = place_of(groups, name);
    return at < groups->n && strcmp(groups->list[at]->name, name) == 0 ? groups->list[at] : NULL;
}

static void insert(struct rj_groups *groups, struct rj_group *group)
{
    size_t at = place_of(groups, group->name);
    if (groups->n == groups->cap) {
        groups->cap = groups->cap ? 2 * groups->cap : 16;
        groups->list = (struct rj_group **)rj_realloc(groups->list, groups->cap, sizeof *groups->list);
    }
    memmove(groups->list + at + 1, groups->list + at, (groups->n - at) * sizeof *groups->list);
    groups->list[at] = group;
    groups->n++;
}

static void take_out(struct rj_groups *groups, const struct rj_group *group)
{
    size_t at = place_of(groups, group->name);
    groups->n--;
    memmove(groups->list + at, groups->list + at + 1, (groups->n - at) * sizeof *groups->list);
}

/* ------------------------------------------------------------------------------------------ the store */

static bool on_stored(void *ctx, struct rj_span name, struct rj_span value)
{
    struct rj_broker *broker = ctx;
    struct rj_group *group;
    bool was_served;
    enum rj_status status = rj_group_record_decode(name, value, &broker->arena, &was_served, &group);
    rj_arena_reset(&broker->arena);
    if (status != RJ_OK) {
        rj_log(RJ_LOG_ERROR, "group_unreadable", RJ_KV_SPAN("group", name),
               RJ_KV_STR("reason", rj_status_code(status)));
        return true;
    }
    group->was_remembered = true;
    if (was_served)
        group->seen_ms = rj_clock_wall_ms();
    insert(&broker->serving.groups, group);
    return true;
}

void rj_groups_load(struct rj_broker *broker)
{
    struct rj_span all = {NULL, 0};
    enum rj_status status =
        rj_store_scan(broker->store, RJ_TABLE_SERVICE, all, all, RJ_GROUPS_MAX, on_stored, broker);
    if (status != RJ_OK)
        rj_log(RJ_LOG_ERROR, "groups_unreadable", RJ_KV_STR("reason", rj_status_code(status)));
}

static void save(struct rj_broker *broker, const struct rj_group *group, bool is_served, uint64_t seen_ms,
                 rj_store_written *done, void *ctx)
{
    struct rj_buf record = {0};
    rj_group_record_encode(group, is_served, seen_ms, &record);
    rj_store_put(broker->store, RJ_TABLE_SERVICE, rj_span_str(group->name), rj_buf_span(&record),
                 RJ_ANY_VERSION, done, ctx);
    rj_buf_free(&record);
}

void rj_groups_save(struct rj_broker *broker, struct rj_group *group, rj_store_written *done, void *ctx)
{
    save(broker, group, true, rj_clock_wall_ms(), done, ctx);
}

void rj_groups_unserved(struct rj_broker *broker, struct rj_group *group)
{
    group->seen_ms = rj_clock_wall_ms();
    save(broker, group, false, group->seen_ms, NULL, NULL);
}

/* ------------------------------------------------------------------------------------------ changes */

struct rj_group *rj_groups_set(struct rj_broker *broker, const Rejoin__Serve *serve)
{
    struct rj_groups *groups = &broker->serving.groups;
    struct rj_group *group = rj_groups_find(groups, serve->group);
    bool is_new = !group;
    groups->served_ms = broker->now_ms;
    if (is_new && groups->n >= broker->conf->max_groups)
        return NULL;
    if (is_new) {
        group = rj_group_new(serve->group);
        insert(groups, group);
    }
    if (rj_group_set(group, serve)) {
        rj_log(RJ_LOG_INFO, is_new ? "group_new" : "group_changed", RJ_KV_STR("group", group->name),
               RJ_KV_U64("namespaces", group->namespaces.n), RJ_KV_U64("events", group->events.n),
               RJ_KV_STR("all_events", group->all_events ? "yes" : "no"),
               RJ_KV_STR("admits", group->admits ? "yes" : "no"));
        rj_seats_review(broker, group);
        rj_admissions_retry(broker);
    }
    return group;
}

static void discard(struct rj_broker *broker, struct rj_group *group)
{
    while (group->instances)
        rj_instance_discard(broker, group->instances);
    take_out(&broker->serving.groups, group);
    rj_group_free(group);
}

void rj_groups_forget(struct rj_broker *broker, struct rj_group *group, const char *why)
{
    rj_log(RJ_LOG_INFO, "group_forgotten", RJ_KV_STR("group", group->name), RJ_KV_STR("reason", why));
    group->wants_sockets = false;
    rj_seats_review(broker, group);
    rj_admissions_fail_group(broker, group);
    rj_store_delete(broker->store, RJ_TABLE_SERVICE, rj_span_str(group->name), NULL, NULL);
    discard(broker, group);
}

void rj_groups_tick(struct rj_broker *broker)
{
    struct rj_groups *groups = &broker->serving.groups;
    uint64_t now_ms = rj_clock_wall_ms();
    for (size_t i = groups->n; i-- > 0;) {
        struct rj_group *group = groups->list[i];
        if (group->n_instances == 0 && now_ms > group->seen_ms &&
            now_ms - group->seen_ms > broker->conf->session_lifetime_ms)
            rj_groups_forget(broker, group, "nobody has served it for long");
    }
}

void rj_groups_fini(struct rj_broker *broker)
{
    struct rj_groups *groups = &broker->serving.groups;
    while (groups->n)
        discard(broker, groups->list[0]);
    free(groups->list);
    *groups = (struct rj_groups){0};
}

/* ------------------------------------------------------------------------------------------ questions */

struct rj_group *rj_groups_next_admitting(const struct rj_groups *groups, const char *nsp, const char *after)
{
    size_t i = after ? place_of(groups, after) : 0;
    if (after && i < groups->n && strcmp(groups->list[i]->name, after) == 0)
        i++;
    for (; i < groups->n; i++)
        if (groups->list[i]->admits && rj_group_serves_namespace(groups->list[i], nsp))
            return groups->list[i];
    return NULL;
}

uint32_t rj_group_timeout(const struct rj_broker *broker, const struct rj_group *group)
{
    uint64_t wanted = group->timeout_ms ? group->timeout_ms : broker->conf->handler_timeout_ms;
    uint64_t most = broker->conf->handler_timeout_max_ms;
    return (uint32_t)(wanted < most ? wanted : most);
}

static bool has_form(const struct rj_broker *broker, const char *nsp)
{
    return nsp[0] == '/' && rj_name_is_valid(nsp, broker->conf->max_namespace_name);
}

bool rj_groups_serve_namespace(const struct rj_groups *groups, const char *nsp)
{
    for (size_t i = 0; i < groups->n; i++)
        if (rj_group_serves_namespace(groups->list[i], nsp))
            return true;
    return false;
}

bool rj_namespace_is_known(const struct rj_broker *broker, const char *nsp)
{
    return rj_conf_has_namespace(broker->conf, nsp) ||
           (has_form(broker, nsp) && rj_groups_serve_namespace(&broker->serving.groups, nsp));
}

bool rj_namespace_may_come(const struct rj_broker *broker, const char *nsp)
{
    return has_form(broker, nsp) && broker->now_ms - broker->started_ms < broker->conf->lease_ms;
}

uint64_t rj_namespaces_awaited_until_ms(const struct rj_broker *broker)
{
    uint64_t served_ms = broker->serving.groups.served_ms;
    uint64_t most_ms = broker->started_ms + broker->conf->lease_ms;
    return served_ms && served_ms + QUIET_MS < most_ms ? served_ms + QUIET_MS : most_ms;
}

bool rj_groups_may_get_back(const struct rj_broker *broker, const struct rj_group *group)
{
    return group->was_remembered && broker->now_ms - broker->started_ms < broker->conf->lease_ms;
}
