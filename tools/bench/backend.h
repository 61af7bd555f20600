/* The benchmark as a backend: publishes over ZeroMQ with librejoin, and asks the broker for its counters. */
#ifndef RJ_BENCH_BACKEND_H
#define RJ_BENCH_BACKEND_H

#include "tools/bench/message.h"

struct backend;

/* One call for each publish, in their order, once the broker has answered. */
typedef void backend_on_ack(void *ctx, bool is_ok);

/* Connects to the broker's endpoint for backends. NULL, told on stderr, when there is none. */
struct backend *backend_open(const char *endpoint, backend_on_ack *on_ack, void *ctx);
void backend_close(struct backend *backend);

/* Readable when backend_turn has something to do. */
int backend_fd(const struct backend *backend);
void backend_turn(struct backend *backend);

/* Starts a publish of `size` bytes of data; it leaves at the next turn. False, told on stderr: it cannot. */
bool backend_publish(struct backend *backend, const char *room, const struct message_stamp *stamp,
                     size_t size);

/* One of the broker's counters; -1 when the broker does not answer or has none of that name. */
double backend_metric(const char *endpoint, const char *name);

#endif
