#include "tools/bench/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"

enum { BUFFER_BYTES = 1 << 20, EVENTS = 256, AT_ONCE = 128 };

static const char upgrade_request[] = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
                                      "Host: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                                      "Sec-WebSocket-Version: 13\r\n"
                                      "Sec-WebSocket-Key: cmVqb2luLWJlbmNoLWtleQ==\r\n\r\n";

uint64_t load_raise_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

void load_init(struct load *load, uint32_t n, const struct load_handler *handler)
{
    *load = (struct load){.n = n, .epoll = epoll_create1(EPOLL_CLOEXEC)};
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

/* ------------------------------------------------------------------------------------------ writing */

static void watch(struct load_conn *conn, int op, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = conn};
    epoll_ctl(conn->load->epoll, op, conn->fd, &event);
}

static void close_conn(struct load_conn *conn, const char *why)
{
    if (conn->state == LOAD_CLOSED)
        return;
    if (conn->load->n_closed++ == 0)
        fprintf(stderr, "rejoin-bench: connection %u closed: %s\n", conn->index, why);
    conn->load->n_ready -= conn->state == LOAD_READY;
    conn->state = LOAD_CLOSED;
    close(conn->fd);
    conn->fd = -1;
}

static void flush_out(struct load_conn *conn)
{
    ssize_t n = send(conn->fd, conn->out.data, conn->out.len, MSG_NOSIGNAL);
    if (n < 0)
        return;
    memmove(conn->out.data, conn->out.data + n, conn->out.len - (size_t)n);
    conn->out.len -= (size_t)n;
    if (conn->out.len == 0)
        watch(conn, EPOLL_CTL_MOD, EPOLLIN);
}

static void send_bytes(struct load_conn *conn, const void *bytes, size_t len)
{
    ssize_t n = 0;
    if (conn->out.len == 0)
        n = send(conn->fd, bytes, len, MSG_NOSIGNAL);
    if (n < 0)
        n = 0;
    if ((size_t)n == len)
        return;
    if (conn->out.len == 0)
        watch(conn, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    rj_buf_put(&conn->out, (const uint8_t *)bytes + n, len - (size_t)n);
}

void load_send(struct load_conn *conn, const void *text, size_t len)
{
    static uint8_t frame[70000];
    size_t head = 0;
    if (conn->state == LOAD_CLOSED || len > 65535)
        return;
    frame[head++] = 0x81;
    if (len < 126) {
        frame[head++] = (uint8_t)(0x80 | len);
    } else {
        frame[head++] = 0x80 | 126;
        frame[head++] = (uint8_t)(len >> 8);
        frame[head++] = (uint8_t)len;
    }
    memset(frame + head, 0, 4);
    head += 4;
    memcpy(frame + head, text, len);
    send_bytes(conn, frame, head + len);
}

/* ------------------------------------------------------------------------------------------ reading */

static void become_ready(struct load_conn *conn)
{
    conn->state = LOAD_READY;
    conn->load->n_ready++;
    if (conn->load->handler.ready)
        conn->load->handler.ready(conn->load->handler.ctx, conn);
}

static void on_connected(struct load_conn *conn, struct rj_span text)
{
    const uint8_t *at = memmem(text.data, text.len, "\"sid\":\"", 7);
    for (size_t i = 0; at && i + 1 < sizeof conn->sid && at[7 + i] != '"'; i++)
        conn->sid[i] = (char)at[7 + i];
    become_ready(conn);
}

static void on_packet(struct load_conn *conn, struct rj_span text)
{
    struct load *load = conn->load;
    if (text.len == 0)
        return;
    switch (text.data[0]) {
    case '0': on_connected(conn, text); return;
    case '2':
        if (load->handler.event)
            load->handler.event(load->handler.ctx, conn, text);
        return;
    case '3':
        if (load->handler.ack)
            load->handler.ack(load->handler.ctx, conn, text);
        return;
    default: close_conn(conn, "an unexpected packet"); return;
    }
}

static void on_frame(struct load_conn *conn, uint8_t opcode, struct rj_span text)
{
    conn->load->frames++;
    if (conn->load->is_raw)
        return;
    if (opcode == 8) {
        close_conn(conn, "closed by the server");
        return;
    }
    if (opcode != 1 || text.len == 0)
        return;
    switch (text.data[0]) {
    case '0':
        load_send(conn, "40", 2);
        conn->state = LOAD_JOINING;
        return;
    case '2': load_send(conn, "3", 1); return;
    case '4': on_packet(conn, rj_span_from(text, 1)); return;
    default: return;
    }
}

/* Bytes of whole frames at the start of `bytes`, each handled. */
static size_t take_frames(struct load_conn *conn, struct rj_span bytes)
{
    size_t at = 0;
    while (bytes.len - at >= 2 && conn->state != LOAD_CLOSED) {
        const uint8_t *p = bytes.data + at;
        size_t head = 2, len = p[1] & 0x7f;
        if (len == 126) {
            head = 4;
            if (bytes.len - at < head)
                break;
            len = (size_t)p[2] << 8 | p[3];
        } else if (len == 127) {
            head = 10;
            if (bytes.len - at < head)
                break;
            len = 0;
            for (int i = 2; i < 10; i++)
                len = len << 8 | p[i];
        }
        if (bytes.len - at - head < len)
            break;
        on_frame(conn, p[0] & 0x0f, rj_span_of(p + head, len));
        at += head + len;
    }
    return at;
}

/* The end of the HTTP answer; 0 when it is not there yet. */
static size_t take_answer(struct load_conn *conn, struct rj_span bytes)
{
    const uint8_t *end = memmem(bytes.data, bytes.len, "\r\n\r\n", 4);
    if (!end)
        return 0;
    if (bytes.len < 12 || memcmp(bytes.data + 9, "101", 3) != 0) {
        close_conn(conn, "the upgrade was refused");
        return bytes.len;
    }
    conn->state = LOAD_OPENING;
    return (size_t)(end - bytes.data) + 4;
}

static void take(struct load_conn *conn, struct rj_span bytes)
{
    size_t used = 0;
    if (conn->state == LOAD_UPGRADING) {
        used = take_answer(conn, bytes);
        if (used == 0)
            goto keep;
    }
    used += take_frames(conn, rj_span_from(bytes, used));
keep:
    if (conn->state == LOAD_CLOSED || used == bytes.len) {
        rj_buf_free(&conn->in);
        return;
    }
    struct rj_buf rest = {0};
    rj_buf_put_span(&rest, rj_span_from(bytes, used));
    rj_buf_free(&conn->in);
    conn->in = rest;
}

static void on_readable(struct load_conn *conn)
{
    struct load *load = conn->load;
    /* What is left of a frame goes in front of what comes, so that a frame is always in one piece. */
    size_t kept = conn->in.len < BUFFER_BYTES / 2 ? conn->in.len : 0;
    if (kept)
        memcpy(load->buffer, conn->in.data, kept);
    ssize_t n = recv(conn->fd, load->buffer + kept, BUFFER_BYTES - kept, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        close_conn(conn, n == 0 ? "end of stream" : strerror(errno));
        return;
    }
    load->bytes += (uint64_t)n;
    take(conn, rj_span_of(load->buffer, kept + (size_t)n));
}

static void on_writable(struct load_conn *conn)
{
    if (conn->state == LOAD_CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) {
            close_conn(conn, strerror(error));
            return;
        }
        watch(conn, EPOLL_CTL_MOD, EPOLLIN);
        if (conn->load->is_raw) {
            become_ready(conn);
            return;
        }
        conn->state = LOAD_UPGRADING;
        send_bytes(conn, upgrade_request, sizeof upgrade_request - 1);
    } else {
        flush_out(conn);
    }
}

void load_run(struct load *load, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(load->epoll, events, EVENTS, timeout_ms);
    for (int i = 0; i < n; i++) {
        struct load_conn *conn = events[i].data.ptr;
        if (conn->state != LOAD_CLOSED && (events[i].events & EPOLLOUT))
            on_writable(conn);
        if (conn->state != LOAD_CLOSED && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
            on_readable(conn);
    }
}

/* ------------------------------------------------------------------------------------------ connecting */

static bool dial(struct load_conn *conn, uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int on = 1;
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0) {
        perror("rejoin-bench: socket");
        return false;
    }
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(conn->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS) {
        perror("rejoin-bench: connect");
        return false;
    }
    watch(conn, EPOLL_CTL_ADD, EPOLLOUT);
    return true;
}

static void join_room(struct load_conn *conn, load_room_name *room)
{
    char name[64], text[128];
    room(conn->index, name, sizeof name);
    int len = snprintf(text, sizeof text, "420[\"room:join\",\"%s\"]", name);
    load_send(conn, text, (size_t)len);
}

bool load_connect(struct load *load, const uint16_t *ports, unsigned n_ports, load_room_name *room,
                  unsigned deadline_ms)
{
    uint64_t end_ms = rj_clock_mono_ms() + deadline_ms;
    uint32_t dialled = 0, joined = 0;
    while (load->n_ready < load->n) {
        while (dialled < load->n && dialled - load->n_ready < AT_ONCE) {
            if (!dial(&load->conns[dialled], ports[dialled % n_ports]))
                return false;
            dialled++;
        }
        load_run(load, 100);
        if (load->n_closed || rj_clock_mono_ms() > end_ms) {
            fprintf(stderr, "rejoin-bench: %u of %u connections are ready\n", load->n_ready, load->n);
            return false;
        }
    }
    for (; room && joined < load->n; joined++)
        join_room(&load->conns[joined], room);
    return true;
}
