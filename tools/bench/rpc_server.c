#include "tools/bench/rpc_server.h"

#include <errno.h>
#include <poll.h>
#include <rejoin_serve.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY_MS = 30000, END_MS = 10000 };

/* ------------------------------------------------------------------------------------------- the process */

static void on_event(void *arg, struct rejoin *broker, const struct rejoin_event *event)
{
    (void)arg;
    rejoin_ack(broker, event->job, &event->args);
}

static void on_note(void *arg, struct rejoin *broker, const struct rejoin_note *note)
{
    (void)arg;
    rejoin_ack(broker, note->job, &note->args);
}

static void on_state(void *arg, struct rejoin *broker, enum rejoin_service_state state,
                     enum rejoin_status status, uint64_t sockets)
{
    const int *control = arg;
    (void)sockets;
    if (state != REJOIN_SERVICE_STARTED) {
        fprintf(stderr, "rejoin-bench: serving was refused: %s (%s)\n", rejoin_strerror(status),
                rejoin_detail(broker));
        _exit(1);
    }
    if (write(*control, "s", 1) != 1)
        _exit(1);
}

/* Until the other end of `control` is closed. */
static enum rejoin_status serve_on(struct rejoin *broker, int control)
{
    struct pollfd watched[] = {{.fd = rejoin_fd(broker), .events = POLLIN},
                               {.fd = control, .events = POLLIN}};
    enum rejoin_status status = REJOIN_OK;
    while (status == REJOIN_OK && !watched[1].revents) {
        poll(watched, 2, -1);
        status = rejoin_process(broker);
    }
    return status;
}

static _Noreturn void serve(const char *endpoint, uint32_t window, int control)
{
    struct rejoin_options options = {.endpoint = endpoint, .name = "rejoin-bench-rpc"};
    struct rejoin_service_options serving = {.group = RPC_GROUP,
                                             .events = REJOIN_NAMES(RPC_EVENT),
                                             .window = window,
                                             .on_event = on_event,
                                             .on_note = on_note,
                                             .on_state = on_state,
                                             .arg = &control};
    struct rejoin *broker = NULL;
    struct rejoin_service *service = NULL;
    enum rejoin_status status = rejoin_open(&options, &broker);
    if (status == REJOIN_OK)
        status = rejoin_serve(broker, &serving, &service);
    if (status == REJOIN_OK)
        status = serve_on(broker, control);
    if (status != REJOIN_OK)
        fprintf(stderr, "rejoin-bench: serving at %s: %s\n", endpoint, rejoin_strerror(status));
    rejoin_unserve(&service, true);
    if (broker)
        rejoin_flush(broker, 1000);
    rejoin_close(&broker);
    _exit(status == REJOIN_OK ? 0 : 1);
}

/* ------------------------------------------------------------------------------------------- the parent */

static bool is_serving(const struct rpc_server *server)
{
    struct pollfd said = {.fd = server->control, .events = POLLIN};
    char byte;
    return poll(&said, 1, READY_MS) == 1 && read(server->control, &byte, 1) == 1;
}

bool rpc_server_start(struct rpc_server *server, const char *endpoint, uint32_t window)
{
    int ends[2];
    *server = (struct rpc_server){.control = -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) {
        fprintf(stderr, "rejoin-bench: socketpair: %s\n", strerror(errno));
        return false;
    }
    pid_t parent = getpid();
    server->control = ends[0];
    server->pid = fork();
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        close(ends[0]);
        serve(endpoint, window, ends[1]);
    }
    close(ends[1]);
    if (server->pid > 0 && is_serving(server))
        return true;
    fprintf(stderr, "rejoin-bench: the backend does not come to serve\n");
    return false;
}

bool rpc_server_stop(struct rpc_server *server)
{
    int status = 0;
    if (server->control >= 0)
        close(server->control);
    if (server->pid <= 0)
        return false;
    unsigned waited_ms = 0;
    while (waitpid(server->pid, &status, WNOHANG) == 0) {
        if (waited_ms == END_MS)
            kill(server->pid, SIGKILL);
        poll(NULL, 0, 10);
        waited_ms += 10;
    }
    *server = (struct rpc_server){.control = -1};
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    fprintf(stderr, "rejoin-bench: the backend ended badly, wait status 0x%x\n", (unsigned)status);
    return false;
}
