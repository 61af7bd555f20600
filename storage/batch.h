/* What is queued for one hand-over to the log thread: the operations of the caller in their order, and the
 * housekeeping that the owner adds (index entries to write, records to trim).
 *
 * A batch belongs to the owner while it is filled, to the log thread while it is written, and to the owner
 * again once it is committed; the writer's lock is crossed each time. Its memory is kept for the next one.
 */
#ifndef RJ_BATCH_H
#define RJ_BATCH_H

#include "storage/layout.h"
#include "storage/receipts.h"

enum { RJ_BATCH_BYTES = 8 << 20 }; /* a batch above this is full: a transaction's dirty pages stay bounded */

enum rj_op_kind {
    RJ_OP_APPEND,    /* bytes: a record */
    RJ_OP_DUPLICATE, /* bytes: the head and rooms of the record it repeats; writes nothing */
    RJ_OP_ROOM,      /* key: the room's key; number: its id. No callback */
    RJ_OP_PUT,       /* key, value; number: the expected version */
    RJ_OP_DELETE,
    RJ_OP_DELETE_PREFIX,
    RJ_OP_BARRIER,
    RJ_OP_PURGE,   /* room, number: the new floor_seq, which stands in the batch's floors too */
    RJ_OP_FORGET,  /* key: the room's key; room, number: as of a purge */
    RJ_OP_REFUSED, /* a put or delete with an impossible key: only its callback */
};

struct rj_op {
    enum rj_op_kind kind;
    enum rj_store_table table;
    enum rj_status status; /* what the callback is told; set by the log thread for a put */
    uint32_t key_len;      /* of the bytes, the first so many are the key */
    rj_room_id room;       /* PURGE, FORGET */
    size_t at, len;        /* in the batch's bytes */
    uint64_t
        pos; /* that the next append was to get, so an APPEND's own: it never falls from one to the next */
    uint64_t number; /* APPEND, DUPLICATE: pos of the record; ROOM, PUT: see there */
    union {
        rj_store_appended *appended;
        rj_store_written *written; /* may be NULL */
    } done;
    void *ctx;
};

/* A part of one room's index that the log thread brings up to date: entries [delete_from, delete_to) go,
 * entries insert_seq, insert_seq + 1 … come, and the state is saved when `is_saved` is set. With an entry
 * that goes, the room lets go of its record; so it does of `n_drop` records that never came to have one. */
struct rj_sweep_item {
    rj_room_id room;
    uint32_t n_drop, n_insert;
    size_t at;           /* of those dropped, then of those inserted, in the sweep's list */
    uint64_t insert_seq; /* those dropped have the seqs below it */
    uint64_t delete_from, delete_to;
    bool is_saved;  /* `saved` is to be written */
    bool is_erased; /* the room was forgotten and this was the last of it: its state goes, too */
    struct rj_room_saved saved;
};

struct rj_sweep {
    struct rj_sweep_item *items;
    size_t n_items, cap_items;
    struct rj_index_entry *entries;
    size_t n_entries, cap_entries;
    size_t n_deletes;     /* records that may have to be deleted one by one */
    uint64_t trim_pos;    /* records up to here go with the log's beginning, not one by one */
    uint64_t floors_upto; /* the floors under numbers up to this are all saved; 0 = none */
    uint64_t scan_from;   /* a pass ended: the new scan_from; 0 = it did not */
    uint64_t purge_upto;  /* with it: records up to here are in nobody's index any more */
    /* answered by the log thread */
    size_t deleted;       /* records, one by one */
    uint64_t deleted_pos; /* the last of them */
    uint64_t floors_gone; /* floors under numbers up to this do not stand any more */
};

struct rj_trimmed {
    rj_room_id room;
    uint64_t seq;
    uint64_t pos;
};

/* Looking for records that are too old, and deleting what lies well below the log's floor. */
struct rj_trim {
    /* asked by the owner */
    uint64_t age_ms; /* 0: what is found raises the log's floor; else it is only told, and `after` is kept
                        as the place that the walk of this age has reached */
    uint64_t after;  /* trim_pos, or that place, so far */
    uint64_t upto;   /* no record above this counts */
    uint64_t before_ts_ms; /* nor one accepted at or after this time */
    size_t quota;          /* records; 0 = nothing is asked */
    uint64_t purge_upto;   /* records up to here may be deleted from the log… */
    size_t purge_quota;    /* … at most so many now */
    /* answered by the log thread */
    uint64_t reached;    /* the new trim_pos, or place */
    uint64_t next_ts_ms; /* of the record above it; 0 when there was none to look at */
    bool is_blocked;     /* that record is old enough but lies above `upto` */
    size_t n_records;
    size_t purged;
    struct rj_trimmed *rooms;
    size_t n_rooms, cap_rooms;
};

struct rj_store_batch {
    struct rj_store_batch *next;  /* in the list that holds it */
    struct rj_store_batch *later; /* owner: the next one that is queued and not completed */
    struct rj_op *ops;
    size_t n_ops, cap_ops;
    size_t n_counted; /* operations of the caller, as rj_store_in_flight counts them */
    size_t n_appends;
    size_t n_writes; /* operations that need a transaction */
    uint64_t payload_bytes;
    struct rj_buf bytes;
    struct rj_sweep sweep;
    struct rj_trim trim;
    struct rj_receipts receipts;
    struct rj_floor *floors; /* raised with this batch */
    size_t n_floors, cap_floors;
    uint64_t floors_number; /* their key */
    bool is_reviewed;       /* all rooms were brought under the limits of limits_id */
    uint64_t limits_id;
    /* Set by the log thread on the last batch of a commit. */
    bool ends_commit;
    uint64_t commit_us;
};

struct rj_store_batch *rj_store_batch_new(void);
void rj_store_batch_free(struct rj_store_batch *batch);

/* Empties it; memory beyond what an ordinary batch needs is given back. */
void rj_store_batch_reset(struct rj_store_batch *batch);

/* Adds an operation over `len` bytes that the caller writes at the returned place before anything else is
 * added. `*op` gets its kind, place and length; the rest is zero. */
uint8_t *rj_store_batch_add(struct rj_store_batch *batch, enum rj_op_kind kind, size_t len,
                            struct rj_op **op);

/* Nothing to write, run or clean in it. */
bool rj_store_batch_is_empty(const struct rj_store_batch *batch);

/* Whether it needs a transaction. */
bool rj_store_batch_writes(const struct rj_store_batch *batch);

/* The bytes of an operation. */
struct rj_span rj_store_batch_bytes(const struct rj_store_batch *batch, const struct rj_op *op);

/* The append with that pos, or NULL. */
const struct rj_op *rj_store_batch_find_append(const struct rj_store_batch *batch, uint64_t pos);

struct rj_sweep_item *rj_sweep_add(struct rj_sweep *sweep);
void rj_sweep_add_entries(struct rj_sweep *sweep, const struct rj_index_entry *entries, size_t n);
void rj_store_batch_drop_receipt(struct rj_store_batch *batch, uint64_t pos);
void rj_trim_add(struct rj_trim *trim, struct rj_trimmed trimmed);
void rj_store_batch_add_floor(struct rj_store_batch *batch, struct rj_floor floor);

#endif
