/* The bytes on disk. The golden ones below were written by format 1 and must be read for ever. */
#include "tests/support/test.h"

#include <stdlib.h>

#include "storage/layout.h"

static const rj_room_id rooms[] = {7, 0x01020304};
static const uint64_t seqs[] = {1, 0x1122334455667788};

static struct rj_store_record sample(void)
{
    return (struct rj_store_record){
        .pos = 42,
        .epoch = 0x0000000300000abc,
        .ts_ms = 1700000000123,
        .rooms = rooms,
        .seqs = seqs,
        .n_rooms = 2,
        .source = rj_span_str("src"),
        .id = rj_span_str("i"),
        .payload = rj_span_str("payload"),
    };
}

static const uint8_t golden[] = {
    0xa3, 0xc0, 0x98, 0xc6, 0x01, 0x00, 0x02, 0x00, 0xbc, 0x0a, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x7b,
    0x68, 0xe5, 0xcf, 0x8b, 0x01, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x07, 0x00,
    0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x03, 0x02, 0x01, 0x88, 0x77, 0x66,
    0x55, 0x44, 0x33, 0x22, 0x11, 0x73, 0x72, 0x63, 0x69, 0x70, 0x61, 0x79, 0x6c, 0x6f, 0x61, 0x64,
};

static void a_record_has_exactly_the_documented_bytes(void **state)
{
    (void)state;
    struct rj_store_record record = sample();
    uint8_t bytes[128];
    assert_int_equal(rj_record_size(&record), sizeof golden);
    rj_record_encode(bytes, &record);
    rj_record_seal(bytes, sizeof golden, record.pos);
    assert_memory_equal(bytes, golden, sizeof golden);
}

static void a_record_of_format_1_is_read(void **state)
{
    (void)state;
    struct rj_record record;
    assert_int_equal(rj_record_decode(rj_span_of(golden, sizeof golden), 42, &record), RJ_OK);
    assert_int_equal(record.fields.pos, 42);
    assert_int_equal(record.fields.epoch, 0x0000000300000abc);
    assert_int_equal(record.fields.ts_ms, 1700000000123);
    assert_int_equal(record.fields.n_rooms, 2);
    assert_memory_equal(record.fields.rooms, rooms, sizeof rooms);
    assert_memory_equal(record.fields.seqs, seqs, sizeof seqs);
    assert_true(rj_span_is(record.fields.source, "src"));
    assert_true(rj_span_is(record.fields.id, "i"));
    assert_true(rj_span_is(record.fields.payload, "payload"));
}

static void any_flipped_bit_is_found(void **state)
{
    (void)state;
    struct rj_record record;
    for (size_t bit = 0; bit < sizeof golden * 8; bit++) {
        uint8_t *bytes = malloc(sizeof golden); /* exact, so that ASan sees a read past the end */
        memcpy(bytes, golden, sizeof golden);
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(rj_record_decode(rj_span_of(bytes, sizeof golden), 42, &record), RJ_CORRUPT);
        free(bytes);
    }
}

static void a_record_at_another_pos_is_corrupt(void **state)
{
    (void)state;
    struct rj_record record;
    assert_int_equal(rj_record_decode(rj_span_of(golden, sizeof golden), 43, &record), RJ_CORRUPT);
}

static void a_cut_record_is_corrupt(void **state)
{
    (void)state;
    struct rj_record record;
    for (size_t len = 0; len < sizeof golden; len++) {
        uint8_t *bytes = malloc(len + 1);
        memcpy(bytes, golden, len);
        assert_int_equal(rj_record_decode(rj_span_of(bytes, len), 42, &record), RJ_CORRUPT);
        free(bytes);
    }
}

/* Shapes that a checksum cannot vouch for because whoever made them computed it: lengths past the end, no
 * rooms, too many rooms, a record format from the future. */
static void an_impossible_shape_is_corrupt(void **state)
{
    (void)state;
    const struct {
        size_t at;
        uint8_t byte;
    } bad[] = {{4, 2}, {6, 0}, {6, 65}, {7, 1}, {24, 200}, {27, 255}, {28, 200}, {31, 255}};
    struct rj_record record;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t bytes[sizeof golden];
        memcpy(bytes, golden, sizeof golden);
        bytes[bad[i].at] = bad[i].byte;
        rj_record_seal(bytes, sizeof bytes, 42);
        assert_int_equal(rj_record_decode(rj_span_of(bytes, sizeof bytes), 42, &record), RJ_CORRUPT);
    }
}

static void a_record_with_the_most_rooms_fits(void **state)
{
    (void)state;
    rj_room_id many[RJ_STORE_ROOMS_MAX];
    uint64_t numbers[RJ_STORE_ROOMS_MAX];
    for (uint32_t i = 0; i < RJ_STORE_ROOMS_MAX; i++) {
        many[i] = i + 1;
        numbers[i] = i * 3;
    }
    struct rj_store_record record = {.rooms = many, .seqs = numbers, .n_rooms = RJ_STORE_ROOMS_MAX};
    uint8_t bytes[RJ_RECORD_HEAD + RJ_RECORD_ROOM * RJ_STORE_ROOMS_MAX];
    struct rj_record read;
    assert_int_equal(rj_record_size(&record), sizeof bytes);
    rj_record_encode(bytes, &record);
    rj_record_seal(bytes, sizeof bytes, 1);
    assert_int_equal(rj_record_decode(rj_span_of(bytes, sizeof bytes), 1, &read), RJ_OK);
    assert_memory_equal(read.fields.rooms, many, sizeof many);
    assert_memory_equal(read.fields.seqs, numbers, sizeof numbers);
    assert_int_equal(read.fields.payload.len, 0);
}

static void index_keys_sort_by_room_then_number(void **state)
{
    (void)state;
    const struct {
        rj_room_id room;
        uint64_t seq;
    } ordered[] = {{1, 0}, {1, 255}, {1, 256}, {1, UINT64_MAX}, {2, 0}, {255, 9}, {256, 1}, {UINT32_MAX, 0}};
    uint8_t before[RJ_INDEX_KEY], key[RJ_INDEX_KEY];
    for (size_t i = 0; i < sizeof ordered / sizeof ordered[0]; i++) {
        rj_room_id room;
        uint64_t seq;
        rj_layout_index_key(key, ordered[i].room, ordered[i].seq);
        assert_true(rj_layout_index_key_parse(rj_span_of(key, sizeof key), &room, &seq));
        assert_int_equal(room, ordered[i].room);
        assert_int_equal(seq, ordered[i].seq);
        if (i > 0)
            assert_true(memcmp(before, key, sizeof key) < 0);
        memcpy(before, key, sizeof key);
        assert_false(rj_layout_index_key_parse(rj_span_of(key, sizeof key - 1), &room, &seq));
    }
}

static void a_saved_room_is_read_back_or_refused(void **state)
{
    (void)state;
    struct rj_room_saved saved = {.indexed_seq = 10, .floor_seq = 4, .floor_pos = 99}, read;
    uint8_t bytes[RJ_ROOM_STATE];
    rj_layout_saved_encode(bytes, &saved);
    assert_int_equal(rj_layout_saved_decode(rj_span_of(bytes, sizeof bytes), &read), RJ_OK);
    assert_memory_equal(&read, &saved, sizeof saved);
    assert_int_equal(rj_layout_saved_decode(rj_span_of(bytes, sizeof bytes - 1), &read), RJ_CORRUPT);
    saved.floor_seq = 11; /* nothing is trimmed that was not indexed */
    rj_layout_saved_encode(bytes, &saved);
    assert_int_equal(rj_layout_saved_decode(rj_span_of(bytes, sizeof bytes), &read), RJ_CORRUPT);
}

static void an_index_entry_of_either_format_is_read(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x04, 0x03, 0x02, 0x01};
    uint8_t written[RJ_INDEX_VALUE];
    struct rj_index_entry entry = {0x1122334455667788, 0x01020304};
    rj_layout_entry_encode(written, entry);
    assert_int_equal(sizeof bytes, sizeof written);
    assert_memory_equal(written, bytes, sizeof bytes);
    entry = (struct rj_index_entry){0};
    assert_true(rj_layout_entry_decode(rj_span_of(bytes, sizeof bytes), &entry));
    assert_true(entry.pos == 0x1122334455667788 && entry.size == 0x01020304);
    assert_true(rj_layout_entry_decode(rj_span_of(bytes, 8), &entry)); /* format 1: without the size */
    assert_true(entry.pos == 0x1122334455667788 && entry.size == 0);
    assert_false(rj_layout_entry_decode(rj_span_of(bytes, 9), &entry));
}

static void a_floor_has_exactly_the_documented_bytes(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x04, 0x03, 0x02, 0x01, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11};
    uint8_t written[RJ_FLOOR];
    rj_layout_floor_encode(written, (struct rj_floor){.room = 0x01020304, .seq = 0x1122334455667788});
    assert_int_equal(sizeof bytes, sizeof written);
    assert_memory_equal(written, bytes, sizeof bytes);
    struct rj_floor floor = rj_layout_floor_decode(bytes);
    assert_true(floor.room == 0x01020304 && floor.seq == 0x1122334455667788);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_record_has_exactly_the_documented_bytes),
    cmocka_unit_test(a_record_of_format_1_is_read),
    cmocka_unit_test(any_flipped_bit_is_found),
    cmocka_unit_test(a_record_at_another_pos_is_corrupt),
    cmocka_unit_test(a_cut_record_is_corrupt),
    cmocka_unit_test(an_impossible_shape_is_corrupt),
    cmocka_unit_test(a_record_with_the_most_rooms_fits),
    cmocka_unit_test(index_keys_sort_by_room_then_number),
    cmocka_unit_test(a_saved_room_is_read_back_or_refused),
    cmocka_unit_test(an_index_entry_of_either_format_is_read),
    cmocka_unit_test(a_floor_has_exactly_the_documented_bytes),
};
RJ_TEST_MAIN(tests)
