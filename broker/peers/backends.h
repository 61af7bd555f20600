/* The backends: services and tools that publish, read and follow the log. */
#ifndef RJ_BACKENDS_H
#define RJ_BACKENDS_H

#include "broker/peers/peer.h"

enum { RJ_BACKENDS_MAX = 1024 };

struct rj_broker;
struct rj_instance;
struct rj_tail;

struct rj_backend {
    struct rj_peer peer; /* first: a peer of its side is a backend */
    char *name;          /* stable: the source of its publish ids */
    struct rj_tail *tails;
    size_t n_tails;
    struct rj_instance *instances; /* in the groups that it serves */
};

struct rj_backends {
    struct rj_backend *slots[RJ_BACKENDS_MAX];
    size_t n;
};

void rj_backends_hello(struct rj_broker *broker, uint32_t route, const Rejoin__Hello *hello);

/* Ends it: its tails, its stream, its slot. What it served is lost. */
void rj_backend_free(struct rj_broker *broker, struct rj_backend *backend);

void rj_backends_fini(struct rj_broker *broker);

#endif
