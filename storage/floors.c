#include "storage/floors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/engine.h"

enum { REVIEW_STEP = 100 };

static void plan(struct rj_store *store, struct rj_store_room *room, uint64_t seq, enum rj_trim_reason reason)
{
    if (seq <= room->planned_floor)
        return;
    rj_index_plan_floor(&store->rooms, room, seq);
    rj_store_batch_add_floor(store->open, (struct rj_floor){room->id, reason, seq});
}

/* ------------------------------------------------------------------------------------------ limits */

static void apply_count(struct rj_store *store, struct rj_store_room *room, uint64_t count)
{
    if (count && room->accepted_seq > count)
        plan(store, room, room->accepted_seq - count + 1, RJ_TRIM_COUNT);
}

static void apply_bytes(struct rj_store *store, struct rj_store_room *room, uint64_t bytes)
{
    if (bytes == 0 || room->bytes <= bytes || room->planned_floor >= room->accepted_seq)
        return;
    struct rj_reader reader = rj_env_read(&store->env);
    uint64_t seq =
        rj_index_seq_behind(&reader, room, room->planned_floor, room->accepted_seq, room->bytes - bytes);
    rj_env_read_done(&store->env, &reader);
    plan(store, room, seq, RJ_TRIM_BYTES);
}

void rj_floors_apply_limits(struct rj_store *store)
{
    struct rj_store_rooms *rooms = &store->rooms;
    for (size_t i = 0; i < rooms->n_touched; i++) {
        struct rj_store_room *room = rj_store_rooms_get(rooms, rooms->touched[i]);
        const struct rj_store_limits *limits = rj_store_room_limits(rooms, room);
        room->is_touched = false;
        apply_count(store, room, limits->count);
        apply_bytes(store, room, limits->bytes);
    }
    rooms->n_touched = 0;
}

/* ------------------------------------------------------------------------------------------ raising */

void rj_floors_raise(struct rj_store *store, struct rj_floor floor)
{
    struct rj_store_room *room = rj_store_rooms_get(&store->rooms, floor.room);
    uint64_t n = rj_index_raise_floor(&store->index, room, floor.seq);
    store->stats.trimmed += n;
    store->stats.trimmed_by[floor.reason] += n;
    if (room->is_forgotten) /* also when it has nothing but its state */
        rj_store_rooms_mark(&store->rooms, room->id);
}

/* What was forgotten has nobody who could miss something of it. */
static void note(struct rj_store *store, rj_room_id id)
{
    struct rj_store_room *room = rj_store_rooms_get(&store->rooms, id);
    if (!room->is_forgotten)
        rj_raised_note(&store->rooms.raised, &room->raised, id, room->floor_pos);
}

bool rj_store_visit_raised(struct rj_store *store, uint64_t after, uint64_t *since,
                           rj_store_raised_visit *visit, void *ctx)
{
    const struct rj_raised_list *list = &store->rooms.raised;
    bool is_complete = after >= list->lost_pos || *since >= list->lost_number;
    for (const struct rj_raised *raised = is_complete ? list->latest : NULL; raised; raised = raised->next) {
        if (raised->number <= *since || raised->top <= after)
            break;
        uint64_t floor_pos = rj_store_rooms_get(&store->rooms, raised->room)->floor_pos;
        if (floor_pos > after && !visit(ctx, raised->room, floor_pos))
            return true;
    }
    *since = list->n;
    return is_complete;
}

void rj_floors_raised(struct rj_store *store, const struct rj_store_batch *batch)
{
    for (size_t i = 0; i < batch->n_floors; i++) {
        rj_floors_raise(store, batch->floors[i]);
        note(store, batch->floors[i].room);
    }
    if (batch->n_floors)
        store->index.floors_done = batch->floors_number;
}

/* From the youngest back: so each room gets one floor. */
void rj_floors_found_old(struct rj_store *store, const struct rj_trim *trim)
{
    for (size_t i = trim->n_rooms; i-- > 0;) {
        const struct rj_trimmed *found = &trim->rooms[i];
        if (found->room == 0 || found->room >= store->rooms.next_id)
            continue;
        struct rj_store_room *room = rj_store_rooms_get(&store->rooms, found->room);
        if (rj_store_room_limits(&store->rooms, room)->age_ms == trim->age_ms &&
            found->seq <= room->accepted_seq)
            plan(store, room, found->seq + 1, RJ_TRIM_AGE);
    }
}

void rj_store_purge(struct rj_store *store, rj_room_id id, uint64_t seq, rj_store_written *done, void *ctx)
{
    struct rj_store_room *room = rj_store_rooms_get(&store->rooms, id);
    struct rj_op *op;
    rj_engine_queue(store, RJ_OP_PURGE, 0, &op);
    op->room = id;
    op->number = (seq < room->accepted_seq ? seq : room->accepted_seq) + 1;
    op->done.written = done;
    op->ctx = ctx;
    plan(store, room, op->number, RJ_TRIM_PURGE);
}

void rj_store_forget_room(struct rj_store *store, struct rj_span key, rj_store_written *done, void *ctx)
{
    struct rj_store_room *room = rj_store_rooms_find(&store->rooms, key);
    struct rj_op *op;
    if (!room) {
        rj_store_barrier(store, done, ctx);
        return;
    }
    memcpy(rj_engine_queue(store, RJ_OP_FORGET, key.len, &op), key.data, key.len);
    op->key_len = (uint32_t)key.len;
    op->room = room->id;
    op->number = room->accepted_seq + 1;
    op->done.written = done;
    op->ctx = ctx;
    rj_store_rooms_forget(&store->rooms, room);
    rj_index_plan_floor(&store->rooms, room, op->number);
    /* Also when it is no higher than before: it tells the next start of the room, should this one not get to
     * erase it. */
    rj_store_batch_add_floor(store->open, (struct rj_floor){room->id, RJ_TRIM_PURGE, op->number});
    store->stats.rooms_forgotten++;
}

/* ------------------------------------------------------------------------------------------ review */

/* The walks must see again what they have passed: their rooms may be others now. */
static int forget_places(struct rj_env *env)
{
    MDB_txn *txn;
    MDB_cursor *meta;
    MDB_val key = rj_val(RJ_META_AGE, strlen(RJ_META_AGE)), value;
    int rc = mdb_txn_begin(env->mdb, NULL, 0, &txn);
    if (rc)
        return rc;
    rc = mdb_cursor_open(txn, env->meta, &meta);
    if (rc == 0)
        rc = mdb_cursor_get(meta, &key, &value, MDB_SET_RANGE);
    while (rc == 0 && key.mv_size > strlen(RJ_META_AGE) &&
           memcmp(key.mv_data, RJ_META_AGE, strlen(RJ_META_AGE)) == 0) {
        rc = mdb_cursor_del(meta, 0);
        if (rc == 0)
            rc = mdb_cursor_get(meta, &key, &value, MDB_NEXT);
    }
    if (rc && rc != MDB_NOTFOUND) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

static void read_places(struct rj_store *store)
{
    struct rj_reader reader = rj_env_read(&store->env);
    for (size_t i = 1; i < store->retain.n; i++) {
        char name[32];
        snprintf(name, sizeof name, RJ_META_AGE "%llu", (unsigned long long)store->retain.ages[i].age_ms);
        rj_env_meta_get(&store->env, reader.txn, name, &store->retain.ages[i].place);
    }
    rj_env_read_done(&store->env, &reader);
}

enum rj_status rj_floors_begin_review(struct rj_store *store)
{
    uint64_t id = 0;
    int rc = 0;
    struct rj_reader reader = rj_env_read(&store->env);
    rj_env_meta_get(&store->env, reader.txn, RJ_META_LIMITS, &id);
    rj_env_read_done(&store->env, &reader);
    if (id == store->limits.id) {
        read_places(store);
        return RJ_OK;
    }
    while ((rc = forget_places(&store->env)) == MDB_MAP_FULL && (rc = rj_env_grow(&store->env)) == 0)
        ;
    store->review_at = 1;
    return rj_env_status(rc);
}

bool rj_floors_review(struct rj_store *store)
{
    if (store->review_at == 0)
        return false;
    for (int i = 0; i < REVIEW_STEP && store->review_at < store->rooms.next_id; i++)
        rj_store_rooms_touch(&store->rooms, rj_store_rooms_get(&store->rooms, store->review_at++));
    if (store->review_at == store->rooms.next_id) {
        /* Their floors are in this batch at the latest. */
        store->open->is_reviewed = true;
        store->open->limits_id = store->limits.id;
        store->review_at = 0;
    }
    return true;
}
