/* Surveys: rosters of rooms and namespaces that tell nothing, made when somebody asks about them and kept for
 * a minute after the last question. Their members are gone over once, a share a turn; from then on they are
 * kept up with as those of rooms that tell are.
 *
 * The members are entered from the last place to the first. Invariant: those at places from `left` on are in
 * the roster, those before are not. Who joins meanwhile takes the last place. Who leaves a place gives it to
 * the last member: when that place is yet to be looked at, the last member is taken out of the roster again
 * first (rj_survey_leave).
 */
#ifndef RJ_SURVEY_H
#define RJ_SURVEY_H

#include "broker/presence/presence.h"
#include "broker/rooms/room.h"

struct rj_broker;
struct rj_session;

struct rj_surveys {
    struct rj_roster *list; /* the one that was asked about longest ago first */
    size_t n, n_namespaces;
    size_t n_unfinished;
};

/* The roster of a room (in RAM or not) or a namespace, maybe unfinished; NULL: nobody is there. Valid until
 * the next turn. */
struct rj_roster *rj_survey_room(struct rj_broker *broker, rj_room_id id, struct rj_span key);
struct rj_roster *rj_survey_namespace(struct rj_broker *broker, const char *nsp);

/* Enters further members, until all are (true) or the time is over. */
bool rj_survey_go_on(struct rj_broker *broker, struct rj_roster *roster, uint64_t end_us);

/* The session, with or without a user, is about to leave its place among the members. False: it is not in the
 * roster yet. */
bool rj_survey_leave(struct rj_broker *broker, struct rj_roster *roster, const struct rj_members *members,
                     uint32_t place);

/* Frees those that nobody has asked about for long. */
void rj_survey_tick(struct rj_broker *broker);

/* Of one that is closed: it is a survey no more. */
void rj_survey_forget(struct rj_broker *broker, struct rj_roster *roster);

#endif
