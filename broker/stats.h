/* The figures that the broker counts, by their Prometheus names. Plain numbers of one thread: anybody adds to
 * `stats->name`; the report adds what the store and the tables know.
 */
#ifndef RJ_STATS_H
#define RJ_STATS_H

#include <stdint.h>

/* How a client that presented a session was served, and why. */
#define RJ_STATS_RECOVERY(result, reason) "recoveries_total{result=\"" result "\",reason=\"" reason "\"}"

/* X(field, "name without the prefix rejoin_broker_") */
#define RJ_STATS_LIST(X)                                                                                     \
    X(frames_in, "frames_in_total")                                                                          \
    X(frames_out, "frames_out_total")                                                                        \
    X(bytes_out, "bytes_out_total")                                                                          \
    X(garbage, "garbage_frames_total")                                                                       \
    X(strangers, "stranger_frames_total")                                                                    \
    X(refused_peers, "refused_peers_total")                                                                  \
    X(commands, "commands_total")                                                                            \
    X(refused, "refused_commands_total")                                                                     \
    X(publishes, "publishes_total")                                                                          \
    X(volatiles, "volatile_publishes_total")                                                                 \
    X(duplicates, "duplicate_publishes_total")                                                               \
    X(delivers, "delivers_total")                                                                            \
    X(replayed, "replayed_messages_total")                                                                   \
    X(refilled, "refilled_messages_total")                                                                   \
    X(streams_dropped, "streams_dropped_total")                                                              \
    X(gateways_behind, "gateways_behind_total")                                                              \
    X(leases_expired, "leases_expired_total")                                                                \
    X(sessions_new, "sessions_created_total")                                                                \
    X(sessions_expired, "sessions_expired_total")                                                            \
    X(sessions_left, "sessions_left_total")                                                                  \
    X(recovered_detached, RJ_STATS_RECOVERY("recovered", "detached"))                                        \
    X(recovered_taken_over, RJ_STATS_RECOVERY("recovered", "taken over"))                                    \
    X(unrecovered_unknown, RJ_STATS_RECOVERY("fresh", "unknown"))                                            \
    X(unrecovered_left, RJ_STATS_RECOVERY("fresh", "left"))                                                  \
    X(unrecovered_expired, RJ_STATS_RECOVERY("fresh", "expired"))                                            \
    X(unrecovered_gap, RJ_STATS_RECOVERY("fresh", "gap"))                                                    \
    X(unrecovered_offset, RJ_STATS_RECOVERY("fresh", "offset"))                                              \
    X(unrecovered_mismatch, RJ_STATS_RECOVERY("fresh", "mismatch"))                                          \
    X(unrecovered_contested, RJ_STATS_RECOVERY("fresh", "contested"))                                        \
    X(unrecovered_restored, RJ_STATS_RECOVERY("fresh", "restored"))                                          \
    X(unrecovered_damaged, RJ_STATS_RECOVERY("fresh", "damaged"))                                            \
    X(jobs_given, "jobs_given_total")                                                                        \
    X(jobs_repeated, "jobs_repeated_total")                                                                  \
    X(jobs_answered, "jobs_answered_total")                                                                  \
    X(jobs_timed_out, "jobs_timed_out_total")                                                                \
    X(jobs_answered_late, "jobs_answered_late_total")                                                        \
    X(jobs_refused, "jobs_refused_total")                                                                    \
    X(events_unserved, "events_without_handler_total")                                                       \
    X(instances_lost, "instances_lost_total")                                                                \
    X(admissions_accepted, "admissions_accepted_total")                                                      \
    X(admissions_refused, "admissions_refused_total")                                                        \
    X(admissions_failed, "admissions_failed_total")                                                          \
    X(asks, "asks_total")                                                                                    \
    X(ask_answers, "ask_answers_total")                                                                      \
    X(asks_timed_out, "asks_timed_out_total")                                                                \
    X(notes_told, "notes_told_total")                                                                        \
    X(pendings, "pendings_total")                                                                            \
    X(reads, "reads_total")                                                                                  \
    X(unreads, "unread_queries_total")                                                                       \
    X(receipts_sent, "read_receipts_total")                                                                  \
    X(receipts_merged, "read_receipts_merged_total")                                                         \
    X(receipts_dropped, "read_receipts_dropped_total")

struct rj_stats {
#define RJ_STATS_FIELD(field, name) uint64_t field;
    RJ_STATS_LIST(RJ_STATS_FIELD)
#undef RJ_STATS_FIELD
};

struct rj_broker;
struct rj_reply_to;

/* Answers a StatsQuery. */
void rj_stats_answer(struct rj_broker *broker, struct rj_reply_to to);

#endif
