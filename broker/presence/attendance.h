/* Presence on this broker: what becomes of sessions is entered into rosters (presence.h), what is to be told
 * goes out as volatile messages to the rooms, and to the store (presence_store.h); when a user was there last
 * is noted (last_seen.h).
 *
 * Presence is of users. A session without one is counted among a room's sockets and has no name to be listed
 * or told under.
 *
 * Which rosters there are: those of rooms that tell, as long as anybody is in them, and surveys (survey.h) of
 * rooms and namespaces that somebody has asked about. All other rooms cost nothing.
 *
 * A user's grace is counted from when it was seen last: of the clients of a gateway whose lease is over, from
 * the gateway's last sign. So with a grace no longer than the lease a dead gateway's users have left when its
 * lease ends, and not a grace later.
 */
#ifndef RJ_ATTENDANCE_H
#define RJ_ATTENDANCE_H

#include "broker/presence/last_seen.h"
#include "broker/presence/presence.h"
#include "broker/presence/survey.h"
#include "broker/rooms/room.h"

struct rj_broker;
struct rj_session;

struct rj_attendance {
    struct rj_presence_rules rules;
    struct rj_presence presence;
    struct rj_last_seen seen;
    struct rj_surveys surveys;
    uint64_t joins, leaves, sums; /* told */
    bool has_recalled;            /* somebody was there before the broker's start */
    uint64_t waiting_since_ms;    /* monotonic: gateways are catching up; 0 = none is */
};

/* The store is open, nobody is connected yet: brings back whom the rooms were told of. */
void rj_attendance_open(struct rj_broker *broker);

/* The session was attached, with its rooms; it is about to be detached (`is_ended`: for good). */
void rj_attendance_begin(struct rj_broker *broker, const struct rj_session *session);
void rj_attendance_end(struct rj_broker *broker, const struct rj_session *session);

/* The attached session has joined a room; it is about to leave it. */
void rj_attendance_join(struct rj_broker *broker, const struct rj_session *session, struct rj_room *room);
void rj_attendance_leave(struct rj_broker *broker, const struct rj_session *session, struct rj_room *room);

/* The roster that the room has; NULL: none. Afterwards room->tells is known. */
struct rj_roster *rj_attendance_roster(struct rj_broker *broker, struct rj_room *room);

/* The room in RAM that a roster is of; NULL: there is none. */
struct rj_room *rj_attendance_room(const struct rj_broker *broker, const struct rj_roster *roster);

/* From when on the session has been in the room (0: in its namespace), Unix ms. */
uint64_t rj_attendance_since(const struct rj_session *session, rj_room_id room);

void rj_attendance_close_roster(struct rj_broker *broker, struct rj_roster *roster);

/* At every tick; and once a turn: tells what is due. True: there is more. */
void rj_attendance_tick(struct rj_broker *broker);
bool rj_attendance_step(struct rj_broker *broker);

/* The broker is told to stop: what is not written is queued. */
void rj_attendance_stop(struct rj_broker *broker);

/* The store is closed. Before the sessions are freed: from now on the functions above do nothing. */
void rj_attendance_close(struct rj_broker *broker);

#endif
