#include "tests/unit/store_model.h"

struct seen {
    struct world *world;
    uint64_t positions[RECORDS];
    size_t n;
    size_t stop_after;
};

static bool on_seen(void *ctx, const struct rj_store_record *record)
{
    struct seen *seen = ctx;
    const struct model_record *model = &seen->world->records[record->pos - 1];
    char id[16] = "";
    if (model->id)
        snprintf(id, sizeof id, "id %u", model->id);
    assert_int_equal(record->ts_ms, model->ts_ms);
    assert_int_equal(record->n_rooms, model->n_rooms);
    assert_memory_equal(record->seqs, model->seqs, model->n_rooms * sizeof *model->seqs);
    for (size_t i = 0; i < model->n_rooms; i++)
        if (model->rooms[i] != GONE)
            assert_int_equal(record->rooms[i], id_of(seen->world, model->rooms[i]));
    assert_true(rj_span_is(record->id, id));
    assert_true(rj_span_is(record->source, "source"));
    assert_true(is_payload(model, record->payload));
    seen->positions[seen->n++] = record->pos;
    return seen->n != seen->stop_after;
}

struct question {
    unsigned rooms[ROOMS];
    struct rj_store_reach reach[ROOMS];
    size_t n;
    uint64_t after, upto;
};

static struct question ask(struct world *w)
{
    struct question q = {.n = below(w, ROOMS + 1)};
    unsigned first = below(w, ROOMS), distance = below(w, 3) ? 30 : RECORDS;
    uint64_t head = w->completed;
    q.upto = head - below(w, (unsigned)(head < distance ? head : distance) / 2 + 1);
    q.after = q.upto - below(w, (unsigned)(q.upto < distance ? q.upto : distance) + 1);
    for (unsigned i = 0; i < q.n; i++) {
        q.rooms[i] = (first + i) % ROOMS;
        q.reach[i].room = id_of(w, q.rooms[i]);
        q.reach[i].after_pos = below(w, 3) ? 0 : below(w, (unsigned)q.upto + 1);
    }
    return q;
}

static bool is_gap(struct world *w, const struct question *q)
{
    for (size_t i = 0; i < q->n; i++) {
        uint64_t from = larger(q->after, q->reach[i].after_pos);
        if (from < q->upto && from < floor_pos(w, q->rooms[i]))
            return true;
    }
    return false;
}

static bool is_wanted(const struct world *w, const struct question *q, uint64_t pos)
{
    for (size_t i = 0; i < q->n; i++) {
        if (seq_in(&w->records[pos - 1], q->rooms[i]) && pos > larger(q->after, q->reach[i].after_pos))
            return true;
    }
    return false;
}

void check_read(struct world *w)
{
    struct question q = ask(w);
    static struct seen seen;
    struct rj_store_budget budget = {below(w, 2) ? 0 : 1 + below(w, 20),
                                     below(w, 2) ? 0 : 1 + below(w, 3000)};
    uint64_t after = q.after, reached = q.after;
    enum rj_status status;
    seen.world = w;
    seen.n = 0;
    do {
        seen.stop_after = below(w, 4) ? 0 : seen.n + 1 + below(w, 5);
        status = rj_store_read(w->f->store, q.reach, q.n, after, q.upto, budget, on_seen, &seen, &reached);
        assert_true(status || reached >= after);
        assert_true(status || reached > after || after == q.upto);
        after = reached;
    } while (status == RJ_OK && reached < q.upto);
    assert_int_equal(status, q.after < q.upto && is_gap(w, &q) ? RJ_GAP : RJ_OK);
    size_t n = 0;
    for (uint64_t pos = q.after + 1; status == RJ_OK && pos <= q.upto; pos++) {
        if (!is_wanted(w, &q, pos))
            continue;
        assert_true(n < seen.n);
        assert_int_equal(seen.positions[n++], pos);
    }
    assert_int_equal(seen.n, n);
}

void check_read_log(struct world *w)
{
    struct question q = ask(w);
    static struct seen seen;
    uint64_t reached = 0;
    seen = (struct seen){.world = w};
    struct rj_store_budget budget = {.records = 1 + below(w, 50), .bytes = 1 << 20};
    enum rj_status status = rj_store_read_log(w->f->store, q.after, q.upto, budget, on_seen, &seen, &reached);
    if (q.after < q.upto && q.after < trimmed_upto(w)) {
        assert_int_equal(status, RJ_GAP);
        return;
    }
    assert_int_equal(status, RJ_OK);
    assert_true(seen.n <= budget.records);
    if (q.after < q.upto)
        assert_int_equal(reached, seen.n < budget.records ? q.upto : seen.positions[seen.n - 1]);
    /* What a room's own limits have trimmed may be there or not. */
    size_t n = 0;
    for (uint64_t pos = q.after + 1; pos <= reached; pos++) {
        if (n < seen.n && seen.positions[n] == pos)
            n++;
        else
            assert_false(is_kept(w, pos));
    }
    assert_int_equal(n, seen.n);
}

/* The page that the model would show, in order. */
static size_t model_page(struct world *w, unsigned room, enum rj_history_order order, uint64_t seq,
                         size_t limit, uint64_t *positions)
{
    size_t n = 0;
    uint64_t floor = floor_seq(w, room);
    for (uint64_t i = 1; i <= w->completed && n < limit; i++) {
        uint64_t pos = order == RJ_HISTORY_FORWARD ? i : w->completed + 1 - i;
        uint64_t here = seq_in(&w->records[pos - 1], room);
        bool is_in = order == RJ_HISTORY_FORWARD ? here > seq : here < seq;
        if (here && is_in && here >= floor)
            positions[n++] = pos;
    }
    return n;
}

void check_history(struct world *w, unsigned room, size_t limit)
{
    static struct seen seen;
    static uint64_t page[RECORDS];
    enum rj_history_order order = below(w, 2) ? RJ_HISTORY_FORWARD : RJ_HISTORY_BACKWARD;
    uint64_t seq = below(w, (unsigned)w->accepted[room] + 3);
    if (below(w, 3) == 0)
        seq = order == RJ_HISTORY_FORWARD ? 0 : UINT64_MAX;
    struct rj_store_budget budget = {.records = limit, .bytes = SIZE_MAX};
    seen = (struct seen){.world = w};
    assert_int_equal(rj_store_history(w->f->store, id_of(w, room), order, seq, budget, on_seen, &seen),
                     RJ_OK);
    size_t n = model_page(w, room, order, seq, limit, page);
    assert_int_equal(seen.n, n);
    if (n)
        assert_memory_equal(seen.positions, page, n * sizeof *page);
}

void check_rooms(struct world *w)
{
    for (unsigned room = 0; room < ROOMS; room++) {
        uint64_t head_seq = 0, head_pos = 0, floor = floor_pos(w, room);
        struct rj_room_state state = rj_store_room_state(w->f->store, id_of(w, room));
        for (uint64_t pos = w->completed; pos > 0 && !head_pos; pos--) {
            head_seq = seq_in(&w->records[pos - 1], room);
            head_pos = head_seq ? pos : 0;
        }
        assert_int_equal(state.accepted_seq, w->accepted[room]);
        assert_int_equal(state.head_seq, head_seq);
        assert_int_equal(state.head_pos, head_pos);
        assert_int_equal(state.floor_pos, floor);
    }
}

void check_keys(struct world *w)
{
    for (unsigned i = 0; i < KEYS; i++) {
        struct rj_buf value = {0};
        uint64_t version = 0;
        char name[16], text[16];
        key_name(i, name);
        snprintf(text, sizeof text, "%u", w->keys[i].value);
        enum rj_status status =
            rj_store_get(w->f->store, RJ_TABLE_CURSOR, rj_span_str(name), &value, &version);
        assert_int_equal(status, w->keys[i].version ? RJ_OK : RJ_NOT_FOUND);
        assert_int_equal(version, w->keys[i].version);
        if (status == RJ_OK)
            assert_string_equal(rj_buf_cstr(&value), text);
        rj_buf_free(&value);
    }
}

void check_clamp(struct world *w)
{
    struct rj_store_head head = rj_store_head(w->f->store);
    uint64_t pos = below(w, (unsigned)w->n_records + 20), out = 0;
    bool was_clamped = false, is_past = false;
    size_t i = below(w, (unsigned)w->n_epochs + 1);
    uint64_t epoch = i < w->n_epochs ? w->epochs[i].number : head.epoch;
    uint64_t end = i < w->n_epochs ? w->epochs[i].end : w->completed;
    assert_int_equal(rj_store_clamp(w->f->store, epoch ^ 1, pos, &out, &was_clamped), RJ_NOT_FOUND);
    enum rj_status status = rj_store_clamp(w->f->store, epoch, pos, &out, &was_clamped);
    is_past = pos > end;
    if (is_past && epoch == head.epoch) {
        assert_int_equal(status, RJ_NOT_FOUND);
        return;
    }
    assert_int_equal(status, RJ_OK);
    assert_int_equal(was_clamped, is_past);
    assert_int_equal(out, is_past ? end : pos);
}
