/* A client's socket, from what the broker tells to what the caller sees. */
#ifndef RJ_SDK_SOCKET_H
#define RJ_SDK_SOCKET_H

#include "proto/base/arena.h"
#include "rejoin.pb-c.h"
#include "rejoin_sockets.h"

/* Describes `socket` (NULL: an empty one) in `out`. Both live as long as `socket` and `arena`. */
void rj_sdk_socket_of(const Rejoin__Socket *socket, struct rj_arena *arena, struct rejoin_socket *out);

#endif
