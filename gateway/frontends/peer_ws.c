/* The WebSocket side of a peer. The rules of libwebsockets 4.1 that shape it:
 *
 * - It gets the socket with the request to upgrade, when that has been read and accepted: a request of our
 * own making, which says no more than it needs for the 101. So nothing that a client writes into a head
 * reaches it (CVE-2025-11677 was one of the ways to hurt it), and it never reads from a socket. A request
 * that is refused is answered before, with an ordinary response.
 * - It lets frames pass that RFC 6455 forbids (without a mask; lengths that are not the shortest) and shows
 * no headers, so with the 101 the receiver and the reader (receiver.h, ws_reader.h) take over. What a client
 * sent before the 101, against §4.1, waited in the kernel and is read then.
 * - It takes for its own only subprotocols that were registered; ours are written by us.
 * - Frames are written RAW, whole, and never while libwebsockets still holds a part of the last write; only a
 * Close, behind which nothing follows, may be.
 * - A peer must not be killed from within its own callbacks.
 * - CLOSED may come without ESTABLISHED: DROP_PROTOCOL is what ends a session.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <strings.h>

#include "gateway/frontends/linger.h"
#include "gateway/frontends/peer_internal.h"
#include "proto/base/mem.h"

/* ------------------------------------------------------------------------------------------- the upgrade */

static bool is_word(struct rj_span a, const char *word)
{
    return a.len == strlen(word) && strncasecmp((const char *)a.data, word, a.len) == 0;
}

/* 16 bytes in base64. */
static bool is_key(struct rj_span key)
{
    enum { LEN = 24 };
    if (key.len != LEN || key.data[LEN - 1] != '=' || key.data[LEN - 2] != '=')
        return false;
    for (size_t i = 0; i < LEN - 2; i++) {
        if (!isalnum(key.data[i]) && key.data[i] != '+' && key.data[i] != '/')
            return false;
    }
    return true;
}

/* The first of the subprotocols that the client offers, which it likes best: the reference takes that one,
 * and browsers fail a connection where none is taken. False: there is an offer, but it is none. */
static bool choose_subprotocol(struct rj_span offer, struct rj_span *chosen)
{
    enum { MAX_LEN = 256 };
    size_t len = 0;
    while (len < offer.len && rj_http_is_token(offer.data[len]))
        len++;
    *chosen = rj_span_of(offer.data, len);
    bool is_end = len == offer.len || strchr(", \t", offer.data[len]);
    return !offer.data || (len > 0 && len <= MAX_LEN && is_end);
}

static bool is_websocket_request(const struct rj_request *request)
{
    return request->method == RJ_HTTP_GET && !request->is_http_1_0 &&
           is_word(request->upgrade, "websocket") && rj_span_is(request->ws_version, "13") &&
           is_key(request->ws_key) && !request->has_length;
}

/* It may come again with the version that we know. */
static bool is_of_other_version(const struct rj_request *request)
{
    return is_word(request->upgrade, "websocket") && !rj_span_is(request->ws_version, "13");
}

static bool route_upgrade(struct rj_peer *peer, const struct rj_request *request)
{
    const struct rj_server_options *options = rj_server_options(peer->server);
    for (size_t i = 0; i < options->n_routes; i++) {
        const struct rj_route *one = &options->routes[i];
        if (one->on_upgrade && one->on_upgrade(one->context, peer, request))
            return true;
    }
    return false;
}

/* What libwebsockets needs to answer. */
static void hand_over(struct rj_peer *peer, const struct rj_request *request)
{
    char text[256];
    int len = snprintf(text, sizeof text,
                       "GET / HTTP/1.1\r\nHost: rejoin\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                       "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %.*s\r\n\r\n",
                       (int)request->ws_key.len, (const char *)request->ws_key.data);
    peer->state = RJ_PEER_UPGRADING;
    peer->request = NULL;
    rj_receiver_remove(rj_server_receiver(peer->server), &peer->source);
    rj_server_to_websocket(peer->server, peer, rj_span_of(text, (size_t)len));
}

bool rj_peer_upgrade(struct rj_peer *peer, const struct rj_request *request)
{
    struct rj_span subprotocol = {0};
    peer->must_close = true; /* with a refusal */
    if (!is_websocket_request(request) || !choose_subprotocol(request->ws_protocols, &subprotocol))
        rj_peer_reply(peer, &(struct rj_response){.status = 400,
                                                  .ws_version = is_of_other_version(request) ? "13" : NULL});
    else if (!route_upgrade(peer, request))
        rj_peer_reply(peer, &(struct rj_response){.status = 404});
    if (peer->state == RJ_PEER_ANSWERED)
        return false;
    if (subprotocol.len)
        peer->subprotocol = rj_strndup((const char *)subprotocol.data, subprotocol.len);
    hand_over(peer, request);
    return true;
}

int rj_peer_on_confirm_upgrade(struct rj_peer *peer, void *in, size_t len)
{
    (void)in, (void)len;
    return peer->state == RJ_PEER_UPGRADING ? 0 : -1;
}

int rj_peer_on_add_headers(struct rj_peer *peer, void *in, size_t len)
{
    struct lws_process_html_args *args = in;
    (void)len;
    if (!peer->subprotocol)
        return 0;
    int n = snprintf(args->p, (size_t)args->max_len, "Sec-WebSocket-Protocol: %s\r\n", peer->subprotocol);
    free(peer->subprotocol);
    peer->subprotocol = NULL;
    if (n >= args->max_len)
        return -1;
    args->p += n;
    return 0;
}

/* ---------------------------------------------------------------------------------------------- frames */

static void break_off(struct rj_peer *peer, const struct rj_ws_item *item)
{
    rj_server_count(peer->server)->broke_rules++;
    peer->close_code = item->code;
    rj_peer_lose(peer, item->why);
    rj_server_close_later(peer->server, peer);
}

/* The other side closes: it gets its code back (RFC 6455 §5.5.1). */
static void close_back(struct rj_peer *peer, unsigned code)
{
    enum { CODE_NONE = 1005 };
    peer->close_code = code == CODE_NONE ? 0 : code;
    rj_peer_lose(peer, NULL);
    rj_server_close_later(peer->server, peer);
}

/* Only the last one needs an answer (§5.5.3), so that a flood of pings costs one pong a read. */
static void keep_pong(struct rj_peer *peer, struct rj_span payload)
{
    rj_buf_clear(&peer->pong);
    rj_buf_put_u8(&peer->pong, 0x8a);
    rj_buf_put_u8(&peer->pong, (uint8_t)payload.len);
    rj_buf_put_span(&peer->pong, payload);
}

static void send_pong(struct rj_peer *peer)
{
    if (peer->pong.len == 0 || !rj_peer_can_write(peer))
        return;
    rj_peer_write(peer, rj_buf_span(&peer->pong)); /* a broken socket shows when it is read */
    rj_buf_free(&peer->pong);
}

static void on_item(struct rj_peer *peer, enum rj_ws_kind kind, const struct rj_ws_item *item)
{
    switch (kind) {
    case RJ_WS_MESSAGE:
        if (peer->events && peer->events->on_message)
            peer->events->on_message(peer->owner, peer, item->is_binary, item->data);
        break;
    case RJ_WS_PINGED: keep_pong(peer, item->data); break;
    case RJ_WS_SAID_CLOSE: close_back(peer, item->code); break;
    case RJ_WS_BROKE_RULES: break_off(peer, item); break;
    case RJ_WS_PONGED:
    case RJ_WS_MORE: break;
    }
}

/* What is begun must end in time, counted from its first byte. */
static void watch_rest(struct rj_peer *peer, bool is_new)
{
    if (!rj_ws_reader_waits(&peer->reader))
        rj_timeq_cancel(&peer->limit);
    else if (is_new || !rj_timeq_holds(&peer->limit))
        rj_server_wait(peer->server, peer, RJ_WAIT_MESSAGE);
}

static void on_bytes(struct rj_source *source, uint8_t *bytes, ssize_t got)
{
    struct rj_peer *peer = (struct rj_peer *)((char *)source - offsetof(struct rj_peer, source));
    const struct rj_server_options *options = rj_server_options(peer->server);
    const struct rj_ws_limits limits = {options->max_message_bytes, options->max_fragments};
    size_t len = got > 0 ? (size_t)got : 0;
    bool had_message = false;
    if (got <= 0) {
        peer->is_ended = true;
        rj_peer_lose(peer, NULL);
        rj_server_close_later(peer->server, peer);
        return;
    }
    while (peer->state == RJ_PEER_WEBSOCKET) {
        struct rj_ws_item item;
        enum rj_ws_kind kind = rj_ws_reader_next(&peer->reader, &limits, &bytes, &len, &item);
        if (kind == RJ_WS_MORE)
            break;
        had_message = had_message || kind == RJ_WS_MESSAGE;
        on_item(peer, kind, &item);
    }
    if (peer->state != RJ_PEER_WEBSOCKET)
        return;
    watch_rest(peer, had_message);
    send_pong(peer);
}

int rj_peer_on_established(struct rj_peer *peer, void *in, size_t len)
{
    (void)in, (void)len;
    if (peer->state != RJ_PEER_UPGRADING || !peer->events)
        return -1;
    peer->source.on_ready = NULL;
    peer->source.on_bytes = on_bytes;
    lws_rx_flow_control(peer->wsi, 0);
    if (!rj_receiver_add(rj_server_receiver(peer->server), &peer->source, lws_get_socket_fd(peer->wsi)))
        return -1;
    peer->state = RJ_PEER_WEBSOCKET;
    peer->events->on_open(peer->owner, peer);
    return 0;
}

/* Requests are not libwebsockets' to read, nor are frames. */
int rj_peer_on_unexpected(struct rj_peer *peer, void *in, size_t len)
{
    (void)peer, (void)in, (void)len;
    return -1;
}

/* The socket is still open, but not for long. */
int rj_peer_on_ws_drop(struct rj_peer *peer, void *in, size_t len)
{
    (void)in, (void)len;
    peer->is_ended = true;
    rj_receiver_remove(rj_server_receiver(peer->server), &peer->source);
    rj_timeq_cancel(&peer->limit);
    rj_ws_reader_free(&peer->reader);
    rj_peer_lose(peer, NULL);
    return 0;
}

/* --------------------------------------------------------------------------------------------- writing */

int rj_peer_on_ws_writable(struct rj_peer *peer, void *in, size_t len)
{
    (void)in, (void)len;
    if (lws_partial_buffered(peer->wsi))
        return 0;
    if (peer->state == RJ_PEER_FLUSHING)
        rj_server_close_later(peer->server, peer);
    if (peer->state != RJ_PEER_WEBSOCKET)
        return 0;
    peer->unsent_bytes = 0;
    send_pong(peer);
    if (peer->events && peer->events->on_writable)
        peer->events->on_writable(peer->owner, peer);
    return 0;
}

bool rj_peer_can_write(const struct rj_peer *peer)
{
    return peer->state == RJ_PEER_WEBSOCKET && !lws_partial_buffered(peer->wsi);
}

size_t rj_peer_unsent_bytes(const struct rj_peer *peer)
{
    return peer->unsent_bytes;
}

bool rj_peer_write(struct rj_peer *peer, struct rj_span frames)
{
    /* RAW leaves the bytes as they are; the signature knows no const. 0 means that all is kept. */
    if (lws_write(peer->wsi, (unsigned char *)(uintptr_t)frames.data, frames.len, LWS_WRITE_RAW) < 0)
        return false;
    peer->unsent_bytes = lws_partial_buffered(peer->wsi) ? frames.len : 0;
    return true;
}

void rj_peer_close(struct rj_peer *peer, unsigned code)
{
    rj_peer_detach(peer);
    if (peer->state != RJ_PEER_WEBSOCKET)
        return;
    peer->state = RJ_PEER_CLOSED;
    peer->close_code = code;
    rj_server_close_later(peer->server, peer);
}

/* False: the connection is broken. */
static bool write_close(const struct rj_peer *peer)
{
    uint8_t frame[4] = {0x88, 0, (uint8_t)(peer->close_code >> 8), (uint8_t)peer->close_code};
    frame[1] = peer->close_code ? 2 : 0;
    return lws_write(peer->wsi, frame, 2U + frame[1], LWS_WRITE_RAW) >= 0;
}

/* Keeps the connection open beside libwebsockets, which is about to close its own descriptor, until what was
 * written can be expected to have arrived. */
static void linger(struct rj_peer *peer)
{
    int fd = fcntl(lws_get_socket_fd(peer->wsi), F_DUPFD_CLOEXEC, 0);
    if (fd >= 0)
        rj_linger_add(rj_server_linger(peer->server), fd);
}

/* libwebsockets' own way of closing would read, and be reset by what it does not read; so it learns nothing
 * of the Close frame and just closes. */
bool rj_peer_ws_end(struct rj_peer *peer)
{
    bool was_flushing = peer->state == RJ_PEER_FLUSHING;
    rj_receiver_remove(rj_server_receiver(peer->server), &peer->source);
    rj_timeq_cancel(&peer->limit);
    rj_ws_reader_free(&peer->reader);
    if (peer->is_ended || (!was_flushing && !write_close(peer)))
        return true;
    if (!lws_partial_buffered(peer->wsi)) {
        linger(peer);
        return true;
    }
    if (was_flushing)
        return true; /* it had its time */
    peer->state = RJ_PEER_FLUSHING;
    rj_server_wait(peer->server, peer, RJ_WAIT_FLUSH);
    return false;
}
