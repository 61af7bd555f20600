/* The figures that the gateway counts, by their Prometheus names. Plain numbers of one thread: anybody adds
 * to `stats->name`.
 */
#ifndef RJ_GATEWAY_STATS_H
#define RJ_GATEWAY_STATS_H

#include "proto/base/buf.h"
#include "proto/reason.h"

/* X(field, "name without the prefix rejoin_gateway_", "help") */
#define RJ_GATEWAY_STATS_LIST(X)                                                                             \
    X(clients_opened, "clients_opened_total", "namespaces asked for by connections")                         \
    X(clients_recovered, "clients_recovered_total", "sessions that were restored")                           \
    X(clients_refused, "clients_refused_total", "namespaces refused")                                        \
    X(clients_put_off, "clients_put_off_total", "namespaces that could not be joined just then")             \
    X(clients_kicked, "clients_kicked_total", "clients that the broker closed")                              \
    X(clients_stuck, "clients_stuck_total", "clients closed because they did not read")                      \
    X(fell_behind, "clients_behind_total", "times that a client's queue was full")                           \
    X(events_in, "events_in_total", "events from clients")                                                   \
    X(events_refused, "events_refused_total", "events that broke a rule or a limit")                         \
    X(acks_out, "acks_out_total", "acks to clients")                                                         \
    X(asks, "asks_total", "questions of backends to clients")                                                \
    X(asked, "asked_total", "clients that got one")                                                          \
    X(asks_skipped, "asks_skipped_total", "clients that could not be asked: full queues, or too many asks")  \
    X(asks_expired, "asks_expired_total", "questions that were not answered by all in time")                 \
    X(acks_in, "acks_in_total", "acks from clients")                                                         \
    X(acks_unknown, "acks_unknown_total", "acks from clients that were not waited for")                      \
    X(acks_too_large, "acks_too_large_total", "acks from clients that the broker could not take")            \
    X(messages_in, "messages_in_total", "messages from the broker for all members")                          \
    X(deliveries, "deliveries_total", "messages queued for a client")                                        \
    X(replayed, "replayed_total", "of them, from the log")                                                   \
    X(pendings, "pendings_total", "messages shown to clients before their commit")                           \
    X(confirmed, "pendings_confirmed_total", "of them, stored")                                              \
    X(failed, "pendings_failed_total", "of them, lost in a crash of the broker")                             \
    X(volatile_skipped, "volatile_skipped_total", "volatile messages that a client could not take")          \
    X(commands, "commands_total", "commands sent to the broker")                                             \
    X(repeated, "commands_repeated_total", "commands sent again on a fresh stream")                          \
    X(timed_out, "commands_timed_out_total", "commands that the broker did not answer in time")              \
    X(streams, "link_streams_total", "streams opened to the broker")                                         \
    X(link_gaps, "link_gaps_total", "streams given up because a batch was missing")                          \
    X(link_silences, "link_silences_total", "streams given up because the broker was silent")                \
    X(link_garbage, "link_garbage_total", "frames from the broker that made no sense")                       \
    X(resets, "link_resets_total", "times that the broker did not know what the clients had seen")

struct rj_gateway_stats {
#define RJ_GATEWAY_STATS_FIELD(field, name, help) uint64_t field;
    RJ_GATEWAY_STATS_LIST(RJ_GATEWAY_STATS_FIELD)
#undef RJ_GATEWAY_STATS_FIELD
    uint64_t ended[RJ_REASON_COUNT]; /* clients, by the reason for their end */
};

/* Appends one figure in Prometheus' text format. `type`: "counter" or "gauge". */
void rj_gateway_stats_put(struct rj_buf *out, const char *name, const char *type, const char *help,
                          uint64_t value);

/* Appends all of the list. */
void rj_gateway_stats_write(const struct rj_gateway_stats *stats, struct rj_buf *out);

#endif
