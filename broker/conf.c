#include "broker/conf.h"

#include "broker/base/room_pattern.h"
#include "broker/presence/presence_rules.h"
#include "broker/rooms/retention.h"
#include "broker/serving/groups.h"
#include "proto/names.h"

#include <stddef.h>

enum { EXIT_USAGE = 2 };

enum {
    EVENT_NAME_LEAST = 16, /* Rejoin's own events fit: "room:confirmed" */
    MESSAGE_ID_LEAST = 48, /* and so do the ids that librejoin makes */
};

#define FIELD(name) offsetof(struct rj_conf, name)

/* clang-format off */
static const struct rj_setting table[] = {
    {.name = "data", .type = RJ_SETTING_TEXT, .field = FIELD(data), .required = true,
     .help = "folder of the log and the sessions; created when missing"},
    {.name = "gateways", .type = RJ_SETTING_TEXT, .field = FIELD(gateways), .required = true,
     .help = "ZeroMQ endpoint to bind for gateways, such as ipc:///run/rejoin/gateways"},
    {.name = "backends", .type = RJ_SETTING_TEXT, .field = FIELD(backends), .required = true,
     .help = "ZeroMQ endpoint to bind for backend services and rejoinctl"},
    {.name = "log-level", .type = RJ_SETTING_CHOICE, .field = FIELD(log_level), .fallback = "info",
     .choices = "debug|info|warn|error", .help = "least severity that is logged"},
    {.name = "log-format", .type = RJ_SETTING_CHOICE, .field = FIELD(log_format), .fallback = "text",
     .choices = "text|json", .help = "key=value, or one JSON object a line"},

    {.group = "Clients", .name = "namespaces", .type = RJ_SETTING_LIST, .field = FIELD(namespaces),
     .fallback = "/", .help = "namespaces that clients may join"},
    {.name = "identity", .type = RJ_SETTING_CHOICE, .field = FIELD(identity), .fallback = "none",
     .choices = "none|claimed",
     .help = "who a client is: nobody, or the user that it claims in auth.user (not verified)"},
    {.name = "room-policy", .type = RJ_SETTING_CHOICE, .field = FIELD(room_policy), .fallback = "members",
     .choices = "members|open", .help = "who may publish to a room and read its history"},
    {.name = "session-lifetime", .type = RJ_SETTING_TIME, .field = FIELD(session_lifetime_ms),
     .fallback = "24h", .least = 1000, .most = 3650 * 86400000ULL,
     .help = "how long after its last connection a session can be rejoined"},
    {.name = "contest-window", .type = RJ_SETTING_TIME, .field = FIELD(contest_window_ms),
     .fallback = "30s", .most = 86400000,
     .help = "a session that was taken over so recently is given away again only when its connection is dead"},
    {.name = "contest-timeout", .type = RJ_SETTING_TIME, .field = FIELD(contest_timeout_ms),
     .fallback = "2s", .least = 10, .most = 60000,
     .help = "a connection that gives no sign of life for so long, being asked, is dead"},
    {.name = "rooms-per-client", .type = RJ_SETTING_COUNT, .field = FIELD(rooms_per_client),
     .fallback = "1000", .least = 1, .most = 100000, .help = "rooms that one client may be in"},
    {.name = "max-data", .type = RJ_SETTING_BYTES, .field = FIELD(max_data_bytes), .fallback = "4MB",
     .least = 1, .most = 1 << 30,
     .help = "largest message, with all its attachments; no less than the gateways' max-packet"},
    {.name = "max-socket-data", .type = RJ_SETTING_BYTES, .field = FIELD(max_socket_data_bytes),
     .fallback = "64KiB", .least = 2, .most = 1 << 20,
     .help = "largest data that backends may keep with a socket"},
    {.name = "max-room-name", .type = RJ_SETTING_BYTES, .field = FIELD(max_room_name), .fallback = "255",
     .least = 1, .most = RJ_ROOM_NAME_MAX, .help = "longest name of a new room"},
    {.name = "max-namespace-name", .type = RJ_SETTING_BYTES, .field = FIELD(max_namespace_name),
     .fallback = "128", .least = 1, .most = RJ_NAMESPACE_MAX,
     .help = "longest name of a namespace, with its slash"},
    {.name = "max-event-name", .type = RJ_SETTING_BYTES, .field = FIELD(max_event_name), .fallback = "255",
     .least = EVENT_NAME_LEAST, .most = RJ_EVENT_MAX, .help = "longest name of an event"},
    {.name = "max-user-name", .type = RJ_SETTING_BYTES, .field = FIELD(max_user_name), .fallback = "128",
     .least = 1, .most = RJ_USER_MAX, .help = "longest name of a user"},
    {.name = "max-message-id", .type = RJ_SETTING_BYTES, .field = FIELD(max_message_id), .fallback = "200",
     .least = MESSAGE_ID_LEAST, .most = RJ_MESSAGE_ID_MAX,
     .help = "longest id that a publisher may give its message"},
    {.name = "history-default", .type = RJ_SETTING_COUNT, .field = FIELD(history_default), .fallback = "50",
     .least = 1, .most = 100000, .help = "messages of a history page when no limit is given"},
    {.name = "history-max", .type = RJ_SETTING_COUNT, .field = FIELD(history_max), .fallback = "1000",
     .least = 1, .most = 100000, .help = "messages of a history page at most"},
    {.name = "optimistic-rooms", .type = RJ_SETTING_LIST, .field = FIELD(optimistic_rooms), .fallback = "",
     .check = rj_room_pattern_check, .unit = "ROOMS",
     .help = "rooms whose members get a message at once, marked pending, and then learn that it is stored "
             "or has failed: 'PATTERN [namespace=/NAME]'"},
    {.name = "read-cursors", .type = RJ_SETTING_COUNT, .field = FIELD(read_cursors), .fallback = "10000",
     .least = 1, .most = 100000, .help = "rooms of which one user's read cursor is kept"},
    {.name = "receipt-rooms", .type = RJ_SETTING_LIST, .field = FIELD(receipt_rooms), .fallback = "*",
     .check = rj_room_pattern_check, .unit = "ROOMS",
     .help = "rooms whose members are told who has read up to where: 'PATTERN [namespace=/NAME]'; empty: "
             "none"},
    {.name = "receipt-members", .type = RJ_SETTING_COUNT, .field = FIELD(receipt_members), .fallback = "100",
     .most = 1000000, .help = "… unless more sockets than so many are in them"},
    {.name = "receipt-interval", .type = RJ_SETTING_TIME, .field = FIELD(receipt_interval_ms),
     .fallback = "250ms", .most = 3600000,
     .help = "… of one user in one room at most one in so long, the newest"},

    {.group = "Backends", .name = "handler-timeout", .type = RJ_SETTING_TIME,
     .field = FIELD(handler_timeout_ms), .fallback = "10s", .least = 10, .most = 3600000,
     .help = "for a backend's answer, when it does not ask for more or less"},
    {.name = "handler-timeout-max", .type = RJ_SETTING_TIME, .field = FIELD(handler_timeout_max_ms),
     .fallback = "60s", .least = 10, .most = 3600000, .help = "and at most"},
    {.name = "handler-queue", .type = RJ_SETTING_COUNT, .field = FIELD(handler_queue), .fallback = "10000",
     .least = 1, .most = 10000000, .help = "events that may wait for one instance of a backend"},
    {.name = "handler-queue-bytes", .type = RJ_SETTING_BYTES, .field = FIELD(handler_queue_bytes),
     .fallback = "64MB", .least = 1000, .most = 1 << 30, .help = "and their size"},
    {.name = "max-admissions", .type = RJ_SETTING_COUNT, .field = FIELD(max_admissions), .fallback = "10000",
     .least = 1, .most = 10000000, .help = "clients that may wait for a backend to let them in"},
    {.name = "max-admission-bytes", .type = RJ_SETTING_BYTES, .field = FIELD(max_admission_bytes),
     .fallback = "64MB", .least = 1000, .most = 1 << 30,
     .help = "and the size of what they have said"},
    {.name = "max-groups", .type = RJ_SETTING_COUNT, .field = FIELD(max_groups), .fallback = "1000",
     .least = 1, .most = RJ_GROUPS_MAX, .help = "groups of backends that may be known"},
    {.name = "max-tails", .type = RJ_SETTING_COUNT, .field = FIELD(max_tails), .fallback = "64", .least = 1,
     .most = 10000, .help = "tails of the log that one backend may follow"},
    {.name = "max-asks", .type = RJ_SETTING_COUNT, .field = FIELD(max_asks), .fallback = "1000", .least = 1,
     .most = 1000000, .help = "questions to clients or other backends that may be open"},
    {.name = "max-ask-bytes", .type = RJ_SETTING_BYTES, .field = FIELD(max_ask_bytes), .fallback = "64MB",
     .least = 1000, .most = 1 << 30, .help = "and the size of the answers so far"},

    {.group = "Presence", .name = "presence-rules", .type = RJ_SETTING_LIST, .field = FIELD(presence_rules),
     .fallback = "", .check = rj_presence_rules_check, .unit = "RULE",
     .help = "rooms that tell their members who comes and goes, by their names: 'PATTERN [namespace=/NAME] "
             "[events=on|off] [grace=5s] [burst=100]'; the first rule that matches decides"},
    {.name = "presence-grace", .type = RJ_SETTING_TIME, .field = FIELD(presence_grace_ms), .fallback = "5s",
     .most = RJ_PRESENCE_GRACE_MOST_MS,
     .help = "how long a user may be without a socket before it has left"},
    {.name = "presence-burst", .type = RJ_SETTING_COUNT, .field = FIELD(presence_burst), .fallback = "100",
     .most = RJ_PRESENCE_BURST_MOST,
     .help = "events about single users in a room and second; more are told as one sum"},
    {.name = "last-seen-lifetime", .type = RJ_SETTING_TIME, .field = FIELD(last_seen_lifetime_ms),
     .fallback = "90d", .most = 36500 * 86400000ULL,
     .help = "how long it is remembered when a user was connected last; 0 = not at all"},

    {.group = "Log", .name = "retention", .type = RJ_SETTING_TIME, .field = FIELD(retention_ms),
     .fallback = "7d", .most = 36500 * 86400000ULL,
     .help = "how long messages are kept; 0 = for ever"},
    {.name = "retention-rules", .type = RJ_SETTING_LIST, .field = FIELD(retention_rules), .fallback = "",
     .check = rj_retention_check, .unit = "RULE",
     .help = "how much of rooms is kept whose names match, instead: 'PATTERN [namespace=/NAME] [age=7d] "
             "[count=1000] [bytes=10m]'; the first rule that matches decides"},
    {.name = "dedupe-window", .type = RJ_SETTING_TIME, .field = FIELD(dedupe_window_ms), .fallback = "10m",
     .least = 1000, .most = 30 * 86400000ULL, .help = "how long publish ids are remembered"},
    {.name = "dedupe-window-gateway", .type = RJ_SETTING_TIME, .field = FIELD(dedupe_gateway_ms),
     .fallback = "2m", .least = 1000, .most = 30 * 86400000ULL,
     .help = "how long publishes without an id are remembered, for gateways that repeat them; longer than a "
             "gateway may be cut off with commands waiting"},
    {.name = "dedupe-max", .type = RJ_SETTING_COUNT, .field = FIELD(dedupe_max), .fallback = "1000000",
     .least = 1, .most = UINT32_MAX, .help = "publish ids that are remembered at most"},
    {.name = "dedupe-max-source", .type = RJ_SETTING_COUNT, .field = FIELD(dedupe_max_source),
     .fallback = "100000", .least = 1, .most = UINT32_MAX,
     .help = "publish ids of one client, backend or gateway at most; no fewer than a gateway's max-pending"},
    {.name = "max-in-flight", .type = RJ_SETTING_COUNT, .field = FIELD(max_in_flight), .fallback = "200000",
     .least = 1, .most = 100000000, .help = "writes that may wait for the disk before reading stops"},

    {.group = "Links", .name = "lease", .type = RJ_SETTING_TIME, .field = FIELD(lease_ms), .fallback = "6s",
     .least = 100, .most = 3600000, .help = "a gateway or backend silent for so long is gone"},
    {.name = "ping", .type = RJ_SETTING_TIME, .field = FIELD(ping_ms), .fallback = "1s", .least = 10,
     .most = 3600000, .help = "a heartbeat after so much silence of one's own"},
    {.name = "max-frame", .type = RJ_SETTING_BYTES, .field = FIELD(max_frame_bytes), .fallback = "16MiB",
     .least = 65536, .most = 1 << 30, .help = "largest frame accepted from a peer"},
    {.name = "gateway-bytes", .type = RJ_SETTING_BYTES, .field = FIELD(gateway_bytes), .fallback = "16MiB",
     .least = 65536, .most = 1 << 30,
     .help = "messages sent to a gateway that does not prove to read; the rest it gets from the log"},
    {0},
};
/* clang-format on */

/* Rules that span two settings, or that one setting's bounds do not tell. */
static const char *fault_of(const void *values)
{
    const struct rj_conf *conf = values;
    if (conf->lease_ms < 2 * conf->ping_ms)
        return "lease: must be at least twice ping";
    if (conf->max_frame_bytes < 2 * conf->max_data_bytes)
        return "max-frame: must be at least twice max-data";
    for (char **nsp = conf->namespaces; *nsp; nsp++) {
        if ((*nsp)[0] != '/' || strlen(*nsp) > conf->max_namespace_name)
            return "namespaces: each must begin with / and be no longer than max-namespace-name";
    }
    return NULL;
}

enum rj_settings_outcome rj_conf_load(struct rj_conf *conf, int argc, char **argv, char **env, int *exit_code)
{
    static const struct rj_settings_program program = {
        .name = "rejoin-broker",
        .summary = "Owns rooms, sessions and the durable log of Rejoin.",
        .version = REJOIN_VERSION,
        .table = table,
        .fault_of = fault_of,
    };
    enum rj_settings_outcome outcome = rj_settings_load(&program, argc, argv, env, conf);
    *exit_code = outcome == RJ_SETTINGS_WRONG ? EXIT_USAGE : 0;
    return outcome;
}

void rj_conf_free(struct rj_conf *conf)
{
    rj_settings_free(table, conf);
}

bool rj_conf_has_namespace(const struct rj_conf *conf, const char *nsp)
{
    for (char **known = conf->namespaces; known && *known; known++)
        if (strcmp(*known, nsp) == 0)
            return true;
    return false;
}
