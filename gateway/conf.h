/* The gateway's settings, as read once at start and never changed after. */
#ifndef RJ_GATEWAY_CONF_H
#define RJ_GATEWAY_CONF_H

#include "proto/base/settings.h"

struct rj_gateway_conf {
    char *listen; /* HOST:PORT; port 0 takes a free one */
    char *broker; /* ZeroMQ endpoint */
    unsigned log_level;
    unsigned log_format;

    char *path; /* of Engine.IO, with slashes at both ends */
    uint64_t ping_interval_ms;
    uint64_t ping_timeout_ms;
    uint64_t upgrade_timeout_ms;
    uint64_t connect_timeout_ms;
    uint64_t close_timeout_ms;
    bool recovery;
    char **cors_origins; /* empty: CORS off */
    bool cors_credentials;
    char *cookie;     /* NULL or empty: none */
    char *client_dir; /* NULL: where bundle.h says; empty: no client bundle */
    char *page_dir;   /* NULL: no pages */

    uint64_t max_payload_bytes;
    uint64_t max_attachments;
    uint64_t max_connections;         /* 0: as the descriptor limit allows */
    uint64_t max_connections_address; /* 0: none of its own */
    uint64_t max_half_open_address;   /* 0: none of its own */
    uint64_t handshake_timeout_ms;
    uint64_t keepalive_timeout_ms;
    uint64_t message_timeout_ms;
    uint64_t max_header_bytes;
    uint64_t max_fragments;
    uint64_t max_clients_per_connection;
    uint64_t max_connects;     /* of one connection, a second; 0: no limit */
    uint64_t max_events;       /* of one client, a second; 0: no limit */
    uint64_t max_packet_bytes; /* 0: four times the largest message */
    uint64_t attachments_timeout_ms;
    uint64_t queue_bytes;
    uint64_t stuck_timeout_ms;
    uint64_t drain_spread_ms;
    uint64_t send_buffer_bytes;
    uint64_t command_timeout_ms;
    uint64_t max_pending;
    uint64_t max_pending_bytes;
    uint64_t max_pending_client;
    uint64_t max_pending_client_bytes;
    uint64_t max_asks;
};

/* Fills `conf` (zeroed) from flags, environment and file; see settings.h for the outcome. */
enum rj_settings_outcome rj_gateway_conf_load(int argc, char **argv, char **environ_,
                                              struct rj_gateway_conf *conf);

void rj_gateway_conf_free(struct rj_gateway_conf *conf);

#endif
