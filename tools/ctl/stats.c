#include "ctl.h"
#include "print.h"

static bool print_all(const struct rejoin_metrics *metrics)
{
    struct rj_buf lines = {0};
    for (size_t i = 0; i < metrics->count; i++) {
        if (i)
            rj_buf_put_u8(&lines, '\n');
        rj_ctl_print_metric(&lines, &metrics->metrics[i]);
    }
    bool is_written = rj_ctl_write_line(rj_buf_cstr(&lines), lines.len);
    rj_buf_free(&lines);
    return is_written;
}

static enum rj_ctl_exit run(const struct rj_ctl *ctl, int argc, char **argv)
{
    if (argc > 1)
        return rj_ctl_misused(&rj_ctl_stats, "%s is too much", argv[1]);
    struct rejoin *broker;
    enum rj_ctl_exit result = rj_ctl_open(ctl, &broker);
    if (result != RJ_CTL_DONE)
        return result;
    struct rejoin_metrics *metrics = NULL;
    enum rejoin_status status = rejoin_stats_wait(broker, ctl->timeout_ms, &metrics);
    if (status != REJOIN_OK)
        result = rj_ctl_failed(broker, "stats", status);
    else if (!print_all(metrics))
        result = RJ_CTL_FAILED;
    rejoin_metrics_free(&metrics);
    rejoin_close(&broker);
    return result;
}

const struct rj_ctl_command rj_ctl_stats = {
    .name = "stats",
    .arguments = "",
    .summary = "Prints the broker's figures",
    .help = "Prints a line `NAME VALUE` a figure, under the names that Prometheus sees.\n",
    .run = run,
};
