/* A session as RAM knows it: who the client is, where it is attached, which rooms it has joined since when.
 *
 * In RAM stands a session only while it is attached to a gateway, or detached with writes of its own on their
 * way to the disk (`gateway` is NULL then); all others live in the store alone (session_store.h). RAM runs
 * ahead of the store: what is here has been accepted, its answer leaves with the commit. Nothing here does
 * I/O.
 */
#ifndef RJ_SESSION_H
#define RJ_SESSION_H

#include "broker/rooms/room.h"
#include "proto/base/random.h"
#include "proto/offset.h"

struct rj_gateway;
struct rj_namespace;
struct rj_person;
struct rj_replay_read;
struct rj_replay_settling;
struct rj_seat;

/* A room that the session has joined: it gets what came after `since_pos`. */
struct rj_membership {
    struct rj_room *room; /* a reference is held */
    uint64_t since_pos;
    uint32_t place;   /* among the room's members, while attached */
    uint32_t since_s; /* Unix time of the join; 0: the room was joined before its present connection */
};

struct rj_session {
    char pid[RJ_ID_LEN + 1]; /* secret; empty: without recovery, known to RAM alone */
    char sid[RJ_ID_LEN + 1];
    char *nsp;                /* in `texts`, as `user` */
    char *user;               /* "": anonymous */
    uint64_t incarnation;     /* raised by each takeover and restore */
    uint64_t start_pos;       /* it began here: nothing up to this is for it */
    uint64_t cursor;          /* proved to have arrived at the client; 0 = nothing yet */
    struct rj_offset foreign; /* of another store, which the client presented as it began; epoch 0: none */
    bool is_cursor_dirty;     /* not written yet; then in rj_sessions.dirty */
    bool is_told_to;          /* without pid: the store knows that something was said to its socket */
    bool is_ended;            /* left for good: the delete is on its way, nobody may find it */
    uint32_t detaches;        /* counts them, so that a completion knows whether it is about the last one */

    struct rj_gateway *gateway; /* NULL: detached */
    uint64_t handle;            /* the gateway's name for the client */
    uint64_t stream;            /* of the gateway, on which it last was connected or attached */
    uint64_t taken_over_ms;     /* monotonic: when a connection last had to give it to another; 0 = never */
    bool is_recovered;          /* how its last Connect is answered … */
    uint64_t from_pos;          /* … and from where it is replayed */

    struct rj_seat *seats; /* in the groups that serve its namespace, by their names; while attached */
    bool is_open;          /* attached, and that is committed: backends may know of it */

    /* In the directory, while attached. */
    uint64_t serial; /* of this attachment, ascending */
    struct rj_namespace *home;
    struct rj_person *person; /* NULL: anonymous */
    uint32_t home_place, person_place;

    uint64_t connected_ms; /* wall clock of its last CONNECT */
    uint8_t *data;         /* JSON that backends have set; NULL: none */
    uint8_t *handshake;    /* packed, see socket.h; NULL: not kept */
    uint32_t n_data, n_handshake;

    bool is_replaying;                  /* then among gateway->replays, or with `replay_read` … */
    struct rj_replay_read *replay_read; /* … among gateway->replays_read: a chunk that is on its way … */
    struct rj_replay_settling *replay_settling; /* … or all is read, and a leave is not answered yet */
    bool has_left;                              /* a room, and that may not be answered yet */
    uint64_t replay_after;                      /* everything up to here has been replayed */
    uint64_t replay_fresh_ms;                   /* monotonic: that was all there was then; 0 = it was not */
    struct rj_session *replay_prev, *replay_next;
    struct rj_session *dirty_prev, *dirty_next;

    struct rj_membership *rooms; /* ascending by the room's id */
    size_t n_rooms, cap_rooms;
    UT_hash_handle by_pid;
    UT_hash_handle by_handle;
    char texts[];
};

struct rj_sessions {
    struct rj_session *by_pid;
    struct rj_session *dirty; /* cursors to write, oldest first */
    size_t n;                 /* all in RAM, those without pid too */
};

/* A session that is in no table of a gateway yet. An empty `pid` means: without recovery. */
struct rj_session *rj_session_new(struct rj_sessions *sessions, const char *pid, const char *sid,
                                  const char *nsp, const char *user);

/* It must be detached. Drops its memberships. */
void rj_session_free(struct rj_sessions *sessions, struct rj_rooms *rooms, struct rj_session *session);

/* The session with this pid, ended ones included; NULL when it is not in RAM. */
struct rj_session *rj_session_find(const struct rj_sessions *sessions, const char *pid);

/* Whether `pid` has the form of one that we hand out. */
bool rj_session_pid_is_valid(const char *pid);

/* NULL when it is not in the room. Valid until the next change of its rooms. */
struct rj_membership *rj_session_membership(const struct rj_session *session, rj_room_id room);

/* Takes over the caller's reference to the room. It must not be in it yet. */
void rj_session_add_room(struct rj_session *session, struct rj_room *room, uint64_t since_pos);

/* Out of the list; the reference goes back to the caller. */
struct rj_room *rj_session_remove_room(struct rj_session *session, rj_room_id room);

/* Copies; empty: none is kept any more. Neither is above 4 GiB. */
void rj_session_set_data(struct rj_session *session, struct rj_span json);
void rj_session_set_handshake(struct rj_session *session, struct rj_span packed);

/* Up to where a client has seen, proved by its transport. Never goes back. True: it is to be written, and the
 * session is among sessions->dirty. */
bool rj_session_prove(struct rj_sessions *sessions, struct rj_session *session, uint64_t pos);

/* The cursor is being written (or need not be): out of the dirty ones. */
void rj_session_cursor_saved(struct rj_sessions *sessions, struct rj_session *session);

#endif
