#include "tests/crash/store_checker.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/mem.h"
#include "storage/check.h"

enum { DEADLINE_MS = 20000, FAULTS_TOLD = 10 };

static const uint64_t checker_map_bytes = (uint64_t)1 << 30;

struct checker {
    struct rj_store *store;
    uint64_t oldest, completed;
    struct rj_room_state rooms[JOURNAL_ROOMS + 1]; /* by id; of a room that does not exist all 0 */
    uint64_t last_pos;                             /* of the log, as far as it was read */
    uint64_t next_seq[JOURNAL_ROOMS + 1];          /* by room id; 0 = nothing seen yet */
    struct ack *records;                           /* by pos - oldest; pos 0 = not there */
    size_t n_records;                              /* that some room still keeps */
    size_t n_entries;                              /* of the index that the records ask for */
};

#define check(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "checker: line %d: %s\n", __LINE__, #condition);                                 \
            _exit(1);                                                                                        \
        }                                                                                                    \
    } while (0)

/* What a room has let go of may stand in the log until it is deleted. */
static bool is_kept(const struct checker *c, rj_room_id room, uint64_t seq)
{
    return seq >= c->rooms[room].floor_seq;
}

static bool on_log_record(void *ctx, const struct rj_store_record *record)
{
    struct checker *c = ctx;
    char text[64];
    size_t n_kept = 0;
    check(record->pos > c->last_pos);
    for (size_t i = 0; i < record->n_rooms; i++) {
        if (record->rooms[i] > JOURNAL_ROOMS) /* a brief one */
            continue;
        if (!is_kept(c, record->rooms[i], record->seqs[i]))
            continue;
        uint64_t *next = &c->next_seq[record->rooms[i]];
        check(record->seqs[i] == (*next ? *next : c->rooms[record->rooms[i]].floor_seq));
        *next = record->seqs[i] + 1;
        n_kept++;
    }
    int n = snprintf(text, sizeof text, "%llu in %u as %llu", (unsigned long long)record->pos,
                     record->rooms[0], (unsigned long long)record->seqs[0]);
    check(record->payload.len >= (size_t)n && memcmp(record->payload.data, text, (size_t)n) == 0);
    c->records[record->pos - c->oldest] = (struct ack){
        .pos = record->pos, .epoch = record->epoch, .room = record->rooms[0], .seq = record->seqs[0]};
    c->n_entries += n_kept;
    c->n_records += n_kept > 0;
    c->last_pos = record->pos;
    return true;
}

static void load_rooms(struct checker *c)
{
    for (unsigned i = 0; i < JOURNAL_ROOMS; i++) {
        char name[16];
        rj_room_id room;
        journal_room_name(i, name);
        if (rj_store_room(c->store, rj_span_str(name), false, &room))
            continue;
        check(room <= JOURNAL_ROOMS);
        c->rooms[room] = rj_store_room_state(c->store, room);
        /* Without limits of its own a room lets go of what the log lets go of, and of nothing else. */
        check(i >= JOURNAL_LIMITED || c->rooms[room].floor_pos < rj_store_head(c->store).oldest);
    }
}

static void check_log(struct checker *c)
{
    struct rj_store_head head = rj_store_head(c->store);
    uint64_t reached = head.oldest - 1;
    c->oldest = head.oldest;
    c->completed = head.completed;
    c->last_pos = head.oldest - 1;
    c->records = rj_calloc(head.completed - head.oldest + 2, sizeof *c->records);
    while (reached < head.completed)
        check(rj_store_read_log(c->store, reached, head.completed, (struct rj_store_budget){0}, on_log_record,
                                c, &reached) == RJ_OK);
    check(head.next == head.completed + 1);
}

static void check_acks(const struct checker *c, const struct journal *journal)
{
    for (size_t i = 0; i < journal->n; i++) {
        const struct ack *ack = &journal->records[i];
        check(ack->pos <= c->completed);
        if (ack->pos < c->oldest || !is_kept(c, (rj_room_id)ack->room, ack->seq))
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

static void check_room(struct checker *c, const struct journal *journal, rj_room_id room)
{
    const struct rj_room_state *state = &c->rooms[room];
    struct room_reading reading = {room, state->floor_seq};
    struct rj_store_budget all = {.records = SIZE_MAX, .bytes = SIZE_MAX};
    check(state->head_seq + 1 == (c->next_seq[room] ? c->next_seq[room] : state->floor_seq));
    check(state->head_seq >= journal->seqs[room]);
    check(state->floor_seq > journal->purged[room]);
    check(rj_store_history(c->store, room, RJ_HISTORY_FORWARD, 0, all, on_room_record, &reading) == RJ_OK);
    check(reading.next_seq == state->head_seq + 1);
}

/* Each room by the index: state, history and replay are what the log says. */
static void check_index(struct checker *c, const struct journal *journal)
{
    struct rj_store_reach reach[JOURNAL_ROOMS];
    size_t n = 0;
    uint64_t seen = 0, reached = 0;
    for (rj_room_id room = 1; room <= JOURNAL_ROOMS; room++) {
        check(c->rooms[room].floor_seq || journal->seqs[room] == 0);
        if (c->rooms[room].floor_seq == 0)
            continue;
        check_room(c, journal, room);
        reach[n++] = (struct rj_store_reach){room, c->rooms[room].floor_pos};
    }
    while (reached < c->completed)
        check(rj_store_read(c->store, reach, n, reached, c->completed, (struct rj_store_budget){0},
                            on_counted_record, &seen, &reached) == RJ_OK);
    check(seen == c->n_records);
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
    for (size_t i = journal->n; i-- > 0 && tried < 20 && journal->records[i].pos >= c->oldest; tried++) {
        char id[48];
        const struct ack *ack = &journal->records[i];
        if (c->records[ack->pos - c->oldest].pos == 0)
            continue; /* its rooms have let go of it */
        journal_publish_id(ack->epoch, ack->pos, id);
        check(rj_store_room(c->store, rj_span_str("room 0"), true, &room) == RJ_OK);
        struct rj_store_append append = {
            .rooms = &room, .n_rooms = 1, .source = rj_span_str("writer"), .id = rj_span_str(id)};
        rj_store_append(c->store, &append, on_repeated, (void *)(uintptr_t)ack);
    }
    while (rj_store_in_flight(c->store)) {
        struct pollfd event = {.fd = rj_store_event_fd(c->store), .events = POLLIN};
        rj_store_submit(c->store);
        check(poll(&event, 1, DEADLINE_MS) == 1);
        rj_store_complete(c->store);
    }
}

static void on_fault(void *ctx, const char *sentence)
{
    (void)ctx;
    fprintf(stderr, "checker: rejoinctl check: %s\n", sentence);
}

/* What rejoinctl check says of it. A folder without a log is a store that nobody has been told of. */
static void check_from_outside(const char *path, const struct journal *journal)
{
    struct rj_inspect inspect;
    struct rj_check_report report;
    struct rj_buf why = {0};
    enum rj_status status = rj_inspect_open(&inspect, path, RJ_INSPECT_ALONE, &why);
    if (status == RJ_NOT_FOUND) {
        check(journal->epoch == 0);
    } else {
        if (status)
            fprintf(stderr, "checker: %s\n", rj_buf_cstr(&why));
        check(status == RJ_OK);
        check(rj_check_run(&inspect, FAULTS_TOLD, on_fault, NULL, &report) == RJ_OK);
        check(report.faults == 0);
        rj_inspect_close(&inspect);
    }
    rj_buf_free(&why);
}

static struct rj_store *open_store(const char *path)
{
    struct rj_store *store = NULL;
    struct rj_buf why = {0};
    struct rj_store_options options = {.path = path, .map_bytes = checker_map_bytes};
    if (rj_store_open(&options, &store, &why)) {
        fprintf(stderr, "checker: %s\n", rj_buf_cstr(&why));
        _exit(1);
    }
    rj_buf_free(&why);
    return store;
}

/* An opening that asks for nothing but the end of all brief rooms must leave no entry of a trimmed record
 * behind, in no room, and of brief rooms nothing. */
static size_t clean_and_count(const char *path)
{
    struct rj_inspect inspect;
    struct rj_check_report report;
    struct rj_buf why = {0};
    struct rj_store *store = open_store(path);
    for (unsigned i = 0; i < JOURNAL_BRIEF_ROOMS; i++) {
        char name[16];
        journal_brief_name(i, name);
        rj_store_forget_room(store, rj_span_str(name), NULL, NULL);
    }
    rj_store_close(&store);
    check(rj_inspect_open(&inspect, path, RJ_INSPECT_ALONE, &why) == RJ_OK);
    check(rj_check_run(&inspect, FAULTS_TOLD, on_fault, NULL, &report) == RJ_OK);
    check(report.faults == 0);
    check(report.rooms <= JOURNAL_ROOMS);
    rj_inspect_close(&inspect);
    return (size_t)report.index_entries;
}

_Noreturn void check_store(const char *path, const struct journal *journal, bool closes, int pipe)
{
    struct checker c = {0};
    check_from_outside(path, journal);
    size_t n_entries = closes ? clean_and_count(path) : 0;
    c.store = open_store(path);
    uint64_t epoch = rj_store_head(c.store).epoch >> 32;
    check(epoch > journal->epoch);
    load_rooms(&c);
    check_log(&c);
    check_acks(&c, journal);
    check_index(&c, journal);
    check_counter(&c, journal);
    check_repeats(&c, journal);
    check(pipe < 0 || write(pipe, &epoch, sizeof epoch) == sizeof epoch);
    if (closes) {
        check(n_entries == c.n_entries);
        rj_store_close(&c.store);
    }
    _exit(0);
}
