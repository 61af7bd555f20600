#include "gateway/frontends/timeq.h"

void rj_timeq_init(struct rj_timeq *queue, uint64_t delay_ms)
{
    queue->head.prev = queue->head.next = &queue->head;
    queue->delay_ms = delay_ms;
}

void rj_timeq_cancel(struct rj_timeq_entry *entry)
{
    if (!entry->next)
        return;
    entry->prev->next = entry->next;
    entry->next->prev = entry->prev;
    entry->prev = entry->next = NULL;
}

void rj_timeq_set(struct rj_timeq *queue, struct rj_timeq_entry *entry, uint64_t now_ms)
{
    rj_timeq_cancel(entry);
    entry->deadline_ms = now_ms + queue->delay_ms;
    entry->prev = queue->head.prev;
    entry->next = &queue->head;
    entry->prev->next = entry;
    queue->head.prev = entry;
}

struct rj_timeq_entry *rj_timeq_expired(struct rj_timeq *queue, uint64_t now_ms)
{
    struct rj_timeq_entry *first = queue->head.next;
    if (first == &queue->head || first->deadline_ms > now_ms)
        return NULL;
    rj_timeq_cancel(first);
    return first;
}

uint64_t rj_timeq_first(const struct rj_timeq *queue)
{
    return queue->head.next == &queue->head ? UINT64_MAX : queue->head.next->deadline_ms;
}
