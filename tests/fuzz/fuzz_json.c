#include "proto/base/json.h"
#include "tests/fuzz/fuzz.h"

/* What was decoded is written again and decoded again: the second time changes nothing. */
static void round_trip(struct rj_span value)
{
    struct rj_buf decoded = {0}, written = {0}, again = {0};
    HOLDS(rj_json_string(value, &decoded) == RJ_OK);
    HOLDS(rj_utf8_is_valid(rj_buf_span(&decoded)));
    rj_json_put_string(&written, rj_buf_span(&decoded));
    HOLDS(rj_json_check(rj_buf_span(&written), 0) == RJ_OK);
    HOLDS(rj_json_string(rj_buf_span(&written), &again) == RJ_OK);
    HOLDS(rj_span_eq(rj_buf_span(&decoded), rj_buf_span(&again)));
    if (!decoded.len || !memchr(decoded.data, 0, decoded.len))
        HOLDS(rj_json_string_is(value, rj_buf_cstr(&decoded)));
    rj_buf_free(&decoded);
    rj_buf_free(&written);
    rj_buf_free(&again);
}

/* Every value inside a valid text is a valid text. Deeper ones are left to other inputs: each level is
 * checked again, so a walk to the bottom would take quadratic time. */
static void walk(struct rj_span value, unsigned depth)
{
    struct rj_span key, inner;
    uint64_t number;
    bool flag;
    HOLDS(rj_json_check(value, RJ_JSON_DEPTH) == RJ_OK);
    HOLDS(rj_span_eq(rj_json_trim(value), value));
    enum rj_json_type type = rj_json_type(value);
    HOLDS(!rj_json_u64(value, &number) || (type == RJ_JSON_NUMBER && number < UINT64_C(1) << 53));
    HOLDS(rj_json_bool(value, &flag) == (type == RJ_JSON_BOOL));
    if (type == RJ_JSON_STRING)
        round_trip(value);
    if (depth == 0)
        return;
    for (struct rj_json_iter iter = rj_json_iter(value); rj_json_next_element(&iter, &inner);) {
        HOLDS(type == RJ_JSON_ARRAY);
        walk(inner, depth - 1);
    }
    for (struct rj_json_iter iter = rj_json_iter(value); rj_json_next_member(&iter, &key, &inner);) {
        HOLDS(type == RJ_JSON_OBJECT);
        HOLDS(rj_json_type(key) == RJ_JSON_STRING);
        walk(key, 0);
        walk(inner, depth - 1);
    }
}

/* The readers want checked text; given anything else they must still stay inside it and come to an end. */
static void read_unchecked(struct rj_span text)
{
    struct rj_span key, value;
    struct rj_buf out = {0};
    uint64_t number;
    for (struct rj_json_iter iter = rj_json_iter(text); rj_json_next_element(&iter, &value);)
        rj_json_u64(value, &number);
    for (struct rj_json_iter iter = rj_json_iter(text); rj_json_next_member(&iter, &key, &value);)
        rj_json_string_is(key, "room");
    rj_json_get(text, "room", &value);
    rj_json_string(text, &out);
    rj_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rj_span text = rj_span_of(data, size);
    struct rj_buf written = {0};
    enum rj_status status = rj_json_check(text, RJ_JSON_DEPTH);
    HOLDS(status == RJ_OK || status == RJ_BAD_REQUEST || status == RJ_TOO_LARGE);
    HOLDS(status == RJ_BAD_REQUEST || rj_utf8_is_valid(text));
    if (status == RJ_OK)
        walk(rj_json_trim(text), 4);
    read_unchecked(text);
    rj_json_put_string(&written, text);
    HOLDS(rj_json_check(rj_buf_span(&written), 0) == RJ_OK);
    rj_buf_free(&written);
    return 0;
}
