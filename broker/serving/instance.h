/* Instances: a backend as a member of a group, with the sockets that belong to it and the jobs for it.
 *
 * All that goes out to it goes through rj_instances_step, a bounded share a turn and as far as the backend
 * has proved to have read (peer.h), so one that is slow or stopped costs its own sockets alone. What waits
 * for it is bounded when it is accepted (rj_instance_is_full).
 *
 * An instance without backend is what a lost one has left behind, or what nobody has served yet: its seats
 * and jobs go to the instances that serve as soon as there is one, and it vanishes with the last of them.
 */
#ifndef RJ_INSTANCE_H
#define RJ_INSTANCE_H

#include "broker/reply.h"
#include "broker/serving/group.h"
#include "broker/serving/job.h"
#include "broker/serving/seat.h"

enum {
    RJ_INSTANCE_WINDOW = 1000, /* jobs at a time, when it does not say */
    RJ_INSTANCE_WINDOW_MAX = 100000,
    RJ_INSTANCE_OVERTAKEN = 8, /* Serves that may wait for their answer, beside the last one */
};

struct rj_instance {
    struct rj_group *group;
    struct rj_backend *backend; /* NULL: lost */
    uint64_t stream;            /* of the backend, on which it said Serve last */
    uint64_t absent_ms;         /* monotonic: since when it has not been serving; 0 = it is */
    struct rj_seat *seats[RJ_SEAT_STATES];
    size_t n_seats;                 /* all but those that are OVER */
    struct rj_job *waiting, *given; /* in the order of giving */
    size_t n_jobs;                  /* with those that stand in seats alone */
    size_t n_given;
    size_t job_bytes;         /* of all n_jobs */
    uint32_t window;          /* n_given at most */
    struct rj_reply_to serve; /* the last one */
    struct rj_reply_to
        overtaken[RJ_INSTANCE_OVERTAKEN]; /* earlier ones of this stream, without an answer yet */
    size_t n_overtaken;
    bool owes_served;                 /* they are answered when all its sockets are told … */
    bool is_saved;                    /* … and the group is remembered */
    uint64_t n_told;                  /* Opened put since that Serve */
    struct rj_instance *prev, *next;  /* in the group */
    struct rj_instance *backend_next; /* of the same backend */
};

struct rj_instance *rj_instance_find(const struct rj_group *group, const struct rj_backend *backend);
struct rj_instance *rj_instance_new(struct rj_group *group, struct rj_backend *backend);

/* False: too many Serves of its stream wait for their answer, beside the one that `to` is the answer of. */
bool rj_instance_may_begin(const struct rj_instance *instance, struct rj_reply_to to);

/* Its backend says Serve: all that was told and given is to be said (again). `window` 0: the usual one. */
void rj_instance_begin(struct rj_instance *instance, struct rj_reply_to to, uint32_t window);

/* Its backend has said Serve on its present stream. */
bool rj_instance_is_serving(const struct rj_instance *instance);

/* The one that a new socket goes to: that with the fewest of those that serve; when none does, one that waits
 * for a backend. Never NULL. */
struct rj_instance *rj_instance_choose(struct rj_group *group);

/* Whether no more jobs are accepted for it. */
bool rj_instance_is_full(const struct rj_broker *broker, const struct rj_instance *instance);

/* A job of no socket. */
void rj_instance_put_job(struct rj_instance *instance, struct rj_job *job);

/* Queues a job that is in no list of its instance. */
void rj_instance_queue(struct rj_instance *instance, struct rj_job *job);
void rj_instance_count_job(struct rj_instance *instance, const struct rj_job *job);
void rj_instance_uncount_job(struct rj_instance *instance, const struct rj_job *job);

/* Out of its instance's and its seat's lists; the seat settles. */
void rj_instance_remove_job(struct rj_broker *broker, struct rj_job *job);

/* It is gone, or has left: its seats and jobs go to others. Its jobs of no socket, and with fails_lost those
 * that were with it, end as RJ_UNAVAILABLE. */
void rj_instance_lose(struct rj_broker *broker, struct rj_instance *instance, const char *why);

/* The same, as its backend wants it: its Serves are answered. */
void rj_instance_leave(struct rj_broker *broker, struct rj_instance *instance);

/* Frees it with all it holds, without telling anybody. */
void rj_instance_discard(struct rj_broker *broker, struct rj_instance *instance);

/* One turn's share for all: leftovers are handed out, sockets are told, jobs are given. True: there is more
 * to do that waits for nobody. */
bool rj_instances_step(struct rj_broker *broker);

/* Loses those that have not been serving for a lease. `is_forgiving`: the time until now does not count. */
void rj_instances_tick(struct rj_broker *broker, bool is_forgiving);

#endif
