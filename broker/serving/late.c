#include "broker/serving/late.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/mem.h"

static void forget(struct rj_late *late, struct rj_late_job *job)
{
    HASH_DEL(late->jobs, job);
    free(job);
}

void rj_late_note(struct rj_late *late, uint64_t id, enum rj_status status, const char *winner)
{
    struct rj_late_job *job = rj_alloc(sizeof *job + strlen(winner) + 1);
    *job = (struct rj_late_job){.id = id, .status = status};
    memcpy(job->winner, winner, strlen(winner) + 1);
    HASH_ADD(hh, late->jobs, id, sizeof job->id, job);
    if (HASH_COUNT(late->jobs) > RJ_LATE_MAX)
        forget(late, late->jobs);
}

enum rj_status rj_late_judge(const struct rj_late *late, uint64_t id, const char *who)
{
    struct rj_late_job *job;
    HASH_FIND(hh, late->jobs, &id, sizeof id, job);
    if (!job)
        return RJ_OK;
    if (job->status != RJ_OK)
        return job->status;
    return strcmp(job->winner, who) == 0 ? RJ_OK : RJ_CONFLICT;
}

void rj_late_free(struct rj_late *late)
{
    while (late->jobs)
        forget(late, late->jobs);
}
