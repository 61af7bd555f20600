/* rejoin-bench: load on real processes, beside what the machine itself gives. One JSON object on stdout, a
 * line for a person on stderr; exit code 1 when something went wrong or a message was missed or doubled. */
#include "tools/bench/bench.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct {
    const char *name;
    bool (*run)(struct bench *bench);
    const char *what;
} benches[] = {
    {"fanout", bench_fanout, "one room, --members, one publisher: deliveries a second"},
    {"pairs", bench_pairs, "--rooms of two, all publish: durable publishes a second"},
    {"idle", bench_idle, "--connections that do nothing: memory of each"},
};

static const struct option flags[] = {
    {"members", required_argument, NULL, 'm'},
    {"rooms", required_argument, NULL, 'r'},
    {"connections", required_argument, NULL, 'c'},
    {"gateways", required_argument, NULL, 'g'},
    {"window", required_argument, NULL, 'w'},
    {"size", required_argument, NULL, 's'},
    {"repeat", required_argument, NULL, 'n'},
    {"seconds", required_argument, NULL, 't'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int usage(FILE *to, int code)
{
    fprintf(to, "usage: rejoin-bench COMMAND [options]\n\n");
    for (size_t i = 0; i < sizeof benches / sizeof *benches; i++)
        fprintf(to, "  %-8s %s\n", benches[i].name, benches[i].what);
    fprintf(to,
            "\n  --members N (1000)  --rooms N (1000)  --connections N (10000)  --gateways N (1; idle: 2)\n"
            "  --window N (fanout: 256, pairs: 1)    --size BYTES (100)       --seconds S (5)\n"
            "  --repeat N (3; idle: 1)\n\n"
            "Starts a broker and gateways of its own, from its own folder, and ends them.\n");
    return code;
}

static uint32_t number(const char *text, uint32_t most)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*end || value == 0 || value > most) {
        fprintf(stderr, "rejoin-bench: \"%s\" is not a number from 1 to %u\n", text, most);
        exit(usage(stderr, 2));
    }
    return (uint32_t)value;
}

static void take_flag(struct bench_options *options, int flag)
{
    switch (flag) {
    case 'm': options->members = number(optarg, 60000); return;
    case 'r': options->rooms = number(optarg, 30000); return;
    case 'c': options->connections = number(optarg, 60000); return;
    case 'g': options->gateways = number(optarg, PROCS_MAX - 2); return;
    case 'w': options->window = number(optarg, 900); return;
    case 's': options->size = number(optarg, 60000); return;
    case 'n': options->repeat = number(optarg, 100); return;
    case 't': options->seconds = number(optarg, 3600); return;
    case 'h': exit(usage(stdout, 0));
    default: exit(usage(stderr, 2));
    }
}

static void report_options(struct report *r, const char *name, const struct bench_options *options)
{
    report_text(r, "bench", name);
    report_text(r, "version", REJOIN_VERSION);
    report_u64(r, "cores", (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
    report_u64(r, "gateways", options->gateways);
    report_u64(r, "members", options->members);
    report_u64(r, "rooms_of_two", options->rooms);
    report_u64(r, "connections", options->connections);
    report_u64(r, "window", options->window);
    report_u64(r, "data_bytes", options->size);
    report_number(r, "seconds", options->seconds);
}

static bool run_all(bool (*run)(struct bench *), struct bench *bench)
{
    bool is_good = true;
    report_open(bench->report, "runs", '[');
    for (uint32_t i = 0; i < bench->options->repeat; i++) {
        report_open(bench->report, NULL, '{');
        is_good &= run(bench);
        report_close(bench->report, '}');
    }
    report_close(bench->report, ']');
    return is_good;
}

int main(int argc, char **argv)
{
    struct bench_options options = {
        .members = 1000, .rooms = 1000, .connections = 10000, .size = 100, .seconds = 5};
    struct procs procs = {0};
    struct report report = {0};
    struct bench bench = {.options = &options, .procs = &procs, .report = &report};
    int flag;
    while ((flag = getopt_long(argc, argv, "h", flags, NULL)) != -1)
        take_flag(&options, flag);
    if (optind + 1 != argc)
        return usage(stderr, 2);
    size_t chosen = 0;
    while (chosen < sizeof benches / sizeof *benches && strcmp(argv[optind], benches[chosen].name) != 0)
        chosen++;
    if (chosen == sizeof benches / sizeof *benches)
        return usage(stderr, 2);
    bool is_idle = benches[chosen].run == bench_idle;
    options.gateways = options.gateways ? options.gateways : is_idle ? 2 : 1;
    options.repeat = options.repeat ? options.repeat : is_idle ? 1 : 3;
    options.window = options.window ? options.window : benches[chosen].run == bench_pairs ? 1 : 256;
    signal(SIGPIPE, SIG_IGN);
    load_raise_limit();

    report_open(&report, NULL, '{');
    report_options(&report, benches[chosen].name, &options);
    bool is_good = run_all(benches[chosen].run, &bench);
    report_close(&report, '}');
    printf("%s\n", rj_buf_cstr(&report.json));
    rj_buf_free(&report.json);
    return is_good ? 0 : 1;
}
