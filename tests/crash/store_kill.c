/* kill -9 of a process that writes to the store, at each fault point of the storage list and at random
 * moments.
 *
 * One folder lives through all cycles. In each, a child opens the store, appends and tells over a pipe what
 * has been acknowledged, until it is killed (or a failing disk is played to it). Then another child opens the
 * store and checks everything against what was acknowledged in all cycles so far; half of the time it leaves
 * without closing, so that the next one starts from what two crashes left.
 *
 *     store_kill [TEST] [--cycles N]        REJOIN_SEED repeats a run
 */
#include "tests/unit/test_store_fixture.h"

#include <signal.h>
#include <sys/wait.h>

#include "proto/base/fault.h"
#include "proto/base/log.h"
#include "proto/base/random.h"

enum { ROOMS = 17, IN_FLIGHT = 300, ACKS_MOST = 3000, CYCLE_DEADLINE_MS = 30000, CYCLES = 40 };

static unsigned cycles = CYCLES; /* set by main alone */

/* What a writer tells: one record, or with pos 0 one put of the counter. */
struct ack {
    uint64_t pos, epoch, counter;
    uint64_t room, seq; /* of its first room */
};

/* What was acknowledged in all cycles; written by the parent between children. */
struct journal {
    struct ack *acks;
    size_t n, cap;
    uint64_t counter;         /* highest value of the counter */
    uint64_t epoch;           /* highest counter of an epoch that a checker has seen */
    uint64_t seqs[ROOMS + 1]; /* highest number in each room, by id */
};

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state >> 8;
}

static void room_name(unsigned room, char out[static 16])
{
    snprintf(out, 16, "room %u", room);
}

/* ------------------------------------------------------------------------------------------ the writer */

struct writer {
    struct rj_store *store;
    int pipe;
    uint64_t random;
    uint64_t epoch;
    uint64_t counter;
    struct rj_buf acks; /* of this turn */
};

static void tell(struct writer *w, struct ack ack)
{
    rj_buf_put(&w->acks, &ack, sizeof ack);
}

/* An append in flight; freed by its completion. */
struct append {
    struct writer *writer;
    rj_room_id room;
};

static void on_stored(void *ctx, enum rj_append_outcome outcome, const struct rj_store_receipt *receipt,
                      struct rj_span payload)
{
    struct append *append = ctx;
    struct writer *w = append->writer;
    (void)payload;
    if (outcome == RJ_APPEND_STORED)
        tell(w, (struct ack){
                    .pos = receipt->pos, .epoch = w->epoch, .room = append->room, .seq = receipt->seqs[0]});
    free(append);
}

static void on_counted(void *ctx, enum rj_status status)
{
    struct writer *w = ctx;
    if (status == RJ_OK)
        tell(w, (struct ack){.counter = ++w->counter});
}

/* The payload repeats what the store decides, so that a checker can tell a whole record from a mixed-up one.
 */
static void append_one(struct writer *w)
{
    char name[16], id[32], text[600];
    rj_room_id rooms[2];
    uint64_t pos = rj_store_head(w->store).next;
    size_t n_rooms = next_random(&w->random) % 5 ? 1 : 2;
    unsigned first = (unsigned)(next_random(&w->random) % ROOMS);
    for (unsigned i = 0; i < n_rooms; i++) {
        room_name((first + i) % ROOMS, name);
        if (rj_store_room(w->store, rj_span_str(name), true, &rooms[i]))
            _exit(3);
    }
    int n = snprintf(text, sizeof text, "%llu in %u as %llu", (unsigned long long)pos, rooms[0],
                     (unsigned long long)rj_store_room_state(w->store, rooms[0]).accepted_seq + 1);
    size_t len = (size_t)n + next_random(&w->random) % (sizeof text - (size_t)n);
    memset(text + n, '.', len - (size_t)n);
    snprintf(id, sizeof id, "%llu/%llu", (unsigned long long)w->epoch, (unsigned long long)pos);
    struct rj_store_append append = {
        .rooms = rooms,
        .n_rooms = n_rooms,
        .source = rj_span_str("writer"),
        .id = rj_span_str(id),
        .payload = rj_span_of(text, len),
    };
    struct append *own = malloc(sizeof *own);
    *own = (struct append){w, rooms[0]};
    rj_store_append(w->store, &append, on_stored, own);
}

static void count_one(struct writer *w)
{
    char text[24];
    static uint64_t queued;
    queued = queued > w->counter ? queued + 1 : w->counter + 1;
    snprintf(text, sizeof text, "%llu", (unsigned long long)queued);
    rj_store_put(w->store, RJ_TABLE_CURSOR, rj_span_str("counter"), rj_span_str(text), RJ_ANY_VERSION,
                 on_counted, w);
}

static void send_acks(struct writer *w)
{
    for (size_t at = 0; at < w->acks.len;) {
        ssize_t n = write(w->pipe, w->acks.data + at, w->acks.len - at);
        if (n < 0 && errno != EINTR)
            _exit(3);
        at += n > 0 ? (size_t)n : 0;
    }
    rj_buf_clear(&w->acks);
}

_Noreturn static void write_until_killed(const struct fixture *f, const char *fault, uint64_t counter,
                                         uint64_t random, int pipe)
{
    struct writer w = {.pipe = pipe, .random = random, .counter = counter};
    struct rj_buf why = {0};
    struct fixture own = *f;
    const uint32_t pending[] = {20, 300, 3000};
    const uint64_t retention_ms[] = {0, 3, 50};
    own.options.index_pending = pending[next_random(&w.random) % 3];
    own.options.retention_ms = retention_ms[next_random(&w.random) % 3];
    if (fault[0])
        rj_fault_setup(fault);
    if (try_open(&own, &w.store, &why)) {
        fprintf(stderr, "writer: %s\n", rj_buf_cstr(&why));
        _exit(3);
    }
    w.epoch = rj_store_head(w.store).epoch;
    for (;;) {
        while (rj_store_in_flight(w.store) < IN_FLIGHT && next_random(&w.random) % 40)
            append_one(&w);
        if (next_random(&w.random) % 3 == 0)
            count_one(&w);
        rj_store_submit(w.store);
        struct pollfd event = {.fd = rj_store_event_fd(w.store), .events = POLLIN};
        poll(&event, 1, next_random(&w.random) % 8 ? 1 : 0);
        rj_store_complete(w.store);
        send_acks(&w);
    }
}

/* ------------------------------------------------------------------------------------------ the checker */

struct checker {
    struct rj_store *store;
    uint64_t oldest;
    uint64_t next_pos;            /* that the log must go on with */
    uint64_t next_seq[ROOMS + 1]; /* by room id; 0 = nothing seen yet */
    struct ack *records;          /* by pos - oldest */
    size_t n_entries;             /* of the index that the records ask for */
};

#define check(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "checker: line %d: %s\n", __LINE__, #condition);                                 \
            _exit(1);                                                                                        \
        }                                                                                                    \
    } while (0)

static bool on_log_record(void *ctx, const struct rj_store_record *record)
{
    struct checker *c = ctx;
    char text[64];
    check(record->pos == c->next_pos);
    for (size_t i = 0; i < record->n_rooms; i++) {
        uint64_t *next = &c->next_seq[record->rooms[i]];
        check(record->rooms[i] <= ROOMS);
        check(*next == 0 || record->seqs[i] == *next);
        *next = record->seqs[i] + 1;
    }
    int n = snprintf(text, sizeof text, "%llu in %u as %llu", (unsigned long long)record->pos,
                     record->rooms[0], (unsigned long long)record->seqs[0]);
    check(record->payload.len >= (size_t)n && memcmp(record->payload.data, text, (size_t)n) == 0);
    c->records[record->pos - c->oldest] =
        (struct ack){.epoch = record->epoch, .room = record->rooms[0], .seq = record->seqs[0]};
    c->n_entries += record->n_rooms;
    c->next_pos++;
    return true;
}

static void check_log(struct checker *c)
{
    struct rj_store_head head = rj_store_head(c->store);
    uint64_t reached = head.oldest - 1;
    c->oldest = c->next_pos = head.oldest;
    c->records = calloc(head.completed - head.oldest + 2, sizeof *c->records);
    while (reached < head.completed)
        check(rj_store_read_log(c->store, reached, head.completed, (struct rj_store_budget){0}, on_log_record,
                                c, &reached) == RJ_OK);
    check(c->next_pos == head.completed + 1);
    check(head.next == head.completed + 1);
}

static void check_acks(const struct checker *c, const struct journal *journal)
{
    for (size_t i = 0; i < journal->n; i++) {
        const struct ack *ack = &journal->acks[i];
        check(ack->pos < c->next_pos);
        if (ack->pos < c->oldest)
            continue;
        const struct ack *found = &c->records[ack->pos - c->oldest];
        check(found->epoch == ack->epoch && found->room == ack->room && found->seq == ack->seq);
    }
}

struct room_reading {
    rj_room_id room;
    uint64_t next_seq;
};

static bool on_room_record(void *ctx, const struct rj_store_record *record)
{
    struct room_reading *reading = ctx;
    for (size_t i = 0; i < record->n_rooms; i++) {
        if (record->rooms[i] == reading->room)
            check(record->seqs[i] == reading->next_seq++);
    }
    return true;
}

static bool on_counted_record(void *ctx, const struct rj_store_record *record)
{
    (void)record;
    ++*(uint64_t *)ctx;
    return true;
}

/* Each room by the index: state, history and replay are what the log says. */
static void check_index(struct checker *c, const struct journal *journal)
{
    struct rj_store_reach reach[ROOMS];
    size_t n = 0;
    uint64_t floor = 0, seen = 0;
    for (unsigned i = 0; i < ROOMS; i++) {
        char name[16];
        rj_room_id room;
        room_name(i, name);
        if (rj_store_room(c->store, rj_span_str(name), false, &room))
            continue;
        struct rj_room_state state = rj_store_room_state(c->store, room);
        if (c->next_seq[room])
            check(state.head_seq + 1 == c->next_seq[room]);
        else
            check(state.floor_seq == state.head_seq + 1);
        check(state.floor_pos < c->oldest);
        check(state.head_seq >= journal->seqs[room]);
        struct room_reading reading = {room, state.floor_seq};
        struct rj_store_budget all = {.records = SIZE_MAX, .bytes = SIZE_MAX};
        check(rj_store_history(c->store, room, RJ_HISTORY_FORWARD, 0, all, on_room_record, &reading) ==
              RJ_OK);
        check(reading.next_seq == state.head_seq + 1);
        floor = state.floor_pos > floor ? state.floor_pos : floor;
        reach[n++] = (struct rj_store_reach){room, 0};
    }
    uint64_t reached = c->oldest - 1, upto = c->next_pos - 1;
    check(floor <= reached);
    while (reached < upto)
        check(rj_store_read(c->store, reach, n, reached, upto, (struct rj_store_budget){0}, on_counted_record,
                            &seen, &reached) == RJ_OK);
    check(seen == c->next_pos - c->oldest);
}

static void check_counter(struct checker *c, const struct journal *journal)
{
    struct rj_buf value = {0};
    uint64_t version;
    enum rj_status status = rj_store_get(c->store, RJ_TABLE_CURSOR, rj_span_str("counter"), &value, &version);
    if (journal->counter == 0)
        return;
    check(status == RJ_OK);
    check(strtoull(rj_buf_cstr(&value), NULL, 10) >= journal->counter);
    rj_buf_free(&value);
}

static void on_repeated(void *ctx, enum rj_append_outcome outcome, const struct rj_store_receipt *receipt,
                        struct rj_span payload)
{
    const struct ack *ack = ctx;
    (void)payload;
    check(outcome == RJ_APPEND_DUPLICATE);
    check(receipt->pos == ack->pos);
}

/* The youngest acknowledged publishes, repeated: each gets the first answer. */
static void check_repeats(struct checker *c, const struct journal *journal)
{
    rj_room_id room;
    size_t tried = 0;
    for (size_t i = journal->n; i-- > 0 && tried < 20 && journal->acks[i].pos >= c->oldest; tried++) {
        char id[32];
        const struct ack *ack = &journal->acks[i];
        snprintf(id, sizeof id, "%llu/%llu", (unsigned long long)ack->epoch, (unsigned long long)ack->pos);
        check(rj_store_room(c->store, rj_span_str("room 0"), true, &room) == RJ_OK);
        struct rj_store_append append = {
            .rooms = &room, .n_rooms = 1, .source = rj_span_str("writer"), .id = rj_span_str(id)};
        rj_store_append(c->store, &append, on_repeated, (void *)(uintptr_t)ack);
    }
    while (rj_store_in_flight(c->store)) {
        struct pollfd event = {.fd = rj_store_event_fd(c->store), .events = POLLIN};
        rj_store_submit(c->store);
        check(poll(&event, 1, STORE_DEADLINE_MS) == 1);
        rj_store_complete(c->store);
    }
}

/* An opening that asks for nothing must leave no entry of a trimmed record behind, in no room. */
static size_t clean_and_count(struct fixture *f)
{
    struct rj_store *store = NULL;
    struct rj_buf why = {0};
    check(try_open(f, &store, &why) == RJ_OK);
    rj_store_close(&store);
    return count_index_entries(f->path);
}

_Noreturn static void check_everything(const struct fixture *f, const struct journal *journal, bool closes,
                                       int pipe)
{
    struct checker c = {0};
    struct fixture own = *f;
    struct rj_buf why = {0};
    size_t n_entries = closes ? clean_and_count(&own) : 0;
    if (try_open(&own, &c.store, &why)) {
        fprintf(stderr, "checker: %s\n", rj_buf_cstr(&why));
        _exit(1);
    }
    uint64_t epoch = rj_store_head(c.store).epoch >> 32;
    check(epoch > journal->epoch);
    check_log(&c);
    check_acks(&c, journal);
    check_index(&c, journal);
    check_counter(&c, journal);
    check_repeats(&c, journal);
    check(write(pipe, &epoch, sizeof epoch) == sizeof epoch);
    if (closes) {
        check(n_entries == c.n_entries);
        rj_store_close(&c.store);
    }
    _exit(0);
}

/* ------------------------------------------------------------------------------------------ the parent */

static void note_ack(struct journal *journal, struct ack ack)
{
    if (ack.pos == 0) {
        journal->counter = ack.counter;
        return;
    }
    if (journal->n == journal->cap) {
        journal->cap = journal->cap ? journal->cap * 2 : 1024;
        journal->acks = realloc(journal->acks, journal->cap * sizeof *journal->acks);
    }
    journal->acks[journal->n++] = ack;
    if (journal->seqs[ack.room] < ack.seq)
        journal->seqs[ack.room] = ack.seq;
}

/* Reads whole acks until the writer is gone; kills it after `limit` of them. */
static void follow_writer(pid_t writer, int pipe, struct journal *journal, size_t limit)
{
    uint64_t deadline_ms = rj_clock_mono_ms() + CYCLE_DEADLINE_MS;
    uint8_t bytes[sizeof(struct ack) * 64];
    size_t have = 0, told = 0;
    for (;;) {
        struct pollfd event = {.fd = pipe, .events = POLLIN};
        if (rj_clock_mono_ms() > deadline_ms)
            fail_msg("the writer makes no progress");
        if (poll(&event, 1, 100) == 0)
            continue;
        ssize_t n = read(pipe, bytes + have, sizeof bytes - have);
        if (n <= 0)
            return;
        have += (size_t)n;
        size_t used = 0;
        for (; have - used >= sizeof(struct ack); used += sizeof(struct ack), told++) {
            struct ack ack;
            memcpy(&ack, bytes + used, sizeof ack);
            note_ack(journal, ack);
        }
        have -= used;
        memmove(bytes, bytes + used, have);
        if (told >= limit)
            kill(writer, SIGKILL);
    }
}

static void one_writer(struct fixture *f, struct journal *journal, const char *fault, uint64_t *random)
{
    int pipes[2], status;
    uint64_t seed = next_random(random) | 1;
    assert_int_equal(pipe(pipes), 0);
    pid_t writer = fork();
    if (writer == 0) {
        close(pipes[0]);
        write_until_killed(f, fault, journal->counter, seed, pipes[1]);
    }
    close(pipes[1]);
    follow_writer(writer, pipes[0], journal, next_random(random) % ACKS_MOST);
    close(pipes[0]);
    assert_int_equal(waitpid(writer, &status, 0), writer);
    bool was_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    bool has_failed = WIFEXITED(status) && WEXITSTATUS(status) == RJ_STORE_FAILED_EXIT;
    if (!was_killed && !(has_failed && strstr(fault, "fail")))
        fail_msg("the writer ended with status %x under %s", (unsigned)status, fault);
}

static void one_checker(struct fixture *f, struct journal *journal, const char *fault, bool closes)
{
    int pipes[2], status;
    assert_int_equal(pipe(pipes), 0);
    pid_t checker = fork();
    if (checker == 0)
        check_everything(f, journal, closes, pipes[1]);
    close(pipes[1]);
    uint64_t epoch = 0;
    ssize_t n = read(pipes[0], &epoch, sizeof epoch);
    close(pipes[0]);
    assert_int_equal(waitpid(checker, &status, 0), checker);
    if (status || n != sizeof epoch)
        fail_msg("the store is wrong after %s (status %x)", fault[0] ? fault : "a kill", (unsigned)status);
    journal->epoch = epoch;
}

static void run_cycles(struct fixture *f, const char *const *points, size_t n_points)
{
    struct journal journal = {0};
    const char *given = getenv("REJOIN_SEED");
    uint64_t random = given ? strtoull(given, NULL, 10) : rj_random_u64() | 1;
    print_message("seed %llu\n", (unsigned long long)random);
    for (unsigned cycle = 0; cycle < cycles; cycle++) {
        char fault[64] = "";
        const char *point = points[cycle % n_points];
        if (point[0])
            snprintf(fault, sizeof fault, "%.*s:%u%s", (int)strcspn(point, "="), point,
                     (unsigned)(next_random(&random) % (strstr(point, "epoch") ? 1 : 60)),
                     strchr(point, '='));
        one_writer(f, &journal, fault, &random);
        one_checker(f, &journal, fault, next_random(&random) % 2);
    }
    print_message("%u cycles, %zu records and %llu puts acknowledged\n", cycles, journal.n,
                  (unsigned long long)journal.counter);
    assert_true(journal.n > 0);
    free(journal.acks);
}

static void nothing_acknowledged_is_lost_by_kills_at_random_moments(void **state)
{
    const char *const points[] = {""};
    run_cycles(*state, points, 1);
}

static void nothing_acknowledged_is_lost_by_kills_at_fault_points(void **state)
{
    const char *const points[] = {"store.commit.before=kill", "store.commit.after=kill",
                                  "store.sweep.mid=kill",     "store.sweep.wrap=kill",
                                  "store.epoch.after=kill",   "store.commit.fail=fail",
                                  "store.put.fail=fail"};
    run_cycles(*state, points, sizeof points / sizeof points[0]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(nothing_acknowledged_is_lost_by_kills_at_random_moments, set_up,
                                    tear_down),
    cmocka_unit_test_setup_teardown(nothing_acknowledged_is_lost_by_kills_at_fault_points, set_up, tear_down),
};

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--cycles") == 0 && i + 1 < argc)
            cycles = (unsigned)strtoul(argv[++i], NULL, 10);
        else
            cmocka_set_test_filter(argv[i]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
