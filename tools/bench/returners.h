/* Clients that lose their connections and come back: members of rooms to which a backend publishes at a
 * steady rate, each with its session. They present it as the stock client does, check every message against
 * their room's order over all their connections, and take the time that coming back takes.
 *
 *            cut, or lost                the delay is over             CONNECT is answered
 *     HERE ────────────────► AWAY ─────────────────────► COMING ────────────────────────────► HERE
 *                             ▲                             │
 *                             └──── refused, or lost ───────┘
 *
 * Caught up is who has, once back, all that its room had acknowledged when it began to come back.
 */
#ifndef RJ_BENCH_RETURNERS_H
#define RJ_BENCH_RETURNERS_H

#include "tools/bench/backend.h"
#include "tools/bench/members.h"
#include "tools/bench/procs.h"
#include "tools/bench/publishers.h"
#include "tools/bench/report.h"
#include "tools/bench/schedule.h"
#include "tools/bench/timeline.h"

struct bench_options;

enum returner_state { RETURNER_HERE, RETURNER_AWAY, RETURNER_COMING };

struct returner {
    enum returner_state state;
    char pid[32], offset[64];
    uint32_t attempts; /* since it was lost */
    uint64_t lost_us;  /* when its connection was lost */
    uint64_t began_us; /* when it first tried to come back; 0: it has not */
    uint64_t wanted;   /* the seq by which it is caught up */
    bool is_behind;    /* it is back, and has less than that */
};

struct returners_plan {
    uint32_t n, n_a_room;
    double rate;                       /* publishes a second, over all rooms in turn; 0: nobody publishes */
    uint32_t size;                     /* bytes of data in a message */
    uint64_t cut_every_us, cut_for_us; /* each client is cut so often, and away so long; 0: never */
    uint32_t at_once;                  /* connections being made at a time, at first; 0: a gentle number */
};

/* As the options say who there is and what each gets; nobody is cut. */
struct returners_plan returners_plan_of(const struct bench_options *options);

struct returners {
    struct returners_plan plan;
    const struct procs *procs;
    bool is_shut[PROCS_GATEWAYS_MAX]; /* by target: nobody goes there; set by the owner */
    struct load load;
    struct members members;
    struct publishers publishers;
    struct backend *backend; /* NULL: nobody publishes */
    struct schedule schedule;
    struct returner *list;
    uint64_t *stored; /* acknowledged, by room */
    uint32_t n_here, n_behind;
    bool is_counted;            /* what follows is filled */
    struct histogram connected; /* from the first try to the answered CONNECT */
    struct histogram caught_up; /* from the first try until it had caught up */
    struct histogram absent;    /* from the loss until it had caught up */
    struct timeline returned;   /* answered CONNECTs */
    uint64_t lost;              /* connections, cut ones included */
    uint64_t tries, unrecovered;
};

/* Connects all, joins, and waits until that is done. `procs` is borrowed. False, told on stderr; end with
 * returners_close in any case. */
bool returners_open(struct returners *returners, const struct returners_plan *plan,
                    const struct procs *procs);
void returners_close(struct returners *returners);

/* Begins to publish, and to cut. */
void returners_start(struct returners *returners);

/* One turn of at most `most_us`. False: interrupted. */
bool returners_turn(struct returners *returners, uint64_t most_us);
/* Turns for so long. */
bool returners_run(struct returners *returners, double seconds);

/* All are here and have caught up. */
bool returners_are_back(const struct returners *returners);
/* Runs until they are; false, told on stderr, after `most_ms`. */
bool returners_wait(struct returners *returners, uint64_t most_ms);

/* Ends the cutting and the publishing, and waits for all that is on its way. */
bool returners_drain(struct returners *returners);

/* After the drain. */
uint64_t returners_missed(const struct returners *returners);
bool returners_are_good(const struct returners *returners);

/* What came of it, each figure under its own key. */
void returners_report(const struct returners *returners, struct report *r);

/* The stock client's delay before its try number `attempt` (from 0), in microseconds: 1 s, doubled up to 5 s,
 * half more or less; `chance` (0 to 1) says which. */
uint64_t returners_delay_us(uint32_t attempt, double chance);

#endif
