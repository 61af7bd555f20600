/* What the Hellos of both sides have in common: their check, the Welcome and the refusal. */
#ifndef RJ_HELLO_H
#define RJ_HELLO_H

#include "broker/broker.h"

/* 1 to RJ_PEER_ID_MAX bytes of valid UTF-8. */
bool rj_hello_id_is_valid(const char *id);

/* `reset`: this store does not know what the gateway has seen. */
void rj_hello_welcome(struct rj_broker *broker, struct rj_peer *peer, bool reset);

/* Answers with an Error item, counts and logs. `why` is static memory. */
void rj_hello_refuse(struct rj_broker *broker, enum rj_bus_side side, uint32_t route, enum rj_status status,
                     const char *why);

#endif
