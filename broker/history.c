#include "broker/history.h"

struct page_visit {
    const struct rj_page_query *query;
    struct rj_arena *arena;
    struct rj_page page;
    size_t bytes;
    size_t attachments;
    bool is_damaged;
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

enum rj_status rj_history_read(struct rj_store *store, const struct rj_page_query *query,
                               struct rj_arena *arena, struct rj_page *out)
{
    struct page_visit visit = {.query = query, .arena = arena};
    visit.page.messages = rj_arena_alloc(arena, query->limit * sizeof *visit.page.messages);
    /* One more than the limit tells whether there are more; bytes are counted here for the same reason. */
    struct rj_store_budget budget = {query->limit + 1, SIZE_MAX / 2};
    enum rj_status status =
        rj_store_history(store, query->room, query->order, query->seq, budget, on_record, &visit);
    if (status == RJ_OK && visit.is_damaged)
        status = RJ_CORRUPT;
    if (status != RJ_OK)
        return status;
    if (query->order == RJ_HISTORY_BACKWARD)
        reverse(&visit.page);
    *out = visit.page;
    return RJ_OK;
}
