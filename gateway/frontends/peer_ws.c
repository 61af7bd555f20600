/* The WebSocket side of a peer. The rules of libwebsockets 4.1 that shape it:
 *
 * - A request that is refused is answered before any 101, with an ordinary response.
 * - HTTP_CONFIRM_UPGRADE may come for a request whose headers are already freed (CVE-2025-11677).
 * - It lets frames pass that RFC 6455 forbids (without a mask; lengths that are not the shortest) and shows
 * no headers, so it stops reading with the 101, and the receiver and the reader (receiver.h, ws_reader.h)
 * take over. What a client sends before the 101, against §4.1, is lost with that.
 * - Frames are written RAW, whole, and never while libwebsockets still holds a part of the last write; only a
 * Close, behind which nothing follows, may be.
 * - A peer must not be killed from within its own callbacks.
 * - CLOSED may come without ESTABLISHED: DROP_PROTOCOL is what ends a session.
 */
#include <strings.h>

#include "gateway/frontends/linger.h"
#include "gateway/frontends/peer_internal.h"
#include "gateway/frontends/request.h"

/* ------------------------------------------------------------------------------------------- the upgrade */

static bool header_is(struct lws *wsi, enum lws_token_indexes token, const char *text)
{
    char value[32];
    return lws_hdr_copy(wsi, value, sizeof value, token) > 0 && strcasecmp(value, text) == 0;
}

static bool is_websocket_request(struct lws *wsi, const struct rj_request *request)
{
    enum { KEY_LEN = 24 }; /* base64 of 16 bytes */
    return request->method == RJ_HTTP_GET && header_is(wsi, WSI_TOKEN_UPGRADE, "websocket") &&
           header_is(wsi, WSI_TOKEN_VERSION, "13") && lws_hdr_total_length(wsi, WSI_TOKEN_KEY) == KEY_LEN &&
           !request->has_length && !request->is_chunked && !request->is_bad_length;
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

static int refuse_upgrade(struct rj_peer *peer)
{
    rj_peer_detach(peer);
    lws_write(peer->wsi, peer->reply.data, peer->reply.len, LWS_WRITE_HTTP_FINAL);
    rj_buf_free(&peer->reply);
    rj_peer_linger(peer);
    peer->state = RJ_PEER_CLOSED;
    return -1;
}

int rj_peer_on_confirm_upgrade(struct rj_peer *peer, void *in, size_t len)
{
    (void)in, (void)len; /* may point into freed headers */
    struct rj_request request;
    if (lws_hdr_total_length(peer->wsi, WSI_TOKEN_UPGRADE) <= 0 || peer->state != RJ_PEER_IDLE ||
        !rj_request_read(peer->wsi, rj_server_arena(peer->server), &request))
        return -1;
    peer->state = RJ_PEER_EXCHANGE;
    rj_timeq_cancel(&peer->limit);
    peer->expects_body = false;
    peer->must_close = true;
    peer->is_head = peer->says_keep = peer->is_written = false;
    /* libwebsockets drops a client that offers only subprotocols unknown to it, without a word. */
    if (!is_websocket_request(peer->wsi, &request) || request.subprotocols.len)
        rj_peer_reply(peer, &(struct rj_response){.status = 400});
    else if (!route_upgrade(peer, &request))
        rj_peer_reply(peer, &(struct rj_response){.status = 404});
    if (peer->state == RJ_PEER_ANSWERED)
        return refuse_upgrade(peer);
    peer->state = RJ_PEER_UPGRADING;
    peer->must_close = false;
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
    peer->source.on_bytes = on_bytes;
    lws_rx_flow_control(peer->wsi, 0);
    if (!rj_receiver_add(rj_server_receiver(peer->server), &peer->source, lws_get_socket_fd(peer->wsi)))
        return -1;
    peer->state = RJ_PEER_WEBSOCKET;
    peer->events->on_open(peer->owner, peer);
    return 0;
}

/* The receiver reads, never libwebsockets. */
int rj_peer_on_receive(struct rj_peer *peer, void *in, size_t len)
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
        rj_peer_linger(peer);
        return true;
    }
    if (was_flushing)
        return true; /* it had its time */
    peer->state = RJ_PEER_FLUSHING;
    rj_server_wait(peer->server, peer, RJ_WAIT_FLUSH);
    return false;
}
