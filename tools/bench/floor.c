#include "tools/bench/floor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/bench/floor_server.h"

static int listen_somewhere(uint16_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 4096) ||
        getsockname(fd, (struct sockaddr *)&at, &size)) {
        fprintf(stderr, "rejoin-bench: floor: %s\n", strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *port = ntohs(at.sin_port);
    return fd;
}

static int open_log(struct floor *bare, const struct floor_plan *plan)
{
    char path[192];
    if (!procs_make_dir(plan->dir, bare->dir, sizeof bare->dir))
        return -1;
    snprintf(path, sizeof path, "%s/log", bare->dir);
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

bool floor_start(struct floor *bare, const struct floor_plan *plan)
{
    uint16_t port;
    *bare = (struct floor){0};
    int listener = listen_somewhere(&port), log_fd = plan->is_logged ? open_log(bare, plan) : -1;
    if (listener < 0 || (plan->is_logged && log_fd < 0)) {
        if (listener >= 0)
            close(listener);
        return false;
    }
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        floor_serve(plan, listener, log_fd);
    }
    close(listener);
    if (log_fd >= 0)
        close(log_fd);
    if (pid > 0)
        procs_adopt(&bare->procs, "floor", pid, port);
    return pid > 0;
}

void floor_stop(struct floor *bare)
{
    for (unsigned i = 0; i < bare->procs.n; i++) {
        kill(bare->procs.list[i].pid, SIGKILL);
        waitpid(bare->procs.list[i].pid, NULL, 0);
    }
    procs_remove_dir(bare->dir);
}
