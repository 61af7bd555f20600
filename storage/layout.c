#include "storage/layout.h"

#include <endian.h>
#include <isa-l/crc.h>

uint64_t rj_get_u64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return le64toh(value);
}

void rj_put_u64(uint8_t *bytes, uint64_t value)
{
    value = htole64(value);
    memcpy(bytes, &value, sizeof value);
}

uint32_t rj_get_u32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return le32toh(value);
}

void rj_put_u32(uint8_t *bytes, uint32_t value)
{
    value = htole32(value);
    memcpy(bytes, &value, sizeof value);
}

static void put_bytes(uint8_t **at, struct rj_span span)
{
    if (span.len)
        memcpy(*at, span.data, span.len);
    *at += span.len;
}

void rj_layout_room_key(uint8_t out[static RJ_ROOM_KEY], rj_room_id room)
{
    uint32_t sortable = htobe32(room);
    memcpy(out, &sortable, sizeof sortable);
}

bool rj_layout_room_key_parse(struct rj_span key, rj_room_id *room)
{
    uint32_t sortable;
    if (key.len != RJ_ROOM_KEY)
        return false;
    memcpy(&sortable, key.data, sizeof sortable);
    *room = be32toh(sortable);
    return true;
}

void rj_layout_entry_encode(uint8_t out[static RJ_INDEX_VALUE], struct rj_index_entry entry)
{
    rj_put_u64(out, entry.pos);
    rj_put_u32(out + 8, entry.size);
}

bool rj_layout_entry_decode(struct rj_span value, struct rj_index_entry *out)
{
    if (value.len != RJ_INDEX_VALUE && value.len != sizeof out->pos)
        return false;
    *out = (struct rj_index_entry){
        .pos = rj_get_u64(value.data),
        .size = value.len == RJ_INDEX_VALUE ? rj_get_u32(value.data + 8) : 0,
    };
    return true;
}

void rj_layout_floor_encode(uint8_t out[static RJ_FLOOR], struct rj_floor floor)
{
    rj_put_u32(out, floor.room);
    rj_put_u64(out + 4, floor.seq);
}

struct rj_floor rj_layout_floor_decode(const uint8_t bytes[static RJ_FLOOR])
{
    return (struct rj_floor){.room = rj_get_u32(bytes), .seq = rj_get_u64(bytes + 4)};
}

void rj_layout_index_key(uint8_t out[static RJ_INDEX_KEY], rj_room_id room, uint64_t seq)
{
    uint64_t sortable = htobe64(seq);
    rj_layout_room_key(out, room);
    memcpy(out + RJ_ROOM_KEY, &sortable, sizeof sortable);
}

bool rj_layout_index_key_parse(struct rj_span key, rj_room_id *room, uint64_t *seq)
{
    uint32_t sortable_room;
    uint64_t sortable_seq;
    if (key.len != RJ_INDEX_KEY)
        return false;
    memcpy(&sortable_room, key.data, sizeof sortable_room);
    memcpy(&sortable_seq, key.data + RJ_ROOM_KEY, sizeof sortable_seq);
    *room = be32toh(sortable_room);
    *seq = be64toh(sortable_seq);
    return true;
}

void rj_layout_saved_encode(uint8_t out[static RJ_ROOM_STATE], const struct rj_room_saved *saved)
{
    rj_put_u64(out, saved->indexed_seq);
    rj_put_u64(out + 8, saved->floor_seq);
    rj_put_u64(out + 16, saved->floor_pos);
}

enum rj_status rj_layout_saved_decode(struct rj_span value, struct rj_room_saved *out)
{
    if (value.len != RJ_ROOM_STATE)
        return RJ_CORRUPT;
    struct rj_room_saved saved = {
        .indexed_seq = rj_get_u64(value.data),
        .floor_seq = rj_get_u64(value.data + 8),
        .floor_pos = rj_get_u64(value.data + 16),
    };
    if (saved.floor_seq == 0 || saved.floor_seq > saved.indexed_seq)
        return RJ_CORRUPT;
    *out = saved;
    return RJ_OK;
}

size_t rj_record_size(const struct rj_store_record *record)
{
    return RJ_RECORD_HEAD + RJ_RECORD_ROOM * record->n_rooms + record->source.len + record->id.len +
           record->payload.len;
}

void rj_record_encode(uint8_t *out, const struct rj_store_record *record)
{
    uint16_t n_rooms = htole16((uint16_t)record->n_rooms);
    rj_put_u32(out, 0);
    out[4] = RJ_RECORD_FORMAT;
    out[5] = record->is_brief;
    memcpy(out + 6, &n_rooms, sizeof n_rooms);
    rj_put_u64(out + 8, record->epoch);
    rj_put_u64(out + 16, record->ts_ms);
    rj_put_u32(out + 24, (uint32_t)record->source.len);
    rj_put_u32(out + 28, (uint32_t)record->id.len);
    uint8_t *at = out + RJ_RECORD_HEAD;
    for (size_t i = 0; i < record->n_rooms; i++, at += RJ_RECORD_ROOM) {
        rj_put_u32(at, record->rooms[i]);
        rj_put_u64(at + 4, record->seqs[i]);
    }
    put_bytes(&at, record->source);
    put_bytes(&at, record->id);
    put_bytes(&at, record->payload);
}

/* ISA-L takes an int length and a pointer that is not const, though it only reads. */
static uint32_t crc_more(uint32_t crc, const uint8_t *bytes, size_t len)
{
    enum { STEP = 1 << 30 };
    for (; len > STEP; bytes += STEP, len -= STEP)
        crc = crc32_iscsi((unsigned char *)(uintptr_t)bytes, STEP, crc);
    return crc32_iscsi((unsigned char *)(uintptr_t)bytes, (int)len, crc);
}

static uint32_t record_crc(const uint8_t *bytes, size_t len, uint64_t pos)
{
    uint8_t key[8];
    rj_put_u64(key, pos);
    return ~crc_more(crc_more(UINT32_MAX, key, sizeof key), bytes + 4, len - 4);
}

void rj_record_seal(uint8_t *bytes, size_t len, uint64_t pos)
{
    rj_put_u32(bytes, record_crc(bytes, len, pos));
}

enum rj_status rj_record_decode_open(struct rj_span bytes, uint64_t pos, struct rj_record *out)
{
    if (bytes.len < RJ_RECORD_HEAD || bytes.data[4] != RJ_RECORD_FORMAT)
        return RJ_CORRUPT;
    uint16_t n_rooms_le;
    memcpy(&n_rooms_le, bytes.data + 6, sizeof n_rooms_le);
    size_t n_rooms = le16toh(n_rooms_le);
    uint64_t source_len = rj_get_u32(bytes.data + 24);
    uint64_t id_len = rj_get_u32(bytes.data + 28);
    uint64_t before_payload = RJ_RECORD_HEAD + RJ_RECORD_ROOM * n_rooms + source_len + id_len;
    if (n_rooms == 0 || n_rooms > RJ_STORE_ROOMS_MAX || before_payload > bytes.len)
        return RJ_CORRUPT;

    const uint8_t *at = bytes.data + RJ_RECORD_HEAD;
    for (size_t i = 0; i < n_rooms; i++, at += RJ_RECORD_ROOM) {
        out->rooms[i] = rj_get_u32(at);
        out->seqs[i] = rj_get_u64(at + 4);
    }
    out->fields = (struct rj_store_record){
        .pos = pos,
        .epoch = rj_get_u64(bytes.data + 8),
        .ts_ms = rj_get_u64(bytes.data + 16),
        .rooms = out->rooms,
        .seqs = out->seqs,
        .n_rooms = n_rooms,
        .source = rj_span_of(at, source_len),
        .id = rj_span_of(at + source_len, id_len),
        .payload = rj_span_from(bytes, before_payload),
        .is_brief = bytes.data[5] & 1,
    };
    return RJ_OK;
}

enum rj_status rj_record_decode(struct rj_span bytes, uint64_t pos, struct rj_record *out)
{
    if (bytes.len < RJ_RECORD_HEAD || rj_get_u32(bytes.data) != record_crc(bytes.data, bytes.len, pos))
        return RJ_CORRUPT;
    return rj_record_decode_open(bytes, pos, out);
}
