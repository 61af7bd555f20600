/* The commands about a client's life: it connects (anew, or rejoining), is attached again after a fresh
 * stream, falls behind, goes.
 */
#ifndef RJ_CONNECT_H
#define RJ_CONNECT_H

#include "broker/reply.h"

rj_handler rj_cmd_connect;
rj_handler rj_cmd_attach;
rj_handler rj_cmd_catch_up;
rj_handler rj_cmd_disconnect;

/* Not a command: what clients have been proved to have. */
void rj_connect_cursors(struct rj_broker *broker, struct rj_gateway *gateway, const Rejoin__Cursors *cursors);

#endif
