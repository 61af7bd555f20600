/* The clients of this gateway, as the core's own files see them (front ends know client.h alone).
 *
 * A client is reached by its handle (what the broker calls it by; never reused) and by its session's sid. It
 * is freed at the end of the turn in which it ended, so a pointer stays good for the turn.
 */
#ifndef RJ_CLIENTS_H
#define RJ_CLIENTS_H

#include <uthash.h>

#include "gateway/bucket.h"
#include "gateway/client.h"
#include "gateway/cohort.h"
#include "rejoin.pb-c.h"

struct rj_mirror_room;
struct rj_owed;

enum rj_client_state {
    RJ_CLIENT_CONNECTING, /* the broker has not answered its Connect */
    RJ_CLIENT_REPLAYING,  /* gets what it missed; live messages are not for it yet, acks wait */
    RJ_CLIENT_LIVE,
    RJ_CLIENT_BEHIND, /* its queue was full; nothing is pushed until it has drained */
    RJ_CLIENT_ENDED,
};

struct rj_membership {
    struct rj_mirror_room *room;
    uint32_t at; /* among the room's members */
};

struct rj_client {
    uint64_t handle;
    struct rj_gateway *gateway;
    const struct rj_frontend_ops *ops;
    void *conn;
    enum rj_client_state state;

    const char *nsp;  /* its cohort's */
    const char *user; /* its cohort's; empty: anonymous, or CONNECTING */
    char *sid, *pid;  /* NULL while CONNECTING; pid may be empty */
    uint64_t incarnation;

    uint64_t last_pos;   /* highest pos queued for it (or that it had before) */
    uint64_t marked_pos; /* last_pos when the last mark was queued */
    uint64_t proved_pos; /* what it is proved to have */
    uint64_t told_pos;   /* of that, what the broker was told */

    uint64_t behind_since_ms;
    bool is_unwanted;        /* CONNECTING, but too much waits for the broker: the next tick drops it */
    bool is_probed;          /* the broker wants to know when it gives a sign of life */
    bool is_drained;         /* BEHIND, and its queue is empty again */
    bool expects_caught_up;  /* a replay is under way at the broker: it ends with a CaughtUp */
    uint64_t excluded_in;    /* the fan-out that leaves this client out (fanout.c) */
    struct rj_bucket events; /* that it may send */
    size_t n_pending;        /* commands of its own that the broker has not answered … */
    size_t pending_bytes;    /* … and their size */
    uint64_t seen_in;        /* the fan-out that has met this client already */
    uint64_t shown_in;       /* the fan-out of a message that it was shown as pending (fanout.c) */

    struct rj_frame **held; /* acks and questions that wait for the replay's end */
    size_t n_held, cap_held;
    size_t held_bytes;

    struct rj_membership *rooms;
    uint32_t n_rooms, cap_rooms;
    struct rj_cohort_place places[RJ_COHORT_KINDS];
    struct rj_owed *owed; /* acks that backends wait for (asks.h); NULL: none */

    struct rj_client *next_ended;
    UT_hash_handle by_handle;
    UT_hash_handle by_sid;
};

/* Zero-initialise. */
struct rj_clients {
    uint64_t last_handle;
    struct rj_client *by_handle; /* in the order in which they came */
    struct rj_client *by_sid;    /* those that are connected */
    struct rj_client *ended;     /* freed when the turn ends */
};

struct rj_client *rj_clients_find(const struct rj_clients *clients, uint64_t handle);
struct rj_client *rj_clients_find_sid(const struct rj_clients *clients, const char *sid);
size_t rj_clients_count(const struct rj_clients *clients);

/* Frees those that ended in this turn. */
void rj_clients_reap(struct rj_clients *clients);

/* Ends and frees all, without a word to anybody. */
void rj_clients_free(struct rj_clients *clients);

/* ---- what the broker says about a client */

void rj_client_on_connected(struct rj_client *client, const Rejoin__Connected *connected);
/* On a fresh stream: in which rooms it is. What was said of that at the end of the old one may be lost. */
void rj_client_on_attached(struct rj_client *client, const Rejoin__Connected *connected);
void rj_client_on_refused(struct rj_client *client, const Rejoin__Error *error);
void rj_client_on_probe(struct rj_client *client);
void rj_client_on_caught_up(struct rj_client *client, const Rejoin__CaughtUp *caught_up);

/* Ends it from this side: the front end closes, the broker is not told. `why` is for a person. */
void rj_client_kick(struct rj_client *client, enum rj_client_end how, const char *why);

/* After a fresh stream: what the broker had under way for it is void. True when it needs a CatchUp now. */
bool rj_client_on_fresh_stream(struct rj_client *client);

/* ---- what leaves for a client */

/* Whether its CONNECT was answered and it has not ended. */
bool rj_client_is_connected(const struct rj_client *client);

/* Whether so much waits for it already that it should be asked to wait, too. */
bool rj_client_is_full(const struct rj_client *client);

/* Queues an ack behind all that it must not overtake. Takes the caller's reference. A client that asks and
 * asks but does not read is ended when far too much has piled up. */
void rj_client_send_ack(struct rj_client *client, struct rj_frame *frame);

/* Queues what the client must not miss, though it stands in no log, behind all that it must not overtake. A
 * client that does not read is ended, as with acks. */
void rj_client_send_notice(struct rj_client *client, struct rj_frame *frame);

/* Queues a question behind all that it must not overtake. False: the client is not there any more, or does
 * not read: it is not asked. */
bool rj_client_send_ask(struct rj_client *client, struct rj_frame *frame);

/* Queues a logged message that stands at `pos`, unless its queue is full: then the client falls BEHIND. */
void rj_client_send_logged(struct rj_client *client, struct rj_frame *frame, uint64_t pos);

/* Answers a command of its with an error. */
void rj_client_fail(struct rj_client *client, uint64_t ack_id, const char *code, const char *message);

/* Ends clients that have been BEHIND too long. */
void rj_clients_tick(struct rj_gateway *gateway, uint64_t now_ms);

#endif
