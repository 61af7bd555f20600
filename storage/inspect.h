/* A look at a store from outside: read-only, by a tool, never by the broker that owns it. Its data is not
 * changed; at most an empty lock file appears in the folder.
 *
 * Beside a running broker a transaction of ours keeps old pages from being reused, so the file grows while it
 * lasts: rj_inspect_read therefore has a new one for every call, and a backup, which needs a single one, is
 * to be taken when the broker is not at its busiest.
 */
#ifndef RJ_INSPECT_H
#define RJ_INSPECT_H

#include "storage/env.h"

enum rj_inspect_mode {
    RJ_INSPECT_ALONE,  /* nobody else has the store open, nor can open it meanwhile */
    RJ_INSPECT_BESIDE, /* a broker may be writing */
};

struct rj_inspect {
    struct rj_env env; /* read-only: nothing of env.h that writes may be called with it */
    uint64_t format;
};

/* Errors, with a sentence appended to `why`: RJ_NOT_FOUND (no store there), RJ_CONFLICT (a broker has it
 * open, and the mode is ALONE), RJ_VERSION (a newer format), RJ_CORRUPT, RJ_IO. After an error there is
 * nothing to close. One process opens a store at most once at a time (LMDB's rule). */
enum rj_status rj_inspect_open(struct rj_inspect *inspect, const char *path, enum rj_inspect_mode mode,
                               struct rj_buf *why);
void rj_inspect_close(struct rj_inspect *inspect);

/* Begins a snapshot; end it with mdb_txn_abort. An LMDB code. */
int rj_inspect_begin(struct rj_inspect *inspect, MDB_txn **out);

/* A record on disk, valid for the visitor's call. */
struct rj_inspected {
    uint64_t pos;
    bool is_trimmed;                      /* below the log's floor: deleted soon, shown to nobody */
    const struct rj_store_record *record; /* NULL: it fails its checksum */
};

/* False ends the reading after this record. */
typedef bool rj_inspect_visit(void *ctx, const struct rj_inspected *record);

/* Visits the records from `from` on in the order of the log, some thousand at most. *next is where to go on;
 * 0 when the log has ended or the visitor has ended it. */
enum rj_status rj_inspect_read(struct rj_inspect *inspect, uint64_t from, rj_inspect_visit *visit, void *ctx,
                               uint64_t *next);

/* The highest pos that the store has given out, also when that record is trimmed; 0 = none yet. */
enum rj_status rj_inspect_last_pos(struct rj_inspect *inspect, uint64_t *pos);

#endif
