#include "service.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "args.h"
#include "handle.h"
#include "job.h"
#include "known.h"
#include "proto/base/mem.h"
#include "socket.h"

enum { GROUP_MAX = 128 };

struct rejoin_service {
    struct rejoin_service *prev, *next;
    struct rejoin *handle;
    struct rejoin_service_options options; /* its texts and lists are NULL: they stand in `serve` */
    Rejoin__Serve serve;                   /* what is said; owns its texts */
    uint64_t id;                           /* of its Serve command on this stream; 0: none was said yet */
    uint64_t stream;                       /* the number of the stream that it was rewound for last */
    struct rj_sdk_known known;             /* its sockets, when the caller wants to hear of them */
    bool was_said;                         /* on any stream: the broker may know it */
    bool is_over;                          /* the broker refused it */
    bool is_stopped; /* by the caller, who has forgotten it: no callback, freed by the next put */
};

/* --- beginning and ending */

static char **copy_names(const struct rejoin_names *names)
{
    char **copy = rj_calloc(names->count ? names->count : 1, sizeof *copy);
    for (size_t i = 0; i < names->count; i++)
        copy[i] = rj_strndup(names->names[i], strlen(names->names[i]));
    return copy;
}

static void free_names(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

static struct rejoin_service *find(struct rejoin *handle, const char *group)
{
    struct rejoin_service *service;
    DL_FOREACH (handle->services, service)
        if (!service->is_stopped && strcmp(service->serve.group, group) == 0)
            return service;
    return NULL;
}

static enum rejoin_status check(struct rejoin *handle, const struct rejoin_service_options *options)
{
    size_t count;
    char **names;
    if (!options || !options->group || !*options->group || strlen(options->group) > GROUP_MAX)
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "a service needs a group of 1 to 128 bytes");
    bool takes_events = options->takes_all_events || options->events.count > 0;
    if (takes_events && !options->on_event)
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "a service that takes events needs on_event");
    if (!takes_events && !options->on_connect && !options->on_open && !options->on_close && !options->on_note)
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "a service needs something to do");
    enum rejoin_status status = rj_sdk_names_lend(handle, &options->namespaces, &count, &names);
    if (status == REJOIN_OK)
        status = rj_sdk_names_lend(handle, &options->events, &count, &names);
    if (status == REJOIN_OK && handle->link.state == RJ_SDK_LINK_REFUSED)
        status = rj_sdk_fail(handle, handle->link.refusal, NULL);
    if (status == REJOIN_OK && find(handle, options->group))
        status = rj_sdk_fail(handle, REJOIN_CONFLICT, "this handle serves the group already");
    return status;
}

static bool follows_sockets(const struct rejoin_service *service)
{
    return service->options.on_open || service->options.on_close;
}

static void fill_serve(struct rejoin_service *service, const struct rejoin_service_options *options)
{
    static const char *const root[] = {"/"};
    struct rejoin_names namespaces = options->namespaces, events = options->events;
    if (namespaces.count == 0)
        namespaces = (struct rejoin_names){root, 1};
    if (options->takes_all_events)
        events.count = 0;
    Rejoin__Serve *serve = &service->serve;
    rejoin__serve__init(serve);
    serve->group = rj_strndup(options->group, strlen(options->group));
    serve->namespaces = copy_names(&namespaces);
    serve->n_namespaces = namespaces.count;
    serve->events = copy_names(&events);
    serve->n_events = events.count;
    serve->all_events = options->takes_all_events;
    serve->admits = options->on_connect != NULL;
    serve->sockets = follows_sockets(service);
    serve->window = options->window;
    serve->timeout_ms = options->timeout_ms;
    serve->fails_lost = options->fails_lost;
}

enum rejoin_status rejoin_serve(struct rejoin *handle, const struct rejoin_service_options *options,
                                struct rejoin_service **out)
{
    enum rejoin_status status = check(handle, options);
    if (status != REJOIN_OK)
        return status;
    struct rejoin_service *service = rj_calloc(1, sizeof *service);
    service->handle = handle;
    service->options = *options;
    service->options.group = NULL;
    service->options.namespaces = service->options.events = (struct rejoin_names){0};
    fill_serve(service, options);
    DL_APPEND(handle->services, service);
    rj_sdk_wake_now(&handle->wake);
    *out = service;
    return REJOIN_OK;
}

static void finish_unserve(struct rejoin *handle, struct rj_sdk_call *call, enum rejoin_status status,
                           const Rejoin__Reply *reply)
{
    (void)handle, (void)call, (void)status, (void)reply; /* whatever the broker says, it is no instance */
}

void rejoin_unserve(struct rejoin_service **service, bool forget)
{
    struct rejoin_service *stopped = *service;
    *service = NULL;
    if (!stopped)
        return;
    struct rejoin *handle = stopped->handle;
    stopped->is_stopped = true;
    rj_sdk_jobs_forget(handle, stopped);
    rj_sdk_wake_now(&handle->wake);
    if (!stopped->was_said || stopped->is_over || handle->link.state == RJ_SDK_LINK_REFUSED)
        return;
    Rejoin__Unserve unserve = REJOIN__UNSERVE__INIT;
    unserve.group = stopped->serve.group;
    unserve.forget = forget;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_UNSERVE;
    command.unserve = &unserve;
    rj_sdk_call_start_answer(handle, &command, &(struct rj_sdk_end){.finish = finish_unserve});
}

static void free_service(struct rejoin_service *service)
{
    DL_DELETE(service->handle->services, service);
    rj_sdk_known_free(&service->known);
    free(service->serve.group);
    free_names(service->serve.namespaces, service->serve.n_namespaces);
    free_names(service->serve.events, service->serve.n_events);
    free(service);
}

void rj_sdk_services_free(struct rejoin *handle)
{
    while (handle->services)
        free_service(handle->services);
}

/* --- streams */

static void put_serve(struct rejoin_service *service)
{
    struct rejoin *handle = service->handle;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.id = ++handle->last_id;
    command.kind_case = REJOIN__COMMAND__KIND_SERVE;
    command.serve = &service->serve;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    item.kind_case = REJOIN__ITEM__KIND_COMMAND;
    item.command = &command;
    rj_wire_put(&handle->link.out, &item);
    service->id = command.id;
    service->was_said = true;
}

void rj_sdk_services_put(struct rejoin *handle)
{
    const struct rj_sdk_call *next = handle->calls.next;
    bool is_repeating = next && next->id <= handle->repeat_upto;
    struct rejoin_service *service, *following;
    DL_FOREACH_SAFE (handle->services, service, following) {
        if (service->is_stopped)
            free_service(service);
        else if (!service->is_over && !service->id && !is_repeating)
            put_serve(service);
    }
}

void rj_sdk_services_rewind(struct rejoin *handle)
{
    struct rejoin_service *service;
    handle->repeat_upto = handle->last_id;
    DL_FOREACH (handle->services, service) {
        service->id = 0;
        service->stream++;
    }
}

static void tell_state(struct rejoin_service *service, enum rejoin_service_state state,
                       enum rejoin_status status, uint64_t sockets)
{
    if (service->options.on_state && !service->is_stopped)
        service->options.on_state(service->options.arg, service->handle, state, status, sockets);
}

static void end_service(struct rejoin_service *service, enum rejoin_status status)
{
    service->is_over = true;
    rj_sdk_known_free(&service->known);
    rj_sdk_jobs_forget(service->handle, service);
    tell_state(service, REJOIN_SERVICE_ENDED, status, 0);
}

void rj_sdk_services_end(struct rejoin *handle, enum rejoin_status status)
{
    struct rejoin_service *service;
    DL_FOREACH (handle->services, service)
        if (!service->is_over)
            end_service(service, status);
}

static void tell_closed(struct rejoin_service *service, const struct rejoin_closed *closed)
{
    if (service->options.on_close && !service->is_stopped)
        service->options.on_close(service->options.arg, service->handle, closed);
}

/* A socket that went without a word: the connection to the broker was broken then. */
static void tell_lost(void *arg, const char *nsp, const char *sid)
{
    tell_closed(arg, &(struct rejoin_closed){.sid = sid, .nsp = nsp, .reason = "transport close"});
}

bool rj_sdk_services_answer(struct rejoin *handle, const Rejoin__Reply *reply)
{
    struct rejoin_service *service;
    DL_SEARCH_SCALAR(handle->services, service, id, reply->id);
    if (!service)
        return false;
    enum rejoin_status status = rj_sdk_reply_status(handle, reply);
    status = rj_sdk_check_result(handle, status, reply, REJOIN__REPLY__RESULT_SERVED);
    if (status != REJOIN_OK) {
        end_service(service, status);
        return true;
    }
    rj_sdk_known_drop_older(&service->known, service->stream, tell_lost, service);
    tell_state(service, REJOIN_SERVICE_STARTED, REJOIN_OK, reply->served->sockets);
    return true;
}

/* --- sockets */

void rj_sdk_services_opened(struct rejoin *handle, const Rejoin__Opened *opened)
{
    struct rejoin_service *service = find(handle, opened->group);
    if (!service || service->is_over || !opened->socket || !follows_sockets(service))
        return;
    const char *sid = opened->socket->sid, *nsp = opened->socket->namespace_;
    bool is_known = rj_sdk_known_note(&service->known, nsp, sid, service->stream);
    if (is_known && opened->adopted)
        return;
    if (is_known) /* another connection of the session; the end of the one before went unseen */
        tell_lost(service, nsp, sid);
    if (!service->options.on_open || service->is_stopped)
        return;
    struct rejoin_socket socket;
    rj_sdk_socket_of(opened->socket, &handle->link.arena, &socket);
    const struct rejoin_opened told = {
        .socket = &socket, .is_recovered = opened->recovered, .is_adopted = opened->adopted};
    service->options.on_open(service->options.arg, handle, &told);
}

void rj_sdk_services_closed(struct rejoin *handle, const Rejoin__Closed *closed)
{
    struct rejoin_service *service = find(handle, closed->group);
    if (!service || !rj_sdk_known_drop(&service->known, closed->namespace_, closed->sid))
        return;
    const struct rejoin_closed told = {
        .sid = closed->sid,
        .nsp = closed->namespace_,
        .reason = closed->reason,
        .rooms = {(const char *const *)closed->rooms, closed->n_rooms},
    };
    tell_closed(service, &told);
}

/* --- jobs */

static void run_event(struct rejoin_service *service, const Rejoin__Job *job)
{
    struct rejoin *handle = service->handle;
    const Rejoin__Event *event = job->event;
    const struct rejoin_event told = {
        .job = job->id,
        .sid = job->sid,
        .nsp = job->namespace_,
        .name = event->name,
        .args = rj_sdk_args_of(&event->args, event->n_attachments, event->attachments, &handle->link.arena),
        .wants_ack = event->wants_ack,
        .is_repeated = job->repeated,
        .timeout_ms = job->timeout_ms,
    };
    service->options.on_event(service->options.arg, handle, &told);
}

static void run_admission(struct rejoin_service *service, const Rejoin__Job *job)
{
    struct rejoin *handle = service->handle;
    struct rejoin_socket socket;
    rj_sdk_socket_of(job->connect->socket, &handle->link.arena, &socket);
    const struct rejoin_admission told = {
        .job = job->id,
        .socket = &socket,
        .is_rejoining = job->connect->rejoining,
        .is_repeated = job->repeated,
        .timeout_ms = job->timeout_ms,
    };
    service->options.on_connect(service->options.arg, handle, &told);
}

static void run_note(struct rejoin_service *service, const Rejoin__Note *note, uint64_t job,
                     uint32_t timeout_ms)
{
    struct rejoin *handle = service->handle;
    const struct rejoin_note told = {
        .job = job,
        .from = note->from,
        .instance = note->instance,
        .nsp = note->namespace_,
        .group = note->group,
        .name = note->name,
        .args = rj_sdk_args_of(&note->args, note->n_attachments, note->attachments, &handle->link.arena),
        .timeout_ms = timeout_ms,
    };
    service->options.on_note(service->options.arg, handle, &told);
}

static struct rejoin_service *find_listener(struct rejoin *handle, const char *group)
{
    struct rejoin_service *service = find(handle, group);
    if (service && !service->is_over && service->options.on_note)
        return service;
    DL_FOREACH (handle->services, service)
        if (!service->is_stopped && !service->is_over && service->options.on_note)
            return service;
    return NULL;
}

/* Whether the service has a callback for the job, and the job what that needs. */
static bool can_run(const struct rejoin_service *service, const Rejoin__Job *job)
{
    switch (job->what_case) {
    case REJOIN__JOB__WHAT_EVENT: return service->options.on_event != NULL;
    case REJOIN__JOB__WHAT_CONNECT: return service->options.on_connect != NULL;
    case REJOIN__JOB__WHAT_SENT: return service->options.on_note != NULL;
    default: return false; /* of a later version */
    }
}

static void run(struct rejoin_service *service, const Rejoin__Job *job)
{
    switch (job->what_case) {
    case REJOIN__JOB__WHAT_EVENT: run_event(service, job); break;
    case REJOIN__JOB__WHAT_CONNECT: run_admission(service, job); break;
    default: run_note(service, job->sent, job->id, job->timeout_ms); break;
    }
}

void rj_sdk_services_job(struct rejoin *handle, const Rejoin__Job *job)
{
    struct rejoin_service *service = find(handle, job->group);
    if (job->what_case == REJOIN__JOB__WHAT_SENT)
        service = find_listener(handle, *job->group ? job->group : job->sent->group);
    if (job->id == 0 || (service && service->is_over))
        return; /* 0 is no job: nobody could answer it */
    if (!service && job->what_case != REJOIN__JOB__WHAT_SENT)
        return; /* of a service that has ended; the broker gives it to another when it hears of that */
    if (!rj_sdk_jobs_begin(handle, job, service))
        return;
    if (service && can_run(service, job))
        run(service, job);
    else
        rj_sdk_jobs_refuse(handle, job->id, REJOIN_NO_HANDLER, "no handler for this kind of job");
}

void rj_sdk_service_unheard(struct rejoin_service *service, uint64_t job, enum rejoin_status status)
{
    if (service->options.on_unheard && !service->is_stopped)
        service->options.on_unheard(service->options.arg, service->handle, job, status);
}

void rj_sdk_services_told(struct rejoin *handle, const Rejoin__Told *told)
{
    struct rejoin_service *service = told->sent ? find_listener(handle, told->sent->group) : NULL;
    if (service)
        run_note(service, told->sent, 0, 0);
}
