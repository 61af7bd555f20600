#include "broker/serving/job.h"

#include <stdlib.h>

#include "broker/broker.h"
#include "broker/serving/instance.h"
#include "proto/base/mem.h"

static void on_due(void *ctx, struct rj_deadline *deadline)
{
    struct rj_broker *broker = ctx;
    struct rj_job *job = (struct rj_job *)((char *)deadline - offsetof(struct rj_job, deadline));
    bool was_given = job->state == RJ_JOB_GIVEN || job->is_repeated;
    broker->stats.jobs_timed_out++;
    rj_job_end(broker, job, was_given ? RJ_TIMEOUT : RJ_UNAVAILABLE, NULL);
}

struct rj_job *rj_job_new(struct rj_broker *broker, const Rejoin__Job *body, uint64_t timeout_ms,
                          rj_job_done *done, void *ctx)
{
    struct rj_serving *serving = &broker->serving;
    size_t len = rejoin__job__get_packed_size(body);
    struct rj_job *job = rj_alloc(sizeof *job + len);
    *job = (struct rj_job){
        .id = ++serving->last_job,
        .deadline.on_due = on_due,
        .done = done,
        .ctx = ctx,
        .len = rejoin__job__pack(body, job->body),
    };
    HASH_ADD(by_id, serving->jobs, id, sizeof job->id, job);
    rj_deadline_set(&serving->deadlines, &job->deadline, broker->now_ms + timeout_ms);
    return job;
}

size_t rj_job_bytes(const struct rj_job *job)
{
    return sizeof *job + job->len;
}

struct rj_job *rj_job_find(const struct rj_broker *broker, uint64_t id)
{
    struct rj_job *job;
    HASH_FIND(by_id, broker->serving.jobs, &id, sizeof id, job);
    return job;
}

/* Who has it, or had it before, may still answer. */
static void note_late(struct rj_broker *broker, const struct rj_job *job, enum rj_status status)
{
    bool was_given = job->state == RJ_JOB_GIVEN || job->is_repeated;
    const struct rj_backend *backend = job->instance ? job->instance->backend : NULL;
    if (!job->done || !was_given || (status == RJ_OK && !job->is_repeated))
        return;
    rj_late_note(&broker->serving.late, job->id, status, status == RJ_OK && backend ? backend->peer.id : "");
}

void rj_job_drop(struct rj_broker *broker, struct rj_job *job)
{
    job->done = NULL;
    rj_job_end(broker, job, RJ_CLOSED, NULL);
}

void rj_job_end(struct rj_broker *broker, struct rj_job *job, enum rj_status status,
                const Rejoin__Answer *answer)
{
    rj_deadline_clear(&broker->serving.deadlines, &job->deadline);
    HASH_DELETE(by_id, broker->serving.jobs, job);
    note_late(broker, job, status);
    rj_instance_remove_job(broker, job);
    if (job->done)
        job->done(broker, job->ctx, status, answer);
    free(job);
}
