#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handle.h"
#include "message.h"
#include "proto/base/mem.h"

void rejoin_make_id(struct rejoin *handle, char out[REJOIN_ID_SIZE])
{
    snprintf(out, REJOIN_ID_SIZE, "%s-%llu", handle->link.id, (unsigned long long)++handle->made_ids);
}

static void tell_published(const Rejoin__Published *published, struct rejoin_published *out)
{
    snprintf(out->offset, sizeof out->offset, "%s", published->offset);
    out->ts_ms = published->ts_ms;
    out->is_duplicate = published->duplicate;
    out->seq_count = published->n_seqs < REJOIN_TARGETS_MAX ? published->n_seqs : REJOIN_TARGETS_MAX;
    for (size_t i = 0; i < out->seq_count; i++)
        out->seqs[i] = published->seqs[i];
    out->seq = out->seq_count ? out->seqs[0] : 0;
}

static void finish_publish(struct rejoin *handle, struct rj_sdk_call *call, enum rejoin_status status,
                           const Rejoin__Reply *reply)
{
    struct rejoin_published result = {0};
    status = rj_sdk_check_result(handle, status, reply, REJOIN__REPLY__RESULT_PUBLISHED);
    if (status == REJOIN_OK)
        tell_published(reply->published, &result);
    if (call->end.callback.published)
        call->end.callback.published(call->end.arg, status, status == REJOIN_OK ? &result : NULL);
}

static enum rejoin_status start_publish(struct rejoin *handle, const struct rejoin_publish *publish,
                                        rejoin_on_published *callback, void *arg, uint64_t *id)
{
    struct rj_sdk_draft draft;
    enum rejoin_status status = rj_sdk_draft(handle, publish, &draft);
    if (status != REJOIN_OK)
        return status;
    char made[REJOIN_ID_SIZE] = "";
    bool has_id = publish->id && *publish->id;
    if (!has_id && !publish->is_volatile)
        rejoin_make_id(handle, made);
    draft.message.id = rj_sdk_text(has_id ? publish->id : NULL, made);
    Rejoin__Publish body = REJOIN__PUBLISH__INIT;
    body.message = &draft.message;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_PUBLISH;
    command.publish = &body;

    const struct rj_sdk_end end = {.finish = finish_publish,
                                   .callback.published = callback,
                                   .arg = arg,
                                   .is_said_once = publish->is_volatile};
    return rj_sdk_call_start(handle, &command, &end, id);
}

enum rejoin_status rejoin_publish(struct rejoin *handle, const struct rejoin_publish *publish,
                                  rejoin_on_published *callback, void *arg)
{
    uint64_t id;
    return start_publish(handle, publish, callback, arg, &id);
}

struct waiting {
    struct rj_sdk_waiting base;
    struct rejoin_published result;
};

static void on_waited(void *arg, enum rejoin_status status, const struct rejoin_published *result)
{
    struct waiting *waiting = arg;
    if (result)
        waiting->result = *result;
    rj_sdk_waited(&waiting->base, status, NULL);
}

static enum rejoin_status begin(struct rejoin *handle, const void *request, struct rj_sdk_waiting *waiting,
                                uint64_t *id)
{
    return start_publish(handle, request, on_waited, waiting, id);
}

enum rejoin_status rejoin_publish_wait(struct rejoin *handle, const struct rejoin_publish *publish,
                                       int timeout_ms, struct rejoin_published *out)
{
    struct waiting waiting;
    enum rejoin_status status = rj_sdk_wait(handle, begin, publish, &waiting.base, timeout_ms);
    if (status == REJOIN_OK && out)
        *out = waiting.result;
    return status;
}

/* --- batches: as many calls, whose ends are collected */

struct batch;

struct slot {
    struct batch *batch;
    uint64_t id; /* of its call */
};

struct batch {
    rejoin_on_batch *callback; /* may be NULL */
    void *arg;
    size_t count, unanswered;
    struct rejoin_outcome *outcomes;
    struct slot slots[];
};

static void free_batch(struct batch *batch)
{
    free(batch->outcomes);
    free(batch);
}

static void on_slot(void *arg, enum rejoin_status status, const struct rejoin_published *result)
{
    struct slot *slot = arg;
    struct batch *batch = slot->batch;
    struct rejoin_outcome *outcome = &batch->outcomes[slot - batch->slots];
    outcome->status = status;
    if (result)
        outcome->published = *result;
    if (--batch->unanswered > 0)
        return;
    if (batch->callback)
        batch->callback(batch->arg, batch->outcomes, batch->count);
    free_batch(batch);
}

static void abandon(struct rejoin *handle, struct batch *batch, size_t started)
{
    for (size_t i = 0; i < started; i++)
        rj_sdk_call_abandon(handle, batch->slots[i].id);
    free_batch(batch);
}

static enum rejoin_status start_batch(struct rejoin *handle, const struct rejoin_publish *publishes,
                                      size_t count, rejoin_on_batch *callback, void *arg, struct batch **out)
{
    if (count == 0 || !publishes)
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "a batch needs messages");
    if (count > handle->calls.most)
        return rj_sdk_fail(handle, REJOIN_BUSY, "a batch larger than max_unanswered");
    struct batch *batch = rj_calloc(1, sizeof *batch + count * sizeof batch->slots[0]);
    batch->outcomes = rj_calloc(count, sizeof *batch->outcomes);
    batch->count = batch->unanswered = count;
    batch->callback = callback;
    batch->arg = arg;
    for (size_t i = 0; i < count; i++) {
        batch->slots[i].batch = batch;
        enum rejoin_status status =
            start_publish(handle, &publishes[i], on_slot, &batch->slots[i], &batch->slots[i].id);
        if (status != REJOIN_OK) { /* nothing of it was sent: that happens in turns only */
            abandon(handle, batch, i);
            return status;
        }
    }
    *out = batch;
    return REJOIN_OK;
}

enum rejoin_status rejoin_publish_batch(struct rejoin *handle, const struct rejoin_publish *publishes,
                                        size_t count, rejoin_on_batch *callback, void *arg)
{
    struct batch *batch;
    return start_batch(handle, publishes, count, callback, arg, &batch);
}

struct waiting_batch {
    bool is_done;
    struct rejoin_outcome *outcomes;
};

static void on_waited_batch(void *arg, const struct rejoin_outcome *outcomes, size_t count)
{
    struct waiting_batch *waiting = arg;
    waiting->is_done = true;
    memcpy(waiting->outcomes, outcomes, count * sizeof *outcomes);
}

/* One that is given up while some of its messages are answered: the rest is forgotten with it. */
static enum rejoin_status give_up(struct rejoin *handle, struct batch *batch, enum rejoin_status status)
{
    abandon(handle, batch, batch->count);
    return status;
}

enum rejoin_status rejoin_publish_batch_wait(struct rejoin *handle, const struct rejoin_publish *publishes,
                                             size_t count, int timeout_ms, struct rejoin_outcome *outcomes)
{
    struct waiting_batch waiting = {.outcomes = outcomes};
    uint64_t deadline_ms = rj_sdk_deadline(timeout_ms);
    struct batch *batch;
    enum rejoin_status status;
    if (handle->is_in_turn)
        return rj_sdk_fail(handle, REJOIN_MISUSE, "a waiting call inside a callback");
    while ((status = start_batch(handle, publishes, count, on_waited_batch, &waiting, &batch)) ==
           REJOIN_BUSY) {
        if (rejoin_unanswered(handle) == 0) /* it will never have room */
            return status;
        if ((status = rj_sdk_turn_until(handle, deadline_ms)) != REJOIN_OK)
            return status;
    }
    if (status != REJOIN_OK)
        return status;
    while (!waiting.is_done) {
        status = rj_sdk_turn_until(handle, deadline_ms);
        if (status != REJOIN_OK && !waiting.is_done)
            return give_up(handle, batch, status);
    }
    return REJOIN_OK;
}
