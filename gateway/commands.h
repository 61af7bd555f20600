/* What the gateway asks the broker on behalf of its clients, and what comes of the answers.
 *
 * Every command is remembered until it is answered (pending.h) and sent when the link is up; a fresh stream
 * sends what is unanswered again. The limits on what may wait are enforced here.
 */
#ifndef RJ_COMMANDS_H
#define RJ_COMMANDS_H

#include "gateway/pending.h"
#include "proto/base/status.h"
#include "proto/reason.h"

struct rj_client;
struct rj_client_event;
struct rj_client_request;
struct rj_gateway;

/* Whether one more may wait for the broker. */
bool rj_commands_have_room(const struct rj_gateway *gateway);

void rj_command_connect(struct rj_client *client, const struct rj_client_request *request);
/* The client has ended. Of one that is connected the broker is told on the next stream, too, when this one
 * ends before its answer. */
void rj_command_disconnect(struct rj_client *client, enum rj_reason reason);
void rj_command_attach(struct rj_client *client);
void rj_command_catch_up(struct rj_client *client);

/* An event of the client's. A refusal is answered here. */
void rj_command_event(struct rj_client *client, const struct rj_client_event *event);

/* An answer of the broker's. */
void rj_command_replied(struct rj_gateway *gateway, const Rejoin__Reply *reply);

/* Fails what has waited too long. */
void rj_commands_tick(struct rj_gateway *gateway, uint64_t now_ms);

#endif
