/* struct rj_store: the parts of the LMDB engine and who touches them. Included by the files that implement
 * store.h, by nobody else. Everything belongs to the owner thread, except what writer.h and env.h share with
 * the log thread under their own locks.
 */
#ifndef RJ_ENGINE_H
#define RJ_ENGINE_H

#include "storage/batch.h"
#include "storage/env.h"
#include "storage/epoch.h"
#include "storage/index.h"
#include "storage/known.h"
#include "storage/limits.h"
#include "storage/readers.h"
#include "storage/retain.h"
#include "storage/rooms.h"
#include "storage/writer.h"

struct rj_store {
    struct rj_env env;
    struct rj_limits limits;
    struct rj_epochs epochs;
    struct rj_store_rooms rooms;
    struct rj_index index;
    struct rj_known known;
    struct rj_retain retain;
    struct rj_writer writer;
    struct rj_readers readers;

    uint64_t next_pos;
    uint64_t completed;

    /* Everything queued and not completed hangs together by `later`, oldest first: submitted batches, then
     * those in `full`, then `open`. */
    struct rj_store_batch *oldest;
    struct rj_store_batch *open;  /* being filled; never NULL */
    struct rj_store_batches full; /* filled, to be submitted before `open` */
    struct rj_store_batch *spare; /* empty, to be filled again */
    size_t n_spare;
    unsigned n_small;   /* batches that were small, since the last that was not */
    size_t n_submitted; /* batches with the log thread */
    size_t in_flight;   /* operations of the caller */
    bool is_completing;
    size_t reads_under_way;

    uint64_t active_ms;     /* monotonic: when appends were last submitted */
    uint64_t background_ms; /* monotonic: of the last housekeeping that had a commit of its own */
    uint64_t trim_ms;       /* monotonic: of the last walk over old records */
    size_t appended;        /* since the last request to trim */
    rj_room_id review_at;   /* the next room to bring under changed limits; 0 = all are */
    uint64_t room_idle_ms;
    uint64_t unload_ms; /* monotonic: when the next rooms are looked at for leaving memory */

    struct rj_store_stats stats;
};

/* Adds an operation to the open batch, as rj_store_batch_add; pos and counters are set. */
uint8_t *rj_engine_queue(struct rj_store *store, enum rj_op_kind kind, size_t len, struct rj_op **op);

/* Reads the record at `pos` at the reader's log cursor. RJ_NOT_FOUND, or RJ_CORRUPT (logged and counted). */
enum rj_status rj_engine_fetch(struct rj_store *store, const struct rj_reader *reader, uint64_t pos,
                               struct rj_record *record);

/* The same for bytes that stand at `pos`. */
enum rj_status rj_engine_decode(struct rj_store *store, struct rj_span bytes, uint64_t pos,
                                struct rj_record *record);

/* Tells the callers of the readings that the reader threads have finished (history.c). Returns how many. */
size_t rj_engine_complete_reads(struct rj_store *store);

/* Brings rooms, index and dedupe table to what the log says (recover.c). */
enum rj_status rj_engine_recover(struct rj_store *store, struct rj_buf *why);

/* Adds housekeeping to the open batch, as far as it is due (upkeep.c). */
void rj_engine_upkeep(struct rj_store *store);

/* Adds a big step of the sweep to the open batch; false when the whole index is written. */
bool rj_engine_settle(struct rj_store *store);

#endif
