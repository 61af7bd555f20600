/* The settings of a broker: one struct, filled once at start from flags, environment, YAML file and defaults
 * (proto/base/settings.h), read by everybody, changed by nobody.
 */
#ifndef RJ_CONF_H
#define RJ_CONF_H

#include "proto/base/settings.h"

enum rj_identity {
    RJ_IDENTITY_NONE,    /* every client is anonymous */
    RJ_IDENTITY_CLAIMED, /* auth.user, unverified: for demos and trusted networks */
};

enum rj_room_policy {
    RJ_ROOMS_MEMBERS, /* publish and history need a join */
    RJ_ROOMS_OPEN,
};

struct rj_conf {
    char *data;
    char *gateways;
    char *backends;
    unsigned log_level;
    unsigned log_format;
    char **namespaces;
    unsigned identity;    /* enum rj_identity */
    unsigned room_policy; /* enum rj_room_policy */
    uint64_t contest_window_ms;
    uint64_t contest_timeout_ms;
    uint64_t session_lifetime_ms;
    uint64_t retention_ms;
    char **retention_rules; /* texts that rj_retention_init takes */
    uint64_t lease_ms;
    uint64_t ping_ms;
    uint64_t max_frame_bytes;
    uint64_t max_data_bytes;
    uint64_t max_socket_data_bytes;
    uint64_t max_room_name; /* bytes of what is new; see names.h */
    uint64_t max_namespace_name;
    uint64_t max_event_name;
    uint64_t max_user_name;
    uint64_t max_message_id;
    uint64_t rooms_per_client;
    uint64_t history_default;
    uint64_t history_max;
    char **optimistic_rooms; /* texts that rj_room_patterns_init takes */
    uint64_t read_cursors;
    char **receipt_rooms; /* texts that rj_room_patterns_init takes */
    uint64_t receipt_members;
    uint64_t receipt_interval_ms;
    uint64_t max_in_flight;
    uint64_t dedupe_window_ms;
    uint64_t dedupe_gateway_ms;
    uint64_t dedupe_max;
    uint64_t dedupe_max_source;
    uint64_t handler_timeout_ms;
    uint64_t handler_timeout_max_ms;
    uint64_t handler_queue;
    uint64_t handler_queue_bytes;
    uint64_t max_admissions;
    uint64_t max_admission_bytes;
    uint64_t max_groups;
    uint64_t gateway_bytes; /* of deliveries that a gateway has not proved to have got */
    uint64_t max_tails;     /* of one backend */
    uint64_t max_asks;
    uint64_t max_ask_bytes;
    char **presence_rules; /* texts that rj_presence_rules_init takes */
    uint64_t presence_grace_ms;
    uint64_t presence_burst;
    uint64_t last_seen_lifetime_ms;
};

/* Fills `conf` (zeroed by the caller). Unless the outcome is RJ_SETTINGS_RUN the process is to end with
 * *exit_code: everything has been said. */
enum rj_settings_outcome rj_conf_load(struct rj_conf *conf, int argc, char **argv, char **env,
                                      int *exit_code);
void rj_conf_free(struct rj_conf *conf);

bool rj_conf_has_namespace(const struct rj_conf *conf, const char *nsp);

#endif
