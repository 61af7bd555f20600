#include "tools/bench/floor_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "tools/bench/message.h"

enum { EVENTS = 2048, BUFFER_BYTES = 1 << 20, NOBODY = 999999, SEQ_DIGITS = 10, STAMP_DIGITS = 16 };

/* What a server must keep of a connection, at least. */
struct bare_conn {
    int fd;
    uint32_t room;
    bool is_upgraded, is_queued;
    struct bare_conn *queued; /* the next one with something to send */
    struct rj_buf in, out;    /* a frame's beginning; whole frames */
};

struct bare_room {
    char name[64];
    uint64_t seq;
    struct bare_conn *members[2]; /* of a relay */
    uint32_t n;
};

struct server {
    const struct floor_plan *plan;
    int epoll, listener, log_fd;
    struct bare_conn **conns; /* in the order in which they came */
    uint32_t n, n_joined;
    struct bare_room *rooms;
    struct bare_conn *queued;
    struct rj_buf text; /* a frame being made */
    struct rj_buf log;  /* what this turn has to write */
    uint8_t *buffer;    /* what one recv brings */
};

/* ------------------------------------------------------------------------------------------- sending */

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

static void put_frame(struct rj_buf *out, struct rj_span text)
{
    rj_buf_put_u8(out, 0x81);
    if (text.len < 126) {
        rj_buf_put_u8(out, (uint8_t)text.len);
    } else {
        unsigned bytes = text.len <= UINT16_MAX ? 2 : 8;
        rj_buf_put_u8(out, bytes == 2 ? 126 : 127);
        for (unsigned i = bytes; i-- > 0;)
            rj_buf_put_u8(out, (uint8_t)((uint64_t)text.len >> (8 * i)));
    }
    rj_buf_put_span(out, text);
}

static void queue_frame(struct server *server, struct bare_conn *conn, struct rj_span text)
{
    put_frame(&conn->out, text);
    if (conn->is_queued)
        return;
    conn->is_queued = true;
    conn->queued = server->queued;
    server->queued = conn;
}

/* The bytes of the header at the start of `bytes`, without a mask, and the payload's length; 0 when the
 * header is not whole yet. */
static size_t frame_head(struct rj_span bytes, size_t *len)
{
    if (bytes.len < 2)
        return 0;
    size_t code = bytes.data[1] & 0x7f, extra = code == 126 ? 2 : code == 127 ? 8 : 0;
    if (bytes.len < 2 + extra)
        return 0;
    *len = extra ? 0 : code;
    for (size_t i = 0; i < extra; i++)
        *len = *len << 8 | bytes.data[2 + i];
    return 2 + extra;
}

static void flush(const struct server *server, struct bare_conn *conn)
{
    if (server->plan->is_coalesced) {
        send_all(conn->fd, conn->out.data, conn->out.len);
    } else {
        for (size_t at = 0, len; at < conn->out.len; at += len) {
            size_t head = frame_head(rj_span_from(rj_buf_span(&conn->out), at), &len);
            len += head;
            send_all(conn->fd, conn->out.data + at, len);
        }
    }
    if (server->plan->kind == FLOOR_RELAY || server->plan->kind == FLOOR_ECHO)
        rj_buf_clear(&conn->out);
    else
        rj_buf_free(&conn->out);
}

/* Write and fdatasync once a turn, before anything of the turn is told. */
static void commit(struct server *server)
{
    if (server->log_fd < 0 || server->log.len == 0)
        return;
    if (write(server->log_fd, server->log.data, server->log.len) != (ssize_t)server->log.len ||
        fdatasync(server->log_fd)) {
        fprintf(stderr, "rejoin-bench: floor: log: %s\n", strerror(errno));
        _exit(1);
    }
    rj_buf_clear(&server->log);
}

static void end_turn(struct server *server)
{
    struct bare_conn *conn;
    commit(server);
    while ((conn = server->queued)) {
        server->queued = conn->queued;
        conn->is_queued = false;
        flush(server, conn);
    }
}

/* Ends the text that was begun with `tail`, padded so that its frame has `bytes` on the wire. */
static struct rj_span padded(struct server *server, size_t bytes, const char *tail)
{
    size_t head = bytes - 2 < 126 ? 2 : bytes - 4 <= UINT16_MAX ? 4 : 10;
    size_t used = server->text.len + strlen(tail) + head, padding = bytes > used ? bytes - used : 0;
    memset(rj_buf_reserve(&server->text, padding), 'x', padding);
    server->text.len += padding;
    rj_buf_put_str(&server->text, tail);
    return rj_buf_span(&server->text);
}

/* ------------------------------------------------------------------------------------------- what clients
 * say */

static void on_join(struct server *server, struct bare_conn *conn, struct rj_span text)
{
    size_t skip = sizeof "420[\"room:join\",\"" - 1, tail = sizeof "\"]" - 1;
    struct rj_span name = rj_span_of(text.data + skip, text.len - skip - tail);
    const uint8_t *dash = memrchr(name.data, '-', name.len);
    uint64_t index = dash ? message_number(rj_span_from(name, (size_t)(dash - name.data) + 1)) : 0;
    if (index >= server->plan->connections)
        _exit(1);
    struct bare_room *room = &server->rooms[index];
    snprintf(room->name, sizeof room->name, "%.*s", (int)name.len, (const char *)name.data);
    if (server->plan->kind == FLOOR_RELAY && room->n < 2)
        room->members[room->n++] = conn;
    conn->room = (uint32_t)index;
    server->n_joined++;
    queue_frame(server, conn, rj_span_str("430[{\"ok\":true,\"seq\":0}]"));
}

static void on_publish(struct server *server, struct bare_conn *conn, struct rj_span text)
{
    static const char key[] = "\"data\":\"";
    struct bare_room *room = &server->rooms[conn->room];
    const uint8_t *at = memmem(text.data, text.len, key, sizeof key - 1);
    size_t data = at ? (size_t)(at - text.data) + sizeof key - 1 : 0;
    if (!at || text.len < data + MESSAGE_DATA_LEAST)
        _exit(1);
    room->seq++;
    if (server->log_fd >= 0)
        rj_buf_put_span(&server->log, text);
    rj_buf_clear(&server->text);
    rj_buf_printf(&server->text, "43%llu[{\"ok\":true,\"seq\":%llu,\"x\":\"",
                  (unsigned long long)message_number(rj_span_from(text, 2)), (unsigned long long)room->seq);
    queue_frame(server, conn, padded(server, server->plan->ack_bytes, "\"}]"));
    rj_buf_clear(&server->text);
    rj_buf_printf(&server->text, "42[\"room:message\",{\"room\":\"%s\",\"seq\":%llu,\"data\":\"%.*s",
                  room->name, (unsigned long long)room->seq, MESSAGE_DATA_LEAST,
                  (const char *)text.data + data);
    struct rj_span message = padded(server, server->plan->delivery_bytes, "\"}]");
    for (uint32_t i = 0; i < room->n; i++)
        queue_frame(server, room->members[i], message);
}

/* "42ID["NAME",ARGS]" comes back as "43ID[ARGS]". */
static void on_call(struct server *server, struct bare_conn *conn, struct rj_span text)
{
    const uint8_t *bracket = memchr(text.data, '[', text.len), *comma = memchr(text.data, ',', text.len);
    if (!bracket || !comma || comma < bracket)
        _exit(1);
    rj_buf_clear(&server->text);
    rj_buf_put_str(&server->text, "43");
    rj_buf_put(&server->text, text.data + 2, (size_t)(bracket + 1 - text.data) - 2);
    rj_buf_put_span(&server->text, rj_span_from(text, (size_t)(comma + 1 - text.data)));
    queue_frame(server, conn, rj_buf_span(&server->text));
}

static void on_text(struct server *server, struct bare_conn *conn, struct rj_span text)
{
    static const char join[] = "420[\"room:join\"";
    if (rj_span_is(text, "40"))
        queue_frame(server, conn, rj_span_str("40{\"sid\":\"floor\"}"));
    else if (text.len > sizeof join + 4 && memcmp(text.data, join, sizeof join - 1) == 0)
        on_join(server, conn, text);
    else if (server->plan->kind == FLOOR_ECHO)
        on_call(server, conn, text);
    else
        on_publish(server, conn, text);
}

/* ------------------------------------------------------------------------------------------- reading */

/* Clients mask with zero, so the payload stands there as it is. */
static size_t take_frames(struct server *server, struct bare_conn *conn, struct rj_span bytes)
{
    static const size_t mask = 4;
    size_t at = 0, head, len;
    while ((head = frame_head(rj_span_from(bytes, at), &len)) && bytes.len - at >= head + mask + len) {
        on_text(server, conn, rj_span_of(bytes.data + at + head + mask, len));
        at += head + mask + len;
    }
    return at;
}

static size_t take_request(struct server *server, struct bare_conn *conn, struct rj_span bytes)
{
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                                 "Upgrade: websocket\r\n\r\n";
    if (!memmem(bytes.data, bytes.len, "\r\n\r\n", 4))
        return 0;
    send_all(conn->fd, (const uint8_t *)answer, sizeof answer - 1);
    conn->is_upgraded = true;
    queue_frame(server, conn, rj_span_str("0{\"sid\":\"floor\"}"));
    return bytes.len; /* the client waits for the answer */
}

static void read_conn(struct server *server, struct bare_conn *conn)
{
    size_t kept = conn->in.len;
    if (kept)
        memcpy(server->buffer, conn->in.data, kept);
    ssize_t n = recv(conn->fd, server->buffer + kept, BUFFER_BYTES - kept, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        _exit(0);
    struct rj_span bytes = rj_span_of(server->buffer, kept + (size_t)n);
    size_t used = conn->is_upgraded ? take_frames(server, conn, bytes) : take_request(server, conn, bytes);
    rj_buf_free(&conn->in);
    if (used < bytes.len)
        rj_buf_put_span(&conn->in, rj_span_from(bytes, used));
}

static void accept_conns(struct server *server)
{
    int fd, on = 1;
    while (server->n < server->plan->connections &&
           (fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct bare_conn *conn = rj_calloc(1, sizeof *conn);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
        conn->fd = fd;
        server->conns[server->n++] = conn;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

/* ------------------------------------------------------------------------------------------- the loops */

static void put_digits(uint8_t *at, unsigned digits, uint64_t value)
{
    while (digits-- > 0) {
        at[digits] = (uint8_t)('0' + value % 10);
        value /= 10;
    }
}

/* Frames that are the same for all, as a server with shared frames would make them; only the seq and the time
 * of a frame change from one round to the next. */
static _Noreturn void flood(struct server *server)
{
    const struct floor_plan *plan = server->plan;
    struct rj_buf frames = {0};
    size_t seq_at, stamp_at, frame_bytes;
    rj_buf_clear(&server->text);
    rj_buf_printf(&server->text, "42[\"room:message\",{\"room\":\"%s\",\"seq\":", server->rooms[0].name);
    seq_at = server->text.len;
    rj_buf_printf(&server->text, "%0*d,\"data\":\"", SEQ_DIGITS, 0);
    stamp_at = server->text.len;
    rj_buf_printf(&server->text, "%0*d.%06d", STAMP_DIGITS, 0, NOBODY);
    struct rj_span text = padded(server, plan->delivery_bytes, "\"}]");
    for (unsigned i = 0; i < plan->frames_per_write; i++)
        put_frame(&frames, text);
    frame_bytes = frames.len / plan->frames_per_write;
    seq_at += frame_bytes - text.len;
    stamp_at += frame_bytes - text.len;
    for (uint64_t seq = 0;;) {
        uint64_t now_us = rj_clock_mono_us();
        for (uint8_t *frame = frames.data; frame < frames.data + frames.len; frame += frame_bytes) {
            put_digits(frame + seq_at, SEQ_DIGITS, ++seq);
            put_digits(frame + stamp_at, STAMP_DIGITS, now_us);
        }
        for (uint32_t i = 0; i < server->n; i++)
            send_all(server->conns[i]->fd, frames.data, frames.len);
    }
}

_Noreturn void floor_serve(const struct floor_plan *plan, int listener, int log_fd)
{
    struct server server = {.plan = plan, .listener = listener, .log_fd = log_fd};
    struct epoll_event *events = rj_calloc(EVENTS, sizeof *events);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &server};
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    server.conns = rj_calloc(plan->connections, sizeof *server.conns);
    server.rooms = plan->kind == FLOOR_IDLE || plan->kind == FLOOR_ECHO
                       ? NULL
                       : rj_calloc(plan->connections, sizeof *server.rooms);
    server.buffer = rj_alloc(BUFFER_BYTES);
    epoll_ctl(server.epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(server.epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &server)
                accept_conns(&server);
            else
                read_conn(&server, events[i].data.ptr);
        }
        end_turn(&server);
        if (plan->kind == FLOOR_FLOOD && server.n_joined == plan->connections)
            flood(&server);
    }
}
