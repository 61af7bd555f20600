/* rejoin-bench: load on real processes, beside what the machine itself gives. One JSON object on stdout,
 * lines for a person on stderr; exit code 1 when something could not run or a message was missed or doubled,
 * 2 when the command line is wrong.
 */
#include "tools/bench/bench.h"

#include <getopt.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

static const struct {
    const char *name;
    bench_run *run;
    uint32_t repeat, window; /* unless told otherwise */
    const char *what;
} benches[] = {
    {"fanout", bench_fanout, 3, 256, "one room of --members, acknowledged publishing: deliveries a second"},
    {"pairs", bench_pairs, 3, 1, "--rooms of two, everybody publishes: durable publishes a second"},
    {"idle", bench_idle, 1, 1, "--connections that do nothing: memory of each, over all processes"},
};

/* ------------------------------------------------------------------------------------------- options */

/* An option that is a whole number, and where it goes. */
struct number_flag {
    const char *name;
    size_t at; /* a uint32_t of struct bench_options */
    uint32_t least, most;
    const char *help;
};

#define NUMBER(name, field, least, most, help)                                                               \
    {                                                                                                        \
        name, offsetof(struct bench_options, field), least, most, help                                       \
    }

static const struct number_flag numbers[] = {
    NUMBER("members", members, 1, 100000, "members of the room (fanout; 1000)"),
    NUMBER("publishers", publishers, 1, 1000, "members that publish (fanout; 1)"),
    NUMBER("rooms", rooms, 1, 100000, "rooms of two (pairs; 1000)"),
    NUMBER("connections", connections, 1, 500000, "idle connections (10000)"),
    NUMBER("window", window, 1, 1000, "publishes under way (fanout: of all, 256; pairs: of each client, 1)"),
    NUMBER("size", size, 23, 900000, "bytes of data in a message (100)"),
    NUMBER("repeat", repeat, 1, REPORT_REPEATS_MAX, "runs (3; idle 1)"),
    NUMBER("gateways", procs.gateways, 1, PROCS_GATEWAYS_MAX, "gateways to start (1)"),
};

enum { N_NUMBERS = sizeof numbers / sizeof *numbers };
enum { SECONDS = 256, RATE, PUBLISHER, DIR, URL, PIDS, BACKENDS, HELP };

/* The others; numbers[i] has the value i. */
static const struct option others[] = {
    {"seconds", required_argument, NULL, SECONDS},
    {"rate", required_argument, NULL, RATE},
    {"publisher", required_argument, NULL, PUBLISHER},
    {"dir", required_argument, NULL, DIR},
    {"url", required_argument, NULL, URL},
    {"pids", required_argument, NULL, PIDS},
    {"backends", required_argument, NULL, BACKENDS},
    {"help", no_argument, NULL, HELP},
};

enum { N_OTHERS = sizeof others / sizeof *others };

static int usage(FILE *to, int code)
{
    fprintf(to, "usage: rejoin-bench COMMAND [options]\n\ncommands:\n");
    for (size_t i = 0; i < sizeof benches / sizeof *benches; i++)
        fprintf(to, "  %-19s %s\n", benches[i].name, benches[i].what);
    fprintf(to, "\noptions:\n");
    for (size_t i = 0; i < N_NUMBERS; i++)
        fprintf(to, "  --%-11s N     %s\n", numbers[i].name, numbers[i].help);
    fprintf(to,
            "  --seconds     S     time that is measured in each run (5)\n"
            "  --rate        N     publishes a second of all together; 0: as fast as the windows allow (0)\n"
            "  --publisher   WHO   client or backend (fanout; client)\n"
            "  --dir         DIR   where the log of this run goes (TMPDIR or /tmp)\n"
            "\nA broker and gateways are started from this program's own folder and ended, unless running\n"
            "ones are named:\n"
            "  --url         HOST:PORT   a gateway; may be given several times\n"
            "  --pids        PID,PID     processes to measure\n"
            "  --backends    ENDPOINT    the broker's endpoint for backends\n");
    return code;
}

static _Noreturn void refuse(const char *name, const char *value)
{
    fprintf(stderr, "rejoin-bench: --%s %s is not possible; --help tells more\n", name, value);
    exit(2);
}

static double number_of(const char *name, double least, double most)
{
    char *end;
    double value = strtod(optarg, &end);
    if (end == optarg || *end || !(value >= least && value <= most))
        refuse(name, optarg);
    return value;
}

static void take_number(struct bench_options *options, const struct number_flag *flag)
{
    double value = number_of(flag->name, flag->least, flag->most);
    if (value != (uint32_t)value)
        refuse(flag->name, optarg);
    *(uint32_t *)(void *)((char *)options + flag->at) = (uint32_t)value;
}

static void take_pids(struct procs_plan *plan)
{
    char *at = optarg, *end;
    for (;; at = end + 1) {
        long pid = strtol(at, &end, 10);
        if (pid <= 0 || (*end && *end != ',') || plan->n_pids == PROCS_MAX)
            refuse("pids", optarg);
        plan->pids[plan->n_pids++] = (pid_t)pid;
        if (!*end)
            return;
    }
}

static void take_other(struct bench_options *options, int flag)
{
    struct procs_plan *procs = &options->procs;
    switch (flag) {
    case SECONDS: options->seconds = number_of("seconds", 0.1, 86400); return;
    case RATE: options->rate = number_of("rate", 0, 1e7); return;
    case PUBLISHER:
        options->is_backend = strcmp(optarg, "backend") == 0;
        if (!options->is_backend && strcmp(optarg, "client") != 0)
            refuse("publisher", optarg);
        return;
    case DIR: procs->dir = optarg; return;
    case URL:
        if (procs->n_urls == PROCS_GATEWAYS_MAX)
            refuse("url", optarg);
        procs->urls[procs->n_urls++] = optarg;
        return;
    case PIDS: take_pids(procs); return;
    case BACKENDS: procs->backends = optarg; return;
    case HELP: exit(usage(stdout, 0));
    default: exit(2);
    }
}

static void take_options(struct bench_options *options, int argc, char **argv)
{
    struct option flags[N_NUMBERS + N_OTHERS + 1] = {0};
    for (int i = 0; i < N_NUMBERS; i++)
        flags[i] = (struct option){numbers[i].name, required_argument, NULL, i};
    memcpy(flags + N_NUMBERS, others, sizeof others);
    for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
        if (flag < N_NUMBERS)
            take_number(options, &numbers[flag]);
        else
            take_other(options, flag);
    }
    if (options->publishers > options->members)
        refuse("publishers", "more than --members");
    if ((options->procs.n_pids || options->procs.backends) && options->procs.n_urls == 0)
        refuse("pids and --backends", "without --url");
    if (options->is_backend && options->procs.n_urls && !options->procs.backends)
        refuse("publisher", "backend without --backends");
}

/* ------------------------------------------------------------------------------------------- the report */

static const char *filesystem_of(const char *dir)
{
    struct statfs at;
    const char *tmp = getenv("TMPDIR");
    if (statfs(dir ? dir : tmp ? tmp : "/tmp", &at))
        return "unknown";
    switch ((unsigned long)at.f_type) {
    case 0x01021994: return "tmpfs"; /* no disk: an fsync is free */
    case 0xef53: return "ext4";
    case 0x58465342: return "xfs";
    case 0x9123683e: return "btrfs";
    case 0x794c7630: return "overlayfs";
    default: return "other";
    }
}

static void report_options(struct report *r, const char *name, const struct bench_options *options)
{
    struct utsname machine;
    uname(&machine);
    report_text(r, "bench", name);
    report_text(r, "version", REJOIN_VERSION);
    report_open(r, "machine", '{');
    report_u64(r, "cores", (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
    report_text(r, "kernel", machine.release);
    report_text(r, "arch", machine.machine);
    report_text(r, "log_filesystem", filesystem_of(options->procs.dir));
    report_close(r, '}');
    report_open(r, "parameters", '{');
    for (size_t i = 0; i < N_NUMBERS; i++)
        report_u64(r, numbers[i].name,
                   *(const uint32_t *)(const void *)((const char *)options + numbers[i].at));
    report_number(r, "seconds", options->seconds);
    report_number(r, "rate", options->rate);
    report_text(r, "publisher", options->is_backend ? "backend" : "client");
    report_bool(r, "own_processes", options->procs.n_urls == 0);
    report_close(r, '}');
}

static bool run_all(bench_run *run, struct bench *bench)
{
    bool is_good = true;
    report_open(bench->report, "runs", '[');
    for (uint32_t i = 0; i < bench->options->repeat && is_good; i++) {
        report_open(bench->report, NULL, '{');
        is_good = run(bench);
        report_close(bench->report, '}');
    }
    report_close(bench->report, ']');
    return is_good;
}

static void tell_summary(const struct report *r)
{
    for (unsigned i = 0; i < r->n_series; i++)
        fprintf(stderr, "  median %-28s %.6g\n", r->series[i].key, report_median(r, r->series[i].key));
}

int main(int argc, char **argv)
{
    struct bench_options options = {.members = 1000,
                                    .publishers = 1,
                                    .rooms = 1000,
                                    .connections = 10000,
                                    .size = 100,
                                    .seconds = 5,
                                    .procs.gateways = 1};
    struct report report = {0};
    struct bench bench = {.options = &options, .report = &report};
    size_t chosen = 0, n_benches = sizeof benches / sizeof *benches;
    take_options(&options, argc, argv);
    while (chosen < n_benches && optind < argc && strcmp(argv[optind], benches[chosen].name) != 0)
        chosen++;
    if (optind + 1 != argc || chosen == n_benches)
        return usage(stderr, 2);
    options.repeat = options.repeat ? options.repeat : benches[chosen].repeat;
    options.window = options.window ? options.window : benches[chosen].window;
    load_hold_signals();
    load_raise_limit();

    report_open(&report, NULL, '{');
    report_options(&report, benches[chosen].name, &options);
    bool is_good = run_all(benches[chosen].run, &bench);
    report_summary(&report, "summary");
    report_u64(&report, "missed", bench.missed);
    report_u64(&report, "doubled", bench.doubled);
    report_bool(&report, "is_good", is_good);
    report_close(&report, '}');
    tell_summary(&report);
    fprintf(stderr, "%s\n",
            is_good                 ? "nothing missed, doubled or lost"
            : load_is_interrupted() ? "interrupted"
                                    : "FAILED: see above and the report");
    printf("%s\n", rj_buf_cstr(&report.json));
    report_free(&report);
    return is_good ? 0 : 1;
}
