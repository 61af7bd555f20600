#include "broker/serving/instance.h"

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

#include "broker/broker.h"
#include "proto/base/clock.h"
#include "proto/base/mem.h"

enum {
    SEATS_PER_STEP = 1000, /* of one instance that are told of, or closed */
    SEATS_HANDED_OUT_PER_STEP = 2000,
};

struct rj_instance *rj_instance_find(const struct rj_group *group, const struct rj_backend *backend)
{
    struct rj_instance *instance;
    DL_FOREACH (group->instances, instance) {
        if (instance->backend == backend)
            return instance;
    }
    return NULL;
}

struct rj_instance *rj_instance_new(struct rj_group *group, struct rj_backend *backend)
{
    struct rj_instance *instance = rj_calloc(1, sizeof *instance);
    instance->group = group;
    instance->backend = backend;
    DL_APPEND(group->instances, instance);
    if (backend) {
        LL_PREPEND2(backend->instances, instance, backend_next);
        group->n_instances++;
    }
    return instance;
}

bool rj_instance_is_serving(const struct rj_instance *instance)
{
    return instance->backend && instance->stream && instance->stream == instance->backend->peer.stream;
}

struct rj_instance *rj_instance_choose(struct rj_group *group)
{
    struct rj_instance *instance, *best = NULL;
    DL_FOREACH (group->instances, instance) {
        if (rj_instance_is_serving(instance) && (!best || instance->n_seats < best->n_seats))
            best = instance;
    }
    if (!best)
        best = rj_instance_find(group, NULL);
    return best ? best : rj_instance_new(group, NULL);
}

/* ------------------------------------------------------------------------------------------ its jobs */

bool rj_instance_is_full(const struct rj_broker *broker, const struct rj_instance *instance)
{
    return instance->n_jobs - instance->n_given >= broker->conf->handler_queue ||
           instance->job_bytes >= broker->conf->handler_queue_bytes;
}

void rj_instance_count_job(struct rj_instance *instance, const struct rj_job *job)
{
    instance->n_jobs++;
    instance->job_bytes += rj_job_bytes(job);
    ((struct rj_job *)(uintptr_t)job)->instance = instance;
}

void rj_instance_uncount_job(struct rj_instance *instance, const struct rj_job *job)
{
    assert(job->state == RJ_JOB_HELD);
    instance->n_jobs--;
    instance->job_bytes -= rj_job_bytes(job);
}

void rj_instance_queue(struct rj_instance *instance, struct rj_job *job)
{
    assert(job->state == RJ_JOB_HELD && instance->backend);
    job->state = RJ_JOB_WAITING;
    DL_APPEND(instance->waiting, job);
}

void rj_instance_put_job(struct rj_instance *instance, struct rj_job *job)
{
    rj_instance_count_job(instance, job);
    rj_instance_queue(instance, job);
}

void rj_instance_remove_job(struct rj_broker *broker, struct rj_job *job)
{
    struct rj_instance *instance = job->instance;
    struct rj_seat *seat = job->seat;
    bool was_given = job->state == RJ_JOB_GIVEN;
    if (was_given) {
        DL_DELETE(instance->given, job);
        instance->n_given--;
    } else if (job->state == RJ_JOB_WAITING) {
        DL_DELETE(instance->waiting, job);
    }
    job->state = RJ_JOB_HELD;
    rj_instance_uncount_job(instance, job);
    if (!seat)
        return;
    DL_DELETE2(seat->jobs, job, seat_prev, seat_next);
    seat->n_ungiven -= !was_given;
    rj_seat_settle(broker, seat);
}

static void give(struct rj_broker *broker, struct rj_instance *instance, struct rj_job *job)
{
    uint64_t at_ms = job->deadline.at_ms, left = at_ms > broker->now_ms ? at_ms - broker->now_ms : 1;
    DL_DELETE(instance->waiting, job);
    DL_APPEND(instance->given, job);
    job->state = RJ_JOB_GIVEN;
    instance->n_given++;
    broker->stats.jobs_given++;
    broker->stats.jobs_repeated += job->is_repeated;
    rj_peer_put_job(&instance->backend->peer, job->id, job->is_repeated, left,
                    rj_span_of(job->body, job->len));
    if (job->seat) {
        job->seat->n_ungiven--;
        rj_seat_settle(broker, job->seat);
    }
}

/* ------------------------------------------------------------------------------------------ starting over */

/* Its jobs are with nobody any more; those that need no Opened wait at once if it has a backend. */
static void take_back_jobs(struct rj_instance *instance)
{
    struct rj_job *job, *next, *all = instance->given;
    DL_FOREACH (instance->given, job) {
        job->is_repeated = true;
        if (job->seat)
            job->seat->n_ungiven++;
    }
    DL_CONCAT(all, instance->waiting);
    instance->given = instance->waiting = NULL;
    instance->n_given = 0;
    DL_FOREACH_SAFE (all, job, next) {
        DL_DELETE(all, job);
        job->state = RJ_JOB_HELD;
        if (instance->backend && (!job->seat || job->seat->is_admitting))
            rj_instance_queue(instance, job);
    }
}

static void recall(struct rj_instance *instance)
{
    static const enum rj_seat_state told[] = {RJ_SEAT_OVER, RJ_SEAT_TOLD, RJ_SEAT_CLOSING};
    struct rj_seat *seat, *next;
    take_back_jobs(instance);
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        while (instance->seats[told[i]])
            rj_seat_set_state(instance->seats[told[i]], RJ_SEAT_UNTOLD);
    /* One that has followed an earlier seat of its socket follows it again. */
    DL_FOREACH_SAFE (instance->seats[RJ_SEAT_UNTOLD], seat, next) {
        if (seat->predecessor)
            rj_seat_set_state(seat, RJ_SEAT_HELD);
    }
}

static bool is_same(struct rj_reply_to a, struct rj_reply_to b)
{
    return a.id == b.id && a.peer.stream == b.peer.stream;
}

/* Whether the last Serve is another one of the same stream, which waits for its answer. */
static bool overtakes(const struct rj_instance *instance, struct rj_reply_to to)
{
    return instance->owes_served && instance->serve.peer.stream == to.peer.stream &&
           !is_same(instance->serve, to);
}

bool rj_instance_may_begin(const struct rj_instance *instance, struct rj_reply_to to)
{
    return !overtakes(instance, to) || instance->n_overtaken < RJ_INSTANCE_OVERTAKEN;
}

void rj_instance_begin(struct rj_instance *instance, struct rj_reply_to to, uint32_t window)
{
    if (overtakes(instance, to))
        instance->overtaken[instance->n_overtaken++] = instance->serve;
    else if (instance->serve.peer.stream != to.peer.stream)
        instance->n_overtaken = 0; /* they are said again, if at all */
    recall(instance);
    instance->stream = to.peer.stream;
    instance->serve = to;
    instance->owes_served = true;
    instance->is_saved = false;
    instance->n_told = 0;
    instance->window = window ? window : RJ_INSTANCE_WINDOW;
    if (instance->window > RJ_INSTANCE_WINDOW_MAX)
        instance->window = RJ_INSTANCE_WINDOW_MAX;
}

static struct rj_seat *first_seat(const struct rj_instance *instance)
{
    for (int state = 0; state < RJ_SEAT_STATES; state++)
        if (instance->seats[state])
            return instance->seats[state];
    return NULL;
}

static bool is_empty(const struct rj_instance *instance)
{
    return !first_seat(instance) && instance->n_jobs == 0;
}

static void instance_free(struct rj_instance *instance)
{
    assert(is_empty(instance) && !instance->backend);
    DL_DELETE(instance->group->instances, instance);
    free(instance);
}

static void leave_backend(struct rj_instance *instance)
{
    if (!instance->backend)
        return;
    LL_DELETE2(instance->backend->instances, instance, backend_next);
    instance->backend = NULL;
    instance->stream = 0;
    instance->group->n_instances--;
}

static void fail_jobs(struct rj_broker *broker, struct rj_job *list, bool with_seats)
{
    struct rj_job *job, *next;
    DL_FOREACH_SAFE (list, job, next) {
        if (!job->seat || (with_seats && !job->seat->is_admitting))
            rj_job_end(broker, job, RJ_UNAVAILABLE, NULL);
    }
}

void rj_instance_lose(struct rj_broker *broker, struct rj_instance *instance, const char *why)
{
    struct rj_group *group = instance->group;
    broker->stats.instances_lost++;
    rj_log(RJ_LOG_INFO, "instance_lost", RJ_KV_STR("group", group->name),
           RJ_KV_STR("backend", instance->backend->name), RJ_KV_STR("id", instance->backend->peer.id),
           RJ_KV_STR("reason", why), RJ_KV_U64("sockets", instance->n_seats),
           RJ_KV_U64("jobs", instance->n_jobs), RJ_KV_U64("others", group->n_instances - 1));
    fail_jobs(broker, instance->given, group->fails_lost);
    fail_jobs(broker, instance->waiting, false);
    leave_backend(instance);
    recall(instance);
    if (is_empty(instance))
        instance_free(instance);
    if (group->n_instances == 0)
        rj_groups_unserved(broker, group);
}

void rj_instance_leave(struct rj_broker *broker, struct rj_instance *instance)
{
    for (size_t i = 0; i < instance->n_overtaken; i++)
        rj_reply_ok(broker, instance->overtaken[i]);
    if (instance->owes_served)
        rj_reply_ok(broker, instance->serve);
    rj_instance_lose(broker, instance, "has left");
}

void rj_instance_discard(struct rj_broker *broker, struct rj_instance *instance)
{
    struct rj_seat *seat;
    while (instance->waiting)
        rj_job_end(broker, instance->waiting, RJ_UNAVAILABLE, NULL);
    while (instance->given)
        rj_job_end(broker, instance->given, RJ_UNAVAILABLE, NULL);
    while ((seat = first_seat(instance))) {
        if (seat->jobs)
            rj_job_end(broker, seat->jobs, RJ_UNAVAILABLE, NULL); /* which may free the seat */
        else
            rj_seat_free(broker, seat); /* which may move the one that follows it */
    }
    leave_backend(instance);
    instance_free(instance);
}

/* ------------------------------------------------------------------------------------------ the step */

/* Hands the seats of a leftover to those that serve. True: there are more. */
static bool hand_out(struct rj_instance *leftover, size_t *budget)
{
    static const enum rj_seat_state kept[] = {RJ_SEAT_UNTOLD, RJ_SEAT_HELD};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        while (leftover->seats[kept[i]] && *budget) {
            struct rj_seat *seat = leftover->seats[kept[i]];
            struct rj_instance *instance = rj_instance_choose(leftover->group);
            if (!instance->backend)
                return false; /* nobody serves */
            if (seat->predecessor)
                instance = seat->predecessor->seat->instance; /* which may be this leftover: see below */
            --*budget;
            rj_seat_move(seat, instance);
            if (seat->instance == leftover)
                rj_seat_set_state(seat, seat->state); /* behind the one that it follows */
        }
    }
    return *budget == 0;
}

static void say_served(struct rj_broker *broker, struct rj_instance *instance)
{
    Rejoin__Served served = REJOIN__SERVED__INIT;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    instance->owes_served = false;
    served.window = instance->window;
    served.timeout_ms = rj_group_timeout(broker, instance->group);
    served.sockets = instance->n_told;
    reply.result_case = REJOIN__REPLY__RESULT_SERVED;
    reply.served = &served;
    for (size_t i = 0; i < instance->n_overtaken; i++)
        rj_reply(broker, instance->overtaken[i], &reply);
    instance->n_overtaken = 0;
    rj_reply(broker, instance->serve, &reply);
}

static bool has_leftover(const struct rj_group *group)
{
    const struct rj_instance *instance;
    DL_FOREACH (group->instances, instance) {
        if (!instance->backend && instance->n_seats)
            return true;
    }
    return false;
}

/* True: it has more to say and room to say it. */
static bool serve(struct rj_broker *broker, struct rj_instance *instance)
{
    struct rj_peer *peer = &instance->backend->peer;
    size_t budget = SEATS_PER_STEP;
    for (; instance->seats[RJ_SEAT_CLOSING] && budget && rj_peer_has_bulk_room(peer); budget--)
        rj_seat_tell_end(broker, instance->seats[RJ_SEAT_CLOSING]);
    for (; instance->seats[RJ_SEAT_UNTOLD] && budget && rj_peer_has_bulk_room(peer); budget--)
        rj_seat_tell(broker, instance->seats[RJ_SEAT_UNTOLD]);
    while (instance->waiting && instance->n_given < instance->window && rj_peer_has_bulk_room(peer))
        give(broker, instance, instance->waiting);
    if (instance->owes_served && instance->is_saved && !instance->seats[RJ_SEAT_UNTOLD] &&
        !has_leftover(instance->group) && !rj_groups_may_get_back(broker, instance->group))
        say_served(broker, instance);
    return (instance->seats[RJ_SEAT_CLOSING] || instance->seats[RJ_SEAT_UNTOLD]) &&
           rj_peer_has_bulk_room(peer);
}

static bool step_group(struct rj_broker *broker, struct rj_group *group, size_t *budget)
{
    struct rj_instance *instance, *next;
    bool has_more = false;
    DL_FOREACH_SAFE (group->instances, instance, next) {
        if (instance->backend)
            continue;
        has_more |= hand_out(instance, budget);
        if (is_empty(instance))
            instance_free(instance);
    }
    DL_FOREACH (group->instances, instance) {
        if (rj_instance_is_serving(instance))
            has_more |= serve(broker, instance);
    }
    return has_more;
}

bool rj_instances_step(struct rj_broker *broker)
{
    const struct rj_groups *groups = &broker->serving.groups;
    size_t budget = SEATS_HANDED_OUT_PER_STEP;
    bool has_more = false;
    for (size_t i = 0; i < groups->n; i++)
        has_more |= step_group(broker, groups->list[i], &budget);
    return has_more;
}

static void tend(struct rj_broker *broker, struct rj_instance *instance, bool is_forgiving)
{
    if (!instance->backend)
        return;
    if (rj_instance_is_serving(instance))
        instance->absent_ms = 0;
    else if (!instance->absent_ms || is_forgiving)
        instance->absent_ms = broker->now_ms;
    else if (broker->now_ms - instance->absent_ms > broker->conf->lease_ms)
        rj_instance_lose(broker, instance, "does not serve any more");
}

void rj_instances_tick(struct rj_broker *broker, bool is_forgiving)
{
    const struct rj_groups *groups = &broker->serving.groups;
    for (size_t i = 0; i < groups->n; i++) {
        struct rj_instance *instance, *next;
        DL_FOREACH_SAFE (groups->list[i]->instances, instance, next) {
            tend(broker, instance, is_forgiving);
        }
    }
}
