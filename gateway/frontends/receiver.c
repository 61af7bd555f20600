#include "gateway/frontends/receiver.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/mem.h"

/* One read a socket and turn: nobody keeps the others waiting. */
enum { BUFFER_BYTES = 64 << 10, EVENTS_A_TURN = 256 };

struct rj_receiver {
    int epoll_fd;
    uv_poll_t poll; /* the set is readable when one of its sockets is */
    struct epoll_event events[EVENTS_A_TURN];
    int n_events; /* while they are handed out; 0 else */
    uint8_t buffer[BUFFER_BYTES];
};

static void read_one(struct rj_receiver *receiver, struct rj_source *source)
{
    ssize_t len = recv(source->fd, receiver->buffer, BUFFER_BYTES, 0);
    if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (len <= 0)
        rj_receiver_remove(receiver, source);
    source->on_bytes(source, receiver->buffer, len);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct rj_receiver *receiver = poll->data;
    (void)status, (void)events;
    receiver->n_events = epoll_wait(receiver->epoll_fd, receiver->events, EVENTS_A_TURN, 0);
    for (int i = 0; i < receiver->n_events; i++) {
        struct rj_source *source = receiver->events[i].data.ptr;
        if (!source)
            continue; /* removed meanwhile */
        if (source->on_ready)
            source->on_ready(source, receiver->events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
        else
            read_one(receiver, source);
    }
    receiver->n_events = 0;
}

enum rj_status rj_receiver_open(uv_loop_t *loop, struct rj_receiver **out)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0)
        return RJ_UNAVAILABLE;
    struct rj_receiver *receiver = rj_calloc(1, sizeof *receiver);
    receiver->epoll_fd = fd;
    receiver->poll.data = receiver;
    uv_poll_init(loop, &receiver->poll, fd);
    uv_poll_start(&receiver->poll, UV_READABLE, on_ready);
    *out = receiver;
    return RJ_OK;
}

bool rj_receiver_add(struct rj_receiver *receiver, struct rj_source *source, int fd)
{
    /* What is left unread would be reported in every turn. */
    const uint32_t looks = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    struct epoll_event event = {.events = source->on_ready ? looks : EPOLLIN, .data.ptr = source};
    source->is_listed = epoll_ctl(receiver->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
    source->fd = fd;
    return source->is_listed;
}

void rj_receiver_remove(struct rj_receiver *receiver, struct rj_source *source)
{
    if (!source->is_listed)
        return;
    source->is_listed = false;
    epoll_ctl(receiver->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
    for (int i = 0; i < receiver->n_events; i++) {
        if (receiver->events[i].data.ptr == source)
            receiver->events[i].data.ptr = NULL;
    }
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void rj_receiver_close(struct rj_receiver **taken)
{
    struct rj_receiver *receiver = *taken;
    if (!receiver)
        return;
    *taken = NULL;
    uv_poll_stop(&receiver->poll);
    close(receiver->epoll_fd);
    uv_close((uv_handle_t *)&receiver->poll, on_closed);
}
