#include "ctl.h"
#include "filter.h"
#include "print.h"

static const struct option options[] = {
    RJ_CTL_FILTER_OPTIONS,
    {"count", no_argument, NULL, 'c'},
    {"handshake", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static enum rj_ctl_exit parse(int argc, char **argv, struct rj_ctl_filter *filter,
                              struct rejoin_socket_query *query)
{
    int option;
    while ((option = rj_ctl_option(argc, argv, options)) != -1) {
        if (option == 'c')
            query->count_only = true;
        else if (option == 'h')
            query->with_handshake = true;
        else if (!rj_ctl_filter_take(filter, option))
            return rj_ctl_misused(&rj_ctl_sockets, "unknown option, missing value or too many: %s",
                                  argv[optind - 1]);
    }
    if (optind != argc)
        return rj_ctl_misused(&rj_ctl_sockets, "%s is too much", argv[optind]);
    query->filter = rj_ctl_filter(filter);
    return RJ_CTL_DONE;
}

static bool print_socket(void *arg, const struct rejoin_socket *socket)
{
    enum rj_ctl_exit *result = arg;
    struct rj_buf line = {0};
    rj_ctl_print_socket(&line, socket);
    if (!rj_ctl_write_line((const char *)line.data, line.len))
        *result = RJ_CTL_FAILED;
    rj_buf_free(&line);
    return *result == RJ_CTL_DONE;
}

static enum rejoin_status print_count(const struct rj_ctl *ctl, struct rejoin *broker,
                                      const struct rejoin_filter *filter, enum rj_ctl_exit *result)
{
    uint64_t count;
    enum rejoin_status status = rejoin_sockets_count_wait(broker, filter, ctl->timeout_ms, &count);
    if (status == REJOIN_OK && !rj_ctl_write_count("sockets", count))
        *result = RJ_CTL_FAILED;
    return status;
}

static enum rj_ctl_exit run(const struct rj_ctl *ctl, int argc, char **argv)
{
    struct rj_ctl_filter filter = {0};
    struct rejoin_socket_query query = {0};
    struct rejoin *broker;
    enum rj_ctl_exit result = parse(argc, argv, &filter, &query);
    if (result == RJ_CTL_DONE)
        result = rj_ctl_open(ctl, &broker);
    if (result != RJ_CTL_DONE)
        return result;
    enum rejoin_status status =
        query.count_only ? print_count(ctl, broker, &query.filter, &result)
                         : rejoin_sockets_each(broker, &query, ctl->timeout_ms, print_socket, &result);
    if (status != REJOIN_OK)
        result = rj_ctl_failed(broker, "sockets", status);
    rejoin_close(&broker);
    return result;
}

const struct rj_ctl_command rj_ctl_sockets = {
    .name = "sockets",
    .arguments = RJ_CTL_FILTER_ARGUMENTS " [--count] [--handshake]",
    .summary = "Lists the sockets of a namespace, or counts them",
    .help = "All that is given must hold; of several rooms, users or sockets any. Default: all of /.\n\n"
            "  --count      only how many there are\n"
            "  --handshake  with the request that opened the connection, and the client's auth\n\n"
            "Prints one JSON object a line.\n",
    .run = run,
};
