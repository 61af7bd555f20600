/* The commands about sockets that a backend names by a filter: they join, leave, are disconnected, are
 * listed; and a socket's data.
 */
#ifndef RJ_SOCKETS_H
#define RJ_SOCKETS_H

#include "broker/reply.h"

rj_handler rj_cmd_join_sockets;
rj_handler rj_cmd_leave_sockets;
rj_handler rj_cmd_disconnect_sockets;
rj_handler rj_cmd_list_sockets;
rj_handler rj_cmd_set_data;

#endif
