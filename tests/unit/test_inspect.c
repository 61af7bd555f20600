/* rejoinctl's view of a store: planted faults are found and named, what is legal is no fault, a copy is
 * whole. The faults are planted with LMDB, behind the store's back. */
#include "tests/unit/test_store_fixture.h"

#include <sys/stat.h>

#include "storage/backup.h"
#include "storage/check.h"
#include "storage/layout.h"

/* Ten records: the odd ones in room 1 "a", the even ones in room 2 "b"; five each. */
static int set_up_records(void **state)
{
    set_up_open(state);
    struct fixture *f = *state;
    rj_room_id rooms[] = {room_id(f->store, "a"), room_id(f->store, "b")};
    for (unsigned i = 0; i < 10; i++)
        append_text(f->store, rooms[i % 2], "s", "", "hello", NULL);
    rj_store_put(f->store, RJ_TABLE_SESSION, rj_span_str("k"), rj_span_str("v"), RJ_ANY_VERSION, NULL, NULL);
    settle(f->store);
    rj_store_close(&f->store);
    return 0;
}

struct findings {
    struct rj_check_report report;
    struct rj_buf text; /* a line each */
};

static void on_fault(void *ctx, const char *sentence)
{
    struct findings *findings = ctx;
    rj_buf_put_str(&findings->text, sentence);
    rj_buf_put_u8(&findings->text, '\n');
}

static void check(const char *path, struct findings *findings)
{
    struct rj_inspect inspect;
    struct rj_buf why = {0};
    *findings = (struct findings){0};
    if (rj_inspect_open(&inspect, path, RJ_INSPECT_ALONE, &why))
        fail_msg("%s", rj_buf_cstr(&why));
    assert_int_equal(rj_check_run(&inspect, 100, on_fault, findings, &findings->report), RJ_OK);
    rj_inspect_close(&inspect);
}

static void expect_whole(const char *path, uint64_t records)
{
    struct findings findings;
    check(path, &findings);
    assert_string_equal(rj_buf_cstr(&findings.text), "");
    assert_int_equal(findings.report.faults, 0);
    assert_int_equal(findings.report.records, records);
    rj_buf_free(&findings.text);
}

/* Exactly this fault, and no other because of it. */
static void expect_fault(const struct fixture *f, const char *sentence)
{
    struct findings findings;
    check(f->path, &findings);
    if (findings.report.faults != 1 || !strstr(rj_buf_cstr(&findings.text), sentence))
        fail_msg("expected only \"%s\", found:\n%s", sentence, rj_buf_cstr(&findings.text));
    rj_buf_free(&findings.text);
}

/* ------------------------------------------------------------------------------------------ planting */

struct planting {
    struct rj_env env;
    MDB_txn *txn;
};

static struct planting begin(const struct fixture *f)
{
    struct planting planting;
    struct rj_buf why = {0};
    assert_int_equal(rj_env_open(&planting.env, f->path, (uint64_t)1 << 30, &why), RJ_OK);
    assert_int_equal(mdb_txn_begin(planting.env.mdb, NULL, 0, &planting.txn), 0);
    return planting;
}

static void end(struct planting *planting)
{
    assert_int_equal(mdb_txn_commit(planting->txn), 0);
    rj_env_close(&planting->env);
}

static void put(struct planting *planting, MDB_dbi table, const void *key, size_t key_len, const void *value,
                size_t len)
{
    MDB_val name = rj_val(key, key_len), val = rj_val(value, len);
    assert_int_equal(mdb_put(planting->txn, table, &name, &val, 0), 0);
}

/* A copy of the record; free it. */
static uint8_t *record_at(struct planting *planting, uint64_t pos, size_t *len)
{
    MDB_val key = rj_val(&pos, sizeof pos), value;
    assert_int_equal(mdb_get(planting->txn, planting->env.log, &key, &value), 0);
    uint8_t *copy = malloc(value.mv_size);
    memcpy(copy, value.mv_data, *len = value.mv_size);
    return copy;
}

static void plant_record(struct planting *planting, uint64_t pos, uint8_t *bytes, size_t len)
{
    put(planting, planting->env.log, &pos, sizeof pos, bytes, len);
    free(bytes);
}

static void plant_sized_entry(struct planting *planting, rj_room_id room, uint64_t seq,
                              struct rj_index_entry entry)
{
    uint8_t key[RJ_INDEX_KEY], value[RJ_INDEX_VALUE];
    rj_layout_index_key(key, room, seq);
    rj_layout_entry_encode(value, entry);
    put(planting, planting->env.index, key, sizeof key, value, sizeof value);
}

static void plant_entry(struct planting *planting, rj_room_id room, uint64_t seq, uint64_t pos)
{
    plant_sized_entry(planting, room, seq, (struct rj_index_entry){.pos = pos});
}

static void plant_state(struct planting *planting, rj_room_id room, struct rj_room_saved saved)
{
    uint8_t key[RJ_ROOM_KEY], value[RJ_ROOM_STATE];
    rj_layout_room_key(key, room);
    rj_layout_saved_encode(value, &saved);
    put(planting, planting->env.room_states, key, sizeof key, value, sizeof value);
}

static void plant_meta(const struct fixture *f, const char *name, uint64_t value)
{
    struct planting planting = begin(f);
    assert_int_equal(rj_env_meta_put(&planting.env, planting.txn, name, value), 0);
    end(&planting);
}

/* ------------------------------------------------------------------------------------------ tests */

static void a_whole_store_has_no_faults(void **state)
{
    struct fixture *f = *state;
    struct findings findings;
    expect_whole(f->path, 10);
    check(f->path, &findings);
    assert_int_equal(findings.report.rooms, 2);
    assert_int_equal(findings.report.index_entries, 10);
    assert_int_equal(findings.report.epochs, 1);
    assert_int_equal(findings.report.pairs[RJ_TABLE_SESSION], 1);
    assert_int_equal(findings.report.last_pos, 10);
}

static void a_flipped_bit_of_a_record_is_found(void **state)
{
    struct fixture *f = *state;
    struct planting planting = begin(f);
    size_t len;
    uint8_t *bytes = record_at(&planting, 5, &len);
    bytes[len - 1] ^= 1;
    plant_record(&planting, 5, bytes, len);
    end(&planting);
    expect_fault(f, "record 5 fails its checksum");
}

static void a_missing_record_is_found(void **state)
{
    struct fixture *f = *state;
    struct findings findings;
    struct planting planting = begin(f);
    uint64_t pos = 4;
    MDB_val key = rj_val(&pos, sizeof pos);
    assert_int_equal(mdb_del(planting.txn, planting.env.log, &key, NULL), 0);
    end(&planting);
    check(f->path, &findings);
    assert_non_null(strstr(rj_buf_cstr(&findings.text), "records 4 to 4 are missing\n"));
    assert_non_null(strstr(findings.text.data ? (char *)findings.text.data : "",
                           "room 2 \"b\": the index has seq 2 at record 4, which is not in the log"));
    rj_buf_free(&findings.text);
}

static void a_missing_index_entry_is_found(void **state)
{
    struct fixture *f = *state;
    struct planting planting = begin(f);
    uint8_t name[RJ_INDEX_KEY];
    rj_layout_index_key(name, 2, 3);
    MDB_val key = rj_val(name, sizeof name);
    assert_int_equal(mdb_del(planting.txn, planting.env.index, &key, NULL), 0);
    end(&planting);
    expect_fault(f, "room 2 \"b\": the index lacks seq 3 (record 6)");
}

static void a_stray_index_entry_is_found(void **state)
{
    struct fixture *f = *state;
    struct planting planting = begin(f);
    plant_entry(&planting, 1, 6, 11);
    end(&planting);
    expect_fault(f, "room 1 \"a\": the index has seq 6 at record 11, which is not in the log");
}

static void an_index_entry_of_no_room_is_found(void **state)
{
    struct fixture *f = *state;
    struct planting planting = begin(f);
    plant_entry(&planting, 77, 1, 3);
    end(&planting);
    expect_fault(f, "the index has seq 1 of room 77, which does not exist");
}

static void a_wrong_seq_is_found(void **state)
{
    struct fixture *f = *state;
    struct findings findings;
    struct planting planting = begin(f);
    size_t len;
    uint8_t *bytes = record_at(&planting, 7, &len);
    rj_put_u64(bytes + RJ_RECORD_HEAD + 4, 9);
    rj_record_seal(bytes, len, 7);
    plant_record(&planting, 7, bytes, len);
    end(&planting);
    check(f->path, &findings);
    assert_non_null(
        strstr(rj_buf_cstr(&findings.text), "room 1 \"a\": record 7 has seq 9; the next one is 4"));
    rj_buf_free(&findings.text);
}

static void a_wrong_epoch_is_found(void **state)
{
    struct fixture *f = *state;
    struct planting planting = begin(f);
    size_t len;
    uint8_t *bytes = record_at(&planting, 7, &len);
    rj_put_u64(bytes + 8, 99);
    rj_record_seal(bytes, len, 7);
    plant_record(&planting, 7, bytes, len);
    end(&planting);
    expect_fault(f, "record 7 says epoch 63, but it lies in epoch 1");
}

static void a_wrong_size_is_found(void **state)
{
    struct fixture *f = *state;
    struct planting planting = begin(f);
    plant_sized_entry(&planting, 1, 2, (struct rj_index_entry){3, 7});
    end(&planting);
    expect_fault(f, "room 1 \"a\": the index says that seq 2 has 7 bytes, but record 3 has 50");
}

static void a_wrong_floor_is_found(void **state)
{
    struct fixture *f = *state;
    struct findings findings;
    struct planting planting = begin(f);
    plant_state(&planting, 1, (struct rj_room_saved){.indexed_seq = 6, .floor_seq = 3, .floor_pos = 6});
    end(&planting);
    check(f->path, &findings);
    assert_non_null(
        strstr(rj_buf_cstr(&findings.text), "room 1 \"a\": its floor lies above record 3; saved is 6"));
    assert_non_null(strstr((char *)findings.text.data, "room 1 \"a\": its floor is saved as record 6, but "
                                                       "record 5 has its seq 3"));
    assert_non_null(strstr((char *)findings.text.data,
                           "the index has seq 1, below the floor 3, and nothing tells the sweep of it"));
    rj_buf_free(&findings.text);
}

static void plant_floor(struct planting *planting, uint64_t number, struct rj_floor floor)
{
    uint8_t value[RJ_FLOOR];
    rj_layout_floor_encode(value, floor);
    put(planting, planting->env.floors, &number, sizeof number, value, sizeof value);
}

static void a_floor_that_was_raised_but_not_swept_is_no_fault(void **state)
{
    struct fixture *f = *state;
    struct findings findings;
    struct planting planting = begin(f);
    plant_floor(&planting, 7, (struct rj_floor){.room = 1, .seq = 4});
    end(&planting);
    expect_whole(f->path, 10);
    check(f->path, &findings);
    assert_int_equal(findings.report.trimmed, 3);

    /* The next start goes on from there. */
    open_store(f);
    struct rj_room_state room = rj_store_room_state(f->store, 1);
    assert_int_equal(room.floor_seq, 4);
    assert_int_equal(room.floor_pos, 5);
    rj_store_close(&f->store);
    expect_whole(f->path, 7);
    assert_int_equal(count_index_entries(f->path), 7);
}

static void a_floor_above_the_log_is_found(void **state)
{
    struct fixture *f = *state;
    struct planting planting = begin(f);
    plant_floor(&planting, 1, (struct rj_floor){.room = 2, .seq = 7});
    end(&planting);
    expect_fault(f, "room 2 \"b\": its floor was raised to seq 7, but the log ends at seq 5");
}

static void a_floor_of_no_room_is_found(void **state)
{
    struct fixture *f = *state;
    struct planting planting = begin(f);
    plant_floor(&planting, 1, (struct rj_floor){.room = 9, .seq = 2});
    end(&planting);
    expect_fault(f, "a floor was raised to seq 2 of room 9, which cannot be");
}

static void a_wrong_receipt_is_found(void **state)
{
    struct fixture *f = *state;
    struct planting planting = begin(f);
    uint64_t pos = 3;
    put(&planting, planting.env.receipts, &pos, sizeof pos, "no receipt", 10);
    end(&planting);
    expect_fault(f, "the receipt of record 3 is malformed or fails its checksum");

    struct rj_store_record record = {
        .pos = pos, .rooms = &(rj_room_id){1}, .seqs = &(uint64_t){2}, .n_rooms = 1, .id = rj_span_str("i")};
    uint8_t bytes[100];
    rj_record_encode(bytes, &record);
    rj_record_seal(bytes, rj_record_size(&record), pos);
    planting = begin(f);
    put(&planting, planting.env.receipts, &pos, sizeof pos, bytes, rj_record_size(&record));
    end(&planting);
    expect_fault(f, "record 3 is in the log, and has a receipt");
}

static void a_missing_name_is_found(void **state)
{
    struct fixture *f = *state;
    struct planting planting = begin(f);
    uint8_t id[RJ_ROOM_KEY];
    rj_layout_room_key(id, 1);
    put(&planting, planting.env.names, id, sizeof id, "b", 1);
    end(&planting);
    expect_fault(f, "room 1 \"a\": another name stands under its id");
    planting = begin(f);
    MDB_val key = rj_val(id, sizeof id);
    assert_int_equal(mdb_del(planting.txn, planting.env.names, &key, NULL), 0);
    end(&planting);
    expect_fault(f, "there are 2 rooms, but 1 names by id");
}

static size_t pick_first(void *ctx, struct rj_span key)
{
    (void)ctx, (void)key;
    return 0;
}

/* What format 1 had: no names, no floors, no groups, entries without sizes. */
static void make_old(struct fixture *f)
{
    struct planting planting = begin(f);
    for (uint64_t pos = 1; pos <= 10; pos++) {
        uint8_t key[RJ_INDEX_KEY], value[8];
        rj_layout_index_key(key, (rj_room_id)(2 - pos % 2), (pos + 1) / 2);
        rj_put_u64(value, pos);
        put(&planting, planting.env.index, key, sizeof key, value, sizeof value);
    }
    assert_int_equal(mdb_drop(planting.txn, planting.env.names, 1), 0);
    assert_int_equal(mdb_drop(planting.txn, planting.env.floors, 1), 0);
    assert_int_equal(mdb_drop(planting.txn, planting.env.receipts, 1), 0);
    assert_int_equal(mdb_drop(planting.txn, planting.env.kv[RJ_TABLE_SERVICE], 1), 0);
    assert_int_equal(rj_env_meta_put(&planting.env, planting.txn, RJ_META_FORMAT, 1), 0);
    end(&planting);
}

static void a_store_of_format_1_is_checked_and_migrated(void **state)
{
    struct fixture *f = *state;
    struct findings findings;
    struct rj_store_limits limits = {.bytes = 100}; /* two records */
    make_old(f);
    expect_whole(f->path, 10);
    check(f->path, &findings);
    assert_int_equal(findings.report.format, 1);

    f->options.limits = &limits;
    f->options.n_limits = 1;
    f->options.pick = pick_first;
    open_store(f);
    append_text(f->store, room_id(f->store, "a"), "s", "", "hello", NULL);
    settle(f->store);
    assert_int_equal(rj_store_room_state(f->store, 1).floor_seq, 5);
    rj_store_close(&f->store);
    check(f->path, &findings);
    assert_string_equal(rj_buf_cstr(&findings.text), "");
    assert_int_equal(findings.report.format, RJ_FORMAT);
    assert_int_equal(findings.report.index_entries, 4); /* the other room came under its limits, too */
    rj_buf_free(&findings.text);
}

/* One that was last opened by a program that knew of no presence, but the same format. */
static void a_store_without_a_table_that_came_later_is_checked_and_opened(void **state)
{
    struct fixture *f = *state;
    struct findings findings;
    struct planting planting = begin(f);
    assert_int_equal(mdb_drop(planting.txn, planting.env.kv[RJ_TABLE_PRESENCE], 1), 0);
    end(&planting);
    expect_whole(f->path, 10);
    check(f->path, &findings);
    assert_int_equal(findings.report.pairs[RJ_TABLE_PRESENCE], 0);
    rj_buf_free(&findings.text);
    open_store(f);
    rj_store_put(f->store, RJ_TABLE_PRESENCE, rj_span_str("k"), rj_span_str("v"), RJ_ANY_VERSION, NULL, NULL);
    settle(f->store);
    rj_store_close(&f->store);
    check(f->path, &findings);
    assert_string_equal(rj_buf_cstr(&findings.text), "");
    assert_int_equal(findings.report.pairs[RJ_TABLE_PRESENCE], 1);
    rj_buf_free(&findings.text);
}

static void a_seq_that_was_lost_with_the_end_of_the_log_is_found(void **state)
{
    struct fixture *f = *state;
    struct planting planting = begin(f);
    plant_state(&planting, 2, (struct rj_room_saved){.indexed_seq = 9, .floor_seq = 1, .floor_pos = 0});
    end(&planting);
    expect_fault(f, "room 2 \"b\": its state says that seq 8 was indexed, but the log ends at seq 5");
}

static void a_name_with_the_id_of_another_room_is_found(void **state)
{
    struct fixture *f = *state;
    struct findings findings;
    struct planting planting = begin(f);
    uint8_t id[4];
    rj_put_u32(id, 1);
    put(&planting, planting.env.rooms, "c", 1, id, sizeof id);
    end(&planting);
    check(f->path, &findings);
    assert_non_null(
        strstr(rj_buf_cstr(&findings.text), "the room \"c\" has the id 1, which another room has"));
    rj_buf_free(&findings.text);
}

static void wrong_meta_values_are_found(void **state)
{
    struct fixture *f = *state;
    plant_meta(f, RJ_META_SCAN_FROM, 50);
    expect_fault(f, "the index is said to reach up to record 49, but the log ends at 10");
    plant_meta(f, RJ_META_SCAN_FROM, 11);
    plant_meta(f, RJ_META_NEXT_ROOM, 2);
    expect_fault(f, "the next room is to get the id 2, but there are 2 rooms, up to the id 2");
}

static void a_pair_without_a_version_is_found(void **state)
{
    struct fixture *f = *state;
    struct planting planting = begin(f);
    put(&planting, planting.env.kv[RJ_TABLE_CURSOR], "p", 1, "abc", 3);
    end(&planting);
    expect_fault(f, "entry 1 of the table cursor has no version");
}

static void an_end_that_is_not_indexed_yet_is_no_fault(void **state)
{
    struct fixture *f = *state;
    struct findings findings;
    struct planting planting = begin(f);
    uint8_t name[RJ_INDEX_KEY];
    rj_layout_index_key(name, 2, 5);
    MDB_val key = rj_val(name, sizeof name);
    assert_int_equal(mdb_del(planting.txn, planting.env.index, &key, NULL), 0);
    assert_int_equal(rj_env_meta_put(&planting.env, planting.txn, RJ_META_SCAN_FROM, 9), 0);
    end(&planting);
    expect_whole(f->path, 10);
    check(f->path, &findings);
    assert_int_equal(findings.report.unindexed, 1);
}

/* Old records are trimmed in steps; the store is looked at after each opening on the way. */
static void a_trimmed_store_has_no_faults(void **state)
{
    struct fixture *f = *state;
    f->options.retention_ms = 1;
    for (unsigned round = 0; round < 3; round++) {
        uint64_t end_ms = rj_clock_mono_ms() + STORE_DEADLINE_MS;
        open_store(f);
        while (rj_store_head(f->store).oldest <= rj_store_head(f->store).completed) {
            assert_true(rj_clock_mono_ms() < end_ms);
            rj_store_submit(f->store);
            struct pollfd event = {.fd = rj_store_event_fd(f->store), .events = POLLIN};
            poll(&event, 1, 10);
            rj_store_complete(f->store);
        }
        append_text(f->store, room_id(f->store, "a"), "s", "", "new", NULL);
        settle(f->store);
        rj_store_close(&f->store);
        struct findings findings;
        check(f->path, &findings);
        assert_string_equal(rj_buf_cstr(&findings.text), "");
        assert_int_equal(findings.report.last_pos, 11 + round);
        rj_buf_free(&findings.text);
    }
}

static void an_open_store_is_not_checked(void **state)
{
    struct fixture *f = *state;
    struct rj_inspect inspect;
    struct rj_buf why = {0};
    open_store(f);
    assert_int_equal(rj_inspect_open(&inspect, f->path, RJ_INSPECT_ALONE, &why), RJ_CONFLICT);
    assert_non_null(strstr(rj_buf_cstr(&why), "a broker has"));
    rj_buf_free(&why);
}

static void a_folder_without_a_log_is_told(void **state)
{
    struct fixture *f = *state;
    struct rj_inspect inspect;
    struct rj_buf why = {0};
    assert_int_equal(rj_inspect_open(&inspect, f->path, RJ_INSPECT_ALONE, &why), RJ_NOT_FOUND);
    assert_non_null(strstr(rj_buf_cstr(&why), "there is no log in"));
    rj_buf_free(&why);
}

static void a_newer_format_is_refused_by_all(void **state)
{
    struct fixture *f = *state;
    struct rj_inspect inspect;
    struct rj_backup backup;
    struct rj_buf why = {0};
    char dest[300];
    plant_meta(f, RJ_META_FORMAT, RJ_FORMAT + 1);
    assert_int_equal(rj_inspect_open(&inspect, f->path, RJ_INSPECT_ALONE, &why), RJ_VERSION);
    assert_non_null(strstr(rj_buf_cstr(&why), "this program knows up to"));
    assert_int_equal(rj_inspect_open(&inspect, f->path, RJ_INSPECT_BESIDE, &why), RJ_VERSION);
    snprintf(dest, sizeof dest, "%s/copy", f->path);
    assert_int_equal(rj_backup_take(f->path, dest, false, &backup, &why), RJ_VERSION);
    assert_int_equal(access(dest, F_OK), -1);
    rj_buf_free(&why);
}

static void a_copy_is_whole_and_opens_under_an_epoch_of_its_own(void **state)
{
    struct fixture *f = *state, restored = {0};
    struct rj_backup backup;
    struct rj_buf why = {0};
    for (int is_compact = 0; is_compact < 2; is_compact++) {
        snprintf(restored.path, sizeof restored.path, "%.200s/copy-%d", f->path, is_compact);
        assert_int_equal(rj_backup_take(f->path, restored.path, is_compact, &backup, &why), RJ_OK);
        assert_int_equal(backup.last_pos, 10);
        assert_true(backup.bytes > 0);
        expect_whole(restored.path, 10);
        open_store(&restored);
        open_store(f);
        assert_int_equal(rj_store_head(restored.store).completed, 10);
        assert_true(rj_store_head(restored.store).epoch != rj_store_head(f->store).epoch);
        rj_store_close(&f->store);
        rj_store_close(&restored.store);
    }
    assert_int_equal(rj_backup_take(f->path, restored.path, false, &backup, &why), RJ_CONFLICT);
    assert_non_null(strstr(rj_buf_cstr(&why), "not an empty folder"));
    rj_buf_free(&why);
}

static void a_copy_that_is_opened_knows_that_the_store_went_back(void **state)
{
    struct fixture *f = *state, restored = {0};
    struct rj_backup backup;
    struct rj_buf why = {0};
    snprintf(restored.path, sizeof restored.path, "%.200s/copy", f->path);
    open_store(f);
    assert_int_equal(rj_store_head(f->store).restored, 0);
    rj_store_close(&f->store);
    assert_int_equal(rj_backup_take(f->path, restored.path, true, &backup, &why), RJ_OK);
    open_store(f);
    assert_int_equal(rj_store_head(f->store).restored, 0); /* the original is as it was */
    open_store(&restored);
    uint64_t epoch = rj_store_head(restored.store).epoch;
    assert_int_equal(rj_store_head(restored.store).restored, epoch);
    rj_store_close(&restored.store);
    open_store(&restored); /* only once, but that is kept */
    assert_int_equal(rj_store_head(restored.store).restored, epoch);
    assert_int_not_equal(rj_store_head(restored.store).epoch, epoch);
    rj_store_close(&restored.store);
    rj_store_close(&f->store);
    rj_buf_free(&why);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_whole_store_has_no_faults, set_up_records, tear_down),
    cmocka_unit_test_setup_teardown(a_flipped_bit_of_a_record_is_found, set_up_records, tear_down),
    cmocka_unit_test_setup_teardown(a_missing_record_is_found, set_up_records, tear_down),
    cmocka_unit_test_setup_teardown(a_missing_index_entry_is_found, set_up_records, tear_down),
    cmocka_unit_test_setup_teardown(a_stray_index_entry_is_found, set_up_records, tear_down),
    cmocka_unit_test_setup_teardown(an_index_entry_of_no_room_is_found, set_up_records, tear_down),
    cmocka_unit_test_setup_teardown(a_wrong_seq_is_found, set_up_records, tear_down),
    cmocka_unit_test_setup_teardown(a_wrong_epoch_is_found, set_up_records, tear_down),
    cmocka_unit_test_setup_teardown(a_wrong_size_is_found, set_up_records, tear_down),
    cmocka_unit_test_setup_teardown(a_floor_that_was_raised_but_not_swept_is_no_fault, set_up_records,
                                    tear_down),
    cmocka_unit_test_setup_teardown(a_floor_above_the_log_is_found, set_up_records, tear_down),
    cmocka_unit_test_setup_teardown(a_floor_of_no_room_is_found, set_up_records, tear_down),
    cmocka_unit_test_setup_teardown(a_wrong_receipt_is_found, set_up_records, tear_down),
    cmocka_unit_test_setup_teardown(a_missing_name_is_found, set_up_records, tear_down),
    cmocka_unit_test_setup_teardown(a_store_of_format_1_is_checked_and_migrated, set_up_records, tear_down),
    cmocka_unit_test_setup_teardown(a_store_without_a_table_that_came_later_is_checked_and_opened,
                                    set_up_records, tear_down),
    cmocka_unit_test_setup_teardown(a_wrong_floor_is_found, set_up_records, tear_down),
    cmocka_unit_test_setup_teardown(a_seq_that_was_lost_with_the_end_of_the_log_is_found, set_up_records,
                                    tear_down),
    cmocka_unit_test_setup_teardown(a_name_with_the_id_of_another_room_is_found, set_up_records, tear_down),
    cmocka_unit_test_setup_teardown(wrong_meta_values_are_found, set_up_records, tear_down),
    cmocka_unit_test_setup_teardown(a_pair_without_a_version_is_found, set_up_records, tear_down),
    cmocka_unit_test_setup_teardown(an_end_that_is_not_indexed_yet_is_no_fault, set_up_records, tear_down),
    cmocka_unit_test_setup_teardown(a_trimmed_store_has_no_faults, set_up_records, tear_down),
    cmocka_unit_test_setup_teardown(an_open_store_is_not_checked, set_up_records, tear_down),
    cmocka_unit_test_setup_teardown(a_folder_without_a_log_is_told, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_newer_format_is_refused_by_all, set_up_records, tear_down),
    cmocka_unit_test_setup_teardown(a_copy_is_whole_and_opens_under_an_epoch_of_its_own, set_up_records,
                                    tear_down),
    cmocka_unit_test_setup_teardown(a_copy_that_is_opened_knows_that_the_store_went_back, set_up_records,
                                    tear_down),
};

RJ_TEST_MAIN(tests)
