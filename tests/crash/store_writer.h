/* A process that writes to a store as fast as it can and tells what was acknowledged, until it is killed or
 * is told to end. Its payloads repeat what the store decides, so that a checker can tell a whole record from
 * a mixed-up one.
 */
#ifndef RJ_TEST_STORE_WRITER_H
#define RJ_TEST_STORE_WRITER_H

#include "storage/store.h"
#include "tests/crash/store_journal.h"

struct writing {
    const char *path;
    uint64_t map_bytes; /* as in rj_store_options */
    uint64_t random;    /* seed; decides about the other options too */
    uint64_t counter;   /* the highest value that was put before */
    size_t in_flight;   /* appends that wait at most */
    bool has_limits;    /* rooms from JOURNAL_LIMITED on keep little, and are purged; no retention then */
    bool has_retention; /* surely: else the seed decides */
    /* Called with what was acknowledged in one turn; false ends the writing. */
    bool (*tell)(void *ctx, const struct ack *acks, size_t n);
    void *ctx;
};

/* Opens the store and writes. RJ_OK: `tell` has ended it, and the store is still open (to be closed, or left
 * as a crash leaves it). Else the error of rj_store_open, which stands on stderr. */
enum rj_status write_until_told(const struct writing *writing, struct rj_store **store);

#endif
