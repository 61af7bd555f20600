#include "ctl.h"
#include "print.h"
#include "rejoin_presence.h"

static const struct option options[] = {
    {"namespace", required_argument, NULL, 'n'},
    {"user", required_argument, NULL, 'u'},
    {"count", no_argument, NULL, 'c'},
    {NULL, 0, NULL, 0},
};

enum { PAGE = 1000 };

struct question {
    struct rejoin_presence_query query;
    const char *user;
};

static enum rj_ctl_exit parse(int argc, char **argv, struct question *question)
{
    int option;
    while ((option = rj_ctl_option(argc, argv, options)) != -1) {
        switch (option) {
        case 'n': question->query.nsp = optarg; break;
        case 'u': question->user = optarg; break;
        case 'c': question->query.count_only = true; break;
        default:
            return rj_ctl_misused(&rj_ctl_presence, "unknown option or missing value: %s", argv[optind - 1]);
        }
    }
    if (optind < argc)
        question->query.room = argv[optind++];
    if (optind != argc)
        return rj_ctl_misused(&rj_ctl_presence, "%s is too much", argv[optind]);
    if (question->user && (question->query.room || question->query.count_only))
        return rj_ctl_misused(&rj_ctl_presence, "--user is about all rooms, and about one user");
    return RJ_CTL_DONE;
}

static enum rj_ctl_exit write_line(struct rj_buf *line)
{
    bool is_written = rj_ctl_write_line((const char *)line->data, line->len);
    rj_buf_free(line);
    return is_written ? RJ_CTL_DONE : RJ_CTL_FAILED;
}

static enum rj_ctl_exit print_page(const struct rejoin_presence *page)
{
    enum rj_ctl_exit result = RJ_CTL_DONE;
    for (size_t i = 0; i < page->count && result == RJ_CTL_DONE; i++) {
        struct rj_buf line = {0};
        rj_ctl_print_present(&line, &page->users[i]);
        result = write_line(&line);
    }
    return result;
}

static enum rj_ctl_exit print_counts(const struct rejoin_presence *page)
{
    struct rj_buf line = {0};
    rj_ctl_print_presence(&line, page);
    return write_line(&line);
}

/* Page by page, until the last one. */
static enum rj_ctl_exit print_place(const struct rj_ctl *ctl, struct rejoin *broker,
                                    struct rejoin_presence_query *query)
{
    struct rj_buf after = {0};
    enum rj_ctl_exit result = RJ_CTL_DONE;
    bool has_more = true;
    query->limit = PAGE;
    while (has_more && result == RJ_CTL_DONE) {
        struct rejoin_presence *page;
        enum rejoin_status status = rejoin_presence_wait(broker, query, ctl->timeout_ms, &page);
        if (status != REJOIN_OK) {
            result = rj_ctl_failed(broker, "presence", status);
            break;
        }
        result = query->count_only ? print_counts(page) : print_page(page);
        has_more = page->has_more && page->count > 0;
        if (has_more) {
            rj_buf_clear(&after);
            rj_buf_put_str(&after, page->users[page->count - 1].user);
            query->after = rj_buf_cstr(&after);
        }
        rejoin_presence_free(&page);
    }
    rj_buf_free(&after);
    return result;
}

static enum rj_ctl_exit print_user(const struct rj_ctl *ctl, struct rejoin *broker,
                                   const struct question *question)
{
    struct rejoin_user *user;
    enum rejoin_status status =
        rejoin_user_wait(broker, question->query.nsp, question->user, PAGE, ctl->timeout_ms, &user);
    if (status != REJOIN_OK)
        return rj_ctl_failed(broker, "presence", status);
    struct rj_buf line = {0};
    rj_ctl_print_user(&line, question->user, user);
    rejoin_user_free(&user);
    return write_line(&line);
}

static enum rj_ctl_exit run(const struct rj_ctl *ctl, int argc, char **argv)
{
    struct question question = {0};
    struct rejoin *broker;
    enum rj_ctl_exit result = parse(argc, argv, &question);
    if (result == RJ_CTL_DONE)
        result = rj_ctl_open(ctl, &broker);
    if (result != RJ_CTL_DONE)
        return result;
    result = question.user ? print_user(ctl, broker, &question) : print_place(ctl, broker, &question.query);
    rejoin_close(&broker);
    return result;
}

const struct rj_ctl_command rj_ctl_presence = {
    .name = "presence",
    .arguments = "[--namespace NSP] [--count] [ROOM | --user USER]",
    .summary = "Lists the users who are in a room or namespace, or tells about one",
    .help =
        "  --namespace NSP    of this namespace (default /)\n"
        "  --count            only how many users and sockets there are\n"
        "  --user USER        where this user is connected, or when it was last\n\n"
        "Prints one JSON object a line: the user, its sockets there, since when (Unix ms) and whether it\n"
        "is online or reconnecting.\n",
    .run = run,
};
