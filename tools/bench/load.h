/* The load client: many Socket.IO connections over plain WebSockets in one epoll, as cheap as they can be, so
 * that what is measured is the server. Speaks just enough: handshake, CONNECT, pings, events, acks. It never
 * parses JSON and never closes a connection by itself unless it is told to, or the server broke the protocol.
 */
#ifndef RJ_BENCH_LOAD_H
#define RJ_BENCH_LOAD_H

#include <sys/socket.h>

#include "proto/base/buf.h"

struct load;

/* Where a gateway listens. */
struct load_target {
    char host[128]; /* for the Host header */
    struct sockaddr_storage address;
    socklen_t size;
};

enum load_state { LOAD_DIALLING, LOAD_UPGRADING, LOAD_OPENING, LOAD_READY, LOAD_CLOSED };

struct load_conn {
    struct load *load;
    const struct load_target *target;
    uint32_t index;
    int fd;
    enum load_state state;
    bool is_queued;           /* it is in the list of those with something to send */
    bool is_choked;           /* the kernel takes no more: EPOLLOUT is armed */
    bool is_paused;           /* it does not read */
    struct load_conn *queued; /* the next one of that list */
    struct rj_buf in;         /* the beginning of a frame that is not whole yet */
    struct rj_buf out;        /* what is to be sent */
};

/* What a benchmark does with what arrives. `text` is the Socket.IO packet without Engine.IO's '4'; it lives
 * until the call returns. Each may be NULL. */
struct load_handler {
    void *ctx;
    void (*opening)(void *ctx, const struct load_conn *conn,
                    struct rj_buf *auth); /* appends what CONNECT says */
    void (*connected)(void *ctx, const struct load_conn *conn, struct rj_span text); /* "0{…" */
    void (*event)(void *ctx, struct load_conn *conn, struct rj_span text);           /* "2[…" */
    void (*ack)(void *ctx, struct load_conn *conn, struct rj_span text);             /* "3ID[…" */
    /* The connection was lost or refused; load_dial may make it anew, but not from here. NULL: no connection
     * may be lost (load_is_sound). */
    void (*closed)(void *ctx, struct load_conn *conn);
};

struct load {
    struct load_conn *conns;
    uint32_t n;
    uint32_t n_ready, n_closed;
    bool is_interrupted; /* SIGINT or SIGTERM is pending */
    uint64_t pings;      /* answered */
    uint32_t n_narrow;   /* the last so many get a small receive buffer: what they do not read, stays away */
    uint32_t at_once;    /* connections being made at a time; load_init sets a gentle bound */
    int epoll;
    struct load_handler handler;
    struct load_conn *queued; /* connections with something to send, in no order */
    uint8_t *buffer;          /* what one recv brings, for all connections */
    void (*on_wake)(void *ctx);
    void *wake_ctx;
};

/* `handler` NULL: what arrives is ignored. */
void load_init(struct load *load, uint32_t n, const struct load_handler *handler);
void load_free(struct load *load);

/* Connects all, spread over the targets (which must outlive the load), and waits until each has its CONNECT
 * answered. False, told on stderr, when one is refused or all together take longer than `deadline_ms`. */
bool load_connect(struct load *load, const struct load_target *targets, unsigned n_targets,
                  unsigned deadline_ms);

/* Makes a connection that was lost or cut, or was never made, to a target that must outlive the load; its
 * CONNECT is answered, or `closed` called, some load_run later (or `closed` at once). False, told on stderr:
 * there is no socket. Not from within a handler. */
bool load_dial(struct load_conn *conn, const struct load_target *target);

/* The network is gone: resets the connection, whatever state it is in. `closed` is not called. Not from
 * within a handler. */
void load_cut(struct load_conn *conn);

/* Stops reading from a connection that is ready, or goes on. The pongs stop with it. */
void load_pause(struct load_conn *conn, bool is_paused);

/* Sends what is queued, then handles what happens within `timeout_us`, one epoll_wait. */
void load_run(struct load *load, uint64_t timeout_us);

/* Whether the measurement can go on: no connection was lost and nobody wants us to stop. */
static inline bool load_is_sound(const struct load *load)
{
    return load->n_closed == 0 && !load->is_interrupted;
}

/* Queues one text frame for the next load_run (masked with zero, which leaves it as it is). */
void load_send(struct load_conn *conn, struct rj_span text);

/* Calls `on_wake` in load_run whenever `fd` is readable. One descriptor at most. */
void load_watch(struct load *load, int fd, void (*on_wake)(void *ctx), void *ctx);

/* The bytes on the wire of an Engine.IO message frame of the server's that carries `len` bytes of a Socket.IO
 * packet. */
size_t load_frame_bytes(size_t len);

/* Raises the descriptor limit as far as it goes, here and in processes started from here. */
void load_raise_limit(void);

/* Blocks SIGINT and SIGTERM, so that load_is_sound tells of them instead, and ignores SIGPIPE: the run ends
 * in good order. */
void load_hold_signals(void);

/* Whether one of them has come. */
bool load_is_interrupted(void);

#endif
