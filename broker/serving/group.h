/* A group of backends that serve events together: what it asked for last, and its instances.
 *
 * A group outlives its instances: it is remembered, in the store too (groups.h). Whatever refers to it does
 * so by pointer and is told before it goes.
 */
#ifndef RJ_GROUP_H
#define RJ_GROUP_H

#include "broker/base/pattern.h"
#include "proto/base/arena.h"
#include "proto/base/buf.h"
#include "rejoin.pb-c.h"

struct rj_instance;

enum {
    RJ_GROUP_NAME_MAX = 128,
    RJ_GROUP_PATTERNS_MAX = 256, /* of namespaces, and of events */
};

struct rj_group {
    char *name;
    struct rj_buf said; /* its last Serve, packed: the same again changes nothing */
    struct rj_patterns namespaces, events;
    bool all_events;
    bool admits;
    bool wants_sockets; /* Opened and Closed; always with events */
    bool fails_lost;
    uint32_t timeout_ms; /* 0: the broker's default */

    bool was_remembered;           /* it is older than this run of the broker */
    struct rj_instance *instances; /* those that serve, and what lost ones have left behind */
    size_t n_instances;            /* without those */
    uint64_t seen_ms;              /* wall clock, while it has none: since when */
};

/* RJ_OK when a Serve keeps the rules; else why not, static memory in `*why`. Pure. */
enum rj_status rj_serve_check(const Rejoin__Serve *serve, const char **why);

/* A group without instances. */
struct rj_group *rj_group_new(const char *name);
/* It has no instances. */
void rj_group_free(struct rj_group *group);

/* Takes over what a checked Serve asks for. True: that is something new. */
bool rj_group_set(struct rj_group *group, const Rejoin__Serve *serve);

bool rj_group_serves_namespace(const struct rj_group *group, const char *nsp);
bool rj_group_takes_event(const struct rj_group *group, const char *event);

/* What the store keeps of a group, under its name:
 *   u8 format (1), u8 is_served, u64 LE seen_ms, the packed Serve
 * is_served: it had instances when that was written; a crash leaves it so. */
void rj_group_record_encode(const struct rj_group *group, bool is_served, uint64_t seen_ms,
                            struct rj_buf *out);

/* A group as it was written; `arena` is used meanwhile. RJ_VERSION for another format, RJ_CORRUPT for a wrong
 * shape. */
enum rj_status rj_group_record_decode(struct rj_span name, struct rj_span record, struct rj_arena *arena,
                                      bool *is_served, struct rj_group **out);

#endif
