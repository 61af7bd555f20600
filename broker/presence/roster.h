/* A roster: the users who are in one place (a room, or a namespace), by their names, each with how many
 * sockets it has there. What becomes of a change is presence.h's business; here is the order alone, a treap,
 * so that finding, adding and paging cost a logarithm whatever names clients choose.
 */
#ifndef RJ_ROSTER_H
#define RJ_ROSTER_H

#include "broker/base/hash.h"

#include "broker/base/deadline.h"
#include "broker/presence/presence_rules.h"

struct rj_roster;

struct rj_attendee {
    struct rj_roster *roster;
    struct rj_attendee *left, *right; /* names below and above; no priority there is higher than ours */
    uint32_t priority;                /* random */
    uint32_t sockets;                 /* 0: away, and told as here, and not yet told as gone */
    uint64_t since_ms;                /* Unix time from which on it has been here */
    bool is_told;                     /* the members know of it (or will, when what is on its way arrives) */
    bool is_queued;                   /* among the roster's changes */
    bool is_recalled;                 /* told by the broker before this one, and not seen since */
    struct rj_deadline away;          /* set while it is away: when it counts as gone */
    struct rj_attendee *prev, *next;  /* change before and after */
    char user[];
};

struct rj_roster {
    struct rj_attendee *root;
    uint64_t n;         /* users, those who are away too */
    uint64_t n_away;    /* of them */
    uint64_t n_sockets; /* of users; sockets without one are not here */

    const struct rj_presence_rule *rule; /* NULL: nobody is told anything */
    struct rj_attendee *changes;         /* to be told, oldest first */
    uint64_t n_changes;
    struct rj_deadline window;     /* set: more may be told then */
    uint64_t window_ms;            /* when the present second began … */
    uint64_t told_in_window;       /* … and what was told in it */
    bool is_ready;                 /* among those with something to tell */
    struct rj_roster *prev, *next; /* of those, or of surveys */
    uint64_t asked_ms;             /* of a survey (survey.h), monotonic: when anybody last asked */
    uint32_t left;                 /* of one that is unfinished: members that are not entered yet */
    bool is_unfinished;
    UT_hash_handle hh;
    size_t key_len;
    uint8_t key[]; /* the place, as a target's key (room.h) */
};

struct rj_attendee *rj_roster_find(const struct rj_roster *roster, const char *user);

/* The first one whose name sorts (by its bytes) behind this; NULL: there is none. "" stands before all. */
struct rj_attendee *rj_roster_after(const struct rj_roster *roster, const char *user);

/* A new one, without sockets. `random` decides where it stands in the tree. It must not be there. */
struct rj_attendee *rj_roster_add(struct rj_roster *roster, const char *user, uint32_t random);

/* Takes it out and frees it. Its deadline and its change are cleared before. */
void rj_roster_remove(struct rj_roster *roster, struct rj_attendee *who);

#endif
