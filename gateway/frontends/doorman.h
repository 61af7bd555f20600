/* The doorman: looks at the head of each connection's first request, without taking it from the socket,
 * before anybody else spends anything on the connection.
 *
 * Who has not sent a whole head costs some hundred bytes here, for a bounded time. What is no request, or too
 * long, gets its answer (400, 408, 431); libwebsockets would say nothing. Everybody else is let in, with the
 * head still to be read. Later requests on a kept connection come to libwebsockets alone.
 */
#ifndef RJ_DOORMAN_H
#define RJ_DOORMAN_H

#include "gateway/frontends/addresses.h"
#include "gateway/frontends/linger.h"

struct rj_doorman;

struct rj_doorman_options {
    struct rj_receiver *receiver; /* both borrowed */
    struct rj_linger *linger;
    size_t max_header_bytes; /* of a head, from the first byte to the empty line */
    uint64_t timeout_ms;     /* for it to come */
    /* Takes over the socket and the place at the address. */
    void (*let_in)(void *context, int fd, struct rj_address *address);
    /* Gives the place back: the socket is gone, or lingers. `why` is the status that was answered; 0: closed
     * without a word. */
    void (*turned_away)(void *context, struct rj_address *address, unsigned why);
    void *context;
};

/* At most so many lines, whatever their length: each costs something to keep. */
enum { RJ_MAX_HEADER_LINES = 256 };

/* Never fails. */
struct rj_doorman *rj_doorman_new(const struct rj_doorman_options *options);

/* Takes over the socket and the place; counts it as half-open at the address until it is let in or turned
 * away. */
void rj_doorman_add(struct rj_doorman *doorman, int fd, struct rj_address *address);

/* Connections now. */
size_t rj_doorman_count(const struct rj_doorman *doorman);

/* Turns away those whose time is over; now_ms is of the monotonic clock. */
void rj_doorman_tick(struct rj_doorman *doorman, uint64_t now_ms);

/* The next time that something is due; UINT64_MAX for never. */
uint64_t rj_doorman_deadline(const struct rj_doorman *doorman);

/* Closes all. NULL is fine; the pointer is taken. Receiver and linger must still be there. */
void rj_doorman_free(struct rj_doorman **doorman);

#endif
