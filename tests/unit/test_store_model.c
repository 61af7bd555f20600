/* The store in random company, compared step by step with a model that is slow and obvious: an array of all
 * records ever appended, an array of keys, and the floors that were told. The seed of a failing run is
 * printed; REJOIN_SEED repeats it.
 *
 * A run is a number of lives, each in a process of its own that opens the store, tries it against the model,
 * and closes it or just ends, with writes on their way. The model lives through all of them in shared memory;
 * what a crash has taken is taken out of it, which can only be what nobody was told of.
 */
#include "tests/unit/test_store_fixture.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include "storage/check.h"
#include "storage/engine.h"

enum {
    ROOMS = 9,
    PLAIN = 4,      /* the first so many rooms have no limits of their own */
    KNOWN_WALK = 4, /* a start looks at so many records for each id that may be known */
    KEYS = 12,
    RECORDS = 20000,
    IDS = 200,
    QUEUE = 4096,
    EPOCHS = 200,
    LIMITS = ROOMS - PLAIN,
    GONE = ROOMS, /* a room that was forgotten; its name is another room's now */
};

struct model_record {
    uint64_t pos, ts_ms;
    size_t n_rooms;
    unsigned rooms[3]; /* indexes into names, or GONE */
    uint64_t seqs[3];
    unsigned id; /* 0 = none */
    unsigned fill;
    size_t payload_len;
    size_t bytes; /* of the record in the log */
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

/* An epoch that is over, and the last pos in it. */
struct model_epoch {
    uint64_t number, end;
};

struct world {
    struct fixture *f;
    uint64_t random;
    struct model_record records[RECORDS]; /* record i has pos i + 1 */
    size_t n_records;
    uint64_t accepted[ROOMS];
    struct model_key keys[KEYS];
    struct expected queue[QUEUE]; /* operations in flight, in order */
    size_t queue_at, queue_n;
    uint64_t completed;
    unsigned dedupe_max;
    uint64_t known_from;                   /* ids of records up to here are not known */
    struct rj_store_limits limits[LIMITS]; /* of the rooms from PLAIN on */
    uint64_t limits_id;
    uint64_t floors[ROOMS];  /* the highest floor_seq that was told */
    uint64_t due[ROOMS];     /* the floor_seq that must be told, beside what is old */
    uint64_t purging[ROOMS]; /* that a purge on its way will make it */
    struct model_epoch epochs[EPOCHS];
    size_t n_epochs;
    bool forgets; /* rooms, now and then */
    uint64_t forgotten;
    uint64_t hits, crashes, trimmed[RJ_TRIM_REASONS]; /* so that a run can tell what it has tried */
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

/* ------------------------------------------------------------------------------------------ floors */

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t seq_in(const struct model_record *record, unsigned room)
{
    for (size_t i = 0; i < record->n_rooms; i++) {
        if (record->rooms[i] == room)
            return record->seqs[i];
    }
    return 0;
}

static const struct model_record *record_of(const struct world *w, unsigned room, uint64_t seq)
{
    for (size_t i = w->n_records; i-- > 0;) {
        if (seq_in(&w->records[i], room) == seq)
            return &w->records[i];
    }
    return NULL;
}

static const struct rj_store_limits *limits_of(const struct world *w, unsigned room)
{
    static const struct rj_store_limits none;
    return room < PLAIN ? &none : &w->limits[room - PLAIN];
}

/* The floor that count and bytes make, with the records up to the room's `head`. */
static uint64_t limited_floor(const struct world *w, unsigned room, const struct rj_store_limits *limits,
                              uint64_t head)
{
    uint64_t count = 0, bytes = 0;
    for (size_t i = w->n_records; i-- > 0;) {
        uint64_t seq = seq_in(&w->records[i], room);
        if (seq == 0 || seq > head)
            continue;
        count++;
        bytes += w->records[i].bytes;
        bool is_above =
            (limits->count && count > limits->count) || (limits->bytes && bytes > limits->bytes && count > 1);
        if (is_above)
            return seq + 1;
    }
    return 1;
}

/* Whether the record is older than some room of these may keep it. */
static bool is_old(const struct world *w, const struct rj_store_limits *limits,
                   const struct model_record *record)
{
    uint64_t ages[] = {limits->age_ms, w->f->options.retention_ms};
    for (size_t i = 0; i < 2; i++) {
        if (ages[i] && record->ts_ms + ages[i] < rj_clock_wall_ms())
            return true;
    }
    return false;
}

/* The room's floor as the store tells it, which must be where the limits put it, or higher for age; and never
 * lower than it was told before, whatever has happened meanwhile. */
static uint64_t floor_under(struct world *w, unsigned room, const struct rj_store_limits *limits)
{
    struct rj_room_state state = rj_store_room_state(w->f->store, id_of(w, room));
    w->due[room] = larger(w->due[room], limited_floor(w, room, limits, state.head_seq));
    assert_true(state.floor_seq >= w->due[room]);
    assert_true(state.floor_seq >= w->floors[room]);
    if (state.floor_seq > larger(larger(w->due[room], w->floors[room]), w->purging[room]))
        assert_true(is_old(w, limits, record_of(w, room, state.floor_seq - 1)));
    w->floors[room] = state.floor_seq;
    return state.floor_seq;
}

static uint64_t floor_seq(struct world *w, unsigned room)
{
    return floor_under(w, room, limits_of(w, room));
}

static uint64_t floor_pos(struct world *w, unsigned room)
{
    uint64_t floor = floor_seq(w, room);
    return floor > 1 ? record_of(w, room, floor - 1)->pos : 0;
}

/* Whether some room still has it. */
static bool is_kept(struct world *w, uint64_t pos)
{
    const struct model_record *record = &w->records[pos - 1];
    for (size_t i = 0; i < record->n_rooms; i++) {
        if (record->rooms[i] != GONE && record->seqs[i] >= floor_seq(w, record->rooms[i]))
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------------------------------ writing */

static struct expected *expect(struct world *w, struct expected expected)
{
    assert_true(w->queue_n < QUEUE);
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
        if (record->ts_ms)
            assert_int_equal(receipt->ts_ms, record->ts_ms);
        w->records[e->record].ts_ms = receipt->ts_ms; /* of one that a crash has taken from us */
    }
}

static void on_model_written(void *ctx, enum rj_status status)
{
    struct expected *e = ctx;
    assert_ptr_equal(e, &e->world->queue[e->world->queue_at++]);
    assert_false(e->is_append);
    assert_int_equal(status, e->status);
}

/* The record that an id is known by, trimmed or not: it is among the youngest with an id, and among those
 * that the last start has looked at. */
static bool find_known(const struct world *w, unsigned id, size_t *out)
{
    unsigned with_id = 0;
    for (size_t i = w->n_records; i-- > 0 && w->records[i].pos > w->known_from;) {
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
    record.id = below(w, 3) ? 0 : 1 + below(w, IDS);
    unsigned first = below(w, ROOMS);
    for (unsigned i = 0; i < record.n_rooms; i++) {
        record.rooms[i] = (first + i * 2) % ROOMS;
        rooms[i] = id_of(w, record.rooms[i]);
    }
    record.payload_len = below(w, 20) == 0 ? below(w, 9000) : below(w, 60);
    if (record.id)
        snprintf(id, sizeof id, "id %u", record.id);
    record.bytes =
        RJ_RECORD_HEAD + RJ_RECORD_ROOM * record.n_rooms + strlen("source") + strlen(id) + record.payload_len;
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

static void do_purge(struct world *w)
{
    unsigned room = PLAIN + below(w, ROOMS - PLAIN);
    uint64_t seq = below(w, (unsigned)w->accepted[room] + 2);
    rj_store_purge(w->f->store, id_of(w, room), seq, on_model_written,
                   expect(w, (struct expected){.status = RJ_OK}));
    seq = seq < w->accepted[room] ? seq + 1 : w->accepted[room] + 1;
    w->purging[room] = seq > w->purging[room] ? seq : w->purging[room];
}

/* Of the records that are on their way, too: who is told of one later must find it as it was appended. */
static void do_forget(struct world *w)
{
    unsigned room = below(w, ROOMS);
    char name[32];
    snprintf(name, sizeof name, "room number %u", room);
    rj_store_forget_room(w->f->store, rj_span_str(name), on_model_written,
                         expect(w, (struct expected){.status = RJ_OK}));
    for (size_t i = 0; i < w->n_records; i++)
        for (size_t k = 0; k < w->records[i].n_rooms; k++)
            if (w->records[i].rooms[k] == room)
                w->records[i].rooms[k] = GONE;
    w->accepted[room] = w->floors[room] = w->due[room] = w->purging[room] = 0;
    w->forgotten++;
}

static void do_barrier(struct world *w)
{
    rj_store_barrier(w->f->store, on_model_written, expect(w, (struct expected){.status = RJ_OK}));
}

/* ------------------------------------------------------------------------------------------ reading */

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

static void check_clamp(struct world *w)
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

/* ------------------------------------------------------------------------------------------ running */

static void end_purges(struct world *w)
{
    for (unsigned room = 0; room < ROOMS; room++) {
        w->due[room] = larger(w->due[room], w->purging[room]);
        w->purging[room] = 0;
    }
}

static void settle_world(struct world *w)
{
    settle(w->f->store);
    assert_int_equal(w->queue_at, w->queue_n);
    assert_int_equal(w->completed, w->n_records);
    w->queue_at = w->queue_n = 0;
    end_purges(w);
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
    for (size_t i = 0; i < RJ_TRIM_REASONS; i++)
        w->trimmed[i] += stats.trimmed_by[i];
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
    else if (choice < 92)
        check_read_log(w);
    else if (choice < 95)
        check_history(w, below(w, ROOMS), 1 + below(w, 200));
    else if (choice < 97)
        check_rooms(w);
    else if (choice < 98)
        check_clamp(w);
    else if (w->limits_id && below(w, 3) == 0)
        do_purge(w);
    else if (w->forgets && below(w, 3) == 0)
        do_forget(w);
    else if (below(w, 4) == 0)
        settle_world(w);
    if (w->queue_n > QUEUE / 2)
        settle_world(w);
}

/* ------------------------------------------------------------------------------------------ lives */

static size_t pick(void *ctx, struct rj_span key)
{
    const char *base = "room number ";
    (void)ctx;
    unsigned room = (unsigned)(key.data[strlen(base)] - '0');
    return room < PLAIN ? LIMITS : room - PLAIN;
}

/* Each of the limits for its own, and all of them together; now and then others than before. */
static void choose_limits(struct world *w)
{
    if (w->limits_id == 0)
        return;
    if (w->limits_id == 1 || below(w, 4) == 0) {
        const struct rj_store_limits limits[LIMITS] = {
            {.count = 1 + below(w, 30)},
            {.bytes = 100 + below(w, 5000)},
            {.age_ms = 10 + below(w, 30)},
            {.age_ms = 20, .count = 1 + below(w, 10), .bytes = 100 + below(w, 1000)},
            {.count = 1 + below(w, 200), .bytes = 1 + below(w, 20000)},
        };
        memcpy(w->limits, limits, sizeof limits);
        w->limits_id++;
    }
    w->f->options.limits = w->limits;
    w->f->options.n_limits = LIMITS;
    w->f->options.pick = pick;
    w->f->options.limits_id = w->limits_id;
}

static bool on_survivor(void *ctx, const struct rj_store_record *record)
{
    struct world *w = ctx;
    w->records[record->pos - 1].ts_ms = record->ts_ms;
    return true;
}

/* Takes out of the model what the crash has taken out of the store: the youngest, whom nobody was told of. */
static void forget_lost(struct world *w)
{
    uint64_t head = rj_store_head(w->f->store).completed;
    assert_true(head >= w->completed && head <= w->n_records);
    uint64_t reached = larger(w->completed, trimmed_upto(w));
    while (reached < head)
        assert_int_equal(rj_store_read_log(w->f->store, reached, head, (struct rj_store_budget){0},
                                           on_survivor, w, &reached),
                         RJ_OK);
    w->n_records = w->completed = head;
    /* Counted in records that are there: the runs in which some are not never come to this. */
    if (head > (uint64_t)w->dedupe_max * KNOWN_WALK)
        w->known_from = head - (uint64_t)w->dedupe_max * KNOWN_WALK;
    for (unsigned room = 0; room < ROOMS; room++)
        w->accepted[room] = rj_store_room_state(w->f->store, id_of(w, room)).head_seq;
    w->queue_at = w->queue_n = 0;
}

/* Until changed limits have reached every room: before that, floors may still be on their way. */
static void await_review(struct world *w)
{
    uint64_t end_ms = rj_clock_mono_ms() + STORE_DEADLINE_MS;
    while (w->f->store->review_at) {
        assert_true(rj_clock_mono_ms() < end_ms);
        do_barrier(w);
        settle_world(w);
    }
}

/* Whatever the last life has left undone, what rooms with an age of their own have is trimmed in the end. */
static void await_old(struct world *w)
{
    uint64_t end_ms = rj_clock_mono_ms() + STORE_DEADLINE_MS;
    for (unsigned room = PLAIN; room < ROOMS;) {
        struct rj_room_state state = rj_store_room_state(w->f->store, id_of(w, room));
        if (limits_of(w, room)->age_ms == 0 || state.floor_seq > state.head_seq) {
            room++;
            continue;
        }
        assert_true(rj_clock_mono_ms() < end_ms);
        struct pollfd event = {.fd = rj_store_event_fd(w->f->store), .events = POLLIN};
        rj_store_submit(w->f->store);
        poll(&event, 1, 1);
        rj_store_complete(w->f->store);
    }
}

static void begin_life(struct world *w)
{
    struct rj_store_limits before[LIMITS];
    memcpy(before, w->limits, sizeof before);
    choose_limits(w);
    w->f->options.index_pending = below(w, 2) ? 0 : 1 + below(w, 200);
    w->f->options.room_idle_ms = below(w, 2);
    open_store(w->f);
    struct rj_store_head head = rj_store_head(w->f->store);
    if (w->n_epochs)
        w->epochs[w->n_epochs - 1].end = head.completed;
    forget_lost(w);
    for (unsigned room = 0; room < ROOMS; room++) {
        /* What is found was raised by the life before, under its limits. */
        floor_under(w, room, room < PLAIN ? limits_of(w, room) : &before[room - PLAIN]);
    }
    await_review(w);
    if (below(w, 3) == 0)
        await_old(w);
    check_all(w);
}

/* Some appends are on their way, and of some the commit may be done and not heard of. */
static void leave(struct world *w)
{
    settle_world(w);
    for (unsigned room = 0; room < ROOMS; room++)
        floor_seq(w, room); /* it is told, so it holds */
    for (unsigned i = below(w, 40); i > 0; i--) {
        do_append(w);
        if (below(w, 8) == 0)
            rj_store_submit(w->f->store);
    }
    if (below(w, 2)) {
        struct pollfd event = {.fd = rj_store_event_fd(w->f->store), .events = POLLIN};
        poll(&event, 1, 5);
    }
    w->crashes++;
}

static void live(struct world *w, unsigned steps)
{
    struct rj_store_head head;
    begin_life(w);
    head = rj_store_head(w->f->store);
    assert_true(w->n_epochs < EPOCHS);
    w->epochs[w->n_epochs] = (struct model_epoch){.number = head.epoch, .end = 0};
    for (unsigned i = 0; i < steps; i++)
        step(w);
    note_figures(w);
    if (below(w, 2)) {
        leave(w);
        w->n_epochs++;
        _exit(0);
    }
    if (below(w, 2))
        settle_world(w); /* else closing does it */
    rj_store_close(&w->f->store);
    assert_int_equal(w->queue_at, w->queue_n);
    w->queue_at = w->queue_n = 0;
    end_purges(w);
    w->n_epochs++;
}

static void on_fault(void *ctx, const char *sentence)
{
    rj_buf_printf(ctx, "%s\n", sentence);
}

static struct rj_check_report check_store(const struct world *w)
{
    struct rj_inspect inspect;
    struct rj_check_report report;
    struct rj_buf text = {0};
    if (rj_inspect_open(&inspect, w->f->path, RJ_INSPECT_ALONE, &text))
        fail_msg("%s", rj_buf_cstr(&text));
    assert_int_equal(rj_check_run(&inspect, 20, on_fault, &text, &report), RJ_OK);
    rj_inspect_close(&inspect);
    if (report.faults)
        fail_msg("rejoinctl check would say:\n%s", rj_buf_cstr(&text));
    rj_buf_free(&text);
    return report;
}

static void one_life(struct world *w, unsigned steps)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        setenv("CMOCKA_TEST_ABORT", "1", 1); /* a check that fails says so here, and no other test runs */
        live(w, steps);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    /* The child has drawn from the numbers that stand in shared memory. */
    check_store(w);
}

/* A closed store has in its index what its rooms keep, and no record that none does. */
static void check_leftovers(struct world *w)
{
    uint64_t entries = 0, records = 0;
    open_store(w->f);
    forget_lost(w);
    rj_store_close(&w->f->store); /* what the last crash has left is swept */
    open_store(w->f);
    for (uint64_t pos = 1; pos <= w->n_records; pos++) {
        const struct model_record *record = &w->records[pos - 1];
        bool is_there = false;
        for (size_t i = 0; i < record->n_rooms; i++) {
            if (record->rooms[i] == GONE)
                continue;
            rj_room_id room = id_of(w, record->rooms[i]);
            bool is_here = record->seqs[i] >= rj_store_room_state(w->f->store, room).floor_seq;
            entries += is_here;
            is_there |= is_here;
        }
        records += is_there && pos > trimmed_upto(w);
    }
    rj_store_close(&w->f->store);
    struct rj_check_report report = check_store(w);
    assert_int_equal(report.index_entries, entries);
    assert_int_equal(report.records - report.trimmed, records);
    assert_int_equal(report.rooms, ROOMS);
}

static void run(struct fixture *f, uint64_t seed, unsigned lives, unsigned steps, bool has_limits,
                bool forgets)
{
    struct world *w = mmap(NULL, sizeof *w, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const char *given = getenv("REJOIN_SEED");
    assert_true(w != MAP_FAILED);
    if (given)
        seed = strtoull(given, NULL, 10);
    w->f = f;
    w->random = seed * 0x9e3779b97f4a7c15U | 1;
    w->dedupe_max = f->options.dedupe_window_max;
    w->limits_id = has_limits;
    w->forgets = forgets;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < lives; i++)
        one_life(w, steps);
    assert_true(w->n_records > lives * steps / 4);
    assert_true(w->hits > 0 && w->crashes > 0);
    assert_true(!forgets || w->forgotten > 10);
    assert_true(w->trimmed[RJ_TRIM_AGE] > 0 || (f->options.retention_ms == 0 && !has_limits));
    assert_true(!has_limits ||
                (w->trimmed[RJ_TRIM_COUNT] && w->trimmed[RJ_TRIM_BYTES] && w->trimmed[RJ_TRIM_PURGE]));
    check_leftovers(w);
    munmap(w, sizeof *w);
}

static void it_agrees_with_the_model(void **state)
{
    struct fixture *f = *state;
    f->options.dedupe_window_max = 25;
    f->options.index_pending = 20;
    run(f, 1, 8, 600, false, false);
}

static void it_agrees_with_the_model_while_records_grow_old(void **state)
{
    struct fixture *f = *state;
    f->options.dedupe_window_max = 1000;
    f->options.retention_ms = 40;
    run(f, 2, 8, 800, false, false);
}

static void it_agrees_with_the_model_with_a_lazy_index(void **state)
{
    struct fixture *f = *state;
    f->options.dedupe_window_max = 5;
    run(f, 3, 8, 600, false, false);
}

static void it_agrees_with_the_model_while_rooms_have_limits(void **state)
{
    struct fixture *f = *state;
    f->options.dedupe_window_max = 1200;
    run(f, 4, 24, 400, true, false);
}

static void it_agrees_with_the_model_while_all_rooms_have_limits(void **state)
{
    struct fixture *f = *state;
    f->options.dedupe_window_max = 1200;
    f->options.retention_ms = 60;
    run(f, 5, 24, 400, true, false);
}

static void it_agrees_with_the_model_while_rooms_are_forgotten(void **state)
{
    struct fixture *f = *state;
    f->options.dedupe_window_max = 1200;
    f->options.index_pending = 20;
    run(f, 6, 24, 400, false, true);
}

static void it_agrees_with_the_model_while_rooms_have_limits_and_are_forgotten(void **state)
{
    struct fixture *f = *state;
    f->options.dedupe_window_max = 1200;
    f->options.retention_ms = 60;
    run(f, 7, 24, 400, true, true);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(it_agrees_with_the_model, set_up, tear_down),
    cmocka_unit_test_setup_teardown(it_agrees_with_the_model_while_records_grow_old, set_up, tear_down),
    cmocka_unit_test_setup_teardown(it_agrees_with_the_model_with_a_lazy_index, set_up, tear_down),
    cmocka_unit_test_setup_teardown(it_agrees_with_the_model_while_rooms_have_limits, set_up, tear_down),
    cmocka_unit_test_setup_teardown(it_agrees_with_the_model_while_all_rooms_have_limits, set_up, tear_down),
    cmocka_unit_test_setup_teardown(it_agrees_with_the_model_while_rooms_are_forgotten, set_up, tear_down),
    cmocka_unit_test_setup_teardown(it_agrees_with_the_model_while_rooms_have_limits_and_are_forgotten,
                                    set_up, tear_down),
};
RJ_TEST_MAIN(tests)
