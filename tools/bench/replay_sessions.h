/* Clients that join rooms, go away without a word, and come back all at once: what each of them had, and what
 * it gets when it is back. Every room's messages are checked one after the other, by the room's seq.
 */
#ifndef RJ_BENCH_REPLAY_SESSIONS_H
#define RJ_BENCH_REPLAY_SESSIONS_H

#include "tools/bench/histogram.h"
#include "tools/bench/load.h"
#include "tools/bench/store_draws.h"

enum { SESSION_ROOMS_MAX = 64, SESSION_PID_SIZE = 64, SESSION_OFFSET_SIZE = 64 };

struct session_room {
    uint32_t room;
    uint64_t seq; /* of the last message that it got; before the first, the room's at the join */
};

struct session {
    char pid[SESSION_PID_SIZE];
    char offset[SESSION_OFFSET_SIZE]; /* of the last event that it got */
    struct session_room rooms[SESSION_ROOMS_MAX];
    uint32_t joined;
    uint64_t got, expected; /* messages since it came (back) */
};

struct sessions {
    struct session *list;
    uint32_t n, n_rooms; /* sessions; rooms of each */
    uint32_t n_caught_up;
    bool is_back;                          /* the second time */
    uint64_t began_us;                     /* of the coming back */
    struct histogram connected, caught_up; /* since it began; of each session */

    uint64_t messages; /* that came since the coming back */
    uint64_t skipped;  /* in the order of their room */
    uint64_t doubled;  /* had been there, or came after a later one */
    uint64_t strange;  /* more than expected, or of other rooms; refused joins */
    uint32_t unrecovered;
};

/* Each session in `n_rooms` rooms, drawn at random. */
void sessions_init(struct sessions *sessions, uint32_t n, uint32_t n_rooms, struct store_draws *draws);
void sessions_free(struct sessions *sessions);

/* For a load with a connection for each session, by index. */
struct load_handler sessions_handler(struct sessions *sessions);

/* Queues room:join for every room of every session. */
void sessions_join(struct sessions *sessions, struct load *load);
bool sessions_have_joined(const struct sessions *sessions);

/* From now on every session waits for `a_room` further messages in each of its rooms. */
void sessions_expect(struct sessions *sessions, uint64_t a_room);

/* Whether every session has got all that it expects. */
bool sessions_are_caught_up(const struct sessions *sessions);

/* They are about to come back, now; what they got until now is not counted any more. */
void sessions_come_back(struct sessions *sessions);

/* Messages that are expected and have not come. */
uint64_t sessions_missed(const struct sessions *sessions);

#endif
