/* The bytes on disk: every key and every value of the store, and nothing else knows them. All functions are
 * pure. Integers are little-endian, except in keys that must sort by number (big-endian there; the log's own
 * key is LMDB's native 8-byte integer).
 *
 * Checklist for a change of the format
 *   1. Old stores must still be read or be refused: raise RJ_FORMAT when an older program would misread the
 *      new bytes (it answers RJ_VERSION), and keep decoding what the older one wrote, or migrate at open.
 *   2. A record's own shape has its own number (RJ_RECORD_FORMAT, first byte behind the checksum): records of
 *      several shapes may stand in one log.
 *   3. The checksum covers everything: a new field needs no thought, a field outside of the record does.
 *   4. Keys: at most 511 bytes with their prefix (LMDB's limit), sorting as the reader walks them.
 *   5. A value above 2,022 bytes costs whole pages (2,023 bytes take 4,125).
 *   6. test_layout.c holds bytes written by every format; add the new one, never edit an old one.
 */
#ifndef RJ_LAYOUT_H
#define RJ_LAYOUT_H

#include "storage/store.h"

enum {
    RJ_FORMAT = 3,        /* of the whole store, in the meta table; migrate.h says what each one brought */
    RJ_RECORD_FORMAT = 1, /* of one record */
};

/* ------------------------------------------------------------------------------------------ tables
 *
 *   table    key                        value
 *   log      pos (native u64)           record, see below
 *   ridx     room u32 BE, seq u64 BE    pos u64, size of the record u32 (format 1: the pos alone)
 *   rooms    the room's key             id u32
 *   names    id u32 BE                  the room's key (from format 2 on)
 *   roomst   room u32 BE                room state, see below
 *   floors   number (native u64)        floors that were raised and may not be in roomst yet, {room u32,
 *                                       floor_seq u64} each (from format 2 on)
 *   receipts pos (native u64)           of a deleted record whose id is known: the same without its payload
 *                                       (from format 2 on)
 *   epochs   epoch (native u64)         first pos of the epoch u64
 *   meta     RJ_META_…                  u64
 *   session, cursor, service: the caller's key   version u64, then the caller's value
 *
 * A room id below RJ_META_NEXT_ROOM that has no name is that of a room that was forgotten (from format 3 on):
 * it has let go of whatever a record still says of it.
 */
#define RJ_META_FORMAT "format"
#define RJ_META_SCAN_FROM                                                                                    \
    "scan_from" /* every record below this pos stands in ridx, as far as it is not trimmed */
#define RJ_META_TRIM_POS  "trim_pos"  /* every record up to this pos counts as trimmed; 0 = none */
#define RJ_META_NEXT_ROOM "next_room" /* the id that the next new room gets */
#define RJ_META_LAST_POS  "last_pos"  /* the log went up to here at least, though its end was deleted */
#define RJ_META_COPY      "copy"      /* 1: a backup that was not opened since it was taken */
#define RJ_META_RESTORED  "restored"  /* the epoch that a restored backup was first opened under; 0 = none */
/* The rooms that were forgotten had nothing above this pos, which their states cannot tell any more */
#define RJ_META_ERASED_POS "erased_pos"
#define RJ_META_LIMITS     "limits_id" /* the rj_store_options.limits_id that every room was brought under */
/* With the age in ms behind it: each record up to this pos was looked at by the walk of that age (retain.h)
 */
#define RJ_META_AGE "age_"

uint64_t rj_get_u64(const uint8_t *bytes);
void rj_put_u64(uint8_t *bytes, uint64_t value);
uint32_t rj_get_u32(const uint8_t *bytes);
void rj_put_u32(uint8_t *bytes, uint32_t value);

enum { RJ_INDEX_KEY = 12, RJ_INDEX_VALUE = 12, RJ_ROOM_KEY = 4, RJ_ROOM_STATE = 24, RJ_FLOOR = 12 };

void rj_layout_index_key(uint8_t out[static RJ_INDEX_KEY], rj_room_id room, uint64_t seq);
/* False when `key` has another length. */
bool rj_layout_index_key_parse(struct rj_span key, rj_room_id *room, uint64_t *seq);

struct rj_index_entry {
    uint64_t pos;
    uint32_t size; /* bytes of the record as it stands in the log; 0 = not known (format 1) */
};

void rj_layout_entry_encode(uint8_t out[static RJ_INDEX_VALUE], struct rj_index_entry entry);
/* False when `value` has no length that an entry can have. */
bool rj_layout_entry_decode(struct rj_span value, struct rj_index_entry *out);

void rj_layout_room_key(uint8_t out[static RJ_ROOM_KEY], rj_room_id room);
bool rj_layout_room_key_parse(struct rj_span key, rj_room_id *room);

/* A floor that was raised: everything of the room below `seq` is trimmed. */
struct rj_floor {
    rj_room_id room;
    enum rj_trim_reason reason; /* not stored */
    uint64_t seq;
};

void rj_layout_floor_encode(uint8_t out[static RJ_FLOOR], struct rj_floor floor);
struct rj_floor rj_layout_floor_decode(const uint8_t bytes[static RJ_FLOOR]);

/* What a room's index can no longer tell once its entries have been deleted. */
struct rj_room_saved {
    uint64_t indexed_seq; /* each seq below this had its index entry written */
    uint64_t floor_seq;   /* as in struct rj_room_state */
    uint64_t floor_pos;
};

void rj_layout_saved_encode(uint8_t out[static RJ_ROOM_STATE], const struct rj_room_saved *saved);
enum rj_status rj_layout_saved_decode(struct rj_span value, struct rj_room_saved *out);

/* ------------------------------------------------------------------------------------------ records
 *
 *   0   u32  crc32c over the pos (u64) and every byte behind this field
 *   4   u8   RJ_RECORD_FORMAT
 *   5   u8   flags: 1 = the id is known briefly
 *   6   u16  number of rooms
 *   8   u64  epoch
 *   16  u64  ts_ms
 *   24  u32  length of the source
 *   28  u32  length of the id
 *   32       rooms: {u32 room, u64 seq} each
 *            source, id, payload (all that is left)
 */
enum { RJ_RECORD_HEAD = 32, RJ_RECORD_ROOM = 12 };

/* A decoded record with the memory of its room list; the spans point into the bytes decoded. */
struct rj_record {
    struct rj_store_record fields;
    rj_room_id rooms[RJ_STORE_ROOMS_MAX];
    uint64_t seqs[RJ_STORE_ROOMS_MAX];
};

size_t rj_record_size(const struct rj_store_record *record);

/* Writes rj_record_size bytes, the checksum left open. */
void rj_record_encode(uint8_t *out, const struct rj_store_record *record);

/* Fills in the checksum. */
void rj_record_seal(uint8_t *bytes, size_t len, uint64_t pos);

/* RJ_CORRUPT when the checksum or the shape is wrong. `out` must not be moved afterwards: fields point into
 * it. */
enum rj_status rj_record_decode(struct rj_span bytes, uint64_t pos, struct rj_record *out);

/* The same for a record that is not sealed yet. */
enum rj_status rj_record_decode_open(struct rj_span bytes, uint64_t pos, struct rj_record *out);

#endif
