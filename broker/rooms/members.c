#include "broker/rooms/members.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/peers/gateways.h"
#include "proto/base/mem.h"

/* Up to so many members are counted when it is asked for; most rooms and users never have more. */
enum { FEW = 8 };

static uint64_t bit_of(const struct rj_session *session)
{
    return (uint64_t)1 << session->gateway->peer.slot;
}

/* ------------------------------------------------------------------------------------------ counts */

/* Where the count of `slot` stands (or would stand) among those of the bits set. */
static unsigned count_index(const struct rj_members *members, unsigned slot)
{
    uint64_t below = ((uint64_t)1 << slot) - 1;
    return (unsigned)__builtin_popcountll(members->gateways & below);
}

static bool has_gateway(const struct rj_members *members, unsigned slot)
{
    return members->gateways >> slot & 1;
}

static void insert_count(struct rj_members *members, unsigned slot)
{
    unsigned used = (unsigned)__builtin_popcountll(members->gateways), at = count_index(members, slot);
    if (used == members->cap_counts) {
        members->cap_counts = (uint8_t)(used ? 2 * used : 1);
        members->counts = rj_realloc(members->counts, members->cap_counts, sizeof *members->counts);
    }
    memmove(members->counts + at + 1, members->counts + at, (used - at) * sizeof *members->counts);
    members->counts[at] = 0;
    members->gateways |= (uint64_t)1 << slot;
}

static void remove_count(struct rj_members *members, unsigned slot)
{
    unsigned used = (unsigned)__builtin_popcountll(members->gateways), at = count_index(members, slot);
    memmove(members->counts + at, members->counts + at + 1, (used - at - 1) * sizeof *members->counts);
    members->gateways &= ~((uint64_t)1 << slot);
}

static void count(struct rj_members *members, const struct rj_session *session)
{
    unsigned slot = session->gateway->peer.slot;
    if (!has_gateway(members, slot))
        insert_count(members, slot);
    members->counts[count_index(members, slot)]++;
}

static void uncount(struct rj_members *members, unsigned slot)
{
    assert(has_gateway(members, slot));
    if (--members->counts[count_index(members, slot)] == 0)
        remove_count(members, slot);
}

/* There are more than a few now. */
static void begin_counting(struct rj_members *members)
{
    members->gateways = 0;
    for (uint32_t i = 0; i < members->n; i++)
        count(members, members->list[i].session);
}

static void look_again(struct rj_members *members)
{
    members->gateways = 0;
    for (uint32_t i = 0; i < members->n; i++)
        members->gateways |= bit_of(members->list[i].session);
}

uint32_t rj_members_at(const struct rj_members *members, unsigned slot)
{
    if (members->counts)
        return has_gateway(members, slot) ? members->counts[count_index(members, slot)] : 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < members->n; i++)
        n += members->list[i].session->gateway->peer.slot == slot;
    return n;
}

/* ------------------------------------------------------------------------------------------ members */

uint32_t rj_members_enter(struct rj_members *members, struct rj_session *session)
{
    if (members->n == members->cap) {
        members->cap = members->cap ? 2 * members->cap : 1;
        members->list = rj_realloc(members->list, members->cap, sizeof *members->list);
    }
    uint32_t place = members->n++;
    members->list[place] = (struct rj_member){session, session->serial};
    if (members->counts)
        count(members, session);
    else if (members->n > FEW)
        begin_counting(members);
    else
        members->gateways |= bit_of(session);
    return place;
}

static void shrink(struct rj_members *members)
{
    if (members->n == 0) {
        free(members->list);
        free(members->counts);
        *members = (struct rj_members){0};
    } else if (members->cap > 2 * FEW && members->n < members->cap / 4) {
        members->cap /= 2;
        members->list = rj_realloc(members->list, members->cap, sizeof *members->list);
    }
}

struct rj_session *rj_members_exit(struct rj_members *members, uint32_t place)
{
    assert(place < members->n);
    unsigned slot = members->list[place].session->gateway->peer.slot;
    members->list[place] = members->list[--members->n];
    struct rj_session *moved = place < members->n ? members->list[place].session : NULL;
    if (members->counts)
        uncount(members, slot);
    else
        look_again(members);
    shrink(members);
    return moved;
}
