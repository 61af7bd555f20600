#include "broker/rooms/room.h"

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

#include "broker/base/names.h"
#include "proto/base/mem.h"
#include "rejoin.pb-c.h"

enum rj_status rj_room_name_check(const char *name)
{
    return rj_name_is_valid(name, RJ_ROOM_NAME_MAX) ? RJ_OK : RJ_BAD_NAME;
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

bool rj_target_key_is_room_of(struct rj_span key, const char *nsp)
{
    size_t len = strlen(nsp);
    return key.len >= 2 + len && key.data[0] == REJOIN__TARGET__KIND__ROOM && key.data[1] == len &&
           memcmp(key.data + 2, nsp, len) == 0;
}

struct rj_room *rj_room_find(const struct rj_rooms *rooms, rj_room_id id)
{
    struct rj_room *room;
    HASH_FIND(hh, rooms->by_id, &id, sizeof id, room);
    return room;
}

static void list(struct rj_rooms *rooms, struct rj_room *room)
{
    if (rooms->n == rooms->cap) {
        rooms->cap = rooms->cap ? 2 * rooms->cap : 16;
        rooms->list = rj_realloc(rooms->list, rooms->cap, sizeof(struct rj_room *));
    }
    room->place = rooms->n;
    rooms->list[rooms->n++] = room;
}

static void unlist(struct rj_rooms *rooms, const struct rj_room *room)
{
    struct rj_room *last = rooms->list[--rooms->n];
    rooms->list[room->place] = last;
    last->place = room->place;
    if (rooms->n)
        return;
    free(rooms->list);
    rooms->list = NULL;
    rooms->cap = 0;
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
        list(rooms, room);
    }
    room->refs++;
    return room;
}

void rj_room_unref(struct rj_rooms *rooms, struct rj_room *room)
{
    if (--room->refs > 0)
        return;
    assert(room->members.n == 0);
    HASH_DELETE(hh, rooms->by_id, room);
    unlist(rooms, room);
    free(room);
}

uint64_t rj_room_gateways(const struct rj_room *room)
{
    uint64_t mask = room->members.gateways;
    for (const struct rj_parting *parting = room->partings; parting; parting = parting->next)
        mask |= (uint64_t)1 << parting->slot;
    return mask;
}

struct rj_parting *rj_room_part(struct rj_rooms *rooms, struct rj_room *room, unsigned slot)
{
    struct rj_parting *parting = rj_alloc(sizeof *parting);
    *parting = (struct rj_parting){.rooms = rooms, .room = room, .slot = slot};
    room->refs++;
    DL_APPEND(room->partings, parting);
    return parting;
}

void rj_room_parted(struct rj_parting *parting)
{
    DL_DELETE(parting->room->partings, parting);
    rj_room_unref(parting->rooms, parting->room);
    free(parting);
}
