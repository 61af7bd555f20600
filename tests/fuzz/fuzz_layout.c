/* What the store reads back from its file. The input starts with a byte that says what it is decoded as and
 * which bit of it is flipped; a record is sealed first, so that its shape is looked at behind its checksum.
 */
#include "storage/layout.h"
#include "tests/fuzz/fuzz.h"

enum { POS = 7 };

/* A record in memory of its own size, so that a read past its end is seen. */
static uint8_t *sealed(struct rj_span bytes)
{
    uint8_t *copy = malloc(bytes.len);
    HOLDS(copy);
    memcpy(copy, bytes.data, bytes.len);
    rj_record_seal(copy, bytes.len, POS);
    return copy;
}

/* Written again it is the same, but for the checksum and for flags that this format does not know. */
static void encode_again(const struct rj_record *record, struct rj_span bytes)
{
    size_t size = rj_record_size(&record->fields);
    uint8_t *again = malloc(size);
    HOLDS(again && size == bytes.len);
    rj_record_encode(again, &record->fields);
    HOLDS(again[5] == (bytes.data[5] & 1));
    HOLDS(memcmp(again + 6, bytes.data + 6, size - 6) == 0);
    free(again);
}

static void try_record(struct rj_span bytes, size_t flipped)
{
    static struct rj_record record;
    enum { CHECKSUM = 4 };
    if (bytes.len < CHECKSUM) {
        HOLDS(rj_record_decode(bytes, POS, &record) == RJ_CORRUPT);
        return;
    }
    uint8_t *copy = sealed(bytes);
    enum rj_status status = rj_record_decode(rj_span_of(copy, bytes.len), POS, &record);
    HOLDS(status == RJ_OK || status == RJ_CORRUPT);
    if (status == RJ_OK) {
        HOLDS(record.fields.n_rooms >= 1 && record.fields.n_rooms <= RJ_STORE_ROOMS_MAX);
        encode_again(&record, rj_span_of(copy, bytes.len));
        HOLDS(rj_record_decode(rj_span_of(copy, bytes.len), POS + 1, &record) == RJ_CORRUPT);
    }
    flipped %= 8 * bytes.len;
    copy[flipped / 8] ^= (uint8_t)(1U << flipped % 8);
    HOLDS(rj_record_decode(rj_span_of(copy, bytes.len), POS, &record) == RJ_CORRUPT);
    free(copy);
}

static void try_saved(struct rj_span value)
{
    struct rj_room_saved saved;
    uint8_t again[RJ_ROOM_STATE];
    enum rj_status status = rj_layout_saved_decode(value, &saved);
    HOLDS(status == RJ_OK || status == RJ_CORRUPT);
    if (status != RJ_OK)
        return;
    rj_layout_saved_encode(again, &saved);
    HOLDS(rj_span_eq(rj_span_of(again, sizeof again), value));
}

static void try_keys(struct rj_span key)
{
    rj_room_id room;
    uint64_t seq;
    uint8_t again[RJ_INDEX_KEY];
    if (rj_layout_index_key_parse(key, &room, &seq)) {
        rj_layout_index_key(again, room, seq);
        HOLDS(rj_span_eq(rj_span_of(again, sizeof again), key));
    }
    if (rj_layout_room_key_parse(key, &room)) {
        rj_layout_room_key(again, room);
        HOLDS(rj_span_eq(rj_span_of(again, RJ_ROOM_KEY), key));
    }
}

static void try_entry(struct rj_span value)
{
    struct rj_index_entry entry;
    uint8_t again[RJ_INDEX_VALUE];
    if (!rj_layout_entry_decode(value, &entry))
        return;
    rj_layout_entry_encode(again, entry);
    HOLDS(value.len <= sizeof again && memcmp(again, value.data, value.len) == 0);
    HOLDS(value.len == sizeof again || entry.size == 0);
}

static void try_floor(struct rj_span bytes)
{
    uint8_t again[RJ_FLOOR];
    if (bytes.len < RJ_FLOOR)
        return;
    rj_layout_floor_encode(again, rj_layout_floor_decode(bytes.data));
    HOLDS(memcmp(again, bytes.data, RJ_FLOOR) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct rj_span bytes = rj_span_of(data + 3, size - 3);
    switch (data[0] % 5) {
    case 0: try_record(bytes, (size_t)data[1] << 8 | data[2]); break;
    case 1: try_saved(bytes); break;
    case 2: try_keys(bytes); break;
    case 3: try_entry(bytes); break;
    case 4: try_floor(bytes); break;
    }
    return 0;
}
