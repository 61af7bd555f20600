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

/* What a benchmark takes that is not told otherwise. */
#define ALL         .publishers = 1, .seconds = 5
#define ONE_GATEWAY .procs.gateways = 1
#define RETURNERS                                                                                            \
    .procs.gateways = 2, .connections = 10000, .members = 10, .per_client = 2, .size = 100, .repeat = 1
#define LOG .size = 200, .repeat = 1, .slices = 10, .rooms_list = {{1, 1000, 100000}, 3}

static const struct {
    const char *name;
    bench_run *run;
    struct bench_options fallback;
    const char *what;
} benches[] = {
    {"fanout",
     bench_fanout,
     {ALL, ONE_GATEWAY, .members = 1000, .window = 256, .size = 100, .repeat = 3},
     "one room of --members, acknowledged publishing: deliveries a second"},
    {"pairs",
     bench_pairs,
     {ALL, ONE_GATEWAY, .rooms = 1000, .window = 1, .size = 100, .repeat = 3},
     "--rooms of two, everybody publishes: durable publishes a second"},
    {"idle",
     bench_idle,
     {ALL, ONE_GATEWAY, .connections = 10000, .repeat = 1},
     "--connections that do nothing: memory of each, over all processes"},
    {"store",
     bench_store,
     {ALL, LOG, .messages = 2000000, .batches = {{1, 10, 100, 1000, 5000}, 5}},
     "the log alone: durable batches beside write+fdatasync, and reads"},
    {"publish",
     bench_publish,
     {ALL, LOG, .messages = 400000, .window = 5000, .rates = {{0, 1000, 20000}, 3}},
     "a backend's durable publishes beside a broker with a plain log"},
    {"replay",
     bench_replay,
     {ALL, .procs.gateways = 2, .sessions = 1000, .rooms_each = 20, .rooms = 100000, .messages = 1000000,
      .members = 10, .rate = 1000, .size = 200, .repeat = 1},
     "--sessions come back at once to a broker whose log is cold: what live traffic notices"},
    {"rpc",
     bench_rpc,
     {ALL, ONE_GATEWAY, .connections = 100, .window = 4, .size = 100, .repeat = 3, .slices = 10,
      .rates = {{1000, 0}, 2}},
     "--connections call a backend and wait for its ack, beside a bare echo server"},
    {"optimistic",
     bench_optimistic,
     {ALL, ONE_GATEWAY, .members = 100, .rate = 200, .size = 100, .repeat = 3},
     "pending messages in an optimistic room beside those of a usual one"},
    {"unread",
     bench_unread,
     {ALL, ONE_GATEWAY, .rooms = 1000, .repeat = 3},
     "what is unread for a user with a cursor in each of --rooms: the broker's time"},
    {"jitter",
     bench_jitter,
     {RETURNERS, .cut_every_ms = 15000, .cut_for_ms = 2000, .seconds = 45, .publishers = 1},
     "--connections that are cut again and again: how fast they catch up, and that nothing is missed"},
    {"avalanche",
     bench_avalanche,
     {ALL, RETURNERS},
     "broker and gateways are killed and started under --connections: how long until all are back"},
    {"rolling",
     bench_rolling,
     {ALL, RETURNERS, .spread_ms = 5000},
     "each gateway in turn is drained and started under --connections: how evenly they move"},
    {"slow",
     bench_slow,
     {ALL, ONE_GATEWAY, .members = 1000, .stuck = 100, .size = 1000, .rate = 200, .repeat = 3},
     "--stuck of --members do not read: what the others notice, and the memory that it takes"},
};

#undef ALL
#undef ONE_GATEWAY
#undef LOG
#undef RETURNERS

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
    NUMBER(
        "members", members, 1, 100000,
        "members of the room (fanout and slow 1000; replay, whom live traffic is for, 10), or of each room "
        "(jitter, avalanche and rolling 10)"),
    NUMBER("publishers", publishers, 1, 1000, "members that publish (fanout 1)"),
    NUMBER("rooms", rooms, 1, 1000000, "rooms (pairs, of two: 1000; replay 100000)"),
    NUMBER("connections", connections, 1, 500000,
           "idle connections, or those that are lost (10000); clients that call (rpc 100)"),
    NUMBER("sessions", sessions, 1, 20000, "that come back (replay 1000)"),
    NUMBER("rooms-each", rooms_each, 1, 64, "rooms of a session (replay 20)"),
    NUMBER("window", window, 1, 10000,
           "publishes under way (fanout, of all: 256; pairs, of each client: 1; rpc, likewise: 4; publish "
           "5000)"),
    NUMBER("size", size, 23, 900000, "bytes of data in a message (100; store, publish and replay 200)"),
    NUMBER("repeat", repeat, 1, REPORT_REPEATS_MAX, "runs (fanout, pairs and rpc 3, else 1)"),
    NUMBER("messages", messages, 1, 50000000,
           "in the log before (store 2000000; publish 400000), or missed by all rooms (replay 1000000)"),
    NUMBER("slices", slices, 1, REPORT_REPEATS_MAX, "that --seconds is cut into (store, publish and rpc 10)"),
    NUMBER("per-client", per_client, 1, 1000, "messages a second that each client gets (jitter and so on 2)"),
    NUMBER("cut-every", cut_every_ms, 10, 3600000, "ms between two cuts of a connection (jitter 15000)"),
    NUMBER("cut-for", cut_for_ms, 1, 3600000, "ms until it comes back (jitter 2000)"),
    NUMBER("spread", spread_ms, 1, 3600000, "ms over which a gateway drains (rolling 5000)"),
    NUMBER("stuck", stuck, 1, 100000, "members that do not read (slow 100)"),
    NUMBER("gateways", procs.gateways, 1, PROCS_GATEWAYS_MAX,
           "gateways to start (1; replay, jitter, avalanche and rolling 2)"),
};

enum { N_NUMBERS = sizeof numbers / sizeof *numbers };
enum {
    SECONDS = 256,
    RATE,
    PUBLISHER,
    DIR,
    URL,
    PIDS,
    BACKENDS,
    ROOMS_LIST,
    BATCHES,
    RATES,
    TRIM,
    PART,
    CACHE,
    HELP
};

/* The others; numbers[i] has the value i. */
static const struct option others[] = {
    {"seconds", required_argument, NULL, SECONDS},
    {"rate", required_argument, NULL, RATE},
    {"publisher", required_argument, NULL, PUBLISHER},
    {"dir", required_argument, NULL, DIR},
    {"url", required_argument, NULL, URL},
    {"pids", required_argument, NULL, PIDS},
    {"backends", required_argument, NULL, BACKENDS},
    {"rooms-list", required_argument, NULL, ROOMS_LIST},
    {"batches", required_argument, NULL, BATCHES},
    {"rates", required_argument, NULL, RATES},
    {"trim", required_argument, NULL, TRIM},
    {"part", required_argument, NULL, PART},
    {"cache", required_argument, NULL, CACHE},
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
    fprintf(
        to,
        "  --seconds     S     time that is measured in each run (5)\n"
        "  --rate        N     publishes a second of all together; 0: as fast as the windows allow (0; "
        "replay 1000)\n"
        "  --publisher   WHO   client or backend (fanout; client)\n"
        "  --dir         DIR   where the log of this run goes (TMPDIR or /tmp)\n"
        "\nof store, publish and rpc, where --seconds is what each batch size or rate gets, once for each "
        "side:\n"
        "  --rooms-list  N,N   numbers of rooms (1,1000,100000)\n"
        "  --rates       N,N   publishes or calls a second; 0: as fast as the window allows (0,1000,20000;\n"
        "                      rpc 1000,0)\n"
        "  --batches     N,N   messages in a batch (1,10,100,1000,5000)\n"
        "  --trim        WHICH on (one record goes for each that comes), off or both (both)\n"
        "  --part        WHICH writes, reads or both (both)\n"
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

static void take_list(const char *name, struct bench_list *list, unsigned long least, unsigned long most)
{
    char *at = optarg, *end;
    list->n = 0;
    for (;; at = end + 1) {
        unsigned long value = strtoul(at, &end, 10);
        if (*at < '0' || *at > '9' || value < least || value > most || (*end && *end != ',') ||
            list->n == BENCH_LIST_MAX)
            refuse(name, optarg);
        list->values[list->n++] = (uint32_t)value;
        if (!*end)
            return;
    }
}

/* The place of the option's value among the names, which end with NULL. */
static unsigned take_choice(const char *name, const char *const *choices)
{
    for (unsigned i = 0; choices[i]; i++)
        if (strcmp(optarg, choices[i]) == 0)
            return i;
    refuse(name, optarg);
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
    case ROOMS_LIST: take_list("rooms-list", &options->rooms_list, 1, 1000000); return;
    case BATCHES: take_list("batches", &options->batches, 1, 100000); return;
    case RATES: take_list("rates", &options->rates, 0, 1000000); return;
    case TRIM: options->trim = take_choice("trim", (const char *[]){"both", "on", "off", NULL}); return;
    case PART: options->part = take_choice("part", (const char *[]){"both", "writes", "reads", NULL}); return;
    case CACHE: options->is_warm = take_choice("cache", (const char *[]){"cold", "warm", NULL}); return;
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
}

static uint32_t number_at(const struct bench_options *options, const struct number_flag *flag)
{
    return *(const uint32_t *)(const void *)((const char *)options + flag->at);
}

/* What was not told: no number may be 0, no list empty. */
static void fill_options(struct bench_options *options, const struct bench_options *fallback)
{
    for (size_t i = 0; i < N_NUMBERS; i++)
        if (number_at(options, &numbers[i]) == 0)
            *(uint32_t *)(void *)((char *)options + numbers[i].at) = number_at(fallback, &numbers[i]);
    if (options->seconds == 0)
        options->seconds = fallback->seconds;
    if (options->rate < 0)
        options->rate = fallback->rate;
    if (options->rooms_list.n == 0)
        options->rooms_list = fallback->rooms_list;
    if (options->batches.n == 0)
        options->batches = fallback->batches;
    if (options->rates.n == 0)
        options->rates = fallback->rates;
}

static void check_options(const struct bench_options *options)
{
    if (options->members && options->publishers > options->members)
        refuse("publishers", "more than --members");
    if (options->stuck && options->stuck >= options->members)
        refuse("stuck", "no fewer than --members");
    if (options->cut_for_ms > options->cut_every_ms)
        refuse("cut-for", "longer than --cut-every");
    if (options->connections && options->per_client && options->connections % options->members)
        refuse("connections", "not whole rooms of --members");
    if (options->rooms_each > options->rooms)
        refuse("rooms-each", "more than --rooms");
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
        if (number_at(options, &numbers[i]))
            report_u64(r, numbers[i].name, number_at(options, &numbers[i]));
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
    struct bench_options options = {.rate = -1};
    struct report report = {0};
    struct bench bench = {.options = &options, .report = &report};
    size_t chosen = 0, n_benches = sizeof benches / sizeof *benches;
    take_options(&options, argc, argv);
    while (chosen < n_benches && optind < argc && strcmp(argv[optind], benches[chosen].name) != 0)
        chosen++;
    if (optind + 1 != argc || chosen == n_benches)
        return usage(stderr, 2);
    fill_options(&options, &benches[chosen].fallback);
    check_options(&options);
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
