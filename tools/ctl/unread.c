#include <stdio.h>

#include "ctl.h"
#include "print.h"
#include "rejoin_reads.h"

static const struct option options[] = {
    {"namespace", required_argument, NULL, 'n'},
    {NULL, 0, NULL, 0},
};

struct question {
    const char *nsp, *user;
};

static enum rj_ctl_exit parse(int argc, char **argv, struct question *question)
{
    int option;
    while ((option = rj_ctl_option(argc, argv, options)) != -1) {
        switch (option) {
        case 'n': question->nsp = optarg; break;
        default:
            return rj_ctl_misused(&rj_ctl_unread, "unknown option or missing value: %s", argv[optind - 1]);
        }
    }
    if (optind == argc)
        return rj_ctl_misused(&rj_ctl_unread, "the user is missing");
    question->user = argv[optind++];
    if (optind != argc)
        return rj_ctl_misused(&rj_ctl_unread, "%s is too much", argv[optind]);
    return RJ_CTL_DONE;
}

static bool print_all(const struct rejoin_unread *unread)
{
    struct rj_buf line = {0};
    bool is_written = true;
    for (size_t i = 0; i < unread->count && is_written; i++) {
        rj_buf_clear(&line);
        rj_ctl_print_unread(&line, &unread->rooms[i]);
        is_written = rj_ctl_write_line((const char *)line.data, line.len);
    }
    rj_buf_free(&line);
    return is_written;
}

static enum rj_ctl_exit run(const struct rj_ctl *ctl, int argc, char **argv)
{
    struct question question = {0};
    struct rejoin *broker;
    struct rejoin_unread *unread = NULL;
    enum rj_ctl_exit result = parse(argc, argv, &question);
    if (result == RJ_CTL_DONE)
        result = rj_ctl_open(ctl, &broker);
    if (result != RJ_CTL_DONE)
        return result;
    enum rejoin_status status =
        rejoin_unread_wait(broker, question.nsp, question.user, ctl->timeout_ms, &unread);
    if (status != REJOIN_OK)
        result = rj_ctl_failed(broker, "unread", status);
    else if (!print_all(unread))
        result = RJ_CTL_FAILED;
    else if (unread->is_partial)
        fprintf(stderr, "rejoinctl: there are more rooms than fit into one answer\n");
    rejoin_unread_free(&unread);
    rejoin_close(&broker);
    return result;
}

const struct rj_ctl_command rj_ctl_unread = {
    .name = "unread",
    .arguments = "[--namespace NSP] USER",
    .summary = "Lists a user's rooms and what is unread in them",
    .help = "  --namespace NSP    in this namespace (default /)\n\n"
            "The rooms in which the user has a read cursor, or is at the moment. Prints one JSON object a\n"
            "line: the room's name, how many of its messages are unread, and the seq up to which the user\n"
            "has read (0: nothing yet).\n",
    .run = run,
};
