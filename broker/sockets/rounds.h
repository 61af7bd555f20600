/* Rounds: commands that go over many sockets or rooms. Each turn does a share of them, one after another, so
 * that live traffic goes on meanwhile; a small one is done at once, inside its handler. A round whose peer's
 * stream is over is dropped where it stands: what it has done stays done, and the peer repeats the command.
 */
#ifndef RJ_ROUNDS_H
#define RJ_ROUNDS_H

#include "broker/reply.h"

enum { RJ_ROUNDS_MAX = 100 }; /* each holds up to a megabyte */

struct rj_round;

/* Goes on until it is done (true; it has replied, or its reply waits for the commit) or the time is over. */
typedef bool rj_round_step(struct rj_broker *broker, struct rj_round *round, uint64_t end_us);
typedef void rj_round_free(struct rj_broker *broker, struct rj_round *round);

/* The first member of what a command needs to go on; heap memory. */
struct rj_round {
    rj_round_step *step;
    rj_round_free *free;
    struct rj_reply_to to;
    struct rj_round *prev, *next;
};

/* Takes the round and does its first share. RJ_BUSY: there are too many; it was freed. */
enum rj_status rj_round_begin(struct rj_broker *broker, struct rj_round *round);

/* A turn's share. True: there is more to do that waits for nobody. */
bool rj_rounds_step(struct rj_broker *broker);

void rj_rounds_fini(struct rj_broker *broker);

/* Bytes that a page of a list may have: its frame stays below the limit, whatever else is in it. */
static inline size_t rj_round_page_bytes(const struct rj_broker *broker)
{
    size_t half = broker->conf->max_frame_bytes / 2;
    return half < (4 << 20) ? half : 4 << 20;
}

#endif
