/* Calls: commands whose answer somebody else has to give (an event, a question, a message between backends),
 * and which must not be done twice when a peer repeats them on its next stream.
 *
 * A call is known by its peer's id and its command's id. While it is under way, a repetition only says where
 * the answer goes now. An answer is kept for a lease, within bounds, because the stream that it left on may
 * have lost it; a repetition gets it again.
 */
#ifndef RJ_CALLS_H
#define RJ_CALLS_H

#include "broker/base/hash.h"
#include "broker/reply.h"

enum {
    RJ_CALLS_KEPT_MAX = 100000,
    RJ_CALLS_KEPT_BYTES = 32 << 20,
};

struct rj_call {
    struct rj_reply_to to;
    struct rj_span reply; /* owned; a packed Item. Empty: under way */
    uint64_t answered_ms;
    struct rj_call *prev, *next; /* of those that are kept */
    UT_hash_handle hh;
    size_t key_len;
    uint8_t key[]; /* u64 command id, u8 side, the peer's id */
};

/* True: the command is known. It is dealt with. */
bool rj_call_resume(struct rj_request *request);

/* Begins a new one. Whoever holds it answers it exactly once. */
struct rj_call *rj_call_begin(struct rj_request *request);

/* Sends the answer where it is awaited now, and keeps it. The call is not the caller's any more. */
void rj_call_reply(struct rj_broker *broker, struct rj_call *call, Rejoin__Reply *reply);
void rj_call_fail(struct rj_broker *broker, struct rj_call *call, enum rj_status status, const char *message);

/* Forgets what has been kept long enough. */
void rj_calls_tick(struct rj_broker *broker);
void rj_calls_fini(struct rj_broker *broker);

#endif
