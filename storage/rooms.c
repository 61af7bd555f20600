#include "storage/rooms.h"

#include <stdlib.h>

#include "proto/base/mem.h"
#include "proto/base/random.h"
#include "storage/index.h"
#include "storage/layout.h"

void rj_store_rooms_init(struct rj_store_rooms *rooms, struct rj_env *env, const struct rj_limits *limits,
                         uint64_t trim_pos)
{
    uint64_t next_id = 1;
    *rooms = (struct rj_store_rooms){
        .env = env, .limits = limits, .trim_pos = trim_pos, .seed = rj_random_u64(), .hand = 1};
    struct rj_reader reader = rj_env_read(env);
    rj_env_meta_get(env, reader.txn, RJ_META_NEXT_ROOM, &next_id);
    rj_env_read_done(env, &reader);
    rooms->next_id = (rj_room_id)next_id;
}

static void free_room(struct rj_store_room *room)
{
    free(room->raised);
    free(room->key);
    free(room->pending);
    free(room);
}

static void free_page(struct rj_room_page *page)
{
    for (size_t i = 0; page && i < RJ_ROOMS_A_PAGE; i++)
        if (page->rooms[i])
            free_room(page->rooms[i]);
    free(page);
}

void rj_store_rooms_free(struct rj_store_rooms *rooms)
{
    for (size_t i = 0; i < rooms->cap / RJ_ROOMS_A_PAGE; i++)
        free_page(rooms->pages[i]);
    free(rooms->pages);
    free(rooms->dirty);
    free(rooms->touched);
    rj_hash_free(&rooms->names);
    *rooms = (struct rj_store_rooms){0};
}

/* ------------------------------------------------------------------------------------------ by id */

static void make_place(struct rj_store_rooms *rooms, rj_room_id id)
{
    size_t cap = rooms->cap ? rooms->cap : RJ_ROOMS_A_PAGE, had = rooms->cap / RJ_ROOMS_A_PAGE;
    if (id < rooms->cap)
        return;
    while (cap <= id)
        cap *= 2;
    rooms->pages = rj_realloc(rooms->pages, cap / RJ_ROOMS_A_PAGE, sizeof(struct rj_room_page *));
    rooms->dirty = rj_realloc(rooms->dirty, cap / 64, sizeof(uint64_t));
    memset(rooms->pages + had, 0, (cap / RJ_ROOMS_A_PAGE - had) * sizeof(struct rj_room_page *));
    memset(rooms->dirty + rooms->cap / 64, 0, (cap - rooms->cap) / 64 * sizeof(uint64_t));
    rooms->cap = cap;
}

static void put_room(struct rj_store_rooms *rooms, struct rj_store_room *room)
{
    make_place(rooms, room->id);
    struct rj_room_page **page = &rooms->pages[room->id / RJ_ROOMS_A_PAGE];
    if (!*page)
        *page = rj_calloc(1, sizeof **page);
    (*page)->rooms[room->id % RJ_ROOMS_A_PAGE] = room;
    (*page)->n++;
    rooms->n_loaded++;
}

struct rj_store_room *rj_store_rooms_loaded(const struct rj_store_rooms *rooms, rj_room_id id)
{
    const struct rj_room_page *page = id < rooms->cap ? rooms->pages[id / RJ_ROOMS_A_PAGE] : NULL;
    return page ? page->rooms[id % RJ_ROOMS_A_PAGE] : NULL;
}

/* ------------------------------------------------------------------------------------------ loading */

/* False when there is none: `saved` is as it was. */
static bool read_saved(struct rj_env *env, const struct rj_reader *reader, rj_room_id id,
                       struct rj_room_saved *saved)
{
    uint8_t name[RJ_ROOM_KEY];
    rj_layout_room_key(name, id);
    MDB_val key = rj_val(name, sizeof name), value;
    int rc = mdb_get(reader->txn, env->room_states, &key, &value);
    if (rc == 0 && rj_layout_saved_decode(rj_val_span(value), saved))
        rc = MDB_CORRUPTED;
    if (rc && rc != MDB_NOTFOUND)
        rj_env_fail("loading a room", rc);
    return rc == 0;
}

/* The entries of the room that are trimmed but still in the index show how far its floor has risen since it
 * was saved. */
static void find_floor(struct rj_store_room *room, const struct rj_reader *reader, uint64_t trim_pos)
{
    uint64_t from = room->first_seq > room->floor_seq ? room->first_seq : room->floor_seq;
    struct rj_index_end end = rj_index_trimmed_end(reader, room, from, trim_pos);
    if (end.damaged)
        rj_index_log_damaged(room->id, end.damaged);
    if (end.pos) {
        room->floor_seq = end.seq;
        room->floor_pos = end.pos;
    }
}

static size_t find_limits(const struct rj_store_rooms *rooms, const struct rj_reader *reader, rj_room_id id)
{
    uint8_t name[RJ_ROOM_KEY];
    if (!rj_limits_vary(rooms->limits))
        return rj_limits_of(rooms->limits, (struct rj_span){0});
    rj_layout_room_key(name, id);
    MDB_val key = rj_val(name, sizeof name), value;
    int rc = mdb_get(reader->txn, rooms->env->names, &key, &value);
    if (rc && rc != MDB_NOTFOUND)
        rj_env_fail("loading the name of a room", rc);
    return rc ? rooms->limits->n : rj_limits_of(rooms->limits, rj_val_span(value)); /* or it was forgotten */
}

bool rj_store_rooms_has_name(const struct rj_store_rooms *rooms, const struct rj_reader *reader,
                             rj_room_id id)
{
    uint8_t name[RJ_ROOM_KEY];
    rj_layout_room_key(name, id);
    MDB_val key = rj_val(name, sizeof name), value;
    int rc = mdb_get(reader->txn, rooms->env->names, &key, &value);
    if (rc && rc != MDB_NOTFOUND)
        rj_env_fail("loading the name of a room", rc);
    return rc == 0;
}

static void load_index(struct rj_store_rooms *rooms, const struct rj_reader *reader,
                       struct rj_store_room *room)
{
    struct rj_room_saved saved = {.indexed_seq = 1, .floor_seq = 1};
    struct rj_index_range range;
    bool has_state = read_saved(rooms->env, reader, room->id, &saved);
    room->floor_seq = room->saved_floor_seq = saved.floor_seq;
    room->floor_pos = room->head_pos = saved.floor_pos;
    room->first_seq = room->indexed_seq = saved.indexed_seq;
    if (rj_index_range(reader, room->id, &range)) {
        room->first_seq = range.first_seq;
        room->indexed_seq = range.last_seq + 1;
        room->head_pos = range.last_pos;
        if (rooms->trim_pos > 0 && range.first_pos <= rooms->trim_pos)
            find_floor(room, reader, rooms->trim_pos);
    }
    room->swept_pos = room->head_pos;
    room->planned_floor = room->floor_seq;
    room->head_seq = room->accepted_seq = room->indexed_seq - 1;
    /* While a room that was forgotten has something left it is loaded once, by recovery, which sees to it. */
    if (!has_state && room->head_seq == 0)
        room->is_forgotten = room->is_erased = !rj_store_rooms_has_name(rooms, reader, room->id);
}

static struct rj_store_room *load(struct rj_store_rooms *rooms, rj_room_id id)
{
    struct rj_store_room *room = rj_calloc(1, sizeof *room);
    struct rj_reader reader = rj_env_read(rooms->env);
    room->id = id;
    room->is_stored = true;
    load_index(rooms, &reader, room);
    room->limits = (uint32_t)find_limits(rooms, &reader, id);
    if (rj_store_room_limits(rooms, room)->bytes)
        room->bytes = rj_index_bytes(&reader, room, room->floor_seq, room->indexed_seq);
    rj_env_read_done(rooms->env, &reader);
    put_room(rooms, room);
    if (room->first_seq < room->floor_seq)
        rj_store_rooms_mark(rooms, id);
    return room;
}

struct rj_store_room *rj_store_rooms_get(struct rj_store_rooms *rooms, rj_room_id id)
{
    struct rj_store_room *room = rj_store_rooms_loaded(rooms, id);
    if (id == 0 || id >= rooms->next_id)
        abort();
    if (!room)
        room = load(rooms, id);
    room->is_used = true;
    return room;
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
        struct rj_store_room *room = rj_store_rooms_loaded(rooms, (rj_room_id)id);
        if (rj_span_eq(key, rj_span_of(room->key, room->key_len)))
            return room;
    }
    return NULL;
}

bool rj_store_rooms_knows(const struct rj_store_rooms *rooms, struct rj_span key)
{
    return find_known(rooms, key) != NULL;
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
    if (room) {
        room->is_used = true;
        return room;
    }
    rj_room_id id = find_stored(rooms, key);
    if (!id)
        return NULL;
    room = rj_store_rooms_get(rooms, id);
    if (room->is_forgotten)
        return NULL; /* that its key is gone is on its way to the disk */
    remember_key(rooms, room, key);
    return room;
}

struct rj_store_room *rj_store_rooms_add(struct rj_store_rooms *rooms, struct rj_span key)
{
    rj_room_id id = rooms->next_id++;
    struct rj_store_room *room = rj_calloc(1, sizeof *room);
    room->id = id;
    room->floor_seq = room->saved_floor_seq = room->first_seq = room->indexed_seq = room->planned_floor = 1;
    room->limits = (uint32_t)rj_limits_of(rooms->limits, key);
    room->is_used = true;
    put_room(rooms, room);
    remember_key(rooms, room, key);
    return room;
}

static void forget_key(struct rj_store_rooms *rooms, struct rj_store_room *room)
{
    if (!room->key)
        return;
    rj_hash_remove(&rooms->names, rj_hash(rooms->seed, rj_span_of(room->key, room->key_len)), room->id);
    free(room->key);
    room->key = NULL;
    room->key_len = 0;
}

void rj_store_rooms_forget(struct rj_store_rooms *rooms, struct rj_store_room *room)
{
    forget_key(rooms, room);
    room->is_forgotten = true;
}

/* ------------------------------------------------------------------------------------------ marks, limits */

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

const struct rj_store_limits *rj_store_room_limits(const struct rj_store_rooms *rooms,
                                                   const struct rj_store_room *room)
{
    return &rooms->limits->list[room->limits];
}

void rj_store_rooms_touch(struct rj_store_rooms *rooms, struct rj_store_room *room)
{
    const struct rj_store_limits *limits = rj_store_room_limits(rooms, room);
    if (room->is_touched || (!limits->count && !limits->bytes))
        return;
    if (rooms->n_touched == rooms->cap_touched) {
        rooms->cap_touched = rooms->cap_touched ? rooms->cap_touched * 2 : 64;
        rooms->touched = rj_realloc(rooms->touched, rooms->cap_touched, sizeof *rooms->touched);
    }
    rooms->touched[rooms->n_touched++] = room->id;
    room->is_touched = true;
}

/* ------------------------------------------------------------------------------------------ unloading */

static bool is_dirty(const struct rj_store_rooms *rooms, rj_room_id id)
{
    return rooms->dirty[id / 64] >> (id % 64) & 1;
}

/* Loading it again would give the same. */
static bool is_on_disk(const struct rj_store_rooms *rooms, const struct rj_store_room *room)
{
    return room->is_stored && !room->is_touched && !is_dirty(rooms, room->id) && room->n_pending == 0 &&
           room->accepted_seq == room->head_seq && room->planned_floor == room->floor_seq &&
           room->saved_floor_seq == room->floor_seq && room->is_forgotten == room->is_erased;
}

static void unload(struct rj_store_rooms *rooms, struct rj_store_room *room)
{
    struct rj_room_page **page = &rooms->pages[room->id / RJ_ROOMS_A_PAGE];
    forget_key(rooms, room);
    (*page)->rooms[room->id % RJ_ROOMS_A_PAGE] = NULL;
    if (--(*page)->n == 0) {
        free(*page);
        *page = NULL;
    }
    rooms->n_loaded--;
    rj_raised_forget(&rooms->raised, &room->raised);
    free_room(room);
}

bool rj_store_rooms_unload(struct rj_store_rooms *rooms, size_t n)
{
    for (; n > 0 && rooms->hand < rooms->cap; n--) {
        rj_room_id id = rooms->hand;
        if (!rooms->pages[id / RJ_ROOMS_A_PAGE]) {
            rooms->hand = id / RJ_ROOMS_A_PAGE * RJ_ROOMS_A_PAGE + RJ_ROOMS_A_PAGE;
            continue;
        }
        struct rj_store_room *room = rj_store_rooms_loaded(rooms, id);
        if (room && !room->is_used && is_on_disk(rooms, room))
            unload(rooms, room);
        else if (room)
            room->is_used = false;
        rooms->hand++;
    }
    if (rooms->hand < rooms->cap)
        return false;
    rooms->hand = 1;
    return true;
}
