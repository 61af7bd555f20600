#include "gateway/stats.h"

void rj_gateway_stats_put(struct rj_buf *out, const char *name, const char *type, const char *help,
                          uint64_t value)
{
    rj_buf_printf(out, "# HELP rejoin_gateway_%s %s\n# TYPE rejoin_gateway_%s %s\nrejoin_gateway_%s %llu\n",
                  name, help, name, type, name, (unsigned long long)value);
}

void rj_gateway_stats_write(const struct rj_gateway_stats *stats, struct rj_buf *out)
{
#define WRITE(field, name, help) rj_gateway_stats_put(out, name, "counter", help, stats->field);
    RJ_GATEWAY_STATS_LIST(WRITE)
#undef WRITE
    rj_buf_put_str(out, "# HELP rejoin_gateway_clients_ended_total clients that are gone, by reason\n"
                        "# TYPE rejoin_gateway_clients_ended_total counter\n");
    for (int i = 0; i < RJ_REASON_COUNT; i++)
        rj_buf_printf(out, "rejoin_gateway_clients_ended_total{reason=\"%s\"} %llu\n",
                      rj_reason_text((enum rj_reason)i), (unsigned long long)stats->ended[i]);
}
