#include "tools/bench/publishers.h"

#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"

void publishers_init(struct publishers *publishers, const struct publishers_plan *plan)
{
    *publishers = (struct publishers){.plan = *plan};
    publishers->list = rj_calloc(plan->n, sizeof *publishers->list);
    publishers->stamps = rj_calloc((size_t)plan->n * plan->window, sizeof *publishers->stamps);
}

void publishers_free(struct publishers *publishers)
{
    free(publishers->list);
    free(publishers->stamps);
}

static uint64_t *stamp_of(const struct publishers *publishers, uint32_t publisher, uint64_t id)
{
    uint32_t window = publishers->plan.window;
    return &publishers->stamps[(size_t)publisher * window + id % window];
}

static bool has_room(const struct publishers *publishers, uint32_t publisher)
{
    const struct publishers_plan *plan = &publishers->plan;
    const struct publisher *who = &publishers->list[publisher];
    bool is_bounded = plan->most_undelivered > 0;
    bool has_ended = plan->most > 0 && publishers->sent >= plan->most;
    return !has_ended && who->sent - who->acked < plan->window &&
           !(is_bounded && publishers->sent >= publishers->delivered + plan->most_undelivered);
}

static void publish(struct publishers *publishers, uint32_t publisher, uint64_t stamp_us)
{
    const struct publishers_plan *plan = &publishers->plan;
    uint64_t id = publishers->list[publisher].sent + 1;
    *stamp_of(publishers, publisher, id) = stamp_us;
    if (!plan->send(plan->ctx, publisher, id, stamp_us)) {
        publishers->failed++;
        publishers->is_on = false;
        return;
    }
    publishers->list[publisher].sent = id;
    publishers->sent++;
}

/* The next in turn that may publish; `n` when nobody may. */
static uint32_t next_of(struct publishers *publishers)
{
    uint32_t n = publishers->plan.n;
    for (uint32_t tried = 0; tried < n; tried++) {
        uint32_t publisher = publishers->turn;
        publishers->turn = (publisher + 1) % n;
        if (has_room(publishers, publisher))
            return publisher;
    }
    return n;
}

static void fill_windows(struct publishers *publishers)
{
    uint32_t publisher;
    while (publishers->is_on && (publisher = next_of(publishers)) < publishers->plan.n)
        publish(publishers, publisher, rj_clock_mono_us());
}

void publishers_start(struct publishers *publishers)
{
    publishers->is_on = true;
    publishers->began_us = rj_clock_mono_us();
    if (publishers->plan.rate == 0)
        fill_windows(publishers);
}

void publishers_stop(struct publishers *publishers)
{
    publishers->is_on = false;
}

/* Publishes what is due; microseconds until the next is, at most `most_us`. */
static uint64_t publish_due(struct publishers *publishers, uint64_t most_us)
{
    const struct publishers_plan *plan = &publishers->plan;
    while (publishers->is_on) {
        uint64_t now_us = rj_clock_mono_us();
        uint64_t due_us = publishers->began_us + (uint64_t)((double)publishers->sent * 1e6 / plan->rate);
        if (due_us > now_us)
            return due_us - now_us < most_us ? due_us - now_us : most_us;
        uint32_t publisher = next_of(publishers);
        if (publisher == plan->n)
            break; /* an ack or a delivery wakes us */
        publish(publishers, publisher, due_us);
    }
    return most_us;
}

uint64_t publishers_turn(struct publishers *publishers, uint64_t most_us)
{
    if (publishers->plan.rate > 0)
        return publish_due(publishers, most_us);
    /* Unbounded windows are filled by the acks alone, which saves a look at thousands of publishers. */
    if (publishers->plan.most_undelivered)
        fill_windows(publishers);
    return most_us;
}

void publishers_on_ack(struct publishers *publishers, uint32_t publisher, uint64_t id, bool is_ok)
{
    struct publisher *who = publisher < publishers->plan.n ? &publishers->list[publisher] : NULL;
    if (!who || id != who->acked + 1 || id > who->sent) {
        publishers->strange++;
        return;
    }
    who->acked++;
    publishers->acked++;
    publishers->failed += !is_ok;
    uint64_t now_us = rj_clock_mono_us();
    if (publishers->is_measured)
        histogram_add(&publishers->ack, now_us - *stamp_of(publishers, publisher, id));
    if (publishers->is_on && publishers->plan.rate == 0 && has_room(publishers, publisher))
        publish(publishers, publisher, now_us);
}
