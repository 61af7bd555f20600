/* Which sockets a command or a query is about. */
#ifndef RJ_SDK_FILTER_H
#define RJ_SDK_FILTER_H

#include "rejoin.pb-c.h"
#include "rejoin_sockets.h"

/* Lends what `filter` (NULL: all of "/") says to `out`. REJOIN_BAD_REQUEST when a name in it is NULL. */
enum rejoin_status rj_sdk_filter_lend(struct rejoin *handle, const struct rejoin_filter *filter,
                                      Rejoin__SocketFilter *out);

#endif
