/* Admissions: clients that ask for a namespace whose backends want to be asked first, or for one that may yet
 * come to be known, right after the broker's start.
 *
 * The groups that admit are asked one after another, by name; all must accept, and what a later one says
 * about user and data wins. Nothing of a session is restored, joined or replayed before. The number of those
 * that wait, and their bytes, are bounded; a client that goes meanwhile leaves nothing behind.
 */
#ifndef RJ_ADMISSION_H
#define RJ_ADMISSION_H

#include "broker/reply.h"

/* A Connect that is under way already, repeated on a fresh stream; another one of that client is refused.
 * True: it is dealt with. */
bool rj_admission_resume(struct rj_request *request);

/* Asks for a client that the gateway says is `user` ("": nobody). RJ_UNAVAILABLE: too many wait. */
enum rj_status rj_admission_begin(struct rj_request *request, const char *user);

/* The client has gone. Harmless when it does not wait. */
void rj_admission_cancel(struct rj_broker *broker, const struct rj_gateway *gateway, uint64_t handle);

/* The gateway has said on its present stream which of its clients still wait; or it is gone itself. */
void rj_admissions_ready(struct rj_broker *broker, const struct rj_gateway *gateway);
void rj_admissions_drop_gateway(struct rj_broker *broker, const struct rj_gateway *gateway);

/* Groups have changed: those that wait for a namespace may have it. */
void rj_admissions_retry(struct rj_broker *broker);

/* The group goes: whoever waits for it, or has been admitted by it to be asked for elsewhere, comes again. */
void rj_admissions_fail_group(struct rj_broker *broker, const struct rj_group *group);

/* What only an admission's answer may say. `*why` says more than the status. */
enum rj_status rj_admission_check(struct rj_broker *broker, const struct rj_job *job,
                                  const Rejoin__Answer *answer, const char **why);

/* How many wait. */
size_t rj_admissions_count(const struct rj_broker *broker);

void rj_admissions_fini(struct rj_broker *broker);

#endif
