#include "ctl.h"
#include "filter.h"

static const struct option options[] = {
    RJ_CTL_FILTER_OPTIONS,
    {"all", no_argument, NULL, 'a'},
    {"close", no_argument, NULL, 'c'},
    {NULL, 0, NULL, 0},
};

static bool is_narrow(const struct rj_ctl_filter *filter)
{
    return filter->rooms.count || filter->users.count || filter->sids.count;
}

static enum rj_ctl_exit parse(int argc, char **argv, struct rj_ctl_filter *filter, bool *close)
{
    bool means_all = false;
    int option;
    while ((option = rj_ctl_option(argc, argv, options)) != -1) {
        if (option == 'a')
            means_all = true;
        else if (option == 'c')
            *close = true;
        else if (!rj_ctl_filter_take(filter, option))
            return rj_ctl_misused(&rj_ctl_disconnect, "unknown option, missing value or too many: %s",
                                  argv[optind - 1]);
    }
    if (optind != argc)
        return rj_ctl_misused(&rj_ctl_disconnect, "%s is too much", argv[optind]);
    if (is_narrow(filter) == means_all)
        return rj_ctl_misused(&rj_ctl_disconnect, "rooms, users or sockets are wanted, or else --all");
    return RJ_CTL_DONE;
}

static enum rj_ctl_exit run(const struct rj_ctl *ctl, int argc, char **argv)
{
    struct rj_ctl_filter filter = {0};
    struct rejoin *broker;
    bool close = false;
    enum rj_ctl_exit result = parse(argc, argv, &filter, &close);
    if (result == RJ_CTL_DONE)
        result = rj_ctl_open(ctl, &broker);
    if (result != RJ_CTL_DONE)
        return result;
    struct rejoin_filter asked = rj_ctl_filter(&filter);
    uint64_t count;
    enum rejoin_status status =
        rejoin_sockets_disconnect_wait(broker, &asked, close, ctl->timeout_ms, &count);
    if (status != REJOIN_OK)
        result = rj_ctl_failed(broker, "disconnect", status);
    else if (!rj_ctl_write_count("sockets", count))
        result = RJ_CTL_FAILED;
    rejoin_close(&broker);
    return result;
}

const struct rj_ctl_command rj_ctl_disconnect = {
    .name = "disconnect",
    .arguments = RJ_CTL_FILTER_ARGUMENTS " [--all] [--close]",
    .summary = "Disconnects sockets, which do not come back by themselves",
    .help = "All that is given must hold; of several rooms, users or sockets any.\n\n"
            "  --all    without rooms, users or sockets: everybody in the namespace\n"
            "  --close  their connections too, with all namespaces\n\n"
            "Prints how many there were, as a JSON object.\n",
    .run = run,
};
