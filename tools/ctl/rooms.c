#include "ctl.h"
#include "print.h"
#include "rejoin_sockets.h"

static const struct option options[] = {
    {"namespace", required_argument, NULL, 'n'},
    {"pattern", required_argument, NULL, 'p'},
    {NULL, 0, NULL, 0},
};

static enum rj_ctl_exit parse(int argc, char **argv, struct rejoin_room_query *query)
{
    int option;
    while ((option = rj_ctl_option(argc, argv, options)) != -1) {
        switch (option) {
        case 'n': query->nsp = optarg; break;
        case 'p': query->pattern = optarg; break;
        default:
            return rj_ctl_misused(&rj_ctl_rooms, "unknown option or missing value: %s", argv[optind - 1]);
        }
    }
    if (optind != argc)
        return rj_ctl_misused(&rj_ctl_rooms, "%s is too much", argv[optind]);
    return RJ_CTL_DONE;
}

static bool print_page(const struct rejoin_room_page *page)
{
    struct rj_buf line = {0};
    bool is_written = true;
    for (size_t i = 0; i < page->count && is_written; i++) {
        rj_buf_clear(&line);
        rj_ctl_print_room(&line, &page->rooms[i]);
        is_written = rj_ctl_write_line((const char *)line.data, line.len);
    }
    rj_buf_free(&line);
    return is_written;
}

/* Page by page, until the last one. */
static enum rj_ctl_exit print_all(const struct rj_ctl *ctl, struct rejoin *broker,
                                  struct rejoin_room_query *query)
{
    struct rj_buf after = {0};
    enum rj_ctl_exit result = RJ_CTL_DONE;
    bool has_more = true;
    while (has_more && result == RJ_CTL_DONE) {
        struct rejoin_room_page *page;
        enum rejoin_status status = rejoin_rooms_list_wait(broker, query, ctl->timeout_ms, &page);
        if (status != REJOIN_OK) {
            result = rj_ctl_failed(broker, "rooms", status);
            break;
        }
        if (!print_page(page))
            result = RJ_CTL_FAILED;
        has_more = page->has_more && page->count > 0;
        if (has_more) {
            rj_buf_clear(&after);
            rj_buf_put_str(&after, page->rooms[page->count - 1].name);
            query->after = rj_buf_cstr(&after);
        }
        rejoin_room_page_free(&page);
    }
    rj_buf_free(&after);
    return result;
}

static enum rj_ctl_exit run(const struct rj_ctl *ctl, int argc, char **argv)
{
    struct rejoin_room_query query = {0};
    struct rejoin *broker;
    enum rj_ctl_exit result = parse(argc, argv, &query);
    if (result == RJ_CTL_DONE)
        result = rj_ctl_open(ctl, &broker);
    if (result != RJ_CTL_DONE)
        return result;
    result = print_all(ctl, broker, &query);
    rejoin_close(&broker);
    return result;
}

const struct rj_ctl_command rj_ctl_rooms = {
    .name = "rooms",
    .arguments = "[--namespace NSP] [--pattern PATTERN]",
    .summary = "Lists the rooms that somebody is in",
    .help = "  --namespace NSP    of this namespace (default /)\n"
            "  --pattern PATTERN  only such names; * stands for anything\n\n"
            "Prints one JSON object a line: the room's name and how many sockets are in it.\n",
    .run = run,
};
