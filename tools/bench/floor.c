#include "tools/bench/floor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "tools/bench/load.h"
#include "tools/bench/procs.h"

enum { CONNECT_MS = 60000 };

/* ------------------------------------------------------------------------------------------ the bare server
 */

/* What a server must keep of a connection, at least. */
struct bare_conn {
    int fd;
    uint32_t state[7];
};

static struct bare_conn **accept_all(int listener, uint32_t n, int epoll)
{
    struct bare_conn **conns = rj_calloc(n, sizeof *conns);
    int on = 1;
    for (uint32_t i = 0; i < n; i++) {
        conns[i] = rj_calloc(1, sizeof **conns);
        conns[i]->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (conns[i]->fd < 0)
            _exit(1);
        setsockopt(conns[i]->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = conns[i]};
        epoll_ctl(epoll, EPOLL_CTL_ADD, conns[i]->fd, &event);
    }
    return conns;
}

static void send_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd wait = {.fd = fd, .events = POLLOUT};
            poll(&wait, 1, -1);
            continue;
        }
        if (n <= 0)
            _exit(0); /* the other side has measured enough */
        bytes += n;
        len -= (size_t)n;
    }
}

static void fill_frames(uint8_t *out, size_t frame_bytes, unsigned frames)
{
    size_t head = frame_bytes - 2 < 126 ? 2 : 4;
    for (unsigned i = 0; i < frames; i++, out += frame_bytes) {
        memset(out, 'x', frame_bytes);
        out[0] = 0x81;
        out[1] = (uint8_t)(head == 2 ? frame_bytes - 2 : 126);
        if (head == 4) {
            out[2] = (uint8_t)((frame_bytes - 4) >> 8);
            out[3] = (uint8_t)(frame_bytes - 4);
        }
    }
}

static void serve(int listener, uint32_t n, size_t frame_bytes, unsigned frames_per_write)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct bare_conn **conns = accept_all(listener, n, epoll);
    if (frames_per_write == 0)
        for (;;)
            pause();
    size_t len = frame_bytes * frames_per_write;
    uint8_t *frames = rj_alloc(len);
    fill_frames(frames, frame_bytes, frames_per_write);
    for (;;)
        for (uint32_t i = 0; i < n; i++)
            send_all(conns[i]->fd, frames, len);
}

static pid_t start(uint32_t n, size_t frame_bytes, unsigned frames_per_write, uint16_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 4096) ||
        getsockname(listener, (struct sockaddr *)&at, &size)) {
        perror("rejoin-bench: floor");
        close(listener);
        return -1;
    }
    *port = ntohs(at.sin_port);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(listener, n, frame_bytes, frames_per_write);
        _exit(0);
    }
    close(listener);
    return pid;
}

static void stop(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* ------------------------------------------------------------------------------------------ measuring */

bool floor_fanout(uint32_t connections, size_t frame_bytes, unsigned frames_per_write, double seconds,
                  struct floor_result *out)
{
    struct load load;
    uint16_t port;
    pid_t pid = start(connections, frame_bytes, frames_per_write, &port);
    if (pid < 0)
        return false;
    load_init(&load, connections, NULL);
    load.is_raw = true;
    bool is_good = load_connect(&load, &port, 1, NULL, CONNECT_MS);
    if (is_good) {
        uint64_t server = proc_cpu_us(pid), own = proc_cpu_us(getpid());
        uint64_t frames = load.frames, began_us = rj_clock_mono_us();
        uint64_t end_us = began_us + (uint64_t)(seconds * 1e6);
        while (rj_clock_mono_us() < end_us && load.n_closed == 0)
            load_run(&load, 100);
        double n = (double)(load.frames - frames);
        out->deliveries_per_s = n * 1e6 / (double)(rj_clock_mono_us() - began_us);
        out->server_us = (double)(proc_cpu_us(pid) - server) / n;
        out->load_us = (double)(proc_cpu_us(getpid()) - own) / n;
    }
    stop(pid);
    load_free(&load);
    return is_good;
}

bool floor_idle(uint32_t connections, double *anon_bytes, double *rss_bytes)
{
    struct load load;
    uint16_t port;
    pid_t pid = start(connections, 0, 0, &port);
    if (pid < 0)
        return false;
    uint64_t anon = proc_memory(pid, "RssAnon"), rss = proc_memory(pid, "VmRSS");
    load_init(&load, connections, NULL);
    load.is_raw = true;
    bool is_good = load_connect(&load, &port, 1, NULL, CONNECT_MS);
    for (int i = 0; i < 10; i++)
        load_run(&load, 20);
    *anon_bytes = (double)(proc_memory(pid, "RssAnon") - anon) / connections;
    *rss_bytes = (double)(proc_memory(pid, "VmRSS") - rss) / connections;
    stop(pid);
    load_free(&load);
    return is_good;
}

void floor_report(struct report *r, const char *key, const struct floor_result *result)
{
    report_open(r, key, '{');
    report_number(r, "deliveries_per_s", result->deliveries_per_s);
    report_number(r, "server_cpu_us", result->server_us);
    report_number(r, "load_cpu_us", result->load_us);
    report_close(r, '}');
}
