/* The store in random company, compared step by step with a model that is slow and obvious: an array of all
 * records ever appended and an array of keys. The seed of a failing run is printed; REJOIN_SEED repeats it.
 */
#include "tests/unit/test_store_fixture.h"

enum { ROOMS = 9, KEYS = 12, RECORDS = 20000, IDS = 40 };

struct model_record {
    uint64_t pos, ts_ms;
    size_t n_rooms;
    unsigned rooms[3]; /* indexes into names */
    uint64_t seqs[3];
    unsigned id; /* 0 = none */
    unsigned fill;
    size_t payload_len;
};

struct model_key {
    uint64_t version; /* 0 = absent */
    unsigned value;
};

/* What the model says an operation must be answered. */
struct expected {
    struct world *world;
    bool is_append;
    enum rj_append_outcome outcome;
    enum rj_status status;
    size_t record; /* index of the record whose receipt it is */
};

struct world {
    struct fixture *f;
    uint64_t random;
    struct model_record records[RECORDS]; /* record i has pos i + 1 */
    size_t n_records;
    uint64_t accepted[ROOMS];
    struct model_key keys[KEYS];
    struct expected *queue; /* operations in flight, in order */
    size_t queue_at, queue_n, queue_cap;
    uint64_t completed;
    unsigned dedupe_max;
    uint64_t hits, trimmed; /* of the openings before this one, so that a run can tell what it has tried */
};

static unsigned below(struct world *w, unsigned limit)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (unsigned)((w->random >> 11) % limit);
}

static rj_room_id id_of(struct world *w, unsigned room)
{
    char name[32];
    snprintf(name, sizeof name, "room number %u", room);
    return room_id(w->f->store, name);
}

static uint64_t trimmed_upto(const struct world *w)
{
    return rj_store_head(w->f->store).oldest - 1;
}

/* The payload of a record is a run of one letter, so that it needs no memory here. */
static char letter(const struct model_record *record)
{
    return (char)('a' + record->fill);
}

static bool is_payload(const struct model_record *record, struct rj_span payload)
{
    for (size_t i = 0; i < payload.len; i++) {
        if (payload.data[i] != (uint8_t)letter(record))
            return false;
    }
    return payload.len == record->payload_len;
}

/* ------------------------------------------------------------------------------------------ writing */

static struct expected *expect(struct world *w, struct expected expected)
{
    assert_true(w->queue_n < w->queue_cap);
    expected.world = w;
    w->queue[w->queue_n] = expected;
    return &w->queue[w->queue_n++];
}

static void on_model_appended(void *ctx, enum rj_append_outcome outcome,
                              const struct rj_store_receipt *receipt, struct rj_span payload)
{
    struct expected *e = ctx;
    struct world *w = e->world;
    const struct model_record *record = &w->records[e->record];
    assert_ptr_equal(e, &w->queue[w->queue_at++]); /* each once, in order */
    assert_true(e->is_append);
    assert_int_equal(outcome, e->outcome);
    assert_int_equal(receipt->pos, record->pos);
    assert_int_equal(receipt->n_seqs, record->n_rooms);
    assert_memory_equal(receipt->seqs, record->seqs, record->n_rooms * sizeof *record->seqs);
    if (outcome == RJ_APPEND_STORED) {
        assert_true(is_payload(record, payload));
        w->records[e->record].ts_ms = receipt->ts_ms;
        assert_int_equal(w->completed + 1, receipt->pos);
        w->completed = receipt->pos;
        assert_int_equal(rj_store_head(w->f->store).completed, w->completed);
    } else {
        assert_int_equal(payload.len, 0);
        assert_int_equal(receipt->ts_ms, record->ts_ms);
    }
}

static void on_model_written(void *ctx, enum rj_status status)
{
    struct expected *e = ctx;
    assert_ptr_equal(e, &e->world->queue[e->world->queue_at++]);
    assert_false(e->is_append);
    assert_int_equal(status, e->status);
}

/* The record that an id is known by: not trimmed, and among the youngest with an id. */
static bool find_known(const struct world *w, unsigned id, size_t *out)
{
    unsigned with_id = 0;
    for (size_t i = w->n_records; i-- > 0 && w->records[i].pos > trimmed_upto(w);) {
        if (w->records[i].id == id) {
            *out = i;
            return true;
        }
        with_id += w->records[i].id != 0;
        if (with_id == w->dedupe_max)
            return false;
    }
    return false;
}

static void do_append(struct world *w)
{
    struct model_record record = {.pos = w->n_records + 1, .fill = below(w, 26)};
    rj_room_id rooms[3];
    char id[16] = "", *text;
    size_t known;
    if (w->n_records == RECORDS)
        return;
    record.n_rooms = 1 + (below(w, 4) == 0 ? below(w, 3) : 0);
    unsigned first = below(w, ROOMS);
    for (unsigned i = 0; i < record.n_rooms; i++) {
        record.rooms[i] = (first + i * 2) % ROOMS;
        rooms[i] = id_of(w, record.rooms[i]);
    }
    record.payload_len = below(w, 20) == 0 ? below(w, 9000) : below(w, 60);
    record.id = below(w, 3) ? 0 : 1 + below(w, IDS);
    if (record.id)
        snprintf(id, sizeof id, "id %u", record.id);
    text = malloc(record.payload_len + 1);
    memset(text, letter(&record), record.payload_len);

    struct expected expected = {.is_append = true, .outcome = RJ_APPEND_STORED, .record = w->n_records};
    if (record.id && find_known(w, record.id, &known)) {
        expected.outcome = RJ_APPEND_DUPLICATE;
        expected.record = known;
    } else {
        for (size_t i = 0; i < record.n_rooms; i++)
            record.seqs[i] = ++w->accepted[record.rooms[i]];
        w->records[w->n_records++] = record;
    }
    struct rj_store_append append = {
        .rooms = rooms,
        .n_rooms = record.n_rooms,
        .source = rj_span_str("source"),
        .id = rj_span_str(id),
        .payload = rj_span_of(text, record.payload_len),
    };
    rj_store_append(w->f->store, &append, on_model_appended, expect(w, expected));
    free(text);
}

static void key_name(unsigned key, char out[static 16])
{
    snprintf(out, 16, "k%u/%u", key % 3, key);
}

static void do_put(struct world *w)
{
    unsigned i = below(w, KEYS), value = below(w, 100000);
    struct model_key *key = &w->keys[i];
    uint64_t choices[] = {RJ_ANY_VERSION, key->version ? key->version : UINT64_MAX, UINT64_MAX,
                          key->version + 1};
    uint64_t want = choices[below(w, 4)];
    char name[16], text[16];
    key_name(i, name);
    snprintf(text, sizeof text, "%u", value);
    bool fits = want == RJ_ANY_VERSION || want == (key->version ? key->version : UINT64_MAX);
    struct expected expected = {.status = fits ? RJ_OK : RJ_CONFLICT};
    if (fits)
        *key = (struct model_key){key->version + 1, value};
    rj_store_put(w->f->store, RJ_TABLE_CURSOR, rj_span_str(name), rj_span_str(text), want, on_model_written,
                 expect(w, expected));
}

static void do_delete(struct world *w)
{
    unsigned i = below(w, KEYS);
    char name[16];
    struct expected *e = expect(w, (struct expected){.status = RJ_OK});
    if (below(w, 4)) {
        key_name(i, name);
        w->keys[i].version = 0;
        rj_store_delete(w->f->store, RJ_TABLE_CURSOR, rj_span_str(name), on_model_written, e);
        return;
    }
    snprintf(name, sizeof name, "k%u/", i % 3);
    for (unsigned k = i % 3; k < KEYS; k += 3)
        w->keys[k].version = 0;
    rj_store_delete_prefix(w->f->store, RJ_TABLE_CURSOR, rj_span_str(name), on_model_written, e);
}

static void do_barrier(struct world *w)
{
    rj_store_barrier(w->f->store, on_model_written, expect(w, (struct expected){.status = RJ_OK}));
}

/* ------------------------------------------------------------------------------------------ reading */

static uint64_t seq_in(const struct model_record *record, unsigned room)
{
    for (size_t i = 0; i < record->n_rooms; i++) {
        if (record->rooms[i] == room)
            return record->seqs[i];
    }
    return 0;
}

static uint64_t floor_pos(const struct world *w, unsigned room)
{
    for (uint64_t pos = trimmed_upto(w); pos > 0; pos--) {
        if (seq_in(&w->records[pos - 1], room))
            return pos;
    }
    return 0;
}

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
        assert_int_equal(record->rooms[i], id_of(seen->world, model->rooms[i]));
    assert_true(rj_span_is(record->id, id));
    assert_true(rj_span_is(record->source, "source"));
    assert_true(is_payload(model, record->payload));
    seen->positions[seen->n++] = record->pos;
    return seen->n != seen->stop_after;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
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

static bool is_gap(const struct world *w, const struct question *q)
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

static void check_read(struct world *w)
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

static void check_read_log(struct world *w)
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
    assert_int_equal(seen.n, q.upto - q.after < budget.records ? q.upto - q.after : budget.records);
    assert_int_equal(reached, q.after + seen.n);
    for (size_t i = 0; i < seen.n; i++)
        assert_int_equal(seen.positions[i], q.after + 1 + i);
}

/* The page that the model would show, in order. */
static size_t model_page(const struct world *w, unsigned room, enum rj_history_order order, uint64_t seq,
                         size_t limit, uint64_t *positions)
{
    size_t n = 0;
    for (uint64_t i = 1; i <= w->completed && n < limit; i++) {
        uint64_t pos = order == RJ_HISTORY_FORWARD ? i : w->completed + 1 - i;
        uint64_t here = seq_in(&w->records[pos - 1], room);
        bool is_in = order == RJ_HISTORY_FORWARD ? here > seq : here < seq;
        if (here && is_in && pos > trimmed_upto(w))
            positions[n++] = pos;
    }
    return n;
}

static void check_history(struct world *w, unsigned room, size_t limit)
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

static void check_rooms(struct world *w)
{
    for (unsigned room = 0; room < ROOMS; room++) {
        struct rj_room_state state = rj_store_room_state(w->f->store, id_of(w, room));
        uint64_t head_seq = 0, head_pos = 0, floor = floor_pos(w, room);
        for (uint64_t pos = w->completed; pos > 0 && !head_pos; pos--) {
            head_seq = seq_in(&w->records[pos - 1], room);
            head_pos = head_seq ? pos : 0;
        }
        assert_int_equal(state.accepted_seq, w->accepted[room]);
        assert_int_equal(state.head_seq, head_seq);
        assert_int_equal(state.head_pos, head_pos);
        assert_int_equal(state.floor_pos, floor);
        assert_int_equal(state.floor_seq, floor ? seq_in(&w->records[floor - 1], room) + 1 : 1);
    }
}

static void check_keys(struct world *w)
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

/* ------------------------------------------------------------------------------------------ running */

static void settle_world(struct world *w)
{
    settle(w->f->store);
    assert_int_equal(w->queue_at, w->queue_n);
    assert_int_equal(w->completed, w->n_records);
    w->queue_at = w->queue_n = 0;
}

static void check_all(struct world *w)
{
    settle_world(w);
    check_rooms(w);
    check_keys(w);
    for (unsigned room = 0; room < ROOMS; room++)
        check_history(w, room, RECORDS);
}

static void note_figures(struct world *w)
{
    struct rj_store_stats stats = rj_store_stats(w->f->store);
    w->hits += stats.dedupe_hits;
    w->trimmed += stats.trimmed;
}

static void reopen_world(struct world *w)
{
    uint64_t epoch = rj_store_head(w->f->store).epoch, pos;
    bool clamped;
    note_figures(w);
    if (below(w, 2))
        settle_world(w); /* else closing does it */
    w->f->options.index_pending = below(w, 2) ? 0 : 1 + below(w, 200);
    reopen_store(w->f);
    assert_int_equal(w->queue_at, w->queue_n);
    w->queue_at = w->queue_n = 0;
    struct rj_store_head head = rj_store_head(w->f->store);
    assert_true(head.epoch >> 32 > epoch >> 32);
    assert_int_equal(head.completed, w->n_records);
    assert_int_equal(rj_store_clamp(w->f->store, epoch, head.completed + 5, &pos, &clamped), RJ_OK);
    assert_true(clamped && pos == head.completed);
    check_all(w);
}

static void step(struct world *w)
{
    unsigned choice = below(w, 100);
    if (choice < 45)
        do_append(w);
    else if (choice < 55)
        do_put(w);
    else if (choice < 58)
        do_delete(w);
    else if (choice < 60)
        do_barrier(w);
    else if (choice < 72)
        rj_store_submit(w->f->store);
    else if (choice < 84)
        rj_store_complete(w->f->store);
    else if (choice < 90)
        check_read(w);
    else if (choice < 93)
        check_read_log(w);
    else if (choice < 96)
        check_history(w, below(w, ROOMS), 1 + below(w, 200));
    else if (choice < 99)
        check_rooms(w);
    else if (below(w, 12))
        settle_world(w);
    else
        reopen_world(w);
    if (w->queue_n > w->queue_cap / 2)
        settle_world(w);
}

static void run(struct fixture *f, uint64_t seed, unsigned steps)
{
    struct world *w = calloc(1, sizeof *w);
    const char *given = getenv("REJOIN_SEED");
    if (given)
        seed = strtoull(given, NULL, 10);
    w->f = f;
    w->random = seed * 0x9e3779b97f4a7c15U | 1;
    w->queue_cap = 4096;
    w->queue = calloc(w->queue_cap, sizeof *w->queue);
    w->dedupe_max = f->options.dedupe_window_max;
    print_message("seed %llu\n", (unsigned long long)seed);
    open_store(f);
    for (unsigned i = 0; i < steps; i++)
        step(w);
    check_all(w);
    note_figures(w);
    assert_true(w->n_records > steps / 4);
    assert_true(w->hits > 0);
    assert_true(w->trimmed > 0 || f->options.retention_ms == 0);
    size_t entries = 0;
    for (uint64_t pos = trimmed_upto(w) + 1; pos <= w->n_records; pos++)
        entries += w->records[pos - 1].n_rooms;
    rj_store_close(&f->store);
    assert_int_equal(count_index_entries(f->path), entries);
    open_store(f);
    check_all(w);
    rj_store_close(&f->store);
    free(w->queue);
    free(w);
}

static void it_agrees_with_the_model(void **state)
{
    struct fixture *f = *state;
    f->options.dedupe_window_max = 25;
    f->options.index_pending = 20;
    run(f, 1, 4000);
}

static void it_agrees_with_the_model_while_records_grow_old(void **state)
{
    struct fixture *f = *state;
    f->options.dedupe_window_max = 1000;
    f->options.index_pending = 50;
    f->options.retention_ms = 40;
    run(f, 2, 6000);
}

static void it_agrees_with_the_model_with_a_lazy_index(void **state)
{
    struct fixture *f = *state;
    f->options.dedupe_window_max = 5;
    run(f, 3, 4000);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(it_agrees_with_the_model, set_up, tear_down),
    cmocka_unit_test_setup_teardown(it_agrees_with_the_model_while_records_grow_old, set_up, tear_down),
    cmocka_unit_test_setup_teardown(it_agrees_with_the_model_with_a_lazy_index, set_up, tear_down),
};
RJ_TEST_MAIN(tests)
