#include "broker/rooms/room_list.h"

#include <stdlib.h>

#include "broker/base/pattern.h"
#include "broker/sockets/rounds.h"
#include "proto/base/clock.h"
#include "proto/base/mem.h"

enum {
    LIST_DEFAULT = 1000,
    LIST_MAX = 10000,
    CLOCK_EVERY = 256, /* rooms, before the time is looked at */
};

/* A page being chosen out of all rooms: the first `limit` names after `after`.
 *
 * The rooms are gone by from the last one to the first. Who leaves the list meanwhile gives its place to the
 * last one, which was looked at already: so every room that is there throughout is looked at, some of them
 * twice. */
struct listing {
    struct rj_round round; /* first */
    char *nsp, *after, *pattern;
    size_t left;           /* rooms->list up to here is to be looked at */
    struct rj_room **heap; /* the smallest names so far, the largest of them on top; references are held */
    size_t n, cap, limit;
    bool has_more;
};

static void drop_chosen(struct rj_broker *broker, struct listing *listing)
{
    for (size_t i = 0; i < listing->n; i++)
        rj_room_unref(&broker->rooms, listing->heap[i]);
    listing->n = 0;
}

static void listing_free(struct rj_broker *broker, struct rj_round *round)
{
    struct listing *listing = (struct listing *)round;
    drop_chosen(broker, listing);
    free(listing->heap);
    free(listing->nsp);
    free(listing->after);
    free(listing->pattern);
    free(listing);
}

/* ------------------------------------------------------------------------------------------ names */

static int compare_spans(struct rj_span a, struct rj_span b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = memcmp(a.data, b.data, shorter);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static struct rj_span name_of(const struct rj_room *room)
{
    return rj_target_key_name(rj_room_key(room));
}

static bool is_above(const struct rj_room *a, const struct rj_room *b)
{
    return compare_spans(name_of(a), name_of(b)) > 0;
}

static int compare_rooms(const void *a, const void *b)
{
    return compare_spans(name_of(*(struct rj_room *const *)a), name_of(*(struct rj_room *const *)b));
}

static bool matches(const struct listing *listing, struct rj_span name)
{
    char text[RJ_ROOM_NAME_MAX + 1] = "";
    if (!listing->pattern[0])
        return true;
    memcpy(text, name.data, name.len);
    return rj_pattern_matches(listing->pattern, text);
}

static bool is_asked_for(const struct listing *listing, const struct rj_room *room)
{
    return room->members.n && rj_target_key_is_room_of(rj_room_key(room), listing->nsp) &&
           (!listing->after[0] || compare_spans(name_of(room), rj_span_str(listing->after)) > 0) &&
           matches(listing, name_of(room));
}

/* ------------------------------------------------------------------------------------------ choosing */

static void swap(struct rj_room **a, struct rj_room **b)
{
    struct rj_room *kept = *a;
    *a = *b;
    *b = kept;
}

static void sift_up(struct rj_room **heap, size_t at)
{
    for (; at && is_above(heap[at], heap[(at - 1) / 2]); at = (at - 1) / 2)
        swap(&heap[at], &heap[(at - 1) / 2]);
}

static void sift_down(struct rj_room **heap, size_t n)
{
    for (size_t at = 0;;) {
        size_t child = 2 * at + 1;
        if (child >= n)
            return;
        if (child + 1 < n && is_above(heap[child + 1], heap[child]))
            child++;
        if (!is_above(heap[child], heap[at]))
            return;
        swap(&heap[at], &heap[child]);
        at = child;
    }
}

static void push(struct listing *listing, struct rj_room *room)
{
    if (listing->n == listing->cap) {
        listing->cap = listing->cap ? 2 * listing->cap : 64;
        listing->heap = rj_realloc(listing->heap, listing->cap, sizeof(struct rj_room *));
    }
    room->refs++;
    listing->heap[listing->n++] = room;
    sift_up(listing->heap, listing->n - 1);
}

static void consider(struct rj_broker *broker, struct listing *listing, struct rj_room *room)
{
    if (listing->n < listing->limit) {
        push(listing, room);
        return;
    }
    listing->has_more = true;
    if (!is_above(listing->heap[0], room))
        return;
    rj_room_unref(&broker->rooms, listing->heap[0]);
    room->refs++;
    listing->heap[0] = room;
    sift_down(listing->heap, listing->n);
}

/* ------------------------------------------------------------------------------------------ answering */

/* The chosen ones that still have members, each once, as many as fit. */
static void fill(struct rj_broker *broker, struct listing *listing, Rejoin__RoomList *list)
{
    struct rj_arena *arena = &broker->page_arena;
    size_t bytes = 0, max_bytes = rj_round_page_bytes(broker);
    const struct rj_room *last = NULL;
    list->rooms = rj_arena_alloc(arena, (listing->n + 1) * sizeof *list->rooms);
    list->more = listing->has_more;
    if (listing->n)
        qsort(listing->heap, listing->n, sizeof(struct rj_room *), compare_rooms);
    for (size_t i = 0; i < listing->n; i++) {
        const struct rj_room *room = listing->heap[i];
        if (room == last || room->members.n == 0)
            continue;
        Rejoin__RoomList__Room *entry = rj_arena_alloc(arena, sizeof *entry);
        rejoin__room_list__room__init(entry);
        entry->name = rj_arena_copy(arena, name_of(room).data, name_of(room).len);
        entry->members = room->members.n;
        bytes += name_of(room).len + 16;
        if (bytes > max_bytes) {
            list->more = true;
            return;
        }
        list->rooms[list->n_rooms++] = entry;
        last = room;
    }
}

/* False: nobody is in any of the chosen ones by now, and the caller could not go on behind an empty page. */
static bool reply(struct rj_broker *broker, struct listing *listing)
{
    Rejoin__RoomList list = REJOIN__ROOM_LIST__INIT;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    fill(broker, listing, &list);
    bool is_page = list.n_rooms || !list.more;
    reply.result_case = REJOIN__REPLY__RESULT_ROOMS;
    reply.rooms = &list;
    if (is_page)
        rj_reply(broker, listing->round.to, &reply);
    rj_arena_reset(&broker->page_arena);
    return is_page;
}

/* Begins anew behind the last one chosen. */
static void restart(struct rj_broker *broker, struct listing *listing)
{
    struct rj_span last = name_of(listing->heap[listing->n - 1]);
    free(listing->after);
    listing->after = rj_strndup((const char *)last.data, last.len);
    drop_chosen(broker, listing);
    listing->has_more = false;
    listing->left = broker->rooms.n;
}

static bool step(struct rj_broker *broker, struct rj_round *round, uint64_t end_us)
{
    struct listing *listing = (struct listing *)round;
    if (listing->left > broker->rooms.n)
        listing->left = broker->rooms.n;
    while (listing->left) {
        struct rj_room *room = broker->rooms.list[--listing->left];
        if (is_asked_for(listing, room))
            consider(broker, listing, room);
        if (listing->left % CLOCK_EVERY == 0 && rj_clock_mono_us() >= end_us)
            return false;
    }
    if (reply(broker, listing))
        return true;
    restart(broker, listing);
    return false;
}

static enum rj_status check(struct rj_request *request, const Rejoin__ListRooms *asked)
{
    if (!rj_namespace_is_known(request->broker, asked->namespace_))
        return RJ_BAD_NAMESPACE;
    if (strlen(asked->after) > RJ_ROOM_NAME_MAX)
        return RJ_BAD_NAME;
    if (asked->pattern[0] && rj_pattern_check(asked->pattern) != RJ_OK)
        return request->why = "a pattern has at most 255 bytes of valid UTF-8 and 8 stars", RJ_BAD_NAME;
    return RJ_OK;
}

enum rj_status rj_cmd_list_rooms(struct rj_request *request)
{
    const Rejoin__ListRooms *asked = request->command->list_rooms;
    enum rj_status status = check(request, asked);
    if (status != RJ_OK)
        return status;
    struct listing *listing = rj_calloc(1, sizeof *listing);
    listing->round = (struct rj_round){.step = step, .free = listing_free, .to = request->to};
    listing->nsp = rj_strndup(asked->namespace_, strlen(asked->namespace_));
    listing->after = rj_strndup(asked->after, strlen(asked->after));
    listing->pattern = rj_strndup(asked->pattern, strlen(asked->pattern));
    listing->left = request->broker->rooms.n;
    listing->limit = asked->limit ? asked->limit : LIST_DEFAULT;
    if (listing->limit > LIST_MAX)
        listing->limit = LIST_MAX;
    return rj_round_begin(request->broker, &listing->round);
}
