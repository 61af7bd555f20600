/* The index (room, seq) -> pos and size. It is derived from the log: new entries wait in memory with their
 * room and a sweep writes them later, room by room in the order of the ids, a bounded part in every
 * transaction, and deletes those of trimmed records on the way. That makes an index write cost a fraction of
 * one per message. Where a room was trimmed above the log's own floor, its records are deleted one by one
 * with their entries, the record of several rooms with the last of them; that costs more, so there is less of
 * it in a batch.
 *
 * A pass of the sweep goes once over all rooms with something to do. When it ends, all that was completed
 * when it began is in the table, and all that was trimmed when it began is out of it: so the next recovery
 * has to read the log only from there on (scan_from), the log may drop what was trimmed (purge_upto), and the
 * floors that were raised until then are all saved with their rooms (floors_upto).
 */
#ifndef RJ_INDEX_H
#define RJ_INDEX_H

#include "storage/batch.h"
#include "storage/rooms.h"

enum { RJ_INDEX_DELETES = 1000 }; /* a batch's, ordinarily: each touches a page of its own */

struct rj_index {
    struct rj_store_rooms *rooms;
    uint64_t target;                    /* entries that may wait, and stale ones that may stay */
    uint64_t pending;                   /* entries in memory */
    uint64_t sweeping;                  /* of them, handed to the log thread */
    uint64_t stale;                     /* entries of trimmed records in the table, about */
    uint64_t dead;                      /* the same, of records that are deleted one by one */
    uint64_t log_records;               /* in the log now, about */
    size_t deletes_most;                /* records that a batch may delete one by one */
    rj_room_id at;                      /* where the pass goes on */
    uint64_t at_floor;                  /* the floor_seq of that room when the pass came to it; 0 = it has
                                           not yet */
    uint64_t pass_completed, pass_trim; /* head.completed and trim_pos when it began */
    uint64_t pass_floors;               /* floors_done when it began */
    uint64_t scan_from, purge_upto;     /* durable */
    uint64_t planned_scan_from, planned_purge; /* the same, handed to the log thread */
    uint64_t floors_last;                      /* number given to a batch's floors */
    uint64_t floors_done;                      /* number of those raised last */
    uint64_t floors_upto;                      /* up to here they are saved, or handed over to be */
    uint64_t floors_gone;                      /* up to here they were deleted */
};

void rj_index_init(struct rj_index *index, struct rj_store_rooms *rooms, uint32_t target, uint64_t scan_from);

/* An accepted record: it gets the room's next seq. */
uint64_t rj_index_accept(struct rj_store_rooms *rooms, struct rj_store_room *room,
                         struct rj_index_entry entry);

/* The oldest accepted record of the room, which is this one, is completed: its entry waits in memory from now
 * on, for the sweep to write it. */
void rj_index_complete(struct rj_index *index, struct rj_store_room *room, struct rj_index_entry entry);

/* The entry of that seq, as long as it waits in memory to be written; else NULL. Only recovery may change it,
 * and only so that the positions still ascend. */
struct rj_index_entry *rj_index_pending(struct rj_store_room *room, uint64_t seq);

/* Notes that the log was trimmed over a record of the room. True: the room had not let go of it yet, as far
 * as is known. */
bool rj_index_trimmed(struct rj_index *index, const struct rj_trimmed *trimmed);

/* Moves planned_floor up, not past accepted_seq + 1. */
void rj_index_plan_floor(struct rj_store_rooms *rooms, struct rj_store_room *room, uint64_t seq);

/* Tells that the index entry of that seq is missing or names another record. */
void rj_index_log_damaged(rj_room_id room, uint64_t seq);

/* Trims the room below `seq`, at most past its head. Returns how many records it has let go of. */
uint64_t rj_index_raise_floor(struct rj_index *index, struct rj_store_room *room, uint64_t seq);

/* Entries to write or to delete that are above what may wait; what is handed over does not count. */
uint64_t rj_index_overdue(const struct rj_index *index);

/* Nothing is left to do: a crash now would cost the next start no scan. */
bool rj_index_is_settled(const struct rj_index *index, uint64_t completed);

/* Fills `sweep` with about `quota` entries to write or delete, the next in order. */
void rj_index_plan(struct rj_index *index, struct rj_sweep *sweep, size_t quota, uint64_t completed);

/* The log thread has committed it. */
void rj_index_swept(struct rj_index *index, const struct rj_sweep *sweep);

/* ------------------------------------------------------------------------------------------ reading */

/* The lowest seq of the room, not below its floor, whose pos is above `pos`; head_seq + 1 when none is. */
enum rj_status rj_index_first_above(const struct rj_reader *reader, const struct rj_store_room *room,
                                    uint64_t pos, uint64_t *seq);

/* The positions of the seqs from `seq` (not below the floor) on, at most `n` and not past the head.
 * RJ_CORRUPT when the table has a hole. */
enum rj_status rj_index_positions(const struct rj_reader *reader, const struct rj_store_room *room,
                                  uint64_t seq, size_t n, uint64_t *positions, size_t *n_out);

/* A copy of the room for a reading that nobody changes, with no key and only those entries of what waits in
 * memory that `most` records above the pos, from the seq on, or below the seq can need: behind them the copy
 * ends. Its `pending` is the caller's to free. */
void rj_index_copy_above(struct rj_store_room *copy, const struct rj_store_room *room, uint64_t pos,
                         size_t most);
void rj_index_copy_from(struct rj_store_room *copy, const struct rj_store_room *room, uint64_t seq,
                        size_t most);
void rj_index_copy_below(struct rj_store_room *copy, const struct rj_store_room *room, uint64_t seq,
                         size_t most);
/* The bytes of the records from the seq `from` (not below the floor) to the one below `to` (accepted or
 * not). */
uint64_t rj_index_bytes(const struct rj_reader *reader, const struct rj_store_room *room, uint64_t from,
                        uint64_t to);

/* The seq from `from` to `to` at which the records before it, from `from` on, have at least so many bytes. */
uint64_t rj_index_seq_behind(const struct rj_reader *reader, const struct rj_store_room *room, uint64_t from,
                             uint64_t to, uint64_t bytes);

/* One entry of the table. */
bool rj_index_lookup(const struct rj_reader *reader, rj_room_id room, uint64_t seq, uint64_t *pos);

/* Whether the log has a record at `pos` that calls itself the room's `seq`. Its payload may be damaged. */
bool rj_index_is_true(const struct rj_reader *reader, rj_room_id room, uint64_t seq, uint64_t pos);

/* Where the part of a room ends that was trimmed with the log. */
struct rj_index_end {
    uint64_t seq;     /* behind its last record */
    uint64_t pos;     /* that record's; 0 when the part is empty */
    uint64_t damaged; /* a seq whose entry is missing or names another record; 0: none was met */
};

/* Looks at the entries from `from`, not below the saved floor, to the room's indexed_seq. One that lies leads
 * it astray no further than to leave what it hides to the readers, who are told of it: what is not trimmed is
 * never taken for it. */
struct rj_index_end rj_index_trimmed_end(const struct rj_reader *reader, const struct rj_store_room *room,
                                         uint64_t from, uint64_t trim_pos);

struct rj_index_range {
    uint64_t first_seq, first_pos, last_seq, last_pos;
};

/* The first and the last entry that the table has for a room; false when it has none. */
bool rj_index_range(const struct rj_reader *reader, rj_room_id room, struct rj_index_range *out);

#endif
