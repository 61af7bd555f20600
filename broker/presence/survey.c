#include "broker/presence/survey.h"

#include <utlist.h>

#include "broker/broker.h"
#include "broker/presence/attendance.h"
#include "proto/base/clock.h"

enum {
    IDLE_MS = 60000,
    SURVEYS_MAX = 10000,
    CLOCK_EVERY = 64, /* members, before the time is looked at */
};

static bool is_of_namespace(const struct rj_roster *roster)
{
    return roster->key[0] == REJOIN__TARGET__KIND__NAMESPACE;
}

/* ------------------------------------------------------------------------------------------ members */

/* NULL: nobody is there. `*room` is its id, 0 that of a namespace. */
static const struct rj_members *members_of(const struct rj_broker *broker, const struct rj_roster *roster,
                                           rj_room_id *room)
{
    char nsp[RJ_NAMESPACE_MAX + 1] = "";
    *room = 0;
    if (is_of_namespace(roster)) {
        memcpy(nsp, roster->key + 2, roster->key[1]);
        return rj_directory_namespace(&broker->directory, nsp);
    }
    const struct rj_room *found = rj_attendance_room(broker, roster);
    if (!found)
        return NULL;
    *room = found->id;
    return &found->members;
}

static void enter(struct rj_broker *broker, struct rj_roster *roster, const struct rj_session *session,
                  rj_room_id room)
{
    if (session->user[0])
        rj_presence_enter(&broker->attendance.presence, roster, session->user,
                          rj_attendance_since(session, room));
}

bool rj_survey_leave(struct rj_broker *broker, struct rj_roster *roster, const struct rj_members *members,
                     uint32_t place)
{
    uint32_t last = members->n - 1;
    const struct rj_session *moved = members->list[last].session;
    if (place >= roster->left)
        return true;
    if (last < roster->left)
        roster->left = last; /* nobody is entered yet, and there is one less */
    else if (moved->user[0])
        rj_presence_exit(&broker->attendance.presence, roster, moved->user, 0);
    return false;
}

static void finish(struct rj_broker *broker, struct rj_roster *roster)
{
    roster->left = 0;
    roster->is_unfinished = false;
    broker->attendance.surveys.n_unfinished--;
}

bool rj_survey_go_on(struct rj_broker *broker, struct rj_roster *roster, uint64_t end_us)
{
    if (!roster->is_unfinished)
        return true;
    rj_room_id room;
    const struct rj_members *members = members_of(broker, roster, &room);
    while (members && roster->left) {
        enter(broker, roster, members->list[--roster->left].session, room);
        if (roster->left % CLOCK_EVERY == 0 && rj_clock_mono_us() >= end_us)
            break;
    }
    if (members && roster->left)
        return false;
    finish(broker, roster);
    return true;
}

/* ------------------------------------------------------------------------------------------ which there are
 */

void rj_survey_forget(struct rj_broker *broker, struct rj_roster *roster)
{
    struct rj_surveys *surveys = &broker->attendance.surveys;
    if (roster->is_unfinished)
        finish(broker, roster);
    DL_DELETE(surveys->list, roster);
    surveys->n--;
    surveys->n_namespaces -= is_of_namespace(roster);
}

static struct rj_roster *begin(struct rj_broker *broker, struct rj_span key, const struct rj_members *members)
{
    struct rj_surveys *surveys = &broker->attendance.surveys;
    if (surveys->n == SURVEYS_MAX)
        rj_attendance_close_roster(broker, surveys->list);
    struct rj_roster *roster = rj_presence_open(&broker->attendance.presence, key, NULL);
    roster->left = members->n;
    roster->is_unfinished = true;
    DL_APPEND(surveys->list, roster);
    surveys->n++;
    surveys->n_unfinished++;
    surveys->n_namespaces += is_of_namespace(roster);
    return roster;
}

static void keep_for_a_while(struct rj_broker *broker, struct rj_roster *roster)
{
    struct rj_surveys *surveys = &broker->attendance.surveys;
    DL_DELETE(surveys->list, roster);
    DL_APPEND(surveys->list, roster);
    roster->asked_ms = broker->now_ms;
}

struct rj_roster *rj_survey_room(struct rj_broker *broker, rj_room_id id, struct rj_span key)
{
    struct rj_room *room = rj_room_find(&broker->rooms, id);
    struct rj_roster *roster =
        room ? rj_attendance_roster(broker, room) : rj_presence_find(&broker->attendance.presence, key);
    if (!roster && room && room->members.n &&
        !room->tells) /* one that tells has a roster when users are in it */
        roster = room->roster = begin(broker, key, &room->members);
    if (roster && !roster->rule)
        keep_for_a_while(broker, roster);
    return roster;
}

struct rj_roster *rj_survey_namespace(struct rj_broker *broker, const char *nsp)
{
    const struct rj_members *members = rj_directory_namespace(&broker->directory, nsp);
    uint8_t key[RJ_TARGET_KEY_MAX];
    size_t len = rj_target_key(key, REJOIN__TARGET__KIND__NAMESPACE, nsp, "");
    struct rj_roster *roster = rj_presence_find(&broker->attendance.presence, rj_span_of(key, len));
    if (!roster && members)
        roster = begin(broker, rj_span_of(key, len), members);
    if (roster)
        keep_for_a_while(broker, roster);
    return roster;
}

void rj_survey_tick(struct rj_broker *broker)
{
    const struct rj_surveys *surveys = &broker->attendance.surveys;
    while (surveys->list && broker->now_ms - surveys->list->asked_ms > IDLE_MS)
        rj_attendance_close_roster(broker, surveys->list);
}
