#include "tools/bench/procs.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/clock.h"

enum { READY_MS = 120000, END_MS = 10000, LOG_SHOWN = 2000, PATH_SIZE = 4200 };

/* ------------------------------------------------------------------------------------------- folders */

bool procs_make_dir(const char *dir, char *out, size_t size)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(out, size, "%.80s/rejoin-bench-XXXXXX", dir ? dir : tmp ? tmp : "/tmp");
    if (mkdtemp(out))
        return true;
    fprintf(stderr, "rejoin-bench: %s: %s\n", out, strerror(errno));
    out[0] = '\0';
    return false;
}

static int remove_entry(const char *path, const struct stat *stat, int flag, struct FTW *ftw)
{
    (void)stat;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void procs_remove_dir(const char *dir)
{
    if (dir[0])
        nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

uint64_t procs_bytes_in(const char *dir)
{
    uint64_t bytes = 0;
    DIR *files = opendir(dir);
    for (struct dirent *entry; files && (entry = readdir(files));) {
        struct stat at;
        if (fstatat(dirfd(files), entry->d_name, &at, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(at.st_mode))
            bytes += (uint64_t)at.st_size;
    }
    if (files)
        closedir(files);
    return bytes;
}

/* ------------------------------------------------------------------------------------------- starting */

static void program_path(const char *name, char *out, size_t size)
{
    char self[PATH_SIZE - 100];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    snprintf(out, size, "%s/%s", dirname(self), name);
}

static void log_path(const struct procs *procs, const char *name, char *out, size_t size)
{
    snprintf(out, size, "%s/%s.log", procs->dir, name);
}

static _Noreturn void become(char *const argv[], const char *log, int out, pid_t parent)
{
    sigset_t none;
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    dup2(out, STDOUT_FILENO);
    if (fd >= 0)
        dup2(fd, STDERR_FILENO);
    execv(argv[0], argv);
    dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* The child's stdout, or -1. Its stderr goes to its log. */
static int spawn(const struct procs *procs, struct proc *proc, const char *name, char *const argv[])
{
    int out[2];
    char log[192];
    log_path(procs, name, log, sizeof log);
    if (pipe2(out, O_CLOEXEC))
        return -1;
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become(argv, log, out[1], parent);
    close(out[1]);
    if (pid < 0) {
        close(out[0]);
        return -1;
    }
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

/* `line` is what it says when it is ready. */
static bool start_one(const struct procs *procs, struct proc *proc, const char *name, char *const argv[],
                      char *line, size_t size)
{
    int out = spawn(procs, proc, name, argv);
    bool is_ready = out >= 0 && wait_ready(out, line, size);
    if (!is_ready)
        fprintf(stderr, "rejoin-bench: %s did not start\n", argv[0]);
    if (out >= 0)
        close(out);
    return is_ready;
}

static void add_local_target(struct procs *procs, uint16_t port)
{
    struct load_target *target = &procs->targets[procs->n_targets++];
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    snprintf(target->host, sizeof target->host, "127.0.0.1:%u", port);
    memcpy(&target->address, &to, sizeof to);
    target->size = sizeof to;
}

void procs_data_dir(const struct procs *procs, char *out, size_t size)
{
    snprintf(out, size, "%s/data", procs->dir);
}

static void gateways_endpoint(const struct procs *procs, char *out, size_t size)
{
    snprintf(out, size, "ipc://%s/gateways", procs->dir);
}

/* Gateway `index`, listening at `listen`; `line` is what it says when it is ready. */
static bool run_gateway(const struct procs *procs, unsigned index, char *listen, struct proc *proc,
                        char *line, size_t size)
{
    enum { FLAGS_AT = 7 };
    char path[PATH_SIZE], name[48], broker[160];
    snprintf(name, sizeof name, "gateway-%u", index + 1);
    program_path("rejoin-gateway", path, sizeof path);
    gateways_endpoint(procs, broker, sizeof broker);
    char *argv[FLAGS_AT + PROCS_FLAGS_MAX + 1] = {
        path,   (char[]){"--listen"},     listen,       (char[]){"--broker"},
        broker, (char[]){"--max-events"}, (char[]){"0"}};
    for (unsigned i = 0; i < PROCS_FLAGS_MAX && procs->plan->gateway_flags[i]; i++)
        argv[FLAGS_AT + i] = (char *)(uintptr_t)procs->plan->gateway_flags[i];
    return start_one(procs, proc, name, argv, line, size);
}

static bool start_gateway(struct procs *procs, unsigned index)
{
    char line[1024], listen[] = "127.0.0.1:0";
    if (!run_gateway(procs, index, listen, &procs->list[procs->n++], line, sizeof line))
        return false;
    unsigned port;
    const char *at = strstr(line, "listen=127.0.0.1:");
    if (!at || sscanf(at, "listen=127.0.0.1:%u", &port) != 1) {
        fprintf(stderr, "rejoin-bench: the gateway does not say where it listens\n");
        return false;
    }
    add_local_target(procs, (uint16_t)port);
    return true;
}

static bool start_broker(struct procs *procs, struct proc *proc)
{
    char path[PATH_SIZE], data[160], gateways[160], line[1024];
    program_path(procs->plan->broker ? procs->plan->broker : "rejoin-broker", path, sizeof path);
    procs_data_dir(procs, data, sizeof data);
    gateways_endpoint(procs, gateways, sizeof gateways);
    char *argv[] = {path,
                    (char[]){"--data"},
                    data,
                    (char[]){"--gateways"},
                    gateways,
                    (char[]){"--backends"},
                    procs->backends,
                    (char *)(uintptr_t)procs->plan->broker_flag,
                    (char *)(uintptr_t)procs->plan->broker_value,
                    NULL};
    return start_one(procs, proc, "broker", argv, line, sizeof line);
}

static bool start_own(struct procs *procs, const struct procs_plan *plan)
{
    if (!procs_make_dir(plan->dir, procs->dir, sizeof procs->dir))
        return false;
    procs->plan = plan;
    snprintf(procs->backends, sizeof procs->backends, "ipc://%s/backends", procs->dir);
    if (!start_broker(procs, &procs->list[procs->n++]))
        return false;
    for (unsigned i = 0; i < plan->gateways; i++)
        if (!start_gateway(procs, i))
            return false;
    return true;
}

void procs_adopt(struct procs *procs, const char *name, pid_t pid, uint16_t port)
{
    struct proc *proc = &procs->list[procs->n++];
    snprintf(proc->name, sizeof proc->name, "%s", name);
    proc->pid = pid;
    add_local_target(procs, port);
}

/* ------------------------------------------------------------------------------------------- running ones */

static bool find_target(struct load_target *target, const char *url)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found;
    char host[sizeof target->host];
    const char *place = strncmp(url, "http://", 7) == 0 ? url + 7 : url;
    snprintf(target->host, sizeof target->host, "%.*s", (int)strcspn(place, "/"), place);
    snprintf(host, sizeof host, "%s", target->host);
    char *colon = strrchr(host, ':'), *name = host;
    if (!colon) {
        fprintf(stderr, "rejoin-bench: %s: HOST:PORT is expected\n", url);
        return false;
    }
    *colon = '\0';
    if (host[0] == '[' && colon[-1] == ']') {
        colon[-1] = '\0';
        name = host + 1;
    }
    int error = getaddrinfo(name, colon + 1, &hints, &found);
    if (error) {
        fprintf(stderr, "rejoin-bench: %s: %s\n", url, gai_strerror(error));
        return false;
    }
    memcpy(&target->address, found->ai_addr, found->ai_addrlen);
    target->size = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

static bool find_process(struct proc *proc, pid_t pid)
{
    char path[64], name[32] = "";
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file || !fgets(name, sizeof name, file)) {
        fprintf(stderr, "rejoin-bench: no process %d\n", (int)pid);
        if (file)
            fclose(file);
        return false;
    }
    fclose(file);
    name[strcspn(name, "\n")] = '\0';
    snprintf(proc->name, sizeof proc->name, "%s-%d", name, (int)pid);
    proc->pid = pid;
    return true;
}

static bool find_running(struct procs *procs, const struct procs_plan *plan)
{
    for (unsigned i = 0; i < plan->n_urls; i++)
        if (!find_target(&procs->targets[procs->n_targets++], plan->urls[i]))
            return false;
    for (unsigned i = 0; i < plan->n_pids; i++)
        if (!find_process(&procs->list[procs->n++], plan->pids[i]))
            return false;
    if (plan->backends)
        snprintf(procs->backends, sizeof procs->backends, "%s", plan->backends);
    return true;
}

bool procs_start(struct procs *procs, const struct procs_plan *plan)
{
    *procs = (struct procs){0};
    return plan->n_urls ? find_running(procs, plan) : start_own(procs, plan);
}

/* ------------------------------------------------------------------------------------------- ending */

static void show_log(const struct procs *procs, const char *name)
{
    char path[192], text[LOG_SHOWN];
    log_path(procs, name, path, sizeof path);
    FILE *file = fopen(path, "r");
    if (!file)
        return;
    if (fseek(file, -(long)sizeof text, SEEK_END))
        rewind(file);
    size_t n = fread(text, 1, sizeof text, file);
    fclose(file);
    fwrite(text, 1, n, stderr);
}

static bool end_one(const struct procs *procs, const struct proc *proc)
{
    uint64_t end_ms = rj_clock_mono_ms() + END_MS;
    int status = 0;
    if (proc->pid <= 0) /* it could not even be forked */
        return false;
    bool is_forced = false;
    bool was_running = waitpid(proc->pid, &status, WNOHANG) == 0;
    if (was_running) {
        kill(proc->pid, SIGTERM);
        while (waitpid(proc->pid, &status, WNOHANG) == 0) {
            if (!is_forced && rj_clock_mono_ms() > end_ms) {
                is_forced = true;
                kill(proc->pid, SIGKILL);
            }
            poll(NULL, 0, 10);
        }
    }
    if (was_running && !is_forced && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    fprintf(stderr, "rejoin-bench: %s %s, wait status 0x%x; the end of its log:\n", proc->name,
            is_forced     ? "had to be killed"
            : was_running ? "ended badly"
                          : "had ended by itself",
            (unsigned)status);
    show_log(procs, proc->name);
    return false;
}

bool procs_restart_broker(struct procs *procs, bool (*meanwhile)(void *ctx), void *ctx)
{
    struct proc *broker = &procs->list[0];
    bool is_good = end_one(procs, broker);
    broker->pid = 0;
    return is_good && (!meanwhile || meanwhile(ctx)) && start_broker(procs, broker);
}

void procs_signal(const struct procs *procs, unsigned index, int number)
{
    kill(procs->list[index].pid, number);
}

bool procs_has_ended(struct procs *procs, unsigned index, int *wait_status)
{
    struct proc *proc = &procs->list[index];
    if (waitpid(proc->pid, wait_status, WNOHANG) != proc->pid)
        return false;
    proc->pid = 0;
    return true;
}

bool procs_revive(struct procs *procs, unsigned index)
{
    char line[1024];
    struct proc *proc = &procs->list[index];
    if (index == 0)
        return start_broker(procs, proc);
    return run_gateway(procs, index - 1, procs->targets[index - 1].host, proc, line, sizeof line);
}

bool procs_are_alive(const struct procs *procs)
{
    for (unsigned i = 0; i < procs->n; i++) {
        siginfo_t info = {0};
        if (waitid(P_PID, (id_t)procs->list[i].pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid)
            return false;
    }
    return true;
}

bool procs_stop(struct procs *procs)
{
    bool is_good = true;
    while (procs->dir[0] && procs->n)
        is_good &= end_one(procs, &procs->list[--procs->n]);
    procs_remove_dir(procs->dir);
    *procs = (struct procs){0};
    return is_good;
}
