/* A store under test, in a folder of its own: written in batches that are waited for, one after the other,
 * and checked: every append must be stored, at the positions in the order of the appends. What it keeps is
 * told by a clock that advances with the messages (store_clock.h).
 */
#ifndef RJ_BENCH_STORE_LOG_H
#define RJ_BENCH_STORE_LOG_H

#include "storage/store.h"
#include "tools/bench/store_draws.h"

/* Bytes that a record of one room, without a publish id, has around its payload. */
enum { STORE_RECORD_HEAD = 44 };

struct store_log_plan {
    const char *dir; /* an existing folder; the store goes below it */
    const struct store_draws *draws;
    uint32_t size;     /* bytes of payload */
    uint64_t retained; /* records; older ones are trimmed, one for each append. 0: all are kept */
};

struct store_log {
    struct rj_store *store;
    const struct store_draws *draws;
    rj_room_id *rooms; /* by the numbers that draws uses */
    uint8_t *payload;
    uint32_t size;
    uint64_t appended, completed, wrong;
    uint64_t first_pos;    /* of the first append */
    uint64_t start_ms;     /* the store's wall clock at it */
    uint64_t retention_ms; /* 0: for ever */
    char path[160];
};

/* False, told on stderr; close in any case. */
bool store_log_open(struct store_log *log, const struct store_log_plan *plan);

/* Appends, submits, and waits until all is durable. False, told on stderr: the store did not get on. */
bool store_log_write(struct store_log *log, uint32_t batch);

/* Writes `n` messages in large batches. False: told on stderr, or interrupted. */
bool store_log_fill(struct store_log *log, uint64_t n);

/* Closes and opens it again, with nothing of its files in memory but what opening reads. *resident is the
 * share of them that was left when it was opened. False, told on stderr. */
bool store_log_reopen_cold(struct store_log *log, double *resident);

/* Closes the store, which writes its whole index. Returns what its files have in bytes then, and removes
 * them. */
uint64_t store_log_close(struct store_log *log);

#endif
