/* A program on librejoin as a fuzz target plays it: starts calls, tails and services, answers jobs, and
 * checks what the library promises whatever the broker says:
 *
 *   - every call that was started ends exactly once;
 *   - what a callback is given is whole: texts end with a NUL, no pointer is NULL that must not be;
 *   - a job is answered once.
 */
#ifndef RJ_FUZZ_SDK_USER_H
#define RJ_FUZZ_SDK_USER_H

#include <rejoin.h>
#include <rejoin_presence.h>
#include <rejoin_reads.h>
#include <rejoin_serve.h>
#include <rejoin_sockets.h>

#include "tests/fuzz/bytes.h"

enum { SDK_TAILS = 3, SDK_SERVICES = 2, SDK_JOBS = 32 };

struct sdk_user {
    struct rejoin *handle;
    unsigned started, ended; /* calls */
    struct rejoin_tail *tails[SDK_TAILS];
    struct rejoin_service *services[SDK_SERVICES];
    uint64_t jobs[SDK_JOBS]; /* that wait for an answer; 0: a free place */
    struct fuzz_bytes *how;  /* what callbacks decide by: the step that is played */
    uint64_t eaten;          /* of the bytes that callbacks were given, so that they are read */
};

void sdk_user_open(struct sdk_user *user);
/* Closes the handle, which ends everything. */
void sdk_user_close(struct sdk_user *user);

/* One call, tail or service more; or one less. A call that is waited for has no time for its answer. */
void sdk_user_act(struct sdk_user *user, struct fuzz_bytes *how);

/* Answers one of the jobs that wait, or one that does not. */
void sdk_user_answer(struct sdk_user *user, struct fuzz_bytes *how);

#endif
