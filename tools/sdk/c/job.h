/* The jobs that this handle has got from the broker and that are not over: in work until they are answered,
 * then known until the broker has confirmed the Answer. A repetition of a known job is not shown again; once
 * the Answer is confirmed the broker never gives the job again (rejoin.proto, "Sockets and jobs").
 */
#ifndef RJ_SDK_JOB_H
#define RJ_SDK_JOB_H

#include "call.h"

struct rj_sdk_job;

struct rj_sdk_jobs {
    struct rj_sdk_job *all;
};

/* Whether the job is new here; then it is in work for `service`. */
bool rj_sdk_jobs_begin(struct rejoin *handle, const Rejoin__Job *told, struct rejoin_service *service);

/* Answers a job on the library's own account. */
void rj_sdk_jobs_refuse(struct rejoin *handle, uint64_t id, enum rejoin_status status, const char *message);

/* `service` ends: its jobs in work are nobody's any more. NULL: all jobs. */
void rj_sdk_jobs_forget(struct rejoin *handle, const struct rejoin_service *service);

#endif
