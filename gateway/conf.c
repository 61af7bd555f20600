#include "gateway/conf.h"

#include <stddef.h>

#include "gateway/frontends/http.h"

#define FIELD(name) offsetof(struct rj_gateway_conf, name)
#define DAY_MS      86400000ULL

/* clang-format off */
static const struct rj_setting table[] = {
    {.name = "listen", .type = RJ_SETTING_TEXT, .field = FIELD(listen), .fallback = "127.0.0.1:3000",
     .help = "HOST:PORT for clients; port 0 takes a free one"},
    {.name = "broker", .type = RJ_SETTING_TEXT, .field = FIELD(broker), .required = true,
     .help = "the broker's ZeroMQ endpoint for gateways, such as ipc:///run/rejoin/gateways"},
    {.name = "log-level", .type = RJ_SETTING_CHOICE, .field = FIELD(log_level), .fallback = "info",
     .choices = "debug|info|warn|error", .help = "least severity that is logged"},
    {.name = "log-format", .type = RJ_SETTING_CHOICE, .field = FIELD(log_format), .fallback = "text",
     .choices = "text|json", .help = "key=value, or one JSON object a line"},

    {.group = "Socket.IO", .name = "path", .type = RJ_SETTING_TEXT, .field = FIELD(path),
     .fallback = "/socket.io/", .help = "URL path of the protocol and of the client bundle"},
    {.name = "ping-interval", .type = RJ_SETTING_TIME, .field = FIELD(ping_interval_ms), .fallback = "25s",
     .least = 10, .most = DAY_MS, .help = "between two pings to a client"},
    {.name = "ping-timeout", .type = RJ_SETTING_TIME, .field = FIELD(ping_timeout_ms), .fallback = "20s",
     .least = 10, .most = DAY_MS, .help = "a client that has not answered a ping so long is gone"},
    {.name = "upgrade-timeout", .type = RJ_SETTING_TIME, .field = FIELD(upgrade_timeout_ms),
     .fallback = "10s", .least = 10, .most = DAY_MS,
     .help = "time to complete the upgrade to WebSocket"},
    {.name = "connect-timeout", .type = RJ_SETTING_TIME, .field = FIELD(connect_timeout_ms),
     .fallback = "45s", .least = 10, .most = DAY_MS,
     .help = "time for a connection to join a namespace"},
    {.name = "close-timeout", .type = RJ_SETTING_TIME, .field = FIELD(close_timeout_ms), .fallback = "30s",
     .least = 10, .most = DAY_MS,
     .help = "how long a session that was closed between two polls waits for the next one, to tell it"},
    {.name = "recovery", .type = RJ_SETTING_BOOL, .field = FIELD(recovery), .fallback = "on",
     .help = "clients may rejoin their session and get what they missed"},
    {.name = "cors-origins", .type = RJ_SETTING_LIST, .field = FIELD(cors_origins), .fallback = "",
     .help = "origins that may use it from other sites' pages; * = any; empty = none"},
    {.name = "cors-credentials", .type = RJ_SETTING_BOOL, .field = FIELD(cors_credentials), .fallback = "off",
     .help = "those pages may send cookies; the origins must be named then"},
    {.name = "cookie", .type = RJ_SETTING_TEXT, .field = FIELD(cookie), .fallback = "",
     .help = "name of a cookie with the connection's id, for load balancers; empty = none"},
    {.name = "client-dir", .type = RJ_SETTING_TEXT, .field = FIELD(client_dir),
     .help = "folder of socket.io-client's dist files, served under the path; unless given, "
             "../share/rejoin/client beside the program; empty = none"},
    {.name = "page-dir", .type = RJ_SETTING_TEXT, .field = FIELD(page_dir),
     .help = "folder of static pages, served at /"},

    {.name = "drain-spread", .type = RJ_SETTING_TIME, .field = FIELD(drain_spread_ms), .fallback = "5s",
     .most = 3600000,
     .help = "SIGTERM moves the clients off over so long, the others are not stormed"},

    {.group = "Limits", .name = "max-payload", .type = RJ_SETTING_BYTES, .field = FIELD(max_payload_bytes),
     .fallback = "1MB", .least = 1024, .most = 1 << 29,
     .help = "largest message, or body of a polling POST"},
    {.name = "max-attachments", .type = RJ_SETTING_COUNT, .field = FIELD(max_attachments), .fallback = "10",
     .most = 10, .help = "binary attachments of one packet"},
    {.name = "max-packet", .type = RJ_SETTING_BYTES, .field = FIELD(max_packet_bytes), .fallback = "0",
     .most = 1 << 30,
     .help = "held of a packet while its attachments are still to come; 0 = four times max-payload"},
    {.name = "attachments-timeout", .type = RJ_SETTING_TIME, .field = FIELD(attachments_timeout_ms),
     .fallback = "30s", .least = 10, .most = DAY_MS,
     .help = "from a packet's text to its last attachment"},
    {.name = "max-events", .type = RJ_SETTING_COUNT, .field = FIELD(max_events), .fallback = "10000",
     .most = 1000000000, .help = "events of one client a second; those above fail; 0 = no limit"},
    {.name = "max-connections", .type = RJ_SETTING_COUNT, .field = FIELD(max_connections), .fallback = "0",
     .most = 10000000, .help = "open connections; 0 = as the descriptor limit allows"},
    {.name = "max-connections-address", .type = RJ_SETTING_COUNT, .field = FIELD(max_connections_address),
     .fallback = "20000", .most = 10000000,
     .help = "of them, from one address (of IPv6, from one /64), and as many sessions; 0 = no limit of its own"},
    {.name = "max-half-open-address", .type = RJ_SETTING_COUNT, .field = FIELD(max_half_open_address),
     .fallback = "5000", .most = 10000000,
     .help = "connections of one address that have not sent a request yet; 0 = no limit of its own"},
    {.name = "handshake-timeout", .type = RJ_SETTING_TIME, .field = FIELD(handshake_timeout_ms),
     .fallback = "10s", .least = 10, .most = DAY_MS,
     .help = "from connecting to the end of the first request's headers"},
    {.name = "keepalive-timeout", .type = RJ_SETTING_TIME, .field = FIELD(keepalive_timeout_ms),
     .fallback = "60s", .least = 10, .most = DAY_MS,
     .help = "from an answer to the end of the next request's headers"},
    {.name = "message-timeout", .type = RJ_SETTING_TIME, .field = FIELD(message_timeout_ms),
     .fallback = "60s", .least = 10, .most = DAY_MS,
     .help = "from the first byte of a WebSocket message or body to its last"},
    {.name = "max-header-bytes", .type = RJ_SETTING_BYTES, .field = FIELD(max_header_bytes),
     .fallback = "8KiB", .least = 1024, .most = 32768, .help = "headers of a request"},
    {.name = "max-fragments", .type = RJ_SETTING_COUNT, .field = FIELD(max_fragments), .fallback = "4096",
     .least = 1, .most = 1 << 30, .help = "frames that one WebSocket message may come in"},
    {.name = "max-clients-per-connection", .type = RJ_SETTING_COUNT, .field = FIELD(max_clients_per_connection),
     .fallback = "100", .least = 1, .most = 10000, .help = "namespaces on one connection"},
    {.name = "max-connects", .type = RJ_SETTING_COUNT, .field = FIELD(max_connects), .fallback = "10",
     .most = 1000000,
     .help = "CONNECTs of one connection a second, beside one for each namespace; 0 = no limit"},
    {.name = "queue-bytes", .type = RJ_SETTING_BYTES, .field = FIELD(queue_bytes), .fallback = "1MiB",
     .least = 1024, .most = 1 << 30,
     .help = "what may wait for a connection; past it, its clients resume from the log"},
    {.name = "stuck-timeout", .type = RJ_SETTING_TIME, .field = FIELD(stuck_timeout_ms), .fallback = "60s",
     .least = 10, .most = DAY_MS, .help = "a client behind for so long is closed"},
    {.name = "send-buffer", .type = RJ_SETTING_BYTES, .field = FIELD(send_buffer_bytes), .fallback = "256KiB",
     .least = 4096, .most = 1 << 28, .help = "the kernel's buffer for a connection (SO_SNDBUF)"},

    {.group = "Broker link", .name = "command-timeout", .type = RJ_SETTING_TIME,
     .field = FIELD(command_timeout_ms), .fallback = "10s", .least = 10, .most = DAY_MS,
     .help = "a client's command unanswered for so long fails"},
    {.name = "max-pending", .type = RJ_SETTING_COUNT, .field = FIELD(max_pending), .fallback = "100000",
     .least = 1, .most = 10000000, .help = "commands that may wait for the broker"},
    {.name = "max-pending-bytes", .type = RJ_SETTING_BYTES, .field = FIELD(max_pending_bytes),
     .fallback = "256MiB", .least = 1024, .most = 1ULL << 40, .help = "and their size"},
    {.name = "max-pending-client", .type = RJ_SETTING_COUNT, .field = FIELD(max_pending_client),
     .fallback = "1000", .least = 1, .most = 1000000, .help = "of them, one client's"},
    {.name = "max-pending-client-bytes", .type = RJ_SETTING_BYTES, .field = FIELD(max_pending_client_bytes),
     .fallback = "16MiB", .least = 1024, .most = 1ULL << 40, .help = "and their size"},
    {.name = "max-asks", .type = RJ_SETTING_COUNT, .field = FIELD(max_asks), .fallback = "1000000", .least = 1,
     .most = 100000000, .help = "acks of clients that may be waited for"},
    {0},
};
/* clang-format on */

static bool is_any_origin(char *const *origins)
{
    for (; origins && *origins; origins++) {
        if (strcmp(*origins, "*") == 0)
            return true;
    }
    return false;
}

/* Rules that one setting's bounds do not tell. */
static const char *fault_of(const void *values)
{
    const struct rj_gateway_conf *conf = values;
    size_t len = strlen(conf->path);
    if (len < 2 || conf->path[0] != '/' || conf->path[len - 1] != '/')
        return "path: must begin and end with /";
    if (conf->cors_credentials && is_any_origin(conf->cors_origins))
        return "cors-credentials: any page of the web could act for its visitors; name the cors-origins "
               "instead of *";
    if (conf->cookie && *conf->cookie && !rj_cookie_name_is_valid(conf->cookie))
        return "cookie: not a name that a cookie may have";
    return NULL;
}

enum rj_settings_outcome rj_gateway_conf_load(int argc, char **argv, char **environ_,
                                              struct rj_gateway_conf *conf)
{
    const struct rj_settings_program program = {
        .name = "rejoin-gateway",
        .summary = "holds Socket.IO clients' connections and links them to a rejoin-broker",
        .version = REJOIN_VERSION,
        .table = table,
        .fault_of = fault_of,
    };
    return rj_settings_load(&program, argc, argv, environ_, conf);
}

void rj_gateway_conf_free(struct rj_gateway_conf *conf)
{
    rj_settings_free(table, conf);
}
