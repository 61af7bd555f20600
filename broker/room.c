#include "broker/room.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/base/json.h"
#include "proto/base/mem.h"

enum rj_status rj_room_name_check(const char *name)
{
    struct rj_span text = rj_span_str(name);
    return text.len > 0 && text.len <= RJ_ROOM_NAME_MAX && rj_utf8_is_valid(text) ? RJ_OK : RJ_BAD_NAME;
}

size_t rj_target_key(uint8_t out[static RJ_TARGET_KEY_MAX], uint8_t kind, const char *nsp, const char *name)
{
    size_t nsp_len = strlen(nsp), name_len = strlen(name);
    assert(nsp_len <= RJ_NAMESPACE_MAX && name_len <= RJ_ROOM_NAME_MAX);
    out[0] = kind;
    out[1] = (uint8_t)nsp_len;
    memcpy(out + 2, nsp, nsp_len);
    memcpy(out + 2 + nsp_len, name, name_len);
    return 2 + nsp_len + name_len;
}

struct rj_span rj_target_key_name(struct rj_span key)
{
    return key.len < 2 ? (struct rj_span){NULL, 0} : rj_span_from(key, 2 + (size_t)key.data[1]);
}

struct rj_room *rj_room_find(const struct rj_rooms *rooms, rj_room_id id)
{
    struct rj_room *room;
    HASH_FIND(hh, rooms->by_id, &id, sizeof id, room);
    return room;
}

struct rj_room *rj_room_ref(struct rj_rooms *rooms, rj_room_id id, struct rj_span key)
{
    struct rj_room *room = rj_room_find(rooms, id);
    if (!room) {
        room = rj_calloc(1, sizeof *room + key.len);
        room->id = id;
        room->key_len = key.len;
        memcpy(room->key, key.data, key.len);
        HASH_ADD(hh, rooms->by_id, id, sizeof room->id, room);
    }
    room->refs++;
    return room;
}

void rj_room_unref(struct rj_rooms *rooms, struct rj_room *room)
{
    if (--room->refs > 0)
        return;
    assert(room->members == 0);
    HASH_DELETE(hh, rooms->by_id, room);
    free(room->counts);
    free(room);
}

/* Where the count of `slot` stands (or would stand) among those of the bits set. */
static unsigned count_index(const struct rj_room *room, unsigned slot)
{
    uint64_t below = ((uint64_t)1 << slot) - 1;
    return (unsigned)__builtin_popcountll(room->gateways & below);
}

static bool has_gateway(const struct rj_room *room, unsigned slot)
{
    return room->gateways >> slot & 1;
}

static void insert_count(struct rj_room *room, unsigned slot)
{
    unsigned used = (unsigned)__builtin_popcountll(room->gateways), at = count_index(room, slot);
    if (used == room->cap_counts) {
        room->cap_counts = (uint8_t)(used ? 2 * used : 1);
        room->counts = rj_realloc(room->counts, room->cap_counts, sizeof *room->counts);
    }
    memmove(room->counts + at + 1, room->counts + at, (used - at) * sizeof *room->counts);
    room->counts[at] = 0;
    room->gateways |= (uint64_t)1 << slot;
}

static void remove_count(struct rj_room *room, unsigned slot)
{
    unsigned used = (unsigned)__builtin_popcountll(room->gateways), at = count_index(room, slot);
    memmove(room->counts + at, room->counts + at + 1, (used - at - 1) * sizeof *room->counts);
    room->gateways &= ~((uint64_t)1 << slot);
}

void rj_room_enter(struct rj_room *room, unsigned slot)
{
    if (!has_gateway(room, slot))
        insert_count(room, slot);
    room->counts[count_index(room, slot)]++;
    room->members++;
}

void rj_room_exit(struct rj_room *room, unsigned slot)
{
    assert(has_gateway(room, slot));
    room->members--;
    if (--room->counts[count_index(room, slot)] == 0)
        remove_count(room, slot);
}

uint32_t rj_room_members_at(const struct rj_room *room, unsigned slot)
{
    return has_gateway(room, slot) ? room->counts[count_index(room, slot)] : 0;
}
