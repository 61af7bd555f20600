/* The HTTP side of a peer. The rules of libwebsockets 4.1 that shape it:
 *
 * - The reply is one write, headers and body. A reply that is ready while a handler runs is written right
 * behind it; any other waits for HTTP_WRITEABLE.
 * - A held GET must be freed of libwebsockets' timeout, or it is killed.
 * - A connection with an open exchange must not start another: libwebsockets parses pipelined requests over
 * the headers of the first. Pipelining works as long as replies are immediate.
 * - HTTP_DROP_PROTOCOL comes whenever a transaction ends, also when the other side went away.
 */
#include <stdlib.h>

#include "gateway/frontends/peer_internal.h"
#include "gateway/frontends/request.h"
#include "proto/base/mem.h"

static void forget_exchange(struct rj_peer *peer)
{
    rj_buf_free(&peer->reply);
    rj_buf_free(&peer->input);
    free(peer->allow_origin);
    peer->allow_origin = NULL;
    peer->state = RJ_PEER_IDLE;
}

/* -1: the connection is to be closed. */
static int write_reply(struct rj_peer *peer)
{
    int written = lws_write(peer->wsi, peer->reply.data, peer->reply.len, LWS_WRITE_HTTP_FINAL);
    forget_exchange(peer);
    if (written < 0 || peer->must_close)
        return -1;
    return lws_http_transaction_completed(peer->wsi) ? -1 : 0;
}

static int after_handler(struct rj_peer *peer)
{
    peer->is_in_handler = false;
    return peer->state == RJ_PEER_ANSWERED ? write_reply(peer) : 0;
}

void rj_peer_allow_origin(struct rj_peer *peer, struct rj_span origin)
{
    free(peer->allow_origin);
    peer->allow_origin = origin.len ? rj_strndup((const char *)origin.data, origin.len) : NULL;
}

void rj_peer_reply(struct rj_peer *peer, const struct rj_response *response)
{
    struct rj_response whole = *response;
    rj_peer_detach(peer);
    if (peer->state != RJ_PEER_EXCHANGE)
        return;
    peer->must_close = peer->must_close || response->wants_close;
    whole.wants_close = peer->must_close;
    whole.is_head = peer->is_head;
    whole.allow_origin = rj_span_str(peer->allow_origin);
    rj_response_put(&peer->reply, &whole);
    peer->state = RJ_PEER_ANSWERED;
    if (peer->is_in_handler)
        return;
    /* Somebody who does not read is not waited for forever. */
    lws_set_timeout(peer->wsi, PENDING_TIMEOUT_HTTP_CONTENT,
                    rj_server_options(peer->server)->stuck_timeout_s);
    lws_callback_on_writable(peer->wsi);
    rj_server_poke(peer->server);
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
    peer->is_in_handler = true;
    peer->is_body_done = false;
    peer->is_head = request.method == RJ_HTTP_HEAD;
    peer->must_close = true;
    if (has_bad_framing(&request, &status))
        rj_peer_reply(peer, &(struct rj_response){.status = status, .wants_close = true});
    else
        route(peer, &request);
    if (peer->state == RJ_PEER_EXCHANGE && request.method != RJ_HTTP_POST)
        lws_set_timeout(peer->wsi, NO_PENDING_TIMEOUT, 0);
    return after_handler(peer);
}

int rj_peer_on_body(struct rj_peer *peer, void *in, size_t len)
{
    if (peer->state != RJ_PEER_EXCHANGE || !peer->events || len == 0)
        return 0; /* nobody wants it any more */
    if (peer->input.len + len > rj_server_options(peer->server)->max_message_bytes) {
        rj_buf_free(&peer->input);
        rj_peer_lose(peer, true);
        return 0;
    }
    rj_buf_put(&peer->input, in, len);
    return 0;
}

int rj_peer_on_body_complete(struct rj_peer *peer, void *in, size_t len)
{
    (void)in, (void)len;
    /* libwebsockets asks again, and without end, when more data follows before the reply has gone. */
    if (peer->is_body_done)
        return -1;
    peer->is_body_done = true;
    if (peer->state != RJ_PEER_EXCHANGE)
        return 0;
    peer->is_in_handler = true;
    const struct rj_peer_events *events = peer->events;
    if (events && events->on_body)
        events->on_body(peer->owner, peer, rj_buf_span(&peer->input));
    if (peer->state == RJ_PEER_EXCHANGE) /* whom it was for is gone */
        rj_peer_reply(peer, &(struct rj_response){.status = 400});
    return after_handler(peer);
}

int rj_peer_on_http_writable(struct rj_peer *peer, void *in, size_t len)
{
    (void)in, (void)len;
    return peer->state == RJ_PEER_ANSWERED ? write_reply(peer) : 0;
}

int rj_peer_on_http_drop(struct rj_peer *peer, void *in, size_t len)
{
    (void)in, (void)len;
    if (peer->state != RJ_PEER_EXCHANGE && peer->state != RJ_PEER_ANSWERED)
        return 0;
    forget_exchange(peer);
    rj_peer_lose(peer, false);
    return 0;
}
