#include "broker/sessions/attach.h"

#include <assert.h>
#include <stdlib.h>

#include "broker/presence/attendance.h"
#include "broker/serving/seat.h"
#include "broker/sessions/contest.h"
#include "proto/base/mem.h"

void rj_attach(struct rj_broker *broker, struct rj_session *session, struct rj_gateway *gateway,
               uint64_t handle, struct rj_seat *admitted)
{
    assert(!session->gateway && !session->is_ended);
    session->gateway = gateway;
    session->handle = handle;
    session->stream = gateway->peer.stream;
    HASH_ADD(by_handle, gateway->clients, handle, sizeof session->handle, session);
    rj_directory_enter(&broker->directory, session);
    rj_attendance_begin(broker, session);
    rj_seats_begin(broker, session, admitted);
}

/* Whoever is looking through the gateway's clients goes on behind it. */
static void leave_gateway(struct rj_session *session)
{
    struct rj_gateway *gateway = session->gateway;
    if (gateway->sift_next == session)
        gateway->sift_next = session->by_handle.next;
    HASH_DELETE(by_handle, gateway->clients, session);
    session->gateway = NULL;
}

void rj_attach_undo(struct rj_broker *broker, struct rj_session *session, enum rj_reason reason)
{
    assert(session->gateway);
    rj_seats_close(broker, session, reason);
    rj_contests_holder_gone(broker, session);
    rj_replay_stop(session);
    rj_attendance_end(broker, session);
    rj_directory_exit(&broker->directory, session);
    leave_gateway(session);
    session->detaches++;
}

/* The last write of a detached session is on its way: with it the session may leave RAM, unless it has been
 * attached or detached again. */
struct settling {
    struct rj_broker *broker;
    uint32_t detaches;
    char pid[RJ_ID_LEN + 1];
};

static struct settling *settling_new(struct rj_broker *broker, const struct rj_session *session)
{
    struct settling *settling = rj_alloc(sizeof *settling);
    settling->broker = broker;
    settling->detaches = session->detaches;
    memcpy(settling->pid, session->pid, sizeof settling->pid);
    return settling;
}

static void on_settled(void *ctx, enum rj_status status)
{
    (void)status;
    struct settling *settling = ctx;
    struct rj_broker *broker = settling->broker;
    struct rj_session *session = rj_session_find(&broker->sessions, settling->pid);
    if (session && !session->gateway && session->detaches == settling->detaches)
        rj_session_free(&broker->sessions, &broker->rooms, session);
    free(settling);
}

/* Without recovery the connection was all there is. */
static void end_brief(struct rj_broker *broker, struct rj_session *session)
{
    if (session->is_told_to)
        rj_session_store_end_brief(broker->store, session->nsp, session->sid);
    rj_session_free(&broker->sessions, &broker->rooms, session);
}

void rj_detach(struct rj_broker *broker, struct rj_session *session, enum rj_reason reason)
{
    rj_attach_undo(broker, session, reason);
    if (!session->pid[0]) {
        end_brief(broker, session);
        return;
    }
    if (session->is_cursor_dirty)
        rj_session_store_save_cursor(broker->store, session);
    rj_session_cursor_saved(&broker->sessions, session);
    rj_session_store_save(broker->store, session, false, on_settled, settling_new(broker, session));
}

void rj_end_session(struct rj_broker *broker, struct rj_session *session, enum rj_reason reason)
{
    session->is_ended = true;
    rj_attach_undo(broker, session, reason);
    if (!session->pid[0]) {
        end_brief(broker, session);
        return;
    }
    rj_session_cursor_saved(&broker->sessions, session);
    rj_session_store_end(broker->store, rj_span_of(session->pid, RJ_ID_LEN), session->nsp, session->sid,
                         RJ_SESSION_LEFT, on_settled, settling_new(broker, session));
}
