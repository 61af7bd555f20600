#include "tools/bench/procs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/clock.h"

enum { READY_MS = 20000, END_MS = 10000 };

/* ------------------------------------------------------------------------------------------ starting */

static void program_path(const char *name, char *out, size_t size)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    snprintf(out, size, "%s/%s", dirname(self), name);
}

/* The child's stdout, or -1. Its stderr goes to NAME.log in the folder. */
static int spawn(struct procs *procs, const char *name, char *const argv[])
{
    int out[2];
    char log[192];
    snprintf(log, sizeof log, "%s/%s.log", procs->dir, name);
    if (pipe2(out, O_CLOEXEC))
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(out[1], STDOUT_FILENO);
        if (fd >= 0)
            dup2(fd, STDERR_FILENO);
        execv(argv[0], argv);
        _exit(127);
    }
    close(out[1]);
    if (pid < 0) {
        close(out[0]);
        return -1;
    }
    struct proc *proc = &procs->list[procs->n++];
    snprintf(proc->name, sizeof proc->name, "%s", name);
    proc->pid = pid;
    return out[0];
}

static bool wait_ready(int out, char *line, size_t size)
{
    uint64_t end_ms = rj_clock_mono_ms() + READY_MS;
    size_t n = 0;
    while (n + 1 < size) {
        uint64_t now_ms = rj_clock_mono_ms();
        struct pollfd wait = {.fd = out, .events = POLLIN};
        if (now_ms >= end_ms || poll(&wait, 1, (int)(end_ms - now_ms)) <= 0 || read(out, line + n, 1) != 1)
            return false;
        if (line[n] == '\n')
            break;
        n++;
    }
    line[n] = '\0';
    return true;
}

static bool start_one(struct procs *procs, const char *name, char *const argv[], char *line, size_t size)
{
    int out = spawn(procs, name, argv);
    bool is_ready = out >= 0 && wait_ready(out, line, size);
    if (!is_ready)
        fprintf(stderr, "rejoin-bench: %s did not start; its log is in %s\n", argv[0], procs->dir);
    if (out >= 0)
        close(out);
    return is_ready;
}

bool procs_start(struct procs *procs, unsigned gateways)
{
    char broker[4200], gateway[4200], data[160], links[160], backends[160], line[1024];
    const char *tmp = getenv("TMPDIR");
    *procs = (struct procs){.is_own = true};
    snprintf(procs->dir, sizeof procs->dir, "%.80s/rejoin-bench-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(procs->dir)) {
        perror("rejoin-bench: mkdtemp");
        procs->dir[0] = '\0';
        return false;
    }
    program_path("rejoin-broker", broker, sizeof broker);
    program_path("rejoin-gateway", gateway, sizeof gateway);
    snprintf(data, sizeof data, "%s/data", procs->dir);
    snprintf(links, sizeof links, "ipc://%s/gateways", procs->dir);
    snprintf(backends, sizeof backends, "ipc://%s/backends", procs->dir);
    char *broker_argv[] = {broker, "--data", data, "--gateways", links, "--backends", backends, NULL};
    if (!start_one(procs, "broker", broker_argv, line, sizeof line))
        return false;
    for (unsigned i = 0; i < gateways && procs->n < PROCS_MAX; i++) {
        char *gateway_argv[] = {gateway, "--listen", "127.0.0.1:0", "--broker", links, NULL};
        if (!start_one(procs, "gateway", gateway_argv, line, sizeof line))
            return false;
        const char *listen = strstr(line, "listen=");
        const char *colon = listen ? strchr(listen, ':') : NULL;
        if (!colon)
            return false;
        procs->ports[procs->n_ports++] = (uint16_t)atoi(colon + 1);
    }
    return true;
}

/* ------------------------------------------------------------------------------------------ ending */

static int remove_entry(const char *path, const struct stat *stat, int flag, struct FTW *ftw)
{
    (void)stat;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void end_one(pid_t pid)
{
    uint64_t end_ms = rj_clock_mono_ms() + END_MS;
    kill(pid, SIGTERM);
    while (waitpid(pid, NULL, WNOHANG) == 0) {
        if (rj_clock_mono_ms() > end_ms)
            kill(pid, SIGKILL);
        poll(NULL, 0, 10);
    }
}

void procs_stop(struct procs *procs)
{
    if (!procs->is_own)
        return;
    while (procs->n)
        end_one(procs->list[--procs->n].pid);
    if (procs->dir[0])
        nftw(procs->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    *procs = (struct procs){0};
}

/* ------------------------------------------------------------------------------------------ measuring */

uint64_t proc_cpu_us(pid_t pid)
{
    char path[64], text[1024];
    unsigned long long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    /* The name may hold anything; the fields behind its closing parenthesis are counted from 3. */
    const char *rest = strrchr(text, ')');
    if (rest)
        sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system);
    return (user + system) * (1000000ULL / (uint64_t)sysconf(_SC_CLK_TCK));
}

uint64_t proc_memory(pid_t pid, const char *field)
{
    char path[64], line[256];
    uint64_t kilobytes = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    size_t len = strlen(field);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, field, len) == 0 && line[len] == ':')
            kilobytes = strtoull(line + len + 1, NULL, 10);
    fclose(file);
    return kilobytes * 1024;
}

double proc_metric(uint16_t port, const char *name)
{
    static char text[65536];
    static const char request[] = "GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval wait = {.tv_sec = 2};
    size_t n = 0;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
        write(fd, request, sizeof request - 1) == (ssize_t)sizeof request - 1) {
        ssize_t got;
        while (n + 1 < sizeof text && (got = read(fd, text + n, sizeof text - 1 - n)) > 0)
            n += (size_t)got;
    }
    close(fd);
    text[n] = '\0';
    for (const char *at = text; (at = strstr(at, name)); at++) {
        size_t len = strlen(name);
        if ((at == text || at[-1] == '\n') && at[len] == ' ')
            return strtod(at + len + 1, NULL);
    }
    return -1;
}
