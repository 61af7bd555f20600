#include "tools/bench/cost.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/clock.h"

/* All threads of a process, in nanoseconds, so short runs are told as exactly as long ones. 0: it is gone. */
static double cpu_us(pid_t pid)
{
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &used))
        return 0;
    return (double)used.tv_sec * 1e6 + (double)used.tv_nsec / 1e3;
}

struct cost cost_now(const struct procs *procs)
{
    struct cost cost = {.at_us = (double)rj_clock_mono_us(), .load_us = cpu_us(getpid())};
    for (unsigned i = 0; i < procs->n; i++)
        cost.procs_us[i] = cpu_us(procs->list[i].pid);
    return cost;
}

struct cost cost_between(const struct cost *from, const struct cost *to)
{
    struct cost cost = {.at_us = to->at_us - from->at_us, .load_us = to->load_us - from->load_us};
    for (unsigned i = 0; i < PROCS_MAX; i++)
        cost.procs_us[i] = to->procs_us[i] - from->procs_us[i];
    return cost;
}

void cost_add(struct cost *sum, const struct cost *more)
{
    sum->at_us += more->at_us;
    sum->load_us += more->load_us;
    for (unsigned i = 0; i < PROCS_MAX; i++)
        sum->procs_us[i] += more->procs_us[i];
}

double cost_servers_us(const struct procs *procs, const struct cost *cost)
{
    double sum = 0;
    for (unsigned i = 0; i < procs->n; i++)
        sum += cost->procs_us[i];
    return procs->n ? sum : -1;
}

void cost_report(struct report *r, const char *key, const struct procs *procs, const struct cost *cost,
                 double n)
{
    report_open(r, key, '{');
    if (procs->n)
        report_number(r, "servers", cost_servers_us(procs, cost) / n);
    for (unsigned i = 0; i < procs->n; i++)
        report_number(r, procs->list[i].name, cost->procs_us[i] / n);
    report_number(r, "load", cost->load_us / n);
    report_close(r, '}');
}

double cost_memory(pid_t pid, const char *field)
{
    char path[64], line[256];
    unsigned long long kilobytes = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    size_t len = strlen(field);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, field, len) == 0 && line[len] == ':')
            kilobytes = strtoull(line + len + 1, NULL, 10);
    fclose(file);
    return (double)kilobytes * 1024;
}

/* The whole answer to a GET /metrics; empty when there is none. */
static void get_metrics(const struct load_target *target, struct rj_buf *out)
{
    struct timeval wait = {.tv_sec = 2};
    char request[256];
    int len = snprintf(request, sizeof request,
                       "GET /metrics HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", target->host);
    int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    if (connect(fd, (const struct sockaddr *)&target->address, target->size) == 0 &&
        send(fd, request, (size_t)len, MSG_NOSIGNAL) == len) {
        ssize_t n;
        while ((n = recv(fd, rj_buf_reserve(out, 16384), 16384, 0)) > 0)
            out->len += (size_t)n;
    }
    close(fd);
}

static double metric_of(const char *text, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = text; (at = strstr(at, name)); at += len)
        if (at > text && at[-1] == '\n' && at[len] == ' ')
            return strtod(at + len + 1, NULL);
    return -1;
}

double cost_metric(const struct procs *procs, const char *name)
{
    double sum = 0;
    for (unsigned i = 0; i < procs->n_targets; i++) {
        struct rj_buf text = {0};
        get_metrics(&procs->targets[i], &text);
        double value = metric_of(rj_buf_cstr(&text), name);
        rj_buf_free(&text);
        if (value < 0)
            return -1;
        sum += value;
    }
    return sum;
}
