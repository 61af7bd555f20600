#include "tools/bench/members.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/mem.h"
#include "proto/base/random.h"
#include "tools/bench/message.h"

static void make_prefix(const struct members *members, uint32_t index)
{
    struct member *member = &members->list[index];
    char room[MEMBERS_ROOM_SIZE];
    members_room_name(members, members_room_of(members, index), room);
    int len = snprintf(member->prefix, sizeof member->prefix,
                       "2[\"room:message\",{\"room\":\"%.48s\",\"seq\":", room);
    member->prefix_len = (uint8_t)len;
}

void members_init(struct members *members, uint32_t n, uint32_t n_a_room)
{
    *members = (struct members){.n = n, .n_a_room = n_a_room};
    rj_random_id(members->run);
    members->list = rj_calloc(n, sizeof *members->list);
    for (uint32_t i = 0; i < n; i++)
        make_prefix(members, i);
}

void members_free(struct members *members)
{
    free(members->list);
}

uint32_t members_room_of(const struct members *members, uint32_t index)
{
    return index / members->n_a_room;
}

void members_room_name(const struct members *members, uint32_t room, char out[MEMBERS_ROOM_SIZE])
{
    snprintf(out, MEMBERS_ROOM_SIZE, "bench-%.23s-%u", members->run, room);
}

void members_join(const struct members *members, struct load *load)
{
    for (uint32_t i = 0; i < members->n; i++) {
        char room[MEMBERS_ROOM_SIZE], text[MEMBERS_ROOM_SIZE + 32];
        members_room_name(members, members_room_of(members, i), room);
        snprintf(text, sizeof text, "420[\"room:join\",\"%s\"]", room);
        load_send(&load->conns[i], rj_span_str(text));
    }
}

void members_on_join(struct members *members, const struct load_conn *conn, bool is_ok, uint64_t seq)
{
    struct member *member = &members->list[conn->index];
    members->joined += is_ok;
    member->base = member->seq = seq;
}

bool members_take(struct members *members, const struct load_conn *conn, struct rj_span text)
{
    struct member *member = &members->list[conn->index];
    static const size_t event_len = sizeof "2[\"room:message\"" - 1;
    if (text.len <= member->prefix_len || memcmp(text.data, member->prefix, member->prefix_len) != 0) {
        members->strange += text.len >= event_len && memcmp(text.data, member->prefix, event_len) == 0;
        return false;
    }
    uint64_t seq = message_number(rj_span_from(text, member->prefix_len));
    if (seq <= member->seq) {
        members->doubled++;
        return false;
    }
    members->missed += seq - member->seq - 1;
    member->seq = seq;
    members->deliveries++;
    members->bytes += text.len;
    return true;
}

uint64_t members_missing(const struct members *members, uint32_t index, uint64_t n)
{
    uint64_t got = members->list[index].seq - members->list[index].base;
    return got < n ? n - got : 0;
}
