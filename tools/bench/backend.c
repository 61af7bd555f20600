#include "tools/bench/backend.h"

#include <rejoin.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/mem.h"

enum { CONNECT_MS = 5000 };

struct backend {
    struct rejoin *broker;
    backend_on_ack *on_ack;
    void *ctx;
    struct rj_buf data; /* of the message being published */
};

static struct rejoin *connect_to(const char *endpoint)
{
    struct rejoin_options options = {.endpoint = endpoint, .name = "bench"};
    struct rejoin *broker = NULL;
    enum rejoin_status status = rejoin_open(&options, &broker);
    if (status == REJOIN_OK)
        status = rejoin_connect(broker, CONNECT_MS);
    if (status == REJOIN_OK)
        return broker;
    fprintf(stderr, "rejoin-bench: broker at %s: %s\n", endpoint, rejoin_strerror(status));
    rejoin_close(&broker);
    return NULL;
}

struct backend *backend_open(const char *endpoint, backend_on_ack *on_ack, void *ctx)
{
    struct rejoin *broker = connect_to(endpoint);
    if (!broker)
        return NULL;
    struct backend *backend = rj_calloc(1, sizeof *backend);
    *backend = (struct backend){.broker = broker, .on_ack = on_ack, .ctx = ctx};
    return backend;
}

void backend_close(struct backend *backend)
{
    if (!backend)
        return;
    rejoin_close(&backend->broker);
    rj_buf_free(&backend->data);
    free(backend);
}

int backend_fd(const struct backend *backend)
{
    return rejoin_fd(backend->broker);
}

void backend_turn(struct backend *backend)
{
    rejoin_process(backend->broker);
}

static void on_published(void *arg, enum rejoin_status status, const struct rejoin_published *result)
{
    struct backend *backend = arg;
    (void)result;
    backend->on_ack(backend->ctx, status == REJOIN_OK);
}

bool backend_publish(struct backend *backend, const char *room, const struct message_stamp *stamp,
                     size_t size)
{
    rj_buf_clear(&backend->data);
    message_put_data(&backend->data, stamp, size);
    struct rejoin_publish publish = {
        .room = room, .data = (const char *)backend->data.data, .data_len = backend->data.len};
    enum rejoin_status status = rejoin_publish(backend->broker, &publish, on_published, backend);
    if (status != REJOIN_OK)
        fprintf(stderr, "rejoin-bench: publish: %s\n", rejoin_strerror(status));
    return status == REJOIN_OK;
}

double backend_metric(const char *endpoint, const char *name)
{
    struct rejoin *broker = connect_to(endpoint);
    struct rejoin_metrics *metrics = NULL;
    double value = -1;
    if (broker && rejoin_stats_wait(broker, CONNECT_MS, &metrics) == REJOIN_OK)
        for (size_t i = 0; i < metrics->count; i++)
            if (strcmp(metrics->metrics[i].name, name) == 0)
                value = metrics->metrics[i].value;
    rejoin_metrics_free(&metrics);
    rejoin_close(&broker);
    return value;
}
