#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ctl.h"

enum rj_ctl_exit rj_ctl_open(const struct rj_ctl *ctl, struct rejoin **out)
{
    struct rejoin_options options = {.endpoint = ctl->broker, .name = ctl->name};
    struct rejoin *broker = NULL;
    enum rejoin_status status = rejoin_open(&options, &broker);
    if (status == REJOIN_BAD_REQUEST) {
        fprintf(stderr,
                "rejoinctl: %s is no endpoint; it looks like ipc:///run/rejoin/backends or "
                "tcp://127.0.0.1:5001\n",
                ctl->broker);
        return RJ_CTL_USAGE;
    }
    if (status != REJOIN_OK) {
        fprintf(stderr, "rejoinctl: cannot connect to %s: %s\n", ctl->broker, rejoin_strerror(status));
        return RJ_CTL_FAILED;
    }
    status = rejoin_connect(broker, ctl->timeout_ms);
    if (status != REJOIN_OK) {
        rj_ctl_failed(broker, "cannot connect", status);
        rejoin_close(&broker);
        return RJ_CTL_FAILED;
    }
    *out = broker;
    return RJ_CTL_DONE;
}

enum rj_ctl_exit rj_ctl_misused(const struct rj_ctl_command *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "rejoinctl %s: ", command->name);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nusage: rejoinctl %s%s %s\n", command->takes_folder ? "" : "--broker ENDPOINT ",
            command->name, command->arguments);
    return RJ_CTL_USAGE;
}

enum rj_ctl_exit rj_ctl_failed(struct rejoin *broker, const char *what, enum rejoin_status status)
{
    fprintf(stderr, "rejoinctl: %s: %s: %s (%s)\n", what, rejoin_status_code(status), rejoin_strerror(status),
            rejoin_detail(broker));
    return RJ_CTL_FAILED;
}

enum rj_ctl_exit rj_ctl_unopened(const struct rj_ctl_command *command, struct rj_buf *why)
{
    fprintf(stderr, "rejoinctl %s: %s\n", command->name, rj_buf_cstr(why));
    rj_buf_free(why);
    return RJ_CTL_UNOPENED;
}

int rj_ctl_option(int argc, char **argv, const struct option *options)
{
    opterr = 0; /* the command says it itself, with its usage */
    return getopt_long(argc, argv, ":", options, NULL);
}

bool rj_ctl_number(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
            return false;
    }
    *out = value;
    return true;
}

bool rj_ctl_write_line(const char *line, size_t len)
{
    if (fwrite(line, 1, len, stdout) == len && fputc('\n', stdout) != EOF && fflush(stdout) == 0)
        return true;
    fprintf(stderr, "rejoinctl: cannot write to stdout: %s\n", strerror(errno));
    return false;
}

bool rj_ctl_write_count(const char *name, uint64_t count)
{
    char line[64];
    int len = snprintf(line, sizeof line, "{\"%s\":%llu}", name, (unsigned long long)count);
    return rj_ctl_write_line(line, (size_t)len);
}
