#include "tools/bench/schedule.h"

#include <stdlib.h>

#include "proto/base/mem.h"

static const uint32_t nowhere = UINT32_MAX;

void schedule_init(struct schedule *schedule, uint32_t n)
{
    *schedule = (struct schedule){.n = n};
    schedule->at_us = rj_calloc(n, sizeof *schedule->at_us);
    schedule->heap = rj_calloc(n, sizeof *schedule->heap);
    schedule->place = rj_calloc(n, sizeof *schedule->place);
    for (uint32_t i = 0; i < n; i++)
        schedule->place[i] = nowhere;
}

void schedule_free(struct schedule *schedule)
{
    free(schedule->at_us);
    free(schedule->heap);
    free(schedule->place);
}

static void put(struct schedule *schedule, uint32_t at, uint32_t client)
{
    schedule->heap[at] = client;
    schedule->place[client] = at;
}

static bool is_earlier(const struct schedule *schedule, uint32_t a, uint32_t b)
{
    return schedule->at_us[a] < schedule->at_us[b];
}

/* To where the heap's rule holds, from the hole at `at`, upwards and then downwards. */
static void settle(struct schedule *schedule, uint32_t at, uint32_t client)
{
    uint32_t *heap = schedule->heap;
    for (; at > 0 && is_earlier(schedule, client, heap[(at - 1) / 2]); at = (at - 1) / 2)
        put(schedule, at, heap[(at - 1) / 2]);
    for (uint32_t child; (child = 2 * at + 1) < schedule->n_set; at = child) {
        if (child + 1 < schedule->n_set && is_earlier(schedule, heap[child + 1], heap[child]))
            child++;
        if (!is_earlier(schedule, heap[child], client))
            break;
        put(schedule, at, heap[child]);
    }
    put(schedule, at, client);
}

void schedule_set(struct schedule *schedule, uint32_t client, uint64_t at_us)
{
    uint32_t at = schedule->place[client];
    schedule->at_us[client] = at_us;
    if (at == nowhere)
        at = schedule->n_set++;
    settle(schedule, at, client);
}

void schedule_clear(struct schedule *schedule, uint32_t client)
{
    uint32_t at = schedule->place[client];
    if (at == nowhere)
        return;
    schedule->place[client] = nowhere;
    uint32_t last = schedule->heap[--schedule->n_set];
    if (last != client)
        settle(schedule, at, last);
}

bool schedule_take(struct schedule *schedule, uint64_t now_us, uint32_t *client)
{
    if (schedule_first(schedule) > now_us)
        return false;
    *client = schedule->heap[0];
    schedule_clear(schedule, *client);
    return true;
}

uint64_t schedule_first(const struct schedule *schedule)
{
    return schedule->n_set ? schedule->at_us[schedule->heap[0]] : UINT64_MAX;
}
