/* The inside of memory_store.h: what is on the disk, and beside it what the open store has on its way. Its
 * parts are memory_log.c (records and rooms), memory_pairs.c (the tables), memory_readings.c, and
 * memory_store.c, which commits.
 */
#ifndef RJ_FUZZ_DISK_H
#define RJ_FUZZ_DISK_H

#include "tests/fuzz/memory_store.h"

enum { RECORDS_MAX = 4096, ROOMS_MAX = 1024, REACHES_MAX = 512, EPOCHS_MAX = 512 };

struct memory_record {
    uint64_t epoch, ts_ms;
    rj_room_id rooms[RJ_STORE_ROOMS_MAX];
    uint64_t seqs[RJ_STORE_ROOMS_MAX];
    size_t n_rooms;
    struct rj_buf source, id, payload;
    bool is_brief;
    bool is_damaged;
};

struct memory_room {
    struct rj_buf key;
    struct rj_room_state state;
    bool is_forgotten; /* nobody may use it any more; once that is committed it has no key */
};

struct memory_pair {
    struct rj_buf key, value;
    uint64_t version;
    struct memory_pair *prev, *next; /* ascending */
};

struct memory_tables {
    struct memory_pair *list[RJ_TABLE_COUNT];
};

/* As the disk was once. Its records are the first of those that there are. */
struct memory_backup {
    bool is_there;
    uint64_t n_records, trimmed, restored;
    uint32_t n_rooms;
    struct memory_room *rooms;
    struct memory_tables tables;
    size_t n_epochs;
};

struct rj_store {
    struct memory_record *records[RECORDS_MAX]; /* of pos 1, 2, 3 …; those above `committed` are accepted only
                                                 */
    uint64_t n_records, committed, completed, trimmed;
    struct memory_room rooms[ROOMS_MAX]; /* of id 1, 2, 3 … */
    uint32_t n_rooms;
    struct memory_tables tables;
    struct {
        uint64_t number, first_pos;
    } epochs[EPOCHS_MAX];
    size_t n_epochs;
    uint64_t openings; /* since the reset */
    uint64_t restored; /* the epoch that began with a backup */
    struct memory_backup backup;
    bool is_copy; /* it is the backup, which nobody has opened yet */

    struct memory_op *ops;
    size_t n_ops;
    struct rj_store_reading *readings;
    bool is_held, is_failing;
    size_t released;
    rj_store_pick *pick;
    void *pick_ctx;
};

/* store.h names it by a path alone: there is one. */
struct rj_store *memory_disk(void);

struct rj_buf memory_copy(struct rj_span span);

/* Whether something may happen now that takes the disk. */
bool memory_may_pass(struct rj_store *store);

/* ------------------------------------------------------------------------------------ records and rooms */

/* The pos of the record that has the same source and id; 0: none. */
uint64_t memory_log_find_same(const struct rj_store *store, const struct rj_store_append *append);
uint64_t memory_log_accept(struct rj_store *store, const struct rj_store_append *append);
/* The record is committed, and whoever wrote it is about to be told. */
void memory_log_complete(struct rj_store *store, uint64_t pos);
/* What was accepted and not committed never was. */
void memory_log_lose_uncommitted(struct rj_store *store);
void memory_log_free(struct rj_store *store);

/* -------------------------------------------------------------------------------------------- the tables */

enum rj_status memory_pairs_put(struct memory_tables *tables, enum rj_store_table table, struct rj_span key,
                                struct rj_span value, uint64_t expect);
void memory_pairs_delete(struct memory_tables *tables, enum rj_store_table table, struct rj_span key);
void memory_pairs_delete_prefix(struct memory_tables *tables, enum rj_store_table table,
                                struct rj_span prefix);
void memory_pairs_copy(struct memory_tables *out, const struct memory_tables *tables);
void memory_pairs_free(struct memory_tables *tables);

/* ----------------------------------------------------------------------------------------------- readings */

/* Carries out what may pass; returns how many have ended. */
size_t memory_readings_run(struct rj_store *store);
/* The store is being closed: all end now. */
void memory_readings_close(struct rj_store *store);

#endif
