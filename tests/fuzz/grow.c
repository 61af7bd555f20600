#include "tests/fuzz/grow.h"

#include <stdbool.h>
#include <string.h>

#include "proto/base/json.h"
#include "proto/placeholder.h"

enum { DEPTH_MAX = 6, CLIENTS = 6, MANY = 70 };

static const char long_text[] =
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

/* What fields of a name are usually filled with; the first is what a used-up input gives. */
struct usual {
    const char *field;
    const char *texts[8];
};

static const struct usual usual_texts[] = {
    {"namespace", {"/", "/chat", "/nowhere", "", "chat"}},
    {"namespaces", {"/", "*", "/ch*", "/chat", "/nowhere"}},
    {"room", {"a", "b", "corner", ""}},
    {"rooms", {"a", "b", "corner", "d", ""}},
    {"except_rooms", {"b", "a", ""}},
    {"name", {"a", "b", "ann", "msg", "", "room:message"}},
    {"user", {"ann", "bob", ""}},
    {"users", {"ann", "bob", ""}},
    {"group", {"g", "h", ""}},
    {"event", {"msg", "room:message", "", "connect"}},
    {"events", {"msg", "*", "m*g", ""}},
    {"pattern", {"", "*", "a*", "b"}},
    {"offset", {"", "0", "1.1", "garbage"}},
    {"pid", {"", "AAAAAAAAAAAAAAAAAAAAAA"}},
    {"sid", {"", "AAAAAAAAAAAAAAAAAAAAAA"}},
    {"after", {"", "a"}},
    {"id", {"i", "j", "an id that is as long as those that careful publishers make up", ""}},
    {"reason", {"transport close", "client namespace disconnect", ""}},
    {"transport", {"websocket", "polling"}},
    {"code", {"denied", "", "unavailable"}},
};

static const struct usual usual_bytes[] = {
    {"data", {"{\"a\":1}", "[1]", "[]", "{\"_placeholder\":true,\"num\":0}", "", "{", "\"\xff\""}},
    {"args", {"[]", "[1,{\"_placeholder\":true,\"num\":0}]", "[\"x\"]", "", "{}", "["}},
    {"auth", {"{\"user\":\"ann\"}", "{\"user\":\"bob\"}", "", "{}", "{\"user\":1}", "["}},
};

void fuzz_see_text(struct fuzz_texts *texts, const char *text)
{
    memmove(texts->list[1], texts->list[0], sizeof texts->list - sizeof texts->list[0]);
    strncpy(texts->list[0], text, FUZZ_TEXT - 1);
}

void fuzz_see_number(struct fuzz_numbers *numbers, uint64_t number)
{
    memmove(numbers->list + 1, numbers->list, sizeof numbers->list - sizeof numbers->list[0]);
    numbers->list[0] = number;
}

static const struct fuzz_texts *seen_texts(const struct fuzz_seen *seen, const char *field)
{
    if (strstr(field, "sid"))
        return &seen->sids;
    if (strcmp(field, "pid") == 0)
        return &seen->pids;
    return strcmp(field, "offset") == 0 ? &seen->offsets : NULL;
}

static const struct fuzz_numbers *seen_numbers(const struct fuzz_seen *seen, const char *field)
{
    const struct {
        const char *field;
        const struct fuzz_numbers *numbers;
    } table[] = {
        {"job", &seen->jobs},
        {"ask", &seen->asks},
        {"tail", &seen->tails},
        {"nonce", &seen->nonces},
        {"epoch", &seen->epochs},
        {"upto", &seen->positions},
        {"after", &seen->pages},
        {"pos", &seen->positions},
        {"after_pos", &seen->positions},
        {"since_pos", &seen->positions},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].field, field) == 0)
            return table[i].numbers;
    return NULL;
}

static const char *pick_usual(const struct usual *table, size_t n, const char *field, uint8_t choice)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(table[i].field, field) != 0)
            continue;
        size_t known = 0;
        while (known < 8 && table[i].texts[known])
            known++;
        return table[i].texts[choice % known];
    }
    return choice % 2 ? "" : "x";
}

/* Bytes of the input as they are. */
static char *raw_text(struct fuzz_bytes *bytes, struct rj_arena *arena)
{
    struct fuzz_bytes raw = fuzz_take(bytes, fuzz_u8(bytes));
    return rj_arena_copy(arena, raw.at, fuzz_left(&raw));
}

static char *grow_text(const char *field, struct fuzz_bytes *bytes, const struct fuzz_seen *seen,
                       struct rj_arena *arena)
{
    const struct fuzz_texts *texts = seen_texts(seen, field);
    uint8_t choice = fuzz_u8(bytes);
    if (choice >= 0xf0)
        return raw_text(bytes, arena);
    if (choice >= 0xe8)
        return (char *)(uintptr_t)(long_text + (choice - 0xe8) * 32);
    if (texts && choice < 0xa0 && texts->list[choice % FUZZ_SEEN][0])
        return rj_arena_copy(arena, texts->list[choice % FUZZ_SEEN], strlen(texts->list[choice % FUZZ_SEEN]));
    return (char *)(uintptr_t)pick_usual(usual_texts, sizeof usual_texts / sizeof *usual_texts, field,
                                         choice);
}

static ProtobufCBinaryData grow_bytes(const char *field, struct fuzz_bytes *bytes, struct rj_arena *arena)
{
    uint8_t choice = fuzz_u8(bytes);
    const char *text = choice >= 0xe0
                           ? raw_text(bytes, arena)
                           : pick_usual(usual_bytes, sizeof usual_bytes / sizeof *usual_bytes, field, choice);
    return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

static uint64_t grow_number(const char *field, struct fuzz_bytes *bytes, const struct fuzz_seen *seen)
{
    static const uint64_t unusual[] = {UINT64_MAX, UINT32_MAX, 1000, 100000, 1ULL << 53, 1ULL << 63, 70, 10};
    const struct fuzz_numbers *numbers = seen_numbers(seen, field);
    uint8_t choice = fuzz_u8(bytes);
    if (choice >= 0xe0)
        return unusual[choice % 8];
    if (strcmp(field, "client") == 0)
        return 1 + choice % CLIENTS;
    if (numbers && choice < 0xa0)
        return numbers->list[choice % FUZZ_SEEN];
    return choice % 8;
}

/* How many of a repeated field: lists that narrow something down are usually empty, the others not. */
static size_t grow_count(const char *field, struct fuzz_bytes *bytes)
{
    uint8_t choice = fuzz_u8(bytes);
    bool is_needed =
        strcmp(field, "targets") == 0 || strcmp(field, "namespaces") == 0 || strcmp(field, "events") == 0;
    if (choice == 0xff)
        return MANY;
    return choice % 4 ? choice % 4 : is_needed;
}

static size_t size_of(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE: return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES: return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_DOUBLE: return 8;
    default: return 4;
    }
}

struct soil {
    struct fuzz_bytes *bytes;
    const struct fuzz_seen *seen;
    struct rj_arena *arena;
    unsigned depth;
};

static ProtobufCMessage *grow_message(const struct soil *soil, const ProtobufCMessageDescriptor *type,
                                      uint32_t kind);

static void grow_value(const struct soil *soil, const ProtobufCFieldDescriptor *field, void *out)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        *(char **)out = grow_text(field->name, soil->bytes, soil->seen, soil->arena);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        *(ProtobufCBinaryData *)out = grow_bytes(field->name, soil->bytes, soil->arena);
        break;
    case PROTOBUF_C_TYPE_MESSAGE: *(ProtobufCMessage **)out = grow_message(soil, field->descriptor, 0); break;
    case PROTOBUF_C_TYPE_BOOL: *(protobuf_c_boolean *)out = fuzz_u8(soil->bytes) % 4 == 1; break;
    case PROTOBUF_C_TYPE_ENUM: *(int *)out = (int)fuzz_below(soil->bytes, 5); break;
    case PROTOBUF_C_TYPE_UINT64: *(uint64_t *)out = grow_number(field->name, soil->bytes, soil->seen); break;
    case PROTOBUF_C_TYPE_UINT32:
        *(uint32_t *)out = (uint32_t)grow_number(field->name, soil->bytes, soil->seen);
        break;
    default: break; /* figures, which nobody reads from a peer */
    }
}

static void grow_list(const struct soil *soil, const ProtobufCFieldDescriptor *field, uint8_t *message)
{
    size_t n = grow_count(field->name, soil->bytes), size = size_of(field);
    uint8_t *list = rj_arena_alloc(soil->arena, (n + 1) * size);
    memset(list, 0, (n + 1) * size);
    for (size_t i = 0; i < n; i++) {
        grow_value(soil, field, list + i * size);
        if (field->type == PROTOBUF_C_TYPE_MESSAGE && !*(void **)(void *)(list + i * size))
            n = i; /* a list has no holes */
    }
    *(size_t *)(void *)(message + field->quantifier_offset) = n;
    *(void **)(void *)(message + field->offset) = list;
}

static bool is_of_oneof(const ProtobufCFieldDescriptor *field)
{
    return field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
}

static ProtobufCMessage *grow_message(const struct soil *around, const ProtobufCMessageDescriptor *type,
                                      uint32_t kind)
{
    struct soil soil = *around;
    if (soil.depth == 0 || (soil.depth < DEPTH_MAX && fuzz_seldom(soil.bytes, 16)))
        return NULL;
    soil.depth--;
    uint8_t *message = rj_arena_alloc(soil.arena, type->sizeof_message);
    type->message_init((ProtobufCMessage *)(void *)message);
    if (!kind)
        kind = fuzz_pick_kind(type, soil.bytes);
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if (is_of_oneof(field) && field->id != kind)
            continue;
        if (is_of_oneof(field))
            *(uint32_t *)(void *)(message + field->quantifier_offset) = kind;
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            grow_list(&soil, field, message);
        else
            grow_value(&soil, field, message + field->offset);
        if (is_of_oneof(field) && field->type == PROTOBUF_C_TYPE_MESSAGE &&
            !*(void **)(void *)(message + field->offset))
            *(uint32_t *)(void *)(message + field->quantifier_offset) = 0;
    }
    return (ProtobufCMessage *)(void *)message;
}

ProtobufCMessage *fuzz_grow(const ProtobufCMessageDescriptor *type, uint32_t kind, struct fuzz_bytes *bytes,
                            const struct fuzz_seen *seen, struct rj_arena *arena)
{
    struct soil soil = {bytes, seen, arena, DEPTH_MAX};
    return grow_message(&soil, type, kind);
}

uint32_t fuzz_pick_kind(const ProtobufCMessageDescriptor *type, struct fuzz_bytes *bytes)
{
    uint32_t kinds[64];
    unsigned n = 0;
    for (unsigned i = 0; i < type->n_fields && n < 64; i++)
        if (is_of_oneof(&type->fields[i]))
            kinds[n++] = type->fields[i].id;
    return n ? kinds[fuzz_below(bytes, n)] : 0;
}

/* -------------------------------------------------------------------------------------------- tidying */

static void *field_of(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return (uint8_t *)message + field->offset;
}

static size_t count_of(ProtobufCMessage *message, const char *name)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
    return field ? *(size_t *)(void *)((uint8_t *)message + field->quantifier_offset) : 0;
}

static bool is_set(ProtobufCMessage *message, const char *name)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
    return field && *(protobuf_c_boolean *)field_of(message, field);
}

static void tidy_json(ProtobufCMessage *message, const char *name, ProtobufCBinaryData *value)
{
    struct rj_span json = rj_span_of(value->data, value->len);
    bool is_array = strcmp(name, "args") == 0 || is_set(message, "plain");
    bool is_good = rj_json_check(json, RJ_JSON_DEPTH) == RJ_OK &&
                   rj_placeholders_are_valid(json, count_of(message, "attachments")) &&
                   (!is_array || rj_json_type(json) == RJ_JSON_ARRAY);
    if (!is_good)
        *value = (ProtobufCBinaryData){2, (uint8_t *)(uintptr_t) "[]"};
}

static void tidy_value(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, void *value)
{
    bool is_json = strcmp(field->name, "data") == 0 || strcmp(field->name, "args") == 0;
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        if (!rj_utf8_is_valid(rj_span_str(*(char **)value)))
            *(char **)value = (char *)(uintptr_t) "x";
        break;
    case PROTOBUF_C_TYPE_BYTES:
        if (is_json)
            tidy_json(message, field->name, value);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        if (*(ProtobufCMessage **)value)
            fuzz_tidy(*(ProtobufCMessage **)value);
        break;
    default: break;
    }
}

void fuzz_tidy(ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        uint8_t *count = (uint8_t *)message + field->quantifier_offset;
        if (is_of_oneof(field) && *(uint32_t *)(void *)count != field->id)
            continue;
        if (field->label != PROTOBUF_C_LABEL_REPEATED) {
            tidy_value(message, field, field_of(message, field));
            continue;
        }
        uint8_t *list = *(uint8_t **)field_of(message, field);
        for (size_t k = 0; k < *(size_t *)(void *)count; k++)
            tidy_value(message, field, list + k * size_of(field));
    }
}
