#include "broker/stats.h"

#include "broker/serving/admission.h"
#include "broker/serving/ask.h"
#include "broker/serving/job.h"

enum { METRICS_MAX = 128 };

struct report {
    Rejoin__StatsReport__Metric metrics[METRICS_MAX];
    Rejoin__StatsReport__Metric *list[METRICS_MAX];
    size_t n;
};

static void add(struct report *report, const char *name, uint64_t value)
{
    if (report->n == METRICS_MAX)
        return;
    Rejoin__StatsReport__Metric *metric = &report->metrics[report->n];
    rejoin__stats_report__metric__init(metric);
    metric->name = (char *)(uintptr_t)name;
    metric->value = (double)value;
    report->list[report->n++] = metric;
}

static void add_counters(struct report *report, const struct rj_stats *stats)
{
#define ADD(field, name) add(report, "rejoin_broker_" name, stats->field);
    RJ_STATS_LIST(ADD)
#undef ADD
}

static size_t count_instances(const struct rj_groups *groups)
{
    size_t n = 0;
    for (size_t i = 0; i < groups->n; i++)
        n += groups->list[i]->n_instances;
    return n;
}

static void add_presence(struct report *report, const struct rj_attendance *attendance)
{
    add(report, "rejoin_broker_presence_rosters", HASH_COUNT(attendance->presence.rosters));
    add(report, "rejoin_broker_presence_users", attendance->presence.n_users);
    add(report, "rejoin_broker_presence_reconnecting", attendance->presence.n_away);
    add(report, "rejoin_broker_presence_joins_total", attendance->joins);
    add(report, "rejoin_broker_presence_leaves_total", attendance->leaves);
    add(report, "rejoin_broker_presence_sums_total", attendance->sums);
    add(report, "rejoin_broker_users_online", attendance->seen.online);
    add(report, "rejoin_broker_last_seen_writes_total", attendance->seen.writes);
}

static void add_tables(struct report *report, const struct rj_broker *broker)
{
    add(report, "rejoin_broker_uptime_ms", broker->now_ms - broker->started_ms);
    add(report, "rejoin_broker_gateways", broker->gateways.n);
    add(report, "rejoin_broker_backends", broker->backends.n);
    add(report, "rejoin_broker_sessions", broker->sessions.n);
    add(report, "rejoin_broker_groups", broker->serving.groups.n);
    add(report, "rejoin_broker_instances", count_instances(&broker->serving.groups));
    add(report, "rejoin_broker_jobs", HASH_CNT(by_id, broker->serving.jobs));
    add(report, "rejoin_broker_admissions_waiting", rj_admissions_count(broker));
    add(report, "rejoin_broker_asks_open", rj_asks_count(broker));
    add(report, "rejoin_broker_histories_waiting", broker->histories.n_waiting);
    add(report, "rejoin_broker_rooms", HASH_CNT(hh, broker->rooms.by_id));
    add(report, "rejoin_broker_sockets", broker->directory.sockets.n);
    add(report, "rejoin_broker_rounds", broker->n_rounds);
    add_presence(report, &broker->attendance);
}

static void add_store(struct report *report, struct rj_store *store)
{
    struct rj_store_stats stats = rj_store_stats(store);
    struct rj_store_head head = rj_store_head(store);
    add(report, "rejoin_store_head", head.completed);
    add(report, "rejoin_store_oldest", head.oldest);
    add(report, "rejoin_store_in_flight", rj_store_in_flight(store));
    add(report, "rejoin_store_commits_total", stats.commits);
    add(report, "rejoin_store_records_total", stats.records);
    add(report, "rejoin_store_bytes_total", stats.bytes);
    add(report, "rejoin_store_commit_us_total", stats.commit_us_total);
    add(report, "rejoin_store_commit_us_max", stats.commit_us_max);
    add(report, "rejoin_store_index_pending", stats.index_pending);
    add(report, "rejoin_store_rooms", stats.rooms);
    add(report, "rejoin_store_rooms_loaded", stats.rooms_loaded);
    add(report, "rejoin_store_rooms_forgotten_total", stats.rooms_forgotten);
    add(report, "rejoin_store_trimmed_total", stats.trimmed);
    add(report, "rejoin_store_trimmed_by_age_total", stats.trimmed_by[RJ_TRIM_AGE]);
    add(report, "rejoin_store_trimmed_by_count_total", stats.trimmed_by[RJ_TRIM_COUNT]);
    add(report, "rejoin_store_trimmed_by_bytes_total", stats.trimmed_by[RJ_TRIM_BYTES]);
    add(report, "rejoin_store_trimmed_by_purge_total", stats.trimmed_by[RJ_TRIM_PURGE]);
    add(report, "rejoin_store_dedupe_known", stats.dedupe_known);
    add(report, "rejoin_store_dedupe_sources", stats.dedupe_sources);
    add(report, "rejoin_store_dedupe_receipts", stats.dedupe_receipts);
    add(report, "rejoin_store_dedupe_hits_total", stats.dedupe_hits);
    add(report, "rejoin_store_corrupt_total", stats.corrupt);
    add(report, "rejoin_store_file_bytes", stats.file_bytes);
    add(report, "rejoin_store_recovered_records", stats.recovered_records);
    add(report, "rejoin_store_reads_under_way", stats.reads_under_way);
    add(report, "rejoin_store_reads_total", stats.reads);
    add(report, "rejoin_store_reads_wait_us_total", stats.reads_wait_us_total);
    add(report, "rejoin_store_reads_wait_us_max", stats.reads_wait_us_max);
    add(report, "rejoin_store_reads_us_total", stats.reads_us_total);
    add(report, "rejoin_store_reads_us_max", stats.reads_us_max);
}

void rj_stats_answer(struct rj_broker *broker, struct rj_reply_to to)
{
    struct report report = {.n = 0};
    Rejoin__StatsReport result = REJOIN__STATS_REPORT__INIT;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    add_counters(&report, &broker->stats);
    add_tables(&report, broker);
    add_store(&report, broker->store);
    result.metrics = report.list;
    result.n_metrics = report.n;
    reply.result_case = REJOIN__REPLY__RESULT_STATS;
    reply.stats = &result;
    rj_reply(broker, to, &reply);
}
