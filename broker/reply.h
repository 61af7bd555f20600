/* Requests and their replies: a command with all that its handler needs to know, and where the answer goes.
 */
#ifndef RJ_REPLY_H
#define RJ_REPLY_H

#include "broker/broker.h"

/* Kept by what completes later. The stream may be over by then: the reply is dropped, the peer repeats the
 * command on its next stream. */
struct rj_reply_to {
    struct rj_peer_ref peer;
    uint64_t id;
    uint64_t client;
};

/* One command, while its handler runs. */
struct rj_request {
    struct rj_broker *broker;
    struct rj_peer *peer;
    struct rj_gateway *gateway; /* NULL from a backend */
    struct rj_backend *backend; /* NULL from a gateway */
    struct rj_session *session; /* of command->client; NULL when it is not attached here */
    Rejoin__Command *command;   /* lives as long as the handler runs; it may change it */
    struct rj_reply_to to;
    const char *why; /* a handler that fails may say more than the status; static memory */
};

/* RJ_OK: the handler has replied or will. Else the router replies with the error. */
typedef enum rj_status rj_handler(struct rj_request *request);

/* Fills in id and client, and queues it. */
void rj_reply(struct rj_broker *broker, struct rj_reply_to to, Rejoin__Reply *reply);
void rj_reply_ok(struct rj_broker *broker, struct rj_reply_to to);
void rj_reply_error(struct rj_broker *broker, struct rj_reply_to to, enum rj_status status,
                    const char *message);

/* A context for a completion that only has to reply, heap memory that rj_on_written_reply_ok frees. */
struct rj_pending {
    struct rj_broker *broker;
    struct rj_reply_to to;
};

struct rj_pending *rj_pending_new(const struct rj_request *request);
void rj_on_written_reply_ok(void *pending, enum rj_status status);

#endif
