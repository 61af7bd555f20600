/* The durable log and its companions: the whole interface between the broker and what keeps its data.
 *
 * One thread, the caller's, owns a store: every function below is called from that thread, and every callback
 * runs on it, inside rj_store_complete or, at the end, rj_store_close. Writing is asynchronous and ordered:
 * appends and key-value changes are queued in the order of the calls, committed in groups by the store's own
 * log thread, and completed in that same order, each exactly once. Reading is bounded by the caller and sees
 * only what has been completed. There are two ways: at once, on the caller's thread, which waits for the disk
 * where it has to; and later, by the store's reader threads (rj_store_read_later), while the caller goes on.
 * The store knows positions, rooms (as opaque keys), dedupe keys and payload bytes; it knows no sockets,
 * members or Socket.IO. Nothing it hands out is LMDB's memory after the call has returned.
 *
 * A commit that fails is terminal: the store logs one line and ends the process (exit code 74) before any
 * completion of that commit, so nothing unsaved is ever acknowledged. The same end take pages of the file
 * that cannot be read or make no sense; for that, opening a store takes SIGBUS over, and ignores SIGXFSZ,
 * unless the process handles them itself. A damaged record ends nothing: it is told to who reads it.
 *
 * A distributed engine can implement the same interface later: only this header is known outside storage/.
 */
#ifndef RJ_STORE_H
#define RJ_STORE_H

#include "proto/base/buf.h"
#include "proto/base/status.h"

struct rj_store;

enum {
    RJ_STORE_KEY_MAX = 480,    /* bytes of a room key or of a key-value key */
    RJ_STORE_ROOMS_MAX = 64,   /* rooms of one append */
    RJ_STORE_DEDUPE_MAX = 512, /* bytes of a source, and of an id */
    RJ_STORE_FAILED_EXIT = 74, /* exit code when the disk fails (EX_IOERR) */
};

/* How much of a room is kept; 0 = as much as there is. The tightest one decides. */
struct rj_store_limits {
    uint64_t age_ms; /* records older than this are trimmed */
    uint64_t count;  /* so are all but the youngest so many, */
    uint64_t bytes;  /* and all but the youngest that make so much of the log; the very youngest stays */
};

/* Which limits the room with this key has: an index into rj_store_options.limits; n_limits or more: those of
 * every other room. Called from the owner's thread, whenever a room comes into memory; always the same answer
 * for the same key. */
typedef size_t rj_store_pick(void *ctx, struct rj_span key);

struct rj_store_options {
    const char *path;       /* folder; created (0700) when missing; locked against a second process */
    uint64_t map_bytes;     /* address space reserved; 0 = 1 TiB */
    uint32_t index_pending; /* index entries that may wait in memory for the sweep; 0 = 200,000 */
    uint64_t retention_ms;  /* records older than this are trimmed, but for their dedupe ids; 0 = kept for
                               ever. Of rooms that have no limits of their own */
    const struct rj_store_limits *limits; /* those of other rooms; copied */
    size_t n_limits;
    rj_store_pick *pick; /* says who has which; may be NULL without limits */
    void *pick_ctx;
    uint64_t limits_id; /* another one whenever `pick` answers otherwise than when the store was open before:
                           all rooms are gone through then, to bring them under their limits */
    uint64_t room_idle_ms; /* rooms that nobody has asked for leave memory after about this; 0 = a minute */
    uint32_t readers;      /* threads that read what may have to come from the disk; 0 = 4 */
    /* Publish ids are known for dedupe_window_ms (0 = 10 minutes) or, those of appends that are `is_brief`,
     * dedupe_brief_ms (0 = 2 minutes; never longer than the others): the time in which the store is not open
     * does not count. Of one source, dedupe_source_max at most are known (0 = 100,000), the youngest; so a
     * flood from one source forgets only its own. Of all, dedupe_window_max (0 = 1,000,000): past it a source
     * that has many gives up its oldest for each new one. A start finds the same ids in the log again, as
     * long as there were not too many in all, and as long as they lie in the youngest 4 x dedupe_window_max
     * records; it looks no further. What is trimmed while its id is known leaves a receipt: it is known until
     * its window ends, though nobody can read it any more. */
    uint64_t dedupe_window_ms;
    uint64_t dedupe_brief_ms;
    uint32_t dedupe_window_max;
    uint32_t dedupe_source_max;
};

/* Opens or creates the store, recovers what a crash left (re-reads the tail of the log, rebuilds the pending
 * index and the dedupe table), commits a new epoch and starts the log thread.
 * Errors, with a sentence appended to `why`: RJ_IO, RJ_FULL, RJ_VERSION (written by a newer format),
 * RJ_CORRUPT, RJ_CONFLICT (another process has it open).
 * A record at the end of the log that fails its checksum is logged and counted, and keeps its place in its
 * rooms as far as they can be told. */
enum rj_status rj_store_open(const struct rj_store_options *options, struct rj_store **out,
                             struct rj_buf *why);

/* Commits and completes everything queued, writes the whole index out, stops the log thread and closes.
 * Takes and nulls. */
void rj_store_close(struct rj_store **store);

/* ------------------------------------------------------------------------------------------ the turn */

/* Readable when rj_store_complete has something to do. */
int rj_store_event_fd(const struct rj_store *store);

/* Hands what was queued since the last call to the log thread. Once a turn, after all handlers. */
void rj_store_submit(struct rj_store *store);

/* Runs the callbacks of every commit that has finished, in order. Callbacks may queue new work. Returns how
 * many ran. */
size_t rj_store_complete(struct rj_store *store);

/* Operations queued or submitted whose callback has not run: the caller's measure for back-pressure. */
size_t rj_store_in_flight(const struct rj_store *store);

/* ------------------------------------------------------------------------------------------ positions */

struct rj_store_head {
    uint64_t epoch;     /* of this opening of the store */
    uint64_t next;      /* the pos that the next append will get */
    uint64_t completed; /* highest pos whose completion has run or is running (or that was there at open);
                           0 = none */
    uint64_t restored;  /* the epoch that began when this was last a backup; 0 = never. What was written under
                           an earlier one may have been followed by more, which this store does not know */
    uint64_t oldest;    /* every record below this is trimmed; completed + 1 when all are. Above it a room's
                           own limits may have trimmed some */
};

struct rj_store_head rj_store_head(const struct rj_store *store);

/* Translates a position of an epoch into one of this store.
 * RJ_OK: *out is `pos`, or the last pos of that epoch when `pos` lies past it.
 * RJ_NOT_FOUND: the epoch is not one of this store, or it is the current one and `pos` has not been
 * completed. *was_clamped tells that the epoch ended below `pos`. */
enum rj_status rj_store_clamp(struct rj_store *store, uint64_t epoch, uint64_t pos, uint64_t *out,
                              bool *was_clamped);

/* ------------------------------------------------------------------------------------------ rooms */

typedef uint32_t rj_room_id; /* dense, from 1; durable; never reused */

struct rj_room_state {
    uint64_t accepted_seq; /* of the last append that was queued */
    uint64_t head_seq;     /* of the last one completed; 0 = none yet */
    uint64_t head_pos;     /* its pos */
    uint64_t floor_seq;    /* lowest seq still kept; head_seq + 1 when all is trimmed */
    uint64_t floor_pos;    /* every record of the room at or below this pos is trimmed; 0 = none was */
};

/* The id of the room with this key. With `create` an unknown key gets a new id (stored with the next commit);
 * else RJ_NOT_FOUND. RJ_BAD_NAME: key empty or above RJ_STORE_KEY_MAX.
 * Everywhere else a room id must be one that the store has given out: another one aborts the process. */
enum rj_status rj_store_room(struct rj_store *store, struct rj_span key, bool create, rj_room_id *out);

struct rj_room_state rj_store_room_state(struct rj_store *store, rj_room_id room);

/* Trims what the room has up to `seq`, at most all that was accepted until now. When `done` runs (it may be
 * NULL, and is told RJ_OK) it is gone for every reader and stays so; the disk is given back later. */
typedef void rj_store_written(void *ctx, enum rj_status status);
void rj_store_purge(struct rj_store *store, rj_room_id room, uint64_t seq, rj_store_written *done, void *ctx);

/* Lets go of the room with this key for good: of all that was accepted for it, of its place in the store, of
 * its name. Its id must not be used any more; a room that is asked for under the key later is another one.
 * When `done` runs (it may be NULL, and is told RJ_OK, also when there was no such room) all of that is
 * durable; the disk is given back later, in slices. Records that are in other rooms, too, stay there. */
void rj_store_forget_room(struct rj_store *store, struct rj_span key, rj_store_written *done, void *ctx);

/* ------------------------------------------------------------------------------------------ append */

struct rj_store_append {
    const rj_room_id *rooms; /* distinct, 1 to RJ_STORE_ROOMS_MAX */
    size_t n_rooms;
    struct rj_span source; /* with `id`: the dedupe key. An empty `id` means: never a duplicate */
    struct rj_span id;
    struct rj_span payload; /* copied */
    bool is_brief; /* the id is known for dedupe_brief_ms only, and apart from others of the source */
};

enum rj_append_outcome {
    RJ_APPEND_STORED,    /* durable now, at this receipt */
    RJ_APPEND_DUPLICATE, /* (source, id) was appended before: this is the receipt of that one, durable too */
    RJ_APPEND_UNKNOWN,   /* an engine could not learn the outcome; the LMDB engine never says this */
};

struct rj_store_receipt {
    uint64_t pos;
    uint64_t epoch;       /* that the record was appended in: with pos, what the first answer said */
    uint64_t ts_ms;       /* wall clock at accept */
    const uint64_t *seqs; /* one per room of the append, in its order */
    size_t n_seqs;
};

/* `payload` is what was appended (for a DUPLICATE: empty). Receipt and payload are valid for the call. */
typedef void rj_store_appended(void *ctx, enum rj_append_outcome outcome,
                               const struct rj_store_receipt *receipt, struct rj_span payload);

/* Queues one record. Its pos and seqs are given out now, in call order. `done` may be NULL. */
void rj_store_append(struct rj_store *store, const struct rj_store_append *append, rj_store_appended *done,
                     void *ctx);

/* When the append would be a repetition (only its source, id and is_brief matter), queues what it would be
 * answered and is true; else false, and `done` is never called. For who would not append it any more. */
bool rj_store_repeat(struct rj_store *store, const struct rj_store_append *append, rj_store_appended *done,
                     void *ctx);

/* ------------------------------------------------------------------------------------------ key-value */

enum rj_store_table {
    RJ_TABLE_SESSION,
    RJ_TABLE_CURSOR,
    RJ_TABLE_SERVICE,
    RJ_TABLE_PRESENCE,
    RJ_TABLE_COUNT
};

enum { RJ_ANY_VERSION = 0 };

/* rj_store_written is told RJ_OK once it is durable; RJ_CONFLICT when the expected version was not the stored
 * one (nothing was written).
 * Every value has a version, 1 at its creation and one more with each put. `expect`: RJ_ANY_VERSION writes
 * whatever is there; UINT64_MAX demands that the key is absent; else the version that must be stored now.
 * `done` may be NULL. Key and value are copied. RJ_BAD_NAME: the key is empty or above RJ_STORE_KEY_MAX. */
void rj_store_put(struct rj_store *store, enum rj_store_table table, struct rj_span key, struct rj_span value,
                  uint64_t expect, rj_store_written *done, void *ctx);
void rj_store_delete(struct rj_store *store, enum rj_store_table table, struct rj_span key,
                     rj_store_written *done, void *ctx);
/* Every key that starts with `prefix`. */
void rj_store_delete_prefix(struct rj_store *store, enum rj_store_table table, struct rj_span prefix,
                            rj_store_written *done, void *ctx);

/* A callback that is ordered with the writes but writes nothing: it runs when everything queued before it is
 * durable. */
void rj_store_barrier(struct rj_store *store, rj_store_written *done, void *ctx);

/* Appends the value to `*value`; RJ_NOT_FOUND when the key is absent. `version` may be NULL. Sees what is
 * committed, which may be ahead of what has been completed. */
enum rj_status rj_store_get(struct rj_store *store, enum rj_store_table table, struct rj_span key,
                            struct rj_buf *value, uint64_t *version);

/* Visits keys that start with `prefix` and sort after `after` (empty: from the first), at most `limit`; false
 * from the visitor ends it. The spans are valid for the call. */
typedef bool rj_store_visit_pair(void *ctx, struct rj_span key, struct rj_span value);
enum rj_status rj_store_scan(struct rj_store *store, enum rj_store_table table, struct rj_span prefix,
                             struct rj_span after, size_t limit, rj_store_visit_pair *visit, void *ctx);

/* ------------------------------------------------------------------------------------------ reading */

/* A record, valid for the visitor's call. */
struct rj_store_record {
    uint64_t pos;
    uint64_t epoch;
    uint64_t ts_ms;
    const rj_room_id *rooms;
    const uint64_t *seqs; /* one per room */
    size_t n_rooms;
    struct rj_span source;
    struct rj_span id;
    struct rj_span payload;
    bool is_brief;
};

/* False ends the reading after this record. */
typedef bool rj_store_visit(void *ctx, const struct rj_store_record *record);

struct rj_store_reach {
    rj_room_id room;
    uint64_t after_pos; /* only records above this */
};

struct rj_store_budget {
    size_t records; /* visited at most; 0 = 1,000 */
    size_t bytes;   /* stop once this many payload bytes were visited; 0 = 1 MiB */
};

/* Visits, in ascending pos and each once, the records of `rooms` (distinct) that lie above their own
 * after_pos and above `after`, up to `upto`, within the budget. *reached: everything up to here has been
 * visited (`upto` when complete, else call again with it as `after`). RJ_GAP: something in that range is
 * trimmed; nothing was visited. RJ_CORRUPT: a record fails its checksum; it was logged with its pos and not
 * visited, those before it were; *reached is its pos, so that a caller who has told of the loss can go on
 * behind it. An `upto` above head.completed counts as head.completed. */
enum rj_status rj_store_read(struct rj_store *store, const struct rj_store_reach *rooms, size_t n_rooms,
                             uint64_t after, uint64_t upto, struct rj_store_budget budget,
                             rj_store_visit *visit, void *ctx, uint64_t *reached);

/* The same over the whole log, whatever the room. A range below head.oldest is RJ_GAP; above it, records that
 * the limits of their own rooms have trimmed are shown until they are deleted, and then simply not there. */
enum rj_status rj_store_read_log(struct rj_store *store, uint64_t after, uint64_t upto,
                                 struct rj_store_budget budget, rj_store_visit *visit, void *ctx,
                                 uint64_t *reached);

/* The rooms of which something above `after` has been trimmed by limits of their own, as far as their floors
 * have risen since the call that has set `*since` (0: whenever that was). The latest first; the visitor
 * returns false to end it. True: these were all, and `*since` is set for the next call, unless the visitor
 * has ended it. False: that cannot be told any more, so each room is to be looked at (rj_store_check_kept);
 * nothing was visited, and `*since` is set all the same. What is trimmed by the log's own age is not told of
 * here: a reading of the log ends with RJ_GAP there. */
typedef bool rj_store_raised_visit(void *ctx, rj_room_id room, uint64_t floor_pos);
bool rj_store_visit_raised(struct rj_store *store, uint64_t after, uint64_t *since,
                           rj_store_raised_visit *visit, void *ctx);

/* Whether everything of these rooms that lies above `after` and above their own after_pos is still kept:
 * RJ_OK or RJ_GAP. Looks at nothing but the floors. */
enum rj_status rj_store_check_kept(struct rj_store *store, const struct rj_store_reach *rooms, size_t n_rooms,
                                   uint64_t after);

enum rj_history_order { RJ_HISTORY_FORWARD, RJ_HISTORY_BACKWARD };

/* A page of one room: FORWARD visits seqs above `seq` ascending; BACKWARD those below `seq` descending
 * (`seq` = UINT64_MAX: from the newest). Trimmed records are simply not there. */
enum rj_status rj_store_history(struct rj_store *store, rj_room_id room, enum rj_history_order order,
                                uint64_t seq, struct rj_store_budget budget, rj_store_visit *visit,
                                void *ctx);

/* ------------------------------------------------------------------------------------------ reading later
 *
 * The three readings above, for what may have to come from the disk. The plan is made at the call: rooms,
 * floors and head as they are then. A reader thread carries it out and copies what it finds, at most what the
 * budget allows (and one record), and rj_store_complete visits that and then calls `done` with the outcome
 * that the call above would have returned, both on the caller's thread. Where the visitor ends it, the status
 * is RJ_OK and `reached` the pos of the last record. What a floor has passed meanwhile counts as trimmed.
 * Readings may finish in another order than they were asked for; each tells its outcome once, unless it is
 * cancelled. A store that closes answers RJ_CLOSED.
 *
 * There is no bound on how many are under way but the caller's: each may hold its budget in memory. They wait
 * in one line for a reader thread.
 */
struct rj_store_reading;

/* `reached` as rj_store_read; meaningless for a page, and with RJ_GAP. */
typedef void rj_store_read_done(void *ctx, enum rj_status status, uint64_t reached);

struct rj_store_reading *rj_store_read_later(struct rj_store *store, const struct rj_store_reach *rooms,
                                             size_t n_rooms, uint64_t after, uint64_t upto,
                                             struct rj_store_budget budget, rj_store_visit *visit,
                                             rj_store_read_done *done, void *ctx);
struct rj_store_reading *rj_store_read_log_later(struct rj_store *store, uint64_t after, uint64_t upto,
                                                 struct rj_store_budget budget, rj_store_visit *visit,
                                                 rj_store_read_done *done, void *ctx);
struct rj_store_reading *rj_store_history_later(struct rj_store *store, rj_room_id room,
                                                enum rj_history_order order, uint64_t seq,
                                                struct rj_store_budget budget, rj_store_visit *visit,
                                                rj_store_read_done *done, void *ctx);

/* What calls at once are going to look at. */
struct rj_store_warm {
    struct rj_span
        prefix; /* the first `pairs` key-value pairs of each table that start with it; empty: none */
    size_t pairs;
    size_t room_at;              /* the keys of these pairs name a room, from this byte on; 0: they do not */
    bool has_room_ids;           /* the keys of these pairs end with a room's id, u32 BE */
    struct rj_span room;         /* the key of a room, to look it up by; empty: none … */
    enum rj_history_order order; /* … with a page of so many records, from `seq` on as rj_store_history */
    uint64_t seq;
    size_t records;
};

/* Fetches it from the disk, as far as it is not in memory, and then calls `done` with RJ_OK. Nothing else is
 * different then but the time that those calls take: for what comes in answer to a request, where the caller
 * can wait and its thread cannot. The spans are copied. */
struct rj_store_reading *rj_store_warm_later(struct rj_store *store, const struct rj_store_warm *what,
                                             rj_store_read_done *done, void *ctx);

/* Whether rj_store_room of that key will not look at the disk. */
bool rj_store_room_is_loaded(struct rj_store *store, struct rj_span key);

/* From now on neither its visitor nor `done` is called. Only before `done` has been. */
void rj_store_read_cancel(struct rj_store_reading *reading);

/* ------------------------------------------------------------------------------------------ figures */

enum rj_trim_reason { RJ_TRIM_AGE, RJ_TRIM_COUNT, RJ_TRIM_BYTES, RJ_TRIM_PURGE, RJ_TRIM_REASONS };

struct rj_store_stats {
    uint64_t commits, records, bytes; /* since open: commits, records and payload bytes written */
    uint64_t commit_us_total, commit_us_max;
    uint64_t index_pending;   /* entries waiting for the sweep */
    uint64_t rooms;           /* ids given out */
    uint64_t rooms_forgotten; /* since open */
    uint64_t rooms_loaded;    /* of them, in memory */
    /* Records that a room has let go of since open, about, in all and by reason; one of several rooms counts
     * in each. */
    uint64_t trimmed, trimmed_by[RJ_TRIM_REASONS];
    uint64_t dedupe_known, dedupe_hits;
    uint64_t dedupe_sources, dedupe_receipts; /* sources of known ids; receipts kept of trimmed records */
    uint64_t corrupt;                         /* records that failed their checksum when read */
    uint64_t file_bytes;                      /* used pages */
    uint64_t recovered_records;               /* tail records re-read at open */
    /* readings asked for with …_later: those that wait or are read, those finished; how long they waited for
       a reader thread, and how long they then took */
    uint64_t reads_under_way, reads;
    uint64_t reads_wait_us_total, reads_wait_us_max, reads_us_total, reads_us_max;
};

struct rj_store_stats rj_store_stats(struct rj_store *store);

#endif
