/* What a start does with what the last process left: the log is the truth, everything else follows from it.
 *
 *   first key … trim_pos     trimmed, not yet deleted: the sweep is told which rooms to visit
 *   scan_from … last key     maybe not in the index: the entries that ridx lacks wait in memory again
 *   the youngest records     the dedupe table, as far as its window reaches
 */
#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "storage/engine.h"

static bool log_key(MDB_cursor *cursor, MDB_cursor_op op, uint64_t *pos)
{
    MDB_val key, value;
    int rc = mdb_cursor_get(cursor, &key, &value, op);
    if (rc && rc != MDB_NOTFOUND)
        rj_env_fail("reading the log", rc);
    if (rc == 0)
        memcpy(pos, key.mv_data, sizeof *pos);
    return rc == 0;
}

/* Visits the records of the log from `from` to `upto`, those that fail their checksum with NULL. */
typedef enum rj_status visit_log(struct rj_store *store, uint64_t pos, const struct rj_record *record,
                                 struct rj_buf *why);

static enum rj_status walk(struct rj_store *store, const struct rj_reader *reader, uint64_t from,
                           uint64_t upto, visit_log *visit, struct rj_buf *why)
{
    struct rj_record record;
    MDB_val key = rj_val(&from, sizeof from), value;
    enum rj_status status = RJ_OK;
    int rc = mdb_cursor_get(reader->log, &key, &value, MDB_SET_RANGE);
    while (rc == 0 && status == RJ_OK) {
        uint64_t pos;
        memcpy(&pos, key.mv_data, sizeof pos);
        if (pos > upto)
            break;
        bool is_whole = rj_engine_decode(store, rj_val_span(value), pos, &record) == RJ_OK;
        for (size_t i = 0; is_whole && i < record.fields.n_rooms; i++)
            is_whole = record.rooms[i] != 0 && record.rooms[i] < store->rooms.next_id;
        status = visit(store, pos, is_whole ? &record : NULL, why);
        rc = mdb_cursor_get(reader->log, &key, &value, MDB_NEXT);
    }
    return rc && rc != MDB_NOTFOUND ? rj_env_status(rc) : status;
}

static enum rj_status on_trimmed(struct rj_store *store, uint64_t pos, const struct rj_record *record,
                                 struct rj_buf *why)
{
    (void)why;
    for (size_t i = 0; record && i < record->fields.n_rooms; i++) {
        struct rj_trimmed trimmed = {record->rooms[i], record->seqs[i], pos};
        rj_index_trimmed(&store->index, &trimmed);
    }
    return RJ_OK;
}

static enum rj_status on_tail(struct rj_store *store, uint64_t pos, const struct rj_record *record,
                              struct rj_buf *why)
{
    if (!record) {
        rj_buf_printf(why, "record %llu of the log is damaged and not yet indexed", (unsigned long long)pos);
        return RJ_CORRUPT;
    }
    store->stats.recovered_records++;
    for (size_t i = 0; i < record->fields.n_rooms; i++) {
        struct rj_store_room *room = rj_store_rooms_get(&store->rooms, record->rooms[i]);
        if (record->seqs[i] <= room->head_seq)
            continue;
        if (record->seqs[i] != room->head_seq + 1) {
            rj_buf_printf(why, "record %llu of the log has number %llu in room %u, which ends at %llu",
                          (unsigned long long)pos, (unsigned long long)record->seqs[i], room->id,
                          (unsigned long long)room->head_seq);
            return RJ_CORRUPT;
        }
        rj_index_add(&store->index, room, pos);
        room->accepted_seq = room->head_seq;
    }
    return RJ_OK;
}

/* Walks back as far as the window reaches, then adds what was found in the order of the log. */
static void rebuild_dedupe(struct rj_store *store, const struct rj_reader *reader)
{
    struct rj_dedupe *dedupe = &store->dedupe;
    struct rj_dedupe_entry *found = NULL;
    size_t n = 0, cap = 0;
    uint64_t now_ms = rj_clock_wall_ms();
    struct rj_record record;
    MDB_val key, value;
    int rc = mdb_cursor_get(reader->log, &key, &value, MDB_LAST);
    for (; rc == 0 && n < dedupe->max; rc = mdb_cursor_get(reader->log, &key, &value, MDB_PREV)) {
        uint64_t pos;
        memcpy(&pos, key.mv_data, sizeof pos);
        if (pos <= store->rooms.trim_pos)
            break;
        if (rj_engine_decode(store, rj_val_span(value), pos, &record))
            continue;
        if (record.fields.ts_ms + dedupe->window_ms < now_ms)
            break;
        if (record.fields.id.len == 0)
            continue;
        if (n == cap)
            found = rj_realloc(found, cap = cap ? cap * 2 : 1024, sizeof *found);
        uint64_t hash = rj_dedupe_hash(dedupe, record.fields.source, record.fields.id);
        found[n++] = (struct rj_dedupe_entry){hash, pos, record.fields.ts_ms};
    }
    while (n-- > 0)
        rj_dedupe_add(dedupe, found[n].hash, found[n].pos, found[n].ts_ms);
    free(found);
}

enum rj_status rj_engine_recover(struct rj_store *store, struct rj_buf *why)
{
    uint64_t scan_from = 1, trim_pos = 0, first, last;
    uint32_t target = (uint32_t)store->index.target;
    struct rj_reader reader = rj_env_read(&store->env);
    rj_env_meta_get(&store->env, reader.txn, RJ_META_SCAN_FROM, &scan_from);
    rj_env_meta_get(&store->env, reader.txn, RJ_META_TRIM_POS, &trim_pos);
    bool has_records = log_key(reader.log, MDB_FIRST, &first) && log_key(reader.log, MDB_LAST, &last);
    if (!has_records)
        first = (last = trim_pos) + 1;

    /* The log may have been trimmed to nothing: then trim_pos alone remembers how far it went. */
    store->completed = last > trim_pos ? last : trim_pos;
    store->next_pos = store->completed + 1;
    store->retain.purged_upto = first - 1;
    rj_store_rooms_init(&store->rooms, &store->env, trim_pos);
    rj_index_init(&store->index, &store->rooms, target, scan_from);

    enum rj_status status = walk(store, &reader, first, trim_pos, on_trimmed, why);
    if (status == RJ_OK)
        status = walk(store, &reader, scan_from, last, on_tail, why);
    if (status == RJ_OK)
        rebuild_dedupe(store, &reader);
    rj_env_read_done(&store->env, &reader);
    return status;
}
