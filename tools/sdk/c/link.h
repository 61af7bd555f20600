/* The conversation with the broker: one DEALER, Hello and Welcome, heartbeats, and healing by a fresh socket
 * (rejoin.proto, "Healing"). Owned by the handle. It hands up every item that is not its own business and
 * knows nothing of commands: on a new stream it tells its owner, who says again what is unanswered.
 *
 * A stream begins with a socket and ends with it: after a broken stream nothing of the old socket is read.
 */
#ifndef RJ_SDK_LINK_H
#define RJ_SDK_LINK_H

#include "proto/base/random.h"
#include "proto/wire.h"
#include "rejoin.h"
#include "wake.h"

enum rj_sdk_link_state {
    RJ_SDK_LINK_DOWN,    /* no socket; `reopen_ms` is when to try again */
    RJ_SDK_LINK_GREETED, /* Hello is on its way (perhaps to a broker that is not there yet) */
    RJ_SDK_LINK_LIVE,    /* Welcome has come */
    RJ_SDK_LINK_REFUSED, /* `refusal` is final */
};

struct rj_sdk_link {
    enum rj_sdk_link_state state;
    enum rejoin_status refusal;
    struct rj_buf reason; /* why the last stream ended or none begins; for a person */

    void *context; /* ZeroMQ's */
    void *socket;  /* NULL while down */
    int socket_fd; /* its ZMQ_FD */
    struct rj_sdk_wake *wake;
    char *endpoint;
    char *name;
    char id[RJ_ID_LEN + 1]; /* Hello.id, the same on every stream of this handle */

    uint64_t epoch; /* of the broker's Welcome */
    size_t max_frame_bytes;
    uint32_t ping_ms, lease_ms;

    unsigned probes;      /* empty frames on this socket: the first one greets, a further one tells that the
                             transport was replaced underneath */
    uint64_t last_number; /* of the broker's batches on this stream */
    uint64_t opened_ms, heard_ms, sent_ms, reopen_ms;
    uint32_t backoff_ms;
    bool owes_pong;
    uint64_t pong_nonce, ping_nonce;

    struct rj_wire_out out; /* the frame being built, or the one that the pipe has no room for */
    bool is_stuck;          /* `out` is sealed and waits for room */
    struct rj_arena arena;  /* the frame being read */

    void (*on_live)(void *owner);
    void (*on_item)(void *owner, const Rejoin__Item *item); /* in the arena: valid until it returns */
    void *owner;
};

/* Takes the first socket. `link` is zeroed but for the callbacks and the owner. */
enum rejoin_status rj_sdk_link_open(struct rj_sdk_link *link, struct rj_sdk_wake *wake, const char *endpoint,
                                    const char *name);
void rj_sdk_link_close(struct rj_sdk_link *link);

/* Says Bye, when there is a stream: the broker need not wait for the lease. What is in `out` is dropped. */
void rj_sdk_link_leave(struct rj_sdk_link *link);

/* No further stream, for good. */
void rj_sdk_link_refuse(struct rj_sdk_link *link, enum rejoin_status status, const char *text);

/* Reads what has come, up to a bound. True: there may be more. */
bool rj_sdk_link_receive(struct rj_sdk_link *link);

/* What is due: a fresh socket, the end of a silent stream. */
void rj_sdk_link_tick(struct rj_sdk_link *link);

/* Whether items may be put into `link->out` now. */
bool rj_sdk_link_is_open(const struct rj_sdk_link *link);

/* The bytes that a frame should not exceed; one item may, up to max_frame_bytes. */
size_t rj_sdk_link_frame_target(const struct rj_sdk_link *link);

/* Sends what is in `out`, with a heartbeat if one is due. False: nothing was sent, since there was nothing to
 * send or no room. */
bool rj_sdk_link_flush(struct rj_sdk_link *link);

/* Whether the socket has something to read, or room for what is stuck. Asked after the last send of a turn:
 * each use of the socket takes the edge of ZMQ_FD away, so that what came meanwhile would wake nobody. */
bool rj_sdk_link_has_work(const struct rj_sdk_link *link);

/* When rj_sdk_link_tick has something to do next, monotonic. */
uint64_t rj_sdk_link_due_ms(const struct rj_sdk_link *link);

#endif
