#include "broker/reads/unread.h"

#include <stdlib.h>

#include "broker/reads/reads.h"
#include "proto/base/mem.h"

enum {
    ROOMS_MAX = 10000, /* of one answer */
    SOCKETS_MAX = 100, /* of the user, whose rooms are looked at */
};

/* A question that waits for what was accepted before it. */
struct asking {
    struct rj_broker *broker;
    struct rj_reply_to to;
    char nsp[RJ_NAMESPACE_MAX + 1];
    char user[RJ_USER_MAX + 1];
};

struct entry {
    rj_room_id room;
    char *name;
    uint64_t seq;
};

/* The rooms, ascending by id; all in the arena. */
struct list {
    struct rj_arena *arena;
    struct entry *entries;
    size_t n, cap;
    bool has_more;
};

static void grow(struct list *list)
{
    enum { FIRST = 64 };
    struct entry *old = list->entries;
    list->cap = list->cap ? 2 * list->cap : FIRST;
    list->entries = rj_arena_alloc(list->arena, list->cap * sizeof *list->entries);
    if (list->n)
        memcpy(list->entries, old, list->n * sizeof *old);
}

static bool on_cursor(void *ctx, struct rj_read_room room, uint64_t seq)
{
    struct list *list = ctx;
    if (list->n == ROOMS_MAX)
        return !(list->has_more = true);
    if (list->n == list->cap)
        grow(list);
    list->entries[list->n++] =
        (struct entry){room.id, rj_arena_copy(list->arena, room.name.data, room.name.len), seq};
    return true;
}

static struct entry entry_of(struct rj_arena *arena, const struct rj_room *room)
{
    struct rj_span name = rj_target_key_name(rj_room_key(room));
    return (struct entry){room->id, rj_arena_copy(arena, name.data, name.len), 0};
}

/* Adds the rooms of a session, whose memberships are ascending by id, too. */
static void merge(struct list *list, const struct rj_session *session)
{
    size_t most = list->n + session->n_rooms, n = 0, a = 0, b = 0;
    struct entry *merged = rj_arena_alloc(list->arena, most * sizeof *merged);
    for (; n < ROOMS_MAX && (a < list->n || b < session->n_rooms); n++) {
        const struct rj_room *room = b < session->n_rooms ? session->rooms[b].room : NULL;
        if (a < list->n && (!room || list->entries[a].room <= room->id)) {
            b += room && list->entries[a].room == room->id;
            merged[n] = list->entries[a++];
        } else {
            merged[n] = entry_of(list->arena, room);
            b++;
        }
    }
    list->has_more |= a < list->n || b < session->n_rooms;
    list->entries = merged;
    list->n = n;
}

/* Whether the session is in a room that is not in the list: seldom the case for a further socket of the same
 * user, and cheaper to find out than to merge. */
static bool adds_some(const struct list *list, const struct rj_session *session)
{
    size_t a = 0;
    for (size_t b = 0; b < session->n_rooms; b++) {
        while (a < list->n && list->entries[a].room < session->rooms[b].room->id)
            a++;
        if (a == list->n || list->entries[a].room != session->rooms[b].room->id)
            return true;
    }
    return false;
}

/* Cursors outlive their rooms: what stands under the id of one that is gone, or of another one by now, does
 * not count. */
static bool is_there(struct rj_broker *broker, const char *nsp, const struct entry *entry)
{
    uint8_t key[RJ_TARGET_KEY_MAX];
    rj_room_id id;
    if (rj_room_name_check(entry->name) != RJ_OK)
        return false;
    size_t len = rj_target_key(key, REJOIN__TARGET__KIND__ROOM, nsp, entry->name);
    return rj_store_room(broker->store, rj_span_of(key, len), false, &id) == RJ_OK && id == entry->room;
}

static void drop_gone(struct rj_broker *broker, const char *nsp, struct list *list)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++)
        if (is_there(broker, nsp, &list->entries[i]))
            list->entries[n++] = list->entries[i];
    list->n = n;
}

static enum rj_status gather(const struct asking *asking, struct list *list)
{
    struct rj_broker *broker = asking->broker;
    struct rj_reader_name reader = {asking->nsp, asking->user};
    enum rj_status status = rj_read_cursors_each(broker->store, reader, ROOMS_MAX + 1, on_cursor, list);
    const struct rj_members *sockets = rj_directory_user(&broker->directory, asking->nsp, asking->user);
    if (status == RJ_OK && !list->has_more)
        rj_read_cursors_note(&broker->read_cursors, reader, list->n);
    drop_gone(broker, asking->nsp, list);
    for (uint32_t i = 0; sockets && i < sockets->n && i < SOCKETS_MAX; i++)
        if (adds_some(list, sockets->list[i].session))
            merge(list, sockets->list[i].session);
    list->has_more |= sockets && sockets->n > SOCKETS_MAX;
    return status;
}

static void fill(struct rj_broker *broker, const struct list *list, Rejoin__UnreadList *out)
{
    Rejoin__UnreadList__Room *rooms = rj_arena_alloc(list->arena, (list->n + 1) * sizeof *rooms);
    out->rooms = rj_arena_alloc(list->arena, (list->n + 1) * sizeof *out->rooms);
    for (size_t i = 0; i < list->n; i++) {
        const struct entry *entry = &list->entries[i];
        struct rj_room_state state = rj_store_room_state(broker->store, entry->room);
        rejoin__unread_list__room__init(&rooms[i]);
        rooms[i].name = entry->name;
        rooms[i].seq = entry->seq;
        rooms[i].unread = rj_reads_unread(&state, entry->seq);
        out->rooms[i] = &rooms[i];
    }
    out->n_rooms = list->n;
    out->more = list->has_more;
}

static void on_accepted(void *ctx, enum rj_status written)
{
    struct asking *asking = ctx;
    struct rj_broker *broker = asking->broker;
    struct list list = {.arena = &broker->page_arena};
    Rejoin__UnreadList result = REJOIN__UNREAD_LIST__INIT;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    (void)written; /* a barrier writes nothing */
    enum rj_status status = gather(asking, &list);
    if (status == RJ_OK) {
        fill(broker, &list, &result);
        reply.result_case = REJOIN__REPLY__RESULT_UNREAD;
        reply.unread = &result;
        rj_reply(broker, asking->to, &reply);
    } else {
        rj_reply_error(broker, asking->to, status, NULL);
    }
    rj_arena_reset(&broker->page_arena);
    free(asking);
}

enum rj_status rj_cmd_unread(struct rj_request *request)
{
    struct rj_broker *broker = request->broker;
    const Rejoin__Unread *unread = request->command->unread;
    struct rj_reader_name reader;
    enum rj_status status = rj_reads_whose(request, unread->namespace_, unread->user, &reader);
    if (status != RJ_OK)
        return status;
    struct asking *asking = rj_alloc(sizeof *asking);
    *asking = (struct asking){.broker = broker, .to = request->to};
    strcpy(asking->nsp, reader.nsp);
    strcpy(asking->user, reader.user);
    broker->stats.unreads++;
    /* Behind the reads that were accepted before it. */
    rj_store_barrier(broker->store, on_accepted, asking);
    return RJ_OK;
}
