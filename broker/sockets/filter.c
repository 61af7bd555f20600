#include "broker/sockets/filter.h"

#include <stdlib.h>

#include "broker/rooms/rooms.h"
#include "broker/serving/groups.h"

/* ------------------------------------------------------------------------------------------ making */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_ids(const void *a, const void *b)
{
    rj_room_id x = *(const rj_room_id *)a, y = *(const rj_room_id *)b;
    return (x > y) - (x < y);
}

/* Names that are longer than any are not kept: they are nobody's. */
static enum rj_status copy_names(struct rj_arena *arena, char *const *asked, size_t n, size_t max_len,
                                 struct rj_names *out)
{
    size_t kept = 0;
    if (n > RJ_FILTER_NAMES_MAX)
        return RJ_TOO_MANY;
    out->list = rj_arena_alloc(arena, (n + 1) * sizeof *out->list);
    for (size_t i = 0; i < n; i++)
        if (strlen(asked[i]) <= max_len)
            out->list[kept++] = rj_arena_copy(arena, asked[i], strlen(asked[i]));
    qsort(out->list, kept, sizeof *out->list, compare_names);
    for (size_t i = 0; i < kept; i++)
        if (out->n == 0 || strcmp(out->list[i], out->list[out->n - 1]) != 0)
            out->list[out->n++] = out->list[i];
    return RJ_OK;
}

/* A room that the store does not know has nobody in it, and whoever joins it later is not meant. */
static enum rj_status find_rooms(struct rj_filter *filter, struct rj_broker *broker, char *const *asked,
                                 size_t n, size_t max, struct rj_room_ids *out)
{
    if (n > max)
        return RJ_TOO_MANY;
    size_t found = 0;
    out->list = rj_arena_alloc(&filter->arena, (n + 1) * sizeof *out->list);
    for (size_t i = 0; i < n; i++) {
        struct rj_room_name name;
        enum rj_status status = rj_room_resolve(broker, filter->nsp, asked[i], false, &name);
        if (status == RJ_OK)
            out->list[found++] = name.id;
        else if (status != RJ_NOT_FOUND)
            return status;
    }
    qsort(out->list, found, sizeof *out->list, compare_ids);
    for (size_t i = 0; i < found; i++)
        if (out->n == 0 || out->list[i] != out->list[out->n - 1])
            out->list[out->n++] = out->list[i];
    return RJ_OK;
}

static enum rj_status fill(struct rj_filter *filter, struct rj_broker *broker,
                           const Rejoin__SocketFilter *asked)
{
    struct rj_arena *arena = &filter->arena;
    filter->nsp = rj_arena_copy(arena, asked->namespace_, strlen(asked->namespace_));
    filter->wants_rooms = asked->n_rooms > 0;
    filter->wants_users = asked->n_users > 0;
    filter->wants_sids = asked->n_sids > 0;
    enum rj_status status =
        find_rooms(filter, broker, asked->rooms, asked->n_rooms, RJ_FILTER_ROOMS_MAX, &filter->rooms);
    if (status == RJ_OK)
        status = find_rooms(filter, broker, asked->except_rooms, asked->n_except_rooms, RJ_FILTER_NAMES_MAX,
                            &filter->except_rooms);
    if (status == RJ_OK)
        status = copy_names(arena, asked->users, asked->n_users, RJ_USER_MAX, &filter->users);
    if (status == RJ_OK)
        status = copy_names(arena, asked->sids, asked->n_sids, RJ_ID_LEN, &filter->sids);
    if (status == RJ_OK)
        status = copy_names(arena, asked->except_sids, asked->n_except_sids, RJ_ID_LEN, &filter->except_sids);
    return status;
}

enum rj_status rj_filter_init(struct rj_filter *filter, struct rj_broker *broker,
                              const Rejoin__SocketFilter *asked, const char **why)
{
    *filter = (struct rj_filter){0};
    if (!asked)
        return *why = "a filter is needed", RJ_BAD_REQUEST;
    if (!rj_namespace_is_known(broker, asked->namespace_))
        return RJ_BAD_NAMESPACE;
    enum rj_status status = fill(filter, broker, asked);
    if (status == RJ_TOO_MANY)
        *why = "a filter has at most 64 rooms, and 1000 of each other kind";
    if (status != RJ_OK)
        rj_filter_free(filter);
    return status;
}

void rj_filter_free(struct rj_filter *filter)
{
    rj_arena_free(&filter->arena);
    *filter = (struct rj_filter){0};
}

/* ------------------------------------------------------------------------------------------ meeting */

static bool has_name(const struct rj_names *names, const char *name)
{
    return names->n && bsearch(&name, names->list, names->n, sizeof *names->list, compare_names);
}

/* Both lists ascend: the shorter one is walked, the other one searched. */
static bool is_in_any(const struct rj_session *session, const struct rj_room_ids *rooms)
{
    if (session->n_rooms < rooms->n) {
        for (size_t i = 0; i < session->n_rooms; i++)
            if (bsearch(&session->rooms[i].room->id, rooms->list, rooms->n, sizeof *rooms->list, compare_ids))
                return true;
        return false;
    }
    for (size_t i = 0; i < rooms->n; i++)
        if (rj_session_membership(session, rooms->list[i]))
            return true;
    return false;
}

bool rj_filter_meets(const struct rj_filter *filter, const struct rj_session *session)
{
    return (!filter->wants_rooms || is_in_any(session, &filter->rooms)) &&
           (!filter->wants_users || has_name(&filter->users, session->user)) &&
           (!filter->wants_sids || has_name(&filter->sids, session->sid)) &&
           !is_in_any(session, &filter->except_rooms) && !has_name(&filter->except_sids, session->sid);
}

/* ------------------------------------------------------------------------------------------ choosing
 *
 * The smallest serials of all, in one pass: they are gathered up to twice the number that is wanted; then the
 * larger half is thrown away, and from now on nothing above the largest one kept is taken. That is linear in
 * any order of the array (leaving sockets turn it round, piece by piece). */

struct choice {
    struct rj_stretch stretch; /* `upto` comes down */
    struct rj_member *list;    /* room for 2 * max */
    size_t n, max;
    bool has_more;
};

static void swap(struct rj_member *a, struct rj_member *b)
{
    struct rj_member kept = *a;
    *a = *b;
    *b = kept;
}

/* Parts list[from..to]: what is left of the place returned, with it, is at most as large as what is right of
 * it; neither part is empty. (Hoare's partition, around the middle.) */
static size_t part(struct rj_member *list, size_t from, size_t to)
{
    uint64_t pivot = list[from + (to - from) / 2].serial;
    for (;; from++, to--) {
        while (list[from].serial < pivot)
            from++;
        while (list[to].serial > pivot)
            to--;
        if (from >= to)
            return to;
        swap(&list[from], &list[to]);
    }
}

/* Keeps the `max` smallest. */
static void throw_half(struct choice *choice)
{
    size_t from = 0, to = choice->n - 1, wanted = choice->max - 1;
    while (from < to) {
        size_t at = part(choice->list, from, to);
        if (wanted <= at)
            to = at;
        else
            from = at + 1;
    }
    choice->n = choice->max;
    choice->has_more = true;
    choice->stretch.upto = choice->list[wanted].serial;
}

static void consider(struct choice *choice, const struct rj_member *member)
{
    if (member->serial <= choice->stretch.after || member->serial > choice->stretch.upto)
        return;
    choice->list[choice->n++] = *member;
    if (choice->n == 2 * choice->max)
        throw_half(choice);
}

static void consider_all(struct choice *choice, const struct rj_members *members)
{
    for (uint32_t i = 0; members && i < members->n; i++)
        consider(choice, &members->list[i]);
}

static int compare_serials(const void *a, const void *b)
{
    uint64_t x = ((const struct rj_member *)a)->serial, y = ((const struct rj_member *)b)->serial;
    return (x > y) - (x < y);
}

/* Ascending, and each once: who is in several of the rooms was considered several times. */
static size_t finish(struct choice *choice)
{
    size_t n = 0;
    if (choice->n > choice->max)
        throw_half(choice);
    qsort(choice->list, choice->n, sizeof *choice->list, compare_serials);
    for (size_t i = 0; i < choice->n; i++)
        if (n == 0 || choice->list[i].serial != choice->list[n - 1].serial)
            choice->list[n++] = choice->list[i];
    return n;
}

typedef void visit_members(void *ctx, const struct rj_members *members);

static void each_room(const struct rj_filter *filter, const struct rj_broker *broker, visit_members *visit,
                      void *ctx)
{
    for (size_t i = 0; i < filter->rooms.n; i++) {
        const struct rj_room *room = rj_room_find(&broker->rooms, filter->rooms.list[i]);
        if (room)
            visit(ctx, &room->members);
    }
}

static void each_user(const struct rj_filter *filter, const struct rj_broker *broker, visit_members *visit,
                      void *ctx)
{
    for (size_t i = 0; i < filter->users.n; i++) {
        const struct rj_members *members =
            rj_directory_user(&broker->directory, filter->nsp, filter->users.list[i]);
        if (members)
            visit(ctx, members);
    }
}

static void on_members(void *ctx, const struct rj_members *members)
{
    consider_all(ctx, members);
}

static void on_counted(void *ctx, const struct rj_members *members)
{
    *(uint64_t *)ctx += members->n;
}

static void consider_sids(struct choice *choice, const struct rj_filter *filter,
                          const struct rj_broker *broker)
{
    for (size_t i = 0; i < filter->sids.n; i++) {
        struct rj_session *session =
            rj_directory_find_sid(&broker->directory, filter->nsp, filter->sids.list[i]);
        if (session)
            consider(choice, &(struct rj_member){session, session->serial});
    }
}

/* Sockets that are in all the lists are in the shortest: it is enough to go by that one. */
static void consider_shortest(struct choice *choice, const struct rj_filter *filter,
                              const struct rj_broker *broker)
{
    uint64_t in_rooms = 0, of_users = 0;
    if (filter->wants_sids) {
        consider_sids(choice, filter, broker);
        return;
    }
    each_room(filter, broker, on_counted, &in_rooms);
    each_user(filter, broker, on_counted, &of_users);
    if (filter->wants_rooms && (!filter->wants_users || in_rooms <= of_users))
        each_room(filter, broker, on_members, choice);
    else if (filter->wants_users)
        each_user(filter, broker, on_members, choice);
    else
        consider_all(choice, rj_directory_namespace(&broker->directory, filter->nsp));
}

size_t rj_filter_next(const struct rj_filter *filter, const struct rj_broker *broker,
                      struct rj_stretch stretch, struct rj_member *page, size_t max, bool *is_last)
{
    struct choice choice = {.stretch = stretch, .list = page, .max = max};
    consider_shortest(&choice, filter, broker);
    size_t n = finish(&choice);
    *is_last = !choice.has_more;
    return n;
}

bool rj_filter_count(const struct rj_filter *filter, const struct rj_broker *broker, uint64_t *n)
{
    if (filter->wants_users || filter->wants_sids || filter->except_sids.n || filter->except_rooms.n ||
        (filter->wants_rooms && filter->rooms.n > 1))
        return false;
    *n = 0;
    if (filter->wants_rooms)
        each_room(filter, broker, on_counted, n);
    else {
        const struct rj_members *all = rj_directory_namespace(&broker->directory, filter->nsp);
        *n = all ? all->n : 0;
    }
    return true;
}
