#include "storage/rooms.h"

#include <stdlib.h>

#include "proto/base/mem.h"
#include "proto/base/random.h"
#include "storage/index.h"
#include "storage/layout.h"

void rj_store_rooms_init(struct rj_store_rooms *rooms, struct rj_env *env, uint64_t trim_pos)
{
    uint64_t next_id = 1;
    *rooms = (struct rj_store_rooms){.env = env, .trim_pos = trim_pos, .seed = rj_random_u64()};
    struct rj_reader reader = rj_env_read(env);
    rj_env_meta_get(env, reader.txn, RJ_META_NEXT_ROOM, &next_id);
    rj_env_read_done(env, &reader);
    rooms->next_id = (rj_room_id)next_id;
}

static void free_room(struct rj_store_room *room)
{
    if (!room)
        return;
    free(room->key);
    free(room->pending);
    free(room);
}

void rj_store_rooms_free(struct rj_store_rooms *rooms)
{
    for (size_t i = 0; i < rooms->cap; i++)
        free_room(rooms->by_id[i]);
    free(rooms->by_id);
    free(rooms->dirty);
    rj_hash_free(&rooms->names);
    *rooms = (struct rj_store_rooms){0};
}

static void make_place(struct rj_store_rooms *rooms, rj_room_id id)
{
    size_t cap = rooms->cap ? rooms->cap : 1024;
    if (id < rooms->cap)
        return;
    while (cap <= id)
        cap *= 2;
    rooms->by_id = rj_realloc(rooms->by_id, cap, sizeof(struct rj_store_room *));
    rooms->dirty = rj_realloc(rooms->dirty, cap / 64, sizeof(uint64_t));
    memset(rooms->by_id + rooms->cap, 0, (cap - rooms->cap) * sizeof(struct rj_store_room *));
    memset(rooms->dirty + rooms->cap / 64, 0, (cap - rooms->cap) / 64 * sizeof(uint64_t));
    rooms->cap = cap;
}

/* ------------------------------------------------------------------------------------------ loading */

static struct rj_room_saved read_saved(struct rj_env *env, const struct rj_reader *reader, rj_room_id id)
{
    struct rj_room_saved saved = {.indexed_seq = 1, .floor_seq = 1};
    uint8_t name[RJ_ROOM_KEY];
    rj_layout_room_key(name, id);
    MDB_val key = rj_val(name, sizeof name), value;
    int rc = mdb_get(reader->txn, env->room_states, &key, &value);
    if (rc == 0 && rj_layout_saved_decode(rj_val_span(value), &saved))
        rc = MDB_CORRUPTED;
    if (rc && rc != MDB_NOTFOUND)
        rj_env_fail("loading a room", rc);
    return saved;
}

/* The entries of the room that are trimmed but still in the index show how far its floor has risen since it
 * was saved: their positions ascend, so the last one at or below trim_pos is found by halving. */
static void find_floor(struct rj_store_room *room, const struct rj_reader *reader, uint64_t trim_pos)
{
    uint64_t low = room->first_seq > room->floor_seq ? room->first_seq : room->floor_seq;
    uint64_t high = room->indexed_seq;
    while (low < high) {
        uint64_t mid = low + (high - low) / 2, pos;
        if (!rj_index_lookup(reader, room->id, mid, &pos))
            rj_env_fail("loading a room", MDB_CORRUPTED);
        if (pos <= trim_pos) {
            rj_store_room_raise_floor(room, mid, pos);
            low = mid + 1;
        } else {
            high = mid;
        }
    }
}

static struct rj_store_room *load(struct rj_store_rooms *rooms, rj_room_id id)
{
    struct rj_store_room *room = rj_calloc(1, sizeof *room);
    struct rj_reader reader = rj_env_read(rooms->env);
    struct rj_room_saved saved = read_saved(rooms->env, &reader, id);
    struct rj_index_range range;
    room->id = id;
    room->floor_seq = room->saved_floor_seq = saved.floor_seq;
    room->floor_pos = room->head_pos = saved.floor_pos;
    room->first_seq = room->indexed_seq = saved.indexed_seq;
    if (rj_index_range(&reader, id, &range)) {
        room->first_seq = range.first_seq;
        room->indexed_seq = range.last_seq + 1;
        room->head_pos = range.last_pos;
        if (range.first_pos <= rooms->trim_pos)
            find_floor(room, &reader, rooms->trim_pos);
    }
    rj_env_read_done(rooms->env, &reader);
    room->head_seq = room->accepted_seq = room->indexed_seq - 1;
    rooms->by_id[id] = room;
    if (room->first_seq < room->floor_seq)
        rj_store_rooms_mark(rooms, id);
    return room;
}

struct rj_store_room *rj_store_rooms_loaded(const struct rj_store_rooms *rooms, rj_room_id id)
{
    return id < rooms->cap ? rooms->by_id[id] : NULL;
}

struct rj_store_room *rj_store_rooms_get(struct rj_store_rooms *rooms, rj_room_id id)
{
    struct rj_store_room *room = rj_store_rooms_loaded(rooms, id);
    if (room)
        return room;
    if (id == 0 || id >= rooms->next_id)
        abort();
    make_place(rooms, id);
    return load(rooms, id);
}

/* ------------------------------------------------------------------------------------------ keys */

static void remember_key(struct rj_store_rooms *rooms, struct rj_store_room *room, struct rj_span key)
{
    room->key = (uint8_t *)rj_strndup((const char *)key.data, key.len);
    room->key_len = (uint32_t)key.len;
    rj_hash_insert(&rooms->names, rj_hash(rooms->seed, key), room->id);
}

static struct rj_store_room *find_known(const struct rj_store_rooms *rooms, struct rj_span key)
{
    uint64_t hash = rj_hash(rooms->seed, key), id;
    size_t cursor = 0;
    while ((id = rj_hash_next(&rooms->names, hash, &cursor))) {
        struct rj_store_room *room = rooms->by_id[id];
        if (rj_span_eq(key, rj_span_of(room->key, room->key_len)))
            return room;
    }
    return NULL;
}

static rj_room_id find_stored(struct rj_store_rooms *rooms, struct rj_span key)
{
    struct rj_reader reader = rj_env_read(rooms->env);
    MDB_val name = rj_val(key.data, key.len), value;
    int rc = mdb_get(reader.txn, rooms->env->rooms, &name, &value);
    if (rc == 0 && value.mv_size != sizeof(uint32_t))
        rc = MDB_CORRUPTED;
    if (rc && rc != MDB_NOTFOUND)
        rj_env_fail("looking up a room", rc);
    rj_room_id id = rc ? 0 : rj_get_u32(value.mv_data);
    rj_env_read_done(rooms->env, &reader);
    return id;
}

struct rj_store_room *rj_store_rooms_find(struct rj_store_rooms *rooms, struct rj_span key)
{
    struct rj_store_room *room = find_known(rooms, key);
    if (room)
        return room;
    rj_room_id id = find_stored(rooms, key);
    if (!id)
        return NULL;
    room = rj_store_rooms_get(rooms, id);
    remember_key(rooms, room, key);
    return room;
}

struct rj_store_room *rj_store_rooms_add(struct rj_store_rooms *rooms, struct rj_span key)
{
    rj_room_id id = rooms->next_id++;
    struct rj_store_room *room = rj_calloc(1, sizeof *room);
    make_place(rooms, id);
    room->id = id;
    room->floor_seq = room->saved_floor_seq = room->first_seq = room->indexed_seq = 1;
    rooms->by_id[id] = room;
    remember_key(rooms, room, key);
    return room;
}

/* ------------------------------------------------------------------------------------------ marks, floors */

void rj_store_rooms_mark(struct rj_store_rooms *rooms, rj_room_id id)
{
    make_place(rooms, id);
    rooms->dirty[id / 64] |= (uint64_t)1 << (id % 64);
}

void rj_store_rooms_unmark(struct rj_store_rooms *rooms, rj_room_id id)
{
    rooms->dirty[id / 64] &= ~((uint64_t)1 << (id % 64));
}

rj_room_id rj_store_rooms_next_marked(const struct rj_store_rooms *rooms, rj_room_id from)
{
    if (from >= rooms->cap)
        return 0;
    size_t word = from / 64, words = rooms->cap / 64;
    uint64_t bits = rooms->dirty[word] & (UINT64_MAX << (from % 64));
    while (!bits && ++word < words)
        bits = rooms->dirty[word];
    return bits ? (rj_room_id)(word * 64 + (size_t)__builtin_ctzll(bits)) : 0;
}

void rj_store_room_raise_floor(struct rj_store_room *room, uint64_t seq, uint64_t pos)
{
    if (seq < room->floor_seq)
        return;
    room->floor_seq = seq + 1;
    room->floor_pos = pos;
}
