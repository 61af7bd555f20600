/* The members of rooms and what each of them got: every member's messages are checked against the room's seq,
 * one after the other. The members are the connections of a load, by index; neighbours share a room.
 */
#ifndef RJ_BENCH_MEMBERS_H
#define RJ_BENCH_MEMBERS_H

#include "tools/bench/load.h"

enum { MEMBERS_ROOM_SIZE = 64 };

struct member {
    uint64_t base; /* the room's seq when it joined */
    uint64_t seq;  /* of the last message */
    uint8_t prefix_len;
    char prefix[91]; /* of its messages, up to the seq */
};

struct members {
    uint32_t n, n_a_room;
    uint32_t joined;
    char run[24]; /* in the rooms' names: no other run's messages can be taken for ours */
    struct member *list;

    uint64_t deliveries; /* of messages that were not there before */
    uint64_t bytes;      /* of their packets */
    uint64_t missed;     /* skipped in the order of the room; its end is members_missing */
    uint64_t doubled;    /* had been there, or came after a later one */
    uint64_t strange;    /* messages that are none of the member's room */
};

void members_init(struct members *members, uint32_t n, uint32_t n_a_room);
void members_free(struct members *members);

uint32_t members_room_of(const struct members *members, uint32_t index);
void members_room_name(const struct members *members, uint32_t room, char out[MEMBERS_ROOM_SIZE]);

/* Queues room:join, with ack id 0, for every connection. */
void members_join(const struct members *members, struct load *load);

/* The ack of the join. */
void members_on_join(struct members *members, const struct load_conn *conn, bool is_ok, uint64_t seq);

/* Takes an event; true when it is a message of the member's room that was not there before. */
bool members_take(struct members *members, const struct load_conn *conn, struct rj_span text);

/* How many of the `n` messages that its room got since the join have not come to member `index` yet; missed
 * ones do not count. */
uint64_t members_missing(const struct members *members, uint32_t index, uint64_t n);

#endif
