/* The HTTP side of a peer. The rules of libwebsockets 4.1 that shape it:
 *
 * - Connections are kept, but nothing may follow a request before it is answered. When libwebsockets finds a
 * request with a body among bytes that it had set aside, it reads the body from the wrong place and then
 * loops for good. So a reply is always written from HTTP_WRITEABLE, behind the whole request: by then
 * libwebsockets has shown us whatever came too early, as another FILTER_HTTP_CONNECTION, CONFIRM_UPGRADE or
 * BODY_COMPLETION, and each of them closes the connection. Real clients do not pipeline. (A reply that closes
 * the connection anyway may go at once.)
 * - The reply is one write, headers and body.
 * - A held GET must be freed of libwebsockets' timeout, or it is killed.
 * - HTTP_DROP_PROTOCOL comes whenever a transaction begins or ends, also when the other side went away, and
 * when libwebsockets gives up on a head that it cannot read. It says nothing to the client then, so we do.
 * - Its own timeouts start again with every byte; ours (rj_server_wait) do not, and come first.
 */
#include <stdlib.h>

#include "gateway/frontends/peer_internal.h"
#include "gateway/frontends/request.h"
#include "proto/base/mem.h"

/* A body that nobody wants is read and discarded up to this size, so that the connection lives on. */
static uint64_t discard_limit(const struct rj_peer *peer)
{
    const uint64_t least = 64U << 20, message = rj_server_options(peer->server)->max_message_bytes;
    return message > least ? message : least;
}

static void forget_exchange(struct rj_peer *peer)
{
    rj_buf_free(&peer->reply);
    rj_buf_free(&peer->input);
    free(peer->allow_origin);
    peer->allow_origin = NULL;
    peer->varies_by_origin = false;
    peer->state = RJ_PEER_IDLE;
}

static bool ends_connection(const struct rj_peer *peer)
{
    return peer->must_close || peer->is_last;
}

/* -1: the connection is to be closed. The exchange ends when the kernel has the whole reply: libwebsockets
 * would give it 5 s. */
static int write_reply(struct rj_peer *peer)
{
    bool is_lost = !peer->is_written &&
                   lws_write(peer->wsi, peer->reply.data, peer->reply.len, LWS_WRITE_HTTP_FINAL) < 0;
    peer->is_written = true;
    rj_buf_free(&peer->reply);
    if (!is_lost && lws_partial_buffered(peer->wsi))
        return 0; /* HTTP_WRITEABLE comes again */
    forget_exchange(peer);
    if (is_lost || ends_connection(peer)) {
        if (peer->must_close && !is_lost)
            rj_peer_linger(peer); /* there may be input that nobody reads */
        peer->state = RJ_PEER_CLOSED;
        return -1;
    }
    if (lws_http_transaction_completed(peer->wsi))
        return -1;
    rj_server_wait(peer->server, peer, RJ_WAIT_NEXT);
    return 0;
}

/* The reply leaves when the socket is writable and the request has been read to its end. */
static void want_write(struct rj_peer *peer)
{
    if (peer->expects_body && !peer->is_body_done && !peer->must_close)
        return;
    /* Somebody who does not read is not waited for forever. */
    lws_set_timeout(peer->wsi, PENDING_TIMEOUT_HTTP_CONTENT,
                    rj_server_options(peer->server)->stuck_timeout_s);
    lws_callback_on_writable(peer->wsi);
    rj_server_poke(peer->server);
}

bool rj_peer_apply_cors(struct rj_peer *peer, const struct rj_cors *cors, const struct rj_request *request)
{
    if (!rj_cors_is_on(cors) || !rj_origin_is_valid(request->origin))
        return false;
    struct rj_span allowed = rj_cors_allowed(cors, request->origin);
    peer->allows_credentials = cors->has_credentials;
    peer->varies_by_origin = !rj_span_is(allowed, "*");
    free(peer->allow_origin);
    peer->allow_origin = allowed.len ? rj_strndup((const char *)allowed.data, allowed.len) : NULL;
    return true;
}

size_t rj_peer_put_headers(struct rj_peer *peer, size_t limit_bytes, struct rj_buf *out)
{
    return rj_request_put_headers(peer->wsi, rj_server_options(peer->server)->more_headers, limit_bytes, out);
}

void rj_peer_reply(struct rj_peer *peer, const struct rj_response *response)
{
    struct rj_response whole = *response;
    rj_peer_detach(peer);
    if (peer->state != RJ_PEER_EXCHANGE)
        return;
    peer->must_close = peer->must_close || response->wants_close;
    whole.wants_close = ends_connection(peer);
    whole.says_keep = peer->says_keep;
    whole.is_head = peer->is_head;
    whole.allow_origin = rj_span_str(peer->allow_origin);
    whole.allows_credentials = peer->allows_credentials;
    whole.varies_by_origin = peer->varies_by_origin;
    rj_response_put(&peer->reply, &whole);
    peer->state = RJ_PEER_ANSWERED;
    want_write(peer);
}

void rj_peer_reply_read_only(struct rj_peer *peer)
{
    rj_peer_reply(peer, &(struct rj_response){.status = 405, .allow = "GET, HEAD"});
}

int rj_peer_on_filter_http(struct rj_peer *peer, void *in, size_t len)
{
    (void)in, (void)len;
    return peer->state != RJ_PEER_IDLE || lws_partial_buffered(peer->wsi) ? -1 : 0;
}

/* Requests whose end cannot be told for sure are not worth understanding. */
static bool has_bad_framing(const struct rj_request *request, unsigned *status)
{
    *status = 400;
    if (request->is_bad_length)
        return true;
    if (request->method == RJ_HTTP_POST) {
        *status = 411;
        return request->is_chunked || !request->has_length;
    }
    return request->is_chunked || request->length > 0;
}

static void route(struct rj_peer *peer, const struct rj_request *request)
{
    const struct rj_server_options *options = rj_server_options(peer->server);
    for (size_t i = 0; i < options->n_routes; i++) {
        const struct rj_route *one = &options->routes[i];
        if (one->on_request && one->on_request(one->context, peer, request))
            return;
    }
    rj_peer_reply(
        peer, &(struct rj_response){.status = 404, .type = "text/plain", .body = rj_span_str("Not Found\n")});
}

int rj_peer_on_http(struct rj_peer *peer, void *in, size_t len)
{
    (void)in, (void)len;
    struct rj_request request;
    unsigned status;
    if (!rj_request_read(peer->wsi, rj_server_arena(peer->server), &request))
        return -1;
    peer->state = RJ_PEER_EXCHANGE;
    peer->is_body_done = peer->is_written = false;
    peer->is_last = request.is_last;
    peer->says_keep = request.is_http_1_0 && !request.is_last;
    peer->is_head = request.method == RJ_HTTP_HEAD;
    peer->expects_body = request.method == RJ_HTTP_POST;
    if (peer->expects_body)
        rj_server_wait(peer->server, peer, RJ_WAIT_MESSAGE);
    else
        rj_timeq_cancel(&peer->limit);
    peer->must_close = request.method == RJ_HTTP_OTHER || request.length > discard_limit(peer);
    if (has_bad_framing(&request, &status))
        rj_peer_reply(peer, &(struct rj_response){.status = status, .wants_close = true});
    else
        route(peer, &request);
    if (peer->state == RJ_PEER_ANSWERED && peer->must_close)
        return write_reply(peer); /* nothing that follows matters */
    if (peer->state == RJ_PEER_EXCHANGE && !peer->expects_body)
        lws_set_timeout(peer->wsi, NO_PENDING_TIMEOUT, 0);
    return 0;
}

int rj_peer_on_body(struct rj_peer *peer, void *in, size_t len)
{
    if (peer->state != RJ_PEER_EXCHANGE || !peer->events || len == 0)
        return 0; /* nobody wants it any more */
    if (peer->input.len + len > rj_server_options(peer->server)->max_message_bytes) {
        rj_buf_free(&peer->input);
        rj_peer_lose(peer, "a body that is too large");
        return 0;
    }
    rj_buf_put(&peer->input, in, len);
    return 0;
}

int rj_peer_on_body_complete(struct rj_peer *peer, void *in, size_t len)
{
    (void)in, (void)len;
    if (peer->is_body_done)
        return -1; /* more came before the reply has gone */
    peer->is_body_done = true;
    rj_timeq_cancel(&peer->limit);
    const struct rj_peer_events *events = peer->events;
    if (peer->state == RJ_PEER_EXCHANGE && events && events->on_body)
        events->on_body(peer->owner, peer, rj_buf_span(&peer->input));
    if (peer->state == RJ_PEER_EXCHANGE) /* whom it was for is gone */
        rj_peer_reply(peer, &(struct rj_response){.status = 400});
    else if (peer->state == RJ_PEER_ANSWERED)
        want_write(peer);
    return 0;
}

int rj_peer_on_http_writable(struct rj_peer *peer, void *in, size_t len)
{
    (void)in, (void)len;
    bool is_read = !peer->expects_body || peer->is_body_done || peer->must_close;
    return peer->state == RJ_PEER_ANSWERED && is_read ? write_reply(peer) : 0;
}

int rj_peer_on_http_drop(struct rj_peer *peer, void *in, size_t len)
{
    (void)in, (void)len;
    if (peer->state != RJ_PEER_EXCHANGE && peer->state != RJ_PEER_ANSWERED)
        return 0;
    forget_exchange(peer);
    rj_peer_lose(peer, NULL);
    return 0;
}
