#include "broker/messages/history.h"

#include <stdlib.h>
#include <utlist.h>

#include "broker/reply.h"
#include "proto/base/mem.h"

enum {
    READS = 32, /* pages that are read at once: each may take RJ_PAGE_BYTES */
};

struct page_visit {
    const struct rj_page_query *query;
    struct rj_arena *arena;
    struct rj_page page;
    size_t bytes;
    size_t attachments;
    bool is_damaged;
    struct rj_history_read *read; /* NULL: at once */
};

static uint64_t seq_in(const struct rj_store_record *record, rj_room_id room)
{
    for (size_t i = 0; i < record->n_rooms; i++)
        if (record->rooms[i] == room)
            return record->seqs[i];
    return 0;
}

static Rejoin__Deliver *make_deliver(struct rj_arena *arena, const struct rj_store_record *record,
                                     Rejoin__Message *message)
{
    Rejoin__Deliver *deliver = rj_arena_alloc(arena, sizeof *deliver);
    rejoin__deliver__init(deliver);
    deliver->pos = record->pos;
    deliver->ts_ms = record->ts_ms;
    deliver->n_seqs = record->n_rooms;
    deliver->seqs = rj_arena_alloc(arena, record->n_rooms * sizeof *deliver->seqs);
    memcpy(deliver->seqs, record->seqs, record->n_rooms * sizeof *deliver->seqs);
    deliver->message = message;
    return deliver;
}

static bool is_full(const struct page_visit *visit, const struct rj_store_record *record,
                    const Rejoin__Message *message)
{
    if (visit->page.n == 0)
        return false;
    return visit->page.n == visit->query->limit || visit->bytes + record->payload.len > RJ_PAGE_BYTES ||
           visit->attachments + message->n_attachments > RJ_ATTACHMENTS_MAX;
}

static bool on_record(void *ctx, const struct rj_store_record *record)
{
    struct page_visit *visit = ctx;
    const struct rj_page_query *query = visit->query;
    if (query->order == RJ_HISTORY_BACKWARD && seq_in(record, query->room) <= query->floor)
        return false;
    Rejoin__Message *message = (Rejoin__Message *)rj_wire_unpack_message(&rejoin__message__descriptor,
                                                                         record->payload, visit->arena);
    if (!message) {
        visit->is_damaged = true;
        return false;
    }
    if (is_full(visit, record, message)) {
        visit->page.more = true;
        return false;
    }
    if (visit->page.n == 0)
        visit->page.messages =
            rj_arena_alloc(visit->arena, visit->query->limit * sizeof *visit->page.messages);
    visit->bytes += record->payload.len;
    visit->attachments += message->n_attachments;
    visit->page.messages[visit->page.n++] = make_deliver(visit->arena, record, message);
    return true;
}

static void reverse(struct rj_page *page)
{
    for (size_t i = 0, j = page->n; i + 1 < j; i++) {
        Rejoin__Deliver *swapped = page->messages[--j];
        page->messages[j] = page->messages[i];
        page->messages[i] = swapped;
    }
}

/* One more than the limit tells whether there are more, and so does one byte more. */
static struct rj_store_budget budget_of(const struct rj_page_query *query)
{
    return (struct rj_store_budget){query->limit + 1, RJ_PAGE_BYTES + 1};
}

static enum rj_status end_page(struct page_visit *visit, enum rj_status status, struct rj_page *out)
{
    if (status == RJ_OK && visit->is_damaged)
        status = RJ_CORRUPT;
    if (status != RJ_OK)
        return status;
    if (visit->query->order == RJ_HISTORY_BACKWARD)
        reverse(&visit->page);
    *out = visit->page;
    return RJ_OK;
}

enum rj_status rj_history_read(struct rj_store *store, const struct rj_page_query *query,
                               struct rj_arena *arena, struct rj_page *out)
{
    struct page_visit visit = {.query = query, .arena = arena};
    enum rj_status status =
        rj_store_history(store, query->room, query->order, query->seq, budget_of(query), on_record, &visit);
    return end_page(&visit, status, out);
}

/* ------------------------------------------------------------------------------------------ answering */

struct rj_history_read {
    struct rj_broker *broker;
    struct rj_reply_to to;
    struct rj_page_query query;
    struct page_visit visit;
    struct rj_history_read *prev, *next;
};

static void reply_page(struct rj_broker *broker, struct rj_reply_to to, const struct rj_page *page)
{
    Rejoin__HistoryPage result = REJOIN__HISTORY_PAGE__INIT;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    result.messages = page->messages;
    result.n_messages = page->n;
    result.more = page->more;
    reply.result_case = REJOIN__REPLY__RESULT_HISTORY;
    reply.history = &result;
    rj_reply(broker, to, &reply);
}

static void start(struct rj_history_read *read);

static void start_waiting(struct rj_broker *broker)
{
    struct rj_histories *histories = &broker->histories;
    while (histories->waiting && histories->n_read < READS) {
        struct rj_history_read *read = histories->waiting;
        DL_DELETE(histories->waiting, read);
        histories->n_waiting--;
        start(read);
    }
}

/* The store visits a page and ends it in one go: so all pages can grow in one arena. */
static void on_page_read(void *ctx, enum rj_status status, uint64_t reached)
{
    struct rj_history_read *read = ((struct page_visit *)ctx)->read;
    struct rj_broker *broker = read->broker;
    struct rj_page page;
    (void)reached;
    status = end_page(&read->visit, status, &page);
    if (status == RJ_OK)
        reply_page(broker, read->to, &page);
    else if (status != RJ_CLOSED)
        rj_reply_error(broker, read->to, status, NULL);
    rj_arena_reset(&broker->page_arena);
    broker->histories.n_read--;
    free(read);
    if (status != RJ_CLOSED)
        start_waiting(broker);
}

static void start(struct rj_history_read *read)
{
    const struct rj_page_query *query = &read->query;
    read->visit = (struct page_visit){.query = query, .arena = &read->broker->page_arena, .read = read};
    read->broker->histories.n_read++;
    rj_store_history_later(read->broker->store, query->room, query->order, query->seq, budget_of(query),
                           on_record, on_page_read, &read->visit);
}

void rj_history_answer(struct rj_request *request, const struct rj_page_query *query)
{
    struct rj_histories *histories = &request->broker->histories;
    struct rj_history_read *read = rj_alloc(sizeof *read);
    *read = (struct rj_history_read){.broker = request->broker, .to = request->to, .query = *query};
    if (histories->n_read >= READS) {
        DL_APPEND(histories->waiting, read);
        histories->n_waiting++;
        return;
    }
    start(read);
}

void rj_histories_free(struct rj_histories *histories)
{
    struct rj_history_read *read, *next;
    DL_FOREACH_SAFE (histories->waiting, read, next)
        free(read);
    *histories = (struct rj_histories){0};
}
