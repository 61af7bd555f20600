/* A copy of a store as it is at one moment, taken while a broker writes to it. */
#ifndef RJ_BACKUP_H
#define RJ_BACKUP_H

#include "proto/base/buf.h"
#include "proto/base/status.h"

struct rj_backup {
    uint64_t bytes;    /* of the copy */
    uint64_t last_pos; /* every record up to here is covered by it */
};

/* Copies the store in the folder `path` to the folder `dest`, which must be missing or empty. `compact`
 * leaves free pages out, which takes more time and processor. What was committed before the call is in the
 * copy, and the copy knows that it is one (rj_store_head's `restored`). It is written as `dest`.part-…,
 * synced, opened once, and only then gets its name: whatever stands under `dest` is whole. Errors as
 * rj_inspect_open, and RJ_CONFLICT (`dest` is not empty), RJ_FULL, RJ_IO, with a sentence appended to `why`
 * and nothing left behind. */
enum rj_status rj_backup_take(const char *path, const char *dest, bool compact, struct rj_backup *out,
                              struct rj_buf *why);

#endif
