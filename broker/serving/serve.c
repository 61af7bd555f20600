#include "broker/serving/serve.h"

#include <stdlib.h>

#include "broker/base/pattern.h"
#include "broker/serving/admission.h"
#include "broker/serving/args.h"
#include "broker/serving/ask.h"
#include "broker/serving/calls.h"
#include "broker/serving/instance.h"
#include "broker/serving/send.h"
#include "broker/sessions/contest.h"
#include "proto/base/json.h"
#include "proto/base/mem.h"

enum {
    JOB_BITS = 44, /* of a job's id: its number within one run of the broker; above: the run */
    ERROR_CODE_MAX = 64,
    ERROR_MESSAGE_MAX = 4096,
};

/* ------------------------------------------------------------------------------------------ serve */

/* The group of a Serve is durable: its instance may be answered once its sockets are told. */
static void on_saved(void *ctx, enum rj_status status)
{
    struct rj_pending *pending = ctx;
    struct rj_backend *backend = (struct rj_backend *)rj_broker_peer(pending->broker, pending->to.peer);
    (void)status; /* any version is expected: it cannot conflict */
    for (struct rj_instance *i = backend ? backend->instances : NULL; i; i = i->backend_next)
        i->is_saved |= i->serve.id == pending->to.id && i->serve.peer.stream == pending->to.peer.stream;
    free(pending);
}

/* A pattern that names of the allowed length cannot match is a mistake: nobody would ever come. */
static enum rj_status check_lengths(struct rj_request *request, const Rejoin__Serve *serve)
{
    const struct rj_conf *conf = request->broker->conf;
    for (size_t i = 0; i < serve->n_namespaces; i++)
        if (rj_pattern_shortest(serve->namespaces[i]) > conf->max_namespace_name)
            return request->why = "a namespace is longer than max-namespace-name", RJ_BAD_NAME;
    for (size_t i = 0; i < serve->n_events; i++)
        if (rj_pattern_shortest(serve->events[i]) > conf->max_event_name)
            return request->why = "an event's name is longer than max-event-name", RJ_BAD_NAME;
    return RJ_OK;
}

enum rj_status rj_cmd_serve(struct rj_request *request)
{
    struct rj_broker *broker = request->broker;
    const Rejoin__Serve *serve = request->command->serve;
    enum rj_status status = rj_serve_check(serve, &request->why);
    if (status == RJ_OK)
        status = check_lengths(request, serve);
    if (status != RJ_OK)
        return status;
    struct rj_group *group = rj_groups_find(&broker->serving.groups, serve->group);
    struct rj_instance *instance = group ? rj_instance_find(group, request->backend) : NULL;
    if (instance && !rj_instance_may_begin(instance, request->to))
        return request->why = "too many Serves of this group wait for their answer", RJ_BUSY;
    group = rj_groups_set(broker, serve);
    if (!group)
        return request->why = "there are too many groups", RJ_TOO_MANY;
    if (!instance)
        instance = rj_instance_new(group, request->backend);
    rj_instance_begin(instance, request->to, serve->window);
    rj_groups_save(broker, group, on_saved, rj_pending_new(request));
    rj_log(RJ_LOG_INFO, "instance_serves", RJ_KV_STR("group", group->name),
           RJ_KV_STR("backend", request->backend->name), RJ_KV_STR("id", request->peer->id),
           RJ_KV_U64("sockets", instance->n_seats), RJ_KV_U64("instances", group->n_instances));
    return RJ_OK;
}

enum rj_status rj_cmd_unserve(struct rj_request *request)
{
    struct rj_broker *broker = request->broker;
    const Rejoin__Unserve *unserve = request->command->unserve;
    struct rj_group *group = rj_groups_find(&broker->serving.groups, unserve->group);
    struct rj_instance *instance = group ? rj_instance_find(group, request->backend) : NULL;
    if (instance)
        rj_instance_leave(broker, instance);
    if (group && unserve->forget && group->n_instances == 0)
        rj_groups_forget(broker, group, "asked to");
    rj_store_barrier(broker->store, rj_on_written_reply_ok, rj_pending_new(request));
    return RJ_OK;
}

/* ------------------------------------------------------------------------------------------ answer */

static bool error_is_valid(const Rejoin__Error *error, uint64_t max_data_bytes)
{
    struct rj_span code = rj_span_str(error->code), message = rj_span_str(error->message);
    struct rj_span data = rj_span_of(error->data.data, error->data.len);
    return code.len <= ERROR_CODE_MAX && rj_utf8_is_valid(code) && message.len <= ERROR_MESSAGE_MAX &&
           rj_utf8_is_valid(message) && data.len <= max_data_bytes &&
           (data.len == 0 || rj_json_check(data, RJ_JSON_DEPTH) == RJ_OK);
}

static enum rj_status answer_check(struct rj_request *request, const struct rj_job *job,
                                   const Rejoin__Answer *answer)
{
    uint64_t max_bytes = request->broker->conf->max_data_bytes;
    if (answer->refusal && !error_is_valid(answer->refusal, max_bytes))
        return request->why = "the refusal is too long, or no valid UTF-8 and JSON", RJ_BAD_REQUEST;
    enum rj_status status =
        rj_args_check(rj_span_of(answer->args.data, answer->args.len), answer->attachments,
                      answer->n_attachments, max_bytes, &request->why);
    return status == RJ_OK ? rj_admission_check(request->broker, job, answer, &request->why) : status;
}

/* RJ_OK: the job was answered before, by this answer on an earlier stream, or by nobody that is left. */
static enum rj_status answer_unheard(struct rj_request *request, const struct rj_job *job, uint64_t id)
{
    struct rj_broker *broker = request->broker;
    enum rj_status status = job ? RJ_CONFLICT : rj_late_judge(&broker->serving.late, id, request->peer->id);
    if (status == RJ_OK) {
        rj_reply_ok(broker, request->to);
        return RJ_OK;
    }
    broker->stats.jobs_answered_late++;
    request->why =
        job ? "another instance has the job by now" : "the job is over: its sender was told that it failed";
    return status;
}

enum rj_status rj_cmd_answer(struct rj_request *request)
{
    struct rj_broker *broker = request->broker;
    const Rejoin__Answer *answer = request->command->answer;
    struct rj_job *job = rj_job_find(broker, answer->job);
    if (!job || job->instance->backend != request->backend)
        return answer_unheard(request, job, answer->job);
    enum rj_status status = answer_check(request, job, answer);
    if (status != RJ_OK)
        return status;
    broker->stats.jobs_answered++;
    rj_job_end(broker, job, RJ_OK, answer);
    rj_reply_ok(broker, request->to);
    return RJ_OK;
}

/* ------------------------------------------------------------------------------------------ life */

void rj_serve_backend_gone(struct rj_broker *broker, struct rj_backend *backend)
{
    while (backend->instances)
        rj_instance_lose(broker, backend->instances, "lease over");
}

void rj_serving_open(struct rj_broker *broker)
{
    struct rj_serving *serving = &broker->serving;
    /* An epoch counts the starts in its upper half (storage/epoch.h): no two runs give out the same id. */
    serving->last_job = (broker->epoch >> 32) << JOB_BITS;
    rj_groups_load(broker);
}

bool rj_serving_step(struct rj_broker *broker)
{
    rj_deadlines_run(&broker->serving.deadlines, broker->now_ms, broker);
    return rj_instances_step(broker);
}

void rj_serving_tick(struct rj_broker *broker, bool is_forgiving)
{
    rj_instances_tick(broker, is_forgiving);
    rj_groups_tick(broker);
    rj_calls_tick(broker);
    rj_asks_tick(broker);
}

static void forget_seats(struct rj_broker *broker)
{
    for (size_t i = 0; i < RJ_GATEWAYS_MAX; i++) {
        struct rj_session *session = broker->gateways.slots[i] ? broker->gateways.slots[i]->clients : NULL;
        for (; session; session = session->by_handle.next)
            session->seats = NULL;
    }
}

void rj_serving_fini(struct rj_broker *broker)
{
    struct rj_serving *serving = &broker->serving;
    for (struct rj_job *job = serving->jobs; job; job = job->by_id.next)
        job->done = NULL;
    rj_admissions_fini(broker);
    rj_contests_fini(broker);
    rj_asks_fini(broker);
    rj_sends_fini(broker);
    forget_seats(broker);
    rj_groups_fini(broker);
    rj_calls_fini(broker);
    rj_deadlines_free(&serving->deadlines);
    rj_late_free(&serving->late);
    rj_buf_free(&serving->scratch);
}
