#include "broker/sessions/session.h"

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"

static bool is_id_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool rj_session_pid_is_valid(const char *pid)
{
    size_t len = 0;
    while (len <= RJ_ID_LEN && is_id_char(pid[len]))
        len++;
    return len == RJ_ID_LEN && pid[len] == '\0';
}

struct rj_session *rj_session_new(struct rj_sessions *sessions, const char *pid, const char *sid,
                                  const char *nsp, const char *user)
{
    size_t nsp_size = strlen(nsp) + 1, user_size = strlen(user) + 1;
    struct rj_session *session = rj_calloc(1, sizeof *session + nsp_size + user_size);
    assert(strlen(pid) <= RJ_ID_LEN && strlen(sid) <= RJ_ID_LEN);
    memcpy(session->pid, pid, strlen(pid));
    memcpy(session->sid, sid, strlen(sid));
    session->nsp = memcpy(session->texts, nsp, nsp_size);
    session->user = memcpy(session->texts + nsp_size, user, user_size);
    session->incarnation = 1;
    session->connected_ms = rj_clock_wall_ms();
    if (session->pid[0])
        HASH_ADD_KEYPTR(by_pid, sessions->by_pid, session->pid, RJ_ID_LEN, session);
    sessions->n++;
    return session;
}

void rj_session_free(struct rj_sessions *sessions, struct rj_rooms *rooms, struct rj_session *session)
{
    assert(!session->gateway && !session->is_replaying);
    rj_session_cursor_saved(sessions, session);
    if (session->pid[0])
        HASH_DELETE(by_pid, sessions->by_pid, session);
    for (size_t i = 0; i < session->n_rooms; i++)
        rj_room_unref(rooms, session->rooms[i].room);
    sessions->n--;
    free(session->rooms);
    free(session->data);
    free(session->handshake);
    free(session);
}

struct rj_session *rj_session_find(const struct rj_sessions *sessions, const char *pid)
{
    struct rj_session *session = NULL;
    if (rj_session_pid_is_valid(pid))
        HASH_FIND(by_pid, sessions->by_pid, pid, RJ_ID_LEN, session);
    return session;
}

/* The index of the first membership whose room's id is not below `room`. */
static size_t lower_bound(const struct rj_session *session, rj_room_id room)
{
    size_t low = 0, high = session->n_rooms;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (session->rooms[mid].room->id < room)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct rj_membership *rj_session_membership(const struct rj_session *session, rj_room_id room)
{
    size_t at = lower_bound(session, room);
    return at < session->n_rooms && session->rooms[at].room->id == room ? &session->rooms[at] : NULL;
}

void rj_session_add_room(struct rj_session *session, struct rj_room *room, uint64_t since_pos)
{
    size_t at = lower_bound(session, room->id);
    assert(at == session->n_rooms || session->rooms[at].room->id != room->id);
    if (session->n_rooms == session->cap_rooms) {
        session->cap_rooms = session->cap_rooms ? 2 * session->cap_rooms : 2;
        session->rooms = rj_realloc(session->rooms, session->cap_rooms, sizeof *session->rooms);
    }
    memmove(session->rooms + at + 1, session->rooms + at, (session->n_rooms - at) * sizeof *session->rooms);
    session->rooms[at] = (struct rj_membership){.room = room, .since_pos = since_pos};
    session->n_rooms++;
}

struct rj_room *rj_session_remove_room(struct rj_session *session, rj_room_id room)
{
    size_t at = lower_bound(session, room);
    assert(at < session->n_rooms && session->rooms[at].room->id == room);
    struct rj_room *removed = session->rooms[at].room;
    session->n_rooms--;
    memmove(session->rooms + at, session->rooms + at + 1, (session->n_rooms - at) * sizeof *session->rooms);
    return removed;
}

static void set_bytes(uint8_t **bytes, uint32_t *len, struct rj_span value)
{
    assert(value.len <= UINT32_MAX);
    free(*bytes);
    *bytes = value.len ? memcpy(rj_alloc(value.len), value.data, value.len) : NULL;
    *len = (uint32_t)value.len;
}

void rj_session_set_data(struct rj_session *session, struct rj_span json)
{
    set_bytes(&session->data, &session->n_data, json);
}

void rj_session_set_handshake(struct rj_session *session, struct rj_span packed)
{
    set_bytes(&session->handshake, &session->n_handshake, packed);
}

bool rj_session_prove(struct rj_sessions *sessions, struct rj_session *session, uint64_t pos)
{
    if (pos <= session->cursor)
        return false;
    session->cursor = pos;
    if (!session->pid[0])
        return false;
    if (!session->is_cursor_dirty)
        DL_APPEND2(sessions->dirty, session, dirty_prev, dirty_next);
    session->is_cursor_dirty = true;
    return true;
}

void rj_session_cursor_saved(struct rj_sessions *sessions, struct rj_session *session)
{
    if (session->is_cursor_dirty)
        DL_DELETE2(sessions->dirty, session, dirty_prev, dirty_next);
    session->is_cursor_dirty = false;
}
