/* Jobs that have ended without the answer of an instance that had them: what to say to an answer that comes
 * too late, instead of an "ok" that would make it believe that the client has it. The last few thousand are
 * remembered; an answer to an older one is taken for a repetition of one that was in time.
 */
#ifndef RJ_LATE_H
#define RJ_LATE_H

#include "broker/base/hash.h"
#include "proto/base/status.h"

enum { RJ_LATE_MAX = 10000 };

struct rj_late_job {
    uint64_t id;
    enum rj_status status;
    UT_hash_handle hh; /* in the order of ending */
    char winner[];
};

struct rj_late {
    struct rj_late_job *jobs;
};

/* The job, of which nothing is noted, has ended: with `status`, or, RJ_OK, by the answer of the peer with the
 * id `winner` ("" with another status). */
void rj_late_note(struct rj_late *late, uint64_t job, enum rj_status status, const char *winner);

/* What an answer of the peer `id` to a job that is over is to be told; RJ_OK: nothing speaks against it
 * having been in time. RJ_CONFLICT: another one's was taken. */
enum rj_status rj_late_judge(const struct rj_late *late, uint64_t job, const char *id);

void rj_late_free(struct rj_late *late);

#endif
