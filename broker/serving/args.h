/* The arguments of events and answers: a JSON array and the attachments that its placeholders mean. */
#ifndef RJ_ARGS_H
#define RJ_ARGS_H

#include "proto/base/span.h"
#include "proto/base/status.h"
#include "rejoin.pb-c.h"

/* Whether stock clients can be given these: an array (or nothing at all), valid JSON, placeholders that point
 * into the attachments, all within the limits. `*why` says more than the status. Pure. */
enum rj_status rj_args_check(struct rj_span args, const ProtobufCBinaryData *attachments,
                             size_t n_attachments, uint64_t max_bytes, const char **why);

#endif
