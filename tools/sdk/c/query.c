/* The questions about the log and the broker: a page of history, the broker's figures. */
#include <string.h>

#include "box.h"
#include "handle.h"
#include "message.h"

static struct rejoin_page *page_of(const Rejoin__HistoryPage *answer, uint64_t epoch)
{
    struct rj_arena *arena;
    struct rejoin_page *page = rj_sdk_box_new(sizeof *page, &arena);
    const Rejoin__HistoryPage *copy = (const Rejoin__HistoryPage *)rj_sdk_box_copy(&answer->base, arena);
    struct rejoin_message *messages = rj_arena_alloc(arena, copy->n_messages * sizeof *messages);
    for (size_t i = 0; i < copy->n_messages; i++)
        if (rj_sdk_message_of(copy->messages[i], epoch, arena, &messages[page->count]))
            page->count++;
    page->messages = messages;
    page->has_more = answer->more;
    return page;
}

void rejoin_page_free(struct rejoin_page **page)
{
    rj_sdk_box_free(*page);
    *page = NULL;
}

static struct rejoin_metrics *metrics_of(const Rejoin__StatsReport *report)
{
    struct rj_arena *arena;
    struct rejoin_metrics *metrics = rj_sdk_box_new(sizeof *metrics, &arena);
    struct rejoin_metric *list = rj_arena_alloc(arena, report->n_metrics * sizeof *list);
    for (size_t i = 0; i < report->n_metrics; i++) {
        const char *name = report->metrics[i]->name;
        list[i] = (struct rejoin_metric){.name = rj_arena_copy(arena, name, strlen(name)),
                                         .value = report->metrics[i]->value};
    }
    *metrics = (struct rejoin_metrics){.metrics = list, .count = report->n_metrics};
    return metrics;
}

void rejoin_metrics_free(struct rejoin_metrics **metrics)
{
    rj_sdk_box_free(*metrics);
    *metrics = NULL;
}

static void finish_history(struct rejoin *handle, struct rj_sdk_call *call, enum rejoin_status status,
                           const Rejoin__Reply *reply)
{
    status = rj_sdk_check_result(handle, status, reply, REJOIN__REPLY__RESULT_HISTORY);
    struct rejoin_page *page = status == REJOIN_OK ? page_of(reply->history, handle->link.epoch) : NULL;
    call->end.callback.page(call->end.arg, status, page);
}

static void finish_stats(struct rejoin *handle, struct rj_sdk_call *call, enum rejoin_status status,
                         const Rejoin__Reply *reply)
{
    status = rj_sdk_check_result(handle, status, reply, REJOIN__REPLY__RESULT_STATS);
    call->end.callback.metrics(call->end.arg, status, status == REJOIN_OK ? metrics_of(reply->stats) : NULL);
}

static enum rejoin_status start_history(struct rejoin *handle, const struct rejoin_query *query,
                                        rejoin_on_page *callback, void *arg, uint64_t *id)
{
    if (!query || !query->room || !callback)
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "a history query needs a room and a callback");
    Rejoin__History history = REJOIN__HISTORY__INIT;
    history.namespace_ = rj_sdk_text(query->nsp, "/");
    history.room = rj_sdk_text(query->room, "");
    history.before = query->before;
    history.after_set = query->has_after;
    history.after = query->after;
    history.limit = query->limit;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_HISTORY;
    command.history = &history;
    const struct rj_sdk_end end = {.finish = finish_history, .callback.page = callback, .arg = arg};
    return rj_sdk_call_start(handle, &command, &end, id);
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
    const struct rj_sdk_end end = {.finish = finish_stats, .callback.metrics = callback, .arg = arg};
    return rj_sdk_call_start(handle, &command, &end, id);
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

static void on_waited_page(void *arg, enum rejoin_status status, struct rejoin_page *page)
{
    rj_sdk_waited(arg, status, page);
}

static void on_waited_metrics(void *arg, enum rejoin_status status, struct rejoin_metrics *metrics)
{
    rj_sdk_waited(arg, status, metrics);
}

static enum rejoin_status begin_history(struct rejoin *handle, const void *request,
                                        struct rj_sdk_waiting *waiting, uint64_t *id)
{
    return start_history(handle, request, on_waited_page, waiting, id);
}

static enum rejoin_status begin_stats(struct rejoin *handle, const void *request,
                                      struct rj_sdk_waiting *waiting, uint64_t *id)
{
    (void)request;
    return start_stats(handle, on_waited_metrics, waiting, id);
}

enum rejoin_status rejoin_history_wait(struct rejoin *handle, const struct rejoin_query *query,
                                       int timeout_ms, struct rejoin_page **out)
{
    struct rj_sdk_waiting waiting;
    enum rejoin_status status = rj_sdk_wait(handle, begin_history, query, &waiting, timeout_ms);
    if (status == REJOIN_OK)
        *out = waiting.result;
    return status;
}

enum rejoin_status rejoin_stats_wait(struct rejoin *handle, int timeout_ms, struct rejoin_metrics **out)
{
    struct rj_sdk_waiting waiting;
    enum rejoin_status status = rj_sdk_wait(handle, begin_stats, NULL, &waiting, timeout_ms);
    if (status == REJOIN_OK)
        *out = waiting.result;
    return status;
}
