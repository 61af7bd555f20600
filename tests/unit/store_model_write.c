#include "storage/layout.h"
#include "tests/unit/store_model.h"

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

void do_append(struct world *w)
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

void key_name(unsigned key, char out[static 16])
{
    snprintf(out, 16, "k%u/%u", key % 3, key);
}

void do_put(struct world *w)
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

void do_delete(struct world *w)
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

void do_purge(struct world *w)
{
    unsigned room = PLAIN + below(w, ROOMS - PLAIN);
    uint64_t seq = below(w, (unsigned)w->accepted[room] + 2);
    rj_store_purge(w->f->store, id_of(w, room), seq, on_model_written,
                   expect(w, (struct expected){.status = RJ_OK}));
    seq = seq < w->accepted[room] ? seq + 1 : w->accepted[room] + 1;
    w->purging[room] = seq > w->purging[room] ? seq : w->purging[room];
}

void do_forget(struct world *w)
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

void do_barrier(struct world *w)
{
    rj_store_barrier(w->f->store, on_model_written, expect(w, (struct expected){.status = RJ_OK}));
}
