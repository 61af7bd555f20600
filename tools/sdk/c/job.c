#include "job.h"

#include <stdlib.h>

#include "args.h"
#include "handle.h"
#include "proto/base/clock.h"
#include "service.h"

struct rj_sdk_job {
    UT_hash_handle hh; /* by id */
    uint64_t id;
    struct rejoin_service *service; /* NULL: it has ended */
    Rejoin__Job__WhatCase what;
    uint64_t due_ms;    /* monotonic: the broker has given it up by then */
    bool is_answered;   /* its Answer is among the calls */
    bool was_too_large; /* the answer is one that says so */
};

static struct rj_sdk_job *find(struct rejoin *handle, uint64_t id)
{
    struct rj_sdk_job *job;
    HASH_FIND(hh, handle->jobs.all, &id, sizeof id, job);
    return job;
}

static void forget(struct rejoin *handle, struct rj_sdk_job *job)
{
    HASH_DEL(handle->jobs.all, job);
    free(job);
}

/* A handler that never answers some of its jobs shall cost no memory for ever. The table's order is that of
 * arrival, so the oldest stand first. */
static void forget_overdue(struct rejoin *handle, uint64_t now)
{
    struct rj_sdk_job *oldest;
    while ((oldest = handle->jobs.all) && !oldest->is_answered && oldest->due_ms < now)
        forget(handle, oldest);
}

bool rj_sdk_jobs_begin(struct rejoin *handle, const Rejoin__Job *told, struct rejoin_service *service)
{
    uint64_t now = rj_clock_mono_ms();
    forget_overdue(handle, now);
    if (find(handle, told->id))
        return false;
    struct rj_sdk_job *job = rj_calloc(1, sizeof *job);
    job->id = told->id;
    job->service = service;
    job->what = told->what_case;
    job->due_ms = told->timeout_ms ? now + told->timeout_ms : UINT64_MAX;
    HASH_ADD(hh, handle->jobs.all, id, sizeof job->id, job);
    return true;
}

void rj_sdk_jobs_forget(struct rejoin *handle, const struct rejoin_service *service)
{
    struct rj_sdk_job *job, *following;
    HASH_ITER (hh, handle->jobs.all, job, following) {
        if (!service || (job->service == service && !job->is_answered))
            forget(handle, job);
        else if (job->service == service)
            job->service = NULL;
    }
}

static void put_answer(struct rejoin *handle, Rejoin__Answer *answer);

static void put_refusal(struct rejoin *handle, uint64_t id, const char *code, const char *message,
                        ProtobufCBinaryData data)
{
    Rejoin__Error error = REJOIN__ERROR__INIT;
    Rejoin__Answer answer = REJOIN__ANSWER__INIT;
    error.code = rj_sdk_text(code, "");
    error.message = rj_sdk_text(message, "");
    error.data = data;
    answer.job = id;
    answer.refusal = &error;
    put_answer(handle, &answer);
}

/* An answer that did not fit into a frame has not left: its job gets one that does; once, since there is no
 * telling what a broker takes that does not even take that. */
static void finish_answer(struct rejoin *handle, struct rj_sdk_call *call, enum rejoin_status status,
                          const Rejoin__Reply *reply)
{
    struct rj_sdk_job *job = find(handle, call->end.job);
    if (job && status == REJOIN_TOO_LARGE && !reply && !job->was_too_large) {
        job->was_too_large = true;
        put_refusal(handle, job->id, rejoin_status_code(status), rejoin_strerror(status),
                    (ProtobufCBinaryData){0});
    } else if (job) {
        struct rejoin_service *service = job->service;
        forget(handle, job);
        if (service && status != REJOIN_OK && (reply || status == REJOIN_TOO_LARGE))
            rj_sdk_service_unheard(service, call->end.job, status);
    }
}

static void put_answer(struct rejoin *handle, Rejoin__Answer *answer)
{
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_ANSWER;
    command.answer = answer;
    rj_sdk_call_start_answer(handle, &command,
                             &(struct rj_sdk_end){.finish = finish_answer, .job = answer->job});
}

void rj_sdk_jobs_refuse(struct rejoin *handle, uint64_t id, enum rejoin_status status, const char *message)
{
    struct rj_sdk_job *job = find(handle, id);
    job->is_answered = true;
    job->service = NULL; /* it has not seen the job */
    put_refusal(handle, id, rejoin_status_code(status), message, (ProtobufCBinaryData){0});
}

/* The job that waits for an answer here; else the status says why there is none. */
static enum rejoin_status find_waiting(struct rejoin *handle, uint64_t id, struct rj_sdk_job **out)
{
    *out = find(handle, id);
    if (handle->link.state == RJ_SDK_LINK_REFUSED)
        return rj_sdk_fail(handle, handle->link.refusal, NULL);
    if (!*out || (*out)->is_answered)
        return rj_sdk_fail(handle, REJOIN_NOT_FOUND, "no such job waits for an answer");
    return REJOIN_OK;
}

enum rejoin_status rejoin_ack(struct rejoin *handle, uint64_t job, const struct rejoin_args *args)
{
    struct rj_sdk_job *found;
    struct rj_sdk_args lent;
    enum rejoin_status status = find_waiting(handle, job, &found);
    if (status == REJOIN_OK && found->what == REJOIN__JOB__WHAT_CONNECT)
        status = rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "an admission is accepted or refused");
    if (status == REJOIN_OK)
        status = rj_sdk_args_lend(handle, args, &lent);
    if (status != REJOIN_OK)
        return status;
    Rejoin__Answer answer = REJOIN__ANSWER__INIT;
    answer.job = job;
    answer.args = lent.json;
    answer.n_attachments = lent.attachment_count;
    answer.attachments = lent.attachments;
    found->is_answered = true;
    put_answer(handle, &answer);
    return REJOIN_OK;
}

enum rejoin_status rejoin_accept(struct rejoin *handle, uint64_t job,
                                 const struct rejoin_acceptance *acceptance)
{
    static const struct rejoin_acceptance as_it_is;
    struct rj_sdk_job *found;
    Rejoin__Answer answer = REJOIN__ANSWER__INIT;
    if (!acceptance)
        acceptance = &as_it_is;
    enum rejoin_status status = find_waiting(handle, job, &found);
    if (status == REJOIN_OK && found->what != REJOIN__JOB__WHAT_CONNECT)
        status = rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "only an admission is accepted");
    if (status == REJOIN_OK)
        status = rj_sdk_json_lend(handle, acceptance->data, &answer.data);
    if (status == REJOIN_OK)
        status = rj_sdk_names_lend(handle, &acceptance->rooms, &answer.n_rooms, &answer.rooms);
    if (status != REJOIN_OK)
        return status;
    answer.job = job;
    answer.user_set = acceptance->user != NULL;
    answer.user = rj_sdk_text(acceptance->user, "");
    found->is_answered = true;
    put_answer(handle, &answer);
    return REJOIN_OK;
}

enum rejoin_status rejoin_refuse(struct rejoin *handle, uint64_t job, const struct rejoin_refusal *refusal)
{
    static const struct rejoin_refusal in_general;
    struct rj_sdk_job *found;
    ProtobufCBinaryData data = {0};
    if (!refusal)
        refusal = &in_general;
    enum rejoin_status status = find_waiting(handle, job, &found);
    if (status == REJOIN_OK)
        status = rj_sdk_json_lend(handle, refusal->data, &data);
    if (status != REJOIN_OK)
        return status;
    found->is_answered = true;
    put_refusal(handle, job, refusal->code ? refusal->code : rejoin_status_code(REJOIN_FORBIDDEN),
                refusal->message ? refusal->message : rejoin_strerror(REJOIN_FORBIDDEN), data);
    return REJOIN_OK;
}
