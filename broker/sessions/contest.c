#include "broker/sessions/contest.h"

#include <stdlib.h>

#include "broker/sessions/connect.h"
#include "broker/sessions/rejoin.h"
#include "proto/base/mem.h"

struct rj_contest {
    struct {
        uint64_t gateway; /* the rival's: its slot … */
        uint64_t handle;  /* … and its client */
    } key;
    struct rj_reply_to to;
    struct rj_buf connect; /* the packed command */
    char pid[RJ_ID_LEN + 1];
    uint64_t serial; /* of the attachment that was asked for a sign of life */
    struct rj_deadline deadline;
    UT_hash_handle hh;
};

static struct rj_contest *find(const struct rj_broker *broker, uint32_t slot, uint64_t handle)
{
    struct rj_contest wanted = {.key = {slot, handle}}, *found;
    HASH_FIND(hh, broker->contests, &wanted.key, sizeof wanted.key, found);
    return found;
}

static void end(struct rj_broker *broker, struct rj_contest *contest)
{
    rj_deadline_clear(&broker->serving.deadlines, &contest->deadline);
    HASH_DELETE(hh, broker->contests, contest);
    broker->contest_bytes -= contest->connect.len;
    rj_buf_free(&contest->connect);
    free(contest);
}

/* ------------------------------------------------------------------------------------------ the outcome */

/* The rival goes on, with the session that it presents or as somebody new. */
static void decide(struct rj_broker *broker, struct rj_contest *contest, bool has_lost)
{
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    struct rj_peer *peer = rj_broker_peer(broker, contest->to.peer);
    Rejoin__Connect *connect = (Rejoin__Connect *)rj_wire_unpack_message(
        &rejoin__connect__descriptor, rj_buf_span(&contest->connect), &broker->arena);
    struct rj_request request = {
        .broker = broker,
        .peer = peer,
        .gateway = (struct rj_gateway *)peer,
        .command = &command,
        .to = contest->to,
    };
    end(broker, contest);
    if (!peer || !connect)
        return; /* without its stream: the gateway says the Connect again */
    if (has_lost) {
        rj_rejoin_refused(broker, "contested", &broker->stats.unrecovered_contested);
        connect->pid = (char *)(uintptr_t) "";
    }
    command.kind_case = REJOIN__COMMAND__KIND_CONNECT;
    command.connect = connect;
    enum rj_status status = rj_connect_go_on(&request);
    if (status != RJ_OK)
        rj_reply_error(broker, request.to, status, request.why);
}

static void ask_holder(struct rj_broker *broker, struct rj_contest *contest, const struct rj_session *session)
{
    contest->serial = session->serial;
    rj_gateway_probe(session->gateway, session->handle);
    rj_deadline_set(&broker->serving.deadlines, &contest->deadline,
                    broker->now_ms + broker->conf->contest_timeout_ms);
}

/* All who want that session get a fresh one, but for `winner` (which may be NULL). */
static void dismiss_rivals(struct rj_broker *broker, const char *pid, const struct rj_contest *winner)
{
    struct rj_contest *contest, *next;
    HASH_ITER (hh, broker->contests, contest, next) {
        if (contest != winner && strcmp(contest->pid, pid) == 0)
            decide(broker, contest, true);
    }
}

/* Of all who want it, the one that came last (the table keeps their order): of a client that tries again and
 * again it is the only one that is there. */
static struct rj_contest *latest_rival(const struct rj_broker *broker, const char *pid)
{
    struct rj_contest *latest = NULL;
    for (struct rj_contest *contest = broker->contests; contest; contest = contest->hh.next)
        if (strcmp(contest->pid, pid) == 0 && (!latest || rj_broker_peer(broker, contest->to.peer)))
            latest = contest;
    return latest;
}

/* The holder was silent for all the time, or is gone. All its rivals' contests end now, so that nobody waits
 * for one dead connection after another. */
static void on_due(void *ctx, struct rj_deadline *deadline)
{
    struct rj_broker *broker = ctx;
    struct rj_contest *contest =
        (struct rj_contest *)((char *)deadline - offsetof(struct rj_contest, deadline));
    const struct rj_session *session = rj_session_find(&broker->sessions, contest->pid);
    if (session && session->gateway && session->serial != contest->serial) {
        ask_holder(broker, contest, session); /* somebody has come to it since */
        return;
    }
    struct rj_contest *winner = latest_rival(broker, contest->pid);
    dismiss_rivals(broker, winner->pid, winner);
    decide(broker, winner, false);
}

void rj_contest_alive(struct rj_broker *broker, const struct rj_gateway *gateway, uint64_t handle)
{
    const struct rj_session *session = rj_gateway_client(gateway, handle);
    if (session)
        dismiss_rivals(broker, session->pid, NULL);
}

/* Later, in this turn: the session is in the midst of a change. */
void rj_contests_holder_gone(struct rj_broker *broker, const struct rj_session *session)
{
    for (struct rj_contest *contest = broker->contests; contest; contest = contest->hh.next)
        if (strcmp(contest->pid, session->pid) == 0)
            rj_deadline_set(&broker->serving.deadlines, &contest->deadline, broker->now_ms);
}

/* ------------------------------------------------------------------------------------------ beginning */

bool rj_contest_is_due(const struct rj_broker *broker, const Rejoin__Connect *connect)
{
    if (!connect->pid[0] || connect->no_recovery)
        return false;
    const struct rj_session *session = rj_session_find(&broker->sessions, connect->pid);
    return session && session->gateway && !session->is_ended &&
           strcmp(session->nsp, connect->namespace_) == 0 && session->taken_over_ms &&
           broker->now_ms - session->taken_over_ms < broker->conf->contest_window_ms;
}

enum rj_status rj_contest_begin(struct rj_request *request)
{
    struct rj_broker *broker = request->broker;
    const Rejoin__Connect *connect = request->command->connect;
    const struct rj_session *session = rj_session_find(&broker->sessions, connect->pid);
    if (HASH_CNT(hh, broker->contests) >= broker->conf->max_admissions ||
        broker->contest_bytes >= broker->conf->max_admission_bytes)
        return request->why = "too many clients contest for sessions", RJ_UNAVAILABLE;
    struct rj_contest *contest = rj_calloc(1, sizeof *contest);
    contest->key.gateway = request->peer->slot;
    contest->key.handle = request->to.client;
    contest->to = request->to;
    contest->deadline.on_due = on_due;
    memcpy(contest->pid, session->pid, sizeof contest->pid);
    rj_wire_pack(&connect->base, &contest->connect);
    HASH_ADD(hh, broker->contests, key, sizeof contest->key, contest);
    broker->contest_bytes += contest->connect.len;
    ask_holder(broker, contest, session);
    return RJ_OK;
}

bool rj_contest_resume(const struct rj_request *request)
{
    struct rj_contest *contest = find(request->broker, request->peer->slot, request->to.client);
    bool is_fresh = contest && contest->to.peer.stream != request->to.peer.stream;
    if (contest && (is_fresh || contest->to.id == request->to.id))
        contest->to = request->to;
    else if (contest)
        rj_reply_error(request->broker, request->to, RJ_CONFLICT,
                       "the client contests for a session already");
    return contest != NULL;
}

/* ------------------------------------------------------------------------------------------ ending */

void rj_contest_cancel(struct rj_broker *broker, const struct rj_gateway *gateway, uint64_t handle)
{
    struct rj_contest *contest = find(broker, gateway->peer.slot, handle);
    if (!contest)
        return;
    rj_reply_error(broker, contest->to, RJ_CLOSED, NULL);
    end(broker, contest);
}

void rj_contests_ready(struct rj_broker *broker, const struct rj_gateway *gateway)
{
    struct rj_contest *contest, *next;
    HASH_ITER (hh, broker->contests, contest, next) {
        if (contest->key.gateway == gateway->peer.slot && contest->to.peer.stream != gateway->peer.stream)
            end(broker, contest);
    }
}

void rj_contests_drop_gateway(struct rj_broker *broker, const struct rj_gateway *gateway)
{
    struct rj_contest *contest, *next;
    HASH_ITER (hh, broker->contests, contest, next) {
        if (contest->key.gateway == gateway->peer.slot)
            end(broker, contest);
    }
}

void rj_contests_fini(struct rj_broker *broker)
{
    while (broker->contests)
        end(broker, broker->contests);
}
