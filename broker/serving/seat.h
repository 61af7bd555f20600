/* Seats: a socket's place in one group that serves its namespace. The seat says which instance the socket
 * belongs to, what that instance has been told of it, and what it still has to be given.
 *
 *            committed, and no                Opened            the socket has gone,       Closed
 *            predecessor any more              put              all its jobs are given      put
 *   HELD ───────────────────────► UNTOLD ───────────► TOLD ───────────────────► CLOSING ─────────► OVER
 *                                   ▲                   │                          │                 │
 *                                   └───────────────────┴─ the instance's stream ──┴─────────────────┘
 *                                                          is over: all is told again
 *
 * A session has one seat in each group that wants its sockets, from its attachment to its detachment. A seat
 * whose socket has gone stays until everything that came before the end has been given, and the jobs are
 * answered; it speaks from a farewell then. When the same socket comes back meanwhile, its new seat stays
 * HELD until the Closed of the old one is out.
 */
#ifndef RJ_SEAT_H
#define RJ_SEAT_H

#include "broker/base/hash.h"
#include "proto/base/buf.h"
#include "proto/base/random.h"
#include "proto/reason.h"

struct rj_broker;
struct rj_group;
struct rj_instance;
struct rj_job;
struct rj_session;

enum rj_seat_state {
    RJ_SEAT_HELD,
    RJ_SEAT_UNTOLD,
    RJ_SEAT_TOLD,
    RJ_SEAT_CLOSING,
    RJ_SEAT_OVER,
    RJ_SEAT_STATES
};

struct rj_seat;

/* What is left of a socket that has gone: packed items, and who waits for their departure. */
struct rj_farewell {
    struct {
        struct rj_group *group;
        char sid[RJ_ID_LEN + 2];
    } key;
    struct rj_seat *seat;
    struct rj_seat *successor; /* of the same socket, HELD; NULL: none */
    bool is_listed;            /* in serving.farewells: no later one of this key is */
    struct rj_buf opened, closed;
    UT_hash_handle hh;
};

struct rj_seat {
    struct rj_instance *instance;
    enum rj_seat_state state;
    bool is_admitting;            /* HELD, and the socket's admission is asked for: its job needs no Opened */
    bool was_told;                /* Opened was put at least once, to whichever instance */
    bool is_recovered;            /* as Opened says it the first time … */
    bool is_adopted;              /* … and from then on always set */
    bool is_returning;            /* its instances may know it from before the broker's start */
    struct rj_session *session;   /* NULL: being admitted, or gone */
    struct rj_farewell *farewell; /* of one that is gone */
    struct rj_farewell *predecessor; /* whose successor this is */
    struct rj_job *jobs;             /* in the order of arrival */
    size_t n_ungiven;                /* of them */
    struct rj_seat *prev, *next;     /* in the instance's list of its state */
    struct rj_seat *session_next;    /* by the group's name */
};

/* For a client that asks to be let in: a seat that becomes the socket's when it is. */
struct rj_seat *rj_seat_admit(struct rj_broker *broker, struct rj_group *group);
/* It is not let in, or wants no seat: its jobs are dropped. */
void rj_seat_dismiss(struct rj_broker *broker, struct rj_seat *seat);

/* The session is attached: gives it a seat in each group that wants it. `admitted` (linked by session_next,
 * may be NULL) are seats that its admission has left; they are used or dismissed. */
void rj_seats_begin(struct rj_broker *broker, struct rj_session *session, struct rj_seat *admitted);

/* Its connection is committed: from now on instances may be told. Harmless when said again. */
void rj_seats_open(struct rj_broker *broker, struct rj_session *session, bool is_recovered, bool is_adopted);

/* The session, just attached, was open before: who knows of it is told of its end whatever happens now. */
void rj_seats_return(struct rj_broker *broker, struct rj_session *session);

/* The session is being detached; its rooms are still known. */
void rj_seats_close(struct rj_broker *broker, struct rj_session *session, enum rj_reason reason);

/* A group has changed: gives and takes seats of all attached sessions. */
void rj_seats_review(struct rj_broker *broker, struct rj_group *group);

/* The session's seat in the first group, by name, that takes this event; NULL: nobody does. */
struct rj_seat *rj_seat_of_event(const struct rj_session *session, const char *event);

/* The job is for the seat's socket. */
void rj_seat_put_job(struct rj_broker *broker, struct rj_seat *seat, struct rj_job *job);

/* For instance.c, which moves seats and tells of them. */
void rj_seat_set_state(struct rj_seat *seat, enum rj_seat_state state);
/* To another instance of the same group, with its jobs; an admission is queued there at once. */
void rj_seat_move(struct rj_seat *seat, struct rj_instance *instance);
/* Puts Opened, and queues its jobs behind it. */
void rj_seat_tell(struct rj_broker *broker, struct rj_seat *seat);
/* Puts Closed. The seat may be gone after that. */
void rj_seat_tell_end(struct rj_broker *broker, struct rj_seat *seat);
/* A job was given or has ended: a seat whose socket has gone may be ready to close, or to be freed. */
void rj_seat_settle(struct rj_broker *broker, struct rj_seat *seat);
/* Without telling anybody; it has no jobs. */
void rj_seat_free(struct rj_broker *broker, struct rj_seat *seat);

#endif
