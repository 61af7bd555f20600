#include <stdio.h>

#include "ctl.h"
#include "print.h"
#include "proto/base/clock.h"

static const struct option options[] = {
    {"namespace", required_argument, NULL, 'n'},
    {"from", required_argument, NULL, 'f'},
    {"count", required_argument, NULL, 'c'},
    {NULL, 0, NULL, 0},
};

struct follower {
    uint64_t left; /* messages until the end; UINT64_MAX: none */
    struct rj_buf line;
    bool has_started, has_ended, is_stdout_gone;
    enum rejoin_status status; /* why it ended */
};

static void on_message(void *arg, const struct rejoin_message *message)
{
    struct follower *follower = arg;
    if (follower->left == 0 || follower->is_stdout_gone)
        return;
    rj_buf_clear(&follower->line);
    rj_ctl_print_message(&follower->line, message);
    follower->is_stdout_gone = !rj_ctl_write_line((const char *)follower->line.data, follower->line.len);
    if (follower->left != UINT64_MAX)
        follower->left--;
}

static void on_state(void *arg, enum rejoin_tail_state state, enum rejoin_status status, const char *offset)
{
    struct follower *follower = arg;
    follower->has_started = true;
    if (state == REJOIN_TAIL_GAP)
        fprintf(stderr, "rejoinctl tail: some messages are no longer kept; it goes on after %s\n", offset);
    if (state == REJOIN_TAIL_ENDED) {
        follower->has_ended = true;
        follower->status = status;
    }
}

static enum rj_ctl_exit follow(const struct rj_ctl *ctl, struct rejoin *broker, struct follower *follower)
{
    uint64_t start_ms = rj_clock_mono_ms();
    while (follower->left && !follower->is_stdout_gone && !follower->has_ended) {
        enum rejoin_status status = rejoin_run_once(broker, follower->has_started ? -1 : ctl->timeout_ms);
        if (status != REJOIN_OK)
            return rj_ctl_failed(broker, "tail", status);
        if (!follower->has_started && rj_clock_mono_ms() - start_ms >= (uint64_t)ctl->timeout_ms)
            return rj_ctl_failed(broker, "tail", REJOIN_TIMEOUT);
    }
    if (follower->has_ended)
        return rj_ctl_failed(broker, "tail", follower->status);
    return follower->is_stdout_gone ? RJ_CTL_FAILED : RJ_CTL_DONE;
}

static enum rj_ctl_exit parse(int argc, char **argv, struct rejoin_tail_options *tail, uint64_t *count)
{
    int option;
    while ((option = rj_ctl_option(argc, argv, options)) != -1) {
        switch (option) {
        case 'n': tail->nsp = optarg; break;
        case 'f': tail->offset = optarg; break;
        case 'c':
            if (!rj_ctl_number(optarg, count) || *count == 0)
                return rj_ctl_misused(&rj_ctl_tail, "--count takes a number from 1, not %s", optarg);
            break;
        default: return rj_ctl_misused(&rj_ctl_tail, "unknown option or missing value: %s", argv[optind - 1]);
        }
    }
    if (argc - optind > 1)
        return rj_ctl_misused(&rj_ctl_tail, "%s is too much", argv[optind + 1]);
    tail->room = argv[optind]; /* NULL at the end of argv: every room */
    if (tail->nsp && !tail->room)
        return rj_ctl_misused(&rj_ctl_tail, "--namespace belongs to a room");
    return RJ_CTL_DONE;
}

static enum rj_ctl_exit run(const struct rj_ctl *ctl, int argc, char **argv)
{
    struct follower follower = {.left = UINT64_MAX};
    struct rejoin_tail_options wanted = {.on_message = on_message, .on_state = on_state, .arg = &follower};
    struct rejoin *broker;
    enum rj_ctl_exit result = parse(argc, argv, &wanted, &follower.left);
    if (result == RJ_CTL_DONE)
        result = rj_ctl_open(ctl, &broker);
    if (result != RJ_CTL_DONE)
        return result;
    struct rejoin_tail *tail;
    enum rejoin_status status = rejoin_tail(broker, &wanted, &tail);
    if (status == REJOIN_BAD_REQUEST)
        result = rj_ctl_misused(&rj_ctl_tail, "%s is no offset", wanted.offset);
    else if (status != REJOIN_OK)
        result = rj_ctl_failed(broker, "tail", status);
    else
        result = follow(ctl, broker, &follower);
    rejoin_close(&broker);
    rj_buf_free(&follower.line);
    return result;
}

const struct rj_ctl_command rj_ctl_tail = {
    .name = "tail",
    .arguments = "[--namespace NSP] [--from OFFSET|0] [--count N] [ROOM]",
    .summary = "Follows the log, of one room or of all",
    .help =
        "  --namespace NSP  the room's namespace (default /)\n"
        "  --from OFFSET    from after this message on; 0: from the oldest kept (default: from now on)\n"
        "  --count N        end after so many messages\n\n"
        "Prints one JSON object a line, each as soon as it is there. While the broker is away it waits, and\n"
        "goes on where it was. To go on after its own end, give the last line's offset as --from.\n",
    .run = run,
};
