/* The load client: many Socket.IO connections over plain WebSockets in one epoll, as cheap as they can be, so
 * that what is measured is the server. Speaks just enough: handshake, CONNECT, pings, events, acks.
 */
#ifndef RJ_BENCH_LOAD_H
#define RJ_BENCH_LOAD_H

#include "proto/base/buf.h"

struct load;

enum load_state { LOAD_CONNECTING, LOAD_UPGRADING, LOAD_OPENING, LOAD_JOINING, LOAD_READY, LOAD_CLOSED };

struct load_conn {
    struct load *load;
    uint32_t index;
    int fd;
    enum load_state state;
    struct rj_buf in;  /* the beginning of a frame that is not whole yet */
    struct rj_buf out; /* what the kernel did not take */
    char sid[32];
    /* for the benchmarks */
    uint64_t seq;     /* of the last message */
    uint64_t sent_us; /* of the publish that is not acknowledged */
    uint64_t outstanding;
};

/* What a benchmark does with what arrives. `text` is the Socket.IO packet without Engine.IO's '4'. */
struct load_handler {
    void *ctx;
    void (*ready)(void *ctx, struct load_conn *conn);
    void (*event)(void *ctx, struct load_conn *conn, struct rj_span text); /* "2[…" */
    void (*ack)(void *ctx, struct load_conn *conn, struct rj_span text);   /* "3ID[…" */
};

struct load {
    struct load_conn *conns;
    uint32_t n;
    uint32_t n_ready, n_closed;
    int epoll;
    bool is_raw; /* the floor: frames are counted, nothing is spoken */
    uint64_t frames, bytes;
    struct load_handler handler;
    uint8_t *buffer;
};

void load_init(struct load *load, uint32_t n, const struct load_handler *handler);

/* Connects all, spread over the ports, and waits until they are ready. With `room`: each joins the room that
 * it writes for its index (NULL: none). False, told on stderr, when that takes longer than `deadline_ms`. */
typedef void load_room_name(uint32_t index, char *out, size_t size);
bool load_connect(struct load *load, const uint16_t *ports, unsigned n_ports, load_room_name *room,
                  unsigned deadline_ms);

/* Handles what happens for up to `timeout_ms`. */
void load_run(struct load *load, int timeout_ms);

/* Sends one text frame (masked with zero, which leaves it as it is). */
void load_send(struct load_conn *conn, const void *text, size_t len);

void load_free(struct load *load);

/* Raises the descriptor limit as far as it goes; the new one. */
uint64_t load_raise_limit(void);

#endif
