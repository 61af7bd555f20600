/* The calls that wait for their Reply, in the order in which they were started. A call is kept, packed, until
 * its Reply has come, and is put on every stream until then (rejoin.proto, G2).
 *
 * Invariant: `next` is the first call that is not on the present stream; all before it are, all after it are
 * not. A new stream sets it back to the first call.
 */
#ifndef RJ_SDK_CALL_H
#define RJ_SDK_CALL_H

#include "proto/base/buf.h"
#include "proto/base/mem.h"
#include "rejoin.h"
#include "rejoin.pb-c.h"
#include "rejoin_presence.h"
#include "rejoin_reads.h"
#include "rejoin_serve.h"
#include "rejoin_sockets.h"

#define uthash_fatal(text) rj_oom(0)
#include <uthash.h>

struct rj_sdk_call;

/* How a call ends, exactly once: with its Reply (which may hold an error: `status`), or without (`reply` is
 * NULL). Turns the reply into what the caller's callback expects. */
typedef void rj_sdk_finish(struct rejoin *handle, struct rj_sdk_call *call, enum rejoin_status status,
                           const Rejoin__Reply *reply);

/* What becomes of a call. */
struct rj_sdk_end {
    rj_sdk_finish *finish;
    union {
        rejoin_on_published *published;
        rejoin_on_answers *answers;
        rejoin_on_page *page;
        rejoin_on_metrics *metrics;
        rejoin_on_replies *replies;
        rejoin_on_affected *affected;
        rejoin_on_done *done;
        rejoin_on_sockets *sockets;
        rejoin_on_rooms *rooms;
        rejoin_on_read *read;
        rejoin_on_unread *unread;
        rejoin_on_presence *presence;
        rejoin_on_user *user;
    } callback; /* may be NULL */
    void *arg;
    uint64_t job;      /* of an answer to a job */
    bool is_said_once; /* a repetition would be a second one */
};

struct rj_sdk_call {
    UT_hash_handle hh;  /* by id; the table's own order is the order of starting */
    uint64_t id;        /* Command.id */
    struct rj_buf item; /* the packed Item */
    struct rj_sdk_end end;
};

struct rj_sdk_calls {
    struct rj_sdk_call *all;
    struct rj_sdk_call *next;
    size_t bytes; /* held by all of them */
    size_t most, most_bytes;
};

/* Starts a call of `command`, whose id is set here and goes to `*id` on success. REJOIN_BUSY,
 * REJOIN_TOO_LARGE, or the refusal of the link. */
enum rejoin_status rj_sdk_call_start(struct rejoin *handle, Rejoin__Command *command,
                                     const struct rj_sdk_end *end, uint64_t *id);

/* The same, whatever waits already: for answers to the broker, which are as many as it asks for. */
void rj_sdk_call_start_answer(struct rejoin *handle, Rejoin__Command *command, const struct rj_sdk_end *end);

/* Puts calls that are not on this stream yet into the frame being built, as many as fit. */
void rj_sdk_calls_put(struct rejoin *handle);

/* On a new stream: everything has to be said again. What is said once (a volatile message, a question to
 * clients) is not, since the broker could not tell the repetition from a second one; its call ends with
 * REJOIN_UNAVAILABLE. */
void rj_sdk_calls_rewind(struct rejoin *handle);

/* Ends the call that `reply` answers; false when there is none (it was abandoned). */
bool rj_sdk_calls_answer(struct rejoin *handle, const Rejoin__Reply *reply);

/* Forgets a call without calling back. */
void rj_sdk_call_abandon(struct rejoin *handle, uint64_t id);

/* Ends all calls with `status`, those too that callbacks start meanwhile. */
void rj_sdk_calls_end(struct rejoin *handle, enum rejoin_status status);

/* `status`, or REJOIN_INTERNAL when a reply that reports success holds something else than `expected`. */
enum rejoin_status rj_sdk_check_result(struct rejoin *handle, enum rejoin_status status,
                                       const Rejoin__Reply *reply, Rejoin__Reply__ResultCase expected);

/* --- the calls that wait */

/* What a waiting call looks at; its callback fills it. The first member of a larger one where the answer is
 * no allocated thing. */
struct rj_sdk_waiting {
    bool is_done;
    enum rejoin_status status;
    void *result; /* owned */
};

void rj_sdk_waited(void *waiting, enum rejoin_status status, void *result);

/* Starts the call of `request` with a callback that fills `waiting`; on success `*id` is the call's. */
typedef enum rejoin_status rj_sdk_begin(struct rejoin *handle, const void *request,
                                        struct rj_sdk_waiting *waiting, uint64_t *id);

/* Begins, also when that takes turns until there is room for it, and takes turns until `waiting` is done. The
 * status of the call, or why there is none: then the call is forgotten. */
enum rejoin_status rj_sdk_wait(struct rejoin *handle, rj_sdk_begin *begin, const void *request,
                               struct rj_sdk_waiting *waiting, int timeout_ms);

#endif
