#include "ctl.h"
#include "print.h"

static const struct option options[] = {
    {"namespace", required_argument, NULL, 'n'},
    {"before", required_argument, NULL, 'b'},
    {"after", required_argument, NULL, 'a'},
    {"limit", required_argument, NULL, 'l'},
    {NULL, 0, NULL, 0},
};

static enum rj_ctl_exit parse(int argc, char **argv, struct rejoin_query *query)
{
    uint64_t number;
    int option;
    while ((option = rj_ctl_option(argc, argv, options)) != -1) {
        if (option == 'n') {
            query->nsp = optarg;
            continue;
        }
        if (option == '?' || option == ':')
            return rj_ctl_misused(&rj_ctl_history, "unknown option or missing value: %s", argv[optind - 1]);
        if (!rj_ctl_number(optarg, &number))
            return rj_ctl_misused(&rj_ctl_history, "%s is no number", optarg);
        if (option == 'b') {
            if (number == 0)
                return rj_ctl_misused(&rj_ctl_history, "nothing stands before 0: the first seq is 1");
            query->before = number;
        } else if (option == 'a') {
            query->has_after = true;
            query->after = number;
        } else {
            if (number == 0 || number > UINT32_MAX)
                return rj_ctl_misused(&rj_ctl_history, "--limit is from 1 to %u", UINT32_MAX);
            query->limit = (uint32_t)number;
        }
    }
    if (query->before && query->has_after)
        return rj_ctl_misused(&rj_ctl_history, "--before and --after exclude each other");
    if (optind + 1 != argc)
        return rj_ctl_misused(&rj_ctl_history, "one room is wanted");
    query->room = argv[optind];
    return RJ_CTL_DONE;
}

static bool print_page(const struct rejoin_page *page)
{
    struct rj_buf line = {0};
    bool is_written = true;
    for (size_t i = 0; i < page->count && is_written; i++) {
        rj_buf_clear(&line);
        rj_ctl_print_message(&line, &page->messages[i]);
        is_written = rj_ctl_write_line((const char *)line.data, line.len);
    }
    rj_buf_free(&line);
    return is_written;
}

static enum rj_ctl_exit run(const struct rj_ctl *ctl, int argc, char **argv)
{
    struct rejoin_query query = {0};
    struct rejoin *broker;
    enum rj_ctl_exit result = parse(argc, argv, &query);
    if (result == RJ_CTL_DONE)
        result = rj_ctl_open(ctl, &broker);
    if (result != RJ_CTL_DONE)
        return result;
    struct rejoin_page *page = NULL;
    enum rejoin_status status = rejoin_history_wait(broker, &query, ctl->timeout_ms, &page);
    if (status != REJOIN_OK)
        result = rj_ctl_failed(broker, "history", status);
    else if (!print_page(page))
        result = RJ_CTL_FAILED;
    rejoin_page_free(&page);
    rejoin_close(&broker);
    return result;
}

const struct rj_ctl_command rj_ctl_history = {
    .name = "history",
    .arguments = "[--namespace NSP] [--before SEQ | --after SEQ] [--limit N] ROOM",
    .summary = "Prints stored messages of a room, oldest first",
    .help =
        "  --namespace NSP  the room's namespace (default /)\n"
        "  --before SEQ     the newest messages with a lower seq\n"
        "  --after SEQ      the oldest messages with a higher seq\n"
        "  --limit N        at most so many (the broker has a default and a maximum)\n\n"
        "Without --before and --after: the newest messages. Prints one JSON object a line. A page may be\n"
        "shorter than its limit; there is nothing further when it is empty.\n",
    .run = run,
};
