/* The questions that have one answer: a page of history, the broker's figures. */
#include <stdlib.h>

#include "handle.h"
#include "message.h"
#include "proto/base/mem.h"

/* An answer with all that it points to. The public structure comes first, so that its pointer is the box's.
 */
struct page_box {
    struct rejoin_page page;
    struct rj_arena arena;
};

struct metrics_box {
    struct rejoin_metrics metrics;
    struct rj_arena arena;
};

/* A copy of a message of the frame, all of it in `arena`. */
static const ProtobufCMessage *copy_of(const ProtobufCMessage *message, struct rj_arena *arena)
{
    struct rj_buf packed = {0};
    rj_wire_pack(message, &packed);
    const ProtobufCMessage *copy = rj_wire_unpack_message(message->descriptor, rj_buf_span(&packed), arena);
    rj_buf_free(&packed);
    return copy;
}

static struct rejoin_page *page_of(const Rejoin__HistoryPage *answer, uint64_t epoch)
{
    struct page_box *box = rj_calloc(1, sizeof *box);
    const Rejoin__HistoryPage *copy = (const Rejoin__HistoryPage *)copy_of(&answer->base, &box->arena);
    size_t most = copy ? copy->n_messages : 0;
    struct rejoin_message *messages = rj_arena_alloc(&box->arena, most * sizeof *messages);
    for (size_t i = 0; i < most; i++)
        if (rj_sdk_message_of(copy->messages[i], epoch, &box->arena, &messages[box->page.count]))
            box->page.count++;
    box->page.messages = messages;
    box->page.has_more = answer->more;
    return &box->page;
}

void rejoin_page_free(struct rejoin_page **page)
{
    struct page_box *box = (struct page_box *)*page;
    *page = NULL;
    if (!box)
        return;
    rj_arena_free(&box->arena);
    free(box);
}

static struct rejoin_metrics *metrics_of(const Rejoin__StatsReport *report)
{
    struct metrics_box *box = rj_calloc(1, sizeof *box);
    struct rejoin_metric *metrics = rj_arena_alloc(&box->arena, report->n_metrics * sizeof *metrics);
    for (size_t i = 0; i < report->n_metrics; i++) {
        const char *name = report->metrics[i]->name;
        metrics[i] = (struct rejoin_metric){.name = rj_arena_copy(&box->arena, name, strlen(name)),
                                            .value = report->metrics[i]->value};
    }
    box->metrics = (struct rejoin_metrics){.metrics = metrics, .count = report->n_metrics};
    return &box->metrics;
}

void rejoin_metrics_free(struct rejoin_metrics **metrics)
{
    struct metrics_box *box = (struct metrics_box *)*metrics;
    *metrics = NULL;
    if (!box)
        return;
    rj_arena_free(&box->arena);
    free(box);
}

static void finish_history(struct rejoin *handle, struct rj_sdk_call *call, enum rejoin_status status,
                           const Rejoin__Reply *reply)
{
    if (status == REJOIN_OK && reply->result_case != REJOIN__REPLY__RESULT_HISTORY)
        status = rj_sdk_fail(handle, REJOIN_INTERNAL, "the broker's answer is not one to a history query");
    struct rejoin_page *page = status == REJOIN_OK ? page_of(reply->history, handle->link.epoch) : NULL;
    call->callback.page(call->arg, status, page);
}

static void finish_stats(struct rejoin *handle, struct rj_sdk_call *call, enum rejoin_status status,
                         const Rejoin__Reply *reply)
{
    if (status == REJOIN_OK && reply->result_case != REJOIN__REPLY__RESULT_STATS)
        status = rj_sdk_fail(handle, REJOIN_INTERNAL, "the broker's answer is not one to a stats query");
    call->callback.metrics(call->arg, status, status == REJOIN_OK ? metrics_of(reply->stats) : NULL);
}

static enum rejoin_status start_history(struct rejoin *handle, const struct rejoin_query *query,
                                        rejoin_on_page *callback, void *arg, uint64_t *id)
{
    if (!query || !query->room || !callback)
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "a history query needs a room and a callback");
    Rejoin__History history = REJOIN__HISTORY__INIT;
    history.namespace_ = (char *)(uintptr_t)(query->nsp ? query->nsp : "/");
    history.room = (char *)(uintptr_t)query->room;
    history.before = query->before;
    history.after_set = query->has_after;
    history.after = query->after;
    history.limit = query->limit;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_HISTORY;
    command.history = &history;
    struct rj_sdk_call *call;
    enum rejoin_status status = rj_sdk_call_start(handle, &command, finish_history, &call);
    if (status != REJOIN_OK)
        return status;
    call->callback.page = callback;
    call->arg = arg;
    *id = call->id;
    return REJOIN_OK;
}

static enum rejoin_status start_stats(struct rejoin *handle, rejoin_on_metrics *callback, void *arg,
                                      uint64_t *id)
{
    if (!callback)
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "a stats query needs a callback");
    Rejoin__StatsQuery stats = REJOIN__STATS_QUERY__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_STATS;
    command.stats = &stats;
    struct rj_sdk_call *call;
    enum rejoin_status status = rj_sdk_call_start(handle, &command, finish_stats, &call);
    if (status != REJOIN_OK)
        return status;
    call->callback.metrics = callback;
    call->arg = arg;
    *id = call->id;
    return REJOIN_OK;
}

enum rejoin_status rejoin_history(struct rejoin *handle, const struct rejoin_query *query,
                                  rejoin_on_page *callback, void *arg)
{
    uint64_t id;
    return start_history(handle, query, callback, arg, &id);
}

enum rejoin_status rejoin_stats(struct rejoin *handle, rejoin_on_metrics *callback, void *arg)
{
    uint64_t id;
    return start_stats(handle, callback, arg, &id);
}

struct waiting {
    bool is_done;
    enum rejoin_status status;
    struct rejoin_page *page;
    struct rejoin_metrics *metrics;
};

static void on_waited_page(void *arg, enum rejoin_status status, struct rejoin_page *page)
{
    struct waiting *waiting = arg;
    *waiting = (struct waiting){.is_done = true, .status = status, .page = page};
}

static void on_waited_metrics(void *arg, enum rejoin_status status, struct rejoin_metrics *metrics)
{
    struct waiting *waiting = arg;
    *waiting = (struct waiting){.is_done = true, .status = status, .metrics = metrics};
}

enum rejoin_status rejoin_history_wait(struct rejoin *handle, const struct rejoin_query *query,
                                       int timeout_ms, struct rejoin_page **out)
{
    struct waiting waiting = {0};
    uint64_t id = 0, deadline_ms = rj_sdk_deadline(timeout_ms);
    enum rejoin_status status;
    if (handle->is_in_turn)
        return rj_sdk_fail(handle, REJOIN_MISUSE, "rejoin_history_wait inside a callback");
    while ((status = start_history(handle, query, on_waited_page, &waiting, &id)) == REJOIN_BUSY)
        if ((status = rj_sdk_turn_until(handle, deadline_ms)) != REJOIN_OK)
            return status;
    if (status == REJOIN_OK)
        status = rj_sdk_await(handle, id, &waiting.is_done, deadline_ms);
    if (status == REJOIN_OK)
        status = waiting.status;
    if (status == REJOIN_OK)
        *out = waiting.page;
    return status;
}

enum rejoin_status rejoin_stats_wait(struct rejoin *handle, int timeout_ms, struct rejoin_metrics **out)
{
    struct waiting waiting = {0};
    uint64_t id = 0, deadline_ms = rj_sdk_deadline(timeout_ms);
    enum rejoin_status status;
    if (handle->is_in_turn)
        return rj_sdk_fail(handle, REJOIN_MISUSE, "rejoin_stats_wait inside a callback");
    while ((status = start_stats(handle, on_waited_metrics, &waiting, &id)) == REJOIN_BUSY)
        if ((status = rj_sdk_turn_until(handle, deadline_ms)) != REJOIN_OK)
            return status;
    if (status == REJOIN_OK)
        status = rj_sdk_await(handle, id, &waiting.is_done, deadline_ms);
    if (status == REJOIN_OK)
        status = waiting.status;
    if (status == REJOIN_OK)
        *out = waiting.metrics;
    return status;
}
