/* A broker that says only what the test tells it to: a ROUTER for one gateway, one step at a time, so that a
 * test can do what a real broker never would. Pings are answered while it waits (unless it is mute). Aborts
 * the test program when it cannot bind. What is handed out lives until it is closed.
 */
#ifndef RJ_TEST_FAKE_BROKER_H
#define RJ_TEST_FAKE_BROKER_H

#include "proto/wire.h"

struct rj_fake_broker {
    void *context;
    void *socket;
    char endpoint[320];
    uint8_t peer[64]; /* routing id of the gateway's newest stream */
    size_t peer_len;
    uint64_t number; /* of the last batch sent on it */
    bool is_mute;    /* answers no Ping and sends nothing by itself */
    /* Said with the next Welcome. 0: so long that a test may look elsewhere meanwhile, on a busy machine too.
     */
    uint32_t lease_ms;
    struct rj_arena arena;
    Rejoin__Item **items; /* received and not taken */
    size_t n_items, cap_items;
};

void rj_fake_broker_open(struct rj_fake_broker *broker, const char *folder);
void rj_fake_broker_close(struct rj_fake_broker *broker);

/* Takes the first item of that kind, waiting for it; NULL when the time is over. Items before it are kept. */
Rejoin__Item *rj_fake_broker_expect(struct rj_fake_broker *broker, Rejoin__Item__KindCase kind,
                                    unsigned deadline_ms);
/* The same for a command of that kind; all other items before it are dropped. */
Rejoin__Command *rj_fake_broker_command(struct rj_fake_broker *broker, Rejoin__Command__KindCase kind,
                                        unsigned deadline_ms);

/* Sends one item in a batch of its own. */
void rj_fake_broker_send(struct rj_fake_broker *broker, Rejoin__Item__KindCase kind, void *content);
void rj_fake_broker_send_raw(struct rj_fake_broker *broker, const void *bytes, size_t len);

/* Waits for a Hello, which it returns, and welcomes it. */
Rejoin__Hello *rj_fake_broker_welcome(struct rj_fake_broker *broker, uint64_t epoch, uint64_t head,
                                      bool reset, unsigned deadline_ms);

/* Replies without a result. */
void rj_fake_broker_reply_ok(struct rj_fake_broker *broker, const Rejoin__Command *command);

#endif
