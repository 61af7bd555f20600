#include "tests/support/ws_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/clock.h"

/* ------------------------------------------------------------------------------------------------- bytes */

static bool connect_with(struct rj_ws_client *client, uint16_t port, int receive_bytes)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *client = (struct rj_ws_client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (client->fd < 0)
        return false;
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (receive_bytes)
        setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    if (connect(client->fd, (struct sockaddr *)&address, sizeof address) == 0)
        return true;
    rj_ws_disconnect(client);
    return false;
}

bool rj_ws_connect(struct rj_ws_client *client, uint16_t port)
{
    return connect_with(client, port, 0);
}

bool rj_ws_connect_narrow(struct rj_ws_client *client, uint16_t port)
{
    return connect_with(client, port, 2304);
}

void rj_ws_disconnect(struct rj_ws_client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    rj_buf_free(&client->in);
}

void rj_ws_reset(struct rj_ws_client *client)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    rj_ws_disconnect(client);
}

bool rj_ws_send_raw(struct rj_ws_client *client, const void *data, size_t len)
{
    const uint8_t *at = data;
    while (len) {
        ssize_t sent = send(client->fd, at, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        len -= (size_t)sent;
    }
    return true;
}

bool rj_ws_send_str(struct rj_ws_client *client, const char *text)
{
    return rj_ws_send_raw(client, text, strlen(text));
}

/* 1: more bytes came; 0: closed; -1: nothing until the end. */
static int fill(struct rj_ws_client *client, uint64_t end_ms)
{
    uint64_t now_ms = rj_clock_mono_ms();
    struct pollfd one = {.fd = client->fd, .events = POLLIN};
    if (client->fd < 0)
        return 0;
    if (poll(&one, 1, now_ms < end_ms ? (int)(end_ms - now_ms) : 0) <= 0)
        return -1;
    ssize_t got = recv(client->fd, rj_buf_reserve(&client->in, 65536), 65536, 0);
    if (got <= 0)
        return 0;
    client->in.len += (size_t)got;
    return 1;
}

static bool have(struct rj_ws_client *client, size_t len, uint64_t end_ms)
{
    while (client->in.len < len) {
        if (fill(client, end_ms) != 1)
            return false;
    }
    return true;
}

static void drop(struct rj_ws_client *client, size_t len)
{
    client->in.len -= len;
    memmove(client->in.data, client->in.data + len, client->in.len);
}

bool rj_ws_is_closed(struct rj_ws_client *client, unsigned deadline_ms)
{
    uint64_t end_ms = rj_clock_mono_ms() + deadline_ms;
    int state;
    while ((state = fill(client, end_ms)) == 1)
        ;
    return state == 0;
}

/* -------------------------------------------------------------------------------------------------- HTTP */

bool rj_http_send(struct rj_ws_client *client, const char *method, const char *path, const char *headers,
                  const char *body)
{
    struct rj_buf out = {0};
    rj_buf_printf(&out, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", method, path, headers ? headers : "");
    if (body)
        rj_buf_printf(&out, "Content-Length: %zu\r\n", strlen(body));
    rj_buf_put_str(&out, "\r\n");
    if (body)
        rj_buf_put_str(&out, body);
    bool is_sent = rj_ws_send_raw(client, out.data, out.len);
    rj_buf_free(&out);
    return is_sent;
}

static size_t content_length(struct rj_buf *head)
{
    const char *line = strcasestr(rj_buf_cstr(head), "\r\nContent-Length: ");
    return line ? strtoul(line + 18, NULL, 10) : 0;
}

bool rj_http_read_head(struct rj_ws_client *client, struct rj_http_answer *answer, unsigned deadline_ms)
{
    uint64_t end_ms = rj_clock_mono_ms() + deadline_ms;
    const char *end;
    *answer = (struct rj_http_answer){0};
    while (!client->in.len || !(end = strstr(rj_buf_cstr(&client->in), "\r\n\r\n"))) {
        if (fill(client, end_ms) != 1)
            return false;
    }
    size_t head = (size_t)(end + 4 - (const char *)client->in.data);
    rj_buf_put(&answer->head, client->in.data, head);
    drop(client, head);
    return sscanf(rj_buf_cstr(&answer->head), "HTTP/1.%*d %d", &answer->status) == 1;
}

bool rj_http_read(struct rj_ws_client *client, struct rj_http_answer *answer, unsigned deadline_ms)
{
    uint64_t end_ms = rj_clock_mono_ms() + deadline_ms;
    if (!rj_http_read_head(client, answer, deadline_ms))
        return false;
    size_t len = content_length(&answer->head);
    if (!have(client, len, end_ms))
        return false;
    rj_buf_put(&answer->body, client->in.data, len);
    drop(client, len);
    return true;
}

bool rj_http_once(uint16_t port, const char *method, const char *path, const char *headers, const char *body,
                  struct rj_http_answer *answer)
{
    struct rj_ws_client client;
    *answer = (struct rj_http_answer){0};
    if (!rj_ws_connect(&client, port))
        return false;
    bool is_done = rj_http_send(&client, method, path, headers, body) &&
                   rj_http_read(&client, answer, RJ_WS_DEADLINE_MS);
    rj_ws_disconnect(&client);
    return is_done;
}

const char *rj_http_body(struct rj_http_answer *answer)
{
    return rj_buf_cstr(&answer->body);
}

bool rj_http_has(struct rj_http_answer *answer, const char *line)
{
    const char *at = strcasestr(rj_buf_cstr(&answer->head), line);
    return at && at > (const char *)answer->head.data && at[-1] == '\n';
}

void rj_http_free(struct rj_http_answer *answer)
{
    rj_buf_free(&answer->head);
    rj_buf_free(&answer->body);
}

/* --------------------------------------------------------------------------------------------- WebSocket */

int rj_ws_open(struct rj_ws_client *client, uint16_t port, const char *path, const char *headers)
{
    struct rj_buf more = {0};
    struct rj_http_answer answer = {0};
    if (!rj_ws_connect(client, port))
        return 0;
    rj_buf_printf(&more,
                  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s",
                  headers ? headers : "");
    bool is_read = rj_http_send(client, "GET", path, rj_buf_cstr(&more), NULL) &&
                   rj_http_read(client, &answer, RJ_WS_DEADLINE_MS);
    int status = is_read ? answer.status : 0;
    rj_buf_free(&more);
    rj_http_free(&answer);
    return status;
}

bool rj_ws_send_frame(struct rj_ws_client *client, unsigned opcode, bool is_final, const void *data,
                      size_t len)
{
    static const uint8_t mask[4] = {0x11, 0x22, 0x33, 0x44};
    struct rj_buf out = {0};
    rj_buf_put_u8(&out, (uint8_t)(opcode | (is_final ? 0x80U : 0)));
    unsigned extra = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;
    rj_buf_put_u8(&out, (uint8_t)(0x80 | (extra == 0 ? len : extra == 2 ? 126 : 127)));
    for (unsigned i = extra; i-- > 0;)
        rj_buf_put_u8(&out, (uint8_t)((uint64_t)len >> (8 * i)));
    rj_buf_put(&out, mask, sizeof mask);
    uint8_t *to = rj_buf_reserve(&out, len);
    for (size_t i = 0; i < len; i++)
        to[i] = ((const uint8_t *)data)[i] ^ mask[i & 3];
    out.len += len;
    bool is_sent = rj_ws_send_raw(client, out.data, out.len);
    rj_buf_free(&out);
    return is_sent;
}

bool rj_ws_send_text(struct rj_ws_client *client, const char *text)
{
    return rj_ws_send_frame(client, RJ_WS_TEXT, true, text, strlen(text));
}

int rj_ws_receive(struct rj_ws_client *client, struct rj_buf *data, unsigned deadline_ms)
{
    uint64_t end_ms = rj_clock_mono_ms() + deadline_ms;
    rj_buf_clear(data);
    if (!have(client, 2, end_ms))
        return -1;
    unsigned opcode = client->in.data[0] & 0xf;
    uint64_t len = client->in.data[1] & 0x7f;
    size_t header = 2;
    if (len >= 126) {
        header += len == 126 ? 2 : 8;
        if (!have(client, header, end_ms))
            return -1;
        len = 0;
        for (size_t i = 2; i < header; i++)
            len = len << 8 | client->in.data[i];
    }
    if (!have(client, header + len, end_ms))
        return -1;
    rj_buf_put(data, client->in.data + header, len);
    drop(client, header + len);
    return (int)opcode;
}

bool rj_ws_expect(struct rj_ws_client *client, const char *prefix, struct rj_buf *data, unsigned deadline_ms)
{
    uint64_t end_ms = rj_clock_mono_ms() + deadline_ms;
    for (;;) {
        uint64_t now_ms = rj_clock_mono_ms();
        int opcode = rj_ws_receive(client, data, now_ms < end_ms ? (unsigned)(end_ms - now_ms) : 0);
        if (opcode < 0)
            return false;
        if (opcode == RJ_WS_TEXT && strncmp(rj_buf_cstr(data), prefix, strlen(prefix)) == 0)
            return true;
    }
}

int rj_ws_close_code(struct rj_ws_client *client, unsigned deadline_ms)
{
    struct rj_buf data = {0};
    uint64_t end_ms = rj_clock_mono_ms() + deadline_ms;
    int opcode = 0, code = -1;
    while (opcode >= 0 && opcode != RJ_WS_CLOSE) {
        uint64_t now_ms = rj_clock_mono_ms();
        opcode = rj_ws_receive(client, &data, now_ms < end_ms ? (unsigned)(end_ms - now_ms) : 0);
    }
    if (opcode == RJ_WS_CLOSE)
        code = data.len >= 2 ? data.data[0] << 8 | data.data[1] : 0;
    rj_buf_free(&data);
    return code;
}
