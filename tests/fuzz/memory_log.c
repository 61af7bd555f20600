#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_disk.h"

/* ------------------------------------------------------------------------------------------------ records */

static void free_record(struct memory_record *record)
{
    rj_buf_free(&record->source);
    rj_buf_free(&record->id);
    rj_buf_free(&record->payload);
    free(record);
}

uint64_t memory_log_find_same(const struct rj_store *store, const struct rj_store_append *append)
{
    for (uint64_t i = 0; append->id.len && i < store->n_records; i++) {
        const struct memory_record *record = store->records[i];
        if (record->is_brief == append->is_brief && rj_span_eq(rj_buf_span(&record->id), append->id) &&
            rj_span_eq(rj_buf_span(&record->source), append->source))
            return i + 1;
    }
    return 0;
}

uint64_t memory_log_accept(struct rj_store *store, const struct rj_store_append *append)
{
    struct memory_record *record = rj_calloc(1, sizeof *record);
    HOLDS(store->n_records < RECORDS_MAX);
    HOLDS(append->n_rooms >= 1 && append->n_rooms <= RJ_STORE_ROOMS_MAX);
    record->epoch = store->epochs[store->n_epochs - 1].number;
    record->ts_ms = rj_clock_wall_ms();
    record->n_rooms = append->n_rooms;
    record->is_brief = append->is_brief;
    record->source = memory_copy(append->source);
    record->id = memory_copy(append->id);
    record->payload = memory_copy(append->payload);
    for (size_t i = 0; i < append->n_rooms; i++) {
        HOLDS(append->rooms[i] >= 1 && append->rooms[i] <= store->n_rooms);
        HOLDS(!store->rooms[append->rooms[i] - 1].is_forgotten);
        for (size_t k = 0; k < i; k++)
            HOLDS(record->rooms[k] != append->rooms[i]);
        record->rooms[i] = append->rooms[i];
        record->seqs[i] = ++store->rooms[append->rooms[i] - 1].state.accepted_seq;
    }
    store->records[store->n_records++] = record;
    return store->n_records;
}

static void move_heads(struct rj_store *store, uint64_t pos)
{
    const struct memory_record *record = store->records[pos - 1];
    for (size_t i = 0; i < record->n_rooms; i++) {
        struct rj_room_state *state = &store->rooms[record->rooms[i] - 1].state;
        state->head_seq = record->seqs[i];
        state->head_pos = pos;
    }
}

void memory_log_complete(struct rj_store *store, uint64_t pos)
{
    HOLDS(store->completed == pos - 1);
    store->completed = pos;
    move_heads(store, pos);
}

/* The records above `pos` are no more; the rooms stand where those below have left them. */
static void cut(struct rj_store *store, uint64_t pos)
{
    while (store->n_records > pos)
        free_record(store->records[--store->n_records]);
    for (uint32_t i = 0; i < store->n_rooms; i++) {
        struct rj_room_state *state = &store->rooms[i].state;
        state->accepted_seq = state->head_seq = state->head_pos = 0;
    }
    for (uint64_t at = 1; at <= store->n_records; at++) {
        const struct memory_record *record = store->records[at - 1];
        move_heads(store, at);
        for (size_t i = 0; i < record->n_rooms; i++)
            store->rooms[record->rooms[i] - 1].state.accepted_seq = record->seqs[i];
    }
}

void memory_log_lose_uncommitted(struct rj_store *store)
{
    cut(store, store->committed);
    for (uint32_t i = 0; i < store->n_rooms; i++)
        store->rooms[i].is_forgotten = store->rooms[i].key.len == 0;
}

void memory_store_trim(uint64_t pos)
{
    struct rj_store *store = memory_disk();
    pos = pos < store->completed ? pos : store->completed;
    for (; store->trimmed < pos; store->trimmed++) {
        const struct memory_record *record = store->records[store->trimmed];
        for (size_t i = 0; i < record->n_rooms; i++) {
            struct rj_room_state *state = &store->rooms[record->rooms[i] - 1].state;
            state->floor_seq = record->seqs[i] + 1;
            state->floor_pos = store->trimmed + 1;
        }
    }
}

void memory_store_damage(uint64_t back)
{
    struct rj_store *store = memory_disk();
    if (back < store->committed)
        store->records[store->committed - 1 - back]->is_damaged = true;
}

/* -------------------------------------------------------------------------------------------------- rooms */

enum rj_status rj_store_room(struct rj_store *store, struct rj_span key, bool create, rj_room_id *out)
{
    if (key.len == 0 || key.len > RJ_STORE_KEY_MAX)
        return RJ_BAD_NAME;
    for (uint32_t i = 0; i < store->n_rooms; i++)
        if (!store->rooms[i].is_forgotten && rj_span_eq(rj_buf_span(&store->rooms[i].key), key))
            return *out = i + 1, RJ_OK;
    if (!create)
        return RJ_NOT_FOUND;
    HOLDS(store->n_rooms < ROOMS_MAX);
    HOLDS(!store->pick || store->pick(store->pick_ctx, key) == store->pick(store->pick_ctx, key));
    store->rooms[store->n_rooms] = (struct memory_room){.key = memory_copy(key), .state = {.floor_seq = 1}};
    *out = ++store->n_rooms;
    return RJ_OK;
}

struct rj_room_state rj_store_room_state(struct rj_store *store, rj_room_id room)
{
    HOLDS(room >= 1 && room <= store->n_rooms);
    return store->rooms[room - 1].state;
}

/* While the disk is held it is a slow one. */
bool rj_store_room_is_loaded(struct rj_store *store, struct rj_span key)
{
    (void)key;
    return !store->is_held;
}

static void free_rooms(struct memory_room *rooms, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        rj_buf_free(&rooms[i].key);
    memset(rooms, 0, n * sizeof *rooms);
}

/* ------------------------------------------------------------------------------------------------ backups */

static void copy_rooms(struct memory_room *out, const struct memory_room *rooms, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = (struct memory_room){memory_copy(rj_buf_span(&rooms[i].key)), rooms[i].state,
                                      rooms[i].key.len == 0};
}

static void free_backup(struct memory_backup *backup)
{
    if (!backup->is_there)
        return;
    free_rooms(backup->rooms, backup->n_rooms);
    free(backup->rooms);
    memory_pairs_free(&backup->tables);
    *backup = (struct memory_backup){0};
}

void memory_store_back_up(void)
{
    struct rj_store *store = memory_disk();
    struct memory_backup *backup = &store->backup;
    free_backup(backup);
    *backup = (struct memory_backup){
        .is_there = true,
        .n_records = store->committed,
        .trimmed = store->trimmed,
        .restored = store->restored,
        .n_rooms = store->n_rooms,
        .rooms = rj_calloc(store->n_rooms + 1, sizeof *backup->rooms),
        .n_epochs = store->n_epochs,
    };
    copy_rooms(backup->rooms, store->rooms, store->n_rooms);
    memory_pairs_copy(&backup->tables, &store->tables);
}

void memory_store_restore(void)
{
    struct rj_store *store = memory_disk();
    const struct memory_backup *backup = &store->backup;
    HOLDS(!store->ops && !store->readings);
    if (!backup->is_there)
        return;
    free_rooms(store->rooms, store->n_rooms);
    memory_pairs_free(&store->tables);
    store->n_rooms = backup->n_rooms;
    copy_rooms(store->rooms, backup->rooms, backup->n_rooms);
    memory_pairs_copy(&store->tables, &backup->tables);
    store->committed = store->completed = backup->n_records;
    store->trimmed = backup->trimmed;
    store->restored = backup->restored;
    store->n_epochs = backup->n_epochs;
    store->is_copy = true;
    cut(store, backup->n_records);
}

void memory_log_free(struct rj_store *store)
{
    for (uint64_t i = 0; i < store->n_records; i++)
        free_record(store->records[i]);
    free_rooms(store->rooms, store->n_rooms);
    free_backup(&store->backup);
    store->n_records = store->committed = store->completed = store->trimmed = 0;
    store->n_rooms = 0;
}
