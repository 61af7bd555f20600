#include "tests/fuzz/fake_zmq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <utlist.h>
#include <zmq.h>

#include "proto/base/mem.h"
#include "tests/fuzz/fuzz.h"

struct frame {
    size_t len;
    struct frame *prev, *next;
    uint8_t data[];
};

/* libzmq's handles are opaque; there is one of each here. */
static struct {
    struct frame *waiting;
    bool is_open, is_blocked;
    int contexts;
    unsigned sockets;
    int fd; /* never readable */
} link_end = {.fd = -1};

static void drop_frames(void)
{
    struct frame *frame, *next;
    DL_FOREACH_SAFE (link_end.waiting, frame, next)
        free(frame);
    link_end.waiting = NULL;
}

void fake_zmq_reset(void)
{
    HOLDS(!link_end.is_open && link_end.contexts == 0);
    drop_frames();
    link_end.is_blocked = false;
    link_end.sockets = 0;
    if (link_end.fd < 0)
        link_end.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    HOLDS(link_end.fd >= 0);
}

unsigned fake_zmq_sockets(void)
{
    return link_end.sockets;
}

bool fake_zmq_is_open(void)
{
    return link_end.is_open;
}

void fake_zmq_push(struct rj_span data)
{
    if (!link_end.is_open)
        return;
    struct frame *frame = rj_alloc(sizeof *frame + data.len);
    frame->len = data.len;
    if (data.len)
        memcpy(frame->data, data.data, data.len);
    DL_APPEND(link_end.waiting, frame);
}

void fake_zmq_block(bool is_blocked)
{
    link_end.is_blocked = is_blocked;
}

/* -------------------------------------------------------------------------------------------------- zmq.h */

void *zmq_ctx_new(void)
{
    link_end.contexts++;
    return &link_end;
}

int zmq_ctx_term(void *context)
{
    (void)context;
    link_end.contexts--;
    return 0;
}

void *zmq_socket(void *context, int type)
{
    (void)context;
    HOLDS(type == ZMQ_DEALER && !link_end.is_open);
    link_end.is_open = true;
    link_end.sockets++;
    link_end.is_blocked = false;
    return &link_end.waiting;
}

int zmq_close(void *socket)
{
    (void)socket;
    HOLDS(link_end.is_open);
    drop_frames();
    link_end.is_open = false;
    return 0;
}

int zmq_connect(void *socket, const char *endpoint)
{
    (void)socket, (void)endpoint;
    return 0;
}

int zmq_setsockopt(void *socket, int option, const void *value, size_t size)
{
    (void)socket, (void)option, (void)value, (void)size;
    return 0;
}

int zmq_getsockopt(void *socket, int option, void *value, size_t *size)
{
    (void)socket;
    HOLDS((option == ZMQ_FD || option == ZMQ_EVENTS) && *size == sizeof(int));
    int events = (link_end.waiting ? ZMQ_POLLIN : 0) | (link_end.is_blocked ? 0 : ZMQ_POLLOUT);
    *(int *)value = option == ZMQ_FD ? link_end.fd : events;
    return 0;
}

/* A message is the frame that it holds. */
static struct frame **frame_of(zmq_msg_t *message)
{
    return (struct frame **)(void *)message;
}

int zmq_msg_init(zmq_msg_t *message)
{
    *frame_of(message) = NULL;
    return 0;
}

int zmq_msg_recv(zmq_msg_t *message, void *socket, int flags)
{
    (void)socket, (void)flags;
    struct frame *frame = link_end.waiting;
    HOLDS(link_end.is_open);
    if (!frame) {
        errno = EAGAIN;
        return -1;
    }
    DL_DELETE(link_end.waiting, frame);
    *frame_of(message) = frame;
    return (int)frame->len;
}

void *zmq_msg_data(zmq_msg_t *message)
{
    return (*frame_of(message))->data;
}

size_t zmq_msg_size(const zmq_msg_t *message)
{
    return (*(struct frame *const *)(const void *)message)->len;
}

int zmq_msg_close(zmq_msg_t *message)
{
    free(*frame_of(message));
    *frame_of(message) = NULL;
    return 0;
}

int zmq_send(void *socket, const void *data, size_t len, int flags)
{
    (void)socket;
    HOLDS(link_end.is_open && flags == ZMQ_DONTWAIT);
    if (link_end.is_blocked) {
        errno = EAGAIN;
        return -1;
    }
    on_fake_zmq_frame(rj_span_of(data, len));
    return (int)len;
}

int zmq_errno(void)
{
    return errno;
}

const char *zmq_strerror(int number)
{
    return strerror(number);
}
