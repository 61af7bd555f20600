/* Between the caller's texts, lists and arguments and those on the wire. The strings of protobuf-c are not
 * const; packing only reads them, which is why what the caller lends may stand there. */
#ifndef RJ_SDK_ARGS_H
#define RJ_SDK_ARGS_H

#include "proto/base/arena.h"
#include "rejoin.h"
#include "rejoin.pb-c.h"

enum { RJ_SDK_ATTACHMENTS_MAX = 10 };

/* `given`, or `otherwise` when that is NULL. */
char *rj_sdk_text(const char *given, const char *otherwise);

ProtobufCBinaryData rj_sdk_bytes(const void *data, size_t len);

/* Checks the names and lends them out. REJOIN_BAD_REQUEST when one is NULL. */
enum rejoin_status rj_sdk_names_lend(struct rejoin *handle, const struct rejoin_names *names, size_t *count,
                                     char ***list);

/* Arguments on their way out: room for what they look like on the wire. */
struct rj_sdk_args {
    ProtobufCBinaryData json;
    size_t attachment_count;
    ProtobufCBinaryData attachments[RJ_SDK_ATTACHMENTS_MAX];
};

/* Attachments alone; REJOIN_TOO_MANY above 10. */
enum rejoin_status rj_sdk_attachments_lend(struct rejoin *handle, const struct rejoin_bytes *attachments,
                                           size_t count, ProtobufCBinaryData out[RJ_SDK_ATTACHMENTS_MAX]);

/* REJOIN_BAD_REQUEST when `args->json` is no JSON array. `args` NULL: no arguments. */
enum rejoin_status rj_sdk_args_lend(struct rejoin *handle, const struct rejoin_args *args,
                                    struct rj_sdk_args *out);

/* REJOIN_BAD_REQUEST unless `json` is one JSON text; NULL or "" is none, and passes as empty. */
enum rejoin_status rj_sdk_json_lend(struct rejoin *handle, const char *json, ProtobufCBinaryData *out);

/* What was received, as the caller sees it; lives as long as `arena` and what was unpacked. */
struct rejoin_args rj_sdk_args_of(const ProtobufCBinaryData *json, size_t attachment_count,
                                  const ProtobufCBinaryData *attachments, struct rj_arena *arena);

const struct rejoin_bytes *rj_sdk_attachments_of(size_t count, const ProtobufCBinaryData *attachments,
                                                 struct rj_arena *arena);

#endif
