/* What the commands of rejoinctl share. Answers go to stdout, everything else to stderr. */
#ifndef RJ_CTL_H
#define RJ_CTL_H

#include <getopt.h>

#include "proto/base/buf.h"
#include "rejoin.h"

enum rj_ctl_exit {
    RJ_CTL_DONE = 0,
    RJ_CTL_FAILED = 1,
    RJ_CTL_USAGE = 2,
    RJ_CTL_UNOPENED = 3, /* the data folder cannot be opened */
};

/* What stands before the command's name. */
struct rj_ctl {
    const char *broker;
    const char *name;
    int timeout_ms; /* for the connection, then for each answer */
};

struct rj_ctl_command {
    const char *name;
    const char *arguments; /* for the usage line */
    const char *summary;   /* one line, for the list of commands */
    const char *help;      /* the options and what is printed; whole lines */
    /* `argv[0]` is the command's name; getopt is ready to start. */
    enum rj_ctl_exit (*run)(const struct rj_ctl *ctl, int argc, char **argv);
    bool takes_folder; /* it works on a data folder, without a broker */
};

extern const struct rj_ctl_command rj_ctl_publish, rj_ctl_emit, rj_ctl_history, rj_ctl_tail, rj_ctl_stats;
extern const struct rj_ctl_command rj_ctl_sockets, rj_ctl_rooms, rj_ctl_disconnect, rj_ctl_presence,
    rj_ctl_unread;
extern const struct rj_ctl_command rj_ctl_backup, rj_ctl_check, rj_ctl_dump;

/* Connects. Not RJ_CTL_DONE: it has said why, and there is nothing to close. */
enum rj_ctl_exit rj_ctl_open(const struct rj_ctl *ctl, struct rejoin **out);

/* Says on stderr what is wrong with the command line, and how it should look; returns RJ_CTL_USAGE. */
enum rj_ctl_exit rj_ctl_misused(const struct rj_ctl_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Says on stderr that `what` failed; returns RJ_CTL_FAILED. */
enum rj_ctl_exit rj_ctl_failed(struct rejoin *broker, const char *what, enum rejoin_status status);

/* Says on stderr what stands in `why` and frees that; returns RJ_CTL_UNOPENED. */
enum rj_ctl_exit rj_ctl_unopened(const struct rj_ctl_command *command, struct rj_buf *why);

/* The next option, for a command's switch: its value, or -1 at the end, '?' for a wrong one. */
int rj_ctl_option(int argc, char **argv, const struct option *options);

/* Decimal digits and nothing else. */
bool rj_ctl_number(const char *text, uint64_t *out);

/* Writes and flushes one line. False when stdout takes it no more; it has said so. */
bool rj_ctl_write_line(const char *line, size_t len);

/* The same for {"name":count}. */
bool rj_ctl_write_count(const char *name, uint64_t count);

#endif
