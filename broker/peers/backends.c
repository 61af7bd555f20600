#include "broker/peers/backends.h"

#include <stdlib.h>

#include "broker/messages/tail.h"
#include "broker/peers/hello.h"
#include "broker/serving/serve.h"
#include "proto/base/mem.h"

static struct rj_backend *find(const struct rj_backends *backends, const char *id)
{
    for (size_t i = 0; i < RJ_BACKENDS_MAX; i++)
        if (backends->slots[i] && strcmp(backends->slots[i]->peer.id, id) == 0)
            return backends->slots[i];
    return NULL;
}

static struct rj_backend *create(struct rj_broker *broker, const char *id)
{
    uint32_t slot = 0;
    while (slot < RJ_BACKENDS_MAX && broker->backends.slots[slot])
        slot++;
    if (slot == RJ_BACKENDS_MAX)
        return NULL;
    struct rj_backend *backend = rj_calloc(1, sizeof *backend);
    rj_peer_init(&backend->peer, RJ_BUS_BACKENDS, slot, id, broker->bus, &broker->stats);
    broker->backends.slots[slot] = backend;
    broker->backends.n++;
    return backend;
}

/* A backend that gives itself no name is known by its id: its publish ids hold for this process alone. */
static const char *name_of(const Rejoin__Hello *hello)
{
    return hello->name[0] ? hello->name : hello->id;
}

void rj_backends_hello(struct rj_broker *broker, uint32_t route, const Rejoin__Hello *hello)
{
    if (hello->role != REJOIN__HELLO__ROLE__BACKEND || !rj_hello_id_is_valid(hello->id) ||
        !rj_hello_id_is_valid(name_of(hello))) {
        rj_hello_refuse(broker, RJ_BUS_BACKENDS, route, RJ_BAD_REQUEST, "no valid Hello of a backend");
        return;
    }
    struct rj_backend *backend = find(&broker->backends, hello->id);
    if (!backend && !(backend = create(broker, hello->id))) {
        rj_hello_refuse(broker, RJ_BUS_BACKENDS, route, RJ_TOO_MANY, "all places for backends are taken");
        return;
    }
    rj_tails_end(backend);
    free(backend->name);
    backend->name = rj_strndup(name_of(hello), strlen(name_of(hello)));
    rj_broker_begin_stream(broker, &backend->peer, route);
    rj_hello_welcome(broker, &backend->peer, false);
    rj_log(RJ_LOG_INFO, "backend_hello", RJ_KV_STR("backend", backend->name), RJ_KV_STR("id", hello->id),
           RJ_KV_STR("software", hello->software));
}

void rj_backend_free(struct rj_broker *broker, struct rj_backend *backend)
{
    rj_tails_end(backend);
    rj_serve_backend_gone(broker, backend);
    rj_broker_forget_route(broker, &backend->peer);
    broker->backends.slots[backend->peer.slot] = NULL;
    broker->backends.n--;
    rj_peer_fini(&backend->peer);
    free(backend->name);
    free(backend);
}

void rj_backends_fini(struct rj_broker *broker)
{
    for (size_t i = 0; i < RJ_BACKENDS_MAX; i++)
        if (broker->backends.slots[i])
            rj_backend_free(broker, broker->backends.slots[i]);
}
