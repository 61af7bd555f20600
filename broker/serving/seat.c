#include "broker/serving/seat.h"

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

#include "broker/broker.h"
#include "broker/serving/instance.h"
#include "broker/sockets/socket.h"
#include "proto/base/mem.h"

/* ------------------------------------------------------------------------------------------ one seat */

void rj_seat_set_state(struct rj_seat *seat, enum rj_seat_state state)
{
    struct rj_instance *instance = seat->instance;
    DL_DELETE(instance->seats[seat->state], seat);
    instance->n_seats -= seat->state != RJ_SEAT_OVER;
    seat->state = state;
    DL_APPEND(instance->seats[state], seat);
    instance->n_seats += state != RJ_SEAT_OVER;
}

static struct rj_seat *seat_new(struct rj_instance *instance)
{
    struct rj_seat *seat = rj_calloc(1, sizeof *seat);
    seat->instance = instance;
    seat->state = RJ_SEAT_HELD;
    DL_APPEND(instance->seats[RJ_SEAT_HELD], seat);
    instance->n_seats++;
    return seat;
}

static bool may_be_told(const struct rj_seat *seat)
{
    bool is_committed = seat->session ? seat->session->is_open : seat->farewell != NULL;
    return is_committed && (!seat->predecessor || seat->predecessor->seat->state == RJ_SEAT_OVER);
}

static void release(struct rj_seat *seat)
{
    if (seat->state == RJ_SEAT_HELD && may_be_told(seat))
        rj_seat_set_state(seat, RJ_SEAT_UNTOLD);
}

void rj_seat_move(struct rj_seat *seat, struct rj_instance *instance)
{
    struct rj_instance *from = seat->instance;
    struct rj_job *job;
    if (from == instance)
        return;
    assert(seat->state == RJ_SEAT_HELD || seat->state == RJ_SEAT_UNTOLD);
    DL_DELETE(from->seats[seat->state], seat);
    from->n_seats--;
    DL_APPEND(instance->seats[seat->state], seat);
    instance->n_seats++;
    seat->instance = instance;
    DL_FOREACH2(seat->jobs, job, seat_next)
    {
        rj_instance_uncount_job(from, job);
        rj_instance_count_job(instance, job);
        if (seat->is_admitting && instance->backend)
            rj_instance_queue(instance, job);
    }
}

/* ------------------------------------------------------------------------------------------ farewells */

static struct rj_farewell *find_farewell(const struct rj_serving *serving, const struct rj_group *group,
                                         const char *sid)
{
    struct rj_farewell wanted = {0}, *found;
    wanted.key.group = (struct rj_group *)(uintptr_t)group;
    memcpy(wanted.key.sid, sid, strlen(sid));
    HASH_FIND(hh, serving->farewells, &wanted.key, sizeof wanted.key, found);
    return found;
}

static void unlist(struct rj_serving *serving, struct rj_farewell *farewell)
{
    if (farewell->is_listed)
        HASH_DELETE(hh, serving->farewells, farewell);
    farewell->is_listed = false;
}

static void pack_item(Rejoin__Item__KindCase kind, void *message, struct rj_buf *out)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    item.kind_case = kind;
    if (kind == REJOIN__ITEM__KIND_OPENED)
        item.opened = message;
    else
        item.closed = message;
    rj_wire_pack(&item.base, out);
}

/* Fills in Opened as it is to be said now; what it points to lives in broker->arena. */
static void fill_opened(struct rj_broker *broker, const struct rj_seat *seat, bool with_handshake,
                        Rejoin__Opened *opened)
{
    rejoin__opened__init(opened);
    opened->group = seat->instance->group->name;
    opened->socket = rj_arena_alloc(&broker->arena, sizeof *opened->socket);
    rj_socket_fill(seat->session, with_handshake, &broker->arena, opened->socket);
    opened->recovered = seat->is_recovered && !seat->was_told;
    opened->adopted = seat->is_adopted || seat->was_told;
}

static struct rj_farewell *farewell_new(struct rj_broker *broker, struct rj_seat *seat, enum rj_reason reason)
{
    struct rj_farewell *farewell = rj_calloc(1, sizeof *farewell);
    struct rj_session *session = seat->session;
    Rejoin__Opened opened;
    Rejoin__Closed closed = REJOIN__CLOSED__INIT;
    fill_opened(broker, seat, false, &opened); /* most of these are never said: they are kept small */
    pack_item(REJOIN__ITEM__KIND_OPENED, &opened, &farewell->opened);
    closed.group = opened.group;
    closed.sid = session->sid;
    closed.namespace_ = session->nsp;
    closed.reason = (char *)(uintptr_t)rj_reason_text(reason);
    closed.rooms = opened.socket->rooms;
    closed.n_rooms = opened.socket->n_rooms;
    pack_item(REJOIN__ITEM__KIND_CLOSED, &closed, &farewell->closed);
    farewell->seat = seat;
    farewell->key.group = seat->instance->group;
    memcpy(farewell->key.sid, session->sid, strlen(session->sid));
    return farewell;
}

/* The latest one of a socket is the one that its next seat follows. */
static void list(struct rj_serving *serving, struct rj_farewell *farewell)
{
    struct rj_farewell *earlier = find_farewell(serving, farewell->key.group, farewell->key.sid);
    if (earlier)
        unlist(serving, earlier);
    HASH_ADD(hh, serving->farewells, key, sizeof farewell->key, farewell);
    farewell->is_listed = true;
}

static void farewell_free(struct rj_serving *serving, struct rj_farewell *farewell)
{
    unlist(serving, farewell);
    rj_buf_free(&farewell->opened);
    rj_buf_free(&farewell->closed);
    free(farewell);
}

void rj_seat_free(struct rj_broker *broker, struct rj_seat *seat)
{
    struct rj_instance *instance = seat->instance;
    struct rj_farewell *predecessor = seat->predecessor;
    struct rj_seat *successor = seat->farewell ? seat->farewell->successor : NULL;
    bool was_listed = seat->farewell && seat->farewell->is_listed;
    assert(!seat->jobs);
    DL_DELETE(instance->seats[seat->state], seat);
    instance->n_seats -= seat->state != RJ_SEAT_OVER;
    if (seat->farewell)
        farewell_free(&broker->serving, seat->farewell);
    free(seat);
    /* Whoever comes after it comes after the one before it. */
    if (predecessor)
        predecessor->successor = successor;
    if (successor)
        successor->predecessor = predecessor;
    if (predecessor && was_listed)
        list(&broker->serving, predecessor);
    if (successor)
        release(successor);
}

void rj_seat_settle(struct rj_broker *broker, struct rj_seat *seat)
{
    if (!seat->farewell)
        return;
    if (seat->state == RJ_SEAT_TOLD && seat->n_ungiven == 0)
        rj_seat_set_state(seat, RJ_SEAT_CLOSING);
    else if (!seat->jobs && (seat->state == RJ_SEAT_OVER ||
                             (!seat->was_told && !seat->is_returning && seat->state != RJ_SEAT_CLOSING)))
        rj_seat_free(broker, seat);
}

/* ------------------------------------------------------------------------------------------ admissions */

struct rj_seat *rj_seat_admit(struct rj_broker *broker, struct rj_group *group)
{
    (void)broker;
    struct rj_seat *seat = seat_new(rj_instance_choose(group));
    seat->is_admitting = true;
    return seat;
}

void rj_seat_dismiss(struct rj_broker *broker, struct rj_seat *seat)
{
    while (seat->jobs)
        rj_job_drop(broker, seat->jobs);
    rj_seat_free(broker, seat);
}

/* ------------------------------------------------------------------------------------------ a session's */

/* Takes the seat in that group out of the list; NULL: there is none. */
static struct rj_seat *take_of_group(struct rj_seat **list, const struct rj_group *group)
{
    for (struct rj_seat **link = list; *link; link = &(*link)->session_next) {
        struct rj_seat *seat = *link;
        if (seat->instance->group != group)
            continue;
        *link = seat->session_next;
        seat->session_next = NULL;
        return seat;
    }
    return NULL;
}

static bool wants(const struct rj_group *group, const struct rj_session *session)
{
    return group->wants_sockets && rj_group_serves_namespace(group, session->nsp);
}

/* A seat for the session, behind the one that it had when it was here before. */
static struct rj_seat *seat_for(struct rj_broker *broker, struct rj_group *group, struct rj_session *session,
                                struct rj_seat *seat)
{
    struct rj_farewell *farewell = find_farewell(&broker->serving, group, session->sid);
    if (!seat)
        seat = seat_new(farewell ? farewell->seat->instance : rj_instance_choose(group));
    seat->is_admitting = false;
    seat->session = session;
    if (farewell) {
        rj_seat_move(seat, farewell->seat->instance);
        seat->predecessor = farewell;
        farewell->successor = seat;
    }
    return seat;
}

void rj_seats_begin(struct rj_broker *broker, struct rj_session *session, struct rj_seat *admitted)
{
    const struct rj_groups *groups = &broker->serving.groups;
    struct rj_seat **end = &session->seats;
    assert(!session->seats);
    for (size_t i = 0; i < groups->n; i++) {
        struct rj_group *group = groups->list[i];
        if (!wants(group, session))
            continue;
        *end = seat_for(broker, group, session, take_of_group(&admitted, group));
        end = &(*end)->session_next;
    }
    while (admitted) {
        struct rj_seat *next = admitted->session_next;
        rj_seat_dismiss(broker, admitted);
        admitted = next;
    }
}

void rj_seats_open(struct rj_broker *broker, struct rj_session *session, bool is_recovered, bool is_adopted)
{
    (void)broker;
    if (session->is_open)
        return;
    session->is_open = true;
    for (struct rj_seat *seat = session->seats; seat; seat = seat->session_next) {
        seat->is_recovered = is_recovered;
        seat->is_adopted = is_adopted;
        release(seat);
    }
}

void rj_seats_return(struct rj_broker *broker, struct rj_session *session)
{
    for (struct rj_seat *seat = session->seats; seat; seat = seat->session_next) {
        seat->is_adopted = true;
        seat->is_returning = rj_groups_may_get_back(broker, seat->instance->group);
    }
}

/* The seat goes on without its socket, or is of no use any more. */
static void part(struct rj_broker *broker, struct rj_seat *seat, enum rj_reason reason)
{
    seat->session_next = NULL;
    if (!seat->was_told && !seat->is_returning && !seat->jobs) {
        rj_seat_free(broker, seat);
        return;
    }
    seat->farewell = farewell_new(broker, seat, reason);
    seat->session = NULL;
    list(&broker->serving, seat->farewell);
    release(seat);
    rj_seat_settle(broker, seat);
}

void rj_seats_close(struct rj_broker *broker, struct rj_session *session, enum rj_reason reason)
{
    while (session->seats) {
        struct rj_seat *seat = session->seats;
        session->seats = seat->session_next;
        part(broker, seat, reason);
    }
    session->is_open = false;
}

static void review(struct rj_broker *broker, struct rj_group *group, struct rj_session *session)
{
    struct rj_seat **link = &session->seats;
    while (*link && strcmp((*link)->instance->group->name, group->name) < 0)
        link = &(*link)->session_next;
    bool has = *link && (*link)->instance->group == group;
    if (has == wants(group, session))
        return;
    if (has) {
        struct rj_seat *seat = *link;
        *link = seat->session_next;
        seat->session_next = NULL;
        while (seat->jobs)
            rj_job_end(broker, seat->jobs, RJ_UNAVAILABLE, NULL);
        part(broker, seat, RJ_REASON_TRANSPORT_CLOSE); /* to the instance the socket is gone */
        return;
    }
    struct rj_seat *seat = seat_for(broker, group, session, NULL);
    seat->is_adopted = true;
    seat->session_next = *link;
    *link = seat;
    release(seat);
}

/* In RAM this takes a fraction of a microsecond a session, some for one whose seat is taken; only what is
 * then said takes turns. */
void rj_seats_review(struct rj_broker *broker, struct rj_group *group)
{
    for (size_t i = 0; i < RJ_GATEWAYS_MAX; i++) {
        const struct rj_gateway *gateway = broker->gateways.slots[i];
        struct rj_session *session = gateway ? gateway->clients : NULL;
        for (; session; session = session->by_handle.next)
            review(broker, group, session);
    }
}

struct rj_seat *rj_seat_of_event(const struct rj_session *session, const char *event)
{
    struct rj_seat *seat = session->seats;
    while (seat && !rj_group_takes_event(seat->instance->group, event))
        seat = seat->session_next;
    return seat;
}

void rj_seat_put_job(struct rj_broker *broker, struct rj_seat *seat, struct rj_job *job)
{
    (void)broker;
    job->seat = seat;
    seat->n_ungiven++;
    DL_APPEND2(seat->jobs, job, seat_prev, seat_next);
    rj_instance_count_job(seat->instance, job);
    if (seat->state == RJ_SEAT_TOLD || (seat->is_admitting && seat->instance->backend))
        rj_instance_queue(seat->instance, job);
}

/* ------------------------------------------------------------------------------------------ telling */

void rj_seat_tell(struct rj_broker *broker, struct rj_seat *seat)
{
    struct rj_instance *instance = seat->instance;
    struct rj_job *job;
    if (seat->farewell) {
        rj_peer_put_bulk(&instance->backend->peer, rj_buf_span(&seat->farewell->opened));
    } else {
        Rejoin__Opened opened;
        struct rj_buf *scratch = &broker->serving.scratch;
        fill_opened(broker, seat, true, &opened);
        rj_buf_clear(scratch);
        pack_item(REJOIN__ITEM__KIND_OPENED, &opened, scratch);
        rj_peer_put_bulk(&instance->backend->peer, rj_buf_span(scratch));
        rj_arena_reset(&broker->arena);
    }
    instance->n_told++;
    seat->was_told = true;
    rj_seat_set_state(seat, RJ_SEAT_TOLD);
    DL_FOREACH2(seat->jobs, job, seat_next)
    {
        if (job->state == RJ_JOB_HELD)
            rj_instance_queue(instance, job);
    }
    rj_seat_settle(broker, seat);
}

void rj_seat_tell_end(struct rj_broker *broker, struct rj_seat *seat)
{
    struct rj_seat *successor = seat->farewell->successor;
    rj_peer_put_bulk(&seat->instance->backend->peer, rj_buf_span(&seat->farewell->closed));
    rj_seat_set_state(seat, RJ_SEAT_OVER);
    if (successor)
        release(successor);
    rj_seat_settle(broker, seat);
}
