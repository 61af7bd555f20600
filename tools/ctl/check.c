#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "ctl.h"
#include "storage/check.h"

enum { TOLD = 100 };

static void on_fault(void *ctx, const char *sentence)
{
    (void)ctx;
    printf("fault: %s\n", sentence);
}

/* LMDB walks its pages in mapped memory and believes them: a file cut short or a page of rubbish may end in a
 * signal. That is an answer too. */
static void on_crash(int signal_number)
{
    static const char text[] = "rejoinctl check: the file is so damaged that LMDB cannot walk it\n";
    (void)signal_number;
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(RJ_CTL_FAILED);
}

static void catch_crashes(void)
{
    static const int signals[] = {SIGBUS, SIGSEGV, SIGABRT};
    struct sigaction action = {.sa_handler = on_crash};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaction(signals[i], &action, NULL);
}

static void print_report(const char *path, const struct rj_check_report *report)
{
    typedef unsigned long long ull;
    printf("%s, format %llu\n", path, (ull)report->format);
    printf("  records        %llu (%llu bytes)", (ull)report->records, (ull)report->record_bytes);
    if (report->records)
        printf(", from %llu to %llu", (ull)report->first_pos, (ull)report->last_pos);
    printf("\n  trimmed        %llu of them, not deleted yet\n", (ull)report->trimmed);
    printf("  rooms          %llu\n", (ull)report->rooms);
    printf("  index entries  %llu, and %llu to be added by the next start\n", (ull)report->index_entries,
           (ull)report->unindexed);
    printf("  epochs         %llu\n", (ull)report->epochs);
    printf("  sessions       %llu entries, cursors %llu\n", (ull)report->pairs[RJ_TABLE_SESSION],
           (ull)report->pairs[RJ_TABLE_CURSOR]);
    printf("  groups         %llu\n", (ull)report->pairs[RJ_TABLE_SERVICE]);
    printf("  presence       %llu entries\n", (ull)report->pairs[RJ_TABLE_PRESENCE]);
    if (report->faults > TOLD)
        printf("  faults         %llu (the first %d are told)\n", (ull)report->faults, TOLD);
    else
        printf("  faults         %llu\n", (ull)report->faults);
}

static enum rj_ctl_exit run(const struct rj_ctl *ctl, int argc, char **argv)
{
    static const struct option none[] = {{NULL, 0, NULL, 0}};
    struct rj_inspect inspect;
    struct rj_check_report report;
    struct rj_buf why = {0};
    (void)ctl;
    if (rj_ctl_option(argc, argv, none) != -1)
        return rj_ctl_misused(&rj_ctl_check, "unknown option: %s", argv[optind - 1]);
    if (optind + 1 != argc)
        return rj_ctl_misused(&rj_ctl_check, "one data folder is wanted");
    const char *path = argv[optind];
    catch_crashes();
    enum rj_status status = rj_inspect_open(&inspect, path, RJ_INSPECT_ALONE, &why);
    if (status)
        return rj_ctl_unopened(&rj_ctl_check, &why);
    status = rj_check_run(&inspect, TOLD, on_fault, NULL, &report);
    rj_inspect_close(&inspect);
    if (status) {
        rj_buf_printf(&why, "cannot read the log in %s: %s", path, rj_status_text(status));
        return rj_ctl_unopened(&rj_ctl_check, &why);
    }
    print_report(path, &report);
    return report.faults ? RJ_CTL_FAILED : RJ_CTL_DONE;
}

const struct rj_ctl_command rj_ctl_check = {
    .name = "check",
    .arguments = "DIR",
    .summary = "Checks a data folder that no broker has open",
    .help =
        "Reads every record, index entry, room, epoch and session and compares them; changes nothing. "
        "Prints\n"
        "one line for each fault (the first 100), then the figures. Exit status: 0 whole, 1 faults, 2 wrong\n"
        "usage, 3 the folder cannot be opened (a broker has it, there is no log, a newer format).\n",
    .run = run,
    .takes_folder = true,
};
