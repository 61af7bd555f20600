/* Inside of the check (check.h): what its parts share. check.c runs them, check_tables.c looks at the small
 * tables, check_log.c at the records and their index.
 */
#ifndef RJ_CHECKING_H
#define RJ_CHECKING_H

#include "storage/check.h"
#include "storage/layout.h"

typedef unsigned long long ull;

enum { RJ_CHECK_FORGETTING_FORMAT = 3 }; /* rooms may be forgotten from this one on */

/* What is known of one room. */
struct rj_check_room {
    rj_room_id id;
    struct rj_room_saved saved;    /* of a room without a state: 1, 1, 0 */
    uint64_t floor;                /* saved, or one that was raised since */
    uint64_t next_seq;             /* behind its last record; 0 = none was seen */
    uint64_t asked;                /* index entries found by their records */
    uint64_t entries;              /* index entries there are */
    uint64_t missing;              /* told as missing, and not yet met as a hole of the index */
    uint64_t entry_seq, entry_pos; /* of its last index entry read */
    bool is_named, has_state;
    bool is_raised; /* stands in the table floors */
};

struct rj_check_epoch {
    uint64_t number, first_pos;
    bool is_there;
};

struct rj_check {
    const struct rj_env *env;
    MDB_txn *txn;
    struct rj_check_room *rooms; /* of each that something is known of, by id */
    size_t n_rooms;
    uint64_t names; /* entries of that table */
    uint64_t trim_pos, scan_from, next_room, end_pos;
    uint64_t named_end;  /* above the highest id of the table rooms */
    uint64_t floors_top; /* the highest saved floor_pos, also of a room that was erased: up to here records
                            may have been deleted one by one */
    uint64_t damaged;    /* records that fail their checksum: gaps may come from them */
    MDB_cursor *epochs;
    struct rj_check_epoch epoch, next_epoch; /* around the record that is being read */
    struct rj_check_epoch last_epoch;        /* of the walk over the epochs themselves */
    struct rj_check_report report;
    uint64_t max_told;
    rj_check_fault *tell;
    void *ctx;
};

/* ------------------------------------------------------------------------------------------ checking.c */

/* Counts a fault and tells it, or one of a room, unless enough have been told. */
void __attribute__((format(printf, 2, 3))) rj_checking_fault(struct rj_check *check, const char *format, ...);
void __attribute__((format(printf, 3, 4)))
rj_checking_room_fault(struct rj_check *check, rj_room_id id, const char *format, ...);

/* A room's key as text: what is not printable escaped. */
void rj_checking_put_key(struct rj_buf *out, struct rj_span key);

/* NULL: nothing says anything of it. */
struct rj_check_room *rj_checking_room(struct rj_check *check, rj_room_id id);

/* No room can ever have had the id. */
bool rj_checking_is_impossible(const struct rj_check *check, rj_room_id id);

/* Whether a room may have had the id that has no name. */
bool rj_checking_may_be_forgotten(const struct rj_check *check, rj_room_id id);

typedef void rj_checking_visit(struct rj_check *check, struct rj_span key, struct rj_span value);

/* A tree that is broken costs the rest of its table, not the check. */
void rj_checking_walk(struct rj_check *check, MDB_dbi table, const char *name, rj_checking_visit *visit);

/* ------------------------------------------------------------------------------------------ check_tables.c
 */

void rj_checking_read_meta(struct rj_check *check);

/* What names rooms and holds their states; before the log. */
void rj_checking_names(struct rj_check *check);

/* 0 or an LMDB code. The cursor is the caller's to close. */
int rj_checking_begin_epochs(struct rj_check *check);

/* The record lies in the epoch that it says; records in their order. */
void rj_checking_epoch(struct rj_check *check, const struct rj_store_record *record);

/* These after the log, when report.last_pos is known. */
void rj_checking_epochs(struct rj_check *check);
void rj_checking_meta(struct rj_check *check);
void rj_checking_pairs(struct rj_check *check);

/* After the index. True: it has entries that no record has asked for. */
bool rj_checking_rooms(struct rj_check *check);

/* ------------------------------------------------------------------------------------------ check_log.c */

void rj_checking_records(struct rj_check *check);
void rj_checking_receipts(struct rj_check *check);
void rj_checking_index(struct rj_check *check);

/* Once more, to find those entries. */
void rj_checking_suspects(struct rj_check *check);

/* Whether the seqs [from, to) of the room are those of damaged records, which are told already. */
bool rj_checking_is_explained(const struct rj_check *check, rj_room_id id, uint64_t from, uint64_t to);

#endif
