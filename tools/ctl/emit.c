#include "ctl.h"
#include "filter.h"
#include "print.h"
#include "proto/base/json.h"

enum { TARGETS_MAX = REJOIN_TARGETS_MAX };

static const struct option options[] = {
    RJ_CTL_FILTER_OPTIONS,
    {"all", no_argument, NULL, 'a'},
    {"id", required_argument, NULL, 'i'},
    {"volatile", no_argument, NULL, 'v'},
    {NULL, 0, NULL, 0},
};

/* What the command line says; the publish points into it. */
struct emit {
    struct rj_ctl_filter filter;
    struct rejoin_target targets[TARGETS_MAX];
    size_t target_count;
    struct rj_buf args; /* the JSON array */
    struct rejoin_publish publish;
};

static bool add_target(struct emit *emit, enum rejoin_target_kind kind, const char *name)
{
    if (emit->target_count == TARGETS_MAX)
        return false;
    emit->targets[emit->target_count++] = (struct rejoin_target){.kind = kind, .name = name};
    return true;
}

/* False: unknown, or too many of it. */
static bool take_option(struct emit *emit, int option)
{
    switch (option) {
    case 'r': return add_target(emit, REJOIN_ROOM, optarg);
    case 'u': return add_target(emit, REJOIN_USER, optarg);
    case 's': return add_target(emit, REJOIN_SOCKET, optarg);
    case 'a': return add_target(emit, REJOIN_NAMESPACE, "");
    case 'i': emit->publish.id = optarg; return true;
    case 'v': emit->publish.is_volatile = true; return true;
    default: return rj_ctl_filter_take(&emit->filter, option); /* the namespace, the exceptions */
    }
}

static enum rj_ctl_exit parse_args(struct emit *emit, int argc, char **argv)
{
    rj_buf_put_u8(&emit->args, '[');
    for (int i = 0; i < argc; i++) {
        if (rj_json_check(rj_span_str(argv[i]), RJ_JSON_DEPTH) != RJ_OK)
            return rj_ctl_misused(&rj_ctl_emit,
                                  "not a JSON text: %s\n"
                                  "a plain text needs its own quotes inside the shell's: '\"hello\"'",
                                  argv[i]);
        if (i)
            rj_buf_put_u8(&emit->args, ',');
        rj_buf_put_str(&emit->args, argv[i]);
    }
    rj_buf_put_u8(&emit->args, ']');
    return RJ_CTL_DONE;
}

static enum rj_ctl_exit parse(int argc, char **argv, struct emit *emit)
{
    int option;
    while ((option = rj_ctl_option(argc, argv, options)) != -1)
        if (!take_option(emit, option))
            return rj_ctl_misused(&rj_ctl_emit, "unknown option, missing value or too many: %s",
                                  argv[optind - 1]);
    if (emit->target_count == 0)
        return rj_ctl_misused(&rj_ctl_emit, "to whom? rooms, users or sockets are wanted, or --all");
    if (optind == argc)
        return rj_ctl_misused(&rj_ctl_emit, "an event's name is wanted");
    enum rj_ctl_exit result = parse_args(emit, argc - optind - 1, argv + optind + 1);
    emit->publish.nsp = emit->filter.nsp;
    emit->publish.targets = emit->targets;
    emit->publish.target_count = emit->target_count;
    emit->publish.except_rooms = rj_ctl_names(&emit->filter.except_rooms);
    emit->publish.except_sids = rj_ctl_names(&emit->filter.except_sids);
    emit->publish.event = argv[optind];
    emit->publish.data = rj_buf_cstr(&emit->args);
    emit->publish.is_plain = true;
    return result;
}

static enum rj_ctl_exit emit_it(const struct rj_ctl *ctl, const struct rejoin_publish *publish)
{
    struct rejoin *broker;
    struct rejoin_published published;
    enum rj_ctl_exit result = rj_ctl_open(ctl, &broker);
    if (result != RJ_CTL_DONE)
        return result;
    enum rejoin_status status = rejoin_publish_wait(broker, publish, ctl->timeout_ms, &published);
    if (status != REJOIN_OK) {
        result = rj_ctl_failed(broker, "emit", status);
    } else {
        struct rj_buf line = {0};
        rj_ctl_print_emitted(&line, &published);
        if (!rj_ctl_write_line((const char *)line.data, line.len))
            result = RJ_CTL_FAILED;
        rj_buf_free(&line);
    }
    rejoin_close(&broker);
    return result;
}

static enum rj_ctl_exit run(const struct rj_ctl *ctl, int argc, char **argv)
{
    struct emit emit = {0};
    enum rj_ctl_exit result = parse(argc, argv, &emit);
    if (result == RJ_CTL_DONE)
        result = emit_it(ctl, &emit.publish);
    rj_buf_free(&emit.args);
    return result;
}

const struct rj_ctl_command rj_ctl_emit = {
    .name = "emit",
    .arguments = "[--namespace NSP] [--room R]… [--user U]… [--socket SID]… [--all]\n"
                 "       [--except-room R]… [--except-socket SID]… [--id ID] [--volatile] EVENT [JSON]…",
    .summary = "Emits an event with plain arguments to rooms, users, sockets or all",
    .help =
        "Who is named by any of --room, --user, --socket and --all (of the namespace, default /) gets the\n"
        "event once, unless an exception names it.\n\n"
        "  --id ID     emitted once under this id, however often it is said\n"
        "  --volatile  not stored: only who is there gets it\n\n"
        "Each JSON is one argument, such as '{\"n\":1}' or '\"hello\"'. Prints a JSON object: the seqs, one\n"
        "for each target, and the offset in the log.\n",
    .run = run,
};
