/* Closing so that the last words arrive: a socket on which the other side is still sending is not closed at
 * once, since the system would answer those bytes with a reset, which overtakes what we said. Our side is
 * shut down, and what comes is read and discarded until the other side closes, or has had its share.
 */
#ifndef RJ_LINGER_H
#define RJ_LINGER_H

#include "gateway/frontends/receiver.h"

struct rj_linger;

/* The receiver is borrowed. Never fails. */
struct rj_linger *rj_linger_new(struct rj_receiver *receiver);

/* Takes over the socket, or closes it when too many linger already. */
void rj_linger_add(struct rj_linger *linger, int fd);

/* Sockets now. */
size_t rj_linger_count(const struct rj_linger *linger);

/* Closes those whose time is over; now_ms is of the monotonic clock. */
void rj_linger_tick(struct rj_linger *linger, uint64_t now_ms);

/* The next time that something is due; UINT64_MAX for never. */
uint64_t rj_linger_deadline(const struct rj_linger *linger);

/* Closes all. NULL is fine; the pointer is taken. The receiver must still be there. */
void rj_linger_free(struct rj_linger **linger);

#endif
