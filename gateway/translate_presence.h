/* The ack of `room:presence`. Pure, as translate.h. */
#ifndef RJ_TRANSLATE_PRESENCE_H
#define RJ_TRANSLATE_PRESENCE_H

#include "proto/base/buf.h"
#include "rejoin.pb-c.h"

/* Appends {"ok":true,"users":[{"user","sockets","since","state","data"?}],"count","sockets","anonymous",
 * "more"}. What is no JSON in a user's data is left out. */
void rj_translate_presence(const Rejoin__PresenceList *list, struct rj_buf *out);

#endif
