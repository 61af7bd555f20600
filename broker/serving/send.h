/* Sends: a backend's word to the other backends of a namespace, a group, or both; each gets it once,
 * whichever groups it is in. Without answers it is told and forgotten; with them it is a job for each, and
 * the sender gets what has been answered and who is missing.
 */
#ifndef RJ_SEND_H
#define RJ_SEND_H

#include "broker/reply.h"

rj_handler rj_cmd_send;

void rj_sends_fini(struct rj_broker *broker);

#endif
