/* What a writer was told by its store: the books that a checker compares a store with. Plain memory; acks
 * travel between processes as they are.
 */
#ifndef RJ_TEST_STORE_JOURNAL_H
#define RJ_TEST_STORE_JOURNAL_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    JOURNAL_ROOMS = 17,
    JOURNAL_LIMITED = 12, /* rooms from this number on may have limits of their own, and are purged */
};

/* Rooms that come and are forgotten, again and again under the same names. */
enum { JOURNAL_BRIEF_ROOMS = 6 };

enum ack_kind {
    ACK_OPENED, /* the store was opened: its epoch is given out */
    ACK_RECORD,
    ACK_COUNTED, /* a put of the counter */
    ACK_PURGED,  /* up to `seq` */
};

struct ack {
    enum ack_kind kind;
    uint64_t epoch;
    uint64_t pos;
    uint64_t room, seq; /* of its first room */
    uint64_t counter;
};

/* Zero is an empty one. */
struct journal {
    struct ack *records; /* in the order of the log */
    size_t n, cap;
    uint64_t counter;                 /* highest value of the counter */
    uint64_t epoch;                   /* highest counter of an epoch that anybody has seen */
    uint64_t seqs[JOURNAL_ROOMS + 1]; /* highest number in each room, by id */
    uint64_t purged[JOURNAL_ROOMS + 1];
};

void journal_add(struct journal *journal, const struct ack *ack);

/* A copy of its own. */
struct journal journal_copy(const struct journal *journal);
void journal_free(struct journal *journal);

/* The name of one of the JOURNAL_ROOMS rooms, and the publish id of a record. */
static inline void journal_room_name(unsigned room, char out[static 16])
{
    snprintf(out, 16, "room %u", room);
}

static inline void journal_brief_name(unsigned room, char out[static 16])
{
    snprintf(out, 16, "brief %u", room);
}

static inline void journal_publish_id(uint64_t epoch, uint64_t pos, char out[static 48])
{
    snprintf(out, 48, "%llu/%llu", (unsigned long long)epoch, (unsigned long long)pos);
}

/* xorshift: cheap, and a seed repeats a run. The state is never 0. */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state >> 8;
}

#endif
