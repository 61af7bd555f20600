/* What a handle is made of, and the turn that its parts share. Private to the library. */
#ifndef RJ_SDK_HANDLE_H
#define RJ_SDK_HANDLE_H

#include "call.h"
#include "job.h"
#include "link.h"
#include "post.h"
#include "wake.h"

struct rejoin {
    struct rj_sdk_wake wake;
    struct rj_sdk_link link;
    struct rj_sdk_calls calls;
    struct rj_sdk_jobs jobs;
    struct rj_sdk_posts posts;
    struct rejoin_tail *tails;
    struct rejoin_service *services;
    uint64_t last_id;     /* of the commands said so far; ids ascend over all streams of the handle */
    uint64_t repeat_upto; /* the last_id when the present stream began */
    uint64_t made_ids;    /* idempotency keys made so far */
    struct rj_buf detail; /* what rejoin_detail tells; empty: what the link says */
    bool is_in_turn;      /* callbacks run only in a turn */
};

/* Notes what rejoin_detail is to say about a failure, and returns `status`. `text` NULL: the link's words. */
enum rejoin_status rj_sdk_fail(struct rejoin *handle, enum rejoin_status status, const char *text);

/* The status of a reply; of an error, its words are noted. */
enum rejoin_status rj_sdk_reply_status(struct rejoin *handle, const Rejoin__Reply *reply);

/* The monotonic time at which a wait of `timeout_ms` ends. */
uint64_t rj_sdk_deadline(int timeout_ms);

/* Waits for something to do until `deadline_ms` at most and takes one turn. REJOIN_TIMEOUT once the deadline
 * has passed (after a turn), REJOIN_MISUSE inside a callback, or the refusal of the link. */
enum rejoin_status rj_sdk_turn_until(struct rejoin *handle, uint64_t deadline_ms);

/* Takes turns until `*is_done`, which the end of call `id` sets. If that does not come in time the call is
 * abandoned and the status says why. */
enum rejoin_status rj_sdk_await(struct rejoin *handle, uint64_t id, const bool *is_done,
                                uint64_t deadline_ms);

#endif
