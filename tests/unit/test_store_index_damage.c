/* Entries of the room index that lie, in a store whose log was trimmed and whose sweep has yet to follow: the
 * floor of the room is found by such entries. Whatever one says, the process goes on, no record that is kept
 * is taken for trimmed or deleted, and whoever reads is shown it or told that it is damaged. */
#include "tests/unit/test_store_fixture.h"

#include "storage/check.h"
#include "storage/layout.h"

enum {
    OF_ROOM = 12,
    EVERY = 3, /* each third record is the room's, the others are another's */
    RECORDS = OF_ROOM * EVERY,
    TRIM_POS = RECORDS / 2,
    FLOOR_SEQ = TRIM_POS / EVERY + 1,
    PER_ROUND = 3, /* appended in each */
};

static uint64_t pos_of(uint64_t seq)
{
    return seq * EVERY;
}

/* ------------------------------------------------------------------------------------------ the store */

struct world {
    struct fixture *f;
    rj_room_id room, other;
};

static void append(struct world *w, rj_room_id room)
{
    struct rj_store_append append = {.rooms = &room, .n_rooms = 1, .payload = rj_span_str("said")};
    rj_store_append(w->f->store, &append, NULL, NULL);
}

static struct world make_world(void **state)
{
    struct world w = {.f = *state};
    open_store(w.f);
    w.room = room_id(w.f->store, "room");
    w.other = room_id(w.f->store, "other");
    for (uint64_t pos = 1; pos <= RECORDS; pos++)
        append(&w, pos % EVERY ? w.other : w.room);
    settle(w.f->store);
    rj_store_close(&w.f->store);
    return w;
}

static void put_meta(MDB_txn *txn, const struct rj_env *env, const char *name, uint64_t number)
{
    uint8_t bytes[8];
    rj_put_u64(bytes, number);
    MDB_val key = rj_val(name, strlen(name)), value = rj_val(bytes, sizeof bytes);
    assert_int_equal(mdb_put(txn, env->meta, &key, &value, 0), 0);
}

/* What the entry of a seq says. */
enum lie {
    NOTHING,
    FIRST_RECORD,
    LAST_TRIMMED,
    OF_THE_OTHER_ROOM,
    LATER_OF_THE_ROOM,
    PAST_THE_END,
    IS_GONE,
    LIES
};

static uint64_t told_by(enum lie lie)
{
    switch (lie) {
    case NOTHING: return 0;
    case FIRST_RECORD: return 1;
    case LAST_TRIMMED: return pos_of(FLOOR_SEQ - 1);
    case OF_THE_OTHER_ROOM: return TRIM_POS + 2;
    case LATER_OF_THE_ROOM: return pos_of(OF_ROOM - 1);
    case PAST_THE_END: return (uint64_t)1 << 40;
    case IS_GONE:
    case LIES: break;
    }
    return UINT64_MAX;
}

/* As a process leaves it that has trimmed the log up to `trim_pos` and died before the sweep. */
static void leave(struct world *w, uint64_t trim_pos, uint64_t seq, enum lie lie)
{
    struct rj_env env;
    struct rj_buf why = {0};
    MDB_txn *txn;
    uint8_t name[RJ_INDEX_KEY], entry[RJ_INDEX_VALUE];
    assert_int_equal(rj_env_open(&env, w->f->path, (uint64_t)1 << 30, &why), RJ_OK);
    assert_int_equal(mdb_txn_begin(env.mdb, NULL, 0, &txn), 0);
    if (trim_pos)
        put_meta(txn, &env, RJ_META_TRIM_POS, trim_pos);
    rj_layout_index_key(name, w->room, seq);
    rj_layout_entry_encode(entry, (struct rj_index_entry){told_by(lie), 40});
    MDB_val key = rj_val(name, sizeof name), value = rj_val(entry, sizeof entry);
    assert_int_equal(
        lie == IS_GONE ? mdb_del(txn, env.index, &key, NULL) : mdb_put(txn, env.index, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    rj_env_close(&env);
    rj_buf_free(&why);
}

static void ignore(void *ctx, const char *sentence)
{
    (void)ctx, (void)sentence;
}

static uint64_t faults_of(const struct world *w)
{
    struct rj_inspect inspect;
    struct rj_check_report report = {0};
    struct rj_buf why = {0};
    assert_int_equal(rj_inspect_open(&inspect, w->f->path, RJ_INSPECT_ALONE, &why), RJ_OK);
    assert_int_equal(rj_check_run(&inspect, 1, ignore, NULL, &report), RJ_OK);
    rj_inspect_close(&inspect);
    return report.faults;
}

/* ------------------------------------------------------------------------------------------ reading */

struct seen {
    bool shown[RECORDS + PER_ROUND + 1], told[RECORDS + PER_ROUND + 1];
};

static bool on_shown(void *ctx, const struct rj_store_record *record)
{
    ((struct seen *)ctx)->shown[record->pos] = true;
    return true;
}

/* Reads the room above `after` as a broker does: on behind what is damaged. */
static enum rj_status read_room(struct world *w, rj_room_id room, uint64_t after, struct seen *seen)
{
    struct rj_store_reach reach = {room, 0};
    uint64_t upto = rj_store_head(w->f->store).completed;
    while (after < upto) {
        uint64_t reached = after;
        enum rj_status status = rj_store_read(w->f->store, &reach, 1, after, upto,
                                              (struct rj_store_budget){0}, on_shown, seen, &reached);
        if (status == RJ_CORRUPT && reached > after)
            seen->told[reached] = true;
        else if (status)
            return status;
        after = reached;
    }
    return RJ_OK;
}

/* A reading that is refused as a whole was told, too. */
static void expect_nothing_hidden(struct world *w, uint64_t floor_seq, uint64_t damaged_seq)
{
    struct seen seen = {0};
    enum rj_status status = read_room(w, w->room, pos_of(floor_seq) - 1, &seen);
    assert_true(status == RJ_OK || status == RJ_CORRUPT);
    for (uint64_t seq = floor_seq; status == RJ_OK && seq <= OF_ROOM; seq++)
        if (seq != damaged_seq && !seen.shown[pos_of(seq)])
            fail_msg("record %llu was hidden", (unsigned long long)seq);
    bool is_hidden = damaged_seq >= floor_seq && !seen.shown[pos_of(damaged_seq)];
    for (uint64_t pos = 1; pos <= RECORDS; pos++)
        is_hidden &= !seen.told[pos];
    assert_true(status == RJ_CORRUPT || !is_hidden);
}

static void expect_other_whole(struct world *w, uint64_t after)
{
    struct seen seen = {0};
    assert_int_equal(read_room(w, w->other, after, &seen), RJ_OK);
    for (uint64_t pos = after + 1; pos <= RECORDS; pos++)
        assert_true(seen.shown[pos] || pos % EVERY == 0);
}

static void use(struct world *w)
{
    for (unsigned i = 0; i < PER_ROUND; i++)
        append(w, w->room);
    settle(w->f->store);
}

static uint64_t floor_of(struct world *w)
{
    return rj_store_room_state(w->f->store, w->room).floor_seq;
}

/* ------------------------------------------------------------------------------------------ tests */

static void with_each_lie(void **state, void try(struct world *, uint64_t seq, enum lie lie))
{
    static const uint64_t seqs[] = {1, 3, FLOOR_SEQ - 2, FLOOR_SEQ - 1, FLOOR_SEQ, OF_ROOM - 1};
    struct world w = make_world(state);
    struct rj_buf whole = read_data_file(w.f);
    for (size_t i = 0; i < sizeof seqs / sizeof *seqs; i++) {
        for (enum lie lie = NOTHING; lie < LIES; lie++) {
            if (told_by(lie) == pos_of(seqs[i]))
                continue;
            write_data_file(w.f, &whole);
            try(&w, seqs[i], lie);
        }
    }
    rj_buf_free(&whole);
}

static void find_the_floor(struct world *w, uint64_t seq, enum lie lie)
{
    leave(w, TRIM_POS, seq, lie);
    assert_true(faults_of(w) > 0 || (lie == IS_GONE && seq == 1));
    w->f->options.index_pending = 1000;
    open_store(w->f);
    uint64_t floor = floor_of(w);
    if (floor > FLOOR_SEQ || (floor < FLOOR_SEQ && seq != FLOOR_SEQ - 1 && seq != 1))
        fail_msg("with lie %d of seq %llu the floor is %llu", (int)lie, (unsigned long long)seq,
                 (unsigned long long)floor);
    expect_nothing_hidden(w, FLOOR_SEQ, seq);
    expect_other_whole(w, TRIM_POS);
    /* The sweep goes over it, now and at the end, and finds the same again. */
    use(w);
    reopen_store(w->f);
    assert_int_equal(floor_of(w) > FLOOR_SEQ, false);
    expect_nothing_hidden(w, FLOOR_SEQ, seq);
    expect_other_whole(w, TRIM_POS);
    rj_store_close(&w->f->store);
}

static void an_entry_that_lies_never_moves_the_floor_over_what_is_kept(void **state)
{
    with_each_lie(state, find_the_floor);
}

/* The entry is the one below the new floor, or near it. */
static void purge_the_beginning(struct world *w, uint64_t seq, enum lie lie)
{
    leave(w, 0, seq, lie);
    open_store(w->f);
    rj_store_purge(w->f->store, w->room, FLOOR_SEQ - 1, NULL, NULL);
    settle(w->f->store);
    assert_int_equal(floor_of(w), FLOOR_SEQ);
    struct seen seen = {0};
    /* Who has missed what is gone is told. */
    assert_int_equal(read_room(w, w->room, pos_of(FLOOR_SEQ - 2), &seen), RJ_GAP);
    expect_nothing_hidden(w, FLOOR_SEQ, seq);
    expect_other_whole(w, 0);
    reopen_store(w->f);
    expect_nothing_hidden(w, FLOOR_SEQ, seq);
    expect_other_whole(w, 0);
    rj_store_close(&w->f->store);
}

static void an_entry_that_lies_costs_a_purge_nothing_but_its_record(void **state)
{
    with_each_lie(state, purge_the_beginning);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(an_entry_that_lies_never_moves_the_floor_over_what_is_kept, set_up,
                                    tear_down),
    cmocka_unit_test_setup_teardown(an_entry_that_lies_costs_a_purge_nothing_but_its_record, set_up,
                                    tear_down),
};

RJ_TEST_MAIN(tests)
