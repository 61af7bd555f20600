/* What the broker keeps of serving: the groups, the jobs under way, and everything that waits for an answer
 * of theirs. A member of struct rj_broker.
 */
#ifndef RJ_SERVING_H
#define RJ_SERVING_H

#include "broker/base/deadline.h"
#include "broker/base/hash.h"
#include "broker/serving/groups.h"
#include "broker/serving/late.h"

struct rj_admission;
struct rj_ask;
struct rj_call;
struct rj_farewell;
struct rj_job;
struct rj_send;

struct rj_serving {
    struct rj_groups groups;
    struct rj_deadlines deadlines;
    struct rj_job *jobs; /* by id */
    uint64_t last_job;
    struct rj_late late;
    struct rj_farewell *farewells; /* by group and sid */
    struct rj_call *calls;         /* by peer and command */
    struct rj_call *answered;      /* of them, kept for repetitions; oldest first */
    size_t n_answered, answered_bytes;
    struct rj_admission *admissions; /* by gateway and client */
    size_t admission_bytes;
    struct rj_ask *asks; /* by id */
    uint64_t last_ask;
    size_t ask_bytes;
    struct rj_send *sends;
    size_t n_sends;
    struct rj_buf scratch; /* one item being packed */
};

#endif
