#include "tests/crash/store_writer.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/mem.h"

enum { LONGEST_TEXT = 600, LONG_TEXT = 6000 };

struct writer {
    struct rj_store *store;
    uint64_t random;
    uint64_t epoch;
    uint64_t counted, counting; /* values of the counter: acknowledged, queued */
    struct rj_buf acks;         /* of this turn */
};

static void note(struct writer *w, struct ack ack)
{
    ack.epoch = w->epoch;
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
    (void)payload;
    if (outcome == RJ_APPEND_STORED)
        note(append->writer,
             (struct ack){
                 .kind = ACK_RECORD, .pos = receipt->pos, .room = append->room, .seq = receipt->seqs[0]});
    free(append);
}

static void on_counted(void *ctx, enum rj_status status)
{
    struct writer *w = ctx;
    if (status == RJ_OK)
        note(w, (struct ack){.kind = ACK_COUNTED, .counter = ++w->counted});
}

static rj_room_id brief_room(struct writer *w)
{
    char name[16];
    rj_room_id room;
    journal_brief_name((unsigned)(next_random(&w->random) % JOURNAL_BRIEF_ROOMS), name);
    if (rj_store_room(w->store, rj_span_str(name), true, &room))
        abort();
    return room;
}

/* Two at most that last, the second of them a brief one or none. */
static size_t choose_rooms(struct writer *w, rj_room_id rooms[static 2], bool has_limits)
{
    size_t n = next_random(&w->random) % 5 ? 1 : 2;
    unsigned first = (unsigned)(next_random(&w->random) % JOURNAL_ROOMS);
    for (unsigned i = 0; i < n; i++) {
        char name[16];
        journal_room_name((first + i) % JOURNAL_ROOMS, name);
        if (rj_store_room(w->store, rj_span_str(name), true, &rooms[i]))
            abort();
    }
    if (has_limits && next_random(&w->random) % 6 == 0) {
        rooms[1] = brief_room(w);
        n = 2;
    }
    return n;
}

/* What stands in no other room goes with it, so nobody is told of it. */
static void append_brief(struct writer *w)
{
    char text[64];
    rj_room_id room = brief_room(w);
    int n =
        snprintf(text, sizeof text, "%llu in %u as %llu", (unsigned long long)rj_store_head(w->store).next,
                 room, (unsigned long long)rj_store_room_state(w->store, room).accepted_seq + 1);
    struct rj_store_append append = {.rooms = &room, .n_rooms = 1, .payload = rj_span_of(text, (size_t)n)};
    rj_store_append(w->store, &append, NULL, NULL);
}

static void forget_one(struct writer *w)
{
    char name[16];
    journal_brief_name((unsigned)(next_random(&w->random) % JOURNAL_BRIEF_ROOMS), name);
    rj_store_forget_room(w->store, rj_span_str(name), NULL, NULL);
}

/* Some are so long that LMDB gives them pages of their own. */
static void append_one(struct writer *w, bool has_limits)
{
    char id[48], text[LONG_TEXT];
    rj_room_id rooms[2];
    size_t n_rooms = choose_rooms(w, rooms, has_limits);
    uint64_t pos = rj_store_head(w->store).next;
    size_t longest = next_random(&w->random) % 50 ? LONGEST_TEXT : LONG_TEXT;
    int n = snprintf(text, sizeof text, "%llu in %u as %llu", (unsigned long long)pos, rooms[0],
                     (unsigned long long)rj_store_room_state(w->store, rooms[0]).accepted_seq + 1);
    size_t len = (size_t)n + next_random(&w->random) % (longest - (size_t)n);
    memset(text + n, '.', len - (size_t)n);
    journal_publish_id(w->epoch, pos, id);
    struct rj_store_append append = {
        .rooms = rooms,
        .n_rooms = n_rooms,
        .source = rj_span_str("writer"),
        .id = rj_span_str(id),
        .payload = rj_span_of(text, len),
    };
    struct append *own = rj_alloc(sizeof *own);
    *own = (struct append){w, rooms[0]};
    rj_store_append(w->store, &append, on_stored, own);
}

static void count_one(struct writer *w)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)++w->counting);
    rj_store_put(w->store, RJ_TABLE_CURSOR, rj_span_str("counter"), rj_span_str(text), RJ_ANY_VERSION,
                 on_counted, w);
}

/* A purge in flight; freed by its completion. */
struct purge {
    struct writer *writer;
    struct ack ack;
};

static void on_purged(void *ctx, enum rj_status status)
{
    struct purge *purge = ctx;
    if (status == RJ_OK)
        note(purge->writer, purge->ack);
    free(purge);
}

static void purge_one(struct writer *w)
{
    char name[16];
    rj_room_id room;
    uint64_t keep = next_random(&w->random) % 10;
    unsigned number = (unsigned)(next_random(&w->random) % (JOURNAL_ROOMS - JOURNAL_LIMITED));
    journal_room_name(JOURNAL_LIMITED + number, name);
    if (rj_store_room(w->store, rj_span_str(name), false, &room))
        return;
    uint64_t head = rj_store_room_state(w->store, room).head_seq;
    if (head <= keep)
        return;
    struct purge *own = rj_alloc(sizeof *own);
    *own = (struct purge){w, {.kind = ACK_PURGED, .room = room, .seq = head - keep}};
    rj_store_purge(w->store, room, head - keep, on_purged, own);
}

static void one_turn(struct writer *w, size_t in_flight, bool has_limits)
{
    while (rj_store_in_flight(w->store) < in_flight && next_random(&w->random) % 40)
        append_one(w, has_limits);
    if (has_limits && next_random(&w->random) % 2 == 0)
        append_brief(w);
    if (next_random(&w->random) % 3 == 0)
        count_one(w);
    if (has_limits && next_random(&w->random) % 4 == 0)
        purge_one(w);
    if (has_limits && next_random(&w->random) % 4 == 0)
        forget_one(w);
    rj_store_submit(w->store);
    struct pollfd event = {.fd = rj_store_event_fd(w->store), .events = POLLIN};
    poll(&event, 1, next_random(&w->random) % 8 ? 1 : 0);
    rj_store_complete(w->store);
}

static bool tell(struct writer *w, const struct writing *writing)
{
    size_t n = w->acks.len / sizeof(struct ack);
    bool goes_on = n == 0 || writing->tell(writing->ctx, (const struct ack *)(const void *)w->acks.data, n);
    rj_buf_clear(&w->acks);
    return goes_on;
}

static const struct rj_store_limits all_limits[] = {
    {.count = 15}, {.bytes = 4000}, {.age_ms = 20, .count = 60}};

enum { LIMITS = sizeof all_limits / sizeof all_limits[0] };

/* Rooms "12", "13" … take the limits in turn. */
static size_t pick(void *ctx, struct rj_span key)
{
    unsigned number = key.data[key.len - 1] - '0';
    (void)ctx;
    for (unsigned i = JOURNAL_LIMITED; i < JOURNAL_ROOMS; i++) {
        char name[16];
        journal_room_name(i, name);
        if (rj_span_is(key, name))
            return number % LIMITS;
    }
    return LIMITS;
}

static enum rj_status open_store(struct writer *w, const struct writing *writing)
{
    const uint32_t pending[] = {20, 300, 3000};
    const uint64_t retention_ms[] = {3, 50, 0};
    struct rj_buf why = {0};
    struct rj_store_options options = {
        .path = writing->path,
        .map_bytes = writing->map_bytes,
        .index_pending = pending[next_random(&w->random) % 3],
        .retention_ms = retention_ms[next_random(&w->random) % (writing->has_retention ? 2 : 3)],
    };
    if (writing->has_limits) {
        /* So that rooms without limits keep everything: what they lack then is lost. */
        options.retention_ms = 0;
        options.limits = all_limits;
        options.n_limits = LIMITS;
        options.pick = pick;
        options.limits_id = 1;
    }
    enum rj_status status = rj_store_open(&options, &w->store, &why);
    if (status)
        fprintf(stderr, "writer: %s\n", rj_buf_cstr(&why));
    rj_buf_free(&why);
    return status;
}

/* So that those that last have the lowest ids. */
static void make_rooms(struct writer *w)
{
    for (unsigned i = 0; i < JOURNAL_ROOMS; i++) {
        char name[16];
        rj_room_id room;
        journal_room_name(i, name);
        if (rj_store_room(w->store, rj_span_str(name), true, &room) || room > JOURNAL_ROOMS)
            abort();
    }
}

/* The rest that was in flight; nobody is told of it. */
static void drain(struct writer *w)
{
    while (rj_store_in_flight(w->store)) {
        struct pollfd event = {.fd = rj_store_event_fd(w->store), .events = POLLIN};
        rj_store_submit(w->store);
        poll(&event, 1, 1);
        rj_store_complete(w->store);
    }
}

enum rj_status write_until_told(const struct writing *writing, struct rj_store **store)
{
    struct writer w = {.random = writing->random, .counted = writing->counter, .counting = writing->counter};
    enum rj_status status = open_store(&w, writing);
    if (status)
        return status;
    if (writing->has_limits)
        make_rooms(&w);
    w.epoch = rj_store_head(w.store).epoch;
    note(&w, (struct ack){.kind = ACK_OPENED});
    while (tell(&w, writing))
        one_turn(&w, writing->in_flight, writing->has_limits);
    drain(&w);
    rj_buf_free(&w.acks);
    *store = w.store;
    return RJ_OK;
}
