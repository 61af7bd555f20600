/* The rooms as the store knows them: a key, a dense id, the sequence numbers, and the index entries that wait
 * in memory. Owned by the owner thread; a room is loaded when it is first asked for and stays.
 *
 * The entries of one room by seq:
 *
 *     1 … first_seq … floor_seq … indexed_seq … + n_sweeping … head_seq … accepted_seq
 *     │ in no table │  in ridx  │  in ridx    │  pending: in memory      │ not completed
 *     │   trimmed, deleted  │ trimmed, to be │  the first n_sweeping of  │
 *     │                     │ deleted        │  them are being written   │
 *
 * first_seq <= floor_seq holds once the sweep has passed; floor_seq <= indexed_seq always, because nothing is
 * trimmed that is not indexed (retain.h).
 */
#ifndef RJ_STORE_ROOMS_H
#define RJ_STORE_ROOMS_H

#include "storage/env.h"
#include "storage/hash.h"

struct rj_store_room {
    rj_room_id id;
    uint32_t key_len;
    uint8_t *key; /* NULL until it was asked for by its key */
    uint64_t accepted_seq;
    uint64_t head_seq, head_pos;
    uint64_t floor_seq, floor_pos;
    uint64_t saved_floor_seq; /* the floor_seq that roomst has or is about to get */
    uint64_t first_seq;       /* lowest entry in ridx */
    uint64_t indexed_seq;     /* the seq of pending entry 0 */
    uint64_t *pending;        /* positions, ascending; entry i is pending[pending_at + i] */
    uint32_t pending_at, n_pending, cap_pending;
    uint32_t n_sweeping; /* of them, handed to the log thread */
};

struct rj_store_rooms {
    struct rj_env *env;
    uint64_t trim_pos; /* every record up to here counts as trimmed */
    rj_room_id next_id;
    struct rj_store_room **by_id; /* NULL: not loaded */
    uint64_t *dirty; /* a bit per id: the sweep has something to do there (also when it is not loaded) */
    size_t cap;      /* ids that both arrays have room for; a multiple of 64 */
    uint64_t seed;
    struct rj_hash_table names; /* hash of key -> id, of rooms whose key is known */
};

void rj_store_rooms_init(struct rj_store_rooms *rooms, struct rj_env *env, uint64_t trim_pos);
void rj_store_rooms_free(struct rj_store_rooms *rooms);

/* The room with that id, loaded. Ends the process for an id that was never given out. Valid until the store
 * is closed. */
struct rj_store_room *rj_store_rooms_get(struct rj_store_rooms *rooms, rj_room_id id);

/* NULL when it is not loaded. */
struct rj_store_room *rj_store_rooms_loaded(const struct rj_store_rooms *rooms, rj_room_id id);

/* The room with that key, or NULL. */
struct rj_store_room *rj_store_rooms_find(struct rj_store_rooms *rooms, struct rj_span key);

/* A new room with a new id; the caller has it written. */
struct rj_store_room *rj_store_rooms_add(struct rj_store_rooms *rooms, struct rj_span key);

void rj_store_rooms_mark(struct rj_store_rooms *rooms, rj_room_id id);
void rj_store_rooms_unmark(struct rj_store_rooms *rooms, rj_room_id id);

/* The lowest marked id that is `from` or above; 0 when there is none. */
rj_room_id rj_store_rooms_next_marked(const struct rj_store_rooms *rooms, rj_room_id from);

/* Counts the record (seq, pos) of the room, and all before it, as trimmed. */
void rj_store_room_raise_floor(struct rj_store_room *room, uint64_t seq, uint64_t pos);

#endif
