/* Housekeeping: how much of the sweep and of the trimming rides with the transactions, and what happens when
 * there are none. */
#include "proto/base/clock.h"
#include "storage/engine.h"
#include "storage/floors.h"

enum {
    IDLE_MS = 1000,     /* without an append: the index is written out in the background */
    STEP_MS = 20,       /* at least so long between two commits that only keep house */
    SWEEP_LEAST = 256,  /* overdue entries: fewer wait for their neighbours, with whom they share pages */
    SWEEP_MOST = 20000, /* entries in one batch */
    SWEEP_STEP = 2000,
    TRIM_LEAST = 100, /* records in one batch */
    TRIM_MOST = 5000,
    TRIM_MS = 20,   /* at least so long between two walks for less than that */
    UNLOAD_MS = 10, /* between two looks at rooms that may leave memory */
    UNLOAD_STEP = 1000,
};

static struct rj_retain_state retain_state(const struct rj_store *store)
{
    return (struct rj_retain_state){
        .trim_pos = store->rooms.trim_pos,
        .completed = store->completed,
        .scan_from = store->index.scan_from,
        .purge_upto = store->index.purge_upto,
        .now_ms = rj_clock_wall_ms(),
    };
}

/* Above its target the index pays back what is too much, so that most small commits touch the log alone;
 * below it only an idle store or old records that wait for their index entries are a reason to write. */
static size_t sweep_quota(const struct rj_store *store, bool is_blocked, bool is_idle)
{
    uint64_t over = rj_index_overdue(&store->index);
    if (over < SWEEP_LEAST)
        over = 0;
    if (over == 0 && (is_blocked || is_idle) && !rj_index_is_settled(&store->index, store->completed))
        over = SWEEP_STEP;
    return over < SWEEP_MOST ? over : SWEEP_MOST;
}

static size_t trim_quota(const struct rj_store *store)
{
    size_t quota = store->appended * 4;
    if (quota < TRIM_LEAST)
        quota = TRIM_LEAST;
    return quota < TRIM_MOST ? quota : TRIM_MOST;
}

/* Old records wait for company, too. */
static bool trim_is_due(struct rj_store *store, const struct rj_retain_state *state, uint64_t now_ms)
{
    return (store->appended >= TRIM_LEAST || now_ms - store->trim_ms >= TRIM_MS) &&
           rj_retain_is_due(&store->retain, state);
}

static void unload(struct rj_store *store, uint64_t now_ms)
{
    if (now_ms < store->unload_ms || store->env.reading)
        return;
    bool is_round = rj_store_rooms_unload(&store->rooms, UNLOAD_STEP);
    store->unload_ms = now_ms + (is_round ? store->room_idle_ms : UNLOAD_MS);
}

void rj_engine_upkeep(struct rj_store *store)
{
    uint64_t now_ms = rj_clock_mono_ms();
    bool has_work = store->open->n_ops || store->full.first;
    unload(store, now_ms);
    if (!has_work && (store->n_submitted || now_ms - store->background_ms < STEP_MS))
        return;
    if (store->open->n_appends || store->full.first)
        store->active_ms = now_ms;
    rj_floors_review(store);
    rj_floors_apply_limits(store);
    struct rj_retain_state state = retain_state(store);
    bool is_idle = !has_work && now_ms - store->active_ms >= IDLE_MS;
    store->index.deletes_most =
        store->open->n_appends > RJ_INDEX_DELETES ? store->open->n_appends : RJ_INDEX_DELETES;
    size_t quota = sweep_quota(store, rj_retain_is_blocked(&store->retain, &state), is_idle);
    if (quota)
        rj_index_plan(&store->index, &store->open->sweep, quota, store->completed);
    if (trim_is_due(store, &state, now_ms)) {
        rj_retain_plan(&store->retain, &state, has_work ? trim_quota(store) : TRIM_MOST, &store->open->trim);
        store->appended = 0;
        store->trim_ms = now_ms;
    }
    if (!has_work)
        store->background_ms = now_ms;
}

bool rj_engine_settle(struct rj_store *store)
{
    if (rj_index_is_settled(&store->index, store->completed))
        return false;
    store->index.deletes_most = RJ_INDEX_DELETES;
    rj_index_plan(&store->index, &store->open->sweep, SWEEP_MOST, store->completed);
    return true;
}
