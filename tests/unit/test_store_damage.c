/* Bits that flip on the disk. A damaged record is told with its pos, counted, and never shown as whole; it
 * keeps its place, and costs no other record. Damage to LMDB's own pages may end the process, with a line. */
#include "tests/unit/test_store_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "proto/base/mem.h"
#include "proto/base/random.h"
#include "storage/check.h"
#include "storage/layout.h"
#include "tests/crash/store_journal.h"

enum {
    ROOMS = 5,
    RECORDS = 120,
    LONG_EVERY = 16,
    ROUNDS = 24,
    FLIPS = 120,
    DEADLINE_SECONDS = 30,
    EXIT_WRONG = 9
};

/* ------------------------------------------------------------------------------------------ the store */

static size_t text_of(char out[static 4000], uint64_t pos, rj_room_id room, uint64_t seq)
{
    int n = snprintf(out, 4000, "%llu in %u as %llu", (unsigned long long)pos, room, (unsigned long long)seq);
    size_t len = (size_t)n + (pos % LONG_EVERY ? 50 + pos % 500 : 3000);
    memset(out + n, '.', len - (size_t)n);
    return len;
}

static rj_room_id room_of(struct rj_store *store, uint64_t number)
{
    char name[16];
    journal_room_name((unsigned)(number % ROOMS), name);
    return room_id(store, name);
}

/* The number of the room that a record belongs to: one room each, so that its payload can say which. */
static uint64_t home_of(uint64_t pos)
{
    return pos * pos / 3 % ROOMS;
}

static void append_next(struct rj_store *store)
{
    char text[4000];
    uint64_t pos = rj_store_head(store).next;
    rj_room_id room = room_of(store, home_of(pos));
    struct rj_store_append append = {.rooms = &room, .n_rooms = 1};
    append.payload =
        rj_span_of(text, text_of(text, pos, room, rj_store_room_state(store, room).accepted_seq + 1));
    rj_store_append(store, &append, NULL, NULL);
}

static void fill(struct fixture *f)
{
    open_store(f);
    for (unsigned i = 0; i < ROOMS; i++)
        room_of(f->store, i);
    for (unsigned i = 0; i < RECORDS; i++)
        append_next(f->store);
    settle(f->store);
}

static int set_up_indexed(void **state)
{
    set_up(state);
    fill(*state);
    rj_store_close(&((struct fixture *)*state)->store);
    return 0;
}

/* As a crash leaves it: nothing is indexed. */
static int set_up_crashed(void **state)
{
    int status;
    set_up(state);
    pid_t child = fork();
    if (child == 0) {
        fill(*state);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    return 0;
}

/* ------------------------------------------------------------------------------------------ the file */

static uint64_t seed_of_test(void)
{
    const char *given = getenv("REJOIN_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : rj_random_u64() | 1;
    print_message("seed %llu\n", (unsigned long long)seed);
    return seed;
}

/* A copy of the bytes that LMDB has under a key of a table. */
static struct rj_buf stored_bytes(const struct fixture *f, bool of_index, uint64_t pos)
{
    struct rj_env env;
    struct rj_buf why = {0}, copy = {0};
    assert_int_equal(rj_env_open(&env, f->path, (uint64_t)1 << 30, &why), RJ_OK);
    struct rj_reader reader = rj_env_read(&env);
    MDB_val key = rj_val(&pos, sizeof pos), value;
    if (of_index) {
        for (uint64_t i = 0; i < pos; i++)
            assert_int_equal(mdb_cursor_get(reader.index, &key, &value, MDB_NEXT), 0);
        /* Key and value stand side by side in the page. */
        rj_buf_put(&copy, key.mv_data, key.mv_size);
    } else {
        assert_int_equal(mdb_cursor_get(reader.log, &key, &value, MDB_SET), 0);
    }
    rj_buf_put(&copy, value.mv_data, value.mv_size);
    rj_env_read_done(&env, &reader);
    rj_env_close(&env);
    rj_buf_free(&why);
    return copy;
}

/* Flips one bit of those bytes, wherever the file has them: old pages may have a copy, too. */
static void flip(const struct fixture *f, const struct rj_buf *bytes, size_t bit)
{
    struct rj_buf content = read_data_file(f);
    unsigned found = 0;
    uint8_t *end = content.data + content.len;
    for (uint8_t *at = content.data; (at = memmem(at, (size_t)(end - at), bytes->data, bytes->len)); at++) {
        at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        found++;
    }
    assert_true(found > 0);
    write_data_file(f, &content);
    rj_buf_free(&content);
}

/* ------------------------------------------------------------------------------------------ reading */

/* What readers were shown and told. */
struct seen {
    unsigned shown[RECORDS + 1];   /* times, by pos */
    unsigned corrupt[RECORDS + 1]; /* times it was told as damaged */
    rj_room_id room;               /* whose records are read; 0: all */
    bool in_child;
};

/* In a child cmocka cannot be asked. */
static void say_wrong(const struct seen *seen, uint64_t pos, const char *why)
{
    if (seen->in_child)
        _exit(EXIT_WRONG);
    fail_msg("record %llu was shown to room %u, but %s", (unsigned long long)pos, seen->room, why);
}

static bool on_shown(void *ctx, const struct rj_store_record *record)
{
    struct seen *seen = ctx;
    char text[4000];
    size_t len = text_of(text, record->pos, record->rooms[0], record->seqs[0]);
    if (seen->room && record->rooms[0] != seen->room)
        say_wrong(seen, record->pos, "it belongs to another");
    if (record->payload.len != len || memcmp(record->payload.data, text, len) != 0)
        say_wrong(seen, record->pos, "it is not whole");
    if (record->pos > RECORDS)
        say_wrong(seen, record->pos, "there is no such record");
    seen->shown[record->pos]++;
    return true;
}

static enum rj_status read_on(struct rj_store *store, struct seen *seen, uint64_t after, uint64_t *reached)
{
    struct rj_store_reach reach = {seen->room, 0};
    struct rj_store_budget small = {.records = 7};
    if (seen->room == 0)
        return rj_store_read_log(store, after, RECORDS, small, on_shown, seen, reached);
    return rj_store_read(store, &reach, 1, after, RECORDS, small, on_shown, seen, reached);
}

/* Reads everything, going on behind what is damaged as a broker does. False when the index is no good. */
static bool read_all(struct rj_store *store, struct seen *seen)
{
    for (uint64_t reached = 0; reached < RECORDS;) {
        uint64_t before = reached;
        enum rj_status status = read_on(store, seen, before, &reached);
        if (status == RJ_CORRUPT && reached > before && reached <= RECORDS)
            seen->corrupt[reached]++;
        else if (status || reached <= before)
            return false;
    }
    return true;
}

static void on_fault(void *ctx, const char *sentence)
{
    rj_buf_printf(ctx, "%s\n", sentence);
}

/* What rejoinctl check says; to be freed. */
static struct rj_buf faults_of(const struct fixture *f, uint64_t *n)
{
    struct rj_inspect inspect;
    struct rj_check_report report = {0};
    struct rj_buf why = {0}, faults = {0};
    if (rj_inspect_open(&inspect, f->path, RJ_INSPECT_ALONE, &why))
        fail_msg("%s", rj_buf_cstr(&why));
    assert_int_equal(rj_check_run(&inspect, 100, on_fault, &faults, &report), RJ_OK);
    rj_inspect_close(&inspect);
    *n = report.faults;
    return faults;
}

/* ------------------------------------------------------------------------------------------ records */

static void expect_only(const struct seen *seen, uint64_t damaged, uint64_t from, rj_room_id room_of_it)
{
    for (uint64_t pos = from; pos <= RECORDS; pos++) {
        bool is_it = pos == damaged;
        if (seen->shown[pos] != (is_it ? 0 : 1) || (seen->corrupt[pos] > 0) != is_it)
            fail_msg("record %llu: shown %u times, told as damaged %u times; damaged is %llu (room %u)",
                     (unsigned long long)pos, seen->shown[pos], seen->corrupt[pos],
                     (unsigned long long)damaged, room_of_it);
    }
}

static uint64_t seqs_in_use(struct rj_store *store)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < ROOMS; i++)
        sum += rj_store_room_state(store, room_of(store, i)).head_seq;
    return sum;
}

/* Opens, reads the log and each room, appends, closes and opens once more. `keeps_place`: the damaged record
 * must have kept its number. */
static void expect_one_damaged(struct fixture *f, uint64_t pos, bool keeps_place)
{
    char expected[64];
    uint64_t n_faults;
    for (unsigned round = 0; round < 2; round++) {
        open_store(f);
        struct seen all = {0}, by_room = {0};
        assert_true(read_all(f->store, &all));
        expect_only(&all, pos, 1, 0);
        for (unsigned i = 0; i < ROOMS; i++) {
            by_room.room = room_of(f->store, i);
            assert_true(read_all(f->store, &by_room));
        }
        if (keeps_place)
            expect_only(&by_room, pos, 1, by_room.room);
        for (uint64_t other = 1; other <= RECORDS; other++)
            assert_int_equal(by_room.shown[other], other != pos);
        assert_true(rj_store_stats(f->store).corrupt > 0);
        if (keeps_place)
            assert_int_equal(seqs_in_use(f->store), RECORDS);
        rj_store_close(&f->store);
    }
    struct rj_buf faults = faults_of(f, &n_faults);
    snprintf(expected, sizeof expected, "record %llu fails its checksum", (unsigned long long)pos);
    if (n_faults == 0 || !strstr(rj_buf_cstr(&faults), expected))
        fail_msg("rejoinctl check does not say \"%s\":\n%s", expected, rj_buf_cstr(&faults));
    rj_buf_free(&faults);
}

/* Bits of the record's rooms, seqs or shape stand in its head; behind it lies the payload. */
enum part { PART_HEAD, PART_PAYLOAD };

static void flip_records(struct fixture *f, enum part part, bool keeps_place)
{
    uint64_t random = seed_of_test();
    struct rj_buf whole = read_data_file(f);
    enum { HEAD_BITS = 8 * (RJ_RECORD_HEAD + RJ_RECORD_ROOM) };
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t pos = 1 + next_random(&random) % RECORDS;
        write_data_file(f, &whole);
        struct rj_buf record = stored_bytes(f, false, pos);
        size_t bit = part == PART_HEAD ? next_random(&random) % HEAD_BITS
                                       : HEAD_BITS + next_random(&random) % (record.len * 8 - HEAD_BITS);
        write_data_file(f, &whole); /* looking has opened it */
        flip(f, &record, bit);
        expect_one_damaged(f, pos, keeps_place);
        rj_buf_free(&record);
    }
    rj_buf_free(&whole);
}

static void a_flipped_bit_of_a_payload_costs_that_record_alone(void **state)
{
    flip_records(*state, PART_PAYLOAD, true);
}

static void a_flipped_bit_of_a_head_costs_that_record_alone(void **state)
{
    flip_records(*state, PART_HEAD, true);
}

static void a_payload_damaged_before_it_was_indexed_keeps_its_place(void **state)
{
    flip_records(*state, PART_PAYLOAD, true);
}

static void a_head_damaged_before_it_was_indexed_costs_no_other_record(void **state)
{
    flip_records(*state, PART_HEAD, false);
}

/* ------------------------------------------------------------------------------------------ pages */

/* Reads one room. With `is_complete`, what is not shown must have been told: no silent gap. */
static void read_room(struct rj_store *store, unsigned number, bool is_complete)
{
    char name[16];
    struct seen seen = {.in_child = true};
    unsigned n_corrupt = 0;
    journal_room_name(number, name);
    if (rj_store_room(store, rj_span_str(name), false, &seen.room) || !read_all(store, &seen) || !is_complete)
        return;
    for (uint64_t pos = 1; pos <= RECORDS; pos++)
        n_corrupt += seen.corrupt[pos];
    for (uint64_t pos = 1; pos <= RECORDS && n_corrupt == 0; pos++)
        if (home_of(pos) == number && seen.shown[pos] != 1)
            _exit(EXIT_WRONG);
}

/* Uses the store as a broker does, in a process of its own. 0: it had answers, none of them wrong. */
_Noreturn static void use(struct fixture *f, bool is_complete)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    struct rj_buf why = {0};
    struct seen seen = {.in_child = true};
    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
        signal(fatal[i], SIG_DFL);
    dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
    alarm(DEADLINE_SECONDS);
    if (try_open(f, &f->store, &why))
        _exit(why.len ? 0 : 2);
    read_all(f->store, &seen);
    for (unsigned i = 0; i < ROOMS; i++)
        read_room(f->store, i, is_complete);
    for (unsigned i = 0; i < ROOMS; i++)
        append_next(f->store);
    settle(f->store);
    rj_store_close(&f->store);
    _exit(0);
}

/* The wait status of a process that used the store. */
static int use_in_child(struct fixture *f, bool is_complete, const char *where, size_t bit)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        use(f, is_complete);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_WRONG)
        fail_msg("a wrong record was shown, or one was hidden, after flipping bit %zu of %s", bit, where);
    return status;
}

static void a_flipped_bit_of_the_index_is_found_and_shows_no_wrong_record(void **state)
{
    struct fixture *f = *state;
    uint64_t random = seed_of_test(), n_faults;
    struct rj_buf whole = read_data_file(f);
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t number = 1 + next_random(&random) % (RECORDS - 1);
        struct rj_buf entry = stored_bytes(f, true, number), next = stored_bytes(f, true, number + 1);
        bool is_last = memcmp(entry.data, next.data, RJ_ROOM_KEY) != 0, is_complete;
        /* Half of them make the entry name another record of the log. */
        size_t bit =
            round % 2 ? next_random(&random) % (entry.len * 8) : RJ_INDEX_KEY * 8 + next_random(&random) % 6;
        /* A room that has lost the end of its index, or a page that is out of order: only the check can tell.
         */
        is_complete = !is_last && bit >= RJ_INDEX_KEY * 8;
        write_data_file(f, &whole);
        flip(f, &entry, bit);
        struct rj_buf faults = faults_of(f, &n_faults);
        assert_true(n_faults > 0);
        int status = use_in_child(f, is_complete, "an index entry", bit);
        if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != RJ_STORE_FAILED_EXIT))
            fail_msg("status %x after flipping bit %zu of an index entry", (unsigned)status, bit);
        write_data_file(f, &whole);
        rj_buf_free(&faults);
        rj_buf_free(&entry);
        rj_buf_free(&next);
    }
    rj_buf_free(&whole);
}

/* LMDB believes the structure of its pages, so a bit of that may well end the process. */
static void a_flipped_bit_anywhere_never_shows_a_wrong_record(void **state)
{
    struct fixture *f = *state;
    uint64_t random = seed_of_test();
    struct rj_buf whole = read_data_file(f);
    unsigned n_ended = 0;
    for (unsigned round = 0; round < FLIPS; round++) {
        struct rj_buf content = {0};
        rj_buf_put(&content, whole.data, whole.len);
        size_t bit = next_random(&random) % (whole.len * 8);
        content.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        write_data_file(f, &content);
        n_ended += use_in_child(f, false, "the file", bit) != 0;
        rj_buf_free(&content);
    }
    print_message("%u of %u flips ended the process\n", n_ended, (unsigned)FLIPS);
    rj_buf_free(&whole);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_flipped_bit_of_a_payload_costs_that_record_alone, set_up_indexed,
                                    tear_down),
    cmocka_unit_test_setup_teardown(a_flipped_bit_of_a_head_costs_that_record_alone, set_up_indexed,
                                    tear_down),
    cmocka_unit_test_setup_teardown(a_payload_damaged_before_it_was_indexed_keeps_its_place, set_up_crashed,
                                    tear_down),
    cmocka_unit_test_setup_teardown(a_head_damaged_before_it_was_indexed_costs_no_other_record,
                                    set_up_crashed, tear_down),
    cmocka_unit_test_setup_teardown(a_flipped_bit_of_the_index_is_found_and_shows_no_wrong_record,
                                    set_up_indexed, tear_down),
    cmocka_unit_test_setup_teardown(a_flipped_bit_anywhere_never_shows_a_wrong_record, set_up_indexed,
                                    tear_down),
};

RJ_TEST_MAIN(tests)
