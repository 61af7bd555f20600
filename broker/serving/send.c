#include "broker/serving/send.h"

#include <stdlib.h>
#include <utlist.h>

#include "broker/base/names.h"
#include "broker/serving/args.h"
#include "broker/serving/ask.h"
#include "broker/serving/calls.h"
#include "broker/serving/instance.h"
#include "proto/base/mem.h"
#include "proto/base/utf8.h"

/* One backend that is asked. */
struct recipient {
    struct rj_send *send;
    char *id;           /* Hello.id */
    char *name;         /* Hello.name */
    struct rj_span one; /* owned, a packed SendResult.One; empty: it has not answered */
    bool has_answered;  /* also when there was no room for what it said */
    struct recipient *next;
};

struct rj_send {
    struct rj_call *call;
    struct recipient *recipients;
    uint64_t n_given;
    size_t n_open;
    size_t held_bytes; /* counted in serving.ask_bytes too */
    bool is_truncated;
    struct rj_send *prev, *next;
};

/* ------------------------------------------------------------------------------------------ the end */

static void send_free(struct rj_broker *broker, struct rj_send *send)
{
    struct rj_serving *serving = &broker->serving;
    DL_DELETE(serving->sends, send);
    serving->n_sends--;
    serving->ask_bytes -= send->held_bytes;
    while (send->recipients) {
        struct recipient *recipient = send->recipients;
        send->recipients = recipient->next;
        free((void *)(uintptr_t)recipient->one.data);
        free(recipient->id);
        free(recipient->name);
        free(recipient);
    }
    free(send);
}

static void finish(struct rj_broker *broker, struct rj_send *send)
{
    Rejoin__SendResult result = REJOIN__SEND_RESULT__INIT;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    Rejoin__SendResult__One *answers[RJ_BACKENDS_MAX];
    char *missing[RJ_BACKENDS_MAX];
    result.answers = answers;
    result.missing = missing;
    result.sent = send->n_given;
    result.truncated = send->is_truncated;
    for (const struct recipient *recipient = send->recipients; recipient; recipient = recipient->next) {
        if (recipient->one.len)
            answers[result.n_answers++] = (Rejoin__SendResult__One *)rj_wire_unpack_message(
                &rejoin__send_result__one__descriptor, recipient->one, &broker->page_arena);
        else if (!recipient->has_answered)
            missing[result.n_missing++] = recipient->id;
    }
    reply.result_case = REJOIN__REPLY__RESULT_SEND;
    reply.send = &result;
    rj_call_reply(broker, send->call, &reply);
    rj_arena_reset(&broker->page_arena);
    send_free(broker, send);
}

static void keep_answer(struct rj_broker *broker, struct recipient *recipient, const Rejoin__Answer *answer)
{
    struct rj_send *send = recipient->send;
    Rejoin__SendResult__One one = REJOIN__SEND_RESULT__ONE__INIT;
    struct rj_buf packed = {0};
    one.from = recipient->name;
    one.instance = recipient->id;
    one.args = answer->args;
    one.attachments = answer->attachments;
    one.n_attachments = answer->n_attachments;
    one.error = answer->refusal;
    size_t size = protobuf_c_message_get_packed_size(&one.base);
    recipient->has_answered = true;
    if (send->held_bytes + size > broker->conf->max_frame_bytes / 2 ||
        broker->serving.ask_bytes + size > broker->conf->max_ask_bytes) {
        send->is_truncated = true;
        return;
    }
    rj_wire_pack(&one.base, &packed);
    recipient->one = rj_buf_span(&packed);
    send->held_bytes += size;
    broker->serving.ask_bytes += size;
}

static void on_done(struct rj_broker *broker, void *ctx, enum rj_status status, const Rejoin__Answer *answer)
{
    struct recipient *recipient = ctx;
    struct rj_send *send = recipient->send;
    if (status == RJ_OK)
        keep_answer(broker, recipient, answer);
    if (--send->n_open == 0)
        finish(broker, send);
}

/* ------------------------------------------------------------------------------------------ sending */

static bool is_meant(const struct rj_group *group, const Rejoin__Send *asked)
{
    return (!asked->group[0] || strcmp(group->name, asked->group) == 0) &&
           (!asked->namespace_[0] || rj_group_serves_namespace(group, asked->namespace_));
}

/* The instances that it is meant for, one for each backend but the sender; returns how many. */
static size_t find_instances(struct rj_request *request, struct rj_instance *out[static RJ_BACKENDS_MAX])
{
    const struct rj_groups *groups = &request->broker->serving.groups;
    bool is_found[RJ_BACKENDS_MAX] = {false};
    size_t n = 0;
    is_found[request->peer->slot] = true;
    for (size_t i = 0; i < groups->n; i++) {
        struct rj_instance *instance;
        if (!is_meant(groups->list[i], request->command->send))
            continue;
        DL_FOREACH (groups->list[i]->instances, instance) {
            if (!instance->backend || is_found[instance->backend->peer.slot])
                continue;
            is_found[instance->backend->peer.slot] = true;
            out[n++] = instance;
        }
    }
    return n;
}

static void fill_note(const struct rj_request *request, Rejoin__Note *note)
{
    const Rejoin__Send *asked = request->command->send;
    rejoin__note__init(note);
    note->from = request->backend->name;
    note->instance = request->peer->id;
    note->namespace_ = asked->namespace_;
    note->group = asked->group;
    note->name = asked->name;
    note->args = asked->args;
    note->attachments = asked->attachments;
    note->n_attachments = asked->n_attachments;
}

/* Those that are too far behind lose it. */
static void tell(struct rj_request *request, struct rj_instance *const instances[], size_t n)
{
    struct rj_broker *broker = request->broker;
    struct rj_buf *packed = &broker->serving.scratch;
    Rejoin__Note note;
    Rejoin__Told told = REJOIN__TOLD__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__SendResult result = REJOIN__SEND_RESULT__INIT;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    fill_note(request, &note);
    told.sent = &note;
    item.kind_case = REJOIN__ITEM__KIND_TOLD;
    item.told = &told;
    rj_buf_clear(packed);
    rj_wire_pack(&item.base, packed);
    for (size_t i = 0; i < n; i++) {
        struct rj_peer *peer = &instances[i]->backend->peer;
        if (!rj_instance_is_serving(instances[i]) || !rj_peer_has_bulk_room(peer))
            continue;
        rj_peer_put_bulk(peer, rj_buf_span(packed));
        result.sent++;
    }
    broker->stats.notes_told += result.sent;
    reply.result_case = REJOIN__REPLY__RESULT_SEND;
    reply.send = &result;
    rj_reply(broker, request->to, &reply);
}

static struct recipient *recipient_new(struct rj_send *send, const struct rj_backend *backend)
{
    struct recipient *recipient = rj_calloc(1, sizeof *recipient);
    recipient->send = send;
    recipient->id = rj_strndup(backend->peer.id, strlen(backend->peer.id));
    recipient->name = rj_strndup(backend->name, strlen(backend->name));
    LL_PREPEND(send->recipients, recipient);
    return recipient;
}

static void ask(struct rj_request *request, struct rj_instance *const instances[], size_t n)
{
    struct rj_broker *broker = request->broker;
    struct rj_serving *serving = &broker->serving;
    uint64_t timeout_ms = rj_ask_timeout(request->command->send->timeout_ms);
    struct rj_send *send = rj_calloc(1, sizeof *send);
    Rejoin__Note note;
    Rejoin__Job body = REJOIN__JOB__INIT;
    send->call = rj_call_begin(request);
    DL_APPEND(serving->sends, send);
    serving->n_sends++;
    fill_note(request, &note);
    body.namespace_ = note.namespace_;
    body.what_case = REJOIN__JOB__WHAT_SENT;
    body.sent = &note;
    for (size_t i = 0; i < n; i++) {
        struct recipient *recipient = recipient_new(send, instances[i]->backend);
        if (rj_instance_is_full(broker, instances[i]))
            continue; /* it is missing */
        body.group = instances[i]->group->name;
        rj_instance_put_job(instances[i], rj_job_new(broker, &body, timeout_ms, on_done, recipient));
        send->n_given++;
        send->n_open++;
    }
    if (send->n_open == 0)
        finish(broker, send);
}

static enum rj_status check(struct rj_request *request, const Rejoin__Send *asked)
{
    const struct rj_conf *conf = request->broker->conf;
    if (!asked->namespace_[0] && !asked->group[0])
        return request->why = "a namespace or a group is needed", RJ_BAD_REQUEST;
    if (strlen(asked->namespace_) > RJ_NAMESPACE_MAX || !rj_utf8_is_valid(rj_span_str(asked->namespace_)) ||
        strlen(asked->group) > RJ_GROUP_NAME_MAX || !rj_utf8_is_valid(rj_span_str(asked->group)))
        return request->why = "the namespace or the group is none", RJ_BAD_NAME;
    if (*asked->name && !rj_name_is_valid(asked->name, conf->max_event_name))
        return request->why = "the name is longer than max-event-name or not valid UTF-8", RJ_BAD_REQUEST;
    return rj_args_check(rj_span_of(asked->args.data, asked->args.len), asked->attachments,
                         asked->n_attachments, conf->max_data_bytes, &request->why);
}

enum rj_status rj_cmd_send(struct rj_request *request)
{
    struct rj_instance *instances[RJ_BACKENDS_MAX];
    const Rejoin__Send *asked = request->command->send;
    if (asked->wants_answers && rj_call_resume(request))
        return RJ_OK;
    enum rj_status status = check(request, asked);
    if (status != RJ_OK)
        return status;
    size_t n = find_instances(request, instances);
    if (!asked->wants_answers)
        tell(request, instances, n);
    else if (!rj_asks_have_room(request->broker))
        return request->why = "too many questions are open", RJ_BUSY;
    else
        ask(request, instances, n);
    return RJ_OK;
}

void rj_sends_fini(struct rj_broker *broker)
{
    while (broker->serving.sends)
        send_free(broker, broker->serving.sends);
}
