#include "broker/serving/args.h"

#include "broker/messages/history.h"
#include "proto/base/json.h"
#include "proto/placeholder.h"

enum rj_status rj_args_check(struct rj_span args, const ProtobufCBinaryData *attachments,
                             size_t n_attachments, uint64_t max_bytes, const char **why)
{
    uint64_t bytes = args.len;
    if (n_attachments > RJ_ATTACHMENTS_MAX)
        return *why = "too many attachments", RJ_TOO_MANY;
    for (size_t i = 0; i < n_attachments; i++)
        bytes += attachments[i].len;
    if (bytes > max_bytes)
        return *why = "the arguments are too large", RJ_TOO_LARGE;
    if (args.len == 0)
        return n_attachments ? (*why = "attachments without arguments", RJ_BAD_REQUEST) : RJ_OK;
    enum rj_status status = rj_json_check(args, RJ_JSON_DEPTH);
    if (status != RJ_OK || rj_json_type(args) != RJ_JSON_ARRAY)
        return *why = "the arguments are no valid JSON array", status != RJ_OK ? status : RJ_BAD_REQUEST;
    if (!rj_placeholders_are_valid(args, n_attachments))
        return *why = "a placeholder points to no attachment", RJ_BAD_REQUEST;
    return RJ_OK;
}
