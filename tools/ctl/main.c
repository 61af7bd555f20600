/* rejoinctl: asks a broker, or tells it something, from the command line; and cares for data folders. */
#include <stdio.h>
#include <string.h>

#include "ctl.h"
#include "proto/base/quantity.h"

enum { DEFAULT_TIMEOUT_MS = 5000, LONGEST_TIMEOUT_MS = 24 * 60 * 60 * 1000 };

static const struct rj_ctl_command *const commands[] = {
    &rj_ctl_publish, &rj_ctl_emit,       &rj_ctl_history,  &rj_ctl_tail,   &rj_ctl_sockets,
    &rj_ctl_rooms,   &rj_ctl_disconnect, &rj_ctl_presence, &rj_ctl_unread, &rj_ctl_stats,
    &rj_ctl_backup,  &rj_ctl_check,      &rj_ctl_dump,
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void print_commands(const char *title, bool takes_folder)
{
    printf("\n%s:\n", title);
    for (size_t i = 0; i < COMMANDS; i++)
        if (commands[i]->takes_folder == takes_folder)
            printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
}

static void print_help(void)
{
    printf("usage: rejoinctl --broker ENDPOINT [--timeout TIME] [--name NAME] COMMAND …\n"
           "       rejoinctl backup|check|dump … DIR\n");
    print_commands("commands to a broker", false);
    print_commands("commands on a data folder, which need no broker", true);
    printf("\noptions:\n"
           "  --broker ENDPOINT  the broker's --backends endpoint, as ipc:///run/rejoin/backends or "
           "tcp://127.0.0.1:5001\n"
           "  --timeout TIME     how long to wait for the connection, then for each answer (default %d ms;\n"
           "                     500ms, 10s and 2m are times, and a number alone is of ms)\n"
           "  --name NAME        the name as a backend, within which publish ids are unique (default "
           "rejoinctl)\n"
           "  --help, --version\n\n"
           "`rejoinctl COMMAND --help` tells more. Exit status: 0 done, 1 failed, 2 wrong usage, 3 a data\n"
           "folder that cannot be opened.\n",
           DEFAULT_TIMEOUT_MS);
}

static void print_command_help(const struct rj_ctl_command *command)
{
    printf("usage: rejoinctl %s%s %s\n\n%s.\n\n%s", command->takes_folder ? "" : "--broker ENDPOINT ",
           command->name, command->arguments, command->summary, command->help);
}

static enum rj_ctl_exit misused(const char *what, const char *detail)
{
    fprintf(stderr, "rejoinctl: %s%s\nusage: rejoinctl --broker ENDPOINT COMMAND …; see rejoinctl --help\n",
            what, detail);
    return RJ_CTL_USAGE;
}

static const struct rj_ctl_command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0)
            return true;
    return false;
}

static enum rj_ctl_exit run_command(const struct rj_ctl *ctl, int argc, char **argv)
{
    if (argc == 0)
        return misused("a command is missing", "");
    const struct rj_ctl_command *command = find(argv[0]);
    if (!command)
        return misused("there is no command ", argv[0]);
    if (asks_for_help(argc, argv)) {
        print_command_help(command);
        return RJ_CTL_DONE;
    }
    if (!ctl->broker && !command->takes_folder)
        return misused("--broker is missing", "");
    if (ctl->broker && command->takes_folder)
        return misused("--broker has no meaning here, a data folder is wanted: ", command->name);
    optind = 0; /* getopt starts over */
    return command->run(ctl, argc, argv);
}

static enum rj_ctl_exit run(int argc, char **argv)
{
    static const struct option options[] = {
        {"broker", required_argument, NULL, 'b'}, {"timeout", required_argument, NULL, 't'},
        {"name", required_argument, NULL, 'n'},   {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},      {NULL, 0, NULL, 0},
    };
    struct rj_ctl ctl = {.name = "rejoinctl", .timeout_ms = DEFAULT_TIMEOUT_MS};
    uint64_t timeout_ms;
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "+:", options, NULL)) != -1) {
        switch (option) {
        case 'b': ctl.broker = optarg; break;
        case 'n': ctl.name = optarg; break;
        case 't':
            if (rj_quantity_parse(RJ_QUANTITY_TIME, rj_span_str(optarg), &timeout_ms) ||
                timeout_ms > LONGEST_TIMEOUT_MS)
                return misused("--timeout takes a time (500ms, 10s, at most a day), not ", optarg);
            ctl.timeout_ms = (int)timeout_ms;
            break;
        case 'h': print_help(); return RJ_CTL_DONE;
        case 'v': printf("rejoinctl %s\n", REJOIN_VERSION); return RJ_CTL_DONE;
        case ':': return misused("a value is missing after ", argv[optind - 1]);
        default: return misused("unknown option ", argv[optind - 1]);
        }
    }
    return run_command(&ctl, argc - optind, argv + optind);
}

int main(int argc, char **argv)
{
    return (int)run(argc, argv);
}
