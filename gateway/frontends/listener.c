#include "gateway/frontends/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/log.h"
#include "proto/base/mem.h"

enum { BACKLOG = 4096, ACCEPTS_A_TURN = 256, PAUSE_MS = 100, ADDRESS_BYTES = 80 };

struct rj_listener {
    struct rj_listener_options options;
    int fd;
    uv_poll_t poll;
    uv_timer_t pause; /* accepting rests while there are no descriptors */
    int open_handles;
    uint64_t refused;
    struct rj_log_limit log_limit;
    char address[ADDRESS_BYTES];
};

/* -------------------------------------------------------------------------------------------- accepting */

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
    struct rj_listener *listener = timer->data;
    uv_poll_start(&listener->poll, UV_READABLE, on_readable);
}

/* The connections stay in the kernel's backlog meanwhile. */
static void pause_accepting(struct rj_listener *listener)
{
    unsigned held;
    uv_poll_stop(&listener->poll);
    uv_timer_start(&listener->pause, on_pause_over, PAUSE_MS, 0);
    if (rj_log_allowed(&listener->log_limit, &held))
        rj_log(RJ_LOG_WARN, "accept_paused", RJ_KV_STR("error", strerror(errno)), RJ_KV_U64("held", held));
}

static void prepare(const struct rj_listener *listener, int fd)
{
    int on = 1, bytes = listener->options.send_buffer_bytes;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    if (bytes > 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct rj_listener *listener = poll->data;
    (void)status, (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
            pause_accepting(listener);
        if (fd < 0)
            return; /* EAGAIN, or a connection that is gone already */
        if (!listener->options.has_room(listener->options.context)) {
            listener->refused++;
            listener->options.on_refuse(listener->options.context, fd);
            continue;
        }
        prepare(listener, fd);
        listener->options.on_accept(listener->options.context, fd);
    }
}

/* ---------------------------------------------------------------------------------------------- opening */

static int bind_socket(const struct addrinfo *address)
{
    int on = 1;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 &&
        bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static enum rj_status bind_first(const struct rj_listener_options *options, int *fd)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found;
    const char *host = options->host && options->host[0] ? options->host : NULL;
    if (getaddrinfo(host, options->port, &hints, &found) != 0)
        return RJ_BAD_NAME;
    *fd = -1;
    for (const struct addrinfo *one = found; one && *fd < 0; one = one->ai_next)
        *fd = bind_socket(one);
    freeaddrinfo(found);
    return *fd < 0 ? RJ_IO : RJ_OK;
}

static void note_address(struct rj_listener *listener)
{
    struct sockaddr_storage bound;
    socklen_t len = sizeof bound;
    char host[64] = "?", port[8] = "?";
    if (getsockname(listener->fd, (struct sockaddr *)&bound, &len) == 0)
        getnameinfo((struct sockaddr *)&bound, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(listener->address, sizeof listener->address, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host,
             port);
}

enum rj_status rj_listener_open(const struct rj_listener_options *options, struct rj_listener **out)
{
    int fd;
    enum rj_status status = bind_first(options, &fd);
    if (status != RJ_OK)
        return status;
    struct rj_listener *listener = rj_calloc(1, sizeof *listener);
    listener->options = *options;
    listener->fd = fd;
    listener->poll.data = listener->pause.data = listener;
    listener->open_handles = 2;
    note_address(listener);
    uv_timer_init(options->loop, &listener->pause);
    uv_poll_init(options->loop, &listener->poll, fd);
    uv_poll_start(&listener->poll, UV_READABLE, on_readable);
    *out = listener;
    return RJ_OK;
}

const char *rj_listener_address(const struct rj_listener *listener)
{
    return listener->address;
}

uint64_t rj_listener_refused(const struct rj_listener *listener)
{
    return listener->refused;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct rj_listener *listener = handle->data;
    if (--listener->open_handles == 0)
        free(listener);
}

void rj_listener_close(struct rj_listener **taken)
{
    struct rj_listener *listener = *taken;
    if (!listener)
        return;
    *taken = NULL;
    uv_poll_stop(&listener->poll);
    close(listener->fd); /* uv_poll does not own it */
    uv_close((uv_handle_t *)&listener->poll, on_handle_closed);
    uv_close((uv_handle_t *)&listener->pause, on_handle_closed);
}
