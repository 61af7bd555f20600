#include "tests/support/process.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TEMP_PREFIX "rejoin-test-"

uint64_t rj_test_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void rj_test_pause(void)
{
    struct timespec few = {.tv_nsec = 5 * 1000000};
    nanosleep(&few, NULL);
}

const char *rj_process_program(const char *name, char *path, size_t size)
{
    const char *folder = getenv("REJOIN_BIN");
    snprintf(path, size, "%s/%s", folder ? folder : RJ_TEST_BIN_DIR, name);
    return path;
}

/* In the child: never returns. */
static void run_child(const char *const argv[], const char *const env[], int out, int log, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before the line above */
        _exit(127);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(out, STDOUT_FILENO);
    if (log >= 0)
        dup2(log, STDERR_FILENO);
    for (size_t i = 0; env && env[i]; i++)
        putenv((char *)(uintptr_t)env[i]);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    fprintf(stderr, "cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

bool rj_process_start(struct rj_process *process, const char *const argv[], const char *const env[],
                      const char *log)
{
    memset(process, 0, sizeof *process);
    process->out = -1;
    int ends[2], log_fd = -1;
    if (pipe2(ends, O_CLOEXEC) != 0)
        goto failed;
    if (log && (log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0)
        goto failed_log;
    pid_t parent = getpid();
    pid_t child = fork();
    if (child < 0)
        goto failed_fork;
    if (child == 0)
        run_child(argv, env, ends[1], log_fd, parent);
    close(ends[1]);
    if (log_fd >= 0)
        close(log_fd);
    process->pid = child;
    process->out = ends[0];
    return true;

failed_fork:
    if (log_fd >= 0)
        close(log_fd);
failed_log:
    close(ends[0]);
    close(ends[1]);
failed:
    fprintf(stderr, "cannot start %s: %s\n", argv[0], strerror(errno));
    return false;
}

/* One byte of its stdout; false when there is none before `end_ms`. Byte by byte, so that nothing behind the
 * line is taken. */
static bool read_byte(int fd, uint64_t end_ms, char *byte)
{
    for (;;) {
        uint64_t now = rj_test_now_ms();
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        int n = poll(&poll_fd, 1, now < end_ms ? (int)(end_ms - now) : 0);
        if (n < 0 && errno == EINTR)
            continue;
        return n > 0 && read(fd, byte, 1) == 1;
    }
}

bool rj_process_wait_ready(struct rj_process *process, unsigned deadline_ms)
{
    uint64_t end_ms = rj_test_now_ms() + deadline_ms;
    size_t len = 0;
    char byte;
    while (len + 1 < sizeof process->ready && read_byte(process->out, end_ms, &byte)) {
        if (byte == '\n') {
            process->ready[len] = '\0';
            return true;
        }
        process->ready[len++] = byte;
    }
    process->ready[0] = '\0';
    fprintf(stderr, "process %d was not ready in %u ms\n", (int)process->pid, deadline_ms);
    return false;
}

bool rj_process_ready_value(const struct rj_process *process, const char *name, char *value, size_t size)
{
    size_t name_len = strlen(name);
    for (const char *word = process->ready; *word; word += strcspn(word, " "), word += strspn(word, " ")) {
        if (strncmp(word, name, name_len) != 0 || word[name_len] != '=')
            continue;
        const char *text = word + name_len + 1;
        size_t len = strcspn(text, " ");
        if (len >= size)
            return false;
        memcpy(value, text, len);
        value[len] = '\0';
        return true;
    }
    return false;
}

bool rj_process_signal(const struct rj_process *process, int signal_number)
{
    return process->pid > 0 && kill(process->pid, signal_number) == 0;
}

static void forget(struct rj_process *process)
{
    close(process->out);
    process->out = -1;
    process->pid = 0;
}

bool rj_process_wait_end(struct rj_process *process, unsigned deadline_ms, int *status)
{
    if (process->pid <= 0)
        return false;
    int ended = 0;
    pid_t got = 0;
    bool is_over = rj_eventually(deadline_ms, (got = waitpid(process->pid, &ended, WNOHANG)) != 0);
    if (!is_over)
        return false;
    if (status)
        *status = got > 0 ? ended : -1;
    forget(process);
    return true;
}

bool rj_process_has_ended(const struct rj_process *process)
{
    siginfo_t info = {0};
    return process->pid <= 0 ||
           (waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0);
}

void rj_process_kill(struct rj_process *process)
{
    if (process->pid <= 0)
        return;
    kill(process->pid, SIGKILL);
    while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    forget(process);
}

bool rj_temp_dir(char *path, size_t size)
{
    const char *base = getenv("TMPDIR");
    int len = snprintf(path, size, "%s/" TEMP_PREFIX "XXXXXX", base && *base ? base : "/tmp");
    if (len < 0 || (size_t)len >= size || !mkdtemp(path)) {
        fprintf(stderr, "cannot make a folder: %s\n", strerror(errno));
        return false;
    }
    return true;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

void rj_temp_dir_remove(const char *path)
{
    if (strstr(path, "/" TEMP_PREFIX))
        nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void rj_test_show_file(const char *path)
{
    char line[1024];
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        fputs(line, stderr);
    if (file)
        fclose(file);
}
