/* The groups that serve, or have served and are remembered: by name, in RAM and in the store. They decide
 * which namespaces there are, next to the settings.
 */
#ifndef RJ_GROUPS_H
#define RJ_GROUPS_H

#include "broker/serving/group.h"
#include "storage/store.h"

enum { RJ_GROUPS_MAX = 10000 }; /* that any setting allows */

struct rj_broker;

struct rj_groups {
    struct rj_group **list; /* ascending by name */
    size_t n, cap;
    uint64_t served_ms; /* the last Serve; 0: none since the start */
};

/* Reads what is remembered. A record that cannot be read is logged and left out. */
void rj_groups_load(struct rj_broker *broker);
void rj_groups_fini(struct rj_broker *broker);

/* NULL: there is none. */
struct rj_group *rj_groups_find(const struct rj_groups *groups, const char *name);

/* The group of a checked Serve, made or changed as it says; seats of all sessions follow. NULL: there are too
 * many. */
struct rj_group *rj_groups_set(struct rj_broker *broker, const Rejoin__Serve *serve);

/* Writes it as being served; `done` runs when everything said of it until now is durable. */
void rj_groups_save(struct rj_broker *broker, struct rj_group *group, rj_store_written *done, void *ctx);

/* Its last instance has gone. */
void rj_groups_unserved(struct rj_broker *broker, struct rj_group *group);

/* It is over, here and in the store: its jobs end as RJ_UNAVAILABLE. */
void rj_groups_forget(struct rj_broker *broker, struct rj_group *group, const char *why);

/* Forgets those that nobody has served for a session's lifetime. */
void rj_groups_tick(struct rj_broker *broker);

/* The first group by name, after the one of that name (NULL: from the first), that is asked before a client
 * is let into the namespace. NULL: none is. */
struct rj_group *rj_groups_next_admitting(const struct rj_groups *groups, const char *nsp, const char *after);

/* What its instances have for an answer. */
uint32_t rj_group_timeout(const struct rj_broker *broker, const struct rj_group *group);

/* Whether any group serves it. */
bool rj_groups_serve_namespace(const struct rj_groups *groups, const char *nsp);

/* Whether clients may have this namespace: the settings name it or a group serves it, and it has the form of
 * one: a slash, and at most max-namespace-name bytes of valid UTF-8. */
bool rj_namespace_is_known(const struct rj_broker *broker, const char *nsp);

/* Not known, but the broker has been up for less than a lease, and backends may be on their way back. */
bool rj_namespace_may_come(const struct rj_broker *broker, const char *nsp);

/* Until when a client that wants an unknown namespace should wait, on broker->now_ms's clock: at most until
 * the broker has been up for a lease, and no longer than a moment after the last backend that came. Groups
 * that have served before are remembered with their namespaces, so this is for those that come for the first
 * time. */
uint64_t rj_namespaces_awaited_until_ms(const struct rj_broker *broker);

/* Right after a start, gateways are still on their way back with sockets that the group had. */
bool rj_groups_may_get_back(const struct rj_broker *broker, const struct rj_group *group);

#endif
