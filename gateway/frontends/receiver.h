/* The receiver: reads from many sockets through one epoll set of its own inside the gateway's loop, and hands
 * out the bytes.
 *
 * libwebsockets shows nobody the headers of WebSocket frames and lets some pass that RFC 6455 forbids, and
 * does not survive pipelined requests; so it never reads from a socket, the receiver does. One buffer serves
 * all connections: idle ones have none.
 */
#ifndef RJ_RECEIVER_H
#define RJ_RECEIVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <uv.h>

#include "proto/base/status.h"

struct rj_receiver;

/* Somebody's socket; embedded in whoever it belongs to, who keeps it until it is removed. */
struct rj_source {
    bool is_listed;
    int fd; /* while it is listed */
    /* len > 0: bytes, which may be overwritten; 0: the other side sends no more; -1: the socket is broken.
     * After 0 and -1 it is listed no longer. */
    void (*on_bytes)(struct rj_source *source, uint8_t *bytes, ssize_t len);
    /* Instead, for whoever reads and writes as it sees fit: since the last call something has come, or what
     * was full takes something again. `is_ended`: nothing more will come. */
    void (*on_ready)(struct rj_source *source, bool is_ended);
};

/* RJ_UNAVAILABLE when the system gives no epoll set. */
enum rj_status rj_receiver_open(uv_loop_t *loop, struct rj_receiver **out);

/* False when the system refuses. */
bool rj_receiver_add(struct rj_receiver *receiver, struct rj_source *source, int fd);

/* From now on it hears nothing. Needed before the socket is closed. Harmless when it is not listed; allowed
 * at any time, also for another one from within on_bytes. */
void rj_receiver_remove(struct rj_receiver *receiver, struct rj_source *source);

/* Its memory goes when the loop has run. NULL is fine; the pointer is taken. */
void rj_receiver_close(struct rj_receiver **receiver);

#endif
