/* Whether a store is whole: every record, every index entry, every room and all that they say of each other.
 * Streaming; memory grows with the number of rooms alone.
 */
#ifndef RJ_CHECK_H
#define RJ_CHECK_H

#include "storage/inspect.h"

struct rj_check_report {
    uint64_t faults; /* 0: the store is whole */
    uint64_t format;
    uint64_t records, record_bytes;
    uint64_t trimmed; /* of the records: below the log's floor, not deleted yet */
    uint64_t first_pos, last_pos;
    uint64_t rooms;
    uint64_t index_entries;
    uint64_t unindexed; /* index entries that the next start adds from the end of the log: no fault */
    uint64_t epochs;
    uint64_t pairs[RJ_TABLE_COUNT];
};

/* One sentence about one fault; valid for the call. */
typedef void rj_check_fault(void *ctx, const char *sentence);

/* Checks a store opened with RJ_INSPECT_ALONE. All faults are counted, the first `max_told` are told. An
 * error only when the store cannot be looked at. */
enum rj_status rj_check_run(struct rj_inspect *inspect, uint64_t max_told, rj_check_fault *tell, void *ctx,
                            struct rj_check_report *out);

#endif
