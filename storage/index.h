/* The index (room, seq) -> pos. It is derived from the log: new entries wait in memory with their room and a
 * sweep writes them later, room by room in the order of the ids, a bounded part in every transaction, and
 * deletes those of trimmed records on the way. That makes an index write cost a fraction of one per message.
 *
 * A pass of the sweep goes once over all rooms with something to do. When it ends, all that was completed
 * when it began is in the table, and all that was trimmed when it began is out of it: so the next recovery
 * has to read the log only from there on (scan_from), and the log may drop what was trimmed (purge_upto).
 */
#ifndef RJ_INDEX_H
#define RJ_INDEX_H

#include "storage/batch.h"
#include "storage/rooms.h"

struct rj_index {
    struct rj_store_rooms *rooms;
    uint64_t target;                           /* entries that may wait */
    uint64_t pending;                          /* entries in memory */
    uint64_t sweeping;                         /* of them, handed to the log thread */
    uint64_t stale;                            /* entries of trimmed records in the table, about */
    rj_room_id at;                             /* where the pass goes on */
    uint64_t pass_completed, pass_trim;        /* head.completed and trim_pos when it began */
    uint64_t scan_from, purge_upto;            /* durable */
    uint64_t planned_scan_from, planned_purge; /* the same, handed to the log thread */
};

void rj_index_init(struct rj_index *index, struct rj_store_rooms *rooms, uint32_t target, uint64_t scan_from);

/* A completed record: its entry waits in memory from now on. */
void rj_index_add(struct rj_index *index, struct rj_store_room *room, uint64_t pos);

/* Notes that a record of the room was trimmed. */
void rj_index_trimmed(struct rj_index *index, const struct rj_trimmed *trimmed);

/* What waits to be written or deleted and is not handed over yet. */
uint64_t rj_index_debt(const struct rj_index *index);

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

/* One entry of the table. */
bool rj_index_lookup(const struct rj_reader *reader, rj_room_id room, uint64_t seq, uint64_t *pos);

struct rj_index_range {
    uint64_t first_seq, first_pos, last_seq, last_pos;
};

/* The first and the last entry that the table has for a room; false when it has none. */
bool rj_index_range(const struct rj_reader *reader, rj_room_id room, struct rj_index_range *out);

#endif
