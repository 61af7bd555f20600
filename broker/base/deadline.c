#include "broker/base/deadline.h"

#include <stdlib.h>

#include "proto/base/mem.h"

static void put_at(struct rj_deadlines *deadlines, size_t i, struct rj_deadline *deadline)
{
    deadlines->heap[i] = deadline;
    deadline->place = i + 1;
}

static void sift_up(struct rj_deadlines *deadlines, size_t i, struct rj_deadline *deadline)
{
    while (i > 0 && deadlines->heap[(i - 1) / 2]->at_ms > deadline->at_ms) {
        put_at(deadlines, i, deadlines->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put_at(deadlines, i, deadline);
}

static void sift_down(struct rj_deadlines *deadlines, size_t i, struct rj_deadline *deadline)
{
    for (size_t child = 2 * i + 1; child < deadlines->n; child = 2 * i + 1) {
        if (child + 1 < deadlines->n && deadlines->heap[child + 1]->at_ms < deadlines->heap[child]->at_ms)
            child++;
        if (deadlines->heap[child]->at_ms >= deadline->at_ms)
            break;
        put_at(deadlines, i, deadlines->heap[child]);
        i = child;
    }
    put_at(deadlines, i, deadline);
}

void rj_deadline_set(struct rj_deadlines *deadlines, struct rj_deadline *deadline, uint64_t at_ms)
{
    rj_deadline_clear(deadlines, deadline);
    if (deadlines->n == deadlines->cap) {
        deadlines->cap = deadlines->cap ? 2 * deadlines->cap : 64;
        deadlines->heap =
            (struct rj_deadline **)rj_realloc(deadlines->heap, deadlines->cap, sizeof *deadlines->heap);
    }
    deadline->at_ms = at_ms;
    sift_up(deadlines, deadlines->n++, deadline);
}

void rj_deadline_clear(struct rj_deadlines *deadlines, struct rj_deadline *deadline)
{
    if (!deadline->place)
        return;
    size_t hole = deadline->place - 1;
    struct rj_deadline *last = deadlines->heap[--deadlines->n];
    deadline->place = 0;
    if (last == deadline)
        return;
    if (hole > 0 && deadlines->heap[(hole - 1) / 2]->at_ms > last->at_ms)
        sift_up(deadlines, hole, last);
    else
        sift_down(deadlines, hole, last);
}

void rj_deadlines_run(struct rj_deadlines *deadlines, uint64_t now_ms, void *ctx)
{
    while (deadlines->n && deadlines->heap[0]->at_ms <= now_ms) {
        struct rj_deadline *due = deadlines->heap[0];
        rj_deadline_clear(deadlines, due);
        due->on_due(ctx, due);
    }
}

void rj_deadlines_free(struct rj_deadlines *deadlines)
{
    free(deadlines->heap);
    *deadlines = (struct rj_deadlines){0};
}
