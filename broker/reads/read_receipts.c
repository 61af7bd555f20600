#include "broker/reads/read_receipts.h"

#include <stdlib.h>
#include <utlist.h>

#include "broker/broker.h"
#include "broker/messages/delivery.h"
#include "proto/base/clock.h"
#include "proto/base/json.h"

enum {
    RECEIPTS_MAX = 100000,  /* users in rooms that were told of within the interval: beyond, none is told */
    RECEIPTS_A_TICK = 5000, /* that were held back and leave at once; the others wait for the next tick */
};

/* A user in a room of which the members were told within the interval. */
struct rj_read_receipt {
    rj_room_id room;
    uint64_t seq, told_seq;
    uint64_t told_ms;
    struct rj_read_receipt *prev, *next;
    UT_hash_handle hh;
    size_t room_key_len, key_len;
    uint8_t key[]; /* the room's key, then the user */
};

void rj_read_receipts_init(struct rj_read_receipts *receipts, char *const *rooms)
{
    *receipts = (struct rj_read_receipts){0};
    rj_room_patterns_init(&receipts->rooms, rooms);
}

/* ------------------------------------------------------------------------------------------ telling */

static void put_args(struct rj_span room, struct rj_span user, uint64_t seq, struct rj_buf *out)
{
    rj_buf_put_str(out, "[{\"room\":");
    rj_json_put_string(out, room);
    rj_buf_put_str(out, ",\"user\":");
    rj_json_put_string(out, user);
    rj_buf_put_str(out, ",\"seq\":");
    rj_buf_put_u64_dec(out, seq);
    rj_buf_put_str(out, "}]");
}

static void pack(const char *nsp, const char *room, struct rj_span user, uint64_t seq, struct rj_buf *out)
{
    Rejoin__Target target = REJOIN__TARGET__INIT;
    Rejoin__Target *targets[] = {&target};
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    struct rj_buf args = {0};
    put_args(rj_span_str(room), user, seq, &args);
    target.name = (char *)(uintptr_t)room;
    message.namespace_ = (char *)(uintptr_t)nsp;
    message.targets = targets;
    message.n_targets = 1;
    message.event = "room:read";
    message.data = (ProtobufCBinaryData){args.len, args.data};
    message.volatile_ = true;
    message.plain = true;
    rj_wire_pack(&message.base, out);
    rj_buf_free(&args);
}

/* Who is in the room by now, if it has receipts at its size. */
static uint64_t gateways_of(const struct rj_broker *broker, rj_room_id id)
{
    const struct rj_room *room = rj_room_find(&broker->rooms, id);
    return room && room->members.n <= broker->conf->receipt_members ? room->members.gateways : 0;
}

static void tell(struct rj_broker *broker, struct rj_read_receipt *receipt)
{
    uint64_t mask = gateways_of(broker, receipt->room);
    receipt->told_ms = broker->now_ms;
    receipt->told_seq = receipt->seq;
    if (!mask)
        return;
    char nsp[RJ_NAMESPACE_MAX + 1] = "", room[RJ_ROOM_NAME_MAX + 1] = "";
    struct rj_span name = rj_target_key_name(rj_span_of(receipt->key, receipt->room_key_len));
    struct rj_span user =
        rj_span_of(receipt->key + receipt->room_key_len, receipt->key_len - receipt->room_key_len);
    struct rj_buf packed = {0};
    memcpy(nsp, receipt->key + 2, receipt->key[1]);
    memcpy(room, name.data, name.len);
    pack(nsp, room, user, receipt->seq, &packed);
    struct rj_delivery delivery = {.ts_ms = rj_clock_wall_ms(), .message = rj_buf_span(&packed)};
    broker->stats.delivers += rj_delivery_send(&broker->gateways, mask, &delivery);
    broker->stats.receipts_sent++;
    rj_buf_free(&packed);
}

/* ------------------------------------------------------------------------------------------ the interval */

static struct rj_read_receipt *find(const struct rj_read_receipts *receipts, struct rj_span room_key,
                                    struct rj_span user)
{
    uint8_t key[RJ_TARGET_KEY_MAX + RJ_USER_MAX];
    struct rj_read_receipt *receipt;
    memcpy(key, room_key.data, room_key.len);
    memcpy(key + room_key.len, user.data, user.len);
    HASH_FIND(hh, receipts->by_key, key, room_key.len + user.len, receipt);
    return receipt;
}

static struct rj_read_receipt *add(struct rj_read_receipts *receipts, struct rj_span room_key,
                                   struct rj_span user)
{
    struct rj_read_receipt *receipt = rj_calloc(1, sizeof *receipt + room_key.len + user.len);
    receipt->room_key_len = room_key.len;
    receipt->key_len = room_key.len + user.len;
    memcpy(receipt->key, room_key.data, room_key.len);
    memcpy(receipt->key + room_key.len, user.data, user.len);
    HASH_ADD_KEYPTR(hh, receipts->by_key, receipt->key, receipt->key_len, receipt);
    DL_APPEND(receipts->latest, receipt);
    return receipt;
}

static void drop(struct rj_read_receipts *receipts, struct rj_read_receipt *receipt)
{
    HASH_DEL(receipts->by_key, receipt);
    DL_DELETE(receipts->latest, receipt);
    free(receipt);
}

void rj_read_receipts_note(struct rj_broker *broker, struct rj_reader_name reader, struct rj_span room_key,
                           rj_room_id room, uint64_t seq)
{
    struct rj_read_receipts *receipts = &broker->receipts;
    struct rj_span user = rj_span_str(reader.user);
    if (!gateways_of(broker, room) || !rj_room_patterns_match(&receipts->rooms, room_key))
        return;
    struct rj_read_receipt *receipt = find(receipts, room_key, user);
    if (!receipt && HASH_CNT(hh, receipts->by_key) >= RECEIPTS_MAX) {
        broker->stats.receipts_dropped++;
        return;
    }
    if (receipt) {
        receipt->seq = seq;
        broker->stats.receipts_merged++;
        return;
    }
    receipt = add(receipts, room_key, user);
    receipt->room = room;
    receipt->seq = seq;
    tell(broker, receipt);
}

/* All intervals are equally long, so the list is in the order in which they end. */
void rj_read_receipts_tick(struct rj_broker *broker)
{
    struct rj_read_receipts *receipts = &broker->receipts;
    for (size_t i = 0; receipts->latest && i < RECEIPTS_A_TICK; i++) {
        struct rj_read_receipt *receipt = receipts->latest;
        if (broker->now_ms - receipt->told_ms < broker->conf->receipt_interval_ms)
            return;
        if (receipt->seq == receipt->told_seq) {
            drop(receipts, receipt);
            continue;
        }
        tell(broker, receipt);
        DL_DELETE(receipts->latest, receipt);
        DL_APPEND(receipts->latest, receipt);
    }
}

void rj_read_receipts_fini(struct rj_read_receipts *receipts)
{
    while (receipts->latest)
        drop(receipts, receipts->latest);
    rj_room_patterns_free(&receipts->rooms);
}
