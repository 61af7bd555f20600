/* The commands of a backend that serves, and the life of all that belongs to serving. */
#ifndef RJ_SERVE_H
#define RJ_SERVE_H

#include "broker/reply.h"

rj_handler rj_cmd_serve;
rj_handler rj_cmd_unserve;
rj_handler rj_cmd_answer;

/* Its lease is over. */
void rj_serve_backend_gone(struct rj_broker *broker, struct rj_backend *backend);

/* The store is open, nobody is here yet. */
void rj_serving_open(struct rj_broker *broker);

/* A turn's share: what is due ends, what is to be said is put. True: there is more to do that waits for
 * nobody. */
bool rj_serving_step(struct rj_broker *broker);

/* `is_forgiving`: the broker has not listened, silence until now does not count. */
void rj_serving_tick(struct rj_broker *broker, bool is_forgiving);

/* Forgets everything, telling nobody; gateways and backends are still there. */
void rj_serving_fini(struct rj_broker *broker);

#endif
