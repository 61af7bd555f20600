#include "args.h"

#include <string.h>

#include "handle.h"
#include "proto/base/json.h"

char *rj_sdk_text(const char *given, const char *otherwise)
{
    return (char *)(uintptr_t)(given ? given : otherwise);
}

ProtobufCBinaryData rj_sdk_bytes(const void *data, size_t len)
{
    return (ProtobufCBinaryData){.len = len, .data = (uint8_t *)(uintptr_t)data};
}

enum rejoin_status rj_sdk_names_lend(struct rejoin *handle, const struct rejoin_names *names, size_t *count,
                                     char ***list)
{
    for (size_t i = 0; i < names->count; i++)
        if (!names->names || !names->names[i])
            return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "a name of a list is missing");
    *count = names->count;
    *list = (char **)(uintptr_t)names->names;
    return REJOIN_OK;
}

enum rejoin_status rj_sdk_attachments_lend(struct rejoin *handle, const struct rejoin_bytes *attachments,
                                           size_t count, ProtobufCBinaryData out[RJ_SDK_ATTACHMENTS_MAX])
{
    if (count > RJ_SDK_ATTACHMENTS_MAX)
        return rj_sdk_fail(handle, REJOIN_TOO_MANY, "at most 10 attachments go together");
    for (size_t i = 0; i < count; i++)
        out[i] = rj_sdk_bytes(attachments[i].data, attachments[i].len);
    return REJOIN_OK;
}

static bool is_array(struct rj_span json)
{
    return rj_json_check(json, RJ_JSON_DEPTH) == RJ_OK && rj_json_type(rj_json_trim(json)) == RJ_JSON_ARRAY;
}

enum rejoin_status rj_sdk_args_lend(struct rejoin *handle, const struct rejoin_args *args,
                                    struct rj_sdk_args *out)
{
    static const struct rejoin_args none;
    if (!args)
        args = &none;
    const char *json = args->json ? args->json : "[]";
    size_t len = args->json && args->len ? args->len : strlen(json);
    if (!is_array(rj_span_of(json, len)))
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "arguments are one JSON array");
    out->json = rj_sdk_bytes(json, len);
    out->attachment_count = args->attachment_count;
    return rj_sdk_attachments_lend(handle, args->attachments, args->attachment_count, out->attachments);
}

enum rejoin_status rj_sdk_json_lend(struct rejoin *handle, const char *json, ProtobufCBinaryData *out)
{
    size_t len = json ? strlen(json) : 0;
    if (len && rj_json_check(rj_span_of(json, len), RJ_JSON_DEPTH) != RJ_OK)
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "data is one JSON text");
    *out = rj_sdk_bytes(json, len);
    return REJOIN_OK;
}

const struct rejoin_bytes *rj_sdk_attachments_of(size_t count, const ProtobufCBinaryData *attachments,
                                                 struct rj_arena *arena)
{
    struct rejoin_bytes *list = rj_arena_alloc(arena, count * sizeof *list);
    for (size_t i = 0; i < count; i++)
        list[i] = (struct rejoin_bytes){attachments[i].data, attachments[i].len};
    return list;
}

struct rejoin_args rj_sdk_args_of(const ProtobufCBinaryData *json, size_t attachment_count,
                                  const ProtobufCBinaryData *attachments, struct rj_arena *arena)
{
    struct rj_span text = json->len ? rj_span_of(json->data, json->len) : rj_span_str("[]");
    return (struct rejoin_args){.json = rj_arena_copy(arena, text.data, text.len),
                                .len = text.len,
                                .attachments = rj_sdk_attachments_of(attachment_count, attachments, arena),
                                .attachment_count = attachment_count};
}
