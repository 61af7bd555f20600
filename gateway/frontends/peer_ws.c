/* The WebSocket side of a peer. The rules of libwebsockets 4.1 that shape it:
 *
 * - A request that is refused is answered before any 101, with an ordinary response.
 * - HTTP_CONFIRM_UPGRADE may come for a request whose headers are already freed (CVE-2025-11677).
 * - Frames are written RAW, whole, and never while libwebsockets still holds a part of the last write.
 * - A close with a code must not be started from within the peer's own callbacks, except from RECEIVE by -1.
 * - CLOSED may come without ESTABLISHED, and 5 s after the close began: DROP_PROTOCOL is what ends a session.
 */
#include <strings.h>

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
    peer->state = RJ_PEER_IDLE;
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

int rj_peer_on_established(struct rj_peer *peer, void *in, size_t len)
{
    (void)in, (void)len;
    if (peer->state != RJ_PEER_UPGRADING || !peer->events)
        return -1;
    peer->state = RJ_PEER_WEBSOCKET;
    peer->events->on_open(peer->owner, peer);
    return 0;
}

/* -------------------------------------------------------------------------------------------- messages */

static void deliver(struct rj_peer *peer, struct rj_span message)
{
    if (peer->events && peer->events->on_message)
        peer->events->on_message(peer->owner, peer, lws_frame_is_binary(peer->wsi), message);
}

int rj_peer_on_receive(struct rj_peer *peer, void *in, size_t len)
{
    struct lws *wsi = peer->wsi;
    if (peer->state != RJ_PEER_WEBSOCKET)
        return 0;
    size_t remaining = lws_remaining_packet_payload(wsi);
    size_t limit = rj_server_options(peer->server)->max_message_bytes, had = peer->input.len;
    if (len > limit - had || remaining > limit - had - len) {
        rj_buf_free(&peer->input);
        rj_peer_lose(peer, true);
        lws_close_reason(wsi, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, NULL, 0);
        return -1;
    }
    bool is_last = remaining == 0 && lws_is_final_fragment(wsi);
    if (is_last && had == 0) {
        deliver(peer, rj_span_of(in, len));
        return 0;
    }
    rj_buf_put(&peer->input, in, len);
    if (is_last) {
        struct rj_buf message = peer->input;
        peer->input = (struct rj_buf){0};
        deliver(peer, rj_buf_span(&message));
        rj_buf_free(&message);
    }
    return 0;
}

int rj_peer_on_ws_drop(struct rj_peer *peer, void *in, size_t len)
{
    (void)in, (void)len;
    rj_buf_free(&peer->input);
    rj_peer_lose(peer, false);
    return 0;
}

/* --------------------------------------------------------------------------------------------- writing */

int rj_peer_on_ws_writable(struct rj_peer *peer, void *in, size_t len)
{
    (void)in, (void)len;
    if (peer->state != RJ_PEER_WEBSOCKET || lws_partial_buffered(peer->wsi))
        return 0;
    peer->unsent_bytes = 0;
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

void rj_peer_kill(struct rj_peer *peer)
{
    lws_close_reason(peer->wsi, (enum lws_close_status)peer->close_code, NULL, 0);
    lws_set_timeout(peer->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
}
