#include "tools/bench/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"

enum {
    BUFFER_BYTES = 1 << 20, /* the longest frame, too */
    EVENTS = 256,
    AT_ONCE = 128,
    NARROW_BYTES = 16384,
    PER_LOCAL_ADDRESS = 20000 /* what the usual range of local ports carries with room to spare */
};

static const char upgrade_request[] = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
                                      "Host: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                                      "Sec-WebSocket-Version: 13\r\n"
                                      "Sec-WebSocket-Key: cmVqb2luLWJlbmNoLWtleQ==\r\n\r\n";

void load_raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static sigset_t ending_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

void load_hold_signals(void)
{
    sigset_t set = ending_signals();
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN); /* nobody reads what we tell: what was started is still to be ended */
}

bool load_is_interrupted(void)
{
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1;
}

void load_init(struct load *load, uint32_t n, const struct load_handler *handler)
{
    *load = (struct load){.n = n, .at_once = AT_ONCE, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    if (handler)
        load->handler = *handler;
    load->conns = rj_calloc(n, sizeof *load->conns);
    load->buffer = rj_alloc(BUFFER_BYTES);
    for (uint32_t i = 0; i < n; i++) {
        load->conns[i].load = load;
        load->conns[i].index = i;
        load->conns[i].fd = -1;
    }
}

void load_free(struct load *load)
{
    for (uint32_t i = 0; i < load->n; i++) {
        if (load->conns[i].fd >= 0)
            close(load->conns[i].fd);
        rj_buf_free(&load->conns[i].in);
        rj_buf_free(&load->conns[i].out);
    }
    close(load->epoll);
    free(load->conns);
    free(load->buffer);
}

/* ------------------------------------------------------------------------------------------- writing */

static bool watch(struct load_conn *conn, int op, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = conn};
    return epoll_ctl(conn->load->epoll, op, conn->fd, &event) == 0;
}

static void shut(struct load_conn *conn)
{
    conn->load->n_ready -= conn->state == LOAD_READY;
    conn->state = LOAD_CLOSED;
    conn->is_choked = conn->is_paused = false;
    rj_buf_clear(&conn->in);
    rj_buf_clear(&conn->out);
    if (conn->fd >= 0)
        close(conn->fd);
    conn->fd = -1;
}

static void close_conn(struct load_conn *conn, const char *why)
{
    const struct load_handler *handler = &conn->load->handler;
    if (conn->state == LOAD_CLOSED)
        return;
    shut(conn);
    if (handler->closed)
        handler->closed(handler->ctx, conn);
    else if (conn->load->n_closed++ == 0)
        fprintf(stderr, "rejoin-bench: connection %u was lost: %s\n", conn->index, why);
}

void load_cut(struct load_conn *conn)
{
    struct linger now = {.l_onoff = 1};
    if (conn->fd >= 0)
        setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    shut(conn);
}

static void rearm(struct load_conn *conn)
{
    watch(conn, EPOLL_CTL_MOD, (conn->is_paused ? 0 : EPOLLIN) | (conn->is_choked ? EPOLLOUT : 0));
}

static void set_choked(struct load_conn *conn, bool is_choked)
{
    if (conn->is_choked == is_choked)
        return;
    conn->is_choked = is_choked;
    rearm(conn);
}

void load_pause(struct load_conn *conn, bool is_paused)
{
    if (conn->is_paused == is_paused || conn->state != LOAD_READY)
        return;
    conn->is_paused = is_paused;
    rearm(conn);
}

static void flush(struct load_conn *conn)
{
    ssize_t n = send(conn->fd, conn->out.data, conn->out.len, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        close_conn(conn, strerror(errno));
        return;
    }
    size_t sent = n > 0 ? (size_t)n : 0;
    memmove(conn->out.data, conn->out.data + sent, conn->out.len - sent);
    conn->out.len -= sent;
    set_choked(conn, conn->out.len > 0);
}

static void flush_queued(struct load *load)
{
    struct load_conn *conn;
    while ((conn = load->queued)) {
        load->queued = conn->queued;
        conn->is_queued = false;
        if (conn->state != LOAD_CLOSED && conn->state != LOAD_DIALLING && !conn->is_choked && conn->out.len)
            flush(conn);
    }
}

static void queue(struct load_conn *conn)
{
    if (conn->is_queued)
        return;
    conn->is_queued = true;
    conn->queued = conn->load->queued;
    conn->load->queued = conn;
}

void load_send(struct load_conn *conn, struct rj_span text)
{
    static const uint8_t no_mask[4];
    if (conn->state == LOAD_CLOSED)
        return;
    rj_buf_put_u8(&conn->out, 0x81);
    if (text.len < 126) {
        rj_buf_put_u8(&conn->out, (uint8_t)(0x80 | text.len));
    } else {
        unsigned bytes = text.len <= UINT16_MAX ? 2 : 8;
        rj_buf_put_u8(&conn->out, bytes == 2 ? 0x80 | 126 : 0x80 | 127);
        for (unsigned i = bytes; i-- > 0;)
            rj_buf_put_u8(&conn->out, (uint8_t)((uint64_t)text.len >> (8 * i)));
    }
    rj_buf_put(&conn->out, no_mask, sizeof no_mask);
    rj_buf_put_span(&conn->out, text);
    queue(conn);
}

size_t load_frame_bytes(size_t len)
{
    size_t payload = len + 1;
    return payload + (payload < 126 ? 2 : payload <= UINT16_MAX ? 4 : 10);
}

/* ------------------------------------------------------------------------------------------- reading */

static void on_packet(struct load_conn *conn, struct rj_span text)
{
    const struct load_handler *handler = &conn->load->handler;
    switch (text.len ? text.data[0] : 0) {
    case '0':
        conn->load->n_ready += conn->state != LOAD_READY;
        conn->state = LOAD_READY;
        if (handler->connected)
            handler->connected(handler->ctx, conn, text);
        return;
    case '2':
        if (handler->event)
            handler->event(handler->ctx, conn, text);
        return;
    case '3':
        if (handler->ack)
            handler->ack(handler->ctx, conn, text);
        return;
    default: close_conn(conn, "a packet that was not expected"); return;
    }
}

static void send_connect(struct load_conn *conn)
{
    const struct load_handler *handler = &conn->load->handler;
    struct rj_buf text = {0};
    rj_buf_put_str(&text, "40");
    if (handler->opening)
        handler->opening(handler->ctx, conn, &text);
    load_send(conn, rj_buf_span(&text));
    rj_buf_free(&text);
}

/* `first` is the frame's first byte. */
static void on_frame(struct load_conn *conn, uint8_t first, struct rj_span text)
{
    if (first != 0x81) {
        close_conn(conn, (first & 0x0f) == 8 ? "closed by the server" : "a frame that was not expected");
        return;
    }
    switch (text.len ? text.data[0] : 0) {
    case '0': send_connect(conn); return;
    case '2':
        conn->load->pings++;
        load_send(conn, rj_span_str("3"));
        return;
    case '4': on_packet(conn, rj_span_from(text, 1)); return;
    case '6': return; /* noop */
    default: close_conn(conn, "an Engine.IO packet that was not expected"); return;
    }
}

/* Bytes of whole frames at the start of `bytes`, each handled. */
static size_t take_frames(struct load_conn *conn, struct rj_span bytes)
{
    size_t at = 0;
    while (bytes.len - at >= 2 && conn->state != LOAD_CLOSED) {
        const uint8_t *p = bytes.data + at;
        size_t len = p[1] & 0x7f, extra = len == 126 ? 2 : len == 127 ? 8 : 0, head = 2 + extra;
        if (bytes.len - at < head)
            break;
        if (extra)
            len = 0;
        for (size_t i = 0; i < extra; i++)
            len = len << 8 | p[2 + i];
        if (len > BUFFER_BYTES - head) {
            close_conn(conn, "a frame that is too long");
            break;
        }
        if (bytes.len - at - head < len)
            break;
        on_frame(conn, p[0], rj_span_of(p + head, len));
        at += head + len;
    }
    return at;
}

/* The bytes of the HTTP answer; 0 when it is not whole yet. */
static size_t take_answer(struct load_conn *conn, struct rj_span bytes)
{
    const uint8_t *end = memmem(bytes.data, bytes.len, "\r\n\r\n", 4);
    if (!end)
        return 0;
    if (bytes.len < 12 || memcmp(bytes.data + 9, "101", 3) != 0)
        close_conn(conn, "the upgrade was refused");
    else
        conn->state = LOAD_OPENING;
    return (size_t)(end - bytes.data) + 4;
}

static void take(struct load_conn *conn, struct rj_span bytes)
{
    size_t used = 0;
    if (conn->state == LOAD_UPGRADING)
        used = take_answer(conn, bytes);
    if (conn->state == LOAD_OPENING || conn->state == LOAD_READY)
        used += take_frames(conn, rj_span_from(bytes, used));
    rj_buf_clear(&conn->in);
    if (used < bytes.len && conn->state != LOAD_CLOSED)
        rj_buf_put_span(&conn->in, rj_span_from(bytes, used));
}

static void on_readable(struct load_conn *conn)
{
    uint8_t *buffer = conn->load->buffer;
    /* What is left of a frame goes in front of what comes, so that a frame is always in one piece. */
    size_t kept = conn->in.len;
    if (kept >= BUFFER_BYTES) {
        close_conn(conn, "an answer that is too long");
        return;
    }
    if (kept)
        memcpy(buffer, conn->in.data, kept);
    ssize_t n = recv(conn->fd, buffer + kept, BUFFER_BYTES - kept, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        close_conn(conn, n == 0 ? "end of stream" : strerror(errno));
        return;
    }
    take(conn, rj_span_of(buffer, kept + (size_t)n));
}

static void on_dialled(struct load_conn *conn)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        close_conn(conn, strerror(error));
        return;
    }
    watch(conn, EPOLL_CTL_MOD, EPOLLIN);
    conn->state = LOAD_UPGRADING;
    rj_buf_printf(&conn->out, upgrade_request, conn->target->host);
    queue(conn);
}

static void on_ready(struct load_conn *conn, uint32_t events)
{
    if (conn->state == LOAD_DIALLING) {
        on_dialled(conn);
        return;
    }
    if (conn->state != LOAD_CLOSED && (events & EPOLLOUT))
        flush(conn);
    if (conn->state != LOAD_CLOSED && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        on_readable(conn);
}

static int wait_events(const struct load *load, struct epoll_event *events, uint64_t timeout_us)
{
    struct timespec timeout = {.tv_sec = (time_t)(timeout_us / 1000000),
                               .tv_nsec = (long)(timeout_us % 1000000) * 1000};
    int n = epoll_pwait2(load->epoll, events, EVENTS, &timeout, NULL);
    if (n < 0 && errno == ENOSYS)
        n = epoll_wait(load->epoll, events, EVENTS, (int)((timeout_us + 999) / 1000));
    return n;
}

void load_run(struct load *load, uint64_t timeout_us)
{
    struct epoll_event events[EVENTS];
    flush_queued(load);
    int n = wait_events(load, events, timeout_us);
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr == load)
            load->on_wake(load->wake_ctx);
        else
            on_ready(events[i].data.ptr, events[i].events);
    }
    load->is_interrupted = load_is_interrupted();
}

void load_watch(struct load *load, int fd, void (*on_wake)(void *ctx), void *ctx)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = load};
    load->on_wake = on_wake;
    load->wake_ctx = ctx;
    epoll_ctl(load->epoll, EPOLL_CTL_ADD, fd, &event);
}

/* ------------------------------------------------------------------------------------------- connecting */

/* To one gateway there are only as many loopback connections from one address as there are local ports. */
static void choose_source(const struct load_conn *conn)
{
    const struct sockaddr_in *to = (const void *)&conn->target->address;
    int on = 1;
    if (conn->index < PER_LOCAL_ADDRESS || to->sin_family != AF_INET ||
        ntohl(to->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET)
        return;
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr = {htonl(INADDR_LOOPBACK + conn->index / PER_LOCAL_ADDRESS)}};
    setsockopt(conn->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(conn->fd, (struct sockaddr *)&from, sizeof from))
        perror("rejoin-bench: bind");
}

bool load_dial(struct load_conn *conn, const struct load_target *target)
{
    int on = 1, narrow = NARROW_BYTES;
    conn->target = target;
    conn->state = LOAD_DIALLING;
    conn->fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0) {
        perror("rejoin-bench: socket");
        return false;
    }
    choose_source(conn);
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (conn->index >= conn->load->n - conn->load->n_narrow)
        setsockopt(conn->fd, SOL_SOCKET, SO_RCVBUF, &narrow, sizeof narrow);
    if (connect(conn->fd, (const struct sockaddr *)&target->address, target->size) && errno != EINPROGRESS) {
        close_conn(conn, strerror(errno));
        return conn->load->handler.closed != NULL;
    }
    return watch(conn, EPOLL_CTL_ADD, EPOLLOUT);
}

bool load_connect(struct load *load, const struct load_target *targets, unsigned n_targets,
                  unsigned deadline_ms)
{
    uint64_t end_ms = rj_clock_mono_ms() + deadline_ms;
    uint32_t dialled = 0;
    while (load->n_ready < load->n) {
        for (; dialled < load->n && dialled - load->n_ready < load->at_once; dialled++)
            if (!load_dial(&load->conns[dialled], &targets[dialled % n_targets]))
                return false;
        load_run(load, 100000);
        if (!load_is_sound(load) || rj_clock_mono_ms() > end_ms) {
            fprintf(stderr, "rejoin-bench: %u of %u connections were made\n", load->n_ready, load->n);
            return false;
        }
    }
    return true;
}
