/* The questions about presence: who is in a room or namespace, and what is known of one user. All are
 * answered from memory (and, of users who are away, from one small read of the store); a page costs what is
 * on it, but for the first one of a place that does not tell: for that a survey is made (survey.h).
 */
#ifndef RJ_PRESENCE_QUERY_H
#define RJ_PRESENCE_QUERY_H

#include "broker/reply.h"

rj_handler rj_cmd_presence;
rj_handler rj_cmd_presence_user;

#endif
