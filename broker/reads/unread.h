/* The command Unread: a user's rooms and what is unread in each. They are the rooms in which it has a read
 * cursor, and those in which any of its sockets is at the moment; without a cursor everything that the room
 * keeps is unread.
 */
#ifndef RJ_UNREAD_H
#define RJ_UNREAD_H

#include "broker/reply.h"

rj_handler rj_cmd_unread;

#endif
