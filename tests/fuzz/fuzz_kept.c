/* What the broker reads back from the store: the record of a session (input starts with an even byte) and of
 * a group of backends (odd; then a byte for the length of its name, the name, the record).
 */
#include "broker/serving/group.h"
#include "broker/sessions/session_store.h"
#include "tests/fuzz/fuzz.h"

static void try_session(struct rj_span bytes)
{
    struct rj_session_record record, read;
    struct rj_buf written = {0}, again = {0};
    enum rj_status status = rj_session_record_decode(bytes, &record);
    HOLDS(status == RJ_OK || status == RJ_CORRUPT || status == RJ_VERSION);
    if (status == RJ_OK) {
        rj_session_record_encode(&record, &written);
        HOLDS(written.len >= bytes.len); /* an older format says less */
        HOLDS(rj_session_record_decode(rj_buf_span(&written), &read) == RJ_OK);
        rj_session_record_encode(&read, &again);
        HOLDS(rj_span_eq(rj_buf_span(&written), rj_buf_span(&again)));
    }
    rj_buf_free(&written);
    rj_buf_free(&again);
}

static void try_group(struct rj_span name, struct rj_span bytes)
{
    struct rj_arena arena = {0};
    struct rj_buf written = {0};
    struct rj_group *group, *read;
    bool is_served, was_served;
    enum rj_status status = rj_group_record_decode(name, bytes, &arena, &is_served, &group);
    HOLDS(status == RJ_OK || status == RJ_CORRUPT || status == RJ_VERSION);
    if (status == RJ_OK) {
        HOLDS(rj_span_is(name, group->name));
        HOLDS(group->namespaces.n >= 1 && group->namespaces.n <= RJ_GROUP_PATTERNS_MAX);
        rj_group_serves_namespace(group, "/chat");
        rj_group_takes_event(group, "message");
        rj_group_record_encode(group, is_served, group->seen_ms, &written);
        HOLDS(rj_group_record_decode(name, rj_buf_span(&written), &arena, &was_served, &read) == RJ_OK);
        HOLDS(was_served == is_served && read->seen_ms == group->seen_ms);
        HOLDS(rj_span_eq(rj_buf_span(&read->said), rj_buf_span(&group->said)));
        rj_group_free(read);
        rj_group_free(group);
    }
    rj_buf_free(&written);
    rj_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    if (data[0] % 2 == 0) {
        try_session(rj_span_of(data + 1, size - 1));
        return 0;
    }
    size_t name_len = data[1] < size - 2 ? data[1] : size - 2;
    try_group(rj_span_of(data + 2, name_len), rj_span_of(data + 2 + name_len, size - 2 - name_len));
    return 0;
}
