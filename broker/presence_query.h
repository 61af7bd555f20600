/* The questions about presence: who is in a room or namespace, and what is known of one user. All are
 * answered at once, from memory (and, of users who are away, from one small read of the store); a page costs
 * what is on it, but for the first one of a room that does not tell: for that its members are gone over once.
 */
#ifndef RJ_PRESENCE_QUERY_H
#define RJ_PRESENCE_QUERY_H

#include "broker/reply.h"

rj_handler rj_cmd_presence;
rj_handler rj_cmd_presence_user;

#endif
