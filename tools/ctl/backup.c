#include "storage/backup.h"

#include <stdio.h>

#include "ctl.h"

static const struct option options[] = {
    {"compact", no_argument, NULL, 'c'},
    {NULL, 0, NULL, 0},
};

static enum rj_ctl_exit run(const struct rj_ctl *ctl, int argc, char **argv)
{
    struct rj_backup backup;
    struct rj_buf why = {0};
    bool is_compact = false;
    int option;
    (void)ctl;
    while ((option = rj_ctl_option(argc, argv, options)) != -1) {
        if (option != 'c')
            return rj_ctl_misused(&rj_ctl_backup, "unknown option: %s", argv[optind - 1]);
        is_compact = true;
    }
    if (optind + 2 != argc)
        return rj_ctl_misused(&rj_ctl_backup, "a data folder and a destination are wanted");
    const char *path = argv[optind], *dest = argv[optind + 1];
    enum rj_status status = rj_backup_take(path, dest, is_compact, &backup, &why);
    if (status == RJ_NOT_FOUND || status == RJ_VERSION)
        return rj_ctl_unopened(&rj_ctl_backup, &why);
    if (status) {
        rj_ctl_unopened(&rj_ctl_backup, &why);
        return RJ_CTL_FAILED;
    }
    printf("%s: %llu bytes, records up to %llu\n", dest, (unsigned long long)backup.bytes,
           (unsigned long long)backup.last_pos);
    return RJ_CTL_DONE;
}

const struct rj_ctl_command rj_ctl_backup = {
    .name = "backup",
    .arguments = "[--compact] DIR DEST",
    .summary = "Copies a data folder, also while a broker writes to it",
    .help =
        "  --compact  leave free pages out: smaller, slower\n\n"
        "DEST must be missing or an empty folder. The copy is the store as it is at one moment; everything\n"
        "acknowledged before the start is in it. It grows as DEST.part-…, is synced, and gets its name\n"
        "when it is whole. The broker's file may grow meanwhile. To restore, start a broker with a copy\n"
        "of DEST as its --data. Exit status: 0 done, 1 failed, 2 wrong usage, 3 DIR cannot be opened.\n",
    .run = run,
    .takes_folder = true,
};
