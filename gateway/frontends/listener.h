/* The listener: our own listening socket, because libwebsockets 4.1 spins when descriptors run out and cannot
 * share a port. Several processes may listen on one port (SO_REUSEPORT).
 */
#ifndef RJ_LISTENER_H
#define RJ_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "proto/base/status.h"

struct rj_listener;

struct rj_listener_options {
    uv_loop_t *loop;
    const char *host;      /* an address or a name; NULL or empty: every address */
    const char *port;      /* "0": a free one */
    int send_buffer_bytes; /* SO_SNDBUF of accepted sockets; 0: the system's */
    /* Takes over the socket: non-blocking, close-on-exec, without Nagle's delay. */
    void (*on_accept)(void *context, int fd);
    /* Whether there is room for another. If not, this takes over the socket instead. */
    bool (*has_room)(void *context);
    void (*on_refuse)(void *context, int fd);
    void *context;
};

/* RJ_BAD_NAME: no such address. RJ_IO: the socket cannot be bound; errno says why. */
enum rj_status rj_listener_open(const struct rj_listener_options *options, struct rj_listener **out);

/* "HOST:PORT" as it is bound, NUL-terminated. As long as the listener lives. */
const char *rj_listener_address(const struct rj_listener *listener);

/* Connections that were turned away because there was no room or no descriptor. */
uint64_t rj_listener_refused(const struct rj_listener *listener);

/* Stops listening. Its memory goes when the loop has run. NULL is fine; the pointer is taken. */
void rj_listener_close(struct rj_listener **listener);

#endif
