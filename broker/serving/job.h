/* Jobs: what an instance has to answer (an event, an admission, a note of another backend), from its arrival
 * until its answer or its deadline.
 *
 *   HELD ──► WAITING ──► GIVEN ──► ended: answered, refused, timed out, lost
 *     ▲         │          │
 *     └─────────┴──────────┘  its instance's stream is over: it is given again, `repeated`
 *
 * A job of a socket stands in its seat, in the order of arrival, for as long as it lives; HELD means that the
 * seat is not told to the instance yet. WAITING and GIVEN ones stand in their instance's lists too.
 */
#ifndef RJ_JOB_H
#define RJ_JOB_H

#include <stdbool.h>

#include "broker/base/deadline.h"
#include "broker/base/hash.h"
#include "proto/base/status.h"
#include "rejoin.pb-c.h"

struct rj_broker;
struct rj_instance;
struct rj_seat;

enum rj_job_state { RJ_JOB_HELD, RJ_JOB_WAITING, RJ_JOB_GIVEN };

/* Called once, when the job is in no list any more. `answer` with RJ_OK alone, valid for the call; its
 * `refusal` may be set. Else RJ_TIMEOUT (given, and no answer in time), RJ_UNAVAILABLE (no instance was there
 * in time, or it was lost). */
typedef void rj_job_done(struct rj_broker *broker, void *ctx, enum rj_status status,
                         const Rejoin__Answer *answer);

struct rj_job {
    uint64_t id;                  /* never given out twice by this store */
    struct rj_instance *instance; /* that it is for now */
    struct rj_seat *seat;         /* of its socket; NULL: of none */
    enum rj_job_state state;
    bool is_repeated; /* it may have been with an instance before */
    struct rj_deadline deadline;
    rj_job_done *done;
    void *ctx;
    struct rj_job *prev, *next;           /* in the instance's list of its state */
    struct rj_job *seat_prev, *seat_next; /* in the seat */
    UT_hash_handle by_id;
    size_t len; /* of what follows: a packed Job without id, repeated and timeout */
    uint8_t body[];
};

/* A job in no list yet. `body`: group, sid, namespace and what it is about. With `done` NULL nobody is told
 * of its end. */
struct rj_job *rj_job_new(struct rj_broker *broker, const Rejoin__Job *body, uint64_t timeout_ms,
                          rj_job_done *done, void *ctx);

/* What it counts for in its instance's queue. */
size_t rj_job_bytes(const struct rj_job *job);

struct rj_job *rj_job_find(const struct rj_broker *broker, uint64_t id);

/* Takes it out of its lists, tells of it and frees it. Its seat may go with it. */
void rj_job_end(struct rj_broker *broker, struct rj_job *job, enum rj_status status,
                const Rejoin__Answer *answer);

/* The same without telling anybody: whoever asked has gone. */
void rj_job_drop(struct rj_broker *broker, struct rj_job *job);

#endif
