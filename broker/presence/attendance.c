#include "broker/presence/attendance.h"

#include <stdlib.h>

#include "broker/broker.h"
#include "broker/messages/delivery.h"
#include "broker/presence/presence_store.h"
#include "proto/base/clock.h"
#include "proto/base/json.h"
#include "proto/base/mem.h"
#include "proto/base/random.h"

enum {
    EVENTS_PER_TURN = 500,
    IN_FLIGHT_MAX = 4000, /* writes that may wait for the disk when events are told */
    SEEN_PER_TICK = 200,  /* notes of when a user was there last */
    SETTLE_LEASES = 10,   /* for so long at most gateways that are attaching put departures off */
    RETURN_MS = 2000, /* after a start, until gateways that are alive have come back, or a lease if shorter */
};

#define EVENT "room:presence"

static bool is_open(const struct rj_broker *broker)
{
    return broker->store != NULL;
}

/* ------------------------------------------------------------------------------------------ rosters */

struct rj_room *rj_attendance_room(const struct rj_broker *broker, const struct rj_roster *roster)
{
    struct rj_span key = rj_span_of(roster->key, roster->key_len);
    rj_room_id id;
    if (key.data[0] != REJOIN__TARGET__KIND__ROOM || rj_store_room(broker->store, key, false, &id) != RJ_OK)
        return NULL;
    return rj_room_find(&broker->rooms, id);
}

void rj_attendance_close_roster(struct rj_broker *broker, struct rj_roster *roster)
{
    struct rj_room *room = rj_attendance_room(broker, roster);
    if (room)
        room->roster = NULL;
    if (!roster->rule)
        rj_survey_forget(broker, roster);
    rj_presence_close(&broker->attendance.presence, &roster);
}

struct rj_roster *rj_attendance_roster(struct rj_broker *broker, struct rj_room *room)
{
    if (room->is_presence_known)
        return room->roster;
    struct rj_span key = rj_room_key(room);
    room->is_presence_known = true;
    room->tells = rj_presence_rules_pick(&broker->attendance.rules, key);
    room->roster = rj_presence_find(&broker->attendance.presence, key);
    return room->roster;
}

/* NULL: nobody has asked about it lately. */
static struct rj_roster *namespace_roster(const struct rj_broker *broker, const char *nsp)
{
    if (!broker->attendance.surveys.n_namespaces)
        return NULL;
    uint8_t key[RJ_TARGET_KEY_MAX];
    size_t len = rj_target_key(key, REJOIN__TARGET__KIND__NAMESPACE, nsp, "");
    return rj_presence_find(&broker->attendance.presence, rj_span_of(key, len));
}

/* ------------------------------------------------------------------------------------------ who was there */

uint64_t rj_attendance_since(const struct rj_session *session, rj_room_id room)
{
    uint64_t joined_ms = room ? (uint64_t)rj_session_membership(session, room)->since_s * 1000 : 0;
    return joined_ms > session->connected_ms ? joined_ms : session->connected_ms;
}

/* When the session was seen last, on the monotonic clock. */
static uint64_t seen_ms(const struct rj_broker *broker, const struct rj_session *session)
{
    const struct rj_gateway *gateway = session->gateway;
    return gateway->state == RJ_GATEWAY_GONE ? gateway->peer.heard_ms : broker->now_ms;
}

/* Whether it is the only socket that its user has in the namespace. */
static bool is_only_one(const struct rj_broker *broker, const struct rj_session *session)
{
    const struct rj_members *sockets = rj_directory_user(&broker->directory, session->nsp, session->user);
    return sockets && sockets->n == 1;
}

/* Only who has a user is in rosters; but a survey that is under way must hear of every place that is left. */
static bool concerns_us(const struct rj_broker *broker, const struct rj_session *session)
{
    return session->user[0] || broker->attendance.surveys.n_unfinished;
}

static void exit_room(struct rj_broker *broker, const struct rj_session *session, struct rj_room *room,
                      bool is_for_good)
{
    struct rj_roster *roster = rj_attendance_roster(broker, room);
    uint64_t until_ms = 0;
    if (!roster ||
        !rj_survey_leave(broker, roster, &room->members, rj_session_membership(session, room->id)->place))
        return;
    if (!is_for_good && roster->rule)
        until_ms = seen_ms(broker, session) + roster->rule->grace_ms;
    if (session->user[0])
        rj_presence_exit(&broker->attendance.presence, roster, session->user, until_ms);
}

static void exit_namespace(struct rj_broker *broker, const struct rj_session *session)
{
    struct rj_roster *roster = namespace_roster(broker, session->nsp);
    const struct rj_members *members = rj_directory_namespace(&broker->directory, session->nsp);
    if (roster && rj_survey_leave(broker, roster, members, session->home_place) && session->user[0])
        rj_presence_exit(&broker->attendance.presence, roster, session->user, 0);
}

void rj_attendance_join(struct rj_broker *broker, const struct rj_session *session, struct rj_room *room)
{
    struct rj_presence *presence = &broker->attendance.presence;
    if (!session->user[0])
        return;
    struct rj_roster *roster = rj_attendance_roster(broker, room);
    if (!roster && room->tells)
        roster = room->roster = rj_presence_open(presence, rj_room_key(room), room->tells);
    if (roster)
        rj_presence_enter(presence, roster, session->user, rj_attendance_since(session, room->id));
}

void rj_attendance_leave(struct rj_broker *broker, const struct rj_session *session, struct rj_room *room)
{
    if (concerns_us(broker, session))
        exit_room(broker, session, room, true);
}

void rj_attendance_begin(struct rj_broker *broker, const struct rj_session *session)
{
    struct rj_attendance *attendance = &broker->attendance;
    if (!session->user[0])
        return;
    for (size_t i = 0; i < session->n_rooms; i++)
        rj_attendance_join(broker, session, session->rooms[i].room);
    struct rj_roster *roster = namespace_roster(broker, session->nsp);
    if (roster)
        rj_presence_enter(&attendance->presence, roster, session->user, session->connected_ms);
    if (is_only_one(broker, session))
        rj_last_seen_come(&attendance->seen, session->nsp, session->user, rj_clock_wall_ms());
}

void rj_attendance_end(struct rj_broker *broker, const struct rj_session *session)
{
    if (!is_open(broker) || !concerns_us(broker, session))
        return;
    for (size_t i = 0; i < session->n_rooms; i++)
        exit_room(broker, session, session->rooms[i].room, session->is_ended);
    exit_namespace(broker, session);
    if (session->user[0] && is_only_one(broker, session))
        rj_last_seen_go(&broker->attendance.seen, session->nsp, session->user,
                        rj_clock_wall_ms() - (broker->now_ms - seen_ms(broker, session)));
}

/* ------------------------------------------------------------------------------------------ telling */

/* An event that leaves when what it says is durable. */
struct telling {
    struct rj_broker *broker;
    rj_room_id room;
    struct rj_buf message; /* packed */
};

static void on_durable(void *ctx, enum rj_status status)
{
    struct telling *telling = ctx;
    struct rj_broker *broker = telling->broker;
    (void)status; /* any version is expected: it cannot conflict */
    struct rj_delivery delivery = {.ts_ms = rj_clock_wall_ms(), .message = rj_buf_span(&telling->message)};
    uint64_t mask = rj_delivery_mask(&broker->rooms, &telling->room, 1);
    broker->stats.delivers += rj_delivery_send(&broker->gateways, mask, &delivery);
    rj_buf_free(&telling->message);
    free(telling);
}

static void pack_event(const struct rj_roster *roster, const struct rj_buf *data, struct rj_buf *out)
{
    char nsp[RJ_NAMESPACE_MAX + 1] = "", room[RJ_ROOM_NAME_MAX + 1] = "";
    struct rj_span name = rj_target_key_name(rj_span_of(roster->key, roster->key_len));
    Rejoin__Target target = REJOIN__TARGET__INIT, *targets[] = {&target};
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    memcpy(nsp, roster->key + 2, roster->key[1]);
    memcpy(room, name.data, name.len);
    target.kind = REJOIN__TARGET__KIND__ROOM;
    target.name = room;
    message.namespace_ = nsp;
    message.targets = targets;
    message.n_targets = 1;
    message.event = EVENT;
    message.data = (ProtobufCBinaryData){data->len, data->data};
    message.volatile_ = true;
    message.plain = true;
    rj_wire_pack(&message.base, out);
}

static void begin_data(const struct rj_roster *roster, struct rj_buf *data)
{
    rj_buf_put_str(data, "[{\"room\":");
    rj_json_put_string(data, rj_target_key_name(rj_span_of(roster->key, roster->key_len)));
    rj_buf_put_str(data, ",\"user\":");
}

static struct telling *telling_new(struct rj_broker *broker, const struct rj_roster *roster, rj_room_id room,
                                   struct rj_buf *data)
{
    struct telling *telling = rj_calloc(1, sizeof *telling);
    telling->broker = broker;
    telling->room = room;
    pack_event(roster, data, &telling->message);
    rj_buf_free(data);
    return telling;
}

static struct telling *single(struct rj_broker *broker, const struct rj_attendee *who, rj_room_id room,
                              bool is_here)
{
    struct rj_buf data = {0};
    begin_data(who->roster, &data);
    rj_json_put_string(&data, rj_span_str(who->user));
    rj_buf_printf(&data, ",\"state\":\"%s\",\"sockets\":%u}]", is_here ? "join" : "leave", who->sockets);
    return telling_new(broker, who->roster, room, &data);
}

static void on_told(void *ctx, struct rj_roster *roster, const struct rj_attendee *who, bool is_here,
                    bool is_single)
{
    struct rj_broker *broker = ctx;
    struct rj_span key = rj_span_of(roster->key, roster->key_len);
    rj_room_id room;
    if (rj_store_room(broker->store, key, true, &room) != RJ_OK)
        return; /* a key that the store has given out a roster for: it cannot be refused */
    struct telling *telling = is_single ? single(broker, who, room, is_here) : NULL;
    broker->attendance.joins += is_single && is_here;
    broker->attendance.leaves += is_single && !is_here;
    if (is_here)
        rj_presence_store_put(broker->store, room, key, who->user, who->since_ms, telling ? on_durable : NULL,
                              telling);
    else
        rj_presence_store_delete(broker->store, room, who->user, telling ? on_durable : NULL, telling);
}

static void on_summed(void *ctx, struct rj_roster *roster, uint64_t joined, uint64_t left)
{
    struct rj_broker *broker = ctx;
    struct rj_buf data = {0};
    rj_room_id room;
    if (rj_store_room(broker->store, rj_span_of(roster->key, roster->key_len), true, &room) != RJ_OK)
        return;
    begin_data(roster, &data);
    rj_buf_printf(
        &data, "null,\"state\":\"changed\",\"sockets\":%llu,\"users\":%llu,\"joined\":%llu,\"left\":%llu}]",
        (unsigned long long)roster->n_sockets, (unsigned long long)roster->n, (unsigned long long)joined,
        (unsigned long long)left);
    broker->attendance.sums++;
    rj_store_barrier(broker->store, on_durable, telling_new(broker, roster, room, &data));
}

/* One that is unfinished only seems empty. */
static void on_emptied(void *ctx, struct rj_roster *roster)
{
    if (!roster->is_unfinished)
        rj_attendance_close_roster(ctx, roster);
}

static bool has_gateway_in(const struct rj_broker *broker, enum rj_gateway_state state)
{
    for (size_t i = 0; i < RJ_GATEWAYS_MAX; i++) {
        const struct rj_gateway *gateway = broker->gateways.slots[i];
        if (gateway && gateway->state == state)
            return true;
    }
    return false;
}

static bool has_gateway_catching_up(const struct rj_broker *broker)
{
    for (size_t i = 0; i < RJ_GATEWAYS_MAX; i++) {
        const struct rj_gateway *gateway = broker->gateways.slots[i];
        if (gateway && gateway->peer.stream && !rj_gateway_is_live(gateway))
            return true;
    }
    return false;
}

/* Events are volatile: a gateway that is about to catch up would miss them for its members, whose connections
 * know nothing of that. So they wait, though not longer than a lease, in which more may come to nothing. */
static bool is_waiting_for_gateways(struct rj_broker *broker)
{
    struct rj_attendance *attendance = &broker->attendance;
    uint64_t lease_ms = broker->conf->lease_ms, uptime_ms = broker->now_ms - broker->started_ms;
    if (attendance->has_recalled && uptime_ms < (lease_ms < RETURN_MS ? lease_ms : RETURN_MS))
        return true;
    if (!has_gateway_catching_up(broker)) {
        attendance->waiting_since_ms = 0;
        return false;
    }
    if (!attendance->waiting_since_ms)
        attendance->waiting_since_ms = broker->now_ms;
    return broker->now_ms - attendance->waiting_since_ms < lease_ms;
}

/* The clients of a gateway that is gone are detached in a few turns: then they are told of together. */
bool rj_attendance_step(struct rj_broker *broker)
{
    if (broker->is_stopping || has_gateway_in(broker, RJ_GATEWAY_GONE) || is_waiting_for_gateways(broker) ||
        rj_store_in_flight(broker->store) > IN_FLIGHT_MAX)
        return false; /* a completion wakes us, and a tick in any case */
    return rj_presence_step(&broker->attendance.presence, broker->now_ms, EVENTS_PER_TURN);
}

/* ------------------------------------------------------------------------------------------ time */

/* Whether clients of before the start may still be on their way back. */
static bool is_settling(const struct rj_broker *broker)
{
    uint64_t uptime_ms = broker->now_ms - broker->started_ms, lease_ms = broker->conf->lease_ms;
    if (uptime_ms > SETTLE_LEASES * lease_ms)
        return false;
    return uptime_ms < lease_ms || has_gateway_in(broker, RJ_GATEWAY_ATTACHING);
}

void rj_attendance_tick(struct rj_broker *broker)
{
    struct rj_attendance *attendance = &broker->attendance;
    rj_survey_tick(broker);
    attendance->presence.holds_recalled = is_settling(broker);
    rj_last_seen_tick(&attendance->seen, broker->now_ms, rj_clock_wall_ms(), SEEN_PER_TICK);
}

/* ------------------------------------------------------------------------------------------ life */

/* A room that does not tell any more, by other rules than before, forgets whom it has told. */
static void on_loaded(void *ctx, rj_room_id room, struct rj_span room_key, const char *user,
                      uint64_t since_ms)
{
    struct rj_broker *broker = ctx;
    struct rj_presence *presence = &broker->attendance.presence;
    const struct rj_presence_rule *rule = rj_presence_rules_pick(&broker->attendance.rules, room_key);
    rj_room_id id;
    if (!rule || rj_store_room(broker->store, room_key, false, &id) != RJ_OK || id != room) {
        rj_presence_store_delete(broker->store, room, user, NULL, NULL);
        return;
    }
    struct rj_roster *roster = rj_presence_find(presence, room_key);
    if (!roster)
        roster = rj_presence_open(presence, room_key, rule);
    rj_presence_recall(presence, roster, user, since_ms,
                       broker->started_ms + broker->conf->lease_ms + rule->grace_ms);
}

void rj_attendance_open(struct rj_broker *broker)
{
    struct rj_attendance *attendance = &broker->attendance;
    const struct rj_conf *conf = broker->conf;
    attendance->presence = (struct rj_presence){
        .ops = {.told = on_told, .summed = on_summed, .emptied = on_emptied},
        .ctx = broker,
        .random = rj_random_u64(),
        .holds_recalled = true,
    };
    rj_presence_rules_init(&attendance->rules, conf->presence_rules, conf->presence_grace_ms,
                           conf->presence_burst);
    rj_last_seen_init(&attendance->seen, broker->store, broker->epoch, conf->last_seen_lifetime_ms);
    rj_presence_store_load(broker->store, on_loaded, broker);
    attendance->has_recalled = attendance->presence.n_users > 0;
    if (attendance->has_recalled)
        rj_log(RJ_LOG_INFO, "presence_recalled", RJ_KV_U64("users", attendance->presence.n_users));
}

void rj_attendance_stop(struct rj_broker *broker)
{
    rj_last_seen_flush(&broker->attendance.seen, rj_clock_wall_ms());
}

void rj_attendance_close(struct rj_broker *broker)
{
    rj_presence_fini(&broker->attendance.presence);
    rj_presence_rules_free(&broker->attendance.rules);
    rj_last_seen_free(&broker->attendance.seen);
}
