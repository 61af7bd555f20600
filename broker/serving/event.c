#include "broker/serving/event.h"

#include "broker/base/names.h"
#include "broker/serving/args.h"
#include "broker/serving/calls.h"
#include "broker/serving/instance.h"

static void reply_answer(struct rj_broker *broker, struct rj_call *call, const Rejoin__Answer *answer)
{
    static uint8_t none[] = "[]";
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    Rejoin__EventAnswer event = REJOIN__EVENT_ANSWER__INIT;
    if (answer->refusal) {
        reply.error = answer->refusal;
    } else {
        event.args = answer->args;
        if (!event.args.len)
            event.args = (ProtobufCBinaryData){sizeof none - 1, none};
        event.attachments = answer->attachments;
        event.n_attachments = answer->n_attachments;
        reply.result_case = REJOIN__REPLY__RESULT_EVENT;
        reply.event = &event;
    }
    rj_call_reply(broker, call, &reply);
}

static void on_done(struct rj_broker *broker, void *ctx, enum rj_status status, const Rejoin__Answer *answer)
{
    if (status == RJ_OK)
        reply_answer(broker, ctx, answer);
    else
        rj_call_fail(broker, ctx, status, status == RJ_UNAVAILABLE ? "no backend is there to answer" : NULL);
}

static enum rj_status check(struct rj_request *request, const Rejoin__Event *event)
{
    const struct rj_conf *conf = request->broker->conf;
    if (*event->name && !rj_name_is_valid(event->name, conf->max_event_name))
        return request->why = "the event's name is longer than max-event-name or not valid UTF-8",
               RJ_BAD_REQUEST;
    return rj_args_check(rj_span_of(event->args.data, event->args.len), event->attachments,
                         event->n_attachments, conf->max_data_bytes, &request->why);
}

enum rj_status rj_cmd_event(struct rj_request *request)
{
    struct rj_broker *broker = request->broker;
    Rejoin__Event *event = request->command->event;
    if (rj_call_resume(request))
        return RJ_OK;
    enum rj_status status = check(request, event);
    if (status != RJ_OK)
        return status;
    struct rj_seat *seat = rj_seat_of_event(request->session, event->name);
    if (!seat) {
        broker->stats.events_unserved++;
        return RJ_NO_HANDLER;
    }
    if (rj_instance_is_full(broker, seat->instance)) {
        broker->stats.jobs_refused++;
        return RJ_BUSY;
    }
    struct rj_group *group = seat->instance->group;
    bool is_repeated = event->repeated;
    Rejoin__Job body = REJOIN__JOB__INIT;
    event->repeated = false; /* a thing between the gateway and us */
    body.group = group->name;
    body.sid = request->session->sid;
    body.namespace_ = request->session->nsp;
    body.what_case = REJOIN__JOB__WHAT_EVENT;
    body.event = event;
    struct rj_job *job =
        rj_job_new(broker, &body, rj_group_timeout(broker, group), on_done, rj_call_begin(request));
    job->is_repeated = is_repeated;
    rj_seat_put_job(broker, seat, job);
    return RJ_OK;
}
