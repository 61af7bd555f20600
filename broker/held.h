/* Commands that wait for the disk. What a command is going to read, a session that comes back or a page of a
 * room, is brought into memory by the store's reader threads before the command is run: so nobody but its
 * client waits for the disk. Further commands of that client wait behind it, so their order stays; those of
 * others go on.
 *
 * Gateways only, and only while their stream lasts: on a new one they repeat their commands.
 */
#ifndef RJ_HELD_H
#define RJ_HELD_H

#include "broker/reply.h"

/* True: the command waits (a copy of it), and rj_router_command will be called for it later. */
bool rj_hold(struct rj_request *request);

/* Forgets all that waits; the gateway's stream is over. */
void rj_held_drop(struct rj_gateway *gateway);

#endif
