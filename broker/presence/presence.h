/* Presence: which users are in a place, and what its members are told of that. Pure: what happened comes in,
 * what is to be told goes out through two functions; no sessions, no store, no clock.
 *
 *                 first socket                   told: "join"
 *      (nobody) ───────────────► COMING ─────────────────────────► HERE ◄──────────────┐
 *          ▲                        │ gone before that was told     │  last socket     │ a socket again:
 *          ├────────────────────────┘                               ▼                  │ nothing is told
 *          └──────────────────── told: "leave" ◄── GOING ◄─────── AWAY ────────────────┘
 *                                                        the grace is over
 *
 * A user comes and goes once, however many sockets it has. Who is AWAY, or GOING and not yet told so, is
 * still in every list: so a list and the events after it never contradict each other.
 *
 * Nothing is told at once: a change is queued, one for each user, and what it has become by the time of the
 * telling counts. A room tells of at most `burst` single users in a second; when more than that wait when the
 * second begins, they are told as one sum instead, and the members ask again. So nobody's crash becomes a
 * flood, and a change costs O(log n) besides the deliveries.
 *
 * A place without a rule tells nothing, and forgets a user with its last socket.
 */
#ifndef RJ_PRESENCE_H
#define RJ_PRESENCE_H

#include "broker/presence/roster.h"

enum { RJ_PRESENCE_WINDOW_MS = 1000 };

struct rj_presence;

struct rj_presence_ops {
    /* From now on the members know that the user is here, or has left. `is_single`: they are to be told just
     * that; else it is part of the sum that follows. Who has left is freed after the call. */
    void (*told)(void *ctx, struct rj_roster *roster, const struct rj_attendee *who, bool is_here,
                 bool is_single);
    /* So many have come and left since the last event. */
    void (*summed)(void *ctx, struct rj_roster *roster, uint64_t joined, uint64_t left);
    /* Nobody is in it any more, and nothing is left to tell. The last that is done to it: it may be closed.
     */
    void (*emptied)(void *ctx, struct rj_roster *roster);
};

struct rj_presence {
    struct rj_presence_ops ops;
    void *ctx;
    struct rj_roster *rosters; /* by key */
    struct rj_roster *ready;   /* with something to tell now, the next one first */
    struct rj_deadlines deadlines;
    bool holds_recalled; /* those told by the broker before do not leave yet */
    uint64_t random;     /* state; seeded by the owner */
    uint64_t now_ms;     /* of the last step */
    uint64_t n_users;    /* in all rosters, one for each place that it is in */
    uint64_t n_away;     /* of them */
};

struct rj_roster *rj_presence_find(const struct rj_presence *presence, struct rj_span key);

/* An empty roster; there must be none for this place. `rule` outlives it. */
struct rj_roster *rj_presence_open(struct rj_presence *presence, struct rj_span key,
                                   const struct rj_presence_rule *rule);

/* Frees it, with everybody in it, and tells nothing. Takes and nulls. */
void rj_presence_close(struct rj_presence *presence, struct rj_roster **roster);

/* A socket of the user has come to the place, and was there since `since_ms` (Unix time). */
void rj_presence_enter(struct rj_presence *presence, struct rj_roster *roster, const char *user,
                       uint64_t since_ms);

/* A socket that had come is gone; the roster may be, too, after that. If it was the user's last one, the user
 * is away until `until_ms` (on the clock of rj_presence_step); at or before now: gone. */
void rj_presence_exit(struct rj_presence *presence, struct rj_roster *roster, const char *user,
                      uint64_t until_ms);

/* The broker before this one had told the members that this user is here. It is away until `until_ms`, and as
 * long as holds_recalled is set. */
void rj_presence_recall(struct rj_presence *presence, struct rj_roster *roster, const char *user,
                        uint64_t since_ms, uint64_t until_ms);

/* Time goes on: tells what is due, at most about `limit` events. True: there is more to tell now. */
bool rj_presence_step(struct rj_presence *presence, uint64_t now_ms, size_t limit);

/* Closes all. */
void rj_presence_fini(struct rj_presence *presence);

#endif
