#include "gateway/mirror.h"

#include <stdlib.h>

#include "gateway/clients.h"
#include "proto/base/mem.h"

static size_t write_key(struct rj_mirror *mirror, const char *nsp, const char *room)
{
    rj_buf_clear(&mirror->scratch);
    rj_buf_put(&mirror->scratch, nsp, strlen(nsp) + 1);
    rj_buf_put(&mirror->scratch, room, strlen(room) + 1);
    return mirror->scratch.len;
}

struct rj_mirror_room *rj_mirror_find(struct rj_mirror *mirror, const char *nsp, const char *name)
{
    struct rj_mirror_room *room;
    size_t len = write_key(mirror, nsp, name);
    HASH_FIND(hh, mirror->rooms, mirror->scratch.data, len, room);
    return room;
}

const char *rj_mirror_room_name(const struct rj_mirror_room *room)
{
    return room->key + room->nsp_len + 1;
}

static struct rj_mirror_room *find_or_add(struct rj_mirror *mirror, const char *nsp, const char *name)
{
    struct rj_mirror_room *room = rj_mirror_find(mirror, nsp, name);
    if (room)
        return room;
    size_t len = mirror->scratch.len;
    room = rj_calloc(1, sizeof *room + len);
    memcpy(room->key, mirror->scratch.data, len);
    room->key_len = len;
    room->nsp_len = (uint32_t)strlen(nsp);
    HASH_ADD_KEYPTR(hh, mirror->rooms, room->key, len, room);
    return room;
}

static struct rj_membership *find_membership(const struct rj_client *client,
                                             const struct rj_mirror_room *room)
{
    for (uint32_t i = 0; i < client->n_rooms; i++)
        if (client->rooms[i].room == room)
            return &client->rooms[i];
    return NULL;
}

const struct rj_member *rj_mirror_member(const struct rj_mirror_room *room, const struct rj_client *client)
{
    const struct rj_membership *membership = find_membership(client, room);
    return membership ? &room->members[membership->at] : NULL;
}

static void add_member(struct rj_mirror_room *room, struct rj_client *client, uint64_t since_pos)
{
    if (room->n_members == room->cap_members) {
        room->cap_members = room->cap_members ? room->cap_members * 2 : 2;
        room->members = rj_realloc(room->members, room->cap_members, sizeof *room->members);
    }
    if (client->n_rooms == client->cap_rooms) {
        client->cap_rooms = client->cap_rooms ? client->cap_rooms * 2 : 2;
        client->rooms = rj_realloc(client->rooms, client->cap_rooms, sizeof *client->rooms);
    }
    client->rooms[client->n_rooms] = (struct rj_membership){room, room->n_members};
    room->members[room->n_members] = (struct rj_member){client, since_pos, client->n_rooms};
    client->n_rooms++;
    room->n_members++;
}

void rj_mirror_join(struct rj_mirror *mirror, struct rj_client *client, const char *name, uint64_t since_pos)
{
    struct rj_mirror_room *room = find_or_add(mirror, client->nsp, name);
    struct rj_membership *membership = find_membership(client, room);
    if (!membership) {
        add_member(room, client, since_pos);
        return;
    }
    struct rj_member *member = &room->members[membership->at];
    if (since_pos < member->since_pos)
        member->since_pos = since_pos;
}

/* Both arrays stay dense: the last entry takes the free place, and its other half is told. */
static void drop_membership(struct rj_mirror *mirror, struct rj_client *client, uint32_t index)
{
    struct rj_mirror_room *room = client->rooms[index].room;
    uint32_t at = client->rooms[index].at;

    room->members[at] = room->members[--room->n_members];
    if (at < room->n_members)
        room->members[at].client->rooms[room->members[at].back].at = at;

    client->rooms[index] = client->rooms[--client->n_rooms];
    if (index < client->n_rooms)
        client->rooms[index].room->members[client->rooms[index].at].back = index;

    if (room->n_members == 0) {
        HASH_DEL(mirror->rooms, room);
        free(room->members);
        free(room);
    }
}

void rj_mirror_leave(struct rj_mirror *mirror, struct rj_client *client, const char *name)
{
    struct rj_mirror_room *room = rj_mirror_find(mirror, client->nsp, name);
    struct rj_membership *membership = room ? find_membership(client, room) : NULL;
    if (membership)
        drop_membership(mirror, client, (uint32_t)(membership - client->rooms));
}

void rj_mirror_leave_all(struct rj_mirror *mirror, struct rj_client *client)
{
    while (client->n_rooms)
        drop_membership(mirror, client, client->n_rooms - 1);
    free(client->rooms);
    client->rooms = NULL;
    client->cap_rooms = 0;
}

void rj_mirror_free(struct rj_mirror *mirror)
{
    struct rj_mirror_room *room, *next;
    HASH_ITER (hh, mirror->rooms, room, next) {
        HASH_DEL(mirror->rooms, room);
        free(room->members);
        free(room);
    }
    rj_buf_free(&mirror->scratch);
}
