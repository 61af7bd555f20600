/* Tails: a backend follows the log, or some rooms of it, from an offset, then live, as far as its credit
 * goes.
 */
#ifndef RJ_TAIL_H
#define RJ_TAIL_H

#include "broker/reply.h"

enum { RJ_TAIL_ROOMS_MAX = 64 };

rj_handler rj_cmd_tail;
rj_handler rj_cmd_untail;

/* More messages may come. Unknown tails are ignored. */
void rj_tail_credit(struct rj_backend *backend, uint64_t tail, uint32_t more);

/* All of a backend. */
void rj_tails_end(struct rj_backend *backend);

/* One turn's share of all tails. True: there is more to do that waits for nobody. */
bool rj_tail_step(struct rj_broker *broker);

#endif
