#include "tools/bench/store_log.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "tools/bench/load.h"
#include "tools/bench/page_cache.h"
#include "tools/bench/procs.h"
#include "tools/bench/store_clock.h"

enum {
    FILL_BATCH = 5000,
    MESSAGES_PER_MS = 2, /* of the store's wall clock */
    STUCK_MS = 60000,    /* without a single completion: it will not come any more */
};

static bool open_store(struct store_log *log)
{
    struct rj_store_options options = {
        .path = log->path,
        .retention_ms = log->retention_ms,
        .dedupe_window_ms =
            1, /* no append has an id; opening would read what the window spans, for nothing */
    };
    struct rj_buf why = {0};
    bool is_open = rj_store_open(&options, &log->store, &why) == RJ_OK;
    if (!is_open)
        fprintf(stderr, "rejoin-bench: %s: %s\n", log->path, rj_buf_cstr(&why));
    rj_buf_free(&why);
    return is_open;
}

static bool make_rooms(struct store_log *log)
{
    log->rooms = rj_calloc(log->draws->n_rooms, sizeof *log->rooms);
    for (uint32_t i = 0; i < log->draws->n_rooms; i++) {
        char key[32];
        int n = snprintf(key, sizeof key, "r/room-%06u", i);
        if (rj_store_room(log->store, (struct rj_span){(uint8_t *)key, (size_t)n}, true, &log->rooms[i]))
            return false;
    }
    return true;
}

bool store_log_open(struct store_log *log, const struct store_log_plan *plan)
{
    *log = (struct store_log){.draws = plan->draws,
                              .size = plan->size,
                              .start_ms = rj_clock_wall_ms(),
                              .retention_ms = plan->retained / MESSAGES_PER_MS};
    if (plan->retained && !log->retention_ms)
        log->retention_ms = 1;
    snprintf(log->path, sizeof log->path, "%s/store", plan->dir);
    log->payload = rj_calloc(log->size, 1);
    for (uint32_t i = 0; i < log->size; i++)
        log->payload[i] = (uint8_t)(i * 131 + 7);
    store_clock_set(log->start_ms);
    if (!open_store(log))
        return false;
    log->first_pos = rj_store_head(log->store).next;
    return make_rooms(log);
}

static void on_appended(void *ctx, enum rj_append_outcome outcome, const struct rj_store_receipt *receipt,
                        struct rj_span payload)
{
    struct store_log *log = ctx;
    if (outcome != RJ_APPEND_STORED || receipt->pos != log->first_pos + log->completed ||
        payload.len != log->size)
        log->wrong++;
    log->completed++;
}

static void append_next(struct store_log *log)
{
    struct rj_store_append append = {
        .rooms = &log->rooms[store_draws_at(log->draws, log->appended)],
        .n_rooms = 1,
        .payload = {log->payload, log->size},
    };
    store_clock_set(log->start_ms + log->appended / MESSAGES_PER_MS);
    memcpy(log->payload, &log->appended, sizeof log->appended);
    rj_store_append(log->store, &append, on_appended, log);
    log->appended++;
}

/* False when nothing is completed for too long. */
static bool await_completions(struct store_log *log)
{
    struct pollfd event = {.fd = rj_store_event_fd(log->store), .events = POLLIN};
    uint64_t end_ms = rj_clock_mono_ms() + STUCK_MS;
    while (log->completed < log->appended) {
        uint64_t now_ms = rj_clock_mono_ms();
        if (now_ms >= end_ms) {
            fprintf(stderr, "rejoin-bench: the store has not committed anything for %d s\n", STUCK_MS / 1000);
            return false;
        }
        if (poll(&event, 1, (int)(end_ms - now_ms)) > 0 && rj_store_complete(log->store) > 0)
            end_ms = rj_clock_mono_ms() + STUCK_MS;
    }
    return true;
}

bool store_log_write(struct store_log *log, uint32_t batch)
{
    for (uint32_t i = 0; i < batch; i++)
        append_next(log);
    rj_store_submit(log->store);
    return await_completions(log);
}

bool store_log_fill(struct store_log *log, uint64_t n)
{
    for (uint64_t end = log->appended + n; log->appended < end;) {
        uint64_t left = end - log->appended;
        if (load_is_interrupted() || !store_log_write(log, left < FILL_BATCH ? (uint32_t)left : FILL_BATCH))
            return false;
    }
    return true;
}

bool store_log_reopen_cold(struct store_log *log, double *resident)
{
    rj_store_close(&log->store);
    if (!page_cache_drop(log->path))
        return false;
    *resident = page_cache_share(log->path);
    return open_store(log);
}

uint64_t store_log_close(struct store_log *log)
{
    rj_store_close(&log->store);
    store_clock_set(0);
    uint64_t bytes = procs_bytes_in(log->path);
    procs_remove_dir(log->path);
    free(log->rooms);
    free(log->payload);
    *log = (struct store_log){0};
    return bytes;
}
