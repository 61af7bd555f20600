/* librejoin: serve the clients of a namespace as a Socket.IO server's own code would: let them in or refuse
 * them, hear and answer their events, know when they come and go. And speak to the other backends.
 *
 * Groups. rejoin_serve makes the handle an instance of a group. The instances of a group share its sockets:
 * each socket belongs to one instance, which gets all its events, in order. When an instance is gone or
 * silent for the broker's lease, the others take its sockets over. Several groups may serve one namespace and
 * take different events.
 *
 * Jobs. What the broker waits for has a job number: an event, an admission, a note that wants an answer. Each
 * is to be answered exactly once, inside the callback or at any later time of the handle's life, from its
 * thread (rejoin_post leads there): rejoin_ack, rejoin_accept or rejoin_refuse. A job without an answer
 * within its `timeout_ms` has failed for the client, and holds a place in the group's window until then:
 * answer also the events that want no ack, which says that they are done.
 *
 * Twice. After a break of the connection the broker gives again what it has no answer for. The library knows
 * the jobs that are in work here, or answered, and does not show them again. Any other repetition, as of a
 * job that another instance has begun before it died, has `is_repeated` set: it may have run already. An
 * answer is kept and repeated until the broker has it; one that comes too late is told of by on_unheard.
 *
 * The rules of rejoin.h hold: turns, threads, callbacks, ownership, units. A callback that takes long holds
 * up all others and the heartbeats: work for longer than a fraction of the lease belongs to another thread.
 */
#ifndef REJOIN_SERVE_H
#define REJOIN_SERVE_H

#include "rejoin.h"
#include "rejoin_sockets.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------ what comes in */

/* An event of a client. No pointer is NULL. */
struct rejoin_event {
    uint64_t job;
    const char *sid;
    const char *nsp;
    const char *name;
    struct rejoin_args args; /* without the event's name */
    bool wants_ack;          /* else what rejoin_ack is given goes nowhere */
    bool is_repeated;        /* it may have been handled before */
    uint32_t timeout_ms;     /* what is left for the answer */
};

/* A client that wants to come in. */
struct rejoin_admission {
    uint64_t job;
    const struct rejoin_socket *socket; /* as it will be called if it is let in; with handshake and auth */
    bool is_rejoining;                  /* it presents a session that may be restored */
    bool is_repeated;
    uint32_t timeout_ms;
};

struct rejoin_opened {
    const struct rejoin_socket *socket; /* with handshake and auth */
    bool is_recovered; /* it was there before, within its session's lifetime, and has got what it missed */
    bool is_adopted;   /* it is no new connection: it was open before this instance served it (one that opened
                          while the group had no instance at all counts as new to the first that comes) */
};

struct rejoin_closed {
    const char *sid;
    const char *nsp;
    const char *reason;        /* Socket.IO's own, such as "transport close" */
    struct rejoin_names rooms; /* that it was in; empty where it went unseen, while the broker was away */
};

/* A word of another backend. */
struct rejoin_note {
    uint64_t job;         /* 0: no answer is wanted */
    const char *from;     /* the sender's rejoin_options.name */
    const char *instance; /* unique to the sender's handle */
    const char *nsp;      /* whom it was sent to: one of these two may be "" */
    const char *group;
    const char *name;
    struct rejoin_args args;
    uint32_t timeout_ms;
};

/* ------------------------------------------------------------------------------------------------ serving */

struct rejoin_service;

enum rejoin_service_state {
    REJOIN_SERVICE_STARTED, /* the broker has named all sockets that are this instance's; on each reconnect */
    REJOIN_SERVICE_ENDED,   /* the broker refused it; no callback follows */
};

struct rejoin_service_options {
    const char *group;              /* required, 1 to 128 bytes; a handle serves a group once */
    struct rejoin_names namespaces; /* or patterns, in which * stands for any bytes; none = "/" */
    struct rejoin_names events;     /* names or patterns of the events that it takes */
    bool takes_all_events;          /* every event of these namespaces; `events` is ignored */
    uint32_t window;                /* jobs at a time; 0 = 1,000 */
    uint32_t timeout_ms;            /* for an answer; 0 = the broker's default; its maximum at most */
    bool fails_lost; /* what a lost instance had in work fails ("unavailable") instead of being repeated */

    /* Required with events: an event, to be answered by rejoin_ack or rejoin_refuse. */
    void (*on_event)(void *arg, struct rejoin *handle, const struct rejoin_event *event);

    /* When it is set nobody comes in without being asked about here: rejoin_accept or rejoin_refuse. While no
     * instance of a group that has it is there, nobody comes in at all. Where several groups ask, all must
     * let the client in. */
    void (*on_connect)(void *arg, struct rejoin *handle, const struct rejoin_admission *admission);

    /* A socket is this instance's from now on, before anything else of it; it is not any more. One that
     * another instance takes over while this one is cut off closes here with "transport close". */
    void (*on_open)(void *arg, struct rejoin *handle, const struct rejoin_opened *opened);
    void (*on_close)(void *arg, struct rejoin *handle, const struct rejoin_closed *closed);

    /* A word of another backend to this group, or to a namespace that it serves; of several services on one
     * handle the first of the named group hears it, else the first with on_note. With a job: to be answered
     * by rejoin_ack or rejoin_refuse. */
    void (*on_note)(void *arg, struct rejoin *handle, const struct rejoin_note *note);

    /* An answer of this service's has not reached anybody: REJOIN_TIMEOUT (it came too late),
     * REJOIN_UNAVAILABLE (this instance was taken for lost meanwhile), REJOIN_CONFLICT (another instance has
     * the job by now), or what else the broker has refused it for. May be NULL. */
    void (*on_unheard)(void *arg, struct rejoin *handle, uint64_t job, enum rejoin_status status);

    /* `sockets`: how many are this instance's. May be NULL. */
    void (*on_state)(void *arg, struct rejoin *handle, enum rejoin_service_state state,
                     enum rejoin_status status, uint64_t sockets);
    void *arg;
};

/* Begins to serve, at the next turn and after every reconnect until it is stopped. The caller owns `*out` and
 * ends it with rejoin_unserve or by closing the handle. REJOIN_BAD_REQUEST: no group, or nothing to call.
 * REJOIN_CONFLICT: this handle serves the group already. */
enum rejoin_status rejoin_serve(struct rejoin *handle, const struct rejoin_service_options *options,
                                struct rejoin_service **out);

/* Ends the service and sets `*service` to NULL: no callback of it follows, its jobs and sockets go to the
 * group's other instances (rejoin_flush waits until they have gone). `forget`: when this was the last one,
 * the broker forgets the group, so that clients it was to be asked about come in without. Allowed inside its
 * own callbacks. */
void rejoin_unserve(struct rejoin_service **service, bool forget);

/* ------------------------------------------------------------------------------------------------ answers */

/* Answers an event or a note. `args` (NULL: none) are what the client's ack is called with. REJOIN_NOT_FOUND:
 * no such job waits here (it is answered, long overdue, or its service has ended). REJOIN_BAD_REQUEST,
 * REJOIN_TOO_MANY: the arguments are wrong; the job still waits. Arguments larger than the broker takes reach
 * the client as the error "too_large". */
enum rejoin_status rejoin_ack(struct rejoin *handle, uint64_t job, const struct rejoin_args *args);

struct rejoin_acceptance {
    const char *user;          /* who it is; "": nobody known; NULL: as it was */
    const char *data;          /* the socket's data, one JSON text; NULL: as it was */
    struct rejoin_names rooms; /* that it joins, before it sees anything */
};

/* Lets a client in. `acceptance` NULL: as it is. As rejoin_ack. */
enum rejoin_status rejoin_accept(struct rejoin *handle, uint64_t job,
                                 const struct rejoin_acceptance *acceptance);

struct rejoin_refusal {
    const char *code; /* of an event: its ack is {"ok":false,"error":{code,message}}; NULL = "forbidden". Of
                         an admission, "unavailable" and "timeout" make the client try again later */
    const char *message; /* for a person; NULL = a general one. Of an admission: connect_error's message */
    const char *data;    /* connect_error's data, one JSON text; NULL: none */
};

/* Refuses a client, an event or a note. As rejoin_ack. */
enum rejoin_status rejoin_refuse(struct rejoin *handle, uint64_t job, const struct rejoin_refusal *refusal);

/* ---------------------------------------------------------------------------------------------------- bus */

struct rejoin_send {
    const char *nsp;   /* to the backends that serve this namespace; NULL or "": whichever they serve */
    const char *group; /* and are of this group; NULL or "": of any. One of the two is required */
    const char *name;  /* required */
    struct rejoin_args args;
    bool wants_answers;
    uint32_t timeout_ms; /* for their answers; 0 = 10,000, at most 600,000 */
};

struct rejoin_reply {
    const char *from;     /* the backend's name */
    const char *instance; /* and which of them */
    struct rejoin_args args;
    const char *error; /* the code that it refused with; "": it did not */
    const char *error_message;
};

/* Owned by whoever received it; valid also after the handle is closed. */
struct rejoin_replies {
    uint64_t sent; /* instances that it was given to */
    const struct rejoin_reply *replies;
    size_t count;
    struct rejoin_names missing; /* instances that did not answer in time, or were too far behind */
    bool is_truncated;           /* there was no room for all answers */
};

/* `replies` belongs to the callback, which frees it; NULL unless `status` is REJOIN_OK. */
typedef void rejoin_on_replies(void *arg, enum rejoin_status status, struct rejoin_replies *replies);

/* Sends a word to the other backends (never to the sender itself), each instance once. `callback` (may be
 * NULL) is called exactly once: with `wants_answers` when all have answered or the time is over, else when it
 * has been handed on. It is not stored, and not repeated when the broker goes away meanwhile:
 * REJOIN_UNAVAILABLE. */
enum rejoin_status rejoin_send(struct rejoin *handle, const struct rejoin_send *send,
                               rejoin_on_replies *callback, void *arg);

/* Sends and waits. On success the caller owns `*out`; `out` may be NULL. */
enum rejoin_status rejoin_send_wait(struct rejoin *handle, const struct rejoin_send *send, int timeout_ms,
                                    struct rejoin_replies **out);

/* Frees the replies and sets `*replies` to NULL; NULL inside is fine. */
void rejoin_replies_free(struct rejoin_replies **replies);

#ifdef __cplusplus
}
#endif

#endif
