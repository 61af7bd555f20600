/* How many connections and sessions each address has: so that one cannot take all the room that there is.
 *
 * An IPv4 address counts alone; of an IPv6 address the first 64 bits do, which is what one site is given.
 * Owned by the server.
 */
#ifndef RJ_ADDRESSES_H
#define RJ_ADDRESSES_H

#include <stddef.h>
#include <stdint.h>

struct rj_addresses;

/* One address, as long as it has a connection or a session. */
struct rj_address {
    struct rj_addresses *owner;
    size_t connections; /* kept by enter and leave */
    size_t half_open;   /* of them, those that have not sent a whole request yet; kept by the caller */
    size_t sessions;    /* opened over them, and may outlive them; kept by hold and let_go */
    char text[48];      /* numeric, for the log; of an IPv6 site, the one that came first */
};

struct rj_addresses *rj_addresses_new(void);

/* Counts one more connection of the socket's other side. Never NULL. */
struct rj_address *rj_addresses_enter(struct rj_addresses *addresses, int fd);

/* One less; nulls the pointer. */
void rj_address_leave(struct rj_address **address);

/* Counts one more session. */
struct rj_address *rj_address_hold(struct rj_address *address);

/* One less; nulls the pointer. */
void rj_address_let_go(struct rj_address **address);

/* Addresses with a connection or a session. */
size_t rj_addresses_count(const struct rj_addresses *addresses);

/* NULL is fine; the pointer is taken. Everybody must have left and let go. */
void rj_addresses_free(struct rj_addresses **addresses);

#endif
