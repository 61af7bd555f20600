/* Questions: events whose acks a backend waits for (Deliver.ask), from their sending until every client that
 * got one has answered or left, or the answers are of no more use.
 *
 * Every client gets the same ack id for one question, so that all share one frame; ids count up for the whole
 * gateway, and what a client answers is looked for among what it was asked itself.
 */
#ifndef RJ_ASKS_H
#define RJ_ASKS_H

#include "gateway/client.h"
#include "rejoin.pb-c.h"

struct rj_ask;

/* The answers that one client owes, in the order of their ids. An answer is looked up by halving, since the
 * id is whatever the client says, as often as it likes. */
struct rj_owed {
    uint32_t n, cap;
    struct rj_awaited *of[];
};

/* Zero-initialise. */
struct rj_asks {
    uint64_t last_ack_id;
    struct rj_ask *by_ack_id;
    size_t n_awaited; /* what is kept for answers, over all questions: bounded by the setting max-asks */
    uint64_t swept_ms;
};

/* The ack id that the next question goes out with. */
uint64_t rj_asks_next_id(const struct rj_asks *asks);

/* How many clients the next question may go to: the rest of the bound, and what one Asked can name. */
size_t rj_asks_room(const struct rj_gateway *gateway);

/* These clients were sent the question with that id: tells the broker, and waits for them. */
void rj_asks_open(struct rj_gateway *gateway, const Rejoin__Deliver *deliver,
                  struct rj_client *const *clients, size_t n);

/* A client's ack; what it was not asked, or has answered, is counted and ignored. */
void rj_asks_answer(struct rj_client *client, uint64_t ack_id, struct rj_span args,
                    const struct rj_span *attachments, size_t n_attachments);

/* The client goes: so do the answers that it owes. */
void rj_asks_client_gone(struct rj_client *client);

/* Forgets questions whose time is over. */
void rj_asks_tick(struct rj_gateway *gateway, uint64_t now_ms);

/* Forgets all of them: whoever asked is gone, or its ids will be given again. */
void rj_asks_forget(struct rj_asks *asks);

size_t rj_asks_count(const struct rj_asks *asks);

#endif
