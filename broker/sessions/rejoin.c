#include "broker/sessions/rejoin.h"

#include "broker/broker.h"
#include "broker/sessions/attach.h"
#include "proto/base/clock.h"
#include "proto/offset.h"

void rj_rejoin_refused(struct rj_broker *broker, const char *reason, uint64_t *counter)
{
    unsigned held;
    ++*counter;
    if (rj_log_allowed(&broker->session_log, &held))
        rj_log(RJ_LOG_INFO, "session_not_recovered", RJ_KV_STR("reason", reason),
               RJ_KV_U64("held_back", held));
}

/* False: it is none, or past the end of its epoch; *pos is untouched then. */
static bool is_of_store(struct rj_broker *broker, struct rj_offset offset, uint64_t *pos)
{
    bool was_clamped = false;
    uint64_t found;
    if (rj_store_clamp(broker->store, offset.epoch, offset.pos, &found, &was_clamped) != RJ_OK || was_clamped)
        return false;
    *pos = found;
    return true;
}

/* The client has got nothing since the session began. */
static bool is_foreign_still(const struct rj_session *session, struct rj_offset offset)
{
    return session->foreign.epoch && session->foreign.epoch == offset.epoch &&
           session->foreign.pos == offset.pos;
}

void rj_rejoin_keep_foreign(struct rj_broker *broker, struct rj_session *session, const char *offset)
{
    struct rj_offset parsed;
    uint64_t pos;
    if (rj_offset_parse(rj_span_str(offset), &parsed) != RJ_OK || is_of_store(broker, parsed, &pos))
        return;
    session->foreign = parsed;
    rj_session_store_save_foreign(broker->store, session);
}

/* From where the client is to be replayed: its offset, else what its transport has proved, else the session's
 * start. RJ_NOT_FOUND: the offset is none of this store. So is one past the end of its epoch: nothing leaves
 * before its commit, so the store has gone back behind what this client has seen, and gives out the same
 * positions for other messages now. */
static enum rj_status find_from(struct rj_broker *broker, const struct rj_session *session,
                                const char *offset, uint64_t *from)
{
    struct rj_offset parsed;
    *from = session->cursor;
    if (rj_offset_parse(rj_span_str(offset), &parsed) == RJ_OK && !is_foreign_still(session, parsed) &&
        !is_of_store(broker, parsed, from))
        return RJ_NOT_FOUND;
    /* An older offset than the session is one of an earlier session of the same client. */
    if (*from < session->start_pos)
        *from = session->start_pos;
    return RJ_OK;
}

/* The session with that pid, from RAM or the store, or NULL; *was_loaded tells which. */
static struct rj_session *look_up(struct rj_broker *broker, const char *pid, bool *was_loaded)
{
    struct rj_session *session = rj_session_find(&broker->sessions, pid);
    *was_loaded = false;
    if (session) {
        if (!session->is_ended)
            return session;
        rj_rejoin_refused(broker, "left", &broker->stats.unrecovered_left);
        return NULL;
    }
    enum rj_status status = rj_session_store_load(broker->store, pid, rj_broker_session_clock(broker),
                                                  &broker->sessions, &broker->rooms, &session);
    *was_loaded = status == RJ_OK;
    switch (status) {
    case RJ_OK: break;
    case RJ_CLOSED: rj_rejoin_refused(broker, "left", &broker->stats.unrecovered_left); break;
    case RJ_TIMEOUT: rj_rejoin_refused(broker, "expired", &broker->stats.unrecovered_expired); break;
    case RJ_GAP: rj_rejoin_refused(broker, "restored", &broker->stats.unrecovered_restored); break;
    case RJ_NOT_FOUND: rj_rejoin_refused(broker, "unknown", &broker->stats.unrecovered_unknown); break;
    default: rj_rejoin_refused(broker, rj_status_code(status), &broker->stats.unrecovered_damaged); break;
    }
    return session;
}

/* Whether this client may have this session, and from where on; counts why not. `user` NULL: whoever is. */
static bool may_rejoin(struct rj_broker *broker, const struct rj_session *session,
                       const Rejoin__Connect *connect, const char *user, uint64_t *from)
{
    if (strcmp(session->nsp, connect->namespace_) != 0 || (user && strcmp(session->user, user) != 0)) {
        rj_rejoin_refused(broker, "mismatch", &broker->stats.unrecovered_mismatch);
        return false;
    }
    if (find_from(broker, session, connect->offset, from) != RJ_OK) {
        rj_rejoin_refused(broker, "offset", &broker->stats.unrecovered_offset);
        return false;
    }
    if (rj_replay_check(broker, session, *from) != RJ_OK) {
        rj_rejoin_refused(broker, "gap", &broker->stats.unrecovered_gap);
        return false;
    }
    return true;
}

/* The connection that the session still has is closed; what comes from it is not known any more. */
static void take_over(struct rj_broker *broker, struct rj_session *session)
{
    broker->stats.recovered_taken_over++;
    session->taken_over_ms = broker->now_ms;
    rj_gateway_kick(session->gateway, session->handle, "taken over");
    rj_attach_undo(broker, session, RJ_REASON_DROPPED);
}

/* The session that the client asks for, detached and raised to its next incarnation; NULL when it gets a new
 * one instead. */
struct rj_session *rj_rejoin(struct rj_broker *broker, const Rejoin__Connect *connect, const char *user)
{
    bool was_loaded;
    uint64_t from;
    struct rj_session *session = look_up(broker, connect->pid, &was_loaded);
    if (!session)
        return NULL;
    if (!may_rejoin(broker, session, connect, user, &from)) {
        if (was_loaded)
            rj_session_free(&broker->sessions, &broker->rooms, session);
        return NULL;
    }
    if (session->gateway)
        take_over(broker, session);
    else
        broker->stats.recovered_detached++;
    session->incarnation++;
    session->connected_ms = rj_clock_wall_ms();
    session->is_recovered = true;
    session->from_pos = from;
    return session;
}
