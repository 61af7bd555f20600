/* The backend that answers: a process of its own on librejoin that serves the event RPC_EVENT of "/" and the
 * notes to its group, each by its own arguments.
 */
#ifndef RJ_BENCH_RPC_SERVER_H
#define RJ_BENCH_RPC_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define RPC_EVENT "bench-rpc"
#define RPC_GROUP "rejoin-bench"

struct rpc_server {
    pid_t pid;
    int control; /* a socket: it says when it serves, and ends when this end is closed */
};

/* Forks it and waits until it serves; `window` events at most are given to it at a time. The caller must have
 * no librejoin handle open. False, told on stderr; stop in any case. */
bool rpc_server_start(struct rpc_server *server, const char *endpoint, uint32_t window);

/* False, told on stderr, when it had ended before or did not end well. */
bool rpc_server_stop(struct rpc_server *server);

#endif
