/* The rooms as the store knows them: a key, a dense id, the sequence numbers, and the index entries that wait
 * in memory. Owned by the owner thread; a room is loaded when it is asked for, and leaves memory again when
 * all of it is on disk and nobody has asked for a while. Its key, its id and its next number stay on disk
 * until it is forgotten, and nothing else of a room whose records are gone.
 *
 * The entries of one room by seq:
 *
 *     1 … first_seq … indexed_seq … + n_sweeping … head_seq … accepted_seq
 *     │ in no table │  in ridx  │  pending: in memory       │ accepted: not
 *     │   trimmed,  │           │  the first n_sweeping of  │ completed
 *     │   deleted   │           │  them are being written   │
 *
 * floor_seq lies anywhere from first_seq to head_seq + 1. The sweep deletes what ridx has below it; what is
 * below it and not written yet never comes to be written, but the sweep deletes those records, too. Then
 * first_seq has reached floor_seq.
 *
 * A room is forgotten in two steps. Its key and its name go at once, in one transaction that also raises its
 * floor above all that it has, and makes sure that it has a state. The sweep then deletes its entries and
 * records as it does for any other room, and with the last of them the state: now it is erased, and has let
 * go of whatever the records of other rooms say of it. A crash in between leaves an id without a name whose
 * floor stands in the table floors: that is how the next start knows what to go on with.
 */
#ifndef RJ_STORE_ROOMS_H
#define RJ_STORE_ROOMS_H

#include "storage/env.h"
#include "storage/hash.h"
#include "storage/layout.h"
#include "storage/limits.h"
#include "storage/raised.h"

struct rj_store_room {
    /* What each append touches comes first: of 100,000 rooms little stays in the processor's caches. */
    rj_room_id id;
    uint32_t limits;   /* in the list of them */
    bool is_stored;    /* its key is on disk */
    bool is_used;      /* asked for since the last round of rj_store_rooms_unload */
    bool is_touched;   /* in the list of rooms whose limits are to be applied */
    bool is_forgotten; /* it has no key any more, and stays in memory until it … */
    bool is_erased;    /* … has nothing on disk */
    uint64_t accepted_seq;
    uint64_t head_seq, head_pos;
    struct rj_index_entry *pending; /* positions ascend; entry i is pending[pending_at + i] */
    uint32_t pending_at, n_pending, cap_pending;
    uint32_t n_accepted; /* behind the pending ones: not completed. Only under a limit of bytes */
    uint32_t n_sweeping; /* of the pending ones, handed to the log thread */
    uint32_t key_len;
    uint8_t *key; /* NULL until it was asked for by its key */
    uint64_t floor_seq, floor_pos;
    uint64_t saved_floor_seq; /* the floor_seq that roomst has or is about to get */
    uint64_t first_seq;       /* lowest entry in ridx */
    uint64_t indexed_seq;     /* the seq of pending entry 0 */
    uint64_t swept_pos;       /* of the last entry that is written or handed over, trimmed or not; 0 = none */
    uint64_t
        planned_floor; /* the floor_seq that is on its way to the disk (floors.h); never below floor_seq */
    struct rj_raised *raised; /* NULL while no limit has raised its floor */
    uint64_t bytes;           /* from planned_floor to accepted_seq; kept only under a limit of bytes */
};

enum { RJ_ROOMS_A_PAGE = 1024 };

/* Some ids in a row. */
struct rj_room_page {
    size_t n; /* loaded; a page without any is freed */
    struct rj_store_room *rooms[RJ_ROOMS_A_PAGE];
};

struct rj_store_rooms {
    struct rj_env *env;
    const struct rj_limits *limits;
    uint64_t trim_pos; /* every record up to here counts as trimmed */
    rj_room_id next_id;
    struct rj_room_page **pages; /* by id / RJ_ROOMS_A_PAGE */
    uint64_t *dirty; /* a bit per id: the sweep has something to do there (also when it is not loaded) */
    size_t cap;      /* ids that both arrays have room for; a multiple of RJ_ROOMS_A_PAGE */
    size_t n_loaded;
    rj_room_id hand; /* where rj_store_rooms_unload goes on */
    uint64_t seed;
    struct rj_hash_table names; /* hash of key -> id, of rooms whose key is known */
    rj_room_id *touched;
    size_t n_touched, cap_touched;
    struct rj_raised_list raised;
};

/* `limits` must live as long as the rooms. */
void rj_store_rooms_init(struct rj_store_rooms *rooms, struct rj_env *env, const struct rj_limits *limits,
                         uint64_t trim_pos);
void rj_store_rooms_free(struct rj_store_rooms *rooms);

/* The room with that id, loaded. Ends the process for an id that was never given out. Valid until the next
 * rj_store_rooms_unload. */
struct rj_store_room *rj_store_rooms_get(struct rj_store_rooms *rooms, rj_room_id id);

/* NULL when it is not loaded. */
struct rj_store_room *rj_store_rooms_loaded(const struct rj_store_rooms *rooms, rj_room_id id);

/* The room with that key, or NULL. */
struct rj_store_room *rj_store_rooms_find(struct rj_store_rooms *rooms, struct rj_span key);

/* Whether it is found without looking at the disk. */
bool rj_store_rooms_knows(const struct rj_store_rooms *rooms, struct rj_span key);

/* A new room with a new id; the caller has it written. */
struct rj_store_room *rj_store_rooms_add(struct rj_store_rooms *rooms, struct rj_span key);

/* From now on no key leads to the room; the caller has that written. */
void rj_store_rooms_forget(struct rj_store_rooms *rooms, struct rj_store_room *room);

/* Whether a name stands on disk under that id. */
bool rj_store_rooms_has_name(const struct rj_store_rooms *rooms, const struct rj_reader *reader,
                             rj_room_id id);

void rj_store_rooms_mark(struct rj_store_rooms *rooms, rj_room_id id);
void rj_store_rooms_unmark(struct rj_store_rooms *rooms, rj_room_id id);

/* The lowest marked id that is `from` or above; 0 when there is none. */
rj_room_id rj_store_rooms_next_marked(const struct rj_store_rooms *rooms, rj_room_id from);

/* Notes that the limits of the room are to be applied to it. */
void rj_store_rooms_touch(struct rj_store_rooms *rooms, struct rj_store_room *room);

/* What the limits of the room are. */
const struct rj_store_limits *rj_store_room_limits(const struct rj_store_rooms *rooms,
                                                   const struct rj_store_room *room);

/* Looks at the next `n` ids, and takes out of memory what was not asked for since it was last looked at and
 * has nothing that is not on disk. True when the round has come to its end. */
bool rj_store_rooms_unload(struct rj_store_rooms *rooms, size_t n);

#endif
